"""What a filled entry of a table is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..completion import kernel_weights
from ..explanation import Explanation
from ..kernels.table import Array
from ..solvers.base import Factor


@dataclass(frozen=True, eq=False)
class Entry:
    """A missing entry: the weights of the known entries that filled it, the kernel between them and
    it (None where a linear relation or the mean did), and their flat positions in the table."""

    weights: Array  # (n_known,)
    kernel: Array | None  # (n_known,)
    places: NDArray[np.intp]  # (n_known,)

    @classmethod
    def of(cls, factor: Factor, cross: Array, places: NDArray[np.intp]) -> Entry:
        """From the factor that filled it."""
        weights = kernel_weights(factor, cross[:, None], centred=True)
        return cls(weights[:, 0], cross, places)


def explanation(
    entry: Entry,
    values: Array,  # (n, m), that the known entries are of
    columns: NDArray[np.intp],  # of the table that each of these is of
    row: int,
    column: int,
) -> Explanation:
    """An entry as a weighted sum of known ones."""
    weights, kernel = entry.weights, entry.kernel
    rows, numbers = np.divmod(entry.places, len(columns))
    places, shares = np.stack([rows, columns[numbers]], axis=1), values[rows, numbers]
    return Explanation((row, column), places, shares, weights, float(weights @ shares), kernel)
