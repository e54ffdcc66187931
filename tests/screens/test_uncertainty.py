"""The error model of predicted profiles, on noise of planted scales and on a dense Gaussian."""

import numpy as np
import pytest

from ntkfill.screens import CellMean, Screen, complete, simulate
from ntkfill.screens.holdout import NOVELTIES, hidden, novelty
from ntkfill.screens.uncertainty import Bounds, ErrorModel, fit_error_model, scale_features


def test_the_scales_of_the_errors_are_recovered(noise):
    screen, truth, scale = noise()
    known = screen.known
    model = fit_error_model(CellMean(), known)
    # Errors of the mean of a few others, on top of the noise.
    predicted = CellMean().predict(known, screen.labels)
    _, std = model.scales(scale_features(known, screen.labels, predicted), screen.labels)
    new = ~screen.measured
    assert np.sqrt(np.mean(((predicted - truth) / std)[new] ** 2)) == pytest.approx(1.0, rel=0.12)
    assert np.std(np.log(std / scale)) < 0.3
    assert np.std(np.log(scale)) > 0.6


def test_hidden_profiles_are_not_seen(noise):
    """Errors of the mean of the others, not of a mean that holds the condition itself."""
    screen = noise()[0].known
    model = fit_error_model(CellMean(), screen)
    residuals = CellMean().predict(screen, screen.labels) - screen.profiles
    assert len(model.hidden) == len(screen)
    squares = np.square(model.predicted - model.hidden.profiles)
    assert squares.mean() > 1.05 * np.square(residuals).mean()


@pytest.mark.parametrize("kind", NOVELTIES)
def test_what_is_hidden_is_as_new_as_what_is_asked_for(kind):
    labels = [
        (f"c{c}", f"d{d}", dose, time)
        for c in range(6)
        for d in range(8)
        for dose in ("1", "10")
        for time in ("6 h", "24 h")
        if (c * d) % 5
    ]
    screen = Screen(np.arange(1.0 * len(labels))[:, None], labels, ["g"])
    folds = hidden(screen, kind)
    assert folds
    for fold in folds:
        assert not (fold.test & fold.train).any()
        found = novelty(screen.take(fold.train), screen.labels[fold.test])
        assert set(found.tolist()) == {kind}


def test_bounds_hold_their_level_and_miss_few_of_the_largest_values():
    random = np.random.default_rng(0)
    scale = np.exp(0.5 * random.normal(size=(400, 1))) * np.ones((1, 100))
    truth = scale * random.standard_t(4, size=scale.shape)
    predicted = 0.3 * truth + 0.1 * random.normal(size=scale.shape)
    fit, rest = slice(0, 200), slice(200, 400)
    bounds = Bounds.calibrate(predicted[fit], truth[fit], scale[fit], 0.9)
    lower, upper = bounds.around(predicted[rest], scale[rest])
    held = (lower <= truth[rest]) & (truth[rest] <= upper)
    largest = np.abs(truth[rest]) >= np.quantile(np.abs(truth[rest]), 0.95)
    assert held.mean() == pytest.approx(0.9, abs=0.03)
    assert held[largest].mean() > 0.6
    equal = np.quantile(np.abs((truth - predicted) / scale)[fit], 0.9) * scale[rest]
    assert (np.abs(truth - predicted)[rest] <= equal)[largest].mean() < 0.5


def test_profiles_given_some_genes_are_those_of_a_dense_gaussian():
    from sklearn.covariance import ledoit_wolf

    random = np.random.default_rng(0)
    made = simulate(cells=5, drugs=8, genes=12)
    model = fit_error_model(CellMean(), made.screen.known)
    errors = model.hidden.profiles - model.predicted
    errors /= model.scales(model.features, model.hidden.labels)[0]
    covariance, shrinkage = ledoit_wolf(errors, assume_centered=True)
    assert shrinkage > 1e-3
    scale, predicted = random.uniform(1, 2, size=(2, 12)), random.normal(size=(2, 12))
    profiles = random.normal(size=(2, 12))
    profiles[0, :5] = profiles[1, 3:9] = np.nan
    values, std = model.given(profiles, predicted, scale)
    for row in range(2):
        full = covariance * np.outer(scale[row], scale[row])
        seen = ~np.isnan(profiles[row])
        gain = full[:, seen] @ np.linalg.inv(full[np.ix_(seen, seen)])
        mean = predicted[row] + gain @ (profiles[row] - predicted[row])[seen]
        left = np.maximum(np.diag(full - gain @ full[seen]), 0) / np.diag(full) * scale[row] ** 2
        np.testing.assert_allclose(values[row], mean)
        np.testing.assert_allclose(std[row][~seen], np.sqrt(left)[~seen])


@pytest.mark.slow
def test_intervals_given_some_genes_hold_the_others():
    """Few hidden conditions: their own covariance would promise too much."""
    random = np.random.default_rng(0)
    labels = [(f"c{k}", f"d{d}") for k in range(6) for d in range(9)]
    profiles = random.normal(size=(54, 4)) @ random.normal(size=(4, 60))
    profiles += 0.5 * random.normal(size=profiles.shape)
    asked = np.array([row for row in range(54) if row % 9 == row // 9])
    holed = profiles.copy()
    holed[asked, 20:] = np.nan
    screen = Screen(holed, labels, [f"g{k}" for k in range(60)])
    filled = complete(screen, CellMean(), screen.labels[asked], interval=0.9)
    lower, upper = filled.interval.lower, filled.interval.upper
    np.testing.assert_array_equal(lower[:, :20], profiles[asked, :20])
    np.testing.assert_array_equal(upper[:, :20], profiles[asked, :20])
    truth = profiles[asked, 20:]
    held = np.mean((lower[:, 20:] <= truth) & (truth <= upper[:, 20:]))
    assert held == pytest.approx(0.9, abs=0.05)
    assert np.mean(upper - lower) < 0.6 * 2 * 1.64 * profiles.std()


@pytest.mark.slow
def test_covers_are_of_folds_that_were_not_calibrated_on(noise):
    model = fit_error_model(CellMean(), noise()[0].known)
    found = {cover.stratum: cover.cover for cover in model.covers(0.9)}
    assert {"all", "weak", "strong", "largest values"} <= set(found)
    assert found["all"] == pytest.approx(0.9, abs=0.02)
    # Errors that grow in the second half of the folds are not covered by the first.
    half = model.folds % 2 == 1
    grown = np.where(half[:, None], 9.0, 1.0) * model.hidden.profiles
    moved = Screen(grown, model.hidden.labels, model.hidden.genes)
    wild = ErrorModel(model.kind, moved, model.predicted, model.folds, model.features)
    assert wild.covers(0.9)[0].cover < 0.75


@pytest.mark.slow
def test_few_hidden_drugs_say_less_about_the_next_one():
    """Drugs differ in the scale of their errors, and nothing tells of it beforehand."""
    raised, plain = [], []
    for seed in range(30):
        random = np.random.default_rng(seed)
        scale = np.exp(0.8 * random.normal(size=12))
        errors = np.repeat(scale, 4)[:, None] * random.normal(size=(48, 30))
        labels = np.array([[f"c{k}", f"d{d}"] for d in range(12) for k in range(4)])
        known, new = np.arange(48) < 24, np.arange(48) >= 24
        hidden_ones = Screen(errors[known], labels[known], [f"g{k}" for k in range(30)])
        folds, nothing = np.repeat(np.arange(6), 4), np.zeros((24, 30))
        model = ErrorModel("new drug", hidden_ones, nothing, folds, np.zeros((24, 4)))
        own, other = model.scales(np.zeros((24, 4)), labels[new])
        simple = Bounds.calibrate(nothing, errors[known], own, 0.9)
        raised.append(model.bounds(0.9).hold(nothing, other, errors[new]).mean())
        plain.append(simple.hold(nothing, other, errors[new]).mean())
    assert np.mean(plain) < 0.885
    assert 0.895 < np.mean(raised) < 0.93
