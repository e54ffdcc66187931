"""What a filled entry of a table is made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..completion import kernel_weights
from ..explanation import Explanation
from ..kernels.table import Array
from .models import Entry


def explanation(
    entry: Entry | None,
    values: Array,  # (n, m), that the known entries are of
    used: NDArray[np.intp],  # the columns of the table that was fitted
    row: int,
    column: int,
) -> Explanation:
    """An entry as a weighted sum of known ones; of itself alone where it is known (no `Entry`)."""
    if entry is None:
        places, weights, kernel = np.array([[row, column]]), np.ones(1), None
    else:
        rows, columns = np.divmod(entry.places, len(used))
        places, kernel = np.stack([rows, used[columns]], axis=1), entry.cross
        weights = kernel_weights(entry.factor, entry.cross[:, None], centred=True)[:, 0]
    shares = values[tuple(places.T)]
    return Explanation((row, column), places, shares, weights, float(weights @ shares), kernel)
