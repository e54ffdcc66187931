"""Hold-out: known entries in the pattern of the missing ones."""

import itertools

import numpy as np
import pytest
from scipy import ndimage

from ntkfill import Inpainter, Uncertainty
from ntkfill.grids.holdout import (
    crops,
    depth,
    eroded,
    gaps_along_lines,
    hold_out_like,
    holes,
    lines,
    octave_coarser,
    pattern_period,
)


def scattered(shape, share, seed=0):
    return np.random.default_rng(seed).random(shape) < share


def with_hole(missing, *corner, side=20):
    missing = missing.copy()
    missing[tuple(slice(c, c + side) for c in corner)] = True
    return missing


def deepest(mask):
    return ndimage.distance_transform_cdt(mask, "chessboard").max()


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.75, 0.9])
@pytest.mark.parametrize("shape", [(3000,), (80, 90), (20, 20, 20)])
def test_random_gaps_are_no_holes(shape, share):
    missing = scattered(shape, share)
    holdout = hold_out_like(missing)
    assert not holes(missing).any()
    assert len(holdout) == np.ceil(0.1 * (~missing).sum())
    assert np.allclose(holdout.weight[holdout.mask], 1)


@pytest.mark.parametrize("shape", [(90,), (40, 50), (12, 13, 14)])
@pytest.mark.parametrize("side", [1, 3, 8, 11])
def test_depth_and_erosion_are_those_of_distances(shape, side):
    """In the middle and at the border, where nothing lies beyond."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        missing = np.zeros(shape, bool)
        for corner in rng.integers(0, shape, (4, len(shape))):
            missing[tuple(slice(c, c + side) for c in corner)] = True
        distance = ndimage.distance_transform_cdt(missing, "chessboard")
        assert depth(missing) == distance.max()
        for radius in (0, 1, 2, 4, 7):
            assert np.array_equal(eroded(missing, radius), distance > radius)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5])
def test_a_hole_is_found_among_scattered_gaps(share):
    alone = with_hole(np.zeros((100, 100), bool), 30, 40)
    found = holes(with_hole(scattered(alone.shape, share), 30, 40))
    assert found[alone].all()
    near = ndimage.binary_dilation(alone, np.ones((3, 3)), iterations=4)
    assert not found[~near].any()


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_hole_is_holdout_as_a_hole_of_its_size(share):
    missing = with_hole(scattered((100, 100), share), 30, 40)
    holdout = hold_out_like(missing)
    both = holdout.mask | missing
    assert not (holdout.mask & missing).any()
    # A negative control: as many entries holdout singly are nowhere deep.
    single = np.zeros(missing.size, bool)
    single[np.random.default_rng(1).permutation(np.flatnonzero(~missing))[: len(holdout)]] = True
    assert deepest(both & ~holes(missing)) >= 10 > deepest(single.reshape(missing.shape))
    assert deepest(both) <= 16


def test_weights_stand_for_the_missing_entries():
    missing = with_hole(scattered((100, 100), 0.3), 30, 40)
    holdout, hole = hold_out_like(missing), holes(missing)
    in_holes = holes(holdout.mask | missing) & holdout.mask
    share = holdout.weight[in_holes].sum() / holdout.weight.sum()
    assert share == pytest.approx(hole.sum() / missing.sum(), rel=0.15)
    assert holdout.weight[holdout.mask].mean() == pytest.approx(1)
    assert np.all(holdout.weight[~holdout.mask] == 0)


def test_a_hole_too_large_to_be_copied_is_halved():
    missing = np.zeros((64, 64), bool)
    missing[10:54, 10:54] = True
    holdout = hold_out_like(missing)
    assert 0 < len(holdout) <= 0.25 * (~missing).sum()
    assert not (holdout.mask & missing).any()


@pytest.mark.parametrize("copies", [1, 4])
def test_a_hole_is_copied_so_many_times(copies):
    missing = np.zeros((64, 64), bool)
    missing[30:36, 30:36] = True
    held_out = hold_out_like(missing, copies=copies)
    assert 36 * (copies - 0.5) < len(held_out) <= 36 * copies
    # Where there are many holes, one copy of each is enough.
    many = np.kron(np.indices((8, 8)).sum(axis=0) % 2, np.ones((6, 6))) * np.tile(
        np.pad(np.ones((4, 4)), 1), (8, 8)
    )
    once, again = (hold_out_like(many > 0, copies=count) for count in (1, copies))
    assert (once.mask == again.mask).all()


def test_the_same_random_state_holds_out_the_same():
    missing = with_hole(scattered((60, 60), 0.3), 20, 20)
    assert np.array_equal(hold_out_like(missing).mask, hold_out_like(missing).mask)
    assert not np.array_equal(
        hold_out_like(missing).mask, hold_out_like(missing, random_state=1).mask
    )


@pytest.mark.parametrize("missing", [np.zeros((8, 8), bool), np.ones((8, 8), bool)])
def test_nothing_to_hold_out(missing):
    assert len(hold_out_like(missing)) == 0


def test_something_known_is_always_left():
    missing = np.ones(50, bool)
    missing[[3, 30]] = False
    assert len(hold_out_like(missing, share=0.99)) <= 1


@pytest.mark.parametrize(
    ("shape", "count"), [((100, 100), 1), ((700, 300), 4), ((80, 90, 100), 3), ((30000,), 4)]
)
def test_crops_have_one_size_and_lie_within(shape, count):
    weight = (np.random.default_rng(0).random(shape) < 0.05).astype(float)
    found = crops(weight > 2, weight)
    assert len(found) == count
    assert len({weight[crop].shape for crop in found}) == 1


def test_a_crop_shows_the_held_out_hole():
    missing, weight = np.zeros((600, 600), bool), np.zeros((600, 600))
    missing[30:90, 40:100] = True
    weight[400:460, 300:360] = 1
    (crop,) = crops(missing, weight)
    assert weight[crop].sum() == weight.sum()
    assert weight[crop].shape == (128, 128)


def every_second_row(shape):
    return np.indices(shape)[0] % 2 == 1


@pytest.mark.parametrize(
    ("missing", "period"),
    [
        (every_second_row((40, 40)), 2),
        (np.indices((40, 40)).sum(axis=0) % 2 == 0, 2),
        (np.indices((60, 60)).max(axis=0) % 3 > 0, 3),
        (np.arange(300) % 7 == 3, 7),
        (every_second_row((16, 16, 16)), 2),
        (np.stack([every_second_row((40, 40)), np.zeros((40, 40), bool)], axis=-1), 2),
        (every_second_row((40, 40)) & scattered((40, 40), 0.99), 2),
        (every_second_row((40, 40)) & scattered((40, 40), 0.5), 0),
        (with_hole(scattered((32, 48), 0.5), 10, 8, side=10), 0),
        (scattered((64, 64), 0.95), 0),
        (np.arange(400) % 100 < 50, 0),
        (np.zeros((9, 9), bool), 0),
    ],
)
def test_period_of_gaps_that_repeat(missing, period):
    assert pattern_period(missing, missing.ndim - (missing.shape[-1] == 2)) == period


@pytest.mark.parametrize(
    ("shape", "box"),
    [
        ((300,), np.s_[:12]),
        ((300,), np.s_[-12:]),
        ((90, 80), np.s_[:, -10:]),
        ((90, 80), np.s_[:16, :16]),
        ((20, 30, 30), np.s_[-4:]),
    ],
)
def test_a_hole_at_the_border_is_held_out_beside_itself(shape, box):
    """It has known entries on one side only, and so has what is held out."""
    missing = np.zeros(shape, bool)
    missing[box] = True
    holdout = hold_out_like(missing)
    both = holdout.mask | missing
    assert ndimage.label(both)[1] == 1
    assert deepest(both) == 2 * deepest(missing)


def test_less_is_held_out_beside_a_border_where_too_little_would_stay():
    frame = np.ones((40, 40), bool)
    frame[12:-12, 12:-12] = False
    holdout = hold_out_like(frame)
    assert 0 < len(holdout) <= 0.4 * (~frame).sum()


@pytest.mark.slow
@pytest.mark.parametrize("columns", [1, 24])
def test_intervals_at_the_border_hold_what_they_say(columns):
    """Calibrated on gaps between known pixels, those of 12 samples at both ends were infinite."""
    inside, width = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        length = 400 if columns == 1 else 64
        truth = 5 * np.linspace(0, 1, length)[:, None] + rng.normal(0, 0.3, (length, columns))
        truth = truth[:, 0] if columns == 1 else truth
        missing = np.zeros(truth.shape, bool)
        missing[:12] = missing[-12:] = True
        done = Inpainter().fill(truth, missing, interval=0.9, uncertainty=Uncertainty(samples=8))
        lower, upper = done.interval.lower, done.interval.upper
        inside.append(((lower <= truth) & (truth <= upper))[missing].mean())
        width.append((upper - lower)[missing].mean())
    assert 0.85 < np.mean(inside) < 0.97
    assert np.mean(width) < 4


TURNS = {
    "upside down": lambda x: x[::-1],
    "left to right": lambda x: x[:, ::-1],
    "transposed": lambda x: x.T,
    "by a quarter": np.rot90,
}


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
@pytest.mark.parametrize("shape", [(60, 60), (400, 300)])
def test_what_is_held_out_does_not_depend_on_how_an_image_lies(turn, shape):
    missing = with_hole(scattered(shape, 0.3), 20, 10)
    holdout, turned = hold_out_like(missing), hold_out_like(turn(missing))
    assert np.array_equal(turned.mask, turn(holdout.mask))
    assert np.array_equal(turned.weight, turn(holdout.weight))
    boxes, others = np.zeros((2, *shape))
    for found, lies, weight in ((boxes, lambda x: x, holdout.weight), (others, turn, None)):
        part = lies(found)
        gaps = lies(missing)
        for crop in crops(gaps, turned.weight if weight is None else weight):
            part[crop] += 1
    assert np.array_equal(boxes, others)


def test_lost_slices_are_held_out_as_slices():
    missing = np.zeros((30, 12, 12), bool)
    missing[14:16] = True
    holdout = hold_out_like(missing)
    each = holdout.mask.reshape(30, -1)
    assert lines(missing).sum() == missing.sum()
    assert (each.all(axis=1) == each.any(axis=1)).all()
    assert np.flatnonzero(each.all(axis=1)).size == 2
    assert np.diff(np.flatnonzero(each.all(axis=1))) == 1


def test_clouds_that_touch_are_held_out_somewhere_else():
    """One component all over the grid, which neither fits anywhere else nor has known pixels
    around it only."""
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(24, 40, 40)), (1, 4, 4))
    missing = noise > np.quantile(noise, 0.75)
    holdout = hold_out_like(missing)
    gaps, held_out = (ndimage.distance_transform_edt(x).max() for x in (missing, holdout.mask))
    assert 0.5 * gaps < held_out < 1.5 * gaps
    assert holdout.in_holes.mean() > 0.1


def test_spread_crops_are_where_gaps_are_and_not_only_where_they_are_dense():
    held_out = np.zeros((600, 800), bool)
    held_out[:100, :100] = np.random.default_rng(0).random((100, 100)) < 0.3
    held_out[::40, ::40] = True
    missing = np.zeros_like(held_out)
    dense, spread = (crops(missing, held_out.astype(float), spread=each) for each in (False, True))
    assert dense[0][0].start < 100
    assert len(spread) > len(dense)
    assert all(held_out[crop].any() for crop in spread)
    assert max(crop[1].start for crop in spread) > 400


@pytest.mark.slow
def test_all_letters_of_a_text_are_held_out():
    text = np.zeros((256, 256), bool)
    for row, column in itertools.product(range(5, 250, 32), range(5, 250, 16)):
        text[row : row + 4, column : column + 8] = True
    copies = ndimage.label(hold_out_like(text).in_holes)[1]
    assert copies > 100  # of 128, some beside each other


@pytest.mark.parametrize(
    ("shape", "lost", "along"),
    [
        ((20, 30), lambda i, j: i % 2, 1),  # rows
        ((20, 31), lambda i, j: j % 3, 0),  # two columns of three
        ((10, 12, 16), lambda i, j, k: i % 2, 2),  # slices: along the longest axis
        ((10, 16, 12), lambda i, j, k: i % 2, 1),
        ((20, 30), lambda i, j: i % 2 + j % 2, None),  # enlarged: no line is complete
    ],
)
def test_gaps_along_lines_are_as_wide_as_those_between_them(shape, lost, along):
    missing = lost(*np.indices(shape)) > 0
    lattice, pattern = octave_coarser(missing)
    gaps = gaps_along_lines(lattice, pattern)
    if along is None:
        assert gaps is None
        return
    assert gaps.shape == pattern.shape == missing[lattice].shape
    period = pattern_period(missing, len(shape))
    places = np.indices(gaps.shape)[along]
    np.testing.assert_array_equal(gaps, places % period > 0)
