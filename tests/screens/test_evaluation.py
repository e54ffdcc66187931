"""Folds, scores and rankings, against NumPy, SciPy, scikit-learn and sums done by hand."""

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
    Completed,
    KFold,
    LeaveOneOut,
    Screen,
    Sparse,
    complete,
    evaluate,
    rank,
    simulate,
)
from ntkfill.screens.evaluation import scores
from ntkfill.screens.features import OneHot, Stack
from ntkfill.screens.ranking import connectivity, enrichment

SCREEN = simulate(cells=5, drugs=9, genes=12, seed=3).screen.known
RANDOM = np.random.default_rng(0)
TRUTH, GUESS = RANDOM.normal(size=(2, 6, 9))


def test_k_fold_holds_every_condition_out_once_a_round_and_spreads_cell_lines():
    splits = list(KFold(3, rounds=4, seed=2).splits(SCREEN))
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
    again = list(KFold(3, rounds=4, seed=2).splits(SCREEN))
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
    assert scores.pearson(GUESS, TRUTH) == pytest.approx(
        stats.pearsonr(GUESS.ravel(), TRUTH.ravel())[0]
    )
    assert scores.r2(GUESS, TRUTH) == pytest.approx(r2_score(TRUTH.T, GUESS.T))
    assert scores.cosine(GUESS, TRUTH) == pytest.approx(
        np.mean([1 - cosine_distance(a, b) for a, b in zip(GUESS, TRUTH, strict=True)])
    )


def test_rank_of_the_true_profile():
    near = [1 - cosine_distance(GUESS[0], row) for row in TRUTH]
    above = sum(other > near[2] for other in near)
    assert scores.true_rank(GUESS[0], TRUTH, 2) == pytest.approx(above / 5)
    assert scores.true_rank(np.zeros(9), TRUTH, 2) == 0.5
    assert scores.true_rank(TRUTH[4], TRUTH, 4) == 0.0
    assert scores.true_rank(TRUTH[4], TRUTH[4:5], 0) == 0.5


def test_paired_tests():
    first, second = RANDOM.normal(size=(2, 20)) + [[0.3], [0.0]]
    told = scores.paired(first, second)
    assert told.p == pytest.approx(stats.ttest_rel(first, second).pvalue)
    assert told.wins == (first > second).sum()
    assert scores.paired(first, second, lower=True).wins == (first < second).sum()
    assert scores.paired(first, second, overlap=0.1).p > told.p
    assert scores.paired(first, first).p == 1.0
    low, high = scores.interval(first)
    oracle = stats.t.interval(0.95, 19, first.mean(), stats.sem(first))
    assert (low, high) == pytest.approx(oracle)


def test_evaluation_scores_what_was_held_out():
    folds = KFold(3, rounds=2)
    told = evaluate(SCREEN, {"mean": CellMean(), "additive": Additive()}, folds)
    for number, split in enumerate(folds.splits(SCREEN)):
        train = SCREEN.take(split.train)
        truth = SCREEN.profiles[split.test]
        guess = Additive().predict(train, SCREEN.labels[split.test])
        mean = CellMean().predict(train, SCREEN.labels[split.test])
        found = dict(zip(scores.SCORES, told.scores[1, number], strict=True))
        assert found["r"] == pytest.approx(scores.pearson(guess, truth))
        assert found["r2"] == pytest.approx(scores.r2(guess, truth))
        assert found["cosine_centred"] == pytest.approx(scores.cosine(guess - mean, truth - mean))
    nothing = told.mean("mean")
    assert nothing["r_centred"] == nothing["cosine_centred"] == 0.0
    assert nothing["rank"] == 0.5
    assert told.against("additive", "mean")["r"].wins > 3
    assert told.against("additive", "mean")["rank"].wins == 6


def test_evaluation_of_a_fixed_prior_is_that_of_refitting():
    method = NTK(Stack(OneHot("cell"), OneHot("drug")))

    class Refitting:
        predict = staticmethod(method.predict)

    told = evaluate(SCREEN, {"once": method, "often": Refitting()}, KFold(3, rounds=2))
    np.testing.assert_allclose(told.scores[0], told.scores[1], atol=1e-9)


def walk(profile, genes):
    """The running sum, gene by gene."""
    order = sorted(range(len(profile)), key=lambda k: -profile[k])
    total = sum(abs(profile[k]) for k in genes)
    sums, value = [], 0.0
    for k in order:
        value += abs(profile[k]) / total if k in genes else -1 / (len(profile) - len(genes))
        sums.append(value)
    return max(sums, key=lambda value: (round(abs(value), 9), value))


def test_connectivity_by_hand():
    profile = np.array([[5.0, 3.0, 1.0, -1.0, -2.0, -4.0]])
    # Raised {1, 2}: -1/4, then +3/4 and +1/4: greatest 3/4. Lowered {5}: down to -1, then up to 0.
    assert enrichment(profile, np.array([1, 2]))[0] == pytest.approx(0.75)
    assert enrichment(profile, np.array([5]))[0] == pytest.approx(-1.0)
    assert connectivity(profile, np.array([1, 2]), np.array([5]))[0] == pytest.approx(0.875)
    assert connectivity(-profile, np.array([1, 2]), np.array([5]))[0] == pytest.approx(-0.875)
    # Both sets above: no connection.
    assert connectivity(profile, np.array([0]), np.array([1]))[0] == 0.0


def test_enrichment_against_a_walk():
    for genes in ([0], [3, 4], [1, 5, 8], list(range(8))):
        oracle = [walk(profile, genes) for profile in TRUTH]
        np.testing.assert_allclose(enrichment(TRUTH, np.array(genes)), oracle, atol=1e-12)


def test_ranking_finds_the_cures_and_marks_what_was_measured():
    made = simulate()
    done = complete(made.screen)
    for by in ("cosine", "connectivity"):
        found = rank(done, made.signature, by=by).drugs
        assert {entry.drug for entry in found[:6]} == set(made.cures)
        assert [getattr(entry, by) for entry in found] == sorted(getattr(e, by) for e in found)
    one = rank(done, made.signature | {"unheard of": 1.0}, cells=["simulated-cell-8"])
    assert (one.genes, one.absent) == (60, 1)
    labels = done.screen.labels[done.measured].tolist()
    for entry in one.drugs:
        seen = ["simulated-cell-8", entry.drug] in labels
        assert entry.source == ("measured" if seen else "predicted")
    assert {entry.source for entry in rank(done, made.signature).drugs} >= {"mixed"}


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda: evaluate(SCREEN, {"m": CellMean()}, KFold(10)), "more folds than drugs.*9.*10"),
        (lambda: evaluate(SCREEN, {"m": CellMean()}, KFold(1)), "too few folds"),
        (lambda: evaluate(SCREEN, {"m": CellMean()}, KFold(3, rounds=0)), "round"),
        (lambda: evaluate(SCREEN, {"m": CellMean()}, Sparse(9)), "held out"),
        (lambda: evaluate(SCREEN, {"m": CellMean()}, Sparse(0)), "nothing to learn"),
        (lambda: evaluate(SCREEN, {"m": CellMean()}, LeaveOneOut("dose")), "'dose'"),
        (lambda: evaluate(SCREEN, {}), "no method"),
        (lambda: rank(Completed(SCREEN, SCREEN.measured), {"TP53": 1.0}), "share no gene"),
        (lambda: rank(Completed(SCREEN, SCREEN.measured), {SCREEN.genes[0]: 0.0}), "changes none"),
        (
            lambda: rank(Completed(SCREEN, SCREEN.measured), {SCREEN.genes[0]: 1.0}, cells=["X"]),
            "no cell line X",
        ),
        (lambda: simulate(cells=1), "simulated"),
    ],
)
def test_what_cannot_be_done_is_said(run, message):
    with pytest.raises(InputError, match=message):
        run()
