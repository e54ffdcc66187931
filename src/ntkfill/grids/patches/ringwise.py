"""Deep holes completed from their rim inward: ring by ring, each known to the next."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from scipy import ndimage

from ...kernels.table import Index
from ...observed import Mask
from ..holdout import holes
from .options import Patches
from .passes import Pass


def depths(known: Mask, width: int) -> Index:
    """How far inside a hole every place lies, where holes are deeper than patches reach.

    Parameters
    ----------
    known : bool array of shape (*grid, channels)
        Of a place in a hole no channel is known.
    width : int
        Of a patch.

    Returns
    -------
    int array of shape (*grid)
        Steps to the nearest place outside the hole, diagonal ones included; zero outside, and in
        holes whose middle is seen by patches that also see something known.

    Examples
    --------
    >>> known = np.ones((40, 40, 1), bool)
    >>> known[2:6], known[10:18, 10:18] = False, False
    >>> depth = depths(known, 4)
    >>> int(depth[4].max()), depth[14, 9:18].tolist()
    (0, [0, 1, 2, 3, 4, 4, 3, 2, 1])
    """
    deep = holes(np.asarray(~known.any(axis=-1)), min_depth=width)
    depth: Index = ndimage.distance_transform_cdt(deep, "chessboard")
    return np.maximum(depth, 0)  # a hole without a rim has no depth


def inward(patches: Patches, known: Mask, ridge: float, square: float) -> tuple[Pass, ...]:
    """Passes that complete deep holes, a quarter of a patch at a time.

    The first time, what is not reached yet has no say in which patches are alike, since a fill is
    far too smooth there; then it is what the time before said.

    Parameters
    ----------
    patches : Patches
    known : bool array of shape (*grid, channels)
    ridge, square : float
        As for `Pass`.

    Returns
    -------
    tuple of Pass
        Empty where there is no deep hole.
    """
    if not patches.inward:
        return ()
    step = thickness(patches)
    wide = replace(patches, step=step, reach=reaching(patches))
    depth = depths(known, patches.width)[..., None]
    passes: list[Pass] = []
    for again in range(patches.inward):
        one = replace(wide, trust=patches.trust if again else 0)
        for start in range(0, int(depth.max(initial=0)), step):
            reached = np.broadcast_to(depth <= start, known.shape)
            asked = (depth > start) & (depth <= start + step) & ~known
            passes.append(Pass(one, reached, len(passes), ridge, square, asked))
    return tuple(passes)


def rings(patches: Patches, known: Mask) -> int:
    """How many passes there are inward."""
    if not patches.inward:
        return 0
    return patches.inward * math.ceil(depths(known, patches.width).max() / thickness(patches))


def reaching(patches: Patches) -> int:
    """From how far similar patches come: farther than otherwise, since what is near is missing."""
    return max(patches.reach, 2 * patches.width)


def thickness(patches: Patches) -> int:
    """How thick a ring is: a quarter of a patch, so that patches know most of what they need."""
    return max(min(2, patches.width // 2), math.ceil(patches.width / 4))
