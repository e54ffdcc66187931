"""Feature priors: the covariance of a grid's coordinates at the input of the network."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike

from .errors import InputError, check_number
from .kernels.table import Array, Axis, at_second
from .runtime.resources import require, single_blas_thread


class Prior(Protocol):
    """A covariance over the coordinates of a grid."""

    @property
    def stationary(self) -> bool:
        """Whether the covariance depends on the offset alone, so that the grid may be endless."""

    def table(self, shape: tuple[int, ...] | None, ndim: int) -> tuple[Array, tuple[Axis, ...]]:
        """Sigma0 as a table ``T[r, d]`` on a torus of this shape, or on the endless grid (None)."""


@dataclass(frozen=True)
class IID:
    """Independent and identically distributed channels at every coordinate.

    The covariance is mean**2 + variance where two coordinates are the same, mean**2 elsewhere.

    Parameters
    ----------
    mean, variance : float
        Of the channels. The default is the uniform distribution on [0, 0.1] of Radhakrishnan
        et al., PNAS 2022, doi:10.1073/pnas.2115064119.

    Raises
    ------
    InputError
        If the variance is not above zero.

    Examples
    --------
    >>> IID(mean=0.0, variance=1.0).table(None, ndim=1)[0]
    array([[1., 0.]])
    """

    mean: float = 0.05
    variance: float = 1 / 1200
    stationary: ClassVar[bool] = True

    def __post_init__(self) -> None:
        variance = check_number("the variance of the prior", self.variance, above=0)
        object.__setattr__(self, "mean", check_number("the mean of the prior", self.mean))
        object.__setattr__(self, "variance", variance)

    def table(self, shape: tuple[int, ...] | None, ndim: int) -> tuple[Array, tuple[Axis, ...]]:
        axes = tuple(Axis(side=side) for side in shape) if shape else (Axis(),) * ndim
        table = np.full((1,) * ndim + tuple(axis.count for axis in axes), self.mean**2)
        table[(0,) * table.ndim] += self.variance
        return table, axes


@dataclass(frozen=True)
class Identity:
    """One channel per coordinate: the covariance is the identity, as of `IID(0.0, 1.0)`.

    Examples
    --------
    >>> Identity().table((3,), ndim=1)[0]
    array([[1., 0., 0.]])
    """

    stationary: ClassVar[bool] = True

    def table(self, shape: tuple[int, ...] | None, ndim: int) -> tuple[Array, tuple[Axis, ...]]:
        return IID(0.0, 1.0).table(shape, ndim)


@dataclass(frozen=True)
class MeshGrid:
    """One channel per axis that rises from 0 to 1 along it (Deep Image Prior's mesh grid).

    Examples
    --------
    >>> MeshGrid().table((3,), ndim=1)[0]
    array([[0.  , 0.  , 0.  ],
           [0.25, 0.5 , 0.  ],
           [1.  , 0.  , 0.5 ]])
    """

    stationary: ClassVar[bool] = False

    def table(self, shape: tuple[int, ...] | None, ndim: int) -> tuple[Array, tuple[Axis, ...]]:
        sides = _sides(shape)
        ramps = [np.linspace(0.0, 1.0, side) if side > 1 else np.zeros(1) for side in sides]
        return Features(np.stack(np.meshgrid(*ramps, indexing="ij"))).table(sides, ndim)


@dataclass(frozen=True, repr=False, eq=False)
class Features:
    """Given features: the covariance is their inner product.

    Parameters
    ----------
    values : array of shape (channels, *grid)
        One feature vector per coordinate.

    Raises
    ------
    InputError
        If the values have fewer than two axes, or are not finite.

    Examples
    --------
    >>> Features([[1.0, 2.0]]).table((2,), ndim=1)[0]
    array([[1., 2.],
           [4., 2.]])
    """

    values: Array
    _digest: str = field(init=False)
    stationary: ClassVar[bool] = False

    def __init__(self, values: ArrayLike) -> None:
        array = np.array(values, dtype=np.float64)
        if array.ndim < 2 or array.size == 0:
            raise InputError(
                "features must be an array of shape (channels, *grid)",
                got=f"shape {array.shape}",
            )
        if not np.isfinite(array).all():
            raise InputError("features must be finite", got="NaN or infinity")
        array.flags.writeable = False
        object.__setattr__(self, "values", array)
        digest = hashlib.sha256(str(array.shape).encode() + array.tobytes()).hexdigest()[:16]
        object.__setattr__(self, "_digest", digest)

    def __repr__(self) -> str:
        return f"Features(shape={self.values.shape}, sha256={self._digest})"

    def table(self, shape: tuple[int, ...] | None, ndim: int) -> tuple[Array, tuple[Axis, ...]]:
        sides = _sides(shape)
        if sides != self.values.shape[1:]:
            raise InputError(
                f"features must have shape (channels, {', '.join(map(str, sides))})",
                got=f"shape {self.values.shape}",
                hint="boundary='wrap' with features for exactly the image's pixels",
            )
        axes = tuple(Axis(period=side, side=side) for side in sides)
        require(
            f"the dense kernel of a grid {sides}",
            4 * 8 * math.prod(sides) ** 2,
            hint="a smaller grid, or the prior IID()",
        )
        flat = self.values.reshape(len(self.values), -1)  # (channels, n)
        every = np.arange(flat.shape[1])
        first = every.reshape(sides + (1,) * ndim)
        return (flat.T @ flat)[first, at_second(every, axes)], axes


@dataclass(frozen=True, repr=False, eq=False)
class GraphLaplacian:
    """Coordinates that are the nodes of a graph: the covariance is (L + shift)^-1.

    With ``Sequential(Dense())`` as the network, a small shift and no ridge, what is filled in is
    harmonic: each missing node is the weighted mean of its neighbours, the semi-supervised learning
    of Zhu, Ghahramani and Lafferty, ICML 2003.

    Parameters
    ----------
    weights : array of shape (n, n)
        Of the edges: symmetric, at least 0.
    shift : float
        Relative to the mean degree; above 0. The smaller, the more nodes without known neighbours
        follow the graph.

    Raises
    ------
    InputError
        If the weights are not symmetric, negative or not finite, or the shift is not above zero.

    Examples
    --------
    >>> path = np.diag([1.0, 1.0], 1) + np.diag([1.0, 1.0], -1)
    >>> covariance = GraphLaplacian(path, shift=1.0).table((3,), ndim=1)[0][:, 0]
    >>> covariance.round(4)
    array([0.5027, 0.4038, 0.5027])
    """

    weights: Array
    shift: float = 1e-6
    stationary: ClassVar[bool] = False

    def __post_init__(self) -> None:
        weights = np.array(self.weights, dtype=np.float64)
        square = weights.ndim == 2 and weights.shape[0] == weights.shape[1]
        if not square or not np.isfinite(weights).all() or np.min(weights, initial=0) < 0:
            raise InputError(
                "weights of a graph must be a square array of finite numbers >= 0",
                got=f"shape {weights.shape}",
            )
        if not np.allclose(weights, weights.T):
            hint = "(weights + weights.T) / 2"
            raise InputError("weights of a graph must be symmetric", hint=hint)
        weights.flags.writeable = False
        object.__setattr__(self, "weights", weights)
        shift = check_number("the shift of GraphLaplacian", self.shift, above=0)
        object.__setattr__(self, "shift", shift)

    def __repr__(self) -> str:
        digest = hashlib.sha256(self.weights.tobytes()).hexdigest()[:16]
        return f"GraphLaplacian(nodes={len(self.weights)}, shift={self.shift}, sha256={digest})"

    @single_blas_thread()
    def features(self) -> Array:
        """A vector for each node, (n, n), whose inner products are the covariance; for tables."""
        degrees = self.weights.sum(axis=1)
        shift = self.shift * (degrees.mean() or 1.0)
        values, vectors = np.linalg.eigh(np.diag(degrees) - self.weights)
        return vectors / np.sqrt(np.maximum(values, 0.0) + shift)

    def table(self, shape: tuple[int, ...] | None, ndim: int) -> tuple[Array, tuple[Axis, ...]]:
        sides = _sides(shape)
        if math.prod(sides) != len(self.weights):
            raise InputError(
                f"the graph must have a node for each of {math.prod(sides)} coordinates",
                got=f"{len(self.weights)} nodes",
                hint="boundary='wrap'",
            )
        return Features(self.features().T.reshape(-1, *sides)).table(sides, ndim)


def _sides(shape: tuple[int, ...] | None) -> tuple[int, ...]:
    if shape is None:
        hint = "the shape of the image"
        raise InputError("a prior that is not stationary needs the sides of the grid", hint=hint)
    return tuple(shape)
