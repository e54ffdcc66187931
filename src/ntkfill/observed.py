"""Partially observed data: values, and a mask of the known ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .kernels.table import Array

Mask = NDArray[np.bool_]
Pattern = tuple[NDArray[np.intp], Mask]

# What instruments, databases and file formats write for a missing number, without its sign.
MARKS = (
    *(9.0, 99.0, 99.99, 666.0, 999.0, 999.25, 999.9, 9999.0, 9999.9, 99999.0, 999999.0),
    *(32767.0, 32768.0, 65535.0, 2.0**31, 2.0**32, 2.0**63, 2.0**64),
    *(1e20, 1e30, 9e33, 1e34, 1e36, 9.96921e36, 3.4028235e38),
)
# Any number beyond the first, so many times farther from the others than they are from each other,
# looks like one as well.
HUGE, FAR = 1e9, 1e6

# Squares of numbers between these neither vanish nor overflow.
SMALLEST, LARGEST = 1e-130, 1e150


@dataclass(frozen=True, eq=False)
class Observed:
    """Columns of values over the same coordinates, each known in part.

    Parameters
    ----------
    values : array of shape (n, m)
        One row per coordinate, one column per channel. Values of unknown entries are never read.
    known : bool array of shape (n, m) or (n,)
        One mask per column, or one for all of them.

    Raises
    ------
    InputError
        If the shapes differ, a known value is not finite, or a column has no known entry.

    Examples
    --------
    >>> import numpy as np
    >>> seen = Observed(np.array([[1.0, 4.0], [2.0, 5.0]]), np.array([[1, 1], [0, 1]], bool))
    >>> [(columns.tolist(), known.tolist()) for columns, known in seen.patterns()]
    [([0], [True, False]), ([1], [True, True])]
    """

    values: Array
    known: Mask

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.known.shape not in (
            self.values.shape,
            self.values.shape[:1],
        ):
            raise InputError(
                "values must have shape (n, m), known (n, m) or (n,)",
                got=f"{self.values.shape} and {self.known.shape}",
            )
        if self.known.dtype != np.bool_:
            dtype = f"dtype {self.known.dtype}"
            raise InputError("known must be a bool array", got=dtype, hint="known != 0")
        for columns, known in self.patterns():
            for column in columns:
                if not np.isfinite(self.values[known, column]).all():
                    hint = "mark NaN and infinity as missing in the mask"
                    raise InputError("known values must be finite", hint=hint)

    def patterns(self) -> Iterator[tuple[NDArray[np.intp], Mask]]:
        """Missingness patterns: (indices of the columns, mask of their known rows)."""
        if self.known.ndim > 1:
            return column_patterns(self.known)
        if not self.known.any():
            raise InputError("every column or channel must have a known entry", got="none")
        return iter([(np.arange(self.values.shape[1]), self.known)])


def column_patterns(known: Mask) -> Iterator[Pattern]:
    """Columns of a mask (n, m) with the same known rows: (indices of the columns, these rows)."""
    if not known.any(axis=0).all():
        raise InputError("every column or channel must have a known entry", got="none")
    packed = np.packbits(known, axis=0)
    _, first, group = np.unique(packed, axis=1, return_index=True, return_inverse=True)
    for g in np.argsort(first, kind="stable"):
        yield np.flatnonzero(group.ravel() == g), known[:, first[g]]


def sentinel_of(values: Array) -> float | None:
    """A number at an extreme of values that looks like a mark of missing ones, if there is one:
    one of the usual marks, farther from the rest than that is wide, and large, repeated, alone
    below zero or very far; or a huge one.

    >>> sentinel_of(np.array([1.0, 2.0, -99.0])), sentinel_of(np.array([97.0, 98.0, 99.0]))
    (-99.0, None)
    """
    for mark in (float(values.min()), float(values.max())) if values.size else ():
        rest = values[values != mark]
        usual = np.isclose(abs(mark), MARKS, rtol=1e-6, atol=0).any()
        if not (rest.size and (usual or abs(mark) >= HUGE)):
            continue
        width, gap = np.ptp(rest), np.abs(rest - mark).min()
        if not (usual or gap > FAR * width):
            continue
        alone = mark < 0 <= rest.min() or gap > 10 * width
        if 0 < width < gap and (abs(mark) > 500 or len(values) - len(rest) > 1 or alone):
            return mark
    return None
