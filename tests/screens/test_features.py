"""Priors for conditions: what each gives, and that no held-out profile reaches any of them."""

from dataclasses import dataclass

import numpy as np
import pytest

from ntkfill import InputError
from ntkfill.nn import Dense, LeakyReLU, ReLU, Sequential
from ntkfill.screens.features import (
    GroupMean,
    Imputation,
    MeanOverOthers,
    OneHot,
    OwnNugget,
    Random,
    Reference,
    SideFeatures,
    Stack,
    of_training,
    unit,
)
from ntkfill.screens.features.nugget import kernel_and_ridge

CELLS, DRUGS = "ABC", "wxyz"
LABELS = {
    "cell": [cell for cell in CELLS for _ in DRUGS],
    "drug": [drug for _ in CELLS for drug in DRUGS],
}
PROFILES = np.random.default_rng(0).normal(size=(12, 5))
TRAIN = np.arange(12) % 4 != np.array([0] * 4 + [1] * 4 + [2] * 4)  # one drug short in each cell
NET = Sequential(Dense(), ReLU(), Dense())


def additive(profiles, seen, labels):
    return GroupMean("cell").features(profiles, seen, labels) + GroupMean("drug").features(
        profiles, seen, labels
    )


ALL = [
    OneHot("drug"),
    OneHot(("cell", "drug")),
    OwnNugget(),
    GroupMean("cell"),
    GroupMean("drug", residual="cell"),
    MeanOverOthers(),
    MeanOverOthers(residual="cell"),
    Reference(("cell", "A")),
    SideFeatures({drug: [float(k), 1.0] for k, drug in enumerate(DRUGS)}, "drug"),
    Imputation(additive),
    Random(7),
    Stack(GroupMean("cell"), MeanOverOthers(), OneHot("drug"), weights=[1, 1, 0.5]),
]


def sees_held_out(make):
    """Whether the features move when the profiles outside the training set do."""
    other = np.where(TRAIN[:, None], PROFILES, 1e3)
    first, second = (of_training(make(p), p, LABELS, TRAIN) for p in (PROFILES, other))
    return not np.array_equal(first, second)


@pytest.mark.parametrize("prior", ALL, ids=lambda prior: type(prior).__name__)
def test_no_held_out_profile_is_seen(prior):
    assert not sees_held_out(lambda _: prior)
    hidden = np.where(TRAIN[:, None], PROFILES, np.nan)
    assert np.isfinite(of_training(prior, hidden, LABELS, TRAIN)).all()


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
    first, second = (of_training(prior, p, LABELS, TRAIN) for p in (PROFILES, PROFILES + DRUGSHIFT))
    assert np.array_equal(first, second) == prior.fixed


DRUGSHIFT = np.random.default_rng(1).normal(size=PROFILES.shape)


@pytest.mark.parametrize("by", ["cell", "drug"])
def test_group_mean(by):
    ours = of_training(GroupMean(by), PROFILES, LABELS, TRAIN)
    names = np.array(LABELS[by])
    for k, row in enumerate(ours):
        np.testing.assert_allclose(row, PROFILES[TRAIN & (names == names[k])].mean(axis=0))


def test_mean_over_other_cells_leaves_its_own_out():
    ours = of_training(MeanOverOthers(), PROFILES, LABELS, TRAIN)
    cells, drugs = np.array(LABELS["cell"]), np.array(LABELS["drug"])
    for k, row in enumerate(ours):
        others = TRAIN & (drugs == drugs[k]) & (cells != cells[k])
        np.testing.assert_allclose(row, PROFILES[others].mean(axis=0))


def test_where_nothing_is_there_to_average_the_mean_of_all_steps_in():
    train = np.array([cell != "C" for cell in LABELS["cell"]])
    ours = of_training(GroupMean("cell"), PROFILES, LABELS, train)
    np.testing.assert_allclose(ours[-1], PROFILES[train].mean(axis=0))
    train = np.array([drug != "z" for drug in LABELS["drug"]])
    ours = of_training(MeanOverOthers(), PROFILES, LABELS, train)
    np.testing.assert_allclose(ours[-1], PROFILES[train].mean(axis=0))


def test_reference():
    ours = of_training(Reference(("cell", "A")), PROFILES, LABELS, TRAIN)
    np.testing.assert_allclose(ours[[1, 5, 9]], PROFILES[[1, 1, 1]])
    np.testing.assert_allclose(ours[8], PROFILES[1:4].mean(axis=0))  # (A, w) is held out
    with pytest.raises(InputError, match=r"cell 'D'"):
        of_training(Reference(("cell", "D")), PROFILES, LABELS, TRAIN)


def test_random_features_belong_to_the_label():
    turned = {name: column[::-1] for name, column in LABELS.items()}
    ours, theirs = (Random().features(PROFILES, LABELS, x) for x in (LABELS, turned))
    np.testing.assert_array_equal(ours, theirs[::-1])
    assert not np.array_equal(ours, Random(seed=1).features(PROFILES, LABELS, LABELS))
    assert len(np.unique(ours[:, 0])) == len(ours)


def test_stack_is_unit_rows_of_weighted_unit_rows():
    parts = GroupMean("cell"), OneHot("drug")
    ours = of_training(Stack(*parts, weights=[2, 1]), PROFILES, LABELS, TRAIN)
    first, second = (of_training(part, PROFILES, LABELS, TRAIN) for part in parts)
    by_hand = np.hstack([2 * first / np.linalg.norm(first, axis=1)[:, None], second]) / np.sqrt(5)
    np.testing.assert_allclose(ours, by_hand)
    np.testing.assert_array_equal(unit(np.zeros((1, 3))), np.zeros((1, 3)))


@pytest.mark.parametrize(
    "net", [NET, Sequential(Dense(), LeakyReLU(0.1), Dense(), ReLU(), Dense())]
)
@pytest.mark.parametrize("scaled", [True, False])
def test_appended_identity_is_an_explicit_ridge(net, scaled):
    rng = np.random.default_rng(2)
    features = rng.normal(size=(12, 4)) * (1 if scaled else rng.random((12, 1)))
    features = unit(features) if scaled else features
    appended = net.between(np.hstack([features, 1.5 * np.eye(12)]))
    kernel, ridge = kernel_and_ridge(net, features)
    known = np.arange(9)
    theirs = appended[9:, :9] @ np.linalg.solve(appended[:9, :9], PROFILES[known])
    block = kernel[:9, :9] + np.diag(ridge[:9])
    ours = kernel[9:, :9] @ np.linalg.solve(block, PROFILES[known])
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-13)
    assert np.ptp(ridge) < 1e-14 or not scaled  # unit features: one number for all
    bare = kernel[9:, :9] @ np.linalg.solve(kernel[:9, :9], PROFILES[known])
    assert np.max(np.abs(bare - theirs)) > 1e-2


def test_frames_of_either_kind_are_labels():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    expected = of_training(MeanOverOthers(), PROFILES, LABELS, TRAIN)
    for frame in (pandas.DataFrame(LABELS), polars.DataFrame(LABELS)):
        np.testing.assert_array_equal(
            of_training(MeanOverOthers(), PROFILES, frame, TRAIN), expected
        )
    table = pandas.DataFrame({"f": [1.0, 2.0, 3.0, 4.0]}, index=list("zyxw"))
    ours = of_training(SideFeatures(table, "drug"), PROFILES, LABELS, TRAIN)
    np.testing.assert_array_equal(ours[:4, 0], [4, 3, 2, 1])


def test_bad_input_is_named():
    with pytest.raises(InputError, match=r"no column 'dose'; expected cell, drug"):
        of_training(OneHot("dose"), PROFILES, LABELS, TRAIN)
    with pytest.raises(InputError, match=r"1 labels of 'drug'; got z"):
        of_training(SideFeatures({drug: [1.0] for drug in "wxy"}, "drug"), PROFILES, LABELS, TRAIN)
    with pytest.raises(InputError, match="'x' hold NaN"):
        SideFeatures({"w": [1.0], "x": [np.inf]}, "drug")
    broken = PROFILES.copy()
    broken[5] = np.nan
    with pytest.raises(InputError, match="do not fit"):
        of_training(OneHot("drug"), PROFILES[:3], LABELS, TRAIN)
    with pytest.raises(InputError, match="no condition is"):
        of_training(OneHot("drug"), PROFILES, LABELS, np.zeros(12, bool))
    with pytest.raises(InputError, match=r"'cell': 'B', 'drug': 'x'"):
        of_training(OneHot("drug"), broken, LABELS, np.ones(12, bool))
    with pytest.raises(InputError, match="one finite weight per part"):
        Stack(OneHot("drug"), weights=[1, 2])
    pandas = pytest.importorskip("pandas")
    with pytest.raises(InputError, match="two rows of features for the label 'x'"):
        SideFeatures(pandas.DataFrame({"f": [1, 2]}, index=["x", "x"]), "drug")
