"""The command that fills in tables."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np

from ..errors import InputError
from ..io.files import check_place
from ..io.text_tables import SUFFIXES, TextTable, read, write, write_numbers
from ..kernels.table import Array
from ..observed import Mask
from ..tables.imputer import NTKImputer
from ..tables.result import Imputed
from .exits import DONE, NOT_CONVERGED
from .messages import say
from .output_paths import spare
from .sure_options import check_sure


def impute(options: argparse.Namespace) -> int:
    """Fill in one table and write it."""
    check(options)
    table = read(options.input, options.index)
    say_text(options, table, "kept as they are")
    values = table.numbers()
    imputer = NTKImputer(
        row_features=row_features(options, table),
        column_features=column_features(options, table),
        depth=options.depth,
        ridge=options.ridge,
        max_iter=options.max_iter,
        tol=options.tol,
    )
    refuse_empty(table, values, imputer)
    missing = np.isnan(values)
    say(options, f"{options.input}: {missing.sum():,} of {missing.size:,} entries are missing")
    started = time.perf_counter()
    done = imputer.impute(values, return_std=options.std is not None, interval=options.interval)
    seconds = time.perf_counter() - started
    write(options.output, table, done.values, missing)
    if options.std is not None:
        write_sure(options, table, done)
    tell(options, imputer, table, missing, seconds)
    return DONE if imputer.converged_ else NOT_CONVERGED


def check(options: argparse.Namespace) -> None:
    """Before anything is read: can the rows be matched, and the result be written?"""
    if options.row_features is not None and options.index is None:
        raise InputError(
            "nothing says which features belong to which row",
            hint="--index NAME, a column of labels in both files",
        )
    check_sure(options)
    written = [("-o OUT", options.output), ("--std FILE", options.std)]
    spare([options.input, options.row_features, options.column_features], written)
    for path in (path for _, path in written if path is not None):
        if path.suffix.lower() not in SUFFIXES:
            raise InputError(f"{path} is no table that can be written", expected=" ".join(SUFFIXES))
        check_place(path)


def write_sure(options: argparse.Namespace, table: TextTable, done: Imputed) -> None:
    """Standard deviations under the names of the table, and bounds in columns of their own."""
    names, columns = list(table.columns), [done.std]
    if done.interval is not None:
        names += [f"{name} {side}" for side in ("lower", "upper") for name in table.columns]
        columns += [done.interval.lower, done.interval.upper]
    labels = [] if table.index is None else [table.index]
    own = [[label] for label in table.labels] if labels else [[] for _ in table.cells]
    write_numbers(options.std, labels + names, own, np.hstack(columns))
    say(options, f"{options.std}: standard deviations, 0 where nothing was missing")


def row_features(options: argparse.Namespace, table: TextTable) -> Array | None:
    """Features of the rows, in their order."""
    if options.row_features is None:
        return None
    features = read(options.row_features, options.index)
    say_text(options, features, "not used")
    return matched(features, table.labels, "row")


def column_features(options: argparse.Namespace, table: TextTable) -> Array | None:
    """Features of the columns, in their order; the labels are the first column of their file."""
    if options.column_features is None:
        return None
    features = read(options.column_features, "")
    say_text(options, features, "not used")
    return matched(features, table.columns, "column")


def matched(features: TextTable, labels: list[str], what: str) -> Array:
    """The rows of a file of features that belong to these labels."""
    place = {label: k for k, label in enumerate(features.labels)}
    absent = [label for label in labels if label not in place]
    if absent:
        raise InputError(
            f"{features.path}: no features for {len(absent)} of {len(labels)} {what}s",
            got=", ".join(absent[:5]) + (", ..." if len(absent) > 5 else ""),
        )
    values = features.numbers()
    rows = [place[label] for label in labels]
    for i, j in np.argwhere(np.isnan(values[rows]))[:1]:
        raise InputError(
            f"{features.path}: a feature is missing",
            got=f"row {labels[i]!r}, column {features.columns[j]!r}",
        )
    return values[rows]


def refuse_empty(table: TextTable, values: Array, imputer: NTKImputer) -> None:
    """A row or column that nothing is known of needs features of its own."""
    known = ~np.isnan(values)
    if imputer.column_features is None and not known.any(axis=0).all():
        names = [table.columns[j] for j in np.flatnonzero(~known.any(axis=0))[:5]]
        raise InputError(
            f"{table.path}: nothing is known of the column {', '.join(map(repr, names))}",
            hint="--column-features, or leave it out",
        )
    if imputer.row_features is None and not known.any(axis=1).all():
        labels = [table.labels[i] for i in np.flatnonzero(~known.any(axis=1))[:5]]
        raise InputError(
            f"{table.path}: nothing is known of the row {', '.join(map(repr, labels))}",
            hint="--row-features, or leave it out",
        )


def tell(
    options: argparse.Namespace,
    imputer: NTKImputer,
    table: TextTable,
    missing: Mask,
    seconds: float,
) -> None:
    """The figures, in words on stderr and as JSON on stdout."""
    sweeps = f", {imputer.n_iter_} sweeps" if imputer.n_iter_ else ""
    say(options, f"{options.output}: {missing.sum():,} entries filled in {seconds:.2f} s{sweeps}")
    figures: dict[str, Any] = {
        "input": str(options.input),
        "output": str(options.output),
        "rows": missing.shape[0],
        "columns": missing.shape[1],
        "text_columns": list(table.text),
        "missing": int(missing.sum()),
        "sweeps": imputer.n_iter_,
        "converged": bool(imputer.converged_),
        "seconds": round(seconds, 3),
    }
    if options.json:
        print(json.dumps(figures, indent=1))


def say_text(options: argparse.Namespace, table: TextTable, done: str) -> None:
    """Which columns hold no numbers."""
    if table.text:
        names = ", ".join(table.text[:5]) + (", ..." if len(table.text) > 5 else "")
        say(options, f"{table.path}: columns of text, {done}: {names}")
