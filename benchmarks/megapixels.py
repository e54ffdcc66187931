"""A picture of 12 megapixels with a large hole and scattered dropouts."""

import argparse
import time

import numpy as np
from harness import fresh, psnr, sample, write

from ntkfill import Info, Inpainter

CLAIM = (
    "A colour picture of 4000 x 3000 pixels with a hole of 256 x 256 and 0.5 % dropouts is filled "
    "with less than 4 GB, and tells how far it is."
)


def reported(picture: np.ndarray, missing: np.ndarray) -> tuple[np.ndarray, Info, np.ndarray]:
    """The fill, how it went, and the progress: rows of time and share, start and end included."""
    told = [(time.perf_counter(), 0.0)]
    inpainter = Inpainter(
        channel_axis=-1,
        cache=None,
        progress=lambda share: told.append((time.perf_counter(), share)),
    )
    done = inpainter.fill(picture, missing)
    return done.values, done.info, np.array([*told, (time.perf_counter(), 1.0)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a quarter each way; not written")
    quick = parser.parse_args().quick
    shape, side = ((750, 1000), 64) if quick else ((3000, 4000), 256)
    picture = sample(shape)
    hole, dropouts = np.zeros(shape, bool), np.random.default_rng(0).random(shape) < 0.005
    hole[shape[0] // 2 : shape[0] // 2 + side, shape[1] // 3 : shape[1] // 3 + side] = True
    dropouts &= ~hole
    run = fresh(reported, picture, hole | dropouts)
    filled, info, told = run.result
    waits, advances = np.diff(told, axis=0).T
    filled, truth = filled / 255, picture / 255
    figures = {
        "shape": picture.shape,
        "seconds": run.seconds,
        "peak_mb": run.peak_mb,
        "process_mb": run.process_mb,
        "psnr_hole_db": psnr(truth, filled, hole),
        "psnr_dropouts_db": psnr(truth, filled, dropouts),
        "progress_reports": len(told) - 2,
        "longest_silence_seconds": float(waits.max()),
        "progress_never_falls": bool((advances >= 0).all()),
        "levels": info.plan.network.receptive_radius.bit_length() - 1,
        "steps": max(report.steps for report in info.reports),
        "converged": info.converged,
    }
    holds = info.converged and len(told) > 4 and run.process_mb < 4000
    write("megapixels", CLAIM, figures, bool(holds), quick)


if __name__ == "__main__":
    main()
