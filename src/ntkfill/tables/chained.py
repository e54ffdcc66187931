"""A table without features: every column is predicted from the others, round after round.

A round goes through the columns, those with the fewest gaps first. Each is fitted where it is known
and predicted where it is missing, from the other columns as they are filled in so far, beginning
with their means. Every filled entry carries a variance: one at first, later that of its
prediction. The kernels are taken at expected distances, so that guesses are trusted as far as they
deserve, and cannot feed each other from round to round. Predictions stay within the range of the
known entries of their column. What follows exactly from other entries is filled in before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from importlib.util import find_spec
from itertools import groupby
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import sentence
from ..kernels.table import Array
from ..nn import Sequential
from ..nn.vectors import Table, Vectors
from ..observed import Mask, column_patterns
from ..runtime.resources import alone, parallel_for, workers
from ..solvers.landmarks import DIRECTIONS
from ..solvers.spectral import RIDGES
from .categories import Indicators
from .explain import Entry
from .options import TableOptions
from .ranks import Ranks
from .relations import Relation, determined, find
from .stack import EACH, EXACT, FEWER, LANDMARKS, ROWS, Fitted, Stack

# Predictors are selected in the first round, on means, and in a later one.
SECOND = 3
# Known entries are hidden from the fills that the second selection sees: the columns of a row one
# by one, or one in so many at a time where there are more.
FOLDS = 10
# On so many rows at most, and on fewer the first time and in tables of more than `EACH` columns.
SAMPLE, FIRST = 600, 200
# The rounds after the second selection are fitted to so many rows, unless the table is wide.
ROUND = 1200
# Metrics are learned for each column of a table with at most so many; wider tables, whose columns
# are many witnesses of the same, have the kernel of the network alone.
LEARNED = 100
# Columns that are predicted from the same fill, at once: at most so many, and at most an eighth of
# all, because a column that sees what its neighbours just became is predicted better.
BATCH = 8
# Those of a wide table do not see each other, so that they share a kernel: at most one in so many,
# each the least correlated with the others of so many that are looked at.
APART, LOOKED_AT = 15, 64
# From so many rows on, columns are predicted on threads; below, waiting for the interpreter costs
# more than threads save.
THREADED = 512
# In the first round of a wide table all columns share the predictor of the middle one of so many.
SHARED = 8
# How often a draw goes through the columns.
SWEEPS = 5
# Longer tables settle on so many rows; the last regressions take more, but no more than this.
SETTLING, SUMMED = 8000, 100_000
# A ridge below this one is lost in rounding.
ROUNDING = 1e-10
# Multiples of the golden ratio spread evenly, however many there are.
GOLDEN = (5**0.5 - 1) / 2
# Factors are kept up to this many bytes, and made again on demand beyond it.
KEPT = 500_000_000
# Numba takes so many bytes.
COMPILER = 90_000_000


@dataclass(frozen=True, eq=False)
class Target:
    """Columns with the same gaps that are predicted together, and what they are predicted from."""

    columns: NDArray[np.intp]  # (g,)
    features: NDArray[np.intp]  # (k,), columns that have other gaps
    known: Mask  # (n,)
    ranks: Ranks | None = None  # of all columns, where one target has few features
    stack: Stack | None = None

    @property
    def few(self) -> bool:
        """Whether its features are taken by their ranks too."""
        return 2 * len(self.features) <= EACH

    def selected(
        self, vectors: Vectors, y: Array, network: Sequential, options: TableOptions, *, learn: bool
    ) -> Target:
        """With the predictors that vectors (r, k) and values (r, g) select."""
        ridges = RIDGES if options.ridge == "loo" else (max(float(options.ridge), ROUNDING),)
        metric = self.stack.metric if self.stack and learn else None
        stack = Stack.select(vectors, y, network, ridges, learn=learn, metric=metric)
        return replace(self, stack=stack)

    def fit(
        self,
        fill: Vectors,
        *,
        settling: bool = False,
        most: int | None = None,
        precision: type | None = None,
    ) -> Fitted:
        """On all rows, or so many, in double precision; unless the table has not settled yet, for
        which few predictors are enough."""
        stack = self.stack
        assert stack is not None
        vectors, y = self.training(fill, most)
        if settling:
            stack = stack.few or stack
            vectors = vectors.astype(precision or stack.precision)
        return Fitted.of(stack, vectors, y, FEWER if settling else LANDMARKS)

    def rows(self, most: int | None = None) -> NDArray[np.intp]:
        """Where it is known, so many at most: as far as they can the same for all targets."""
        known = np.flatnonzero(self.known)
        order = np.argsort(known * GOLDEN % 1.0, kind="stable")
        return np.sort(known[order[:most]])

    def training(self, fill: Vectors, most: int | None = None) -> tuple[Vectors, Array]:
        rows = self.rows(most)
        return self.vectors(fill, rows), fill.mean[np.ix_(rows, self.columns)]

    def vectors(self, fill: Vectors, rows: Any = slice(None)) -> Vectors:
        """The features of rows of (n, m), few ones by their ranks too."""
        vectors = fill.part(rows, self.features)
        if not self.few:
            return vectors
        assert self.ranks is not None
        return self.ranks.appended(vectors, self.features)


@dataclass(frozen=True, eq=False)
class Twins:
    """Rows of a table once more, each with some of its known entries hidden.

    What is filled in is made of the very values that it then predicts, whose errors when left out
    are too small. Twins are filled without what they hide: a selection that sees these fills
    errs as it does where values are missing.
    """

    known: Mask  # (n, m), of the table
    groups: NDArray[np.intp]  # (m,), what is hidden together
    sample: int  # rows of a selection, at most
    place: NDArray[np.int32]  # (n, folds), the twin that hides a fold of a row; -1: none
    start: Vectors  # (t, m)
    sure: Mask  # (t, m), what is not filled in

    @classmethod
    def of(
        cls,
        standard: Array,
        groups: NDArray[np.intp],
        relations: Sequence[Relation],
        prior: Array,
        targets: Sequence[Target],
    ) -> Twins:
        """Of the rows on which these targets are selected, where they lack something."""
        known = ~np.isnan(standard)
        n, m = known.shape
        sample = SAMPLE if m <= EACH else FIRST
        place = np.full((n, min(m, FOLDS)), -1, np.int32)
        for target in targets:
            rows = target.rows(sample)[:, None]
            place[rows, _fold(place, rows, groups[target.columns])] = 0
        place[known.all(axis=1)] = -1
        rows, which = np.nonzero(place == 0)
        place[rows, which] = np.arange(len(rows))
        hidden = known[rows] & (_fold(place, rows[:, None], groups) == which[:, None])
        start, sure = _initial(np.where(hidden, np.nan, standard[rows]), relations, prior)
        return cls(known, groups, sample, place, start, sure)

    def training(self, target: Target, fill: Vectors, twins: Vectors) -> tuple[Vectors, Array]:
        """From the table (n, m) and the twins (t, m) as they are filled in."""
        rows = target.rows(self.sample)
        here, y = fill[rows], fill.mean[np.ix_(rows, target.columns)]
        twin = self.place[rows, _fold(self.place, rows, self.groups[target.columns[0]])]
        guessed = (twin >= 0)[:, None] & ~self.known[rows]
        if guessed.any():
            other = twins[twin]
            here.mean[guessed] = other.mean[guessed]
            here.variance[guessed] = other.variance[guessed]
        return target.vectors(here), y


@dataclass(frozen=True, eq=False)
class Round:
    """What every column was predicted by in a round, and what the gaps became: enough to fit the
    same regressions again, for new rows."""

    targets: tuple[Target, ...]
    most: int | None  # rows of a regression
    gaps: Mask  # (n, m)
    filled: Vectors  # (gaps,), before they were damped


@dataclass(frozen=True, eq=False)
class Chained:
    """Columns predicted from each other."""

    jitter: ClassVar[float] = 0.0
    network: Sequential
    options: TableOptions
    indicators: Indicators
    known: Mask  # (n, m)
    level: Array  # (m,)
    scale: Array  # (m,)
    prior: Array  # (m,), the standardised variance: one, or with all indicators of a column one
    bounds: tuple[Array, Array]  # (m,) each, standardised: the range of what is known
    relations: tuple[Relation, ...]
    sure: Mask  # (n, m): known, or determined by what is
    fill: Vectors  # (n, m), standardised, as it was before the last prediction
    targets: tuple[Target, ...]  # all columns, also those without gaps
    n_iter: int
    # The share of the variance that the last round changed; of a wide table, that the prediction
    # after it is expected to change.
    change: float
    rounds: tuple[Round, ...]  # new rows go through the same
    start: Vectors  # (n', m), of the rows that settled, before the first round
    kept: dict[int, Fitted] = field(default_factory=dict, repr=False)  # by target
    past: dict[tuple[int, int], Fitted] = field(default_factory=dict, repr=False)  # round, target

    @classmethod
    def fit(
        cls, values: Array, network: Sequential, options: TableOptions, indicators: Indicators
    ) -> Chained:
        """Predict the columns, round after round, until they settle; of a long table those of some
        rows, and then the others from what these settled at. Rows without any entry, which nothing
        predicts, get the means."""
        known = ~np.isnan(values)
        rows = np.asarray(known.any(axis=1))
        if not rows.all():
            return cls.fit(values[rows], network, options, indicators)._among(rows)
        level, spread = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
        scale = np.where(spread > 1e-12 * np.abs(level), spread, 1.0)
        for _, places in indicators.groups():
            scale[places] = np.sqrt(np.square(spread[places]).sum()) or 1.0
        prior = np.where(indicators.text, np.square(spread / scale), 1.0)
        standard = (values - level) / scale
        bounds = np.nanmin(standard, axis=0), np.nanmax(standard, axis=0)
        relations, every = find(standard, indicators.columns), values
        if len(every) > SETTLING:
            rows = np.linspace(0, len(every) - 1, SETTLING).astype(np.intp)
            values, known, standard = values[rows], known[rows], standard[rows]
        targets = _targets(standard, indicators)
        if known.shape[1] > LEARNED:
            targets = _grouped(targets, standard, indicators)
        fill, sure = _initial(standard, relations, prior)
        gaps = ~sure  # one for all rounds
        gappy = [k for k, target in enumerate(targets) if not sure[:, target.columns].all()]
        # Fills of wide tables, which are made of many columns, hold little of each.
        narrow = known.shape[1] <= LEARNED
        gapped = [targets[k] for k in gappy] if narrow else []
        twins = Twins.of(standard, indicators.columns, relations, prior, gapped)
        means, count, second = fill, len(fill), SECOND if narrow else 2
        fill = Vectors(
            np.concatenate([fill.mean, twins.start.mean]),
            np.concatenate([fill.variance, twins.start.variance]),
        )
        here = np.concatenate([sure, twins.sure])
        if not narrow:
            means = fill = _shared(fill)
            if gappy and options.max_iter > 1:
                _share_selection(gappy, targets, means, network, options)
        hidden, change, n_iter = twins.start, np.inf if gappy else 0.0, 0
        moved = change
        rounds: list[Round] = []
        while n_iter < options.max_iter and (change >= options.tol or 0 < n_iter < second):
            n_iter, last = n_iter + 1, moved
            if n_iter == second:
                fill, hidden, here = fill[:count] if narrow else fill, fill[count:], sure
            # Only the last prediction needs all rows; that of a wide table is one of its rounds.
            before, most = fill, SAMPLE if n_iter < second else ROUND if narrow else None
            for some in _batches(gappy, targets, narrow=narrow):

                def fitted(
                    k: int,
                    fill: Vectors = fill,
                    n_iter: int = n_iter,
                    hidden: Vectors = hidden,
                    most: int | None = most,
                ) -> Fitted:
                    if n_iter == second or targets[k].stack is None:
                        if n_iter == second and narrow:
                            sample = twins.training(targets[k], fill, hidden)
                        else:
                            sample = targets[k].training(means if n_iter == 1 else fill, FIRST)
                        targets[k] = targets[k].selected(*sample, network, options, learn=narrow)
                    return targets[k].fit(fill, settling=True, most=most)

                selects = n_iter == second and not narrow
                fill = _predicted(some, targets, fitted, fill, here, bounds, threads=selects)
            rounds.append(Round(tuple(targets), most, gaps, fill[:count][gaps]))
            fill = _damped(before, fill, n_iter - second)
            fill = fill if narrow else _shared(fill)
            change = moved = _changed(before[:count], fill[:count], sure)
            if not narrow and 0.0 < last < np.inf:
                # All are predicted once more: by so much less as in this round.
                change = moved * min(1.0, moved / last)
            if n_iter > second + 1 and moved > last:  # it will not settle
                fill, change = before, last
                del rounds[-1]
                break
        fill = fill[:count]
        settled = cls(
            network, options, indicators, known, level, scale, prior, bounds, relations, sure, fill,
            tuple(targets), max(n_iter, 1), change, tuple(rounds), means[:count],
        )  # fmt: skip
        return settled if every is values else settled._extended(every)

    def _extended(self, values: Array) -> Chained:
        """The same for more rows (n, m), which the regressions are fitted to once more."""
        known, (fill, sure, _) = ~np.isnan(values), self._settled(values)
        targets = tuple(
            replace(target, known=np.asarray(known[:, target.columns].all(axis=1)))
            for target in self.targets
        )
        return replace(self, known=known, sure=sure, fill=fill, targets=targets, kept={})

    def _among(self, rows: Mask) -> Chained:
        """The same for a table (n, m) of which it was fitted to these rows; all others are means,
        as far off as the entries of their column are apart."""

        def placed(part: NDArray[Any], rest: Any) -> NDArray[Any]:
            whole = np.empty((len(rows), *part.shape[1:]), part.dtype)
            whole[rows], whole[~rows] = part, rest
            return whole

        spread = np.where(self.bounds[0] < self.bounds[1], self.prior, 0.0)
        fill = Vectors(placed(self.fill.mean, 0.0), placed(self.fill.variance, spread))
        known, sure = placed(self.known, False), placed(self.sure, True)
        targets = tuple(
            replace(target, known=placed(target.known, False)) for target in self.targets
        )
        return replace(self, known=known, sure=sure, fill=fill, targets=targets, kept={})

    def ready(self) -> None:
        """Fit all that new rows can need, so that it can be given to others once for all."""
        fill, sure, _ = self._settled(np.full((1, len(self.level)), np.nan))
        self._predicted(fill, sure, variances=False)

    @property
    def _narrow(self) -> bool:
        return len(self.level) <= LEARNED

    @cached_property
    def last(self) -> Vectors:
        """The last prediction, with variances."""
        return self._once_more()

    def _once_more(self, *, variances: bool = True) -> Vectors:
        """All columns predicted once more, from the same fill; those of a wide table in the
        precision of its rounds."""
        if self._narrow:
            return self._predicted(self._table, self.sure, variances=variances)

        def fitted(k: int) -> Fitted:
            return self.targets[k].fit(self._table, settling=len(self._table) <= EXACT)

        last = _copy(self.fill)
        for some in self._batches(self.sure):
            found = _predicted(
                some, self.targets, fitted, self._table, self.sure, self.bounds, variances=variances
            )
            columns = np.concatenate([self.targets[k].columns for k in some])
            last.mean[:, columns] = found.mean[:, columns]
            last.variance[:, columns] = found.variance[:, columns]
        return last

    @cached_property
    def _table(self) -> Vectors:
        return self.fill if self._narrow else _shared(self.fill)

    @cached_property
    def filled(self) -> Array:
        """The table (n, m) by the last prediction, which is made without variances if nobody has
        asked for these before."""
        made = vars(self).get("last")
        mean = made.mean if made is not None else self._once_more(variances=False).mean
        return mean * self.scale + self.level

    @property
    def std(self) -> Array:
        """Of every filled entry (n, m), zero where known."""
        return np.sqrt(self.last.variance) * self.scale

    def draw(self, factor: Array, rng: np.random.Generator) -> Array:
        """The table (n, m) with every gap drawn from its distribution given all other entries,
        column after column: a Gibbs sampler of regressions that stay as they are (van Buuren
        2018, Flexible Imputation of Missing Data, section 4.5). Standard deviations are those of
        the predictions times a factor (m,)."""
        sure = self.sure & self.known.any(axis=1, keepdims=True)
        gaps, columns = ~sure, np.arange(len(self.level))

        def noisy(fill: Vectors, here: Mask, mean: Array) -> Vectors:
            noise = rng.standard_normal(mean.shape) * factor * np.sqrt(fill.variance)
            drawn = np.clip(fill.mean + noise, *self.bounds)
            shares = self.indicators.shares(fill.mean * self.scale + self.level)
            for _, places in self.indicators.groups():
                until = np.cumsum(shares[:, places], axis=1)
                which = (until < rng.random((len(mean), 1))).sum(axis=1, keepdims=True)
                picked = which.clip(max=len(places) - 1) == np.arange(len(places))
                drawn[:, places] = (picked - self.level[places]) / self.scale[places]
            return Vectors(np.where(here, drawn, mean), np.zeros(mean.shape))

        drawn = noisy(self.last, gaps, self.last.mean)
        for _ in range(SWEEPS):
            for some in self._batches(sure):
                fill = _predicted(some, self.targets, self._fitted, drawn, sure, self.bounds)
                these = np.concatenate([self.targets[k].columns for k in some])
                drawn = noisy(fill, gaps & np.isin(columns, these), drawn.mean)
        return drawn.mean * self.scale + self.level

    @property
    def message(self) -> str:
        return self._message(self.change)

    def _message(self, change: float) -> str:
        tol, max_iter = self.options.tol, self.options.max_iter
        if change < tol:
            return ""
        what = f"the last iteration still changed {change:.1e} of the variance"
        return sentence(what, f"less than {tol:g}", "", f"more than max_iter={max_iter}")

    def transform(self, values: Array, features: Array | None) -> tuple[Array, str]:
        rows, filled = ~np.isnan(values).all(axis=1), np.tile(self.level, (len(values), 1))
        fill, sure, change = self._settled(values[rows])
        mean = self._predicted(fill, sure, variances=False).mean
        filled[rows] = mean * self.scale + self.level
        return filled, self._message(change)

    def entry(
        self, row: int, column: int, values: Array | None = None, features: Array | None = None
    ) -> Entry:
        given = self.known[row] if values is None else ~np.isnan(values[row])
        if not given.any():
            rows = np.flatnonzero(self.known[:, column])
            even = np.full(len(rows), 1.0 / len(rows))
            return Entry(even, None, rows * len(self.level) + column)
        if values is None:
            fill, sure = self.fill[[row]], self.sure[[row]]
        else:
            fill, sure, _ = self._settled(values[[row]])
        if sure[0, column]:
            relation = next(each for each in self.relations if each.column == column)
            weights = relation.weights(fill.mean[0, relation.features])
            return Entry(weights, None, relation.rows * len(self.level) + column)
        k = next(k for k, target in enumerate(self.targets) if column in target.columns)
        target, fitted = self.targets[k], self._fitted(k, weights=True)
        weights, kernel = fitted.weights(target.vectors(fill))
        rows = target.rows(SUMMED)
        value = float(weights @ self.fill.mean[rows, column])
        if value:  # towards the mean, as far as the range of what is known demands
            weights *= np.clip(value, self.bounds[0][column], self.bounds[1][column]) / value
        weights += (1.0 - weights.sum()) / len(weights)
        return Entry(weights, kernel, rows * len(self.level) + column)

    def _settled(self, values: Array) -> tuple[Vectors, Mask, float]:
        """New rows, standardised, before the last prediction; what of them is sure; and what the
        last round changed. They go through the rounds of the table, with its regressions, so that
        a row like one of the table is filled like it; no row depends on others."""
        standard = (values - self.level) / self.scale
        fill, sure = _initial(standard, self.relations, self.prior)
        if self.rounds:
            return self._replayed(fill, sure), sure, self.change
        change = np.where(sure.all(axis=1), 0.0, np.inf)
        for n_iter in range(1, self.options.max_iter + 1):
            # Every row stops by itself.
            moving = np.flatnonzero(change >= self.options.tol)
            if not len(moving):
                break
            before, here = fill[moving], sure[moving]
            now = before
            for some in self._batches(here):
                now = _predicted(some, self.targets, self._fitted, now, here, self.bounds)
            now = _damped(before, now, n_iter - SECOND)
            change[moving] = np.mean(np.square(now.mean - before.mean), axis=1, where=~here)
            fill.mean[moving], fill.variance[moving] = now.mean, now.variance
        return fill, sure, float(change.max(initial=0.0))

    def _replayed(self, fill: Vectors, sure: Mask) -> Vectors:
        """Rows that begin as this fill after all rounds of the table."""
        table, second = self.start, SECOND if self._narrow else 2
        gappy = [k for k, target in enumerate(self.targets) if target.stack is not None]
        gapless = [[k] for k, target in enumerate(self.targets) if target.stack is None]
        for r, past in enumerate(self.rounds):
            before, then, after = fill, table, _copy(table)
            after.mean[past.gaps] = past.filled.mean
            after.variance[past.gaps] = past.filled.variance
            for some in [*_batches(gappy, self.targets, narrow=self._narrow), *gapless]:
                needed = [k for k in some if not sure[:, self.targets[k].columns].all()]
                regressions = partial(self._past, r, then)
                fill = _predicted(needed, past.targets, regressions, fill, sure, self.bounds)
                columns, then = np.concatenate([self.targets[k].columns for k in some]), _copy(then)
                then.mean[:, columns] = after.mean[:, columns]
                then.variance[:, columns] = after.variance[:, columns]
            step = r + 1 - second
            fill, table = _damped(before, fill, step), _damped(table, after, step)
        return fill

    def _past(self, r: int, then: Vectors, k: int) -> Fitted:
        """The regression of a target in a round, on the table as it was then: in double precision,
        so that rows do not depend on their batch."""
        past = self.rounds[r]
        if past.targets[k].stack is None:
            return self._fitted(k)
        if (r, k) in self.past:
            return self.past[r, k]
        fitted = past.targets[k].fit(then, settling=True, most=past.most, precision=np.float64)
        fitted = fitted.without_weights()
        if self._keeps_rounds:
            self.past[r, k] = fitted
        return fitted

    def _predicted(self, fill: Vectors, known: Mask, *, variances: bool = True) -> Vectors:
        """All gaps, from the same fill."""
        needed, of = self._needed(known), self._fitted
        return _predicted(needed, self.targets, of, fill, known, self.bounds, variances=variances)

    def _batches(self, known: Mask) -> Iterator[list[int]]:
        """Targets that are missing somewhere, a few at a time: the same few whatever else is known,
        so that no row depends on others."""
        needed = set(self._needed(known))
        for some in _batches(list(range(len(self.targets))), self.targets, narrow=self._narrow):
            if at := [k for k in some if k in needed]:
                yield at

    def _needed(self, known: Mask) -> list[int]:
        every = enumerate(self.targets)
        return [k for k, target in every if not known[:, target.columns].all()]

    def _fitted(self, k: int, *, weights: bool = False) -> Fitted:
        """A target on the fill of the table; one without gaps selects when a new row lacks it. On
        landmarks without what only weights need, unless they are asked for."""
        kept = self.kept.get(k)
        if kept is not None and not (weights and kept.vectors is None):
            return kept
        target = self.targets[k]
        gapless = target.stack is None
        if gapless:
            target = self._selected(target) if kept is None else replace(target, stack=kept.stack)
        fitted = target.fit(self._table, most=SUMMED)
        if weights:
            return fitted
        if fitted.centres is not fitted.vectors:
            fitted = fitted.without_weights()
        if gapless or self._keeps:
            self.kept[k] = fitted
        return fitted

    def _selected(self, target: Target) -> Target:
        """A target without gaps, from a table that does not know it."""
        standard = np.where(self.known, self.fill.mean, np.nan)
        twins = Twins.of(standard, self.indicators.columns, self.relations, self.prior, [target])
        fill = twins.start
        # Those without gaps are not needed, and would each need all others to be selected.
        needed = [k for k in self._needed(twins.sure) if self.targets[k].stack is not None]
        for _ in range(SECOND - 1):
            fill = _predicted(needed, self.targets, self._fitted, fill, twins.sure, self.bounds)
        sample = twins.training(target, self.fill, fill)
        return target.selected(*sample, self.network, self.options, learn=self._narrow)

    @cached_property
    def _keeps(self) -> bool:
        """Whether there is room for the factors of all targets with gaps."""
        stacks = ((target.stack, target.known) for target in self.targets)
        sizes = (_size(int(k.sum()), LANDMARKS, len(s.predictors)) for s, k in stacks if s)
        return 8 * sum(sizes) <= KEPT

    @cached_property
    def _keeps_rounds(self) -> bool:
        """The same for one factor of each in all rounds."""
        rows = (
            len(target.rows(past.most))
            for past in self.rounds
            for target in past.targets
            if target.stack is not None
        )
        return 8 * sum(_size(count, FEWER, 1) for count in rows) <= KEPT


def chained_memory(known: Mask, models: int, rounds: int) -> int:
    """Bytes of a fit to a table (n, m) whose entries are known there, of so many rounds and with so
    many fitted models alive at once, about: two predictors for each column."""
    counts = known.sum(axis=0)[~known.all(axis=0)]
    if not len(counts):
        return 80 * known.size
    # The inner products of a wide table, in both precisions, twice while they change, and kernels.
    shared = 40 * len(known) ** 2 if known.shape[1] > LEARNED and len(known) <= EXACT else 0
    # Kernels, distances and factors of one column, and distances along each feature of a selection.
    kept = 2 * 8 * int(np.square(counts, dtype=np.float64).sum())
    along = min(2 * (known.shape[1] - 1), EACH) * (known.shape[1] <= EACH)
    one = 4 * 8 * int(counts.max()) ** 2 + 2 * 4 * along * min(int(counts.max()), SAMPLE) ** 2
    compiler = COMPILER if along and counts.max() >= SAMPLE and find_spec("numba") else 0
    busy = min(workers(), max(1, min(BATCH, len(counts) // 8)))
    if counts.max() > EXACT:
        # Features, distances and kernels of some rows and all landmarks, and the matrices of a
        # solve; all columns are fitted to the long table at once.
        kept = 8 * LANDMARKS * DIRECTIONS * len(counts)
        features = 6 * min(int(counts.max()), SUMMED) * known.shape[1]
        one = 8 * (6 * ROWS * LANDMARKS + 8 * LANDMARKS**2 + features)
        busy = min(workers(), len(counts))
    # Means and variances that new rows are filled after.
    share = min(1.0, SETTLING / len(known))
    history = int(16 * rounds * share * (known.size - np.count_nonzero(known)))
    each = (kept if kept <= KEPT else 0) + history
    return 80 * known.size + shared + busy * one + models * each + compiler


def rows_memory(rows: int, columns: int) -> int:
    """Bytes of filling so many new rows on one core, about."""
    return 8 * (14 * rows * columns + 3 * min(rows, ROWS) * LANDMARKS)


def _size(rows: int, landmarks: int, predictors: int) -> int:
    """Numbers in the factors of regressions on so many rows; on landmarks, only one has its."""
    return predictors * rows**2 if rows <= EXACT else landmarks * DIRECTIONS


def _initial(standard: Array, relations: Sequence[Relation], prior: Array) -> tuple[Vectors, Mask]:
    """Standardised values with what follows from others, and means, of this variance (m,), where
    nothing does; and where these are not."""
    values, variance = determined(relations, standard)
    unknown = np.isnan(values)
    return Vectors(np.where(unknown, 0.0, values), np.where(unknown, prior, variance)), ~unknown


def _fold(place: NDArray[np.int32], rows: NDArray[np.intp], columns: Any) -> NDArray[np.intp]:
    """Which entries of a row are hidden together."""
    return np.asarray((rows + columns) % place.shape[1])


def _copy(vectors: Vectors) -> Vectors:
    return Vectors(vectors.mean.copy(), vectors.variance.copy())


def _targets(standard: Array, indicators: Indicators) -> list[Target]:
    """Every column of (n, m), NaN where missing, by itself with all its indicators, of a wide table
    all with the same gaps together; those with the fewest gaps first. Columns with the same gaps
    are never there to help each other, and neither are indicators of the same."""
    count, targets, of = standard.shape[1], [], indicators.columns
    for columns, rows in column_patterns(~np.isnan(standard)):
        gapless = bool(rows.all())
        alone = [columns[of[columns] == column] for column in np.unique(of[columns])]
        for part in alone if gapless or count <= LEARNED else [columns]:
            apart = np.isin(of, of[part if gapless else columns])
            targets.append(Target(part, np.flatnonzero(~apart), rows))
    if any(target.few for target in targets):
        ranks = Ranks.of(standard)
        targets = [replace(target, ranks=ranks) for target in targets]
    order = np.argsort([-int(target.known.sum()) for target in targets], kind="stable")
    return [targets[k] for k in order]


def _grouped(targets: list[Target], standard: Array, indicators: Indicators) -> list[Target]:
    """Those with gaps a few at a time, which do not see each other: of a table (n, m) whose columns
    are many witnesses of the same."""
    of, count = indicators.columns, standard.shape[1]
    values = np.where(np.isnan(standard), 0.0, standard)
    left, ordered = [target for target in targets if not target.known.all()], []
    while left:
        group, near = [left.pop(0)], np.zeros(count)
        room = min(2 * BATCH, count // APART) - len(group[0].columns)
        while left:
            near = np.maximum(near, np.abs(values.T @ values[:, group[-1].columns]).max(axis=1))
            looked = [float(near[each.columns].max()) for each in left[:LOOKED_AT]]
            best = int(np.argmin(looked))
            room -= len(left[best].columns)
            if room < 0:
                break
            group.append(left.pop(best))
        columns = np.concatenate([target.columns for target in group])
        features = np.flatnonzero(~np.isin(of, of[columns]))
        ordered += [replace(target, features=features) for target in group]
    return [target for target in targets if target.known.all()] + ordered


def _share_selection(
    gappy: list[int],
    targets: list[Target],
    means: Vectors,
    network: Sequential,
    options: TableOptions,
) -> None:
    """Give all targets with gaps the predictor of the middle one of a few."""
    few = [gappy[k] for k in np.linspace(0, len(gappy) - 1, SHARED).astype(np.intp)]
    stacks: dict[int, Stack] = {}

    def work(k: int) -> None:
        sample = targets[k].training(means, FIRST)
        found = targets[k].selected(*sample, network, options, learn=False).stack
        assert found is not None
        stacks[k] = found

    parallel_for(work, sorted(set(few)))
    middle = sorted(stacks.values(), key=lambda stack: stack.error)[len(stacks) // 2]
    for k in gappy:
        targets[k] = replace(targets[k], stack=middle)


def _predicted(
    some: list[int],
    targets: Sequence[Target],
    fitted: Callable[[int], Fitted],
    fill: Vectors,  # (n, m)
    known: Mask,
    bounds: tuple[Array, Array],
    *,
    threads: bool = False,
    variances: bool = True,
) -> Vectors:
    """A fill with some targets predicted where they are missing, all from the same fill; on threads
    where the table is long, or anyway; with their variances, unless nobody needs them."""
    mean, variance = fill.mean.copy(), fill.variance.copy()

    def work(k: int) -> None:
        columns = targets[k].columns
        rows = np.flatnonzero(~known[:, columns].all(axis=1))
        at = targets[k].vectors(fill, rows)
        values, error = fitted(k).predict(at, variance=variances)
        values = np.clip(values, bounds[0][columns], bounds[1][columns])
        here, there = np.ix_(rows, columns), known[np.ix_(rows, columns)]
        mean[here] = np.where(there, fill.mean[here], values)
        variance[here] = np.where(there, fill.variance[here], error[:, None])

    threads = threads or len(targets[0].known) >= THREADED
    with nullcontext() if threads else alone():
        parallel_for(work, some)
    columns = np.concatenate([np.empty(0, np.intp), *(targets[k].columns for k in some)])
    return fill.changed(mean, variance, columns)


def _shared(fill: Vectors) -> Vectors:
    """A wide table as one whose columns share their inner products, if it is not too long."""
    return Table.of(fill) if len(fill) <= EXACT else fill


def _batches(items: list[int], targets: Sequence[Target], *, narrow: bool) -> Iterator[list[int]]:
    """Targets a few at a time, however many cores there are; of a wide table those that share their
    features."""
    if not narrow:
        groups = groupby(items, lambda k: targets[k].features.tobytes())
        yield from (list(some) for _, some in groups)
        return
    size = max(1, min(BATCH, len(items) // 8))
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _damped(before: Vectors, after: Vectors, since: int) -> Vectors:
    """The mean of the rounds since a selection: guesses that take turns settle between them."""
    step = 1.0 / max(1, since)
    return Vectors(
        before.mean + step * (after.mean - before.mean),
        before.variance + step * (after.variance - before.variance),
    )


def _changed(before: Vectors, after: Vectors, known: Mask) -> float:
    """The share of the (unit) variance by which the missing entries moved."""
    missing = ~known
    change = np.square(after.mean - before.mean)
    return float(np.mean(change, where=missing)) if missing.any() else 0.0
