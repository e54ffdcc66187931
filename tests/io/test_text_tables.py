"""Tables as files: the same cells are gaps for every command, and failures name their place."""

import csv
import io
from datetime import date, datetime

import numpy as np
import pytest

from ntkfill import InputError, screens
from ntkfill.cli import main
from ntkfill.io.text_tables import GAPS, Table, print_table, read, write

GAP_CELLS = ["", " ", "NA", "N/A", "#N/A", "nan", "NaN", "NULL", "None", "<NA>"]


def test_the_cells_here_are_all_gap_words():
    assert {cell.strip().lower() for cell in GAP_CELLS} == GAPS


@pytest.mark.parametrize("cell", GAP_CELLS)
def test_impute_and_screen_read_the_same_cells_as_gaps(cell, tmp_path, monkeypatch):
    """A condition of gaps is missing for `screen`; the same gaps are filled by `impute`."""
    monkeypatch.chdir(tmp_path)
    rows = [("A", "x", 1, 2), ("A", "y", 3, 5), ("B", "x", 2, 3), ("B", "y", cell, cell)]
    lines = ["cell,drug,g,h", *(",".join(map(str, row)) for row in rows)]
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")
    assert screens.read("table.csv").measured.tolist() == [True, True, True, False]
    plain = [["i", "g", "h"], ["1", "1", "2"], ["2", "3", "5"], ["3", cell, "3"]]
    (tmp_path / "plain.csv").write_text("\n".join(map(",".join, plain)) + "\n")
    assert main(["impute", "plain.csv", "-o", "out.csv", "--index", "i", "--quiet"]) == 0
    with open("out.csv", newline="") as file:
        filled = list(csv.reader(file))
    assert filled[:3] == plain[:3]
    assert np.isfinite(float(filled[3][1]))


@pytest.mark.parametrize("cell", ["-", "?", "missing", "1,5", "inf", "-Infinity", "1e999"])
def test_what_is_neither_a_number_nor_a_gap(cell):
    with pytest.raises(InputError, match=r"line 3, column 'b' is not a finite number"):
        Table(["a", "b"], [["1", "2"], ["3", cell]]).numbers()


def test_numbers_are_those_that_python_reads_without_underscores():
    cells = [["1", " 2.5 "], ["-3e-7", "0.1"], ["1000", "1e308"], ["NA", "4"]]
    expected = [[1, 2.5], [-3e-7, 0.1], [1000, 1e308], [np.nan, 4]]
    with pytest.raises(InputError, match=r"line 2, column 'a' is .*got '1_000'"):
        Table(["a"], [["1_000"]]).numbers()
    np.testing.assert_array_equal(Table(["a", "b"], cells).numbers(), expected)
    only = Table(["a", "b"], cells).numbers(["b"])
    np.testing.assert_array_equal(only, [row[1:] for row in expected])


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".tab", ".txt", ".parquet", ".xlsx"])
def test_what_is_written_is_read_again(suffix, tmp_path):
    if suffix in (".parquet", ".xlsx"):
        pytest.importorskip("pyarrow" if suffix == ".parquet" else "openpyxl")
    names, rows = ["drug", "a, b", "c"], [["x", 0.1, 1.0], ["y", 1e-300, -2.5]]
    write(tmp_path / f"t{suffix}", Table(names, rows))
    table = read(tmp_path / f"t{suffix}")
    assert table.names == names
    assert table.column("drug") == ["x", "y"]
    assert table.text_columns() == ["drug"]
    assert table.numbers(names[1:]).tolist() == [row[1:] for row in rows]


def test_lines_are_those_of_the_file(tmp_path):
    """Also where cells hold line breaks and lines are empty."""
    (tmp_path / "t.csv").write_text('a,b\n"x\ny",1\n\nz,high\n')
    with pytest.raises(InputError, match="line 5, column 'b'"):
        read(tmp_path / "t.csv").numbers(["b"])


def test_names_lose_spaces_and_the_header_does_not(tmp_path):
    (tmp_path / "t.csv").write_text("a, b\n1,2\n")
    table = read(tmp_path / "t.csv")
    assert (table.names, list(table.header)) == (["a", "b"], ["a", " b"])
    with io.StringIO() as file:
        print_table(file, table, ",")
        assert file.getvalue() == (tmp_path / "t.csv").read_text()


BAD = {
    "empty.csv": (b"", "is empty"),
    "blank.csv": (b"\n\n", "the table is empty"),
    "head.csv": (b"a,b\n", "the table is empty"),
    "ragged.csv": (b"a,b\n1\n", "line 2 has another length.*expected 2 cells; got 1"),
    "names.csv": (b"a,a \n1,2\n", "two columns are called 'a'"),
    "latin.csv": ("ä,b\n1,2\n".encode("latin1"), "not a text table.*UTF-8"),
    "other.xls": (b"x", "cannot be read; expected .csv .tsv"),
    "broken.xlsx": (b"x", "cannot be read; got BadZipFile"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_named(name, tmp_path):
    content, message = BAD[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path / name)
    assert name in str(caught.value)


def test_what_is_not_there(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        read(tmp_path / "absent.csv")
    with pytest.raises(InputError, match="is a folder"):
        read(tmp_path)


@pytest.fixture
def book(tmp_path):
    """A workbook as people make them: an empty line, a formula, a date, a second sheet."""
    openpyxl = pytest.importorskip("openpyxl")
    made = openpyxl.Workbook()
    made.active.title = "Data"
    for row in (["who", "when", "a", "b"], [], ["x", date(2024, 1, 2), 1, 2.5], ["y", None, None]):
        made.active.append(row)
    made.active["C3"].font = openpyxl.styles.Font(bold=True)
    made.create_sheet("Notes")["A1"] = "keep me"
    made.save(tmp_path / "book.xlsx")
    return tmp_path / "book.xlsx"


@pytest.mark.filterwarnings("ignore:.*only the first sheet:UserWarning")
def test_a_workbook_comes_back_with_what_was_changed(book, tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    table = read(book)
    assert table.names == ["who", "when", "a", "b"]
    assert table.rows == [["x", datetime(2024, 1, 2), 1, 2.5], ["y", None, None, None]]
    assert list(table.lines) == [3, 4]
    assert table.text_columns() == ["who", "when"]
    changed = Table(table.header, [table.rows[0], ["y", None, 7.0, None]])
    write(tmp_path / "out.xlsx", changed, like=book)
    found = openpyxl.load_workbook(tmp_path / "out.xlsx")
    assert found.sheetnames == ["Data", "Notes"]
    assert found["Notes"]["A1"].value == "keep me"
    assert (found["Data"]["C4"].value, found["Data"]["D4"].value) == (7.0, None)
    assert found["Data"]["C3"].font.bold


def test_what_is_not_read_of_a_workbook_is_said(book):
    with pytest.warns(UserWarning, match="only the first sheet is read, 'Data'; there are 1 more"):
        read(book)


@pytest.mark.parametrize(
    ("span", "rows"),
    [
        ("B2:B3", [["x", 1, 4], ["y", 1, None], ["z", 3, 6]]),
        ("A2:A4", [["x", 1, 4], ["x", None, None], ["x", 3, 6]]),
        ("B4:C4", [["x", 1, 4], ["y", None, None], ["z", 3, 3]]),
    ],
)
def test_merged_cells_hold_what_they_show(span, rows, tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    made = openpyxl.Workbook()
    for row in (["who", "a", "b"], ["x", 1, 4], ["y", None, None], ["z", 3, 6]):
        made.active.append(row)
    made.active.merge_cells(span)
    made.save(tmp_path / "in.xlsx")
    table = read(tmp_path / "in.xlsx")
    assert table.rows == rows
    command = ["impute", str(tmp_path / "in.xlsx"), "-o", str(tmp_path / "out.xlsx"), "--quiet"]
    assert main(command) == 0
    back = openpyxl.load_workbook(tmp_path / "out.xlsx").active
    assert [str(each) for each in back.merged_cells.ranges] == [span]
    assert back["C3"].value is not None


def test_a_formula_without_a_value_is_no_gap(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    made = openpyxl.Workbook()
    made.active.append(["a", "b"])
    made.active.append([1, "=A2*2"])
    made.save(tmp_path / "t.xlsx")
    with pytest.raises(InputError, match=r"t.xlsx: cell B2 holds a formula whose value is not"):
        read(tmp_path / "t.xlsx")


def test_text_that_looks_like_a_formula_stays_text(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    write(tmp_path / "t.xlsx", Table(["a"], [["=1+1"], ["x"]]))
    cell = openpyxl.load_workbook(tmp_path / "t.xlsx").active["A2"]
    assert (cell.value, cell.data_type) == ("=1+1", "s")


def test_truth_values_are_text():
    table = Table(["a", "b"], [[True, 1.0], [False, 2.0]])
    assert table.text_columns() == ["a"]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
def test_text_comes_back_byte_for_byte_but_for_its_gaps(suffix, ends, mark, tmp_path):
    cell = "\t".join if suffix != ".csv" else ",".join
    rows = [("größe", "b"), ("1.50", "2"), ("2.50", "4"), ("", "6"), ("4.50", "8")]
    given, filled = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    given.write_bytes(mark + ends.join([*map(cell, rows), ""]).encode())
    assert main(["impute", str(given), "-o", str(filled), "--quiet"]) == 0
    before, after = (path.read_bytes().split(ends.encode()) for path in (given, filled))
    assert [k for k, (a, b) in enumerate(zip(before, after, strict=True)) if a != b] == [3]


@pytest.mark.parametrize(
    ("cells", "text"),
    [
        (["00001", "00002", "10000"], True),
        (["01", "02", "02"], False),  # months, days, hours
        (["0", "1", "2"], False),
        (["1001", "1002", "1003"], False),
        (["0.1", "0.2", "0.3"], False),
        (["001", "02", "10"], False),
        (["2019_01", "2019_02", ""], True),
    ],
    ids=str,
)
def test_codes_are_names(cells, text):
    table = Table(["code", "x"], [[cell, "1"] for cell in cells])
    assert table.text_columns() == (["code"] if text else [])
