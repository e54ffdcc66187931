"""Several networks at once: each fills in by itself, and their answers are added up."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import InputError, check_number
from .sequential import Sequential

RIDGE = 1e-3
"""What is added to a kernel's diagonal, relative to its mean, where nobody says otherwise."""


@dataclass(frozen=True)
class Member:
    """One network of a mixture.

    Parameters
    ----------
    network : Sequential
    ridge : float
        Added to its kernel's diagonal, relative to the mean.
    weight : float
        What its answer counts.
    """

    network: Sequential
    ridge: float = RIDGE
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.network, Sequential):
            raise InputError(
                "a member of a mixture is a network",
                expected="Sequential(...)",
                got=repr(self.network),
            )
        if check_number("the ridge", self.ridge) < 0:
            raise InputError("the ridge cannot be used", expected="0 or more", got=repr(self.ridge))
        # Plain floats, so that the repr can be read back.
        object.__setattr__(self, "ridge", check_number("the ridge", self.ridge))
        object.__setattr__(self, "weight", check_number("the weight", self.weight))


@dataclass(frozen=True)
class Mixture:
    """Networks whose answers are added up, with weights that sum to one.

    Weights may be negative: what two networks disagree about can say where the truth lies.

    Parameters
    ----------
    members : tuple of Member
        The one that counts most comes first.

    Raises
    ------
    InputError
        If there are no members, or their weights do not sum to one.

    Examples
    --------
    >>> from ntkfill.nn import Member, hourglass
    >>> pair = Mixture((Member(hourglass(3), weight=0.75), Member(hourglass(5), weight=0.25)))
    >>> pair.reach
    32
    """

    members: tuple[Member, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.members, tuple) or not all(
            isinstance(member, Member) for member in self.members
        ):
            raise InputError(
                "a mixture is made of members",
                expected="a tuple of Member(network, ridge, weight)",
                got=repr(self.members)[:200],
            )
        total = math.fsum(member.weight for member in self.members)
        if not abs(total - 1) < 1e-6:
            raise InputError(
                "the weights of a mixture do not sum to one", expected="1", got=f"{total:g}"
            )

    @property
    def reach(self) -> int:
        """How far the network that looks farthest sees, in coordinates."""
        return max(member.network.reach for member in self.members)
