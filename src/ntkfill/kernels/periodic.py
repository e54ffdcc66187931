"""The exact kernel of a network on a torus, which repeats with the network's period.

The grid is cut into tiles of one period. Between two tiles a given number of tiles apart the kernel
is one (p^n, p^n) block, so all tiles and right-hand sides are multiplied at once, and the matrix is
never formed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import fft

from ..runtime.resources import require, single_blas_thread, workers
from .dense import product
from .stationary import Stationary
from .table import Array, Axis, Coordinates, block, check_torus, check_vector

Operator = Callable[[Array], Array]


@dataclass(frozen=True, eq=False)
class Periodic:
    """The exact kernel of a network on a torus, as a table ``T[r, d]``.

    Parameters
    ----------
    table : array of shape (*periods, *counts)
    axes : tuple of Axis
        The offsets that the table holds along each axis of the grid.
    shape : tuple of int
        Sides of the torus, each divisible by the axis' period.

    Raises
    ------
    InputError
        If the table, the axes and the torus do not match.

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
    def operator(self) -> Operator:
        """The faster exact way to multiply by this kernel."""
        return banded(self.table, self.axes, self.shape) or fourier(
            self.table, self.axes, self.shape
        )

    def shift_averaged(self) -> Stationary:
        """The mean over the remainders: the kernel of an ensemble of networks, one for each
        alignment of the downsampled grid."""
        n = len(self.axes)
        mean = self.table.mean(axis=tuple(range(n)), dtype=np.float64)
        return Stationary(mean, tuple(replace(axis, period=1) for axis in self.axes), self.shape)


def banded(table: Array, axes: tuple[Axis, ...], shape: tuple[int, ...]) -> Operator | None:
    """The product by the 3^n blocks of adjacent tiles plus the constant tail; None where the kernel
    varies beyond adjacent tiles."""
    n = len(axes)
    if any(
        axis.side is not None or axis.tail_period != 1 or axis.radius > axis.period for axis in axes
    ):
        return None
    period = tuple(axis.period for axis in axes)
    tail = table[(0,) * n + (-1,) * n]
    adjacent = list(itertools.product((-1, 0, 1), repeat=n))
    half = adjacent[len(adjacent) // 2 :]  # the others are transposes
    size = math.prod(period)
    require(
        "the kernel's blocks",
        len(half) * size**2 * table.itemsize,
        hint="a network with fewer levels",
    )
    compact = table - tail
    blocks = {step: _block(compact, axes, step) for step in half}

    def multiply(x: Array) -> Array:
        tiles = _split(x, shape, period)
        lead = tuple(range(1, 1 + n))
        result = np.zeros_like(tiles)
        for step in adjacent:
            block = blocks[step] if step in blocks else blocks[tuple(-s for s in step)].T
            moved = np.roll(tiles, [-s for s in step], lead) if any(step) else tiles
            # One large product: the block is read once for all tiles and right-hand sides.
            result += product(block, moved.reshape(-1, size).T).T.reshape(tiles.shape)
        sums = x.reshape(x.shape[: x.ndim - n] + (-1,)).sum(axis=-1, dtype=np.float64) * float(tail)
        result += sums.reshape((-1,) + (1,) * (n + 1)).astype(x.dtype)
        return _join(result, x.shape, shape, period)

    return multiply


def fourier(
    table: Array, axes: tuple[Axis, ...], shape: tuple[int, ...], *, root: bool = False
) -> Operator:
    """The product by one block per frequency of the grid of tiles, for any tail; with `root`, the
    product with the symmetric square root of the kernel."""
    n = len(axes)
    period = tuple(axis.period for axis in axes)
    count = [side // p for side, p in zip(shape, period, strict=True)]
    size = math.prod(period)
    require(
        "the kernel's blocks",
        2 * math.prod(count) * size**2 * table.itemsize,
        hint="a network with fewer levels",
    )
    steps = itertools.product(*(range(c) for c in count))
    nearest = [
        tuple((s + c // 2) % c - c // 2 for s, c in zip(step, count, strict=True)) for step in steps
    ]
    blocks = np.stack([_block(table, axes, step, shape) for step in nearest])
    blocks = blocks.reshape(*count, size, size)
    lead = tuple(range(n))
    waves = fft.rfftn(blocks, axes=lead, workers=workers())
    if root:
        with single_blas_thread():
            values, vectors = np.linalg.eigh((waves + np.conj(np.swapaxes(waves, -1, -2))) / 2)
            spread = vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :]
            waves = spread @ np.conj(np.swapaxes(vectors, -1, -2))

    def multiply(x: Array) -> Array:
        tiles = np.moveaxis(_split(x, shape, period), 0, -2)  # (*count, channels, size)
        spectrum = fft.rfftn(tiles, axes=lead, workers=workers())
        with single_blas_thread():
            product = spectrum @ np.conj(np.swapaxes(waves, -1, -2))
        result = fft.irfftn(product, s=count, axes=lead, workers=workers())
        return _join(np.moveaxis(result, -2, 0), x.shape, shape, period)

    return multiply


def _block(
    table: Array,
    axes: tuple[Axis, ...],
    step: tuple[int, ...],
    shape: tuple[int, ...] | None = None,
) -> Array:
    """The kernel between the coordinates of a tile and those of the tile `step` away."""
    n = len(axes)
    remainders, places = [], []
    for k, axis in enumerate(axes):
        row = np.arange(axis.period)[:, None]
        offset = row.T - row + axis.period * step[k]
        if shape is not None:
            offset = (offset + shape[k] // 2) % shape[k] - shape[k] // 2
        layout = [axis.period if j % n == k else 1 for j in range(2 * n)]
        r, d = axis.locate(np.broadcast_to(row, offset.shape), offset)
        remainders.append(r.reshape(layout))
        places.append(d.reshape(layout))
    size = math.prod(axis.period for axis in axes)
    return table[tuple(remainders) + tuple(places)].reshape(size, size)


def _split(x: Array, shape: tuple[int, ...], period: tuple[int, ...]) -> Array:
    """Reshape (..., *shape) to (channels, *tiles, p^n)."""
    n = len(shape)
    pairs = [k for s, p in zip(shape, period, strict=True) for k in (s // p, p)]
    tiles = x.reshape(-1, *pairs)
    order = (0, *range(1, 2 * n + 1, 2), *range(2, 2 * n + 1, 2))
    return tiles.transpose(order).reshape(len(tiles), *pairs[::2], -1)


def _join(
    tiles: Array, target: tuple[int, ...], shape: tuple[int, ...], period: tuple[int, ...]
) -> Array:
    """The inverse of `_split`."""
    n = len(shape)
    parts = tiles.reshape(-1, *[s // p for s, p in zip(shape, period, strict=True)], *period)
    order = [0] + [j for k in range(n) for j in (1 + k, 1 + n + k)]
    return parts.transpose(order).reshape(target)
