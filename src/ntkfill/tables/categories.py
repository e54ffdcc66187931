"""Columns of categories: one indicator for each, which regressions take for numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..kernels.table import Array
from ..observed import Mask

# So many of the most frequent categories of a column have an indicator, and may be filled in.
MOST = 20


@dataclass(frozen=True, eq=False)
class Indicators:
    """A table whose categories are codes, the most frequent 0, as numbers alone: a column of
    numbers is itself, a column of categories has an indicator for each.

    Parameters
    ----------
    levels : int array (m,)
        How many categories a column has, 0 for a column of numbers.

    Examples
    --------
    >>> indicators = Indicators(np.array([0, 3]))
    >>> indicators.of(np.array([[0.5, 2.0], [1.5, np.nan]]))
    array([[0.5, 0. , 0. , 1. ],
           [1.5, nan, nan, nan]])
    >>> indicators.codes(np.array([[0.5, 0.2, 0.1, 0.7]]))
    array([[0.5, 2. ]])
    """

    levels: NDArray[np.intp]

    @cached_property
    def columns(self) -> NDArray[np.intp]:
        """The column of the table (k,) that each number is of."""
        return np.repeat(np.arange(len(self.levels)), np.clip(self.levels, 1, MOST))

    @cached_property
    def text(self) -> Mask:
        """Which numbers (k,) are indicators."""
        return np.asarray(self.levels[self.columns] > 0)

    def groups(self) -> Iterator[tuple[int, NDArray[np.intp]]]:
        """Every column of categories, and where its indicators are."""
        for column in np.flatnonzero(self.levels).tolist():
            yield column, np.flatnonzero(self.columns == column)

    def of(self, values: Array) -> Array:
        """A table (n, m) as numbers (n, k). Categories that are not known are missing; rare ones
        have no indicator, so that all of theirs are zero."""
        result = values[:, self.columns]
        for column, places in self.groups():
            codes = values[:, [column]]
            known = codes < self.levels[column]
            result[:, places] = np.where(known, codes == np.arange(len(places)), np.nan)
        return result

    def shares(self, numbers: Array) -> Array:
        """Numbers (n, k) whose indicators are at least zero and sum to one."""
        result = numbers.copy()
        for _, places in self.groups():
            part = np.maximum(numbers[:, places], 0.0)
            total = part.sum(axis=1, keepdims=True)
            even = np.full(part.shape, 1.0 / len(places))
            result[:, places] = np.divide(part, total, out=even, where=total > 0)
        return result

    def doubt(self, numbers: Array) -> Array:
        """The standard deviation (n, m) of the indicators of the likeliest categories, were their
        shares probabilities."""
        result, shares = np.zeros((len(numbers), len(self.levels))), self.shares(numbers)
        for column, places in self.groups():
            share = shares[:, places].max(axis=1)
            result[:, column] = np.sqrt(share * (1.0 - share))
        return result

    def plain(self, numbers: Array) -> Array:
        """The columns of numbers as (n, m), NaN for those of categories."""
        result = np.full((len(numbers), len(self.levels)), np.nan)
        result[:, self.columns[~self.text]] = numbers[:, ~self.text]
        return result

    def codes(self, numbers: Array) -> Array:
        """The table (n, m) with the likeliest categories."""
        result = self.plain(numbers)
        for column, places in self.groups():
            result[:, column] = np.argmax(numbers[:, places], axis=1)
        return result
