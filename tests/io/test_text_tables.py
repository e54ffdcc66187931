"""Tables as files: the same cells are gaps for every command, and failures name their place."""

import csv
import io

import numpy as np
import pytest

from ntkfill import InputError, screens
from ntkfill.cli import main
from ntkfill.io.text_tables import GAPS, Table, print_table, read, write

GAP_CELLS = ["", " ", "NA", "N/A", "nan", "NaN", "NULL", "None", "<NA>"]


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


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".tab", ".txt", ".parquet"])
def test_what_is_written_is_read_again(suffix, tmp_path):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
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
    "other.xlsx": (b"x", "cannot be read; expected .csv .tsv"),
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
