"""Weighted sums of methods for what is new, against least squares by hand."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import lsq_linear
from scipy.stats import ttest_1samp

from ntkfill.screens import (
    NTK,
    Additive,
    CellMean,
    ColdStart,
    LeaveOneOut,
    MatrixNormal,
    Screen,
    complete,
    evaluate,
    simulate,
)
from ntkfill.screens.features import SideFeatures
from ntkfill.screens.holdout import novelty
from ntkfill.screens.methods.cold_start import _smaller

SCREEN = simulate(cells=8, drugs=10, genes=20, random_state=4).screen.known
OLD = SCREEN.take(SCREEN.cells != SCREEN.cells[0])


def test_in_the_grid_it_is_the_first_method():
    labels = np.array([label for label in OLD.pairs() if label[0] in OLD.cells][len(OLD) :])
    assert set(novelty(OLD, labels).tolist()) == {"in the grid"}
    np.testing.assert_array_equal(ColdStart().predict(OLD, labels), NTK().predict(OLD, labels))


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "of"), [("new cell", "cell"), ("new drug", "drug")])
def test_weights_are_non_negative_least_squares_on_hidden_conditions(kind, of):
    method = ColdStart(CellMean(), (Additive(),))
    weights, predicted, folds = method.weigh(OLD, kind)
    left, right, sums = [], [], []
    for split in LeaveOneOut(of).splits(OLD):
        train, labels = OLD.take(split.train), OLD.labels[split.test]
        parts = [m.predict(train, labels) for m in (CellMean(), Additive())]
        spread = (OLD.profiles[split.test] - parts[0]).std(axis=1, keepdims=True)
        left.append(np.stack([(part / spread).ravel() for part in parts], axis=1))
        right.append((OLD.profiles[split.test] / spread).ravel())
        sums.append(np.einsum("m,mij->ij", weights, parts))
    oracle = lsq_linear(np.concatenate(left), np.concatenate(right), (0, np.inf)).x
    np.testing.assert_allclose(weights, oracle, atol=1e-5)
    if len(folds) == len(sums):
        np.testing.assert_allclose(predicted, np.concatenate(sums))
    new = np.array([["unheard of", OLD.drugs[0]] if of == "cell" else [OLD.cells[0], "unheard of"]])
    parts = [m.predict(OLD, new) for m in (CellMean(), Additive())]
    np.testing.assert_allclose(
        method.predict(OLD, new), np.einsum("m,mij->ij", weights, parts), atol=1e-12
    )


def test_a_method_that_predicts_noise_has_no_weight():
    class Noise:
        def predict(self, train, conditions):
            shape = len(conditions), len(train.genes)
            return np.random.default_rng(len(train)).normal(size=shape)

    weights = ColdStart(Additive(), (Noise(),)).weigh(OLD, "new cell")[0]
    assert weights[0] > 0.3
    assert weights[1] < 0.1


def test_weights_sum_to_one_at_most():
    class Half:
        def __init__(self, method):
            self.method = method

        def predict(self, train, conditions):
            return self.method.predict(train, conditions) / 2

    method = ColdStart(Half(CellMean()), (Half(Additive()),))
    weights = method.weigh(OLD, "new drug")[0]
    np.testing.assert_allclose(weights.sum(), 1.0, atol=1e-6)
    assert weights.min() >= 0


@pytest.mark.slow
def test_features_of_the_prior_are_an_effect_too():
    sides = (SideFeatures({drug: [0.0, 1.0] for drug in np.unique(SCREEN.drugs)}, "drug"),)
    assert len(ColdStart().weigh(OLD, "new drug")[0]) == 3
    # Also the method itself without features.
    assert len(ColdStart(NTK(MatrixNormal(features=sides))).weigh(OLD, "new drug")[0]) == 5
    # Features that are the same for all drugs tell of none.
    train, new = OLD.take(OLD.drugs != OLD.drugs[0]), np.array([[OLD.cells[0], OLD.drugs[0]]])
    np.testing.assert_array_equal(
        Additive(features=sides).predict(train, new), Additive().predict(train, new)
    )


def with_positions(noise, seed=0):
    """A screen of 12 drugs whose effects are linear in a position, and these with noise."""
    random = np.random.default_rng(seed)
    places = random.normal(size=(12, 3))
    effects = places @ random.normal(size=(3, 20))
    profiles = effects + random.normal(size=(5, 1, 20)) + 0.3 * random.normal(size=(5, 12, 20))
    profiles[random.random((5, 12)) < 0.3] = np.nan
    cells, drugs = [f"c{k}" for k in range(5)], [f"d{k}" for k in range(12)]
    rows = places + noise * random.normal(size=places.shape)
    sides = (SideFeatures(dict(zip(drugs, rows, strict=True)), "drug"),)
    return Screen.from_tensor(profiles, cells, drugs, np.arange(20)).known, sides


@pytest.mark.slow
def test_errors_are_compared_over_groups_of_conditions_whatever_their_size():
    random, found = np.random.default_rng(0), []
    for _ in range(100):
        code = np.append(np.arange(6), random.integers(0, 6, 14))
        others = random.random(20) * 10.0 ** random.integers(-3, 4, 6)[code]
        errors = others * np.exp(random.normal(size=6) - 0.8)[code]
        left, right = np.bincount(code, errors), np.bincount(code, others)
        gains = (right - left) / (right + left)
        found.append(_smaller(errors, others, [f"drug {k}" for k in code]))
        assert found[-1] == (ttest_1samp(gains, 0, alternative="greater").pvalue < 0.025)
    assert 30 < sum(found) < 70
    assert not _smaller(np.zeros(2), np.ones(2), ["a", "a"])
    assert not _smaller(np.zeros(2), np.zeros(2), ["a", "b"])


@pytest.mark.slow
def test_features_that_do_not_help_leave_the_prediction_without_them():
    screen, sides = with_positions(noise=1e6)
    train = screen.take(screen.drugs != "d0")
    new = screen.labels[screen.drugs == "d0"]
    given, alone = ColdStart(NTK(MatrixNormal(features=sides))), ColdStart()
    weights, predicted, _ = given.weigh(train, "new drug")
    expected, also, _ = alone.weigh(train, "new drug")
    np.testing.assert_allclose(weights, [0, *expected[1:], 0, expected[0]], atol=1e-12)
    np.testing.assert_allclose(predicted, also, atol=1e-12)
    np.testing.assert_allclose(given.predict(train, new), alone.predict(train, new), atol=1e-12)


@pytest.mark.slow
def test_features_that_help_have_weight_and_the_method_without_has_none():
    screen, sides = with_positions(noise=0.1)
    weights, predicted, folds = ColdStart(NTK(MatrixNormal(features=sides))).weigh(
        screen, "new drug"
    )
    assert weights[[0, 3]].sum() > 0.5
    assert weights[4] == 0
    truth = np.concatenate([screen.profiles[fold.test] for fold in folds])
    alone = ColdStart().weigh(screen, "new drug")[1]
    assert np.square(predicted - truth).sum() < 0.5 * np.square(alone - truth).sum()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("noise", "seed"), [(0.5, 2), (0.5, 3), (0.7, 0), (0.7, 4), (0.9, 3), (0.9, 4)]
)
def test_whether_features_help_is_a_test_on_hidden_drugs_with_weights_of_the_others(noise, seed):
    screen, sides = with_positions(noise, seed)
    methods = [
        NTK(MatrixNormal(features=sides)),
        CellMean(),
        Additive(),
        Additive(features=sides),
        NTK(),
    ]
    weights, _, folds = ColdStart(methods[0]).weigh(screen, "new drug")
    given = [(screen.take(fold.train), screen.labels[fold.test]) for fold in folds]
    parts = [np.stack([m.predict(*of) for m in methods], axis=-1) for of in given]
    truth = [screen.profiles[fold.test] for fold in folds]
    spread = [(y - p[..., 1]).std(axis=1) for p, y in zip(parts, truth, strict=True)]
    sums = {}
    for k, fold in enumerate(folds):
        errors = []
        for used in ([1, 2, 4], [0, 1, 2, 3]):
            left = [
                (parts[i][..., used] / spread[i][:, None, None]).reshape(-1, len(used))
                for i in range(len(folds))
                if i != k
            ]
            right = [(truth[i] / spread[i][:, None]).ravel() for i in range(len(folds)) if i != k]
            much = np.full((1, len(used)), 1e4)
            free = lsq_linear(np.concatenate(left), np.concatenate(right), (0, np.inf)).x
            if free.sum() > 1:
                free = lsq_linear(
                    np.concatenate([*left, much]), np.concatenate([*right, [1e4]]), (0, np.inf)
                ).x
            error = (parts[k][..., used] @ free - truth[k]) / spread[k][:, None]
            errors.append(np.square(error).sum(axis=1))
        for drug, *pair in zip(screen.drugs[fold.test], *errors, strict=True):
            sums[drug] = sums.get(drug, 0) + np.array(pair)
    gains = [(without - told) / (without + told) for without, told in sums.values()]
    helps = ttest_1samp(gains, 0, alternative="greater").pvalue < 0.025
    assert weights[[0, 3]].any() == helps
    assert not (helps and weights[4])


@pytest.mark.slow
def test_what_hiding_makes_newer_is_predicted_and_has_no_say_in_the_weights():
    first, second = OLD.cells[0], OLD.cells[-1]
    drugs = OLD.drugs[OLD.cells == first]
    kept = (OLD.cells != first) | (OLD.drugs == drugs[0])
    sparse = OLD.take(kept)  # hiding this drug makes the cell line new
    weights, predicted, folds = ColdStart().weigh(sparse, "new drug")
    rows = np.concatenate([np.flatnonzero(fold.test) for fold in folds])
    assert len(predicted) == len(rows) == len(sparse)
    moved = sparse.profiles.copy()
    moved[sparse.cells == first] *= -1
    # The profile still trains the other folds.
    other = ColdStart().weigh(replace(sparse, profiles=moved), "new drug")[0]
    assert np.abs(other - weights).max() < 0.1
    labels = np.array([[second, "unheard of"], [first, "unheard of"]])
    assert np.isfinite(complete(sparse, conditions=labels, return_std=True).std).all()


@pytest.mark.slow
def test_a_new_cell_line_is_predicted_no_worse_than_by_any_of_the_methods():
    methods = {"cold": ColdStart(), "ntk": NTK(), "mean": CellMean(), "sum": Additive()}
    result = evaluate(SCREEN, methods, LeaveOneOut("cell"))
    scores = {name: result.mean(name)["r2"] for name in methods}
    assert scores["cold"] >= max(scores.values()) - 0.02


def test_where_nothing_can_be_hidden_the_first_method_is_left():
    one = Screen([[1.0], [2.0]], [["A", "x"], ["A", "y"]], ["g"])
    labels = np.array([["B", "x"]])
    np.testing.assert_array_equal(
        ColdStart(CellMean()).predict(one, labels), CellMean().predict(one, labels)
    )
