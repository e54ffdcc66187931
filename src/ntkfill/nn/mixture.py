"""Weighted sums of the predictions of several networks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from ..errors import InputError, check_number
from .networks import Sequential

RIDGE = 1e-3
"""The default ridge of grids, relative to the mean of the kernel's diagonal."""
MAX_MEMBERS = 100


@dataclass(frozen=True)
class Spline:
    """The smoothest interpolation, a member of mixtures that fill grids.

    In one dimension, of order 2, the cubic spline that infinitely wide ReLU networks of the
    coordinate tend to (Jin and Montufar 2023, arXiv:2006.07356); on more axes the thin plate.

    Parameters
    ----------
    order : {1, 2, 3}
        Of the differences whose squares are minimised: 1 is linear interpolation along an axis.
    axis : int, optional
        Interpolate along this axis alone, as far as pixels along it are known: time, or slices.

    Raises
    ------
    InputError
        If the order is none of these, or the axis not a whole number.

    Examples
    --------
    >>> import numpy as np
    >>> import ntkfill
    >>> from ntkfill.nn import Member, Mixture, Spline, hourglass
    >>> spline = Mixture((Member(hourglass(5), weight=0.0), Member(Spline(3))))
    >>> gap = np.arange(12) % 6 == 4
    >>> ntkfill.inpaint(np.arange(12.0) ** 2, gap, network=spline).round(1)[gap]
    array([ 16., 100.])
    """

    order: int = 2
    axis: int | None = None

    def __post_init__(self) -> None:
        if self.order not in (1, 2, 3):
            raise InputError("order of a spline must be 1, 2 or 3", got=repr(self.order))
        if self.axis is not None and not isinstance(self.axis, int):
            raise InputError("axis of a spline must be an integer or None", got=repr(self.axis))


@dataclass(frozen=True)
class Member:
    """One network of a mixture.

    Parameters
    ----------
    network : Sequential or Spline
    ridge : float
        Added to its kernel's diagonal, relative to the mean; at least 0. Splines have none.
    weight : float
        Of its predictions.

    Raises
    ------
    InputError
        If the network is neither a Sequential nor a Spline, or the ridge negative.
    """

    network: Sequential | Spline
    ridge: float = RIDGE
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.network, Sequential | Spline):
            raise InputError("network must be a Sequential or a Spline", got=repr(self.network))
        # Plain floats, so that the repr can be read back.
        object.__setattr__(self, "ridge", check_number("ridge", self.ridge, minimum=0))
        object.__setattr__(self, "weight", check_number("weight", self.weight))


@dataclass(frozen=True)
class Mixture:
    """A weighted sum of networks' predictions, with weights that sum to one.

    Weights may be negative: a linear combination can be better than any average.

    Parameters
    ----------
    members : tuple of Member
        The one of the largest weight comes first. At least one is a network: kernels and standard
        deviations are those of networks, even where all the weight is with splines.

    Raises
    ------
    InputError
        If no member is a network, or the weights do not sum to one.

    Examples
    --------
    >>> from ntkfill.nn import Member, hourglass
    >>> pair = Mixture((Member(hourglass(3), weight=0.75), Member(hourglass(5), weight=0.25)))
    >>> pair.receptive_radius
    32
    """

    members: tuple[Member, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.members, tuple) or not all(
            isinstance(member, Member) for member in self.members
        ):
            raise InputError(
                "members of a mixture must be a tuple of Member(network, ridge, weight)",
                got=repr(self.members)[:200],
            )
        if len(self.members) > MAX_MEMBERS:
            raise InputError(
                f"a mixture has at most {MAX_MEMBERS} members", got=str(len(self.members))
            )
        if not self.networks:
            hint = "Member(hourglass(5), weight=0.0) besides"
            raise InputError("a mixture needs a network", got=repr(self.members)[:200], hint=hint)
        total = math.fsum(member.weight for member in self.members)
        if not abs(total - 1) < 1e-6:
            raise InputError("the weights of a mixture must sum to one", got=f"{total:g}")

    @cached_property
    def networks(self) -> tuple[tuple[Sequential, Member], ...]:
        """Networks, with the member that each is."""
        return tuple((x.network, x) for x in self.members if isinstance(x.network, Sequential))

    @cached_property
    def splines(self) -> tuple[tuple[Spline, float], ...]:
        """Splines, with the weight of each."""
        return tuple((x.network, x.weight) for x in self.members if isinstance(x.network, Spline))

    @cached_property
    def receptive_radius(self) -> int:
        """The largest of its networks."""
        return max(network.receptive_radius for network, _ in self.networks)
