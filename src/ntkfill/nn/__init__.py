"""Infinitely wide networks: layers, and the kernels they become."""

from .activations import GELU, Abs, Erf, Identity, LeakyReLU, ReLU, Sin, TwoSlope
from .architectures import hourglass
from .linear import Conv, Dense, Downsample, Upsample
from .mixture import Member, Mixture
from .parsing import parse
from .sequential import Sequential

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
    "hourglass",
    "parse",
]
