"""The scale of a posterior: kernels are defined up to a factor, which the data determine.

A coefficient of the solve is the leave-one-out error of its known value, divided by a number that
depends on the kernel and the mask, not on the values (Rasmussen and Williams 2006, eq. 5.12). So
the ratio of its square to its expectation under the prior is the ratio of the squared error to the
expected one. Its average around a coordinate is a local scale in closed form, without refitting:
small in the sky, large in the grass. The model is s(x) K(x, x') s(x') with a slowly varying s.
"""

from __future__ import annotations

import numpy as np
from scipy import fft

from ..kernels.stationary import convolve, squared_distances
from ..kernels.table import Array
from ..observed import Mask
from ..runtime.resources import workers

# Weights fall like (c^2 + distance^2)^-(n + 1/2), c this many times the spacing of known entries.
# Wider averages miss edges, narrower ones are noise (docs/decisions/0010-uncertainty.md).
WIDTH = 2.0
# Weights of the priors of the columns' and the rows' scales, in entries. Columns may have different
# units; rows are assumed to be similar unless many entries show otherwise.
COLUMN_PRIOR, ROW_PRIOR = 4.0, 30.0


def local_scale(coefficients: Array, expected: Array, known: Mask) -> Array:
    """Factors of standard deviations around every coordinate of a torus, for every column.

    Parameters
    ----------
    coefficients : array of shape (n_known, m)
    expected : array of shape (n_known,)
        Their expected squares under the prior.
    known : bool array of the shape of the torus

    Returns
    -------
    array of shape (m, *torus)

    Examples
    --------
    >>> known = np.arange(40) % 2 == 0
    >>> coefficients = np.where(np.flatnonzero(known) < 20, 1.0, 3.0)[:, None]
    >>> scale = local_scale(coefficients, np.ones(20), known)[0]
    >>> scale[[10, 30]].round(1)
    array([1.2, 2.9])
    """
    spectrum = _weights(known.shape, WIDTH * float(known.mean()) ** (-1 / known.ndim))
    whole = np.zeros((coefficients.shape[1] + 1, *known.shape))
    whole[:-1, known] = np.square(coefficients.T, dtype=np.float64)
    whole[-1, known] = expected
    sums = np.maximum(convolve(whole, spectrum), 0.0)
    # Where the expected square is zero up to rounding, the scale is unknown.
    enough = sums[-1] > np.finfo(float).eps * sums[-1].max(initial=0.0)
    ratio = np.divide(sums[:-1], sums[-1], out=np.zeros_like(sums[:-1]), where=enough)
    return np.asarray(np.sqrt(ratio))


def two_way_scale(squares: Array, expected: Array) -> tuple[Array, Array]:
    """Factors of standard deviations for the rows and columns of a table, which multiply.

    Each is the posterior mean of an inverse gamma distribution, given the entries of the row or
    column.

    Parameters
    ----------
    squares : array of shape (n, m)
        Squared coefficients, NaN where missing.
    expected : array of shape (n, m)
        Their expectation under the prior; not read where missing.

    Returns
    -------
    array of shape (n,)
        One on average.
    array of shape (m,)

    Examples
    --------
    >>> squares = np.outer([1.0, 1.0, 1.0, 9.0], np.full(200, 4.0))
    >>> rows, columns = two_way_scale(squares, np.ones((4, 200)))
    >>> rows.round(2), columns[0].round(2)
    (array([0.65, 0.65, 0.65, 1.66]), np.float64(3.46))
    """
    known = ~np.isnan(squares)
    ratio = np.divide(squares, expected, out=np.zeros_like(squares), where=known & (expected > 0))
    of_column = _shrunk(ratio.sum(axis=0), known.sum(axis=0), COLUMN_PRIOR)
    ratio /= np.where(of_column > 0, of_column, 1.0)
    of_row = _shrunk(ratio.sum(axis=1), known.sum(axis=1), ROW_PRIOR)
    return np.sqrt(of_row), np.sqrt(of_column)


def _shrunk(total: Array, count: Array, prior: float) -> Array:
    """Means, each with `prior` entries of the overall mean added."""
    return np.asarray((total + prior * total.sum() / max(count.sum(), 1)) / (count + prior))


def _weights(shape: tuple[int, ...], width: float) -> Array:
    """Spectrum of (1 + distance^2 / width^2)^-(n + 1/2) on a torus."""
    scaled = (1.0 + squared_distances(shape) / width**2) ** -(len(shape) + 0.5)
    return fft.rfftn(scaled, workers=workers()).real
