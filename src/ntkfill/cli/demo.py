"""`ntkfill demo`: damage a photo that scikit-learn ships, fill it in, and write the images."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

from ..errors import printable
from ..io.files import check_target
from .common import (
    DONE,
    NOT_CONVERGED,
    add_force,
    add_messages,
    add_output,
    check_outputs,
    print_json,
    shows_progress,
)
from .images import draw_heatmap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..observed import Mask

HOLE = (slice(150, 222), slice(300, 372))
AT = (200, 336)  # inside the hole


def add(command: argparse.ArgumentParser) -> None:
    """The options of `ntkfill demo`."""
    command.set_defaults(run=demo)
    add_output(command, "where the images are written", folder="ntkfill-demo")
    add_force(command)
    text = "one exact solve, without refinement"
    command.add_argument("--fast", action="store_true", help=text)
    add_messages(command)


def demo(options: argparse.Namespace) -> int:
    """Damage the photo, fill it, write the images into a folder and print the figures."""
    import numpy as np
    from sklearn.datasets import load_sample_image

    from ..grids.inpainter import Inpainter
    from ..io import images

    folder = options.output
    folder.mkdir(parents=True, exist_ok=True)
    check_target(folder / "before.png")
    names = ("before", "after", "truth", "heatmap")
    check_outputs([], [], [folder / f"{name}.png" for name in names], force=options.force)
    image = np.array(load_sample_image("china.jpg"))  # (427, 640, 3)
    scattered = np.random.default_rng(0).random(image.shape[:2]) < 0.5
    hole = np.zeros_like(scattered)
    hole[HOLE] = True
    missing = scattered | hole
    damaged = np.where(missing[..., None], np.uint8(255), image)
    inpainter = Inpainter(
        channel_axis=-1,
        refine=None if options.fast else "auto",
        progress=shows_progress(options),
    )
    started = time.perf_counter()
    filled = inpainter.fill(damaged, missing)
    seconds = time.perf_counter() - started
    # Kernel row and weights are those of the networks.
    drawn = draw_heatmap(Inpainter(inpainter.network_).fit(mask=missing), damaged, AT)
    for name, array in zip(names, (damaged, filled.values, image, drawn), strict=True):
        images.write(folder / f"{name}.png", images.Stored(array, -1))
    refinement = filled.info.refinement
    figures = {
        "psnr_scattered_db": psnr(filled.values, image, missing & ~hole),
        "psnr_hole_db": psnr(filled.values, image, hole),
        "psnr_picture_db": psnr(filled.values, image, np.ones_like(missing)),
        "seconds": round(seconds, 2),
        "steps": max(report.steps for report in filled.info.reports),
        "converged": filled.info.converged,
        "network": repr(inpainter.network_),
        "refined": None if refinement is None else refinement.report(),
        "pictures": str(folder),
    }
    if options.json:
        print_json(figures)
    else:
        print(
            f"half of a photo's pixels and a 72 x 72 hole, filled in {figures['seconds']} s "
            f"({figures['steps']} steps)\n"
            f"  scattered pixels {figures['psnr_scattered_db']} dB, hole "
            f"{figures['psnr_hole_db']} dB, whole picture {figures['psnr_picture_db']} dB\n"
            + ("" if refinement is None else f"  {figures['refined']}; --fast leaves it out\n")
            + f"  pictures: {printable(str(folder))}/before.png, after.png, truth.png, heatmap.png"
        )
    return DONE if filled.info.converged else NOT_CONVERGED


def psnr(image: NDArray[Any], truth: NDArray[Any], where: Mask) -> float:
    """Peak signal-to-noise ratio over some pixels of 8-bit images, in decibels."""
    import numpy as np

    error = image[where].astype(float) - truth[where].astype(float)
    return round(float(20 * np.log10(255) - 10 * np.log10(np.mean(error**2))), 2)
