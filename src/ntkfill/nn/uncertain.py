"""Kernels between feature vectors whose entries are known up to a variance.

Features that were filled in are guesses. Independent errors of variance v make two vectors x and x'
differ by an expected squared distance of sum (x - x')^2 + v + v', and have an expected squared
length of sum x^2 + v; the kernels are taken there. So a vector of guesses is far from all others,
and what is predicted from it shrinks to the mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..kernels.table import Array
from ..runtime.resources import import_compiled, parallel_for, single_blas_thread
from .covariance import Covariance, run
from .evaluate import Kind
from .networks import Sequential
from .pairs import of_gram
from .vectors import Part, Vectors

# The part of a learned metric that is uniform, so that no feature is lost for good.
UNIFORM = 0.1
# Entries of a strip of rows, which stay in a core's cache.
STRIP = 1 << 17
# With fewer differences of entries than this, importing Numba takes longer than it saves.
COMPILED_SIZE = 1 << 22
# Rows that agree along a feature are so far apart along it.
TINY = 1e-9


@dataclass(frozen=True, eq=False)
class NetworkKernel:
    """The kernel of a network of Dense layers, at the expected Gram matrix; a constant is appended
    to the features."""

    network: Sequential
    kind: Kind = "ntk"

    def __call__(self, left: Vectors, right: Vectors | None = None) -> Array:
        """Between all of them, (n, m); of one set each vector agrees with itself."""
        if isinstance(left, Part):
            found = left.shared(right, self._name, lambda whole: self._between(whole, None))
            if found is not None:
                return found
        return self._between(left, right)

    def _between(self, left: Vectors, right: Vectors | None) -> Array:
        other = left if right is None else right
        gram = left.inner(other)
        gram += 1.0
        lengths = left.lengths() + 1.0  # with the constant
        if right is None:
            np.fill_diagonal(gram, lengths)
        others = lengths if right is None else right.lengths() + 1.0
        layers, same = self.network.layers, right is None
        return of_gram(layers, gram, lengths, others, self.kind, overwrite=True, symmetric=same)

    def diagonal(self, vectors: Vectors) -> Array:
        """Of each with itself, (n,)."""
        if isinstance(vectors, Part):
            return vectors.shared_diagonal(self._name, self._diagonal)
        return self._diagonal(vectors)

    def _diagonal(self, vectors: Vectors) -> Array:
        lengths = vectors.lengths() + 1.0
        state = run(self.network.layers, Covariance.of_pairs(lengths, lengths, lengths))
        return np.broadcast_to(getattr(state, self.kind), lengths.shape)

    @property
    def _name(self) -> tuple[int, Kind]:
        return id(self.network), self.kind


@dataclass(frozen=True, eq=False)
class LaplaceKernel:
    """exp(-d / length) for the distance d = (sum_k (metric_k (x_k - x'_k)^2)^(p/2))^(1/p).

    With p = 2 its functions are those of the tangent kernel of a network on a sphere (Geifman et
    al. 2020, arXiv:2007.01580); with p = 1 it is a product over the features, whose functions step
    along each of them, as trees do (Beaglehole et al. 2025, arXiv:2508.10053).
    """

    metric: Array  # (k,), of mean one
    length: float
    p: int

    def __call__(self, left: Vectors, right: Vectors | None = None) -> Array:
        """Between all of them, (n, m); of one set each vector agrees with itself."""
        return self.of_distances(self.distances(left, right))

    def of_distances(self, distance: Array, *, upper: bool = False) -> Array:
        """Of one set only what is not below the diagonal is needed where a matrix is factored."""
        kernel = np.empty_like(distance)
        for rows in _strips(distance.shape):
            part = rows, slice(rows.start if upper else 0, None)
            np.divide(distance[part], -self.length, out=kernel[part])
            np.exp(kernel[part], out=kernel[part])
        return kernel

    def diagonal(self, vectors: Vectors) -> Array:
        return np.ones(len(vectors))

    def distances(
        self, left: Vectors, right: Vectors | None = None, *, upper: bool = False
    ) -> Array:
        if self.p == 1:
            return distances_along([self.metric], left, right, upper=upper)[0]
        other, root = left if right is None else right, np.sqrt(self.metric)
        a, b = left.mean * root, other.mean * root
        distance = a @ b.T
        distance *= -2.0
        distance += (np.square(a).sum(axis=1) + left.variance @ self.metric)[:, None]
        distance += np.square(b).sum(axis=1) + other.variance @ self.metric
        np.sqrt(np.maximum(distance, 0.0, out=distance), out=distance)
        if right is None:
            np.fill_diagonal(distance, 0.0)
        return distance

    def relearned(
        self, vectors: Vectors, apart: Array | None, distance: Array, coefficients: Array
    ) -> Array:
        """The metric times the root of the mean squared gradient, along each feature, of the
        regression with these coefficients (n, g): a recursive feature machine with a diagonal
        metric (Radhakrishnan et al. 2024, doi:10.1126/science.adi5639). With p = 1 it takes how
        far apart the vectors are along each feature (k, n, n)."""
        x, strength = vectors.mean, np.zeros(len(self.metric))
        pull = self.of_distances(distance)
        if apart is None:
            pull = np.divide(pull, distance, out=np.zeros_like(pull), where=distance > 1e-9)
        else:
            coefficients = coefficients.astype(pull.dtype)
        for k in range(len(strength)):
            at = x[:, k, None]
            if apart is None:
                gradient = at * (pull @ coefficients) - pull @ (at * coefficients)
                strength[k] = np.square(gradient).sum() * self.metric[k]
            else:
                slope = at - at.T
                slope /= apart[k]
                slope *= pull
                strength[k] = np.square(slope @ coefficients).sum()
        metric = self.metric * np.sqrt(strength)
        mean = metric.mean()
        if not mean > 0:
            return self.metric
        return (1 - UNIFORM) * metric / mean + UNIFORM


def separations(vectors: Vectors) -> Array:
    """How far apart vectors (n, k) are expected to be along each feature, (k, n, n): nowhere zero,
    because slopes are divided by it."""
    apart = np.empty((vectors.mean.shape[1], len(vectors), len(vectors)), vectors.dtype)
    for k, uncertain in enumerate(_uncertain(vectors, vectors)):
        _apart(vectors, vectors, k, uncertain, apart[k])
    return np.maximum(apart, TINY, out=apart)


def summed(metric: Array, apart: Array) -> Array:
    """The distances of a Laplace kernel with p = 1 and this metric, from `separations`."""
    root = np.sqrt(metric).astype(apart.dtype)
    with single_blas_thread():
        distance: Array = (root @ apart.reshape(len(root), -1)).reshape(apart.shape[1:])
    np.fill_diagonal(distance, 0.0)
    return distance


def distances_along(
    metrics: Sequence[Array],
    left: Vectors,
    right: Vectors | None = None,
    *,
    upper: bool = False,
) -> list[Array]:
    """Those of Laplace kernels with p = 1 and these metrics, (n, m) each: what is costly, how far
    apart vectors are along each feature, is taken once for all of them. Of one set each vector
    agrees with itself, and what is below the diagonal is left out where it is not needed."""
    dtype = left.dtype
    roots = np.sqrt(np.array(metrics)).astype(dtype)
    # Every feature in one piece.
    every, others = (
        Vectors(np.asfortranarray(each.mean), np.asfortranarray(each.variance))
        for each in (left, left if right is None else right)
    )
    result = [np.empty((len(every), len(others)), dtype) for _ in metrics]
    many = every.mean.size * len(others) >= COMPILED_SIZE
    compiled = import_compiled(__package__) if many else None

    def strip(rows: slice) -> None:
        # Of one set those with later vectors, and the same for these.
        columns = slice(rows.start if right is None else 0, None)
        here, there = every[rows], others[columns]
        totals = np.zeros((len(metrics), len(here), len(there)), dtype)
        if compiled is not None:
            sides = here.mean, here.variance, there.mean.T, there.variance.T
            compiled.add_distances(*map(np.ascontiguousarray, sides), roots, totals)
        else:
            apart, part = np.empty_like(totals[0]), np.empty_like(totals[0])
            uncertain = _uncertain(here, there)
            for k in range(every.mean.shape[1]):
                _apart(here, there, k, uncertain[k], apart)
                for root, total in zip(roots, totals, strict=True):
                    total += np.multiply(apart, root[k], out=part)
        for distance, total in zip(result, totals, strict=True):
            distance[rows, columns] = total
            if right is None and not upper:
                distance[columns, rows] = total.T

    parallel_for(strip, _strips((len(every), len(others))))
    if right is None:
        for distance in result:
            np.fill_diagonal(distance, 0.0)
    return result


def _strips(shape: tuple[int, ...]) -> list[slice]:
    size = max(1, STRIP // max(shape[1], 1))
    return [slice(k, k + size) for k in range(0, shape[0], size)]


def _uncertain(left: Vectors, right: Vectors) -> list[tuple[bool, bool]]:
    """For each feature, whether any entry of the left and of the right vectors has a variance."""
    sides = (of.variance.any(axis=0).tolist() for of in (left, right))
    return list(zip(*sides, strict=True))


def _apart(
    left: Vectors, right: Vectors, k: int, uncertain: tuple[bool, bool], out: Array | None = None
) -> Array:
    """The root of the expected squared distance along one feature."""
    apart = np.subtract.outer(left.mean[:, k], right.mean[:, k], out=out)
    if not any(uncertain):
        return np.abs(apart, out=apart)
    if not uncertain[1]:
        rows = np.flatnonzero(left.variance[:, k])
        some = np.square(apart[rows])
        some += left.variance[rows, k, None]
        np.abs(apart, out=apart)
        apart[rows] = np.sqrt(some, out=some)
        return apart
    np.square(apart, out=apart)
    if uncertain[0]:
        apart += left.variance[:, k, None]
    apart += right.variance[:, k]
    return np.sqrt(apart, out=apart)
