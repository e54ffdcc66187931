"""How a fill is refined: the size of the patches, and what is made of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import numpy as np

from ...errors import InputError, check_number

# The time of a small solve grows with the cube of the channels.
CHANNELS = 16

SHARES = ("narrow", "common", "first", "last", "trust")
NONE = ("common", "trust", "inward")


@dataclass(frozen=True)
class Patches:
    """How a fill is refined.

    Parameters
    ----------
    width : int
        Of a patch of the last pass, in pixels.
    narrow : float
        The width of the first pass, relative to that: small details are alike more often.
    step : int
        Pixels between patches of the last pass, fewer where they are narrower. Patches overlap, and
        begin elsewhere in each pass.
    reach : int
        How far away similar patches are looked for, in pixels.
    count : int
        How many of the most similar patches complete one.
    common : float
        What the mean over the kernels of a neighbourhood counts in each of them, in all passes but
        the last, whose kernels also tell how sure a value is (those inward do both).
    passes : int
    first, last : float
        The ridge of the first and of the last pass, relative to the mean square error of the fill.
    trust : float
        What a missing pixel counts when patches are compared; a known one counts 1.
    inward : int
        How often holes deeper than a patch are completed from their rim inward, after the passes;
        0 leaves what no patch reaches as it was.

    Raises
    ------
    InputError
        If a number cannot be used.

    Examples
    --------
    >>> Patches(passes=3).ridges(100.0)
    (100.0, 10.0, 1.0)
    """

    width: int = 8
    narrow: float = 0.6
    step: int = 4
    reach: int = 12
    count: int = 50
    common: float = 0.2
    passes: int = 8
    first: float = 1.0
    last: float = 0.01
    trust: float = 0.3
    inward: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            given = getattr(self, field.name)
            value = check_number(f"the {field.name} of patches", given)
            whole = field.name not in SHARES
            none = field.name in NONE
            if value < 0 or (value == 0 and not none) or (whole and value != int(value)):
                least = "of at least zero" if none else "above zero"
                raise InputError(
                    f"the {field.name} of patches cannot be used",
                    expected=f"a {'whole ' * whole}number {least}",
                    got=repr(given),
                )
        for name in ("narrow", "common"):
            if getattr(self, name) > 1:
                raise InputError(
                    f"the {name} of patches cannot be used",
                    expected="a share, at most 1",
                    got=repr(getattr(self, name)),
                )
        if self.step > self.width:
            raise InputError(
                "patches leave gaps between them",
                expected=f"a step of at most {self.width}",
                got=repr(self.step),
            )

    def growing(self) -> tuple[Patches, ...]:
        """One for each pass.

        >>> [patches.width for patches in Patches(passes=4).growing()]
        [5, 6, 7, 8]
        """
        widths = np.linspace(self.width, math.ceil(self.narrow * self.width), self.passes)[::-1]
        grown = [
            replace(self, width=w, narrow=1.0, step=math.ceil(self.step * w / self.width))
            for w in widths.round().astype(int).tolist()
        ]
        return (*grown[:-1], replace(grown[-1], common=0.0))

    def ridges(self, error: float) -> tuple[float, ...]:
        """One for each pass: the better the fill, the more of its detail is believed."""
        return tuple(map(float, error * np.geomspace(self.last, self.first, self.passes)[::-1]))


def offered(axes: int, channels: int = 1) -> tuple[Patches, ...]:
    """What there is to choose from, the usual one first.

    Examples
    --------
    >>> [patches.narrow for patches in offered(2)]
    [0.6, 1]
    """
    if channels > CHANNELS:
        raise InputError(
            "patches of so many channels are too large to be compared",
            expected=f"at most {CHANNELS} channels",
            got=str(channels),
            hint="refine=None, or the channels in groups",
        )
    if axes == 1:
        return (Patches(width=16, narrow=1, step=4, reach=256),)
    if axes > 2:
        return (Patches(width=4, narrow=1, step=2, reach=4),)
    if channels > 1:
        return (Patches(width=6, step=3, reach=10),)
    return (Patches(), Patches(narrow=1, count=60))
