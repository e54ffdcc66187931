"""Completion: kernel regression on the known entries predicts the missing ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import InputError, check_finite, finite
from .kernels import Kernel
from .kernels.table import Array
from .observed import Observed
from .runtime.progress import Progress, stage
from .solvers.base import Factor, Report, Solver, scattered


@dataclass(frozen=True, eq=False)
class Fit:
    """Kernel regression on the known entries of columns with one missingness pattern.

    Parameters
    ----------
    factor : Factor
        Of the kernel on the known entries.
    columns : int array of shape (m,)
        Indices of these columns in the values.
    coefficients : array of shape (n_known, m)
        (K[known, known] + ridge)^-1 (values - level) / scale.
    level, scale : array of shape (m,)
    report : Report
        How the solve ended.
    """

    factor: Factor
    columns: NDArray[np.intp]
    coefficients: Array
    level: Array
    scale: Array
    report: Report

    def predict(self, at: NDArray[np.intp]) -> Array:
        """Predict the columns at these coordinates.

        Parameters
        ----------
        at : int array of shape (k,)
            Flat coordinates of the kernel's grid.

        Returns
        -------
        array of shape (k, m)
        """
        kernel, known = self.factor.kernel, np.flatnonzero(self.factor.known)
        spread = scattered(self.coefficients, known, self.factor.known.size)
        product = kernel.matvec(spread.reshape(-1, *kernel.shape)).reshape(spread.shape)
        return np.take(product, at, axis=1).T * self.scale + self.level


@dataclass(frozen=True, eq=False)
class Completion:
    """Completed values and the fits that they come from.

    Parameters
    ----------
    values : array of shape (n, m)
        Known entries unchanged, missing ones predicted.
    fits : tuple of Fit
        One per missingness pattern.
    centred : bool
        Whether the mean of each column's known entries was subtracted first.
    """

    values: Array
    fits: tuple[Fit, ...]
    centred: bool

    @property
    def factors(self) -> tuple[Factor, ...]:
        """The factor of each missingness pattern."""
        return tuple(fit.factor for fit in self.fits)

    @property
    def reports(self) -> tuple[Report, ...]:
        """How each solve ended."""
        return tuple(fit.report for fit in self.fits)

    def weights(self, at: int, pattern: int = 0) -> Array:
        """Weights of the known entries in a prediction: value = sum(weights * values).

        Parameters
        ----------
        at : int
            Flat coordinate of the entry.
        pattern : int
            Index of the missingness pattern of its column.

        Returns
        -------
        array of shape (n,)
            Zero where missing.
        """
        return finite("the weights", weights(self.factors[pattern], at, centred=self.centred))


def complete(
    observed: Observed,
    kernel: Kernel,
    solver: Solver,
    *,
    centre: bool = False,
    progress: Progress | None = None,
) -> Completion:
    """Complete values by kernel regression: values[missing] = K[missing, known]
    (K[known, known] + ridge)^-1 values[known].

    Parameters
    ----------
    observed : Observed
        Values over the kernel's coordinates, flat.
    kernel : Kernel
    solver : Solver
        Holds the ridge.
    centre : bool
        Subtract the mean of each column's known entries first, and add it to the predictions.
    progress : callable, optional
        Called with the share of the work that is done.

    Returns
    -------
    Completion

    Raises
    ------
    InputError
        If the values have another number of rows than the kernel has coordinates.

    Examples
    --------
    >>> import numpy as np
    >>> from ntkfill.kernels import DenseKernel
    >>> from ntkfill.solvers import Cholesky
    >>> kernel = DenseKernel(np.array([[1.0, 0.5], [0.5, 1.0]]), (2,))
    >>> observed = Observed(np.array([[4.0], [np.nan]]), np.array([True, False]))
    >>> complete(observed, kernel, Cholesky()).values.ravel()
    array([4., 2.])
    """
    size, rows = math.prod(kernel.shape), len(observed.values)
    if rows != size:
        raise InputError(f"values must have {size} rows, as the kernel has", got=str(rows))
    values = observed.values.astype(np.result_type(observed.values, np.float32))
    fits: list[Fit] = []
    patterns = list(observed.patterns())
    for columns, known in patterns:
        whole = len(columns) == values.shape[1]
        y = observed.values[known] if whole else observed.values[np.ix_(known, columns)]
        part = progress and stage(progress, len(fits), len(patterns))
        factor = solver.factor(kernel, known)
        fits.append(fit(factor, y, centre=centre, columns=columns, progress=part))
        missing = np.flatnonzero(~known)
        values[np.ix_(missing, columns)] = fits[-1].predict(missing)
        check_finite("the completion", values[np.ix_(missing, columns)])
    return Completion(values, tuple(fits), centre)


def fit(
    factor: Factor,
    y: Array,  # (n_known, m)
    *,
    centre: bool,
    columns: NDArray[np.intp] | None = None,
    progress: Progress | None = None,
) -> Fit:
    """Fit columns with one missingness pattern, scaled so that single precision is enough."""
    level = np.mean(y, axis=0, dtype=np.float64) if centre else np.zeros(y.shape[1])
    spread = np.max(np.abs(y - level), axis=0, initial=0.0)
    level, scale = level.astype(y.dtype), np.where(spread > 0, spread, 1.0).astype(y.dtype)
    solution = factor.solve((y - level) / scale, progress)
    columns = np.arange(y.shape[1]) if columns is None else columns
    return Fit(factor, columns, solution.coefficients, level, scale, solution.report)


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
    """Weights of all entries in the prediction of one, zero where missing."""
    result = np.zeros(factor.known.size)  # (n,)
    result[factor.known] = weight_matrix(factor, np.array([at]), centred=centred)[:, 0]
    return result


def adjoint(factor: Factor, gradient: Array, *, centred: bool) -> Array:
    """Weights of all entries in sum(gradient * predictions): the adjoint of the prediction."""
    kernel, known = factor.kernel, factor.known
    product = kernel.matvec(gradient.T.reshape(-1, *kernel.shape))  # gradient: (n, m)
    right = product.reshape(gradient.shape[1], -1)[:, known].T
    found = factor.solve(right).coefficients.astype(np.float64)
    if centred:
        found += (gradient.sum(axis=0) - found.sum(axis=0)) / len(found)
    result = np.zeros(gradient.shape)  # (n, m)
    result[known] = found
    return result
