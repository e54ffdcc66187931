"""Conformal prediction: the coverage of intervals, and likelihood-ratio weights."""

import numpy as np
import pytest

from ntkfill.uncertainty import Scores, likelihood_ratio_weights


def coverage(weighted, trials=4000):
    """Errors are three times as large in stratum 1: 10 % of the held-out, 50 % of the missing."""
    rng = np.random.default_rng(5)
    inside = 0
    for _ in range(trials):
        strata = (rng.random(60) < 0.1).astype(int)
        test = int(rng.random() < 0.5)
        values = abs(rng.normal(size=60)) * (1 + 2 * strata)
        scores, weight = Scores(values), 1.0
        if weighted:  # the true shares: 0.5 / 0.9 and 0.5 / 0.1
            ratio = np.array([0.5 / 0.9, 0.5 / 0.1])
            scores, weight = Scores(values, ratio[strata]), ratio[test]
        inside += abs(rng.normal()) * (1 + 2 * test) <= scores.quantile(0.8, weight)
    return inside / trials


@pytest.mark.slow
def test_coverage_where_missing_entries_are_harder():
    assert 0.785 < coverage(weighted=True) < 0.87
    assert coverage(weighted=False) < 0.72


@pytest.mark.slow
@pytest.mark.sampled
@pytest.mark.parametrize("level", [0.5, 0.9])
@pytest.mark.parametrize("count", [19, 99])
def test_coverage_is_exact_for_exchangeable_scores(level, count):
    rng = np.random.default_rng(6)
    draws = rng.exponential(size=(5000, count + 1))
    inside = np.mean([row[-1] <= Scores(row[:-1]).quantile(level) for row in draws])
    assert inside == pytest.approx(np.ceil((count + 1) * level) / (count + 1), abs=0.025)


def test_equal_weights_change_nothing():
    values = np.random.default_rng(0).random(30)
    for level in (0.1, 0.5, 0.9, 0.99):
        weighted = Scores(values, np.full(30, 7.0)).quantile(level, 7.0)
        assert weighted == Scores(values).quantile(level)


@pytest.mark.parametrize("level", [0, 1, -0.1, 90, "0.9", np.nan])
def test_levels_out_of_range(level):
    with pytest.raises(ValueError, match="interval must be a number"):
        Scores(np.ones(3)).quantile(level)


def test_rare_strata_are_merged_with_easier_ones():
    held_out = np.repeat([0, 1, 2, 3], [100, 50, 3, 30])
    weights, missing_weights = likelihood_ratio_weights(
        held_out, np.repeat([0, 1, 2, 3, 4], [10, 10, 50, 20, 10])
    )
    ratio = np.array([10 / 100, 60 / 53, 60 / 53, 30 / 30, 30 / 30]) * 183 / 100
    np.testing.assert_allclose(weights, ratio[held_out])
    np.testing.assert_allclose(missing_weights[[0, 10, 20, 70, 90]], ratio)


def test_strata_without_held_out_entries():
    weights, missing_weights = likelihood_ratio_weights(np.array([1, 1, 2]), np.array([0, 1, 2, 5]))
    np.testing.assert_allclose(weights, [0.75, 0.75, 1.5])
    np.testing.assert_allclose(missing_weights, [0.75, 0.75, 1.5, 1.5])
