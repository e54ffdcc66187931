"""What channels that miss different pixels say about each other: their covariance, learned from the
known pixels.

The prior of channels and pixels is the covariance C of the channels times the network's kernel K.
Maximum likelihood: C is moved until the coefficients A of the known pixels (channels by pixels)
have the products A K A^T that coefficients of draws from the prior have (Zhou et al. 2019, "MM
algorithms for variance components models", doi:10.1080/10618600.2018.1529601).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from ..kernels import Coregionalised, Kernel, Stationary
from ..kernels.table import Array
from ..observed import Mask
from ..solvers.base import Factor, scattered
from ..uncertainty.sampling import square_root
from .plan import Plan

# Steps of the estimate, and draws from the prior in each: few, since it starts from the
# correlations of the channels filled one by one.
STEPS, DRAWS = 4, 2
# The share of the identity in the first estimate; a singular one would stay singular.
UNRELATED = 0.05


@dataclass(frozen=True, eq=False)
class Channels:
    """How the channels of an image go together.

    Parameters
    ----------
    covariance : array of shape (m, m)
        Of the channels over their scales; the mean of its diagonal is one.
    scale : array of shape (m,)
        The standard deviation of the known values of each channel, one where that is zero.
    """

    covariance: Array
    scale: Array

    def kernel(self, space: Kernel) -> Coregionalised:
        """The kernel of channels and pixels."""
        assert isinstance(space, Stationary)
        return Coregionalised(space, self.covariance)


def learn(values: Array, filled: Array, missing: Mask, plan: Plan, space: Kernel) -> Array:
    """The covariance (m, m) of standardised channels, from values and a fill of each channel by
    itself, all (*grid, m).

    >>> from .options import GridOptions
    >>> from .plan import Request, make_plans
    >>> missing = np.random.default_rng(0).random((300, 2)) < 0.5
    >>> (plan,) = make_plans(GridOptions(), missing, (300,), Request(2))
    >>> wave = np.sin(np.arange(300) / 4)[:, None] * np.array([1.4, -1.4])
    >>> learn(wave, wave, missing, plan, plan.kernel()).round(1)
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    assert isinstance(space, Stationary)
    count = values.shape[-1]
    flat = filled.reshape(-1, count)
    spread = flat.std(axis=0)
    flat = (flat - flat.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    related = flat.T @ flat / len(flat)
    covariance = (1 - UNRELATED) * related + UNRELATED * np.eye(count)
    known = by_channel(plan.embed(~missing))
    y = by_channel(plan.embed(values))[known]
    for _ in range(STEPS):
        kernel = Coregionalised(space, covariance)
        factor = plan.solver.factor(kernel, known.ravel())
        noise = np.random.default_rng(0)
        draws = square_root(kernel)(noise.standard_normal((DRAWS, *known.shape), np.float32))
        draws = draws[:, known].T
        ridge = plan.solver.ridge * float(kernel.diagonal().mean())
        draws += np.sqrt(ridge) * noise.standard_normal(draws.shape)
        products = _products(factor, np.column_stack([y, draws]), space)
        covariance = _moved(covariance, products[0], products[1:].mean(axis=0))
    return np.asarray(covariance * count / np.trace(covariance))


def by_channel(array: Array) -> Array:
    """(*grid, m) as (m, *grid), the order of `Coregionalised`."""
    return np.moveaxis(array, -1, 0)


def _products(factor: Factor, y: Array, space: Stationary) -> Array:
    """A K A^T (m, m) for the coefficients A of every column of y."""
    found = factor.solve(y).coefficients
    whole = scattered(found.astype(np.float64), np.flatnonzero(factor.known), factor.known.size)
    whole = whole.reshape(-1, *factor.kernel.shape)
    smooth = space.matvec(whole)
    rows, columns = (x.reshape(*x.shape[:2], -1) for x in (whole, smooth))
    return np.asarray(rows @ columns.transpose(0, 2, 1))


def _moved(covariance: Array, found: Array, expected: Array) -> Array:
    """The next estimate: the X with X expected X = covariance found covariance."""
    size = np.trace(expected) / len(expected) or 1.0
    lower = np.linalg.cholesky(expected + 1e-9 * size * np.eye(len(expected)))
    inner = lower.T @ covariance @ found @ covariance @ lower
    values, vectors = np.linalg.eigh((inner + inner.T) / 2)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    half = linalg.solve_triangular(lower, root, lower=True, trans="T")
    moved = linalg.solve_triangular(lower, half.T, lower=True, trans="T")
    return np.asarray((moved + moved.T) / 2)
