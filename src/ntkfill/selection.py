"""Several predictors weighted by how well they predict together (Wolpert 1992,
doi:10.1016/S0893-6080(05)80023-1; Breiman 1996, doi:10.1007/BF00117832)."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from .observed import Mask

# More predictors than this are not worth their time.
MOST = 3
# One more, or another than the first, must be better by this share of the mean square; where few
# errors are known, by DOUBT over their number.
GAIN, DOUBT = 0.02, 3.0
# The ridge on the weights, over the number of errors, relative to their mean square.
SHRINKAGE = 6.0


def hold_out(known: Mask, share: float, rng: np.random.Generator) -> Mask:
    """Hold out a share of the known entries, chosen at random; at least one stays known.

    Parameters
    ----------
    known : bool array of any shape
    share : float
        Between 0 and 1; the number of held-out entries is rounded up.
    rng : numpy.random.Generator

    Returns
    -------
    bool array of the same shape

    Examples
    --------
    >>> known = np.arange(50).reshape(5, 10) % 2 == 0
    >>> held_out = hold_out(known, 0.1, np.random.default_rng(0))
    >>> int(held_out.sum()), bool((held_out & ~known).any())
    (3, False)
    """
    places = np.flatnonzero(known)
    count = min(math.ceil(share * len(places)), max(len(places) - 1, 0))
    held_out = np.zeros_like(known)
    held_out.flat[rng.choice(places, count, replace=False)] = True
    return held_out


def stacked(gram: NDArray[np.float64], count: float, most: int = MOST) -> NDArray[np.float64]:
    """Weights, summing to one and mostly zero, under which hidden entries are predicted best.

    Parameters
    ----------
    gram : array of shape (k, k)
        Mean products of the errors of k networks.
    count : float
        How many independent errors they are the means of.
    most : int
        How many networks to weigh, at most.

    Returns
    -------
    array of shape (k,)
        The first network alone, unless others gain more than chance would.
    """
    size = len(gram)
    needed = 1 - max(GAIN, min(DOUBT / count, 0.5))
    best, least = np.eye(size)[0], float(gram[0, 0])
    for members in range(1, min(most, size) + 1):
        found, square = best, least
        for chosen in itertools.combinations(range(size), members):
            part = gram[np.ix_(chosen, chosen)]
            ridge = SHRINKAGE / count * float(np.trace(part)) / members * (members > 1)
            weights = _summing_to_one(part + ridge * np.eye(members))
            value = float(weights @ part @ weights) + ridge * float(weights @ weights)
            if value < min(square, needed * least):
                found, square = np.zeros(size), value
                found[list(chosen)] = weights
        best, least = found, square
    # Few digits, so that the repr can be read; the largest takes what rounding leaves.
    best = np.round(best, 4)
    best[np.argmax(np.abs(best))] += 1 - best.sum()
    return np.round(best, 4)


def _summing_to_one(gram: NDArray[np.float64]) -> NDArray[np.float64]:
    """w with the least w^T gram w among those that sum to one."""
    tiny = 1e-12 * np.trace(gram) + np.finfo(np.float64).tiny
    weights = np.linalg.solve(gram + tiny * np.eye(len(gram)), np.ones(len(gram)))
    return np.asarray(weights / weights.sum())
