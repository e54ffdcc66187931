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
    Interpolation,
    LeaveOneOut,
    MatrixNormal,
    Screen,
    complete,
    evaluate,
    simulate,
)
from ntkfill.screens.features import SideFeatures
from ntkfill.screens.holdout import hidden, novelty
from ntkfill.screens.methods.cold_start import _Sized, _Sizes, _smaller

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


DOSES, TIMES = ("1 uM", "5 uM", "25 uM"), ("3 h", "24 h", "96 h")


def with_doses(noise=0.0, seed=0, slopes=(0.5, -0.2), kept=1.0):
    """Profiles that are a power of dose and time, times an effect of each drug."""
    random = np.random.default_rng(seed)
    labels = [("A", f"d{k}", dose, time) for k in range(14) for dose in DOSES for time in TIMES]
    effects = random.uniform(0.5, 2, (14, 1)) * (random.normal(size=(14, 30)) + 0.7)
    numbers = np.array([[float(of.split()[0]) for of in row[2:]] for row in labels])
    profiles = np.repeat(effects, 9, axis=0)
    profiles += noise * random.normal(size=profiles.shape)
    profiles *= np.exp(np.log(numbers) @ slopes)[:, None]
    screen = Screen(profiles, labels, np.arange(30), ("cell", "drug", "dose", "time"))
    return screen.take(random.random(len(screen)) < kept)


def named(screen):
    """The same with names for doses and times."""
    labels = [(cell, drug, f"dose {x}", f"after {t}") for cell, drug, x, t in screen.labels]
    return replace(screen, labels=labels)


def test_sizes_are_a_power_of_dose_and_time_within_each_drug():
    screen = with_doses(kept=0.5)  # drugs of other sizes at other doses
    np.testing.assert_allclose(_Sizes.of(screen).slopes, [0.5, -0.2], atol=1e-12)
    one = screen.take(screen.columns["time"] == "3 h")
    np.testing.assert_allclose(_Sizes.of(one).slopes, [0.5, 0], atol=1e-12)
    np.testing.assert_array_equal(_Sizes.of(named(one)).slopes, 0)
    # The mean of equal numbers differs from them by rounding.
    for dose in ("0.3 uM", "7 uM", "13 uM"):
        same = [(cell, drug, dose, of + x) for cell, drug, x, of in named(screen).labels]
        np.testing.assert_array_equal(_Sizes.of(replace(screen, labels=same)).slopes, 0)
    silent = with_doses()
    silent.profiles[0] = 0
    assert np.abs(_Sizes.of(silent).slopes - [0.5, -0.2]).max() < 0.1
    assert _Sizes.of(OLD).slopes.shape == (0,)


def test_sizes_go_on_as_far_beyond_the_doses_as_these_are_apart():
    doses = ("1e-9 uM", "0.04 uM", "1 uM", "625 uM", "1e9 uM")
    sizes = _Sizes.of(with_doses()).at(np.array([("A", "d0", dose, "3 h") for dose in doses]))
    np.testing.assert_allclose(sizes[:, 0], [0.2, 0.2, 1, 25, 25])


@pytest.mark.parametrize("dose", DOSES)
def test_a_dose_is_predicted_by_its_size_and_by_the_profiles_of_others(dose):
    screen = with_doses()
    new = screen.columns["dose"] == dose
    train, truth = screen.take(~new), screen.profiles[new]
    sized = _Sized(Interpolation(), _Sizes.of(train)).predict(train, screen.labels[new])
    np.testing.assert_allclose(sized, truth, rtol=1e-9)
    alone = Interpolation().predict(train, screen.labels[new])
    assert np.abs(alone - truth).mean() > 0.05 * np.abs(truth).mean()


def test_sized_methods_and_the_mean_have_weights_that_sum_to_one():
    screen = with_doses(noise=2.0, seed=1)
    train = screen.take(screen.columns["dose"] != "5 uM")
    method = ColdStart(Additive())
    weights, predicted, _ = method.weigh(train, "new dose")
    sizes = _Sizes.of(train)
    methods = [_Sized(Additive(), sizes), CellMean(), _Sized(Additive(), sizes)]
    methods.append(_Sized(Interpolation(), sizes))
    left, right, sums = [], [], []
    for fold in hidden(train, "new dose"):
        parts = [m.predict(train.take(fold.train), train.labels[fold.test]) for m in methods]
        truth = train.profiles[fold.test] - parts[1]
        spread = truth.std(axis=1, keepdims=True)
        left.append(np.stack([((of - parts[1]) / spread).ravel() for of in parts[2:]], axis=1))
        right.append((truth / spread).ravel())
        sums.append(np.einsum("m,mij->ij", weights, parts))
    free = lsq_linear(np.concatenate(left), np.concatenate(right), (0, np.inf)).x
    assert 0.1 < free.sum() < 0.9
    # Sums of effects are there twice.
    found = [weights[0] + weights[2], weights[3], weights[1]]
    np.testing.assert_allclose(found, [*free, 1 - free.sum()], atol=1e-5)
    np.testing.assert_allclose(predicted, np.concatenate(sums))
    new = screen.labels[screen.columns["dose"] == "5 uM"]
    expected = np.einsum("m,mij->ij", weights, [m.predict(train, new) for m in methods])
    np.testing.assert_allclose(method.predict(train, new), expected, atol=1e-12)


@pytest.mark.parametrize("kind", ["new dose", "new drug"])
def test_without_numbers_or_for_a_new_drug_nothing_is_sized(kind):
    screen = with_doses(noise=1.0)
    given = ColdStart(CellMean(), (CellMean(), Additive(), Interpolation()))
    screen = screen if kind == "new drug" else named(screen)
    for own, other in zip(
        ColdStart(CellMean()).weigh(screen, kind)[:2], given.weigh(screen, kind)[:2], strict=True
    ):
        np.testing.assert_array_equal(own, other)


@pytest.mark.slow
@pytest.mark.parametrize("field", ["dose", "time"])
def test_new_doses_and_times_have_the_order_of_interpolation_and_less_error(field):
    methods = {
        "sized": ColdStart(),
        "weighed": ColdStart(others=(CellMean(), Additive(), Interpolation())),
        "interpolation": Interpolation(),
    }
    result = evaluate(with_doses(noise=1.0, slopes=(0.4, 0.3)), methods, LeaveOneOut(field))
    sized, weighed, interpolation = (result.mean(name) for name in methods)
    for other in (weighed, interpolation):
        assert sized["rank"] < other["rank"] + 0.005
        assert sized["r_centred"] > other["r_centred"] - 0.005
        assert sized["r2_centred"] > other["r2_centred"] + 0.02
