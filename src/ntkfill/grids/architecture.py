"""The network that a mask asks for, before any value is looked at."""

from __future__ import annotations

import math
from typing import Literal

from scipy import ndimage

from ..errors import InputError
from ..nn.networks import Sequential, hourglass
from ..observed import Mask

Boundary = Literal["pad", "wrap"]

# On so many axes, fewer levels do worse even where only single coordinates are missing.
LEAST_LEVELS = {1: 8, 2: 5, 3: 4}
# A table of 4**14 pairs takes seconds: on n axes that is 14 / n levels.
QUICK = 14


def depth(missing: Mask) -> int:
    """How far, by rows or columns, the deepest missing coordinate is from a known one."""
    if not missing.any():
        return 1
    return int(ndimage.distance_transform_cdt(missing, "chessboard").max())


def automatic(
    shape: tuple[int, ...], deepest: int, boundary: Boundary, shift_average: bool
) -> Sequential:
    """The rule of network="auto": as many levels as the largest hole needs, and one to spare.

    A pixel farther than 2**levels from everything known would be filled with one constant, so the
    largest hole, measured by its inscribed square, decides. One level more is better still, where
    its kernel takes no more than seconds.
    """
    n = len(shape)
    needed = math.ceil(math.log2(max(2 * deepest, 2)))
    spared = min(needed + 1, _quick_levels(n))
    levels = min(max(needed, spared, LEAST_LEVELS.get(n, 3)), _most_levels(n))
    if boundary == "wrap":
        levels = min(levels, _wrappable(shape, shift_average))
    return automatic_network(levels, n)


def automatic_network(levels: int, n: int) -> Sequential:
    """The network of "auto" with this many levels, for grids of n axes."""
    return hourglass(levels, convs_up=2 if levels <= _quick_levels(n) else 1)


def _quick_levels(n: int) -> int:
    """The deepest network with two convolutions on the way up whose kernel is made in seconds."""
    return max(min(QUICK // n, 12), 1)


def _most_levels(n: int) -> int:
    """The deepest network whose kernel is made in seconds: its last level is only interpolated."""
    return _quick_levels(n) + 1


def _wrappable(shape: tuple[int, ...], shift_average: bool) -> int:
    """The most levels that a torus of exactly this shape takes."""
    divisible = math.gcd(*shape)
    levels = (divisible & -divisible).bit_length() - 1
    # One level more would end in a single coordinate, which all others share: a constant.
    most = int(math.log2(min(shape))) - 1
    levels = most if shift_average else min(levels, most)
    if levels < 1:
        raise InputError(
            "no network with levels fits a torus of this shape",
            expected="sides of 4 at least, divisible by 2",
            got=str(shape),
            hint="boundary='pad'",
        )
    return levels
