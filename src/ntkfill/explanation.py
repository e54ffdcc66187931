"""Explanations of filled values, and the size of a network's neighbourhood."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import InputError, check_finite
from .kernels import Stationary
from .kernels.stationary import squared_distances
from .kernels.table import Array
from .nn.evaluate import Kind
from .nn.networks import Sequential
from .priors import IID, Prior


@dataclass(frozen=True, eq=False)
class Explanation:
    """A filled value as a weighted sum of known ones: ``value == sum(weights * values)``.

    Made by `Inpainter.explain` and `NTKImputer.explain`.

    Parameters
    ----------
    at : tuple of int
        The entry: a pixel, or row and column.
    coordinates : int array of shape (k, n)
        Of the k known entries, on n axes.
    values, weights : arrays of shape (k,)
    value : float
        The filled value.
    kernel : array of shape (k,), optional
        The kernel between the entry and each known entry.
    channels : int array of shape (k,), optional
        The channel of each known entry, where the value depends on several.

    Examples
    --------
    >>> known, values, weights = np.array([[0], [2]]), np.array([4.0, 8.0]), np.array([0.5, 0.5])
    >>> explanation = Explanation((1,), known, values, weights, value=6.0)
    >>> explanation.radius(0.9), explanation.largest(1).coordinates.tolist()
    (1.0, [[0]])
    """

    at: tuple[int, ...]
    coordinates: NDArray[np.intp]
    values: Array
    weights: Array
    value: float
    kernel: Array | None = None
    channels: NDArray[np.intp] | None = None

    def __post_init__(self) -> None:
        check_finite("the explanation", self.weights, np.array(self.value))

    @property
    def rows(self) -> NDArray[np.intp]:
        """The first coordinate of every known entry."""
        return self.coordinates[:, 0]

    @property
    def columns(self) -> NDArray[np.intp]:
        """The second coordinate of every known entry."""
        return self.coordinates[:, 1]

    def largest(self, count: int = 10) -> Explanation:
        """The known entries with the largest absolute weights, in that order."""
        order = np.argsort(-np.abs(self.weights), kind="stable")[:count]
        return Explanation(
            self.at,
            self.coordinates[order],
            self.values[order],
            self.weights[order],
            self.value,
            None if self.kernel is None else self.kernel[order],
            None if self.channels is None else self.channels[order],
        )

    def radius(self, share: float = 0.5) -> float:
        """The distance from the entry within which this share of the absolute weight lies."""
        distance = np.linalg.norm(self.coordinates - np.array(self.at), axis=1)
        return mass_radius(distance, np.abs(self.weights), share)

    def as_array(self, shape: tuple[int, ...], *, kernel: bool = False) -> Array:
        """The weights (or the kernel) as an array of this shape, zero elsewhere.

        Parameters
        ----------
        shape : tuple of int
            Of the grid or table; with `channels`, (*grid, channels).
        kernel : bool
            Take the kernel in place of the weights.

        Returns
        -------
        array of this shape

        Raises
        ------
        InputError
            If the kernel is asked for and there is none.
        """
        filling = self.kernel if kernel else self.weights
        if filling is None:
            raise InputError("kernel=True needs an explanation with a kernel", got="kernel=None")
        result = np.zeros(shape)
        at = tuple(self.coordinates.T) + (() if self.channels is None else (self.channels,))
        result[at] = filling
        return result


def neighbourhood(
    network: Sequential,
    share: float = 0.5,
    *,
    axes: int = 2,
    prior: Prior | None = None,
    kind: Kind = "ntk",
) -> float:
    """The radius within which most of a network's kernel lies.

    Parameters
    ----------
    network : Sequential
    share : float
        Of the kernel minus its minimum, summed over all offsets; between 0 and 1.
    axes : int
        Of the grid: 1 for signals, 2 for images, 3 for volumes.
    prior : Prior, optional
        Stationary. The default is `IID()`.
    kind : {"ntk", "nngp"}

    Returns
    -------
    float
        In coordinates; at most `network.receptive_radius` along each axis.

    Raises
    ------
    InputError
        If the share is not between 0 and 1, or the prior is not stationary.

    Examples
    --------
    >>> from ntkfill.nn import hourglass
    >>> [round(neighbourhood(hourglass(levels)), 1) for levels in (2, 3, 4, 5)]
    [2.0, 4.0, 7.6, 15.0]
    """
    side = 2 * network.stride * -(-network.receptive_radius // network.stride)
    kernel = network.kernel((side,) * axes, prior or IID(), kind=kind, shift_average=True)
    assert isinstance(kernel, Stationary)
    distance = np.sqrt(squared_distances(kernel.shape)).ravel()
    mass = kernel.block(np.array([0]), np.arange(side**axes))[0]
    return mass_radius(distance, mass - mass.min(), share)


def mass_radius(distance: Array, mass: Array, share: float) -> float:
    """The smallest distance within which this share of the total mass lies.

    >>> mass_radius(np.array([0.0, 1.0, 2.0]), np.array([1.0, 2.0, 1.0]), 0.5)
    1.0
    """
    if not 0 < share < 1:
        raise InputError("share must be between 0 and 1", got=repr(share))
    order = np.argsort(distance, kind="stable")
    total = np.cumsum(mass[order])
    # Rounding of the sum must not cost a distance.
    return float(distance[order][np.searchsorted(total, share * total[-1] * (1 - 1e-12))])
