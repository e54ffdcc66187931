"""Whether held-out entries choose to refine, and how."""

from dataclasses import replace

import numpy as np
import pytest

from ntkfill.grids.holdout import CROPPED_SIZE, Holdout, hold_out_like
from ntkfill.grids.patches import Refined
from ntkfill.grids.patches.options import candidates
from ntkfill.grids.patches.selection import _Trial, select


def scattered(shape, share=0.5, seed=0):
    return np.random.default_rng(seed).random(shape) < share


def stripes(*shape):
    """Waves along the diagonal, (*shape, 1): patches repeat, neighbours differ."""
    return np.sin(2.1 * sum(np.indices(shape)))[..., None]


def zeroed(truth, missing):
    return np.where(missing[..., None] if missing.ndim < truth.ndim else missing, 0.0, truth)


@pytest.mark.slow
def test_texture_is_refined_and_noise_is_not():
    noise = np.random.default_rng(0).standard_normal((64, 64, 1))
    missing = scattered((64, 64))
    for truth, refined in ((stripes(64, 64), True), (noise, False)):
        found = select(truth, missing, lambda _, gaps, truth=truth: zeroed(truth, gaps))
        assert (found.patches is not None) is refined
        assert (found.after < found.before) is refined

    def without(_, gaps):
        return zeroed(noise, gaps)

    # Missing entries are never read.
    again = select(
        zeroed(noise, missing) + 9 * missing[..., None],
        missing,
        lambda _, gaps: zeroed(noise, gaps),
    )
    assert again == found
    assert np.array_equal(again.held_out, found.held_out)
    assert not (found.held_out & missing).any()
    assert found.n_held_out == found.held_out.sum() >= 50
    assert (
        select(noise, missing, lambda _, gaps: zeroed(noise, gaps), force=True).patches is not None
    )


@pytest.mark.slow
def test_ring_passes_are_selected_where_deep_holes_repeat():
    rng = np.random.default_rng(0)
    missing = np.zeros((96, 96), bool)
    missing[10:34, 20:44] = True
    for truth, gaps, deeper in (
        (stripes(96, 96), missing, True),
        (rng.standard_normal((96, 96, 1)), missing, False),
        (stripes(96, 96), scattered((96, 96)), False),
    ):
        found = select(truth, gaps, lambda _, gaps, truth=truth: zeroed(truth, gaps))
        assert bool(found.patches and found.patches.ring_passes) is deeper


@pytest.mark.parametrize(
    ("gains", "clear"),
    [(np.ones(16), True), (-np.ones(16), False), (np.eye(16)[0] * 40 - 0.1, False)],
)
def test_ring_passes_must_gain_over_all_blocks(gains, clear):
    """One block that gains much does not make up for fifteen that lose."""
    mask = np.zeros((24, 24), bool)
    mask[4:20, 4:20] = True
    holdout = Holdout(mask, mask.astype(float), np.zeros_like(mask))
    trial = _Trial(np.zeros((24, 24, 1)), mask, holdout, np.ones((24, 24, 1)), [])
    off = np.kron(gains.reshape(4, 4), np.ones((4, 4)))
    better = np.ones((24, 24, 1))
    better[4:20, 4:20, 0] = np.sqrt(np.maximum(50 - off, 0))
    worse = np.full((24, 24, 1), np.sqrt(50))
    assert trial.clearly_better(better, worse, width=8) is clear


def trial_of(first):
    """A trial of a fill that is off by so much, of truth 0."""
    mask = np.ones((len(first), 1), bool)
    holdout = Holdout(mask, mask.astype(float), mask)
    return _Trial(np.zeros((*mask.shape, 1)), mask, holdout, first.reshape(-1, 1, 1), [...])


@pytest.mark.parametrize(
    ("first", "refined", "share"),
    [([1, -1], [0, 0], 1.0), ([2, 0], [0, 2], 0.5), ([2, 0], [0, 1], 0.8), ([1, 0], [2, 0], 0.0)],
)
def test_the_share_has_the_least_error_and_few_errors_shrink_it(first, refined, share):
    first, refined = np.array(first, float), np.array(refined, float)[:, None, None]
    trial = trial_of(first)
    assert trial.share(refined, 1e9) == pytest.approx(share, abs=1e-6)
    few = trial.share(refined, 4)
    assert abs(few - 0.5) <= abs(share - 0.5)
    assert (few == pytest.approx(share)) is (share == 0.5)


@pytest.mark.slow
def test_holes_are_refined_by_a_share_and_scattered_gaps_wholly_where_that_is_clear():
    rng = np.random.default_rng(0)
    truth = stripes(96, 96) + rng.normal(0, 0.5, (96, 96, 1))
    hole = np.zeros((96, 96), bool)
    hole[40:52, 40:52] = True
    for missing, whole in ((hole, False), (scattered((96, 96)), True)):
        found = select(truth, missing, lambda _, gaps: zeroed(truth, gaps))
        assert (found.share == 1) is whole
        filled, refined = zeroed(truth, missing), replace(found, share=1.0)
        mixed = found.apply(filled, missing).values
        expected = filled + found.share * (refined.apply(filled, missing).values - filled)
        np.testing.assert_allclose(mixed, expected, atol=1e-6)


@pytest.mark.slow
def test_the_error_of_refused_ring_passes_is_not_reported(monkeypatch):
    truth, missing = stripes(96, 96), np.zeros((96, 96), bool)
    missing[10:34, 20:44] = True
    both = []
    for clearly in (True, False):
        monkeypatch.setattr(_Trial, "clearly_better", lambda *_, clearly=clearly: clearly)
        both.append(select(truth, missing, lambda _, gaps: zeroed(truth, gaps)))
    assert both[0].after < 0.6 * both[1].after  # shares of .70 and .65 of fills refined by either
    assert both[0].patches.ring_passes > both[1].patches.ring_passes == 0


def test_only_pixels_of_the_crops_are_held_out(monkeypatch):
    """On a large grid a few crops stand for all of it, and calibration may use the rest."""
    truth, missing = stripes(64, 64), scattered((64, 64))
    whole = hold_out_like(missing).mask
    monkeypatch.setitem(CROPPED_SIZE, 2, 1 << 10)
    found = select(truth, missing, lambda _, gaps: zeroed(truth, gaps))
    assert not (found.held_out & ~whole).any()
    assert 0 < found.n_held_out < 0.5 * whole.sum()


@pytest.mark.parametrize(("second", "windows"), [(0.8, 1), (0.95, 4)])
def test_what_loses_in_the_first_window_is_not_tried_in_the_others(monkeypatch, second, windows):
    truth, missing, tried = np.ones((64, 64, 1)), scattered((64, 64)), []
    shares = {
        options.n_neighbours: share
        for options, share in zip(candidates(2), (0.9, second), strict=True)
    }

    def refine(filled, gaps, error, options, progress):
        tried.append(options.n_neighbours)
        values = np.where(gaps[..., None], shares[options.n_neighbours], filled)
        return Refined(values, np.ones(filled.shape))

    monkeypatch.setitem(CROPPED_SIZE, 2, 1 << 10)
    monkeypatch.setattr("ntkfill.grids.patches.selection.refine", refine)
    found = select(truth, missing, lambda _, gaps: zeroed(truth, gaps))
    assert tried == [50] * 4 + [60] * windows
    assert shares[found.patches.n_neighbours] == max(shares.values())
