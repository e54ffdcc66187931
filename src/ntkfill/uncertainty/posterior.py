"""Posterior covariance of a completion, if the truth is a draw from a Gaussian process.

A completion is linear in the known values: value = w^T y with w = (K[known, known] + ridge)^-1
K[known, at], where K is the *fitted* kernel. Let the truth be f with the *prior* covariance P, and
y = f[known] + noise. The error then has the covariance

    P[at, at] + w^T (P[known, known] + noise) w - w^T P[known, at] - P[at, known] w,

which is the posterior covariance of the model that the two kernels make up:

- P = K = nngp, noise = ridge: the network as a Gaussian process (Rasmussen and Williams 2006,
  eq. 2.24);
- P = nngp, K = ntk, no noise: infinitely wide networks trained by gradient descent from random
  initialisations (Lee et al. 2019, doi:10.1088/1742-5468/abc62b, eq. 16);
- P = K = ntk, noise = ridge: the linearised network with all its weights random (He et al. 2020,
  arXiv:2007.05864).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..completion import fit, weight_matrix
from ..errors import check_finite, finite
from ..kernels import Kernel
from ..kernels.table import Array
from ..nn.evaluate import Kind
from ..observed import Mask
from ..runtime.progress import Progress, stage
from ..runtime.resources import require, single_blas_thread
from ..solvers.base import Factor
from .sampling import square_root

PosteriorModel = Literal["ensemble", "nngp", "ntk"]
# The kernel of the prior and the fitted one.
MODELS: dict[PosteriorModel, tuple[Kind, Kind]] = {
    "ensemble": ("nngp", "ntk"),
    "nngp": ("nngp", "nngp"),
    "ntk": ("ntk", "ntk"),
}

# Samples per solve, a constant so that the same seed gives the same bytes on any machine, and the
# bytes that each takes besides its solve: for each coordinate, and for each known one.
BATCH, DRAWN, SEEN = 8, 8, 24
# Exact variances: at most so many coordinates at once, and so many entries of their weights.
CHUNK, ENTRIES = 32, 1 << 24


@dataclass(frozen=True)
class SampledVariance:
    """Variance of the errors of a completion, estimated from draws from the prior.

    Parameters
    ----------
    variance : array of shape (k,)
        Mean squared error at the coordinates.
    expected_squares : array of shape (n_known,)
        Mean squares of the samples' coefficients.
    samples : int
    """

    variance: Array
    expected_squares: Array
    samples: int

    @property
    def relative_error(self) -> float:
        """The relative standard error of a standard deviation, about."""
        return float(1.0 / np.sqrt(2 * self.samples))


@dataclass(frozen=True, eq=False)
class Posterior:
    """The errors of a completion under a Gaussian process, in units of its kernel.

    Parameters
    ----------
    prior : Kernel
        Prior covariance P of the latent function.
    factor : Factor
        Of the fitted kernel K, on the known coordinates.
    noise : float
        Variance of the observation noise, of known values and of predicted ones.
    centred : bool
        Whether the completion subtracts the mean of the known values first.

    Examples
    --------
    >>> from ntkfill.kernels import DenseKernel
    >>> from ntkfill.solvers import Cholesky
    >>> kernel = DenseKernel(np.array([[1.0, 0.5], [0.5, 1.0]]), (2,))
    >>> factor = Cholesky().factor(kernel, np.array([True, False]))
    >>> Posterior(kernel, factor).covariance(np.array([1])).round(6)
    array([[0.75]])
    """

    prior: Kernel
    factor: Factor
    noise: float = 0.0
    centred: bool = False

    def covariance(self, at: NDArray[np.intp]) -> Array:
        """The posterior covariance, as exact as the factor's solver.

        Parameters
        ----------
        at : int array of shape (k,)
            Flat coordinates; each takes one right-hand side of a solve.

        Returns
        -------
        array of shape (k, k)
        """
        weights, product, cross = self._weighted(at)
        with single_blas_thread():
            cross = weights.T @ cross
            result = self.prior.block(at, at) + weights.T @ product - cross - cross.T
        check_finite("the covariance", result)
        return np.asarray(result + self.noise * np.eye(len(at)))

    def variances(self, at: NDArray[np.intp]) -> Array:
        """The diagonal of `covariance`, a few coordinates at a time."""
        result = np.empty(len(at))
        diagonal = self.prior.diagonal().ravel()
        step = max(1, min(CHUNK, ENTRIES // self.known.size))
        for first in range(0, len(at), step):
            part = at[first : first + step]
            weights, product, cross = self._weighted(part)
            change = np.sum(weights * (product - 2 * cross), axis=0)
            result[first : first + step] = diagonal[part] + change + self.noise
        check_finite("the variance", result)
        return np.maximum(result, 0.0)

    def expected_squares(self) -> Array:
        """Expected squares of the coefficients under the prior, exactly: shape (n_known,).

        The diagonal of A^-1 (P + noise) A^-1, A = K + ridge; one solve per known entry.
        """
        rows = np.flatnonzero(self.known)
        inverse = self.factor.solve(np.eye(len(rows))).coefficients.astype(np.float64)
        prior = self.prior.block(rows, rows).astype(np.float64)
        prior[np.diag_indices(len(rows))] += self.noise
        with single_blas_thread():
            result = np.asarray(np.sum(inverse * (prior @ inverse), axis=0))
        return finite("the expected square", result)

    def sample(
        self,
        at: NDArray[np.intp],
        samples: int = 32,
        random_state: int = 0,
        progress: Progress | None = None,
    ) -> SampledVariance:
        """Estimate the variance at many coordinates at once, by pathwise conditioning.

        Samples of the prior are completed from their known entries; the mean squared error is an
        unbiased estimate of the variance (Wilson et al. 2020, arXiv:2002.09309; Matheron's rule).

        Parameters
        ----------
        at : int array of shape (k,)
            Flat coordinates.
        samples : int
            The relative error of a standard deviation is 1 / sqrt(2 samples).
        random_state : int
        progress : callable, optional

        Returns
        -------
        SampledVariance

        Raises
        ------
        MemoryLimitError
            If a few samples do not fit into memory.
        """
        batch = min(BATCH, samples)
        needed = batch * (DRAWN * self.known.size + SEEN * int(self.known.sum()))
        require("samples of the prior", needed, hint="a crop")
        errors, squares = np.zeros(len(at)), np.zeros(int(self.known.sum()))
        multiply = square_root(self.prior)
        starts = range(0, samples, BATCH)
        for k, first in enumerate(starts):
            rng = np.random.default_rng([random_state, k])
            count = min(BATCH, samples - first)
            white = rng.standard_normal((count, *self.prior.shape), dtype=np.float32)
            truth = multiply(white).reshape(count, -1).T
            y = truth[self.known].astype(np.float64)
            y += np.sqrt(self.noise) * rng.standard_normal(y.shape, dtype=np.float32)
            part = progress and stage(progress, k, len(starts))
            found = fit(self.factor, y, centre=self.centred, progress=part)
            errors += np.square(found.predict(at) - truth[at], dtype=np.float64).sum(axis=1)
            squares += np.square(found.coefficients * found.scale).sum(axis=1)
        check_finite("the variance", errors, squares)
        return SampledVariance(errors / samples + self.noise, squares / samples, samples)

    @property
    def known(self) -> Mask:
        """Mask of the known coordinates, flat."""
        return self.factor.known

    def _weighted(self, at: NDArray[np.intp]) -> tuple[Array, Array, Array]:
        """The weights w, (P[known, known] + noise) w and P[known, at], each (n_known, len(at))."""
        weights = weight_matrix(self.factor, at, centred=self.centred)
        spread = np.zeros((len(at), self.known.size))
        spread[:, self.known] = weights.T
        product = self.prior.matvec(spread.reshape(-1, *self.prior.shape)).reshape(len(at), -1)
        cross = self.prior.block(np.flatnonzero(self.known), at).astype(np.float64)
        return weights, product[:, self.known].T + self.noise * weights, cross
