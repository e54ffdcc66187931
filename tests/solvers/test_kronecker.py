"""Systems of a Kronecker product: the preconditioner, the steps that it saves, and dense solves."""

import numpy as np
import pytest
from oracles import matrix

from ntkfill.kernels import DenseKernel, Kronecker
from ntkfill.nn import Dense, ReLU, Sequential
from ntkfill.solvers import CG, Cholesky, preconditioner

NET = Sequential(Dense(), ReLU(), Dense())
RNG = np.random.default_rng(0)
LEFT, RIGHT = RNG.normal(size=(40, 3)), RNG.normal(size=(24, 3))
TABLE = np.tanh(LEFT @ RIGHT.T) + 0.1 * RNG.normal(size=(40, 24))
KNOWN = RNG.random(TABLE.shape) > 0.6
KNOWN[np.arange(40), np.arange(40) % 24] = True
SYSTEMS = [
    ((0.1, 0.1), (0.0, 0.0), 0.1),
    ((0.0, 0.3), (0.0, 0.0), 0.01),
    ((0.1, 0.1), (0.3, 0.2), 0.1),
]


def product(nuggets=(0.1, 0.1), effects=(0.0, 0.0)):
    values = (NET.between(np.hstack([x, np.ones((len(x), 1))])) for x in (LEFT, RIGHT))
    left, right = (DenseKernel(k / np.diagonal(k).mean(), (len(k),)) for k in values)
    return Kronecker(left, right, nuggets, effects)


def on_known(operator):
    """The matrix of a linear map of tables, on the known entries."""
    at = np.flatnonzero(KNOWN)
    units = np.zeros((len(at), KNOWN.size))
    units[np.arange(len(at)), at] = 1.0
    return operator(units.reshape(-1, *KNOWN.shape)).reshape(len(at), -1)[:, at]


def made(kernel, ridge):
    return preconditioner.preconditioner(kernel, KNOWN, ridge, np.float64)


@pytest.mark.slow
def test_the_preconditioner_is_extend_invert_and_back():
    kernel, ridge, known = product(), 0.05, KNOWN.ravel()
    near = []
    for side in (kernel.left.values, kernel.right.values):
        distance = np.diagonal(side)[:, None] + np.diagonal(side) - 2 * side
        near.append((np.maximum(distance, 0.0) + preconditioner.SOFTENING) ** -4)
    weights = np.kron(*near)
    extend = np.where(known[:, None], np.eye(known.size), weights * known)
    extend[~known] /= weights[~known][:, known].sum(axis=1, keepdims=True)
    inverse = np.linalg.inv(matrix(kernel) + ridge * np.eye(known.size))
    expected = (extend.T @ inverse @ extend)[np.ix_(known, known)]
    ours = on_known(made(kernel, ridge))
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.mark.slow
def test_extending_makes_the_system_easier_than_masking():
    kernel, ridge, known = product(), 0.05, KNOWN.ravel()
    block = matrix(kernel)[np.ix_(known, known)] + ridge * np.eye(known.sum())

    def condition(operator):
        values = np.linalg.eigvals(on_known(operator) @ block).real
        return values.max() / values.min()

    guess = made(kernel, ridge)
    assert condition(guess) < 0.3 * condition(guess.inverse)


@pytest.mark.parametrize(("nuggets", "effects", "ridge"), SYSTEMS)
def test_as_a_dense_solve_in_fewer_steps(nuggets, effects, ridge, monkeypatch):
    kernel, y = product(nuggets, effects), TABLE[KNOWN][:, None]
    solver = CG(ridge, rtol=1e-9)
    solution = solver.factor(kernel, KNOWN.ravel()).solve(y)
    assert solution.report.converged
    expected = Cholesky(ridge).factor(kernel, KNOWN.ravel()).solve(y).coefficients
    size = np.linalg.norm(expected)
    assert np.linalg.norm(solution.coefficients - expected) < 1e-6 * size
    monkeypatch.setattr(
        preconditioner.Preconditioner, "__call__", lambda self, x: self.inverse(x) * self.mask
    )
    masked = solver.factor(kernel, KNOWN.ravel()).solve(y)
    assert solution.report.steps < (0.8 if any(effects) else 0.7) * masked.report.steps


def test_whole_rows_by_whole_columns_take_one_step():
    known = np.zeros_like(KNOWN)
    known[np.ix_(np.arange(0, 40, 2), np.arange(20))] = True
    kernel, y = product(), TABLE[known][:, None]
    solution = CG(0.1, rtol=1e-8).factor(kernel, known.ravel()).solve(y)
    assert solution.report.steps == 1
    expected = Cholesky(0.1).factor(kernel, known.ravel()).solve(y).coefficients
    np.testing.assert_allclose(solution.coefficients, expected, rtol=0, atol=1e-9)


@pytest.mark.slow
def test_several_right_hand_sides_and_an_empty_row():
    known = KNOWN.copy()
    known[7] = False
    y = RNG.normal(size=(known.sum(), 3))
    factor = CG(0.1, rtol=1e-10).factor(product(), known.ravel())
    assert factor.solved.shape == (39, 24)
    expected = Cholesky(0.1).factor(product(), known.ravel()).solve(y).coefficients
    found = factor.solve(y).coefficients
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.abs(expected).max())
