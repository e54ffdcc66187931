"""The preconditioner of a product kernel on a table with gaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..kernels.table import Array
from ..observed import Mask
from ..runtime.threads import parallel_for

# An entry extends to others like (squared distance + CLOSE)^-4 on each side, the kernels having
# mean diagonal 1.
CLOSE = 0.05

# Rows at a time, on all cores; the systems that choices are tried on have fewer, and share the
# cores among themselves.
BLOCK = 320


def two_sided(left: Array, middle: Array, right: Array) -> Array:
    """left @ middle @ right, of shapes (n, k), (k, l) and (l, m).

    Examples
    --------
    >>> two_sided(np.ones((1, 2)), np.ones((2, 3)), np.ones((3, 1)))
    array([[6.]])
    """
    result = np.empty((len(left), right.shape[1]), dtype=np.result_type(left, middle, right))

    def work(first: int) -> None:
        rows = slice(first, first + BLOCK)
        np.matmul(left[rows] @ middle, right, out=result[rows])

    parallel_for(work, range(0, len(left), BLOCK))
    return result


@dataclass(frozen=True, eq=False)
class Extension:
    """E^T A^-1 E: the solve of the whole table, between known entries that are extended to the
    missing ones by inverse distances. In single precision: a guess need not be exact.

    Parameters
    ----------
    known : bool array of shape (n, m)
    near : tuple of arrays of shape (n, n) and (m, m)
        How much rows, and columns, speak for each other.
    share : array of shape (n, m)
        One over what all known entries weigh at a missing one.
    vectors : tuple of arrays of shape (n, n) and (m, m)
    spectrum : array of shape (n, m)
    """

    known: Mask
    near: tuple[Array, Array]
    share: Array
    vectors: tuple[Array, Array]
    spectrum: Array

    @classmethod
    def of(
        cls, known: Mask, near: tuple[Array, Array], vectors: tuple[Array, Array], spectrum: Array
    ) -> Extension:
        """Make ready; `near` as `nearness` gives it."""
        share = _single(np.where(known, 0.0, 1.0 / two_sided(near[0], known, near[1])))
        (left, right), (first, second) = map(_single, near), map(_single, vectors)
        return cls(known, (left, right), share, (first, second), _single(spectrum))

    def solve(self, y: Array, ridge: float) -> Array:
        """About the solve, for y that is zero where missing."""
        (near, close), (first, second) = self.near, self.vectors
        y = y.astype(np.float32)
        y += self.share * two_sided(near, y, close)
        turned = two_sided(first.T, y, second)
        turned /= self.spectrum + np.float32(ridge)
        found = two_sided(first, turned, second.T)
        found += two_sided(near, self.share * found, close)
        return np.where(self.known, found, 0.0).astype(np.float64)


def nearness(kernel: Array, own: float) -> Array:
    """How much coordinates speak for each other, by the distance that a kernel gives them.

    Parameters
    ----------
    kernel : array of shape (n, n)
        Of mean diagonal 1, with the identity in it.
    own : float
        How much identity that is; it sets all coordinates apart alike, so it does not count.

    Returns
    -------
    array of shape (n, n)

    Examples
    --------
    >>> nearness(np.array([[1.1, 1.0], [1.0, 1.1]]), 0.1).round()
    array([[160000., 160000.],
           [160000., 160000.]])
    """
    diagonal = np.diagonal(kernel)
    apart = diagonal[:, None] + diagonal - 2 * kernel - 2 * own
    return (np.maximum(apart, 0.0) + CLOSE) ** -4.0


def _single(values: Array) -> Array:
    return values.astype(np.float32)
