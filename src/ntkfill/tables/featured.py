"""Tables whose rows carry features: one kernel of the rows, one factor per pattern of gaps.

A table whose columns carry features is its transpose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ..kernels.table import Array
from ..observed import Mask, Observed
from ..runtime.memory import require
from ..runtime.threads import parallel_for
from ..solvers import linalg
from ..solvers import spectral as loo
from ..solvers.linalg import product

# A column chooses its ridge by its own entries and this many of all columns' together: few entries
# alone choose badly.
BORROWED = 100
# Factors are kept up to this many bytes, and made again on demand beyond it.
KEPT = 200_000_000


@dataclass(frozen=True, eq=False)
class Pattern:
    """Columns with the same known rows, their ridge and (if it is kept) their factor."""

    known: Mask
    ridge: float
    lower: Array | None


@dataclass(frozen=True, eq=False)
class Sided:
    """Every column regressed on the features of the rows.

    Parameters
    ----------
    kernel : array of shape (n, n)
        Between the rows.
    coefficients : array of shape (n, m)
        Zero where a column is not known.
    level : array of shape (m,)
        Mean of each column's known entries.
    patterns : tuple of Pattern
    which : int array of shape (m,)
        The pattern of each column.
    curve : array
        Mean squared error of entries left out for every ridge, over all columns.
    """

    kernel: Array
    coefficients: Array
    level: Array
    patterns: tuple[Pattern, ...]
    which: NDArray[np.intp]
    curve: Array

    def predict(self, kernel: Array) -> Array:
        """All columns at rows with this kernel (k, n) to those that were fitted: (k, m)."""
        return product(kernel, self.coefficients) + self.level

    def weights(self, kernel: Array, column: int) -> tuple[NDArray[np.intp], Array]:
        """Known rows of a column, and what each weighs in the prediction at a row with this
        kernel (n,); the mean is taken out first, so they sum to one."""
        pattern = self.patterns[self.which[column]]
        rows = np.flatnonzero(pattern.known)
        lower = pattern.lower
        with threadpool_limits(1):
            if lower is None:
                block = self.kernel[np.ix_(rows, rows)].astype(np.float64)
                lower = loo.cholesky(block, pattern.ridge)
            share = linalg.solve(lower, kernel[rows].astype(np.float64)[:, None])[:, 0]
        return rows, share + (1.0 - share.sum()) / len(rows)


def fit(values: Array, kernel: Array, ridge: float | None, curve: Array | None = None) -> Sided:
    """Regress columns of shape (n, m), NaN where missing, on rows with this kernel.

    Parameters
    ----------
    values : array
        Every column with at least one known entry.
    kernel : array of shape (n, n)
    ridge : float, optional
        Relative to the mean diagonal; None chooses it by leave-one-out, for every pattern.
    curve : array, optional
        Of an earlier fit, to choose the ridges as that did.

    Returns
    -------
    Sided
    """
    known = ~np.isnan(values)
    require("the regressions", 4 * 8 * len(values) ** 2, hint="fewer rows")
    level = np.nanmean(values, axis=0)
    centred = np.where(known, values - level, 0.0)
    coefficients, which = np.zeros(values.shape), np.zeros(values.shape[1], dtype=np.intp)
    groups = list(Observed(values, known).patterns())
    keep = 8 * sum(int(rows.sum()) ** 2 for _, rows in groups) <= KEPT
    ridges, curve = (
        ([ridge] * len(groups), np.empty(0))
        if ridge is not None
        else _chosen(kernel, centred, groups, curve)
    )
    patterns: dict[int, Pattern] = {}

    def work(k: int) -> None:
        columns, rows = groups[k]
        y = centred[np.ix_(rows, columns)]
        block = kernel[np.ix_(rows, rows)].astype(np.float64)
        lower = loo.cholesky(block, ridges[k])
        coefficients[np.ix_(rows, columns)] = linalg.solve(lower, y)
        patterns[k] = Pattern(rows, ridges[k], lower if keep else None)
        which[columns] = k

    with threadpool_limits(1):
        parallel_for(work, range(len(groups)))
    ordered = tuple(patterns[k] for k in range(len(groups)))
    return Sided(kernel, coefficients, level, ordered, which, curve)


def left_out(values: Array, kernel: Array, ridge: float | None) -> Array:
    """Mean squared errors of entries left out, in units of each column's variance, for every ridge
    (or the one given): one factorisation for each pattern of gaps.

    Parameters
    ----------
    values : array of shape (n, m)
        NaN where missing.
    kernel : array of shape (n, n)
    ridge : float, optional
        Relative to the mean diagonal.

    Returns
    -------
    array of shape (ridges,)
    """
    known = ~np.isnan(values)
    centred = np.where(known, values - np.nanmean(values, axis=0), 0.0)
    groups = list(Observed(values, known).patterns())
    ridges = loo.RIDGES if ridge is None else (ridge,)
    errors, counts = _errors(kernel, centred, groups, ridges)
    return np.asarray(counts @ errors / counts.sum())


def _chosen(
    kernel: Array,
    centred: Array,
    groups: list[tuple[NDArray[np.intp], Mask]],
    curve: Array | None,
) -> tuple[list[float], Array]:
    """For every pattern the ridge with the smallest error of entries left out, and the errors
    over all of them; all columns weigh alike."""
    errors, counts = _errors(kernel, centred, groups, loo.RIDGES)
    if curve is None:
        curve = counts @ errors / counts.sum()
    best = np.argmin(counts[:, None] * errors + BORROWED * curve, axis=1)
    return [loo.RIDGES[k] for k in best], curve


def _errors(
    kernel: Array,
    centred: Array,
    groups: list[tuple[NDArray[np.intp], Mask]],
    ridges: tuple[float, ...],
) -> tuple[Array, Array]:
    """Mean squared errors of entries left out, (patterns, ridges), and how many there are; all
    columns weigh alike."""
    errors, counts = np.zeros((len(groups), len(ridges))), np.zeros(len(groups))

    def work(k: int) -> None:
        columns, rows = groups[k]
        y = centred[np.ix_(rows, columns)]
        size = np.sqrt(np.mean(np.square(y), axis=0))
        block = kernel[np.ix_(rows, rows)].astype(np.float64)
        errors[k] = loo.Spectrum.of(block).errors(y / np.where(size > 0, size, 1.0), ridges)
        counts[k] = y.size

    with threadpool_limits(1):
        parallel_for(work, range(len(groups)))
    return errors, counts
