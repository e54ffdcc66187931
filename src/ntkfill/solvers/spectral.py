"""Kernel ridge regression and its errors of entries left out, from one eigendecomposition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..kernels import Kronecker, two_sided
from ..kernels.table import Array

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
        values, vectors = np.linalg.eigh(block / scale)
        return cls(np.maximum(values, 0.0), vectors, scale)

    def solve(self, y: Array, ridge: float) -> tuple[Array, Array]:
        """(K + ridge)^-1 y for y of shape (n, m), and the error of each value when left out."""
        inverse = 1.0 / (self.values + ridge)
        coefficients = self.vectors @ (inverse[:, None] * (self.vectors.T @ y))
        own = np.square(self.vectors) @ inverse
        return coefficients / self.scale, coefficients / own[:, None]

    def left_out_variance(self, ridge: float) -> float:
        """The mean posterior variance of values left out, noise included."""
        own = np.square(self.vectors) @ (1.0 / (self.values + ridge))
        return self.scale * float(np.mean(1.0 / own))

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


def kronecker_left_out(kernel: Kronecker, y: Array, ridge: float) -> Array:
    """The error of each entry when left out of a table y (n, m) that is known whole, under a
    Kronecker kernel without effects and an absolute ridge.

    Examples
    --------
    >>> from ntkfill.kernels import DenseKernel
    >>> kernel = Kronecker(DenseKernel(np.eye(1), (1,)), DenseKernel(np.eye(2), (2,)))
    >>> kronecker_left_out(kernel, np.array([[3.0, 4.0]]), 0.5)
    array([[3., 4.]])
    """
    (a, left), (b, right) = kernel.eigen
    inverse = 1.0 / (np.outer(np.maximum(a, 0.0), np.maximum(b, 0.0)) + ridge)
    coefficients = two_sided(left, two_sided(left.T, y, right) * inverse, right.T)
    return coefficients / two_sided(np.square(left), inverse, np.square(right).T)


def mean_diagonal(block: Array) -> float:
    """In double precision; 1 for a kernel that is zero."""
    return float(np.mean(np.diagonal(block), dtype=np.float64)) or 1.0
