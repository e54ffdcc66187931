"""Layers that change the grid: coarser or finer."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Literal

import numpy as np

from ..errors import InputError
from ..kernels.table import Array, Axis, Index
from .covariance import Axes, Covariance, Offsets, right_variance, variances


@dataclass(frozen=True)
class Downsample:
    """Keep every second coordinate of every axis; with a convolution before it, a strided one.

    Examples
    --------
    >>> Downsample().out_axis(Axis(period=4, side=8))
    Axis(period=2, side=4, radius=1, tail_period=1)
    """

    def __call__(self, state: Covariance) -> Covariance:
        return _coarser(self, state)

    def apply(self, table: Array, axes: Axes) -> Array:
        n = len(axes)
        for k, axis in enumerate(axes):
            _check_even(axis)
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
class AveragePool:
    """Half as many coordinates along every axis, each the mean of two.

    Examples
    --------
    >>> AveragePool().out_axis(Axis(period=4, side=8))
    Axis(period=2, side=4, radius=1, tail_period=1)
    """

    def __call__(self, state: Covariance) -> Covariance:
        return _coarser(self, state)

    def apply(self, table: Array, axes: Axes) -> Array:
        """Coarse coordinate j is the mean of the fine ones 2 j and 2 j + 1."""
        n = len(axes)
        for k, axis in enumerate(axes):
            _check_even(axis)
            coarse = self.out_axis(axis)
            parts = [
                _gather(table, axis, k, n, remainders, 2 * coarse.offsets + b - a)
                for a in (0, 1)
                for remainders in [(2 * np.arange(coarse.period) + a) % axis.period]
                for b in (0, 1)
            ]
            table = sum(parts[1:], parts[0]) * table.dtype.type(0.25)
        return table

    def out_axis(self, axis: Axis) -> Axis:
        coarse = Downsample().out_axis(axis)
        return coarse if axis.side is not None else replace(coarse, radius=axis.radius // 2 + 1)


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

    def __call__(
        self, state: Covariance, offsets: Offsets | None = None, remainders: Index | None = None
    ) -> Covariance:
        return _finer(self, state, offsets, remainders)

    def apply(
        self,
        table: Array,
        axes: Axes,
        offsets: Offsets | None = None,
        remainders: Index | None = None,
    ) -> Array:
        """The table of the finer grid, at all offsets or at some of each axis; where coordinates
        are repeated also at some remainders of the first axis."""
        if offsets is None:
            offsets = [self.out_axis(axis).offsets for axis in axes]
        if self.mode == "nearest":
            return _nearest(table, axes, offsets, remainders)
        for k, fine in enumerate(offsets):
            table = _bilinear(table, axes, k, fine)
        return table

    def out_axis(self, axis: Axis) -> Axis:
        period = 2 * axis.period
        if axis.side is not None:
            return Axis(period, 2 * axis.side)
        if self.mode == "nearest":
            tail = 2 * axis.tail_period if axis.tail_period > 1 else 1
            return Axis(period, None, 2 * axis.radius, tail)
        return Axis(period, None, 2 * axis.radius + 2, max(period, 2 * axis.tail_period))


@dataclass(frozen=True)
class ConvTranspose:
    """A transposed convolution of stride 2: twice as many coordinates along every axis.

    Even and odd coordinates see different taps, so that their covariance is zero: the checkerboard
    of such networks.

    Parameters
    ----------
    size : int
        Taps along every axis, even; half of them act on each coordinate.

    Raises
    ------
    InputError
        If the size is odd or below two.

    Examples
    --------
    >>> from ntkfill.nn import Downsample, Sequential
    >>> from ntkfill.priors import Identity
    >>> Sequential(Downsample(), ConvTranspose(2)).ntk((2,), Identity())
    array([[1., 0.],
           [0., 1.]])
    """

    size: int = 4

    def __post_init__(self) -> None:
        if not isinstance(self.size, Integral) or self.size < 2 or self.size % 2:
            raise InputError("size must be an even integer, such as 4", got=repr(self.size))
        object.__setattr__(self, "size", int(self.size))

    def __call__(self, state: Covariance, offsets: Offsets | None = None) -> Covariance:
        after = _finer(self, state, offsets)
        return replace(after, ntk=after.ntk + after.nngp)

    def apply(self, table: Array, axes: Axes, offsets: Offsets | None = None) -> Array:
        """Fine coordinate 2 j + a sees the coarse ones j + `_shifts`, at distinct taps."""
        n = len(axes)
        for k, axis in enumerate(axes):
            fine = self.out_axis(axis).offsets if offsets is None else offsets[k]
            taken = np.take(table, axis.positions(fine // 2), axis=n + k)
            same = (fine % 2 == 0).reshape((-1,) + (1,) * (table.ndim - n - k - 1))
            taken = taken * (same / (self.size // 2)).astype(table.dtype)
            every = np.arange(axis.period)
            seen = [
                [np.take(taken, (every + s) % axis.period, axis=k) for s in _shifts(self.size, a)]
                for a in (0, 1)
            ]
            table = _interleave([np.sum(each, axis=0) for each in seen], k)
        return table

    def out_axis(self, axis: Axis) -> Axis:
        if axis.side is not None:
            return Axis(2 * axis.period, 2 * axis.side)
        return Axis(2 * axis.period, None, 2 * axis.radius, 2 * axis.tail_period)


def _check_even(axis: Axis) -> None:
    if axis.side is not None and axis.side % 2:
        what, hint = "sides divisible by 2 at every level", "boundary='pad', which takes any size"
        raise InputError(f"Downsample needs {what}", got=f"side {axis.side}", hint=hint)


def _coarser(layer: Downsample | AveragePool, state: Covariance) -> Covariance:
    """The state on the coarser grid."""
    axes = tuple(layer.out_axis(axis) for axis in state.axes)
    nngp, ntk = (layer.apply(table, state.axes) for table in (state.nngp, state.ntk))
    return Covariance(nngp, ntk, *variances(nngp, axes), axes)


def _finer(
    layer: Upsample | ConvTranspose,
    state: Covariance,
    offsets: Offsets | None,
    remainders: Index | None = None,
) -> Covariance:
    """The state on the finer grid, at all offsets or at some of each axis; at some remainders of
    the first axis where all variances are equal."""
    axes = tuple(layer.out_axis(axis) for axis in state.axes)
    some = () if remainders is None else (remainders,)
    nngp, ntk = (
        layer.apply(table, state.axes, offsets, *some) for table in (state.nngp, state.ntk)
    )
    zero = [np.zeros(1, dtype=np.intp)] * len(axes)
    left = layer.apply(state.nngp, state.axes, zero, *some)
    right = right_variance(left, axes)
    if offsets is not None and right.size > 1:
        for k, chosen in enumerate(offsets):
            right = np.take(right, chosen, axis=len(axes) + k)
    return Covariance(nngp, ntk, left, right, axes)


def _nearest(table: Array, axes: Axes, offsets: Offsets, remainders: Index | None) -> Array:
    """Fine coordinate 2 j + a is the coarse coordinate j, so its offset d becomes (a + d) // 2."""
    n = len(axes)
    parities = [
        [axis.positions((a + fine) // 2) for a in (0, 1)]
        for axis, fine in zip(axes, offsets, strict=True)
    ]
    # A view of what is needed: taking a few offsets of one axis after the other copies far more.
    starts = [min(int(each.min()) for each in both) for both in parities]
    stops = [max(int(each.max()) for each in both) + 1 for both in parities]
    table = table[(slice(None),) * n + tuple(map(slice, starts, stops))]
    skipped = 0
    if remainders is not None:
        skipped, coarse = int(remainders[0]) % 2, remainders[0] // 2
        rows = (coarse + np.arange((skipped + len(remainders) + 1) // 2)) % axes[0].period
        table = np.take(table, rows, axis=0)
    for k, (both, start) in enumerate(zip(parities, starts, strict=True)):
        table = _interleave([np.take(table, each - start, axis=n + k) for each in both], k)
    return table if remainders is None else table[skipped : skipped + len(remainders)]


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


def _shifts(size: int, parity: int) -> range:
    """The coarse coordinates that a fine one of this parity sees, by a transposed convolution."""
    half = size // 2
    return range(-((half - parity) // 2), (parity + half - 1) // 2 + 1)


def _interleave(parities: list[Array], dimension: int) -> Array:
    stacked = np.stack(parities, axis=dimension + 1)
    shape = stacked.shape
    return stacked.reshape(shape[:dimension] + (-1,) + shape[dimension + 2 :])
