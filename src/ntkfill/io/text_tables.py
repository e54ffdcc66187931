"""Tables as text files: numbers under names, gaps left empty, labels in a column of their own.

Columns of text are kept as they are. A column is of text if more than half of what it holds is no
number; otherwise its text is a mistake, which is told.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..kernels.table import Array
from ..observed import Mask
from .files import replacing

SUFFIXES = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": "\t"}
GAPS = frozenset({"", "na", "n/a", "nan", "null", "none", "<na>"})


@dataclass(frozen=True, eq=False)
class TextTable:
    """A table as it stands in a file.

    Parameters
    ----------
    path : Path
    names : tuple of str
        Of all columns, that of the labels included.
    cells : tuple of tuple of str
        As they were written, so that what is known can be written again letter by letter.
    index : str, optional
        The name of the column of labels.
    text : tuple of str
        The names of columns of text.
    """

    path: Path
    names: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    index: str | None
    text: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """The names of the columns of numbers."""
        return [self.names[k] for k in self.used]

    @property
    def used(self) -> list[int]:
        """Where the columns of numbers stand."""
        others = {self.index, *self.text}
        return [k for k, name in enumerate(self.names) if name not in others]

    @property
    def labels(self) -> list[str]:
        """One label per row; where there are none, the number of the row from 1."""
        if self.index is None:
            return [str(k + 1) for k in range(len(self.cells))]
        at = self.names.index(self.index)
        return [row[at].strip() for row in self.cells]

    def numbers(self) -> Array:
        """The values, NaN where there is a gap.

        Raises
        ------
        InputError
            If a cell holds text or infinity.
        """
        used = self.used
        values = np.empty((len(self.cells), len(used)))
        for i, row in enumerate(self.cells):
            for j, k in enumerate(used):
                values[i, j] = self._number(i, k, row[k])
        return values

    def _number(self, row: int, column: int, text: str) -> float:
        if text.strip().lower() in GAPS:
            return np.nan
        try:
            value = float(text)
        except ValueError:
            value = np.inf
        if np.isfinite(value):
            return value
        raise InputError(
            f"{self.path}: row {self.labels[row]!r}, column {self.names[column]!r} is no number",
            got=repr(text),
        )


def read(path: Path, index: str | None = None) -> TextTable:
    """Read a table with a line of names.

    Parameters
    ----------
    path : Path
        .csv; .tsv, .tab or .txt with tabs.
    index : str, optional
        The name of the column of labels; "" stands for the first column.

    Raises
    ------
    InputError
        If there is nothing in the file, a name or a label comes twice, or a line has another
        number of cells than there are names.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path} is no table", expected=" ".join(SUFFIXES))
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [
                line for line in csv.reader(file, delimiter=SUFFIXES[path.suffix.lower()]) if line
            ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is no text table", got=str(error), hint="UTF-8") from error
    if len(lines) < 2:
        raise InputError(f"{path} is empty", expected="a line of names and lines of numbers")
    names, rows = lines[0], lines[1:]
    _refuse_twice(path, names, "column")
    for k, row in enumerate(rows):
        if len(row) != len(names):
            raise InputError(
                f"{path}: line {k + 2} does not fit",
                expected=f"{len(names)} cells",
                got=str(len(row)),
                hint=_separated(path, names),
            )
    index = names[0] if index == "" else index
    if index is not None and index not in names:
        raise InputError(f"{path} has no column {index!r}", expected=", ".join(names[:8]))
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    text = tuple(name for name in names if name != index and _is_text(columns[name]))
    table = TextTable(path, tuple(names), tuple(map(tuple, rows)), index, text)
    if not table.columns:
        raise InputError(
            f"{path} has no column of numbers",
            got=", ".join(names[:8]),
            hint=_separated(path, names),
        )
    if index is not None:
        _refuse_twice(path, table.labels, "row")
    return table


def write(path: Path, table: TextTable, filled: Array, missing: Mask) -> None:
    """Write a table again with its gaps filled in; all other cells as they were."""
    used = table.used
    cells = [list(row) for row in table.cells]
    for i, j in np.argwhere(missing):
        cells[i][used[j]] = f"{filled[i, j]:.9g}"
    with replacing(path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=SUFFIXES[path.suffix.lower()], lineterminator="\n")
        writer.writerow(table.names)
        writer.writerows(cells)


def _separated(path: Path, names: list[str]) -> str:
    """What to try where a table looks as if its cells were told apart by something else."""
    if len(names) > 1 or not any(mark in names[0] for mark in ",;\t"):
        return ""
    comma = SUFFIXES[path.suffix.lower()] == ","
    return ("commas" if comma else "tabs") + " between cells, and points in numbers"


def _is_text(cells: tuple[str, ...]) -> bool:
    held = [cell.strip() for cell in cells if cell.strip().lower() not in GAPS]
    return 2 * sum(not _reads(cell) for cell in held) > len(held)


def _reads(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def write_numbers(path: Path, names: list[str], labels: list[list[str]], values: Array) -> None:
    """Write numbers (n, m) behind the labels of their rows."""
    with replacing(path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=SUFFIXES[path.suffix.lower()], lineterminator="\n")
        writer.writerow(names)
        for own, row in zip(labels, values, strict=True):
            writer.writerow([*own, *(f"{value:.9g}" for value in row)])


def _refuse_twice(path: Path, names: list[str], what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"{path}: two {what}s are called {name!r}", expected="one")
        seen.add(name)
