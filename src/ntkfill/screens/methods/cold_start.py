"""Predictions for drugs, cell lines and contexts of which nothing was measured."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.stats import t as student

from ...errors import finite
from ...kernels.table import Array
from ...runtime.resources import single_blas_thread
from ..evaluation.splits import Split
from ..features import encode, group_means
from ..holdout import GRID, NOVELTIES, hidden, novelty
from ..screen import Conditions, Screen, log_numbers
from .baselines import Additive, CellMean, Interpolation, Method
from .matrix_normal import MatrixNormal
from .ntk import NTK

# The least variance of a profile that errors are relative to, over the mean one.
LEAST = 1e-3
# The share of features that say nothing which is taken for features that help.
CHANCE = 0.025
# Where other doses and times of the same drugs tell how large profiles are.
SIZED = ("new dose", "new time", "new context")


@dataclass(frozen=True)
class ColdStart:
    """One method in the grid; for what is new, a weighted sum of several methods.

    Weights are not negative and minimise the squared error of conditions of the same novelty that
    are hidden from the training screen (whole cell lines for a new one, whole drugs for a new one).
    Errors are relative to the variance of the profile with the context's mean removed, as in R2
    with the cell mean removed, so that a mean that is known well is not shrunk. The weights sum
    to 1 at most: what cannot be predicted well is shrunk towards 0. Stacking, Breiman 1996,
    doi:10.1007/BF00117832.

    Where doses or times are numbers and a dose, a time or a combination of them is new, methods
    predict profiles over their size: a power of dose and of time that is fitted within each cell
    line and drug, so that a hidden low dose, predicted from a high one, is not all error. What is
    then not predicted well is shrunk towards the mean (weights sum to 1): shrunk towards 0, all
    predictions would share what they differ from the mean by, and drugs be told apart less well.

    Features of `MatrixNormal` have weight where hidden conditions are predicted better with them
    than without, by weights of the other folds, and by more than chance (a one-sided t-test over
    the hidden drugs, cell lines or contexts, p < 0.025, of the difference of the errors over their
    sum). Elsewhere the prediction is that without.

    Parameters
    ----------
    method : Method
        Predicts conditions whose drug and context were both measured. The default is `NTK()`.
    others : tuple of Method, optional
        What else has a weight where something is new. The default is `CellMean()` and
        `Additive()`, and with doses or times `Interpolation()`; with features of `MatrixNormal`
        also `Additive` with these and, where they do not help, `method` without. Others that are
        given are weighed at once, and no sizes are fitted.
    random_state : int
        Of the folds.

    Examples
    --------
    >>> from ntkfill.screens import simulate
    >>> screen = simulate(cells=6, drugs=8, genes=10).screen.known
    >>> old = screen.cells != "simulated-cell-1"
    >>> weights, _, _ = ColdStart().weigh(screen.take(old), "new cell")
    >>> bool(0 < weights.sum() <= 1.2)
    True
    """

    method: Method = field(default_factory=NTK)
    others: tuple[Method, ...] | None = None
    random_state: int = 0

    @single_blas_thread()
    def predict(self, train: Screen, conditions: Conditions) -> Array:
        kinds, result = novelty(train, conditions), np.empty((len(conditions), len(train.genes)))
        for kind in np.unique(kinds).tolist():
            rows = kinds == kind
            if kind == GRID:
                result[rows] = self.method.predict(train, conditions[rows])
            else:
                weights = self.weigh(train, kind)[0]
                result[rows] = 0.0
                for weight, method in zip(weights, self._methods(train, kind)[0], strict=True):
                    if weight != 0:
                        result[rows] += weight * method.predict(train, conditions[rows])
        return finite("the prediction", result)

    @single_blas_thread()
    def weigh(self, train: Screen, kind: str) -> tuple[Array, Array, list[Split]]:
        """The weights for a novelty, and the weighted predictions (k, genes) of the hidden folds.

        Where nothing of this novelty can be hidden, `method` alone has weight. Hidden conditions
        that are newer than that are predicted, and do not enter the weights.
        """
        folds = hidden(train, kind, self.random_state)
        methods, sets, whole = self._methods(train, kind)
        if not folds:
            return np.eye(len(methods))[0], np.empty((0, len(train.genes))), []
        rows = np.concatenate([np.flatnonzero(fold.test) for fold in folds])
        left = [(train.take(fold.train), train.labels[fold.test]) for fold in folds]
        parts = np.concatenate([np.stack([m.predict(*of) for m in methods]) for of in left], axis=1)
        alike = np.concatenate([novelty(*of) == kind for of in left])
        means = np.concatenate([CellMean().predict(*of) for of in left])
        truth = train.profiles[rows]
        spread = np.var(truth - means, axis=1)
        # A profile that is nearly its context's mean does not decide alone.
        spread = np.maximum(spread, LEAST * spread.mean())
        relative = alike / np.where(spread > 0, spread, np.inf)
        fold_of = np.repeat(np.arange(len(folds)), [len(labels) for _, labels in left])
        products = []
        for k in range(len(folds)):
            part = parts[:, fold_of == k].reshape(len(methods), -1)
            scaled = part * np.repeat(relative[fold_of == k], truth.shape[1])
            products.append((scaled @ part.T, scaled @ truth[fold_of == k].ravel()))
        grams, targets = map(np.array, zip(*products, strict=True))

        def weights_of(used: list[int], taken: NDArray[np.bool_]) -> Array:
            """The weights of some of the methods, from some of the folds."""
            weights = np.zeros(len(methods))
            gram, target = grams[taken].sum(axis=0), targets[taken].sum(axis=0)
            weights[used] = _least_squares(gram[np.ix_(used, used)], target[used], whole)
            return weights

        used = sets[0]
        if len(sets) > 1:
            errors = []
            for of in sets:
                others = [weights_of(of, np.arange(len(folds)) != k) for k in range(len(folds))]
                predicted = np.einsum("im,mij->ij", np.array(others)[fold_of], parts)
                errors.append(np.square(predicted - truth).sum(axis=1) * relative)
            labels = {**train.columns, "context": train.contexts}
            groups = [labels[of][rows[alike]].tolist() for of in NOVELTIES[kind]]
            featured, without = (of[alike] for of in errors)
            used = sets[0 if all(_smaller(featured, without, of) for of in groups) else 1]
        weights = weights_of(used, np.ones(len(folds), dtype=bool))
        return weights, np.einsum("m,mij->ij", weights, parts), folds

    def _methods(self, train: Screen, kind: str) -> tuple[list[Method], list[list[int]], bool]:
        """All methods, which are weighed together (with features, if any, and then without), and
        whether their weights sum to 1."""
        method = self.method
        if self.others is not None:
            return [method, *self.others], [list(range(1 + len(self.others)))], False
        others: list[Method] = [Additive()]
        if len(train.fields) > 2:
            others.append(Interpolation())
        shared = list(range(1, 2 + len(others)))
        methods, sets = [method, CellMean(), *others], [[0, *shared]]
        if isinstance(method, NTK):
            prior = method.prior
            if isinstance(prior, MatrixNormal) and prior.features:
                featured = Additive(features=prior.features)
                without = replace(method, prior=replace(prior, features=()))
                count = len(methods)
                methods += [featured, without]
                sets = [[0, *shared, count], [*shared, count + 1]]
        if kind not in SIZED or not (sizes := _Sizes.of(train)).slopes.any():
            return methods, sets, False
        # The mean is what the others are shrunk to, and what is removed from all: it stays.
        sized = (m if isinstance(m, CellMean) else _Sized(m, sizes) for m in methods)
        return list(sized), sets, True


@dataclass(frozen=True, eq=False)
class _Sizes:
    """How large profiles are by dose and time: log size is linear in log dose and log time."""

    slopes: Array  # (fields,)
    known: Array  # (2, fields): the least and the largest log dose and time

    @classmethod
    def of(cls, train: Screen) -> _Sizes:
        """By least squares within each cell line and drug."""
        if len(train.fields) < 3:
            return cls(np.empty(0), np.empty((2, 0)))
        squares = np.square(train.profiles).mean(axis=1)
        sizes = np.log(np.maximum(squares, LEAST * squares.mean()))[:, None] / 2
        places, pairs = _numbers(train.labels), list(map(tuple, train.labels[:, :2].tolist()))
        x, y = (of - group_means(of, pairs, pairs) for of in (places, sizes))
        # What is the same everywhere differs from its mean by rounding errors.
        slopes = np.linalg.lstsq(np.round(x, 9), y[:, 0])[0]
        return cls(slopes, np.stack([places.min(axis=0), places.max(axis=0)]))

    def at(self, labels: Conditions) -> Array:
        """The sizes of conditions, (n, 1), over that at the least dose and time."""
        low, high = self.known
        # The line is trusted as far beyond the known doses as these are apart.
        places = np.clip(_numbers(labels), 2 * low - high, 2 * high - low)
        return np.exp((places - low) @ self.slopes)[:, None]


@dataclass(frozen=True)
class _Sized:
    """A method on profiles over their sizes."""

    method: Method
    sizes: _Sizes

    def predict(self, train: Screen, conditions: Conditions) -> Array:
        # At once, as all doses must have one unit.
        sizes = self.sizes.at(np.vstack([train.labels, conditions]))
        here, there = np.split(sizes, [len(train)])
        return there * self.method.predict(
            replace(train, profiles=train.profiles / here), conditions
        )


def _numbers(labels: Conditions) -> Array:
    """Logarithms of doses and times, (n, fields); 0 where they are not numbers."""
    columns = [log_numbers(column) for column in labels[:, 2:].T]
    return np.stack([of if len(of) else np.zeros(len(labels)) for of in columns], axis=1)


def _least_squares(gram: Array, target: Array, whole: bool = False) -> Array:
    """Weights that are not negative and sum to 1 at most (`whole`: to 1), from products of the
    methods alone."""
    count = len(gram)
    gram = gram + (1e-9 * np.trace(gram) + np.finfo(float).tiny) * np.eye(count)
    root = np.linalg.cholesky(gram)
    right = np.linalg.solve(root, target)
    weights = nnls(root.T, right)[0]
    if whole or weights.sum() > 1:
        # The same minimum where they sum to 1, by a row that outweighs all others.
        much = 1e4 * np.sqrt(np.trace(gram))
        rows = np.vstack([root.T, np.full(count, much)])
        weights = nnls(rows, np.append(right, much))[0]
    return np.asarray(weights)


def _smaller(errors: Array, others: Array, labels: list[str]) -> bool:
    """Whether squared errors (n,) are smaller than others by more than chance.

    A t-test over groups of conditions, each of one drug, say, of the difference over the sum, so
    that a group with large errors has no more say than any other.
    """
    code, _, count = encode(labels, ())
    if count < 2:
        return False
    left, right = (np.bincount(code, weights=of) for of in (errors, others))
    total = left + right
    gain = (right - left) / np.where(total > 0, total, 1.0)
    least = student.ppf(1 - CHANCE, count - 1) * gain.std(ddof=1) / np.sqrt(count)
    return bool(gain.mean() > least)
