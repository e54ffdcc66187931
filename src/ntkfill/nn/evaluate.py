"""Run a network's layers over a prior's table, as cheaply as its structure allows.

Two facts are used. After the last activation everything is linear, so nngp and ntk merge into one
table: with m layers of weights left, the final ntk is the linear rest of ntk + m * nngp. And a
convolution never mixes offsets, so all that follows the last upsampling is computed in slabs of a
few offsets: in cache, on all cores, and without ever holding the finest level of both tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal, cast

import numpy as np

from ..kernels.table import Array, Index
from ..runtime.progress import Progress
from ..runtime.resources import parallel_for, workers
from .activations import Activation
from .layers import Axes, Conv, Covariance, Dense, Downsample, Linear, Upsample

Layer = Linear | Activation
Kind = Literal["ntk", "nngp"]
Offsets = Sequence[Index]

# Entries of one slab: a few such arrays stay in a core's cache.
SLAB = 1 << 18

# A level with more entries is computed in single precision: twice as fast, and with the default
# prior it still agrees with double precision to about six digits.
SINGLE = 1 << 24


def exact(
    layers: Sequence[Layer],
    table: Array,
    axes: Axes,
    kind: Kind,
    dtype: type,
    progress: Progress | None = None,
) -> tuple[Array, Axes]:
    """The table of the whole network, and its axes."""
    head, rest = _split(layers)
    start = _last_upsample(layers)
    if start is None:
        state = run(head, Covariance.of_grid(table, axes))
        value, axes = _run_linear(rest, _merged(state, rest, kind), state.axes)
        return value.astype(dtype, copy=False), axes
    up = cast(Upsample, layers[start])
    state = run(layers[: min(start, len(head))], Covariance.of_grid(table, axes))
    if start < len(head):
        final = tuple(up.out_axis(axis) for axis in state.axes)
        state = _single(state, final, dtype)

        def slab(offsets: Offsets) -> Array:
            fine = run(head[start + 1 :], up(state, offsets))
            return _run_linear(rest, _merged(fine, rest, kind), final)[0]
    else:
        before, after = rest[: start - len(head)], rest[start - len(head) + 1 :]
        coarse, coarse_axes = _run_linear(before, _merged(state, rest, kind), state.axes)
        coarse = coarse.astype(dtype, copy=False)
        final = tuple(up.out_axis(axis) for axis in coarse_axes)

        def slab(offsets: Offsets) -> Array:
            return _run_linear(after, up.apply(coarse, coarse_axes, offsets), final)[0]

    return _in_slabs(slab, final, dtype, progress=progress), final


def shift_averaged(
    layers: Sequence[Layer],
    table: Array,
    axes: Axes,
    kind: Kind,
    progress: Progress | None = None,
) -> tuple[Array, Axes]:
    """The mean of the network's table over the remainders r, without making that table.

    A convolution does not change the mean over r, and an upsampling needs no more than the mean; so
    after the last activation one number per offset is enough.
    """
    head, rest = _split(layers)
    n = len(axes)
    if any(isinstance(layer, Downsample) for layer in rest):
        value, axes = exact(layers, table, axes, kind, np.float64)
        return value.mean(axis=tuple(range(n))), _averaged(axes)
    start = _last_upsample(head)
    if start is None:
        state = run(head, Covariance.of_grid(table, axes))
        value, axes = _mean(_merged(state, rest, kind), n), state.axes
    else:
        state = run(head[:start], Covariance.of_grid(table, axes))
        up = cast(Upsample, head[start])
        axes = tuple(up.out_axis(axis) for axis in state.axes)
        state = _single(state, axes, np.float32)

        def slab(offsets: Offsets) -> Array:
            return _mean(_merged(run(head[start + 1 :], up(state, offsets)), rest, kind), n)

        value = _in_slabs(slab, axes, np.float64, mean=True, progress=progress)
    axes = _averaged(axes)
    for layer in rest:
        value, axes = _run_linear([layer], value, axes)
        value, axes = _mean(value, n), _averaged(axes)
    return value.reshape(value.shape[n:]), axes


def footprint(layers: Sequence[Layer], axes: Axes, average: bool, dtype: type) -> int:
    """Bytes that the evaluation takes at its peak, about."""
    start = _last_upsample(_split(layers)[0] if average else layers)
    sizes = [_entries(axes)]
    for layer in layers[: len(layers) if start is None else start]:
        if isinstance(layer, Upsample | Downsample):
            axes = tuple(layer.out_axis(axis) for axis in axes)
            sizes.append(_entries(axes))
    whole = 12 * 8 * max(sizes)
    if start is None:
        return whole
    axes = tuple(cast(Upsample, layers[start]).out_axis(axis) for axis in axes)
    if not average:
        return whole + workers() * 12 * 8 * SLAB + np.dtype(dtype).itemsize * _entries(axes)
    smallest = _entries(axes) // math.prod(axis.count for axis in axes[:2])
    slabs = workers() * 12 * 8 * max(SLAB, smallest)
    return whole + slabs + 4 * 8 * math.prod(axis.count for axis in axes)


def run(layers: Sequence[Layer], state: Covariance) -> Covariance:
    """Apply layers to the state of both covariances."""
    for layer in layers:
        state = layer(state)
    return state


def _run_linear(layers: Sequence[Linear], value: Array, axes: Axes) -> tuple[Array, Axes]:
    """Apply linear layers to one table."""
    for layer in layers:
        value, axes = layer.apply(value, axes), tuple(layer.out_axis(axis) for axis in axes)
    return value, axes


def _split(layers: Sequence[Layer]) -> tuple[list[Layer], list[Linear]]:
    """The layers up to the last activation, and the linear rest."""
    linear = (Dense, Conv, Downsample, Upsample)
    last = max((k for k, layer in enumerate(layers) if not isinstance(layer, linear)), default=-1)
    return list(layers[: last + 1]), [x for x in layers[last + 1 :] if isinstance(x, linear)]


def _last_upsample(layers: Sequence[Layer]) -> int | None:
    """Index of the upsampling after which offsets are never mixed; None after a downsampling."""
    for k in range(len(layers) - 1, -1, -1):
        if isinstance(layers[k], Upsample | Downsample):
            return k if isinstance(layers[k], Upsample) else None
    return None


def _merged(state: Covariance, rest: Sequence[Linear], kind: Kind) -> Array:
    """The one table that the linear rest of the network acts on."""
    if kind == "nngp":
        return state.nngp
    weights = sum(isinstance(layer, Conv | Dense) for layer in rest)
    return state.ntk + weights * state.nngp if weights else state.ntk


def _single(state: Covariance, axes: Axes, dtype: type) -> Covariance:
    """The state in this precision, if the level that follows is large."""
    if _entries(axes) <= SINGLE:
        return state

    def as_type(array: Array) -> Array:
        return array.astype(dtype, copy=False)

    nngp, ntk = as_type(state.nngp), as_type(state.ntk)
    return Covariance(nngp, ntk, as_type(state.left), as_type(state.right), state.axes)


def _averaged(axes: Axes) -> Axes:
    """The axes of a table that was averaged over its remainders."""
    return tuple(replace(axis, period=1) for axis in axes)


def _mean(value: Array, n: int) -> Array:
    """The mean over the remainders of n axes, which stay as axes of length one."""
    return np.asarray(value.mean(axis=tuple(range(n)), keepdims=True, dtype=np.float64))


def _entries(axes: Axes) -> int:
    return math.prod(axis.period * axis.count for axis in axes)


def _in_slabs(
    slab: Callable[[Offsets], Array],
    axes: Axes,
    dtype: type,
    *,
    mean: bool = False,
    progress: Progress | None = None,
) -> Array:
    """A table computed slab by slab, each for a few offsets of the first axes.

    Where the remainders are averaged away and all axes are alike, swapping axes changes nothing,
    and only offsets at least as large as those of the first axis are computed.
    """
    n = len(axes)
    counts = [axis.count for axis in axes]
    periods = [1 if mean else axis.period for axis in axes]
    out: Array = np.empty(periods + counts, dtype=dtype)
    swap = mean and n > 1 and all(axis == axes[0] for axis in axes) and axes[0].side is None

    def fill(place: tuple[slice, ...]) -> None:
        offsets = [np.arange(count)[part] for count, part in zip(counts, place, strict=True)]
        out[(slice(None),) * n + place] = slab(offsets)

    parallel_for(fill, _slab_slices(axes, swap), progress)
    if swap:
        ordered = np.sort(np.indices(counts), axis=0)
        out = out[(0,) * n + tuple(ordered)].reshape(out.shape)
    return out


def _slab_slices(axes: Axes, swap: bool) -> list[tuple[slice, ...]]:
    """The offsets of each slab: a few of the first axis and, where those are still too many
    entries, of the second; with `swap` only offsets no smaller than those of the first axis."""
    counts = [axis.count for axis in axes]
    inner = math.prod(axis.period for axis in axes) * math.prod(counts[2:])
    width = inner * counts[1] if len(axes) > 1 else inner
    step = max(1, min(counts[0], SLAB // width))
    across = max(1, SLAB // (inner * step))
    slices: list[tuple[slice, ...]] = []
    for first in range(0, counts[0], step):
        chosen = slice(first, first + step)
        start = first if swap else 0
        if len(axes) == 1:
            slices.append((chosen,))
            continue
        rest = (slice(start, None),) * (len(axes) - 2)
        for second in range(start, counts[1], across):
            slices.append((chosen, slice(second, second + across), *rest))
    return slices
