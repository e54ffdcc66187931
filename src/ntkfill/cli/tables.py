"""`ntkfill impute`: fill the gaps of a table."""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError, check_unique, counted, warn
from ..io.files import check_target, naming
from .common import (
    DONE,
    NOT_CONVERGED,
    add_excel_safe,
    add_messages,
    add_output,
    add_uncertainty,
    argument,
    bounds,
    check_outputs,
    check_uncertainty,
    listed,
    print_json,
    print_message,
)

if TYPE_CHECKING:
    from ..io.text_tables import Table
    from ..kernels.table import Array


Bounds = tuple[float | None, float | None] | str

FORMATS = ".csv, .tsv, .parquet or .xlsx"


@dataclass(frozen=True, eq=False)
class NumericTable:
    """A table from a file: its numbers, and the text around them.

    `columns` and `text` name the columns of numbers and of text, `values` (rows, columns) is NaN in
    gaps, and `labels` are the row labels: numbers from 1 where there is no `index` column.
    """

    path: Path
    table: Table
    index: str | None
    columns: list[str]
    text: list[str]
    labels: list[str]
    values: Array


def add(command: argparse.ArgumentParser) -> None:
    """The options of `ntkfill impute`."""
    command.set_defaults(run=impute)
    text = "with a line of names; gaps empty; columns of text stay as they are: " + FORMATS
    command.add_argument("input", type=Path, metavar="TABLE", help=text)
    add_output(command, FORMATS)
    add = command.add_argument
    add(
        "--index",
        metavar="NAME",
        help="the labels of the rows (default: a first column without a name)",
    )
    text = "what stands for missing entries, besides empty cells: --missing-values=-99,-9"
    add("--missing-values", type=listed, default=[], metavar="V[,V]", help=text)
    text = "a column of labels, kept as it is, though most of them are numbers (repeatable)"
    add("--categories", action="append", default=[], metavar="COLUMN", help=text)
    text = (
        "fill within these, e.g. 0, (open above), 'data' (the known range), or by column: age=0,120"
    )
    add("--bounds", type=_bounds, action="append", default=[], metavar="[NAME=]LOW,HIGH", help=text)
    text = "a table of features, matched by --index; whole rows may then be missing"
    add("--row-features", type=Path, metavar="FILE", help=text)
    text = "a table of features whose first column holds the names of the columns"
    add("--column-features", type=Path, metavar="FILE", help=text)
    add("--depth", type=int, default=1, metavar="N", help="hidden layers (default: 1)")
    text = "relative to the kernel's diagonal (default: chosen by leaving entries out)"
    add("--ridge", type=_ridge, default="loo", metavar="R", help=text)
    text = "without features: at most so many iterations (default: 10)"
    add("--max-iter", type=int, default=10, metavar="N", help=text)
    text = "without features: stop when an iteration changes less of the variance (default: 1e-3)"
    add("--tol", type=float, default=1e-3, metavar="T", help=text)
    add_excel_safe(command)
    add_uncertainty(command, FORMATS + "; with --interval also columns of bounds")
    add_messages(command)


def impute(options: argparse.Namespace) -> int:
    """Fill in one table and write it."""
    import numpy as np

    from ..io import text_tables
    from ..observed import sentinel_of
    from ..tables import NTKImputer

    check_options(options)
    given = read_numeric(
        options, options.input, options.index, "kept as they are", options.categories
    )
    row_features = column_features = None
    if options.row_features is not None:
        features = read_numeric(options, options.row_features, options.index, "not used")
        row_features = matched(features, given.labels, "row")
    if options.column_features is not None:
        features = read_numeric(options, options.column_features, "", "not used")
        column_features = matched(features, given.columns, "column")
    missing = np.isnan(given.values)
    for what, names, axis, known_by, effect in (
        ("column", given.columns, 0, column_features, "left empty"),
        ("row", given.labels, 1, row_features, "filled from the means of the columns"),
    ):
        empty = np.flatnonzero(missing.all(axis=axis))
        if known_by is None and len(empty):
            some = ", ".join(repr(names[k]) for k in empty[:5]) + ", ..." * (len(empty) > 5)
            warn(
                f"{given.path}: no known entry in {counted(len(empty), what)}, {effect}: {some}. "
                f"Try: --{what}-features.",
                UserWarning,
            )
    for name, column in zip(given.columns, given.values.T, strict=True):
        mark = sentinel_of(column[~np.isnan(column)])
        if mark is not None:
            what = f"column {name!r}: {mark:g} looks like a mark of missing entries"
            warn(f"{given.path}: {what}. Try: --missing-values={mark!r}.", UserWarning)
    print_message(
        options, f"{given.path}: {missing.sum():,} of {missing.size:,} entries are missing"
    )
    imputer = NTKImputer(
        row_features=row_features,
        column_features=column_features,
        depth=options.depth,
        ridge=options.ridge,
        max_iter=options.max_iter,
        tol=options.tol,
        bounds=column_bounds(options.bounds, given),
    )
    started = time.perf_counter()
    with warnings.catch_warnings():
        for said in (".* looks like a mark", "no known entry in"):  # above, with the names
            warnings.filterwarnings("ignore", said)
        done = imputer.impute(
            given.values, return_std=options.std is not None, interval=options.interval
        )
    seconds = time.perf_counter() - started
    limits = [] if done.interval is None else [done.interval.lower, done.interval.upper]
    if column_features is None:
        for array in (done.values, done.std, *limits):
            if array is not None:
                array[:, missing.all(axis=0)] = np.nan
    n_filled = int((missing & ~np.isnan(done.values)).sum())
    filled = text_tables.fill(given.table, given.columns, given.values, done.values, given.path,
                              options.output)  # fmt: skip
    tables: list[tuple[Path, Table, Path | None]] = [(options.output, filled, given.path)]
    if options.std is not None:
        std = np.asarray(done.std)
        table = text_tables.uncertainty(given.table, given.columns, std, limits, options.std)
        tables.append((options.std, table, None))
    for path, table, like in tables:
        text_tables.write(path, table.excel_safe() if options.excel_safe else table, like)
    if options.std is not None:
        print_message(options, f"{options.std}: standard deviations, 0 where nothing was missing")
    iterations = f", {imputer.n_iter_} iterations" if imputer.n_iter_ else ""
    print_message(
        options,
        f"{options.output}: {counted(n_filled, 'entry', 'entries')} filled in {seconds:.2f} s"
        + iterations,
    )
    if options.json:
        print_json(
            {
                "input": str(options.input),
                "output": str(options.output),
                "rows": missing.shape[0],
                "columns": missing.shape[1],
                "text_columns": given.text,
                "missing": int(missing.sum()),
                "filled": n_filled,
                "sweeps": imputer.n_iter_,
                "converged": bool(imputer.converged_),
                "seconds": round(seconds, 3),
            }
        )
    return DONE if imputer.converged_ else NOT_CONVERGED


def column_bounds(
    asked: Sequence[tuple[str, Bounds]], given: NumericTable
) -> list[tuple[float | None, float | None]]:
    """The bounds of every column: those with its name, or else those without one."""
    import numpy as np

    named = dict(asked)
    absent = [name for name in named if name and name not in given.columns]
    if absent:
        raise InputError(
            f"there is no column {absent[0]!r} of numbers to bound",
            expected=", ".join(given.columns[:8]),
        )
    found = []
    for name, column in zip(given.columns, given.values.T, strict=True):
        pair = named.get(name, named.get("", (None, None)))
        if isinstance(pair, str):  # "data"
            known = column[~np.isnan(column)]
            pair = (float(known.min()), float(known.max())) if len(known) else (None, None)
        found.append(pair)
    return found


def check_options(options: argparse.Namespace) -> None:
    """Refuse, before anything is read, features without labels and files that cannot be written."""
    from ..io.text_tables import SUFFIXES

    if options.row_features is not None and options.index is None:
        raise InputError(
            "--row-features needs to know which features belong to which row",
            hint="--index NAME, a column of labels in both files",
        )
    check_uncertainty(options)
    written = [("-o OUT", options.output), ("--std FILE", options.std)]
    check_outputs([options.input, options.row_features, options.column_features], written)
    for _, path in written:
        if path is not None:
            check_target(path, list(SUFFIXES))


def read_numeric(
    options: argparse.Namespace,
    path: Path,
    index: str | None,
    text_note: str,
    categories: Sequence[str] = (),
) -> NumericTable:
    """Read a table of numbers, of which the columns `categories` are text; "" stands for its first
    column as index, which it is also where it has no name."""
    from ..io import text_tables

    table = text_tables.read(path)
    with naming(path):
        marks, hint = options.missing_values, "--missing-values, if that is a gap"
        hint += "; --categories, if the column holds labels" if path == options.input else ""
        part = text_tables.numeric_part(table, path, marks, index, categories, hint)
        labels = [str(k + 1) for k in range(len(table.rows))]
        if part.index is not None:
            labels = table.column(part.index)
            check_unique(labels if index is not None else (), "row")
    if part.text:
        names = ", ".join(part.text[:5]) + (", ..." if len(part.text) > 5 else "")
        print_message(options, f"{path}: columns of text, {text_note}: {names}")
    for name, texts in table.without(marks).mixed().items():
        if name in part.text and name not in categories:
            some = ", ".join(map(repr, texts[:3])) + ", ..." * (len(texts) > 3)
            warn(
                f"{path}: column {name!r} holds numbers and {some}, and is taken for text. Try: "
                f"--missing-values, if these are gaps; --categories {name}, if it is text.",
                UserWarning,
            )
    return NumericTable(path, table, part.index, part.columns, part.text, labels, part.values)


def matched(features: NumericTable, labels: list[str], what: str) -> Array:
    """The rows of a file of features that belong to these labels."""
    import numpy as np

    from ..tables.features import label_positions

    with naming(features.path):
        values = features.values[label_positions(features.labels, labels, what)]
        for i, j in np.argwhere(np.isnan(values))[:1]:
            raise InputError(
                "a feature is missing", got=f"row {labels[i]!r}, column {features.columns[j]!r}"
            )
    return values


def _bounds(text: str) -> tuple[str, Bounds]:
    name, _, pair = text.rpartition("=")
    return name, bounds(pair)


@argument("loo or a number")
def _ridge(text: str) -> float | str:
    return "loo" if text == "loo" else float(text)
