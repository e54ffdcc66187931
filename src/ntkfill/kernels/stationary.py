"""Kernels of the offset alone, on a torus: a product with one is a convolution."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import fft

from ..runtime.resources import workers
from .table import Array, Axis, Coordinates, Index, block, check_torus, check_vector

# Smaller transforms are not worth a second core: others solve beside them, where there are many.
LARGE = 1 << 18


@dataclass(frozen=True, eq=False)
class Stationary:
    """A kernel of the offset alone, on a torus, by one number per offset.

    Parameters
    ----------
    values : array of shape (*counts)
        Mirror symmetric along every axis.
    axes : tuple of Axis
        Of period one.
    shape : tuple of int
        Sides of the torus.

    Raises
    ------
    InputError
        If the values, the axes and the torus do not match.

    Examples
    --------
    >>> import numpy as np
    >>> Stationary(np.array([2.0, 1.0, 0.0]), (Axis(1, None, 2),), (4,)).matvec(np.eye(4)[0])
    array([2., 1., 0., 1.])
    """

    values: Array
    axes: tuple[Axis, ...]
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        check_torus((1,) * len(self.axes) + self.values.shape, self.axes, self.shape)

    def __repr__(self) -> str:
        return f"Stationary(shape={self.shape}, radius={tuple(a.radius for a in self.axes)})"

    def diagonal(self) -> Array:
        return np.full(self.shape, self.values[(0,) * len(self.axes)])

    def block(self, rows: Coordinates, cols: Coordinates) -> Array:
        table = self.values.reshape((1,) * self.values.ndim + self.values.shape)
        return block(table, self.axes, self.shape, rows, cols)

    def matvec(self, x: Array) -> Array:
        check_vector(x, self.shape)
        return convolve(x, self.spectrum)

    @cached_property
    def spectrum(self) -> Array:
        """Eigenvalues, in the layout of a real FFT: shape (*shape[:-1], shape[-1] // 2 + 1)."""
        sides = zip(self.axes, self.shape, strict=True)
        offsets = [axis.positions(circular_offsets(side)) for axis, side in sides]
        spectrum = fft.rfftn(self.values[np.ix_(*offsets)], workers=workers()).real
        # A covariance has no negative eigenvalues; those below zero are rounding errors.
        return np.maximum(spectrum, 0.0)


def stretched(
    table: Array, axes: tuple[Axis, ...], shape: tuple[int, ...], steps: tuple[float, ...]
) -> tuple[Array, tuple[Axis, ...]]:
    """A table of offsets whose coordinates are so many steps (>= 1) apart along each axis.

    Between offsets it is interpolated linearly, which keeps it positive semi-definite: that is a
    convolution with triangles, whose Fourier transform is not negative.

    >>> table, axes = np.array([4.0, 2.0, 0.0]), (Axis(radius=2),)
    >>> stretched(table, axes, (6,), (1.5,))[0]
    array([4., 1., 0., 0., 0., 1.])
    """
    result = []
    for k, (axis, side, step) in enumerate(zip(axes, shape, steps, strict=True)):
        if step != 1:
            offsets = circular_offsets(side) * step
            before = np.floor(offsets).astype(np.intp)
            share = (offsets - before).reshape([-1] + [1] * (table.ndim - 1 - k))
            near, far = (
                np.take(table, axis.positions(each), axis=k) for each in (before, before + 1)
            )
            table, axis = (near * (1 - share) + far * share).astype(table.dtype), Axis(1, side)
        result.append(axis)
    return table, tuple(result)


def squared_distances(shape: tuple[int, ...]) -> Array:
    """Squared distances from the first coordinate of a torus of this shape."""
    sides = np.ix_(*map(circular_offsets, shape))
    return np.asarray(sum(np.square(x, dtype=np.float64) for x in sides))


def circular_offsets(side: int) -> Index:
    """From the first coordinate of a circle to each, the shorter way: (side,)."""
    return np.minimum(np.arange(side), side - np.arange(side))


def convolve(x: Array, spectrum: Array, n: int | None = None) -> Array:
    """Circular convolution of x (..., *shape) with the kernel of this (real) spectrum, over as many
    axes as it has, or the last n: then it broadcasts with what is before them.

    The eigenvalue of a constant is larger than all others by orders of magnitude: in single
    precision the rounding of the sum of x alone would double the steps of a solve.
    """
    axes = tuple(range(x.ndim - (spectrum.ndim if n is None else n), x.ndim))
    shape = [x.shape[k] for k in axes]
    cores = workers() if x.size >= LARGE else 1
    waves = fft.rfftn(x, axes=axes, workers=cores)
    if x.dtype == np.float32:
        waves[(..., *(0 for _ in axes))] = x.sum(axis=axes, dtype=np.float64)
    waves *= spectrum
    return fft.irfftn(waves, s=shape, axes=axes, workers=cores, overwrite_x=True)
