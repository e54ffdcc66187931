"""A picture of 12 megapixels with specks and scratches, and with a large hole besides."""

import argparse
import json
import time

import numpy as np
from harness import RESULTS, fresh, psnr, sample, write

from ntkfill import Info, Inpainter
from ntkfill.grids import windows

CLAIM = (
    "A colour picture of 4000 x 3000 pixels with .6 % missing in specks and scratches is filled in "
    "4 s and 1.2 GB, within .05 dB of the solve of the whole picture; with a hole of 256 x 256 "
    "besides in 12 s and 1.2 GB; and the fill tells how far it is."
)
SHARE = 0.006
# Tolerance of the solve of the whole: that of a window is direct.
RTOL = 1e-4


def reported(
    picture: np.ndarray, missing: np.ndarray
) -> tuple[np.ndarray, Info, np.ndarray, float]:
    """The fill, how it went, the progress (rows of time and share, start and end included), and
    seconds of all cores."""
    told, before = [(time.perf_counter(), 0.0)], time.process_time()
    inpainter = Inpainter(
        channel_axis=-1,
        cache=None,
        progress=lambda share: told.append((time.perf_counter(), share)),
    )
    done = inpainter.fill(picture, missing)
    told.append((time.perf_counter(), 1.0))
    return done.values, done.info, np.array(told), time.process_time() - before


def whole(picture: np.ndarray, missing: np.ndarray, network: object) -> np.ndarray:
    """The fill by one solve for all that is missing, of the network that was selected."""
    windows.LARGE = picture.size
    options = {"channel_axis": -1, "cache": None, "rtol": RTOL}
    return Inpainter(network, **options).fill(picture, missing).values


def specks_and_scratches(shape: tuple[int, int]) -> np.ndarray:
    """Half of the share in boxes of up to 5 x 5 pixels, half in lines two pixels wide."""
    rng, missing = np.random.default_rng(0), np.zeros(shape, bool)
    while missing.mean() < SHARE / 2:
        for _ in range(100):
            sides = rng.integers(1, 6, 2)
            corner = rng.integers(0, np.array(shape) - sides)
            missing[tuple(map(slice, corner, corner + sides))] = True
    while missing.mean() < SHARE:
        angle, length = rng.uniform(0, np.pi), rng.uniform(200, 1500)
        along = np.arange(0, length, 0.5)[:, None] * (np.sin(angle), np.cos(angle))
        places = np.rint(rng.random(2) * shape + along).astype(int)
        rows, columns = places[((places >= 0) & (places < np.array(shape) - 1)).all(axis=1)].T
        missing[rows, columns] = missing[rows + 1, columns + 1] = True
    return missing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="half of it each way; not written")
    parser.add_argument("--no-whole", action="store_true", help="whole: as in the last result")
    options = parser.parse_args()
    shape, side = ((1500, 2000), 128) if options.quick else ((3000, 4000), 256)
    picture, thin = sample(shape), specks_and_scratches(shape)
    hole = np.zeros(shape, bool)
    hole[shape[0] // 2 : shape[0] // 2 + side, shape[1] // 3 : shape[1] // 3 + side] = True
    figures, holds = {"shape": picture.shape, "missing": float(thin.mean())}, True
    for name, missing, seconds in (("thin", thin, 4), ("thin and hole", thin | hole, 12)):
        run = fresh(reported, picture, missing)
        filled, info, told, cpu_seconds = run.result
        waits, advances = np.diff(told, axis=0).T
        figures[name] = {
            "seconds": run.seconds,
            "cpu_seconds": cpu_seconds,
            "peak_mb": run.peak_mb,
            "process_mb": run.process_mb,
            "psnr_thin_db": psnr(picture / 255, filled / 255, thin & ~hole),
            "psnr_hole_db": psnr(picture / 255, filled / 255, hole)
            if missing[hole].all()
            else None,
            "progress_reports": len(told) - 2,
            "longest_silence_seconds": float(waits.max()),
            "progress_never_falls": bool((advances >= 0).all()),
            "network": repr(info.network),
            "converged": info.converged,
        }
        holds &= info.converged and run.seconds <= seconds and run.process_mb <= 1200
        holds &= len(told) > 4
        if name == "thin" and not options.no_whole:
            other = fresh(whole, picture, missing, info.network)
            figures["whole"] = {
                "seconds": other.seconds,
                "process_mb": other.process_mb,
                "rtol": RTOL,
                "psnr_thin_db": psnr(picture / 255, other.result / 255, thin & ~hole),
            }
    if options.no_whole and not options.quick:
        figures["whole"] = json.loads((RESULTS / "megapixels.json").read_text())["figures"]["whole"]
    if "whole" in figures:
        apart = figures["thin"]["psnr_thin_db"] - figures["whole"]["psnr_thin_db"]
        figures["thin_above_whole_db"] = apart
        holds &= abs(apart) <= 0.05
    write("megapixels", CLAIM, figures, bool(holds), options.quick)


if __name__ == "__main__":
    main()
