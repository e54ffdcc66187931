"""Layers that turn a grid into one vector."""

from __future__ import annotations

from dataclasses import dataclass

from .covariance import Covariance


@dataclass(frozen=True)
class GlobalAveragePool:
    """The mean over all coordinates: a picture becomes one vector.

    Examples
    --------
    >>> import numpy as np
    >>> from ntkfill.nn import Dense, Sequential
    >>> pictures = np.arange(8.0).reshape(2, 1, 2, 2)  # of one channel
    >>> Sequential(GlobalAveragePool(), Dense()).between(pictures)
    array([[ 2.25,  8.25],
           [ 8.25, 30.25]])
    """

    def __call__(self, state: Covariance) -> Covariance:
        n = len(state.axes)
        nngp, ntk = (table.mean(axis=tuple(range(2 * n))) for table in (state.nngp, state.ntk))
        return Covariance(nngp, ntk, nngp, nngp)


@dataclass(frozen=True)
class Flatten:
    """All coordinates side by side in one vector.

    Examples
    --------
    >>> import numpy as np
    >>> from ntkfill.nn import Dense, Sequential
    >>> pictures = np.arange(8.0).reshape(2, 1, 2, 2)  # of one channel
    >>> Sequential(Flatten(), Dense()).between(pictures)
    array([[ 3.5,  9.5],
           [ 9.5, 31.5]])
    """

    def __call__(self, state: Covariance) -> Covariance:
        n = len(state.axes)
        same = (slice(None),) * n + (0,) * n
        nngp, ntk = (table[same].mean(axis=tuple(range(n))) for table in (state.nngp, state.ntk))
        return Covariance(nngp, ntk, nngp, nngp)
