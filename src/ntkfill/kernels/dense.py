"""Kernels with all their entries in memory: of one matrix, or of many small blocks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import eigh

from ..errors import InputError
from ..runtime.resources import parallel_for, single_blas_thread
from .table import Array, Coordinates, check_vector

# Rows of a product that are the work of one thread, however many there are.
BLOCK = 256


@dataclass(frozen=True, eq=False)
class DenseKernel:
    """A kernel with all its entries in memory.

    Parameters
    ----------
    values : array of shape (n, n)
    shape : tuple of int
        Of the grid, n coordinates in all.

    Raises
    ------
    InputError
        If the shapes do not match.

    Examples
    --------
    >>> import numpy as np
    >>> DenseKernel(np.eye(2), (2,)).matvec(np.array([1.0, 2.0]))
    array([1., 2.])
    """

    values: Array
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        size = math.prod(self.shape)
        if self.values.shape != (size, size):
            raise InputError(
                f"values must have shape {(size, size)}", got=f"shape {self.values.shape}"
            )

    def __repr__(self) -> str:
        return f"DenseKernel(shape={self.shape}, dtype={self.values.dtype})"

    def diagonal(self) -> Array:
        return np.diagonal(self.values).reshape(self.shape)

    def block(self, rows: Coordinates, cols: Coordinates) -> Array:
        return self.values[np.ix_(rows, cols)]

    def matvec(self, x: Array) -> Array:
        check_vector(x, self.shape)
        flat = x.reshape(-1, self.values.shape[0])
        with single_blas_thread():
            return (flat @ self.values).reshape(x.shape)

    @cached_property
    def eigen(self) -> tuple[Array, Array]:
        """Eigenvalues (n,) and eigenvectors (n, n), in double precision."""
        with single_blas_thread():
            values, vectors = eigh(self.values.astype(np.float64))
        return values, vectors


@dataclass(frozen=True, eq=False)
class Blocks:
    """A block-diagonal kernel: coordinates of different blocks are uncorrelated.

    Parameters
    ----------
    values : array of shape (blocks, n, n)

    Examples
    --------
    >>> import numpy as np
    >>> Blocks(np.array([[[2.0]], [[3.0]]])).block(np.arange(2), np.arange(2))
    array([[2., 0.],
           [0., 3.]])
    """

    values: Array

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or self.values.shape[1] != self.values.shape[2]:
            raise InputError(
                "values of Blocks cannot be used",
                expected="shape (blocks, n, n)",
                got=f"shape {self.values.shape}",
            )

    def __repr__(self) -> str:
        return f"Blocks(shape={self.shape}, dtype={self.values.dtype})"

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape[:2]

    def diagonal(self) -> Array:
        return np.diagonal(self.values, axis1=1, axis2=2)

    def block(self, rows: Coordinates, cols: Coordinates) -> Array:
        (of_row, row), (of_col, col) = (np.divmod(at, self.shape[1]) for at in (rows, cols))
        values = self.values[of_row[:, None], row[:, None], col]
        return np.where(of_row[:, None] == of_col, values, values.dtype.type(0))

    def matvec(self, x: Array) -> Array:
        check_vector(x, self.shape)
        with single_blas_thread():
            return np.asarray((self.values @ x[..., None])[..., 0])


def product(left: Array, right: Array) -> Array:
    """left @ right, of shapes (n, k) and (k, m), on all cores.

    Examples
    --------
    >>> import numpy as np
    >>> product(np.ones((2, 3)), np.ones((3, 1)))
    array([[3.],
           [3.]])
    """
    result = np.empty((len(left), right.shape[1]), dtype=np.result_type(left, right))

    def work(first: int) -> None:
        rows = slice(first, first + BLOCK)
        np.matmul(left[rows], right, out=result[rows])

    with single_blas_thread():
        parallel_for(work, range(0, len(left), BLOCK))
    return result
