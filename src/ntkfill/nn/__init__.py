"""Infinitely wide networks: layers, and the kernels they become."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .activations import GELU, Abs, Erf, Identity, LeakyReLU, ReLU, Sin, TwoSlope
from .architectures import fully_connected, hourglass
from .branches import Branches, Residual
from .embedding import kernel_features
from .items import Attention, Graph, GraphConvolution, Recurrent
from .layers import Bias, Conv, Dense, Dropout, Flatten, GlobalAveragePool, Scale
from .mixture import Member, Mixture, Spline
from .molecules import molecule
from .networks import Sequential
from .normalization import BatchNorm, LayerNorm
from .parsing import parse, parse_prior
from .resampling import AveragePool, ConvTranspose, Downsample, Upsample

if TYPE_CHECKING:
    from .pytorch import finite as finite
    from .scikit import as_kernel
    from .training import draw as draw
    from .training import tangent_kernel as tangent_kernel
    from .training import train as train

__all__ = [
    "GELU",
    "Abs",
    "Attention",
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
    "Graph",
    "GraphConvolution",
    "Identity",
    "LayerNorm",
    "LeakyReLU",
    "Member",
    "Mixture",
    "ReLU",
    "Recurrent",
    "Residual",
    "Scale",
    "Sequential",
    "Sin",
    "Spline",
    "TwoSlope",
    "Upsample",
    "as_kernel",
    "fully_connected",
    "hourglass",
    "kernel_features",
    "molecule",
    "parse",
    "parse_prior",
]


# Imported when they are asked for: scikit-learn takes a second, and PyTorch is an extra (so that
# its names are not in __all__).
_LATER = {
    "as_kernel": "scikit",
    "finite": "pytorch",
    **dict.fromkeys(("draw", "tangent_kernel", "train"), "training"),
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f".{_LATER[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
