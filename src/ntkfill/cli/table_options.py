"""What can be asked of the command that fills in tables."""

from __future__ import annotations

import argparse
from pathlib import Path

from .messages import add_telling
from .output_paths import add_output
from .sure_options import add_sure


def add(command: argparse.ArgumentParser) -> None:
    """The options of `ntkfill impute`."""
    command.add_argument(
        "input",
        type=Path,
        metavar="TABLE",
        help=".csv or .tsv with a line of names; gaps empty; columns of text stay as they are",
    )
    add_output(command, "a .csv or .tsv")
    command.add_argument("--index", metavar="NAME", help="the column that holds labels of the rows")
    command.add_argument(
        "--row-features",
        type=Path,
        metavar="FILE",
        help="a table of features, matched by --index; whole rows may then be missing",
    )
    command.add_argument(
        "--column-features",
        type=Path,
        metavar="FILE",
        help="a table of features whose first column holds the names of the columns",
    )
    command.add_argument(
        "--depth", type=int, default=1, metavar="N", help="hidden layers (default: 1)"
    )
    command.add_argument(
        "--ridge",
        type=_ridge,
        default="loo",
        metavar="R",
        help="relative to the kernel's diagonal (default: chosen by leaving entries out)",
    )
    command.add_argument(
        "--max-iter", type=int, default=10, metavar="N", help="without features (default: 10)"
    )
    command.add_argument(
        "--tol",
        type=float,
        default=1e-3,
        metavar="T",
        help="without features: stop when a sweep changes less of the variance (default: 1e-3)",
    )
    add_sure(command, "a .csv or .tsv; with --interval columns of bounds besides")
    add_telling(command)


def _ridge(text: str) -> float | str:
    try:
        return "loo" if text == "loo" else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected loo or a number; got {text!r}") from None
