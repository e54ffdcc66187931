"""What the imputer fits: one way for each kind of side that a table may have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from ..errors import InputError, sentence
from ..kernels.table import Array
from ..nn.networks import Sequential
from . import chained, product
from . import featured as sided
from .checks import warn_of_shortfall
from .features import Side

Shares = tuple[Array, Array]
"""Flat positions of known entries, and their weights."""


class Model(Protocol):
    """A table that was fitted: its own gaps, those of new rows, and what they are made of."""

    @property
    def filled(self) -> Array:
        """The table that was fitted, shape (n, m)."""

    @property
    def sweeps(self) -> int:
        """How often all columns were regressed in turn; 0 for a direct solve."""

    @property
    def shortfall(self) -> str:
        """What to say of a fit that did not end as it was asked to; empty where it did."""

    def transform(self, values: Array, features: Array | None) -> Array:
        """New rows, NaN where missing, filled in; the features are those of the new rows."""

    def weights(self, row: int, column: int) -> Shares:
        """What a missing entry of the table that was fitted is made of."""

    def weights_of_new(
        self, values: Array, features: Array | None, row: int, column: int
    ) -> Shares:
        """What a missing entry of new rows is made of: entries of the table that was fitted, or
        with column features alone, of the new rows."""


@dataclass(frozen=True, eq=False)
class Plain:
    """No side features: columns regressed on each other."""

    chain: chained.Chain
    level: Array
    scale: Array
    max_iter: int
    tol: float

    @classmethod
    def fit(
        cls, values: Array, network: Sequential, ridge: float | None, max_iter: int, tol: float
    ) -> Plain:
        """Standardise, sweep."""
        level, spread = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
        scale = np.where(spread > 1e-12 * np.maximum(1.0, np.abs(level)), spread, 1.0)
        chain = chained.fit((values - level) / scale, network, ridge, max_iter, tol)
        return cls(chain, level, scale, max_iter, tol)

    @property
    def filled(self) -> Array:
        return self.chain.filled * self.scale + self.level

    @property
    def sweeps(self) -> int:
        return self.chain.sweeps

    @property
    def shortfall(self) -> str:
        return self._shortfall(self.chain.change)

    def _shortfall(self, change: float) -> str:
        if change < self.tol:
            return ""
        told = f"the last sweep still changed {change:.1e} of the variance"
        return sentence(told, f"less than {self.tol:g}", "", f"more than max_iter={self.max_iter}")

    def transform(self, values: Array, features: Array | None) -> Array:
        standard = (values - self.level) / self.scale
        filled, change = self.chain.transform(standard, self.max_iter, self.tol)
        warn_of_shortfall(self._shortfall(change))
        return filled * self.scale + self.level

    def weights(self, row: int, column: int) -> Shares:
        return self._weights(self.chain.fill[row], column)

    def weights_of_new(
        self, values: Array, features: Array | None, row: int, column: int
    ) -> Shares:
        standard = (values - self.level) / self.scale
        fill, _ = self.chain.settled(standard, self.max_iter, self.tol)
        return self._weights(fill[row], column)

    def _weights(self, fill: Array, column: int) -> Shares:
        rows, share = self.chain.weights(column, fill)
        share = share + (1.0 - share.sum()) / len(rows)
        return rows * len(self.level) + column, share


@dataclass(frozen=True, eq=False)
class Rows:
    """Row features: every column regressed on them."""

    sweeps: ClassVar[int] = 0
    shortfall: ClassVar[str] = ""
    side: Side
    fitted: sided.Sided

    @classmethod
    def fit(cls, values: Array, side: Side, ridge: float | None) -> Rows:
        """One factor per pattern of gaps."""
        return cls(side, sided.fit(values, side.kernel(), ridge))

    @property
    def filled(self) -> Array:
        return self.fitted.predict(self.fitted.kernel)

    def transform(self, values: Array, features: Array | None) -> Array:
        assert features is not None
        return self.fitted.predict(self.side.kernel(features))

    def weights(self, row: int, column: int) -> Shares:
        return self._weights(self.fitted.kernel[row], column)

    def weights_of_new(
        self, values: Array, features: Array | None, row: int, column: int
    ) -> Shares:
        assert features is not None
        return self._weights(self.side.kernel(features[row : row + 1])[0], column)

    def _weights(self, kernel: Array, column: int) -> Shares:
        rows, share = self.fitted.weights(kernel, column)
        return rows * len(self.fitted.level) + column, share


@dataclass(frozen=True, eq=False)
class Columns:
    """Column features: every row regressed on them, also a new one; a row without any entry is
    filled with the means of the columns."""

    sweeps: ClassVar[int] = 0
    shortfall: ClassVar[str] = ""
    side: Side
    fitted: sided.Sided
    index: Array
    mean: Array
    ridge: float | None
    count: int

    @classmethod
    def fit(cls, values: Array, side: Side, ridge: float | None) -> Columns:
        """One factor per pattern of gaps, of the rows that hold something."""
        some = np.flatnonzero(~np.isnan(values).all(axis=1))
        fitted = sided.fit(values[some].T, side.kernel(), ridge)
        mean = fitted.predict(fitted.kernel).mean(axis=1)
        return cls(side, fitted, some, mean, ridge, len(values))

    @property
    def filled(self) -> Array:
        filled = np.tile(self.mean, (self.count, 1))
        filled[self.index] = self.fitted.predict(self.fitted.kernel).T
        return filled

    def transform(self, values: Array, features: Array | None) -> Array:
        filled = np.tile(self.mean, (len(values), 1))
        some = ~np.isnan(values).all(axis=1)
        if some.any():
            fitted = self._new(values[some])
            filled[some] = fitted.predict(fitted.kernel).T
        return filled

    def _new(self, values: Array) -> sided.Sided:
        return sided.fit(values.T, self.fitted.kernel, self.ridge, self.fitted.curve)

    def weights(self, row: int, column: int) -> Shares:
        return self._weights(self.fitted, self.index, row, column)

    def weights_of_new(
        self, values: Array, features: Array | None, row: int, column: int
    ) -> Shares:
        some = np.flatnonzero(~np.isnan(values).all(axis=1))
        fitted = self._new(values[some]) if len(some) else self.fitted
        return self._weights(fitted, some, row, column)

    def _weights(self, fitted: sided.Sided, index: Array, row: int, column: int) -> Shares:
        place = np.flatnonzero(index == row)
        if not len(place):
            raise InputError(f"row {row} has no known entry, so it holds the means of the columns")
        known, share = fitted.weights(fitted.kernel[column], int(place[0]))
        return row * len(self.mean) + known, share


@dataclass(frozen=True, eq=False)
class Both:
    """Features of both sides: a product kernel of entries."""

    sweeps: ClassVar[int] = 0
    rows: Side
    fitted: product.Product

    @classmethod
    def fit(cls, values: Array, rows: Side, columns: Side, ridge: float | None, seed: int) -> Both:
        """Solved without forming the kernel."""
        return cls(rows, product.fit(values, rows.kernel(), columns.kernel(), ridge, seed))

    @property
    def filled(self) -> Array:
        return self.fitted.filled

    @property
    def shortfall(self) -> str:
        if self.fitted.converged:
            return ""
        residual = f"the solve stopped with a residual of {self.fitted.residual:.1e}"
        return sentence(residual, f"{product.RTOL:g}", "", "a larger ridge")

    def transform(self, values: Array, features: Array | None) -> Array:
        assert features is not None
        return self.fitted.predict(self.rows.kernel(features))

    def weights(self, row: int, column: int) -> Shares:
        return self.fitted.weights(self.fitted.between(row), column)

    def weights_of_new(
        self, values: Array, features: Array | None, row: int, column: int
    ) -> Shares:
        assert features is not None
        kernel = self.rows.kernel(features[row : row + 1])[0]
        return self.fitted.weights(kernel / self.fitted.scale, column)


def fitted(
    values: Array,
    network: Sequential,
    rows: Side | None,
    columns: Side | None,
    ridge: float | None,
    max_iter: int,
    tol: float,
    seed: int,
) -> Model:
    """The model for the sides that have features, fitted to a table of shape (n, m)."""
    if rows is not None and columns is not None:
        return Both.fit(values, rows, columns, ridge, seed)
    if rows is not None:
        return Rows.fit(values, rows, ridge)
    if columns is not None:
        return Columns.fit(values, columns, ridge)
    return Plain.fit(values, network, ridge, max_iter, tol)
