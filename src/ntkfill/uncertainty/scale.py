"""The scale of a posterior: kernels are defined up to a factor, and the data have to choose it.

A coefficient of the solve is the error of its known value when left out, divided by a number that
depends on the kernel and on what is known, not on the values (Rasmussen and Williams 2006, eq.
5.12). So the ratio of its square to what draws from the prior give on average is the ratio of the
squared error to the expected one. Averaged over all known values it is a scale in closed form,
without refitting; averaged near one coordinate it is a scale for that coordinate: small in the sky,
large in the grass. The model behind the latter is s(x) K(x, x') s(x') with s slow.
"""

from __future__ import annotations

import numpy as np
from scipy import fft

from ..kernels import convolve
from ..kernels.table import Array
from ..observed import Mask
from ..runtime.threads import workers

# Weights fall like (c^2 + distance^2)^-(n + 1/2), c this many times the spacing of known entries.
# Wider averages miss edges, narrower ones are noise (docs/decisions/0010-uncertainty.md).
WIDTH = 2.0
# What is known of a column's and of a row's scale before, worth so many entries. Columns may be of
# different units; rows are alike until many entries say otherwise.
OF_COLUMNS, OF_ROWS = 4.0, 30.0


def local_scale(coefficients: Array, expected: Array, known: Mask) -> Array:
    """One factor per column and coordinate of a torus, from the known entries around it.

    Parameters
    ----------
    coefficients : array of shape (n_known, m)
    expected : array of shape (n_known,)
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
    # Where draws expect nothing, rounding apart, nothing is known of the scale.
    enough = sums[-1] > np.finfo(float).eps * sums[-1].max(initial=0.0)
    ratio = np.divide(sums[:-1], sums[-1], out=np.zeros_like(sums[:-1]), where=enough)
    return np.asarray(np.sqrt(ratio))


def two_way_scale(squares: Array, expected: Array) -> tuple[Array, Array]:
    """Factors for the rows and for the columns of a table; an entry has the product of its two.

    Each is the mean of an inverse gamma distribution after it saw the entries of the column (or
    row).

    Parameters
    ----------
    squares : array of shape (n, m)
        Squared coefficients, NaN where missing.
    expected : array of shape (n, m)
        Their means over draws from the prior; not read where missing.

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
    of_column = _shrunk(ratio.sum(axis=0), known.sum(axis=0), OF_COLUMNS)
    ratio /= np.where(of_column > 0, of_column, 1.0)
    of_row = _shrunk(ratio.sum(axis=1), known.sum(axis=1), OF_ROWS)
    return np.sqrt(of_row), np.sqrt(of_column)


def _shrunk(total: Array, count: Array, prior: float) -> Array:
    """Means, with so many entries of the mean over all added to each."""
    return np.asarray((total + prior * total.sum() / max(count.sum(), 1)) / (count + prior))


def _weights(shape: tuple[int, ...], width: float) -> Array:
    """Spectrum of (width^2 + distance^2)^-(n + 1/2) on a torus."""
    squares = np.full(shape, width**2)
    for k, side in enumerate(shape):
        offset = np.minimum(np.arange(side), side - np.arange(side)).astype(np.float64)
        squares += np.square(offset).reshape([-1 if j == k else 1 for j in range(len(shape))])
    scaled = (squares / width**2) ** -(len(shape) + 0.5)
    return fft.rfftn(scaled, workers=workers()).real
