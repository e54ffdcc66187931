"""Posteriors against closed forms and Monte-Carlo ensembles; wrong versions are rejected."""

from dataclasses import replace

import numpy as np
import pytest
from oracles import matrix

from ntkfill.kernels import DenseKernel
from ntkfill.nn import Conv, Dense, ReLU, Sequential, hourglass
from ntkfill.priors import Features
from ntkfill.solvers import CG, Cholesky
from ntkfill.solvers.base import absolute_ridge
from ntkfill.uncertainty import Posterior, local_scale
from ntkfill.uncertainty.sampling import square_root

RNG = np.random.default_rng(0)
SHAPE = (12, 16)
NET = hourglass(2)
HOLES = RNG.random(SHAPE) < 0.4
HOLES[3:8, 4:10] = True
AT = np.flatnonzero(HOLES)[::9]
RIDGE = 1e-2
KERNELS = {
    "stationary": {"shift_average": True},
    "periodic": {"shift_average": False, "dtype": np.float64},
    "dense": {"prior": Features(RNG.normal(size=(3, *SHAPE))), "dtype": np.float64},
}
# The kernel of the prior, the fitted one, and whether the ridge is noise.
MODELS = {
    "nngp": ("nngp", "nngp", True),
    "ensemble": ("nngp", "ntk", False),
    "ntk": ("ntk", "ntk", True),
}


def posterior(model, options, solver=None, centred=False):
    *kinds, noisy = MODELS[model]
    prior, fit = (NET.kernel(SHAPE, kind=kind, **options) for kind in kinds)
    solver = solver or (CG(RIDGE, 1e-10) if "prior" not in options else Cholesky(RIDGE))
    noise = absolute_ridge(RIDGE, prior) if noisy else 0.0
    return Posterior(prior, solver.factor(fit, ~HOLES.ravel()), noise, centred)


def oracle(model, options):
    """The formulas of the papers, with matrices only."""
    kernels = (NET.kernel(SHAPE, kind=kind, **options) for kind in MODELS[model][:2])
    prior, fit = map(matrix, kernels)
    k = np.flatnonzero(~HOLES)
    ridge = RIDGE * np.diag(fit).mean()
    inverse = np.linalg.inv(fit[np.ix_(k, k)] + ridge * np.eye(len(k)))
    smoother = fit[np.ix_(AT, k)] @ inverse
    if model != "ensemble":  # Rasmussen and Williams, eq. 2.24, for noisy targets
        return fit[np.ix_(AT, AT)] - smoother @ fit[np.ix_(k, AT)] + ridge * np.eye(len(AT))
    cross = smoother @ prior[np.ix_(k, AT)]  # Lee et al. 2019, eq. 16
    return prior[np.ix_(AT, AT)] + smoother @ prior[np.ix_(k, k)] @ smoother.T - cross - cross.T


@pytest.mark.sampled
@pytest.mark.parametrize("options", KERNELS.values(), ids=KERNELS)
@pytest.mark.parametrize("model", MODELS)
def test_covariance_is_the_closed_form(model, options):
    found = posterior(model, options)
    expected = oracle(model, options)
    size = np.diag(expected).mean()
    np.testing.assert_allclose(found.covariance(AT), expected, atol=1e-6 * size)
    np.testing.assert_allclose(found.variances(AT), np.diag(expected), rtol=1e-6)
    for other in set(MODELS) - {model}:  # they are three different things
        wrong = oracle(other, options)
        assert abs(wrong * (size / np.diag(wrong).mean()) - expected).max() > 1e-3 * size


@pytest.mark.slow
@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("options", KERNELS.values(), ids=KERNELS)
@pytest.mark.parametrize("model", MODELS)
def test_sampled_within_its_stated_error(model, options, centred):
    found = posterior(model, options, centred=centred)
    sampled = found.sample(AT, samples=200, random_state=3)
    exact = found.variances(AT)
    off = (np.sqrt(sampled.variance / exact) - 1) / sampled.relative_error
    assert 0.5 < np.sqrt(np.mean(off**2)) < 1.6
    assert abs(off).max() < 4.5
    # Negative control: a variance that is half as large again.
    assert abs((np.sqrt(sampled.variance / (1.5 * exact)) - 1) / sampled.relative_error).max() > 4.5


@pytest.mark.slow
def test_sampled_coefficients():
    """Their mean square is the diagonal of A^-1 (P + noise) A^-1."""
    found = posterior("ensemble", KERNELS["stationary"])
    k = np.flatnonzero(~HOLES)
    prior, fit = (matrix(NET.kernel(SHAPE, kind=x, shift_average=True)) for x in ("nngp", "ntk"))
    inverse = np.linalg.inv(fit[np.ix_(k, k)] + RIDGE * np.diag(fit).mean() * np.eye(len(k)))
    expected = np.diag(inverse @ prior[np.ix_(k, k)] @ inverse)
    sampled = found.sample(AT, samples=200)
    off = (np.sqrt(sampled.expected_squares / expected) - 1) / sampled.relative_error
    assert abs(off).max() < 4.5


def test_random_state():
    first = posterior("ntk", KERNELS["stationary"])
    a, b, c = (first.sample(AT, 20, random_state=seed).variance for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


@pytest.mark.parametrize("options", KERNELS.values(), ids=KERNELS)
def test_square_root_twice_is_the_kernel(options):
    kernel = NET.kernel(SHAPE, **options)
    half = square_root(kernel)
    x = RNG.normal(size=(3, *SHAPE))
    np.testing.assert_allclose(half(half(x)), kernel.matvec(x), atol=1e-8)
    assert np.vdot(x[0], half(x[1:2])[0]) == pytest.approx(np.vdot(half(x[:1])[0], x[1]))


def test_kernels_without_a_square_root():
    with pytest.raises(ValueError, match="must be Stationary"):
        square_root(object())


# --- An ensemble of finite networks: one hidden layer of ReLU, trained on five points.

POINTS = np.random.default_rng(1).normal(size=(8, 3))
TARGETS = 0.3 * np.random.default_rng(2).normal(size=5)
WIDE = Sequential(Dense(), ReLU(), Dense())


def gradients(inner, outer):
    """Outputs at POINTS and the gradients by both layers of weights, one network each."""
    active = inner @ POINTS.T  # (width, points)
    scale = np.sqrt(2 / len(outer))
    hidden = np.maximum(active, 0)
    by_inner = scale * (outer[:, None] * (active > 0))[:, None, :] * POINTS.T
    return scale * outer @ hidden, scale * hidden, by_inner


def linearised(rng, width):
    """A network trained to the end in its tangent space."""
    output, by_outer, by_inner = gradients(rng.normal(size=(width, 3)), rng.normal(size=width))
    tangent = by_outer.T @ by_outer + np.einsum("wkp,wkq->pq", by_inner, by_inner)
    return output + tangent[:, :5] @ np.linalg.solve(tangent[:5, :5], TARGETS - output[:5])


def trained(rng, width, steps=400):
    """A network trained by gradient descent on the mean squared error of the first five points."""
    inner, outer = rng.normal(size=(width, 3)), rng.normal(size=width)
    points, scale = POINTS[:5], np.sqrt(2 / width)
    for _ in range(steps):
        active = inner @ points.T
        hidden = np.maximum(active, 0)
        rest = 0.1 * scale * (scale * outer @ hidden - TARGETS)
        change = hidden @ rest
        inner -= outer[:, None] * ((active > 0) * rest @ points)
        outer -= change
    return gradients(inner, outer)[0]


def of_vectors(*kinds):
    known = np.arange(8) < 5
    prior, fit = (DenseKernel(WIDE.between(POINTS, kind=kind), (8,)) for kind in kinds)
    factor = Cholesky().factor(fit, known)
    mean = fit.block(np.arange(5, 8), np.arange(5)) @ factor.solve(TARGETS[:, None]).coefficients
    return mean.ravel(), Posterior(prior, factor).covariance(np.arange(5, 8))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "width", "count"),
    [(linearised, 800, 1200), pytest.param(trained, 400, 600, marks=pytest.mark.slow)],
)
def test_an_ensemble_of_wide_networks(network, width, count):
    nets = np.stack([network(np.random.default_rng([4, k]), width)[5:] for k in range(count)])
    mean, covariance = of_vectors("nngp", "ntk")
    error = np.sqrt(np.diag(covariance) / count)
    assert abs((nets.mean(axis=0) - mean) / error).max() < 4
    # Of a covariance from so many nets (Wishart), in standard errors; finite width adds a little.
    spread = np.sqrt((covariance**2 + np.outer(*[np.diag(covariance)] * 2)) / count)
    bias = 3 / width * np.sqrt(np.outer(*[np.diag(covariance)] * 2))

    def off(other):
        return (np.maximum(abs(np.cov(nets.T) - other) - bias, 0) / spread).max()

    assert off(covariance) < 4
    assert off(of_vectors("nngp", "nngp")[1]) > 4
    assert off(of_vectors("ntk", "ntk")[1]) > 4


# --- Scale.


def test_local_scale_of_samples():
    """Functions of scale 1 on the left and 5 on the right of a signal."""
    whole = Sequential(Conv(3), ReLU(), Conv(3)).kernel((600,), shift_average=True)
    kernel = replace(whole, values=whole.values - whole.values[-1])  # without a common constant
    known = RNG.random(600) < 0.5
    factor = CG(1e-2, 1e-6).factor(kernel, known)
    found = Posterior(kernel, factor, absolute_ridge(1e-2, kernel))
    expected = found.sample(np.arange(0), 200).expected_squares
    scale = np.where(np.arange(600) < 300, 1.0, 5.0)
    noisy = RNG.normal(size=(40, 600)) * np.sqrt(found.noise)
    values = (scale * (square_root(kernel)(RNG.normal(size=(40, 600))) + noisy)).T
    coefficients = factor.solve(values[known]).coefficients
    local = np.sqrt(np.mean(local_scale(coefficients, expected, known) ** 2, axis=0))
    assert local[20:250].mean() == pytest.approx(1.0, rel=0.1)
    assert local[350:580].mean() == pytest.approx(5.0, rel=0.1)
