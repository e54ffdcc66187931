"""Standard deviations and intervals of filled grids, with images whose truth is known."""

import numpy as np
import pytest

from ntkfill import Filled, Inpainter, InputError, PatternWarning, Uncertainty, inpaint
from ntkfill.grids.model import GridModel
from ntkfill.grids.patches import Refinement
from ntkfill.grids.uncertainty import IN_HOLE, calibration_mask, pixel_strata
from ntkfill.nn import Member, Mixture, hourglass
from ntkfill.priors import MeshGrid
from ntkfill.uncertainty import local_scale


def fill(image, mask=None, *, return_std=False, interval=None, uncertainty=None, **options):
    return Inpainter(**options).fill(
        image, mask, return_std=return_std, interval=interval, uncertainty=uncertainty
    )


RNG = np.random.default_rng(0)
NET = hourglass(2)
QUICK = Uncertainty(samples=8)
# Left half smooth, right half rough.
ROUGH = np.sin(np.arange(32) / 5)[:, None] + RNG.normal(size=(32, 48)) * np.where(
    np.arange(48) < 24, 0.05, 1.0
)
HOLES = RNG.random(ROUGH.shape) < 0.5
HOLES[10:20, 8:18] = True
AT = [tuple(map(int, at)) for at in np.argwhere(HOLES)[::90]]


@pytest.fixture(scope="module")
def result():
    return fill(ROUGH, HOLES, interval=0.8)


@pytest.mark.slow
def test_what_comes_back(result):
    assert isinstance(result, Filled)
    plain = fill(ROUGH, HOLES)
    filled, info = plain.values, plain.info
    np.testing.assert_array_equal(result.values, filled)
    assert (result.info.network, result.info.missing) == (info.network, info.missing)
    assert (result.std[HOLES] > 0).all()
    assert not result.std[~HOLES].any()
    lower, upper = result.interval.lower, result.interval.upper
    np.testing.assert_allclose(lower[~HOLES], ROUGH[~HOLES])
    np.testing.assert_allclose(upper[~HOLES], ROUGH[~HOLES])
    np.testing.assert_allclose((lower + upper)[HOLES] / 2, filled[HOLES], atol=1e-6)
    assert (upper - lower)[HOLES].min() > 0
    assert result.info.relative_error == pytest.approx(0.125)


@pytest.mark.slow
def test_rough_is_more_uncertain_than_smooth(result):
    outside = HOLES.copy()
    outside[9:21, 7:19] = False
    left, right = (result.std[:, part][outside[:, part]] for part in (np.s_[:20], np.s_[28:]))
    assert right.mean() > 5 * left.mean()
    # The size is right too, without any calibration.
    z = ((result.values - ROUGH) / np.where(HOLES, result.std, 1.0))[outside]
    assert 0.8 < np.sqrt(np.mean(z**2)) < 1.25
    # One scale for all of it would not be.
    whole = np.sqrt(np.mean((result.values - ROUGH)[outside] ** 2))
    assert np.sqrt(np.mean(((result.values - ROUGH)[:, :20] / whole)[outside[:, :20]] ** 2)) < 0.5


@pytest.mark.slow
def test_cover_and_width(result):
    inside = (result.interval.lower <= ROUGH) & (result.interval.upper >= ROUGH)
    assert 0.7 < inside[HOLES].mean() < 0.9
    wide = fill(ROUGH, HOLES, interval=0.95).interval
    assert ((wide.upper - wide.lower) >= (result.interval.upper - result.interval.lower)).all()
    assert ((wide.lower <= ROUGH) & (wide.upper >= ROUGH))[HOLES].mean() > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("under", ["ensemble", "nngp", "ntk"])
def test_exact_and_sampled_agree(under):
    inpainter = Inpainter(NET).fit(mask=HOLES)
    many = Uncertainty(under, samples=100)
    sampled, exact = (
        inpainter.std(ROUGH, uncertainty=many),
        inpainter.std(ROUGH, at=AT, uncertainty=many),
    )
    off = (np.array([sampled[at] for at in AT]) / exact - 1) * np.sqrt(2 * 100)
    assert abs(off).max() < 4.5
    assert np.sqrt(np.mean(off**2)) > 0.3  # they are not the same numbers
    for other in {"ensemble", "nngp", "ntk"} - {under}:
        different = inpainter.std(ROUGH, at=AT, uncertainty=Uncertainty(other))
        assert abs(different / exact - 1).max() > 0.05
    known = tuple(map(int, np.argwhere(~HOLES)[0]))
    assert inpainter.std(ROUGH, at=[known], uncertainty=QUICK) == [0.0]


@pytest.mark.slow
def test_exact_is_the_formula():
    """The matrices of the ensemble, times the local scale."""
    holes, image = HOLES[:12, 18:30], ROUGH[:12, 18:30]
    inpainter = Inpainter(hourglass(1), boundary="wrap", centre=False).fit(mask=holes)
    model = inpainter.model_
    plan, factor = model.components[0].plan, model.groups[0].factor(model.components[0])
    every, k, at = np.arange(holes.size), np.flatnonzero(~holes), np.flatnonzero(holes)[::7]
    theta = inpainter.model_.components[0].kernel.block(every, every)
    sigma = plan.kernel(kind="nngp").block(every, every)
    inverse = np.linalg.inv(theta[np.ix_(k, k)] + 1e-3 * theta[0, 0] * np.eye(len(k)))
    smoother = theta[np.ix_(at, k)] @ inverse
    cross = smoother @ sigma[np.ix_(k, at)]
    variance = sigma[np.ix_(at, at)] + smoother @ sigma[np.ix_(k, k)] @ smoother.T - cross - cross.T
    expected = np.diag(inverse @ sigma[np.ix_(k, k)] @ inverse)
    coefficients = factor.solve(image[~holes][:, None]).coefficients
    scale = local_scale(coefficients, expected, ~holes).ravel()[at]
    pixels = [tuple(map(int, np.unravel_index(x, holes.shape))) for x in at]
    found = inpainter.std(image, at=pixels, uncertainty=Uncertainty(samples=600))
    # Only the samples behind the scale leave an error.
    np.testing.assert_allclose(found, scale * np.sqrt(np.diag(variance)), rtol=0.04)


def test_units_and_offset_do_not_matter():
    options = {"network": NET, "return_std": True, "uncertainty": QUICK}
    first, other = fill(ROUGH, HOLES, **options), fill(7 * ROUGH - 3, HOLES, **options)
    np.testing.assert_allclose(other.std, 7 * first.std, rtol=1e-3)


@pytest.mark.slow
def test_the_same_bytes_again():
    options = {"network": NET, "interval": 0.9}
    a, b = (fill(ROUGH, HOLES, uncertainty=QUICK, **options) for _ in range(2))
    np.testing.assert_array_equal(a.std, b.std)
    np.testing.assert_array_equal(a.interval.lower, b.interval.lower)
    c = fill(ROUGH, HOLES, uncertainty=Uncertainty(samples=8, random_state=1), **options)
    assert not np.array_equal(a.std, c.std)


@pytest.mark.slow
def test_channels():
    colour = np.stack([ROUGH, 5 * ROUGH], axis=0)
    options = {"network": NET, "interval": 0.9, "uncertainty": QUICK}
    both = fill(colour, HOLES, channel_axis=0, **options)
    assert both.std.shape == both.interval.lower.shape == colour.shape
    np.testing.assert_allclose(both.std[1], 5 * both.std[0], rtol=1e-3)
    at = Inpainter(NET, channel_axis=0).fit(mask=HOLES).std(colour, AT, QUICK)
    assert at.shape == (len(AT), 2)
    np.testing.assert_allclose(at[:, 1], 5 * at[:, 0], rtol=1e-3)
    # Channels that miss different pixels inform each other: these are copies.
    holed = np.where([HOLES, HOLES[::-1]], np.nan, colour)
    apart = fill(holed, channel_axis=0, **options)
    np.testing.assert_array_equal(apart.std > 0, np.isnan(holed))
    single = fill(ROUGH, HOLES, **options)
    assert apart.std[0][HOLES & ~HOLES[::-1]].mean() < 0.8 * single.std[HOLES & ~HOLES[::-1]].mean()


@pytest.mark.sampled
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_types(dtype):
    image = (50 * (ROUGH + 3)).clip(0, 255).astype(dtype)
    result = fill(image, HOLES, network=NET, interval=0.9, uncertainty=QUICK)
    assert result.values.dtype == image.dtype
    np.testing.assert_array_equal(result.values, inpaint(image, HOLES, network=NET))
    assert result.std.dtype.kind == result.interval.lower.dtype.kind == "f"


def test_the_exact_kernel_and_other_priors():
    """Samples through the blocks of a periodic kernel, and through the root of a dense one."""
    small, holes = ROUGH[:12, 18:30], HOLES[:12, 18:30]
    for options in (
        {"shift_average": False},
        {"shift_average": False, "boundary": "wrap", "prior": MeshGrid()},
    ):
        result = fill(small, holes, network=hourglass(1), return_std=True, **options)
        assert (result.std[holes] > 0).all()
        assert np.isfinite(result.std).all()


def test_constant_images_are_certain():
    result = fill(np.full((16, 16), 3.0), HOLES[:16, :16], network=NET, interval=0.9)
    np.testing.assert_array_equal(result.values, 3.0)
    assert result.std.max() < 1e-6
    assert (result.interval.upper - result.interval.lower).max() < 1e-6


def test_support():
    holes = np.zeros((40, 40), bool)
    holes[5:35, 5:35] = True
    result = fill(np.add.outer(np.arange(40.0), np.arange(40)), holes, network=NET, return_std=True)
    assert result.interval is None
    assert result.info.outside_receptive_field.sum() == result.info.n_outside_receptive_field > 0
    assert (result.info.distance[result.info.outside_receptive_field] >= NET.receptive_radius).all()
    assert result.info.distance[20, 20] == 15
    assert result.info.distance[0, 0] == 0
    # Nowhere is the fill more uncertain.
    assert (
        result.std[result.info.outside_receptive_field].mean() > 1.05 * result.std[5, 5:35].mean()
    )


def test_nothing_missing():
    result = fill(ROUGH, np.zeros(ROUGH.shape), interval=0.9)
    np.testing.assert_array_equal(result.values, ROUGH)
    np.testing.assert_array_equal(result.interval.lower, ROUGH)
    assert not result.std.any()
    assert not result.info.outside_receptive_field.any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interval": 1.5}, "interval must be a number"),
        ({"interval": 90}, "interval must be a number"),
        ({"return_std": True, "network": "resnet"}, "network must be"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        fill(ROUGH, HOLES, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"posterior": "bayes"}, "posterior"),
        ({"samples": 0}, "samples"),
        ({"samples": 2.5}, "samples"),
        ({"random_state": -1}, "random_state"),
        ({"holdout": 0}, "holdout"),
        ({"holdout": 1.0}, "holdout"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        Uncertainty(**options)


def test_too_little_is_known_to_hide_any():
    holes = np.ones((5, 5), bool)
    holes[0, 0] = False
    with pytest.raises(InputError, match="too few known pixels"):
        fill(np.where(holes, np.nan, 0.0), None, network=hourglass(1), interval=0.9)


def test_std_needs_the_mask():
    with pytest.raises(InputError, match="not fitted yet"):
        Inpainter().std(ROUGH)
    with pytest.raises(InputError, match="pixel of the image"):
        Inpainter(NET).fit(mask=HOLES).std(ROUGH, at=[(99, 0)])
    with pytest.raises(InputError, match="shape of the mask"):
        Inpainter(NET).fit(mask=HOLES).std(ROUGH.T)


@pytest.mark.slow
@pytest.mark.parametrize("most", [0, 1, 2])
def test_intervals_are_calibrated_on_no_pixel_that_selected_the_network(most, monkeypatch):
    """Where channels miss different pixels, the one that misses most selects, or all together."""
    rng = np.random.default_rng(0)
    image = np.sin(np.add.outer(np.arange(96), np.arange(96))[..., None] / [5.0, 6.0, 7.0])
    image[rng.random(image.shape) < np.where(np.arange(3) == most, 0.5, 0.4)] = np.nan
    masks, refit = [], GridModel.refit
    monkeypatch.setattr(
        GridModel, "refit", lambda model, mask: masks.append(mask) or refit(model, mask)
    )
    filled = fill(image, channel_axis=-1, interval=0.9, uncertainty=QUICK)
    (held_out,) = (mask & ~np.isnan(image) for mask in masks)
    selected_by = filled.info.choice.held_out
    assert held_out.sum() == filled.interval.scores >= 200
    assert selected_by[..., most].sum() > 200
    assert not (held_out & selected_by).any()


def test_intervals_are_calibrated_on_no_pixel_that_selected_the_refinement():
    missing = RNG.random((96, 96)) < 0.3
    selected_by = ~missing & (RNG.random(missing.shape) < 0.5)
    refinement = Refinement(None, 1.0, None, held_out=selected_by)
    every, rest = (
        calibration_mask(missing, 2, Uncertainty(), None, one) for one in (None, refinement)
    )
    assert (every & selected_by).any()
    assert np.array_equal(rest, every & ~selected_by)


def test_strata_grow_with_depth():
    holes = np.zeros((9, 9), bool)
    holes[1:8, 1:8] = True
    deep = pixel_strata(holes, 2)[4] % IN_HOLE
    np.testing.assert_array_equal(deep, [0, 0, 2, 3, 4, 3, 2, 0, 0])


def test_holes_and_scattered_gaps_are_calibrated_apart():
    missing = np.random.default_rng(0).random((64, 64)) < 0.2
    hole = np.zeros_like(missing)
    hole[20:34, 20:34] = True
    strata, apart = pixel_strata(missing | hole, 2), missing.copy()
    apart[17:37, 17:37] = False
    assert strata[hole].min() > strata[apart].max()


@pytest.mark.slow
@pytest.mark.parametrize("refine", [None, "patches"])
def test_bounds_are_the_value_where_known_and_hold_what_they_say_elsewhere(refine):
    rng = np.random.default_rng(0)
    waves = np.sin(1.9 * np.add.outer(np.arange(64), np.arange(64)))
    truth = waves + rng.normal(0, 0.05, waves.shape)
    missing = rng.random(truth.shape) < 0.5
    pair = Mixture((Member(hourglass(3), weight=0.7), Member(hourglass(4), weight=0.3)))
    result = fill(truth, missing, network=pair, interval=0.9, refine=refine)
    bounds = result.interval.lower, result.interval.upper
    for bound in bounds:
        assert np.array_equal(bound[~missing], truth[~missing])
    inside = (bounds[0] <= truth) & (truth <= bounds[1])
    assert 0.85 < inside[missing].mean() < 0.95
    plain = fill(truth, missing, network=pair, interval=0.9)
    width = np.ptp(bounds, axis=0)[missing].mean()
    wide = (plain.interval.upper - plain.interval.lower)[missing].mean()
    assert (width < 0.5 * wide) == (refine == "patches")


@pytest.mark.slow
def test_channels_that_miss_different_pixels_are_reached_channel_by_channel():
    image = np.random.default_rng(0).random((40, 40, 2))
    even = np.add.outer(np.arange(40), np.arange(40)) % 2 == 0
    image[even, 0], image[~even, 1] = np.nan, np.nan
    image[5, 5] = 0.5
    result = fill(image, channel_axis=-1, network=hourglass(3), return_std=True)
    assert not result.info.outside_receptive_field.any()
    assert result.info.n_outside_receptive_field == 0


@pytest.mark.parametrize("scale", [1e-170, 1e160])
def test_any_range_of_values(scale):
    image = scale * np.sin(np.arange(200) / 5)
    missing = np.arange(200) % 3 == 1
    std = fill(image, missing, network=hourglass(3), return_std=True).std
    usual = fill(image / scale, missing, network=hourglass(3), return_std=True).std
    np.testing.assert_allclose(std / scale, usual, rtol=1e-4)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: fill(ROUGH, HOLES, return_std=True, uncertainty="ntk"),
        lambda: Inpainter(NET).fit(mask=HOLES).std(ROUGH, uncertainty="ntk"),
        lambda: Uncertainty(holdout="x"),
        lambda: Uncertainty(posterior=["ntk"]),
        lambda: inpaint(ROUGH, HOLES, refine=np.array([1, 2])),
    ],
)
def test_other_types_are_refused(wrong):
    with pytest.raises(InputError):
        wrong()


def test_bounds_of_an_untouched_image_are_arrays_of_their_own():
    result = fill(HOLES, np.zeros_like(HOLES), interval=0.9)
    assert result.interval.lower.dtype == np.float64
    assert not np.shares_memory(result.interval.lower, result.interval.upper)


def rows_missing(shape):
    return np.indices(shape)[0] % 2 == 1


def test_intervals_over_gaps_that_repeat_warn():
    """Known rows say nothing of missing ones, whichever are hidden."""
    truth = ROUGH[:, :24] + 3 * rows_missing((32, 24))
    with pytest.warns(PatternWarning, match="repeat every 2 pixels"):
        result = fill(truth, rows_missing(truth.shape), network=NET, interval=0.9, refine="auto")
    inside = (result.interval.lower <= truth) & (truth <= result.interval.upper)
    assert inside[rows_missing(truth.shape)].mean() < 0.5
    assert "repeat" in result.info.refinement.report()


@pytest.mark.slow
@pytest.mark.parametrize("refine", [None, "auto"])
def test_channels_of_which_no_pixel_is_known_in_all(refine):
    """Each channel has its own hidden pixels."""
    rng = np.random.default_rng(0)
    waves = np.sin(1.9 * np.add.outer(np.arange(64), np.arange(64)) / 3)
    truth = waves[..., None] * [1.0, 0.8, 1.2] + rng.normal(0, 0.03, (64, 64, 3))
    missing = rng.integers(3, size=(64, 64, 1)) != np.arange(3)
    given = np.where(missing, np.nan, truth)
    with pytest.warns(PatternWarning, match="known in two channels"):
        result = fill(given, channel_axis=-1, network=hourglass(3), interval=0.9, refine=refine)
    inside = (result.interval.lower <= truth) & (truth <= result.interval.upper)
    assert result.interval.scores > 200
    # Refined, the standard deviations are those of patches, which know what is missing.
    assert bool(0.86 < inside[missing].mean() < 0.94) is (refine == "auto")
    if refine:
        assert result.info.refinement.patches is not None
        plain = inpaint(given, channel_axis=-1, network=hourglass(3))
        assert abs(result.values - truth).mean() < 0.8 * abs(plain - truth).mean()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dtype", "low", "high", "bounds"),
    [(np.uint8, 0, 255, None), (np.uint8, 0, 200, (None, 200)), (bool, 0, 1, None)],
)
def test_intervals_stay_within_the_type_and_the_bounds(dtype, low, high, bounds):
    image = np.where(np.indices((40, 40))[0] % 7 < 3, high, low).astype(dtype)
    holes = np.zeros(image.shape, bool)
    holes[10:25, 12:30] = True
    found = Inpainter(bounds=bounds).fill(image, holes, interval=0.9).interval
    assert low <= found.lower[holes].min() < found.upper[holes].max() <= high
    wide = Inpainter().fill(image.astype(float), holes, interval=0.9).interval
    assert wide.upper[holes].max() > high  # nothing bounds floating-point numbers
