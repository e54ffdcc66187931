"""A fill refined by its own patches."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from oracles import rmse
from scipy import ndimage

from ntkfill.grids.patches import PatchOptions, attribution, passes, refine
from ntkfill.grids.patches.options import candidates
from ntkfill.grids.patches.passes import hole_depths
from ntkfill.grids.patches.refinement import working_memory
from ntkfill.runtime import resources

QUICK = PatchOptions(width=6, step=3, search_radius=6, n_neighbours=30, passes=2)


def scattered(shape, share=0.5, seed=0):
    return np.random.default_rng(seed).random(shape) < share


def stripes(*shape):
    """Waves along the diagonal, (*shape, 1): patches repeat, neighbours differ."""
    return np.sin(2.1 * sum(np.indices(shape)))[..., None]


def zeroed(truth, missing):
    return np.where(missing[..., None] if missing.ndim < truth.ndim else missing, 0.0, truth)


def explained(*given):
    return attribution(*given, (25, 25, 0))


def refined(*given):
    return refine(*given).values


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(400,), (40, 40), (14, 14, 14)])
def test_what_repeats_is_filled_from_itself(shape):
    truth, missing = stripes(*shape), scattered(shape)
    filled = zeroed(truth, missing)
    better = refined(filled, missing, 0.7)
    assert rmse(better, truth, missing) < 0.1 * rmse(filled, truth, missing)
    np.testing.assert_array_equal(better[~missing], truth[~missing])
    # Negative control: what does not repeat cannot be.
    noise = np.random.default_rng(1).standard_normal(truth.shape)
    assert rmse(refined(zeroed(noise, missing), missing, 0.7), noise, missing) > 0.9


@pytest.mark.slow
def test_channels_help_each_other():
    rng = np.random.default_rng(0)
    grey = rng.standard_normal((40, 40, 1))
    truth = np.concatenate([grey, -2 * grey, grey + 1], axis=-1)
    missing = np.zeros(truth.shape, bool)
    missing[..., 0] = scattered((40, 40))
    filled = np.where(missing, 0, truth)
    small = PatchOptions(width=2, step=1, search_radius=8)
    assert rmse(refined(filled, missing, 1.0, small), truth, missing) < 0.1
    alone = refined(filled[..., :1], missing[..., :1], 1.0, small)
    assert rmse(alone, truth[..., :1], missing[..., :1]) > 0.9


def test_the_middle_of_a_hole_stays_as_it_was():
    truth, missing = stripes(60, 60), np.zeros((60, 60), bool)
    missing[15:45, 15:45] = True
    filled = zeroed(truth, missing)
    better = refined(filled, missing, 0.7, QUICK)
    deep = (slice(15 + QUICK.width, 45 - QUICK.width),) * 2
    np.testing.assert_array_equal(better[deep], filled[deep])
    assert rmse(better, truth, missing) < rmse(filled, truth, missing)


DEEP = np.zeros((60, 60), bool)
DEEP[15:45, 15:45] = True


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 2])
def test_what_repeats_is_completed_ring_by_ring(channels):
    truth = stripes(60, 60) * np.ones(channels)
    filled = zeroed(truth, DEEP)
    rim = refine(filled, DEEP, 0.7, QUICK)
    better = refine(filled, DEEP, 0.7, replace(QUICK, ring_passes=1))
    middle = ndimage.binary_erosion(DEEP, iterations=QUICK.width)
    assert rmse(rim.values, truth, middle) > 0.6
    assert rmse(better.values, truth, middle) < 0.1
    np.testing.assert_array_equal(better.values[~DEEP], truth[~DEEP])
    assert np.isnan(rim.std[middle]).all()
    assert (better.std[DEEP] > 0).all()
    # Nothing outside the hole is changed by what happens in it.
    scatter = scattered(DEEP.shape) & ~ndimage.binary_dilation(DEEP, iterations=20)
    both = [
        refine(zeroed(truth, DEEP | scatter), DEEP | scatter, 0.7, replace(QUICK, ring_passes=k))
        for k in (0, 1)
    ]
    np.testing.assert_array_equal(both[0].values[scatter], both[1].values[scatter])


@pytest.mark.sampled
@pytest.mark.parametrize("shape", [(400,), (40, 40), (14, 14, 14)])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_nothing_is_changed_where_no_hole_is_deep(shape, share):
    missing, filled = scattered(shape, share), stripes(*shape)
    options = candidates(len(shape))[0]
    same = [refine(filled, missing, 0.7, replace(options, passes=2, ring_passes=k)) for k in (0, 2)]
    assert same[0].values.tobytes() == same[1].values.tobytes()
    assert same[0].std.tobytes() == same[1].std.tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("ring_passes", [0, 2])
def test_a_refined_pixel_is_the_sum_of_its_attribution(ring_passes):
    options = replace(QUICK, ring_passes=ring_passes)
    truth, missing = stripes(48, 40), scattered((48, 40))
    missing[20:34, 10:30] = True
    filled = zeroed(truth, missing) + 0.1 * missing[..., None] * np.arange(40)[:, None]
    better = refine(filled, missing, 0.7, options)
    for at in ((3, 3, 0), (20, 11, 0), (27, 20, 0), tuple(np.argwhere(~missing)[7]) + (0,)):
        from_known, from_first = attribution(filled, missing, 0.7, options, at)
        made = np.vdot(from_known + from_first, filled)
        assert made == pytest.approx(better.values[at], abs=1e-4)
        assert (from_known + from_first).sum() == pytest.approx(1, abs=1e-5)
    assert from_first.any() == missing[at[:2]]


@pytest.mark.slow
def test_standard_deviations_are_larger_where_texture_is_rough():
    rough = np.random.default_rng(0).standard_normal((48, 64, 1)) * (np.arange(64) >= 32)[:, None]
    truth, missing = stripes(48, 64) + rough, scattered((48, 64))
    missing[14:30, 40:56] = True
    std = refine(zeroed(truth, missing), missing, 1.0).std[..., 0]
    assert not std[~missing].any()
    assert np.isnan(std[21:23, 47:49]).all()
    there = missing & ~np.isnan(std)
    right = there & (np.arange(64) >= 40)
    assert std[right].mean() > 5 * std[there & (np.arange(64) < 24)].mean() > 0


@pytest.mark.slow
def test_scale_and_level_do_not_matter():
    truth, missing = stripes(30, 30), scattered((30, 30))
    filled = zeroed(truth, missing)
    better = refined(filled, missing, 0.7, QUICK)
    for scale in (1e-200, 1e200):
        moved = refined(scale * (filled + 3), missing, 0.7 * scale, QUICK)
        np.testing.assert_allclose(moved / scale - 3, better, atol=1e-4)


@pytest.mark.parametrize("shape", [(5,), (3, 40), (2, 2, 2)])
def test_grids_smaller_than_a_patch(shape):
    truth = stripes(*shape)
    missing = np.zeros(shape, bool)
    missing.flat[0] = True
    assert np.isfinite(refined(zeroed(truth, missing), missing, 0.1)).all()


@pytest.mark.sampled
@pytest.mark.parametrize("width", [1, 2, 3])
def test_ring_passes_with_the_smallest_patches(width):
    truth = stripes(40, 40)
    missing = np.zeros((40, 40), bool)
    missing[10:30, 10:30] = True
    small = PatchOptions(width=width, step=1, passes=1, n_neighbours=10, ring_passes=1)
    done = refine(zeroed(truth, missing), missing, 0.7, small)
    assert np.isfinite(done.values).all()
    assert np.isfinite(done.std[missing]).all() == (width > 1)  # of one pixel nothing is known


@pytest.mark.slow
@pytest.mark.parametrize("ring_passes", [0, 1])
@pytest.mark.parametrize("work", [refine, explained])
def test_memory_stays_within_the_estimate(monkeypatch, work, ring_passes):
    monkeypatch.setattr(passes, "import_compiled", lambda _: None)  # what it takes is not traced
    monkeypatch.setattr(resources, "workers", lambda: 1)
    monkeypatch.setattr("ntkfill.grids.patches.refinement.workers", lambda: 1)
    missing = scattered((160, 160))
    missing[20:80, 20:80] = True
    options = replace(QUICK, ring_passes=ring_passes)
    given = zeroed(stripes(160, 160), missing), missing, 0.7, options
    tracemalloc.start()
    work(*given)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    depth = hole_depths(~missing[..., None], QUICK.width).max()
    estimate = working_memory((160, 160, 1), options, depth, work is not refine)
    assert 0.3 * estimate < peak < 1.1 * estimate


@pytest.mark.slow
@pytest.mark.parametrize(
    ("work", "smaller", "larger", "share"),
    [
        (refine, {"side": 96}, {"side": 192}, 1.0),
        (refine, {"side": 96, "ring_passes": 1}, {"side": 192, "ring_passes": 1}, 1.13),
        (explained, {"side": 160, "passes": 4}, {"side": 160, "passes": 8}, 0.75),
    ],
)
def test_memory_grows_as_estimated(monkeypatch, work, smaller, larger, share):
    monkeypatch.setattr(passes, "import_compiled", lambda _: None)  # what it takes is not traced
    monkeypatch.setattr(resources, "workers", lambda: 1)
    found = []
    for case in (smaller, larger):
        side, options = (
            case.get("side", 96),
            replace(QUICK, **{name: value for name, value in case.items() if name != "side"}),
        )
        missing = scattered((side, side))
        missing[20:80, 20:80] = options.ring_passes > 0
        tracemalloc.start()
        work(zeroed(stripes(side, side), missing), missing, 0.7, options)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        depth = int(hole_depths(~missing[..., None], QUICK.width).max())
        found.append((peak, working_memory((side, side, 1), options, depth, work is not refine)))
    grown = np.subtract(*reversed(found))
    assert grown[0] / grown[1] == pytest.approx(share, rel=0.12)


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_nothing_to_do_for_a_constant(value):
    filled = np.full((20, 20, 1), value)
    np.testing.assert_array_equal(refined(filled, scattered((20, 20)), 0.0, QUICK), filled)


@pytest.mark.slow
@pytest.mark.parametrize("compiled_size", [0, 1 << 14])
def test_same_bytes_for_any_number_of_threads_and_no_input_is_changed(monkeypatch, compiled_size):
    monkeypatch.setattr(passes, "COMPILED_SIZE", compiled_size)
    rng = np.random.default_rng(0)
    missing, filled = scattered((70, 50)), rng.standard_normal((70, 50, 2))
    missing[20:36, 20:36] = True
    before = filled.copy(), missing.copy()
    done = []
    for count in (1, 3):
        monkeypatch.setattr(resources, "workers", lambda count=count: count)
        done.append(refine(filled, missing, 0.7, replace(QUICK, ring_passes=1)))
    assert done[0].values.tobytes() == done[1].values.tobytes()
    assert done[0].std.tobytes() == done[1].std.tobytes()
    np.testing.assert_array_equal(filled, before[0])
    np.testing.assert_array_equal(missing, before[1])


def test_progress_rises_to_one():
    shares = []
    refined(stripes(40, 40), scattered((40, 40)), 0.7, QUICK, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(shares) > 2


@pytest.mark.slow
def test_shrinkage_changes_the_fill():
    truth, missing = stripes(40, 40), scattered((40, 40))
    filled = zeroed(truth, missing) + 0.1 * np.random.default_rng(1).standard_normal(truth.shape)
    done = [refined(filled, missing, 0.7, replace(QUICK, shrinkage=k)) for k in (0.2, 0)]
    assert not np.array_equal(*done)
