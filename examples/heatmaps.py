"""What architecture and prior do: kernel rows of one pixel (after the paper's Figure 4)."""

import sys
from pathlib import Path

from ntkfill import plots
from ntkfill.io import images

folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()
images.write(folder / "heatmaps.png", images.Stored(plots.kernel_maps((1, 3)), -1))
print("6 heat maps in heatmaps.png")
