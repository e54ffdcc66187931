"""`ntkfill impute`: fill the gaps of a table."""

from __future__ import annotations

import argparse
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError, check_unique, warn
from ..io.files import check_target, naming
from .common import (
    DONE,
    NOT_CONVERGED,
    add_excel_safe,
    add_messages,
    add_output,
    add_uncertainty,
    check_outputs,
    check_uncertainty,
    print_json,
    print_message,
)

if TYPE_CHECKING:
    from ..io.text_tables import Table
    from ..kernels.table import Array
    from ..result import Filled
    from ..tables import Info


# What data frames write above their index.
UNNAMED = ("", "Unnamed: 0")


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
    text = ".csv or .tsv with a line of names; gaps empty; columns of text stay as they are"
    command.add_argument("input", type=Path, metavar="TABLE", help=text)
    add_output(command, "a .csv or .tsv")
    add = command.add_argument
    add(
        "--index",
        metavar="NAME",
        help="the labels of the rows (default: a first column without a name)",
    )
    text = "what stands for missing entries, besides empty cells: --missing-values=-99,-9"
    add("--missing-values", type=_marks, default=[], metavar="V[,V]", help=text)
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
    add_uncertainty(command, "a .csv or .tsv; with --interval also columns of bounds")
    add_messages(command)


def impute(options: argparse.Namespace) -> int:
    """Fill in one table and write it."""
    import numpy as np

    from ..io import text_tables
    from ..observed import sentinel_of
    from ..tables import NTKImputer

    check_options(options)
    given = read_numeric(options, options.input, options.index, "kept as they are")
    row_features = column_features = None
    if options.row_features is not None:
        features = read_numeric(options, options.row_features, options.index, "not used")
        row_features = matched(features, given.labels, "row")
    if options.column_features is not None:
        features = read_numeric(options, options.column_features, "", "not used")
        column_features = matched(features, given.columns, "column")
    missing = np.isnan(given.values)
    for what, names, axis, known_by in (
        ("column", given.columns, 0, column_features),
        ("row", given.labels, 1, row_features),
    ):
        empty = np.flatnonzero(missing.all(axis=axis))[:5]
        if known_by is None and len(empty):
            raise InputError(
                f"{given.path}: no known entry in the {what} "
                + ", ".join(repr(names[k]) for k in empty),
                hint=f"--{what}-features, or leave it out",
            )
    for name, column in zip(given.columns, given.values.T, strict=True):
        mark = sentinel_of(column[~np.isnan(column)])
        if mark is not None:
            what = f"column {name!r}: {mark:g} looks like a mark of missing entries"
            warn(f"{given.path}: {what}. Try: --missing-values={mark:g}.", UserWarning)
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
    )
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* looks like a mark")  # said above, with the name
        done = imputer.impute(
            given.values, return_std=options.std is not None, interval=options.interval
        )
    seconds = time.perf_counter() - started
    tables = [(options.output, filled_table(given, done.values))]
    if options.std is not None:
        tables.append((options.std, uncertainty_table(given, done)))
    for path, table in tables:
        text_tables.write(path, table.excel_safe() if options.excel_safe else table)
    if options.std is not None:
        print_message(options, f"{options.std}: standard deviations, 0 where nothing was missing")
    iterations = f", {imputer.n_iter_} iterations" if imputer.n_iter_ else ""
    print_message(
        options,
        f"{options.output}: {missing.sum():,} entries filled in {seconds:.2f} s" + iterations,
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
                "sweeps": imputer.n_iter_,
                "converged": bool(imputer.converged_),
                "seconds": round(seconds, 3),
            }
        )
    return DONE if imputer.converged_ else NOT_CONVERGED


def check_options(options: argparse.Namespace) -> None:
    """Refuse, before anything is read, features without labels and files that cannot be written."""
    from ..io.text_tables import DELIMITERS

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
            check_target(path, list(DELIMITERS))


def read_numeric(
    options: argparse.Namespace, path: Path, index: str | None, text_note: str
) -> NumericTable:
    """Read a table of numbers; "" stands for its first column as index, which it is also where it
    has no name."""
    from ..io import text_tables

    table = text_tables.read(path)
    with naming(path):
        named = index is not None
        if index == "" or (index is None and table.names[0] in UNNAMED and len(table.names) > 1):
            index = table.names[0]
        if index is not None and index not in table.names:
            raise InputError(f"there is no column {index!r}", expected=", ".join(table.names[:8]))
        cells = table.without(options.missing_values)
        text = [name for name in cells.text_columns() if name != index]
        columns = [name for name in table.names if name != index and name not in text]
        if not columns:
            raise InputError(
                "there is no column of numbers",
                got=", ".join(table.names[:8]),
                hint=text_tables.separator_hint(path, table.names),
            )
        labels = [str(k + 1) for k in range(len(table.rows))]
        if index is not None:
            labels = table.column(index)
            check_unique(labels if named else (), "row")
        values = cells.numbers(columns)
    if text:
        names = ", ".join(text[:5]) + (", ..." if len(text) > 5 else "")
        print_message(options, f"{path}: columns of text, {text_note}: {names}")
    return NumericTable(path, table, index, columns, text, labels, values)


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


def filled_table(given: NumericTable, filled: Array) -> Table:
    """The table with its gaps filled; all other cells letter by letter as they were."""
    import numpy as np

    from ..io.text_tables import Table

    rows = [list(row) for row in given.table.rows]
    places = [given.table.names.index(name) for name in given.columns]
    for i, j in np.argwhere(np.isnan(given.values)):
        rows[i][places[j]] = f"{filled[i, j]:.9g}"
    return Table(given.table.header, rows)


def uncertainty_table(given: NumericTable, done: Filled[Info]) -> Table:
    """Standard deviations under the names of the table, and bounds in further columns."""
    import numpy as np

    from ..io.text_tables import Table

    names, arrays = list(given.columns), [done.std]
    if done.interval is not None:
        names += [f"{name} {bound}" for bound in ("lower", "upper") for name in given.columns]
        arrays += [done.interval.lower, done.interval.upper]
    rows = [[f"{value:.9g}" for value in row] for row in np.hstack(arrays)]
    if given.index is not None:
        names = [given.index, *names]
        rows = [[label, *row] for label, row in zip(given.labels, rows, strict=True)]
    return Table(names, rows)


def _marks(text: str) -> list[str]:
    return [mark.strip() for mark in text.split(",")]


def _ridge(text: str) -> float | str:
    try:
        return "loo" if text == "loo" else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected loo or a number; got {text!r}") from None
