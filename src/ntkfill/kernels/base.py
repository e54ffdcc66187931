"""What every kernel can be asked: a positive semi-definite function of two coordinates."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .table import Array

Coordinates = NDArray[np.integer]


class Kernel(Protocol):
    """What a solver may ask of a kernel on a grid of coordinates."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The grid."""

    def diagonal(self) -> Array:
        """K[i, i] for all coordinates, shape of the grid."""

    def block(self, rows: Coordinates, cols: Coordinates) -> Array:
        """K[rows, cols] for flat coordinates: shape (len(rows), len(cols))."""

    def matvec(self, x: Array) -> Array:
        """K x for x of shape (..., *shape)."""


def check_vector(x: Array, shape: tuple[int, ...]) -> None:
    """Refuse a vector over another grid than the kernel's."""
    if x.shape[x.ndim - len(shape) :] != shape or x.ndim < len(shape):
        raise InputError(
            "this vector has another grid than the kernel",
            expected=f"shape (..., {', '.join(map(str, shape))})",
            got=str(x.shape),
        )
