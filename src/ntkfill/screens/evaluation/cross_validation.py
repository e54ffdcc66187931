"""Cross-validation of methods on a screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...kernels.table import Array
from ...runtime.resources import single_blas_thread
from ..features import unit_rows
from ..methods.baselines import CellMean, Method, check_method
from ..methods.ntk import NTK
from ..screen import Screen, check_trainable
from .metrics import SCORES, PairedTest, cosine, paired_test, pearson, r2, rank_among
from .splits import KFold, Split, Splitting

# Scores of single conditions.
PROFILE_SCORES = ("r2", "cosine", "cosine_centred")


@dataclass(frozen=True, eq=False)
class Regime:
    """Scores of the held-out conditions in sparse or in dense contexts.

    Parameters
    ----------
    conditions, contexts : int
        How many of each.
    means : array of shape (methods, 3)
        R2, cosine, and cosine with the cell mean removed, over conditions.
    by_context : array of shape (methods, contexts, 3)
        The same in every context; NaN where none was held out.
    """

    conditions: int
    contexts: int
    means: Array
    by_context: Array


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of methods over the same folds.

    Parameters
    ----------
    methods, folds : tuple of str
    scores : array of shape (methods, folds, len(SCORES))
        NaN where a score is undefined, such as the correlation of a constant prediction.
    sizes : int array of shape (folds, 2)
        Held-out and training conditions.
    contexts : tuple of str
    held_out : tuple of two int arrays of shape (held-out conditions,)
        The number of the context of each, and how many training conditions the context had.
    by_condition : array of shape (methods, held-out conditions, 3)
        R2, cosine, and cosine with the cell mean removed.
    first_fold : tuple of (truth, prediction) per method
        Held-out conditions of the first fold, for charts.
    """

    methods: tuple[str, ...]
    folds: tuple[str, ...]
    scores: Array
    sizes: NDArray[np.integer]
    contexts: tuple[str, ...]
    held_out: tuple[NDArray[np.intp], NDArray[np.intp]]
    by_condition: Array
    first_fold: tuple[tuple[Array, Array], ...]

    @property
    def overlap(self) -> float:
        """Mean of held-out over training conditions."""
        return float(np.mean(self.sizes[:, 0] / self.sizes[:, 1]))

    def mean(self, method: str) -> dict[str, float]:
        """The mean of every score over the folds in which it is defined; NaN where in none."""
        return dict(zip(SCORES, self.means[self.methods.index(method)].tolist(), strict=True))

    @property
    def means(self) -> Array:
        """Of every method and score over the folds, (methods, len(SCORES))."""
        return _mean(self.scores)

    @property
    def by_context(self) -> Array:
        """The mean of `by_condition` in every context, (methods, contexts, 3); NaN where none."""
        return self._by_context(np.ones(len(self.held_out[0]), dtype=bool))

    def _by_context(self, rows: NDArray[np.bool_]) -> Array:
        """The mean of `by_condition` in every context over some conditions."""
        context = self.held_out[0]
        each = [rows & (context == number) for number in range(len(self.contexts))]
        return np.stack([_mean(self.by_condition[:, of]) for of in each], axis=1)

    def regimes(self, threshold: float | None = None) -> dict[str, Regime]:
        """Scores in contexts with few and many training conditions, as in the paper's Figure 2.

        Parameters
        ----------
        threshold : float, optional
            Contexts with at most so many training conditions are sparse (the paper: 150); the
            default is the median over the held-out conditions.
        """
        context, trained = self.held_out
        limit = float(np.median(trained)) if threshold is None else threshold
        found = {}
        for name, rows in (("sparse", trained <= limit), ("dense", trained > limit)):
            if rows.any():
                contexts = len(np.unique(context[rows]))
                means = _mean(self.by_condition[:, rows])
                by_context = self._by_context(rows)
                found[name] = Regime(int(rows.sum()), contexts, means, by_context)
        return found

    def against(self, first: str, second: str) -> dict[str, PairedTest]:
        """A paired test of one method against another, for every score."""
        one, other = (self.scores[self.methods.index(name)] for name in (first, second))
        return {
            score: paired_test(one[:, k], other[:, k], self.overlap, lower=score == "rank")
            for k, score in enumerate(SCORES)
        }


@single_blas_thread()
def evaluate(
    screen: Screen,
    methods: Mapping[str, Method],
    splitting: Splitting | None = None,
    progress: Callable[[float], None] | None = None,
) -> Evaluation:
    """Hold out conditions, predict them by each method from the rest, and score that.

    A method is given the training conditions and the labels of the held-out ones, nothing else.
    The one exception is an `NTK` with a fixed prior under `KFold`: all folds are predicted from one
    factorisation, which gives the same predictions.

    Parameters
    ----------
    screen : Screen
        Conditions that are not measured are left out.
    methods : mapping from name to Method
    splitting : KFold, Sparse or LeaveOneOut, optional
        The default is `KFold()`.
    progress : callable, optional
        Called with the fraction that is done.

    Examples
    --------
    >>> from ntkfill.screens import simulate
    >>> made = simulate(cells=6, drugs=12, genes=8)
    >>> result = evaluate(made.screen, {"cell": CellMean(), "ntk": NTK()}, KFold(3, rounds=1))
    >>> result.mean("ntk")["r"] > result.mean("cell")["r"]
    True
    """
    known = check_trainable(screen)
    if not methods:
        raise InputError("methods must not be empty")
    for method in methods.values():
        check_method(method)
    splitting = KFold() if splitting is None else splitting
    splits = list(splitting.splits(known))
    if not splits:
        raise InputError("no condition of this screen can be held out")
    contexts, context = np.unique(known.contexts, return_inverse=True)
    scores = np.empty((len(methods), len(splits), len(SCORES)))
    counts = [np.bincount(context[split.train], minlength=len(contexts)) for split in splits]
    tested = [context[split.test] for split in splits]
    trained = [count[of] for count, of in zip(counts, tested, strict=True)]
    by_condition, first_fold = [], []
    for m, (name, method) in enumerate(methods.items()):
        predict = _predictor(method, known, splitting)
        parts = []
        for k, split in enumerate(splits):
            predicted, truth = predict(split), known.profiles[split.test]
            if predicted.shape != truth.shape or not np.isfinite(predicted).all():
                raise InputError(
                    f"the method {name!r} gave no prediction of {split.name}",
                    expected=f"finite profiles of shape {truth.shape}",
                    got=f"{predicted.shape}",
                )
            scores[m, k], part = _scores(known, split, predicted)
            parts.append(part)
            if k == 0:
                first_fold.append((truth, predicted))
            if progress is not None:
                progress((m + (k + 1) / len(splits)) / len(methods))
        by_condition.append(np.concatenate(parts))
    return Evaluation(
        tuple(methods),
        tuple(split.name for split in splits),
        scores,
        np.array([(split.test.sum(), split.train.sum()) for split in splits]),
        tuple(contexts.tolist()),
        (np.concatenate(tested), np.concatenate(trained)),
        np.array(by_condition),
        tuple(first_fold),
    )


def _mean(values: Array) -> Array:
    """Over the second axis, of what is defined; NaN where nothing is."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=1)
    return np.asarray(values.sum(axis=1, where=defined) / np.where(count > 0, count, np.nan))


def _predictor(method: Method, known: Screen, splitting: Splitting) -> Callable[[Split], Array]:
    """How the held-out profiles of a split are predicted."""
    if isinstance(splitting, KFold) and isinstance(method, NTK) and method.fixed:
        folds = splitting.assigned(known)
        if (folds >= 0).all():
            predicted = method.predict_folds(known, folds)
            return lambda split: predicted[split.round][split.test]
    return lambda split: method.predict(known.take(split.train), known.labels[split.test])


def _scores(known: Screen, split: Split, predicted: Array) -> tuple[list[float], Array]:
    """All scores of a fold; R2, cosine and centred cosine of each held-out condition."""
    truth = known.profiles[split.test]
    means = CellMean().predict(known.take(split.train), known.labels)
    centred, true_centred = predicted - means[split.test], truth - means[split.test]
    # What differs from the mean by rounding errors only does not differ.
    centred[np.abs(centred).max(axis=1) <= 1e-12 * np.abs(predicted).max()] = 0.0
    unit, true_unit = unit_rows(centred), unit_rows(true_centred)
    scores = [
        _mean_rank(known.contexts, np.flatnonzero(split.test), unit, known.profiles - means),
        *(score(centred, true_centred) for score in (pearson, r2, cosine)),
        *(score(predicted, truth) for score in (pearson, r2, cosine)),
    ]
    spread = np.square(truth - truth.mean(axis=1, keepdims=True)).sum(axis=1)
    left = np.square(predicted - truth).sum(axis=1)
    explained = 1 - left / np.where(spread > 0, spread, np.nan)
    cosines = np.einsum("ij,ij->i", unit_rows(predicted), unit_rows(truth))
    centred_cosines = np.einsum("ij,ij->i", unit, true_unit)
    return scores, np.stack([explained, cosines, centred_cosines], axis=1)


def _mean_rank(
    contexts: NDArray[np.str_], tested: NDArray[np.intp], predicted: Array, centred: Array
) -> float:
    """The mean rank of the true profile among those of the same context, by cosine."""
    ranks = []
    for context in np.unique(contexts[tested]):
        candidates = np.flatnonzero(contexts == context)
        if len(candidates) < 2:
            continue
        rows = np.flatnonzero(contexts[tested] == context)
        cosines = predicted[rows] @ unit_rows(centred[candidates]).T
        true = np.searchsorted(candidates, tested[rows]).tolist()
        ranks += [rank_among(row, at) for row, at in zip(cosines, true, strict=True)]
    return float(np.mean(ranks)) if ranks else np.nan
