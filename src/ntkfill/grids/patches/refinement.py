"""A fill made better by itself: every patch is completed anew from patches like it, in passes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from ...errors import InputError
from ...kernels.table import Array
from ...observed import Mask
from ...runtime.memory import require
from ...runtime.progress import Progress, stage
from ...runtime.threads import workers
from .options import Patches, offered
from .passes import BATCH, Layer, Pass, side
from .ringwise import inward, reaching, rings, thickness

# Below this share of the variance single precision cannot tell a ridge, or a doubt, from nothing.
TINY = 1e-6
# Bytes for each value: fill, sums, weights, variances, and the answers of one band of tiles; the
# masks of each pass inward; and what each pass leaves to be traced back through.
BYTES, RING, TRACE = 80, 2, 16
# Bytes for each pair of entries of the patches that are solved together.
SOLVES = 40


@dataclass(frozen=True, eq=False)
class Refined:
    """A fill refined by its own patches.

    Parameters
    ----------
    values : float array of shape (*grid, channels)
        Known entries as they were; where no patch shows anything known, the fill as it was.
    std : float array of shape (*grid, channels), optional
        Root of the mean posterior variance of what the patches of the last pass say, in deep holes
        of the last one inward; zero at known entries, NaN where no patch shows anything known. None
        where the fill was left as it was.
    """

    values: Array
    std: Array | None = None


@dataclass(frozen=True, eq=False)
class _Scaled:
    """A fill in units in which single precision is enough, and the passes over it."""

    start: Array
    known: Mask
    level: Array
    scale: float
    passes: tuple[Pass, ...]

    def layers(self, told: Progress | None) -> Iterator[tuple[Pass, Array, Layer]]:
        """Every pass with the fill before it and after it."""
        values = self.start
        for number, one in enumerate(self.passes):
            with threadpool_limits(1):  # the order of sums must not depend on their number
                layer = one.over(values, stage(told, number, len(self.passes)))
            yield one, values, layer
            values = layer.values


def refine(
    filled: Array,
    missing: Mask,
    error: float,
    patches: Patches | None = None,
    told: Progress | None = None,
) -> Refined:
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
    Refined

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
    >>> better = refine(filled, missing, error=0.7)
    >>> bool(abs(better.values - stripes).max() < 0.1), bool(better.std.max() < 0.1)
    (True, True)
    """
    scaled = _scaled(filled, missing, error, patches)
    if scaled is None:
        return Refined(filled.copy(), np.zeros(filled.shape))
    std = np.full(filled.shape, np.nan)
    for one, _, layer in scaled.layers(told):
        before = std if one.asked is not None else np.nan
        std = np.where(layer.weights > 0, np.sqrt(layer.variance + TINY) * scaled.scale, before)
    result = layer.values.astype(np.float64) * scaled.scale + scaled.level
    values = np.where(layer.values == scaled.start, filled, result).astype(filled.dtype)
    return Refined(values, np.where(scaled.known, 0, std))


def trace(
    filled: Array,
    missing: Mask,
    error: float,
    patches: Patches,
    at: tuple[int, ...],
    told: Progress | None = None,
) -> tuple[Array, Array]:
    """What a refined entry is made of: weights of the known entries, and of the first fill's.

    Each pass is linear in the known entries and in the fill before it, the kernels held.

    Parameters
    ----------
    filled, missing, error, patches
        As for `refine`.
    at : tuple of int
        Pixel and channel.
    told : callable, optional

    Returns
    -------
    known, first : float arrays of shape (*grid, channels)
        With ``refined[at] == sum(known * filled) + sum(first * filled)``; the first is zero where
        something is missing, the second where it is known. Together they sum to one.

    Examples
    --------
    >>> ramp = np.arange(40.0)[:, None]
    >>> missing = np.arange(40) % 3 == 1
    >>> one = Patches(width=16, step=4, reach=64)
    >>> known, first = trace(ramp, missing, 0.1, one, (22, 0))
    >>> round(float(known.sum() + first.sum()), 6), round(float(((known + first) * ramp).sum()), 3)
    (1.0, 22.0)
    """
    gradient = np.zeros(filled.shape)
    gradient[at] = 1.0
    scaled = _scaled(filled, missing, error, patches, traced=True)
    if scaled is None:
        return np.where(known_entries(filled, missing), gradient, 0), gradient
    known = np.where(scaled.known, gradient, 0)
    gradient -= known
    done = [(one, before, layer.weights) for one, before, layer in scaled.layers(told)]
    with threadpool_limits(1):
        for one, before, weights in reversed(done):
            gradient = one.back(before, weights, gradient)
            known += np.where(scaled.known, gradient, 0)
            gradient = np.where(scaled.known, 0, gradient)
    return known, gradient


def _scaled(
    filled: Array, missing: Mask, error: float, patches: Patches | None, traced: bool = False
) -> _Scaled | None:
    """None where there is nothing to do."""
    n = filled.ndim - 1
    patches = offered(n, filled.shape[-1])[0] if patches is None else patches
    if error < 0:
        raise InputError("a fill has no negative error", got=repr(error))
    known = known_entries(filled, missing)
    require("the refinement", _bytes(known, patches, traced), hint="refine=None")
    level = filled.mean(axis=tuple(range(n)), dtype=np.float64)
    peak = float(np.abs(filled - level).max())
    if known.all() or not 0 < peak < math.inf:
        return None
    start = ((filled - level) / peak).astype(np.float32)
    scale = float(np.sqrt(np.mean(np.square(start), dtype=np.float64)))
    start /= np.float32(scale)
    scale *= peak
    square = max((error / scale) ** 2, TINY)
    passes = tuple(
        Pass(one, known, number, max(ridge, TINY), square)
        for number, (one, ridge) in enumerate(
            zip(patches.growing(), patches.ridges(square), strict=True)
        )
    )
    passes += inward(patches, known, passes[-1].ridge, square)
    return _Scaled(start, known, level, scale, passes)


def known_entries(filled: Array, missing: Mask) -> Mask:
    """Of shape (*grid, channels), whether all channels miss the same or each its own."""
    gaps = missing if missing.ndim == filled.ndim else missing[..., None]
    return np.broadcast_to(~gaps, filled.shape)


def _bytes(known: Mask, patches: Patches, traced: bool) -> int:
    """Working memory: what each value takes, and what each thread takes for a tile."""
    more = rings(patches, known)
    each = BYTES + RING * more + traced * TRACE * (patches.passes + more)
    n = known.ndim - 1
    entries = patches.width**n * known.shape[-1]
    together = max(1, BATCH // (4 * patches.count * entries))
    solves = SOLVES * together * entries**2
    reach, step = patches.reach, patches.step
    if more:
        reach, step = reaching(patches), thickness(patches)
    # In single precision: the groups, their features, and the kernels; what is looked up, its
    # squares, and what of it is known; and how far all of it is from the patches of the tile.
    tile = max(side(n) // step, 1) ** n
    kernels = 4 * tile * entries * (2 * patches.count + entries)
    box = math.prod(min(side(n) + 2 * reach, whole) for whole in known.shape[:-1])
    lookup = box * (14 * entries + 12 * tile)
    return each * known.size + workers() * (solves + kernels + lookup)
