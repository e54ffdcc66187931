"""Run a network's layers over a prior's table, as cheaply as its structure allows.

Two facts are used. After the last activation everything is linear, so nngp and ntk merge into one
table: with m layers of weights left, the final ntk is the linear rest of ntk + m * nngp. And a
convolution never mixes offsets, so all that follows the last upsampling can be done for a few
offsets of the first axis at a time: in cache, on all cores, and without ever holding the finest
level of both tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal, cast

import numpy as np

from ..kernels.table import Array, Axis, Index
from ..runtime.progress import Progress
from ..runtime.threads import parallel_for, workers
from .activations import Activation
from .layers import Conv, Covariance, Dense, Downsample, Linear, Upsample, of_grid

Layer = Linear | Activation
Kind = Literal["ntk", "nngp"]
Axes = tuple[Axis, ...]
Offsets = Sequence[Index | None]

# Entries of one slab: a few such arrays stay in a core's cache.
SLAB = 1 << 18

# A level with more entries is made in single precision: twice as fast, and with the default prior
# it still agrees with double precision to about six digits.
SINGLE = 1 << 24


def exact(
    layers: Sequence[Layer],
    table: Array,
    axes: Axes,
    kind: Kind,
    dtype: type,
    progress: Progress | None = None,
) -> tuple[Array, Axes]:
    """The table of the whole network, and what it holds along each axis."""
    head, tail = split(layers)
    start = _last_upsample(layers)
    if start is None:
        state = run(head, of_grid(table, axes))
        value, axes = linear(tail, merged(state, tail, kind), state.axes)
        return value.astype(dtype, copy=False), axes
    up = cast(Upsample, layers[start])
    state = run(layers[: min(start, len(head))], of_grid(table, axes))
    if start < len(head):
        final = tuple(up.on(axis) for axis in state.axes)
        if _entries(final) > SINGLE:
            state = as_type(state, dtype)

        def slab(offsets: Offsets) -> Array:
            fine = run(head[start + 1 :], up(state, offsets))
            return linear(tail, merged(fine, tail, kind), final)[0]
    else:
        before, after = tail[: start - len(head)], tail[start - len(head) + 1 :]
        coarse, coarse_axes = linear(before, merged(state, tail, kind), state.axes)
        coarse = coarse.astype(dtype, copy=False)
        final = tuple(up.on(axis) for axis in coarse_axes)

        def slab(offsets: Offsets) -> Array:
            return linear(after, up.apply(coarse, coarse_axes, offsets), final)[0]

    return _slabs(slab, final, dtype, progress=progress), final


def shift_averaged(
    layers: Sequence[Layer], table: Array, axes: Axes, kind: Kind, progress: Progress | None = None
) -> tuple[Array, Axes]:
    """The mean of the network's table over the remainders r, without making that table.

    A convolution leaves the mean over r as it is, and an upsampling only needs it; so after the
    last activation one number per offset is enough.
    """
    head, tail = split(layers)
    n = len(axes)
    if any(isinstance(layer, Downsample) for layer in tail):
        value, axes = exact(layers, table, axes, kind, np.float64)
        return value.mean(axis=tuple(range(n))), tuple(averaged(axis) for axis in axes)
    start = _last_upsample(head)
    if start is None:
        state = run(head, of_grid(table, axes))
        value, axes = _mean(merged(state, tail, kind), n), state.axes
    else:
        state = run(head[:start], of_grid(table, axes))
        up = cast(Upsample, head[start])
        axes = tuple(up.on(axis) for axis in state.axes)
        if _entries(axes) > SINGLE:
            state = as_type(state, np.float32)

        def slab(offsets: Offsets) -> Array:
            return _mean(merged(run(head[start + 1 :], up(state, offsets)), tail, kind), n)

        value = _slabs(slab, axes, np.float64, mean=True, progress=progress)
    axes = tuple(averaged(axis) for axis in axes)
    for layer in tail:
        value, axes = linear([layer], value, axes)
        value, axes = _mean(value, n), tuple(averaged(axis) for axis in axes)
    return value.reshape(value.shape[n:]), axes


def footprint(layers: Sequence[Layer], axes: Axes, average: bool, dtype: type) -> int:
    """Bytes that the evaluation takes at its peak, about."""
    head, _ = split(layers)
    start = _last_upsample(head if average else layers)
    sizes = [_entries(axes)]
    for layer in layers[: len(layers) if start is None else start]:
        if isinstance(layer, Upsample | Downsample):
            axes = tuple(layer.on(axis) for axis in axes)
            sizes.append(_entries(axes))
    whole = 12 * 8 * max(sizes)
    slabs = workers() * 12 * 8 * SLAB
    if start is None:
        return whole
    up = cast(Upsample, layers[start])
    axes = tuple(up.on(axis) for axis in axes)
    if not average:
        return whole + slabs + np.dtype(dtype).itemsize * _entries(axes)
    least = _entries(axes) // math.prod(axis.count for axis in axes[:2])
    slabs = max(slabs, workers() * 12 * 8 * least)
    return whole + slabs + 4 * 8 * math.prod(axis.count for axis in axes)


def _entries(axes: Axes) -> int:
    return math.prod(axis.period * axis.count for axis in axes)


def split(layers: Sequence[Layer]) -> tuple[list[Layer], list[Linear]]:
    """Up to and with the last activation, and the linear rest."""
    linear = (Dense, Conv, Downsample, Upsample)
    last = max((k for k, layer in enumerate(layers) if not isinstance(layer, linear)), default=-1)
    return list(layers[: last + 1]), [x for x in layers[last + 1 :] if isinstance(x, linear)]


def run(layers: Sequence[Layer], state: Covariance) -> Covariance:
    """One layer after the other."""
    for layer in layers:
        state = layer(state)
    return state


def merged(state: Covariance, tail: Sequence[Linear], kind: Kind) -> Array:
    """The one table that the linear rest of the network has to act on."""
    if kind == "nngp":
        return state.nngp
    weights = sum(isinstance(layer, Conv | Dense) for layer in tail)
    return state.ntk + weights * state.nngp if weights else state.ntk


def as_type(state: Covariance, dtype: type) -> Covariance:
    """The same state in another precision."""
    return replace(
        state,
        nngp=state.nngp.astype(dtype, copy=False),
        ntk=state.ntk.astype(dtype, copy=False),
        left=state.left.astype(dtype, copy=False),
        right=state.right.astype(dtype, copy=False),
    )


def linear(tail: Sequence[Linear], value: Array, axes: Axes) -> tuple[Array, Axes]:
    """The linear rest of a network, on the one table that `merged` left."""
    for layer in tail:
        value, axes = layer.apply(value, axes), tuple(layer.on(axis) for axis in axes)
    return value, axes


def averaged(axis: Axis) -> Axis:
    """The axis of a table that was averaged over its remainders."""
    return Axis(1, axis.side, axis.radius, axis.tail_period)


def _mean(value: Array, n: int) -> Array:
    return np.asarray(value.mean(axis=tuple(range(n)), keepdims=True, dtype=np.float64))


def _last_upsample(layers: Sequence[Layer]) -> int | None:
    """Where the part that never mixes offsets begins, if it begins with an upsampling."""
    for k in range(len(layers) - 1, -1, -1):
        if isinstance(layers[k], Upsample):
            return k
        if isinstance(layers[k], Downsample):
            return None
    return None


def _slabs(
    slab: Callable[[Offsets], Array],
    axes: Axes,
    dtype: type,
    *,
    mean: bool = False,
    progress: Progress | None = None,
) -> Array:
    """Put together what `slab` returns for a few offsets of the first axis at a time.

    Where the remainders are averaged away and all axes are alike, swapping axes changes nothing,
    and only offsets at least as large as those of the first axis are computed.
    """
    n = len(axes)
    counts = [axis.count for axis in axes]
    periods = [1 if mean else axis.period for axis in axes]
    out: Array = np.empty(periods + counts, dtype=dtype)
    swap = mean and n > 1 and all(axis == axes[0] for axis in axes) and axes[0].side is None

    def fill(place: tuple[slice, ...]) -> None:
        out[(slice(None),) * n + place] = slab(
            [np.arange(c)[s] for c, s in zip(counts, place, strict=True)]
        )

    parallel_for(fill, _places(axes, swap), progress)
    if swap:
        ordered = np.sort(np.indices(counts), axis=0)
        out = out[(0,) * n + tuple(ordered)].reshape(out.shape)
    return out


def _places(axes: Axes, swap: bool) -> list[tuple[slice, ...]]:
    """The offsets of each slab: a few of the first axis and, where those are still too many
    entries, of the second; with `swap` only offsets no smaller than the first axis' own."""
    counts = [axis.count for axis in axes]
    inner = math.prod(axis.period for axis in axes) * math.prod(counts[2:])
    width = inner * counts[1] if len(axes) > 1 else inner
    step = max(1, min(counts[0], SLAB // width))
    across = max(1, SLAB // (inner * step))
    places: list[tuple[slice, ...]] = []
    for first in range(0, counts[0], step):
        chosen = slice(first, first + step)
        least = first if swap else 0
        rest = (slice(least, None),) * max(len(axes) - 2, 0)
        if len(axes) == 1:
            places.append((chosen,))
            continue
        for second in range(least, counts[1], across):
            places.append((chosen, slice(second, second + across), *rest))
    return places
