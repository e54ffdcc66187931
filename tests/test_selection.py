"""Selection: held-out entries, and stacking weights against a general optimiser."""

import numpy as np
import pytest
from scipy import optimize

from ntkfill.selection import hold_out, stacked

RNG = np.random.default_rng(5)


def best_weights(gram):
    """Weights that sum to one, by a general optimiser."""
    found = optimize.minimize(
        lambda w: w @ gram @ w,
        np.full(len(gram), 1 / len(gram)),
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"ftol": 1e-15},
    )
    return found.x


@pytest.mark.parametrize(
    ("errors", "count", "expected"),
    [
        ([[1, 1], [1, 1]], 1e6, [1, 0]),
        ([[1.0, 1], [-1, -1]], 1e9, [0.5, 0.5]),
        ([[2.0, 2], [1, 1]], 1e9, [-1, 2]),
        ([[1.0, 0], [0, 0.999]], 10, [1, 0]),
        ([[3, 3, 3, 3], [1, -1, 1, -1], [3, 3, 3, -3]], 100, [0, 1, 0]),
        ([[0.0, 0], [1, 1]], 1e6, [1, 0]),
    ],
)
def test_stacked(errors, count, expected):
    errors = np.array(errors)
    np.testing.assert_allclose(stacked(errors @ errors.T / 4, count), expected, atol=1e-3)


def test_stacked_against_a_general_optimiser():
    errors = RNG.standard_normal((3, 50)) * [[1.0], [1.5], [0.8]]
    errors[1] += errors[0]
    gram = errors @ errors.T / 50
    assert stacked(gram, 1e12) == pytest.approx(best_weights(gram), abs=1e-3)
    # At most so many of them.
    assert np.count_nonzero(stacked(gram, 1e12, max_stacked=1)) == 1
    assert stacked(gram, 1e12).sum() == pytest.approx(1)


def test_few_errors_do_not_change_the_selection():
    gram = np.array([[1.0, 0.0], [0.0, 0.9]])
    assert stacked(gram, 3.0).tolist() == [1, 0]
    assert stacked(gram, 1e6)[1] > 0.5


@pytest.mark.parametrize(("count", "share"), [(100, 0.1), (10, 0.99), (3, 0.5), (1, 0.5), (0, 0.5)])
def test_held_out_entries_are_a_share_of_the_known(count, share):
    known = np.zeros((20, 10), bool)
    known.flat[np.random.default_rng(count).permutation(200)[:count]] = True
    held_out = hold_out(known, share, np.random.default_rng(0))
    assert not (held_out & ~known).any()
    assert held_out.sum() == min(np.ceil(share * count), max(count - 1, 0))
    np.testing.assert_array_equal(held_out, hold_out(known, share, np.random.default_rng(0)))


def test_no_extrapolation_where_only_averages_are_allowed():
    errors = np.array([[2.0, 2], [1, 1]])
    gram = errors @ errors.T / 2
    assert stacked(gram, 1e9).min() < 0
    assert stacked(gram, 1e9, nonnegative=True).tolist() == [0, 1]
    both = np.array([[1.0, 1], [-1, -1]])
    np.testing.assert_allclose(
        stacked(both @ both.T / 2, 1e9, nonnegative=True), [0.5, 0.5], atol=1e-3
    )
