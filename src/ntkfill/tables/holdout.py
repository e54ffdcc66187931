"""Standard deviations of a table, calibrated on entries that are held out.

The regressions of a table without features see values that were filled in from the very entry that
they predict, so their own estimates of their errors are too small. Entries that were held out of
all of it, the selection of the network included, give honest ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..kernels.table import Array
from ..observed import Mask
from ..uncertainty import Scores, Uncertainty
from ..uncertainty.scale import COLUMN_PRIOR

Completed = Callable[[Array], tuple[Array, Array, Mask]]
"""From a table with gaps to the same filled in, standard deviations, and where these need no
calibration."""

ROUNDS = 5
# Rows among which one is looked for that lacks little else.
ROWS = 2000


@dataclass(frozen=True, eq=False)
class Calibration:
    """Factors of the standard deviations of each column, and |error| over the corrected standard
    deviation of every held-out entry, each corrected without itself."""

    factor: Array  # (m,)
    scores: Scores


def calibrate(
    completed: Completed,
    values: Array,  # (n, m), NaN where missing
    uncertainty: Uncertainty,
    *,
    whole_rows: bool,
) -> Calibration:
    """Hold out some of the known entries, fill them in again and compare; several times."""
    squares: list[Array] = []
    columns: list[Array] = []
    for k in range(ROUNDS):
        rng = np.random.default_rng([uncertainty.random_state, k])
        held_out = hold_out_rows(np.isnan(values), uncertainty.holdout, rng, whole_rows=whole_rows)
        filled, std, sure = completed(np.where(held_out, np.nan, values))
        held_out &= ~sure
        error = np.square((filled - values)[held_out])
        variance = np.square(std[held_out])
        certain = np.where(error > 0, np.inf, 0.0)
        squares.append(np.divide(error, variance, out=certain, where=variance > 0))
        columns.append(np.nonzero(held_out)[1])
    z, column = np.concatenate(squares), np.concatenate(columns)
    if not len(z):
        raise InputError(
            "there are too few known entries to hold some of them out",
            hint="return_std=False, interval=None",
        )
    finite = np.isfinite(z)
    total = np.bincount(column, np.where(finite, z, 0.0), values.shape[1])
    count = np.bincount(column, finite, values.shape[1])
    usual = float(np.median(total[count > 0] / count[count > 0])) if finite.any() else 1.0
    # Without the entry itself, as for an entry that is missing.
    without = (total[column] - np.where(finite, z, 0.0) + COLUMN_PRIOR * usual) / (
        count[column] - finite + COLUMN_PRIOR
    )
    factor = np.sqrt((total + COLUMN_PRIOR * usual) / (count + COLUMN_PRIOR))
    return Calibration(factor, Scores(np.sqrt(z / np.where(without > 0, without, 1.0))))


def hold_out_rows(
    missing: Mask, share: float, rng: np.random.Generator, *, whole_rows: bool
) -> Mask:
    """Known entries to hold out, about a share, in the pattern of the missing ones.

    A row that lacks little else is made to lack what another row lacks: holding out on top of what
    is missing would make rows emptier than they are, and errors larger. Every column keeps half of
    its entries; a row loses all of its own only with `whole_rows`.

    Examples
    --------
    >>> gaps = np.zeros((100, 3), bool)
    >>> gaps[::2, 1] = True
    >>> held_out = hold_out_rows(gaps, 0.1, np.random.default_rng(0), whole_rows=False)
    >>> held_out.any(axis=0).tolist(), int(held_out.sum())
    ([False, True, False], 25)
    """
    held_out = np.zeros_like(missing)
    goal, left = share * float((~missing).sum()), (~missing).sum(axis=0)
    kept = np.ceil(left / 2)
    donors = rng.permutation(np.flatnonzero(missing.any(axis=1)))
    free = rng.permutation(len(missing))[:ROWS]
    for donor in np.resize(donors, min(len(free), 10 * len(donors))):
        gain = missing[donor] & ~missing[free] & (left > kept)
        use = gain.any(axis=1) & (whole_rows | (~missing[free] & ~gain).any(axis=1))
        if held_out.sum() >= goal or not use.any():
            continue
        extra = (missing[free] & ~missing[donor]).sum(axis=1)
        best = int(np.argmin(np.where(use, extra, missing.shape[1] + 1)))
        held_out[free[best]] = gain[best]
        left = left - gain[best]
        free = np.delete(free, best)
    return held_out
