"""`--std` and `--interval` of every command that fills in."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ntkfill import Inpainter
from ntkfill.cli import main
from ntkfill.nn import hourglass
from ntkfill.screens import simulate

RNG = np.random.default_rng(0)
SCREEN = simulate(cells=20, drugs=20, genes=60, measured=0.8).screen.known


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".csv", ".npz"])
def test_screen_complete(tmp_path, suffix, capsys):
    data = tmp_path / "data.npz"
    np.savez(
        data, profiles=SCREEN.profiles, genes=SCREEN.genes, cell=SCREEN.cells, drug=SCREEN.drugs
    )
    out, std = tmp_path / f"out{suffix}", tmp_path / f"std{suffix}"
    call = ["screen", "complete", str(data), "-o", str(out), "--method", "cell-mean", "--quiet"]
    assert main([*call, "--std", str(std), "--interval", "0.8"]) == 0
    if suffix == ".csv":
        read, filled = pd.read_csv(std), pd.read_csv(out)
        assert list(read.columns[:4]) == ["cell", "drug", "source", SCREEN.genes[0]]
        gene, predicted = SCREEN.genes[0], filled["source"] == "predicted"
        assert (read.loc[predicted, gene] > 0).all()
        assert (read.loc[~predicted, gene] == 0).all()
        assert (read[f"{gene} lower"] <= filled[gene] + 1e-9).all()
        assert (read[f"{gene} upper"] >= filled[gene] - 1e-9).all()
    else:
        with np.load(std, allow_pickle=False) as read:
            assert read["std"].shape == read["lower"].shape == (400, 60)
            assert (read["upper"] >= read["lower"]).all()
    assert main([*call, "--interval", "0.8"]) == 1
    assert "--std FILE" in capsys.readouterr().err


IMAGE = np.rint(100 + 50 * np.sin(np.arange(24) / 4)[:, None] + RNG.normal(0, 5, (24, 30)))
HOLES = RNG.random(IMAGE.shape) < 0.4


@pytest.fixture
def files(tmp_path):
    Image.fromarray(IMAGE.astype(np.uint8)).save(tmp_path / "a.png")
    Image.fromarray((255 * HOLES).astype(np.uint8)).save(tmp_path / "m.png")
    return tmp_path


@pytest.mark.slow
def test_inpaint(files, capsys):
    call = ["inpaint", str(files / "a.png"), "--mask", str(files / "m.png"), "-o"]
    call += [str(files / "o.png"), "--network", "hourglass(2)", "--json", "--quiet"]
    std = files / "s.npy"
    assert main([*call, "--std", str(std)]) == 0
    figures = json.loads(capsys.readouterr().out)["files"][0]
    expected = Inpainter(hourglass(2)).fill(IMAGE.astype(np.uint8), HOLES, interval=0.9)
    np.testing.assert_allclose(np.load(std), expected.std, rtol=1e-5)
    assert figures["mean_std"] == pytest.approx(expected.std[HOLES].mean(), rel=1e-4)
    np.testing.assert_array_equal(np.asarray(Image.open(files / "o.png")), expected.values)
    tif = files / "s.tif"
    assert main([*call, "--std", str(tif), "--interval", "0.9"]) == 0
    figures = json.loads(capsys.readouterr().out)["files"][0]
    assert figures["interval"] == 0.9
    import tifffile

    stack = tifffile.imread(tif)
    wanted = [expected.std, expected.interval.lower, expected.interval.upper]
    np.testing.assert_allclose(stack, wanted, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--interval", "0.9"], "--interval needs a file"),
        (["--std", "OUT"], "would overwrite another result"),
        (["--std", "s.png"], "cannot hold this image"),
        (["--std", "s.npy", "SECOND"], "one image at a time"),
    ],
)
def test_inpaint_refuses(files, more, message, capsys):
    Image.fromarray(IMAGE.astype(np.uint8)).save(files / "b.png")
    many = "SECOND" in more
    target = files / ("folder" if many else "o.png")
    call = ["inpaint", str(files / "a.png"), *([str(files / "b.png")] if many else [])]
    call += ["--mask", str(files / "m.png"), "-o", str(target)]
    names = {"OUT": str(target), "s.png": str(files / "s.png"), "s.npy": str(files / "s.npy")}
    assert main([*call, *(names.get(x, x) for x in more if x != "SECOND")]) == 1
    assert message in capsys.readouterr().err
    assert not (files / "o.png").exists()


@pytest.mark.parametrize("level", ["0", "1", "90", "high", "nan"])
def test_levels_that_make_no_sense(level, capsys):
    with pytest.raises(SystemExit):
        main(["impute", "t.csv", "-o", "o.csv", "--std", "s.csv", "--interval", level])
    assert "between 0 and 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("call", "lost"),
    [
        (["inpaint", "in", "-o", "out", "--std", "in/a.npy"], "in/a.npy"),
        (["inpaint", "in/a.npy", "-o", "there", "--std", "there/a.npy"], None),
        (["inpaint", "in/a.npy", "-o", "o.npy", "--std", "hard.npy"], "hard.npy"),
        (["screen", "complete", "s.csv", "-o", "s.csv"], "s.csv"),
    ],
)
def test_nothing_is_written_over(tmp_path, monkeypatch, call, lost, capsys):
    monkeypatch.chdir(tmp_path)
    for folder in ("in", "there"):
        (tmp_path / folder).mkdir()
    np.save("in/a.npy", np.where(HOLES, np.nan, IMAGE))
    (tmp_path / "hard.npy").hardlink_to("in/a.npy")
    (tmp_path / "s.csv").write_text("cell,drug,g\nA,x,1\n")
    before = lost and (tmp_path / lost).read_bytes()
    assert main(call) == 1
    assert "would overwrite" in capsys.readouterr().err
    assert not list((tmp_path / "there").iterdir())
    assert lost is None or (tmp_path / lost).read_bytes() == before


@pytest.mark.slow
def test_doubles_keep_their_digits(tmp_path, capsys):
    np.save(tmp_path / "a.npy", np.where(HOLES, np.nan, 1e9 + IMAGE / 100))
    call = ["inpaint", str(tmp_path / "a.npy"), "-o", str(tmp_path / "o.npy"), "--quiet"]
    call += ["--network", "hourglass(2)", "--std", str(tmp_path / "s.npy"), "--interval", "0.9"]
    assert main(call) == 0
    _, lower, upper = np.load(tmp_path / "s.npy")
    assert (upper - lower)[HOLES].min() > 0


def test_endless_intervals_are_null_in_json(tmp_path, capsys):
    few = np.arange(12.0)
    few[[3, 7]] = np.nan
    np.save(tmp_path / "a.npy", few)
    call = ["inpaint", str(tmp_path / "a.npy"), "-o", str(tmp_path / "o.npy"), "--quiet"]
    call += ["--network", "hourglass(1)", "--std", str(tmp_path / "s.npy"), "--interval", "0.99"]
    assert main([*call, "--json"]) == 0
    assert np.isinf(np.load(tmp_path / "s.npy")).any()
    out = capsys.readouterr().out
    assert "Infinity" not in out
    assert json.loads(out)["files"][0]["mean_width"] is None


def test_bits_without_a_gap(tmp_path, capsys):
    np.save(tmp_path / "a.npy", HOLES)
    np.save(tmp_path / "m.npy", np.zeros_like(HOLES))
    call = ["inpaint", str(tmp_path / "a.npy"), "--mask", str(tmp_path / "m.npy"), "--quiet"]
    call += ["-o", str(tmp_path / "o.npy"), "--std", str(tmp_path / "s.npy"), "--interval", "0.9"]
    assert main(call) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "s.npy"), [0 * HOLES, HOLES, HOLES])


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_a_mosaic_knows_one_channel_of_each_pixel(tmp_path, more, capsys):
    mosaic = np.full((12, 12, 3), np.nan)
    for i, j, channel in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        mosaic[i::2, j::2, channel] = IMAGE[i:12:2, j:12:2]
    np.save(tmp_path / "a.npy", mosaic)
    call = ["inpaint", str(tmp_path / "a.npy"), "-o", str(tmp_path / "o.npy"), "--quiet"]
    assert main([*call, "--channel-axis", "-1", "--network", "hourglass(2)", *more]) == 0
    if not more:
        assert np.isfinite(np.load(tmp_path / "o.npy")).all()
