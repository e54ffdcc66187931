"""Fill the gaps of a signal that is marked with NaN, and ask what one value is made of."""

import numpy as np

import ntkfill

time = np.linspace(0.0, 6.0, 600)
truth = np.sin(time) + 0.3 * np.sin(7 * time)
signal = truth.copy()
signal[200:230] = np.nan  # one long gap
signal[np.random.default_rng(0).random(600) < 0.3] = np.nan  # and many short ones

done = ntkfill.Inpainter().fill(signal)
filled, info = done.values, done.info
error = np.sqrt(np.mean((filled - truth)[np.isnan(signal)] ** 2))
print(f"{info.missing} values filled in {info.reports[0].steps} steps, RMSE {error:.3f}")

inpainter = ntkfill.Inpainter().fit(mask=np.isnan(signal))
weights = inpainter.weights((215,))
most = np.argsort(-np.abs(weights))[:3]
print("the middle of the gap is made of, most of all:", sorted(most.tolist()))
