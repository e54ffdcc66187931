"""Small gaps in large grids, predicted from what is near them.

Beside known pixels, those far away say next to nothing: what they add is below the tolerance of the
solve. Thin gaps are predicted in windows of one size. These share one matrix, K + ridge, and its
inverse P, by which missing pixels follow from the known ones of the window through a system of the
size of what is missing: x[m] = -P[m, m]^-1 P[m, k] y[k]. Deep holes are solved as any grid is, on a
crop around each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import linalg, ndimage

from ..kernels import Stationary
from ..kernels.table import Array, Index
from ..observed import Mask
from ..runtime.progress import Progress
from ..runtime.resources import parallel_for, workers
from ..uncertainty.scale import WIDTH
from .holdout import depth, eroded

# Grids of fewer pixels are solved whole.
LARGE = 1 << 20
# Of windows, by number of axes: the side of the core whose gaps are predicted, the margin around
# it, and the depth of the deepest gaps in it (docs/decisions/0013-windows.md).
CORE, MARGIN, DEPTH = {1: 256, 2: 16}, {1: 128, 2: 12}, {1: 32, 2: 4}
# The margin around a deep hole is what the networks see, and so many times its depth; where the
# level around the hole says what is far, one depth is enough for them.
DEPTHS = 4
# Grids are solved whole where more than this share is missing, or the crops would be larger.
MAX_MISSING, MAX_CROPPED = 0.03, 0.5
# Windows that are looked at at once; missing pixels in windows that are solved at once, whose rows
# fit into a cache.
CHUNK, ROWS = 1 << 9, 1 << 10

Box = tuple[slice, ...]


@dataclass(frozen=True, eq=False)
class Windows:
    """The gaps of a grid, in windows and crops.

    Parameters
    ----------
    missing : bool array of shape (*grid)
    cores : int array of shape (n, axes)
        The first pixel of the core of each window that holds a thin gap.
    crops : tuple of (outer, near, inner)
        For each deep hole, in pixels of the grid: the box that is solved, the one where it has a
        level that was subtracted, and the part of both whose gaps are taken from there.
    """

    missing: Mask
    cores: Index
    crops: tuple[tuple[Box, Box, Box], ...]

    @classmethod
    def of(cls, missing: Mask, reach: int) -> Windows | None:
        """None where to solve the grid whole costs less; `reach` is the receptive radius."""
        n, grid = missing.ndim, missing.shape
        count = np.count_nonzero(missing)
        if n not in CORE or missing.size < LARGE or not 0 < count <= MAX_MISSING * missing.size:
            return None
        core, side = CORE[n], CORE[n] + 2 * MARGIN[n]
        if min(grid) < side:
            return None
        deep = eroded(missing, DEPTH[n])
        # Tiles of deep holes, and all those whose windows would show one.
        tiles = _in_tiles(deep, core)
        tiles = ndimage.maximum_filter(tiles, 2 * math.ceil(side / core) + 1)
        labels, _ = ndimage.label(tiles, structure=np.ones((3,) * n))
        crops, cropped = [], 0
        for box in ndimage.find_objects(labels):
            inner = tuple(slice(core * along.start, core * along.stop) for along in box)
            deepest = depth(missing[inner])
            margin = max(reach, DEPTHS * deepest)
            outer, near = (widened(inner, by, grid) for by in (margin, deepest))
            crops.append((outer, near, inner))
            cropped += math.prod(along.stop - along.start + reach for along in outer)
        if cropped > MAX_CROPPED * missing.size:
            return None
        cores = core * np.argwhere(_in_tiles(missing, core) & (labels == 0))
        return cls(missing, cores, tuple(crops))

    def fill(
        self,
        pixels: Array,
        mean: Array,
        kernel: Stationary,
        ridge: float,
        progress: Progress | None = None,
    ) -> Array:
        """What a kernel predicts at the thin gaps of pixels (*grid, channels), less their mean
        (channels,): (n_missing, channels), zero in deep holes. What stands at missing pixels is not
        read."""
        n, (side, corners, jobs) = self.missing.ndim, self._jobs()
        inverse = linalg.inv(window(kernel, side, ridge), overwrite_a=True, check_finite=False)
        rows = inverse.astype(pixels.dtype)
        shown = sliding_window_view(pixels, (side,) * n, tuple(range(n)))
        hidden = sliding_window_view(self.missing, (side,) * n)
        result = np.zeros((np.count_nonzero(self.missing), len(mean)), pixels.dtype)

        def fill_some(of: Index) -> None:
            at = tuple(corners[of].T)
            gaps = hidden[at].reshape(len(of), -1)  # (windows, side^n)
            m = np.nonzero(gaps)[1].reshape(len(of), -1)  # (windows, count)
            y = shown[at].reshape(len(of), len(mean), -1) - mean[:, None].astype(pixels.dtype)
            y[np.broadcast_to(gaps[:, None], y.shape)] = 0.0  # (windows, channels, side^n)
            taken = rows[m]
            # Matrices times vectors: BLAS takes twice to five times as long with three columns.
            each = [(taken @ y[:, k, :, None])[..., 0] for k in range(len(mean))]
            right = np.stack(each, axis=-1)  # (windows, count, channels)
            found = np.linalg.solve(inverse[m[:, :, None], m[:, None, :]], -right)
            mine, order = self._mine(of, m, side, corners)
            result[order] = found[mine]

        parallel_for(fill_some, jobs, progress)
        return result

    def std(
        self,
        filled: Array,
        mean: Array,
        fitted: Stationary,
        prior: Stationary,
        ridge: float,
        noise: float,
        progress: Progress | None = None,
    ) -> Array:
        """Standard deviations of what `fill` found, exact but for the scale of the kernel, which is
        that of the pixels around: (n_missing, channels), zero in deep holes.

        `uncertainty.Posterior` says what the two kernels are. The error of a gap is v^T f for the
        row v of P[m, m]^-1 P[m, :].
        """
        n, (side, corners, jobs) = self.missing.ndim, self._jobs()
        covariance = window(prior, side, noise / float(prior.values.flat[0])).astype(np.float32)
        inverse = linalg.inv(window(fitted, side, ridge), overwrite_a=True, check_finite=False)
        expected = np.sum((inverse @ covariance) * inverse, axis=1)  # (side^n,)
        places = np.indices((side,) * n).reshape(n, -1)
        squares = sum(np.square(np.subtract.outer(each, each)) for each in places)
        near = ((1.0 + squares / WIDTH**2) ** -(n + 0.5)).astype(np.float32)  # (side^n, side^n)
        rows = inverse.astype(np.float32)
        shown = sliding_window_view(filled, (side,) * n, tuple(range(n)))
        hidden = sliding_window_view(self.missing, (side,) * n)
        result = np.zeros((np.count_nonzero(self.missing), len(mean)))

        def measure_some(of: Index) -> None:
            at = tuple(corners[of].T)
            gaps = hidden[at].reshape(len(of), -1)
            m = np.nonzero(gaps)[1].reshape(len(of), -1)
            mine, order = self._mine(of, m, side, corners)
            which, row = np.nonzero(mine)
            v = np.linalg.solve(inverse[m[:, :, None], m[:, None, :]], inverse[m])[which, row]
            variance = np.sum((v.astype(np.float32) @ covariance) * v, axis=1)  # (mine,)
            y = shown[at].reshape(-1, side**n) - np.tile(mean, len(of))[:, None]
            coefficients = (y.astype(np.float32) @ rows).reshape(len(of), len(mean), -1)
            coefficients[np.broadcast_to(gaps[:, None], coefficients.shape)] = 0.0
            around = near[m[which, row]]  # (mine, side^n)
            found = np.einsum("ik,ick->ic", around, np.square(coefficients)[which])
            usual = np.sum(around * np.where(gaps, 0.0, expected)[which], axis=1)
            result[order] = np.sqrt(found / usual[:, None] * np.maximum(variance, 0.0)[:, None])

        parallel_for(measure_some, jobs, progress)
        return result

    def _jobs(self) -> tuple[int, Index, list[Index]]:
        """The side of a window, the first pixels of all, and those to solve at once, which miss as
        many pixels."""
        n, grid = self.missing.ndim, np.array(self.missing.shape)
        side = CORE[n] + 2 * MARGIN[n]
        corners = np.clip(self.cores - MARGIN[n], 0, grid - side)
        hidden = sliding_window_view(self.missing, (side,) * n)
        counts = np.zeros(len(corners), np.intp)
        for first in range(0, len(corners), CHUNK):
            part = tuple(corners[first : first + CHUNK].T)
            counts[first : first + CHUNK] = hidden[part].sum(axis=tuple(range(1, n + 1)))
        jobs: list[Index] = []
        for count in np.unique(counts):
            of = np.flatnonzero(counts == count)
            jobs += np.array_split(of, min(math.ceil(len(of) * count / ROWS), len(of)))
        return side, corners, jobs

    def _mine(self, of: Index, m: Index, side: int, corners: Index) -> tuple[Mask, Index]:
        """Which of the missing pixels (windows, count) lie in the cores of their windows, and their
        places in the order of all that are missing."""
        n = self.missing.ndim
        places = np.stack(np.unravel_index(m, (side,) * n), -1) + corners[of, None]
        first = self.cores[of, None]
        mine = np.asarray(((places >= first) & (places < first + CORE[n])).all(axis=-1))
        flat = np.atleast_1d(np.ravel_multi_index(tuple(places[mine].T), self.missing.shape))
        return mine, np.searchsorted(self.order, flat)

    @cached_property
    def order(self) -> Index:
        """The missing pixels, by their flat coordinates."""
        return np.flatnonzero(self.missing)

    def order_within(self, box: Box) -> Index:
        """Which of the missing pixels, in their order, lie in a box."""
        first = [along.start for along in box]
        places = tuple((np.argwhere(self.missing[box]) + first).T)
        flat = np.atleast_1d(np.ravel_multi_index(places, self.missing.shape))
        return np.searchsorted(self.order, flat)


def window(kernel: Stationary, side: int, ridge: float) -> Array:
    """K + ridge (relative to the diagonal) on a window, anywhere on the torus of the kernel.

    Far from each other the covariance of two pixels is a constant, by which the mean of the whole
    grid is estimated. It is known already, and that of a window would be another.
    """
    n, offsets = len(kernel.shape), np.abs(np.arange(1 - side, side))
    positions = [
        axis.positions(np.minimum(offsets, whole - offsets))
        for axis, whole in zip(kernel.axes, kernel.shape, strict=True)
    ]
    around = kernel.values[np.ix_(*positions)].astype(np.float64) - float(kernel.values.flat[-1])
    pairs = sliding_window_view(around, (side,) * n)[(slice(None, None, -1),) * n]
    matrix = np.array(pairs.reshape(side**n, side**n))  # on one axis a view of what is read only
    matrix.flat[:: len(matrix) + 1] += ridge * float(kernel.values.flat[0])
    return matrix


def widened(box: Box, by: int, grid: tuple[int, ...]) -> Box:
    """A box with so many more pixels on every side, within the grid."""
    pairs = zip(box, grid, strict=True)
    return tuple(
        slice(max(along.start - by, 0), min(along.stop + by, whole)) for along, whole in pairs
    )


def relative(box: Box, outer: Box) -> Box:
    """A box in pixels of one that holds it."""
    pairs = zip(box, outer, strict=True)
    return tuple(
        slice(along.start - whole.start, along.stop - whole.start) for along, whole in pairs
    )


def window_memory(axes: int, channels: int, std: bool = False) -> int:
    """Bytes that windows on so many axes take besides the image: the matrix that all share while it
    is made, six times, or inverted beside what windows need at once. Standard deviations keep three
    and a half such matrices, and the rows of these windows in double precision, as they are and
    solved; what windows show is as large, where each has one gap."""
    size, shown = (CORE[axes] + 2 * MARGIN[axes]) ** axes, channels // 2
    made, kept, row = (52, 28, 2 + shown) if std else (48, 16, 1 + shown)
    return max(made * size**2, kept * size**2 + workers() * 8 * row * ROWS * size)


def _in_tiles(mask: Mask, side: int) -> Mask:
    """Whether anything is True in each tile of this side; those at the ends are smaller."""
    tiles = np.zeros([-(-whole // side) for whole in mask.shape], bool)
    tiles[tuple(places // side for places in np.nonzero(mask))] = True
    return tiles
