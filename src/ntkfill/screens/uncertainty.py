"""Standard deviations and intervals of predicted profiles, from errors on hidden conditions.

Works for any method. For every novelty that is asked for (in the grid, a new drug, a new cell line,
...), measured conditions of the same novelty are hidden and predicted. The scale of an error is
that of its gene times that of its condition, a power law of what is known before the profile is
measured (`scale_features`).

Profiles have heavy tails, and predictions are smaller than the truth where it is large. So
intervals are not symmetric: values beyond the outer bound (the one away from 0) are fewer than
those beyond the inner one. How much fewer is chosen on the hidden values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..kernels.table import Array
from ..observed import Mask
from ..runtime.resources import single_blas_thread
from ..uncertainty.intervals import check_level
from .features import encode
from .holdout import GRID, NOVELTIES, hidden
from .methods.baselines import Additive, Method
from .methods.cold_start import ColdStart
from .screen import Conditions, Screen, check_trainable, contexts

# The overall mean has the weight of this many conditions in the scale of a gene, drug or context.
PRIOR_COUNT = 2.0
# The weight of the prior of no effect, in conditions, in the power law of the scale.
PENALTY = 3.0
# Bins of predicted values over their scale in which bounds are calibrated separately.
BINS = 5
# Of the strongest twentieth of hidden values the intervals cover at least `level` - SLACK, if that
# is possible with one of these shares of the misses beyond the outer bound.
STRONGEST, SLACK = 0.05, 0.2
OUTER_SHARES = (0.5, 0.3, 0.2, 0.1, 0.05, 0.025, 0.01)
# Parts of the misses by which the level is raised until other folds are covered.
STEPS = np.linspace(0.05, 0.9, 18).tolist()
# Contexts with at most this many training drugs are sparse.
SPARSE = 5
# Fewer hidden drugs, cell lines or contexts than this say little about the next one.
FEW = 5
# The column of `scale_features` with the number of training drugs in the context.
COUNT_IN_CONTEXT = 1


@dataclass(frozen=True)
class Cover:
    """How many hidden values intervals held that were calibrated on the other half of the folds.

    Parameters
    ----------
    novelty, stratum : str
        Of all hidden conditions of this novelty ("all"), those in a context with few ("sparse") or
        more ("dense") training drugs, and those of a "weak" or "strong" predicted effect (below and
        above the median); and the largest 5 % of the values ("strongest values").
    conditions : int
    cover : float
    """

    novelty: str
    stratum: str
    conditions: int
    cover: float


@dataclass(frozen=True, eq=False)
class Bounds:
    """Quantiles of outward errors over their scale, by bin of the prediction over its scale."""

    edges: Array  # (BINS - 1,)
    inner: Array  # (BINS,)
    outer: Array  # (BINS,)

    @classmethod
    def calibrate(
        cls, predicted: Array, truth: Array, scale: Array, level: float, share: float = 0.5
    ) -> Bounds:
        """Bounds that hold this share `level` of the truth; so much of the rest is beyond the outer
        bound."""
        ratio = np.abs(predicted) / scale
        edges = np.quantile(ratio, np.arange(1, BINS) / BINS)
        bins = np.searchsorted(edges, ratio.ravel(), side="right")
        error = ((truth - predicted) * np.where(predicted >= 0, 1.0, -1.0) / scale).ravel()
        ends = [(1 - level) * (1 - share), 1 - (1 - level) * share]
        pairs = [
            np.quantile(error[bins == k] if (bins == k).any() else error, ends) for k in range(BINS)
        ]
        return cls(edges, *np.array(pairs).T)

    def around(self, predicted: Array, scale: Array) -> tuple[Array, Array]:
        """Lower and upper bounds of predicted values, of their shape."""
        bins = np.searchsorted(self.edges, np.abs(predicted) / scale, side="right")
        inner, outer = self.inner[bins] * scale, self.outer[bins] * scale
        up = predicted >= 0
        return predicted + np.where(up, inner, -outer), predicted + np.where(up, outer, -inner)

    def hold(self, predicted: Array, scale: Array, truth: Array) -> Mask:
        """Which true values are within the bounds."""
        lower, upper = self.around(predicted, scale)
        return np.asarray((lower <= truth) & (truth <= upper))


@dataclass(frozen=True, eq=False)
class ErrorModel:
    """The errors of a method on hidden conditions of one novelty.

    Parameters
    ----------
    kind : str
    hidden : Screen
        The hidden conditions, with their true profiles.
    predicted : array of shape (hidden, genes)
    folds : int array of shape (hidden,)
    features : array of shape (hidden, features)
        What tells of the scale of their errors, see `scale_features`.
    """

    kind: str
    hidden: Screen
    predicted: Array
    folds: NDArray[np.intp]
    features: Array

    @property
    def groups(self) -> int:
        """How many drugs, cell lines or contexts were hidden; in the grid, conditions."""
        labels = {**self.hidden.columns, "context": self.hidden.contexts}
        counts = [len(set(labels[of].tolist())) for of in NOVELTIES[self.kind]]
        return min(counts, default=len(self.hidden))

    def scales(
        self, features: Array, conditions: Conditions, rows: Array | slice = slice(None)
    ) -> tuple[Array, Array]:
        """Standard deviations of the errors of some hidden conditions, and of other conditions.

        A ridge regression of log mean squares on features and, where they are not new, on drug and
        context. For a hidden condition it is the leave-one-out prediction, so that its own error
        does not enter its scale; features are clipped to what was hidden.
        """
        squares = np.square(self.hidden.profiles[rows] - self.predicted[rows])
        logs = np.log(np.maximum(squares.mean(axis=1), np.finfo(float).tiny))
        mean, deviation = self.features[rows].mean(axis=0), self.features[rows].std(axis=0)
        deviation = np.where(deviation > 1e-9, deviation, np.inf)
        z = (self.features[rows] - mean) / deviation
        new = np.clip((features - mean) / deviation, z.min(axis=0), z.max(axis=0))
        penalty = np.full(z.shape[1], PENALTY)
        new_to, labels = NOVELTIES[self.kind], self.hidden.labels[rows]
        sides = []
        if "drug" not in new_to:
            sides.append((labels[:, 1], conditions[:, 1]))
        if not set(new_to) - {"drug"}:
            sides.append((contexts(labels), contexts(conditions)))
        for here, there in sides:
            code, at, count = encode(here.tolist(), there.tolist())
            member = np.vstack([np.eye(count), np.zeros(count)])
            z, new = np.hstack([z, member[code]]), np.hstack([new, member[at]])
            penalty = np.append(penalty, np.full(count, PRIOR_COUNT))
        solved = np.linalg.solve(z.T @ z + np.diag(penalty), z.T)  # (k, hidden)
        centred = logs - logs.mean()
        slope = solved @ centred
        leverage = np.einsum("ij,ji->i", z, solved)
        left_out = centred - (centred - z @ slope) / np.maximum(1 - leverage, 0.05)
        of_hidden, of_new = (np.exp(logs.mean() + of)[:, None] for of in (left_out, new @ slope))
        ratio = squares / of_hidden
        gene = (ratio.sum(axis=0) + PRIOR_COUNT * ratio.mean()) / (len(squares) + PRIOR_COUNT)
        own, other = (
            np.sqrt(np.maximum(of * gene, np.finfo(float).tiny)) for of in (of_hidden, of_new)
        )
        return own, other

    def relative(self) -> Array:
        """The errors of the hidden conditions over their standard deviations, (hidden, genes)."""
        own, _ = self.scales(self.features, self.hidden.labels)
        return np.asarray((self.hidden.profiles - self.predicted) / own)

    def bounds(self, level: float, rows: Mask | slice = slice(None)) -> Bounds:
        """Bounds for new conditions, from some of the hidden ones.

        Quantiles of the errors of few hidden drugs or cell lines are too narrow for the next one.
        So shares beyond the outer bound, and then levels, are tried until bounds that were
        calibrated on the other folds hold most of the strongest values of each fold, and `level`
        of all, on average.
        """
        taken = np.zeros(len(self.folds), dtype=bool)
        taken[rows] = True
        truth = self.hidden.profiles
        largest = np.abs(truth) >= np.quantile(np.abs(truth[taken]), 1 - STRONGEST)
        folds = [taken & (self.folds == fold) for fold in np.unique(self.folds[taken])]
        tests = []
        for at in folds:
            on = taken & ~at if len(folds) > 1 else taken
            tests.append((on, at, *self.scales(self.features[at], self.hidden.labels[at], on)))

        def held(nominal: float, share: float) -> tuple[float, float]:
            """The shares of all values and of the largest that bounds of other folds hold."""
            inside = np.zeros(truth.shape, dtype=bool)
            for on, at, own, other in tests:
                found = Bounds.calibrate(self.predicted[on], truth[on], own, nominal, share)
                inside[at] = found.hold(self.predicted[at], other, truth[at])
            return float(inside[taken].mean()), float(inside[largest & taken[:, None]].mean())

        for share in OUTER_SHARES:  # the last where none is small enough
            of_all, of_largest = held(level, share)
            if of_largest >= level - SLACK:
                break
        nominal = level
        for step in STEPS:
            if of_all >= level:
                break
            nominal = level + step * (1 - level)
            of_all, _ = held(nominal, share)
        own, _ = self.scales(self.features[taken], self.hidden.labels[taken], taken)
        return Bounds.calibrate(self.predicted[taken], truth[taken], own, nominal, share)

    def covers(self, level: float) -> list[Cover]:
        """How many values intervals hold that were calibrated on the other half of the folds."""
        truth, half = self.hidden.profiles, self.folds % 2 == 0
        if half.all():
            return []
        held = np.empty(truth.shape, dtype=bool)
        for fit, rest in ((half, ~half), (~half, half)):
            _, scale = self.scales(self.features[rest], self.hidden.labels[rest], fit)
            held[rest] = self.bounds(level, fit).hold(self.predicted[rest], scale, truth[rest])
        sparse = self.features[:, COUNT_IN_CONTEXT] <= np.log1p(SPARSE)
        strength = np.square(self.predicted).mean(axis=1)
        strong, every = strength >= np.median(strength), np.ones(len(truth), dtype=bool)
        found = [
            Cover(self.kind, name, int(rows.sum()), float(held[rows].mean()))
            for name, rows in (
                ("all", every),
                ("sparse", sparse),
                ("dense", ~sparse),
                ("weak", ~strong),
                ("strong", strong),
            )
            if rows.any() and (name == "all" or not rows.all())
        ]
        largest = np.abs(truth) >= np.quantile(np.abs(truth), 1 - STRONGEST)
        count = int(largest.any(axis=1).sum())
        return [*found, Cover(self.kind, "largest values", count, float(held[largest].mean()))]

    def given(self, profiles: Array, predicted: Array, scale: Array) -> tuple[Array, Array]:
        """Predictions and standard deviations (n, genes) given the genes that are not NaN.

        Errors over their scale have a covariance between genes, that of the hidden conditions
        shrunk towards the diagonal (Ledoit & Wolf 2004, doi:10.1016/S0047-259X(03)00096-4): low
        rank plus diagonal, so that only matrices of the size of the hidden conditions are inverted.
        """
        errors = self.relative()
        values, std = predicted.copy(), scale.copy()
        known = ~np.isnan(profiles)
        patterns, of = np.unique(known, axis=0, return_inverse=True)
        for number, seen in enumerate(patterns):
            gain, left = _given(errors, seen)
            for row in np.flatnonzero(of.ravel() == number):
                rest = (profiles[row] - predicted[row])[seen] / scale[row, seen]
                found = predicted[row] + scale[row] * (gain @ rest)
                values[row] = np.where(seen, profiles[row], found)
                std[row] = np.where(seen, 0.0, scale[row] * left)
        return values, std

    def bounds_given(self, seen: Mask, level: float) -> Bounds:
        """Bounds for the genes that are not `seen` (genes,), given these.

        Hidden conditions are predicted given the same genes, with a covariance of the other folds:
        that of their own errors would be too good.
        """
        own, _ = self.scales(self.features, self.hidden.labels)
        errors = (self.hidden.profiles - self.predicted) / own
        found, scale = self.predicted.copy(), own.copy()
        for fold in np.unique(self.folds):
            at = self.folds == fold
            gain, left = _given(errors[~at] if not at.all() else errors, seen)
            found[at] += own[at] * (errors[at][:, seen] @ gain.T)
            scale[at] = own[at] * left
        rest = ~seen
        return Bounds.calibrate(
            found[:, rest], self.hidden.profiles[:, rest], scale[:, rest], level
        )


def _given(errors: Array, seen: Mask) -> tuple[Array, Array]:
    """What the errors of seen genes tell of all (genes, seen), and the part of the standard
    deviations that is left (genes,)."""
    from sklearn.covariance import ledoit_wolf_shrinkage

    shrinkage = max(float(ledoit_wolf_shrinkage(errors, assume_centered=True)), 1e-3)
    factor = np.sqrt((1 - shrinkage) / len(errors)) * errors.T  # (genes, hidden)
    noise = shrinkage * float(np.square(errors).mean())
    inner = np.eye(len(errors)) + factor[seen].T @ factor[seen] / noise
    half = np.linalg.solve(np.linalg.cholesky(inner), factor.T)  # (hidden, genes)
    left = noise + np.square(half).sum(axis=0)
    total = noise + np.square(factor).sum(axis=1)
    return half.T @ half[:, seen] / noise, np.sqrt(left / total)


def scale_features(train: Screen, conditions: Conditions, predicted: Array) -> Array:
    """What tells of the error of a condition before it is measured: (n, 4), logarithms.

    Numbers of training profiles of its drug and of its context; mean square of its prediction, and
    of the difference to cell + drug sums. How large errors are in a drug or a context is an effect
    in `ErrorModel.scales`: the mean square of the other profiles would be the smaller, the larger
    the hidden one is.
    """
    overall, columns = float(np.square(train.profiles).mean()), []
    queries = conditions[:, 1].tolist(), contexts(conditions).tolist()
    for of, query in zip((train.drugs, train.contexts), queries, strict=True):
        code, at, count = encode(of.tolist(), query)
        # A new one, -1, is the last.
        columns.append(np.log1p(np.append(np.bincount(code, minlength=count), 0))[at])
    for values in (predicted, predicted - Additive().predict(train, conditions)):
        columns.append(np.log(np.square(values).mean(axis=1) + 1e-6 * overall + 1e-300))
    return np.stack(columns, axis=1)


def fit_error_model(
    method: Method, known: Screen, kind: str = GRID, random_state: int = 0
) -> ErrorModel | None:
    """Hide measured conditions of a novelty and predict them; None where there are none."""
    if isinstance(method, ColdStart) and kind != GRID:
        # Few weights: they need not be learned again for every fold.
        _, predicted, folds = method.weigh(known, kind)
    else:
        folds = hidden(known, kind, random_state)
        parts = [method.predict(known.take(fold.train), known.labels[fold.test]) for fold in folds]
        predicted = np.concatenate([*parts, np.empty((0, len(known.genes)))])
    if not folds:
        return None
    if not np.isfinite(predicted).all():
        raise InputError("the method gave a prediction of a held-out condition that is not finite")
    rows = [np.flatnonzero(fold.test) for fold in folds]
    number = np.repeat(np.arange(len(folds)), [len(of) for of in rows])
    features = [
        scale_features(known.take(fold.train), known.labels[of], predicted[number == k])
        for k, (fold, of) in enumerate(zip(folds, rows, strict=True))
    ]
    taken = known.take(np.concatenate(rows))
    return ErrorModel(kind, taken, predicted, number, np.concatenate(features))


@single_blas_thread()
def calibration(
    method: Method, screen: Screen, level: float = 0.9, random_state: int = 0
) -> tuple[Cover, ...]:
    """How many hidden values the intervals of `complete` hold, for all that can be hidden.

    Parameters
    ----------
    method : Method
    screen : Screen
    level : float
        The share that they should hold.
    random_state : int
        Of the folds.

    Examples
    --------
    >>> from ntkfill.screens import CellMean, simulate
    >>> found = calibration(CellMean(), simulate(cells=6, drugs=9, genes=20).screen)
    >>> sorted({cover.novelty for cover in found})
    ['in the grid', 'new cell', 'new drug', 'new drug and cell']
    """
    check_level(level)
    known = check_trainable(screen)
    models = (fit_error_model(method, known, kind, random_state) for kind in NOVELTIES)
    return tuple(cover for model in models if model is not None for cover in model.covers(level))
