"""The protocol of kernels: positive semi-definite functions of two coordinates of a grid."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .table import Array

Coordinates = NDArray[np.integer]


class Kernel(Protocol):
    """A positive semi-definite function of two coordinates of a grid."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The grid."""

    def diagonal(self) -> Array:
        """K[i, i] for all coordinates, shape of the grid."""

    def block(self, rows: Coordinates, cols: Coordinates) -> Array:
        """K[rows, cols] for flat coordinates: shape (len(rows), len(cols))."""

    def matvec(self, x: Array) -> Array:
        """K x for x of shape (..., *shape)."""
