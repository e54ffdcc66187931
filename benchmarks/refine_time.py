"""Time of `refine="auto"` on 512 x 512 pixels, compiled by Numba and by NumPy in turn."""

import argparse
import resource
import time
from statistics import mean, median
from typing import Any

import numpy as np
from harness import load_pictures, psnr, scattered, write

from ntkfill import inpaint
from ntkfill.grids.patches import passes

CLAIM = (
    "512 x 512 grey pixels, half and 90 % missing, choices of networks and patches included: at "
    "most 10 s of the processor and 5 s on two cores with Numba, fills as good as by NumPy to "
    ".01 dB."
)
PICTURES = ("barbara_GT", "boat_GT", "Lena512_GT", "man_GT")


def processor() -> float:
    """Seconds of the processor that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def run(picture: np.ndarray, missing: np.ndarray) -> dict[str, float]:
    """One fill: seconds, those of the processor, and PSNR."""
    used, started = processor(), time.perf_counter()
    filled = inpaint(picture, missing, refine="auto")
    seconds, used = time.perf_counter() - started, processor() - used
    return {"seconds": seconds, "processor": used, "psnr": psnr(picture, filled)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    compiled = passes.import_compiled
    assert compiled("ntkfill.grids.patches") is not None, "this needs Numba"
    engines = {"numba": compiled, "numpy": lambda _: None}
    pictures = load_pictures(PICTURES)
    first = pictures[PICTURES[0]]
    inpaint(first[:128, :128], scattered((128, 128), 0.5), refine="auto")  # compiled, loaded
    inpaint(first, scattered(first.shape, 0.5))  # kernels are in the cache from here on
    figures: dict[str, Any] = {}
    for name, picture in pictures.items():
        for share in (0.5, 0.1):
            missing = scattered(picture.shape, share)
            runs: dict[str, list[dict[str, float]]] = {engine: [] for engine in engines}
            for _ in range(repeats):
                for engine, module in engines.items():
                    passes.import_compiled = module
                    runs[engine].append(run(picture, missing))
            found = {
                engine: {key: median(one[key] for one in every) for key in every[0]}
                for engine, every in runs.items()
            }
            found["ratio"] = found["numba"]["processor"] / found["numpy"]["processor"]
            figures[f"{name.removesuffix('_GT')}, {1 - share:.0%} missing"] = found
            print(name, share, found, flush=True)
    passes.import_compiled = compiled
    every = list(figures.values())
    figures["mean"] = {
        engine: {key: mean(one[engine][key] for one in every) for key in every[0][engine]}
        for engine in engines
    }
    figures["largest difference in dB"] = max(
        abs(one["numba"]["psnr"] - one["numpy"]["psnr"]) for one in every
    )
    holds = (
        all(one["numba"]["processor"] <= 10 and one["numba"]["seconds"] <= 5 for one in every)
        and figures["largest difference in dB"] <= 0.01
    )
    write("refine_time", CLAIM, figures, holds)


if __name__ == "__main__":
    main()
