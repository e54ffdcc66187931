"""
Rows of a table that are images
===============================

Handwritten digits as a table: one row per image, one column per pixel. The lower half of some
images is missing, and is filled from the other rows.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.impute import KNNImputer, SimpleImputer

import ntkfill

truth = load_digits().data[:600]
missing = np.zeros(truth.shape, bool)
missing[:8, 32:] = True  # eight rows without their lower halves
table = np.where(missing, np.nan, truth)

panels = {
    "known": table,
    "column mean": SimpleImputer().fit_transform(table),
    "KNNImputer": KNNImputer().fit_transform(table),
    "NTKImputer": ntkfill.NTKImputer().fit_transform(table),
    "truth": truth,
}
figure, axes = plt.subplots(len(panels), 8, figsize=(7, 4.8))
for row, (name, values) in zip(axes, panels.items(), strict=True):
    error = np.sqrt(np.mean((values - truth)[missing] ** 2))
    if np.isfinite(error) and error:
        print(f"{name}: RMSE {error:.2f}")
    for axis, digit in zip(row, values, strict=False):
        axis.imshow(digit.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
        axis.set(xticks=[], yticks=[])
    row[0].set_ylabel(name, rotation=0, ha="right", va="center")
figure.tight_layout()
