"""Options of patches."""

import numpy as np
import pytest

from ntkfill.errors import InputError
from ntkfill.grids.patches import PatchOptions


def test_patches_grow_and_the_ridge_falls():
    schedule = PatchOptions(width=6, step=3).schedule(100.0)
    assert [one.width for one, _ in schedule] == [4, 4, 5, 5, 5, 5, 6, 6]
    assert [one.step for one, _ in schedule] == [2, 2, 3, 3, 3, 3, 3, 3]
    assert [one.shrinkage for one, _ in schedule] == [0.2] * 7 + [0]
    assert [ridge for _, ridge in schedule] == pytest.approx(100 * 10 ** -np.linspace(0, 2, 8))
    assert {one.width for one, _ in PatchOptions(initial_scale=1).schedule(1.0)} == {8}


def test_patches_are_further_apart_in_all_but_the_last_two_passes():
    schedule = PatchOptions(first_step=1.25).schedule(1.0)
    assert [(one.width, one.step) for one, _ in schedule] == [
        (5, 4), (5, 4), (6, 4), (6, 4), (7, 5), (7, 5), (8, 4), (8, 4)
    ]  # fmt: skip


def test_a_single_pass_is_the_last_one():
    ((one, ridge),) = PatchOptions(width=6, step=3, passes=1).schedule(1.0)
    assert (one.width, one.shrinkage, ridge) == (6, 0, one.last_ridge)


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 0},
        {"step": 2.5},
        {"passes": -1},
        {"first_ridge": 0},
        {"width": 4, "step": 5},
        {"initial_scale": 1.5},
        {"shrinkage": -0.1},
        {"shrinkage": 2},
        {"ring_passes": -1},
        {"ring_passes": 1.5},
        {"imputed_weight": -0.1},
    ],
)
def test_invalid_options_are_refused(wrong):
    with pytest.raises(InputError, match="of the patches"):
        PatchOptions(**wrong)
