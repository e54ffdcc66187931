"""The state that flows through an infinitely wide network.

It is a pair of covariances: nngp, of a layer's outputs, and ntk, of their gradients. A linear layer
acts on both alike. A layer with weights also adds the nngp to the ntk, because the gradient with
respect to its weights is its input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..kernels.table import Array, Axis, Index, at_second

Axes = tuple[Axis, ...]
Offsets = Sequence[Index]


@dataclass(frozen=True)
class Covariance:
    """Covariances of a layer's outputs and of their gradients, for pairs of coordinates.

    Parameters
    ----------
    nngp : array
        Covariance of the outputs at initialisation (Sigma). On a grid a table of shape
        ``(*periods, *counts)``, see `ntkfill.kernels.table`; any further dimensions are of pairs of
        pictures. Without axes any array of pairs.
    ntk : array, the shape of `nngp`
        Inner products of the gradients, summed over the layers so far (Theta).
    left, right : arrays that broadcast against `nngp`
        Variance at the first and at the second coordinate of each pair.
    axes : tuple of Axis
        The axes of the grid; empty for pairs of feature vectors.
    """

    nngp: Array
    ntk: Array
    left: Array
    right: Array
    axes: Axes = ()

    @classmethod
    def of_pairs(cls, gram: Array, left: Array, right: Array) -> Covariance:
        """The input of feature vectors, e.g. inner products (n, m), (n, 1) and (1, m)."""
        # One zero stands for the ntk of all pairs: every pass over them costs time.
        return cls(gram, np.zeros((1,) * gram.ndim, gram.dtype), left, right)

    @classmethod
    def of_grid(cls, table: Array, axes: Axes) -> Covariance:
        """The input of a grid, from the prior's table."""
        return cls(table, np.zeros_like(table), *variances(table, axes), axes)

    def each(self, function: Callable[[Array], Array]) -> Covariance:
        """The same function of all four arrays."""
        nngp, ntk, left, right = map(function, (self.nngp, self.ntk, self.left, self.right))
        return Covariance(nngp, ntk, left, right, self.axes)

    def at(self, offsets: Offsets) -> Covariance:
        """The pairs at these non-negative offsets of each axis."""
        n = len(self.axes)

        def taken(table: Array) -> Array:
            for k, (axis, chosen) in enumerate(zip(self.axes, offsets, strict=True)):
                if table.shape[n + k] > 1:
                    table = np.take(table, axis.positions(chosen), axis=n + k)
            return table

        return self.each(taken)


def run(layers: Iterable[Callable[[Covariance], Covariance]], state: Covariance) -> Covariance:
    """Apply layers to the state of both covariances."""
    for layer in layers:
        state = layer(state)
    return state


def variances(nngp: Array, axes: Axes) -> tuple[Array, Array]:
    """Variance at both coordinates of each pair, from the entries of offset zero."""
    n = len(axes)
    left = nngp[(slice(None),) * n + (slice(0, 1),) * n]
    return left, right_variance(left, axes)


def right_variance(left: Array, axes: Axes) -> Array:
    """Variance at the second coordinate of each pair; one number where all are equal."""
    n = len(axes)
    if np.all(left == left.flat[0]):
        return left[(slice(0, 1),) * left.ndim]
    return at_second(left[(slice(None),) * n + (0,) * n], axes)
