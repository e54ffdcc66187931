"""Duals against integrals of the functions themselves."""

import numpy as np
import pytest
from scipy import special

from ntkfill import InputError
from ntkfill.nn import GELU, Abs, Dense, Erf, Identity, LeakyReLU, ReLU, Sin, TwoSlope
from ntkfill.nn.covariance import Covariance, run

RHO = np.concatenate([[-1.0], np.linspace(-0.999, 0.999, 29), [1.0]])
VARIANCES = [(1.0, 1.0), (0.3, 2.0), (4.0, 0.01), (2.5, 2.5)]
SLOPES = [0.0, 0.01, 0.1, -0.3, -1.0, 1.0, 2.5]


def normal(x):
    return np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)


# The functions and their derivatives.
SMOOTH = {
    "erf": (Erf(), special.erf, lambda x: 2 / np.sqrt(np.pi) * np.exp(-(x**2))),
    "gelu": (
        GELU(),
        lambda x: x * special.ndtr(x),
        lambda x: special.ndtr(x) + x * normal(x),
    ),
    "sin": (Sin(), np.sin, np.cos),
}


def over_the_plane(function, rho, left, right):
    """E[f(u) f(v)] by the trapezoidal rule, which converges geometrically for smooth f."""
    x = np.linspace(-9.0, 9.0, 181)
    weights = normal(x) * (x[1] - x[0])
    u = np.sqrt(left) * x[:, None]
    v = np.sqrt(right) * (rho * x[:, None] + np.sqrt(1 - rho**2) * x)
    return weights @ (function(u) * function(v)) @ weights


def over_the_circle(function, degree, rho):
    """E[f(u) f(v)] for homogeneous f and variances 1, in polar coordinates, split at the kinks."""
    angle = np.arccos(rho)
    kinks = np.sort(
        np.mod([np.pi / 2, -np.pi / 2, angle + np.pi / 2, angle - np.pi / 2], 2 * np.pi)
    )
    edges = np.concatenate([[0.0], kinks, [2 * np.pi]])
    nodes, weights = np.polynomial.legendre.leggauss(20)
    half = np.diff(edges)[:, None] / 2
    t = edges[:-1, None] + half * (1 + nodes)
    radial = 2.0 if degree else 1.0  # E[r^2], E[1]
    return (
        radial
        * np.sum(half * weights * function(np.cos(t)) * function(np.cos(t - angle)))
        / (2 * np.pi)
    )


def two_slope_by_quadrature(slope, left, right):
    norm = over_the_circle(lambda x: np.where(x > 0, x, slope * x), 1, 1.0)
    value = [over_the_circle(lambda x: np.where(x > 0, x, slope * x), 1, r) for r in RHO]
    derivative = [over_the_circle(lambda x: np.where(x > 0, 1.0, slope), 0, r) for r in RHO]
    return np.sqrt(left * right) * np.array(value) / norm, np.array(derivative) / norm


def check_two_slope(dual, slope, left, right):
    """Compare both results of a dual with the integrals."""
    nngp = RHO * np.sqrt(left * right)
    value, derivative = dual(nngp, np.full_like(RHO, left), np.full_like(RHO, right))
    expected_value, expected_derivative = two_slope_by_quadrature(slope, left, right)
    size = np.sqrt(left * right)
    np.testing.assert_allclose(value, expected_value, rtol=0, atol=1e-12 * size)
    # acos turns a rounding error of 1e-16 at rho = 1 into one of 1e-8.
    atol = np.where(np.abs(RHO) == 1, 3e-8, 1e-12) * (1 - slope) ** 2 + 1e-14
    assert np.all(np.abs(derivative - expected_derivative) <= atol)


@pytest.mark.sampled
@pytest.mark.parametrize(("left", "right"), VARIANCES)
@pytest.mark.parametrize("slope", SLOPES)
def test_two_slope_against_quadrature(slope, left, right):
    check_two_slope(TwoSlope(slope).dual, slope, left, right)


@pytest.mark.parametrize(
    "mutant",
    [
        lambda n, a, b: TwoSlope(0.1).dual(n, a, b)[::-1],  # k0 and k1 swapped
        lambda n, a, b: TwoSlope(0.11).dual(n, a, b),  # another slope
        lambda n, a, b: tuple(x * (1 + 0.1**2) for x in TwoSlope(0.1).dual(n, a, b)),  # not scaled
        lambda n, a, b: TwoSlope(0.1).dual(n, a, a),  # the variance of one taken for both
    ],
    ids=["swapped", "slope", "scale", "variance"],
)
def test_wrong_duals_are_rejected(mutant):
    with pytest.raises(AssertionError):
        check_two_slope(mutant, 0.1, 0.3, 2.0)


@pytest.mark.sampled
@pytest.mark.parametrize(("left", "right"), VARIANCES)
@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_against_quadrature(name, left, right):
    phi, function, derivative = SMOOTH[name]
    nngp = RHO * np.sqrt(left * right)
    ours = phi.dual(nngp, np.full_like(RHO, left), np.full_like(RHO, right))
    for result, f in zip(ours, (function, derivative), strict=True):
        expected = [over_the_plane(f, rho, left, right) for rho in RHO]
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("name", SMOOTH)
def test_derivative_is_the_derivative(name):
    _, function, derivative = SMOOTH[name]
    x = np.linspace(-3, 3, 13)
    slope = (function(x + 1e-6) - function(x - 1e-6)) / 2e-6
    np.testing.assert_allclose(derivative(x), slope, atol=1e-8)


@pytest.mark.parametrize(
    ("special_case", "general"),
    [(ReLU(), TwoSlope(0.0)), (Identity(), TwoSlope(1.0)), (Abs(), TwoSlope(-1.0))]
    + [(LeakyReLU(), TwoSlope(0.01)), (LeakyReLU(0.3), TwoSlope(0.3))],
)
def test_names_of_slopes(special_case, general):
    assert special_case == general


def test_closed_forms_of_the_special_cases():
    one, angle = np.ones_like(RHO), np.arccos(RHO)
    k0 = 1 - angle / np.pi
    k1 = RHO * k0 + np.sqrt(1 - RHO**2) / np.pi
    for phi, value, derivative in [
        (ReLU(), k1, k0),
        (Identity(), RHO, one),
        (Abs(), 2 * k1 - RHO, 2 * k0 - 1),
    ]:
        ours = phi.dual(RHO.copy(), one, one)
        np.testing.assert_allclose(ours, (value, derivative), rtol=0, atol=1e-15)


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize(("left", "right"), VARIANCES)
def test_ends(slope, left, right):
    left, right = np.array([left, left]), np.array([right, right])
    scale = np.sqrt(left * right) * [1, -1]
    value, derivative = TwoSlope(slope).dual(scale, left, right)
    opposite = 2 * slope / (1 + slope**2)
    np.testing.assert_allclose(value / np.abs(scale), [1, -opposite], rtol=5e-16)
    np.testing.assert_allclose(derivative, [1, opposite], rtol=5e-16)


def test_relu_of_equal_inputs_is_one_to_the_last_bit():
    one = np.ones(1)
    assert [x.item() for x in ReLU().dual(one, one, one)] == [1.0, 1.0]


@pytest.mark.parametrize("phi", [*map(TwoSlope, SLOPES), Erf(), GELU(), Sin()], ids=repr)
def test_equal_coordinates_stay_equal_to_the_last_bit(phi):
    """Or acos, through many layers, would lose half of the digits at correlation one."""
    variance = np.geomspace(1e-3, 1e3, 41)
    state = Covariance.of_pairs(variance, variance.copy(), variance.copy())
    for _ in range(5):
        state = phi(state)
        np.testing.assert_array_equal(state.nngp, state.left)
        np.testing.assert_array_equal(state.nngp, state.right)


@pytest.mark.parametrize("phi", [ReLU(), LeakyReLU(), Abs(), Identity(), Erf(), GELU(), Sin()])
def test_without_variance(phi):
    zero = np.zeros(3)
    value, derivative = phi.dual(zero, np.array([0.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0]))
    assert np.isfinite(value).all()
    assert np.isfinite(derivative).all()
    np.testing.assert_array_equal(value, 0.0)


@pytest.mark.parametrize("beyond", [1 + 1e-15, 1 + 1e-9, 1.5])
def test_correlation_rounded_beyond_one_is_one(beyond):
    value, derivative = ReLU().dual(np.array([beyond, -beyond]), np.ones(2), np.ones(2))
    np.testing.assert_allclose(value, [1.0, 0.0], atol=1e-15)
    np.testing.assert_allclose(derivative, [1.0, 0.0], atol=1e-15)


@pytest.mark.parametrize("slope", [np.nan, np.inf, -np.inf])
def test_slope_must_be_finite(slope):
    with pytest.raises(InputError, match="slope must be a finite number"):
        TwoSlope(slope)


@pytest.mark.parametrize("phi", [ReLU(), LeakyReLU(0.2), Identity(), Erf(), GELU(), Sin()])
def test_state_after_an_activation(phi):
    """Both arrays and both variances, from the duals; the state before it is left alone."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(4, 6))
    gram, theta = features @ features.T, np.eye(4) + 0.5
    own = np.diagonal(gram)
    arrays = (gram, theta, own[:, None].copy(), own[None, :].copy())
    for array in arrays:
        array.flags.writeable = False
    after = phi(Covariance(*arrays))
    value, derivative = phi.dual(gram, own[:, None], own[None, :])
    np.testing.assert_array_equal(after.nngp, value)
    np.testing.assert_array_equal(after.ntk, theta * derivative)
    np.testing.assert_allclose(after.left[:, 0], np.diagonal(value), rtol=1e-14)
    np.testing.assert_array_equal(after.left[:, 0], after.right[0])


def test_one_hidden_layer_is_the_table_kernel():
    """kappa(rho) = k1(rho) + rho k0(rho), the kernel of the paper for tables."""
    one = np.ones(1)
    ntk = run([Dense(), ReLU(), Dense()], Covariance.of_pairs(RHO, one, one)).ntk
    k0 = 1 - np.arccos(RHO) / np.pi
    np.testing.assert_allclose(ntk, 2 * RHO * k0 + np.sqrt(1 - RHO**2) / np.pi, atol=1e-15)
