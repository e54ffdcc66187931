"""Stacked kernel regressions: several kernels predict, weighted by their errors on values left out.

The candidates are the mean, the kernel of a network, and Laplace kernels of several lengths whose
metrics are learned: regression, gradients, a new metric, twice. Every ridge, length, metric and
weight is selected by values left out in closed form. The mean is a candidate too, so that what
predicts worse gets no weight.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np

from ..kernels.table import Array
from ..nn import Dense, Sequential
from ..nn.uncertain import (
    LaplaceKernel,
    NetworkKernel,
    distances_along,
    separations,
    summed,
)
from ..nn.vectors import Vectors
from ..runtime.resources import parallel_for
from ..selection import SHRINKAGE, convex
from ..solvers import linalg
from ..solvers.landmarks import Landmarks
from ..solvers.leftout import LeftOut
from ..solvers.spectral import mean_diagonal

# A linear regression, for columns that are sums of others.
LINEAR = NetworkKernel(Sequential(Dense()))
# Lengths of Laplace kernels over the median distance, and how often the metric is learned.
LENGTHS = (0.7, 3.0)
LEARNED = 2
# The same where an earlier selection has learned one.
AGAIN = 1
# Distances are along each feature for up to so many, which cost a pass each; along all at once for
# more.
EACH = 30
# So many of the candidates, those with the smallest errors, are weighted.
WEIGHTED = 6
# With ridges of at least this, single precision is enough in a selection and between rounds.
SINGLE = 1e-3
# Where the ridge is looked for first, and in steps of so many.
START, STEP = 0.1, 3
# The same for distances along each feature beside landmarks, whose coefficients are small.
BESIDE = 1e-4
# Errors of values left out that differ by this share are the same.
NO_WORSE = 1e-3
# The selection among candidates fits noise as so many free parameters do.
CHANCE = 4.0
# Smaller weights are not worth a predictor, and before the last prediction, others while the error
# grows by less than this share.
SMALLEST, LOSS = 0.05, 0.001
# More vectors than this are regressed on so many of them, in blocks of rows.
EXACT, LANDMARKS, ROWS = 5000, 1000, 2048
# Until the table has settled, on so many.
FEWER = 500


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
    metric: Array  # (k,), that of the best Laplace kernel
    few: Stack | None = None  # nearly as good, for rounds before the last prediction

    @classmethod
    def select(
        cls,
        vectors: Vectors,  # (n, k)
        y: Array,  # (n, g)
        network: Sequential,
        ridges: tuple[float, ...],
        *,
        learn: bool,
        metric: Array | None = None,  # (k,), that of an earlier selection
    ) -> Stack:
        """The predictors and weights with the smallest error of values left out."""
        n, y = len(y), y - y.mean(axis=0)
        candidates: list[Predictor | None] = [None]  # the mean
        mean = y * (n / max(n - 1, 1))
        errors: Any = [mean]
        single = vectors.astype(np.float32)

        def attempt(
            kernel: NetworkKernel | LaplaceKernel,
            block: Callable[[bool], Array],
            start: float = START,
        ) -> LeftOut:
            # Between many features and few rows the kernel itself is ridge enough.
            found = _least(block, y, ridges, start, 0.0 if learn else NO_WORSE)
            candidates.append(Predictor(kernel, found.ridge, found.variance))
            errors.append(found.errors)
            return found

        def of_network(small: bool, kernel: NetworkKernel) -> Array:
            return kernel(vectors if small else single)

        for kernel in (NetworkKernel(network), LINEAR)[: 1 + learn]:
            attempt(kernel, partial(of_network, kernel=kernel))
        learned, least = LEARNED if metric is None else AGAIN, np.inf
        if metric is None:
            metric = np.ones(single.mean.shape[1] if learn else 0)
        best, starts = metric, [START] * len(LENGTHS)
        p = 1 if len(metric) <= EACH else 2
        apart = separations(single) if learn and p == 1 else None
        for k in range(1 + learned if len(metric) else 0):
            unit = LaplaceKernel(metric, 1.0, p)
            distance = unit.distances(single) if apart is None else summed(metric, apart)
            exact = cache(partial(unit.distances, vectors, upper=True))
            typical = float(np.median(distance[distance > 0])) if distance.any() else 1.0
            kernels = [LaplaceKernel(metric, typical * length, p) for length in LENGTHS]

            def block(
                small: bool,
                of: LaplaceKernel,
                distance: Array = distance,
                exact: Callable[[], Array] = exact,
            ) -> Array:
                return of.of_distances(exact() if small else distance, upper=True)

            found = [
                attempt(kernel, partial(block, of=kernel), start)
                for kernel, start in zip(kernels, starts, strict=True)
            ]
            starts = [each.ridge for each in found]
            better = int(np.argmin([each.square for each in found]))
            if found[better].square > least:
                break
            least, best = found[better].square, metric
            if k < learned:
                coefficients = found[better].coefficients
                metric = kernels[better].relearned(single, apart, distance, coefficients)
        flat = np.stack([error.ravel() for error in errors])
        order = np.argsort(np.square(flat).sum(axis=1), kind="stable")[:WEIGHTED]
        gram = flat[order] @ flat[order].T / flat.shape[1]
        weights = convex(gram, n)
        weights = np.where(weights < SMALLEST, 0.0, weights)
        candidates, errors = [candidates[k] for k in order], np.stack([errors[k] for k in order])
        few = cls._of(candidates, errors, _few(gram, n), mean, best) if learn else None
        return replace(cls._of(candidates, errors, weights / weights.sum(), mean, best), few=few)

    @classmethod
    def _of(
        cls,
        candidates: list[Predictor | None],
        errors: Array,
        weights: Array,
        mean: Array,
        metric: Array,
    ) -> Stack:
        """Candidates (k,) with their weights, as far as they are believed, by the errors of values
        left out of each (k, n, g) and of the mean (n, g)."""
        left_out = np.tensordot(weights, errors, 1)
        belief = believed(mean, left_out)
        left_out = belief * left_out + (1.0 - belief) * mean
        predictors = tuple(
            replace(predictor, weight=belief * float(weight))
            for predictor, weight in zip(candidates, weights, strict=True)
            if predictor is not None and belief * weight
        )
        return cls(predictors, float(np.mean(np.square(left_out))), metric)

    @property
    def precision(self) -> type:
        """Of kernels that need not be exact to the last digit."""
        single = all(predictor.ridge >= SINGLE for predictor in self.predictors)
        return np.float32 if single else np.float64

    def blocks(
        self,
        left: Vectors,
        right: Vectors | None = None,
        *,
        single: float = np.inf,
        upper: bool = False,
    ) -> Iterator[tuple[Predictor, Array]]:
        """Every predictor and its kernel between vectors; those with the same metric share the
        distances. With ridges of at least `single`, distances along each feature are in single
        precision: they are no products of matrices, and so no row depends on its batch. Of one set
        what is below the diagonal is left out where it is not needed."""
        kernels = [predictor.kernel for predictor in self.predictors]
        along = (of for of in kernels if isinstance(of, LaplaceKernel) and of.p == 1)
        metrics = {id(kernel.metric): kernel.metric for kernel in along}
        distances: dict[int, Array] = {}
        if metrics:
            sides: Any = left, right
            if right is not None and all(each.ridge >= single for each in self.predictors):
                sides = left.astype(np.float32), right.astype(np.float32)
            found = distances_along([*metrics.values()], *sides, upper=upper)
            distances = dict(zip(metrics, found, strict=True))
        for predictor in self.predictors:
            kernel = predictor.kernel
            if isinstance(kernel, NetworkKernel):
                yield predictor, kernel(left, right)
                continue
            if id(kernel.metric) not in distances:
                distances[id(kernel.metric)] = kernel.distances(left, right)
            yield predictor, kernel.of_distances(distances[id(kernel.metric)], upper=upper)


def _least(
    block: Callable[[bool], Array],
    y: Array,
    ridges: tuple[float, ...],
    start: float,
    worth: float,
) -> LeftOut:
    """The ridge with the smallest error of values left out, near which it is looked for: downhill,
    then where a parabola is lowest. Ridges below `SINGLE`, for which the block is asked for in
    double precision (True), must be better by the share `worth`."""
    made: dict[bool, Array] = {}
    tried: dict[int, LeftOut] = {}

    def error(k: int) -> float:
        if not 0 <= k < len(ridges):
            return np.inf
        if k not in tried:
            small = ridges[k] < SINGLE
            if small not in made:
                made[small] = block(small)
            tried[k] = LeftOut.of(made[small], y, ridges[k])
        return tried[k].square * (1.0 + worth * (ridges[k] < SINGLE))

    at = int(np.argmin(np.abs(np.log(np.array(ridges) / start))))
    while True:
        low, high = (error(k) for k in (at - STEP, at + STEP))
        here = error(at)
        if here <= min(low, high):
            break
        at += STEP if high < low else -STEP
    if low + high < np.inf and low + high > 2.0 * here:
        error(at + round(STEP * (low - high) / (2.0 * (low + high - 2.0 * here))))
    return tried[min(tried, key=error)]


def _few(gram: Array, count: int) -> Array:
    """Weights of predictors (k,) whose errors have these mean products (k, k): none for those
    without which the others are nearly as good."""

    def of(kept: Array) -> tuple[float, Array]:
        weights = np.zeros(len(gram))
        weights[kept] = convex(gram[np.ix_(kept, kept)], count)
        return float(weights @ shrunk @ weights), weights

    # What `convex` makes small.
    shrunk = gram + SHRINKAGE * np.trace(gram) / (len(gram) * count) * np.eye(len(gram))
    least, weights = error, found = of(np.arange(len(gram)))
    while error <= (1.0 + LOSS) * least:
        found, kept = weights, np.flatnonzero(weights)
        if len(kept) < 2:
            break
        error, weights = min((of(kept[kept != k]) for k in kept), key=lambda each: each[0])
    return found


def believed(mean: Array, stack: Array) -> float:
    """How much of what a stack predicts is believed, from the errors (n, g) of values left out of
    the mean and of the stack: less than all where they are so few that chance could have chosen it.

    The slope of values on predictions, shrunk as far as its own error asks (James and Stein 1961).
    """
    predicted = mean - stack
    strength = float(np.square(predicted).sum())
    if not strength:
        return 0.0
    slope = float((mean * predicted).sum()) / strength
    if not slope > 0.0:
        return 0.0
    noise = float(np.mean(np.square(mean - slope * predicted))) / strength
    return max(0.0, 1.0 - CHANCE * noise / slope**2)


@dataclass(frozen=True, eq=False)
class Regression:
    """Kernel ridge regression on all vectors."""

    coefficients: Array  # (n, g)
    lower: Array  # (n, n), a factor of the kernel with its ridge

    def explained(self, cross: Array) -> Array:
        """The part of the variance (k,) that is explained, by the kernel (k, n) to the vectors."""
        return linalg.explained(self.lower, cross.T)

    def dual(self, cross: Array) -> Array:
        return linalg.solve(self.lower, cross.T)


@dataclass(frozen=True, eq=False)
class Fitted:
    """A stack that is fitted to vectors (n, k) and values (n, g) of mean zero."""

    stack: Stack
    vectors: Vectors | None  # None where weights are not kept
    centres: Vectors  # (m, k), all vectors or landmarks
    regressions: tuple[Regression | Landmarks, ...]
    scales: tuple[float, ...]  # the mean diagonal of each kernel

    @classmethod
    def of(cls, stack: Stack, vectors: Vectors, y: Array, landmarks: int = LANDMARKS) -> Fitted:
        """Of all vectors in their precision, or of landmarks, where there are many."""
        if len(vectors) > EXACT:
            return cls._on_landmarks(stack, vectors, y, _centres(vectors, landmarks))
        scales, regressions = [], []
        for predictor, block in stack.blocks(vectors, upper=True):
            scales.append(mean_diagonal(block))
            block[np.diag_indices(len(block))] += predictor.ridge * scales[-1]
            lower = linalg.cholesky(block)
            regressions.append(Regression(linalg.solve(lower, y), lower))
        return cls(stack, vectors, vectors, tuple(regressions), tuple(scales))

    @classmethod
    def _on_landmarks(cls, stack: Stack, vectors: Vectors, y: Array, centres: Vectors) -> Fitted:
        """From sums over blocks of rows. Kernels are in single precision where the ridges allow it;
        neither sums are nor, because no row may depend on its batch, what predicts from them."""
        m = len(centres)
        some, points = vectors.astype(stack.precision), centres.astype(stack.precision)
        grams = [np.zeros((m, m)) for _ in stack.predictors]
        rights = [np.zeros((m, y.shape[1])) for _ in stack.predictors]
        for rows in _row_blocks(len(y)):
            for k, (_, cross) in enumerate(stack.blocks(some[rows], points, single=SINGLE)):
                cross = cross.astype(np.float64, copy=False)
                linalg.add_gram(grams[k], cross)
                rights[k][:] += cross.T @ y[rows]
        scales, regressions = [], []
        for k, (predictor, block) in enumerate(stack.blocks(centres.astype(np.float64))):
            scales.append(mean_diagonal(block))
            gram = np.triu(grams[k]) + np.triu(grams[k], 1).T
            found = Landmarks.solve(block, gram, rights[k], predictor.ridge * scales[-1])
            directions: Array = found.directions.astype(centres.dtype)
            regressions.append(replace(found, directions=directions))
        return cls(stack, vectors, centres, tuple(regressions), tuple(scales))

    def predict(self, at: Vectors, *, variance: bool = True) -> tuple[Array, Array]:
        """Values (k, g) and their variance (k,), at most one: the posterior variance of the
        predictor with the largest weight, scaled by how large errors were on values left out. If
        it is not needed, this error alone: most of the time goes into the variance."""
        predictors, at = self.stack.predictors, at.astype(self.centres.dtype)
        count = self.regressions[0].coefficients.shape[1] if predictors else 1
        values = np.zeros((len(at), count))
        relative = np.ones(len(at))
        main = self._main if variance else None
        total = sum(predictor.weight for predictor in predictors)
        gone = self.vectors is not self.centres  # on landmarks, or in a round that is past

        def work(rows: slice) -> None:
            blocks = self.stack.blocks(at[rows], self.centres, single=BESIDE if gone else np.inf)
            for k, (predictor, cross) in enumerate(blocks):
                regression = self.regressions[k]
                values[rows] += predictor.weight * (cross @ regression.coefficients)
                if k == main:
                    left = predictor.kernel.diagonal(at[rows]) + predictor.ridge * self.scales[k]
                    left = np.maximum(left - regression.explained(cross), 0.0)
                    relative[rows] += total * (left / predictor.variance - 1.0)

        parallel_for(work, _row_blocks(len(at)))
        return values, np.minimum(self.stack.error * relative, 1.0)

    @property
    def _main(self) -> int | None:
        """The predictor with the largest weight."""
        weights = [predictor.weight for predictor in self.stack.predictors]
        return int(np.argmax(weights)) if weights else None

    def without_weights(self) -> Fitted:
        """The same in less memory, for predictions alone."""
        none = np.empty((0, 0))
        regressions: list[Regression | Landmarks] = []
        for k, each in enumerate(self.regressions):
            if isinstance(each, Landmarks):
                directions = each.directions if k == self._main else none
                regressions.append(replace(each, basis=none, directions=directions))
            else:
                regressions.append(each if k == self._main else replace(each, lower=none))
        return replace(self, vectors=None, regressions=tuple(regressions))

    def weights(self, at: Vectors) -> tuple[Array, Array]:
        """Of the known values in the prediction at one vector, summing to one with that of their
        mean; and the weighted kernel between them and it."""
        assert self.vectors is not None
        weights, kernel = np.zeros(len(self.vectors)), np.zeros(len(self.vectors))
        duals = []
        for k, (predictor, cross) in enumerate(self.stack.blocks(at, self.centres)):
            duals.append(predictor.weight * self.regressions[k].dual(cross)[:, 0])
            if self.centres is self.vectors:
                weights += duals[k]
                kernel += predictor.weight * cross[0] / self.scales[k]
        if self.centres is not self.vectors:
            # In the precision of the sums, whose rounding small ridges amplify.
            single = self.stack.precision
            vectors, points = self.vectors.astype(single), self.centres.astype(single)
            for rows in _row_blocks(len(weights)):
                blocks = self.stack.blocks(vectors[rows], points, single=SINGLE)
                for k, (_, cross) in enumerate(blocks):
                    weights[rows] += cross.astype(np.float64, copy=False) @ duals[k]
            for k, (predictor, cross) in enumerate(self.stack.blocks(at, self.vectors)):
                kernel += predictor.weight * cross[0] / self.scales[k]
        return weights, kernel


def _centres(vectors: Vectors, count: int) -> Vectors:
    """Landmarks: some of the vectors, without variance, where they may be guesses."""
    places = np.linspace(0, len(vectors) - 1, min(len(vectors), count)).astype(np.intp)
    points = vectors.mean[places]
    return Vectors(points, np.zeros_like(points))


def _row_blocks(count: int) -> list[slice]:
    return [slice(first, first + ROWS) for first in range(0, count, ROWS)]
