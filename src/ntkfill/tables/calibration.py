"""What hidden entries tell of the deviations of a table: how far to trust them, and intervals.

The regressions of a table without features see values that were filled in from the very entry that
they predict, so what they say of their own errors is too good. Entries that were hidden from all of
it are not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..kernels.table import Array
from ..observed import Mask
from ..uncertainty import Scores
from ..uncertainty.scale import OF_COLUMNS as PRIOR

Completed = Callable[[Array], tuple[Array, Array]]
"""From a table with gaps to the same filled in, and standard deviations."""

ROUNDS, HIDDEN = 5, 0.1
# Rows among which one is looked for that lacks little else.
CANDIDATES = 2000


@dataclass(frozen=True, eq=False)
class Calibration:
    """Corrections of standard deviations.

    Parameters
    ----------
    factor : array of shape (m,)
        What those of each column have to be multiplied with.
    scores : Scores
        |error| over the corrected deviation, each corrected without itself.
    """

    factor: Array
    scores: Scores


def calibrate(
    completed: Completed, values: Array, *, sided: bool, seed: int = 0, rounds: int = ROUNDS
) -> Calibration:
    """Hide a tenth of the known entries, fill them in again and compare; several times.

    Parameters
    ----------
    completed : callable
    values : array of shape (n, m)
        NaN where missing.
    sided : bool
        Whether a row may lose all of its entries.
    seed, rounds : int

    Returns
    -------
    Calibration

    Raises
    ------
    InputError
        If there are too few known entries to hide any.
    """
    squares: list[Array] = []
    columns: list[Array] = []
    for k in range(rounds):
        hidden = hide_rows(np.isnan(values), HIDDEN, np.random.default_rng([seed, k]), sided=sided)
        filled, std = completed(np.where(hidden, np.nan, values))
        error = np.square((filled - values)[hidden])
        variance = np.square(std[hidden])
        sure = np.where(error > 0, np.inf, 0.0)
        squares.append(np.divide(error, variance, out=sure, where=variance > 0))
        columns.append(np.nonzero(hidden)[1])
    z, column = np.concatenate(squares), np.concatenate(columns)
    if not len(z):
        raise InputError(
            "there are too few known entries to hide some of them",
            hint="return_std=False, interval=None",
        )
    finite = np.isfinite(z)
    total = np.bincount(column, np.where(finite, z, 0.0), values.shape[1])
    count = np.bincount(column, finite, values.shape[1])
    usual = float(np.median(total[count > 0] / count[count > 0])) if finite.any() else 1.0
    # Without the entry itself, as for an entry that is missing.
    without = (total[column] - np.where(finite, z, 0.0) + PRIOR * usual) / (
        count[column] - finite + PRIOR
    )
    factor = np.sqrt((total + PRIOR * usual) / (count + PRIOR))
    return Calibration(factor, Scores(np.sqrt(z / np.where(without > 0, without, 1.0))))


def hide_rows(missing: Mask, share: float, rng: np.random.Generator, *, sided: bool) -> Mask:
    """Known entries to hide, in the pattern of the missing ones.

    A row that lacks little else is made to lack what another row lacks. Hiding on top of what is
    missing would make rows emptier than they are, and errors larger.

    Parameters
    ----------
    missing : bool array of shape (n, m)
    share : float
        Of the known entries, about.
    rng : Generator
    sided : bool
        Whether a row may lose all of its entries. Every column keeps half of its own.

    Returns
    -------
    bool array of shape (n, m)

    Examples
    --------
    >>> gaps = np.zeros((100, 3), bool)
    >>> gaps[::2, 1] = True
    >>> hidden = hide_rows(gaps, 0.1, np.random.default_rng(0), sided=False)
    >>> hidden.any(axis=0).tolist(), int(hidden.sum())
    ([False, True, False], 25)
    """
    hidden = np.zeros_like(missing)
    goal, left = share * float((~missing).sum()), (~missing).sum(axis=0)
    least = np.ceil(left / 2)
    donors = rng.permutation(np.flatnonzero(missing.any(axis=1)))
    free = rng.permutation(len(missing))[:CANDIDATES]
    for donor in np.resize(donors, min(len(free), 10 * len(donors))):
        gain = missing[donor] & ~missing[free] & (left > least)
        use = gain.any(axis=1) & (sided | (~missing[free] & ~gain).any(axis=1))
        if hidden.sum() >= goal or not use.any():
            continue
        extra = (missing[free] & ~missing[donor]).sum(axis=1)
        best = int(np.argmin(np.where(use, extra, missing.shape[1] + 1)))
        hidden[free[best]] = gain[best]
        left = left - gain[best]
        free = np.delete(free, best)
    return hidden
