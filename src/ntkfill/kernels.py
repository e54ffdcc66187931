"""Kernels: positive semi-definite functions of two coordinates of a grid, held compactly.

Four ways to hold one: every entry (`Dense`), many small ones side by side (`Blocks`), a table
``T[r, d]`` that repeats with the network's period (`Periodic`), or one number per offset
(`Stationary`). All answer the same questions: ``shape``, ``diagonal()``, ``block(rows, cols)``,
``matvec(x)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from threadpoolctl import threadpool_limits

from . import tiles
from .errors import InputError
from .grid import Array, Axis, entries
from .threads import workers

Coordinates = NDArray[np.integer]


class Kernel(Protocol):
    """What a solver may ask of a kernel on a grid of coordinates."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The grid."""

    def diagonal(self) -> Array:
        """K[i, i] for all coordinates, shape of the grid."""

    def block(self, rows: Coordinates, cols: Coordinates) -> Array:
        """K[rows, cols] for flat coordinates: shape (len(rows), len(cols))."""

    def matvec(self, x: Array) -> Array:
        """K x for x of shape (..., *shape)."""


@dataclass(frozen=True, eq=False)
class Dense:
    """A kernel with all its entries in memory.

    Parameters
    ----------
    values : array of shape (n, n)
    shape : tuple of int
        The grid, n coordinates in all.

    Examples
    --------
    >>> import numpy as np
    >>> Dense(np.eye(2), (2,)).matvec(np.array([1.0, 2.0]))
    array([1., 2.])
    """

    values: Array
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        size = math.prod(self.shape)
        if self.values.shape != (size, size):
            raise InputError(
                "the kernel does not fit its grid",
                expected=f"shape {(size, size)}",
                got=f"shape {self.values.shape}",
            )

    def __repr__(self) -> str:
        return f"Dense(shape={self.shape}, dtype={self.values.dtype})"

    def diagonal(self) -> Array:
        return np.diagonal(self.values).reshape(self.shape)

    def block(self, rows: Coordinates, cols: Coordinates) -> Array:
        return self.values[np.ix_(rows, cols)]

    def matvec(self, x: Array) -> Array:
        _check_vector(x, self.shape)
        flat = x.reshape(-1, self.values.shape[0])
        # One thread: with several, the order of the sums depends on their number.
        with threadpool_limits(1):
            return (flat @ self.values).reshape(x.shape)


@dataclass(frozen=True, eq=False)
class Blocks:
    """Many small kernels side by side: coordinates of different blocks have nothing in common.

    Parameters
    ----------
    values : array of shape (blocks, n, n)

    Examples
    --------
    >>> import numpy as np
    >>> Blocks(np.array([[[2.0]], [[3.0]]])).block(np.arange(2), np.arange(2))
    array([[2., 0.],
           [0., 3.]])
    """

    values: Array

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or self.values.shape[1] != self.values.shape[2]:
            raise InputError(
                "these are no blocks",
                expected="shape (blocks, n, n)",
                got=f"shape {self.values.shape}",
            )

    def __repr__(self) -> str:
        return f"Blocks(shape={self.shape}, dtype={self.values.dtype})"

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape[:2]

    def diagonal(self) -> Array:
        return np.diagonal(self.values, axis1=1, axis2=2)

    def block(self, rows: Coordinates, cols: Coordinates) -> Array:
        (of_row, row), (of_col, col) = (np.divmod(at, self.shape[1]) for at in (rows, cols))
        found = self.values[of_row[:, None], row[:, None], col]
        return np.where(of_row[:, None] == of_col, found, found.dtype.type(0))

    def matvec(self, x: Array) -> Array:
        _check_vector(x, self.shape)
        # One thread: with several, the order of the sums depends on their number.
        with threadpool_limits(1):
            return np.asarray((self.values @ x[..., None])[..., 0])


@dataclass(frozen=True, eq=False)
class Periodic:
    """The exact kernel of a network on a torus, as a table ``T[r, d]``.

    Parameters
    ----------
    table : array of shape (*periods, *counts)
    axes : tuple of Axis
        What the table holds along each axis of the grid.
    shape : tuple of int
        Sides of the torus, each divisible by the axis' period.

    Examples
    --------
    >>> import numpy as np
    >>> kernel = Periodic(np.array([[2.0, 1.0, 0.0], [2.0, 0.0, 0.0]]), (Axis(2, None, 2),), (4,))
    >>> kernel.block(np.arange(4), np.arange(4))
    array([[2., 1., 0., 0.],
           [1., 2., 0., 0.],
           [0., 0., 2., 1.],
           [0., 0., 1., 2.]])
    """

    table: Array
    axes: tuple[Axis, ...]
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        _check_fit(self.table.shape, self.axes, self.shape)

    def __repr__(self) -> str:
        return f"Periodic(shape={self.shape}, period={self.period}, dtype={self.table.dtype})"

    @property
    def period(self) -> tuple[int, ...]:
        return tuple(axis.period for axis in self.axes)

    def diagonal(self) -> Array:
        n = len(self.axes)
        one = self.table[(slice(None),) * n + (0,) * n]
        return np.tile(one, [s // p for s, p in zip(self.shape, self.period, strict=True)])

    def block(self, rows: Coordinates, cols: Coordinates) -> Array:
        return _block(self.table, self.axes, self.shape, rows, cols)

    def matvec(self, x: Array) -> Array:
        _check_vector(x, self.shape)
        return self.operator(x)

    @cached_property
    def operator(self) -> Callable[[Array], Array]:
        """The fastest exact way to multiply by this kernel that memory allows."""
        return tiles.banded(self.table, self.axes, self.shape) or tiles.fourier(
            self.table, self.axes, self.shape
        )

    def shift_averaged(self) -> Stationary:
        """The mean over the remainders: the kernel of an ensemble of networks, one for each
        placement of the sampling grid."""
        n = len(self.axes)
        mean = self.table.mean(axis=tuple(range(n)), dtype=np.float64)
        return Stationary(mean, tuple(replace(axis, period=1) for axis in self.axes), self.shape)


@dataclass(frozen=True, eq=False)
class Stationary:
    """A kernel of the offset alone, on a torus.

    Parameters
    ----------
    values : array of shape (*counts)
        Mirror symmetric along every axis.
    axes : tuple of Axis
        Of period one.
    shape : tuple of int
        Sides of the torus.

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
        _check_fit((1,) * len(self.axes) + self.values.shape, self.axes, self.shape)

    def __repr__(self) -> str:
        return f"Stationary(shape={self.shape}, reach={tuple(a.reach for a in self.axes)})"

    def diagonal(self) -> Array:
        return np.full(self.shape, self.values[(0,) * len(self.axes)])

    def block(self, rows: Coordinates, cols: Coordinates) -> Array:
        table = self.values.reshape((1,) * self.values.ndim + self.values.shape)
        return _block(table, self.axes, self.shape, rows, cols)

    def matvec(self, x: Array) -> Array:
        _check_vector(x, self.shape)
        return convolve(x, self.spectrum)

    @cached_property
    def spectrum(self) -> Array:
        """Eigenvalues, in the layout of a real FFT: shape (*shape[:-1], shape[-1] // 2 + 1)."""
        places = []
        for axis, side in zip(self.axes, self.shape, strict=True):
            offset = np.arange(side)
            places.append(axis.positions(np.minimum(offset, side - offset)))
        spectrum = fft.rfftn(self.values[np.ix_(*places)], workers=workers()).real
        # A covariance has no negative eigenvalues; what is below zero is rounding.
        return np.maximum(spectrum, 0.0)


def convolve(x: Array, spectrum: Array) -> Array:
    """Circular convolution of x (..., *shape) with the kernel that has this (real) spectrum."""
    axes = tuple(range(x.ndim - spectrum.ndim, x.ndim))
    shape = [x.shape[k] for k in axes]
    waves = fft.rfftn(x, axes=axes, workers=workers())
    waves *= spectrum
    return fft.irfftn(waves, s=shape, axes=axes, workers=workers(), overwrite_x=True)


def _check_fit(table: tuple[int, ...], axes: tuple[Axis, ...], shape: tuple[int, ...]) -> None:
    """Refuse a table of another shape than its axes say, and a torus that it does not cover."""
    expected = tuple(axis.period for axis in axes) + tuple(axis.count for axis in axes)
    if table != expected or len(shape) != len(axes):
        raise InputError(
            "the table does not fit its axes",
            expected=f"shape {expected} for a grid of {len(axes)} axes",
            got=f"shape {table} for {shape}",
        )
    for axis, side in zip(axes, shape, strict=True):
        _check_side(axis, side)


def _check_vector(x: Array, shape: tuple[int, ...]) -> None:
    if x.shape[x.ndim - len(shape) :] != shape or x.ndim < len(shape):
        raise InputError(
            "this vector has another grid than the kernel",
            expected=f"shape (..., {', '.join(map(str, shape))})",
            got=str(x.shape),
        )


def _check_side(axis: Axis, side: int) -> None:
    whole = axis.period if axis.side is not None else math.lcm(axis.period, axis.tail)
    if (
        axis.side not in (None, side)
        or side % whole
        or (axis.side is None and side < 2 * axis.reach - 1)
    ):
        raise InputError(
            "the kernel does not fit a torus of this side",
            expected=f"a multiple of {whole}, at least {2 * axis.reach - 1}"
            if axis.side is None
            else str(axis.side),
            got=str(side),
            hint="boundary='pad', which takes any size",
        )


def _block(
    table: Array,
    axes: tuple[Axis, ...],
    shape: tuple[int, ...],
    rows: Coordinates,
    cols: Coordinates,
) -> Array:
    """K[rows, cols], some rows at a time so that the index arrays stay small."""
    result = np.empty((len(rows), len(cols)), dtype=table.dtype)
    columns = np.stack(np.unravel_index(cols, shape))[:, None, :]
    sides = np.array(shape)[:, None, None]
    step = max(1, (1 << 20) // max(1, len(cols)))
    for first in range(0, len(rows), step):
        part = np.stack(np.unravel_index(rows[first : first + step], shape))[:, :, None]
        offsets = (columns - part + sides // 2) % sides - sides // 2
        result[first : first + step] = entries(table, axes, part, offsets)
    return result
