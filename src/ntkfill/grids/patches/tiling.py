"""Patches of a grid: small boxes, each a row of entries that can be compared with others."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ...kernels.table import Array, Index

Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True)
class Tile:
    """Patches that are worked on together, and the part of the grid that they look at.

    Parameters
    ----------
    box : tuple of slice
        That part.
    corners : tuple of int arrays
        Where the patches begin along each axis of the box; every combination is one.
    """

    box: tuple[slice, ...]
    corners: tuple[Index, ...]

    def covered(self, width: tuple[int, ...]) -> tuple[slice, ...]:
        """The part of the box that is in a patch of this width."""
        both = zip(self.corners, width, strict=True)
        return tuple(slice(int(corner[0]), int(corner[-1]) + w) for corner, w in both)


def rows(values: NDArray[Number], width: tuple[int, ...]) -> NDArray[Number]:
    """Every patch of this width as a row.

    Parameters
    ----------
    values : array of shape (*grid, channels)
    width : tuple of int
        Of the patches, along each axis of the grid.

    Returns
    -------
    array of shape (places, entries)
        Places in the order of their corners, entries channel by channel.

    Examples
    --------
    >>> rows(np.arange(4)[:, None], (3,)).tolist()
    [[0, 1, 2], [1, 2, 3]]
    """
    view = sliding_window_view(values, width, axis=tuple(range(len(width))))
    return np.ascontiguousarray(view).reshape(-1, values.shape[-1] * math.prod(width))


def entries(shape: tuple[int, ...], width: tuple[int, ...]) -> Index:
    """Where the entries of the patch in the first corner stand in a flat array (*grid, channels).

    Examples
    --------
    >>> entries((4, 5, 1), (2, 2)).tolist()
    [0, 1, 5, 6]
    """
    flat = np.arange(math.prod(shape), dtype=np.intp).reshape(shape)
    first = flat[tuple(slice(w) for w in width)]
    return np.moveaxis(first, -1, 0).reshape(-1)


def tiles(
    grid: tuple[int, ...], width: tuple[int, ...], step: int, offset: Index, side: int, reach: int
) -> Iterator[list[Tile]]:
    """The patches that begin every `step` coordinates, in tiles; one list per band of the grid.

    Parameters
    ----------
    grid, width : tuple of int
    step : int
        Between patches; those at the ends of the grid are always there.
    offset : int array of shape (n,)
        Where the first ones begin besides, less than the step.
    side : int
        Coordinates between the first and the last corner of a tile, about.
    reach : int
        How far a tile sees beyond its corners.

    Yields
    ------
    list of Tile
    """
    count = max(side // step, 1)
    starts = []
    for whole, w, o in zip(grid, width, offset, strict=True):
        last = whole - w
        every = np.unique(np.concatenate([[0, last], np.arange(o, last, step)]))
        starts.append([every[k : k + count] for k in range(0, len(every), count)])
    for first in starts[0]:
        yield [
            _tile(corners, grid, width, reach)
            for corners in itertools.product([first], *starts[1:])
        ]


def _tile(
    corners: tuple[Index, ...], grid: tuple[int, ...], width: tuple[int, ...], reach: int
) -> Tile:
    box = tuple(
        slice(max(int(c[0]) - reach, 0), min(int(c[-1]) + reach + w, whole))
        for c, whole, w in zip(corners, grid, width, strict=True)
    )
    return Tile(box, tuple(c - part.start for c, part in zip(corners, box, strict=True)))


def corners(shape: tuple[int, ...], width: tuple[int, ...]) -> Index:
    """Where every patch begins in a flat array (*grid, channels), in the order of `rows`.

    Examples
    --------
    >>> corners((2, 3, 2), (1, 2)).tolist()
    [0, 2, 6, 8]
    """
    flat = np.arange(math.prod(shape), dtype=np.intp).reshape(shape)[..., 0]
    room = tuple(slice(side - w + 1) for side, w in zip(shape, width, strict=False))
    return flat[room].ravel()


def places(tile: Tile, shape: tuple[int, ...], width: tuple[int, ...]) -> Index:
    """The patches of a tile: which of the box's rows they are, shape (patches,).

    Parameters
    ----------
    tile : Tile
    shape : tuple of int
        Of the box, (*grid, channels).
    width : tuple of int
    """
    mesh = [axis.ravel() for axis in np.meshgrid(*tile.corners, indexing="ij")]
    room = tuple(side - w + 1 for side, w in zip(shape, width, strict=False))
    return np.ravel_multi_index(mesh, room)


def sums_by_place(values: Array, places: Index, size: int) -> Array:
    """The sum of the values at each place of a flat array, in double precision.

    Examples
    --------
    >>> sums_by_place(np.array([1.0, 2.0, 3.0]), np.array([0, 2, 0]), 3).tolist()
    [4.0, 0.0, 2.0]
    """
    return np.bincount(places.ravel(), values.ravel(), size)
