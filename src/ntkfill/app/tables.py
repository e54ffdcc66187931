"""Tables: what a worker does with them, and the rows that the page shows.

A document's folder holds `rows.jsonl`, the cells as the page shows them, line by line;
`starts.npy`, where each line begins; and of the last fill `values.npy`, `std.npy`, `lower.npy` and
`upper.npy`.
"""

from __future__ import annotations

import json
import shlex
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..io import text_tables
from ..observed import sentinel_of
from .jobs import Figures

Report = Callable[[Figures], None]

ARRAYS = ("values", "std", "lower", "upper")
MARKS = 5  # texts that are taken for gaps without being asked
HIDDEN = 0.1  # of what is known, to score a fill


def open_table(folder: Path, source: Path, marks: Sequence[str] | None, report: Report) -> Figures:
    """Read a table; `marks` stand for missing entries besides empty cells. By default they are what
    is no number in columns of numbers, if that is little; which is said."""
    table = text_tables.read(source)
    if marks is None:
        strays = table.strays()
        marks = strays if len(strays) <= MARKS and not any("," in one for one in strays) else []
        for stray in marks:
            warnings.warn(f"{stray!r} stands among numbers, and is taken for a gap", stacklevel=2)
    part = text_tables.numeric_part(table, source, marks)
    values = part.values
    starts = [0]
    with (folder / "rows.jsonl").open("wb") as file:
        for row in table.rows:
            starts.append(starts[-1] + file.write(json.dumps(row, default=str).encode() + b"\n"))
    np.save(folder / "starts.npy", np.array(starts))
    np.save(folder / "numbers.npy", values)
    columns = []
    for place, name in enumerate(table.names):
        number = part.columns.index(name) if name in part.columns else None
        known = values[:, number] if number is not None else np.empty(0)
        mark = sentinel_of(known[~np.isnan(known)]) if number is not None else None
        columns.append(
            {
                "name": name or f"column {place + 1}",
                "type": "number"
                if number is not None
                else "text"
                if name in part.text
                else "labels",
                "number": number,
                "missing": int(np.isnan(known).sum()),
                "code": None if mark is None else f"{mark:g}",
            }
        )
    return {
        "rows": len(table.rows),
        "columns": columns,
        "missing": int(np.isnan(values).sum()),
        "entries": values.size,
        "marks": list(marks),
        "suffix": source.suffix.lower(),
    }


def fill(folder: Path, options: Figures, stage: str, report: Report) -> Figures:
    """Fill the gaps; `stage` is "filled" or "uncertain"."""
    values = np.load(folder / "numbers.npy")
    imputer = _imputer()
    level = options["interval"] if stage == "uncertain" else None
    empty = np.isnan(values).all(axis=0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "no known entry in")  # below: they stay empty
        done = imputer.impute(values, interval=level)
    if empty.any():
        warnings.warn(f"columns without any known entry stay empty: {empty.sum()}", stacklevel=2)
    spread = np.zeros(values.shape[1])
    spread[~empty] = np.nanstd(values[:, ~empty], axis=0)
    arrays = {"values": done.values}
    if done.interval is not None:
        arrays |= {"std": done.std, "lower": done.interval.lower, "upper": done.interval.upper}
    for name in ARRAYS:
        if name in arrays:
            array = np.array(arrays[name])
            array[:, empty] = np.nan  # nothing is known of these, as the command line has it
            np.save(folder / f"{name}.npy", array)
        else:
            (folder / f"{name}.npy").unlink(missing_ok=True)
    _kept.clear()
    _kept[options["version"]] = imputer
    return {
        "stage": stage,
        "version": options["version"],
        "filled": int(np.isnan(values[:, ~empty]).sum()),
        "converged": done.info.converged,
        "message": done.info.message,
        "level": level,
        "spread": spread.tolist(),
    }


def explain(folder: Path, version: str, row: int, column: int, report: Report) -> Figures:
    """The five known entries that weigh most in a filled one."""
    if version not in _kept:
        _kept.clear()
        _kept[version] = _imputer().fit(np.load(folder / "numbers.npy"))
    found = _kept[version].explain(row, column).largest(5)
    return {
        "largest": [
            {
                "row": int(place[0]),
                "column": int(place[1]),
                "first": _cells(folder, place[0], place[0] + 1)[0][0],
                "value": value,
                "weight": weight,
            }
            for place, value, weight in zip(
                found.coordinates.tolist(), found.values.tolist(), found.weights.tolist(),
                strict=True,
            )
        ]
    }  # fmt: skip


def score(folder: Path, report: Report) -> Figures:
    """Hide a tenth of what is known, fill it, and compare: root mean square errors in standard
    deviations of each column, beside those of the mean and of nearest neighbours."""
    from sklearn.impute import KNNImputer

    values = np.load(folder / "numbers.npy")
    known = np.argwhere(~np.isnan(values))
    hidden = known[np.random.default_rng(0).random(len(known)) < HIDDEN]
    holed = values.copy()
    holed[tuple(hidden.T)] = np.nan
    empty = np.isnan(holed).all(axis=0)
    hidden = hidden[~empty[hidden[:, 1]]]
    if not len(hidden):
        raise InputError("too little is known to hide some of it")
    mean, spread = np.nanmean(holed[:, ~empty], axis=0), np.nanstd(holed[:, ~empty], axis=0)
    spread[spread == 0] = 1.0
    place = tuple(np.stack([hidden[:, 0], np.cumsum(~empty)[hidden[:, 1]] - 1]))
    scaled, truth = (holed[:, ~empty] - mean) / spread, (values[:, ~empty] - mean) / spread
    report({"progress": 0.1})
    filled = {
        "ntkfill": _imputer().fit_transform(scaled),
        "nearest neighbours": KNNImputer().fit_transform(scaled),
        "column mean": np.zeros_like(scaled),
    }
    errors = {
        name: float(np.sqrt(np.mean((np.asarray(array) - truth)[place] ** 2)))
        for name, array in filled.items()
    }
    return {"hidden": len(hidden), "errors": errors}


def save(
    folder: Path, source: Path, target: Path, what: str, marks: Sequence[str], report: Report
) -> Figures:
    """Write the filled table, or the standard deviations and the bounds in its form."""
    table = text_tables.read(source)
    part = text_tables.numeric_part(table, source, marks)

    def kept(name: str) -> Any:
        return np.load(folder / f"{name}.npy")

    if what == "filled":
        filled = text_tables.fill(table, part.columns, part.values, kept("values"), source, target)
        text_tables.write(target, filled, source)
    else:
        bounds = [kept("lower"), kept("upper")]
        std = text_tables.uncertainty(table, part.columns, kept("std"), bounds, target)
        text_tables.write(target, std)
    return {"lost": []}


def write_example(target: Path, report: Report) -> Figures:
    """scikit-learn's wines, with a tenth of the entries hidden."""
    from sklearn.datasets import load_wine

    wine = load_wine()
    hidden = np.random.default_rng(0).random(wine.data.shape) < 0.1
    cells = np.where(hidden, "", np.char.mod("%g", wine.data)).tolist()
    rows = [[f"wine {k}", *row] for k, row in enumerate(cells, start=1)]
    text_tables.write(target, text_tables.Table(["", *wine.feature_names], rows))
    return {}


# The imputer of the last fill, for explanations.
_kept: dict[str, Any] = {}


def _imputer() -> Any:
    from ..tables import NTKImputer

    return NTKImputer()


# What the server reads for the page.


def read_rows(folder: Path, info: Figures, start: int, count: int) -> Figures:
    """Some rows: cells as text, and what was filled into their gaps."""
    stop = min(start + count, info["rows"])
    answer: Figures = {"start": start, "cells": _cells(folder, start, stop), "gaps": []}
    gaps = np.isnan(np.load(folder / "numbers.npy", mmap_mode="r")[start:stop])
    arrays = {
        "value" if name == "values" else name: np.load(path, mmap_mode="r")[start:stop]
        for name in ARRAYS
        if (path := folder / f"{name}.npy").exists()
    }
    for i, j in np.argwhere(gaps).tolist():
        entry: Figures = {"row": start + i, "column": j}
        for name, array in arrays.items():
            entry[name] = float(array[i, j]) if np.isfinite(array[i, j]) else None
        answer["gaps"].append(entry)
    return answer


def _cells(folder: Path, start: int, stop: int) -> list[list[Any]]:
    """The cells of some rows."""
    starts = np.load(folder / "starts.npy", mmap_mode="r")
    with (folder / "rows.jsonl").open("rb") as file:
        file.seek(int(starts[start]))
        lines = file.read(int(starts[stop] - starts[start])).splitlines()
    return [json.loads(line) for line in lines]


def recipe(name: str, info: Figures, options: Figures) -> dict[str, str]:
    """The command line and the Python that do the same."""
    stem, suffix = Path(name).stem, info["suffix"]
    words = ["ntkfill", "impute", name, "-o", f"{stem}-filled{suffix}"]
    words += ["--std", f"{stem}-std{suffix}", f"--interval={options['interval']:g}"]
    marks = info["marks"]
    if marks:
        words.append(f"--missing-values={','.join(marks)}")
    reader = {".parquet": "read_parquet", ".xlsx": "read_excel"}.get(suffix, "read_csv")
    reading = repr(name)
    if suffix in (".tsv", ".tab", ".txt"):
        reading += ', sep="\\t"'
    if suffix == ".parquet":
        numbers = [mark for mark in marks if not text_tables.is_text(mark)]
        replaced = f'.replace([{", ".join(numbers)}], float("nan"))' if numbers else ""
    else:
        # The same numbers to the last digit as the page reads.
        reading += ', float_precision="round_trip"' if reader == "read_csv" else ""
        reading += ", index_col=0" if info["columns"][0]["type"] == "labels" else ""
        reading += f", na_values={list(marks)!r}" if marks else ""
        replaced = ""
    code = (
        "import pandas as pd\n\nimport ntkfill\n\n"
        f'table = pd.{reader}({reading}){replaced}.select_dtypes("number")\n'
        "imputer = ntkfill.NTKImputer()\n"
        f"done = imputer.impute(table, interval={options['interval']:g})\n"
        "print(done.values, done.std, done.interval)\n"
    )
    return {"command": " ".join(shlex.quote(word) for word in words), "python": code}
