"""The whole method: solve on the known entries, read off at the missing ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .kernels import Kernel
from .kernels.table import Array
from .observed import Observed
from .runtime.progress import Progress, stage
from .solvers.base import Factor, Report, Solver


@dataclass(frozen=True, eq=False)
class Fit:
    """The known values of columns with one pattern of known entries, solved for.

    Parameters
    ----------
    factor : Factor
    columns : int array of shape (m,)
        Which columns of the values they are.
    coefficients : array of shape (n_known, m)
        Of the values minus `level`, divided by `scale`.
    level, scale : array of shape (m,)
    report : Report
    """

    factor: Factor
    columns: NDArray[np.intp]
    coefficients: Array
    level: Array
    scale: Array
    report: Report

    def predict(self, at: NDArray[np.intp]) -> Array:
        """What the columns are at other coordinates: shape (len(at), m)."""
        return predict(self.factor, self.coefficients, at) * self.scale + self.level


@dataclass(frozen=True, eq=False)
class Completion:
    """The answer.

    Parameters
    ----------
    values : array of shape (n, m)
        Known entries as they were, missing ones filled in.
    fits : tuple of Fit
        One per pattern of known entries.
    centred : bool
        Whether the mean of the known entries was taken out first.
    """

    values: Array
    fits: tuple[Fit, ...]
    centred: bool

    @property
    def factors(self) -> tuple[Factor, ...]:
        return tuple(fit.factor for fit in self.fits)

    @property
    def reports(self) -> tuple[Report, ...]:
        """How each solve ended."""
        return tuple(fit.report for fit in self.fits)

    def weights(self, at: int, pattern: int = 0) -> Array:
        """What the entry `at` is made of: weights w with value = sum(w * known values).

        Returns
        -------
        array of shape (n,), zero where nothing is known
        """
        return weights(self.factors[pattern], at, centred=self.centred)


def complete(
    observed: Observed,
    kernel: Kernel,
    solver: Solver,
    *,
    centre: bool = False,
    progress: Progress | None = None,
) -> Completion:
    """Fill in what is missing: values[missing] = K[missing, known] (K[known, known] + ridge)^-1
    values[known].

    Parameters
    ----------
    observed : Observed
        Values over the kernel's coordinates, flat.
    kernel : Kernel
    solver : Solver
    centre : bool
        Take the mean of each column's known entries out before, and put it back after.
    progress : callable, optional
        Called with the share of the work that is done.

    Returns
    -------
    Completion

    Examples
    --------
    >>> import numpy as np
    >>> from ntkfill.kernels import DenseKernel
    >>> from ntkfill.solvers import Cholesky
    >>> kernel = DenseKernel(np.array([[1.0, 0.5], [0.5, 1.0]]), (2,))
    >>> seen = Observed(np.array([[4.0], [np.nan]]), np.array([True, False]))
    >>> complete(seen, kernel, Cholesky()).values.ravel()
    array([4., 2.])
    """
    size = math.prod(kernel.shape)
    if len(observed.values) != size:
        raise InputError(
            "the kernel is of other coordinates than the values",
            expected=f"{size} rows",
            got=str(len(observed.values)),
        )
    values = observed.values.astype(np.result_type(observed.values, np.float32))
    fits: list[Fit] = []
    patterns = list(observed.patterns())
    for columns, known in patterns:
        factor = solver.factor(kernel, known)
        y = (
            observed.values[known]
            if len(columns) == values.shape[1]
            else (observed.values[np.ix_(known, columns)])
        )
        part = stage(progress, len(fits), len(patterns))
        fits.append(fit(factor, y, centre=centre, columns=columns, progress=part))
        missing = np.flatnonzero(~known)
        values[np.ix_(missing, columns)] = fits[-1].predict(missing)
    return Completion(values, tuple(fits), centre)


def fit(
    factor: Factor,
    y: Array,
    *,
    centre: bool,
    columns: NDArray[np.intp] | None = None,
    progress: Progress | None = None,
) -> Fit:
    """Solve for known values y of shape (n_known, m)."""
    level, scale = _level_and_scale(y, centre)
    solution = factor.solve((y - level) / scale, progress)
    columns = np.arange(y.shape[1]) if columns is None else columns
    return Fit(factor, columns, solution.coefficients, level, scale, solution.report)


def predict(factor: Factor, coefficients: Array, at: NDArray[np.intp]) -> Array:
    """K[at, known] a, for a of shape (n_known, m): shape (len(at), m)."""
    spread = np.zeros((coefficients.shape[1], factor.known.size), dtype=coefficients.dtype)
    spread[:, factor.known] = coefficients.T
    product = factor.kernel.matvec(spread.reshape(-1, *factor.kernel.shape))
    return product.reshape(len(spread), -1)[:, at].T


def kernel_weights(factor: Factor, cross: Array, *, centred: bool) -> Array:
    """Weights of the known entries in predictions, in double precision, from the kernel between
    known entries and what is predicted: (K[known, known] + ridge)^-1 cross."""
    result = factor.solve(cross).coefficients.astype(np.float64)
    if centred:  # the mean is a prediction too: its weights make the sum one
        result += (1.0 - result.sum(axis=0)) / len(result)
    return result  # (n_known, k)


def weight_matrix(factor: Factor, at: NDArray[np.intp], *, centred: bool) -> Array:
    """Weights of the known entries in the predictions at these coordinates."""
    cross = factor.kernel.block(np.flatnonzero(factor.known), at)
    return kernel_weights(factor, cross, centred=centred)  # (n_known, len(at))


def weights(factor: Factor, at: int, *, centred: bool) -> Array:
    """The shares of all known entries in one, spread over all coordinates."""
    result = np.zeros(factor.known.size)
    result[factor.known] = weight_matrix(factor, np.array([at]), centred=centred)[:, 0]
    return result


def adjoint(factor: Factor, gradient: Array, *, centred: bool) -> Array:
    """The same for sums over predictions, in which each coordinate counts gradient (n, m):
    shape (n, m), zero where nothing is known."""
    spread = factor.kernel.matvec(gradient.T.reshape(-1, *factor.kernel.shape))
    wanted = spread.reshape(gradient.shape[1], -1)[:, factor.known].T
    found = factor.solve(wanted).coefficients.astype(np.float64)
    if centred:
        found += (gradient.sum(axis=0) - found.sum(axis=0)) / len(found)
    result = np.zeros(gradient.shape)
    result[factor.known] = found
    return result


def _level_and_scale(y: Array, centre: bool) -> tuple[Array, Array]:
    """Per column what to subtract and to divide by, so that single precision is enough."""
    level = np.mean(y, axis=0, dtype=np.float64) if centre else np.zeros(y.shape[1])
    spread = np.max(np.abs(y - level), axis=0, initial=0.0)
    return level.astype(y.dtype), np.where(spread > 0, spread, 1.0).astype(y.dtype)
