"""Kernel ridge regression on landmarks, for more rows than a matrix of their pairs allows.

The prediction is a sum over m landmarks z, f(x) = sum_j a_j k(x, z_j), that minimises
|y - K_nm a|^2 + ridge a^T K_mm a over all n rows (Nystroem; Rudi, Carratino and Rosasco 2017,
arXiv:1705.10958). Only sums over the rows are needed, K_mn K_nm and K_mn y, so that rows come in
blocks. Its variance is that of the deterministic training conditional (Quinonero-Candela and
Rasmussen 2005, https://www.jmlr.org/papers/v6/quinonero-candela05a.html).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh, solve_triangular

from ..kernels.table import Array
from . import linalg

# Added to the kernel between landmarks, relative to its mean diagonal: two may be alike.
JITTER = 1e-8
# The variance that the rows explain is taken along so many directions, those that explain most.
DIRECTIONS = 256


@dataclass(frozen=True, eq=False)
class Landmarks:
    """A regression on landmarks, solved."""

    coefficients: Array  # (m, g)
    basis: Array  # (m, m), the inverse of the normal equations is basis @ basis.T
    directions: Array  # (m, r)

    @classmethod
    def solve(cls, kernel: Array, gram: Array, right: Array, ridge: float) -> Landmarks:
        """From K_mm, K_mn K_nm and K_mn y (m, g), for an absolute ridge; K_mm is overwritten.

        >>> one = Landmarks.solve(np.eye(1), np.array([[3.0]]), np.array([[6.0]]), ridge=1.0)
        >>> one.coefficients.round(6), one.explained(np.ones((1, 1))).round(6)
        (array([[1.5]]), array([0.75]))
        """
        kernel[np.diag_indices(len(kernel))] += JITTER * float(np.mean(np.diagonal(kernel)))
        lower = linalg.cholesky(kernel)
        half = solve_triangular(lower, gram, lower=True)
        whitened = solve_triangular(lower, half.T, lower=True)
        values, vectors = eigh((whitened + whitened.T) / 2, driver="evd", check_finite=False)
        values = np.maximum(values, 0.0)
        turned = solve_triangular(lower, vectors, lower=True, trans=1)
        basis = turned / np.sqrt(values + ridge)
        top = slice(max(len(values) - DIRECTIONS, 0), None)
        directions = basis[:, top] * np.sqrt(values[top])
        return cls(basis @ (basis.T @ right), basis, directions)

    def explained(self, cross: Array) -> Array:
        """The part of the variance (k,) that the rows explain, by the kernel (k, m)."""
        half = cross @ self.directions
        return np.asarray(np.einsum("ij,ij->i", half, half))

    def dual(self, cross: Array) -> Array:
        """(K_mn K_nm + ridge K_mm)^-1 cross^T, (m, k): times K_nm, the weights of the rows."""
        return self.basis @ (self.basis.T @ cross.T)
