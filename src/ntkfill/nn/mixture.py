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
class Member:
    """One network of a mixture.

    Parameters
    ----------
    network : Sequential
    ridge : float
        Added to its kernel's diagonal, relative to the mean; at least 0.
    weight : float
        Of its predictions.

    Raises
    ------
    InputError
        If the network is not a Sequential, or the ridge negative.
    """

    network: Sequential
    ridge: float = RIDGE
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.network, Sequential):
            raise InputError("network must be a Sequential", got=repr(self.network))
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
        The one of the largest weight comes first.

    Raises
    ------
    InputError
        If there are no members, or their weights do not sum to one.

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
        total = math.fsum(member.weight for member in self.members)
        if not abs(total - 1) < 1e-6:
            raise InputError("the weights of a mixture must sum to one", got=f"{total:g}")

    @cached_property
    def receptive_radius(self) -> int:
        """The largest of its networks."""
        return max(member.network.receptive_radius for member in self.members)
