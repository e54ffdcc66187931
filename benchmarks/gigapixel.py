"""Mosaics with clouds, filled tile by tile into a file: time by area, memory.

The mosaic is made where it is read, waves of many lengths and an edge here and there; a twentieth
is under clouds of 4 to 40 pixels. `--sides 20000` is .4 gigapixels and takes long; an interrupted
run of it goes on with `--resume`.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from harness import RESULTS, fresh, write

from ntkfill import Cache, Inpainter

CLAIM = (
    "Filling a mosaic tile by tile takes less than 2 GB of memory and time that grows with the "
    "area with an exponent of at most 1.1; known pixels come back as they were."
)
RUNS = RESULTS / "gigapixel_runs.json"
CELL, TILE = 200, 1024


class Mosaic:
    """uint16 pixels, made where they are sliced."""

    dtype, ndim = np.dtype(np.uint16), 2

    def __init__(self, side: int) -> None:
        self.shape = (side, side)
        rng = np.random.default_rng(0)
        self.waves = (
            rng.normal(size=(12, 3)) * np.tile([0.07, 0.1, 0.1, 0.15, 0.2, 0.3], 2)[:, None]
        )

    def axes(self, box: tuple[slice, slice]) -> tuple[np.ndarray, np.ndarray]:
        rows, columns = (np.arange(*s.indices(n)) for s, n in zip(box, self.shape, strict=True))
        return rows[:, None], columns[None]

    def __getitem__(self, box: tuple[slice, slice]) -> np.ndarray:
        y, x = self.axes(box)
        total = np.zeros(np.broadcast_shapes(y.shape, x.shape), np.float32)
        for k, (a, b, c) in enumerate(self.waves):
            total += np.sin((a * y + b * x) / 2 + c) / (1 + k % 6)
        total += (y // 331 + x // 287) % 2  # fields
        return np.round(3000 + 900 * total).astype(np.uint16)


class Clouds(Mosaic):
    """Where clouds are: a disc in every cell of a grid, whose size and place are hashed."""

    dtype = np.dtype(bool)

    def __getitem__(self, box: tuple[slice, slice]) -> np.ndarray:
        y, x = self.axes(box)
        row, column = y // CELL, x // CELL
        code = (row * 7919 + column * 104_729) % 1009
        radius = 4 + code % 37
        middle = 45 + (code * 31) % 110, 45 + (code * 17) % 110
        away = y - row * CELL - middle[0], x - column * CELL - middle[1]
        return away[0] ** 2 + away[1] ** 2 < radius**2


def run(side: int, resume: bool) -> dict[str, float]:
    image, clouds = Mosaic(side), Clouds(side)
    folder = Path(tempfile.gettempdir()) / f"gigapixel-{side}"
    folder.mkdir(exist_ok=True)
    path, started = folder / "filled.npy", time.process_time()
    cache = Cache(folder / "kernels")  # cold, and shared by the tiles
    Inpainter(cache=cache).fill_to_file(image, path, clouds, tile=TILE, resume=resume)
    seconds = time.process_time() - started
    filled = np.load(path, mmap_mode="r")
    box = (slice(side // 2, side // 2 + 1000), slice(0, 1000))
    truth, missing, found = image[box].astype(float), clouds[box], filled[box].astype(float)
    path.unlink()
    return {
        "megapixels": side**2 / 1e6,
        "cpu_seconds": seconds,
        "missing": float(missing.mean()),
        "error over standard deviation": float(
            np.sqrt(np.mean((found - truth)[missing] ** 2)) / truth.std()
        ),
        "known pixels kept": bool((found == truth)[~missing].all()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", nargs="+", type=int, default=[2048, 4096])
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    runs = json.loads(RUNS.read_text()) if RUNS.exists() else {}
    for side in options.sides:
        if str(side) not in runs:
            done = fresh(run, side, options.resume)
            runs[str(side)] = done.result | {"process_mb": done.process_mb}
            print(side, runs[str(side)], flush=True)
            RUNS.write_text(json.dumps(runs, indent=0) + "\n")
    every = [runs[key] for key in sorted(runs, key=int)]
    area, seconds = (np.array([one[of] for one in every]) for of in ("megapixels", "cpu_seconds"))
    exponent = float(np.polyfit(np.log(area), np.log(seconds), 1)[0]) if len(every) > 1 else None
    holds = exponent is not None and exponent <= 1.1
    holds &= all(one["process_mb"] < 2000 and one["known pixels kept"] for one in every)
    write("gigapixel", CLAIM, {"exponent": exponent, **runs}, bool(holds))


if __name__ == "__main__":
    main()
