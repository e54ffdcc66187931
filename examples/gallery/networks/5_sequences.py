"""
Signals sampled at uneven times, as rows of a table
===================================================

A recurrent network of infinite width compares signals of different lengths. Each step has a value,
the time since the step before, and a constant. The kernel becomes features of the rows of a table,
from which missing properties of the signals are filled in.
"""

import matplotlib.pyplot as plt
import numpy as np

from ntkfill import NTKImputer, nn

rng = np.random.default_rng(0)
rates = rng.uniform(0.5, 2.0, 100)
signals = []
for rate in rates:
    times = np.cumsum(rng.uniform(0.05, 0.5, rng.integers(4, 9)))
    values = rate * times + 0.02 * rng.normal(size=len(times))
    steps = [values, np.diff(times, prepend=0.0), np.ones(len(times))]
    signals.append(np.column_stack(steps))
    if len(signals) < 5:
        plt.plot(times, values, "o-", markersize=3)
plt.xlabel("time")

# %%
# The rates of growth of a quarter of the signals are not known.
network = nn.Sequential(nn.Recurrent(recurrent=0.5), nn.ReLU(), nn.Dense())
hidden = np.arange(100) % 4 == 1
table = np.where(hidden, np.nan, rates)[:, None]
fills = {}
for name, columns in (("with times", [0, 1, 2]), ("without", [0, 2])):
    chosen = [signal[:, columns] for signal in signals]
    features = nn.kernel_features(network, chosen, kind="nngp")
    imputer = NTKImputer(
        row_features=features, network=nn.Sequential(nn.Dense())
    )
    fills[name] = imputer.fit_transform(table)[hidden, 0]
    error = (
        np.sqrt(np.mean((fills[name] - rates[hidden]) ** 2))
        / rates[hidden].std()
    )
    print(f"{name}: error {error:.2f} of the standard deviation")

# %%
# What was filled in against the truth.
figure, axes = plt.subplots(figsize=(4.5, 4))
for name, filled in fills.items():
    axes.plot(rates[hidden], filled, "o", label=name)
axes.plot([0.5, 2], [0.5, 2], "k", linewidth=1)
axes.set(xlabel="rate", ylabel="filled in")
axes.legend()
