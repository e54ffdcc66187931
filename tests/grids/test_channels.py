"""Channels that miss different pixels, against a dense solve and closed forms."""

import numpy as np
import pytest

from ntkfill import Inpainter, inpaint, nn
from ntkfill.grids.channels import Channels, by_channel, learn
from ntkfill.grids.model import Component, GridModel
from ntkfill.grids.options import GridOptions
from ntkfill.grids.plan import Request, make_plan

NET = nn.hourglass(2)
RIDGE = 1e-3


def model_of(missing, together, rtol=1e-9):
    options = GridOptions(rtol=rtol)
    grid = missing.shape[:-1]
    plan = make_plan(options, grid, NET, RIDGE, request=Request(missing.shape[-1]))
    return GridModel.fit(missing, NET, (Component(plan, plan.kernel()),), True, together)


def example(shape=(9, 8), channels=3, seed=0):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(channels, channels))
    together = Channels(root @ root.T, np.array([2.0, 0.5, 1.0])[:channels])
    return rng.normal(size=(*shape, channels)), rng.random((*shape, channels)) < 0.4, together


def test_as_a_dense_solve():
    """(C x K + ridge)^-1 with NumPy, on standardised values."""
    pixels, missing, together = example()
    model = model_of(missing, together)
    filled, (report,) = model.complete(pixels)
    plan, kernel = model.components[0].plan, model.components[0].kernel
    inside = np.flatnonzero(plan.embed(np.ones(plan.grid, bool)))
    gram = np.kron(together.covariance, kernel.block(inside, inside).astype(float))
    known = by_channel(~missing).ravel()
    level = np.array([pixels[..., k][~missing[..., k]].mean() for k in range(3)])
    y = by_channel((pixels - level) / together.scale).ravel()[known]
    ridge = RIDGE * np.trace(gram) / len(gram)
    solved = np.linalg.solve(gram[np.ix_(known, known)] + ridge * np.eye(known.sum()), y)
    expected = gram[:, known] @ solved
    expected = np.moveaxis(expected.reshape(3, *plan.grid), 0, -1) * together.scale + level
    assert report.converged
    np.testing.assert_array_equal(filled[~missing], pixels[~missing])
    np.testing.assert_allclose(filled[missing], expected[missing], atol=1e-5)
    # Negative control: each by itself.
    alone, _ = model_of(missing, None).complete(pixels)
    assert abs(alone - filled).max() > 0.1


def test_weights_and_adjoint_are_those_of_the_fill():
    pixels, missing, together = example()
    model = model_of(missing, together)
    filled, _ = model.complete(pixels)
    at = tuple(int(k) for k in np.argwhere(missing)[5])
    weights = model.weights(at[:-1], at[-1])
    assert not weights[missing].any()
    assert (weights * np.where(missing, 0, pixels)).sum() == pytest.approx(filled[at], abs=1e-5)
    # Constants of each channel are kept.
    np.testing.assert_allclose(weights.sum(axis=(0, 1)), np.arange(3) == at[-1], atol=1e-6)


@pytest.mark.slow
def test_learned_covariance_is_that_of_draws():
    """Of draws from the prior with a known covariance."""
    from ntkfill.kernels import Coregionalised
    from ntkfill.uncertainty.sampling import square_root

    true = np.array([[1.0, 0.9, -0.5], [0.9, 1.0, -0.5], [-0.5, -0.5, 1.0]])
    missing = np.random.default_rng(1).random((64, 64, 3)) < 0.7
    model = model_of(missing, None, rtol=1e-3)
    (component,) = model.components
    draw = square_root(Coregionalised(component.kernel, true))
    white = np.random.default_rng(2).normal(size=(3, *component.plan.torus))
    pixels = component.plan.window(np.moveaxis(draw(white[None])[0], 0, -1))
    pixels /= pixels.std()
    filled, _ = model.complete(pixels)
    values = np.where(missing, 0, pixels - pixels.mean())
    found = learn(values, filled, missing, component.plan, component.kernel)
    size = np.sqrt(np.diag(found))
    np.testing.assert_allclose(found / np.outer(size, size), true, atol=0.06)
    # Negative control: the first fills are less alike.
    assert abs(np.corrcoef(filled.reshape(-1, 3).T) - true).max() > 0.08


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(600,), (48, 48)])
def test_copies_help_each_other(shape):
    rng = np.random.default_rng(1)
    texture = sum(np.sin(x / k) for x, k in zip(np.indices(shape), (2.1, 1.7), strict=False))
    texture = texture + 0.3 * rng.normal(size=shape)
    copies = texture[..., None] * np.array([1.0, -20.0]) + np.array([0.0, 300.0])
    missing = rng.random(copies.shape) < 0.5
    seen = np.where(missing, np.nan, copies)
    alone = np.stack([inpaint(seen[..., k]) for k in range(2)], axis=-1)
    filled = Inpainter(channel_axis=-1).fill(seen, return_std=True, interval=0.9)
    other = missing & ~missing[..., ::-1]  # known in the other copy
    error, before = (abs(x - copies)[other].mean() for x in (filled.values, alone))
    assert error < 0.3 * before
    assert filled.info.channel_covariance[0, 1] < -0.8
    if len(shape) == 2:  # surer where the other copy is known; the line's network is too smooth
        sure, unsure = other[..., 0], (missing & missing[..., ::-1])[..., 0]
        assert filled.std[sure, 0].mean() < 0.8 * filled.std[unsure, 0].mean()
    inside = (filled.interval.lower <= copies) & (copies <= filled.interval.upper)
    assert 0.85 < inside[missing].mean() < 0.96


def test_unrelated_channels_are_filled_each_by_itself_or_as_well():
    rng = np.random.default_rng(3)
    waves = np.stack([np.sin(np.arange(400) / 5), np.cos(np.arange(400) / 3.1)], axis=-1)
    missing = rng.random(waves.shape) < 0.5
    seen = np.where(missing, np.nan, waves)
    alone = np.stack([inpaint(seen[..., k]) for k in range(2)], axis=-1)
    filled = inpaint(seen, channel_axis=-1)
    assert abs(filled - waves).max() < 1.2 * abs(alone - waves).max() + 0.01


def test_weights_of_an_image():
    rng = np.random.default_rng(4)
    pixels = rng.normal(size=(40, 1)) * np.array([1.0, 3.0])
    missing = rng.random(pixels.shape) < 0.4
    seen = np.where(missing, np.nan, pixels)
    inpainter = Inpainter(channel_axis=-1).fit(seen)
    filled = inpainter.transform(seen)
    at = tuple(int(k) for k in np.argwhere(missing)[3])
    weights = inpainter.weights(at[:1], channel=at[1])
    assert (weights * np.nan_to_num(seen)).sum() == pytest.approx(filled[at], abs=0.02)
    explanation = inpainter.explain(seen, at[:1], at[1])
    assert explanation.value == pytest.approx(filled[at], abs=0.02)


@pytest.mark.parametrize("scale", [1e-300, 1e160, 1e300])
def test_any_range_of_values(scale):
    rng = np.random.default_rng(0)
    pixels = rng.normal(size=(60, 1)) * np.array([1.0, 0.5])
    seen = np.where(rng.random(pixels.shape) < 0.4, np.nan, pixels)
    usual = inpaint(seen, channel_axis=-1)
    np.testing.assert_allclose(inpaint(scale * seen, channel_axis=-1) / scale, usual, atol=1e-3)
