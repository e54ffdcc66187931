"""The state that flows through an infinitely wide network: two arrays and their variances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..kernels.table import Array, Axis, neighbours


@dataclass(frozen=True)
class Covariance:
    """What a layer's outputs share, for pairs of coordinates.

    Parameters
    ----------
    nngp : array
        Covariance of the outputs at initialisation (Sigma). On a grid a table of shape
        ``(*periods, *counts)``, see `ntkfill.kernels.table`; without axes any array of pairs.
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
    axes: tuple[Axis, ...] = ()


def of_pairs(nngp: Array, left: Array, right: Array) -> Covariance:
    """The start for pairs of feature vectors, e.g. an (n, m) Gram matrix, (n, 1) and (1, m)."""
    # One zero stands for all: passes over the pairs are what a kernel of vectors costs.
    return Covariance(nngp, np.zeros((1,) * nngp.ndim, nngp.dtype), left, right)


def of_grid(nngp: Array, axes: tuple[Axis, ...]) -> Covariance:
    """The start on a grid."""
    left, right = variances(nngp, axes)
    return Covariance(nngp, np.zeros_like(nngp), left, right, axes)


def variances(nngp: Array, axes: tuple[Axis, ...]) -> tuple[Array, Array]:
    """Variance at both coordinates, from the entries with offset zero."""
    n = len(axes)
    variance = nngp[(slice(None),) * n + (0,) * n]
    left = variance.reshape(variance.shape + (1,) * n)
    return left, second(left, axes)


def second(left: Array, axes: tuple[Axis, ...]) -> Array:
    """Variance at the second coordinate, from that at the first; one number where all agree."""
    if np.all(left == left.flat[0]):
        return left[(slice(0, 1),) * left.ndim]
    return neighbours(left, axes)
