"""What can be asked of `ntkfill screen`."""

from __future__ import annotations

import argparse
from pathlib import Path

from .messages import add_telling
from .output_paths import add_output
from .sure_options import add_sure

METHODS = "ntk, ntk-means, cell-mean, additive, dnpp, falrtc, ntk-on-dnpp, ntk-on-falrtc, paper"
DEFAULT = ("ntk", "dnpp", "additive", "cell-mean")


def add(command: argparse.ArgumentParser) -> None:
    """Add the screen's own commands."""
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    _evaluate(actions.add_parser("evaluate", help="hold out, predict and score"))
    _complete(actions.add_parser("complete", help="predict every pair that was not measured"))
    _rank(actions.add_parser("rank", help="order drugs by reversal of a disease signature"))
    demo = actions.add_parser("demo", help="a small simulated screen, from start to end")
    add_output(demo, "where the files go", folder="ntkfill-screen-demo")
    add_telling(demo)


def _evaluate(command: argparse.ArgumentParser) -> None:
    _data(command)
    command.add_argument(
        "--methods",
        type=lambda text: [name.strip() for name in text.split(",")],
        default=list(DEFAULT),
        metavar="A,B",
        help=f"of {METHODS} (default: {','.join(DEFAULT)})",
    )
    command.add_argument(
        "--hold-out",
        choices=("folds", "sparse", "drug", "cell"),
        default="folds",
        help="k-fold in each cell line; all but a few drugs; one drug or cell line at a time",
    )
    for name, default, text in (
        ("folds", 10, "folds of the k-fold"),
        ("rounds", 5, "how often, with other folds"),
        ("drugs", 3, "sparse: training drugs in each cell line"),
        ("seed", 0, "of the folds"),
    ):
        command.add_argument(
            f"--{name}", type=int, default=default, metavar="N", help=f"{text} (default: {default})"
        )
    command.add_argument(
        "--report", type=Path, metavar="HTML", help="one file with tables and plots; JSON beside it"
    )
    _paper(command)
    add_telling(command)


def _complete(command: argparse.ArgumentParser) -> None:
    _data(command)
    add_output(command, "a .csv, .tsv, .parquet or .npz")
    add_sure(command, "as -o, columns of std; with --interval columns of bounds besides")
    _method(command)
    add_telling(command)


def _rank(command: argparse.ArgumentParser) -> None:
    _data(command)
    command.add_argument(
        "--signature",
        type=Path,
        metavar="TABLE",
        required=True,
        help="genes and how the disease changes them, in the first two columns",
    )
    add_output(command, "a .csv, .tsv or .parquet (default: on stdout)", required=False)
    command.add_argument("--by", choices=("cosine", "connectivity"), default="cosine")
    command.add_argument("--cells", nargs="+", metavar="CELL", help="only these cell lines")
    command.add_argument(
        "--raw", action="store_true", help="keep what all drugs do in a cell line in the profiles"
    )
    _method(command)
    add_telling(command)


def _data(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "data", type=Path, metavar="DATA", help=".csv .tsv .parquet .npz .gct .gctx .h5ad"
    )
    command.add_argument(
        "--columns",
        nargs="+",
        type=_renamed,
        metavar="KIND=NAME",
        help="what the file calls cell, drug, dose, time, gene or value",
    )
    command.add_argument(
        "--replicates",
        choices=("refuse", "mean"),
        default="refuse",
        help="what a condition that is there more than once is: an error, or its mean",
    )


def _method(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--method", default="ntk", metavar="NAME", help=f"one of {METHODS} (default: ntk)"
    )
    _paper(command)


def _paper(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--reference", metavar="CELL", help="paper: the cell line whose profiles tell drugs apart"
    )
    command.add_argument(
        "--threshold",
        type=int,
        default=150,
        metavar="N",
        help="paper: cell lines with fewer training drugs are sparse (default: 150)",
    )


def _renamed(text: str) -> tuple[str, str]:
    kind, equals, name = text.partition("=")
    if not equals or not kind or not name:
        raise argparse.ArgumentTypeError(f"expected KIND=NAME such as drug=compound; got {text!r}")
    return kind, name
