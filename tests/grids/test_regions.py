"""Pixels that are kept out, gaps that are left, one periodic axis, and angles."""

import numpy as np
import pytest

from ntkfill import Inpainter, InputError, Uncertainty, inpaint
from ntkfill.cli import main
from ntkfill.nn import hourglass

SEA = 100 + np.add.outer(np.arange(40.0), np.arange(50.0))
LAND = np.zeros(SEA.shape, bool)
LAND[20:, 30:] = True
GAPS = np.random.default_rng(0).random(SEA.shape) < 0.2


@pytest.mark.parametrize("land", [-999.0, 0.0, np.nan])
@pytest.mark.parametrize("channels", [None, -1])
def test_what_is_excluded_is_neither_filled_nor_used(land, channels):
    image = np.where(LAND, land, SEA)
    if channels:
        image = np.stack([image, image], channels)
    inpainter = Inpainter(hourglass(4, convs_up=2), channel_axis=channels)
    done = inpainter.fill(image, GAPS, exclude=LAND, return_std=True)
    np.testing.assert_array_equal(done.values[LAND], image[LAND])
    truth = SEA if channels is None else np.stack([SEA, SEA], channels)
    assert np.abs(done.values - truth)[~LAND].max() < 3
    assert np.isnan(done.std[LAND]).all()
    assert np.isfinite(done.std[~LAND]).all()
    assert done.info.missing == (GAPS & ~LAND).sum()


@pytest.mark.sampled
@pytest.mark.parametrize("land", [np.inf, -999.0, 0.0])
def test_excluded_pixels_are_no_part_of_what_is_told(land):
    image = np.where(LAND, land, SEA)
    asked = {"exclude": LAND, "interval": 0.9, "uncertainty": Uncertainty(samples=20)}
    done = Inpainter(hourglass(1), bounds=(0, 500)).fill(image, GAPS, **asked)
    assert not done.info.outside_receptive_field[LAND].any()
    for part in (done.std, done.interval.lower, done.interval.upper):
        assert np.isnan(part[LAND]).all()
        assert np.isfinite(part[~LAND]).all()


@pytest.mark.parametrize("boundary", ["pad", ("pad", "wrap")])
@pytest.mark.parametrize("max_gap", [None, 2, 4])
def test_angles_beside_what_is_excluded(max_gap, boundary):
    """Wide gaps are told from others before the land counts as missing."""
    wide = GAPS.copy()
    wide[2:8, 2:8] = True
    truth = 3 * SEA % 360
    options = {"period": 360, "max_gap": max_gap, "boundary": boundary, "network": hourglass(3)}
    done = Inpainter(**options).fill(np.where(LAND, -999.0, truth), wide, exclude=LAND)
    back = done.values
    np.testing.assert_array_equal(back[LAND], -999)
    assert done.info.missing <= (wide & ~LAND).sum()
    apart = np.abs(back - truth)[~LAND]
    assert np.minimum(apart, 360 - apart).max() < 40
    assert (back[4:6, 4:6] == truth[4:6, 4:6]).all() == (max_gap is not None)
    assert done.info.missing == (back != np.where(LAND, -999.0, truth)).sum()


def test_exclude_has_the_shape_of_the_image():
    with pytest.raises(InputError, match="shape of the image"):
        inpaint(SEA, GAPS, exclude=LAND[:5])


@pytest.mark.parametrize(("max_gap", "filled"), [(1, [5]), (2, [5, 10, 11]), (4, [5, 10, 11])])
def test_longer_gaps_of_a_signal_are_left(max_gap, filled):
    signal = np.arange(40.0)
    signal[[5, 10, 11, *range(20, 25)]] = np.nan
    missing = np.isnan(signal)
    back = inpaint(signal, max_gap=max_gap)
    assert np.flatnonzero(missing & ~np.isnan(back)).tolist() == filled
    assert not np.isnan(inpaint(signal, max_gap=5)).any()


@pytest.mark.slow
def test_wide_gaps_of_an_image_are_left_channel_by_channel():
    image = np.stack([SEA, SEA], axis=-1)
    image[5:9, 5:9, 0] = np.nan  # wide
    image[20:22, 5:45, 1] = np.nan  # long, but thin
    back = inpaint(image, channel_axis=-1, max_gap=3)
    assert np.isnan(back[5:9, 5:9, 0]).all()
    assert np.isnan(back).sum() == 16


@pytest.mark.parametrize("axis", [0, 1])
def test_one_axis_is_periodic(axis):
    """A row at the end is predicted from the first ones along this axis only."""
    boundary = tuple("wrap" if k == axis else "pad" for k in (0, 1))
    inpainter = Inpainter(hourglass(2), boundary=boundary, cache=None)
    missing = np.zeros((32, 32), bool)
    missing[-1, :] = missing[:, -1] = True
    weights = inpainter.fit(mask=missing).weights((31, 10) if axis == 0 else (10, 31))
    ahead, beside = weights.take(0, axis).sum(), weights.take(30, axis).sum()
    assert ahead == pytest.approx(beside, rel=0.2)
    across = inpainter.weights((10, 31) if axis == 0 else (31, 10)).take(0, 1 - axis)
    assert abs(across.sum()) < 0.1 * ahead


@pytest.mark.parametrize("boundary", [("pad",), ("pad", "wrap", "pad"), ("pad", "reflect"), ""])
def test_boundaries_of_another_number_are_refused(boundary):
    with pytest.raises(InputError, match="boundary must be"):
        inpaint(SEA, GAPS, boundary=boundary)


def test_a_boundary_for_each_axis_is_saved(tmp_path):
    inpainter = Inpainter(hourglass(1), boundary=("pad", "wrap"), cache=None).fit(mask=GAPS)
    inpainter.save(tmp_path / "one.npz")
    again = Inpainter.load(tmp_path / "one.npz")
    assert again.boundary == ["pad", "wrap"] or again.boundary == ("pad", "wrap")
    np.testing.assert_allclose(again.transform(SEA), inpainter.transform(SEA), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("period", [360.0, 2 * np.pi, 24])
@pytest.mark.parametrize("channels", [None, -1])
def test_angles_are_filled_across_their_jump(period, channels):
    turns = np.add.outer(np.arange(30.0), np.arange(30.0)) / 40 % 1
    gaps = np.random.default_rng(1).random(turns.shape) < 0.3
    image = turns * period
    if channels:
        image = np.stack([image, image], channels)
    back = inpaint(image, gaps, period=period, channel_axis=channels)
    np.testing.assert_array_equal(back[~gaps], image[~gaps])
    apart = np.abs((back - image) / period)
    assert np.minimum(apart, 1 - apart).max() < 0.03
    assert 0 <= back.min() <= back.max() < period + 1e-9
    plain = inpaint(image, gaps, channel_axis=channels)
    assert np.abs(plain - image).max() / period > 0.2  # what is filled without it


@pytest.mark.parametrize("dtype", ["f4", "i2", "u2"])
def test_angles_come_back_in_the_range_of_the_known(dtype):
    """From 0 to 360, or from -180 to 180, whichever the known are; whole ones never 360."""
    turns = np.add.outer(np.arange(30.0), np.arange(30.0)) * 4.3 % 360
    low, high = (0, 360) if dtype == "u2" else (-180, 180)
    image = (np.rint(turns) % 360 + low).astype(dtype)
    gaps = np.random.default_rng(1).random(turns.shape) < 0.3
    back = inpaint(image, gaps, period=360, network=hourglass(2))
    assert back.dtype == image.dtype
    assert low <= back.min() <= back.max() < high
    apart = np.abs(back.astype(float) - image)
    assert np.minimum(apart, 360 - apart).max() < 20


@pytest.mark.parametrize(
    "options", [{"period": 0}, {"period": 360, "bounds": "data"}, {"max_gap": 0}]
)
def test_other_options_are_refused(options):
    with pytest.raises(InputError):
        inpaint(SEA, GAPS, **options)


@pytest.mark.sampled
@pytest.mark.parametrize("land", ["inf", "-999", "nan"])
@pytest.mark.parametrize(
    "more",
    [
        ["--max-gap", "3", "--bounds", "120,180"],
        ["--spacing", "2,1", "--boundary", "pad,wrap"],
        ["--std", "std.npy", "--interval", "0.9"],
        ["--dry-run"],
    ],
    ids=" ".join,
)
def test_the_command_line_leaves_out_what_is_excluded(more, land, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    image = np.where(LAND, float(land), SEA)
    for name, array in (("in", image), ("land", LAND), ("gaps", GAPS)):
        np.save(f"{name}.npy", array)
    command = ["inpaint", "in.npy", "--mask", "gaps.npy", "--exclude", "land.npy", *more]
    command += ["--network", "hourglass(1)", "--fast"]
    assert main([*command, "-o", "out.npy"]) == 0
    said = capsys.readouterr().err
    assert "looks like a mark" not in said
    if "--dry-run" not in more:
        count = (GAPS & ~LAND).sum()
        assert f"{count} of 2,000 pixels are missing" in said
        np.testing.assert_array_equal(np.load("out.npy")[LAND], image[LAND])


@pytest.mark.slow
def test_the_command_line_has_the_same_options(tmp_path):
    signal = np.where(LAND, 359.0, (SEA * 3) % 360)
    np.save(tmp_path / "in.npy", np.where(GAPS, np.nan, signal))
    np.save(tmp_path / "land.npy", LAND)
    options = ["--exclude", str(tmp_path / "land.npy"), "--period", "360", "--max-gap", "5"]
    options += ["--boundary", "pad,wrap", "--network", "hourglass(2)", "--fast"]
    out = tmp_path / "out.npy"
    assert main(["inpaint", str(tmp_path / "in.npy"), "-o", str(out), *options]) == 0
    expected = inpaint(
        np.load(tmp_path / "in.npy"),
        exclude=LAND,
        period=360,
        max_gap=5,
        boundary=("pad", "wrap"),
        network=hourglass(2),
    )
    np.testing.assert_array_equal(np.load(out), expected)
