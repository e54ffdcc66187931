"""Infinitely wide networks: layers, and the kernels they become."""

from .activations import GELU, Abs, Erf, Identity, LeakyReLU, ReLU, Sin, TwoSlope
from .layers import Conv, Dense, Downsample, Upsample
from .networks import Member, Mixture, Sequential, fully_connected, hourglass
from .parsing import parse, parse_prior

__all__ = [
    "GELU",
    "Abs",
    "Conv",
    "Dense",
    "Downsample",
    "Erf",
    "Identity",
    "LeakyReLU",
    "Member",
    "Mixture",
    "ReLU",
    "Sequential",
    "Sin",
    "TwoSlope",
    "Upsample",
    "fully_connected",
    "hourglass",
    "parse",
    "parse_prior",
]
