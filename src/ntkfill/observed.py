"""What we have: values, and which of them are known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .kernels.table import Array

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Observed:
    """Several columns of values over the same coordinates, known in part.

    Parameters
    ----------
    values : array of shape (n, m)
        One row per coordinate, one column per channel. What stands at unknown entries is never
        read.
    known : bool array of shape (n, m) or (n,)
        One mask for all columns, or one each.

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
                "values and mask do not fit",
                expected="shapes (n, m) and (n, m) or (n,)",
                got=f"{self.values.shape} and {self.known.shape}",
            )
        if self.known.dtype != np.bool_:
            raise InputError(
                "known is no mask",
                expected="bool",
                got=f"dtype {self.known.dtype}",
                hint="known != 0",
            )
        for columns, known in self.patterns():
            if not known.any():
                raise InputError(
                    "nothing is known, so there is nothing to fill in from",
                    expected="at least one known entry",
                )
            for column in columns:
                if not np.isfinite(self.values[known, column]).all():
                    raise InputError(
                        "a known value is not finite",
                        hint="mark NaN and infinity as missing in the mask",
                    )

    def patterns(self) -> Iterator[tuple[NDArray[np.intp], Mask]]:
        """Groups of columns whose known entries are the same: (columns, known rows)."""
        count = self.values.shape[1]
        if self.known.ndim == 1:
            yield np.arange(count), self.known
            return
        packed = np.packbits(self.known, axis=0)
        _, first, group = np.unique(packed, axis=1, return_index=True, return_inverse=True)
        for g in np.argsort(first, kind="stable"):
            yield np.flatnonzero(group.ravel() == g), self.known[:, first[g]]
