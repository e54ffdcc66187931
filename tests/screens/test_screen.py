"""The checks of a screen, and averages of replicates."""

import numpy as np
import pytest

from ntkfill import InputError
from ntkfill.screens import Screen, averaged, complete


@pytest.mark.parametrize(
    ("profiles", "labels", "message"),
    [
        ([[1.0], [2.0]], [["A", "x"]], "do not match"),
        ([[1.0]], [["A"]], "unknown labels"),
        ([1.0], [["A", "x"]], "two axes"),
        (np.empty((0, 1)), [], "two axes"),
    ],
)
def test_labels_that_do_not_match(profiles, labels, message):
    with pytest.raises(InputError, match=message):
        Screen(profiles, labels, ["g"])


@pytest.mark.parametrize(
    ("profiles", "message"),
    [
        ([[1.0], [1.0], [1.0]], "same value.*'g'"),
        ([[np.nan], [np.nan], [np.nan]], "no condition"),
    ],
)
def test_screens_that_cannot_be_learned_from(profiles, message):
    with pytest.raises(InputError, match=message):
        complete(Screen(profiles, [["A", "x"], ["A", "y"], ["B", "x"]], ["g"]))


def test_labels_with_commas_are_not_duplicates():
    assert len(Screen([[1.0], [2.0]], [["a, b", "c"], ["a", "b, c"]], ["g"])) == 2
    with pytest.raises(InputError, match="two genes are called 'g'"):
        Screen([[1.0, 2.0]], [["A", "x"]], ["g", "g"])


def test_averages_of_replicates():
    labels = [["A", "x"], ["A", "x"], ["A", "y"]]
    partly = averaged([[1.0, np.nan], [2.0, 5.0], [3.0, np.nan]], labels, ["g", "h"])
    np.testing.assert_array_equal(partly.profiles, [[1.5, 5.0], [3.0, np.nan]])
    assert (partly.measured.tolist(), partly.partly.tolist()) == ([True, False], [False, True])
    with pytest.raises(InputError, match="do not match"):
        averaged([[1.0], [2.0]], labels, ["g"])
    screen = averaged([[np.nan], [np.nan], [3.0]], labels, ["g"])
    assert screen.measured.tolist() == [False, True]
