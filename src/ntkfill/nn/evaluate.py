"""Run a network's layers over a prior's table, as cheaply as its structure allows.

Two facts are used. After the last activation everything is linear, so nngp and ntk merge into one
table: with m layers of weights left, the final ntk is the linear rest of ntk + m * nngp. And a
convolution never mixes offsets, so all that follows an upsampling is computed in slabs of a few
offsets: in cache, on all cores, and after the last one without ever holding the finest level of
both tables.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..kernels.table import Array, Index
from ..runtime.progress import Progress, stage
from ..runtime.resources import workers
from .branches import Branches, joined, joined_axes
from .covariance import Axes, Covariance, Offsets, run, variances
from .resampling import ConvTranspose, Upsample
from .slabs import SLAB, in_slabs
from .structure import COARSER, FINER, WEIGHTS, Layer, Linear, mixes_offsets, out_axes

Kind = Literal["ntk", "nngp"]

# Tables of one level at once: those that a layer works with, or both that slabs are put into, and
# their copies in single precision.
WHOLE, JOINED = 6, 3

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
    outputs, axes = _head(head, table, axes, dtype)
    cut = _last_mixing(rest)
    if cut is None:

        def slab(offsets: Offsets) -> Array:
            return _run_linear(rest, _merged(outputs(offsets), rest, kind), axes)[0]

        return in_slabs(slab, axes, dtype, progress=progress), axes
    value = _merged(outputs([axis.offsets for axis in axes]), rest, kind)
    value, coarse = _run_linear(rest[:cut], value, axes)
    value, last, after = value.astype(dtype, copy=False), rest[cut], rest[cut + 1 :]
    if not isinstance(last, FINER):
        value, final = _run_linear(rest[cut:], value, coarse)
        return value, final
    final = out_axes([last], coarse)

    def linear_slab(offsets: Offsets) -> Array:
        return _run_linear(after, last.apply(value, coarse, offsets), final)[0]

    return in_slabs(linear_slab, final, dtype, progress=progress), final


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
    if any(isinstance(layer, COARSER) for layer in rest):
        value, axes = exact(layers, table, axes, kind, np.float64)
        return value.mean(axis=tuple(range(n))), _averaged(axes)
    if (
        head
        and isinstance(head[-1], Branches)
        and not any(isinstance(layer, Branches) for layer in head[:-1])
    ):
        # What follows is linear: a sum over the branches, each of them averaged by itself.
        each = [[*head[:-1], *branch, *rest] for branch in head[-1].branches]
        parts = [
            shift_averaged(branch, table, axes, kind, progress and stage(progress, k, len(each)))
            for k, branch in enumerate(each)
        ]
        axes = joined_axes([axes for _, axes in parts])
        spread = [
            value[np.ix_(*(a.positions(b.offsets) for a, b in zip(own, axes, strict=True)))]
            for value, own in parts
        ]
        return np.tensordot(head[-1].shares, np.stack(spread), 1), axes
    outputs, axes = _head(head, table, axes, np.float32)

    def slab(offsets: Offsets) -> Array:
        if not isinstance(outputs, LastLevel) or (few := outputs.distinct(offsets[0])) is None:
            return _mean(_merged(outputs(offsets), rest, kind), n)
        remainders, share = few
        value = _merged(outputs(offsets, remainders), rest, kind)
        value = value.mean(axis=tuple(range(1, n)), keepdims=True, dtype=np.float64)
        return np.asarray(np.tensordot(share, value, 1)[None])

    value = in_slabs(slab, axes, np.float64, mean=True, progress=progress)
    axes = _averaged(axes)
    for layer in rest:
        value, axes = _run_linear([layer], value, axes)
        value, axes = _mean(value, n), _averaged(axes)
    return value.reshape(value.shape[n:]), axes


def footprint(layers: Sequence[Layer], axes: Axes, average: bool, dtype: type) -> int:
    """Bytes that the evaluation takes at its peak, about."""
    layers = _split(layers)[0] if average else layers
    held = _held(layers, axes)
    axes = out_axes(layers, axes)
    smallest = _entries(axes) // math.prod(axis.count for axis in axes[:2])
    slabs = min(workers() * max(SLAB, smallest), _entries(axes))
    most = held + WHOLE * 8 * slabs
    if average:
        return most + 4 * 8 * math.prod(axis.count for axis in axes)
    return most + np.dtype(dtype).itemsize * _entries(axes)


@dataclass(frozen=True, eq=False)
class LastLevel:
    """The last upsampling and the layers after it, as a function of offsets."""

    coarse: Covariance
    finer: Upsample | ConvTranspose
    after: Sequence[Layer]

    def __call__(self, offsets: Offsets, remainders: Index | None = None) -> Covariance:
        """The pairs at all remainders of the first axis, or at some neighbouring ones."""
        if remainders is None:
            return run(self.after, self.finer(self.coarse, offsets))
        assert isinstance(self.finer, Upsample)
        return run(self.after, self.finer(self.coarse, offsets, remainders))

    def distinct(self, offsets: Index) -> tuple[Index, Array] | None:
        """Neighbouring remainders of the first axis that tell the mean over all, and their shares
        in it; None where all are needed.

        A pair that is swapped and reflected in every axis has the same covariance: r and
        period - 1 - d - r are alike, so that half of the remainders are enough. Convolutions need
        some at both ends besides.
        """
        axis = self.coarse.axes[0]
        plain = isinstance(self.finer, Upsample) and self.finer.mode == "nearest"
        plain = plain and axis.side is None and self.coarse.right.size == 1
        if not plain or len(offsets) > 1 or any(isinstance(x, Branches) for x in self.after):
            return None
        period, margin = 2 * axis.period, sum(getattr(x, "size", 1) // 2 for x in self.after)
        last = period - 1 - int(offsets[0])
        share = np.full(period // 2 + (last % 2 == 0), 2.0 / period)
        if last % 2 == 0:  # these two are their own images
            share[[0, -1]] /= 2
        share = np.pad(share, margin)
        if len(share) >= period:
            return None
        first = math.ceil(last / 2) - margin
        return np.arange(first, first + len(share)) % period, share


Outputs = LastLevel | Callable[[Offsets], Covariance]


def _head(layers: Sequence[Layer], table: Array, axes: Axes, dtype: type) -> tuple[Outputs, Axes]:
    """The layers up to the last activation as a function of offsets, and the axes after them."""
    final = out_axes(layers, axes)
    large = _entries(final) > SINGLE

    def cast(state: Covariance) -> Covariance:
        return state.each(lambda a: a.astype(dtype, copy=False)) if large else state

    return _outputs(layers, Covariance.of_grid(table, axes), cast), final


def _outputs(
    layers: Sequence[Layer], state: Covariance, cast: Callable[[Covariance], Covariance]
) -> Outputs:
    """The layers as a function of the offsets of their last level: all that mixes offsets is done
    once, the rest for the offsets that are asked for."""
    start = _last_mixing(layers)
    if start is None:
        return lambda offsets: run(layers, state.at(offsets))
    state, last, after = _run_in_slabs(layers[:start], state), layers[start], layers[start + 1 :]
    if isinstance(last, FINER):
        return LastLevel(cast(state), last, after)
    if isinstance(last, Branches):
        parts = [
            _outputs(branch, cast(state) if _last_mixing(branch) is None else state, cast)
            for branch in last.branches
        ]
        axes = out_axes([last], state.axes)
        return lambda offsets: run(after, joined(last, [part(offsets) for part in parts], axes))
    whole = cast(last(state))
    return lambda offsets: run(after, whole.at(offsets))


def _run_in_slabs(layers: Sequence[Layer], state: Covariance) -> Covariance:
    """Apply layers to all offsets: every upsampling and what follows it in slabs."""
    mixing = [k for k, layer in enumerate(layers) if mixes_offsets(layer)]
    state = run(layers[: mixing[0]] if mixing else layers, state)
    for first, stop in itertools.pairwise([*mixing, len(layers)]):
        layer, axes = layers[first], out_axes([layers[first]], state.axes)
        if not isinstance(layer, FINER) or _entries(axes) <= SLAB:
            state = run(layers[first:stop], state)
            continue
        level = LastLevel(state, layer, layers[first + 1 : stop])

        def slab(offsets: Offsets, level: LastLevel = level) -> Array:
            done = level(offsets)
            return np.stack((done.nngp, done.ntk))

        nngp, ntk = in_slabs(slab, axes, state.nngp.dtype.type, tables=(2,))
        state = Covariance(nngp, ntk, *variances(nngp, axes), axes)
    return state


def _last_mixing(layers: Sequence[Layer]) -> int | None:
    """Index of the layer after which offsets are never mixed."""
    return max((k for k, layer in enumerate(layers) if mixes_offsets(layer)), default=None)


def _largest(layers: Sequence[Layer], axes: Axes, in_slabs: bool = False) -> int:
    """The most bytes of tables between these layers, when they are run one by one."""
    tables, most = WHOLE, WHOLE * 8 * _entries(axes)
    for layer in layers:
        if isinstance(layer, Branches):
            most = max(most, sum(_largest(branch, axes) for branch in layer.branches))
        axes = out_axes([layer], axes)
        if mixes_offsets(layer):
            cut = in_slabs and isinstance(layer, FINER) and _entries(axes) > SLAB
            tables = JOINED if cut else WHOLE
        most = max(most, tables * 8 * _entries(axes))
    return most


def _held(layers: Sequence[Layer], axes: Axes) -> int:
    """The bytes of tables that are held at once before the slabs of the last level."""
    start = _last_mixing(layers)
    if start is None:
        return WHOLE * 8 * _entries(axes)
    most = _largest(layers[:start], axes, in_slabs=True)
    axes, last = out_axes(layers[:start], axes), layers[start]
    if isinstance(last, FINER):
        return most
    if isinstance(last, Branches):
        return max(most, sum(_held(branch, axes) for branch in last.branches))
    return max(most, _largest([last], axes))


def _run_linear(layers: Sequence[Linear], value: Array, axes: Axes) -> tuple[Array, Axes]:
    """Apply linear layers to one table."""
    for layer in layers:
        value, axes = layer.apply(value, axes), out_axes([layer], axes)
    return value, axes


def _split(layers: Sequence[Layer]) -> tuple[Sequence[Layer], list[Linear]]:
    """The layers up to the last one that is not linear, and the linear rest."""
    last = max((k for k, layer in enumerate(layers) if not isinstance(layer, Linear)), default=-1)
    return layers[: last + 1], [x for x in layers[last + 1 :] if isinstance(x, Linear)]


def _merged(state: Covariance, rest: Sequence[Linear], kind: Kind) -> Array:
    """The one table that the linear rest of the network acts on."""
    if kind == "nngp":
        return state.nngp
    weights = sum(isinstance(layer, WEIGHTS) for layer in rest)
    return state.ntk + weights * state.nngp if weights else state.ntk


def _averaged(axes: Axes) -> Axes:
    """The axes of a table that was averaged over its remainders."""
    return tuple(replace(axis, period=1) for axis in axes)


def _mean(value: Array, n: int) -> Array:
    """The mean over the remainders of n axes, which stay as axes of length one."""
    return np.asarray(value.mean(axis=tuple(range(n)), keepdims=True, dtype=np.float64))


def _entries(axes: Axes) -> int:
    return math.prod(axis.period * axis.count for axis in axes)
