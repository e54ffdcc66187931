"""Values left out by one factor, against an eigendecomposition; and the search for a ridge."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from ntkfill.solvers.leftout import LeftOut
from ntkfill.solvers.spectral import RIDGES, Spectrum
from ntkfill.tables import stack

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3))
KERNEL = 3.0 * np.exp(-cdist(X, X))
Y = np.sin(X[:, :1]) + 0.3 * RNG.normal(size=(80, 2))


@pytest.mark.parametrize(("dtype", "digits"), [(np.float64, 1e-10), (np.float32, 1e-3)])
@pytest.mark.parametrize("ridge", [1e-3, 0.1, 10.0])
def test_one_factor_says_what_the_spectrum_does(dtype, digits, ridge):
    block, spectrum = KERNEL.astype(dtype), Spectrum.of(KERNEL)
    found = LeftOut.of(block, Y, ridge)
    coefficients, errors = spectrum.solve(Y, ridge)
    np.testing.assert_allclose(found.coefficients, coefficients, rtol=digits, atol=digits)
    np.testing.assert_allclose(found.errors, errors, rtol=digits, atol=digits)
    assert found.square == pytest.approx(float(spectrum.errors(Y, (ridge,))[0]), rel=digits)
    assert found.variance == pytest.approx(spectrum.left_out_variance(ridge), rel=digits)
    np.testing.assert_array_equal(block, KERNEL.astype(dtype))


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.5, 2.0])
@pytest.mark.parametrize("start", [1e-2, 0.1, 1.0])
def test_the_ridge_is_found_near_the_best(noise, start):
    y, asked = np.sin(2 * X[:, :1]) + noise * np.random.default_rng(1).normal(size=(80, 1)), []

    def block(small):
        asked.append(small)
        return KERNEL if small else KERNEL.astype(np.float32)

    found = stack._least(block, y, RIDGES, start, 0.0)
    assert found.square <= 1.01 * Spectrum.of(KERNEL).errors(y).min()
    assert found.ridge >= stack.SINGLE or True in asked
    assert len(asked) == len(set(asked))


@pytest.mark.parametrize(("worth", "single"), [(0.0, False), (100.0, True)])
def test_a_small_ridge_must_be_better_by_what_double_precision_costs(worth, single):
    smooth = np.exp(-0.01 * cdist(X, X, "sqeuclidean"))

    def block(small):
        return smooth if small else smooth.astype(np.float32)

    found = stack._least(block, X[:, :1] ** 2, RIDGES, 1e-2, worth)
    assert (found.ridge >= stack.SINGLE) is single


def test_few_predictors_are_nearly_as_good(monkeypatch):
    monkeypatch.setattr(stack, "LOSS", 0.005)
    errors = RNG.normal(size=(4, 400))
    # Two that are alike, one that errs by itself, and one that is useless.
    errors[1] = errors[0] + 0.01 * errors[1]
    errors[3] = 20 * errors[3]
    gram = errors @ errors.T / 400
    weights = stack._few(gram, 10**6)
    assert np.count_nonzero(weights) == 2
    assert weights[2] > 0.3
    assert weights.sum() == pytest.approx(1.0)
