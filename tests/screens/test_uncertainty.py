"""How sure predicted profiles are, and the commands that say how sure they are."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ntkfill import InputError, inpaint, screens
from ntkfill.cli import main
from ntkfill.screens import CellMean, Screen
from ntkfill.screens.uncertainty import doubt, held_out

RNG = np.random.default_rng(0)
# How loud cells, drugs and genes are; the profiles are nothing but noise.
CELLS = {f"c{k}": [0.5, 1.0, 1.0, 2.0][k % 4] for k in range(20)}
DRUGS = {f"d{k}": 0.5 if k < 10 else 1.5 for k in range(20)}
GENES = np.linspace(0.5, 3.0, 60)


def noisy(seed=0, measured=0.8):
    rng = np.random.default_rng(seed)
    labels = np.array([(cell, drug) for cell in CELLS for drug in DRUGS])
    loud = np.array([CELLS[cell] * DRUGS[drug] for cell, drug in labels])
    truth = loud[:, None] * GENES * rng.normal(size=(len(labels), len(GENES)))
    known = rng.random(len(labels)) < measured
    profiles = np.where(known[:, None], truth, np.nan)
    genes = [f"g{k}" for k in range(len(GENES))]
    return Screen(profiles, labels, genes), truth, loud[:, None] * GENES


def test_the_sizes_of_the_errors_are_found():
    screen, truth, size = noisy()
    found = doubt(CellMean(), screen.known)
    std = found.std(screen.labels)
    ratio = std / size
    # Errors of the mean of a few others, on top of the noise.
    off = CellMean().predict(screen.known, screen.labels) - truth
    new = ~screen.measured
    assert np.sqrt(np.mean((off / std)[new] ** 2)) == pytest.approx(1.0, rel=0.12)
    # Few conditions speak for a drug, so quiet ones are not quite believed.
    assert np.std(np.log(ratio)) < 0.25
    assert np.std(np.log(size)) > 0.6
    # New labels have the usual size.
    new = found.std(np.array([["new", "new"]]))[0]
    np.testing.assert_allclose(new, found.of_gene)
    assert found.scores.quantile(0.9) == pytest.approx(1.64, rel=0.12)


def test_what_is_held_out_is_not_seen():
    """Errors of the mean of the others, not of a mean that holds the condition itself."""
    screen = noisy()[0].known
    squares, rows = held_out(CellMean(), screen, seed=0)
    own = CellMean().predict(screen, screen.labels) - screen.profiles
    assert len(rows) == len(screen)
    assert squares.mean() > 1.05 * np.square(own).mean()


def test_complete():
    screen, truth, _ = noisy(1)
    done = screens.complete(screen, CellMean(), return_std=True, interval=0.8)
    missing = ~done.measured
    assert not done.std[done.measured].any()
    assert (done.std[missing] > 0).all()
    place = {tuple(row): k for k, row in enumerate(screen.labels.tolist())}
    order = [place[tuple(row)] for row in done.screen.labels.tolist()]
    inside = (done.interval.lower <= truth[order]) & (truth[order] <= done.interval.upper)
    assert 0.72 < inside[missing].mean() < 0.88
    np.testing.assert_array_equal(done.interval.lower[done.measured], truth[order][done.measured])
    bare = screens.complete(screen, CellMean())
    assert (bare.std, bare.interval) == (None, None)
    np.testing.assert_array_equal(bare.screen.profiles, done.screen.profiles)
    only = screens.complete(screen, CellMean(), return_std=True)
    np.testing.assert_array_equal(only.std, done.std)
    with pytest.raises(InputError, match="level of the interval"):
        screens.complete(screen, CellMean(), interval=2)


def test_the_default_method():
    made = screens.simulate(cells=6, drugs=12, genes=8)
    done = screens.complete(made.screen, interval=0.9)
    assert np.isfinite(done.std).all()


def test_nothing_can_be_held_out():
    lone = Screen([[1.0, 2.0], [3.0, 5.0]], [["A", "x"], ["B", "y"]], ["g", "h"])
    with pytest.raises(InputError):
        screens.complete(lone, CellMean(), return_std=True)


# --- Commands.


@pytest.mark.parametrize("suffix", [".csv", ".npz"])
def test_screen_complete(tmp_path, suffix, capsys):
    screen = noisy()[0].known
    data = tmp_path / "data.npz"
    np.savez(
        data, profiles=screen.profiles, genes=screen.genes, cell=screen.cells, drug=screen.drugs
    )
    out, std = tmp_path / f"out{suffix}", tmp_path / f"std{suffix}"
    call = ["screen", "complete", str(data), "-o", str(out), "--method", "cell-mean", "--quiet"]
    assert main([*call, "--std", str(std), "--interval", "0.8"]) == 0
    if suffix == ".csv":
        read, filled = pd.read_csv(std), pd.read_csv(out)
        assert list(read.columns[:4]) == ["cell", "drug", "source", "g0"]
        predicted = filled["source"] == "predicted"
        assert (read.loc[predicted, "g0"] > 0).all()
        assert (read.loc[~predicted, "g0"] == 0).all()
        assert (read["g0 lower"] <= filled["g0"] + 1e-9).all()
        assert (read["g0 upper"] >= filled["g0"] - 1e-9).all()
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


def test_inpaint(files, capsys):
    call = ["inpaint", str(files / "a.png"), "--mask", str(files / "m.png"), "-o"]
    call += [str(files / "o.png"), "--network", "hourglass(2)", "--json", "--quiet"]
    std = files / "s.npy"
    assert main([*call, "--std", str(std)]) == 0
    figures = json.loads(capsys.readouterr().out)["files"][0]
    expected = inpaint(IMAGE.astype(np.uint8), HOLES, network=_net(), interval=0.9)
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


def _net():
    from ntkfill.nn import hourglass

    return hourglass(2)


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
    told = capsys.readouterr().out
    assert "Infinity" not in told
    assert json.loads(told)["files"][0]["mean_width"] is None


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
