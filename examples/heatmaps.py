"""What architecture and prior do: kernel rows of one pixel (after the paper's Figure 4)."""

import sys
from pathlib import Path

import numpy as np

from ntkfill import images, nn, plots, priors

SIDE, AT = 32, (12, 20)
PRIORS = {
    "uniform": priors.IID(),
    "mesh grid": priors.MeshGrid(),
    "identity matrix": priors.Features(np.eye(SIDE)[None]),
}

panels, captions = [], []
for name, prior in PRIORS.items():
    for levels in (1, 3):
        kernel = nn.hourglass(levels).kernel((SIDE, SIDE), prior)
        flat = np.ravel_multi_index(AT, (SIDE, SIDE))
        row = kernel.block(np.array([flat]), np.arange(SIDE * SIDE)).reshape(SIDE, SIDE)
        panels.append(plots.marked(plots.rising(row), AT))
        captions.append(f"{name}, {levels} levels")

folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()
images.write(folder / "heatmaps.png", images.Stored(plots.side_by_side(panels, captions), -1))
print(f"{len(panels)} heat maps in heatmaps.png")
