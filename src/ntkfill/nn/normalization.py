"""Normalisation of Gaussian outputs, in the limit of infinitely many channels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..kernels.table import Array
from .covariance import Covariance, right_variance


@dataclass(frozen=True)
class LayerNorm:
    """Layer normalisation: each coordinate has mean 0 and variance 1 over its channels.

    Without trained gains and offsets (Ba, Kiros and Hinton 2016, arXiv:1607.06450). It follows a
    layer with weights, whose outputs have mean 0 over infinitely many channels.

    Examples
    --------
    >>> from ntkfill.nn import Dense, Sequential
    >>> import numpy as np
    >>> Sequential(Dense(), LayerNorm()).between(np.array([[3.0, 0.0], [1.0, 1.0]])).round(4)
    array([[1.    , 0.7071],
           [0.7071, 1.    ]])
    """

    def __call__(self, state: Covariance) -> Covariance:
        scale = np.sqrt(state.left * state.right)
        scale = np.where(scale > 0, scale, np.inf)
        ones = np.ones_like(state.left), np.ones_like(state.right)
        return Covariance(state.nngp / scale, state.ntk / scale, *ones, state.axes)


@dataclass(frozen=True)
class BatchNorm:
    """Batch normalisation: each channel has mean 0 and variance 1 over all coordinates.

    Without trained gains and offsets (Ioffe and Szegedy, ICML 2015, arXiv:1502.03167). It follows
    a layer with weights, and needs a grid without end, i.e. an i.i.d. prior and sides of at least
    twice the receptive radius: over its infinitely many coordinates the mean and the variance of a
    channel are numbers, and gradients do not pass through them. Over finitely many coordinates they
    are random, and the limit has no closed form.

    Examples
    --------
    >>> from ntkfill.nn import Conv, Sequential
    >>> Sequential(Conv(3), BatchNorm(), Conv(3)).ntk((4,))[0].round(4)
    array([2., 0., 0., 0.])
    """

    def __call__(self, state: Covariance) -> Covariance:
        axes, n = state.axes, len(state.axes)
        if not axes or any(axis.side is not None for axis in axes):
            raise InputError(
                "BatchNorm needs an i.i.d. prior, a network symmetric under reflections, and sides "
                "of at least twice its receptive radius; over finitely many coordinates the mean "
                "and variance of a channel are random",
                hint="LayerNorm()",
            )
        tail = (slice(None),) * n + tuple(slice(axis.radius, None) for axis in axes)
        over = tuple(range(n, 2 * n))
        left = state.left - 2 * state.nngp[tail].mean(axis=over, keepdims=True)
        scale = state.left.mean() - state.nngp[tail].mean()

        def centred(table: Array) -> Array:
            level = table[tail].mean(axis=over, keepdims=True)
            return (table - level - right_variance(level, axes) + level.mean()) / scale

        left = (left + state.nngp[tail].mean()) / scale
        right = right_variance(left, axes)
        return Covariance(centred(state.nngp), centred(state.ntk), left, right, axes)
