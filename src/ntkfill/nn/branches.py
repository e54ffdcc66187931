"""Branches with a shared input: skip connections, as sums or as more channels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal

import numpy as np

from ..errors import InputError, check_number
from ..kernels.table import Array, Axis
from .covariance import Axes, Covariance, run


@dataclass(frozen=True, init=False)
class Branches:
    """Several networks of the same input, whose outputs are added or put side by side.

    Parameters
    ----------
    *branches : sequence of layers, or Sequential
        An empty one passes the input on. All must end at the same resolution.
    join : {"concatenate", "add"}
        As further channels, or as a sum; of a sum all branches but one must have weights after
        their last activation, or they would be correlated.
    shares : sequence of float, optional
        The part of the channels that each branch has, where they are concatenated; they sum to 1.
        The default is equal parts.

    Raises
    ------
    InputError
        If there are no branches, or the shares do not fit.

    Examples
    --------
    >>> from ntkfill.nn import Conv, Downsample, ReLU, Sequential, Upsample
    >>> skip, deep = (Conv(1), ReLU()), (Conv(3), Downsample(), ReLU(), Upsample())
    >>> net = Sequential(Branches(skip, deep), Conv(3))
    >>> net.receptive_radius, net.ntk((4,)).shape
    (2, (4, 4))
    """

    branches: tuple[tuple[Any, ...], ...]
    join: Literal["concatenate", "add"]
    shares: tuple[float, ...]

    def __init__(
        self,
        *branches: Any,
        join: Literal["concatenate", "add"] = "concatenate",
        shares: Sequence[float] | None = None,
    ) -> None:
        layers = [getattr(branch, "layers", branch) for branch in branches]
        parts = _checked(layers, join, shares)
        object.__setattr__(self, "branches", tuple(map(tuple, layers)))
        object.__setattr__(self, "join", join)
        object.__setattr__(self, "shares", parts)

    @property
    def given_shares(self) -> tuple[float, ...] | None:
        """The argument `shares` that makes these branches again."""
        return None if self.join == "add" else self.shares

    def __repr__(self) -> str:
        how = "join='add'" if self.join == "add" else f"shares={self.given_shares}"
        return f"Branches({', '.join(map(repr, self.branches))}, {how})"

    def __call__(self, state: Covariance) -> Covariance:
        parts = [run(branch, state) for branch in self.branches]
        axes = joined_axes([part.axes for part in parts])
        offsets = [axis.offsets for axis in axes]
        return joined(self, [part.at(offsets) for part in parts], axes)


def _checked(layers: Sequence[Any], join: str, shares: Sequence[float] | None) -> tuple[float, ...]:
    """The shares of these branches, or an error."""
    if not layers:
        raise InputError("Branches needs at least one branch", hint="Branches((), (Conv(3),))")
    if join not in ("concatenate", "add"):
        raise InputError("join must be 'concatenate' or 'add'", got=repr(join))
    if not all(isinstance(branch, tuple | list) for branch in layers):
        got = repr(layers)[:200]
        raise InputError("a branch must be a tuple of layers, or a Sequential", got=got)
    default = [1.0 if join == "add" else 1 / len(layers)] * len(layers)
    given = default if shares is None else shares
    parts = tuple(check_number("a share", x, above=0) for x in given)
    summed = shares is None if join == "add" else abs(math.fsum(parts) - 1) <= 1e-9
    if len(parts) != len(layers) or not summed:
        got = f"{shares} for {len(layers)} branches, join={join!r}"
        what = "shares must be one number for each concatenated branch, and sum to 1"
        raise InputError(what, got=got)
    return parts


def joined(layer: Branches, parts: Sequence[Covariance], axes: Axes) -> Covariance:
    """The branches' outputs, at the same offsets, as one."""

    def total(arrays: Sequence[Array]) -> Array:
        pairs = zip(arrays, layer.shares, strict=True)
        return reduce(np.add, [_repeated(a, axes) * a.dtype.type(share) for a, share in pairs])

    nngp, ntk = (total([getattr(part, kind) for part in parts]) for kind in ("nngp", "ntk"))
    left, right = (total([getattr(part, side) for part in parts]) for side in ("left", "right"))
    return Covariance(nngp, ntk, left, right, axes)


def Residual(*layers: Any) -> Branches:
    """x + f(x), for the network f of these layers: ``Branches((), layers, join="add")``.

    Examples
    --------
    >>> from ntkfill.nn import Conv, ReLU
    >>> Residual(ReLU(), Conv(3))
    Branches((), (TwoSlope(slope=0.0), Conv(size=3)), join='add')
    """
    return Branches((), layers, join="add")


def joined_axes(each: Sequence[Axes]) -> Axes:
    """The axes of a table that holds the tables of all branches."""
    return tuple(reduce(_joined, column) for column in zip(*each, strict=True))


def _joined(first: Axis, second: Axis) -> Axis:
    if first.side != second.side:
        got = f"sides {first.side} and {second.side}"
        raise InputError("branches must end at the same resolution", got=got)
    period = math.lcm(first.period, second.period)
    if first.side is not None:
        return Axis(period, first.side)
    radius = max(first.radius, second.radius)
    return Axis(period, None, radius, math.lcm(first.tail_period, second.tail_period))


def _repeated(table: Array, axes: Axes) -> Array:
    """The table with the period of these axes; of period one it is left to broadcasting."""
    for k, axis in enumerate(axes):
        if table.shape[k] not in (1, axis.period):
            table = np.take(table, np.arange(axis.period) % table.shape[k], axis=k)
    return table
