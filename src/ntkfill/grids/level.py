"""The level around deep holes, subtracted before the solve and added to what it predicts.

Far from all known pixels the kernel is a constant, so that a fill tends to one number, the mean of
all known pixels, whatever surrounds the hole. Removed first instead is the trend around holes: an
average of the known pixels, weighted by a smooth function of distance on the scale of the hole.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

from ..kernels import convolve
from ..kernels.stationary import squared_distances
from ..kernels.table import Array
from ..observed import Mask
from ..runtime.resources import workers
from .holdout import holes

# Holes have a level of their own where they are deeper than the networks see, or so deep anyway:
# in smaller ones the mean does as well or better (docs/decisions/0003-centring.md).
MIN_DEPTH = 100
# Weights (1 + (distance / (WIDTH depth))^2)^-STEEPNESS, for the depth of the deepest
# hole; a power of two. Opposite sides are FAR widths apart on the torus, or further than all of the
# grid: weights there are 1e-8.
WIDTH, STEEPNESS, FAR = 2.0, 8, 3.0


@dataclass(frozen=True, eq=False)
class Level:
    """Weighted averages of the known pixels, around every pixel."""

    known: Mask  # (*grid, channels), of one channel where all know the same pixels
    width: float
    shape: tuple[int, ...]  # of the torus
    spectrum: Array  # of the weights
    total: Array  # of the shape of `known`: the sums of the weights of known pixels

    @classmethod
    def fit(cls, known: Mask, reach: int, axes: int | None = None) -> Level | None:
        """None where no hole is deep; `reach` is the receptive radius of the networks. A mask with
        one axis more than the grid (`axes`) has one level for each channel."""
        if axes is not None and known.ndim > axes:
            each = [cls.fit(known[..., k], reach, axes) for k in range(known.shape[-1])]
            widest = max((one for one in each if one), key=lambda one: one.width, default=None)
            return widest and cls.of_width(known, widest.width)
        if not known.any():
            return None
        # Unknown pixels around a picture tell it nothing: what reaches its border has no level.
        labels, _ = ndimage.label(holes(~known, min(reach, MIN_DEPTH)))
        border = np.ones(known.shape, bool)
        border[(slice(1, -1),) * known.ndim] = False
        deep = (labels > 0) & ~np.isin(labels, labels[border])
        if not deep.any():
            return None
        width = WIDTH * int(ndimage.distance_transform_cdt(deep, "chessboard").max())
        return cls.of_width(known[..., None], width)

    @classmethod
    def of_width(cls, known: Mask, width: float) -> Level:
        """Averages over known pixels (*grid, channels) as far as this away."""
        shape = tuple(
            fft.next_fast_len(side + min(side, math.ceil(FAR * width)), real=True)
            for side in known.shape[:-1]
        )
        weights = 1.0 / (1.0 + squared_distances(shape) / width**2)
        for _ in range(STEEPNESS.bit_length() - 1):  # a tenth of the time of a power
            weights *= weights
        spectrum = fft.rfftn(weights, workers=workers()).real
        total = _convolved(known.astype(np.float64), spectrum, shape)
        return cls(known, width, shape, spectrum, total)

    def __call__(self, pixels: Array) -> Array:
        """Of pixels (*grid, channels), of which those that are missing are not read."""
        known = np.broadcast_to(self.known, pixels.shape)
        # So that constants stay exact.
        first = np.array([pixels[..., k][known[..., k]][0] for k in range(pixels.shape[-1])])
        around = _convolved(np.where(known, pixels - first, 0.0), self.spectrum, self.shape)
        return around / self.total + first

    def adjoint(self, gradient: Array) -> Array:
        """Weights of the known pixels in sum(gradient * level), both (*grid, channels)."""
        return _convolved(gradient / self.total, self.spectrum, self.shape) * self.known


def _convolved(x: Array, spectrum: Array, shape: tuple[int, ...]) -> Array:
    """x (*grid, m) times the weights, on a torus."""
    grid = x.shape[:-1]
    around = [(0, whole - side) for whole, side in zip(shape, grid, strict=True)]
    result = np.empty(x.shape)
    for k in range(x.shape[-1]):  # one by one: they may be large
        result[..., k] = convolve(np.pad(x[..., k], around), spectrum)[tuple(map(slice, grid))]
    return result
