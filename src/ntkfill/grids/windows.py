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

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import linalg, ndimage

from ..kernels import Stationary
from ..kernels.table import Array, Index
from ..observed import Mask
from ..runtime.progress import Progress
from ..runtime.resources import parallel_for, single_blas_thread
from ..solvers.base import absolute_ridge

# Grids of fewer pixels are solved whole.
LARGE = 1 << 20
# Of windows, by number of axes: the side of the core whose gaps are predicted, the margin around
# it, and the depth of the deepest gaps in it (docs/decisions/0013-windows.md).
CORE, MARGIN, DEPTH = {1: 256, 2: 16}, {1: 128, 2: 12}, {1: 32, 2: 4}
# The margin around a deep hole is what the networks see, and so many times its depth.
DEPTHS = 4
# Grids are solved whole where more than this share is missing, or the crops would be larger.
MAX_MISSING, MAX_CROPPED = 0.03, 0.5
# Windows that are worked on at once.
CHUNK = 1 << 8

Box = tuple[slice, ...]


@dataclass(frozen=True, eq=False)
class Windows:
    """The gaps of a grid, in windows and crops.

    Parameters
    ----------
    missing : bool array of shape (*grid)
    cores : int array of shape (n, axes)
        The first pixel of the core of each window that holds a thin gap.
    crops : tuple of (outer, inner)
        For each deep hole the box that is solved, and the part of it, in pixels of the grid, whose
        gaps are taken from there.
    """

    missing: Mask
    cores: Index
    crops: tuple[tuple[Box, Box], ...]

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
        deep = ndimage.minimum_filter(missing, 2 * DEPTH[n] + 1, mode="constant", cval=True)
        # Tiles of deep holes, and all those whose windows would show one.
        tiles = _in_tiles(deep, core)
        tiles = ndimage.maximum_filter(tiles, 2 * math.ceil(side / core) + 1)
        labels, _ = ndimage.label(tiles, structure=np.ones((3,) * n))
        crops, cropped = [], 0
        for box in ndimage.find_objects(labels):
            inner = tuple(slice(core * along.start, core * along.stop) for along in box)
            depth = int(ndimage.distance_transform_cdt(missing[inner], "chessboard").max())
            margin = max(reach, DEPTHS * depth)
            outer = tuple(
                slice(max(along.start - margin, 0), min(along.stop + margin, whole))
                for along, whole in zip(inner, grid, strict=True)
            )
            crops.append((outer, inner))
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
        (channels,); zero elsewhere. What stands at missing pixels is not read."""
        n, grid = self.missing.ndim, np.array(self.missing.shape)
        core, side = CORE[n], CORE[n] + 2 * MARGIN[n]
        # The inverse of K + ridge on one window, anywhere on the torus of the kernel. Far from each
        # other the covariance of two pixels is a constant, by which the mean of the whole grid is
        # estimated. It is known already, and that of a window would be another.
        places = tuple(np.indices((side,) * n).reshape(n, -1))
        every = np.atleast_1d(np.ravel_multi_index(places, kernel.shape))
        matrix = kernel.block(every, every).astype(np.float64) - float(kernel.values.flat[-1])
        matrix.flat[:: len(matrix) + 1] += absolute_ridge(ridge, kernel)
        with single_blas_thread():
            inverse = linalg.inv(matrix, overwrite_a=True, check_finite=False)
        shown = sliding_window_view(pixels, (side,) * n, tuple(range(n)))
        hidden = sliding_window_view(self.missing, (side,) * n)
        result = np.zeros_like(pixels)

        def fill_some(first: int) -> None:
            cores = self.cores[first : first + CHUNK]
            corners = np.clip(cores - MARGIN[n], 0, grid - side)
            gaps = hidden[tuple(corners.T)].reshape(len(corners), -1)  # (windows, side^n)
            counts = gaps.sum(axis=1)
            for count in np.unique(counts):
                of = np.flatnonzero(counts == count)
                m = np.nonzero(gaps[of])[1].reshape(-1, count)  # (windows, count)
                y = shown[tuple(corners[of].T)].reshape(len(of), len(mean), -1) - mean[:, None]
                y = np.where(gaps[of, None], 0.0, y)  # (windows, channels, side^n)
                right = inverse[m] @ np.swapaxes(y, 1, 2)  # (windows, count, channels)
                found = np.linalg.solve(inverse[m[:, :, None], m[:, None, :]], -right)
                places = np.stack(np.unravel_index(m, (side,) * n), -1) + corners[of, None]
                mine = ((places >= cores[of, None]) & (places < cores[of, None] + core)).all(-1)
                result[tuple(places[mine].T)] = found[mine]

        with single_blas_thread():
            parallel_for(fill_some, range(0, len(self.cores), CHUNK), progress)
        return result


def _in_tiles(mask: Mask, side: int) -> Mask:
    """Whether anything is True in each tile of this side; those at the ends are smaller."""
    for axis in range(mask.ndim):
        mask = np.logical_or.reduceat(mask, np.arange(0, mask.shape[axis], side), axis=axis)
    return mask
