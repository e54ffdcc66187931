"""A fill made better by itself: every window is completed anew from windows like it, in passes."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from ..grid import Array
from ..memory import require
from ..observed import Mask
from ..progress import stage
from ..solvers.base import Progress
from ..threads import spread
from .regression import precision, regress, similar
from .setting import Patches, default_patches
from .windows import Tile, entries, places, rows, sums_by_place, tiles

# Along one side of a tile on 1, 2 and 3 axes: so long that tiles share little of what they see.
SIDE = {1: 512, 2: 32, 3: 8}
# Bytes of the groups that are worked on at once, so that they stay in cache.
BATCH = 1 << 19
# Below this share of the variance single precision cannot tell a ridge from nothing.
TINY = 1e-6
# Values count alike whose variances are well below this share of the fill's error.
ALIKE = 0.1


def refine(
    filled: Array,
    missing: Mask,
    error: float,
    patches: Patches | None = None,
    told: Progress | None = None,
) -> Array:
    """Complete every window of a fill anew from the windows most like it, in several passes.

    Within a window, the kernel between two pixels is the inner product of what the similar windows
    show there: the last fill is the feature prior. Windows overlap; each counts by how sure it is.

    Parameters
    ----------
    filled : float array of shape (*grid, channels)
        A picture without gaps.
    missing : bool array of shape (*grid) or (*grid, channels)
        What of it was filled in.
    error : float
        The mean square error of the fill there, in squared units of the values.
    patches : Patches, optional
        The default is `default_patches` of the grid.
    told : callable, optional
        Called with the share of the work that is done.

    Returns
    -------
    float array of shape (*grid, channels)
        Known entries as they were; where no window shows anything known, the fill as it was.

    Raises
    ------
    MemoryLimitError
        If it would not fit.

    References
    ----------
    Regression within groups of similar windows: Lebrun, Buades and Morel, "A nonlocal Bayesian
    image denoising algorithm", SIAM J. Imaging Sciences 2013, doi:10.1137/120874989.

    Examples
    --------
    >>> stripes = np.sin(np.arange(64) * 1.7)[:, None, None] + np.zeros((64, 64, 1))
    >>> missing = np.random.default_rng(0).random((64, 64)) < 0.5
    >>> filled = np.where(missing[..., None], 0.0, stripes)
    >>> bool(abs(refine(filled, missing, error=0.5) - stripes).max() < 0.1)
    True
    """
    n = filled.ndim - 1
    patches = default_patches(n, filled.shape[-1]) if patches is None else patches
    missing = missing if missing.ndim > n else missing[..., None]
    known = np.broadcast_to(~missing, filled.shape)
    require("the refinement", 48 * filled.size, hint="refine=None")
    level = filled.mean(axis=tuple(range(n)), dtype=np.float64)
    values = (filled - level).astype(np.float32)
    least = TINY * float(np.mean(np.square(values), dtype=np.float64))
    if least == 0 or known.all():
        return filled.copy()
    alike = ALIKE * max(error, least)
    with threadpool_limits(1):  # the order of sums must not depend on the number of threads
        for number, ridge in enumerate(patches.ridges(error)):
            part = stage(told, number, patches.passes)
            values = _one_pass(values, known, patches, number, max(ridge, least), alike, part)
    return np.where(known, filled, (values + level).astype(filled.dtype))


def _one_pass(
    values: Array,
    known: Mask,
    patches: Patches,
    number: int,
    ridge: float,
    alike: float,
    told: Progress | None,
) -> Array:
    """Every window completed once; the grid of windows lies elsewhere in each pass."""
    grid = values.shape[:-1]
    width = tuple(min(patches.width, side) for side in grid)
    offset = number * (2 * np.arange(len(grid)) + 1) % patches.step
    side = SIDE.get(len(grid), min(SIDE.values()))
    bands = list(tiles(grid, width, patches.step, offset, side, patches.reach))
    sums, weights = np.zeros(values.shape), np.zeros(values.shape)
    for k, band in enumerate(bands):
        done: dict[int, tuple[Array, Array]] = {}

        def work(t: int, band: list[Tile] = band, done: dict = done) -> None:
            done[t] = _completed(values, known, band[t], width, patches, ridge, alike)

        spread(work, range(len(band)))
        for t, tile in enumerate(band):
            sums[tile.box] += done[t][0]
            weights[tile.box] += done[t][1]
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
    alike: float,
) -> tuple[Array, Array]:
    """What the windows of a tile say of its box: sums of weighted values, and the weights."""
    part, size = values[tile.box], values[tile.box].size
    candidates, seen = rows(part, width), rows(known[tile.box], width)
    at, corners = places(tile, part.shape, width)
    counts = seen[at].sum(axis=1)
    # Windows that know all have nothing to complete, those that know nothing nothing to go by.
    chosen = np.flatnonzero((counts > 0) & (counts < seen.shape[1]))
    chosen = chosen[np.argsort(counts[chosen], kind="stable")]
    sums, weights = np.zeros(size), np.zeros(size)
    within = entries(part.shape, width)
    batch = max(1, BATCH // (candidates.itemsize * patches.count * candidates.shape[1]))
    if len(chosen):
        windows = candidates[at[chosen]]
        trust = np.where(seen[at[chosen]], np.float32(1), np.float32(patches.trust))
        alikes = similar(windows, trust, candidates, patches.count)
    for first in range(0, len(chosen), batch):
        some = chosen[first : first + batch]
        groups = candidates[alikes[first : first + batch]]
        found, variance = regress(candidates[at[some]], seen[at[some]], groups, ridge)
        weight = precision(variance, seen[at[some]], alike)
        where = corners[some][:, None] + within
        sums += sums_by_place(found * weight, where, size)
        weights += sums_by_place(weight, where, size)
    return sums.reshape(part.shape), weights.reshape(part.shape)
