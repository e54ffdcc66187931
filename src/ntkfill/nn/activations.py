"""Activations: the covariance after an elementwise function of two Gaussian variables.

For (u, v) centred Gaussian with covariance [[left, nngp], [nngp, right]], an activation phi needs
E[phi(u) phi(v)], its *dual*, and E[phi'(u) phi'(v)], the dual of its derivative (Daniely, Frostig
and Singer, NeurIPS 2016, arXiv:1602.05897).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import check_number
from ..kernels.table import Array
from .covariance import Covariance

PI = float(np.pi)


@dataclass(frozen=True)
class TwoSlope:
    """max(x, 0) + slope * min(x, 0), scaled so that it preserves the variance.

    Arc-cosine kernels of Cho and Saul, NeurIPS 2009, for two slopes: with ReLU's normalised duals
    k0 and k1, the dual is ((1 - slope)^2 k1 + 2 slope rho) / (1 + slope^2), and that of the
    derivative ((1 - slope)^2 k0 + 2 slope) / (1 + slope^2).

    Parameters
    ----------
    slope : float
        To the left of zero: 0 is ReLU, -1 the absolute value, 1 the identity.

    Examples
    --------
    >>> import numpy as np
    >>> half = np.array([0.5])
    >>> nngp, derivative = TwoSlope(0.0).dual(half, np.ones(1), np.ones(1))
    >>> nngp.round(4), derivative.round(4)
    (array([0.609]), array([0.6667]))
    """

    slope: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "slope", check_number("slope", self.slope))

    def __call__(self, state: Covariance) -> Covariance:
        return _propagate(self.dual, state)

    def dual(self, nngp: Array, left: Array, right: Array) -> tuple[Array, Array]:
        """E[phi(u) phi(v)] and E[phi'(u) phi'(v)]."""
        if self.slope == 1.0:
            return nngp.copy(), np.ones_like(nngp)
        # In place wherever possible: the cost is the passes over the pairs.
        scale = np.sqrt(left * right)
        if np.min(left, initial=1.0) > 0 and np.min(right, initial=1.0) > 0:
            rho = nngp / scale
        else:  # a coordinate without variance (a zero feature vector) is independent of everything
            rho = nngp / np.where(scale > 0, scale, np.inf)
        np.clip(rho, -1.0, 1.0, out=rho)
        derivative = np.arccos(rho)
        np.subtract(PI, derivative, out=derivative)  # pi - theta
        root = 1.0 - rho
        above = 1.0 + rho
        root *= above
        np.sqrt(root, out=root)
        np.multiply(rho, derivative, out=above)
        root += above
        square, cross = (1.0 - self.slope) ** 2, 2.0 * self.slope
        norm = 1.0 + self.slope**2
        root *= square / (PI * norm)
        derivative *= square / (PI * norm)
        if cross:
            rho *= cross / norm
            root += rho
            derivative += cross / norm
        root *= scale
        return root, derivative


def ReLU() -> TwoSlope:
    """max(x, 0): `TwoSlope(0.0)`.

    Examples
    --------
    >>> ReLU()
    TwoSlope(slope=0.0)
    """
    return TwoSlope(0.0)


def LeakyReLU(slope: float = 0.01) -> TwoSlope:
    """max(x, slope * x): `TwoSlope(slope)`.

    Examples
    --------
    >>> LeakyReLU()
    TwoSlope(slope=0.01)
    """
    return TwoSlope(slope)


def Abs() -> TwoSlope:
    """|x|: `TwoSlope(-1.0)`.

    Examples
    --------
    >>> Abs()
    TwoSlope(slope=-1.0)
    """
    return TwoSlope(-1.0)


def Identity() -> TwoSlope:
    """x: `TwoSlope(1.0)`.

    Examples
    --------
    >>> Identity()
    TwoSlope(slope=1.0)
    """
    return TwoSlope(1.0)


@dataclass(frozen=True)
class Erf:
    """The error function (Williams, Neural Computation 1998, doi:10.1162/089976698300017412).

    Examples
    --------
    >>> import numpy as np
    >>> Erf().dual(np.array([0.5]), np.ones(1), np.ones(1))[0].round(4)
    array([0.2163])
    """

    def __call__(self, state: Covariance) -> Covariance:
        return _propagate(self.dual, state)

    def dual(self, nngp: Array, left: Array, right: Array) -> tuple[Array, Array]:
        product = (1 + 2 * left) * (1 + 2 * right)
        dual = (2 / PI) * np.arcsin(2 * nngp / np.sqrt(product))
        return dual, (4 / PI) / np.sqrt(product - 4 * nngp**2)


@dataclass(frozen=True)
class GELU:
    """x times the normal distribution function of x.

    The dual follows from Stein's identity twice, that of the derivative from Price's theorem
    (cf. Tsuchida et al., AAAI 2021, arXiv:2002.08517).

    Examples
    --------
    >>> import numpy as np
    >>> GELU().dual(np.array([0.5]), np.ones(1), np.ones(1))[0].round(4)
    array([0.2273])
    """

    def __call__(self, state: Covariance) -> Covariance:
        return _propagate(self.dual, state)

    def dual(self, nngp: Array, left: Array, right: Array) -> tuple[Array, Array]:
        product = (1 + left) * (1 + right)
        inverse = 1 / np.sqrt(product - nngp**2)
        orthant = 0.25 + np.arcsin(nngp / np.sqrt(product)) / (2 * PI)
        excess = 1 - left / (1 + left) - right / (1 + right)
        bracket = left * right + nngp**2 * excess
        dual = nngp * orthant + inverse * bracket / (2 * PI)
        slope = nngp * inverse * (1 + 2 * excess) + nngp * inverse**3 * bracket
        return dual, orthant + slope / (2 * PI)


@dataclass(frozen=True)
class Sin:
    """The sine.

    Examples
    --------
    >>> import numpy as np
    >>> Sin().dual(np.array([0.5]), np.ones(1), np.ones(1))[0].round(4)
    array([0.1917])
    """

    def __call__(self, state: Covariance) -> Covariance:
        return _propagate(self.dual, state)

    def dual(self, nngp: Array, left: Array, right: Array) -> tuple[Array, Array]:
        # exp(-(N + N') / 2) sinh(S), written so that neither factor overflows.
        mean = (left + right) / 2
        plus, minus = np.exp(nngp - mean) / 2, np.exp(-nngp - mean) / 2
        return plus - minus, plus + minus


Activation = TwoSlope | Erf | GELU | Sin

Dual = Callable[[Array, Array, Array], tuple[Array, Array]]


def _propagate(dual: Dual, state: Covariance) -> Covariance:
    """The state after an activation. Variances go through the same arithmetic as covariances, so
    that the correlation of equal coordinates stays exactly 1, where acos is ill-conditioned."""
    nngp, derivative = dual(state.nngp, state.left, state.right)
    derivative *= state.ntk
    left = dual(state.left, state.left, state.left)[0]
    right = dual(state.right, state.right, state.right)[0]
    return Covariance(nngp, derivative, left, right, state.axes)
