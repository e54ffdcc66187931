"""
Complete a drug screen
======================

From the profiles that were measured to those that were not, with a check of how good they are.
"""

# %%
# 1. A screen
# -----------
# A drug screen is a table of expression profiles: one row per condition (cell line and drug), one
# column per gene. Most conditions were never measured. Here we simulate a small screen, so that the
# truth is known; ``screens.read`` reads yours from CSV, parquet, GCT or GCTX.

import matplotlib.pyplot as plt
import numpy as np

from ntkfill import screens

simulated = screens.simulate(cells=8, drugs=24, genes=60)
screen, truth = simulated.screen, simulated.truth
print(screen)

cells, drugs = np.unique(screen.cells), np.unique(screen.drugs)
measured = screen.measured.reshape(len(cells), len(drugs))
figure, axis = plt.subplots(figsize=(7, 2.8))
axis.pcolormesh(measured, cmap="Greys", vmin=-0.3, vmax=1.3, edgecolors="w")
axis.set(
    title="measured (dark) and not (light)",
    xlabel="drugs",
    ylabel="cell lines",
)
figure.tight_layout()

# %%
# 2. Which method to trust
# ------------------------
# Hold out measured conditions, predict them by each method from the rest, and compare. Scores with
# the mean of the cell line removed matter most, since that mean alone already correlates well.

methods = {
    "cell mean": screens.CellMean(),
    "cell + drug": screens.Additive(),
    "NTK": screens.NTK(),
}
evaluation = screens.evaluate(screen, methods, screens.KFold(5, rounds=1))

figure, axes = plt.subplots(1, 2, figsize=(8, 2.6), sharey=True)
for axis, score, title in (
    (axes[0], "r", "correlation"),
    (axes[1], "r_centred", "correlation, cell mean removed"),
):
    axis.barh(
        list(methods), [evaluation.mean(name)[score] for name in methods]
    )
    axis.set(title=title, xlim=(0, 1))
figure.tight_layout()

# %%
# 3. Complete it
# --------------
# ``complete`` predicts every pair of cell line and drug that was not measured. Measured profiles
# come back unchanged. With ``interval=0.9`` it also says how far off the predictions may be.

result = screens.complete(screen, interval=0.9)
completed = result.values
print(completed)

lower, upper = result.interval.lower, result.interval.upper
predicted = ~screen.measured
inside = (lower <= truth.profiles) & (truth.profiles <= upper)
print(
    f"{inside[predicted].mean():.0%} of the predicted values lie within their interval"
)

# %%
# One profile that was never measured, against the truth:

condition = np.flatnonzero(predicted)[0]
order = np.argsort(truth.profiles[condition])
genes = np.arange(len(screen.genes))
figure, axis = plt.subplots(figsize=(8, 3.2))
axis.vlines(
    genes, lower[condition][order], upper[condition][order], alpha=0.4, lw=3
)
axis.plot(
    genes,
    completed.profiles[condition][order],
    ".",
    label="predicted, 90 % interval",
)
axis.plot(genes, truth.profiles[condition][order], "k_", label="truth")
axis.set(
    title=", ".join(completed.labels[condition]),
    xlabel="genes, in order",
    ylabel="change",
)
axis.legend()
figure.tight_layout()

# %%
# 4. Rank the drugs
# -----------------
# Which drugs reverse the signature of a disease? The simulated disease has six cures.

ranking = screens.rank(result, simulated.signature)
best = ranking.drugs[:12]
figure, axis = plt.subplots(figsize=(8, 3.4))
for drug in reversed(best):
    axis.barh(
        drug.drug,
        -drug.cosine,
        color="tab:green" if drug.drug in simulated.cures else "0.7",
    )
axis.set(
    title="the twelve best drugs; the cures in green",
    xlabel="reversal (minus the cosine)",
)
figure.tight_layout()

# %%
# Where to go from here
# ---------------------
# Predicted profiles serve to decide what to measure next. Do not test them for differential
# expression as if they had been measured: :doc:`/guide/uncertainty` says why. On the command line
# the same is ``ntkfill screen evaluate | complete | rank``; ``ntkfill screen demo`` runs all of it.
