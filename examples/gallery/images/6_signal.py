"""
Gaps in a signal
================

A signal with one long gap and many short ones, marked by NaN, with 90 % intervals.
"""

import matplotlib.pyplot as plt
import numpy as np

import ntkfill

random = np.random.default_rng(0)
time = np.linspace(0.0, 6.0, 600)
truth = np.sin(time) + 0.3 * np.sin(7 * time)
signal = truth.copy()
signal[200:230] = np.nan
signal[random.random(600) < 0.3] = np.nan

result = ntkfill.Inpainter().fill(signal, interval=0.9)
error = np.sqrt(np.mean((result.values - truth)[np.isnan(signal)] ** 2))
print(f"{result.info.missing} values filled, RMSE {error:.3f}")

figure, axis = plt.subplots(figsize=(9, 3))
axis.fill_between(
    time,
    result.interval.lower,
    result.interval.upper,
    alpha=0.4,
    label="90 % interval",
)
axis.plot(time, truth, "k", lw=0.8, label="truth")
axis.plot(time, signal, ".", ms=3, label="known")
axis.legend()
axis.set_xlabel("time")
figure.tight_layout()
