"""What a filled value is made of, and how far a network looks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .kernels import Stationary
from .kernels.table import Array
from .nn.evaluate import Kind
from .nn.networks import Sequential
from .priors import IID, Prior


@dataclass(frozen=True, eq=False)
class Explanation:
    """What a filled value is made of: ``value == sum(weights * values)``.

    The same for grids (`Inpainter.explain`) and tables (`NTKImputer.explain`).

    Parameters
    ----------
    at : tuple of int
        The entry: a pixel, or row and column.
    places : int array of shape (k, n)
        Where the known entries stand, n axes each.
    values, weights : arrays of shape (k,)
    value : float
    kernel : array of shape (k,), optional
        How much alike the network takes each of them and the entry to be.
    channels : int array of shape (k,), optional
        Of which channel each of them is, where an entry is made of several.

    Examples
    --------
    >>> places, values, weights = np.array([[0], [2]]), np.array([4.0, 8.0]), np.array([0.5, 0.5])
    >>> explained = Explanation((1,), places, values, weights, value=6.0)
    >>> explained.radius(0.9), explained.heaviest(1).places.tolist()
    (1.0, [[0]])
    """

    at: tuple[int, ...]
    places: NDArray[np.intp]
    values: Array
    weights: Array
    value: float
    kernel: Array | None = None
    channels: NDArray[np.intp] | None = None

    @property
    def rows(self) -> NDArray[np.intp]:
        """The first coordinate of every known entry."""
        return self.places[:, 0]

    @property
    def columns(self) -> NDArray[np.intp]:
        """The second coordinate of every known entry."""
        return self.places[:, 1]

    def heaviest(self, count: int = 10) -> Explanation:
        """The known entries that weigh most, in that order."""
        order = np.argsort(-np.abs(self.weights), kind="stable")[:count]
        arrays = (self.places, self.values, self.weights)
        others = (self.kernel, self.channels)
        places, values, weights = (array[order] for array in arrays)
        kernel, channels = (None if array is None else array[order] for array in others)
        return Explanation(self.at, places, values, weights, self.value, kernel, channels)

    def radius(self, share: float = 0.5) -> float:
        """How far from the entry this share of the weight, in size, is reached; for grids."""
        distance = np.linalg.norm(self.places - np.array(self.at), axis=1)
        return reached(distance, np.abs(self.weights), share)

    def spread(self, shape: tuple[int, ...], *, kernel: bool = False) -> Array:
        """Weights (or the kernel) as an array of the grid or table, zero elsewhere; where entries
        are of several channels, of shape (*grid, channels)."""
        result = np.zeros(shape)
        if kernel and self.kernel is None:
            raise InputError("this explanation holds no kernel")
        at = tuple(self.places.T) + (() if self.channels is None else (self.channels,))
        result[at] = self.kernel if kernel else self.weights
        return result


def neighbourhood(
    network: Sequential,
    share: float = 0.5,
    *,
    axes: int = 2,
    prior: Prior | None = None,
    kind: Kind = "ntk",
) -> float:
    """The radius within which a network takes coordinates for alike.

    Parameters
    ----------
    network : Sequential
    share : float
        Of the kernel's mass above its constant tail, summed over all offsets; between 0 and 1.
    axes : int
        Of the grid: 1 for signals, 2 for images, 3 for volumes.
    prior : Prior, optional
        The default is `IID()`.
    kind : {"ntk", "nngp"}

    Returns
    -------
    float
        In coordinates. At `network.receptive_radius` all of the mass is reached.

    Raises
    ------
    InputError
        If the share is not between 0 and 1, or the prior tells coordinates apart.

    Examples
    --------
    >>> from ntkfill.nn import hourglass
    >>> [round(neighbourhood(hourglass(levels)), 1) for levels in (2, 3, 4, 5)]
    [2.0, 4.0, 7.6, 15.0]
    """
    side = 2 * network.stride * -(-network.receptive_radius // network.stride)
    kernel = network.kernel((side,) * axes, prior or IID(), kind=kind, shift_average=True)
    if not isinstance(kernel, Stationary):
        raise InputError("this prior has no one neighbourhood", got=repr(prior))
    every = np.indices(kernel.shape).reshape(axes, -1)
    offset = np.minimum(every, side - every)
    mass = kernel.block(np.array([0]), np.arange(side**axes))[0]
    return reached(np.linalg.norm(offset, axis=0), mass - mass.min(), share)


def reached(distance: Array, amount: Array, share: float) -> float:
    """The least distance within which this share of an amount lies.

    >>> reached(np.array([0.0, 1.0, 2.0]), np.array([1.0, 2.0, 1.0]), 0.5)
    1.0
    """
    if not 0 < share < 1:
        raise InputError("this share cannot be reached", expected="0 to 1", got=repr(share))
    order = np.argsort(distance, kind="stable")
    # What lies equally far is reached together.
    total = np.cumsum(amount[order])
    return float(distance[order][np.searchsorted(total, share * total[-1] * (1 - 1e-12))])
