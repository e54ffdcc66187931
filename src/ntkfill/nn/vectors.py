"""Feature vectors whose entries are known up to a variance, and parts of a table of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from threading import RLock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..kernels.table import Array


@dataclass(frozen=True, eq=False)
class Vectors:
    """Feature vectors (n, k) and the variances of their entries."""

    mean: Array
    variance: Array

    def __len__(self) -> int:
        return len(self.mean)

    def __getitem__(self, rows: Any) -> Vectors:
        return Vectors(self.mean[rows], self.variance[rows])

    def part(self, rows: Any, columns: NDArray[np.intp]) -> Vectors:
        """Some entries of some of them."""
        some = self[rows]
        return Vectors(some.mean[:, columns], some.variance[:, columns])

    def astype(self, dtype: Any) -> Vectors:
        return Vectors(self.mean.astype(dtype), self.variance.astype(dtype))

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.mean.dtype

    def changed(self, mean: Array, variance: Array, columns: NDArray[np.intp]) -> Vectors:
        """The same with other entries in these columns."""
        return Vectors(mean, variance)

    def inner(self, other: Vectors) -> Array:
        """Inner products of means, (n, m)."""
        return self.mean @ other.mean.T

    def lengths(self) -> Array:
        """Expected squared lengths (n,)."""
        return np.square(self.mean).sum(axis=1) + self.variance.sum(axis=1)


@dataclass(frozen=True, eq=False)
class Table(Vectors):
    """Vectors of which many parts are compared, each without a few columns: the inner products of
    all are taken once, and what the columns contribute is taken off."""

    gram: Array  # (n, n)

    @classmethod
    def of(cls, vectors: Vectors) -> Table:
        return cls(vectors.mean, vectors.variance, vectors.mean @ vectors.mean.T)

    def changed(self, mean: Array, variance: Array, columns: NDArray[np.intp]) -> Table:
        before, after = self.mean[:, columns], mean[:, columns]
        gram = self.gram + np.hstack([after, -before]) @ np.hstack([after, before]).T
        return Table(mean, variance, gram)

    def part(self, rows: Any, columns: NDArray[np.intp]) -> Vectors:
        without = np.ones(self.mean.shape[1], bool)
        without[columns] = False
        left_out = np.flatnonzero(without)
        if 2 * len(left_out) > len(columns):
            return super().part(rows, columns)
        return Part(self, columns, left_out, np.arange(len(self))[rows], self.dtype)

    def made(self, left_out: NDArray[np.intp], name: Any, make: Callable[[], Array]) -> Array:
        """What is made once for all parts without the same columns; those that were asked for last
        are kept."""
        lock, made = self._made
        columns = left_out.tobytes()
        with lock:
            if (columns, name) not in made:
                for old in [old for old in made if old[0] != columns]:
                    del made[old]
                made[columns, name] = make()
            return made[columns, name]

    @cached_property
    def _single(self) -> Array:
        return self.gram.astype(np.float32)

    @cached_property
    def _made(self) -> tuple[Any, dict[Any, Array]]:
        return RLock(), {}

    @cached_property
    def _squares(self) -> Array:
        return np.asarray(np.square(self.mean) + self.variance)

    @cached_property
    def _lengths(self) -> Array:
        return np.asarray(self._squares.sum(axis=1))


class Part(Vectors):
    """Some entries of some vectors of a table, copied only when they are asked for."""

    _table: Table
    _columns: NDArray[np.intp]
    _left_out: NDArray[np.intp]  # the other columns
    _rows: NDArray[np.intp]
    _dtype: np.dtype[Any]

    def __init__(
        self,
        table: Table,
        columns: NDArray[np.intp],
        left_out: NDArray[np.intp],
        rows: NDArray[np.intp],
        dtype: Any,
    ) -> None:
        # Thousands are made of one table: past the checks of a frozen class.
        of = {"_table": table, "_columns": columns, "_left_out": left_out, "_rows": rows}
        self.__dict__.update(of, _dtype=np.dtype(dtype))

    def _changed(self, rows: NDArray[np.intp], dtype: Any) -> Part:
        return Part(self._table, self._columns, self._left_out, rows, dtype)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: Any) -> Part:
        return self._changed(self._rows[rows], self._dtype)

    def astype(self, dtype: Any) -> Part:
        return self._changed(self._rows, dtype)

    @cached_property
    def mean(self) -> Array:
        return self._table.mean[np.ix_(self._rows, self._columns)].astype(self._dtype)

    @cached_property
    def variance(self) -> Array:
        return self._table.variance[np.ix_(self._rows, self._columns)].astype(self._dtype)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._dtype

    def inner(self, other: Vectors) -> Array:
        table = self._table
        if not isinstance(other, Part) or other._table is not table:
            return super().inner(other)
        gram = table._single if self._dtype == np.float32 else table.gram
        found = gram.take(self._rows, axis=0).take(other._rows, axis=1)
        apart = table.mean[:, self._left_out].astype(self._dtype)
        found -= apart[self._rows] @ apart[other._rows].T
        return found

    def lengths(self) -> Array:
        table, left_out = self._table, self._left_out
        every = table.made(
            left_out, "lengths", lambda: table._lengths - table._squares[:, left_out].sum(axis=1)
        )
        return every[self._rows].astype(self._dtype)

    def shared(
        self, other: Vectors | None, kernel: Any, make: Callable[[Vectors], Array]
    ) -> Array | None:
        """A kernel of this name between all of them, or them and others, as a part of that of the
        whole table. None where that does not hold it: other vectors, or two that are the same but
        not known to be."""
        table, rows = self._table, self._rows
        if other is not None:
            if not isinstance(other, Part) or other._table is not table:
                return None
            both = np.zeros(len(table), bool)
            both[rows], rows = True, other._rows
            if both[rows].any() or not np.array_equal(self._left_out, other._left_out):
                return None
        whole = self._of_table(kernel, make)
        return whole.take(self._rows, axis=0).take(rows, axis=1)

    def shared_diagonal(self, kernel: Any, make: Callable[[Vectors], Array]) -> Array:
        """The diagonal of a kernel of this name, as a part of that of the whole table."""
        return self._of_table(("diagonal", kernel), make)[self._rows]

    def _of_table(self, name: Any, make: Callable[[Vectors], Array]) -> Array:
        every = np.arange(len(self._table))
        return self._table.made(
            self._left_out, (name, self._dtype), lambda: make(self._changed(every, self._dtype))
        )
