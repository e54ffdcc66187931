"""Families of networks."""

from __future__ import annotations

from typing import Literal

from ..errors import InputError
from .activations import Activation, LeakyReLU
from .evaluate import Layer
from .linear import Conv, Downsample, Upsample
from .sequential import Sequential


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
        If there are fewer than 0 levels or fewer than 1 convolution per level.

    Examples
    --------
    >>> net = hourglass(1)
    >>> net.layers[2:]
    (Downsample(), Conv(size=3), TwoSlope(slope=0.01), Upsample(mode='nearest'), Conv(size=3))
    >>> hourglass(3).reach
    8
    """
    for name, value, least in (
        ("levels", levels, 0),
        ("convs_down", convs_down, 1),
        ("convs_up", convs_up, 1),
    ):
        if value < least:
            raise InputError(f"too few {name}", expected=f"at least {least}", got=str(value))
    phi = LeakyReLU() if activation is None else activation
    step: list[Layer] = [Conv(size), phi]
    layers: list[Layer] = [*(step * convs_down), Downsample()] * levels
    layers += step * convs_down
    layers += [Upsample(upsample), *(step * convs_up)] * levels
    return Sequential(*layers[:-1])
