"""What is fitted to a table: a model for each way in which its rows and columns have features.

Rows with features: every column is regressed on them. Columns with features: every row. Both: a
kernel of entries. None: every column is regressed on the others, round after round.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from ..completion import Fit, fit
from ..errors import InputError, sentence
from ..kernels import DenseKernel, Kronecker, product, two_sided
from ..kernels.table import Array
from ..nn import Sequential
from ..observed import Mask, Pattern, column_patterns
from ..runtime.resources import parallel_for, require, workers
from ..solvers import CG, Cholesky
from ..solvers.base import Factor, absolute_ridge
from ..solvers.cg import CGFactor
from ..solvers.cholesky import CholeskyFactor
from ..solvers.spectral import mean_diagonal
from ..uncertainty.posterior import BATCH, DRAWN, SEEN
from .categories import Indicators
from .chained import Chained, chained_memory
from .explain import Entry
from .features import Features
from .options import TableOptions
from .selection import MAX_STEPS, select_nuggets, select_ridges

# Factors are kept up to this many bytes, and made again on demand beyond it.
KEPT = 200_000_000
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
    indicators: Indicators,
    models: int = 1,
) -> TableModel:
    """The model for the sides that have features; refused where so many that are alive at once do
    not fit into memory."""
    known = ~np.isnan(values)
    sides = rows is not None, columns is not None
    needed = working_memory(known, *sides, models, options.max_iter)
    require("the fit of this table", needed, hint="fewer rows or columns")
    left = None if rows is None else Features.of(rows, network, feature_scale)
    right = None if columns is None else Features.of(columns, network, feature_scale)
    if left is not None and right is not None:
        return TwoSided.fit(values, left, right, options)
    if left is not None:
        return Rows.fit(values, left, options)
    if right is not None:
        return Columns.fit(values, right, options)
    return Chained.fit(values, network, options, indicators)


def working_memory(known: Mask, rows: bool, columns: bool, models: int, rounds: int) -> int:
    """Bytes of a fit to a table (n, m) whose entries are known there, with so many fitted models
    alive at once, and of so many rounds where there are no features, about (benchmarks/memory.py);
    standard deviations take two."""
    if rows and columns:
        # Solves are in double precision; standard deviations take a second kernel of each side.
        draws = BATCH * (DRAWN + SEEN + 12 * 8) * known.size if models > 1 else 0
        return 8 * (12 * known.size + 8 * models * sum(k * k for k in known.shape)) + draws
    if not rows and not columns:
        return chained_memory(known, models, rounds)
    if columns:
        known = known[known.any(axis=1)].T
    squares = np.square(np.unique(known, axis=1).sum(axis=0), dtype=np.float64)  # of each pattern
    kept = int(8 * squares.sum())
    kept = kept if kept <= KEPT else 0
    # Eigenvectors, to select the ridge; or kernels and factors, on top of those that are kept.
    busy = min(workers(), len(squares)) * int(squares.max(initial=0))
    working = max(40 * busy, kept + 24 * busy)
    return 8 * len(known) ** 2 + working + (models - 1) * (8 * len(known) ** 2 + kept)


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
        cls,
        values: Array,
        kernel: DenseKernel,
        options: TableOptions,
        earlier: Regression | None = None,
    ) -> Regression:
        """Fit columns (n, m), NaN where missing; new ones as those of an earlier fit: with the
        same ridge where the same is missing, else with one that is selected as theirs were."""
        known = ~np.isnan(values)
        patterns: list[Pattern] = list(column_patterns(known))
        if earlier is not None:  # new columns, each by itself
            patterns = [(np.array([j]), rows) for j, rows in enumerate(known.T)]
        keep = 8 * sum(int(rows.sum()) ** 2 for _, rows in patterns) <= KEPT
        if options.ridge == "loo":
            centred = np.where(known, values - np.nanmean(values, axis=0), 0.0)
            seen = () if earlier is None else earlier.groups
            curve = None if earlier is None else earlier.curve
            ridges, curve = select_ridges(kernel, centred, patterns, curve)
            same = {group.known.tobytes(): group.ridge for group in seen}
            ridges = [same.get(p[1].tobytes(), r) for p, r in zip(patterns, ridges, strict=True)]
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

        parallel_for(work, range(len(patterns)))
        ordered = tuple(groups[k] for k in range(len(patterns)))
        return cls(kernel, level, coefficients, ordered, curve, float(jitters.max(initial=0.0)))

    def predict(self, cross: Array) -> Array:
        """All columns at rows with this kernel (k, n) to those that were fitted: (k, m)."""
        return product(cross, self.coefficients) + self.level

    def entry(self, cross: Array, column: int) -> tuple[Factor, Array, NDArray[np.intp]]:
        """What an `Entry` is made of, of a row with this kernel (n,); rows instead of places."""
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
        return Entry.of(factor, cross, rows * len(self.regression.level) + column)

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
        earlier = self.regression
        return Regression.fit(values[rows].T, earlier.kernel, self.options, earlier), rows

    def entry(
        self, row: int, column: int, values: Array | None = None, features: Array | None = None
    ) -> Entry:
        regression, rows = (self.regression, self.rows) if values is None else self._new(values)
        if row not in rows:
            raise InputError(f"row {row} has no known entry, so it holds the means of the columns")
        cross = regression.kernel.values[column]
        factor, cross, known = regression.entry(cross, int(np.searchsorted(rows, row)))
        return Entry.of(factor, cross, row * len(self.mean) + known)


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
        sides = [side.kernel() for side in (rows, columns)]
        scales = [mean_diagonal(side.values) for side in sides]
        left, right = (
            DenseKernel(side.values / scale, side.shape)
            for side, scale in zip(sides, scales, strict=True)
        )
        kernel = Kronecker(left, right, NUGGETS)
        y = np.where(known, values - values[known].mean(), 0.0)
        y = np.ldexp(y, -np.frexp(np.abs(y).max())[1])  # the same in any unit
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
        return Entry.of(
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
