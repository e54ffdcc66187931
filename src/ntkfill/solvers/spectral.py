"""Kernel ridge regression whose ridge is chosen by leave-one-out, all from one factorisation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from ..errors import InputError
from ..kernels.table import Array
from . import linalg

# Relative to the mean diagonal: from interpolation to almost the mean.
RIDGES = tuple(float(10.0**k) for k in np.arange(-4.0, 2.25, 0.25))


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The eigenvalues and eigenvectors of a kernel block, over its mean diagonal.

    Examples
    --------
    >>> spectrum = Spectrum.of(np.array([[2.0, 1.0], [1.0, 2.0]]))
    >>> coefficients, errors = spectrum.solve(np.array([[1.0], [0.0]]), ridge=0.5)
    >>> (coefficients * 2).round(3).ravel(), errors.round(3).ravel()
    (array([ 0.75, -0.25]), array([ 1.   , -0.333]))
    """

    values: Array
    vectors: Array
    scale: float

    @classmethod
    def of(cls, block: Array) -> Spectrum:
        """Factor a positive semi-definite matrix."""
        scale = mean_diagonal(block)
        values, vectors = eigh(block / scale, driver="evd", overwrite_a=True, check_finite=False)
        return cls(np.maximum(values, 0.0), vectors, scale)

    def solve(self, y: Array, ridge: float) -> tuple[Array, Array]:
        """(K + ridge)^-1 y for y of shape (n, m), and the error of each value when left out."""
        inverse = 1.0 / (self.values + ridge)
        coefficients = self.vectors @ (inverse[:, None] * (self.vectors.T @ y))
        own = np.square(self.vectors) @ inverse
        return coefficients / self.scale, coefficients / own[:, None]

    def choose(self, y: Array, ridges: tuple[float, ...] = RIDGES) -> float:
        """The ridge with the smallest mean squared error of values left out."""
        return ridges[int(np.argmin(self.errors(y, ridges)))]

    def errors(self, y: Array, ridges: tuple[float, ...] = RIDGES) -> Array:
        """The mean squared error of values left out, for every ridge."""
        inverse = 1.0 / (self.values[:, None] + np.array(ridges))
        own = np.square(self.vectors) @ inverse
        turned = self.vectors.T @ y
        # The mean over the columns of y, one at a time: all ridges are one product.
        total = np.zeros(len(ridges))
        for column in turned.T:
            left_out = self.vectors @ (inverse * column[:, None])
            left_out /= own
            total += np.einsum("ij,ij->j", left_out, left_out)
        return total / y.size


def cholesky(block: Array, ridge: float) -> Array:
    """The lower factor of K + ridge (relative to the mean diagonal); spends `block`.

    Raises
    ------
    InputError
        If the block is singular and the ridge too small to help.
    """
    block[np.diag_indices(len(block))] += ridge * mean_diagonal(block)
    try:
        return linalg.cholesky(block)
    except np.linalg.LinAlgError:
        raise InputError(
            "the kernel of the rows is singular", got=f"ridge {ridge:g}", hint="a larger ridge"
        ) from None


def mean_diagonal(block: Array) -> float:
    """In double precision; 1 for a kernel that is zero."""
    return float(np.mean(np.diagonal(block), dtype=np.float64)) or 1.0
