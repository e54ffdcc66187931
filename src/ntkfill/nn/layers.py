"""The state that flows through an infinitely wide network, and the linear layers that act on it.

The state is a pair of covariances: nngp, of a layer's outputs, and ntk, of their gradients. A
linear layer acts on both alike. A layer with weights also adds the nngp to the ntk, because the
gradient with respect to its weights is its input.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Literal

import numpy as np

from ..errors import InputError
from ..kernels.table import Array, Axis, Index, at_second

Axes = tuple[Axis, ...]


@dataclass(frozen=True)
class Covariance:
    """Covariances of a layer's outputs and of their gradients, for pairs of coordinates.

    Parameters
    ----------
    nngp : array
        Covariance of the outputs at initialisation (Sigma). On a grid a table of shape
        ``(*periods, *counts)``, see `ntkfill.kernels.table`; without axes any array of pairs.
    ntk : array, the shape of `nngp`
        Inner products of the gradients, summed over the layers so far (Theta).
    left, right : arrays that broadcast against `nngp`
        Variance at the first and at the second coordinate of each pair.
    axes : tuple of Axis
        The axes of the grid; empty for pairs of feature vectors.
    """

    nngp: Array
    ntk: Array
    left: Array
    right: Array
    axes: Axes = ()

    @classmethod
    def of_pairs(cls, gram: Array, left: Array, right: Array) -> Covariance:
        """The input of feature vectors, e.g. inner products (n, m), (n, 1) and (1, m)."""
        # One zero stands for the ntk of all pairs: every pass over them costs time.
        return cls(gram, np.zeros((1,) * gram.ndim, gram.dtype), left, right)

    @classmethod
    def of_grid(cls, table: Array, axes: Axes) -> Covariance:
        """The input of a grid, from the prior's table."""
        return cls(table, np.zeros_like(table), *variances(table, axes), axes)


def variances(nngp: Array, axes: Axes) -> tuple[Array, Array]:
    """Variance at both coordinates of each pair, from the entries of offset zero."""
    n = len(axes)
    variance = nngp[(slice(None),) * n + (0,) * n]
    left = variance.reshape(variance.shape + (1,) * n)
    return left, right_variance(left, axes)


def right_variance(left: Array, axes: Axes) -> Array:
    """Variance at the second coordinate of each pair; one number where all are equal."""
    if np.all(left == left.flat[0]):
        return left[(slice(0, 1),) * left.ndim]
    return at_second(left, axes)


@dataclass(frozen=True)
class Dense:
    """A fully connected layer, applied to each coordinate separately.

    Examples
    --------
    >>> Dense()
    Dense()
    """

    def __call__(self, state: Covariance) -> Covariance:
        untouched = state.ntk.size == 1 and not state.ntk.any()
        total = state.nngp if untouched else state.ntk + state.nngp
        return Covariance(state.nngp, total, state.left, state.right, state.axes)

    def apply(self, table: Array, axes: Axes) -> Array:
        return table

    def out_axis(self, axis: Axis) -> Axis:
        return axis


@dataclass(frozen=True)
class Conv:
    """A circular convolution with `size` taps along every axis.

    The covariance of its outputs is the mean over shifts of both coordinates together.

    Parameters
    ----------
    size : int
        Odd.

    Raises
    ------
    InputError
        If the size is even or below one.

    Examples
    --------
    >>> Conv(3)
    Conv(size=3)
    """

    size: int = 3

    def __post_init__(self) -> None:
        if not isinstance(self.size, Integral) or self.size < 1 or self.size % 2 == 0:
            raise InputError("size must be an odd integer, such as 3", got=repr(self.size))
        object.__setattr__(self, "size", int(self.size))

    def __call__(self, state: Covariance) -> Covariance:
        nngp = self.apply(state.nngp, state.axes)
        ntk = self.apply(state.ntk, state.axes)
        ntk += nngp
        left, right = (self.apply(v, state.axes) for v in (state.left, state.right))
        return Covariance(nngp, ntk, left, right, state.axes)

    def apply(self, table: Array, axes: Axes) -> Array:
        taps = 1
        for dimension, axis in enumerate(axes):
            if axis.period > 1:
                table = _window_sum(table, dimension, self.size)
                taps *= self.size
        return table * table.dtype.type(1 / taps)

    def out_axis(self, axis: Axis) -> Axis:
        return axis


@dataclass(frozen=True)
class Downsample:
    """Keep every second coordinate of every axis; with a convolution before it, a strided one.

    Examples
    --------
    >>> Downsample().out_axis(Axis(period=4, side=8))
    Axis(period=2, side=4, radius=1, tail_period=1)
    """

    def __call__(self, state: Covariance) -> Covariance:
        axes = tuple(self.out_axis(axis) for axis in state.axes)
        nngp, ntk = (self.apply(table, state.axes) for table in (state.nngp, state.ntk))
        return Covariance(nngp, ntk, *variances(nngp, axes), axes)

    def apply(self, table: Array, axes: Axes) -> Array:
        n = len(axes)
        for k, axis in enumerate(axes):
            if axis.side is not None and axis.side % 2:
                raise InputError(
                    "Downsample needs sides divisible by 2 at every level",
                    got=f"side {axis.side}",
                    hint="boundary='pad', which takes any size",
                )
            offsets = axis.positions(2 * np.arange(self.out_axis(axis).count))
            table = table[(slice(None),) * k + (slice(None, None, 2),)]
            table = np.take(table, offsets, axis=n + k)
        return table

    def out_axis(self, axis: Axis) -> Axis:
        period = max(axis.period // 2, 1)
        if axis.side is not None:
            return Axis(period, axis.side // 2)
        tail = axis.tail_period if axis.tail_period % 2 else axis.tail_period // 2
        return Axis(period, None, math.ceil(axis.radius / 2), tail)


@dataclass(frozen=True)
class Upsample:
    """Twice as many coordinates along every axis.

    Parameters
    ----------
    mode : {"nearest", "bilinear"}
        Repeat each coordinate, or interpolate linearly: circular, with half-pixel centres, so that
        a fine coordinate is 3/4 of the nearer and 1/4 of the farther coarse one.

    Examples
    --------
    >>> Upsample().out_axis(Axis())
    Axis(period=2, side=None, radius=2, tail_period=1)
    """

    mode: Literal["nearest", "bilinear"] = "nearest"

    def __post_init__(self) -> None:
        if self.mode not in ("nearest", "bilinear"):
            raise InputError("mode must be 'nearest' or 'bilinear'", got=repr(self.mode))

    def __call__(self, state: Covariance, offsets: Sequence[Index] | None = None) -> Covariance:
        axes = tuple(self.out_axis(axis) for axis in state.axes)
        nngp, ntk = (self.apply(table, state.axes, offsets) for table in (state.nngp, state.ntk))
        zero = [np.zeros(1, dtype=np.intp)] * len(axes)
        left = self.apply(state.nngp, state.axes, zero)
        right = right_variance(left, axes)
        if offsets is not None and right.size > 1:
            for k, chosen in enumerate(offsets):
                right = np.take(right, chosen, axis=len(axes) + k)
        return Covariance(nngp, ntk, left, right, axes)

    def apply(self, table: Array, axes: Axes, offsets: Sequence[Index] | None = None) -> Array:
        """The table of the finer grid, at all offsets or at some of each axis."""
        interpolate = _nearest if self.mode == "nearest" else _bilinear
        for k, axis in enumerate(axes):
            fine = self.out_axis(axis).offsets if offsets is None else offsets[k]
            table = interpolate(table, axes, k, fine)
        return table

    def out_axis(self, axis: Axis) -> Axis:
        period = 2 * axis.period
        if axis.side is not None:
            return Axis(period, 2 * axis.side)
        if self.mode == "nearest":
            tail = 2 * axis.tail_period if axis.tail_period > 1 else 1
            return Axis(period, None, 2 * axis.radius, tail)
        return Axis(period, None, 2 * axis.radius + 2, max(period, 2 * axis.tail_period))


Linear = Dense | Conv | Downsample | Upsample


def _window_sum(table: Array, dimension: int, size: int) -> Array:
    """Sum over a circular window of this many entries around each one."""
    period, half = table.shape[dimension], size // 2
    padded = np.take(table, np.arange(-half, period + half) % period, axis=dimension)
    before = (slice(None),) * dimension
    shifted = [padded[before + (slice(shift, shift + period),)] for shift in range(size)]
    if size == 1:
        return padded
    total = shifted[0] + shifted[1]
    for part in shifted[2:]:
        total += part
    return total


def _nearest(table: Array, axes: Axes, k: int, fine: Index) -> Array:
    """Fine coordinate 2 j + a is the coarse coordinate j, so its offset d becomes (a + d) // 2."""
    n, axis = len(axes), axes[k]
    parities = [np.take(table, axis.positions((a + fine) // 2), axis=n + k) for a in (0, 1)]
    return _interleave(parities, k)


def _bilinear(table: Array, axes: Axes, k: int, fine: Index) -> Array:
    """Fine coordinate 2 j + a is 3/4 of the coarse coordinate j and 1/4 of j + 2 a - 1."""
    n, axis = len(axes), axes[k]
    period = axis.period
    result = []
    for a in (0, 1):
        total: Array | None = None
        b = (a + fine) % 2  # parity of the second fine coordinate
        for shift, weight in ((0, 0.75), (2 * a - 1, 0.25)):
            remainders = (np.arange(period) + shift) % period
            for second_shift, second_weight in ((np.zeros_like(b), 0.75), (2 * b - 1, 0.25)):
                coarse = (a + fine) // 2 + second_shift - shift
                part = _gather(table, axis, k, n, remainders, coarse)
                part *= weight * second_weight
                total = part if total is None else np.add(total, part, out=total)
        assert total is not None
        result.append(total)
    return _interleave(result, k)


def _gather(table: Array, axis: Axis, k: int, n: int, remainders: Index, offsets: Index) -> Array:
    """Entries at these remainders and offsets of axis k; negative offsets by mirror symmetry."""
    taken = np.take(table, remainders, axis=k)
    places = axis.locate(np.zeros(1, dtype=np.intp), offsets)[1]
    result = np.take(taken, places, axis=n + k)
    if axis.side is None and (negative := offsets < 0).any():
        mirrored = np.take(table, axis.period - 1 - remainders, axis=k)
        chosen = (slice(None),) * (n + k) + (negative,)
        result[chosen] = np.take(mirrored, places[negative], axis=n + k)
    return result


def _interleave(parities: list[Array], dimension: int) -> Array:
    stacked = np.stack(parities, axis=dimension + 1)
    shape = stacked.shape
    return stacked.reshape(shape[:dimension] + (-1,) + shape[dimension + 2 :])
