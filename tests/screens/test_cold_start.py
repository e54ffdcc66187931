"""Weighted sums of methods for what is new, against least squares by hand."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import lsq_linear

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

SCREEN = simulate(cells=8, drugs=10, genes=20, random_state=4).screen.known
OLD = SCREEN.take(SCREEN.cells != SCREEN.cells[0])


def test_in_the_grid_it_is_the_first_method():
    labels = np.array([label for label in OLD.pairs() if label[0] in OLD.cells][len(OLD) :])
    assert set(novelty(OLD, labels).tolist()) == {"in the grid"}
    np.testing.assert_array_equal(ColdStart().predict(OLD, labels), NTK().predict(OLD, labels))


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


def test_features_of_the_prior_are_an_effect_too():
    sides = (SideFeatures({drug: [0.0, 1.0] for drug in np.unique(SCREEN.drugs)}, "drug"),)
    assert len(ColdStart().weigh(OLD, "new drug")[0]) == 3
    assert len(ColdStart(NTK(MatrixNormal(features=sides))).weigh(OLD, "new drug")[0]) == 4
    # Features that are the same for all drugs tell of none.
    train, new = OLD.take(OLD.drugs != OLD.drugs[0]), np.array([[OLD.cells[0], OLD.drugs[0]]])
    np.testing.assert_array_equal(
        Additive(features=sides).predict(train, new), Additive().predict(train, new)
    )


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
