"""Multiply by a kernel that repeats with a period, tile by tile, without forming its matrix.

A grid of sides A * p is A^n tiles of p^n coordinates. Between two tiles k apart the kernel is one
(p^n, p^n) block, whatever the tiles: all tiles and right-hand sides are multiplied at once.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
from scipy import fft
from threadpoolctl import threadpool_limits

from ..runtime.memory import require
from ..runtime.threads import workers
from .table import Array, Axis

Operator = Callable[[Array], Array]


def banded(table: Array, axes: tuple[Axis, ...], shape: tuple[int, ...]) -> Operator | None:
    """The product through the 3^n blocks of tiles that touch, the far field as one constant.

    None where the kernel does not end at its neighbouring tiles.
    """
    n = len(axes)
    if any(axis.side is not None or axis.tail != 1 or axis.reach > axis.period for axis in axes):
        return None
    period = tuple(axis.period for axis in axes)
    far = table[(0,) * n + (-1,) * n]
    near = list(itertools.product((-1, 0, 1), repeat=n))
    half = near[len(near) // 2 :]  # the others are transposes
    size = math.prod(period)
    require(
        "the kernel's blocks",
        len(half) * size**2 * table.itemsize,
        hint="a network with fewer levels",
    )
    compact = table - far
    blocks = {step: _block(compact, axes, step) for step in half}

    def multiply(x: Array) -> Array:
        tiles = _split(x, shape, period)
        lead = tuple(range(1, 1 + n))
        result = np.zeros_like(tiles)
        for step in near:
            block = blocks[step] if step in blocks else blocks[tuple(-s for s in step)].T
            # The tile at a + step, seen from the tile at a.
            moved = np.roll(tiles, [-s for s in step], lead) if any(step) else tiles
            # One large product: the block is read once for all tiles and channels.
            result += (moved.reshape(-1, size) @ block.T).reshape(tiles.shape)
        sums = x.reshape(x.shape[: x.ndim - n] + (-1,)).sum(axis=-1, dtype=np.float64) * float(far)
        result += sums.reshape((-1,) + (1,) * (n + 1)).astype(x.dtype)
        return _join(result, x.shape, shape, period)

    return multiply


def fourier(
    table: Array, axes: tuple[Axis, ...], shape: tuple[int, ...], *, root: bool = False
) -> Operator:
    """The product through one block per frequency of the grid of tiles; for any far field.

    With `root`, that of the symmetric square root of the kernel.
    """
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
    near = [
        tuple((s + c // 2) % c - c // 2 for s, c in zip(step, count, strict=True)) for step in steps
    ]
    blocks = np.stack([_block(table, axes, step, shape) for step in near])
    blocks = blocks.reshape(*count, size, size)
    lead = tuple(range(n))
    waves = fft.rfftn(blocks, axes=lead, workers=workers())
    if root:
        with threadpool_limits(1):
            values, vectors = np.linalg.eigh((waves + np.conj(np.swapaxes(waves, -1, -2))) / 2)
            spread = vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :]
            waves = spread @ np.conj(np.swapaxes(vectors, -1, -2))

    def multiply(x: Array) -> Array:
        tiles = np.moveaxis(_split(x, shape, period), 0, -2)  # (*count, channels, size)
        spectrum = fft.rfftn(tiles, axes=lead, workers=workers())
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
    """Kernel between the coordinates of a tile and those of the tile `step` away."""
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
    """(..., *shape) to (channels, *tiles, p^n)."""
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
