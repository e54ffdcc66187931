"""A fill made better by itself: every patch is completed anew from patches like it, in passes."""

from __future__ import annotations

import math

import numpy as np
from threadpoolctl import threadpool_limits

from ..grid import Array
from ..memory import require
from ..observed import Mask
from ..progress import stage
from ..solvers.base import Progress
from ..threads import spread, workers
from .cutting import Tile, entries, places, rows, sums_by_place, tiles
from .regression import precision, regress, similar
from .setting import Patches, offered

# Along one side of a tile on 1, 2 and 3 axes: so long that tiles share little of what they see.
SIDE = {1: 512, 2: 32, 3: 8}
# Bytes of the groups that are worked on at once, so that they stay in cache.
BATCH = 1 << 19
# Below this share of the variance single precision cannot tell a ridge from nothing.
TINY = 1e-6
# Values count alike whose variances are well below this share of the fill's error.
ALIKE = 0.1
# Bytes for each value: fill, sums, weights, and the answers of one band of tiles.
BYTES = 64
# Bytes for each pair of entries of the patches that are solved together.
SOLVES = 40


def refine(
    filled: Array,
    missing: Mask,
    error: float,
    patches: Patches | None = None,
    told: Progress | None = None,
) -> Array:
    """Complete every patch of a fill anew from the patches most like it, in several passes.

    Within a patch, the kernel between two pixels is the inner product of what the similar patches
    show there: the last fill is the feature prior. Patches overlap; each counts by how sure it is.

    Parameters
    ----------
    filled : float array of shape (*grid, channels)
        A picture without gaps.
    missing : bool array of shape (*grid) or (*grid, channels)
        What of it was filled in.
    error : float
        The root mean square error of the fill there, in units of the values.
    patches : Patches, optional
        The default is what suits most pictures with as many axes.
    told : callable, optional
        Called with the share of the work that is done.

    Returns
    -------
    float array of shape (*grid, channels)
        Known entries as they were; where no patch shows anything known, the fill as it was.

    Raises
    ------
    MemoryLimitError
        If it would not fit.

    References
    ----------
    Regression within groups of similar patches: Lebrun, Buades and Morel, "A nonlocal Bayesian
    image denoising algorithm", SIAM J. Imaging Sciences 2013, doi:10.1137/120874989.

    Examples
    --------
    >>> stripes = np.sin(np.arange(64) * 1.7)[:, None, None] + np.zeros((64, 64, 1))
    >>> missing = np.random.default_rng(0).random((64, 64)) < 0.5
    >>> filled = np.where(missing[..., None], 0.0, stripes)
    >>> bool(abs(refine(filled, missing, error=0.7) - stripes).max() < 0.1)
    True
    """
    n = filled.ndim - 1
    patches = offered(n, filled.shape[-1])[0] if patches is None else patches
    known = np.broadcast_to(~(missing if missing.ndim > n else missing[..., None]), filled.shape)
    require("the refinement", _bytes(filled.shape, patches), hint="refine=None")
    level = filled.mean(axis=tuple(range(n)), dtype=np.float64)
    peak = float(np.abs(filled - level).max())
    if known.all() or not 0 < peak < math.inf:
        return filled.copy()
    start = ((filled - level) / peak).astype(np.float32)
    scale = float(np.sqrt(np.mean(np.square(start), dtype=np.float64)))
    start /= np.float32(scale)
    values, scale = start, scale * peak
    square = max((error / scale) ** 2, TINY)
    with threadpool_limits(1):  # the order of sums must not depend on the number of threads
        for number, ridge in enumerate(patches.ridges(square)):
            part = stage(told, number, patches.passes)
            values = _one_pass(values, known, patches, number, max(ridge, TINY), square, part)
    result = values.astype(np.float64) * scale + level
    return np.where(values == start, filled, result).astype(filled.dtype)


def _bytes(shape: tuple[int, ...], patches: Patches) -> int:
    """Working memory: what each value takes, and what each thread takes for its small solves."""
    entries = patches.width ** (len(shape) - 1) * shape[-1]
    together = max(1, BATCH // (4 * patches.count * entries))
    return BYTES * math.prod(shape) + workers() * SOLVES * together * entries**2


def _one_pass(
    values: Array,
    known: Mask,
    patches: Patches,
    number: int,
    ridge: float,
    square: float,
    told: Progress | None,
) -> Array:
    """Every patch completed once; the lattice of patches lies elsewhere in each pass."""
    grid = values.shape[:-1]
    width = tuple(min(patches.width, side) for side in grid)
    offset = number * (2 * np.arange(len(grid)) + 1) % patches.step
    side = SIDE.get(len(grid), min(SIDE.values()))
    bands = list(tiles(grid, width, patches.step, offset, side, patches.reach))
    sums, weights = np.zeros(values.shape), np.zeros(values.shape)
    for k, band in enumerate(bands):
        done: list[tuple[Array, Array]] = [(sums, weights)] * len(band)

        def work(t: int, band: list[Tile] = band, done: list[tuple[Array, Array]] = done) -> None:
            done[t] = _completed(values, known, band[t], width, patches, ridge, square)

        spread(work, range(len(band)))
        for tile, (more, weight) in zip(band, done, strict=True):
            sums[tile.box] += more
            weights[tile.box] += weight
        if told is not None:
            told((k + 1) / len(bands))
    reached = weights > 0
    return np.where(reached, sums / np.where(reached, weights, 1), values).astype(np.float32)


def _completed(
    values: Array,
    known: Mask,
    tile: Tile,
    width: tuple[int, ...],
    patches: Patches,
    ridge: float,
    square: float,
) -> tuple[Array, Array]:
    """What the patches of a tile say of its box: sums of weighted values, and the weights."""
    part = values[tile.box]
    sums, weights = np.zeros(part.size), np.zeros(part.size)
    at, corners = places(tile, part.shape, width)
    seen = rows(known[tile.box], width)
    counts = seen[at].sum(axis=1)
    # Patches that know all have nothing to complete, those that know nothing nothing to go by.
    order = np.argsort(counts, kind="stable")
    order = order[(counts[order] > 0) & (counts[order] < seen.shape[1])]
    at, where = at[order], corners[order][:, None] + entries(part.shape, width)
    if not len(at):
        return sums.reshape(part.shape), weights.reshape(part.shape)
    candidates = rows(part, width)
    trust = np.where(seen[at], np.float32(1), np.float32(patches.trust))
    alike = similar(candidates[at], trust, candidates, patches.count)
    batch = max(1, BATCH // (candidates.itemsize * patches.count * candidates.shape[1]))
    for first in range(0, len(at), batch):
        some = slice(first, first + batch)
        seen_here = seen[at[some]]
        found, variance = regress(candidates[at[some]], seen_here, candidates[alike[some]], ridge)
        weight = precision(variance, seen_here, ALIKE * square)
        sums += sums_by_place(found * weight, where[some], part.size)
        weights += sums_by_place(weight, where[some], part.size)
    return sums.reshape(part.shape), weights.reshape(part.shape)
