"""
Molecules as the prior of a drug screen
=======================================

What a new drug does can be told from drugs like it. A graph network of infinite width compares
molecules by their atoms and bonds; its kernel becomes features of drugs, which are a part of the
prior of a screen. Here the molecules are real, and the profiles simulated: each class of drugs has
one of its own, and each drug deviates from it.
"""

import matplotlib.pyplot as plt
import numpy as np

from ntkfill import nn, screens
from ntkfill.screens.features import OneHot, SideFeatures, Stack

drugs = {
    "ibuprofen": "CC(C)Cc1ccc(cc1)C(C)C(=O)O",
    "naproxen": "COc1ccc2cc(ccc2c1)C(C)C(=O)O",
    "ketoprofen": "CC(C(=O)O)c1cccc(c1)C(=O)c1ccccc1",
    "flurbiprofen": "CC(C(=O)O)c1ccc(c(F)c1)-c1ccccc1",
    "propranolol": "CC(C)NCC(O)COc1cccc2ccccc12",
    "atenolol": "CC(C)NCC(O)COc1ccc(CC(N)=O)cc1",
    "metoprolol": "COCCc1ccc(OCC(O)CNC(C)C)cc1",
    "pindolol": "CC(C)NCC(O)COc1cccc2[nH]ccc12",
    "diazepam": "CN1c2ccc(Cl)cc2C(=NCC1=O)c1ccccc1",
    "oxazepam": "OC1N=C(c2ccccc2)c2cc(Cl)ccc2NC1=O",
    "temazepam": "CN1C(=O)C(O)N=C(c2ccccc2)c2cc(Cl)ccc12",
    "lorazepam": "OC1N=C(c2ccccc2Cl)c2cc(Cl)ccc2NC1=O",
    "sulfamethoxazole": "Cc1cc(NS(=O)(=O)c2ccc(N)cc2)no1",
    "sulfadiazine": "Nc1ccc(cc1)S(=O)(=O)Nc1ncccn1",
    "sulfapyridine": "Nc1ccc(cc1)S(=O)(=O)Nc1ccccn1",
    "sulfathiazole": "Nc1ccc(cc1)S(=O)(=O)Nc1nccs1",
}
graphs = [nn.molecule(smiles) for smiles in drugs.values()]
print(graphs[0])

# %%
# The kernel of three graph convolutions, scaled to correlations. Drugs of a class are blocks.
layer = [nn.GraphConvolution(), nn.ReLU()]
network = nn.Sequential(*layer * 3, nn.GlobalAveragePool(), nn.Dense())
kernel = network.between(graphs)
lengths = np.sqrt(np.diagonal(kernel))
figure, axes = plt.subplots(figsize=(6, 5), constrained_layout=True)
axes.imshow(kernel / lengths / lengths[:, None], cmap="viridis")
axes.set_xticks(range(16), drugs, rotation=90)
axes.set_yticks(range(16), drugs)

# %%
# A screen of these drugs in six cell lines, 40 genes each.
rng = np.random.default_rng(0)
effects = np.repeat(rng.normal(size=(4, 40)), 4, axis=0) + 0.3 * rng.normal(
    size=(16, 40)
)
labels = [(f"cell {c}", drug) for c in range(6) for drug in drugs]
profiles = [
    rng.uniform(0.7, 1.3) * e + 0.3 * rng.normal(size=40)
    for _ in range(6)
    for e in effects
]
screen = screens.Screen(profiles, labels, [f"gene {g}" for g in range(40)])

# %%
# Every drug in turn is held out of all cell lines, and predicted from the others. Features of a
# kernel are used like any others; their mean is what all molecules have in common.
features = nn.kernel_features(network, graphs)
features = dict(zip(drugs, features - features.mean(axis=0), strict=True))
methods = {
    "mean of the cell line": screens.CellMean(),
    "NTK, labels of drugs": screens.NTK(Stack(OneHot("cell"), OneHot("drug"))),
    "NTK, molecules": screens.NTK(
        Stack(OneHot("cell"), SideFeatures(features, "drug"))
    ),
}
result = screens.evaluate(screen, methods, screens.LeaveOneOut("drug"))
for name in methods:
    print(
        f"{name:22} r {result.mean(name)['r']:5.2f}   R2 {result.mean(name)['r2']:5.2f}"
    )
