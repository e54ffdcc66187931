"""Heavy tails: a Gaussian process whose scale is not known, but drawn from an inverse gamma.

Where the variance of a network's last layer is drawn from an inverse-gamma distribution, the
infinitely wide network is a scale mixture of Gaussian processes, and what is left after
conditioning on values is a Student t distribution in closed form (Lee et al. 2021,
arXiv:2106.07052).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from ..errors import InputError
from ..kernels.table import Array


@dataclass(frozen=True, eq=False)
class StudentT:
    """A Student t distribution per entry.

    Parameters
    ----------
    df : float or array
        Degrees of freedom.
    location, scale : arrays that broadcast against each other

    Examples
    --------
    >>> entry = StudentT(4.0, np.array([10.0]), np.array([1.0]))
    >>> entry.std.round(4), [bound.round(2).tolist() for bound in entry.interval(0.9)]
    (array([1.4142]), [[7.87], [12.13]])
    """

    df: float | Array
    location: Array
    scale: Array

    @property
    def std(self) -> Array:
        """The standard deviation; infinite for two degrees of freedom or fewer."""
        df = np.asarray(self.df, dtype=np.float64)
        wide = np.sqrt(np.divide(df, df - 2, out=np.full(df.shape, np.inf), where=df > 2))
        return np.asarray(self.scale * wide)

    def interval(self, level: float) -> tuple[Array, Array]:
        """The central interval that holds the share `level`."""
        half = special.stdtrit(self.df, 0.5 + level / 2) * self.scale
        return self.location - half, self.location + half


def scale_mixture(
    y: Array,
    coefficients: Array,
    location: Array,
    variance: Array,
    *,
    shape: float = 2.0,
    rate: float = 1.0,
) -> StudentT:
    """Condition a scale mixture of Gaussian processes on values.

    Parameters
    ----------
    y : array of shape (n_known, m)
        The known values, minus their mean if the fit is centred.
    coefficients : array of shape (n_known, m)
        (K + noise)^-1 y.
    location : array of shape (k, m)
        The Gaussian posterior's mean.
    variance : array of shape (k, m) or (k, 1)
        The Gaussian posterior's variance, in units of the kernel.
    shape, rate : float
        Of the inverse gamma that the kernel's factor is drawn from; its mean is rate / (shape - 1).
        Both 0 stand for no prior knowledge of it.

    Returns
    -------
    StudentT
        With 2 shape + n_known degrees of freedom.

    Raises
    ------
    InputError
        If shape or rate is negative.

    Examples
    --------
    >>> y = np.array([[2.0], [-2.0]])
    >>> posterior = scale_mixture(y, y, np.zeros((1, 1)), np.ones((1, 1)), shape=0.0, rate=0.0)
    >>> float(posterior.df), posterior.scale
    (2.0, array([[2.]]))
    """
    if shape < 0 or rate < 0:
        raise InputError(
            "no inverse gamma has these numbers", expected="0 or more", got=f"{shape} and {rate}"
        )
    df = 2 * shape + len(y)
    energy = np.einsum("ij,ij->j", y, coefficients)
    return StudentT(df, location, np.sqrt((2 * rate + energy) / df * variance))
