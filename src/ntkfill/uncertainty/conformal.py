"""Intervals that hold what they promise, by split conformal prediction.

Known entries are hidden, predicted, and their errors over their standard deviations kept as
scores. If a missing entry is exchangeable with the hidden ones, the interval value +- q std, with q
the ceil((n + 1) level)-th smallest of n scores, holds it with a probability of at least `level`,
however wrong the standard deviations are (Vovk et al. 2005; Lei et al. 2018,
doi:10.1080/01621459.2017.1307116). Where missing entries lie otherwise than hidden ones can, as
deep in a hole, the scores are weighted by how much more often their kind is among the missing
(Tibshirani et al. 2019, arXiv:1904.06019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..kernels.table import Array

# So many hidden entries speak for a stratum.
ENOUGH = 20


@dataclass(frozen=True, eq=False)
class Interval:
    """A range for every entry.

    Parameters
    ----------
    lower, upper : arrays of the shape of the values
        Equal to the value where it is known.
    level : float
        The share of missing entries that lie within.
    scores : int
        How many hidden entries it was calibrated on.
    """

    lower: Array
    upper: Array
    level: float
    scores: int


@dataclass(frozen=True, eq=False)
class Scores:
    """How many standard deviations the predictions of hidden entries were off.

    Parameters
    ----------
    values : array of shape (n,)
        |error| / std, or |error| where there is no std.
    weights : array of shape (n,), optional
        How much more often such an entry is missing than hidden.
    """

    values: Array
    weights: Array | None = None

    def quantile(self, level: float, weight: float = 1.0) -> float:
        """The score that a missing entry stays below with probability `level`.

        Parameters
        ----------
        level : float
            Between 0 and 1.
        weight : float
            Of the missing entry itself.

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
        # The rounding of a sum of shares must not cost a score.
        place = int(np.searchsorted(below, level * (1 - 1e-12)))
        return float(self.values[order[place]]) if place < len(order) else np.inf


def likelihood_ratio_weights(
    hidden: NDArray[np.intp], missing: NDArray[np.intp]
) -> tuple[Array, Array]:
    """Weights for strata: how much more often each is among the missing than among the hidden.

    Parameters
    ----------
    hidden : int array of shape (n,)
        The stratum of every hidden entry, from 0 in the order of difficulty.
    missing : int array of shape (m,)
        That of every missing entry. A stratum of few hidden entries is taken together with the
        nearest easier one that has enough, or with the nearest that has.

    Returns
    -------
    weights : array of shape (n,)
    own : array of shape (m,)
        The weight of every missing entry.

    Examples
    --------
    >>> weights, own = likelihood_ratio_weights(np.array([0, 0, 0, 1]), np.array([0, 1, 1, 2]))
    >>> weights.round(2).tolist(), own.round(2).tolist()
    ([0.33, 0.33, 0.33, 3.0], [0.33, 3.0, 3.0, 3.0])
    """
    there, count = np.unique(hidden, return_counts=True)
    if (count >= ENOUGH).any():
        there = there[count >= ENOUGH]
    hidden, missing = (
        np.maximum(np.searchsorted(there, strata, side="right") - 1, 0)
        for strata in (hidden, missing)
    )
    size = len(there)
    ratio = np.bincount(missing, minlength=size) / np.bincount(hidden, minlength=size)
    ratio *= len(hidden) / len(missing)
    return ratio[hidden], ratio[missing]


def check_level(level: float) -> float:
    """A share between 0 and 1."""
    if not isinstance(level, int | float | np.number) or not 0 < level < 1:
        raise InputError(
            "the level of the interval cannot be used",
            expected="a number between 0 and 1",
            got=repr(level),
        )
    return float(level)
