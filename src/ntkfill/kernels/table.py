"""The axes of a grid, and the arrays ``T[r, d]`` that hold what two of its coordinates share.

A network on a grid treats coordinates i and i + period alike, so whatever it says of a pair (i, i')
depends on r = i mod period and on the offset d = i' - i. Every array of a kernel computation is a
*table* with one dimension for r and one for d per axis: shape ``(*periods, *offset counts)``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

Array = NDArray[Any]
Index = NDArray[np.intp]


@dataclass(frozen=True)
class Axis:
    """One axis of a grid, and which offsets a table holds along it.

    Parameters
    ----------
    period : int
        Coordinates this many apart are alike.
    side : int or None
        The number of coordinates of a circular axis: offsets 0 .. side - 1 are held, modulo side.
        ``None`` for an endless line: offsets 0 .. radius + tail_period - 1 are held, those
        from `radius` on repeat with period `tail_period`, negative ones follow by mirror symmetry.
    radius : int
        Endless line: the first offset that sees the constant or periodic tail only.
    tail_period : int
        Endless line: the period of the tail.

    Examples
    --------
    >>> Axis(period=2, radius=2).positions(np.arange(6)).tolist()
    [0, 1, 2, 2, 2, 2]
    >>> Axis(period=2, side=4).positions(np.arange(-2, 6)).tolist()
    [2, 3, 0, 1, 2, 3, 0, 1]
    """

    period: int = 1
    side: int | None = None
    radius: int = 1
    tail_period: int = 1

    @property
    def count(self) -> int:
        """How many offsets are held."""
        return self.side if self.side is not None else self.radius + self.tail_period

    @property
    def offsets(self) -> Index:
        return np.arange(self.count)

    def positions(self, offsets: Index) -> Index:
        """Where non-negative offsets stand in the table."""
        if self.side is not None:
            return offsets % self.side
        beyond = self.radius + (offsets - self.radius) % self.tail_period
        return np.where(offsets < self.count, offsets, beyond)

    def locate(self, remainder: Index, offset: Index) -> tuple[Index, Index]:
        """Where a pair stands in the table, for offsets of either sign."""
        if self.side is not None:
            return remainder % self.period, offset % self.side
        mirrored = np.where(offset < 0, self.period - 1 - remainder, remainder)
        return mirrored, self.positions(np.abs(offset))

    def downsampled(self) -> Axis:
        """The axis that is left when every second coordinate is kept."""
        if self.side is not None:
            return Axis(max(self.period // 2, 1), self.side // 2)
        tail = self.tail_period if self.tail_period % 2 else self.tail_period // 2
        return Axis(max(self.period // 2, 1), None, math.ceil(self.radius / 2), tail)

    def upsampled(self, mode: str) -> Axis:
        """The axis with two coordinates for each one, interpolated by nearest or bilinear."""
        period = 2 * self.period
        if self.side is not None:
            return Axis(period, 2 * self.side)
        if mode == "nearest":
            return Axis(
                period, None, 2 * self.radius, 2 * self.tail_period if self.tail_period > 1 else 1
            )
        return Axis(period, None, 2 * self.radius + 2, max(period, 2 * self.tail_period))


def along(index: Index, dimension: int, ndim: int) -> Index:
    """A one-dimensional index, reshaped to broadcast along one dimension of many."""
    return index.reshape([-1 if k == dimension else 1 for k in range(ndim)])


def neighbours(values: Array, axes: tuple[Axis, ...]) -> Array:
    """What each pair's second coordinate carries: ``values[(r + d) mod period]``, as a table."""
    n = len(axes)
    index = []
    for k, axis in enumerate(axes):
        r = along(np.arange(axis.period), k, 2 * n)
        d = along(axis.offsets, n + k, 2 * n)
        index.append((r + d) % axis.period)
    return values.reshape([axis.period for axis in axes])[tuple(index)]


def entries(table: Array, axes: tuple[Axis, ...], rows: Index, offsets: Index) -> Array:
    """Read a table at pairs (i, i + offset).

    Parameters
    ----------
    table : array of shape (*periods, *counts)
    axes : tuple of n Axis
    rows, offsets : integer arrays of shape (n, ...), broadcast against each other
        Coordinates i, and offsets of either sign.

    Returns
    -------
    array of shape (...)
    """
    places = [axis.locate(rows[k] % axis.period, offsets[k]) for k, axis in enumerate(axes)]
    return table[tuple(r for r, _ in places) + tuple(d for _, d in places)]


def check_torus(table: tuple[int, ...], axes: tuple[Axis, ...], shape: tuple[int, ...]) -> None:
    """Refuse a table of another shape than its axes say, and a torus that it does not cover."""
    expected = tuple(axis.period for axis in axes) + tuple(axis.count for axis in axes)
    if table != expected or len(shape) != len(axes):
        raise InputError(
            "the table does not fit its axes",
            expected=f"shape {expected} for a grid of {len(axes)} axes",
            got=f"shape {table} for {shape}",
        )
    for axis, side in zip(axes, shape, strict=True):
        _check_side(axis, side)


def _check_side(axis: Axis, side: int) -> None:
    whole = axis.period if axis.side is not None else math.lcm(axis.period, axis.tail_period)
    if (
        axis.side not in (None, side)
        or side % whole
        or (axis.side is None and side < 2 * axis.radius - 1)
    ):
        raise InputError(
            "the kernel does not fit a torus of this side",
            expected=f"a multiple of {whole}, at least {2 * axis.radius - 1}"
            if axis.side is None
            else str(axis.side),
            got=str(side),
            hint="boundary='pad', which takes any size",
        )


def block(
    table: Array,
    axes: tuple[Axis, ...],
    shape: tuple[int, ...],
    rows: NDArray[np.integer],
    cols: NDArray[np.integer],
) -> Array:
    """K[rows, cols], some rows at a time so that the index arrays stay small."""
    result = np.empty((len(rows), len(cols)), dtype=table.dtype)
    columns = np.stack(np.unravel_index(cols, shape))[:, None, :]
    sides = np.array(shape)[:, None, None]
    step = max(1, (1 << 20) // max(1, len(cols)))
    for first in range(0, len(rows), step):
        part = np.stack(np.unravel_index(rows[first : first + step], shape))[:, :, None]
        offsets = (columns - part + sides // 2) % sides - sides // 2
        result[first : first + step] = entries(table, axes, part, offsets)
    return result
