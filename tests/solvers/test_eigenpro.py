"""EigenPro against the direct solve."""

import numpy as np
import pytest

from ntkfill.kernels import DenseKernel
from ntkfill.nn import fully_connected
from ntkfill.solvers import Cholesky, EigenPro


def problem(n: int = 400) -> tuple[DenseKernel, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 5))
    kernel = DenseKernel(fully_connected().between(x), (n,))
    y = np.stack([np.sin(x[:, 0] * 2), x[:, 1] * x[:, 2]], axis=1)
    known = rng.random(n) < 0.75
    return kernel, y, known, x


@pytest.mark.sampled
@pytest.mark.parametrize("batch", [None, 100])
def test_solves_what_the_direct_solver_does(batch: int | None) -> None:
    kernel, y, known, _ = problem()
    shares: list[float] = []
    solver = EigenPro(ridge=0.2, batch=batch, subsample=200, max_epochs=2000)
    found = solver.factor(kernel, known).solve(y[known], shares.append)
    exact = Cholesky(ridge=0.2).factor(kernel, known).solve(y[known]).coefficients
    assert found.report.converged
    cross = kernel.block(np.flatnonzero(~known), np.flatnonzero(known))
    predicted, expected = cross @ found.coefficients, cross @ exact
    assert np.linalg.norm(predicted - expected) < 5e-3 * np.linalg.norm(expected)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


@pytest.mark.parametrize("max_epochs", [1, 2000])
def test_reported_residual_is_the_true_one(max_epochs: int) -> None:
    kernel, y, known, _ = problem(200)
    solver = EigenPro(ridge=0.2, batch=75, subsample=100, max_epochs=max_epochs)
    done = solver.factor(kernel, known).solve(y[known])
    matrix = kernel.values[np.ix_(known, known)] + 0.2 * kernel.diagonal().mean() * np.eye(
        known.sum()
    )
    rest = y[known] - matrix @ done.coefficients
    residual = (np.linalg.norm(rest, axis=0) / np.linalg.norm(y[known], axis=0)).max()
    assert done.report.residual == pytest.approx(residual)
    assert done.report.converged == (residual <= 1e-3) == (max_epochs > 1)
    assert 1 <= done.report.steps <= max_epochs


@pytest.mark.slow
def test_eigenvectors_are_what_makes_it_fast() -> None:
    kernel, y, known, _ = problem()
    residuals = []
    for subsample in (200, 1):  # of one coordinate there is no eigenvector to take down
        solver = EigenPro(ridge=0.2, rtol=1e-9, max_epochs=10, batch=100, subsample=subsample)
        factor = solver.factor(kernel, known)
        if subsample == 1:  # the step that is stable without them
            top = np.linalg.eigvalsh(kernel.values)[-1]
            factor = type(factor)(**{**vars(factor), "step": 1 / top})
        residuals.append(factor.solve(y[known]).report.residual)
    assert residuals[0] < 0.7 * residuals[1]


@pytest.mark.parametrize("count", [0, 1])
def test_none_or_one_known(count: int) -> None:
    known = np.zeros(3, bool)
    known[:count] = True
    done = (
        EigenPro(ridge=0.0).factor(DenseKernel(np.eye(3), (3,)), known).solve(np.ones((count, 2)))
    )
    np.testing.assert_allclose(done.coefficients, np.ones((count, 2)), rtol=1e-3)
