"""Splines against dense least squares, and as members of mixtures."""

import itertools

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from ntkfill import Inpainter, inpaint
from ntkfill.errors import InputError, MemoryLimitError
from ntkfill.grids.spline import SplineFit
from ntkfill.nn import Member, Mixture, Spline, hourglass, parse

RNG = np.random.default_rng(0)


def only(spline):
    return Mixture((Member(hourglass(2), weight=0.0), Member(spline)))


def least_squares(values, missing, order, wrapped=()):
    """The fill of least squared differences, by NumPy's differences of every unit image."""

    def differences(image):
        for steps in itertools.product(range(image.ndim), repeat=order):
            part = image
            for axis in steps:
                end = part.take([0], axis) if axis in wrapped else None
                part = np.diff(part, axis=axis, **({} if end is None else {"append": end}))
            yield part.ravel()

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
