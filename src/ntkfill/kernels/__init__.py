"""Kernels: positive semi-definite functions of two coordinates of a grid.

`DenseKernel` holds every entry, `Blocks` many small kernels, `Kronecker` the product of a kernel of
rows and one of columns, `Periodic` a table ``T[r, d]`` that repeats with the network's period,
`Stationary` one number per offset, `Coregionalised` the product of such a kernel and a covariance
of channels. All have ``shape``, ``diagonal()``, ``block(rows, cols)`` and
``matvec(x)``.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from .coregionalised import Coregionalised, across
from .dense import Blocks, DenseKernel, product
from .kronecker import Kronecker, two_sided
from .periodic import Periodic
from .stationary import Stationary, convolve
from .table import Array, Axis, Coordinates

__all__ = [
    "Blocks",
    "Coordinates",
    "Coregionalised",
    "DenseKernel",
    "Kernel",
    "Kronecker",
    "Periodic",
    "Stationary",
    "across",
    "convolve",
    "product",
    "two_sided",
]


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


def of_table(table: Array, axes: tuple[Axis, ...], shape: tuple[int, ...]) -> Kernel:
    """The kernel that holds a table ``T[r, d]``, or its mean over r, as compactly as it allows."""
    if table.ndim == len(axes):
        return Stationary(table, axes, shape)
    periodic = Periodic(table, axes, shape)
    if periodic.period != shape:
        return periodic
    every = np.arange(math.prod(shape))
    return DenseKernel(periodic.block(every, every), shape)
