"""Tables without side features: every column regressed on the others, in sweeps.

The rows of the current fill, standardised, with a constant appended, are feature vectors of a
network of Dense layers. A column's own entries (and those of columns with exactly the same gaps,
which are never there to help) are left out of the features that it is predicted from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ..kernels.table import Array
from ..nn.networks import Sequential
from ..observed import Mask, Observed
from ..runtime.memory import require
from ..runtime.threads import parallel_for
from ..solvers import linalg
from ..solvers import spectral as loo
from .groups import Group, among, between, lengths, products, solved, thinned

T = TypeVar("T")

# Groups of columns that are regressed on the same fill, at once: at most so many, and at most an
# eighth of all, because a column that sees what its neighbours just became is predicted better.
BATCH = 8
# Factors are kept up to this many bytes, and made again on demand beyond it.
KEPT = 200_000_000
# From this ridge on sweeps are made in single precision, where rows that are nearly alike lose
# up to 2e-4 of the diagonal; what is kept in the end is made in double precision.
SINGLE = 3e-3


@dataclass(frozen=True, eq=False)
class Chain:
    """A table without side features, filled in.

    Parameters
    ----------
    network : Sequential
    fill : array of shape (n, m)
        Standardised, as it was before the last sweep.
    groups : tuple of Group
        All columns, also those without gaps.
    filled : array of shape (n, m)
        Standardised; known entries as they were.
    sweeps : int
    change : float
        The share of the variance that the last sweep changed.
    """

    network: Sequential
    fill: Array
    groups: tuple[Group, ...]
    filled: Array
    sweeps: int
    change: float
    place: dict[int, Group] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        place = {int(j): group for group in self.groups for j in group.columns}
        object.__setattr__(self, "place", place)

    def transform(self, values: Array, max_iter: int, tol: float) -> tuple[Array, float]:
        """Fill in new rows, standardised, NaN where missing; the regressions stay as they are.
        Also the share of the variance that the last sweep changed."""
        known = ~np.isnan(values)
        fill, change = self.settled(values, max_iter, tol)
        filled = fill.copy()
        self._predict(self._wanted(known), fill, known, filled)
        return filled, change

    def settled(self, values: Array, max_iter: int, tol: float) -> tuple[Array, float]:
        """New rows as they are before they are read off, once more, all columns from the same, and
        the share of the variance that the last sweep changed."""
        known = ~np.isnan(values)
        fill, change = np.where(known, values, 0.0), 0.0
        for _ in range(max_iter):
            before = fill.copy()
            for chosen in batches(self._wanted(known)):
                self._predict(chosen, fill, known, fill)
            change = changed(before, fill, known)
            if change < tol:
                break
        return fill, change

    def _wanted(self, known: Mask) -> list[Group]:
        return [self.ready(group) for group in self.groups if not known[:, group.columns].all()]

    def ready(self, group: Group) -> Group:
        """With its coefficients; a column without gaps is regressed when a new row lacks it."""
        if len(group.coefficients):
            return group
        first = int(group.columns[0])
        if not len(self.place[first].coefficients):
            with threadpool_limits(1):
                block = among(self.network, self.fill, group, products(self.fill, self.fill))
                self.place[first] = solved(group, block, self.fill)
        return self.place[first]

    def _predict(self, groups: list[Group], fill: Array, known: Mask, filled: Array) -> None:
        gram, own = products(fill, self.fill), lengths(self.fill)
        found: dict[int, Array] = {}

        def work(k: int) -> None:
            group = groups[k]
            rows = np.flatnonzero(~known[:, group.columns].all(axis=1))
            block = between(self.network, self.fill, group, fill[rows], gram[rows], own)
            found[k] = block @ group.coefficients

        with threadpool_limits(1):
            parallel_for(work, range(len(groups)))
        for k, group in enumerate(groups):
            rows = np.flatnonzero(~known[:, group.columns].all(axis=1))
            here = np.ix_(rows, group.columns)
            filled[here] = np.where(known[here], fill[here], found[k])

    def weights(self, column: int, row: Array) -> tuple[NDArray[np.intp], Array]:
        """Known rows of a column, and what each adds to the prediction for this standardised fill
        of a row; the means cancel."""
        group = self.ready(self.place[column])
        lower = self._factor(group) if group.lower is None else group.lower
        fill = row[None]
        block = between(
            self.network, self.fill, group, fill, products(fill, self.fill), lengths(self.fill)
        )
        return np.flatnonzero(group.known), linalg.solve(lower, block.T)[:, 0]

    def _factor(self, group: Group) -> Array:
        """The Cholesky factor of a group, made again."""
        with threadpool_limits(1):
            gram = products(self.fill, self.fill)
            return loo.cholesky(among(self.network, self.fill, group, gram), group.ridge)


def batches(items: list[T]) -> Iterator[list[T]]:
    """Items a few at a time, however many cores there are."""
    size = max(1, min(BATCH, len(items) // 8))
    for start in range(0, len(items), size):
        yield items[start : start + size]


def changed(before: Array, after: Array, known: Mask) -> float:
    """The share of the (unit) variance by which the missing entries moved."""
    missing = ~known
    return float(np.mean(np.square(after - before), where=missing)) if missing.any() else 0.0


def fit(
    values: Array,
    network: Sequential,
    ridge: float | None,
    max_iter: int,
    tol: float,
) -> Chain:
    """Fill in a table of shape (n, m), standardised, NaN where missing.

    Parameters
    ----------
    values : array
        Every column with at least one known entry.
    network : Sequential
    ridge : float, optional
        Relative to the mean diagonal; None chooses it by leave-one-out for every group, once, in
        the first sweep: later fills are made from the very values that are to be predicted, and
        would let it shrink from sweep to sweep.
    max_iter : int
    tol : float
        Stop when a sweep changes less than this share of the variance.

    Returns
    -------
    Chain
    """
    known = ~np.isnan(values)
    fill = np.where(known, values, 0.0)
    require("the regressions", 6 * 8 * len(fill) ** 2, hint="fewer rows")
    none = np.empty((0, 0))
    # Columns without gaps have no gap in common: each is regressed on all others.
    groups = [
        Group(part, rows, np.nan if ridge is None else ridge, none)
        for columns, rows in Observed(values, known).patterns()
        for part in (np.split(columns, len(columns)) if rows.all() else [columns])
    ]
    groups.sort(key=lambda group: -int(group.known.sum()))
    open_ones = [k for k, group in enumerate(groups) if not group.known.all()]
    change, sweeps = np.inf if open_ones else 0.0, 0
    with threadpool_limits(1):
        while change >= tol and sweeps < max_iter and open_ones:
            sweeps += 1
            before = fill.copy()
            gram = products(fill, fill)
            for chosen in batches(open_ones):
                _regress(network, fill, gram, groups, chosen)
            change = changed(before, fill, known)
        return _read_off(network, fill, groups, known, sweeps, change)


def _regress(
    network: Sequential, fill: Array, gram: Array, groups: list[Group], chosen: list[int]
) -> None:
    """Regress some groups on the current fill, and fill their gaps in; keeps `gram` up to date."""
    own = np.diagonal(gram).copy()
    found: dict[int, Array] = {}

    def work(k: int) -> None:
        group, gaps = groups[k], ~groups[k].known
        if np.isnan(group.ridge):
            group = replace(group, known=thinned(group.known))
        dtype = np.float32 if group.ridge >= SINGLE else np.float64
        group = solved(group, among(network, fill, group, gram, dtype), fill)
        block = between(network, fill, group, fill[gaps], gram[gaps], own, dtype)
        found[k] = block @ group.coefficients
        groups[k] = replace(group, known=groups[k].known)

    parallel_for(work, chosen)
    columns = np.concatenate([groups[k].columns for k in chosen])
    before = fill[:, columns]
    for k in chosen:
        fill[np.ix_(~groups[k].known, groups[k].columns)] = found[k]
    after = fill[:, columns]
    gram += np.hstack([after, before]) @ np.hstack([after, -before]).T


def _read_off(
    network: Sequential, fill: Array, groups: list[Group], known: Mask, sweeps: int, change: float
) -> Chain:
    """Regress all columns with gaps on the same fill, once more: what is kept, explained and
    applied to new rows."""
    gram, own = products(fill, fill), lengths(fill)
    filled = fill.copy()
    keep = 8 * sum(int(group.known.sum()) ** 2 for group in groups) <= KEPT

    def work(k: int) -> None:
        group = groups[k]
        gaps = ~group.known
        groups[k] = solved(group, among(network, fill, group, gram), fill, keep=keep)
        block = between(network, fill, group, fill[gaps], gram[gaps], own)
        filled[np.ix_(gaps, group.columns)] = block @ groups[k].coefficients

    parallel_for(work, [k for k, group in enumerate(groups) if not group.known.all()])
    return Chain(network, fill, tuple(groups), filled, sweeps, change)
