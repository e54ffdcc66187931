"""Calibrated intervals by split conformal prediction.

Known entries are held out and predicted; the scores are their errors over their standard
deviations. If a missing entry is exchangeable with the held-out ones, the interval value +- q std,
with q the ceil((n + 1) level)-th smallest of n scores, covers it with a probability of at least
`level`, however wrong the standard deviations are (Vovk et al. 2005; Lei et al. 2018,
doi:10.1080/01621459.2017.1307116). Under a shift, as deep in a hole, where few known entries can be
held out, the scores are weighted by likelihood ratios (Tibshirani et al. 2019, arXiv:1904.06019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import check_number
from ..kernels.table import Array

# A stratum with fewer held-out entries is merged with its neighbour.
ENOUGH = 20


@dataclass(frozen=True, eq=False)
class Interval:
    """Calibrated bounds of every entry.

    Parameters
    ----------
    lower, upper : arrays of the shape of the values
        Equal to the value where it is known.
    level : float
        The share of missing entries that the interval covers.
    scores : int
        The number of held-out entries that it was calibrated on.
    """

    lower: Array
    upper: Array
    level: float
    scores: int


@dataclass(frozen=True, eq=False)
class Scores:
    """Nonconformity scores: errors of held-out entries, in standard deviations.

    Parameters
    ----------
    values : array of shape (n,)
        |error| / std, or |error| where there is no std.
    weights : array of shape (n,), optional
        Likelihood ratios: how much more frequent such an entry is among the missing.
    """

    values: Array
    weights: Array | None = None

    def quantile(self, level: float, weight: float = 1.0) -> float:
        """The interval multiplier: a missing entry's score is below it with probability `level`.

        Parameters
        ----------
        level : float
            Between 0 and 1.
        weight : float
            The likelihood ratio of the missing entry itself.

        Returns
        -------
        float
            Infinite where there are too few scores for this level.

        Examples
        --------
        >>> Scores(np.arange(1.0, 10.0)).quantile(0.9), Scores(np.arange(1.0, 9.0)).quantile(0.9)
        (9.0, inf)
        """
        check_level(level)
        order = np.argsort(self.values, kind="stable")
        weights = np.ones(len(order)) if self.weights is None else self.weights[order]
        below = np.cumsum(weights) / (weights.sum() + weight)
        # Rounding of the sum must not cost a score.
        place = int(np.searchsorted(below, level * (1 - 1e-12)))
        return float(self.values[order[place]]) if place < len(order) else np.inf


def likelihood_ratio_weights(
    held_out: NDArray[np.intp], missing: NDArray[np.intp]
) -> tuple[Array, Array]:
    """How much more frequent each stratum is among the missing entries than among the held-out.

    Parameters
    ----------
    held_out : int array of shape (n,)
        The stratum of every held-out entry, numbered from 0 in the order of difficulty.
    missing : int array of shape (m,)
        The stratum of every missing entry. A stratum with few held-out entries is merged with the
        nearest easier one that has enough, or else with the nearest that has.

    Returns
    -------
    held_out_weights : array of shape (n,)
    missing_weights : array of shape (m,)

    Examples
    --------
    >>> ratios = likelihood_ratio_weights(np.array([0, 0, 0, 1]), np.array([0, 1, 1, 2]))
    >>> ratios[0].round(2).tolist(), ratios[1].round(2).tolist()
    ([0.33, 0.33, 0.33, 3.0], [0.33, 3.0, 3.0, 3.0])
    """
    merged, count = np.unique(held_out, return_counts=True)
    if (count >= ENOUGH).any():
        merged = merged[count >= ENOUGH]
    held_out, missing = (
        np.maximum(np.searchsorted(merged, strata, side="right") - 1, 0)
        for strata in (held_out, missing)
    )
    size = len(merged)
    ratio = np.bincount(missing, minlength=size) / np.bincount(held_out, minlength=size)
    ratio *= len(held_out) / len(missing)
    return ratio[held_out], ratio[missing]


def check_level(level: object) -> float:
    """The level of an interval: a share between 0 and 1."""
    return check_number("interval", level, above=0, below=1)
