"""What is printed and written for people: terminals of few characters, formulas, long messages."""

import contextlib
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from ntkfill import Inpainter, InputError
from ntkfill.cli import main
from ntkfill.cli.common import DONE, FAILED
from ntkfill.nn import hourglass
from ntkfill.screens import CellMean, KFold, evaluate
from ntkfill.screens.evaluation import report
from ntkfill.screens.screen import Screen

HOLES = np.eye(8, dtype=bool)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_terminals_of_few_characters(encoding, monkeypatch):
    np.save("β\x1b[2J.npy", np.where(HOLES, np.nan, 1.0))
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    name = "β\x1b[2J.npy"
    assert main(["inpaint", name, "--network", "hourglass(1)", "--dry-run"]) == DONE
    assert main(["inpaint", "β.png", "--network", "hourglass(1)", "-o", "x.png"]) == FAILED
    for stream in (out, err):
        stream.flush()
        printed = stream.buffer.getvalue()
        assert rb"\u03b2" in printed
        assert b"\x1b" not in printed


def test_messages_are_short_and_on_one_line():
    said = str(InputError("name", got="x\n\x1b[31m" + "y" * 10_000, hint="z" * 10_000))
    assert len(said) < 2100
    assert said.isprintable()


@pytest.mark.parametrize(
    "command",
    [
        "impute t.csv -o o.csv \x1b[2J",
        "impute t.csv -o o.csv --\x1b[2J",
        "kernel \x1b[2J",
    ],
)
def test_what_the_command_line_held_is_escaped(command, capsys):
    with contextlib.suppress(SystemExit):
        main(command.split(" "))
    said = "".join(capsys.readouterr())
    assert r"\x1b" in said
    assert "\x1b" not in said


@pytest.mark.slow
def test_a_pixel_from_the_end():
    np.save("in.npy", np.where(HOLES, np.nan, np.arange(8.0)))
    for k, at in enumerate((["--at", "7,7"], ["--at", "-1,-1"], ["--at=-1,-1"])):
        assert main(["heatmap", "in.npy", "--network", "hourglass(1)", *at, "-o", f"{k}.png"]) == 0
    assert Path("1.png").read_bytes() == Path("2.png").read_bytes()


FORMULA = "=cmd|' /C calc'!A0"


@pytest.mark.parametrize(
    ("command", "gaps"),
    [("impute s.csv", ",3"), ("screen complete s.csv --method cell-mean", ",")],
)
def test_formulas(command, gaps):
    rows = "".join(f"{FORMULA},d{k},{k - 2},{k * k}\n" for k in range(5))
    Path("s.csv").write_text(f"cell,drug,@g,h\n{rows}+b,d1,{gaps}\n+b,d2,1,2\n")
    for options, mark in (([], ""), (["--excel-safe"], "'")):
        assert main([*command.split(), "-o", "out.csv", "--quiet", *options]) == DONE
        lines = Path("out.csv").read_text().splitlines()
        assert f"{mark}@g" in lines[0].split(",")
        assert any(line.startswith(mark + FORMULA) for line in lines)
        assert any(line.startswith(f"{mark}+b,") for line in lines)
        assert any("-2" in line.split(",") or "-2.0" in line.split(",") for line in lines)


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("command", "written"),
    [
        ("impute s.csv -o out.csv --std other.csv", "other.csv"),
        ("impute s.csv -o out.csv --std other.csv --interval 0.9", "other.csv"),
        ("screen complete s.csv --method cell-mean -o out.csv --std other.csv", "other.csv"),
        ("screen rank s.csv --method cell-mean --signature g.csv -o out.csv", "out.csv"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_formulas_in_other_tables(command, written):
    rng = np.random.default_rng(0)
    rows = [f"{c},{FORMULA}{k},{k % 5},{rng.normal()}\n" for c in "@+" for k in range(12)]
    gaps = [f"@,{FORMULA}9{k},,{k}\n" for k in range(4)] if "impute" in command else []
    Path("s.csv").write_text(f"cell,drug,g,h\n{''.join(rows + gaps)}")
    Path("g.csv").write_text("gene,change\ng,1\nh,-1\n")
    for options, marks in (([], set("=")), (["--excel-safe"], set("'"))):
        assert main([*command.split(), "--quiet", *options]) == DONE
        lines = Path(written).read_text().splitlines()
        first = {cell[:1] for line in lines for cell in line.split(",")}
        assert first & set("='") == marks


@pytest.mark.parametrize("wanted", [[], ["--recommend", "1"], ["--pairs", "p.csv"]])
def test_formulas_in_ratings(wanted):
    rows = "".join(f"{FORMULA},@i{k},{k % 3}\n+b,@i{k + 1},{k % 2}\n" for k in range(5))
    Path("s.csv").write_text(f"user,item,rating\n{rows}+b,@i0,\n{FORMULA},@i5,\n")
    Path("p.csv").write_text(f"user,item\n{FORMULA},@i5\n+b,@i0\n")
    for options, mark in (([], ""), (["--excel-safe"], "'")):
        assert main(["rate", "s.csv", "-o", "out.csv", "--quiet", *wanted, *options]) == DONE
        lines = Path("out.csv").read_text().splitlines()
        assert any(line.startswith(f"{mark}{FORMULA},{mark}@i") for line in lines)
        assert any(line.startswith(f"{mark}+b,{mark}@i") for line in lines)


@pytest.mark.slow
def test_formulas_and_mathematics_in_reports():
    labels = [[cell, drug] for cell in ("$a_{$", "=1+1") for drug in "xyz"]
    screen = Screen(np.random.default_rng(0).normal(size=(6, 3)), labels, list("ghi"))
    result = evaluate(screen, {"=HYPERLINK()": CellMean()}, KFold(2, rounds=1))
    page = report.render(screen, result, report.figures(screen, result))
    assert "<td>&#39;=HYPERLINK()" in page
    assert "$a_{$" in page


CHANGES = {
    "format": ({"format": 2}, "another format"),
    "types": ({"options": {"shift_average": "no"}}, "shift_average"),
    "axes": ({"options": {"channel_axis": "last"}}, "channel_axis"),
    "centre": ({"options": {"centre": 3}}, "centre"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_saved_inpainters_of_another_format(name):
    changes, said = CHANGES[name]
    Inpainter(hourglass(1)).fit(mask=HOLES).save("saved.npz")
    with np.load("saved.npz") as stored:
        arrays = dict(stored)
    text = json.loads(str(arrays["options"]))
    text["options"] |= changes.get("options", {})
    arrays["options"] = json.dumps(text | {k: v for k, v in changes.items() if k != "options"})
    np.savez("saved.npz", **arrays)
    with pytest.raises(InputError, match=rf"saved\.npz is not a saved inpainter.*{said}"):
        Inpainter.load("saved.npz")
