"""Hidden entries: known ones, in the pattern of the missing ones."""

import numpy as np
import pytest
from scipy import ndimage

from ntkfill.errors import InputError
from ntkfill.grids.holdout import hide, holes


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
    hidden = hide(missing)
    assert not holes(missing).any()
    assert len(hidden) == np.ceil(0.1 * (~missing).sum())
    assert np.allclose(hidden.weight[hidden.mask], 1)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5])
def test_a_hole_is_found_among_scattered_gaps(share):
    alone = with_hole(np.zeros((100, 100), bool), 30, 40)
    found = holes(with_hole(scattered(alone.shape, share), 30, 40))
    assert found[alone].all()
    near = ndimage.binary_dilation(alone, np.ones((3, 3)), iterations=4)
    assert not found[~near].any()


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_hole_is_hidden_as_a_hole_of_its_size(share):
    missing = with_hole(scattered((100, 100), share), 30, 40)
    hidden = hide(missing)
    both = hidden.mask | missing
    assert not (hidden.mask & missing).any()
    # A negative control: as many entries hidden singly are nowhere deep.
    single = np.zeros(missing.size, bool)
    single[np.random.default_rng(1).permutation(np.flatnonzero(~missing))[: len(hidden)]] = True
    assert deepest(both & ~holes(missing)) >= 10 > deepest(single.reshape(missing.shape))
    assert deepest(both) <= 16


def test_weights_stand_for_the_missing_entries():
    missing = with_hole(scattered((100, 100), 0.3), 30, 40)
    hidden, hole = hide(missing), holes(missing)
    in_holes = holes(hidden.mask | missing) & hidden.mask
    share = hidden.weight[in_holes].sum() / hidden.weight.sum()
    assert share == pytest.approx(hole.sum() / missing.sum(), rel=0.15)
    assert hidden.weight[hidden.mask].mean() == pytest.approx(1)
    assert np.all(hidden.weight[~hidden.mask] == 0)


def test_a_hole_too_large_to_be_moved_is_made_smaller():
    missing = np.zeros((64, 64), bool)
    missing[10:54, 10:54] = True
    hidden = hide(missing)
    assert 0 < len(hidden) <= 0.25 * (~missing).sum()
    assert not (hidden.mask & missing).any()


def test_the_same_seed_hides_the_same():
    missing = with_hole(scattered((60, 60), 0.3), 20, 20)
    assert np.array_equal(hide(missing).mask, hide(missing).mask)
    assert not np.array_equal(hide(missing).mask, hide(missing, seed=1).mask)


@pytest.mark.parametrize("missing", [np.zeros((8, 8), bool), np.ones((8, 8), bool)])
def test_nothing_to_hide(missing):
    assert len(hide(missing)) == 0


def test_something_known_is_always_left():
    missing = np.ones(50, bool)
    missing[[3, 30]] = False
    assert len(hide(missing, share=0.99)) <= 1


@pytest.mark.parametrize("share", [0, 1, -0.1, float("nan"), "half"])
def test_shares_that_are_none(share):
    with pytest.raises(InputError, match="share"):
        hide(np.eye(4, dtype=bool), share=share)
