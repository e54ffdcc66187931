"""Parts of a large grid that stand for all of it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..observed import Mask
from .architecture import depth

Window = tuple[slice, ...]

# On larger grids this many entries, in four windows, stand for all of them.
AREA = {1: 1 << 14, 2: 1 << 16, 3: 1 << 18}
# A window must show a hole with as much around it.
ROOM = 4


def windows(missing: Mask, weight: NDArray[np.float64]) -> Iterator[Window]:
    """The parts of a grid that stand for all of it: where the most weight is hidden."""
    n = missing.ndim
    area = AREA.get(n, AREA[3])
    if missing.size <= 1.5 * area:
        yield (slice(None),) * n
        return
    deepest = depth(missing | (weight > 0))
    side = max(math.ceil((area / 4) ** (1 / n)), ROOM * deepest)
    sides = tuple(min(side, whole) for whole in missing.shape)
    left = weight.copy()
    for _ in range(max(1, area // math.prod(sides))):
        corner = _heaviest(left, sides)
        window = tuple(slice(c, c + s) for c, s in zip(corner, sides, strict=True))
        if not left[window].any():
            return
        yield window
        left[window] = 0


def _heaviest(weight: NDArray[np.float64], sides: tuple[int, ...]) -> tuple[int, ...]:
    """The corner, in steps of half a side, of the window that holds the most."""
    sums = np.pad(weight, [(1, 0)] * weight.ndim)
    places = []
    for axis, side in enumerate(sides):
        sums = np.cumsum(sums, axis=axis)
        last = weight.shape[axis] - side
        starts = np.unique(np.append(np.arange(0, last, max(side // 2, 1)), last))
        places.append(starts)
        sums = np.take(sums, starts + side, axis=axis) - np.take(sums, starts, axis=axis)
    best = np.unravel_index(int(np.argmax(np.round(sums, 6))), sums.shape)
    return tuple(int(places[axis][k]) for axis, k in enumerate(best))
