"""Folds and scores, against NumPy, SciPy and scikit-learn."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import cosine as cosine_distance
from sklearn.metrics import r2_score

from ntkfill import InputError
from ntkfill.screens import (
    NTK,
    Additive,
    CellMean,
    KFold,
    LeaveOneOut,
    Screen,
    Sparse,
    evaluate,
    simulate,
)
from ntkfill.screens.evaluation import metrics
from ntkfill.screens.features import OneHot, Stack

SCREEN = simulate(cells=5, drugs=9, genes=12, random_state=3).screen.known
RANDOM = np.random.default_rng(0)
TRUTH, GUESS = RANDOM.normal(size=(2, 6, 9))


def test_k_fold_holds_every_condition_out_once_a_round_and_spreads_cell_lines():
    splits = list(KFold(3, rounds=4, random_state=2).splits(SCREEN))
    assert len(splits) == 12
    for first in range(0, 12, 3):
        times = sum(split.test.astype(int) for split in splits[first : first + 3])
        assert (times == 1).all()
    for split in splits:
        assert not (split.test & split.train).any()
        for cell in np.unique(SCREEN.cells):
            of = SCREEN.cells == cell
            assert abs((split.test & of).sum() - of.sum() / 3) < 1
            assert (split.train & of).any()
    again = list(KFold(3, rounds=4, random_state=2).splits(SCREEN))
    assert all((a.test == b.test).all() for a, b in zip(splits, again, strict=True))
    assert not (splits[0].test == splits[3].test).all()


def test_the_only_profile_of_a_cell_line_is_never_held_out():
    screen = Screen(np.eye(4), [["A", "x"], ["A", "y"], ["A", "z"], ["B", "x"]], list("abcd"))
    held = sum(split.test.astype(int) for split in KFold(3, rounds=2).splits(screen))
    assert held.tolist() == [2, 2, 2, 0]


def test_sparse_trains_on_so_many_drugs_of_each_cell_line():
    for split in Sparse(2, rounds=3).splits(SCREEN):
        for cell in np.unique(SCREEN.cells):
            assert split.train[SCREEN.cells == cell].sum() == 2
        assert (split.train != split.test).all()


@pytest.mark.parametrize(("of", "column"), [("cell", 0), ("drug", 1)])
def test_leave_one_out_holds_out_whole_labels(of, column):
    names = []
    for split in LeaveOneOut(of).splits(SCREEN):
        (name,) = np.unique(SCREEN.labels[split.test, column])
        assert name not in SCREEN.labels[split.train, column]
        names.append(name)
    assert names == np.unique(SCREEN.labels[:, column]).tolist()


def test_scores_are_those_of_the_libraries():
    assert metrics.pearson(GUESS, TRUTH) == pytest.approx(
        stats.pearsonr(GUESS.ravel(), TRUTH.ravel())[0]
    )
    assert metrics.r2(GUESS, TRUTH) == pytest.approx(r2_score(TRUTH.T, GUESS.T))
    assert metrics.cosine(GUESS, TRUTH) == pytest.approx(
        np.mean([1 - cosine_distance(a, b) for a, b in zip(GUESS, TRUTH, strict=True)])
    )


@pytest.mark.parametrize(
    ("score", "guess", "truth"),
    [
        (metrics.pearson, np.ones((2, 3)), TRUTH[:2, :3]),
        (metrics.pearson, GUESS[:2, :3], np.ones((2, 3))),
        (metrics.r2, GUESS[:2, :3], np.ones((2, 3))),
        (metrics.cosine, np.zeros((2, 3)), TRUTH[:2, :3]),
        (metrics.cosine, GUESS[:2, :3], np.zeros((2, 3))),
    ],
)
def test_a_score_that_is_undefined_is_nan(score, guess, truth):
    assert np.isnan(score(guess, truth))


def test_a_prediction_of_zeros_has_no_cosine_and_gains_nothing():
    truth = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    assert metrics.cosine(np.array([[1.0, 0.0], [0.0, 0.0], [5.0, 0.0]]), truth) == 0.5


def test_folds_in_which_a_score_is_undefined_are_left_out():
    first, second = np.array([1.0, np.nan, 3.0]), np.array([0.0, 1.0, 1.0])
    found = metrics.paired_test(first, second)
    assert (found.difference, found.wins, found.folds) == (1.5, 2, 2)
    assert metrics.mean_interval(first) == metrics.mean_interval(first[[0, 2]])
    nothing = metrics.paired_test(np.full(3, np.nan), second)
    assert np.isnan([nothing.difference, nothing.p]).all()


def test_rank_of_the_true_profile():
    cosines = np.array([1 - cosine_distance(GUESS[0], row) for row in TRUTH])
    above = sum(other > cosines[2] for other in cosines)
    assert metrics.rank_among(cosines, 2) == pytest.approx(above / 5)
    assert metrics.rank_among(np.zeros(6), 2) == 0.5
    assert metrics.rank_among(cosines, int(np.argmax(cosines))) == 0.0


def test_paired_tests():
    first, second = RANDOM.normal(size=(2, 20)) + [[0.3], [0.0]]
    result = metrics.paired_test(first, second)
    assert result.p == pytest.approx(stats.ttest_rel(first, second).pvalue)
    assert result.wins == (first > second).sum()
    assert metrics.paired_test(first, second, lower=True).wins == (first < second).sum()
    assert metrics.paired_test(first, second, overlap=0.1).p > result.p
    assert metrics.paired_test(first, first).p == 1.0
    low, high = metrics.mean_interval(first)
    oracle = stats.t.interval(0.95, 19, first.mean(), stats.sem(first))
    assert (low, high) == pytest.approx(oracle)


@pytest.mark.slow
def test_evaluation_scores_what_was_held_out():
    folds = KFold(3, rounds=2)
    result = evaluate(SCREEN, {"mean": CellMean(), "additive": Additive()}, folds)
    for number, split in enumerate(folds.splits(SCREEN)):
        train = SCREEN.take(split.train)
        truth = SCREEN.profiles[split.test]
        guess = Additive().predict(train, SCREEN.labels[split.test])
        mean = CellMean().predict(train, SCREEN.labels[split.test])
        found = dict(zip(metrics.SCORES, result.scores[1, number], strict=True))
        assert found["r"] == pytest.approx(metrics.pearson(guess, truth))
        assert found["r2"] == pytest.approx(metrics.r2(guess, truth))
        assert found["cosine_centred"] == pytest.approx(metrics.cosine(guess - mean, truth - mean))
    nothing = result.mean("mean")
    assert np.isnan([nothing["r_centred"], nothing["cosine_centred"]]).all()
    assert nothing["rank"] == 0.5
    assert result.against("additive", "mean")["r"].wins > 3
    assert result.against("additive", "mean")["rank"].wins == 6


@pytest.mark.slow
def test_regimes_and_contexts_are_means_over_their_conditions():
    folds = KFold(3, rounds=2)
    result = evaluate(SCREEN, {"mean": CellMean(), "additive": Additive()}, folds)
    rows = []
    for split in folds.splits(SCREEN):
        train = SCREEN.take(split.train)
        guess = Additive().predict(train, SCREEN.labels[split.test])
        for k, label in enumerate(SCREEN.labels[split.test].tolist()):
            truth = SCREEN.profiles[split.test][k]
            scores = metrics.r2(guess[[k]], truth[None]), metrics.cosine(guess[[k]], truth[None])
            rows.append((label[0], int((train.cells == label[0]).sum()), *scores))
    for threshold in (None, 4):
        limit = np.median([row[1] for row in rows]) if threshold is None else threshold
        regimes = result.regimes(threshold)
        for name, dense in (("sparse", False), ("dense", True)):
            of = [row for row in rows if (row[1] > limit) == dense]
            assert (name in regimes) == bool(of)
            if of:
                found = regimes[name]
                assert (found.conditions, found.contexts) == (len(of), len({r[0] for r in of}))
                oracle = np.mean([row[2:] for row in of], axis=0)
                np.testing.assert_allclose(found.means[1, :2], oracle)
    for context, of_context in zip(result.contexts, result.by_context[1], strict=True):
        oracle = np.mean([row[2:] for row in rows if row[0] == context], axis=0)
        np.testing.assert_allclose(of_context[:2], oracle)


def test_evaluation_of_a_fixed_prior_is_that_of_refitting():
    method = NTK(Stack(OneHot("cell"), OneHot("drug")))

    class Refitting:
        predict = staticmethod(method.predict)

    result = evaluate(SCREEN, {"once": method, "often": Refitting()}, KFold(3, rounds=2))
    np.testing.assert_allclose(result.scores[0], result.scores[1], atol=1e-9)


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda: evaluate(SCREEN, {"m": CellMean()}, KFold(10)), "more folds than drugs.*9.*10"),
        (lambda: KFold(1), "folds must be an integer"),
        (lambda: KFold(3, rounds=0), "rounds must be an integer"),
        (lambda: evaluate(SCREEN, {"m": CellMean()}, Sparse(9)), "held out"),
        (lambda: Sparse(0), "drugs must be an integer"),
        (lambda: LeaveOneOut("gene"), "'gene'"),
        (
            lambda: evaluate(SCREEN, {"m": CellMean()}, LeaveOneOut("dose")),
            "no dose of this screen.*cell, drug, context",
        ),
        (lambda: evaluate(SCREEN, {}), "methods"),
    ],
)
def test_errors(run, message):
    with pytest.raises(InputError, match=message):
        run()
