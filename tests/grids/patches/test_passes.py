"""The picture as its own prior: patches completed from patches like them."""

import itertools
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import DotProduct

from ntkfill.errors import InputError
from ntkfill.grids.holdout import Holdout
from ntkfill.grids.patches import Patches, trace
from ntkfill.grids.patches import refine as refining
from ntkfill.grids.patches import tiling as cutting
from ntkfill.grids.patches.neighbours import Alike, similar
from ntkfill.grids.patches.options import offered
from ntkfill.grids.patches.passes import Pass
from ntkfill.grids.patches.refinement import _bytes, _scaled
from ntkfill.grids.patches.ringwise import inward, rings
from ntkfill.grids.patches.selection import _Trial, judge
from ntkfill.priors import Features
from ntkfill.runtime import threads
from ntkfill.solvers import Blockwise


def refine(*given):
    return refining(*given).values


def regress(patches, known, groups, ridge, common=0.2):
    """Prior, kernel, factor, solve."""
    prior = Alike(groups)
    factor = Blockwise(ridge).factor(prior.kernel(common), known.ravel())
    found = factor.predict(patches - prior.mean) + prior.mean
    return np.where(known, patches, found), factor.variance


QUICK = Patches(width=6, step=3, reach=6, count=30, passes=2)


def scattered(shape, share=0.5, seed=0):
    return np.random.default_rng(seed).random(shape) < share


def stripes(*shape):
    """Waves along the diagonal, (*shape, 1): patches repeat, neighbours differ."""
    return np.sin(2.1 * sum(np.indices(shape)))[..., None]


def zeroed(truth, missing):
    return np.where(missing[..., None] if missing.ndim < truth.ndim else missing, 0.0, truth)


def error(filled, truth, missing):
    return float(np.sqrt(np.mean((filled - truth)[missing] ** 2)))


def groups_of(m=5, count=12, size=9, seed=0):
    rng = np.random.default_rng(seed)
    known = rng.random((m, size)) < np.linspace(0.2, 0.8, m)[:, None]
    known[:, 0], known[:, 1] = True, False
    return rng.standard_normal((m, size)), known, rng.standard_normal((m, count, size)) + 3


def features_of(group, groups, common=0.2):
    """Those of a group and, at a share, of all groups: shape (places, features)."""
    own, others = (g - g.mean(axis=-2, keepdims=True) for g in (group, groups))
    others = others.reshape(-1, group.shape[1])
    own = np.sqrt((1 - common) / len(own)) * own
    return np.concatenate([own, np.sqrt(common / len(others)) * others]).T


@pytest.mark.parametrize("ridge", [1e-3, 1.0])
def test_regression_is_a_gaussian_process_on_the_features(ridge):
    patches, known, groups = groups_of()
    values, variance = regress(patches, known, groups, ridge)
    for k, (patch, seen, group) in enumerate(zip(patches, known, groups, strict=True)):
        mean = group.mean(axis=0)
        features = features_of(group, groups)
        process = GaussianProcessRegressor(DotProduct(0.0, "fixed"), alpha=ridge, optimizer=None)
        process.fit(features[seen], (patch - mean)[seen])
        expected, spread = process.predict(features[~seen], return_std=True)
        np.testing.assert_allclose(values[k, ~seen], expected + mean[~seen], atol=1e-9)
        np.testing.assert_allclose(variance[k, ~seen], spread**2, atol=1e-9)
        assert (values[k, seen] == patch[seen]).all()
        assert (variance[k, seen] == 0).all()
        # Negative control: the features of the other groups count.
        process.fit(features_of(group, groups, 0)[seen], (patch - mean)[seen])
        alone = process.predict(features_of(group, groups, 0)[~seen])
        assert abs(alone - expected).max() > 1e-3


def test_the_kernel_is_the_feature_priors():
    patches, known, groups = groups_of(m=1)
    ridge, seen = 0.1, known[0]
    mean = groups[0].mean(axis=0)
    table, _ = Features((groups[0] - mean) / np.sqrt(len(groups[0]))).table((9,), 1)
    at = np.arange(9)
    kernel = table[at[:, None], (at - at[:, None]) % 9]
    inner = kernel[np.ix_(seen, seen)] + ridge * np.eye(seen.sum())
    weights = np.linalg.solve(inner, (patches[0] - mean)[seen])
    expected = mean[~seen] + kernel[np.ix_(~seen, seen)] @ weights
    values, _ = regress(patches, known, groups, ridge)
    np.testing.assert_allclose(values[0, ~seen], expected, atol=1e-9)
    # Negative control: neither the mean nor the ridge may be left out.
    for wrong in (
        regress(patches, known, groups - mean, ridge),
        regress(patches, known, groups, 0),
    ):
        assert abs(wrong[0][0, ~seen] - expected).max() > 0.01


def test_missing_values_are_never_read():
    patches, known, groups = groups_of()
    other = np.where(known, patches, 1e6)
    for a, b in zip(
        regress(patches, known, groups, 0.1), regress(other, known, groups, 0.1), strict=True
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("count", [1, 7, 40, 50])
def test_similar_patches_are_the_nearest(count):
    rng = np.random.default_rng(0)
    patches, candidates = rng.standard_normal((2, 40, 6)).astype(np.float32)
    trust = rng.random((40, 6)).astype(np.float32)
    distance = (trust[:, None] * (patches[:, None] - candidates) ** 2).sum(axis=-1)
    found = np.sort(np.take_along_axis(distance, similar(patches, trust, candidates, count), 1), 1)
    # Few bits of a distance are kept, so neighbours that are equally near may change places.
    np.testing.assert_allclose(found, np.sort(distance, axis=1)[:, : min(count, 40)], rtol=1e-3)
    assert len(set(similar(patches, trust, candidates, count)[0].tolist())) == min(count, 40)


@pytest.mark.parametrize(
    ("grid", "width"), [((30,), (4,)), ((20, 31), (4, 3)), ((9, 8, 7), (3, 3, 3))]
)
@pytest.mark.parametrize("offset", [0, 2])
def test_tiles_hold_every_patch_once(grid, width, offset):
    values = np.arange(2 * np.prod(grid)).reshape(*grid, 2)
    starts, covered = [], np.zeros(values.size, int)
    for band in cutting.tiles(grid, width, 3, np.full(len(grid), offset), 6, 2):
        for tile in band:
            part = values[tile.box]
            at = cutting.places(tile, part.shape, width)
            inside = cutting.corners(part.shape, width)[at][:, None] + cutting.entries(
                part.shape, width
            )
            # A row holds what stands at its places.
            assert (cutting.rows(part, width)[at] == part.ravel()[inside]).all()
            starts += cutting.rows(part, width)[at, 0].tolist()
            covered[np.unique(part.ravel()[inside])] = 1
    each = [sorted({0, n - w, *range(offset, n - w, 3)}) for n, w in zip(grid, width, strict=True)]
    assert sorted(starts) == sorted(int(values[(*c, 0)]) for c in itertools.product(*each))
    assert covered.all()


@pytest.mark.parametrize("shape", [(400,), (40, 40), (14, 14, 14)])
def test_what_repeats_is_filled_from_itself(shape):
    truth, missing = stripes(*shape), scattered(shape)
    filled = zeroed(truth, missing)
    better = refine(filled, missing, 0.7)
    assert error(better, truth, missing) < 0.1 * error(filled, truth, missing)
    np.testing.assert_array_equal(better[~missing], truth[~missing])
    # Negative control: what does not repeat cannot be.
    noise = np.random.default_rng(1).standard_normal(truth.shape)
    assert error(refine(zeroed(noise, missing), missing, 0.7), noise, missing) > 0.9


def test_channels_help_each_other():
    rng = np.random.default_rng(0)
    grey = rng.standard_normal((40, 40, 1))
    truth = np.concatenate([grey, -2 * grey, grey + 1], axis=-1)
    missing = np.zeros(truth.shape, bool)
    missing[..., 0] = scattered((40, 40))
    filled = np.where(missing, 0, truth)
    small = Patches(width=2, step=1, reach=8)
    assert error(refine(filled, missing, 1.0, small), truth, missing) < 0.1
    alone = refine(filled[..., :1], missing[..., :1], 1.0, small)
    assert error(alone, truth[..., :1], missing[..., :1]) > 0.9


def test_the_middle_of_a_hole_stays_as_it_was():
    truth, missing = stripes(60, 60), np.zeros((60, 60), bool)
    missing[15:45, 15:45] = True
    filled = zeroed(truth, missing)
    better = refine(filled, missing, 0.7, QUICK)
    deep = (slice(15 + QUICK.width, 45 - QUICK.width),) * 2
    np.testing.assert_array_equal(better[deep], filled[deep])
    assert error(better, truth, missing) < error(filled, truth, missing)


DEEP = np.zeros((60, 60), bool)
DEEP[15:45, 15:45] = True


@pytest.mark.parametrize("channels", [1, 2])
def test_what_repeats_is_completed_inward(channels):
    truth = stripes(60, 60) * np.ones(channels)
    filled = zeroed(truth, DEEP)
    rim = refining(filled, DEEP, 0.7, QUICK)
    better = refining(filled, DEEP, 0.7, replace(QUICK, inward=1))
    middle = ndimage.binary_erosion(DEEP, iterations=QUICK.width)
    assert error(rim.values, truth, middle) > 0.6
    assert error(better.values, truth, middle) < 0.1
    np.testing.assert_array_equal(better.values[~DEEP], truth[~DEEP])
    assert np.isnan(rim.std[middle]).all()
    assert (better.std[DEEP] > 0).all()
    # Nothing outside the hole is changed by what happens in it.
    scatter = scattered(DEEP.shape) & ~ndimage.binary_dilation(DEEP, iterations=20)
    both = [
        refining(zeroed(truth, DEEP | scatter), DEEP | scatter, 0.7, replace(QUICK, inward=k))
        for k in (0, 1)
    ]
    np.testing.assert_array_equal(both[0].values[scatter], both[1].values[scatter])


def test_only_a_second_time_inward_reads_what_is_not_reached():
    known = ~DEEP[..., None]
    values = np.where(known, stripes(60, 60), 0).astype(np.float32)
    other = np.where(known, values, np.random.default_rng(0).standard_normal(known.shape))
    other = other.astype(np.float32)
    every = inward(replace(QUICK, inward=2), known, 0.01, 0.5)
    for ring, same in ((0, True), (len(every) // 2, False)):
        asked = every[ring].asked
        one, two = (every[ring].over(v).values[asked] for v in (values, other))
        assert np.array_equal(one, two) is same


@pytest.mark.parametrize("side", [9, 11, 12, 30])
def test_rings_cover_a_deep_hole_once_each_time(side):
    known = np.ones((60, 50, 2), bool)
    known[3:9, 2:48] = known[14 : 14 + side, 9 : 9 + side] = False
    how = replace(QUICK, inward=2)
    every = inward(how, known, 0.1, 0.5)
    # Patches of 6 that know something reach 5 pixels, to the middle of a hole of 10.
    deep = np.zeros_like(known)
    deep[14 : 14 + side, 9 : 9 + side] = side > 10
    np.testing.assert_array_equal(
        sum((one.asked.astype(int) for one in every), 0 * known), 2 * deep
    )
    assert len(every) == rings(how, known) == (2 * -(-side // 4) if side > 10 else 0)
    for one in every:
        assert not (one.asked & one.known).any()


@pytest.mark.parametrize("shape", [(400,), (40, 40), (14, 14, 14)])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_nothing_is_changed_where_no_hole_is_deep(shape, share):
    missing, filled = scattered(shape, share), stripes(*shape)
    how = offered(len(shape))[0]
    same = [refining(filled, missing, 0.7, replace(how, passes=2, inward=k)) for k in (0, 2)]
    assert same[0].values.tobytes() == same[1].values.tobytes()
    assert same[0].std.tobytes() == same[1].std.tobytes()


@pytest.mark.parametrize("number", [0, 3])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_pass_is_linear_and_traced_back_exactly(channels, number):
    """A sum over what it gives is a sum over what is known and the fill before."""
    rng = np.random.default_rng(0)
    missing = scattered((30, 34, channels))
    missing[10:22, 12:24] = True  # in the middle no patch shows anything known
    known, values = ~missing, rng.standard_normal(missing.shape).astype(np.float32)
    one = Pass(QUICK, known, number, ridge=0.1, square=0.5)
    layer = one.over(values)
    assert (layer.weights[13:20, 15:22] == 0).any()
    gradient = rng.standard_normal(missing.shape) * missing
    traced_exactly(one, values, layer, gradient)
    # Negative control: what is known is not all that counts.
    told = one.back(values, layer.weights, gradient)
    assert abs(np.vdot(told * known, values) - np.vdot(gradient, layer.values)) > 0.1


def traced_exactly(one, values, layer, gradient):
    told, wanted = one.back(values, layer.weights, gradient), np.vdot(gradient, layer.values)
    assert np.vdot(told, values) == pytest.approx(wanted, rel=1e-4)
    assert told.sum() == pytest.approx(gradient.sum(), abs=1e-3)
    # Negative control: the weights of the patches count.
    wrong = one.back(values, np.where(layer.weights > 0, 1, 0), gradient)
    assert abs(np.vdot(wrong, values) - wanted) > 0.1


@pytest.mark.parametrize("again", [0, 1])
def test_a_ring_is_linear_and_traced_back_exactly(again):
    rng = np.random.default_rng(0)
    known = np.ones((40, 44, 1), bool)
    known[10:28, 12:34] = False
    values = rng.standard_normal(known.shape).astype(np.float32)
    all_of_them = inward(replace(QUICK, inward=2), known, 0.1, 0.5)
    one = all_of_them[again * len(all_of_them) // 2 + 1]
    gradient = rng.standard_normal(known.shape) * ~known
    traced_exactly(one, values, one.over(values), gradient)


@pytest.mark.parametrize("again", [0, 2])
def test_a_refined_pixel_is_what_it_is_made_of(again):
    how = replace(QUICK, inward=again)
    truth, missing = stripes(48, 40), scattered((48, 40))
    missing[20:34, 10:30] = True
    filled = zeroed(truth, missing) + 0.1 * missing[..., None] * np.arange(40)[:, None]
    better = refining(filled, missing, 0.7, how)
    for at in ((3, 3, 0), (20, 11, 0), (27, 20, 0), tuple(np.argwhere(~missing)[7]) + (0,)):
        known, first = trace(filled, missing, 0.7, how, at)
        made = np.vdot(known, filled) + np.vdot(first, filled)
        assert made == pytest.approx(better.values[at], abs=1e-4)
        assert known.sum() + first.sum() == pytest.approx(1, abs=1e-5)
    assert first.any() == missing[at[:2]]


def test_standard_deviations_say_where_it_is_hard():
    rough = np.random.default_rng(0).standard_normal((48, 64, 1)) * (np.arange(64) >= 32)[:, None]
    truth, missing = stripes(48, 64) + rough, scattered((48, 64))
    missing[14:30, 40:56] = True
    std = refining(zeroed(truth, missing), missing, 1.0).std[..., 0]
    assert not std[~missing].any()
    assert np.isnan(std[21:23, 47:49]).all()
    there = missing & ~np.isnan(std)
    right = there & (np.arange(64) >= 40)
    assert std[right].mean() > 5 * std[there & (np.arange(64) < 24)].mean() > 0


def test_scale_and_level_do_not_matter():
    truth, missing = stripes(30, 30), scattered((30, 30))
    filled = zeroed(truth, missing)
    better = refine(filled, missing, 0.7, QUICK)
    for scale in (1e-200, 1e200):
        moved = refine(scale * (filled + 3), missing, 0.7 * scale, QUICK)
        np.testing.assert_allclose(moved / scale - 3, better, atol=1e-4)


@pytest.mark.parametrize("shape", [(5,), (3, 40), (2, 2, 2)])
def test_grids_smaller_than_a_patch(shape):
    truth = stripes(*shape)
    missing = np.zeros(shape, bool)
    missing.flat[0] = True
    assert np.isfinite(refine(zeroed(truth, missing), missing, 0.1)).all()


@pytest.mark.parametrize("width", [1, 2, 3])
def test_the_smallest_patches_go_inward_too(width):
    truth = stripes(40, 40)
    missing = np.zeros((40, 40), bool)
    missing[10:30, 10:30] = True
    small = Patches(width=width, step=1, passes=1, count=10, inward=1)
    done = refining(zeroed(truth, missing), missing, 0.7, small)
    assert np.isfinite(done.values).all()
    assert np.isfinite(done.std[missing]).all() == (width > 1)  # of one pixel nothing is known


def test_patches_grow_and_share_what_a_tile_says():
    truth, missing = stripes(40, 40), scattered((40, 40))
    filled = zeroed(truth, missing) + 0.1 * np.random.default_rng(1).standard_normal(truth.shape)
    how = replace(QUICK, passes=4)
    widths = [one.patches.width for one in _scaled(filled, missing, 0.7, how).passes]
    assert widths == [4, 5, 5, 6]
    assert [one.width for one in replace(how, passes=1).growing()] == [6]
    assert replace(how, passes=1).ridges(1.0) == (how.last,)
    done = [refine(filled, missing, 0.7, replace(how, **k)) for k in ({}, {"common": 0})]
    assert not np.array_equal(*done)


def test_only_inward_a_patch_unlike_all_others_has_a_larger_ridge():
    """By a tenth of the square by which the patch most like it is off, where it is known."""
    known = np.array([[True, True, False], [True, False, False]])
    values = np.array([[1.0, 2.0, 99.0], [5.0, 99.0, 99.0]])
    groups = np.array([[[1.0, 2.0, 0.0], [9, 9, 9]], [[1.0, 0.0, 0.0], [2.0, 0.0, 0.0]]])
    wanted = np.array([[0.01] * 3, [0.1 * 3**2] * 3])
    for asked, ridge in ((~known, wanted), (None, np.full((2, 3), 0.01))):
        one = Pass(QUICK, known, 0, 0.01, 1.0, asked)
        np.testing.assert_allclose(one._noise(groups, values, known), ridge)


@pytest.mark.parametrize("inward", [0, 1])
@pytest.mark.parametrize("work", [refine, lambda *given: trace(*given, (25, 25, 0))])
def test_memory_stays_within_the_estimate(monkeypatch, work, inward):
    monkeypatch.setattr(threads, "workers", lambda: 1)
    monkeypatch.setattr("ntkfill.grids.patches.refinement.workers", lambda: 1)
    missing = scattered((160, 160))
    missing[20:80, 20:80] = True
    how = replace(QUICK, inward=inward)
    given = zeroed(stripes(160, 160), missing), missing, 0.7, how
    tracemalloc.start()
    work(*given)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    estimate = _bytes(~missing[..., None], how, work is not refine)
    assert 0.3 * estimate < peak < 1.1 * estimate


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_nothing_to_do_for_a_constant(value):
    filled = np.full((20, 20, 1), value)
    np.testing.assert_array_equal(refine(filled, scattered((20, 20)), 0.0, QUICK), filled)


def test_same_bytes_for_any_number_of_threads_and_no_input_is_changed(monkeypatch):
    rng = np.random.default_rng(0)
    missing, filled = scattered((70, 50)), rng.standard_normal((70, 50, 2))
    missing[20:36, 20:36] = True
    before = filled.copy(), missing.copy()
    done = []
    for count in (1, 3):
        monkeypatch.setattr(threads, "workers", lambda count=count: count)
        done.append(refining(filled, missing, 0.7, replace(QUICK, inward=1)))
    assert done[0].values.tobytes() == done[1].values.tobytes()
    assert done[0].std.tobytes() == done[1].std.tobytes()
    np.testing.assert_array_equal(filled, before[0])
    np.testing.assert_array_equal(missing, before[1])


def test_progress_rises_to_one():
    shares = []
    refine(stripes(40, 40), scattered((40, 40)), 0.7, QUICK, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(shares) > 2


def test_patches_grow_and_the_last_pass_asks_its_own_groups():
    grown = Patches(width=6, step=3).growing()
    assert [one.width for one in grown] == [4, 4, 5, 5, 5, 5, 6, 6]
    assert [one.step for one in grown] == [2, 2, 3, 3, 3, 3, 3, 3]
    assert [one.common for one in grown] == [0.2] * 7 + [0]
    assert {one.width for one in Patches(narrow=1).growing()} == {8}


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 0},
        {"step": 2.5},
        {"passes": -1},
        {"first": 0},
        {"width": 4, "step": 5},
        {"narrow": 1.5},
        {"common": -0.1},
        {"common": 2},
        {"inward": -1},
        {"inward": 1.5},
        {"trust": -0.1},
    ],
)
def test_settings_that_cannot_be_used_are_refused(wrong):
    with pytest.raises(InputError):
        Patches(**wrong)


def test_hidden_pixels_tell_texture_from_noise():
    noise = np.random.default_rng(0).standard_normal((64, 64, 1))
    missing = scattered((64, 64))
    for truth, refined in ((stripes(64, 64), True), (noise, False)):
        found = judge(truth, missing, lambda gaps, truth=truth: zeroed(truth, gaps))
        assert (found.patches is not None) is refined
        assert (found.after < found.before) is refined
    # What is missing has no say.
    again = judge(
        zeroed(noise, missing) + 9 * missing[..., None], missing, lambda gaps: zeroed(noise, gaps)
    )
    assert again == found
    assert judge(noise, missing, lambda gaps: zeroed(noise, gaps), must=True).patches is not None


def test_hidden_holes_tell_whether_to_go_inward():
    rng = np.random.default_rng(0)
    missing = np.zeros((96, 96), bool)
    missing[10:34, 20:44] = True
    for truth, gaps, deeper in (
        (stripes(96, 96), missing, True),
        (rng.standard_normal((96, 96, 1)), missing, False),
        (stripes(96, 96), scattered((96, 96)), False),
    ):
        found = judge(truth, gaps, lambda gaps, truth=truth: zeroed(truth, gaps))
        assert bool(found.patches and found.patches.inward) is deeper


@pytest.mark.parametrize(
    ("gains", "clear"),
    [(np.ones(16), True), (-np.ones(16), False), (np.eye(16)[0] * 40 - 0.1, False)],
)
def test_holes_are_judged_by_all_of_their_blocks(gains, clear):
    """One block that gains much does not make up for fifteen that lose."""
    mask = np.zeros((24, 24), bool)
    mask[4:20, 4:20] = True
    hidden = Holdout(mask, mask.astype(float))
    trial = _Trial(np.zeros((24, 24, 1)), mask, hidden, np.ones((24, 24, 1)), [])
    off = np.kron(gains.reshape(4, 4), np.ones((4, 4)))
    better = np.ones((24, 24, 1))
    better[4:20, 4:20, 0] = np.sqrt(np.maximum(50 - off, 0))
    worse = np.full((24, 24, 1), np.sqrt(50))
    assert trial.clearly(better, worse, width=8) is clear


def test_what_was_refused_is_not_told(monkeypatch):
    truth, missing = stripes(96, 96), np.zeros((96, 96), bool)
    missing[10:34, 20:44] = True
    both = []
    for clearly in (True, False):
        monkeypatch.setattr(_Trial, "clearly", lambda *_, clearly=clearly: clearly)
        both.append(judge(truth, missing, lambda gaps: zeroed(truth, gaps)))
    assert both[0].after < 0.5 * both[1].after
    assert both[0].patches.inward > both[1].patches.inward == 0
