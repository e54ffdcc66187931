"""`ntkfill demo`: a photo that scikit-learn ships, damaged and filled in again."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_sample_image

from .. import plots
from ..grids.inpainter import Inpainter
from ..io import images
from ..io.files import check_place
from ..observed import Mask

HOLE = (slice(150, 222), slice(300, 372))
AT = (200, 336)  # inside the hole


def photo() -> tuple[NDArray[np.uint8], Mask]:
    """The photo (427 x 640, RGB), and what the demo takes away: half of the pixels and a hole."""
    image = np.array(load_sample_image("china.jpg"))
    missing = np.random.default_rng(0).random(image.shape[:2]) < 0.5
    missing[HOLE] = True
    return image, missing


def psnr(image: NDArray[Any], truth: NDArray[Any], where: Mask) -> float:
    """Peak signal-to-noise ratio over some pixels of 8-bit pictures, in decibels."""
    error = image[where].astype(float) - truth[where].astype(float)
    return float(20 * np.log10(255) - 10 * np.log10(np.mean(error**2)))


def run(folder: Path, inpainter: Inpainter) -> dict[str, Any]:
    """Damage, fill, write pictures into a folder, and return the figures."""
    image, missing = photo()
    folder.mkdir(parents=True, exist_ok=True)
    check_place(folder / "before.png")
    hole = np.zeros_like(missing)
    hole[HOLE] = True
    damaged = np.where(missing[..., None], np.uint8(255), image)
    started = time.perf_counter()
    filled, info = inpainter.fill(damaged, missing, channel_axis=-1)
    seconds = time.perf_counter() - started
    heat = heatmap(inpainter, damaged, AT)
    for name, array in (
        ("before", damaged),
        ("after", filled),
        ("truth", image),
        ("heatmap", heat),
    ):
        images.write(folder / f"{name}.png", images.Stored(array, -1))
    return {
        "psnr_scattered_db": round(psnr(filled, image, missing & ~hole), 2),
        "psnr_hole_db": round(psnr(filled, image, hole), 2),
        "psnr_picture_db": round(psnr(filled, image, np.ones_like(missing)), 2),
        "seconds": round(seconds, 2),
        "steps": max(report.steps for report in info.reports),
        "converged": info.converged,
        "network": repr(inpainter.network_),
        "pictures": str(folder),
    }


def heatmap(inpainter: Inpainter, image: NDArray[Any], at: tuple[int, ...]) -> NDArray[np.uint8]:
    """The picture, the kernel row and the weights of one pixel, side by side."""
    row, share = inpainter.kernel_row(at), inpainter.weights(at)
    pair = (at[0], at[1])
    return plots.side_by_side(
        [
            plots.marked(plots.as_rgb(image), pair),
            plots.marked(plots.rising(row), pair),
            plots.marked(plots.signed(np.sign(share) * np.sqrt(np.abs(share)), 0.002), pair),
        ],
        [
            f"what is known; the pixel {pair[0]}, {pair[1]}",
            f"kernel row, {row.min():.3g} to {row.max():.3g}",
            f"weights (square root), {share.min():.2g} (blue) to {share.max():.2g} (red)",
        ],
    )
