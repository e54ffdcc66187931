"""Splines against dense least squares, and as members of mixtures."""

import itertools

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from ntkfill import Inpainter, inpaint
from ntkfill.errors import InputError, MemoryLimitError
from ntkfill.grids.selection import _steady
from ntkfill.grids.spline import BandFactor, SplineFit, _factored
from ntkfill.nn import Member, Mixture, Spline, hourglass, parse

RNG = np.random.default_rng(0)


def only(spline):
    return Mixture((Member(hourglass(2), weight=0.0), Member(spline)))


def fading(missing, order, axis):
    """Where slopes fade: in runs of three or more that reach one end, over a half of each."""
    weight = np.zeros(missing.shape)
    for line in np.ndindex(*missing.shape[:axis], *missing.shape[axis + 1 :]):
        at = (*line[:axis], slice(None), *line[axis:])
        for gaps, weights in ((missing[at], weight[at]), (missing[at][::-1], weight[at][::-1])):
            run = 0 if gaps.all() else int(np.argmin(gaps))
            if run >= 3:
                weights[:run] = (run / 2 / (order - 1)) ** (1 - order)
    first = weight.take(range(weight.shape[axis] - 1), axis)
    return np.maximum(first, weight.take(range(1, weight.shape[axis]), axis))


def least_squares(values, missing, order, wrapped=()):
    """The fill of least squared differences, by NumPy's differences of every unit image."""

    def differences(image):
        for steps in itertools.product(range(image.ndim), repeat=order):
            part = image
            for axis in steps:
                end = part.take([0], axis) if axis in wrapped else None
                part = np.diff(part, axis=axis, **({} if end is None else {"append": end}))
            yield part.ravel()
        for axis in set(range(image.ndim)) - set(wrapped) if order > 1 else ():
            yield (fading(missing, order, axis) * np.diff(image, axis=axis)).ravel()

    units = np.eye(values.size).reshape(-1, *values.shape)
    matrix = np.stack([np.concatenate(list(differences(unit))) for unit in units], axis=-1)
    gaps = missing.ravel()
    right = -matrix[:, ~gaps] @ values[~missing]
    filled = values.copy()
    filled[missing] = np.linalg.lstsq(matrix[:, gaps], right, rcond=None)[0]
    return filled


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize(
    ("shape", "wrapped"), [((12,), ()), ((7, 8), ()), ((7, 8), (1,)), ((4, 4, 5), ())]
)
def test_it_is_the_least_squares_fill(order, shape, wrapped):
    values, missing = RNG.normal(size=shape), RNG.random(shape) < 0.3
    found, report = SplineFit.of(Spline(order), missing, wrapped)(values[~missing][:, None])
    wanted = least_squares(values, missing, order, wrapped)[missing]
    np.testing.assert_allclose(found[:, 0], wanted, atol=1e-4)
    assert report.converged


def test_at_the_border_slopes_fade_and_within_they_go_on():
    ramp, end, middle = np.arange(100.0), np.arange(100) >= 80, np.abs(np.arange(100) - 50) < 10
    for order in (2, 3):
        found = SplineFit.of(Spline(order), end)(ramp[~end][:, None])[0][:, 0]
        assert 79 < found[0] < found[-1] < 80 + 0.5 * 20
        assert np.abs(np.diff(found[-5:])).max() < 0.3
        whole = SplineFit.of(Spline(order), middle)(ramp[~middle][:, None])[0][:, 0]
        np.testing.assert_allclose(whole, ramp[middle], atol=1e-4)


@pytest.mark.parametrize("shape", [(200,), (60, 60), (24, 24, 24)])
def test_a_deep_hole_stays_near_the_range_around_it(shape):
    places = np.indices(shape)
    missing = np.max(np.abs(places / shape[0] - 0.5), axis=0) < 0.2
    rim = (places[0] == np.nonzero(missing)[0].min() - 1) * 1.0
    found = SplineFit.of(Spline(3), missing)(rim[~missing][:, None])[0]
    assert found.min() >= -0.5 - 1e-9
    assert found.max() <= 1.5 + 1e-9  # 0 to 1, and half as much again


def test_a_spline_of_order_three_must_be_far_better():
    plate, third = Spline(2), Spline(3)
    offered = [hourglass(2), plate, third, Spline(2, 0), Spline(3, 0)]
    gram = np.diag([1.0, 0.9, 0.8 * 0.9, 0.5, 0.3 * 0.5])
    assert _steady(gram, offered) == [0, 1, 3, 4]


def test_along_an_axis_gaps_are_filled_from_their_own_series():
    values = np.add.outer(np.linspace(0, 5, 12) ** 2, RNG.normal(size=20))
    missing = np.zeros(values.shape, bool)
    missing[5:7] = True
    filled = inpaint(values, missing, network=only(Spline(3, axis=0)))
    np.testing.assert_allclose(filled, values, atol=1e-3)
    known = np.delete(np.arange(12.0), [5, 6])
    wanted = CubicSpline(known, np.delete(values, [5, 6], axis=0))(np.arange(12.0))
    np.testing.assert_allclose(filled, wanted, atol=1e-2)
    alone = values.copy()
    alone[:, 3] = np.nan  # no pixel of this series is known: it is like its neighbours
    filled = inpaint(alone, network=only(Spline(3, axis=0)))[:, 3]
    assert np.abs(filled - (values[:, 2] + values[:, 4]) / 2).max() < 0.5


def test_slices_that_are_far_apart_say_less():
    """With a spacing across the slices, a gap is filled from within its slice."""
    values = RNG.normal(size=(9, 9))
    missing = np.zeros(values.shape, bool)
    missing[4, 4] = True
    y = values[~missing][:, None]
    far = SplineFit.of(Spline(1), missing, steps=(1e3, 1.0))(y)[0]
    assert far == pytest.approx((values[4, 3] + values[4, 5]) / 2, abs=1e-4)


def test_deep_gaps_are_factored_and_give_the_same():
    values = np.add.outer(np.linspace(0, 2, 40) ** 2, np.linspace(0, 1, 40))
    missing = np.zeros(values.shape, bool)
    missing[5:29, 5:29] = True
    fit = SplineFit.of(Spline(), missing)
    found, report = fit(values[~missing][:, None])
    object.__setattr__(fit, "_factor", None)  # as where the system is too large
    by_steps, _ = fit(values[~missing][:, None])
    assert report.steps == 0
    np.testing.assert_allclose(found, by_steps, atol=1e-4)


@pytest.mark.parametrize(("width", "band"), [(8, True), (60, False)])
@pytest.mark.parametrize("order", [2, 3])
def test_systems_of_narrow_gaps_are_factored_in_a_band(width, band, order):
    """So are several gaps at once; both factors solve the system."""
    missing = np.zeros((64, 64), bool)
    missing[2:62, 2 : 2 + width] = True
    missing[9:20, 62:] = True
    fit = SplineFit.of(Spline(order), missing)
    factor = _factored(fit.system, 30)
    right = RNG.normal(size=(fit.system.shape[0], 2))
    assert isinstance(factor, BandFactor) == band
    np.testing.assert_allclose(fit.system @ factor.solve(right), right, atol=1e-7)


def test_constants_and_single_known_pixels():
    missing = np.ones((6, 6), bool)
    missing[2, 3] = False
    assert SplineFit.of(Spline(), missing)(np.full((1, 1), 7.0))[0] == pytest.approx(7.0)


@pytest.mark.parametrize("channels", [None, 2])
def test_weights_make_up_what_it_fills_in(channels):
    shape = (10, 12) if channels is None else (10, 12, channels)
    values, missing = RNG.normal(size=shape), RNG.random((10, 12)) < 0.3
    network = Mixture((Member(hourglass(2), weight=0.4), Member(Spline(), weight=0.6)))
    inpainter = Inpainter(network, channel_axis=None if channels is None else -1, rtol=1e-6)
    filled = inpainter.fill(values, missing).values
    at = tuple(np.argwhere(missing)[3])
    weights = inpainter.weights(at)
    weights = weights if channels is None else weights[..., None]
    each = np.sum(weights * np.where(missing.reshape(weights.shape), 0, values), axis=(0, 1))
    np.testing.assert_allclose(each, filled[at], atol=1e-4)
    assert weights.sum() == pytest.approx(1.0)
    found = inpainter.explain(values, at)
    assert found.value == pytest.approx(np.ravel(filled[at])[0], abs=1e-4)


@pytest.mark.slow
def test_smooth_gaps_choose_splines_and_can_be_read_back():
    ramp = np.add.outer(np.linspace(0, 3, 40) ** 3, np.linspace(0, 1, 40))
    missing = np.zeros(ramp.shape, bool)
    missing[15:24, 12:21] = True
    filled = Inpainter().fill(ramp, missing, interval=0.9)
    assert any(isinstance(x.network, Spline) and x.weight > 0 for x in filled.info.network.members)
    assert np.abs(filled.values - ramp).max() < 0.02
    assert (filled.std[missing] > 0).all()
    again = parse(repr(filled.info.network))
    np.testing.assert_allclose(inpaint(ramp, missing, network=again), filled.values, atol=1e-4)


def test_what_cannot_be_made(monkeypatch):
    with pytest.raises(InputError, match="order of a spline must be 1, 2 or 3; got 4"):
        Spline(4)
    with pytest.raises(InputError, match="axis of a spline"):
        Spline(2, axis=0.5)
    with pytest.raises(InputError, match="a mixture needs a network"):
        Mixture((Member(Spline()),))
    monkeypatch.setattr("ntkfill.runtime.resources.available", lambda: 100_000)
    with pytest.raises(MemoryLimitError):
        SplineFit.of(Spline(), np.ones((64, 64), bool))
