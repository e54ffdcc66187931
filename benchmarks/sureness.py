"""What the benchmarks of standard deviations and intervals share: the held-out entries."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import mean
from typing import Any

import numpy as np
from harness import GREYS, half_missing, load_pictures
from screens import l1000
from tables import bundled

from ntkfill import NTKImputer, inpaint
from ntkfill.screening import KFold, complete

LEVEL = 0.9
# Larger tables are cut: six fits of each are a matter of minutes.
ROWS = 600


def judged(
    truth: np.ndarray, values: np.ndarray, std: np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> dict[str, float]:
    """Of entries that were hidden from everything."""
    error = np.abs(values - truth)
    order, tenth = np.argsort(std, kind="stable"), max(1, len(std) // 10)
    most, least = error[order[-tenth:]].mean(), error[order[:tenth]].mean()
    return {
        "entries": len(truth),
        "cover": float(np.mean((lower <= truth) & (truth <= upper))),
        "width": float(np.mean(upper - lower)),
        "spread_of_truth": float(truth.std()),
        "error_of_tenth_with_largest_std": float(most),
        "error_of_tenth_with_smallest_std": float(least),
        "ratio": float(most / least),
        "rms_error_over_std": float(np.sqrt(np.mean(np.square(error / std)))),
    }


def greys(quick: bool) -> Iterator[tuple[str, dict[str, float]]]:
    """Half of the pixels missing."""
    for name, whole in load_pictures(f"{name}_GT" for name in GREYS).items():
        picture = whole[-128:, -128:] if quick else whole
        missing = half_missing(picture.shape)
        sure = inpaint(picture, missing, interval=LEVEL)
        bounds = sure.interval.lower[missing], sure.interval.upper[missing]
        told = judged(picture[missing], sure.values[missing], sure.std[missing], *bounds)
        yield name.removesuffix("_GT"), told


def screen(quick: bool) -> Iterator[tuple[str, dict[str, float]]]:
    """24 cell lines x 20 drugs x 978 genes; every condition held out once."""
    given = l1000()
    for split in KFold(10, rounds=1, seed=7).splits(given):
        if quick and not split.name.endswith(("fold 1", "fold 2")):
            continue
        done = complete(
            given.take(split.train), conditions=given.labels[split.test], interval=LEVEL
        )
        truth = given.profiles[split.test].ravel()
        arrays = (done.screen.profiles, done.std, done.interval.lower, done.interval.upper)
        yield split.name, judged(truth, *(array.ravel() for array in arrays))


def tables(quick: bool) -> Iterator[tuple[str, dict[str, float]]]:
    """The tables that come with scikit-learn, standardised, 30 % of the entries missing."""
    for name, whole in bundled().items():
        table = whole[:ROWS]
        table = table[:, table.std(axis=0) > 0]
        if quick and table.size > 3000:
            continue
        runs = []
        for seed in range(10 if len(table) < 100 else 3):
            missing = np.random.default_rng(seed).random(table.shape) < 0.3
            missing[missing.all(axis=1), 0] = False
            done = NTKImputer().impute(
                np.where(missing, np.nan, table), return_std=True, interval=LEVEL
            )
            arrays = (done.values, done.std, done.interval.lower, done.interval.upper)
            runs.append(judged(table[missing], *(array[missing] for array in arrays)))
        yield name, {key: mean(run[key] for run in runs) for key in runs[0]} | {"draws": len(runs)}


GROUPS = {"greys": greys, "l1000_24x20": screen, "scikit-learn tables": tables}


def measured(quick: bool) -> dict[str, dict[str, Any]]:
    """All groups, told as they go."""
    figures: dict[str, dict[str, Any]] = {}
    for group, run in GROUPS.items():
        figures[group] = {}
        for name, told in run(quick):
            figures[group][name] = told
            print(group, name, {k: round(v, 4) for k, v in told.items()}, flush=True)
    return figures


def averaged(figures: dict[str, dict[str, Any]], key: str) -> dict[str, float]:
    return {group: mean(told[key] for told in of.values()) for group, of in figures.items()}
