"""
A volume
========

Nine voxels in ten of a volume are missing. Volumes and video are the same call as images, with
three axes.
"""

import matplotlib.pyplot as plt
import numpy as np

import ntkfill

z, y, x = np.indices((32, 32, 32)) / 32
truth = np.sin(6 * x) * np.cos(4 * y) + z
missing = np.random.default_rng(0).random(truth.shape) < 0.9

filled = ntkfill.inpaint(np.where(missing, np.nan, truth))
error = np.sqrt(np.mean((filled - truth)[missing] ** 2))
print(f"RMSE {error:.3f}; the values themselves vary by {truth.std():.3f}")

figure, axes = plt.subplots(1, 3, figsize=(9, 3.3))
for axis, volume, title in zip(
    axes,
    (np.where(missing, np.nan, truth), filled, truth),
    ("one slice, known", "filled", "truth"),
    strict=True,
):
    axis.imshow(volume[16], vmin=truth.min(), vmax=truth.max())
    axis.set_title(title)
    axis.axis("off")
figure.tight_layout()
