"""Patches of a grid as rows of an array, and tiles: groups of patches that are near each other."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ...kernels.table import Array, Index

Number = TypeVar("Number", bound=np.generic)
Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Tile:
    """Patches that are completed together, and the part of the grid that they are compared with."""

    box: tuple[slice, ...]  # that part
    covered: tuple[slice, ...]  # what the patches cover, within the box
    patches: Index  # (patches,): their rows in `extract_patches` of the box


def tiles(
    grid: Shape, width: Shape, step: int, offset: Index, length: int, radius: int
) -> Iterator[list[Tile]]:
    """The patches at offset + k * step along each axis and at both ends, in tiles about `length`
    long that see `radius` pixels around; one list per band along the first axis."""
    per_tile = max(length // step, 1)
    axes = []
    for side, w, o in zip(grid, width, offset, strict=True):
        last = side - w
        every = np.unique(np.concatenate([[0, last], np.arange(o, last, step)]))
        axes.append([every[k : k + per_tile] for k in range(0, len(every), per_tile)])
    for first in axes[0]:
        band = []
        for starts in itertools.product([first], *axes[1:]):
            box, covered, within, room = [], [], [], []
            for at, side, w in zip(starts, grid, width, strict=True):
                low, high = max(int(at[0]) - radius, 0), min(int(at[-1]) + radius + w, side)
                box.append(slice(low, high))
                covered.append(slice(int(at[0]) - low, int(at[-1]) - low + w))
                within.append(at - low)
                room.append(high - low - w + 1)
            mesh = [axis.ravel() for axis in np.meshgrid(*within, indexing="ij")]
            patches = np.ravel_multi_index(mesh, room)
            band.append(Tile(tuple(box), tuple(covered), patches))
        yield band


def extract_patches(values: NDArray[Number], width: Shape) -> NDArray[Number]:
    """Every patch of an array (*grid, channels), in the order of their corners: (patches, entries),
    entries channel by channel, in memory entry by entry.

    >>> extract_patches(np.arange(4)[:, None], (3,)).tolist()
    [[0, 1, 2], [1, 2, 3]]
    """
    n = len(width)
    view = sliding_window_view(values, width, axis=tuple(range(n)))
    view = np.moveaxis(view, range(n), range(-n, 0))  # (channels, *width, corners)
    return np.ascontiguousarray(view).reshape(values.shape[-1] * math.prod(width), -1).T


def patches_at(values: NDArray[Number], corners: Index, width: Shape) -> NDArray[Number]:
    """The patches that begin at these places of a flat array (*grid, channels): (*corners,
    entries).

    >>> patches_at(np.arange(8).reshape(2, 4, 1), np.array([1]), (2, 2)).tolist()
    [[1, 2, 5, 6]]
    """
    _, offsets = flat_index(values.shape, width)
    # Runs along the last axis of the grid are copied in one piece.
    step, run = values.shape[-1], width[-1]
    runs = sliding_window_view(values.ravel(), step * (run - 1) + 1)[:, ::step]
    places = corners[..., None] + offsets[::run]
    return np.ascontiguousarray(runs).take(places, axis=0).reshape(*corners.shape, -1)


@lru_cache(maxsize=64)
def flat_index(shape: Shape, width: Shape) -> tuple[Index, Index]:
    """Where patches stand in a flat array (*grid, channels): that of every corner, (patches,), and
    of every entry relative to the corner, (entries,).

    >>> flat_index((2, 3, 2), (1, 2))
    (array([0, 2, 6, 8]), array([0, 2, 1, 3]))
    """
    flat = np.arange(math.prod(shape), dtype=np.intp).reshape(shape)
    room = tuple(slice(side - w + 1) for side, w in zip(shape, width, strict=False))
    entries = np.moveaxis(flat[tuple(map(slice, width))], -1, 0)
    return flat[room][..., 0].ravel(), entries.ravel()


def sum_at(values: Array, places: Index, size: int) -> Array:
    """The sum of the values at each place of a flat array, in double precision: (size,)."""
    return np.bincount(places.ravel(), values.ravel(), size)
