"""Tables of networks, computed in slabs of a few offsets: in cache, and on all cores."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..kernels.table import Array
from ..runtime.progress import Progress
from ..runtime.resources import parallel_for
from .covariance import Axes, Offsets

# Entries of one slab: a few such arrays stay in a core's cache.
SLAB = 1 << 18


def in_slabs(
    slab: Callable[[Offsets], Array],
    axes: Axes,
    dtype: type,
    *,
    mean: bool = False,
    tables: tuple[int, ...] = (),
    progress: Progress | None = None,
) -> Array:
    """A table, or an array of some, computed slab by slab, each for a few offsets of the first
    axes.

    Where the remainders are averaged away and all axes are alike, swapping axes changes nothing,
    and only offsets at least as large as those of the first axis are computed.
    """
    n = len(axes)
    counts = [axis.count for axis in axes]
    periods = [1 if mean else axis.period for axis in axes]
    out: Array = np.empty((*tables, *periods, *counts), dtype=dtype)
    swap = mean and n > 1 and all(axis == axes[0] for axis in axes) and axes[0].side is None

    def fill(place: tuple[slice, ...]) -> None:
        offsets = [np.arange(count)[part] for count, part in zip(counts, place, strict=True)]
        out[(slice(None),) * (len(tables) + n) + place] = slab(offsets)

    parallel_for(fill, _places(axes, swap), progress)
    if swap:
        ordered = np.sort(np.indices(counts), axis=0)
        out = out[(0,) * n + tuple(ordered)].reshape(out.shape)
    return out


def _places(axes: Axes, swap: bool) -> list[tuple[slice, ...]]:
    """The offsets of each slab: a few of the first axis and, where those are still too many
    entries, of the second; with `swap` only offsets no smaller than those of the first axis."""
    counts = [axis.count for axis in axes]
    inner = math.prod(axis.period for axis in axes) * math.prod(counts[2:])
    width = inner * counts[1] if len(axes) > 1 else inner
    step = max(1, min(counts[0], SLAB // width))
    across = max(1, SLAB // (inner * step))
    slices: list[tuple[slice, ...]] = []
    for first in range(0, counts[0], step):
        chosen = slice(first, first + step)
        start = first if swap else 0
        if len(axes) == 1:
            slices.append((chosen,))
            continue
        rest = (slice(start, None),) * (len(axes) - 2)
        for second in range(start, counts[1], across):
            slices.append((chosen, slice(second, second + across), *rest))
    return slices
