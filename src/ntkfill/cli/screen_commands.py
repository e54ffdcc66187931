"""What `ntkfill screen` does: evaluate, complete, rank, demo."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .. import screens
from ..errors import InputError
from ..io.files import check_place, replacing
from ..runtime.progress import reporter
from ..screens import completion as completing
from ..screens import ranking
from ..screens.evaluation import report
from ..screens.evaluation.scores import LABELS, SCORES
from ..screens.io import reading, tables
from .exits import DONE
from .messages import say, shows_progress
from .output_paths import spare
from .sure_options import check_sure

Make = Callable[[argparse.Namespace, tuple[str, ...]], screens.Method]

METHODS: dict[str, Make] = {
    "ntk": lambda options, fields: screens.NTK(),
    "ntk-means": lambda options, fields: screens.NTK(screens.means(fields), centre="context"),
    "cell-mean": lambda options, fields: screens.CellMean(),
    "additive": lambda options, fields: screens.Additive(),
    "dnpp": lambda options, fields: screens.DNPP(),
    "falrtc": lambda options, fields: screens.FaLRTC(),
    "ntk-on-dnpp": lambda options, fields: screens.NTK(screens.imputed(screens.DNPP(), fields)),
    "ntk-on-falrtc": lambda options, fields: screens.NTK(screens.imputed(screens.FaLRTC(), fields)),
    "paper": lambda options, fields: screens.paper_mixture(
        options.reference, screens.FaLRTC(), options.threshold
    ),
}


def run(options: argparse.Namespace) -> int:
    """Run the screen command that was parsed; returns the exit code."""
    actions = {"evaluate": evaluate, "complete": complete, "rank": rank, "demo": demo}
    return actions[options.action](options)


def evaluate(options: argparse.Namespace) -> int:
    """Hold out, predict, score."""
    if options.report is not None:
        report.check(options.report)
        told_in = (options.report, report.numbers_of(options.report))
        spare([options.data], [("--report HTML", path) for path in told_in])
    screen = _read(options)
    told = _evaluated(options, screen, _methods(options, screen.fields), _splitting(options))
    numbers = report.figures(screen, told)
    if options.report is not None:
        report.write(options.report, screen, told)
        say(options, f"{told_in[0]}: the report; {told_in[1]}: JSON")
    if options.json:
        print(json.dumps(numbers, indent=1))
    else:
        print(_score_lines(numbers))
    return DONE


def complete(options: argparse.Namespace) -> int:
    """Predict every pair that was not measured."""
    check_sure(options)
    written = [("-o OUT", options.output), ("--std FILE", options.std)]
    spare([options.data], written)
    completing.check_target(options.output)
    if options.std is not None:
        completing.check_target(options.std)
    screen = _read(options)
    method, weigh = _method(options, screen.fields), options.std is not None
    done = screens.complete(screen, method, return_std=weigh, interval=options.interval)
    completing.write(options.output, done)
    if options.std is not None:
        completing.write_std(options.std, done)
        say(options, f"{options.std}: standard deviations, 0 where measured")
    count = int((~done.measured).sum())
    say(options, f"{options.output}: {count:,} of {len(done.measured):,} profiles predicted")
    if options.json:
        figures = {"output": str(options.output), "conditions": len(done.measured)}
        print(json.dumps(figures | {"predicted": count, "method": options.method}, indent=1))
    return DONE


def rank(options: argparse.Namespace) -> int:
    """Order drugs by reversal of a signature."""
    if options.output is not None:
        spare([options.data, options.signature], [("-o OUT", options.output)])
        _check_ranking(options.output)
    signature = ranking.read_signature(options.signature)
    screen = _read(options)
    done = screens.complete(screen, _method(options, screen.fields))
    ranked = screens.rank(
        done, signature, by=options.by, cells=options.cells, centre=not options.raw
    )
    say(
        options,
        f"{ranked.genes:,} genes of the signature are in the screen, {ranked.absent:,} are not",
    )
    _write_ranking(options, ranked, options.output)
    return DONE


def demo(options: argparse.Namespace) -> int:
    """A small simulated screen: evaluated, completed, ranked."""
    made, folder = screens.simulate(), options.output
    folder.mkdir(parents=True, exist_ok=True)
    check_place(folder / "report.html")
    say(options, "every number here is simulated; no cell and no drug was measured")
    methods: dict[str, screens.Method] = {
        "ntk": screens.NTK(),
        "dnpp": screens.DNPP(),
        "additive": screens.Additive(),
        "cell-mean": screens.CellMean(),
    }
    told = _evaluated(options, made.screen, methods, screens.KFold(5, rounds=2))
    note = "Simulated data: no cell line and no drug of this page exists."
    numbers = report.write(folder / "report.html", made.screen, told, note)
    done = screens.complete(made.screen)
    completing.write(folder / "completed.csv", done)
    with replacing(folder / "signature.csv") as file:
        tables.write(
            file, tables.Table(["gene", "change"], list(map(list, made.signature.items())))
        )
    ranked = screens.rank(done, made.signature)
    _write_table(folder / "ranked.csv", ranking.as_table(ranked))
    figures = {
        "simulated": True,
        "folder": str(folder),
        "scores": _means(numbers),
        "r_of_the_predicted_with_the_truth": _against_truth(made, done),
        "cures": list(made.cures),
        "first": [drug.drug for drug in ranked.drugs[: len(made.cures)]],
    }
    print(json.dumps(figures, indent=1) if options.json else _demo_lines(figures, numbers))
    return DONE


def _read(options: argparse.Namespace) -> screens.Screen:
    columns = dict(options.columns or ())
    screen = reading.read(options.data, columns, options.replicates)
    say(options, f"{options.data}: {screen!r}")
    return screen


def _methods(options: argparse.Namespace, fields: tuple[str, ...]) -> dict[str, screens.Method]:
    absent = [name for name in options.methods if name not in METHODS]
    if absent:
        raise InputError(f"no method {absent[0]!r}", expected=", ".join(METHODS))
    if "paper" in options.methods and options.reference is None:
        raise InputError("the paper's prior needs a cell line", hint="--reference MCF7")
    return {name: METHODS[name](options, fields) for name in options.methods}


def _method(options: argparse.Namespace, fields: tuple[str, ...]) -> screens.Method:
    options.methods = [options.method]
    return _methods(options, fields)[options.method]


def _splitting(options: argparse.Namespace) -> screens.Splitting:
    if options.hold_out == "folds":
        return screens.KFold(options.folds, options.rounds, options.seed)
    if options.hold_out == "sparse":
        return screens.Sparse(options.drugs, options.rounds, options.seed)
    return screens.LeaveOneOut(options.hold_out)


def _evaluated(
    options: argparse.Namespace,
    screen: screens.Screen,
    methods: dict[str, screens.Method],
    splitting: screens.Splitting,
) -> screens.Evaluation:
    progress = reporter(shows_progress(options), "folds")
    return screens.evaluate(screen, methods, splitting, progress)


def _means(numbers: dict[str, Any]) -> dict[str, dict[str, float]]:
    return {
        name: {score: round(of[score]["mean"], 4) for score in SCORES}
        for name, of in numbers["methods"].items()
    }


def _score_lines(numbers: dict[str, Any]) -> str:
    means = _means(numbers)
    width = max(map(len, means))
    lines = [" " * width + "".join(f"{score:>16}" for score in SCORES)]
    for name, of in means.items():
        lines.append(f"{name:<{width}}" + "".join(f"{of[score]:>16.3f}" for score in SCORES))
    lines += ["", *(f"{score}: {LABELS[score]}" for score in SCORES)]
    return "\n".join(lines)


def _demo_lines(figures: dict[str, Any], numbers: dict[str, Any]) -> str:
    found = len(set(figures["cures"]) & set(figures["first"]))
    return (
        f"SIMULATED screen, held-out scores over {numbers['folds']} folds:\n"
        f"{_score_lines(numbers)}\n\n"
        f"the {len(figures['cures'])} drugs that cure by construction: {found} of them among the "
        f"first {len(figures['cures'])} of the ranking\n"
        f"r of the predicted profiles with the truth: "
        f"{figures['r_of_the_predicted_with_the_truth']:.3f}\n"
        f"{figures['folder']}: report.html, report.json, completed.csv, signature.csv, ranked.csv"
    )


def _against_truth(made: screens.Simulated, done: screens.Completed) -> float:
    from ..screens.evaluation.scores import pearson

    place = {tuple(row): k for k, row in enumerate(made.truth.labels.tolist())}
    at = [place[tuple(row)] for row in done.screen.labels.tolist()]
    missing = ~done.measured
    return round(pearson(done.screen.profiles[missing], made.truth.profiles[at][missing]), 4)


def _write_ranking(
    options: argparse.Namespace, ranked: screens.Ranking, target: Path | None
) -> None:
    table = ranking.as_table(ranked)
    if target is not None:
        _write_table(target, table)
        say(options, f"{target}: {len(ranked.drugs):,} drugs")
    if options.json:
        figures = {"genes": ranked.genes, "absent": ranked.absent}
        print(json.dumps(figures | {"drugs": [asdict(d) for d in ranked.drugs]}, indent=1))
    elif target is None:
        tables.print_to(sys.stdout, table)


def _check_ranking(path: Path) -> None:
    if path.suffix.lower() == ".npz":
        raise InputError(f"{path} cannot hold a ranking", expected=".csv .tsv .txt .parquet")
    completing.check_target(path)


def _write_table(path: Path, table: tables.Table) -> None:
    with replacing(path) as file:
        tables.write(file, table)
