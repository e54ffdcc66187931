"""Networks that have a name."""

from __future__ import annotations

from typing import Literal

from ..errors import InputError, check_integer, check_number
from .activations import Activation, LeakyReLU, ReLU
from .branches import Branches
from .layers import Conv, Dense
from .networks import Sequential
from .resampling import Downsample, Upsample
from .structure import Layer

# No grid that fits into memory needs more levels, or more convolutions per level.
MAX_LEVELS = 32


def hourglass(
    levels: int,
    convs_down: int = 1,
    convs_up: int = 1,
    size: int = 3,
    upsample: Literal["nearest", "bilinear"] = "nearest",
    activation: Activation | None = None,
    skips: float = 0.0,
) -> Sequential:
    """An encoder and decoder, the family of networks of Radhakrishnan et al., PNAS 2022.

    Parameters
    ----------
    levels : int
        How often the grid is halved. With nearest upsampling the receptive radius is 2**levels.
    convs_down, convs_up : int
        Convolutions, each followed by an activation, per level of the encoder (and at the coarsest
        level) and of the decoder. There is no activation after the last one.
    size : int
        Taps of each convolution along every axis, odd.
    upsample : {"nearest", "bilinear"}
    activation : TwoSlope, Erf, GELU or Sin
        The default is `LeakyReLU(0.01)`.
    skips : float
        The share of the channels of each level that skip all coarser ones, through a convolution
        with one tap, at least 0 and below 1: 4 / 132 in Deep Image Prior (Ulyanov, Vedaldi and
        Lempitsky, CVPR 2018, arXiv:1711.10925). The default is 0, no skip connections.

    Returns
    -------
    Sequential

    Raises
    ------
    InputError
        If the levels are not 0 to 32, the convolutions per level not 1 to 32, or the share not
        in [0, 1).

    Examples
    --------
    >>> net = hourglass(1)
    >>> net.layers[2:]
    (Downsample(), Conv(size=3), TwoSlope(slope=0.01), Upsample(mode='nearest'), Conv(size=3))
    >>> hourglass(3).receptive_radius
    8
    """
    levels = check_integer("levels", levels, 0, MAX_LEVELS)
    convs_down = check_integer("convs_down", convs_down, 1, MAX_LEVELS)
    convs_up = check_integer("convs_up", convs_up, 1, MAX_LEVELS)
    phi = LeakyReLU() if activation is None else activation
    step: list[Layer] = [Conv(size), phi]
    skips = check_number("skips", skips, minimum=0)
    if skips >= 1:
        raise InputError("skips must be a share below 1", got=f"{skips:g}", hint="skips=0.03")
    layers: list[Layer] = step * convs_down
    for _ in range(levels):
        layers = [*(step * convs_down), Downsample(), *layers, Upsample(upsample)]
        if skips:
            layers = [Branches((Conv(1), phi), layers, shares=(skips, 1 - skips))]
        layers += step * convs_up
    return Sequential(*layers[:-1])


def fully_connected(depth: int = 1) -> Sequential:
    """Dense layers with ReLU between them: a network of feature vectors.

    Parameters
    ----------
    depth : int
        Hidden layers.

    Returns
    -------
    Sequential

    Raises
    ------
    InputError
        If the depth is not 1 to 1,000.

    Examples
    --------
    >>> fully_connected(1)
    Sequential(Dense(), TwoSlope(slope=0.0), Dense())
    """
    depth = check_integer("depth", depth, 1, 1000)
    return Sequential(*[layer for _ in range(depth) for layer in (Dense(), ReLU())], Dense())
