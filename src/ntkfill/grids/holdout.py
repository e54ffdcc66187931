"""Known entries hidden in the pattern of the missing ones, to see how well they are predicted."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..errors import InputError, check_number
from ..observed import Mask
from ..selection import hold_out

# Scattered gaps this deep would be seen by chance in one mask of a thousand; deeper is a hole.
CHANCE = 1e-3
# How many holes are moved, how often a place is looked for, and how often a hole is halved.
HOLES, TRIES, HALVINGS = 16, 64, 4
# Periods of gaps that are looked for, the known entries that say that a place of a period is known,
# and the share of the missing ones at places that are not from which on hidden ones say little.
PERIODS, SAYING, UNSEEN = range(2, 9), 20, 0.1
# A moved hole may meet so much of the holes that are there, and hide so much of what is known.
MEETING, MOST = 0.1, 0.25


@dataclass(frozen=True, eq=False)
class Hidden:
    """Known entries that are taken for missing, so that predictions of them can be judged.

    Parameters
    ----------
    mask : bool array of shape (*grid)
        True where hidden; never where missing.
    weight : float array of shape (*grid)
        What each hidden entry counts, so that together they stand for the missing ones: those in
        moved holes for holes, single ones for scattered gaps. One on average, zero elsewhere.
    """

    mask: Mask
    weight: NDArray[np.float64]

    def __len__(self) -> int:
        return int(self.mask.sum())


def hide(missing: Mask, *, share: float = 0.1, seed: int = 0) -> Hidden:
    """Hide known entries the way others are missing: scattered ones singly, holes as holes.

    Parameters
    ----------
    missing : bool array of shape (*grid)
    share : float
        Of the known entries, how many to hide singly, where gaps are scattered; between 0 and 1.
    seed : int
        Another seed hides other entries; the same one always the same.

    Returns
    -------
    Hidden
        Empty where nothing is missing or too little is known.

    Raises
    ------
    InputError
        If the share is not between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> missing = np.zeros((64, 64), bool)
    >>> missing[5:25, 5:25] = True
    >>> hidden = hide(missing)
    >>> len(hidden), bool((hidden.mask & missing).any())
    (400, False)
    """
    if not 0 < check_number("the share to hide", share) < 1:
        raise InputError("this share cannot be hidden", expected="between 0 and 1", got=repr(share))
    rng = np.random.default_rng(seed)
    known, deep = ~missing, holes(missing)
    moved = _moved(deep, rng) & known
    single = np.zeros_like(missing)
    scattered = int(missing.sum() - deep.sum())
    if scattered:
        single = hold_out(known & ~moved, share, rng)
    weight = np.zeros(missing.shape)
    for part, stands_for in ((moved, int(deep.sum())), (single, scattered)):
        if part.any():
            weight[part] = stands_for / part.sum()
    mask = moved | single
    if mask.any():
        weight /= weight[mask].mean()
    return Hidden(mask, weight)


def hide_each(missing: Mask, axes: int, *, share: float = 0.1, seed: int = 0) -> Hidden:
    """The same for a mask of so many axes, or of one more for channels that miss different entries:
    each of them then has its own hidden.

    Examples
    --------
    >>> import numpy as np
    >>> mosaic = np.indices((32, 32)).sum(axis=0)[..., None] % 2 == np.arange(2)
    >>> hidden = hide_each(mosaic, 2)
    >>> hidden.mask.sum(axis=(0, 1)).tolist(), bool((hidden.mask & mosaic).any())
    ([52, 52], False)
    """
    if missing.ndim == axes:
        return hide(missing, share=share, seed=seed)
    each = [
        hide(missing[..., channel], share=share, seed=seed + channel)
        for channel in range(missing.shape[-1])
    ]
    return Hidden(
        np.stack([one.mask for one in each], axis=-1),
        np.stack([one.weight for one in each], axis=-1),
    )


def period(missing: Mask, axes: int) -> int:
    """After how many coordinates gaps repeat that nothing known is like; 0 where they do not.

    Of every second row missing none is ever known, nor of a checkerboard, of an image to be
    enlarged, or of a colour filter array. Hidden entries then are of other rows than missing ones,
    with other neighbours, and say little of how well those are predicted.

    Parameters
    ----------
    missing : bool array of shape (*grid) or (*grid, channels)
    axes : int
        Of the grid.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.indices((32, 32))[0]
    >>> period(rows % 2 == 1, 2), period(rows > 20, 2)
    (2, 0)
    """
    if missing.ndim > axes:
        return max(period(missing[..., channel], axes) for channel in range(missing.shape[-1]))
    share = 1 - float(missing.mean()) if missing.size else 0.0
    for every in PERIODS:
        unseen = 0
        for first in itertools.product(range(every), repeat=axes):
            part = missing[tuple(slice(start, None, every) for start in first)]
            gone = int(part.sum())
            wanted = share * part.size
            if wanted >= SAYING and part.size - gone < UNSEEN * wanted:
                unseen += gone
        if unseen > UNSEEN * missing.sum():
            return every
    return 0


def holes(missing: Mask, least: int = 2) -> Mask:
    """The missing entries that lie in holes, deeper than gaps scattered at random would be.

    A box of b entries is wholly missing by chance with probability q^b, where the share q is
    missing; the smallest box that chance would not make anywhere is what tells a hole. Holes less
    deep than `least` are left out.
    """
    share = float(missing.mean()) if missing.size else 0.0
    if share in (0.0, 1.0):
        return missing.copy()
    box = math.log(missing.size / CHANCE) / -math.log(share)
    depth = max(least, math.ceil((box ** (1 / missing.ndim) + 1) / 2))
    deep = ndimage.distance_transform_cdt(missing, "chessboard") >= depth
    return missing & ndimage.maximum_filter(deep, size=2 * depth - 1, mode="constant")


def _moved(deep: Mask, rng: np.random.Generator) -> Mask:
    """The largest holes again, each at a place of its own, where few of the old ones are."""
    labels, _ = ndimage.label(deep, structure=np.ones((3,) * deep.ndim))
    boxes = ndimage.find_objects(labels)
    shapes = [labels[box] == k for k, box in enumerate(boxes, start=1)]
    shapes = sorted(shapes, key=lambda shape: -int(shape.sum()))[:HOLES]
    moved = np.zeros_like(deep)
    left = MOST * (deep.size - deep.sum())
    for shape in shapes:
        place = _place(shape, deep | moved, left, rng)
        if place is not None:
            where, fitted = place
            moved[where] |= fitted
            left -= int(fitted.sum())
    return moved & ~deep


def _place(
    shape: Mask, taken: Mask, left: float, rng: np.random.Generator
) -> tuple[tuple[slice, ...], Mask] | None:
    """Where a hole fits, halved as often as needed; the emptiest of some places, if any will do."""
    for _ in range(HALVINGS):
        room = [side - s for side, s in zip(taken.shape, shape.shape, strict=True)]
        if min(room) >= 0 and shape.sum() <= left:
            corners = [tuple(int(rng.integers(r + 1)) for r in room) for _ in range(TRIES)]
            places = [
                tuple(slice(c, c + s) for c, s in zip(corner, shape.shape, strict=True))
                for corner in corners
            ]
            met = [np.count_nonzero(taken[place] & shape) for place in places]
            best = int(np.argmin(met))
            if met[best] <= MEETING * shape.sum():
                return places[best], shape
        shape = shape[(slice(None, None, 2),) * shape.ndim]
    return None
