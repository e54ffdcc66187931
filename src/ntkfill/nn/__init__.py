"""Infinitely wide networks: layers, and the kernels they become."""

from typing import TYPE_CHECKING, Any

from .activations import GELU, Abs, Erf, Identity, LeakyReLU, ReLU, Sin, TwoSlope
from .architectures import fully_connected, hourglass
from .branches import Branches, Residual
from .layers import Bias, Conv, Dense, Dropout, Scale
from .mixture import Member, Mixture
from .networks import Sequential
from .normalization import BatchNorm, LayerNorm
from .parsing import parse, parse_prior
from .resampling import (
    AveragePool,
    ConvTranspose,
    Downsample,
    Flatten,
    GlobalAveragePool,
    Upsample,
)

if TYPE_CHECKING:
    from .scikit import as_kernel

__all__ = [
    "GELU",
    "Abs",
    "AveragePool",
    "BatchNorm",
    "Bias",
    "Branches",
    "Conv",
    "ConvTranspose",
    "Dense",
    "Downsample",
    "Dropout",
    "Erf",
    "Flatten",
    "GlobalAveragePool",
    "Identity",
    "LayerNorm",
    "LeakyReLU",
    "Member",
    "Mixture",
    "ReLU",
    "Residual",
    "Scale",
    "Sequential",
    "Sin",
    "TwoSlope",
    "Upsample",
    "as_kernel",
    "fully_connected",
    "hourglass",
    "parse",
    "parse_prior",
]


def __getattr__(name: str) -> Any:
    """`as_kernel`, imported when it is asked for: scikit-learn takes a second."""
    if name == "as_kernel":
        from .scikit import as_kernel

        return as_kernel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
