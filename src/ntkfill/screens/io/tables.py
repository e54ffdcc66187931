"""Plain tables of text, before anyone knows what they mean."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from ...errors import InputError
from ...kernels.table import Array

MISSING = ("", "na", "nan", "null", "none", "n/a")


@dataclass(frozen=True)
class Table:
    """Names of columns, and rows of text or numbers.

    Examples
    --------
    >>> Table(["a", "b"], [["1", "2"], ["3", "4"]]).column("b")
    ['2', '4']
    """

    names: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def column(self, name: str) -> list[str]:
        """One column as text."""
        place = list(self.names).index(name)
        return [text(row[place]) for row in self.rows]


def table(path: Path) -> Table:
    """Read .csv, .tsv, .txt (tabs) or .parquet (needs pandas).

    Raises
    ------
    InputError
        If the file has no rows, or rows of different lengths.
    """
    if path.suffix.lower() == ".parquet":
        return _parquet(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = list(csv.reader(file, delimiter="," if path.suffix.lower() == ".csv" else "\t"))
    except UnicodeDecodeError:
        raise InputError("not a text file in UTF-8") from None
    except csv.Error as error:
        raise InputError(f"not a table: {error}") from None
    lines = [line for line in lines if line]
    if len(lines) < 2:
        raise InputError("the table is empty", expected="a line of names and lines of values")
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != len(lines[0]):
            raise InputError(
                f"line {number} has another length than the first",
                expected=f"{len(lines[0])} entries",
                got=str(len(line)),
            )
    return Table([name.strip() for name in lines[0]], lines[1:])


def numbers(source: Table, names: Sequence[str]) -> Array:
    """Columns as numbers, shape (rows, columns); NaN where nothing is written.

    Raises
    ------
    InputError
        If there is text among the numbers; names line and column.

    Examples
    --------
    >>> numbers(Table(["a", "b"], [["1", "x"], ["", "y"]]), ["a"]).tolist()
    [[1.0], [nan]]
    """
    place = {name: k for k, name in enumerate(source.names)}
    chosen = [place[name] for name in names]
    result = np.empty((len(source.rows), len(chosen)))
    for k, row in enumerate(source.rows):
        try:
            result[k] = [row[column] for column in chosen]
        except (TypeError, ValueError):
            result[k] = [_number(row[c], k, source.names[c]) for c in chosen]
    return result


def text(value: Any) -> str:
    """A label as text: whole numbers without a point, nothing for what is missing.

    >>> text(10.0), text(None), text(" x ")
    ('10', '', 'x')
    """
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def write(path: Path, source: Table) -> None:
    """Write .csv, .tsv or .txt (tabs) or .parquet; the caller sees to it that it is whole."""
    if path.suffix.lower() == ".parquet":
        columns = zip(*source.rows, strict=True)
        frame = _pandas().DataFrame(dict(zip(source.names, columns, strict=True)))
        frame.to_parquet(path, index=False)
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        print_to(file, source, "," if path.suffix.lower() == ".csv" else "\t")


def print_to(file: TextIO, source: Table, delimiter: str = "\t") -> None:
    """Lines of text, names first."""
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    writer.writerow(source.names)
    writer.writerows(source.rows)


def _number(value: Any, row: int, column: str) -> float:
    if value is None or (isinstance(value, str) and value.strip().lower() in MISSING):
        return float("nan")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InputError(
            f"text among the numbers, in line {row + 2}, column {column!r}",
            expected="a number, or nothing where it was not measured",
            got=repr(value),
        ) from None


def _parquet(path: Path) -> Table:
    pandas = _pandas()
    try:
        frame = pandas.read_parquet(path)
    except ImportError:
        raise InputError(
            "parquet needs the package pyarrow", hint="pip install 'ntkfill[screens]'"
        ) from None
    except (ValueError, OSError) as error:
        raise InputError("not a parquet file", got=str(error).splitlines()[0]) from None
    if not len(frame):
        raise InputError("the table is empty")
    missing = frame.isna().to_numpy()
    values = frame.astype(object).to_numpy(copy=True)
    values[missing] = None
    return Table([str(name) for name in frame.columns], values.tolist())


def _pandas() -> Any:
    try:
        import pandas
    except ImportError:
        raise InputError(
            "parquet needs the package pandas", hint="pip install 'ntkfill[tables]', or a .csv"
        ) from None
    return pandas
