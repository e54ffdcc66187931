"""What is fitted to a table: a model for each way in which its rows and columns have features.

Rows with features: every column is regressed on them. Columns with features: every row. Both: a
kernel of entries. None: every column is regressed on the others, round after round.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..completion import Fit, fit
from ..errors import InputError, sentence
from ..kernels import DenseKernel, Kronecker, two_sided
from ..kernels.table import Array
from ..nn import Sequential
from ..nn.evaluate import Kind
from ..nn.pairs import of_gram
from ..observed import Mask, Observed
from ..runtime.resources import parallel_for, require, single_blas_thread
from ..solvers import CG, Cholesky, linalg
from ..solvers.base import Factor, absolute_ridge
from ..solvers.cg import CGFactor
from ..solvers.cholesky import CholeskyFactor
from ..solvers.spectral import Spectrum, mean_diagonal
from .features import Features
from .options import TableOptions
from .selection import MAX_STEPS, Pattern, select_nuggets, select_ridges

T = TypeVar("T")

# Columns that are regressed on the same fill, at once: at most so many, and at most an eighth of
# all, because a column that sees what its neighbours just became is predicted better.
BATCH = 8
# The first round, which starts from the means and selects the ridges, takes so many rows at most.
SAMPLE = 600
# Factors are kept up to this many bytes, and made again on demand beyond it.
KEPT = 200_000_000
# From this ridge on rounds are made in single precision, where rows that are nearly alike lose
# up to 2e-4 of the diagonal; what is kept in the end is made in double precision.
SINGLE = 3e-3
# With features of both sides: the residual of the solve, and the nuggets where a ridge is given.
RTOL, NUGGETS = 1e-5, (0.1, 0.1)


@dataclass(frozen=True, eq=False)
class Group:
    """Columns with the same gaps, regressed on the rows where they are known."""

    columns: NDArray[np.intp]  # (g,)
    known: Mask  # (n,)
    ridge: float  # relative to the mean diagonal of K[known, known]; NaN: not selected yet
    coefficients: Array  # (n_known, g)
    lower: Array | None = None  # (n_known, n_known), the factor where it is kept

    def factor(self, kernel: DenseKernel) -> CholeskyFactor:
        """The factor that the columns were filled with; made again where it was not kept."""
        ridge = self.ridge * float(np.mean(kernel.diagonal()[self.known]))
        if self.lower is not None:
            return CholeskyFactor(kernel, self.known, self.lower, ridge)
        return Cholesky(ridge / absolute_ridge(1.0, kernel)).factor(kernel, self.known)


@dataclass(frozen=True, eq=False)
class Entry:
    """A missing entry: the factor that filled it, the kernel between the known entries and it, and
    their flat positions in the table."""

    factor: Factor
    cross: Array  # (n_known,)
    places: NDArray[np.intp]  # (n_known,)


class TableModel(Protocol):
    """A fitted table: its own gaps, those of new rows, and what they are made of."""

    @property
    def filled(self) -> Array:
        """The table that was fitted, shape (n, m)."""

    @property
    def n_iter(self) -> int:
        """Rounds over all columns; 1 for a direct solve."""

    @property
    def message(self) -> str:
        """What to say of a fit that did not converge; empty where it did."""

    @property
    def jitter(self) -> float:
        """The largest addition to the diagonal of a kernel besides the ridge, over its mean."""

    def transform(self, values: Array, features: Array | None) -> tuple[Array, str]:
        """New rows, NaN where missing, filled in with their own features; and the message."""

    def entry(
        self, row: int, column: int, values: Array | None = None, features: Array | None = None
    ) -> Entry:
        """A missing entry of the table that was fitted, or of new rows. Its known entries are those
        of the table that was fitted, or with features of columns alone, of the new rows."""


def fit_table(
    values: Array,  # (n, m), NaN where missing
    rows: Array | None,  # (n, k)
    columns: Array | None,  # (m, l)
    network: Sequential,
    feature_scale: float,
    options: TableOptions,
) -> TableModel:
    """The model for the sides that have features."""
    left = None if rows is None else Features.of(rows, network, feature_scale)
    right = None if columns is None else Features.of(columns, network, feature_scale)
    if left is not None and right is not None:
        return TwoSided.fit(values, left, right, options)
    if left is not None:
        return Rows.fit(values, left, options)
    if right is not None:
        return Columns.fit(values, right, options)
    return Chained.fit(values, network, options)


@dataclass(frozen=True, eq=False)
class Chained:
    """No features: columns regressed on each other.

    The rows of the current fill, standardised, with a constant appended, are the feature vectors. A
    column's own entries (and those of columns with exactly the same gaps, which are never there to
    help) are left out of the features that it is predicted from.
    """

    jitter: ClassVar[float] = 0.0
    network: Sequential
    level: Array  # (m,)
    scale: Array  # (m,)
    fill: Array  # (n, m), standardised, as it was before the last regression
    groups: tuple[Group, ...]  # of all columns, also those without gaps
    filled: Array  # (n, m)
    n_iter: int
    message: str
    options: TableOptions
    later: dict[int, Group] = field(default_factory=dict, repr=False)  # regressed for new rows

    @classmethod
    def fit(cls, values: Array, network: Sequential, options: TableOptions) -> Chained:
        """Regress the columns until they settle, then all of them once more on the same fill."""
        require("the regressions", 6 * 8 * len(values) ** 2, hint="fewer rows")
        level, spread = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
        scale = np.where(spread > 1e-12 * np.abs(level), spread, 1.0)
        known = ~np.isnan(values)
        fill = np.where(known, (values - level) / scale, 0.0)
        # Selected in the first round only: later fills are made from the very values that are to
        # be predicted, and would let it shrink from round to round.
        ridge = np.nan if options.ridge == "loo" else float(options.ridge)
        # Columns without gaps have no gap in common: each is regressed on all others.
        unsorted = [
            Group(part, rows, ridge, np.empty((0, 0)))
            for columns, rows in Observed(fill, known).patterns()
            for part in (np.split(columns, len(columns)) if rows.all() else [columns])
        ]
        counts = [int(group.known.sum()) for group in unsorted]
        groups = [unsorted[k] for k in np.argsort(np.negative(counts), kind="stable")]
        gappy = [k for k, group in enumerate(groups) if not group.known.all()]
        change, n_iter = np.inf if gappy else 0.0, 0
        with single_blas_thread():
            while change >= options.tol and n_iter < options.max_iter and gappy:
                n_iter += 1
                before, gram = fill.copy(), _products(fill, fill)
                for some in _batches(gappy):
                    found = _regress(network, fill, gram, groups, some)
                    columns = np.concatenate([groups[k].columns for k in some])
                    old = fill[:, columns]
                    for k in some:
                        fill[np.ix_(~groups[k].known, groups[k].columns)] = found[k]
                    new = fill[:, columns]
                    gram += np.hstack([new, old]) @ np.hstack([new, -old]).T
                change = _changed(before, fill, known)
            filled = fill.copy()
            found = _regress(network, fill, _products(fill, fill), groups, gappy, last=True)
        for k in gappy:
            filled[np.ix_(~groups[k].known, groups[k].columns)] = found[k]
        filled = filled * scale + level
        message, n_iter = _message(change, options), max(n_iter, 1)
        return cls(network, level, scale, fill, tuple(groups), filled, n_iter, message, options)

    def transform(self, values: Array, features: Array | None) -> tuple[Array, str]:
        known = ~np.isnan(values)
        fill, change = self._settled(values)
        filled = fill.copy()
        self._predict(self._needed(known), fill, known, filled)
        return filled * self.scale + self.level, _message(change, self.options)

    def entry(
        self, row: int, column: int, values: Array | None = None, features: Array | None = None
    ) -> Entry:
        fill = (self.fill if values is None else self._settled(values)[0])[[row]]
        group = self._ready(column)
        cross = _between(
            self.network, fill, self.fill, group, _products(fill, self.fill), _lengths(self.fill)
        )
        places = np.flatnonzero(group.known) * len(self.level) + column
        return Entry(group.factor(self.kernel(group)), cross[0], places)

    def kernel(self, group: Group, kind: Kind = "ntk") -> DenseKernel:
        """Between all rows, for the columns of a group."""
        others = np.delete(self.fill, group.columns, axis=1)
        vectors = np.hstack([others, np.ones((len(others), 1))])
        return DenseKernel(self.network.between(vectors, kind=kind), (len(vectors),))

    def _settled(self, values: Array) -> tuple[Array, float]:
        """New rows, standardised, before the last regression, and what the last round changed; the
        regressions stay as they are."""
        known = ~np.isnan(values)
        fill = np.where(known, (values - self.level) / self.scale, 0.0)
        change = np.where(known.all(axis=1), 0.0, np.inf)
        for _ in range(self.options.max_iter):
            # Every row stops by itself, so that its fill does not depend on the others.
            moving = np.flatnonzero(change >= self.options.tol)
            if not len(moving):
                break
            now, here = fill[moving], known[moving]
            for some in _batches(self._needed(here)):
                self._predict(some, now, here, now)
            change[moving] = np.mean(np.square(now - fill[moving]), axis=1, where=~here)
            fill[moving] = now
        return fill, float(change.max(initial=0.0))

    def _needed(self, known: Mask) -> list[Group]:
        return [
            self._ready(int(group.columns[0]))
            for group in self.groups
            if not known[:, group.columns].all()
        ]

    def _ready(self, column: int) -> Group:
        """The group of a column, with its coefficients: a column without gaps is regressed when a
        new row lacks it."""
        group = self._group_of[column]
        if len(group.coefficients):
            return group
        if column not in self.later:
            with single_blas_thread():
                gram = _products(self.fill, self.fill)
                self.later[column] = _solved(self.network, self.fill, gram, group)
        return self.later[column]

    @cached_property
    def _group_of(self) -> dict[int, Group]:
        return {int(j): group for group in self.groups for j in group.columns}

    def _predict(self, groups: list[Group], fill: Array, known: Mask, filled: Array) -> None:
        """Fill in the gaps of new rows, all columns from the same fill."""
        gram, lengths = _products(fill, self.fill), _lengths(self.fill)
        found: dict[int, Array] = {}

        def work(k: int) -> None:
            rows = np.flatnonzero(~known[:, groups[k].columns].all(axis=1))
            block = _between(self.network, fill[rows], self.fill, groups[k], gram[rows], lengths)
            found[k] = block @ groups[k].coefficients

        with single_blas_thread():
            parallel_for(work, range(len(groups)))
        for k, group in enumerate(groups):
            rows = np.flatnonzero(~known[:, group.columns].all(axis=1))
            here = np.ix_(rows, group.columns)
            filled[here] = np.where(known[here], fill[here], found[k])


def _regress(
    network: Sequential,
    fill: Array,
    gram: Array,
    groups: list[Group],
    some: list[int],
    *,
    last: bool = False,
) -> dict[int, Array]:
    """Regress some of the groups on the current fill, and predict their gaps."""
    lengths = np.diagonal(gram).copy()
    keep = last and 8 * sum(int(groups[k].known.sum()) ** 2 for k in some) <= KEPT
    found: dict[int, Array] = {}

    def work(k: int) -> None:
        group, gaps = groups[k], ~groups[k].known
        if np.isnan(group.ridge):
            rows = np.flatnonzero(group.known)
            sample = np.zeros_like(group.known)
            sample[rows[np.linspace(0, len(rows) - 1, min(len(rows), SAMPLE)).astype(np.intp)]] = (
                True
            )
            group = replace(group, known=sample)
        dtype = np.float32 if group.ridge >= SINGLE and not last else np.float64
        group = _solved(network, fill, gram, group, dtype)
        block = _between(network, fill[gaps], fill, group, gram[gaps], lengths, dtype)
        found[k] = block @ group.coefficients
        groups[k] = replace(group, known=~gaps, lower=group.lower if keep else None)

    parallel_for(work, some)
    return found


def _solved(
    network: Sequential, fill: Array, gram: Array, group: Group, dtype: type = np.float64
) -> Group:
    """A group with its coefficients, its factor, and its ridge if it has none."""
    rows = np.flatnonzero(group.known)
    block = _between(network, fill[rows], fill, group, gram.take(rows, axis=0), None, dtype)
    y: Array = fill[np.ix_(rows, group.columns)].astype(dtype, copy=False)
    if np.isnan(group.ridge):
        spectrum = Spectrum.of(block)
        ridge = spectrum.choose(y)
        return replace(group, ridge=ridge, coefficients=spectrum.solve(y, ridge)[0])
    block[np.diag_indices(len(block))] += group.ridge * mean_diagonal(block)
    try:
        lower = linalg.cholesky(block)
    except np.linalg.LinAlgError:
        raise InputError(
            "the kernel of the rows is singular",
            got=f"ridge {group.ridge:g}",
            hint="a larger ridge",
        ) from None
    return replace(group, coefficients=linalg.solve(lower, y), lower=lower)


def _between(
    network: Sequential,
    rows: Array,  # (k, m), standardised
    fill: Array,  # (n, m)
    group: Group,
    gram: Array,  # (k, n), the products of both
    lengths: Array | None,  # (n,), those of `fill`; None where `rows` are its known rows
    dtype: type = np.float64,
) -> Array:
    """The kernel of some rows with those where a group is known, of all columns but its own."""
    known = np.flatnonzero(group.known)
    left, right = rows[:, group.columns], fill[np.ix_(known, group.columns)]
    rest = gram.take(known, axis=1)
    rest -= left @ right.T
    rest = rest.astype(dtype, copy=False)
    if lengths is None:
        own = np.diagonal(rest).copy()
        return of_gram(network.layers, rest, own, own, overwrite=True, symmetric=True)
    of_rows = _lengths(rows) - np.einsum("ij,ij->i", left, left)
    of_known = lengths[known] - np.einsum("ij,ij->i", right, right)
    both = (squares.astype(dtype, copy=False) for squares in (of_rows, of_known))
    return of_gram(network.layers, rest, *both, overwrite=True)


def _products(left: Array, right: Array) -> Array:
    """Inner products of rows with the constant appended."""
    return left @ right.T + 1.0


def _lengths(rows: Array) -> Array:
    """Squared lengths of rows with the constant appended."""
    return np.einsum("ij,ij->i", rows, rows) + 1.0


def _batches(items: list[T]) -> Iterator[list[T]]:
    """Items a few at a time, however many cores there are."""
    size = max(1, min(BATCH, len(items) // 8))
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _message(change: float, options: TableOptions) -> str:
    """What to say of rounds that did not settle; empty where they did."""
    if change < options.tol:
        return ""
    what = f"the last iteration still changed {change:.1e} of the variance"
    return sentence(
        what, f"less than {options.tol:g}", "", f"more than max_iter={options.max_iter}"
    )


def _changed(before: Array, after: Array, known: Mask) -> float:
    """The share of the (unit) variance by which the missing entries moved."""
    missing = ~known
    return float(np.mean(np.square(after - before), where=missing)) if missing.any() else 0.0


@dataclass(frozen=True, eq=False)
class Regression:
    """Columns regressed on features of the rows: one kernel, one factor per pattern of gaps."""

    kernel: DenseKernel  # (n, n)
    level: Array  # (m,)
    coefficients: Array  # (n, m), zero where missing
    groups: tuple[Group, ...]
    curve: Array  # errors of entries left out by ridge, over all columns
    jitter: float

    @classmethod
    def fit(
        cls, values: Array, kernel: DenseKernel, options: TableOptions, curve: Array | None = None
    ) -> Regression:
        """Fit columns (n, m), NaN where missing; `curve` of an earlier fit selects as that did."""
        known = ~np.isnan(values)
        require("the regressions", 4 * 8 * len(values) ** 2, hint="fewer rows")
        patterns: list[Pattern] = list(Observed(values, known).patterns())
        if curve is not None:  # new columns, each by itself
            patterns = [(np.array([j]), rows) for j, rows in enumerate(known.T)]
        keep = 8 * sum(int(rows.sum()) ** 2 for _, rows in patterns) <= KEPT
        if options.ridge == "loo":
            centred = np.where(known, values - np.nanmean(values, axis=0), 0.0)
            ridges, curve = select_ridges(kernel, centred, patterns, curve)
        else:
            ridges, curve = [float(options.ridge)] * len(patterns), np.empty(0)
        level, coefficients = np.empty(values.shape[1]), np.zeros(values.shape)
        groups: dict[int, Group] = {}
        jitters = np.zeros(len(patterns))

        def work(k: int) -> None:
            columns, rows = patterns[k]
            here = np.ix_(rows, columns)
            group = Group(columns, rows, ridges[k], np.empty((0, 0)))
            factor = group.factor(kernel)
            found = fit(factor, values[here], centre=True, columns=columns)
            level[columns], coefficients[here] = found.level, found.coefficients * found.scale
            jitters[k] = found.report.jitter
            lower = factor.lower if keep and not factor.jitter else None
            groups[k] = replace(group, coefficients=coefficients[here], lower=lower)

        with single_blas_thread():
            parallel_for(work, range(len(patterns)))
        ordered = tuple(groups[k] for k in range(len(patterns)))
        return cls(kernel, level, coefficients, ordered, curve, float(jitters.max(initial=0.0)))

    def predict(self, cross: Array) -> Array:
        """All columns at rows with this kernel (k, n) to those that were fitted: (k, m)."""
        return linalg.product(cross, self.coefficients) + self.level

    def entry(self, cross: Array, column: int) -> tuple[Factor, Array, NDArray[np.intp]]:
        """What `Entry` holds, of a row with this kernel (n,); known rows instead of places."""
        group = next(group for group in self.groups if column in group.columns)
        rows = np.flatnonzero(group.known)
        return group.factor(self.kernel), cross[rows].astype(np.float64), rows


@dataclass(frozen=True, eq=False)
class Rows:
    """Features of rows: every column regressed on them."""

    n_iter: ClassVar[int] = 1
    message: ClassVar[str] = ""
    features: Features
    regression: Regression

    @classmethod
    def fit(cls, values: Array, features: Features, options: TableOptions) -> Rows:
        return cls(features, Regression.fit(values, features.kernel(), options))

    @property
    def filled(self) -> Array:
        return self.regression.predict(self.regression.kernel.values)

    @property
    def jitter(self) -> float:
        return self.regression.jitter

    def transform(self, values: Array, features: Array | None) -> tuple[Array, str]:
        return self.regression.predict(self._cross(features)), ""

    def entry(
        self, row: int, column: int, values: Array | None = None, features: Array | None = None
    ) -> Entry:
        cross = self.regression.kernel.values[row]
        if features is not None:
            cross = self._cross(features[[row]])[0]
        factor, cross, rows = self.regression.entry(cross, column)
        return Entry(factor, cross, rows * len(self.regression.level) + column)

    def _cross(self, features: Array | None) -> Array:
        assert features is not None
        return self.features.cross_kernel(features)


@dataclass(frozen=True, eq=False)
class Columns:
    """Features of columns: every row regressed on them, also a new one; a row without any entry is
    filled with the means of the columns."""

    n_iter: ClassVar[int] = 1
    message: ClassVar[str] = ""
    features: Features
    regression: Regression
    rows: NDArray[np.intp]  # that have an entry
    mean: Array  # (m,)
    count: int
    options: TableOptions

    @classmethod
    def fit(cls, values: Array, features: Features, options: TableOptions) -> Columns:
        rows = np.flatnonzero(~np.isnan(values).all(axis=1))
        regression = Regression.fit(values[rows].T, features.kernel(), options)
        mean = regression.predict(regression.kernel.values).mean(axis=1)
        return cls(features, regression, rows, mean, len(values), options)

    @property
    def filled(self) -> Array:
        return self._filled(self.regression, self.rows, self.count)

    @property
    def jitter(self) -> float:
        return self.regression.jitter

    def transform(self, values: Array, features: Array | None) -> tuple[Array, str]:
        return self._filled(*self._new(values), len(values)), ""

    def _filled(self, regression: Regression, rows: NDArray[np.intp], count: int) -> Array:
        filled = np.tile(self.mean, (count, 1))
        if len(rows):
            filled[rows] = regression.predict(regression.kernel.values).T
        return filled

    def _new(self, values: Array) -> tuple[Regression, NDArray[np.intp]]:
        rows = np.flatnonzero(~np.isnan(values).all(axis=1))
        if not len(rows):
            return self.regression, rows
        kernel, curve = self.regression.kernel, self.regression.curve
        return Regression.fit(values[rows].T, kernel, self.options, curve), rows

    def entry(
        self, row: int, column: int, values: Array | None = None, features: Array | None = None
    ) -> Entry:
        regression, rows = (self.regression, self.rows) if values is None else self._new(values)
        if row not in rows:
            raise InputError(f"row {row} has no known entry, so it holds the means of the columns")
        cross = regression.kernel.values[column]
        factor, cross, known = regression.entry(cross, int(np.searchsorted(rows, row)))
        return Entry(factor, cross, row * len(self.mean) + known)


@dataclass(frozen=True, eq=False)
class TwoSided:
    """Features of rows and columns: a kernel of entries, never formed."""

    n_iter: ClassVar[int] = 1
    jitter: ClassVar[float] = 0.0
    features: Features  # of the rows
    kernel: Kronecker
    scale: float  # the kernel of new rows is divided by it
    solved: Fit
    coefficients: Array  # (n, m), zero where missing

    @classmethod
    def fit(
        cls, values: Array, rows: Features, columns: Features, options: TableOptions
    ) -> TwoSided:
        """Complete the flat table under the product of the kernels of rows and columns."""
        known = ~np.isnan(values)
        if not known.any():
            raise InputError("nothing is known, so there is nothing to fill in from")
        require("the product kernel", 8 * (6 * known.size + 4 * sum(k * k for k in known.shape)))
        sides = [side.kernel() for side in (rows, columns)]
        scales = [mean_diagonal(side.values) for side in sides]
        left, right = (
            DenseKernel(side.values / scale, side.shape)
            for side, scale in zip(sides, scales, strict=True)
        )
        kernel = Kronecker(left, right, NUGGETS)
        y = np.where(known, values - values[known].mean(), 0.0)
        y = np.ldexp(y, -np.frexp(np.abs(y).max())[1])  # the same in any unit
        with single_blas_thread():
            if options.ridge == "loo":
                *nuggets, ridge = select_nuggets(y, kernel, known, options.random_state)
                kernel = replace(kernel, nuggets=(nuggets[0], nuggets[1]))
            else:
                ridge = float(options.ridge)
            solver = CG(ridge / float(kernel.diagonal().mean()), RTOL, MAX_STEPS, dtype=np.float64)
            factor = solver.factor(kernel, known.ravel())
            solved = fit(factor, values[known][:, None], centre=True)
        coefficients = np.zeros(known.shape)
        coefficients[known] = (solved.coefficients * solved.scale)[:, 0]
        return cls(rows, kernel, scales[0], solved, coefficients)

    @property
    def filled(self) -> Array:
        return self.kernel.matvec(self.coefficients) + self.solved.level[0]

    @property
    def message(self) -> str:
        if self.solved.report.converged:
            return ""
        what = f"the solve stopped with a residual of {self.solved.report.residual:.1e}"
        return sentence(what, f"{RTOL:g}", "", "a larger ridge")

    def transform(self, values: Array, features: Array | None) -> tuple[Array, str]:
        cross, right = self._cross(features), self.kernel.factors[1]
        return two_sided(cross, self.coefficients, right) + self.solved.level[0], ""

    def entry(
        self, row: int, column: int, values: Array | None = None, features: Array | None = None
    ) -> Entry:
        left, right = self.kernel.factors
        cross = left[row] if features is None else self._cross(features[[row]])[0]
        known = self.solved.factor.known
        return Entry(
            self.factor(1e-8), np.outer(cross, right[column]).ravel()[known], np.flatnonzero(known)
        )

    def factor(self, rtol: float) -> CGFactor:
        """The factor of the solve, for another accuracy."""
        factor = self.solved.factor
        assert isinstance(factor, CGFactor)
        return replace(factor, solver=replace(factor.solver, rtol=rtol))

    def _cross(self, features: Array | None) -> Array:
        assert features is not None
        return self.features.cross_kernel(features) / self.scale
