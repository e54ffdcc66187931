"""A kernel of channels and coordinates: a stationary kernel times a covariance of channels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..errors import InputError
from ..runtime.resources import single_blas_thread
from .stationary import Stationary, convolve
from .table import Array, Coordinates, check_vector


@dataclass(frozen=True, eq=False)
class Coregionalised:
    """K[(c, i), (c', i')] = covariance[c, c'] space[i, i'], never formed whole.

    Coordinate i of channel c has the flat index ``c * n + i`` among n coordinates. Geostatistics
    calls this the intrinsic coregionalisation model (Alvarez, Rosasco and Lawrence 2012,
    doi:10.1561/2200000036).

    Parameters
    ----------
    space : Stationary
        Of the coordinates.
    covariance : array of shape (m, m)
        Of the channels; positive semi-definite.

    Raises
    ------
    InputError
        If the covariance is not square.

    Examples
    --------
    >>> from ntkfill.kernels.table import Axis
    >>> space = Stationary(np.array([2.0, 1.0, 1.0]), (Axis(1, 3),), (3,))
    >>> kernel = Coregionalised(space, np.array([[1.0, 0.5], [0.5, 1.0]]))
    >>> kernel.block(np.array([0]), np.arange(6))
    array([[2. , 1. , 1. , 1. , 0.5, 0.5]])
    """

    space: Stationary
    covariance: Array

    def __post_init__(self) -> None:
        if self.covariance.ndim != 2 or len(set(self.covariance.shape)) != 1:
            raise InputError(
                "the covariance of channels must be square", got=f"shape {self.covariance.shape}"
            )

    def __repr__(self) -> str:
        return f"Coregionalised(shape={self.shape}, {self.space!r})"

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.covariance), *self.space.shape)

    @cached_property
    def eigen(self) -> tuple[Array, Array]:
        """Eigenvalues (m, *frequencies), in the layout of a real FFT, and eigenvectors (m, m) of
        the covariance."""
        with single_blas_thread():
            values, vectors = np.linalg.eigh(self.covariance)
        return np.multiply.outer(np.maximum(values, 0.0), self.space.spectrum), vectors

    def diagonal(self) -> Array:
        return np.multiply.outer(np.diagonal(self.covariance), self.space.diagonal())

    def block(self, rows: Coordinates, cols: Coordinates) -> Array:
        size = math.prod(self.space.shape)
        (row, at), (column, other) = np.divmod(rows, size), np.divmod(cols, size)
        return self.covariance[np.ix_(row, column)] * self.space.block(at, other)

    def matvec(self, x: Array) -> Array:
        check_vector(x, self.shape)
        return across(self.covariance, convolve(x, self.space.spectrum), len(self.space.shape))


def across(matrix: Array, x: Array, axes: int) -> Array:
    """A matrix (m, m) times the channels of x (..., m, *grid), for a grid with so many axes."""
    lead, grid = x.shape[: x.ndim - axes], x.shape[x.ndim - axes :]
    with single_blas_thread():
        return np.asarray(matrix.astype(x.dtype) @ x.reshape(*lead, -1)).reshape(*lead, *grid)
