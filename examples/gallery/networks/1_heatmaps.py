"""
What architecture and prior do
==============================

Kernel rows of one pixel: what networks of different depth, with different feature priors, take for
similar to it (after Figure 4 of Radhakrishnan et al. 2022, `doi:10.1073/pnas.2115064119
<https://doi.org/10.1073/pnas.2115064119>`__).
"""

import matplotlib.pyplot as plt
import numpy as np

from ntkfill import nn, priors

side, at = 32, (12, 20)
pixel, every = np.array([at[0] * side + at[1]]), np.arange(side**2)
choices = {
    "i.i.d.": priors.IID(),
    "mesh grid": priors.MeshGrid(),
    "identity": priors.Features(np.eye(side)[None]),
}
figure, axes = plt.subplots(3, 4, figsize=(8.6, 6.6))
for row, (name, prior) in zip(axes, choices.items(), strict=True):
    for axis, levels in zip(row, (1, 2, 3, 4), strict=True):
        kernel = nn.hourglass(levels).kernel((side, side), prior)
        axis.imshow(kernel.block(pixel, every).reshape(side, side), cmap="magma")
        axis.plot(at[1], at[0], "w+", ms=4)
        axis.set_title(f"{name}, {levels} level{'s' * (levels > 1)}", fontsize=9)
        axis.axis("off")
figure.tight_layout()
