"""Regression on landmarks against the exact one, and against what it minimises."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.spatial.distance import cdist

from ntkfill.solvers import linalg
from ntkfill.solvers.landmarks import DIRECTIONS, JITTER, Landmarks

RNG = np.random.default_rng(0)
X, NEW, Y = RNG.normal(size=(90, 3)), RNG.normal(size=(20, 3)), RNG.normal(size=(90, 2))


def kernel(a, b):
    return np.exp(-cdist(a, b) / 2)


def solved(centres, ridge=0.3):
    cross = kernel(X, centres)
    return Landmarks.solve(kernel(centres, centres), cross.T @ cross, cross.T @ Y, ridge)


def test_all_rows_as_landmarks_is_exact():
    landmarks, cross = solved(X), kernel(NEW, X)
    inverse = np.linalg.inv(kernel(X, X) + 0.3 * np.eye(90))
    np.testing.assert_allclose(cross @ landmarks.coefficients, cross @ inverse @ Y, atol=1e-6)
    explained = np.einsum("ij,jk,ik->i", cross, inverse, cross)
    np.testing.assert_allclose(landmarks.explained(cross), explained, atol=1e-6)
    weights = kernel(X, X) @ landmarks.dual(cross)
    np.testing.assert_allclose(weights, inverse @ cross.T, atol=1e-6)


def test_few_landmarks_minimise_the_penalised_error():
    centres = X[::9]
    cross, block = kernel(X, centres), kernel(centres, centres)

    def loss(a):
        return np.sum((Y[:, 0] - cross @ a) ** 2) + 0.3 * a @ block @ a

    found = minimize(loss, np.zeros(len(centres)), tol=1e-10).x
    coefficients = solved(centres).coefficients[:, 0]
    np.testing.assert_allclose(coefficients, found, atol=1e-5)
    assert loss(coefficients) <= loss(found) + 1e-9
    assert loss(coefficients) < loss(np.linalg.solve(block + 0.3 * np.eye(10), Y[::9, 0]))
    # Rows that are not landmarks explain variance too, and never more than there is.
    explained = solved(centres).explained(kernel(NEW, centres))
    without = Landmarks.solve(block.copy(), block @ block, block @ Y[::9], 0.3)
    assert (explained > without.explained(kernel(NEW, centres))).all()
    assert (explained < 1.0).all()


def test_landmarks_that_are_alike():
    centres = np.concatenate([X[:5], X[:5]])
    found = kernel(NEW, centres) @ solved(centres).coefficients
    once = kernel(NEW, X[:5]) @ solved(X[:5]).coefficients
    np.testing.assert_allclose(found, once, atol=1e3 * JITTER)


@pytest.mark.parametrize("count", [3, 300])
def test_gram_in_blocks(count):
    rows, gram = RNG.normal(size=(50, count)), RNG.normal(size=(count, count))
    expected = np.triu(gram + rows.T @ rows)
    linalg.add_gram(gram, rows)
    np.testing.assert_allclose(np.triu(gram), expected, atol=1e-12)


@pytest.mark.slow
def test_directions_that_are_left_out_explain_little():
    x = RNG.normal(size=(2 * DIRECTIONS, 2))
    block = kernel(x, x)
    landmarks = Landmarks.solve(block.copy(), block @ block, block @ x, 0.1)
    exact = np.einsum("ij,ji->i", block, np.linalg.solve(block + 0.1 * np.eye(len(x)), block))
    missing = exact - landmarks.explained(block)
    assert missing.min() > -1e-6
    assert missing.max() < 0.05
