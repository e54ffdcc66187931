"""Known entries held out like the missing ones, to estimate how well those are predicted."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..observed import Mask
from ..selection import hold_out

Crop = tuple[slice, ...]

# Entries missing at random form a hole this deep anywhere in the mask with this probability.
HOLE_PROBABILITY = 1e-3
# Runs of missing entries that chance does not make count as holes if they are as long as this.
MIN_RUN = 8
# Holes that are copied at most, copies of them where each has several, places tried for each, and
# how often one that does not fit is halved.
MAX_HOLES, MAX_COPIES, MAX_PLACES, MAX_HALVINGS = 256, 16, 64, 4
# A copy may overlap the missing holes by this share of its size; all copies together hold out at
# most this share of the entries outside holes.
MAX_OVERLAP, MAX_COPIED = 0.1, 0.25
# What lies beside a hole at the border may be this share of the known entries: half as deep it
# would say too little of the error.
MAX_BESIDE = 0.4
# Periods of a mask that are tested. A phase of the grid is never known if less than this share of
# the expected number of known entries is known there, where at least so many are expected.
PERIODS, NEVER_KNOWN, MIN_EXPECTED = range(2, 9), 0.1, 20
# Deeper pixels are few, so that distances are measured around them alone.
SHALLOW = 4
# Larger grids are represented by crops with this many entries in all, by number of axes.
CROPPED_SIZE = {1: 1 << 14, 2: 1 << 16, 3: 1 << 18}
# Sides of a crop, in depths of the largest hole: it must show the hole and its surroundings.
CROP_SIDE = 4


@dataclass(frozen=True, eq=False)
class Holdout:
    """Known entries that are held out, and the weight of each in the estimated error.

    Entries in held-out holes stand for missing holes, single ones for scattered gaps: weights are 1
    on average over the mask, 0 outside.
    """

    mask: Mask  # (*grid), or (*grid, channels) where channels miss different entries
    weight: NDArray[np.float64]  # of the same shape
    in_holes: Mask  # those in copies of holes

    def __len__(self) -> int:
        return int(self.mask.sum())

    def independent(self, missing: Mask, crop: Crop, axes: int | None = None) -> float:
        """How many independent errors the held-out pixels of a crop have: neighbours in a hole are
        predicted well or badly together.

        Of a copied hole, as many as it holds cubes as deep as itself; of single pixels, as many as
        are as deep as one of them count as one.
        """
        if axes is not None and missing.ndim > axes:
            parts = (self.mask, self.weight, self.in_holes, missing)
            channels = zip(*(np.moveaxis(part, -1, 0) for part in parts), strict=True)
            return sum(Holdout(*each).independent(gaps, crop) for *each, gaps in channels)
        n, mask, copied = missing.ndim, self.mask[crop], self.in_holes[crop]
        deep = ndimage.distance_transform_cdt(missing[crop] | mask, "chessboard").astype(np.float64)
        labels, count = ndimage.label(copied, structure=np.ones((3,) * n))
        index = np.arange(1, count + 1)
        of_holes = ndimage.sum_labels(copied, labels, index)
        depths = np.maximum(ndimage.maximum(deep, labels, index), 1.0)
        return float(np.sum(deep[mask & ~copied] ** -n) + np.sum(of_holes / depths**n))


def hold_out_like(
    missing: Mask,
    axes: int | None = None,
    *,
    share: float = 0.1,
    random_state: int = 0,
    copies: int = 1,
) -> Holdout:
    """Hold out known entries in the pattern of the missing ones: copies of holes, where these are
    few, up to so many of each, and, where gaps are scattered, a share of the known entries. Empty
    where nothing is missing or too little known.

    With one axis more than the grid has (`axes`), each channel has its own held-out entries.

    >>> missing = np.zeros((64, 64), bool)
    >>> missing[5:25, 5:25] = True
    >>> holdout = hold_out_like(missing)
    >>> len(holdout), bool((holdout.mask & missing).any())
    (400, False)
    """
    if axes is not None and missing.ndim > axes:
        each = [
            hold_out_like(
                missing[..., channel],
                share=share,
                random_state=random_state + channel,
                copies=copies,
            )
            for channel in range(missing.shape[-1])
        ]
        return Holdout(
            np.stack([one.mask for one in each], axis=-1),
            np.stack([one.weight for one in each], axis=-1),
            np.stack([one.in_holes for one in each], axis=-1),
        )
    turn, none = Turn.of(missing), np.zeros_like(missing)
    found = Holdout(none, np.zeros(missing.shape), none.copy())
    missing = turn(missing)
    mask, weight, copied = map(turn, (found.mask, found.weight, found.in_holes))  # views
    rng = np.random.default_rng(random_state)
    in_holes = holes(missing) | lines(missing)
    copied |= _copied_holes(in_holes, rng, copies) & ~missing
    mask |= copied
    n_scattered = int(missing.sum() - in_holes.sum())
    if n_scattered:
        mask |= hold_out(~(missing | copied | _beyond(missing)), share, rng)
    for part, n_missing in ((copied, int(in_holes.sum())), (mask & ~copied, n_scattered)):
        if part.any():
            weight[part] = n_missing / part.sum()
    if mask.any():
        weight /= weight[mask].mean()
    return found


def _beyond(missing: Mask) -> Mask:
    """Entries at both ends of an axis at whose ends nothing is missing: nothing is known beyond
    them, as it is beyond all missing entries."""
    beyond = np.zeros_like(missing)
    for axis, side in enumerate(missing.shape):
        ends = np.swapaxes(missing, 0, axis)[[0, -1]]
        if side > 2 and not ends.any():
            np.swapaxes(beyond, 0, axis)[[0, -1]] = True
    return beyond


@dataclass(frozen=True)
class Turn:
    """A transpose and flips, the same for every orientation of a mask: what is held out, and which
    crops are looked at, then does not depend on how an image lies."""

    order: tuple[int, ...]  # of the axes
    flipped: tuple[int, ...]  # axes, before they are ordered

    @classmethod
    def of(cls, missing: Mask) -> Turn:
        """By how many entries are missing in each line across an axis: more of them at the end."""
        every = range(missing.ndim)
        counts = [
            missing.sum(axis=tuple(other for other in every if other != axis)).tolist()
            for axis in every
        ]
        flipped = tuple(axis for axis in every if counts[axis] > counts[axis][::-1])
        keys = [(len(count), min(count, count[::-1])) for count in counts]
        return cls(tuple(sorted(every, key=keys.__getitem__)), flipped)

    def __call__(self, array: NDArray[Any]) -> NDArray[Any]:
        """A view of an array."""
        return np.flip(array, self.flipped).transpose(self.order)

    def crop_back(self, crop: Crop, shape: tuple[int, ...]) -> Crop:
        """The part of an array of this shape that a crop of the turned one is."""
        along = [crop[place] for place in np.argsort(self.order)]
        return tuple(
            slice(side - each.stop, side - each.start) if axis in self.flipped else each
            for axis, (each, side) in enumerate(zip(along, shape, strict=True))
        )


def hold_out_shifted(missing: Mask, axes: int, share: float = 0.5) -> Holdout:
    """Hold out known entries in the very pattern of the missing ones, where these are few: moved by
    a share of the grid."""
    by, every = tuple(int(share * side) for side in missing.shape[:axes]), tuple(range(axes))
    moved = np.roll(missing, by, every) & ~missing
    if missing.ndim > axes:
        each = [holes(missing[..., channel]) for channel in range(missing.shape[-1])]
        deep = np.stack(each, axis=-1)
    else:
        deep = holes(missing)
    return Holdout(moved, moved.astype(np.float32), moved & np.roll(deep, by, every))


def depth(missing: Mask, axes: int | None = None, steps: tuple[float, ...] | None = None) -> int:
    """The largest Chebyshev distance of a missing pixel to a known one (Euclidean where pixels are
    `steps` apart), over all channels where the mask has one axis more than the grid (`axes`)."""
    if axes is not None and missing.ndim > axes:
        channels = range(missing.shape[-1])
        return max(depth(missing[..., channel], axes, steps) for channel in channels)
    if not missing.any():
        return 1
    if steps is not None:
        return math.ceil(ndimage.distance_transform_edt(missing, sampling=steps).max())
    deep = missing
    for shallow in range(1, SHALLOW + 1):
        deep = eroded(deep, 1)
        if not deep.any():
            return shallow
    # What the deepest pixel sees lies around these.
    box = tuple(
        slice(max(int(places.min()) - SHALLOW - 1, 0), int(places.max()) + SHALLOW + 2)
        for places in np.nonzero(deep)
    )
    return int(ndimage.distance_transform_cdt(missing[box], "chessboard").max())


def eroded(mask: Mask, radius: int) -> Mask:
    """Where everything within this Chebyshev distance is True, as far as there is a grid.

    >>> eroded(np.array([1, 1, 1, 0, 1, 1], bool), 1).astype(int).tolist()
    [1, 1, 0, 0, 0, 1]
    """
    for axis in range(mask.ndim):
        done = 0
        while done < radius:
            by = min(done + 1, radius - done)
            before, after = (
                tuple(part if k == axis else slice(None) for k in range(mask.ndim))
                for part in (slice(None, -by), slice(by, None))
            )
            smaller = mask.copy()
            smaller[after] &= mask[before]
            smaller[before] &= mask[after]
            mask, done = smaller, done + by
    return mask


def holes(missing: Mask, min_depth: int = 2) -> Mask:
    """The missing entries in holes: deeper than `min_depth`, and than entries missing at random.

    If a share q is missing at random, a box of b entries is wholly missing with probability q^b.
    """
    share = float(missing.mean()) if missing.size else 0.0
    if share in (0.0, 1.0):
        return missing.copy()
    box = math.log(missing.size / HOLE_PROBABILITY) / -math.log(share)
    deep = max(min_depth, math.ceil((box ** (1 / missing.ndim) + 1) / 2))
    return opened(missing, deep - 1)


def opened(mask: Mask, radius: int) -> Mask:
    """What is within this Chebyshev distance of where everything within it is True.

    >>> opened(np.array([1, 1, 0, 0, 1, 1, 1, 0], bool), 1).astype(int).tolist()
    [1, 1, 0, 0, 1, 1, 1, 0]
    """
    middle = eroded(mask, radius)
    return mask & ~eroded(~middle, radius) if middle.any() else middle


def lines(missing: Mask) -> Mask:
    """The missing entries in runs along an axis that are longer than among entries missing at
    random: scratches, lost rows and slices, however thin.

    >>> missing = np.zeros((20, 20), bool)
    >>> missing[7] = missing[2, 3] = True
    >>> lines(missing).sum(axis=1).nonzero()[0].tolist()
    [7]
    """
    share = float(missing.mean()) if missing.size else 0.0
    if share in (0.0, 1.0):
        return missing.copy()
    length = max(math.ceil(math.log(missing.size / HOLE_PROBABILITY) / -math.log(share)), MIN_RUN)
    runs, found = missing.view(np.uint8), np.zeros_like(missing)
    for axis, side in enumerate(missing.shape):
        if length <= side:
            middles = ndimage.minimum_filter1d(runs, length, axis, mode="constant")
            back = length % 2 - 1  # windows of even length have no middle
            found |= ndimage.maximum_filter1d(
                middles, length, axis, found.dtype, "constant", origin=back
            )
    return found


def pattern_period(missing: Mask, axes: int) -> int:
    """The period of a mask of which some phase is never known; 0 where there is none.

    Examples are every second row, a checkerboard, an image to be enlarged, a colour filter array.
    Held-out entries then have other neighbours than missing ones and say little about them.

    >>> rows = np.indices((32, 32))[0]
    >>> pattern_period(rows % 2 == 1, 2), pattern_period(rows > 20, 2)
    (2, 0)
    """
    if missing.ndim > axes:
        return max(
            pattern_period(missing[..., channel], axes) for channel in range(missing.shape[-1])
        )
    known_share = 1 - float(missing.mean()) if missing.size else 0.0
    for period in PERIODS:
        never_known = 0
        for phase in itertools.product(range(period), repeat=axes):
            part = missing[tuple(slice(start, None, period) for start in phase)]
            n_missing, expected = int(part.sum()), known_share * part.size
            if expected >= MIN_EXPECTED and part.size - n_missing < NEVER_KNOWN * expected:
                never_known += n_missing
        if never_known > NEVER_KNOWN * missing.sum():
            return period
    return 0


def octave_coarser(missing: Mask) -> tuple[tuple[Any, ...], Mask] | None:
    """Where the known entries are a lattice, such as every second row or a grid to be enlarged:
    their index, and among them the same pattern of missing ones; None elsewhere.

    >>> rows, pattern = octave_coarser(np.indices((9, 3))[0] % 2 == 1)
    >>> rows[0].ravel().tolist(), pattern[:, 0].tolist()
    ([0, 2, 4, 6, 8], [False, True, False, True, False])
    """
    if 3 * np.count_nonzero(missing) < missing.size:  # every second of three rows is the least
        return None
    every = range(missing.ndim)
    kept = [
        np.flatnonzero(~missing.all(axis=tuple(other for other in every if other != axis)))
        for axis in every
    ]
    lattice = np.ix_(*kept)
    steps = [np.unique(np.diff(places)) for places in kept]
    if any(len(step) != 1 for step in steps) or missing[lattice].any():
        return None
    sides = tuple(map(len, kept))
    pattern = np.zeros(sides, bool)
    for axis, step in enumerate(steps):
        along = np.arange(sides[axis]) % step[0] > 0
        pattern |= along.reshape([-1 if axis == other else 1 for other in every])
    return (lattice, pattern) if pattern.any() else None


def gaps_along_lines(lattice: tuple[Any, ...], pattern: Mask) -> Mask | None:
    """Gaps as wide as those between the lines of a lattice (`octave_coarser`), along the longest
    axis along which lines are known completely; None where there is no such axis.

    >>> lattice, pattern = octave_coarser(np.indices((9, 5))[0] % 2 == 1)
    >>> gaps_along_lines(lattice, pattern)[0].tolist()
    [False, True, False, True, False]
    """
    steps = [int(np.diff(places.ravel())[0]) for places in lattice]
    complete = [axis for axis, step in enumerate(steps) if step == 1]
    if not complete:
        return None
    axis = max(complete, key=lambda one: pattern.shape[one])
    return np.asarray(np.indices(pattern.shape)[axis] % max(steps) > 0)


def crops(
    missing: Mask, weight: NDArray[np.float64], axes: int | None = None, *, spread: bool = False
) -> list[Crop]:
    """Crops of one size that represent a large grid: those with the most held-out weight, or, where
    this is `spread` over the grid, more and smaller ones at random places that have some. A mask
    may have one axis more than the grid (`axes`), for channels."""
    if axes is not None and missing.ndim > axes:
        missing, weight = np.asarray(missing.any(axis=-1)), weight.sum(axis=-1)
    n, size = missing.ndim, CROPPED_SIZE.get(missing.ndim, CROPPED_SIZE[3])
    if missing.size <= 1.5 * size:
        return [(slice(None),) * n]
    turn = Turn.of(missing)
    shape, missing, weight = missing.shape, turn(missing), turn(weight)
    deepest = depth(missing | (weight > 0))
    side = max(math.ceil((size / (16 if spread else 4)) ** (1 / n)), CROP_SIDE * deepest)
    rng = np.random.default_rng(0)
    sides = tuple(min(side, whole) for whole in missing.shape)
    found: list[Crop] = []
    # Boxes begin at multiples of half their side: the weight in every cell between their edges.
    held_out = np.nonzero(weight)
    flat, counts, starts, ends = np.zeros(len(held_out[0]), np.intp), [], [], []
    for length, whole, places in zip(sides, missing.shape, held_out, strict=True):
        last = whole - length
        first = np.unique(np.append(np.arange(0, last, max(length // 2, 1)), last))
        edges = np.unique(np.append(first, first + length))
        counts.append(len(edges) - 1)
        flat = flat * counts[-1] + np.searchsorted(edges, places, side="right") - 1
        starts.append(first)
        ends.append([np.searchsorted(edges, at) for at in (first, first + length)])
    cells = np.bincount(flat, weight[held_out], math.prod(counts)).reshape(counts)
    for _ in range(max(1, size // math.prod(sides))):
        sums = cells
        for axis, (first, end) in enumerate(ends):
            sums = np.cumsum(np.pad(sums, [(int(k == axis), 0) for k in range(n)]), axis=axis)
            sums = np.take(sums, end, axis=axis) - np.take(sums, first, axis=axis)
        sums = np.maximum(np.round(sums, 6), 0.0)
        place = int(np.argmax(sums))
        if spread and sums.any():
            place = int(rng.choice(sums.size, p=sums.ravel() / sums.sum()))
        best = np.unravel_index(place, sums.shape)
        inside = tuple(slice(e[0][k], e[1][k]) for e, k in zip(ends, best, strict=True))
        if not cells[inside].any():
            break
        corner = [int(along[k]) for along, k in zip(starts, best, strict=True)]
        crop = tuple(slice(c, c + length) for c, length in zip(corner, sides, strict=True))
        found.append(turn.crop_back(crop, shape))
        cells[inside] = 0
    return found


def _copied_holes(in_holes: Mask, rng: np.random.Generator, copies: int) -> Mask:
    """Copies of the largest holes at random places that overlap little with the holes; of those at
    the border of the grid, beside themselves, so that they too have no known entries beyond; of
    those all over the grid, somewhere else as a whole."""
    labels, _ = ndimage.label(in_holes, structure=np.ones((3,) * in_holes.ndim))
    boxes = ndimage.find_objects(labels)
    found = [(box, labels[box] == k) for k, box in enumerate(boxes, start=1)]
    found = sorted(found, key=lambda one: -int(one[1].sum()))[:MAX_HOLES]
    copies = max(1, min(copies, MAX_COPIES // max(len(found), 1)))
    copied = np.zeros_like(in_holes)
    n_known = in_holes.size - in_holes.sum()
    left = MAX_COPIED * n_known
    for origin, shape in found:
        if _everywhere(origin, shape, in_holes):
            hole = np.zeros_like(in_holes)
            hole[origin] = shape
            away = tuple(int(rng.integers(side // 4, side - side // 4)) for side in hole.shape)
            copied |= np.roll(hole, away, range(hole.ndim)) & ~in_holes
            left = MAX_COPIED * n_known - copied.sum()
        elif (beside := _beside(origin, shape, in_holes, copied)) is not None:
            copied |= beside
            left -= int(beside.sum())
        else:
            # As far as a hole is deep, there is as much missing around a copy as around itself.
            apart = int(ndimage.distance_transform_cdt(np.pad(shape, 1), "chessboard").max())
            around = int(in_holes[_wider(origin, apart)].sum() - shape.sum())
            for _ in range(copies):
                box, smaller = None, shape
                for _ in range(MAX_HALVINGS):
                    if smaller.sum() <= left:
                        box = _place(smaller, around, apart, in_holes | copied, rng)
                    if box is not None:
                        copied[box] |= smaller
                        left -= int(smaller.sum())
                        break
                    smaller = smaller[(slice(None, None, 2),) * shape.ndim]
    return copied & ~in_holes


def _everywhere(box: Crop, shape: Mask, in_holes: Mask) -> bool:
    """Whether a hole, such as clouds that touch, is all over the grid, but not all around it."""
    sides = zip(box, in_holes.shape, strict=True)
    if shape.mean() > 0.5 or any(2 * (at.stop - at.start) <= whole for at, whole in sides):
        return False
    hole = np.zeros_like(in_holes)
    hole[box] = shape
    faces = [hole.take(end, axis) for axis in range(hole.ndim) for end in (0, -1)]
    return bool(np.concatenate([face.ravel() for face in faces]).mean() < 0.5)


def _beside(box: Crop, shape: Mask, in_holes: Mask, copied: Mask) -> Mask | None:
    """The known entries around a hole at the border of the grid, as far as the hole is deep; none
    where too few would be left, and None for a hole inside, or from one border to the other."""
    ends = [
        (along.start == 0, along.stop == whole)
        for along, whole in zip(box, in_holes.shape, strict=True)
    ]
    if not (all(map(all, ends)) or any(first != last for first, last in ends)):
        return None
    hole = np.zeros_like(in_holes)
    hole[box] = shape
    apart = ndimage.distance_transform_cdt(~hole, "chessboard")
    width = int(ndimage.distance_transform_cdt(hole, "chessboard").max())
    room = MAX_BESIDE * (~in_holes).sum() - copied.sum()
    while True:
        beside = (apart <= width) & ~(in_holes | copied)
        if beside.sum() <= room or not width:
            return np.asarray(beside)
        width = 0 if copied.any() else width // 2


def _place(
    shape: Mask, around: int, apart: int, taken: Mask, rng: np.random.Generator
) -> Crop | None:
    """The box of some random ones in which the shape overlaps little with what is taken, and that
    has about as much of it `around`, within so many entries."""
    room = [whole - side for whole, side in zip(taken.shape, shape.shape, strict=True)]
    if min(room) < 0:
        return None
    boxes = [
        tuple(
            slice(c, c + side)
            for c, side in zip((int(rng.integers(r + 1)) for r in room), shape.shape, strict=True)
        )
        for _ in range(MAX_PLACES)
    ]
    overlaps = np.array([np.count_nonzero(taken[box] & shape) for box in boxes])
    near = np.array([np.count_nonzero(taken[_wider(box, apart)]) for box in boxes])
    excess = np.maximum(near - around, 0)
    best = int(np.argmin(np.where(overlaps <= MAX_OVERLAP * shape.sum(), excess, np.inf)))
    return boxes[best] if overlaps[best] <= MAX_OVERLAP * shape.sum() else None


def _wider(box: Crop, by: int) -> Crop:
    return tuple(slice(max(along.start - by, 0), along.stop + by) for along in box)
