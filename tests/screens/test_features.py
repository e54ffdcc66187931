"""Features of conditions: the values of each, and that no held-out profile reaches any of them."""

from dataclasses import dataclass

import numpy as np
import pytest

from ntkfill import InputError
from ntkfill.screens import Additive, Imputation
from ntkfill.screens.features import (
    GroupMean,
    MeanOverOthers,
    OneHot,
    Reference,
    SideFeatures,
    Stack,
    unit_rows,
)

CELLS, DRUGS = "ABC", "wxyz"
LABELS = {
    "cell": [cell for cell in CELLS for _ in DRUGS],
    "drug": [drug for _ in CELLS for drug in DRUGS],
}
PROFILES = np.random.default_rng(0).normal(size=(12, 5))
TRAIN = np.arange(12) % 4 != np.array([0] * 4 + [1] * 4 + [2] * 4)  # one drug short in each cell


def features_of(prior, profiles, labels, train):
    """Features of all conditions, given the profiles of the training conditions."""
    train_labels = {name: np.asarray(labels[name], dtype=object)[train] for name in LABELS}
    return prior.features(profiles[train], train_labels, labels)


ALL = [
    OneHot("drug"),
    OneHot(("cell", "drug")),
    GroupMean("cell"),
    GroupMean("drug", residual="cell"),
    MeanOverOthers(),
    MeanOverOthers(residual="cell"),
    Reference(("cell", "A")),
    SideFeatures({drug: [float(k), 1.0] for k, drug in enumerate(DRUGS)}, "drug"),
    Imputation(Additive()),
    Stack(GroupMean("cell"), MeanOverOthers(), OneHot("drug"), weights=[1, 1, 0.5]),
]


def sees_held_out(make):
    """Whether the features move when the profiles outside the training set do."""
    other = np.where(TRAIN[:, None], PROFILES, 1e3)
    first, second = (features_of(make(p), p, LABELS, TRAIN) for p in (PROFILES, other))
    return not np.array_equal(first, second)


@pytest.mark.parametrize("prior", ALL, ids=lambda prior: type(prior).__name__)
def test_no_held_out_profile_is_seen(prior):
    assert not sees_held_out(lambda _: prior)
    hidden = np.where(TRAIN[:, None], PROFILES, np.nan)
    assert np.isfinite(features_of(prior, hidden, LABELS, TRAIN)).all()


@dataclass(frozen=True, eq=False)
class Leaky:
    """Brings all profiles along, past the argument that it is given."""

    everything: np.ndarray
    fixed: bool = False

    def features(self, train_profiles, train_labels, labels):
        return GroupMean("drug").features(self.everything, LABELS, labels)


def test_planted_leak_is_caught():
    assert sees_held_out(Leaky)


@pytest.mark.parametrize("prior", ALL, ids=lambda prior: type(prior).__name__)
def test_fixed_says_whether_the_profiles_matter(prior):
    first, second = (features_of(prior, p, LABELS, TRAIN) for p in (PROFILES, PROFILES + DRUGSHIFT))
    assert np.array_equal(first, second) == prior.fixed


DRUGSHIFT = np.random.default_rng(1).normal(size=PROFILES.shape)


@pytest.mark.parametrize("by", ["cell", "drug"])
def test_group_mean(by):
    ours = features_of(GroupMean(by), PROFILES, LABELS, TRAIN)
    names = np.array(LABELS[by])
    for k, row in enumerate(ours):
        np.testing.assert_allclose(row, PROFILES[TRAIN & (names == names[k])].mean(axis=0))


def test_mean_over_other_cells_leaves_its_own_out():
    ours = features_of(MeanOverOthers(), PROFILES, LABELS, TRAIN)
    cells, drugs = np.array(LABELS["cell"]), np.array(LABELS["drug"])
    for k, row in enumerate(ours):
        others = TRAIN & (drugs == drugs[k]) & (cells != cells[k])
        np.testing.assert_allclose(row, PROFILES[others].mean(axis=0))


def test_groups_without_a_training_profile_have_the_mean_of_all():
    train = np.array([cell != "C" for cell in LABELS["cell"]])
    ours = features_of(GroupMean("cell"), PROFILES, LABELS, train)
    np.testing.assert_allclose(ours[-1], PROFILES[train].mean(axis=0))
    train = np.array([drug != "z" for drug in LABELS["drug"]])
    ours = features_of(MeanOverOthers(), PROFILES, LABELS, train)
    np.testing.assert_allclose(ours[-1], PROFILES[train].mean(axis=0))


def test_reference():
    ours = features_of(Reference(("cell", "A")), PROFILES, LABELS, TRAIN)
    np.testing.assert_allclose(ours[[1, 5, 9]], PROFILES[[1, 1, 1]])
    np.testing.assert_allclose(ours[8], PROFILES[1:4].mean(axis=0))  # (A, w) is held out
    with pytest.raises(InputError, match=r"cell 'D'"):
        features_of(Reference(("cell", "D")), PROFILES, LABELS, TRAIN)


def test_stack_is_unit_rows_of_weighted_unit_rows():
    parts = GroupMean("cell"), OneHot("drug")
    ours = features_of(Stack(*parts, weights=[2, 1]), PROFILES, LABELS, TRAIN)
    first, second = (features_of(part, PROFILES, LABELS, TRAIN) for part in parts)
    by_hand = np.hstack([2 * first / np.linalg.norm(first, axis=1)[:, None], second]) / np.sqrt(5)
    np.testing.assert_allclose(ours, by_hand)
    np.testing.assert_array_equal(unit_rows(np.zeros((1, 3))), np.zeros((1, 3)))


def test_frames_of_either_kind_are_labels():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    expected = features_of(MeanOverOthers(), PROFILES, LABELS, TRAIN)
    for frame in (pandas.DataFrame(LABELS), polars.DataFrame(LABELS)):
        np.testing.assert_array_equal(
            features_of(MeanOverOthers(), PROFILES, frame, TRAIN), expected
        )
    table = pandas.DataFrame({"f": [1.0, 2.0, 3.0, 4.0]}, index=list("zyxw"))
    ours = features_of(SideFeatures(table, "drug"), PROFILES, LABELS, TRAIN)
    np.testing.assert_array_equal(ours[:4, 0], [4, 3, 2, 1])


def test_bad_input_is_named():
    with pytest.raises(InputError, match=r"no column 'dose'; expected cell, drug"):
        features_of(OneHot("dose"), PROFILES, LABELS, TRAIN)
    with pytest.raises(InputError, match=r"no drug features for 3 of 12 drugs; got z"):
        features_of(SideFeatures({drug: [1.0] for drug in "wxy"}, "drug"), PROFILES, LABELS, TRAIN)
    with pytest.raises(InputError, match="'x' hold NaN"):
        SideFeatures({"w": [1.0], "x": [np.inf]}, "drug")
    with pytest.raises(InputError, match="one finite weight per part"):
        Stack(OneHot("drug"), weights=[1, 2])
    pandas = pytest.importorskip("pandas")
    with pytest.raises(InputError, match="two drug feature labels are called 'x'"):
        SideFeatures(pandas.DataFrame({"f": [1, 2]}, index=["x", "x"]), "drug")
