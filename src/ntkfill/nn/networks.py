"""Infinitely wide networks and their kernels."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .. import kernels
from ..errors import InputError, finite
from ..kernels.table import Array, Axis
from ..priors import IID, Prior
from ..runtime.progress import Progress
from ..runtime.resources import require, single_blas_thread
from .branches import Branches
from .evaluate import Kind, exact, footprint, shift_averaged
from .objects import of_objects
from .pairs import of_vectors
from .pictures import of_pictures
from .structure import (
    LAYERS,
    OF_ITEMS,
    TO_VECTOR,
    ItemLayer,
    Layer,
    check_limit,
    check_resolution,
    check_shape,
    contains,
    halvings,
    mirror_symmetric,
    out_axes,
)


@dataclass(frozen=True, init=False)
class Sequential:
    """An infinitely wide network.

    Parameters
    ----------
    *layers : any layers of `ntkfill.nn`, or Sequential
        In the order in which they are applied. A network that completes grids ends at the
        resolution at which it began.

    Raises
    ------
    InputError
        If a layer is none of these, or the limit of the network has no closed form.

    Examples
    --------
    >>> from ntkfill.nn import Conv, Downsample, TwoSlope, Upsample
    >>> net = Sequential(Conv(3), TwoSlope(0.0), Downsample(), Conv(3), TwoSlope(0.0), Upsample(),
    ...                  Conv(3))
    >>> net.period, net.receptive_radius
    (2, 2)
    >>> net.ntk((4,)).shape
    (4, 4)
    """

    layers: tuple[Layer, ...]

    def __init__(self, *layers: Layer | ItemLayer | Sequential) -> None:
        flat = tuple(_flattened(layers))
        check_limit(flat)
        object.__setattr__(self, "layers", flat)

    def __repr__(self) -> str:
        return f"Sequential({', '.join(map(repr, self.layers))})"

    @cached_property
    def axis(self) -> Axis:
        """The endless axis of the network's kernel under an i.i.d. prior."""
        return out_axes(self.layers, (Axis(),))[0]

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
        return 2 ** halvings(self.layers)[0]

    @cached_property
    def mirror_symmetric(self) -> bool:
        """Whether the kernel is symmetric under reflections of an axis, given i.i.d. features."""
        return mirror_symmetric(self.layers, Axis())

    @single_blas_thread()
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
        >>> from ntkfill.nn import Conv, Downsample, TwoSlope, Upsample
        >>> hourglass = Sequential(Conv(), Downsample(), TwoSlope(), Upsample(), Conv())
        >>> hourglass.kernel((8, 8))
        Periodic(shape=(8, 8), period=(2, 2), dtype=float32)
        """
        prior = IID() if prior is None else prior
        table, axes = self.table(shape, prior, kind=kind, shift_average=shift_average, dtype=dtype)
        return kernels.of_table(table, axes, check_shape(shape))

    @single_blas_thread()
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
        check_resolution(self.layers, grid)
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
        >>> from ntkfill.nn import Conv
        >>> Sequential(Conv(3)).ntk((4,))[0].round(6)
        array([0.003333, 0.0025  , 0.0025  , 0.0025  ])
        """
        return self._full(shape, prior, "ntk")

    def nngp(self, shape: tuple[int, ...], prior: Prior | None = None) -> Array:
        """The covariance at initialisation as one array, shape (*shape, *shape), float64.

        Examples
        --------
        >>> from ntkfill.nn import Conv
        >>> Sequential(Conv(3)).nngp((4,))[0].round(6)
        array([0.003333, 0.0025  , 0.0025  , 0.0025  ])
        """
        return self._full(shape, prior, "nngp")

    @single_blas_thread()
    def between(self, left: Any, right: Any | None = None, *, kind: Kind = "ntk") -> Array:
        """The kernel between feature vectors, pictures, sequences or graphs.

        Parameters
        ----------
        left : array of shape (n, features) or (n, channels, *grid), list of n objects, or Graph
            Objects are graphs, or sequences and sets: arrays of shape (items, features). Of a
            single graph and a network that does not pool them, the kernel is between its nodes.
        right : the same kind of m objects, optional
            The default is `left`.
        kind : {"ntk", "nngp"}

        Returns
        -------
        array of shape (n, m)
            Sigma0 is the inner product of features, for pictures of the channels of two pixels.

        Raises
        ------
        InputError
            If the network does not fit: vectors cannot be convolved, and pictures end in
            GlobalAveragePool or Flatten.

        Examples
        --------
        >>> from ntkfill.nn import Dense, TwoSlope
        >>> net = Sequential(Dense(), TwoSlope(0.0), Dense())
        >>> net.between(np.eye(2)).round(4)
        array([[2.    , 0.3183],
               [0.3183, 2.    ]])
        """
        if contains(self.layers, OF_ITEMS) or not isinstance(left, np.ndarray):
            return finite("the kernel", of_objects(self.layers, left, right, kind))
        right = left if right is None else right
        if left.ndim < 2 or left.shape[1:] != right.shape[1:]:
            raise InputError(
                "feature vectors must have shapes (n, features) and (m, features), pictures "
                "(n, channels, *grid) and (m, channels, *grid)",
                got=f"{left.shape} and {right.shape}",
            )
        pictures = left.ndim > 2
        if pictures != any(isinstance(layer, TO_VECTOR) for layer in self.layers):
            raise InputError(
                "a network of pictures must have GlobalAveragePool or Flatten, one of vectors not",
                got=f"features of shape {left.shape} for {self!r}",
            )
        between = of_pictures if pictures else of_vectors
        found = between(self.layers, left, None if right is left else right, kind)
        return finite("the kernel", found)

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
        return finite("the kernel", kernel.block(every, every)).reshape(shape + shape)


def _flattened(layers: tuple[object, ...]) -> Iterator[Layer]:
    """The layers, those of nested networks in their place."""
    for layer in layers:
        if isinstance(layer, Sequential):
            yield from layer.layers
        elif isinstance(layer, Branches):
            branches = [tuple(_flattened(branch)) for branch in layer.branches]
            yield Branches(*branches, join=layer.join, shares=layer.given_shares)
        elif isinstance(layer, LAYERS):
            yield layer
        else:
            names = ", ".join(layer.__name__ for layer in LAYERS)
            raise InputError(f"layers must be of {names}", got=repr(layer))
