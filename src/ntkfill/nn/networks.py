"""Infinitely wide networks: sequences and mixtures of them, and their kernels."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from .. import kernels
from ..errors import InputError, check_integer, check_number
from ..kernels.table import Array, Axis
from ..priors import IID, Prior
from ..runtime.progress import Progress
from ..runtime.resources import require
from .activations import GELU, Activation, Erf, LeakyReLU, ReLU, Sin, TwoSlope
from .evaluate import Kind, Layer, exact, footprint, shift_averaged
from .layers import Conv, Dense, Downsample, Upsample
from .pairs import of_vectors

LAYERS = (Conv, Dense, Downsample, Upsample, TwoSlope, Erf, GELU, Sin)


@dataclass(frozen=True, init=False)
class Sequential:
    """An infinitely wide network.

    Parameters
    ----------
    *layers : Conv, Dense, Downsample, Upsample, TwoSlope, Erf, GELU, Sin or Sequential
        In the order in which they are applied. A network that completes grids ends at the
        resolution at which it began.

    Raises
    ------
    InputError
        If a layer is none of these.

    Examples
    --------
    >>> net = Sequential(Conv(3), TwoSlope(0.0), Downsample(), Conv(3), TwoSlope(0.0), Upsample(),
    ...                  Conv(3))
    >>> net.period, net.receptive_radius
    (2, 2)
    >>> net.ntk((4,)).shape
    (4, 4)
    """

    layers: tuple[Layer, ...]

    def __init__(self, *layers: Layer | Sequential) -> None:
        flat = tuple(_flattened(layers))
        object.__setattr__(self, "layers", flat)

    def __repr__(self) -> str:
        return f"Sequential({', '.join(map(repr, self.layers))})"

    # Computed once for each network: all its kernels ask for them.
    @cached_property
    def axis(self) -> Axis:
        """The endless axis of the network's kernel under an i.i.d. prior."""
        axis = Axis()
        for layer in self.layers:
            if isinstance(layer, Downsample | Upsample):
                axis = layer.out_axis(axis)
        return axis

    @cached_property
    def period(self) -> int:
        """The kernel repeats after this many coordinates along every axis."""
        return self.axis.period

    @cached_property
    def receptive_radius(self) -> int:
        """The receptive field ends at this many coordinates along every axis."""
        return self.axis.radius

    @cached_property
    def stride(self) -> int:
        """The sides of a torus that the network runs on are divisible by this."""
        steps = (isinstance(x, Downsample) - isinstance(x, Upsample) for x in self.layers)
        return int(2 ** max(itertools.accumulate(steps, initial=0)))

    @cached_property
    def mirror_symmetric(self) -> bool:
        """Whether the kernel is symmetric under reflections of an axis, given i.i.d. features: no
        downsampling, which keeps the even coordinates, after an upsampling."""
        ups = [isinstance(x, Upsample) for x in self.layers if isinstance(x, Downsample | Upsample)]
        return ups == sorted(ups)

    def kernel(
        self,
        shape: tuple[int, ...],
        prior: Prior | None = None,
        *,
        kind: Kind = "ntk",
        shift_average: bool = False,
        dtype: type = np.float32,
    ) -> kernels.Kernel:
        """The kernel on a torus of this shape, held as compactly as the prior allows.

        Parameters
        ----------
        shape : tuple of int
            Sides of the torus; each divisible by `stride`. Any side of at least twice the receptive
            radius will do where the kernel is shift averaged and has no bilinear upsampling.
        prior : Prior, optional
            The default is `IID()`.
        kind : {"ntk", "nngp"}
        shift_average : bool
            The mean over all placements of the sampling grid: one number per offset.
        dtype : type
            Of the table of the exact kernel.

        Returns
        -------
        Stationary, Periodic or (of priors that are not stationary) DenseKernel

        Raises
        ------
        InputError
            If the network cannot run on a torus of this shape.
        MemoryLimitError
            If the table does not fit into memory.

        Examples
        --------
        >>> hourglass = Sequential(Conv(), Downsample(), TwoSlope(), Upsample(), Conv())
        >>> hourglass.kernel((8, 8))
        Periodic(shape=(8, 8), period=(2, 2), dtype=float32)
        """
        prior = IID() if prior is None else prior
        shape = check_shape(shape)
        table, axes = self.table(shape, prior, kind=kind, shift_average=shift_average, dtype=dtype)
        return as_kernel(table, axes, shape)

    def table(
        self,
        shape: tuple[int, ...],
        prior: Prior,
        *,
        kind: Kind = "ntk",
        shift_average: bool = False,
        dtype: type = np.float32,
        progress: Progress | None = None,
    ) -> tuple[Array, tuple[Axis, ...]]:
        """The array that `kernel` wraps, and its axes."""
        shape = check_shape(shape)
        if kind not in ("ntk", "nngp"):
            raise InputError("kind must be 'ntk' or 'nngp'", got=repr(kind))
        if np.dtype(dtype).kind != "f":
            raise InputError("dtype must be a floating-point type", got=repr(dtype))
        if shift_average and not prior.stationary:
            raise InputError(
                "shift_average=True needs a stationary prior",
                got=repr(prior),
                hint="shift_average=False",
            )
        grid = self.table_grid(shape, prior)
        self._check_resolution(grid)
        start, axes = prior.table(grid, len(shape))
        require(
            "the kernel's table",
            footprint(self.layers, axes, shift_average, dtype),
            hint="a network with fewer levels",
        )
        if shift_average:
            return shift_averaged(self.layers, start, axes, kind, progress)
        return exact(self.layers, start, axes, kind, dtype, progress)

    def table_grid(self, shape: tuple[int, ...], prior: Prior) -> tuple[int, ...] | None:
        """The torus on which the table is computed; None where that of the endless grid serves."""
        large = all(side >= 2 * self.receptive_radius for side in shape)
        return None if prior.stationary and self.mirror_symmetric and large else tuple(shape)

    def ntk(self, shape: tuple[int, ...], prior: Prior | None = None) -> Array:
        """The neural tangent kernel as one array, shape (*shape, *shape), float64.

        Examples
        --------
        >>> Sequential(Conv(3)).ntk((4,))[0].round(6)
        array([0.003333, 0.0025  , 0.0025  , 0.0025  ])
        """
        return self._full(shape, prior, "ntk")

    def nngp(self, shape: tuple[int, ...], prior: Prior | None = None) -> Array:
        """The covariance at initialisation as one array, shape (*shape, *shape), float64.

        Examples
        --------
        >>> Sequential(Conv(3)).nngp((4,))[0].round(6)
        array([0.003333, 0.0025  , 0.0025  , 0.0025  ])
        """
        return self._full(shape, prior, "nngp")

    def between(self, left: Array, right: Array | None = None, *, kind: Kind = "ntk") -> Array:
        """The kernel between feature vectors, for networks of Dense layers and activations.

        Parameters
        ----------
        left : float array of shape (n, features)
        right : float array of shape (m, features), optional
            The default is `left`.
        kind : {"ntk", "nngp"}

        Returns
        -------
        array of shape (n, m)
            In the type of the features. Sigma0 is the inner product.

        Raises
        ------
        InputError
            If the network has layers that need a grid, or the features do not fit.

        Examples
        --------
        >>> from ntkfill.nn import Dense
        >>> net = Sequential(Dense(), TwoSlope(0.0), Dense())
        >>> net.between(np.eye(2)).round(4)
        array([[2.    , 0.3183],
               [0.3183, 2.    ]])
        """
        if any(isinstance(layer, Conv | Downsample | Upsample) for layer in self.layers):
            raise InputError(
                "a network of feature vectors must have Dense layers and activations only",
                got=repr(self),
            )
        right = left if right is None else right
        if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[1]:
            raise InputError(
                "feature vectors must have shapes (n, features) and (m, features)",
                got=f"{left.shape} and {right.shape}",
            )
        return of_vectors(self.layers, left, None if right is left else right, kind)

    def _full(self, shape: tuple[int, ...], prior: Prior | None, kind: Kind) -> Array:
        shape = check_shape(shape)
        size = math.prod(shape)
        require(
            f"the dense kernel of a grid {shape}",
            3 * 8 * size**2,
            hint="net.kernel(shape), which never forms the matrix",
        )
        kernel = self.kernel(shape, prior, kind=kind, dtype=np.float64)
        every = np.arange(size)
        return kernel.block(every, every).reshape(shape + shape)

    def _check_resolution(self, grid: tuple[int, ...] | None) -> None:
        downs = sum(isinstance(layer, Downsample) for layer in self.layers)
        ups = sum(isinstance(layer, Upsample) for layer in self.layers)
        if downs != ups:
            raise InputError(
                "a network of grids must have as many Upsample as Downsample layers",
                got=f"{ups} and {downs}",
            )
        if grid is not None and any(side % self.stride for side in grid):
            raise InputError(
                f"the sides of the torus must be divisible by {self.stride}",
                got=str(grid),
                hint="boundary='pad', which takes any size",
            )


# No grid that fits into memory needs more levels, or more convolutions per level.
MAX_LEVELS = 32


def hourglass(
    levels: int,
    convs_down: int = 1,
    convs_up: int = 1,
    size: int = 3,
    upsample: Literal["nearest", "bilinear"] = "nearest",
    activation: Activation | None = None,
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
    >>> hourglass(3).receptive_radius
    8
    """
    levels = check_integer("levels", levels, 0, MAX_LEVELS)
    convs_down = check_integer("convs_down", convs_down, 1, MAX_LEVELS)
    convs_up = check_integer("convs_up", convs_up, 1, MAX_LEVELS)
    phi = LeakyReLU() if activation is None else activation
    step: list[Layer] = [Conv(size), phi]
    layers: list[Layer] = [*(step * convs_down), Downsample()] * levels
    layers += step * convs_down
    layers += [Upsample(upsample), *(step * convs_up)] * levels
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


RIDGE = 1e-3
"""The default ridge of grids, relative to the mean of the kernel's diagonal."""


@dataclass(frozen=True)
class Member:
    """One network of a mixture.

    Parameters
    ----------
    network : Sequential
    ridge : float
        Added to its kernel's diagonal, relative to the mean; at least 0.
    weight : float
        Of its predictions.

    Raises
    ------
    InputError
        If the network is not a Sequential, or the ridge negative.
    """

    network: Sequential
    ridge: float = RIDGE
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.network, Sequential):
            raise InputError("network must be a Sequential", got=repr(self.network))
        # Plain floats, so that the repr can be read back.
        object.__setattr__(self, "ridge", check_number("ridge", self.ridge, minimum=0))
        object.__setattr__(self, "weight", check_number("weight", self.weight))


@dataclass(frozen=True)
class Mixture:
    """A weighted sum of networks' predictions, with weights that sum to one.

    Weights may be negative: a linear combination can be better than any average.

    Parameters
    ----------
    members : tuple of Member
        The one of the largest weight comes first.

    Raises
    ------
    InputError
        If there are no members, or their weights do not sum to one.

    Examples
    --------
    >>> from ntkfill.nn import Member, hourglass
    >>> pair = Mixture((Member(hourglass(3), weight=0.75), Member(hourglass(5), weight=0.25)))
    >>> pair.receptive_radius
    32
    """

    members: tuple[Member, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.members, tuple) or not all(
            isinstance(member, Member) for member in self.members
        ):
            raise InputError(
                "members of a mixture must be a tuple of Member(network, ridge, weight)",
                got=repr(self.members)[:200],
            )
        total = math.fsum(member.weight for member in self.members)
        if not abs(total - 1) < 1e-6:
            raise InputError("the weights of a mixture must sum to one", got=f"{total:g}")

    @cached_property
    def receptive_radius(self) -> int:
        """The largest of its networks."""
        return max(member.network.receptive_radius for member in self.members)


def as_kernel(table: Array, axes: tuple[Axis, ...], shape: tuple[int, ...]) -> kernels.Kernel:
    """The kernel object for a table made by `Sequential.table`."""
    n = len(axes)
    if table.ndim == n:
        return kernels.Stationary(table, axes, shape)
    periodic = kernels.Periodic(table, axes, shape)
    if periodic.period != shape:
        return periodic
    every = np.arange(math.prod(shape))
    return kernels.DenseKernel(periodic.block(every, every), shape)


def check_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The sides of a grid, each an integer above zero."""
    if not np.iterable(shape) or not tuple(shape):
        raise InputError("shape must be a tuple of sides, such as (64, 64)", got=repr(shape))
    return tuple(check_integer("a side of the grid", side, 1, 2**40) for side in shape)


def _flattened(layers: tuple[object, ...]) -> Iterator[Layer]:
    """The layers, those of nested networks in their place."""
    for layer in layers:
        if isinstance(layer, Sequential):
            yield from layer.layers
        elif isinstance(layer, LAYERS):
            yield layer
        else:
            names = ", ".join(layer.__name__ for layer in LAYERS)
            raise InputError(f"layers must be of {names}", got=repr(layer))
