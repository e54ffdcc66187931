"""Estimators of screens, each against an independent computation of the same thing."""

import itertools

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge

from ntkfill import InputError
from ntkfill.nn import fully_connected
from ntkfill.screens import (
    DNPP,
    NTK,
    Additive,
    ByDrugCount,
    CellMean,
    ColdStart,
    FaLRTC,
    Imputation,
    Interpolation,
    KFold,
    LeaveOneOut,
    MatrixNormal,
    Screen,
    evaluate,
    means,
    paper_mixture,
    simulate,
)
from ntkfill.screens.features import GroupMean, OneHot, Reference, SideFeatures, Stack
from ntkfill.screens.methods.falrtc import smoothed
from ntkfill.solvers.spectral import RIDGES

MADE = simulate(cells=5, drugs=9, genes=12, random_state=3)
SCREEN = MADE.screen.known
RANDOM = np.random.default_rng(0)
FIXED = Stack(
    OneHot("cell"),
    OneHot("drug"),
    SideFeatures({drug: RANDOM.normal(size=4) for drug in np.unique(MADE.screen.drugs)}, "drug"),
    weights=(1.0, 0.7, 0.3),
)
FIELDS = ("cell", "drug", "dose", "time")
REFERENCE = "simulated-cell-1"
SPARSE = Stack(Reference(("cell", REFERENCE)), GroupMean("cell"))
METHODS = {
    "cell mean": CellMean(),
    "additive": Additive(),
    "dnpp": DNPP(3),
    "falrtc": FaLRTC(),
    "ntk": NTK(),
    "ntk, ridge by leave-one-out": NTK(ridge="loo"),
    "ntk of means": NTK(means(SCREEN.fields), fully_connected(3), centre="context"),
    "ntk fixed": NTK(FIXED),
    "ntk sparse": NTK(SPARSE, fully_connected(1), 0.1),
    "ntk on dnpp": NTK(Imputation(DNPP())),
    "paper": paper_mixture(REFERENCE, FaLRTC(), threshold=5),
}


def split(number=0):
    return next(itertools.islice(KFold(3, rounds=1).splits(SCREEN), number, None))


def predicted(method, of):
    return method.predict(SCREEN.take(of.train), SCREEN.labels[of.test])


def leaks(make, screen, fold):
    """Whether predictions of held-out conditions change with their measured profiles."""
    changed = np.array(screen.profiles)
    changed[fold.test] = 1e3 * np.random.default_rng(0).normal(size=changed[fold.test].shape)
    results = []
    for given in (screen, Screen(changed, screen.labels, screen.genes, screen.fields)):
        method = make(given)
        if getattr(method, "fixed", False):
            folds = fold.test[:, None].astype(int)
            results.append(method.predict_folds(given, folds)[0][fold.test])
        else:
            results.append(method.predict(given.take(fold.train), given.labels[fold.test]))
    # The closed form uses the held-out profiles, which cancel up to rounding errors.
    return not np.allclose(*results, rtol=0.0, atol=1e-8 * np.abs(results[0]).max())


@pytest.mark.sampled
@pytest.mark.parametrize("name", METHODS)
def test_methods_are_finite_better_than_nothing_and_see_no_held_out_profile(name):
    fold = split()
    result = predicted(METHODS[name], fold)
    truth = SCREEN.profiles[fold.test]
    assert result.shape == truth.shape
    assert np.isfinite(result).all()
    assert np.mean((result - truth) ** 2) < np.mean((truth - SCREEN.profiles.mean()) ** 2)
    assert not leaks(lambda _: METHODS[name], SCREEN, fold)


def peeking(share):
    """A method that was made with the profiles it is to predict."""

    def make(screen):
        place = {tuple(row): k for k, row in enumerate(screen.labels.tolist())}

        class Peeking:
            def predict(self, train, conditions):
                rows = [place[tuple(row)] for row in conditions.tolist()]
                mean = CellMean().predict(train, conditions)
                return share * screen.profiles[rows] + (1 - share) * mean

        return Peeking()

    return make


@pytest.mark.parametrize("share", [1.0, 1e-6])
def test_a_planted_leak_is_caught(share):
    assert leaks(peeking(share), SCREEN, split())
    assert not leaks(peeking(0.0), SCREEN, split())


def test_features_made_of_all_profiles_are_a_leak():
    def make(screen):
        rows = {drug: screen.profiles[screen.drugs == drug].mean(0) for drug in SCREEN.drugs}
        return NTK(SideFeatures(rows, "drug"))

    assert leaks(make, SCREEN, split())


@pytest.mark.sampled
@pytest.mark.parametrize("centre", ["screen", "context", None])
@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("panel", [1024, 7])
def test_all_folds_of_a_fixed_prior_are_what_refitting_gives(centre, depth, panel, monkeypatch):
    monkeypatch.setattr("ntkfill.screens.methods.ntk.PANEL", panel)
    method = NTK(FIXED, fully_connected(depth), 0.07, centre)
    folds = KFold(4, rounds=3, random_state=1).assigned(SCREEN)
    at_once = method.predict_folds(SCREEN, folds)
    for number, fold in itertools.product(range(3), range(4)):
        test = folds[:, number] == fold
        # The features of all conditions, so that one-hots are numbered alike.
        refitted = method.predict(SCREEN.take(~test), SCREEN.labels[test])
        np.testing.assert_allclose(at_once[number][test], refitted, atol=1e-9)


def test_a_prior_that_depends_on_the_profiles_has_no_closed_form():
    with pytest.raises(InputError, match="depends on the training profiles"):
        NTK().predict_folds(SCREEN, KFold(3).assigned(SCREEN))


def test_ntk_is_kernel_ridge_regression():
    fold = split()
    train, test = SCREEN.take(fold.train), SCREEN.labels[fold.test]
    method = NTK(FIXED, fully_connected(2), ridge=0.2, centre=None)
    features = method.features(train, np.vstack([train.labels, test]))
    kernel, n = method.network.between(features), len(train)
    alpha = 0.2 * np.diagonal(kernel)[:n].mean()
    oracle = KernelRidge(kernel="precomputed", alpha=alpha).fit(kernel[:n, :n], train.profiles)
    np.testing.assert_allclose(method.predict(train, test), oracle.predict(kernel[n:, :n]))


def test_additive_is_least_squares():
    fold = split()
    train, test = SCREEN.take(fold.train), SCREEN.labels[fold.test]

    def design(labels):
        return np.hstack([labels[:, k : k + 1] == np.unique(SCREEN.labels[:, k]) for k in (0, 1)])

    weights = np.linalg.lstsq(design(train.labels).astype(float), train.profiles, rcond=None)[0]
    np.testing.assert_allclose(Additive().predict(train, test), design(test) @ weights, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("by", ["drug", "cell"])
def test_effects_of_new_labels_by_features_are_those_of_the_best_ridge_left_out(by):
    random = np.random.default_rng(3)
    features, axis = random.normal(size=(12, 3)), np.array([0.6, 0.8])
    # One component that features tell of, and one of noise across it.
    told = np.tanh(features @ [1.0, -1.0, 0.5])
    profiles = 5 + np.outer(told, axis) + np.outer(0.01 * random.normal(size=12), [0.8, -0.6])
    names = [f"n{k}" for k in range(12)]
    labels = [("all", name) if by == "drug" else (name, "all") for name in names]
    screen = Screen(profiles, labels, ["g", "h"])
    side = SideFeatures(dict(zip(names, features, strict=True)), by)
    known = np.arange(12) < 9
    predicted = Additive(features=(side,)).predict(screen.take(known), screen.labels[~known])

    rows = features - features[known].mean(axis=0)
    kernel, mean = fully_connected(3).between(rows), profiles[known].mean(axis=0)
    axes = np.linalg.svd(profiles[known] - mean, full_matrices=False)[2]
    expected = np.tile(mean, (3, 1))
    diagonal = np.diagonal(kernel)[:9].mean()

    def fitted(alpha, on, y):
        model = KernelRidge(kernel="precomputed", alpha=alpha * diagonal)
        return model.fit(kernel[np.ix_(on, on)], y[on])

    def error(alpha, y):
        lefts = ((k, np.delete(np.arange(9), k)) for k in range(9))
        return sum(
            np.square(fitted(alpha, on, y).predict(kernel[[k]][:, on])[0] - y[k]) for k, on in lefts
        )

    for of in axes:
        y = (profiles[known] - mean) @ of
        errors = [error(alpha, y) for alpha in RIDGES]
        # The mean of the eight others, where no ridge is better.
        if min(errors) < np.square(y * 9 / 8).sum():
            best = fitted(RIDGES[int(np.argmin(errors))], np.arange(9), y)
            expected += np.outer(best.predict(kernel[9:, :9]), of)
    np.testing.assert_allclose(predicted, expected, atol=1e-6)
    assert np.abs(predicted - mean).max() > 0.1


def slow_dnpp(train, conditions, neighbours):
    of = {tuple(x): p for x, p in zip(train.labels.tolist(), train.profiles, strict=True)}
    cells = sorted({cell for cell, _ in of})
    result = []
    for cell, drug in conditions.tolist():
        near = []
        for other in sorted({d for c, d in of if c == cell and d != drug}):
            shared = [c for c in cells if (c, drug) in of and (c, other) in of]
            both = [np.corrcoef(of[c, drug], of[c, other])[0, 1] for c in shared]
            near.append((max(np.mean(both), 0.0) if both else 0.0, of[cell, other]))
        near.sort(key=lambda pair: -pair[0])
        weights, profiles = zip(*near[:neighbours], strict=True)
        mean = np.mean([p for (c, _), p in of.items() if c == cell], axis=0)
        result.append(np.average(profiles, 0, weights) if sum(weights) else mean)
    return np.array(result)


@pytest.mark.parametrize("neighbours", [1, 3, 10])
def test_dnpp_against_loops(neighbours):
    fold = split(1)
    oracle = slow_dnpp(SCREEN.take(fold.train), SCREEN.labels[fold.test], neighbours)
    np.testing.assert_allclose(predicted(DNPP(neighbours), fold), oracle)


def test_cold_drugs_and_cells_fall_back():
    for of in LeaveOneOut("drug").splits(SCREEN):
        mean = predicted(CellMean(), of)
        np.testing.assert_array_equal(predicted(DNPP(), of), mean)
    for of in LeaveOneOut("cell").splits(SCREEN):
        whole = SCREEN.take(of.train).profiles.mean(axis=0)
        np.testing.assert_allclose(predicted(CellMean(), of), np.tile(whole, (of.test.sum(), 1)))
        assert np.isfinite(predicted(NTK(), of)).all()


def test_falrtc_value_and_gradient_are_those_of_singular_values():
    random = np.random.default_rng(0)
    tensor, free = random.normal(size=(3, 5, 4)), random.random((3, 5, 4)) < 0.6
    weights, smooth = np.array([0.5, 0.2, 0.3]), np.array([0.4, 0.3, 1.5])

    def value(x):
        total = 0.0
        for axis in range(3):
            sigma = np.linalg.svd(np.moveaxis(x, axis, 0).reshape(x.shape[axis], -1))[1]
            y = np.minimum(weights[axis] * sigma / smooth[axis], 1)
            total += np.sum(weights[axis] * sigma * y - smooth[axis] * y**2 / 2)
        return total

    result = smoothed(tensor, weights, smooth, free)
    assert result.value == pytest.approx(value(tensor))
    for at in np.ndindex(*tensor.shape):
        step = np.zeros_like(tensor)
        step[at] = 1e-5
        slope = (value(tensor + step) - value(tensor - step)) / 2e-5
        assert result.gradient[at] == pytest.approx(slope * free[at], abs=1e-6)


def test_falrtc_in_the_span_of_the_profiles_is_falrtc():
    train = simulate(cells=4, drugs=5, genes=70, random_state=2).truth.take(np.arange(20) % 3 > 0)
    method, shape = FaLRTC(max_iter=4), (5, 70, 4)
    cells, drugs = (list(dict.fromkeys(of.tolist())) for of in (train.cells, train.drugs))
    tensor, known = np.full(shape, train.profiles.mean()), np.zeros(shape, dtype=bool)
    for (cell, drug), profile in zip(train.labels.tolist(), train.profiles, strict=True):
        tensor[drugs.index(drug), :, cells.index(cell)] = profile
        known[drugs.index(drug), :, cells.index(cell)] = True
    filled = method.complete(tensor, known)
    at = np.argwhere(~known[:, 0])
    wanted = np.array([[cells[c], drugs[d]] for d, c in at])
    assert len(wanted) > 2
    assert np.abs(filled - tensor).max() > 0.1
    oracle = np.array([filled[d, :, c] for d, c in at])
    np.testing.assert_allclose(method.predict(train, wanted), oracle, atol=1e-9)


def test_falrtc_descends_and_keeps_what_is_known():
    random = np.random.default_rng(1)
    tensor, known = random.normal(size=(4, 6, 5)), random.random((4, 6, 5)) < 0.5
    weights = np.array([1.0, 0.01, 1.0]) / 2.01
    smooth = 0.01 * weights / np.sqrt(tensor.shape)
    values = []
    for max_iter in (1, 5, 20):
        filled = FaLRTC(max_iter=max_iter).complete(tensor, known)
        np.testing.assert_array_equal(filled[known], tensor[known])
        values.append(smoothed(filled, weights, smooth, ~known).value)
    start = smoothed(tensor, weights, smooth, ~known).value
    assert start >= values[0] >= values[1] >= values[2]
    assert values[2] < start


def test_the_number_of_drugs_decides_on_the_method():
    fold = split()
    mixed = predicted(ByDrugCount(CellMean(), NTK(), threshold=5), fold)
    train = SCREEN.take(fold.train)
    few = np.array([(train.contexts == c).sum() < 5 for c in SCREEN.contexts[fold.test]])
    assert few.any()
    assert not few.all()
    oracle = np.where(few[:, None], predicted(CellMean(), fold), predicted(NTK(), fold))
    np.testing.assert_allclose(mixed, oracle, atol=1e-9)


def test_an_imputation_as_prior_keeps_what_was_measured():
    train = SCREEN.take(split().train)
    features = Imputation(CellMean()).features(train.profiles, train.columns, MADE.screen.columns)
    place = {tuple(row): k for k, row in enumerate(MADE.screen.labels.tolist())}
    at = [place[tuple(row)] for row in train.labels.tolist()]
    np.testing.assert_array_equal(features[at], train.profiles)
    rest = np.setdiff1d(np.arange(len(features)), at)
    mean = CellMean().predict(train, MADE.screen.labels[rest])
    np.testing.assert_array_equal(features[rest], mean)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DNPP(0), "neighbours must be >= 1"),
        (lambda: FaLRTC(max_iter=0), "cannot be run"),
        (lambda: MatrixNormal(noise=0.0), "cannot be learned"),
        (lambda: MatrixNormal(correlation=1.0), "cannot be learned"),
        (lambda: MatrixNormal(drug_effect=-0.1), "cannot be learned"),
        (lambda: NTK(centre="cell"), "'screen', 'context' or None"),
        (lambda: NTK(ridge="gcv"), "ridge must be"),
        (lambda: NTK(ridge=-1.0), "-1"),
        (lambda: fully_connected(0), "depth"),
    ],
)
def test_options_out_of_range(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize(
    ("prior", "message"),
    [(Stack(Reference(("cell", "MCF7"))), "MCF7"), (OneHot("plate"), "plate")],
)
def test_priors_that_do_not_fit_the_screen(prior, message):
    with pytest.raises(InputError, match=message):
        predicted(NTK(prior), split())


def test_interpolation_is_that_of_numpy():
    random = np.random.default_rng(0)
    doses, times = (0.5, 2.0, 40.0), ("6 h", "24 h")
    labels = [("A", "x", f"{dose:g} uM", time) for dose in doses for time in times]
    train = Screen(random.normal(size=(6, 5)), labels, np.arange(5), FIELDS)
    table = train.profiles.reshape(3, 2, 5)

    def predicted(*label):
        return Interpolation().predict(train, np.array([label]))[0]

    for dose in (0.1, 1.0, 7.0, 100.0):
        oracle = [np.interp(np.log(dose), np.log(doses), gene) for gene in table[:, 1].T]
        np.testing.assert_allclose(predicted("A", "x", f"{dose:g} uM", "24 h"), oracle)
    # A dose that was measured at another time: both are taken, half and half.
    some = train.take(np.arange(6) != 3)
    by_dose = [np.interp(np.log(2), np.log([0.5, 40]), gene) for gene in table[[0, 2], 1].T]
    found = Interpolation().predict(some, train.labels[3:4])[0]
    np.testing.assert_allclose(found, (by_dose + table[1, 0]) / 2)
    # Names that are not numbers have no order, and other drugs are predicted by their sums.
    np.testing.assert_allclose(predicted("A", "x", "vehicle", "24 h"), table[:, 1].mean(axis=0))
    new = np.array([["A", "y", "2 uM", "24 h"]])
    sums = Additive().predict(train, new)
    np.testing.assert_allclose(Interpolation().predict(train, new), sums)


@pytest.mark.slow
def test_a_dose_that_was_never_measured_is_interpolated_where_that_helps():
    random = np.random.default_rng(1)
    slope, start = random.normal(size=(2, 10, 1, 30))
    steps = np.arange(5.0)[:, None]
    for bent in (False, True):
        curve = start + (np.where(steps % 2, 1, -1) if bent else steps) * slope
        noisy = curve + 0.1 * random.normal(size=curve.shape)
        labels = [("A", f"d{d}", f"{10.0**k:g} nM") for d in range(10) for k in range(5)]
        screen = Screen(noisy.reshape(50, 30), labels, np.arange(30), FIELDS[:3])
        errors = {}
        for name, method in (("default", ColdStart()), ("without", ColdStart(others=()))):
            found = evaluate(screen, {name: method}, LeaveOneOut("dose"))
            errors[name] = 1 - found.mean(name)["r2"]
        assert errors["default"] < (1.02 if bent else 0.8) * errors["without"]
