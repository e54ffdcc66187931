"""Networks of finite width in PyTorch, whose limits the kernels are (extra `torch`).

In the parametrisation of the neural tangent kernel: weights are standard normal, and a layer
divides by the root of the number of its inputs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InputError, check_integer
from ..kernels.table import Array
from .activations import GELU, Erf, Sin, TwoSlope
from .branches import Branches
from .items import GraphConvolution, Recurrent
from .layers import Bias, Dropout, Flatten, GlobalAveragePool, Scale
from .networks import Sequential
from .normalization import BatchNorm, LayerNorm
from .resampling import AveragePool, ConvTranspose, Downsample, Upsample
from .structure import COARSER, FINER, OF_ITEMS, TO_VECTOR, WEIGHTS, Layer

try:
    import torch as torch  # also for training.py
    from torch.nn import functional
except ImportError as error:
    raise ImportError(
        "networks of finite width need PyTorch. Try: pip install 'ntkfill[torch]'."
    ) from error
from .pytorch_items import OfItems

Shape = tuple[int, ...]


class FiniteNetwork(torch.nn.Module):
    """A network of finite width; see `finite`."""

    def __init__(self, steps: Sequence[torch.nn.Module], channels: int) -> None:
        super().__init__()
        self.steps = torch.nn.Sequential(*steps)
        self.channels = channels

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        # Sigma0 is an inner product of features; a layer with weights takes the mean over channels.
        return self.steps(features * math.sqrt(self.channels))


def finite(
    network: Sequential,
    shape: Sequence[int],
    width: int,
    *,
    outputs: int = 1,
    seed: int = 0,
    weights: ArrayLike | None = None,
) -> FiniteNetwork:
    """A PyTorch module of finite width, which becomes this network as its width grows.

    Parameters
    ----------
    network : Sequential
        Ends in a layer with weights, after which only resampling, `Scale` and `Bias` may follow.
    shape : sequence of int
        Of one input: (features,), (channels, *grid) or, of sequences and graphs, (features, items).
    width : int
        Channels of every layer but the last.
    outputs : int
        Channels of the last layer.
    seed : int
        Of the weights.
    weights : array of shape (items, items), optional
        Of the edges, where there are graph convolutions.

    Returns
    -------
    torch.nn.Module
        Maps (n, *shape) to (n, outputs, *grid), in double precision.

    Raises
    ------
    InputError
        If the network does not end in a layer with weights.

    Examples
    --------
    >>> import torch
    >>> from ntkfill import nn
    >>> net = nn.Sequential(nn.Dense(), nn.ReLU(), nn.Dense())
    >>> module = nn.finite(net, (3,), width=64, outputs=2)
    >>> module(torch.ones(5, 3, dtype=torch.float64)).shape
    torch.Size([5, 2])
    """
    width = check_integer("width", width, 1, 10**6)
    outputs = check_integer("outputs", outputs, 1, 10**6)
    shape = tuple(check_integer("a side of the input", side, 1, 10**6) for side in shape)
    ends = (*WEIGHTS, GraphConvolution)
    last = max((k for k, x in enumerate(network.layers) if isinstance(x, ends)), default=-1)
    may_follow = FINER + COARSER + TO_VECTOR + (Scale, Bias)
    if last < 0 or not all(isinstance(x, may_follow) for x in network.layers[last + 1 :]):
        raise InputError(
            "a finite network must end in a layer with weights", got=repr(network), hint="Dense()"
        )
    draw = torch.Generator().manual_seed(seed)
    edges = None if weights is None else np.asarray(weights, dtype=np.float64)
    before, inner = _build(network.layers[:last], shape, width, draw, edges)
    end, _ = _build(network.layers[last:], inner, outputs, draw, edges)
    return FiniteNetwork([*before, *end], shape[0]).double()


class _Step(torch.nn.Module):
    """A function of the channels, with no weights."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


class _Weights(torch.nn.Module):
    """Dense, Conv or ConvTranspose."""

    def __init__(self, layer: Any, shape: Shape, width: int, draw: torch.Generator) -> None:
        super().__init__()
        axes = len(shape) - 1
        self.size = getattr(layer, "size", 1)
        self.transposed = isinstance(layer, ConvTranspose)
        first, second = (shape[0], width) if self.transposed else (width, shape[0])
        size = (first, second) + (self.size,) * axes
        self.weight = torch.nn.Parameter(torch.randn(size, generator=draw, dtype=torch.float64))
        taps = self.size // 2 if self.transposed else self.size
        self.scale = 1 / math.sqrt(shape[0] * taps**axes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        axes = x.ndim - 2
        weight = self.weight * self.scale
        if axes == 0:
            return functional.linear(x, weight)
        margin = self.size // 2 + (1 if self.transposed else 0)
        if margin:
            x = functional.pad(x, (margin, margin) * axes, mode="circular")
        if not self.transposed:
            convolve = (functional.conv1d, functional.conv2d, functional.conv3d)[axes - 1]
            return convolve(x, weight)
        transposed = (
            functional.conv_transpose1d,
            functional.conv_transpose2d,
            functional.conv_transpose3d,
        )[axes - 1]
        wide = transposed(x, weight, stride=2, padding=self.size // 2 - 1)
        return wide[(..., *[slice(2 * margin, -2 * margin)] * axes)]


class _Biased(torch.nn.Module):
    def __init__(self, variance: float, channels: int, axes: int, draw: torch.Generator) -> None:
        super().__init__()
        size = (channels,) + (1,) * axes
        self.bias = torch.nn.Parameter(torch.randn(size, generator=draw, dtype=torch.float64))
        self.scale = math.sqrt(variance)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.scale * self.bias


class _Joined(torch.nn.Module):
    """Branches of the same input; `scales` make concatenated channels count by their shares."""

    def __init__(self, branches: Sequence[torch.nn.Module], scales: Sequence[float] | None) -> None:
        super().__init__()
        self.branches = torch.nn.ModuleList(branches)
        self.scales = scales

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs = [branch(x) for branch in self.branches]
        if self.scales is None:
            return sum(outputs[1:], outputs[0])
        return torch.cat([y * s for y, s in zip(outputs, self.scales, strict=True)], dim=1)


def _build(
    layers: Sequence[Layer], shape: Shape, width: int, draw: torch.Generator, edges: Array | None
) -> tuple[list[torch.nn.Module], Shape]:
    """The modules of these layers, and the shape of their outputs."""
    modules: list[torch.nn.Module] = []
    for layer in layers:
        axes = len(shape) - 1
        if isinstance(layer, WEIGHTS):
            modules.append(_Weights(layer, shape, width, draw))
            shape = (width, *shape[1:])
        elif isinstance(layer, Dropout):
            modules.append(torch.nn.Dropout(layer.rate))
        elif isinstance(layer, Bias):
            modules.append(_Biased(layer.variance, shape[0], axes, draw))
        elif isinstance(layer, OF_ITEMS):
            phi = _function(layer.activation, 0) if isinstance(layer, Recurrent) else None
            modules.append(OfItems(layer, shape[0], width, draw, phi, edges))
            shape = (width,) if isinstance(layer, Recurrent) else (width, *shape[1:])
        elif isinstance(layer, Branches):
            module, channels = _branches(layer, shape, width, draw, edges)
            modules.append(module)
            shape = (channels, *shape[1:])
        else:
            modules.append(_Step(_function(layer, axes)))
        if isinstance(layer, TO_VECTOR):
            shape = (math.prod(shape) if isinstance(layer, Flatten) else shape[0],)
        elif isinstance(layer, FINER + COARSER):
            factor = 2.0 if isinstance(layer, FINER) else 0.5
            shape = (shape[0], *(int(side * factor) for side in shape[1:]))
    return modules, shape


def _branches(
    layer: Branches, shape: Shape, width: int, draw: torch.Generator, edges: Array | None
) -> tuple[torch.nn.Module, int]:
    concatenate = layer.join == "concatenate"
    widths = [max(1, round(s * width)) if concatenate else width for s in layer.shares]
    built = [_build(b, shape, w, draw, edges) for b, w in zip(layer.branches, widths, strict=True)]
    channels = [after[0] for _, after in built]
    total = sum(channels) if concatenate else channels[0]
    scales = [math.sqrt(s * total / c) for s, c in zip(layer.shares, channels, strict=True)]
    branches = [torch.nn.Sequential(*modules) for modules, _ in built]
    return _Joined(branches, scales if concatenate else None), total


def _function(layer: Layer, axes: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """A layer without weights."""
    grid = tuple(range(2, 2 + axes))
    if isinstance(layer, TwoSlope):
        gain = math.sqrt(2 / (1 + layer.slope**2))
        return lambda x: gain * torch.where(x > 0, x, layer.slope * x)
    if isinstance(layer, Scale):
        factor = math.sqrt(layer.variance)
        return lambda x: factor * x
    if isinstance(layer, Upsample):
        return lambda x: _upsampled(x, grid, layer.mode)
    functions: dict[type, Callable[[torch.Tensor], torch.Tensor]] = {
        Erf: torch.erf,
        GELU: functional.gelu,
        Sin: torch.sin,
        Downsample: lambda x: x[(..., *[slice(None, None, 2)] * axes)],
        AveragePool: lambda x: _pooled(x, grid),
        LayerNorm: lambda x: _normalised(x, (1,)),
        BatchNorm: lambda x: _normalised(x, (0, *grid)),
        GlobalAveragePool: lambda x: x.mean(dim=grid),
        Flatten: lambda x: x.flatten(1),
    }
    return functions[type(layer)]


def _upsampled(x: torch.Tensor, grid: Shape, mode: str) -> torch.Tensor:
    for axis in grid:
        if mode == "nearest":
            x = x.repeat_interleave(2, dim=axis)
        else:
            before, after = x.roll(1, dims=axis), x.roll(-1, dims=axis)
            pair = torch.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], dim=axis + 1)
            x = pair.flatten(axis, axis + 1)
    return x


def _pooled(x: torch.Tensor, grid: Shape) -> torch.Tensor:
    for axis in grid:
        x = x.unflatten(axis, (-1, 2)).mean(dim=axis + 1)
    return x


def _normalised(x: torch.Tensor, over: Shape) -> torch.Tensor:
    centred = x - x.mean(dim=over, keepdim=True)
    return centred / (centred**2).mean(dim=over, keepdim=True).sqrt()
