"""Completed screens: measured profiles bit for bit, predicted ones near the truth, intervals."""

import numpy as np
import pytest

from ntkfill import InputError, screens
from ntkfill.result import Filled
from ntkfill.screens import CellMean, Screen, complete, simulate
from ntkfill.uncertainty import Uncertainty

MADE = simulate(cells=5, drugs=9, genes=12, random_state=3)


def rows_in(screen, labels):
    place = {tuple(row): k for k, row in enumerate(screen.labels.tolist())}
    return [place[tuple(row)] for row in labels.tolist()]


def test_measured_profiles_are_kept_bit_for_bit_and_predictions_are_near_the_truth():
    filled = complete(MADE.screen)
    measured, at = filled.info.measured, rows_in(MADE.truth, filled.values.labels)
    assert isinstance(filled, Filled)
    assert len(filled.values) == 45
    np.testing.assert_array_equal(
        filled.values.profiles[measured], MADE.screen.profiles[at][measured]
    )
    error = (filled.values.profiles - MADE.truth.profiles[at])[~measured]
    assert np.mean(error**2) < 0.5 * np.var(MADE.truth.profiles)


def test_intervals_hold_their_level(noise):
    screen, truth, _ = noise(1)
    filled = complete(screen, CellMean(), return_std=True, interval=0.8)
    missing = ~filled.info.measured
    assert not filled.std[~missing].any()
    assert (filled.std[missing] > 0).all()
    true = truth[rows_in(screen, filled.values.labels)]
    lower, upper = filled.interval.lower, filled.interval.upper
    inside = (lower <= true) & (true <= upper)
    assert 0.72 < inside[missing].mean() < 0.88
    np.testing.assert_array_equal(lower[~missing], true[~missing])


def test_values_do_not_depend_on_what_else_is_returned(noise):
    screen = noise(1)[0]
    full = complete(screen, CellMean(), return_std=True, interval=0.8)
    values, with_std = complete(screen, CellMean()), complete(screen, CellMean(), return_std=True)
    assert (values.std, values.interval, with_std.interval) == (None, None, None)
    np.testing.assert_array_equal(values.values.profiles, full.values.profiles)
    np.testing.assert_array_equal(with_std.std, full.std)


def test_the_random_state_chooses_the_folds(noise):
    screen = noise(1)[0]
    stds = [
        complete(
            screen, CellMean(), return_std=True, uncertainty=Uncertainty(random_state=seed)
        ).std
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(stds[0], stds[1])
    assert not np.array_equal(stds[0], stds[2])


def test_the_default_method_has_intervals():
    made = simulate(cells=6, drugs=12, genes=8)
    assert np.isfinite(complete(made.screen, interval=0.9).std).all()


LONE = Screen([[1.0, 2.0], [3.0, 5.0]], [["A", "x"], ["B", "y"]], ["g", "h"])


@pytest.mark.parametrize(
    ("screen", "options", "message"),
    [
        (LONE, {"return_std": True}, "folds|held out"),
        (MADE.screen, {"interval": 2}, "interval must be a number|interval"),
        (MADE.screen, {"conditions": np.array([["A"]])}, "other labels"),
        (MADE.screen, {"conditions": MADE.screen.labels[[0, 0]]}, "duplicate condition"),
    ],
)
def test_errors(screen, options, message):
    with pytest.raises(InputError, match=message):
        screens.complete(screen, CellMean(), **options)
