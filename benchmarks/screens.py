"""What the benchmarks of drug screens share: the data, and scores in a form to write down."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ntkfill.screens import (
    DNPP,
    NTK,
    Additive,
    CellMean,
    Evaluation,
    FaLRTC,
    Method,
    Screen,
    Splitting,
    averaged,
    evaluate,
    read,
)
from ntkfill.screens.evaluation.report import figures

DATA = Path(__file__).parents[2] / "shared" / "data" / "screens"


def load(name: str) -> dict[str, np.ndarray]:
    """The arrays of a file under ../shared/data/screens; ends the run where it is not there."""
    path = DATA / name
    if not path.exists():
        print(f"skipped: {path} is not there")
        sys.exit(0)
    with np.load(path, allow_pickle=False) as stored:
        return {key: stored[key] for key in stored.files}


def l1000() -> Screen:
    """24 cell lines x 20 drugs x 978 genes."""
    z = load("l1000_24x20/derived_log2fc_24x20x978.npz")
    return Screen.from_tensor(z["T"], z["cells"], z["drugs"], z["entrez"]).known


def tggates() -> Screen:
    """146 drugs x 3 doses x 3 times x 196 genes, in hepatocytes."""
    z = load("tggates/derived_logfc_146x3x3x196.npz")
    labels = [
        ("hepatocyte", drug, dose, f"{hours} h")
        for drug in z["drugs"]
        for dose in z["doses"]
        for hours in z["hours"]
    ]
    return Screen(z["T"].reshape(len(labels), -1), labels, z["genes"]).known


def l1000_65cells() -> Screen:
    """65 cell lines x 18 treatments (drug, dose and time together) x 978 genes; means of
    replicates.
    """
    z = load("l1000_65cells/modz_978x272.npz")
    with (DATA / "l1000_65cells" / "signatures.csv").open(encoding="latin-1", newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    about = [rows[name] for name in z["sig_id"].tolist()]
    parts = ("pert_iname", "pert_idose", "pert_itime")
    labels = [(row["cell_id"], ", ".join(row[part] for part in parts)) for row in about]
    return averaged(z["X"], labels, z["gene_symbol"])


def cmap(folder: Path) -> Screen:
    """The Connectivity Map, or a part of it, in a folder of this layout:

    - `profiles.gctx` (or any other file that `ntkfill.screens.read` reads), one column a signature;
    - `sig_info.txt`, tab separated, for GCT files: `sig_id`, the names of columns, `cell_id` and
      `pert_iname`, and with them `pert_idose` and `pert_itime` where doses and times differ.

    Signatures with the same labels are averaged.
    """
    found = sorted(folder.glob("profiles.*"))
    if not found:
        raise FileNotFoundError(f"{folder} must hold profiles.gctx, .gct, .h5ad, .csv or .npz")
    labels = folder / "sig_info.txt"
    return read(found[0], replicates="mean", labels=labels if labels.exists() else None)


def baselines() -> dict[str, Method]:
    """Our default method and the baselines."""
    return {
        "ntk": NTK(),
        "cell mean": CellMean(),
        "additive": Additive(),
        "DNPP": DNPP(),
        "FaLRTC": FaLRTC(),
        "FaLRTC without genes": FaLRTC(alpha=(1.0, 0.0, 1.0)),
    }


def compared(
    screen: Screen,
    methods: dict[str, Method],
    splitting: Splitting,
    ours: str = "ntk",
    run: Callable[[str, Callable[[], Any]], Any] = lambda key, step: step(),
) -> dict[str, Any]:
    """Mean scores of each method, and paired tests of `ours` against each other one.

    `run` may keep what a step returned, so that an interrupted run goes on from there.
    """
    result: dict[str, Any] = {"splitting": repr(splitting), "methods": {}}
    parts, seconds = [], {}
    for name, method in methods.items():

        def step(name: str = name, method: Method = method) -> dict[str, Any]:
            started = time.perf_counter()
            part = evaluate(screen, {name: method}, splitting)
            arrays = (part.scores, part.sizes, *part.held_out, part.by_condition)
            return {
                "seconds": time.perf_counter() - started,
                "arrays": [array.tolist() for array in arrays],
            }

        done = run(f"{splitting!r} {name}", step)
        scores, sizes, *held_out, by_condition = map(np.array, done["arrays"])
        folds, names = tuple(map(str, range(len(sizes)))), np.unique(screen.known.contexts)
        part = Evaluation(
            (name,), folds, scores, sizes, tuple(names.tolist()), tuple(held_out), by_condition, ()
        )
        parts.append(part)
        seconds[name] = done["seconds"]
        means = {score: round(mean, 4) for score, mean in part.mean(name).items()}
        print(f"{name}: {seconds[name]:.1f} s {means}", flush=True)
    evaluation = replace(
        parts[0],
        methods=tuple(methods),
        scores=np.concatenate([part.scores for part in parts]),
        by_condition=np.concatenate([part.by_condition for part in parts]),
    )
    numbers = figures(screen, evaluation)
    for name, scores in numbers["methods"].items():
        result["methods"][name] = {
            "seconds": seconds[name],
            **{score: [of["mean"], *of["interval"]] for score, of in scores.items()},
        }
    result[f"{ours}_against"] = {
        name: {score: vars(test) for score, test in evaluation.against(ours, name).items()}
        for name in methods
        if name != ours
    }
    return result


def ahead(result: dict[str, Any], scores: tuple[str, ...], share: float = 0.0) -> bool:
    """Whether ours is better than every baseline on average, and in so many of the folds."""
    return all(
        of[score]["difference"] * (-1 if score == "rank" else 1) > 0
        and of[score]["wins"] >= share * of[score]["folds"]
        for name, of in result["ntk_against"].items()
        if not name.startswith("ntk")
        for score in scores
    )
