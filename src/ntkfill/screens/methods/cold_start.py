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
from ..features import encode
from ..holdout import GRID, NOVELTIES, hidden, novelty
from ..screen import Conditions, Screen
from .baselines import Additive, CellMean, Interpolation, Method
from .matrix_normal import MatrixNormal
from .ntk import NTK

# The least variance of a profile that errors are relative to, over the mean one.
LEAST = 1e-3
# The share of features that say nothing which is taken for features that help.
CHANCE = 0.025


@dataclass(frozen=True)
class ColdStart:
    """One method in the grid; for what is new, a weighted sum of several methods.

    Weights are not negative and minimise the squared error of conditions of the same novelty that
    are hidden from the training screen (whole cell lines for a new one, whole drugs for a new one).
    Errors are relative to the variance of the profile with the context's mean removed, as in R2
    with the cell mean removed, so that a mean that is known well is not shrunk. The weights sum
    to 1 at most: what cannot be predicted well is shrunk towards 0. Stacking, Breiman 1996,
    doi:10.1007/BF00117832.

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
        given are weighed at once.
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
                for weight, method in zip(weights, self._methods(train)[0], strict=True):
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
        methods, sets = self._methods(train)
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
            weights[used] = _least_squares(gram[np.ix_(used, used)], target[used])
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

    def _methods(self, train: Screen) -> tuple[list[Method], list[list[int]]]:
        """All methods, and which are weighed together: with features, if any, and then without."""
        method = self.method
        others: list[Method] = [CellMean(), Additive()]
        if self.others is not None:
            others = list(self.others)
        elif len(train.fields) > 2:
            others.append(Interpolation())
        shared = list(range(1, 1 + len(others)))
        if self.others is None and isinstance(method, NTK):
            prior = method.prior
            if isinstance(prior, MatrixNormal) and prior.features:
                featured = Additive(features=prior.features)
                without = replace(method, prior=replace(prior, features=()))
                count = 1 + len(others)
                return [method, *others, featured, without], [
                    [0, *shared, count],
                    [*shared, count + 1],
                ]
        return [method, *others], [[0, *shared]]


def _least_squares(gram: Array, target: Array) -> Array:
    """Weights that are not negative and sum to 1 at most, from products of the methods alone."""
    count = len(gram)
    gram = gram + (1e-9 * np.trace(gram) + np.finfo(float).tiny) * np.eye(count)
    root = np.linalg.cholesky(gram)
    right = np.linalg.solve(root, target)
    weights = nnls(root.T, right)[0]
    if weights.sum() > 1:
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
