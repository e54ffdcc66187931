"""Tables ``T[r, d]``: functions of two coordinates of a grid that repeat with a period.

The kernel of a network on a grid is unchanged if both coordinates move by the network's period, so
K[i, i'] depends on r = i mod period and on the offset d = i' - i. Every array of a kernel
computation is a *table* with one dimension for r and one for d per axis: shape
``(*periods, *offset counts)``.
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
Coordinates = NDArray[np.integer]


@dataclass(frozen=True)
class Axis:
    """One axis of a grid, and the offsets that a table holds along it.

    Parameters
    ----------
    period : int
        The kernel repeats after this many coordinates.
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
        """The number of offsets held."""
        return self.side if self.side is not None else self.radius + self.tail_period

    @property
    def offsets(self) -> Index:
        return np.arange(self.count)

    def positions(self, offsets: Index) -> Index:
        """Indices of non-negative offsets in the table."""
        if self.side is not None:
            return offsets % self.side
        beyond = self.radius + (offsets - self.radius) % self.tail_period
        return np.where(offsets < self.count, offsets, beyond)

    def locate(self, remainder: Index, offset: Index) -> tuple[Index, Index]:
        """Indices of pairs in the table, for offsets of either sign."""
        if self.side is not None:
            return remainder % self.period, offset % self.side
        mirrored = np.where(offset < 0, self.period - 1 - remainder, remainder)
        return mirrored, self.positions(np.abs(offset))


def at_second(values: Array, axes: tuple[Axis, ...]) -> Array:
    """Values of each pair's second coordinate, ``values[(r + d) mod period]``, as a table; further
    dimensions of the values stay."""
    n, periods = len(axes), [axis.period for axis in axes]
    mesh = np.ix_(*map(np.arange, periods), *(axis.offsets for axis in axes))
    index = [(r + d) % p for r, d, p in zip(mesh[:n], mesh[n:], periods, strict=True)]
    return values.reshape(*periods, *values.shape[n:])[tuple(index)]


def check_torus(table: tuple[int, ...], axes: tuple[Axis, ...], shape: tuple[int, ...]) -> None:
    """Refuse a table that does not match its axes, and a torus that does not match either."""
    expected = tuple(axis.period for axis in axes) + tuple(axis.count for axis in axes)
    if table != expected or len(shape) != len(axes):
        raise InputError(
            f"table must have shape {expected} for a grid of {len(axes)} axes",
            got=f"shape {table} for {shape}",
        )
    for axis, side in zip(axes, shape, strict=True):
        if axis.side is not None:
            valid = side == axis.side and side % axis.period == 0
            required = str(axis.side)
        else:
            whole, smallest = math.lcm(axis.period, axis.tail_period), 2 * axis.radius - 1
            valid = side % whole == 0 and side >= smallest
            required = f"a multiple of {whole}, at least {smallest}"
        if not valid:
            hint = "boundary='pad', which takes any size"
            raise InputError(f"a side of the torus must be {required}", got=str(side), hint=hint)


def check_vector(x: Array, shape: tuple[int, ...]) -> None:
    """Refuse a vector over a grid of another shape."""
    if x.shape[x.ndim - len(shape) :] != shape or x.ndim < len(shape):
        raise InputError(
            f"x must have shape (..., {', '.join(map(str, shape))})", got=f"shape {x.shape}"
        )


def block(
    table: Array,
    axes: tuple[Axis, ...],
    shape: tuple[int, ...],
    rows: Coordinates,
    cols: Coordinates,
) -> Array:
    """K[rows, cols] for flat coordinates, some rows at a time to bound the index arrays."""
    result = np.empty((len(rows), len(cols)), dtype=table.dtype)
    columns = np.stack(np.unravel_index(cols, shape))[:, None, :]
    sides = np.array(shape)[:, None, None]
    step = max(1, (1 << 20) // max(1, len(cols)))
    for first in range(0, len(rows), step):
        part = np.stack(np.unravel_index(rows[first : first + step], shape))[:, :, None]
        offsets = (columns - part + sides // 2) % sides - sides // 2  # (n, rows, cols)
        places = [axis.locate(part[k] % axis.period, offsets[k]) for k, axis in enumerate(axes)]
        index = tuple(r for r, _ in places) + tuple(d for _, d in places)
        result[first : first + step] = table[index]
    return result
