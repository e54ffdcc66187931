"""What architecture and prior do: kernel rows of one pixel (after the paper's Figure 4)."""

import sys
from pathlib import Path

from ntkfill import plots

folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()
axes = plots.kernel_rows((1, 3))
axes[0, 0].figure.savefig(folder / "heatmaps.png", dpi=100)
print(f"{axes.size} heat maps in heatmaps.png")
