"""Families of networks."""

from __future__ import annotations

from typing import Literal

from ..errors import check_integer
from .activations import Activation, LeakyReLU
from .evaluate import Layer
from .linear import Conv, Downsample, Upsample
from .sequential import Sequential

# No grid that fits into a computer has use for more.
MOST = 32


def hourglass(
    levels: int,
    convs_down: int = 1,
    convs_up: int = 1,
    size: int = 3,
    upsample: Literal["nearest", "bilinear"] = "nearest",
    activation: Activation | None = None,
) -> Sequential:
    """Down and up again: the family of networks of Radhakrishnan et al., PNAS 2022.

    Parameters
    ----------
    levels : int
        How often the grid is halved. The network looks 2**levels coordinates far.
    convs_down, convs_up : int
        Convolutions, each with an activation, per level on the way down (and at the bottom), and
        on the way up. There is no activation after the last one.
    size : int
        Taps of each convolution along every axis, odd.
    upsample : {"nearest", "bilinear"}
    activation : TwoSlope, Erf, GELU or Sin
        The default is `LeakyReLU(0.01)`.

    Returns
    -------
    Sequential

    Raises
    ------
    InputError
        If the levels are not 0 to 32, or the convolutions per level not 1 to 32.

    Examples
    --------
    >>> net = hourglass(1)
    >>> net.layers[2:]
    (Downsample(), Conv(size=3), TwoSlope(slope=0.01), Upsample(mode='nearest'), Conv(size=3))
    >>> hourglass(3).reach
    8
    """
    levels = check_integer("levels", levels, 0, MOST)
    convs_down = check_integer("convs_down", convs_down, 1, MOST)
    convs_up = check_integer("convs_up", convs_up, 1, MOST)
    phi = LeakyReLU() if activation is None else activation
    step: list[Layer] = [Conv(size), phi]
    layers: list[Layer] = [*(step * convs_down), Downsample()] * levels
    layers += step * convs_down
    layers += [Upsample(upsample), *(step * convs_up)] * levels
    return Sequential(*layers[:-1])
