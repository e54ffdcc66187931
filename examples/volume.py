"""Fill a volume of which 90 % is missing."""

import numpy as np

import ntkfill

z, y, x = np.indices((32, 32, 32)) / 32
truth = np.sin(6 * x) * np.cos(4 * y) + z
missing = np.random.default_rng(0).random(truth.shape) < 0.9

filled = ntkfill.inpaint(np.where(missing, 0.0, truth), missing)
error = np.sqrt(np.mean((filled - truth)[missing] ** 2))
print(f"RMSE {error:.3f} where the values themselves vary by {truth.std():.3f}")
