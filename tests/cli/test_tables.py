"""The command that fills in tables: files in, files out, and every failure named."""

import csv
import json
import re

import numpy as np
import pytest

from ntkfill import NTKImputer
from ntkfill.cli import main
from ntkfill.io import text_tables

RNG = np.random.default_rng(0)
LEFT, RIGHT = RNG.normal(size=(20, 2)), RNG.normal(size=(4, 2))
TABLE = LEFT @ RIGHT.T
MISSING = RNG.random(TABLE.shape) < 0.2
MISSING[:, 0] = False
NAMES, LABELS = list("abcd"), [f"r{k}" for k in range(20)]


def text(rows, separator=","):
    return "\n".join(separator.join(map(str, row)) for row in rows) + "\n"


@pytest.fixture
def files(tmp_path):
    cells = np.where(MISSING, "", TABLE.astype(str)).tolist()
    table = [["drug", *NAMES], *([label, *row] for label, row in zip(LABELS, cells, strict=True))]
    (tmp_path / "table.csv").write_text(text(table))
    features = [["drug", "f", "g"], *([la, *f] for la, f in zip(LABELS, LEFT, strict=True))]
    (tmp_path / "drugs.csv").write_text(text([features[0], *features[:0:-1]]))
    columns = [["name", "f", "g"], *([n, *f] for n, f in zip(NAMES, RIGHT, strict=True))]
    (tmp_path / "columns.tsv").write_text(text(columns, "\t"))
    return tmp_path


def read(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize(
    ("arguments", "sides"),
    [
        ((), {}),
        (("--row-features", "drugs.csv"), {"row_features": LEFT}),
        (("--column-features", "columns.tsv"), {"column_features": RIGHT}),
        (
            ("--row-features", "drugs.csv", "--column-features", "columns.tsv"),
            {"row_features": LEFT, "column_features": RIGHT},
        ),
    ],
)
def test_fills_as_the_imputer_does_and_keeps_every_other_letter(
    files, capsys, monkeypatch, arguments, sides
):
    monkeypatch.chdir(files)
    command = ["impute", "table.csv", "-o", "filled.csv", "--index", "drug", "--json", *arguments]
    assert main(command) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["rows"], figures["columns"], figures["missing"]) == (20, 4, MISSING.sum())
    before, after = read(files / "table.csv"), read(files / "filled.csv")
    assert before[0] == after[0]
    filled = NTKImputer(**sides).fit_transform(np.where(MISSING, np.nan, TABLE))
    for i, (old, new) in enumerate(zip(before[1:], after[1:], strict=True)):
        for j, (x, y) in enumerate(zip(old, new, strict=True)):
            assert x == y or (x == "" and float(y) == pytest.approx(filled[i, j - 1], rel=1e-6))


def test_whole_rows_come_from_features(files, monkeypatch):
    monkeypatch.chdir(files)
    rows = read(files / "table.csv")
    rows[3][1:] = ["NA", "nan", "", "null"]
    (files / "table.tsv").write_text(text(rows, "\t"))
    command = ["impute", "table.tsv", "-o", "filled.tsv", "--index", "drug", "--quiet"]
    assert main([*command, "--row-features", "drugs.csv"]) == 0
    new = [line.split("\t") for line in (files / "filled.tsv").read_text().splitlines()]
    assert np.corrcoef(np.array(new[3][1:], float), TABLE[2])[0, 1] > 0.8


@pytest.mark.slow
def test_columns_of_text_are_kept_and_listed(files, capsys, monkeypatch):
    monkeypatch.chdir(files)
    rows = read(files / "table.csv")
    for k, row in enumerate(rows):  # one name that reads as a number does not make it one
        row.insert(2, ["name", "1984", "NA", ""][k] if k < 4 else f"the {k}th")
    (files / "named.csv").write_text(text(rows))
    assert main(["impute", "table.csv", "-o", "plain.csv", "--index", "drug"]) == 0
    capsys.readouterr()
    assert main(["impute", "named.csv", "-o", "filled.csv", "--json"]) == 0
    out, err = capsys.readouterr()
    assert "named.csv: columns of text, kept as they are: drug, name" in err
    assert json.loads(out)["text_columns"] == ["drug", "name"]
    filled, plain = read(files / "filled.csv"), read(files / "plain.csv")
    assert [row[2] for row in filled] == [row[2] for row in rows]
    assert [row[:2] + row[3:] for row in filled] == plain
    features = read(files / "drugs.csv")
    (files / "drugs.csv").write_text(
        text([["note", *features[0]], *(["x", *f] for f in features[1:])])
    )
    command = ["impute", "named.csv", "-o", "filled.csv", "--index", "drug"]
    assert main([*command, "--row-features", "drugs.csv"]) == 0
    assert "drugs.csv: columns of text, not used: note" in capsys.readouterr().err


def test_nothing_but_text(files, capsys, monkeypatch):
    monkeypatch.chdir(files)
    (files / "words.csv").write_text("a,b\nx,y\nz,\n")
    assert main(["impute", "words.csv", "-o", "filled.csv"]) == 1
    assert "words.csv: there is no column of numbers; got a, b" in capsys.readouterr().err
    assert not (files / "filled.csv").exists()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (b"a;b\n1;2\n", "no column of numbers; got a;b. Try: commas between cells"),
        (b"a;b\n1,5;2\n", "line 2 has another length"),
        ("näme,a\nx,1\n".encode("latin1"), "is not a text table"),
        (b"", "is empty"),
        (b"a,b\n", "is empty"),
    ],
)
def test_files_of_another_kind(tmp_path, capsys, monkeypatch, table, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_bytes(table)
    assert main(["impute", "table.csv", "-o", "filled.csv"]) == 1
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def changed(row, column, value):
    def change(rows):
        rows[row][column] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (changed(3, 2, "much"), "line 4, column 'b' is not a finite number.*got 'much'"),
        (changed(3, 2, "inf"), "line 4, column 'b' is not a finite number.*got 'inf'"),
        (changed(3, 0, "r0"), "two rows are called 'r0'"),
        (changed(3, 0, "zz"), "no row features for 1 of 20 rows; got zz"),
        (changed(0, 2, "a"), "two columns are called 'a'"),
        (changed(0, 0, "cell"), "no column 'drug'"),
        (
            lambda rows: rows[4].pop(),
            "line 5 has another length.*expected 5 cells; got 4",
        ),
        (lambda rows: rows.clear(), "is empty"),
    ],
)
def test_failures_name_the_place_and_write_nothing(files, capsys, monkeypatch, change, message):
    monkeypatch.chdir(files)
    rows = read(files / "table.csv")
    change(rows)
    (files / "table.csv").write_text(text(rows))
    command = ["impute", "table.csv", "-o", "filled.csv", "--index", "drug"]
    assert main([*command, "--row-features", "drugs.csv"]) == 1
    out, err = capsys.readouterr()
    assert re.search(message, err)
    assert out == ""
    assert sorted(path.name for path in files.iterdir()) == [
        "columns.tsv",
        "drugs.csv",
        "table.csv",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-o", "filled.xls"), "cannot be written; expected .csv"),
        (("-o", "filled.csv", "--row-features", "drugs.csv"), "which features belong"),
    ],
)
def test_requests_that_cannot_be_met(files, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(files)
    assert main(["impute", "table.csv", *arguments]) == 1
    assert message in capsys.readouterr().err


def test_not_converged_is_written_and_flagged(files, capsys, monkeypatch):
    monkeypatch.chdir(files)
    command = ["impute", "table.csv", "-o", "filled.csv", "--index", "drug", "--max-iter", "1"]
    assert main([*command, "--tol", "1e-9"]) == 3
    err = capsys.readouterr().err
    assert err.count("warning:") == 1
    assert "more than max_iter=1" in err
    assert (files / "filled.csv").exists()


def test_nobody_reads_stderr(files, capsys, monkeypatch):
    monkeypatch.chdir(files)
    monkeypatch.setattr("sys.stderr", None)
    assert main(["impute", "table.csv", "-o", "filled.csv", "--index", "drug", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["converged"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("header", "labels"),
    [("", LABELS), ("Unnamed: 0", list(range(20))), (" ", [2019] * 20)],
    ids=str,
)
def test_a_first_column_without_a_name_is_labels(files, capsys, monkeypatch, header, labels):
    monkeypatch.chdir(files)
    rows = read(files / "table.csv")
    (files / "plain.csv").write_text(text([row[1:] for row in rows]))
    labelled = [[header, *rows[0][1:]]]
    labelled += [[label, *row[1:]] for label, row in zip(labels, rows[1:], strict=True)]
    (files / "named.csv").write_text(text(labelled))
    for name in ("plain", "named"):
        command = ["impute", f"{name}.csv", "-o", f"{name}2.csv", "--std", f"{name}3.csv", "--json"]
        assert main(command) == 0
        assert json.loads(capsys.readouterr().out)["columns"] == 4
    for part in "23":
        plain, named = read(files / f"plain{part}.csv"), read(files / f"named{part}.csv")
        assert [row[1:] for row in named] == plain
        assert [row[0] for row in named[1:]] == [str(label) for label in labels]


@pytest.mark.parametrize("label", ["2019_{:02}", "1_000{}", "{}_1e5"])
def test_names_with_underscores_are_text(files, capsys, monkeypatch, label):
    monkeypatch.chdir(files)
    rows = read(files / "table.csv")
    for k, row in enumerate(rows[1:]):
        row[0] = label.format(k)
    (files / "table.csv").write_text(text(rows))
    assert main(["impute", "table.csv", "-o", "filled.csv", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["text_columns"] == ["drug"]
    assert [row[0] for row in read(files / "filled.csv")] == [row[0] for row in rows]


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("mark", "marks"),
    [
        ("-99", "-99"),
        ("-99.0", "-99"),
        ("-9.9e1", "x,-99"),
        ("?", "?"),
        ("not done", "not done, ?"),
    ],
)
def test_marks_of_missing_entries(files, capsys, monkeypatch, mark, marks):
    monkeypatch.chdir(files)
    command = ["--index", "drug", "--quiet"]
    assert main(["impute", "table.csv", "-o", "plain.csv", *command]) == 0
    rows = [[cell or mark for cell in row] for row in read(files / "table.csv")]
    (files / "marked.csv").write_text(text(rows))
    command = ["impute", "marked.csv", "-o", "filled.csv", f"--missing-values={marks}", *command]
    assert main(command) == 0
    assert read(files / "filled.csv") == read(files / "plain.csv")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("words", "low", "high"),
    [
        (["--bounds", "-0.1,0.1"], [-0.1, -0.1], [0.1, 0.1]),
        (["--bounds", "a=0.2,", "--bounds", ",-0.3"], [0.2, -np.inf], [np.inf, -0.3]),
        (["--bounds", "data"], None, None),
    ],
    ids=str,
)
def test_bounds(files, monkeypatch, words, low, high):
    monkeypatch.chdir(files)
    command = ["impute", "table.csv", "-o", "filled.csv", "--index", "drug", "--quiet"]
    assert main([*command, *words]) == 0
    names = ["a", next(name for name in NAMES if name != "a")]
    before, after = (
        text_tables.read(files / f"{x}.csv").numbers(names) for x in ("table", "filled")
    )
    if low is None:
        low, high = np.nanmin(before, axis=0), np.nanmax(before, axis=0)
    gaps = np.isnan(before)
    assert gaps.any()
    assert ((after >= np.array(low) - 1e-8) & (after <= np.array(high) + 1e-8))[gaps].all()
    np.testing.assert_array_equal(after[~gaps], before[~gaps])


def test_bounds_of_no_column(files, capsys, monkeypatch):
    monkeypatch.chdir(files)
    command = ["impute", "table.csv", "-o", "filled.csv", "--index", "drug", "--bounds", "z=0,1"]
    assert main(command) == 1
    assert "no column 'z' of numbers to bound" in capsys.readouterr().err


@pytest.mark.parametrize("mark", ["-99", "999", "-9999.0"])
def test_a_suspicious_mark_draws_one_warning(files, capsys, monkeypatch, mark):
    monkeypatch.chdir(files)
    rows = read(files / "table.csv")
    rows[4][1] = mark
    (files / "table.csv").write_text(text(rows))
    assert main(["impute", "table.csv", "-o", "filled.csv", "--index", "drug"]) == 0
    err = capsys.readouterr().err
    assert err.count("looks like a mark") == 1
    assert f"column 'a': {float(mark):g} looks like" in err
    assert f"--missing-values={float(mark):g}." in err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suffix", "back"),
    [
        (".parquet", ".xlsx"),
        (".xlsx", ".csv"),
        *(
            pytest.param(*both, marks=pytest.mark.slow)
            for both in [(".parquet", ".csv"), (".parquet", ".parquet"), (".xlsx", ".parquet")]
        ),
    ],
)
def test_other_files_hold_the_same_numbers(files, capsys, monkeypatch, suffix, back):
    for name in ("pandas", "pyarrow", "openpyxl"):
        pytest.importorskip(name)
    monkeypatch.chdir(files)
    table = text_tables.read(files / "table.csv")
    numbers = [[row[0], *(float(x) if x else None for x in row[1:])] for row in table.rows]
    text_tables.write(files / f"table{suffix}", text_tables.Table(table.header, numbers))
    command = ["--index", "drug", "--quiet", "--std"]
    assert main(["impute", "table.csv", "-o", "filled.csv", *command, "std.csv"]) == 0
    other = [f"table{suffix}", "-o", f"other{back}", *command, f"other-std{back}"]
    assert main(["impute", *other]) == 0
    # And from text to what is none.
    assert main(["impute", "table.csv", "-o", f"third{back}", *command, f"third-std{back}"]) == 0
    for plain, names in (("filled", ("other", "third")), ("std", ("other-std", "third-std"))):
        wanted = text_tables.read(files / f"{plain}.csv")
        for name in names:
            found = text_tables.read(files / f"{name}{back}")
            assert found.names == wanted.names
            assert found.column("drug") == LABELS
            for both in zip(found.numbers(NAMES), wanted.numbers(NAMES), strict=True):
                # A workbook holds 16 digits, and networks are selected in single precision.
                np.testing.assert_allclose(*both, rtol=1e-7)
            if back != ".csv":
                assert all(isinstance(cell, int | float) for row in found.rows for cell in row[1:])


@pytest.mark.slow
def test_empty_rows_and_columns_are_filled_or_stay_and_are_named(files, capsys, monkeypatch):
    monkeypatch.chdir(files)
    rows = read(files / "table.csv")
    for row in rows[1:]:
        row[2] = ""
    rows[3][1:] = [""] * 4
    (files / "table.csv").write_text(text(rows))
    command = ["impute", "table.csv", "-o", "filled.csv", "--index", "drug", "--std", "std.csv"]
    assert main([*command, "--interval", "0.8"]) == 0
    err = capsys.readouterr().err
    filled_now = sum(
        cell == "" for row in rows[1:] for k, cell in enumerate(row) if k not in (0, 2)
    )
    assert f"filled.csv: {filled_now} entries filled" in err
    assert err.count("no known entry") == 2
    assert "no known entry in 1 column, left empty: 'b'" in err
    assert "no known entry in 1 row, filled from the means of the columns: 'r2'" in err
    filled, std = read(files / "filled.csv"), read(files / "std.csv")
    assert {row[2] for row in (*filled[1:], *std[1:])} == {""}
    known = np.array([float(row[1]) for row in rows[1:] if row[1]])
    assert float(filled[3][1]) == pytest.approx(known.mean(), abs=known.std())
    assert std[0] == ["drug", *NAMES, *(f"{n} {b}" for b in ("lower", "upper") for n in NAMES)]


@pytest.mark.slow
def test_standard_deviations_keep_columns_of_text(files, capsys, monkeypatch):
    monkeypatch.chdir(files)
    assert main(["impute", "table.csv", "-o", "filled.csv", "--std", "std.csv", "--quiet"]) == 0
    rows = read(files / "std.csv")
    assert [row[0] for row in rows] == ["drug", *LABELS]
    assert all(float(row[1]) == 0 for row in rows[1:])


@pytest.mark.parametrize(
    ("stages", "words", "kept", "said"),
    [
        (["1", "2", "3a", "3b"], [], True, "columns of text, kept as they are: stage"),
        (
            ["1", "1", "1", "2", "3", "3a"],
            [],
            True,
            "holds numbers and '3a', and is taken for text",
        ),
        (["1", "2", "3", "3a"], ["--categories", "stage"], True, "kept as they are: stage"),
        (["1", "2"], ["--categories", "stage"], True, "kept as they are: stage"),
        (["1", "2", "?"], ["--missing-values=?"], False, "filled"),
        ([*map(str, range(11)), "3a"], [], None, "--categories, if the column holds labels"),
        (["1"], ["--categories", "stages"], None, "there is no column 'stages'"),
    ],
)
def test_labels_some_of_which_are_numbers(tmp_path, capsys, stages, words, kept, said):
    column = (stages * 24)[:24]
    rows = [[str(k), str(2 * k % 7), stage] for k, stage in enumerate(column)]
    path, target = tmp_path / "patients.csv", tmp_path / "out.csv"
    path.write_text(text([["a", "b", "stage"], *rows]).replace("\n3,6,", "\n3,,"))
    code = main(["impute", str(path), "-o", str(target), *words])
    assert code == (1 if kept is None else code)
    err = capsys.readouterr().err
    assert said in err
    assert ("is taken for text" in err) == ("is taken" in said)
    if kept is not None:
        found = text_tables.read(target).column("stage")
        assert (found == column) == kept
