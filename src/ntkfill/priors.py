"""Feature priors: what the coordinates of a grid look like before the network sees them.

A prior is a covariance of coordinates and nothing else. It never sees a target.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from .errors import InputError, check_number
from .kernels.table import Array, Axis
from .runtime.memory import require


class Prior(Protocol):
    """Anything with a covariance over the coordinates of a grid."""

    @property
    def stationary(self) -> bool:
        """Whether all coordinates are alike, so that the grid may be endless."""

    def table(self, shape: tuple[int, ...] | None, ndim: int) -> tuple[Array, tuple[Axis, ...]]:
        """Sigma0 as a table ``T[r, d]`` on a torus of this shape, or on the endless grid (None)."""


@dataclass(frozen=True)
class IID:
    """Channels drawn independently for every coordinate.

    The covariance is mean**2 + variance where two coordinates are the same, mean**2 elsewhere.

    Parameters
    ----------
    mean, variance : float
        Of the entries. The default is the uniform distribution on [0, 0.1] of Radhakrishnan et al.,
        PNAS 2022, doi:10.1073/pnas.2115064119.

    Examples
    --------
    >>> IID(mean=0.0, variance=1.0).table(None, ndim=1)[0]
    array([[1., 0.]])
    """

    mean: float = 0.05
    variance: float = 1 / 1200

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", check_number("the mean of the prior", self.mean))
        object.__setattr__(
            self, "variance", check_number("the variance of the prior", self.variance)
        )
        if self.variance <= 0:
            raise InputError(
                "the variance of the prior cannot be used",
                expected="a number above zero",
                got=repr(self.variance),
            )

    @property
    def stationary(self) -> bool:
        return True

    def table(self, shape: tuple[int, ...] | None, ndim: int) -> tuple[Array, tuple[Axis, ...]]:
        axes = tuple(Axis(side=side) for side in shape) if shape else (Axis(),) * ndim
        table = np.full((1,) * ndim + tuple(axis.count for axis in axes), self.mean**2)
        table[(0,) * table.ndim] += self.variance
        return table, axes


@dataclass(frozen=True)
class Identity:
    """Every coordinate has a channel of its own: the covariance is the identity.

    On a network of convolutions this is the i.i.d. prior with mean 0 and variance 1.

    Examples
    --------
    >>> Identity().table((3,), ndim=1)[0]
    array([[1., 0., 0.]])
    """

    @property
    def stationary(self) -> bool:
        return True

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

    @property
    def stationary(self) -> bool:
        return False

    def table(self, shape: tuple[int, ...] | None, ndim: int) -> tuple[Array, tuple[Axis, ...]]:
        sides = _sides(shape)
        ramps = [np.linspace(0.0, 1.0, side) if side > 1 else np.zeros(1) for side in sides]
        return Features(np.stack(np.meshgrid(*ramps, indexing="ij"))).table(sides, ndim)


@dataclass(frozen=True, repr=False, eq=False)
class Features:
    """Any array of features: the covariance is the sum over channels of their products.

    Parameters
    ----------
    values : array of shape (channels, *grid)
        One feature vector per coordinate.

    Examples
    --------
    >>> Features([[1.0, 2.0]]).table((2,), ndim=1)[0]
    array([[1., 2.],
           [4., 2.]])
    """

    values: Array
    _digest: str = field(init=False)

    def __init__(self, values: ArrayLike) -> None:
        array = np.array(values, dtype=np.float64)
        if array.ndim < 2 or array.size == 0:
            raise InputError(
                "the features cannot be used",
                expected="an array of shape (channels, *grid)",
                got=f"shape {array.shape}",
            )
        if not np.isfinite(array).all():
            raise InputError("the features hold NaN or infinity", expected="finite numbers")
        array.flags.writeable = False
        object.__setattr__(self, "values", array)
        digest = hashlib.sha256(str(array.shape).encode() + array.tobytes()).hexdigest()[:16]
        object.__setattr__(self, "_digest", digest)

    def __repr__(self) -> str:
        return f"Features(shape={self.values.shape}, sha256={self._digest})"

    @property
    def stationary(self) -> bool:
        return False

    def table(self, shape: tuple[int, ...] | None, ndim: int) -> tuple[Array, tuple[Axis, ...]]:
        sides = _sides(shape)
        if sides != self.values.shape[1:]:
            raise InputError(
                "the feature prior has another grid than the image",
                expected=f"features of shape (channels, {', '.join(map(str, sides))})",
                got=f"shape {self.values.shape}",
                hint="boundary='wrap' with features for exactly the image's pixels",
            )
        axes = tuple(Axis(period=side, side=side) for side in sides)
        require(
            f"the dense kernel of a grid {sides}",
            4 * 8 * math.prod(sides) ** 2,
            hint="a smaller grid, or the prior IID()",
        )
        flat = self.values.reshape(len(self.values), -1)
        dense = (flat.T @ flat).reshape(sides + sides)
        rows = np.indices(sides, sparse=True)
        index = []
        for k, side in enumerate(sides):
            r = rows[k].reshape(rows[k].shape + (1,) * ndim)
            d = np.arange(side).reshape([-1 if j == k else 1 for j in range(ndim)])
            index.append((r, (r + d) % side))
        return dense[tuple(r for r, _ in index) + tuple(c for _, c in index)], axes


def _sides(shape: tuple[int, ...] | None) -> tuple[int, ...]:
    if shape is None:
        raise InputError(
            "this prior tells coordinates apart, so it needs a grid of a given size",
            hint="pass the shape of the image",
        )
    return tuple(shape)
