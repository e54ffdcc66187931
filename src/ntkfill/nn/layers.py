"""Layers that keep the grid: weights and biases, scales, dropout; and those that turn it into one
vector."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

import numpy as np

from ..errors import InputError, check_number
from ..kernels.table import Array
from .covariance import Axes, Covariance


@dataclass(frozen=True)
class Dense:
    """A fully connected layer, applied to each coordinate separately.

    Examples
    --------
    >>> Dense()
    Dense()
    """

    def __call__(self, state: Covariance) -> Covariance:
        untouched = state.ntk.size == 1 and not state.ntk.any()
        total = state.nngp if untouched else state.ntk + state.nngp
        return Covariance(state.nngp, total, state.left, state.right, state.axes)

    def apply(self, table: Array, axes: Axes) -> Array:
        return table


@dataclass(frozen=True)
class Conv:
    """A circular convolution with `size` taps along every axis.

    The covariance of its outputs is the mean over shifts of both coordinates together.

    Parameters
    ----------
    size : int
        Odd.

    Raises
    ------
    InputError
        If the size is even or below one.

    Examples
    --------
    >>> Conv(3)
    Conv(size=3)
    """

    size: int = 3

    def __post_init__(self) -> None:
        if not isinstance(self.size, Integral) or not 1 <= self.size < 1000 or self.size % 2 == 0:
            raise InputError(
                "size must be an odd integer below 1,000, such as 3", got=repr(self.size)
            )
        object.__setattr__(self, "size", int(self.size))

    def __call__(self, state: Covariance) -> Covariance:
        nngp = self.apply(state.nngp, state.axes)
        ntk = self.apply(state.ntk, state.axes)
        ntk += nngp
        left, right = (self.apply(v, state.axes) for v in (state.left, state.right))
        return Covariance(nngp, ntk, left, right, state.axes)

    def apply(self, table: Array, axes: Axes) -> Array:
        taps = 1
        for dimension, axis in enumerate(axes):
            if axis.period > 1:
                table = _window_sum(table, dimension, self.size)
                taps *= self.size
        return table * table.dtype.type(1 / taps)


@dataclass(frozen=True)
class Bias:
    """A bias for each channel, drawn at random and trained.

    It follows the layer whose outputs it is added to: ``Dense(), Bias(0.1)``.

    Parameters
    ----------
    variance : float
        Of the biases at initialisation; above 0.

    Raises
    ------
    InputError
        If the variance is not above zero.

    Examples
    --------
    >>> from ntkfill.nn import Sequential
    >>> import numpy as np
    >>> Sequential(Dense(), Bias(0.5)).between(np.eye(2))
    array([[1.5, 0.5],
           [0.5, 1.5]])
    """

    variance: float = 1.0

    def __post_init__(self) -> None:
        variance = check_number("the variance of Bias", self.variance, above=0)
        object.__setattr__(self, "variance", variance)

    def __call__(self, state: Covariance) -> Covariance:
        return state.each(lambda array: array + self.variance)


@dataclass(frozen=True)
class Scale:
    """Multiply the outputs by a constant.

    After a layer with weights it sets their variance: ``Dense(), Scale(2.0)`` has weights of
    variance 2. A random share of `variance` of the weights, the others pruned for good, has the
    same kernel (Yang and Wang, ICLR 2023, arXiv:2203.14328).

    Parameters
    ----------
    variance : float
        The square of the constant; above 0.

    Raises
    ------
    InputError
        If it is not above zero.

    Examples
    --------
    >>> from ntkfill.nn import Sequential
    >>> import numpy as np
    >>> Sequential(Dense(), Scale(2.0)).between(np.eye(2))
    array([[2., 0.],
           [0., 2.]])
    """

    variance: float = 1.0

    def __post_init__(self) -> None:
        variance = check_number("the variance of Scale", self.variance, above=0)
        object.__setattr__(self, "variance", variance)

    def __call__(self, state: Covariance) -> Covariance:
        return state.each(lambda array: array * array.dtype.type(self.variance))

    def apply(self, table: Array, axes: Axes) -> Array:
        return table * table.dtype.type(self.variance)


@dataclass(frozen=True)
class Dropout:
    """Set a random share of all outputs to zero, and scale the others up.

    The zeros of two coordinates, and those of two pictures, are independent, so that only the
    variances grow, by 1 / (1 - rate): before the last layer it is a ridge.

    Parameters
    ----------
    rate : float
        The share, at least 0 and below 1.

    Raises
    ------
    InputError
        If the rate is not in this range, or there is no grid.

    Examples
    --------
    >>> from ntkfill.nn import Sequential
    >>> from ntkfill.priors import Identity
    >>> Sequential(Dropout(0.5), Dense()).ntk((2,), Identity())
    array([[2., 0.],
           [0., 2.]])
    """

    rate: float = 0.5

    def __post_init__(self) -> None:
        rate = check_number("the rate of Dropout", self.rate, minimum=0)
        if rate >= 1:
            raise InputError("the rate of Dropout must be below 1", got=f"{rate:g}")
        object.__setattr__(self, "rate", rate)

    def __call__(self, state: Covariance) -> Covariance:
        n = len(state.axes)
        gain = 1 / (1 - self.rate)

        def grown(table: Array) -> Array:
            table = table.copy()
            table[(slice(None),) * n + (0,) * n] *= gain
            return table

        left, right = state.left * gain, state.right * gain
        return Covariance(grown(state.nngp), grown(state.ntk), left, right, state.axes)


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


def _window_sum(table: Array, dimension: int, size: int) -> Array:
    """Sum over a circular window of this many entries around each one."""
    period, half = table.shape[dimension], size // 2
    padded = np.take(table, np.arange(-half, period + half) % period, axis=dimension)
    before = (slice(None),) * dimension
    shifted = [padded[before + (slice(shift, shift + period),)] for shift in range(size)]
    if size == 1:
        return padded
    total = shifted[0] + shifted[1]
    for part in shifted[2:]:
        total += part
    return total
