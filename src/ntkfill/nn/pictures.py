"""The kernel of a network between whole pictures, as for their classification.

The table of two pictures is that of a grid whose period is the whole picture, and the layers act on
it as on any other. Pairs of pictures are further dimensions of the table.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from ..kernels.table import Array, Axis, at_second
from ..runtime.resources import parallel_for, require, single_blas_thread, workers
from .branches import Branches, joined
from .covariance import Axes, Covariance
from .evaluate import Kind
from .layers import Dropout
from .structure import Layer, out_axes

# Entries of the tables of one tile of pairs.
TILE = 1 << 19


def of_pictures(
    layers: Sequence[Layer], left: Array, right: Array | None = None, kind: Kind = "ntk"
) -> Array:
    """The kernel between pictures (n, channels, *grid) and (m, channels, *grid), on all cores."""
    other = left if right is None else right
    grid = left.shape[2:]
    axes = tuple(Axis(side, side) for side in grid)
    levels = [out_axes(layers[:k], axes) for k in range(len(layers) + 1)]
    entries = max(math.prod(axis.side or 1 for axis in level) ** 2 for level in levels)
    require(
        f"the kernel between pictures of the grid {grid}",
        8 * (len(left) * len(other) + 12 * workers() * max(entries, TILE)),
        hint="smaller pictures",
    )
    result = np.empty((len(left), len(other)), dtype=np.result_type(left, other))
    step = max(1, math.isqrt(TILE // entries))

    def tile(place: tuple[int, int]) -> None:
        rows, columns = (slice(start, start + step) for start in place)
        first, second = (
            left[rows, None],
            other[None, columns],
        )  # (n, 1, channels, *grid), (1, m, ..)
        own, part = _pairs(layers, first, second, axes, kind)
        if right is None and rows == columns:
            np.fill_diagonal(part, own)  # the same picture twice
        result[rows, columns] = part
        if right is None:
            result[columns, rows] = part.T

    starts = itertools.product(range(0, len(left), step), range(0, len(other), step))
    with single_blas_thread():
        parallel_for(tile, [(i, j) for i, j in starts if right is not None or i <= j])
    return result


def _pairs(
    layers: Sequence[Layer], first: Array, second: Array, axes: Axes, kind: Kind
) -> tuple[Array, Array]:
    """The kernel of the first pictures with themselves (n,), and of all pairs of a tile (n, m)."""
    tables = [_table(*pair, axes) for pair in ((first, first), (second, second), (first, second))]
    one, two = (Covariance.of_grid(table, axes) for table in tables[:2])
    states = one, two, _of_two(tables[2], np.zeros_like(tables[2]), one, two, axes)
    own, _, pairs = _run(layers, *states)
    return np.ravel(getattr(own, kind)), np.array(getattr(pairs, kind))


def _table(first: Array, second: Array, axes: Axes) -> Array:
    """Inner products of channels, T[r, d, n, m]."""
    one, two = (np.moveaxis(x, (0, 1, 2), (-2, -1, -3)) for x in (first, second))
    one = one.reshape(one.shape[: len(axes)] + (1,) * len(axes) + one.shape[len(axes) :])
    return np.einsum("...cnm,...cnm->...nm", one, at_second(two, axes))


def _of_two(nngp: Array, ntk: Array, one: Covariance, two: Covariance, axes: Axes) -> Covariance:
    """The state between pictures, whose variances are those of the pictures on their own."""
    return Covariance(nngp, ntk, one.left, two.right, axes)


def _run(
    layers: Sequence[Layer], one: Covariance, two: Covariance, both: Covariance
) -> tuple[Covariance, Covariance, Covariance]:
    """The layers on the states of first and second pictures and of the pairs."""
    for layer in layers:
        if isinstance(layer, Branches):
            each = [_run(branch, one, two, both) for branch in layer.branches]
            axes = each[0][0].axes
            one, two, both = (joined(layer, parts, axes) for parts in zip(*each, strict=True))
        else:
            # The zeros of dropout are drawn for each picture: those of two are independent.
            one, two = layer(one), layer(two)
            both = both if isinstance(layer, Dropout) else layer(both)
        both = _of_two(both.nngp, both.ntk, one, two, both.axes)
    return one, two, both
