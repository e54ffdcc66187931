"""
A texture as its own prior
==========================

Four pixels in ten of a texture are known. It is filled by the network alone, and with
``refine="auto"``, which completes each patch from the patches that look like it.
"""

import matplotlib.pyplot as plt
import numpy as np

import ntkfill

rows, columns = np.indices((96, 96))
texture = np.sin(1.3 * rows + 0.5 * columns) + np.sin(
    0.4 * rows - 1.1 * columns
)
missing = np.random.default_rng(0).random(texture.shape) < 0.6

known = np.where(missing, np.nan, texture)
panels = {
    "known": known,
    "first fill": ntkfill.inpaint(known),
    'refine="auto"': ntkfill.inpaint(known, refine="auto"),
    "truth": texture,
}
figure, axes = plt.subplots(2, 2, figsize=(6, 6.4))
for axis, (name, image) in zip(axes.flat, panels.items(), strict=True):
    axis.imshow(image, cmap="gray", vmin=-2, vmax=2)
    axis.axis("off")
    error = np.sqrt(np.mean((image - texture)[missing] ** 2))
    axis.set_title(
        name if name in ("known", "truth") else f"{name}, RMSE {error:.2f}"
    )
figure.tight_layout()
