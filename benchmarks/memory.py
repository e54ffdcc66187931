"""Memory that a call needs, as it was estimated before it began, and as it was measured: each in a
process of its own, with its kernels not cached. Linux only."""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ntkfill import Inpainter, NTKImputer, Recommender, Uncertainty, nn, screens
from ntkfill.grids.patches import passes
from ntkfill.priors import Features
from ntkfill.ratings import simulate

CLAIM = "The measured peak of memory is .7 to 1.5 of what is estimated before a call begins."
LOW, HIGH = 0.7, 1.5
DEEP = {"return_std": True, "uncertainty": Uncertainty(samples=16)}
WIDE = {"interval": 0.9, "uncertainty": Uncertainty(samples=16)}

# What is called, and the estimate in bytes.
Call = tuple[Callable[[], Any], Callable[[], float]]


def picture(*shape: int, share: float = 0.3, holes: int = 0, dtype: type = np.float64) -> Any:
    """Waves and noise, of which this share is missing, and a deep hole of this width."""
    rng = np.random.default_rng(0)
    grid = shape[:2] if len(shape) == 3 and shape[2] == 3 else shape
    places = np.indices(grid).sum(axis=0)
    image = (100 + 50 * np.sin(places / 9) + rng.normal(size=grid)).astype(dtype)
    mask = rng.random(grid) < share
    mask[tuple(slice(side // 3, side // 3 + holes) for side in grid)] |= holes > 0
    if grid != shape:
        image = np.stack([image, 255 - image, image // 2], axis=-1).astype(dtype)
    return image, mask


def fill(given: Any, asked: dict[str, Any], **options: Any) -> Call:
    image, mask = given
    colours = image.ndim == 3 and image.shape[-1] == 3
    inpainter = Inpainter(channel_axis=-1 if colours else None, cache=None, **options)
    kinds = {name: asked[name] for name in asked if name != "uncertainty"}
    return lambda: inpainter.fill(
        image, mask, **asked
    ), lambda: inpainter.plan(image, mask, **kinds).memory


def channels() -> Call:
    image, _ = picture(600, 600, 3)
    image = np.where(np.random.default_rng(1).random(image.shape) < 0.3, np.nan, image)
    return fill((image, None), {})


def direct() -> Call:
    image, mask = picture(48, 48)
    prior = Features(np.stack(np.indices(image.shape)) / 48)
    options = {"network": nn.hourglass(2), "shift_average": False, "boundary": "wrap"}
    return fill((image, mask), {}, prior=prior, **options)


def checked(call: Callable[[], Any]) -> Call:
    """A call whose estimate is the most that it checks for before it takes memory."""
    needed = [0]

    def record(what: str, size: int, limit: int | None = None, hint: str = "") -> None:
        needed.append(size)

    def recorded() -> None:
        for name, module in sys.modules.items():
            if name.startswith("ntkfill.") and hasattr(module, "require"):
                module.require = record
        call()

    return recorded, lambda: max(needed)


def tiles(side: int, workers: int) -> Call:
    """A mosaic with clouds, made where it is read."""
    from gigapixel import Clouds, Mosaic  # beside this script

    def fill() -> None:
        with tempfile.TemporaryDirectory() as folder:
            place, options = Path(folder) / "filled.npy", {"tile": 1024, "workers": workers}
            Inpainter(cache=None).fill_to_file(Mosaic(side), place, Clouds(side), **options)

    return checked(fill)


def table(n: int, m: int, **given: Any) -> Call:
    rng = np.random.default_rng(0)
    rows, columns = rng.normal(size=(n, 4)), rng.normal(size=(m, 4))
    values = rows @ columns.T + 0.1 * rng.normal(size=(n, m))
    values[rng.random(values.shape) < 0.1] = np.nan
    sides = {"row_features": rows, "column_features": columns}
    options = {name: sides.get(name, value) for name, value in given.items() if name != "asked"}
    imputer = NTKImputer(**options)
    asked = given.get("asked", {})
    return checked(
        lambda: imputer.impute(values, **asked) if asked else imputer.fit_transform(values)
    )


def partitions(n: int, m: int, chunk: int, **options: Any) -> Call:
    """A dask array whose partitions are made when they are read."""
    import dask.array

    def part(block_info: Any = None) -> np.ndarray:
        first, last = block_info[None]["array-location"][0]
        rng = np.random.default_rng(first)
        values = rng.normal(size=(last - first, 3)) @ np.arange(1.0, 3 * m + 1).reshape(3, m) % 7
        values += 0.3 * rng.normal(size=values.shape)
        return np.where(rng.random(values.shape) < 0.3, np.nan, values)

    chunks = (chunk,) * (n // chunk)
    values = dask.array.map_blocks(part, chunks=(chunks, (m,)), dtype=float)

    def fill() -> None:
        filled = NTKImputer(**options).fit_transform(values)
        filled.map_blocks(lambda part: part[:1]).compute()

    return checked(fill)


def rows_alike(n: int, m: int) -> Call:
    """Whole rows are missing, so that one factor serves all columns."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(n, 4))
    values = rows @ rng.normal(size=(4, m))
    values[rng.random(n) < 0.1] = np.nan
    return checked(lambda: NTKImputer(row_features=rows).fit_transform(values))


def screen(method: Any, asked: dict[str, Any], cells: int, drugs: int, genes: int) -> Call:
    made = screens.simulate(cells=cells, drugs=drugs, genes=genes, random_state=1).screen
    return checked(lambda: screens.complete(made, method, **asked))


def to_file(cells: int, drugs: int, genes: int) -> Call:
    """A sixth of the pairs is measured, as in LINCS by order of magnitude; all are written."""
    made = screens.simulate(cells=cells, drugs=drugs, genes=genes, random_state=1).screen
    some = np.random.default_rng(0).random(len(made)) < 1 / 6
    known = screens.Screen(made.profiles[some], made.labels[some], made.genes)

    def fill() -> None:
        with tempfile.TemporaryDirectory() as folder:
            screens.complete_to_file(known, Path(folder) / "completed.npy", screens.LowRank())

    return checked(fill)


def ratings(users: int, items: int, count: int) -> Call:
    made = simulate(users=users, items=items, count=count, rank=2)
    return checked(lambda: Recommender(max_iter=2).fit(made.users, made.items, made.ratings))


CASES: dict[str, Callable[[], Call]] = {
    "image": lambda: fill(picture(1000, 900), {}, network=nn.hourglass(5)),
    "image, auto": lambda: fill(picture(700, 700), {}),
    "image, 8 bits": lambda: fill(picture(800, 800, 3, dtype=np.uint8), {}),
    "image, a deep hole": lambda: fill(picture(900, 900, share=0, holes=300), {}),
    "image, a hole": lambda: fill(picture(600, 600, share=0, holes=60), {}),
    "image, std": lambda: fill(picture(500, 500), DEEP),
    "image, interval": lambda: fill(picture(400, 400), WIDE),
    "image, refined": lambda: fill(picture(256, 256), {}, refine="patches"),
    "image, refined, interval": lambda: fill(picture(160, 160), WIDE, refine="patches"),
    "image, exact": lambda: fill(picture(900, 900), {}, shift_average=False),
    "image, exact, std": lambda: fill(picture(256, 256), DEEP, shift_average=False),
    "channels": channels,
    "windows": lambda: fill(picture(2000, 2000, share=0.01), {}),
    "windows, 8 bits": lambda: fill(picture(1600, 1600, 3, share=0.01, dtype=np.uint8), {}),
    "windows, a hole": lambda: fill(picture(2000, 2000, share=0.005, holes=60), {}),
    "windows, std": lambda: fill(picture(1100, 1100, share=0.01), DEEP),
    "signal": lambda: fill(picture(1_000_000), {}),
    "volume": lambda: fill(picture(64, 64, 64), {}),
    "volume, std": lambda: fill(picture(48, 48, 48), DEEP),
    "volume, exact": lambda: fill(picture(24, 24, 24), {}, shift_average=False),
    "small volume, exact, std": lambda: fill(
        picture(8, 13, 5, share=0.01), DEEP, shift_average=False
    ),
    "direct": direct,
    "tiles": lambda: tiles(2200, 1),
    "tiles, two at once": lambda: tiles(2200, 2),
    "table": lambda: table(2000, 8, max_iter=4),
    "table, interval": lambda: table(700, 6, asked=WIDE, max_iter=4),
    "table, landmarks": lambda: table(12_000, 4, max_iter=3),
    "table, partitions": lambda: partitions(160_000, 5, 40_000, max_iter=2),
    "table, wide": lambda: table(700, 220, max_iter=3),
    "table, rows": lambda: table(2000, 6, row_features=0),
    "table, whole rows": lambda: rows_alike(4000, 20),
    "table, rows, std": lambda: table(1200, 6, row_features=0, asked=DEEP),
    "table, columns": lambda: table(30, 1500, column_features=0),
    "table, both": lambda: table(1500, 800, row_features=0, column_features=0),
    "table, both, std": lambda: table(600, 400, row_features=0, column_features=0, asked=DEEP),
    "screen": lambda: screen(None, {}, 40, 60, 200),
    "screen, interval": lambda: screen(None, {"interval": 0.9}, 20, 40, 100),
    "screen, additive": lambda: screen(screens.Additive(), {}, 60, 100, 500),
    "screen, FaLRTC": lambda: screen(screens.FaLRTC(max_iter=5), {}, 20, 60, 200),
    "screen, features": lambda: screen(
        screens.NTK(screens.means(("cell", "drug"))), {}, 40, 60, 200
    ),
    "screen, low rank": lambda: screen(screens.LowRank(), {}, 60, 800, 400),
    "screen, low rank, to a file": lambda: to_file(100, 2000, 500),
    "ratings": lambda: ratings(2000, 1500, 60_000),
    "ratings, many": lambda: ratings(20_000, 500, 400_000),
}


def status(name: str) -> int:
    """A line of what Linux says of this process, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


def warm() -> None:
    """Import what is imported late, so that it is not counted."""
    passes.COMPILED_SIZE, compiled_size = 0, passes.COMPILED_SIZE
    for shift_average in (True, False):
        small = fill(picture(16, 16), WIDE, network=nn.hourglass(1), shift_average=shift_average)
        small[0]()
    for make in (
        lambda: fill(picture(40, 40), {}, refine="patches"),
        lambda: table(12, 4, asked=WIDE),
        lambda: table(12, 4, row_features=0),
        lambda: table(12, 12, row_features=0, column_features=0),
        lambda: screen(None, {"interval": 0.9}, 4, 6, 4),
        lambda: ratings(30, 20, 200),
    ):
        make()[0]()
    passes.COMPILED_SIZE = compiled_size


def measure(name: str) -> dict[str, Any]:
    """Estimate and peak of one case, in this process."""
    warnings.simplefilter("ignore")
    warm()
    call, estimate = CASES[name]()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins now
    before = status("VmRSS")
    call()
    peak, estimated = status("VmHWM") - before, estimate()
    return {"estimated_mb": estimated / 1e6, "peak_mb": peak / 1e6, "ratio": peak / estimated}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    text = "the others stay as they were measured"
    parser.add_argument("--only", nargs="+", choices=CASES, metavar="CASE", help=text)
    parser.add_argument("--child", choices=CASES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(measure(given.child)))
        return
    figures = {}
    print(f"{'':28}{'estimated':>10}{'measured':>10}{'ratio':>8}  (MB)")
    for name in given.only or CASES:
        command = [sys.executable, __file__, "--child", name]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            print(f"{name:28}{done.stderr.strip().splitlines()[-1]}", flush=True)
            figures[name] = {"ratio": math.inf}
            continue
        figures[name] = found = json.loads(done.stdout)
        numbers = f"{found['estimated_mb']:10.0f}{found['peak_mb']:10.0f}{found['ratio']:8.2f}"
        print(f"{name:28}{numbers}", flush=True)
    import harness  # beside this script

    commit, place = harness.commit()[:7], harness.RESULTS / "memory.json"
    old = json.loads(place.read_text())["figures"] if place.exists() else {}
    figures = {name: {**found, "commit": commit} for name, found in figures.items()}
    figures = {name: figures.get(name) or old.get(name) for name in CASES}
    holds = all(found and LOW <= found["ratio"] <= HIGH for found in figures.values())
    harness.write("memory", CLAIM, figures, holds)
    sys.exit(not holds)


if __name__ == "__main__":
    main()
