"""A fill refined by its own patches: each is completed anew from patches like it, in passes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from ...kernels.table import Array
from ...observed import Mask
from ...runtime.progress import Progress, stage
from ...runtime.resources import require, workers
from .options import PatchOptions, candidates
from .passes import BATCH, Pass, PassResult, all_passes, hole_depths, tile_length

# Relative to the variance of the fill, ridges and variances below this vanish in single precision.
MIN_VARIANCE = 1e-6
# Bytes for each value: fill, sums, weights, variances and the sums of one band of tiles; the masks
# of each ring-wise pass; what is kept of each pass for the attribution.
VALUE_BYTES, RING_BYTES, KEPT_BYTES = 84, 2, 16
# Bytes for each pair of entries of the patches that are solved together.
SOLVE_BYTES = 16


@dataclass(frozen=True, eq=False)
class Refined:
    """A fill refined by its own patches.

    Parameters
    ----------
    values : float array of shape (*grid, channels)
        Known entries as they were; where no patch shows anything known, the fill as it was.
    std : float array of shape (*grid, channels), optional
        Root of the mean posterior variance of the patches of the last pass, in deep holes of the
        last ring-wise one; 0 at known entries, NaN where no patch shows anything known. None where
        the fill was left as it was.
    """

    values: Array
    std: Array | None = None


def refine(
    filled: Array,
    missing: Mask,
    error: float,
    options: PatchOptions | None = None,
    progress: Progress | None = None,
) -> Refined:
    """Complete every patch of a fill anew from its nearest neighbours, in several passes.

    The kernel between two entries of a patch is their covariance over similar patches: the last
    fill is the feature prior. Patches overlap and are averaged, weighted by their precision.

    Parameters
    ----------
    filled : float array of shape (*grid, channels)
        An image without gaps.
    missing : bool array of shape (*grid) or (*grid, channels)
        True where it was filled in.
    error : float
        Root mean square error of the fill there, in units of the values.
    options : PatchOptions, optional
        The default depends on the number of axes and channels.
    progress : callable, optional
        Called with the share of the work that is done.

    Returns
    -------
    Refined

    Raises
    ------
    InputError
        If the error is negative, or there are more than 16 channels.
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
    scaled = _scaled(filled, missing, error, options)
    if scaled is None:
        return Refined(filled.copy(), np.zeros(filled.shape))
    std = np.full(filled.shape, np.nan)
    for one, _, result in scaled.run(progress):
        before = np.nan if one.targets is None else std
        new = np.sqrt(result.variance + MIN_VARIANCE) * scaled.scale
        std = np.where(result.weight > 0, new, before)
    values = result.values.astype(np.float64) * scaled.scale + scaled.level
    values = np.where(result.values == scaled.values, filled, values).astype(filled.dtype)
    return Refined(values, np.where(scaled.known, 0, std))


def attribution(
    filled: Array,
    missing: Mask,
    error: float,
    options: PatchOptions,
    at: tuple[int, ...],
) -> tuple[Array, Array]:
    """The weights of known entries, and of entries of the first fill, in a refined one.

    Each pass is linear in the known entries and in the fill before it, the kernels held fixed.

    Parameters
    ----------
    filled, missing, error, options
        As for `refine`.
    at : tuple of int
        Pixel and channel.

    Returns
    -------
    known, first : float arrays of shape (*grid, channels)
        With ``refined[at] == sum(known * filled) + sum(first * filled)``; `known` is zero where
        something is missing, `first` where it is known. Together they sum to one.

    Examples
    --------
    >>> ramp = np.arange(40.0)[:, None]
    >>> missing = np.arange(40) % 3 == 1
    >>> options = PatchOptions(width=16, step=4, search_radius=64)
    >>> known, first = attribution(ramp, missing, 0.1, options, (22, 0))
    >>> round(float(known.sum() + first.sum()), 6), round(float(((known + first) * ramp).sum()), 3)
    (1.0, 22.0)
    """
    gradient = np.zeros(filled.shape)
    gradient[at] = 1.0
    scaled = _scaled(filled, missing, error, options, keep_passes=True)
    if scaled is None:
        return np.where(known_entries(filled, missing), gradient, 0), gradient
    known = np.where(scaled.known, gradient, 0)
    gradient -= known
    kept = [(one, before, result.weight) for one, before, result in scaled.run(None)]
    for one, before, weight in reversed(kept):
        gradient = one.adjoint(before, weight, gradient)
        known += np.where(scaled.known, gradient, 0)
        gradient = np.where(scaled.known, 0, gradient)
    return known, gradient


def known_entries(filled: Array, missing: Mask) -> Mask:
    """Which entries of a fill (*grid, channels) are known, for a mask with or without channels."""
    gaps = missing if missing.ndim == filled.ndim else missing[..., None]
    return np.broadcast_to(~gaps, filled.shape)


@dataclass(frozen=True, eq=False)
class _Scaled:
    """A fill in units in which single precision is enough, and the passes over it."""

    values: Array  # float32 (*grid, channels)
    known: Mask  # (*grid, channels)
    level: Array  # (channels,)
    scale: float
    passes: tuple[Pass, ...]

    def run(self, progress: Progress | None) -> Iterator[tuple[Pass, Array, PassResult]]:
        """Every pass with the fill before it and its result."""
        values = self.values
        for number, one in enumerate(self.passes):
            result = one.apply(values, progress and stage(progress, number, len(self.passes)))
            yield one, values, result
            values = result.values


def _scaled(
    filled: Array,
    missing: Mask,
    error: float,
    options: PatchOptions | None,
    keep_passes: bool = False,
) -> _Scaled | None:
    """None where there is nothing to refine."""
    n = filled.ndim - 1
    options = candidates(n, filled.shape[-1])[0] if options is None else options
    if error < 0:
        raise InputError("error of the fill must be >= 0", got=repr(error))
    known = known_entries(filled, missing)
    deep = options.ring_passes > 0
    depth = hole_depths(known, options.width) if deep else np.zeros((1,) * n, np.intp)
    needed = working_memory(known.shape, options, int(depth.max(initial=0)), keep_passes)
    require("the refinement", needed, hint="refine=None (--fast)")
    level = filled.mean(axis=tuple(range(n)), dtype=np.float64)
    peak = float(np.abs(filled - level).max())
    if known.all() or not 0 < peak < math.inf:
        return None
    values = ((filled - level) / peak).astype(np.float32)
    scale = float(np.sqrt(np.mean(np.square(values), dtype=np.float64)))
    values /= np.float32(scale)
    scale *= peak
    mse = max((error / scale) ** 2, MIN_VARIANCE)
    passes = all_passes(options, known, depth, mse, MIN_VARIANCE)
    return _Scaled(values, known, level, scale, passes)


def working_memory(
    shape: tuple[int, ...], options: PatchOptions, depth: int, keep_passes: bool
) -> int:
    """Bytes for a grid of this shape (*grid, channels) with holes of this depth: what each value
    takes, and what each thread takes for a tile."""
    n, channels = len(shape) - 1, shape[-1]
    rings = options.ringwise()
    n_rings = options.ring_passes * math.ceil(depth / rings.step)
    per_value = VALUE_BYTES + RING_BYTES * n_rings
    per_value += keep_passes * KEPT_BYTES * (options.passes + n_rings)
    entries = options.width**n * channels
    widest = rings if n_rings else options
    patches = max(tile_length(n) // widest.step, 1) ** n
    # In single precision: neighbours, features and kernels of a tile, of which some are solved
    # together; before that all patches that it is compared with, their squares and masks, and the
    # distances between both.
    solves = SOLVE_BYTES * min(max(BATCH, entries**2), patches * entries**2)
    kernels = 4 * patches * entries * (2 * options.n_neighbours + entries)
    box = math.prod(min(tile_length(n) + 2 * widest.search_radius, side) for side in shape[:-1])
    lookup = box * (14 * entries + 12 * patches)
    return per_value * math.prod(shape) + workers() * max(solves + kernels, lookup)
