"""What a sequence of layers does to any grid, read off before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import InputError, check_integer
from ..kernels.table import Axis
from .activations import GELU, Activation, Erf, Sin, TwoSlope
from .branches import Branches, joined_axes
from .covariance import Axes
from .items import Attention, GraphConvolution, Recurrent
from .layers import Bias, Conv, Dense, Dropout, Flatten, GlobalAveragePool, Scale
from .normalization import BatchNorm, LayerNorm
from .resampling import AveragePool, ConvTranspose, Downsample, Upsample

Linear = Dense | Conv | Scale | Downsample | AveragePool | Upsample | ConvTranspose
Layer = (
    Linear | Activation | Bias | Dropout | LayerNorm | BatchNorm | GlobalAveragePool | Flatten
) | Branches
ItemLayer = Recurrent | GraphConvolution | Attention

WEIGHTS = Dense, Conv, ConvTranspose
FINER = Upsample, ConvTranspose
COARSER = Downsample, AveragePool
TO_VECTOR = GlobalAveragePool, Flatten
ACTIVATIONS = TwoSlope, Erf, GELU, Sin
OF_ITEMS = Recurrent, GraphConvolution, Attention
# Layers that need other offsets than those that are asked of them, and all that need a grid.
MIXING = *FINER, *COARSER, *TO_VECTOR, BatchNorm, Dropout
GRID = Conv, *FINER, *COARSER, Flatten, BatchNorm, Dropout
LAYERS: tuple[type[Any], ...] = (
    *(Conv, Dense, Bias, Scale, Dropout, *COARSER, *FINER, *TO_VECTOR),
    *(LayerNorm, BatchNorm, Branches, *ACTIVATIONS, *OF_ITEMS),
)


def contains(layers: Sequence[Layer | ItemLayer], kinds: type | tuple[type, ...]) -> bool:
    """Whether there are layers of these kinds, in branches too."""
    return any(
        any(contains(branch, kinds) for branch in layer.branches)
        if isinstance(layer, Branches)
        else isinstance(layer, kinds)
        for layer in layers
    )


def out_axes(layers: Sequence[Layer], axes: Axes) -> Axes:
    """The axes of the kernel's table after these layers."""
    for layer in layers:
        if isinstance(layer, Branches):
            axes = joined_axes([out_axes(branch, axes) for branch in layer.branches])
        elif isinstance(layer, FINER + COARSER):
            axes = tuple(layer.out_axis(axis) for axis in axes)
    return axes


def mixes_offsets(layer: Layer) -> bool:
    """Whether the layer needs other offsets than those that are asked of it."""
    return contains([layer], MIXING)


def halvings(layers: Sequence[Layer], start: int = 0) -> tuple[int, int]:
    """How often the grid is halved at the most, and at the end."""
    most = end = start
    for layer in layers:
        if isinstance(layer, Branches):
            each = [halvings(branch, end) for branch in layer.branches]
            if len({last for _, last in each}) > 1:
                raise InputError("branches must end at the same resolution", got=repr(layer))
            most, end = max(most, *(deepest for deepest, _ in each)), each[0][1]
        else:
            end += isinstance(layer, COARSER) - isinstance(layer, FINER)
        most = max(most, end)
    return most, end


def mirror_symmetric(layers: Sequence[Layer], axis: Axis) -> bool:
    """Whether reflections of an axis leave the kernel of i.i.d. features as it is: no Downsample,
    which keeps the even coordinates, where these differ from the odd ones."""
    for layer in layers:
        if isinstance(layer, Downsample) and axis.period > 1:
            return False
        if isinstance(layer, Branches) and not all(
            mirror_symmetric(branch, axis) for branch in layer.branches
        ):
            return False
        (axis,) = out_axes([layer], (axis,))
    return True


def check_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The sides of a grid, each an integer above zero."""
    if not np.iterable(shape) or not tuple(shape):
        raise InputError("shape must be a tuple of sides, such as (64, 64)", got=repr(shape))
    return tuple(check_integer("a side of the grid", side, 1, 2**40) for side in shape)


def check_resolution(layers: tuple[Layer, ...], grid: tuple[int, ...] | None) -> None:
    """Refuse networks that do not complete grids, and this torus if it does not divide."""
    needed, last = halvings(layers)
    stride = 2**needed
    if last != 0:
        raise InputError(
            "a network of grids must have as many Upsample as Downsample layers",
            got=f"{abs(last)} {'Downsample' if last > 0 else 'Upsample'} too many",
        )
    if contains(layers, TO_VECTOR + OF_ITEMS):
        raise InputError(
            "a network that completes grids must not be of pictures, sequences or graphs",
            hint="net.between(pictures)",
        )
    if grid is not None and any(side % stride for side in grid):
        raise InputError(
            f"the sides of the torus must be divisible by {stride}",
            got=str(grid),
            hint="boundary='pad', which takes any size",
        )


def check_limit(layers: Sequence[Layer], outputs: str = "input") -> str:
    """Refuse layers whose limit has no closed form; return what the outputs are.

    Outputs of weights are Gaussian with mean zero, "gaussian". Those of an activation are not,
    "activated", nor are branches put side by side that differ in their variance, "mixed".
    """
    for layer in layers:
        if isinstance(layer, WEIGHTS + OF_ITEMS):
            outputs = "gaussian"
        elif isinstance(layer, ACTIVATIONS):
            if outputs == "mixed":
                raise InputError(
                    "an activation after Branches needs weights in between: side by side, their "
                    "outputs have different variances",
                    hint="Branches(...), Conv(1), and then the activation",
                )
            outputs = "activated"
        elif isinstance(layer, LayerNorm | BatchNorm) and outputs != "gaussian":
            raise InputError(
                f"{layer!r} must follow a layer with weights: after an activation the means of "
                "channels are not zero, and the limit has no closed form",
                hint=f"Conv(3), {layer!r}, ReLU()",
            )
        elif isinstance(layer, Branches):
            outputs = _check_branches(layer, outputs)
    return outputs


def _check_branches(layer: Branches, outputs: str) -> str:
    each = [check_limit(branch, outputs) for branch in layer.branches]
    if layer.join == "concatenate":
        return each[0] if len(each) == 1 else "mixed"
    # Of zero mean and independent of everything else: weights after the last activation.
    drawn = [check_limit(branch, "input") == "gaussian" for branch in layer.branches]
    if drawn.count(False) > 1:
        raise InputError(
            "all branches of a sum but one must have weights after their last activation, or they "
            "are correlated",
            got=repr(layer),
            hint="Residual(ReLU(), Conv(3))",
        )
    return "gaussian" if set(each) == {"gaussian"} else "mixed"
