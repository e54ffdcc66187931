"""Kernel ridge regression for one ridge, and its errors of values left out, from one factor.

An eigendecomposition has all ridges, and costs as much as ten of them or more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, lapack

from ..kernels.table import Array
from ..runtime.resources import single_blas_thread
from .spectral import mean_diagonal


@dataclass(frozen=True, eq=False)
class LeftOut:
    """A regression on values (n, g), each left out in turn.

    Examples
    --------
    >>> found = LeftOut.of(np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([[1.0], [0.0]]), ridge=0.5)
    >>> (found.coefficients * 2).round(3).ravel(), found.errors.round(3).ravel()
    (array([ 0.75, -0.25]), array([ 1.   , -0.333]))
    """

    ridge: float  # relative to the mean diagonal
    coefficients: Array  # (n, g)
    errors: Array  # (n, g)
    variance: float  # the mean posterior variance, noise included
    square: float  # the mean of squared errors

    @classmethod
    def of(cls, block: Array, y: Array, ridge: float) -> LeftOut:
        """In the precision of a positive semi-definite matrix (n, n), which is kept."""
        single = block.dtype == np.float32
        factor, invert = (
            (lapack.spotrf, lapack.strtri) if single else (lapack.dpotrf, lapack.dtrtri)
        )
        matrix = np.array(block, order="C")
        matrix[np.diag_indices(len(matrix))] += ridge * mean_diagonal(block)
        with single_blas_thread():
            lower, failed = factor(matrix.T, lower=1, overwrite_a=1)
            if failed:
                raise LinAlgError("the matrix is not positive definite")
            inverse, _ = invert(lower, lower=1, overwrite_c=1)
            own = np.einsum("ij,ij->j", inverse, inverse)
            coefficients = inverse.T @ (inverse @ y)
        errors = coefficients / own[:, None]
        return cls(
            ridge,
            coefficients,
            errors,
            float(np.mean(1.0 / own)),
            float(np.mean(np.square(errors))),
        )
