"""`ntkfill screen`: files out, messages on stderr, figures on stdout, nothing half-written."""

import csv
import json
import re

import numpy as np
import pytest

from ntkfill.cli import main
from ntkfill.io import text_tables
from ntkfill.screens import simulate

MADE = simulate(cells=4, drugs=6, genes=8, random_state=2)


@pytest.fixture
def data(tmp_path):
    lines = [[*MADE.screen.fields, *MADE.screen.genes]]
    for labels, row in zip(MADE.screen.labels, MADE.screen.profiles, strict=True):
        lines.append([*labels, *("" if np.isnan(v) else repr(float(v)) for v in row)])
    path = tmp_path / "screen.csv"
    path.write_text("\n".join(",".join(line) for line in lines) + "\n")
    rows = "".join(f"{gene},{change}\n" for gene, change in MADE.signature.items())
    (tmp_path / "signature.csv").write_text("gene,change\n" + rows)
    return path


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_evaluate_writes_one_page_and_the_same_numbers(data, tmp_path, capsys):
    page = tmp_path / "report.html"
    arguments = ["--folds", "3", "--rounds", "2", "--methods", "ntk,cell-mean,falrtc"]
    arguments += ["--interval", "0.9"]
    assert main(["screen", "evaluate", str(data), *arguments, "--report", str(page), "--json"]) == 0
    out, err = capsys.readouterr()
    numbers = json.loads(out)
    assert numbers == json.loads(page.with_suffix(".json").read_text())
    assert list(numbers["methods"]) == ["ntk", "cell-mean", "falrtc"]
    assert len(numbers["methods"]["ntk"]["r"]["folds"]) == numbers["folds"] == 6
    assert str(page) in err
    text = page.read_text()
    for name in ("ntk", "falrtc"):
        assert f"{numbers['methods'][name]['r']['mean']:.3f}" in text
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", text)
    assert "<script" not in text
    assert text.count("<svg") == 3
    strata = {(cover["novelty"], cover["stratum"]) for cover in numbers["calibration"]}
    assert {("in the grid", "all"), ("new cell", "largest values")} <= strata
    assert set(numbers["regimes"]) == {"sparse", "dense"}
    assert "What the intervals of ntk hold" in text
    assert "data:image/png;base64," in text


def test_replicates_are_averaged_where_that_is_asked_for(data, tmp_path, capsys):
    first, *rest = data.read_text().splitlines()
    measured = next(line for line in rest if not line.endswith(","))
    data.write_text("\n".join([first, *rest, measured]) + "\n")
    complete = ["screen", "complete", str(data), "-o", str(tmp_path / "out.csv")]
    assert main(complete) == 1
    assert "--replicates mean" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()
    assert main([*complete, "--replicates", "mean"]) == 0
    assert len(rows(tmp_path / "out.csv")) == 24


@pytest.mark.slow
@pytest.mark.parametrize("hold_out", ["sparse", "drug", "cell"])
def test_other_ways_to_hold_out(hold_out, data, capsys):
    arguments = ["--hold-out", hold_out, "--drugs", "1", "--rounds", "2", "--quiet"]
    methods = "ntk,additive,dnpp,ntk-on-dnpp"
    assert main(["screen", "evaluate", str(data), *arguments, "--methods", methods]) == 0
    out, err = capsys.readouterr()
    assert "ntk-on-dnpp" in out
    assert err == ""


def test_complete_marks_what_is_predicted(data, tmp_path, capsys):
    target = tmp_path / "done.csv"
    assert main(["screen", "complete", str(data), "-o", str(target), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    found = rows(target)
    assert len(found) == figures["conditions"] == 24
    assert sum(row["source"] == "predicted" for row in found) == figures["predicted"] > 0
    for labels, profile in zip(MADE.screen.labels, MADE.screen.profiles, strict=True):
        (row,) = (r for r in found if [r["cell"], r["drug"]] == labels.tolist())
        if row["source"] == "measured":
            assert [float(row[gene]) for gene in MADE.screen.genes] == profile.tolist()
        else:
            assert np.isnan(profile).all()


@pytest.mark.slow
def test_rank_writes_the_cures_first(data, tmp_path, capsys):
    target, signature = tmp_path / "ranked.csv", str(tmp_path / "signature.csv")
    command = ["screen", "rank", str(data), "--signature", signature]
    assert main([*command, "-o", str(target)]) == 0
    assert "8 genes of the signature" in capsys.readouterr().err
    found = rows(target)
    assert {row["drug"] for row in found[:2]} == set(MADE.cures)
    assert [int(row["rank"]) for row in found] == [1, 2, 3, 4, 5, 6]
    assert main([*command, "--by", "connectivity", "--cells", "simulated-cell-4", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert {drug["source"] for drug in figures["drugs"]} == {"measured", "predicted"}
    assert all(drug["p"] is None and drug["low"] is None for drug in figures["drugs"])
    assert main([*command, "--quiet"]) == 0
    assert capsys.readouterr().out.startswith("rank\tdrug\tcosine")
    assert main([*command, "--permutations", "9", "--interval", "0.8", "--json"]) == 0
    for drug in json.loads(capsys.readouterr().out)["drugs"]:
        assert drug["p"] >= 0.1
        assert drug["low"] <= drug["high"]


@pytest.mark.slow
def test_demo_says_that_it_is_simulated(tmp_path, capsys):
    folder = tmp_path / "demo"
    assert main(["screen", "demo", "-o", str(folder), "--json"]) == 0
    out, err = capsys.readouterr()
    figures = json.loads(out)
    assert figures["simulated"] is True
    assert "simulated" in err
    assert set(figures["first"]) == set(figures["cures"])
    assert figures["scores"]["ntk"]["r"] > figures["scores"]["cell-mean"]["r"]
    names = {"report.html", "report.json", "completed.csv", "signature.csv", "ranked.csv"}
    assert {path.name for path in folder.iterdir()} == names
    assert "Simulated data" in (folder / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "{data}", "--methods", "magic"], "no method 'magic'"),
        (["evaluate", "{data}", "--methods", "paper"], "--reference"),
        (["evaluate", "{data}", "--folds", "7"], "more folds than drugs"),
        (["evaluate", "{data}", "--report", "report.pdf"], "ending in .html"),
        (["evaluate", "absent.csv"], "no file absent.csv"),
        (["complete", "{data}", "-o", "done.docx"], "cannot be written"),
        (["complete", "{data}", "-o", "done.csv", "--columns", "plate=x"], "unknown columns"),
        (["rank", "{data}", "--signature", "absent.csv"], "no file"),
        (["rank", "{data}", "--signature", "wrong.csv"], "share no gene"),
        (
            ["rank", "{data}", "--signature", "text.csv"],
            "text.csv: line 2, column 'change'",
        ),
        (
            ["rank", "{data}", "--signature", "signature.csv", "-o", "r.npz"],
            "r.npz cannot be",
        ),
        (["rank", "{data}", "--signature", "signature.csv", "--cells", "X"], "no cell line X"),
    ],
)
def test_failures_are_one_sentence_and_leave_nothing(arguments, message, data, monkeypatch, capsys):
    monkeypatch.chdir(data.parent)
    (data.parent / "wrong.csv").write_text("gene,change\nTP53,1\n")
    (data.parent / "text.csv").write_text("gene,change\nTP53,up\n")
    before = sorted(path.name for path in data.parent.iterdir())
    assert main(["screen", *(part.format(data=data) for part in arguments)]) == 1
    assert re.search(message, capsys.readouterr().err)
    assert sorted(path.name for path in data.parent.iterdir()) == before


def test_nothing_is_half_written(data, tmp_path, monkeypatch, capsys):
    def broken(file, *_):
        file.write("half")
        raise OSError(28, "No space left on device", "disk")

    monkeypatch.setattr(text_tables, "print_table", broken)
    before = sorted(path.name for path in tmp_path.iterdir())
    assert main(["screen", "complete", str(data), "-o", str(tmp_path / "done.csv")]) == 1
    assert "No space left" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_completion_into_an_array_on_disk(data, capsys):
    out = data.with_name("out.npy")
    arguments = ["screen", "complete", str(data), "-o", str(out)]
    assert main(arguments) == 1
    assert "is written by --method low-rank" in capsys.readouterr().err
    assert main([*arguments, "--method", "low-rank", "--resume"]) == 0
    names = json.loads(out.with_suffix(".json").read_text())
    assert np.load(out).shape == tuple(len(of) for of in names.values()) == (6, 4, 8)
