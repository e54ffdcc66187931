"""A network: layers one after the other, and the kernels that it is in the limit of width."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .. import kernels
from ..errors import InputError, check_integer, check_number
from ..kernels.table import Array, Axis
from ..priors import IID, Prior
from ..runtime.memory import require
from ..runtime.progress import Progress
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

    @property
    def axis(self) -> Axis:
        """The endless axis that the network makes of one without structure."""
        axis = Axis()
        for layer in self.layers:
            if isinstance(layer, Downsample | Upsample):
                axis = layer.on(axis)
        return axis

    @property
    def period(self) -> int:
        """Coordinates this many apart are alike to the network."""
        return self.axis.period

    @property
    def receptive_radius(self) -> int:
        """The receptive field ends at this many coordinates along every axis."""
        return self.axis.radius

    @property
    def stride(self) -> int:
        """A torus that the network can run on has sides divisible by this."""
        level = deepest = 0
        for layer in self.layers:
            level += isinstance(layer, Downsample) - isinstance(layer, Upsample)
            deepest = max(deepest, level)
        return int(2**deepest)

    @property
    def mirrored(self) -> bool:
        """Whether the network treats both directions of an axis alike (given i.i.d. features):
        no downsampling, which keeps the even coordinates, after an upsampling."""
        kinds = [type(x) for x in self.layers if isinstance(x, Downsample | Upsample)]
        return kinds == sorted(kinds, key=lambda kind: kind is Upsample)

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
        Stationary, Periodic or (priors that tell all coordinates apart) DenseKernel

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
        shape = checked(shape)
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
        """The array that `kernel` wraps, and what it holds along each axis."""
        shape = checked(shape)
        if kind not in ("ntk", "nngp"):
            raise InputError("no such kernel", expected="'ntk' or 'nngp'", got=repr(kind))
        if np.dtype(dtype).kind != "f":
            raise InputError("a kernel is made of floats", got=repr(dtype))
        if shift_average and not prior.stationary:
            raise InputError(
                "a prior that tells coordinates apart has no shift average",
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
        """The torus on which the table has to be made; None where the endless grid's will do."""
        roomy = all(side >= 2 * self.receptive_radius for side in shape)
        return None if prior.stationary and self.mirrored and roomy else tuple(shape)

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
            raise InputError("this network needs a grid", expected="Dense layers and activations")
        right = left if right is None else right
        if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[1]:
            raise InputError(
                "the feature vectors do not fit",
                expected="shapes (n, features) and (m, features)",
                got=f"{left.shape} and {right.shape}",
            )
        return of_vectors(self.layers, left, None if right is left else right, kind)

    def _full(self, shape: tuple[int, ...], prior: Prior | None, kind: Kind) -> Array:
        shape = checked(shape)
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
                "the network ends at another resolution than it began",
                expected="as many Upsample as Downsample layers",
                got=f"{ups} and {downs}",
            )
        if grid is not None and any(side % self.stride for side in grid):
            raise InputError(
                "the network cannot run on a torus of this shape",
                expected=f"sides divisible by {self.stride}",
                got=str(grid),
                hint="boundary='pad', which takes any size",
            )


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
    >>> hourglass(3).receptive_radius
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
"""What is added to a kernel's diagonal, relative to its mean, where nobody says otherwise."""


@dataclass(frozen=True)
class Member:
    """One network of a mixture.

    Parameters
    ----------
    network : Sequential
    ridge : float
        Added to its kernel's diagonal, relative to the mean.
    weight : float
        What its answer counts.
    """

    network: Sequential
    ridge: float = RIDGE
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.network, Sequential):
            raise InputError(
                "a member of a mixture is a network",
                expected="Sequential(...)",
                got=repr(self.network),
            )
        if check_number("the ridge", self.ridge) < 0:
            raise InputError("the ridge cannot be used", expected="0 or more", got=repr(self.ridge))
        # Plain floats, so that the repr can be read back.
        object.__setattr__(self, "ridge", check_number("the ridge", self.ridge))
        object.__setattr__(self, "weight", check_number("the weight", self.weight))


@dataclass(frozen=True)
class Mixture:
    """Networks whose answers are added up, with weights that sum to one.

    Weights may be negative: what two networks disagree about can say where the truth lies.

    Parameters
    ----------
    members : tuple of Member
        The one that counts most comes first.

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
                "a mixture is made of members",
                expected="a tuple of Member(network, ridge, weight)",
                got=repr(self.members)[:200],
            )
        total = math.fsum(member.weight for member in self.members)
        if not abs(total - 1) < 1e-6:
            raise InputError(
                "the weights of a mixture do not sum to one", expected="1", got=f"{total:g}"
            )

    @property
    def receptive_radius(self) -> int:
        """How far the network that looks farthest sees, in coordinates."""
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


def checked(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The sides of a grid, each a whole number above zero.

    >>> checked([8, 4])
    (8, 4)
    """
    if not np.iterable(shape) or not tuple(shape):
        raise InputError("this is no shape", expected="sides such as (64, 64)", got=repr(shape))
    return tuple(check_integer("a side of the grid", side, 1, 2**40) for side in shape)


def _flattened(layers: tuple[object, ...]) -> Iterator[Layer]:
    for layer in layers:
        if isinstance(layer, Sequential):
            yield from layer.layers
        elif isinstance(layer, LAYERS):
            yield layer
        else:
            raise InputError(
                "a network is made of layers",
                expected=", ".join(layer.__name__ for layer in LAYERS),
                got=repr(layer),
            )
