"""Stacked kernel regressions: several kernels predict, weighted by their errors on values left out.

The candidates are the mean, the kernel of a network, and Laplace kernels of several lengths whose
metrics are learned: regression, gradients, a new metric, twice. Every ridge, length, metric and
weight is selected by values left out in closed form. The mean is a candidate too, so that what
predicts worse gets no weight.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..kernels.table import Array
from ..nn import Dense, Sequential
from ..nn.uncertain import LaplaceKernel, NetworkKernel, Vectors
from ..selection import convex
from ..solvers import linalg
from ..solvers.spectral import Spectrum, mean_diagonal

# A linear regression, for columns that are sums of others: its ridge may be as good as none.
LINEAR = NetworkKernel(Sequential(Dense()))
COLLINEAR = tuple(float(10.0**k) for k in np.arange(-10.0, -4.0))
# Lengths of Laplace kernels over the median distance, and how often the metric is learned.
LENGTHS = (0.7, 3.0)
LEARNED = 2
# Distances are along each feature for up to so many, which cost a pass each; along all at once for
# more.
EACH = 30
# So many of the candidates, those with the smallest errors, are weighted.
WEIGHTED = 6
# With ridges of at least this, single precision is enough between rounds.
SINGLE = 1e-3
# Smaller weights are not worth a predictor.
SMALLEST = 0.05


@dataclass(frozen=True, eq=False)
class Predictor:
    """A kernel regression that has been tried, and its weight in the stack."""

    kernel: NetworkKernel | LaplaceKernel
    ridge: float  # relative to the mean diagonal
    variance: float  # mean posterior variance of values left out
    weight: float = 0.0


@dataclass(frozen=True, eq=False)
class Stack:
    """Predictors whose weights sum to at most one; the mean has the rest."""

    predictors: tuple[Predictor, ...]
    error: float  # mean square of values left out

    @classmethod
    def select(
        cls,
        vectors: Vectors,  # (n, k)
        y: Array,  # (n, g), of mean zero
        network: Sequential,
        ridges: tuple[float, ...],
        *,
        sample: int,
        learn: bool,
    ) -> Stack:
        """The predictors and weights with the smallest error of values left out, of so many rows at
        most."""
        n = min(len(y), sample)
        rows = np.linspace(0, len(y) - 1, n).astype(np.intp)
        vectors, y = vectors[rows], y[rows] - y[rows].mean(axis=0)
        candidates: list[Predictor | None] = [None]  # the mean
        errors = [y * (n / max(n - 1, 1))]

        def attempt(
            kernel: NetworkKernel | LaplaceKernel, block: Array, ridges: tuple[float, ...] = ridges
        ) -> tuple[float, Array]:
            spectrum = Spectrum.of(block)
            ridge = spectrum.choose(y, ridges)
            coefficients, left_out = spectrum.solve(y, ridge)
            candidates.append(Predictor(kernel, ridge, spectrum.left_out_variance(ridge)))
            errors.append(left_out)
            return float(np.mean(np.square(left_out))), coefficients

        network_kernel = NetworkKernel(network)
        attempt(network_kernel, network_kernel(vectors))
        if learn:
            attempt(LINEAR, LINEAR(vectors), COLLINEAR + ridges if len(ridges) > 1 else ridges)
        metric, least = np.ones(vectors.mean.shape[1]), np.inf
        p = 1 if len(metric) <= EACH else 2
        for _ in range(1 + LEARNED if learn and len(metric) else 0):
            distance = LaplaceKernel(metric, 1.0, p).distances(vectors)
            typical = float(np.median(distance[distance > 0])) if distance.any() else 1.0
            kernels = [LaplaceKernel(metric, typical * length, p) for length in LENGTHS]
            found = [attempt(kernel, kernel.of_distances(distance)) for kernel in kernels]
            best = int(np.argmin([error for error, _ in found]))
            if found[best][0] > least:
                break
            least = found[best][0]
            metric = kernels[best].relearned(vectors, distance, found[best][1])
        flat = np.stack([error.ravel() for error in errors])
        order = np.argsort(np.square(flat).sum(axis=1), kind="stable")[:WEIGHTED]
        gram = flat[order] @ flat[order].T / flat.shape[1]
        weights = convex(gram, n)
        weights = np.where(weights < SMALLEST, 0.0, weights)
        weights /= weights.sum()
        chosen = ((candidates[k], weight) for k, weight in zip(order, weights, strict=True))
        predictors = tuple(
            replace(predictor, weight=float(weight))
            for predictor, weight in chosen
            if predictor is not None and weight
        )
        return cls(predictors, float(weights @ gram @ weights))

    def blocks(
        self, left: Vectors, right: Vectors | None = None
    ) -> Iterator[tuple[Predictor, Array]]:
        """Every predictor and its kernel between vectors; those with the same metric share the
        distances."""
        distances: dict[int, Array] = {}
        for predictor in self.predictors:
            kernel = predictor.kernel
            if isinstance(kernel, NetworkKernel):
                yield predictor, kernel(left, right)
                continue
            if id(kernel.metric) not in distances:
                distances[id(kernel.metric)] = kernel.distances(left, right)
            yield predictor, kernel.of_distances(distances[id(kernel.metric)])


@dataclass(frozen=True, eq=False)
class Fitted:
    """A stack that is fitted to vectors (n, k) and values (n, g) of mean zero."""

    stack: Stack
    vectors: Vectors
    lowers: tuple[Array, ...]  # (n, n), a factor of each predictor's kernel with its ridge
    scales: tuple[float, ...]  # the mean diagonal of each kernel
    coefficients: tuple[Array, ...]  # (n, g)

    @classmethod
    def of(cls, stack: Stack, vectors: Vectors, y: Array) -> Fitted:
        """In the precision of the vectors."""
        lowers, scales = [], []
        for predictor, block in stack.blocks(vectors):
            scales.append(mean_diagonal(block))
            block[np.diag_indices(len(block))] += predictor.ridge * scales[-1]
            lowers.append(linalg.cholesky(block))
        coefficients = tuple(linalg.solve(lower, y) for lower in lowers)
        return cls(stack, vectors, tuple(lowers), tuple(scales), coefficients)

    def predict(self, at: Vectors) -> tuple[Array, Array]:
        """Values (k, g) and their variance (k,), at most one: the posterior variance of every
        predictor, scaled by how large errors were on values left out."""
        predictors, at = self.stack.predictors, at.astype(self.vectors.mean.dtype)
        values = np.zeros((len(at), self.coefficients[0].shape[1] if predictors else 1))
        relative = np.full(len(at), 1.0 - sum(predictor.weight for predictor in predictors))
        for k, (predictor, cross) in enumerate(self.stack.blocks(at, self.vectors)):
            values += predictor.weight * (cross @ self.coefficients[k])
            left = predictor.kernel.diagonal(at) + predictor.ridge * self.scales[k]
            left -= linalg.explained(self.lowers[k], cross.T)
            relative += predictor.weight * np.maximum(left, 0.0) / predictor.variance
        return values, np.minimum(self.stack.error * relative, 1.0)

    def weights(self, at: Vectors) -> tuple[Array, Array]:
        """Of the known values in the prediction at one vector, summing to one with that of their
        mean; and the weighted kernel between them and it."""
        weights, kernel = np.zeros(len(self.vectors)), np.zeros(len(self.vectors))
        for k, (predictor, cross) in enumerate(self.stack.blocks(at, self.vectors)):
            weights += predictor.weight * linalg.solve(self.lowers[k], cross.T)[:, 0]
            kernel += predictor.weight * cross[0] / self.scales[k]
        return weights, kernel
