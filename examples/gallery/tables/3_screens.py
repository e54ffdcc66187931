"""
Drug screens, against other methods
===================================

Profiles of a simulated screen are held out, and predicted from the rest. The more conditions are
measured, the better; each method is a line.
"""

import matplotlib.pyplot as plt

from ntkfill import screens

methods = {
    "cell mean": screens.CellMean(),
    "cell + drug": screens.Additive(),
    "DNPP": screens.DNPP(),
    "NTK": screens.NTK(),
}
shares = (0.3, 0.45, 0.6, 0.75, 0.9)
scores = {name: [] for name in methods}
for share in shares:
    screen = screens.simulate(
        cells=8, drugs=24, genes=60, measured=share
    ).screen
    evaluation = screens.evaluate(screen, methods, screens.KFold(5, rounds=1))
    for name, values in scores.items():
        values.append(evaluation.mean(name)["r_centred"])

figure, axis = plt.subplots(figsize=(6, 4))
for name, values in scores.items():
    axis.plot(shares, values, "o-", label=name)
axis.set(
    xlabel="share of conditions that is measured",
    ylabel="correlation, cell mean removed",
)
axis.legend()
figure.tight_layout()
