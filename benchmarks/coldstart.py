"""New drugs, new cell lines and sparse screens: scores and cover of intervals on three screens.

No number was chosen on TG-GATEs. The form of the intervals (not symmetric, calibrated by novelty)
was chosen after seeing errors on parts of the two L1000 screens; features were tried on simulated
screens (`featured` below, seeds 0 and 1; scored here are others). Each part is kept as soon as it
is measured, in results/coldstart_runs.json, and left out the next time.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import screens as shared
from harness import RESULTS, write
from scipy.stats import spearmanr

from ntkfill.errors import PatternWarning
from ntkfill.screens import (
    NTK,
    Additive,
    CellMean,
    ColdStart,
    KFold,
    LeaveOneOut,
    MatrixNormal,
    Screen,
    Sparse,
    complete,
    evaluate,
)
from ntkfill.screens.evaluation.metrics import SCORES
from ntkfill.screens.evaluation.splits import Split, Splitting
from ntkfill.screens.features import SideFeatures

CLAIM = (
    "90 % intervals hold .85 to .95 of a new cell line (L1000) and .6 of its largest 5 % of "
    "values, .88 to .92 of new drugs; no score of what is new is more than .005 below the cell "
    "mean or the cell + drug sums, plain or shrunk; features gain where they are informative and "
    "cost nothing where they are not."
)
LEVEL = 0.9
SCREENS = {
    "l1000": shared.l1000,
    "l1000_65cells": shared.l1000_65cells,
    "tggates": shared.tggates,
}
RUNS = RESULTS / "coldstart_runs.json"


@dataclass(frozen=True)
class Given:
    """Predictions that were made already, by the labels of the conditions."""

    profiles: dict[tuple[str, ...], np.ndarray]

    def predict(self, train: Screen, conditions: np.ndarray) -> np.ndarray:
        return np.array([self.profiles[tuple(label)] for label in conditions.tolist()])


@dataclass(frozen=True)
class OneSplit:
    """A splitting of a single fold."""

    split: Split

    def splits(self, screen: Screen) -> Iterator[Split]:
        yield self.split


def settings(name: str, quick: bool) -> dict[str, Splitting]:
    few = 3 if quick else None
    groups = 10 if name == "tggates" else few
    return {
        "ten-fold": KFold(10, 1, random_state=2),
        "sparse": Sparse(3, 1 if quick else 3, random_state=2),
        "new drug": LeaveOneOut("drug", few or groups),
        # TG-GATEs has one cell line: a dose and time is left out.
        "new cell": LeaveOneOut("context" if name == "tggates" else "cell", few or groups),
    }


def measured(screen: Screen, splitting: Splitting) -> dict[str, Any]:
    """Scores of all methods, and what the intervals of the default one hold."""
    base = {"cell mean": CellMean(), "additive": Additive()}
    # The weight is chosen by hiding alike, as it is for ours.
    base |= {f"{name}, shrunk": ColdStart(m, others=()) for name, m in list(base.items())}
    scores: dict[str, list[np.ndarray]] = {}
    held, ranks = [], []
    size = np.abs(screen.profiles)
    largest = size >= np.quantile(size, 0.95)
    for split in splitting.splits(screen):
        train, labels = screen.take(split.train), screen.labels[split.test]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PatternWarning)
            filled = complete(train, conditions=labels, interval=LEVEL)
        values = filled.values.profiles
        given = Given(dict(zip(map(tuple, labels.tolist()), values, strict=True)))
        found = evaluate(screen, {"default": given, "ntk": NTK(), **base}, OneSplit(split))
        for method, of in zip(found.methods, found.scores[:, 0], strict=True):
            scores.setdefault(method, []).append(of)
        truth = screen.profiles[split.test]
        inside = (filled.interval.lower <= truth) & (truth <= filled.interval.upper)
        width = (filled.interval.upper - filled.interval.lower).mean(axis=1)
        error, std = (
            np.sqrt(np.mean(np.square(of), axis=1)) for of in (values - truth, filled.std)
        )
        big = largest[split.test]
        held += list(
            zip(
                filled.info.novelty.tolist(),
                screen.contexts[split.test].tolist(),
                inside.mean(axis=1),
                (inside & big).sum(axis=1),
                big.sum(axis=1),
                std,
                error,
                width,
                np.mean(np.square(truth), axis=1),
                strict=True,
            )
        )
    contexts = np.array([row[1] for row in held])
    cover, big_in, big, std, error, width, strength = np.array([row[2:] for row in held]).T
    for context in np.unique(contexts):
        rows = contexts == context
        if rows.sum() >= 5 and np.ptp(std[rows]) > 0:
            ranks.append(float(spearmanr(std[rows], error[rows])[0]))
    strong = strength >= np.quantile(strength, 0.75)
    kinds = np.array([row[0] for row in held])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # no fold has this score
        means = {
            method: dict(zip(SCORES, np.nanmean(of, axis=0).tolist(), strict=True))
            for method, of in scores.items()
        }
    return {
        "scores": {m: {s: None if v != v else v for s, v in of.items()} for m, of in means.items()},
        "cover": float(cover.mean()),
        "cover_of_largest_values": float(big_in.sum() / big.sum()),
        "cover_of_strongest_quarter": float(cover[strong].mean()),
        "conditions_between_80_and_97": float(np.mean((cover >= 0.8) & (cover <= 0.97))),
        "cover_by_novelty": {k: float(cover[kinds == k].mean()) for k in np.unique(kinds).tolist()},
        "rank_correlation_of_std_and_error": float(np.mean(ranks)) if ranks else None,
        "mean_width": float(width.mean()),
        "conditions": len(cover),
    }


def featured(seed: int, informative: bool) -> tuple[Screen, tuple[SideFeatures, ...]]:
    """A simulated screen: drugs and cell lines have latent positions that features tell of."""
    random = np.random.default_rng(seed)
    drug, cell = random.normal(size=(40, 6)), random.normal(size=(12, 6))
    programmes = random.normal(size=(6, 100)) / np.sqrt(6)
    truth = 0.7 * np.einsum("ca,da,ag->cdg", 1 + 0.4 * cell, drug, programmes)
    truth += 0.05 * np.einsum("ca,db,abg->cdg", cell, drug, random.normal(size=(6, 6, 100)))
    truth += random.normal(size=(12, 1, 100)) + 0.5 * random.normal(size=truth.shape)
    truth[random.random((12, 40)) < 0.5] = np.nan
    names = [f"c{k}" for k in range(12)], [f"d{k}" for k in range(40)], np.arange(100)
    sides = []
    for by, places, labels in (("drug", drug, names[1]), ("cell", cell, names[0])):
        rows = places @ random.normal(size=(6, 30)) + 0.5 * random.normal(size=(len(places), 30))
        if not informative:
            rows = rows[random.permutation(len(rows))]
        sides.append(SideFeatures(dict(zip(labels, rows, strict=True)), by))
    return Screen.from_tensor(truth, *names).known, tuple(sides)


def with_features(seed: int, informative: bool, of: str) -> dict[str, Any]:
    screen, sides = featured(seed, informative)
    methods = {
        "with features": ColdStart(NTK(MatrixNormal(features=sides))),
        "without": ColdStart(),
        "cell mean": CellMean(),
        "additive": Additive(),
    }
    found = evaluate(screen, methods, LeaveOneOut(of, 6))
    return {
        name: {s: None if v != v else v for s, v in found.mean(name).items()} for name in methods
    }


def behind(scores: dict[str, dict[str, float | None]], ours: str = "default") -> float:
    """How far ours is behind the best of the others in its worst score; 0 where ahead in all."""
    worst = 0.0
    for score in SCORES:
        sign = -1 if score == "rank" else 1
        for name, of in scores.items():
            if name not in (ours, "ntk") and of[score] is not None:
                worst = max(worst, sign * (of[score] - (scores[ours][score] or 0.0)))
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three folds; nothing is written")
    parser.add_argument("--data", type=Path, default=shared.DATA, help="folder of the screens")
    options = parser.parse_args()
    shared.DATA = options.data
    runs: dict[str, Any] = {}
    if RUNS.exists() and not options.quick:
        runs = json.loads(RUNS.read_text())

    def keep(key: str, make: Any) -> None:
        if key not in runs:
            runs[key] = make()
            print(key, json.dumps(runs[key]), flush=True)
            if not options.quick:
                RUNS.write_text(json.dumps(runs, indent=1) + "\n")

    for informative in (True, False):
        for of in ("drug", "cell"):
            key = f"simulated, {'informative' if informative else 'shuffled'} features, new {of}"
            keep(key, lambda i=informative, of=of: with_features(7, i, of))
    for name, load in SCREENS.items():
        screen = load()
        for setting, splitting in settings(name, options.quick).items():
            keep(f"{name}, {setting}", lambda s=screen, p=splitting: measured(s, p))
    new = {key: of for key, of in runs.items() if "new" in key and "cover" in of}
    reached = {
        "new cell line, L1000": 0.85 <= runs["l1000, new cell"]["cover"] <= 0.95,
        "its largest values": runs["l1000, new cell"]["cover_of_largest_values"] >= 0.6,
        "new drugs": all(0.88 <= new[f"{name}, new drug"]["cover"] <= 0.92 for name in SCREENS),
        "baselines": all(behind(of["scores"]) <= 0.005 for of in new.values()),
    }
    figures = {
        "runs": runs,
        "behind_the_best_baseline": {key: behind(of["scores"]) for key, of in new.items()},
        "reached": reached,
    }
    write("coldstart", CLAIM, figures, all(reached.values()), options.quick)


if __name__ == "__main__":
    main()
