"""The exact kernel of a network on a torus, which repeats with the network's period."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from . import tiles
from .base import Coordinates, check_vector
from .stationary import Stationary
from .table import Array, Axis, block, check_torus


@dataclass(frozen=True, eq=False)
class Periodic:
    """The exact kernel of a network on a torus, as a table ``T[r, d]``.

    Parameters
    ----------
    table : array of shape (*periods, *counts)
    axes : tuple of Axis
        What the table holds along each axis of the grid.
    shape : tuple of int
        Sides of the torus, each divisible by the axis' period.

    Examples
    --------
    >>> import numpy as np
    >>> kernel = Periodic(np.array([[2.0, 1.0, 0.0], [2.0, 0.0, 0.0]]), (Axis(2, None, 2),), (4,))
    >>> kernel.block(np.arange(4), np.arange(4))
    array([[2., 1., 0., 0.],
           [1., 2., 0., 0.],
           [0., 0., 2., 1.],
           [0., 0., 1., 2.]])
    """

    table: Array
    axes: tuple[Axis, ...]
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        check_torus(self.table.shape, self.axes, self.shape)

    def __repr__(self) -> str:
        return f"Periodic(shape={self.shape}, period={self.period}, dtype={self.table.dtype})"

    @property
    def period(self) -> tuple[int, ...]:
        return tuple(axis.period for axis in self.axes)

    def diagonal(self) -> Array:
        n = len(self.axes)
        one = self.table[(slice(None),) * n + (0,) * n]
        return np.tile(one, [s // p for s, p in zip(self.shape, self.period, strict=True)])

    def block(self, rows: Coordinates, cols: Coordinates) -> Array:
        return block(self.table, self.axes, self.shape, rows, cols)

    def matvec(self, x: Array) -> Array:
        check_vector(x, self.shape)
        return self.operator(x)

    @cached_property
    def operator(self) -> Callable[[Array], Array]:
        """The fastest exact way to multiply by this kernel that memory allows."""
        return tiles.banded(self.table, self.axes, self.shape) or tiles.fourier(
            self.table, self.axes, self.shape
        )

    def shift_averaged(self) -> Stationary:
        """The mean over the remainders: the kernel of an ensemble of networks, one for each
        placement of the sampling grid."""
        n = len(self.axes)
        mean = self.table.mean(axis=tuple(range(n)), dtype=np.float64)
        return Stationary(mean, tuple(replace(axis, period=1) for axis in self.axes), self.shape)
