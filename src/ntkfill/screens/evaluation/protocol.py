"""How well methods predict what they were not shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ...errors import InputError
from ...kernels.table import Array
from ..methods.baselines import CellMean, Method
from ..methods.ntk import NTK
from ..screen import Screen, usable
from . import scores as scoring
from .splits import KFold, Split, Splitting


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of methods over the same folds.

    Parameters
    ----------
    methods, folds : tuple of str
    scores : array of shape (methods, folds, len(SCORES))
    sizes : int array of shape (folds, 2)
        Held-out and training conditions.
    contexts : tuple of str
    by_context : array of shape (methods, contexts)
        The mean cosine, cell mean removed, over held-out conditions; NaN where there were none.
    shown : tuple of (truth, prediction) per method
        Held-out conditions of the first fold, for pictures.
    """

    methods: tuple[str, ...]
    folds: tuple[str, ...]
    scores: Array
    sizes: NDArray[np.integer]
    contexts: tuple[str, ...]
    by_context: Array
    shown: tuple[tuple[Array, Array], ...]

    @property
    def overlap(self) -> float:
        """Mean of held-out over training conditions."""
        return float(np.mean(self.sizes[:, 0] / self.sizes[:, 1]))

    def mean(self, method: str) -> dict[str, float]:
        """The mean of every score over the folds."""
        means = self.scores[self.methods.index(method)].mean(axis=0)
        return dict(zip(scoring.SCORES, map(float, means), strict=True))

    def against(self, first: str, second: str) -> dict[str, scoring.Paired]:
        """One method against another, for every score."""
        one, other = (self.scores[self.methods.index(name)] for name in (first, second))
        return {
            score: scoring.paired(one[:, k], other[:, k], self.overlap, lower=score == "rank")
            for k, score in enumerate(scoring.SCORES)
        }


def evaluate(
    screen: Screen,
    methods: Mapping[str, Method],
    splitting: Splitting | None = None,
    progress: Callable[[float], None] | None = None,
) -> Evaluation:
    """Hold out conditions, predict them by each method from the rest, and score that.

    A method is given the training conditions and the labels of the held-out ones, nothing else.
    The one exception, an NTK whose prior is fixed under `KFold`, takes all folds from one
    factorisation, which gives the same predictions.

    Parameters
    ----------
    screen : Screen
        Conditions that are not measured are left out.
    methods : mapping from name to Method
    splitting : KFold, Sparse or LeaveOneOut, optional
        The default is `KFold()`.
    progress : callable, optional
        Called with the share that is done.

    Examples
    --------
    >>> from ntkfill.screens import simulate
    >>> made = simulate(cells=6, drugs=12, genes=8)
    >>> result = evaluate(made.screen, {"cell": CellMean(), "ntk": NTK()}, KFold(3, rounds=1))
    >>> result.mean("ntk")["r"] > result.mean("cell")["r"]
    True
    """
    known = usable(screen)
    if not methods:
        raise InputError("no method to evaluate")
    splitting = KFold() if splitting is None else splitting
    splits = list(splitting.splits(known))
    if not splits:
        raise InputError("no condition can be held out of this screen")
    tally = _Tally(known, tuple(methods))
    folds = splitting.assigned(known) if isinstance(splitting, KFold) else None
    done = 0
    for name, method in methods.items():
        at_once = None
        if folds is not None and isinstance(method, NTK) and method.fixed and (folds >= 0).all():
            at_once = method.predict_folds(known, folds)
        for number, split in enumerate(splits):
            if at_once is not None:
                predicted = at_once[int(split.name.split(",")[0].split()[1]) - 1][split.test]
            else:
                predicted = method.predict(known.take(split.train), known.labels[split.test])
            with threadpool_limits(1):  # scores too are the same for any number of threads
                tally.add(name, number, split, predicted)
            done += 1
            if progress is not None:
                progress(done / len(methods) / len(splits))
    return tally.evaluation(splits)


def leaks(method: Method | Callable[[Screen], Method], screen: Screen, split: Split) -> bool:
    """Whether predictions of held-out conditions change with their measured profiles.

    Parameters
    ----------
    method : Method, or a function that makes one of the whole screen
        The latter for methods with features that were computed beforehand.
    screen : Screen
        Of measured conditions.
    split : Split

    Examples
    --------
    >>> screen = Screen(np.eye(4), [["A", d] for d in "wxyz"], list("abcd"))
    >>> leaks(CellMean(), screen, next(KFold(2).splits(screen)))
    False
    """
    changed = np.array(screen.profiles)
    changed[split.test] = 1e3 * np.random.default_rng(0).normal(size=changed[split.test].shape)
    other = Screen(changed, screen.labels, screen.genes, screen.fields)
    first, second = (_held_out(method, given, split) for given in (screen, other))
    # The closed form computes with the held-out profiles, which then cancel but for rounding.
    return not np.allclose(first, second, rtol=0.0, atol=1e-8 * float(np.abs(first).max()))


def _held_out(method: Method | Callable[[Screen], Method], screen: Screen, split: Split) -> Array:
    made = method if isinstance(method, Method) else method(screen)
    if isinstance(made, NTK) and made.fixed:
        return made.predict_folds(screen, split.test[:, None].astype(np.intp))[0][split.test]
    return made.predict(screen.take(split.train), screen.labels[split.test])


class _Tally:
    """Scores as they come in."""

    def __init__(self, screen: Screen, methods: tuple[str, ...]) -> None:
        self.screen, self.methods = screen, methods
        self.scores: dict[tuple[str, int], list[float]] = {}
        self.contexts = tuple(np.unique(screen.contexts).tolist())
        self.sums = np.zeros((len(methods), len(self.contexts), 2))
        self.shown: list[tuple[Array, Array]] = []

    def add(self, name: str, fold: int, split: Split, predicted: Array) -> None:
        truth = self.screen.profiles[split.test]
        if predicted.shape != truth.shape or not np.isfinite(predicted).all():
            raise InputError(
                f"the method {name!r} gave no prediction of {split.name}",
                expected=f"finite profiles of shape {truth.shape}",
                got=f"{predicted.shape}",
            )
        train = self.screen.take(split.train)
        every = CellMean().predict(train, self.screen.labels)
        mean = every[split.test]
        left, right = predicted - mean, truth - mean
        # What differs from the mean by rounding alone does not differ.
        left[np.abs(left).max(axis=1) <= 1e-12 * np.abs(predicted).max()] = 0.0
        self.scores[name, fold] = [
            *(score(predicted, truth) for score in (scoring.pearson, scoring.r2, scoring.cosine)),
            *(score(left, right) for score in (scoring.pearson, scoring.r2, scoring.cosine)),
            self._rank(left, split, self.screen.profiles - every),
        ]
        cosines = np.einsum("ij,ij->i", scoring.unit(left), scoring.unit(right))
        at = np.searchsorted(self.contexts, self.screen.contexts[split.test])
        np.add.at(self.sums[self.methods.index(name), :, 0], at, cosines)
        np.add.at(self.sums[self.methods.index(name), :, 1], at, 1)
        if fold == 0:
            self.shown.append((truth, predicted))

    def _rank(self, left: Array, split: Split, centred: Array) -> float:
        ranks = []
        tested, names = np.flatnonzero(split.test), self.screen.contexts
        for context in np.unique(names[tested]):
            among = np.flatnonzero(names == context)
            if len(among) < 2:
                continue
            rows = np.flatnonzero(names[tested] == context)
            near = scoring.unit(left[rows]) @ scoring.unit(centred[among]).T
            ranks += [
                scoring.ranked(one, int(np.searchsorted(among, tested[row])))
                for one, row in zip(near, rows, strict=True)
            ]
        return float(np.mean(ranks)) if ranks else 0.5

    def evaluation(self, splits: list[Split]) -> Evaluation:
        table = [[self.scores[m, f] for f in range(len(splits))] for m in self.methods]
        sums, counts = self.sums[..., 0], self.sums[..., 1]
        with np.errstate(invalid="ignore"):
            by_context = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
        return Evaluation(
            self.methods,
            tuple(split.name for split in splits),
            np.array(table),
            np.array([(split.test.sum(), split.train.sum()) for split in splits]),
            self.contexts,
            by_context,
            tuple(self.shown),
        )
