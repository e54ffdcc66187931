"""`ntkfill screen`: evaluate methods, complete screens, rank drugs, or a demo of all three."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, printable
from ..io.files import check_target
from .common import (
    DONE,
    add_excel_safe,
    add_force,
    add_messages,
    add_output,
    add_uncertainty,
    argument,
    check_outputs,
    check_uncertainty,
    listed,
    print_json,
    print_message,
    shows_progress,
)

if TYPE_CHECKING:
    from .. import screens

METHODS = (
    "ntk, low-rank, ntk-means, cell-mean, additive, dnpp, falrtc, ntk-on-dnpp, ntk-on-falrtc, paper"
)
DEFAULT = "ntk,dnpp,additive,cell-mean"


def add(command: argparse.ArgumentParser) -> None:
    """The actions of `ntkfill screen` and their options."""
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add_evaluate(actions.add_parser("evaluate", help="hold out, predict and score"))
    _add_complete(actions.add_parser("complete", help="predict every pair that was not measured"))
    _add_rank(actions.add_parser("rank", help="order drugs by reversal of a disease signature"))
    example = actions.add_parser("demo", help="a small simulated screen, from start to end")
    example.set_defaults(run=demo)
    add_output(example, "where the files go", folder="ntkfill-screen-demo")
    add_force(example)
    add_messages(example)


def _add_evaluate(command: argparse.ArgumentParser) -> None:
    command.set_defaults(run=evaluate)
    _add_data(command)
    add = command.add_argument
    text = f"of {METHODS} (default: {DEFAULT})"
    add("--methods", type=listed, default=DEFAULT, metavar="A,B", help=text)
    text = (
        "k-fold in each cell line; all but a few drugs; one drug, cell line, dose or time at a time"
    )
    choices = ("folds", "sparse", "drug", "cell", "dose", "time")
    add("--hold-out", choices=choices, default="folds", help=text)
    add("--folds", type=int, default=10, metavar="N", help="folds of the k-fold (default: 10)")
    text = "how often, with other folds (default: 5)"
    add("--rounds", type=int, default=5, metavar="N", help=text)
    text = "sparse: training drugs in each cell line (default: 3)"
    add("--drugs", type=int, default=3, metavar="N", help=text)
    add("--seed", type=int, default=0, metavar="N", help="of the folds (default: 0)")
    text = "one file with tables and plots; JSON beside it"
    add("--report", type=Path, metavar="HTML", help=text)
    text = "also the share of hidden values that intervals of this level hold, of the best method"
    add("--interval", type=float, metavar="LEVEL", help=text)
    add_force(command)
    _add_paper(command)
    add_messages(command)


def _add_complete(command: argparse.ArgumentParser) -> None:
    command.set_defaults(run=complete)
    _add_data(command)
    text = "a .csv, .tsv, .parquet, .xlsx, .npz, .gct, .gctx or .h5ad; of --method low-rank a .zarr"
    add_output(command, text + " or .npy, of any size")
    text = "of a .zarr or .npy: go on where an interrupted run stopped"
    command.add_argument("--resume", action="store_true", help=text)
    add_force(command)
    add_excel_safe(command)
    text = "a table or .npz of std; with --interval also of bounds; an .h5ad has them as layers"
    add_uncertainty(command, text)
    _add_method(command)
    add_messages(command)


def _add_rank(command: argparse.ArgumentParser) -> None:
    command.set_defaults(run=rank)
    _add_data(command)
    add = command.add_argument
    text = "genes and how the disease changes them, in the first two columns"
    add("--signature", type=Path, metavar="TABLE", required=True, help=text)
    add_output(command, "a .csv, .tsv or .parquet (default: on stdout)", required=False)
    add_excel_safe(command)
    add("--by", choices=("cosine", "connectivity"), default="cosine")
    text = "also the share of N permuted signatures that a drug reverses as much (default: none)"
    add("--permutations", type=int, default=0, metavar="N", help=text)
    text = "also intervals of this level for the scores: the profiles are predicted ten more times"
    add("--interval", type=float, metavar="LEVEL", help=text)
    add("--cells", nargs="+", metavar="CELL", help="only these cell lines")
    text = "do not subtract the mean over the drugs of each cell line from the profiles"
    add("--raw", action="store_true", help=text)
    _add_method(command)
    add_messages(command)


def _add_data(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("data", type=Path, metavar="DATA", help=".csv .tsv .parquet .npz .gct .gctx .h5ad")
    text = "the file's names of the columns cell, drug, dose, time, gene or value"
    add("--columns", nargs="+", type=_renamed, metavar="KIND=NAME", help=text)
    text = "columns of a wide table that are neither labels nor genes"
    add("--ignore", nargs="+", default=(), metavar="NAME", help=text)
    text = "of a .gct or .gctx: a table of labels by sig_id, such as sig_info.txt"
    add("--labels", type=Path, metavar="TABLE", help=text)
    add("--layer", metavar="NAME", help="of an .h5ad: where the profiles are, if not in X")
    text = "whether a condition that occurs more than once is an error or averaged"
    add("--replicates", choices=("refuse", "mean"), default="refuse", help=text)


def _add_method(command: argparse.ArgumentParser) -> None:
    text = f"one of {METHODS} (default: ntk)"
    command.add_argument("--method", default="ntk", metavar="NAME", help=text)
    _add_paper(command)


def _add_paper(command: argparse.ArgumentParser) -> None:
    text = "paper: the cell line whose profiles tell drugs apart"
    command.add_argument("--reference", metavar="CELL", help=text)
    text = "paper: cell lines with fewer training drugs are sparse (default: 150)"
    command.add_argument("--threshold", type=int, default=150, metavar="N", help=text)


def evaluate(options: argparse.Namespace) -> int:
    """Hold out, predict, score."""
    from .. import screens
    from ..screens.evaluation import report
    from ..uncertainty.intervals import check_level

    if options.interval is not None:
        check_level(options.interval)
    if options.report is not None:
        report.check(options.report)
        numbers_path = report.numbers_path(options.report)
        written = (options.report, numbers_path)
        named = [("--report HTML", path) for path in written]
        check_outputs([options.data, options.labels], named, [numbers_path], force=options.force)
    screen = read_screen(options)
    methods = {name: make_method(name, options, screen.fields) for name in options.methods}
    evaluation = evaluate_methods(options, screen, methods, make_splitting(options))
    covers: tuple[screens.Cover, ...] = ()
    if options.interval is not None:
        best = methods[report.best_method(evaluation)]
        covers = screens.calibration(best, screen, options.interval, options.seed)
    figures = report.figures(screen, evaluation, covers)
    if options.report is not None:
        report.write(options.report, screen, evaluation, covers=covers)
        print_message(options, f"{options.report}: the report; {numbers_path}: JSON")
    if options.json:
        print_json(figures)
    else:
        print(score_lines(figures))
        for cover in covers:
            print(
                f"intervals of {options.interval:g}: hold {cover.cover:.3f} of "
                f"{cover.conditions} hidden conditions, {cover.novelty}, {cover.stratum}"
            )
    return DONE


def complete(options: argparse.Namespace) -> int:
    """Predict every pair that was not measured."""
    from .. import screens
    from ..io import parts
    from ..screens.io import reading, writing

    check_uncertainty(options)
    written = [("-o OUT", options.output), ("--std FILE", options.std)]
    check_outputs([options.data, options.labels], written)
    if options.output.suffix in parts.SUFFIXES:
        names = [options.output.with_suffix(".json")] if options.output.suffix == ".npy" else []
        check_outputs([options.data, options.labels], written, names, force=options.force)
        return complete_in_parts(options)
    check_target(options.output, writing.SUFFIXES)
    if options.std is not None:
        check_target(options.std, writing.STD_SUFFIXES)
    screen = read_screen(options)
    done = screens.complete(
        screen,
        make_method(options.method, options, screen.fields),
        return_std=options.std is not None,
        interval=options.interval,
    )
    like = reading.annotations_of(
        options.data, dict(options.columns or ()), options.ignore, options.labels, options.layer
    )
    writing.write(options.output, done, like, excel_safe=options.excel_safe)
    if options.std is not None:
        writing.write_std(options.std, done, excel_safe=options.excel_safe)
        print_message(options, f"{options.std}: standard deviations, 0 where measured")
    predicted, count = int((~done.info.measured).sum()), len(done.info.measured)
    print_message(options, f"{options.output}: {predicted:,} of {count:,} profiles predicted")
    if options.json:
        print_json(
            {
                "output": str(options.output),
                "conditions": count,
                "predicted": predicted,
                "method": options.method,
            }
        )
    return DONE


def complete_in_parts(options: argparse.Namespace) -> int:
    """Predict every pair into a file that may be larger than memory."""
    from .. import screens
    from ..runtime.progress import reporter

    if options.method != "low-rank" or options.std is not None or options.interval is not None:
        raise InputError(
            f"{options.output.suffix} is written by --method low-rank, without --std and --interval"
        )
    screen, share = read_screen(options), reporter(shows_progress(options), "drugs")
    screens.complete_to_file(screen, options.output, resume=options.resume, progress=share)
    pairs = len(set(screen.contexts.tolist())) * len(set(screen.drugs.tolist()))
    print_message(options, f"{options.output}: {pairs:,} profiles of float32")
    if options.json:
        print_json({"output": str(options.output), "conditions": pairs, "method": options.method})
    return DONE


def rank(options: argparse.Namespace) -> int:
    """Order drugs by reversal of a signature."""
    from .. import screens
    from ..io import text_tables
    from ..screens import ranking
    from ..uncertainty.intervals import check_level

    if options.output is not None:
        check_outputs(
            [options.data, options.labels, options.signature], [("-o OUT", options.output)]
        )
        check_target(options.output, text_tables.SUFFIXES)
    if options.interval is not None:
        check_level(options.interval)
    signature = ranking.read_signature(options.signature)
    screen = read_screen(options)
    method = make_method(options.method, options, screen.fields)
    done = screens.complete(screen, method, return_std=options.interval is not None)
    ranked = screens.rank(
        done,
        signature,
        by=options.by,
        cells=options.cells,
        centre=not options.raw,
        permutations=options.permutations,
        level=0.9 if options.interval is None else options.interval,
    )
    print_message(
        options,
        f"{ranked.genes:,} genes of the signature are in the screen, {ranked.absent:,} are not",
    )
    table = ranking.as_table(ranked)
    if options.excel_safe:
        table = table.excel_safe()
    if options.output is not None:
        text_tables.write(options.output, table)
        print_message(options, f"{options.output}: {len(ranked.drugs):,} drugs")
    if options.json:
        print_json(
            {
                "genes": ranked.genes,
                "absent": ranked.absent,
                "drugs": [asdict(drug) for drug in ranked.drugs],
            }
        )
    elif options.output is None:
        text_tables.print_table(sys.stdout, table)
    return DONE


def demo(options: argparse.Namespace) -> int:
    """A small simulated screen: evaluated, completed, ranked."""
    from .. import screens
    from ..io.text_tables import Table, write
    from ..screens import ranking
    from ..screens.evaluation import report
    from ..screens.evaluation.metrics import pearson
    from ..screens.io import writing

    made, folder = screens.simulate(), options.output
    folder.mkdir(parents=True, exist_ok=True)
    check_target(folder / "report.html")
    files = ["report.html", "report.json", "completed.csv", "signature.csv", "ranked.csv"]
    check_outputs([], [], [folder / name for name in files], force=options.force)
    print_message(options, "every number here is simulated; no cell and no drug was measured")
    methods: dict[str, screens.Method] = {
        "ntk": screens.ColdStart(),
        "dnpp": screens.DNPP(),
        "additive": screens.Additive(),
        "cell-mean": screens.CellMean(),
    }
    evaluation = evaluate_methods(options, made.screen, methods, screens.KFold(5, rounds=2))
    note = "Simulated data: no cell line and no drug of this page exists."
    numbers = report.figures(made.screen, evaluation)
    if report.can_render():
        report.write(folder / "report.html", made.screen, evaluation, note)
    else:
        files = files[2:]
        print_message(options, "no report.html: pip install 'ntkfill[screens]' to have one")
    done = screens.complete(made.screen)
    writing.write(folder / "completed.csv", done)
    ranked = screens.rank(done, made.signature)
    write(folder / "signature.csv", Table(["gene", "change"], list(made.signature.items())))
    write(folder / "ranked.csv", ranking.as_table(ranked))
    place = {tuple(row): k for k, row in enumerate(made.truth.labels.tolist())}
    truth = made.truth.profiles[[place[tuple(row)] for row in done.values.labels.tolist()]]
    predicted = ~done.info.measured
    r = round(pearson(done.values.profiles[predicted], truth[predicted]), 4)
    first = [drug.drug for drug in ranked.drugs[: len(made.cures)]]
    if options.json:
        print_json(
            {
                "simulated": True,
                "folder": str(folder),
                "scores": mean_scores(numbers),
                "r_of_the_predicted_with_the_truth": r,
                "cures": list(made.cures),
                "first": first,
            }
        )
    else:
        count = len(made.cures)
        print(
            f"SIMULATED screen, held-out scores over {numbers['folds']} folds:\n"
            f"{score_lines(numbers)}\n\n"
            f"the {count} drugs that cure by construction: {len(set(made.cures) & set(first))} of "
            f"them among the first {count} of the ranking\n"
            f"r of the predicted profiles with the truth: {r:.3f}\n"
            f"{printable(str(folder))}: {', '.join(files)}"
        )
    return DONE


def read_screen(options: argparse.Namespace) -> screens.Screen:
    """The screen in the file that was given."""
    from .. import screens

    screen = screens.read(
        options.data,
        dict(options.columns or ()),
        options.replicates,
        options.ignore,
        options.labels,
        options.layer,
    )
    print_message(options, f"{options.data}: {screen!r}")
    return screen


def make_method(name: str, options: argparse.Namespace, fields: tuple[str, ...]) -> screens.Method:
    """The method of this name."""
    from .. import screens

    if name == "paper":
        if options.reference is None:
            raise InputError("the paper's prior needs a cell line", hint="--reference MCF7")
        return screens.paper_mixture(options.reference, screens.FaLRTC(), options.threshold)
    plain = {
        "low-rank": screens.LowRank,
        "cell-mean": screens.CellMean,
        "additive": screens.Additive,
        "dnpp": screens.DNPP,
        "falrtc": screens.FaLRTC,
    }
    if name in plain:
        return plain[name]()
    if name == "ntk":
        return screens.ColdStart()
    if name == "ntk-means":
        return screens.NTK(screens.means(fields), centre="context")
    if name in METHODS.split(", "):
        return screens.NTK(screens.Imputation(plain[name.removeprefix("ntk-on-")](), fields))
    raise InputError(f"no method {name!r}", expected=METHODS)


def make_splitting(options: argparse.Namespace) -> screens.Splitting:
    """The hold-out that was asked for."""
    from .. import screens

    if options.hold_out == "folds":
        return screens.KFold(options.folds, options.rounds, options.seed)
    if options.hold_out == "sparse":
        return screens.Sparse(options.drugs, options.rounds, options.seed)
    return screens.LeaveOneOut(options.hold_out)


def evaluate_methods(
    options: argparse.Namespace,
    screen: screens.Screen,
    methods: dict[str, screens.Method],
    splitting: screens.Splitting,
) -> screens.Evaluation:
    """Evaluate with a progress bar."""
    from .. import screens
    from ..runtime.progress import reporter

    return screens.evaluate(screen, methods, splitting, reporter(shows_progress(options), "folds"))


def mean_scores(numbers: dict[str, Any]) -> dict[str, dict[str, float | None]]:
    """The mean of each score, by method; None where it is undefined."""
    return {
        method: {
            score: None if value["mean"] is None else round(value["mean"], 4)
            for score, value in scores.items()
        }
        for method, scores in numbers["methods"].items()
    }


def score_lines(numbers: dict[str, Any]) -> str:
    """The mean scores as lines of text."""
    from ..screens.evaluation.metrics import LABELS, SCORES

    means = mean_scores(numbers)
    width = max(map(len, means))
    lines = [" " * width + "".join(f"{score:>16}" for score in SCORES)]
    for name, of in means.items():
        shown = ("undefined" if of[score] is None else f"{of[score]:.3f}" for score in SCORES)
        lines.append(f"{name:<{width}}" + "".join(f"{text:>16}" for text in shown))
    lines += ["", *(f"{score}: {LABELS[score]}" for score in SCORES)]
    return "\n".join(lines)


@argument("KIND=NAME such as drug=compound")
def _renamed(text: str) -> tuple[str, str]:
    kind, _, name = text.partition("=")
    if not kind or not name:
        raise ValueError
    return kind, name
