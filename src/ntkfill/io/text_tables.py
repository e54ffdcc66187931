"""Tables as files: .csv, .tsv, .parquet and .xlsx, with a line of names; empty cells and NA are
gaps."""

from __future__ import annotations

import codecs
import csv
import io
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np

from ..errors import InputError, check_unique, import_package, warn
from ..kernels.table import Array
from ..runtime import resources
from .files import check_source, naming, replacing

DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": "\t"}
SUFFIXES = (*DELIMITERS, ".parquet", ".xlsx")
CELL = 64  # bytes of a number as an object
SLIP = 10  # one text of so many entries that differ is a slip among numbers, more are labels
SHEET = 20  # bytes for each of a workbook's unpacked ones
# What data frames write above their index.
UNNAMED = ("", "Unnamed: 0")
GAPS = frozenset({"", "na", "n/a", "nan", "null", "none", "<na>", "#n/a"})


class Kinds(NamedTuple):
    """How many entries of a column differ, and which of them are text."""

    distinct: int
    texts: list[str]

    @classmethod
    def of(cls, entries: Iterable[Any], is_text: Callable[[str], bool]) -> Kinds:
        """Those of these entries; lists in cells of Parquet cannot be compared but as text."""
        distinct = dict.fromkeys(str(entry).strip() for entry in entries)
        return cls(len(distinct), [each for each in distinct if is_text(each)])

    @property
    def are_labels(self) -> bool:
        """Whether the column is one of text, and its numbers are labels as well."""
        return SLIP * len(self.texts) > self.distinct

    @property
    def are_mixed(self) -> bool:
        """Whether it is, but most of it are numbers, so that it may be meant otherwise."""
        return self.are_labels and 2 * len(self.texts) < self.distinct


@dataclass(frozen=True, eq=False)
class Table:
    """A table as a file holds it.

    Parameters
    ----------
    header : sequence of str
        The names of the columns.
    rows : sequence of sequences
        Cells: text as it was written, or what a cell of a parquet file or a workbook holds.
    lines : sequence of int, optional
        The line of the file that each row ends on, for messages; from 2 by default.

    Examples
    --------
    >>> table = Table(["drug", "dose"], [["x", "1"], ["y", "<NA>"]])
    >>> table.column("drug"), table.numbers(["dose"]).tolist()
    (['x', 'y'], [[1.0], [nan]])
    """

    header: Sequence[str]
    rows: Sequence[Sequence[Any]]
    lines: Sequence[int] = ()

    @cached_property
    def names(self) -> list[str]:
        """The names of the columns, without spaces around them."""
        return [name.strip() for name in self.header]

    def column(self, name: str) -> list[str]:
        """One column as labels.

        Whole numbers have no point, gaps of a parquet file are empty.
        """
        k = self.names.index(name)
        return [as_label(row[k]) for row in self.rows]

    def numbers(self, names: Sequence[str] | None = None, hint: str = "") -> Array:
        """Columns (by default all) as numbers of shape (rows, columns), NaN where there is a gap.

        Raises
        ------
        InputError
            If a cell holds text or infinity; names line and column.
        """
        place = {name: k for k, name in enumerate(self.names)}
        used = range(len(self.names)) if names is None else [place[name] for name in names]
        values = np.empty((len(self.rows), len(used)))
        for i, row in enumerate(self.rows):
            values[i] = [_number(row[k]) for k in used]
        for i, j in np.argwhere(np.isinf(values))[:1]:
            line = self.lines[i] if self.lines else i + 2
            raise InputError(
                f"line {line}, column {self.names[used[j]]!r} is not a finite number",
                expected="a number, or nothing where it is missing",
                got=repr(self.rows[i][used[j]]),
                hint=hint,
            )
        return values

    def excel_safe(self) -> Table:
        """The table with ' before text that a spreadsheet would take for a formula.

        >>> Table(["=A1"], [["-x"], ["-1"], [-1.0]]).excel_safe()
        Table(header=["'=A1"], rows=[["'-x"], ['-1'], [-1.0]], lines=())
        """
        rows = [[as_text(cell) for cell in row] for row in self.rows]
        return Table([as_text(name) for name in self.header], rows, self.lines)

    def without(self, marks: Sequence[str]) -> Table:
        """The same with empty cells where one holds a mark of missing entries, text or a number.

        >>> Table(["a"], [["-99.0"], ["?"], ["9"]]).without(["-99", "?"]).rows
        [[''], [''], ['9']]
        """
        numbers = {float(mark) for mark in marks if not is_text(mark)}

        def is_mark(cell: Any) -> bool:
            return str(cell).strip() in marks or (not is_text(cell) and float(cell) in numbers)

        rows = [["" if is_mark(cell) else cell for cell in row] for row in self.rows]
        return Table(self.header, rows, self.lines)

    def text_columns(self) -> list[str]:
        """The names of columns some of whose cells are text, unless nearly all others are numbers,
        or whose cells are codes such as 00012.

        >>> stage = [[cell] for cell in ("1", "1", "2", "3a", "3b", "")]
        >>> Table(["stage"], stage).text_columns(), Table(["a"], stage[:4] * 9).text_columns()
        (['stage'], ['a'])
        """
        found = []
        for name, cells in zip(self.names, zip(*self.rows, strict=True), strict=True):
            held = [cell for cell in cells if not _is_gap(cell)]
            if Kinds.of(held, is_text).are_labels or _are_codes(held):
                found.append(name)
        return found

    def mixed(self) -> dict[str, list[str]]:
        """The texts of columns of text most of whose entries are numbers."""
        kinds = {name: self.kinds(name) for name in self.text_columns()}
        return {name: kind.texts for name, kind in kinds.items() if kind.are_mixed}

    def kinds(self, name: str) -> Kinds:
        """How many entries of a column differ, and which of them are text."""
        k = self.names.index(name)
        return Kinds.of((row[k] for row in self.rows if not _is_gap(row[k])), is_text)

    def strays(self) -> list[str]:
        """What is neither a number nor a gap in columns of numbers, each text once; where most
        entries are numbers, also signs such as ?, which are no labels.

        >>> Table(["a", "b"], [["1", "x"], ["?", "y"], ["2", "z"], ["3", "x"]]).strays()
        ['?']
        """
        text, found = self.text_columns(), []
        for name in self.names:
            kinds = self.kinds(name)
            of_numbers = name not in text
            found += [
                one
                for one in kinds.texts
                if of_numbers or (kinds.are_mixed and not any(map(str.isalnum, one)))
            ]
        return list(dict.fromkeys(found))


def read(path: Path) -> Table:
    """Read a table with a line of names: .csv; .tsv, .tab or .txt with tabs; .parquet (pandas);
    the first sheet of an .xlsx (openpyxl).

    Raises
    ------
    InputError
        If the file is no table, has no rows, repeats a name, or has lines of different lengths.
    """
    check_source(path, SUFFIXES)
    with naming(path):
        reader = {".parquet": _read_parquet, ".xlsx": _read_workbook}
        table = reader.get(path.suffix.lower(), _read_text)(path)
        if not table.rows:
            raise InputError("the table is empty", expected="a line of names and lines of values")
        check_unique(table.names, "column")
    return table


def write(path: Path, table: Table, like: Path | None = None) -> None:
    """Write a table, whole or not at all; the format follows from the suffix. A workbook or parquet
    file `like` another is a copy of it in which the cells that differ are written; text has the
    byte order mark and the ends of lines of the other."""
    suffix = path.suffix.lower()
    copied = like if like is not None and like.suffix.lower() == suffix else None
    with replacing(path) as draft:
        if suffix == ".parquet":
            _write_parquet(draft, table, copied)
        elif suffix == ".xlsx":
            _write_workbook(draft, table, copied)
        else:
            first = b""
            if copied is not None:
                with copied.open("rb") as text:
                    first = text.readline()
            encoding = "utf-8-sig" if first.startswith(codecs.BOM_UTF8) else "utf-8"
            ends = "\r\n" if first.endswith(b"\r\n") else "\n"
            with draft.open("w", newline="", encoding=encoding) as file:
                print_table(file, table, DELIMITERS[suffix], ends)


def print_table(file: TextIO, table: Table, delimiter: str = "\t", ends: str = "\n") -> None:
    """Print a table as lines of text, names first."""
    writer = csv.writer(file, delimiter=delimiter, lineterminator=ends)
    writer.writerow(table.header)
    writer.writerows(table.rows)


def as_text(cell: Any) -> Any:
    """A cell with ' before it where a spreadsheet would take its text for a formula."""
    formula = isinstance(cell, str) and cell.lstrip()[:1] in set("=+-@") and is_text(cell)
    return f"'{cell}" if formula else cell


@dataclass(frozen=True, eq=False)
class NumericPart:
    """The numbers of a table.

    Parameters
    ----------
    index : str or None
        The column of labels.
    columns, text : list of str
        The other columns: of numbers, and of text.
    values : array (rows, columns)
        NaN in gaps.
    """

    index: str | None
    columns: list[str]
    text: list[str]
    values: Array


def numeric_part(
    table: Table,
    path: Path,
    marks: Sequence[str],
    index: str | None = None,
    labels: Sequence[str] = (),
    hint: str = "",
) -> NumericPart:
    """The numbers of a table that was read from a file; `marks` stand for gaps as well, and the
    columns `labels` are text whatever is in them. "" stands for its first column as index, which it
    is also where it has no name. `hint` is what to try with text among numbers."""
    if index == "" or (index is None and table.names[0] in UNNAMED and len(table.names) > 1):
        index = table.names[0]
    for name in (*([] if index is None else [index]), *labels):
        if name not in table.names:
            raise InputError(f"there is no column {name!r}", expected=", ".join(table.names[:8]))
    cells = table.without(marks)
    found = {*cells.text_columns(), *labels} - {index}
    text = [name for name in table.names if name in found]
    columns = [name for name in table.names if name != index and name not in text]
    if not columns:
        raise InputError(
            "there is no column of numbers",
            got=", ".join(table.names[:8]),
            hint=separator_hint(path, table.names),
        )
    return NumericPart(index, columns, text, cells.numbers(columns, hint))


def fill(
    table: Table, columns: Sequence[str], values: Array, filled: Array, source: Path, target: Path
) -> Table:
    """A table with the gaps of its columns of numbers filled; all other cells letter by letter as
    they were in `source`, or numbers where they were text and `target` is no text."""
    untyped = source.suffix.lower() in DELIMITERS and target.suffix.lower() not in DELIMITERS
    return _with_numbers(table, columns, filled, np.isnan(values) | untyped, target)


def uncertainty(
    table: Table, columns: Sequence[str], std: Array, bounds: Sequence[Array], target: Path
) -> Table:
    """A table with standard deviations for numbers, and their bounds in further columns."""
    known = _with_numbers(table, columns, std, np.ones(std.shape, bool), target)
    names = [f"{name} {bound}" for bound in ("lower", "upper") for name in columns]
    rows = [
        [*row, *(_cell(value, target) for array in bounds for value in array[i])]
        for i, row in enumerate(known.rows)
    ]
    return Table([*table.header, *(names if bounds else [])], rows)


def _with_numbers(
    table: Table, columns: Sequence[str], values: Array, where: Array, target: Path
) -> Table:
    rows, places = [list(row) for row in table.rows], [table.names.index(name) for name in columns]
    for i, j in np.argwhere(where):
        rows[i][places[j]] = _cell(values[i, j], target)
    return Table(table.header, rows)


def _cell(value: float, target: Path) -> str | float | None:
    """A number for a file of this name."""
    if target.suffix.lower() in DELIMITERS:
        return "" if value != value else f"{value:.9g}"
    return None if value != value else float(value)


def separator_hint(path: Path, names: Sequence[str]) -> str:
    """What to try where the cells of a text table look as if separated by another character."""
    if len(names) > 1 or not any(mark in names[0] for mark in ",;\t"):
        return ""
    comma = DELIMITERS.get(path.suffix.lower()) == ","
    return ("commas" if comma else "tabs") + " between cells, and points in numbers"


def _is_gap(cell: Any) -> bool:
    return cell is None or (isinstance(cell, str) and cell.strip().lower() in GAPS)


def _number(cell: Any) -> float:
    """NaN for a gap, infinity for what is not a number."""
    try:
        # Python's numbers may be written with _ between digits, but 2019_01 is a name.
        return np.inf if "_" in str(cell) or isinstance(cell, bool) else float(cell)
    except (TypeError, ValueError):
        return np.nan if _is_gap(cell) else np.inf


def is_text(cell: Any) -> bool:
    """Whether a cell is no number."""
    if isinstance(cell, bool):
        return True
    try:
        float(cell)
    except (TypeError, ValueError):
        return True
    return "_" in str(cell)


def _are_codes(cells: Sequence[Any]) -> bool:
    """Whether cells are digits that name something: no two alike, filled up with zeros."""
    texts = [cell.strip() for cell in cells if isinstance(cell, str)]
    padded = any(text.startswith("0") for text in texts) and len(set(map(len, texts))) == 1
    digits = len(texts) == len(cells) and all(text.isdigit() for text in texts)
    return padded and digits and len(texts[0]) > 1 and len(set(texts)) == len(texts)


def _one_type(cells: Sequence[Any]) -> Sequence[Any]:
    """A column all of text where some of it is."""
    if not any(isinstance(cell, str) for cell in cells):
        return cells
    return [None if cell is None else str(cell) for cell in cells]


def as_label(cell: Any) -> str:
    """A cell as a label: whole numbers have no point, gaps are empty."""
    if cell is None or cell != cell:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def _read_text(path: Path) -> Table:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, delimiter=DELIMITERS[path.suffix.lower()])
            lines = [(reader.line_num, row) for row in reader if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError("the file is not a text table", got=str(error), hint="UTF-8") from None
    header = lines[0][1] if lines else []
    for line, row in lines:
        if len(row) != len(header):
            raise InputError(
                f"line {line} has another length than the first",
                expected=f"{len(header)} cells",
                got=str(len(row)),
                hint=separator_hint(path, header),
            )
    return Table(header, [row for _, row in lines[1:]], [line for line, _ in lines[1:]])


def _read_parquet(path: Path) -> Table:
    pandas = _pandas()
    try:
        from pyarrow import parquet

        declared = parquet.read_metadata(path)
        resources.require("reading it", declared.num_rows * declared.num_columns * CELL)
        frame = pandas.read_parquet(path)
    except ImportError:
        raise InputError(
            "parquet needs the package pyarrow", hint="pip install 'ntkfill[tables]'"
        ) from None
    values = frame.astype(object).to_numpy(copy=True)
    values[frame.isna().to_numpy()] = None
    return Table([str(name) for name in frame.columns], values.tolist())


def _write_parquet(draft: Path, table: Table, like: Path | None) -> None:
    if like is None:
        columns = map(_one_type, zip(*table.rows, strict=True))
        frame = _pandas().DataFrame(dict(zip(table.header, columns, strict=True)))
        frame.to_parquet(draft, index=False)
        return
    import pyarrow
    from pyarrow import compute, parquet

    given, old = parquet.read_table(like), _read_parquet(like)
    for k, name in enumerate(table.header):
        place = given.schema.get_field_index(name)
        kind, field = given.schema.field(place).type, given.schema.field(place)
        pairs = [(new[k], was[k]) for new, was in zip(table.rows, old.rows, strict=True)]
        differs = [isinstance(new, float | str) and new != was for new, was in pairs]
        if not any(differs):
            continue
        plain = kind.value_type if pyarrow.types.is_dictionary(kind) else kind
        cells = [
            _of_arrow_type(new, plain) if differ else None
            for (new, _), differ in zip(pairs, differs, strict=True)
        ]
        column, new = given.column(place).cast(plain), pyarrow.array(cells, plain)
        column = compute.if_else(pyarrow.array(differs), new, column)
        if plain is not kind:
            column = column.dictionary_encode()
        given = given.set_column(place, field, column.cast(kind))
    groups = parquet.read_metadata(like)
    compression = groups.row_group(0).column(0).compression if groups.num_row_groups else "snappy"
    parquet.write_table(given, draft, compression=compression)


def _of_arrow_type(cell: Any, kind: Any) -> Any:
    """A cell as the nearest that an arrow type holds."""
    from pyarrow import types

    if cell is None or not isinstance(cell, float):
        return cell
    if types.is_integer(kind):
        span = np.iinfo(str(kind))
        return min(max(round(cell), span.min), span.max)
    if types.is_decimal(kind):
        return Decimal(f"{cell:.{kind.scale}f}")
    if types.is_string(kind) or types.is_large_string(kind):
        return f"{cell:.9g}"
    return cell


def _read_workbook(path: Path) -> Table:
    with zipfile.ZipFile(path) as parts:
        resources.require("reading it", SHEET * sum(part.file_size for part in parts.infolist()))
    load = _openpyxl().load_workbook
    cells, formulas = (load(path, data_only=only).worksheets[0] for only in (True, False))
    for row in formulas.iter_rows():
        for cell in row:
            if cell.data_type == "f" and cells[cell.coordinate].value is None:
                raise InputError(
                    f"cell {cell.coordinate} holds a formula whose value is not stored",
                    hint="open and save the file in a spreadsheet program",
                )
    others = len(cells.parent.worksheets) - 1
    if others:
        what = f"{path}: only the first sheet is read, {cells.title!r}; there are {others} more"
        warn(what, UserWarning)
    rows = [list(row) for row in cells.iter_rows(values_only=True)]
    for span in cells.merged_cells.ranges:  # all of them show the value of the first
        first, width = span.min_col - 1, span.max_col - span.min_col + 1
        for row in rows[span.min_row - 1 : span.max_row]:
            row[first : span.max_col] = [rows[span.min_row - 1][first]] * width
    numbered = [
        (number, row)
        for number, row in enumerate(rows, start=1)
        if any(cell is not None for cell in row)
    ]
    if not numbered:
        return Table([], [])
    (_, names), *body = numbered
    used = max(k for _, row in numbered for k, cell in enumerate(row) if cell is not None) + 1
    header = ["" if name is None else str(name) for name in names[:used]]
    return Table(header, [row[:used] for _, row in body], [number for number, _ in body])


def _write_workbook(draft: Path, table: Table, like: Path | None) -> None:
    if like is not None:
        given, book = _read_workbook(like), _openpyxl().load_workbook(like)
        for number, new, old in zip(given.lines, table.rows, given.rows, strict=True):
            for k, (cell, before) in enumerate(zip(new, old, strict=True), start=1):
                if cell != before:
                    book.worksheets[0].cell(number, k).value = cell
    else:
        book = _openpyxl().Workbook()
        for i, row in enumerate([table.header, *table.rows], start=1):
            for k, value in enumerate(row, start=1):
                cell = book.active.cell(i, k)
                cell.value = value
                if isinstance(value, str):
                    cell.data_type = "s"  # also where it looks like a formula
    # A file on disk would be closed twice, and complain, where there is no room.
    file = io.BytesIO()
    book.save(file)
    draft.write_bytes(file.getvalue())


def _openpyxl() -> Any:
    hint = "pip install 'ntkfill[tables]', or a .csv"
    return import_package("openpyxl", ".xlsx needs the package openpyxl", hint)


def _pandas() -> Any:
    hint = "pip install 'ntkfill[tables]', or a .csv"
    return import_package("pandas", "parquet needs the package pandas", hint)
