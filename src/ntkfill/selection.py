"""Selection of networks: the candidates, the choice among them, and the stacking of several."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from .nn import Mixture, Sequential, Spline
from .observed import Mask

# At most so many networks are stacked: more are not worth their time.
MAX_STACKED = 3
# Another network than the first, or one more, must lower the mean square by this share; where few
# errors are known, by CHANCE over their number.
GAIN, CHANCE = 0.02, 3.0
# The ridge on the stacking weights, over the number of errors, relative to their mean square.
SHRINKAGE = 6.0


@dataclass(frozen=True)
class Candidate:
    """A network that was tried.

    Parameters
    ----------
    network : Sequential or Spline
    error : float
        Root mean square error on held-out entries: for grids in units of the values, for tables in
        standard deviations of the column.
    ridge : float, optional
        Of grids.
    feature_scale : float, optional
        Of tables.
    """

    network: Sequential | Spline
    error: float
    ridge: float | None = None
    feature_scale: float | None = None


@dataclass(frozen=True)
class Choice:
    """The network that was selected, and from which.

    Parameters
    ----------
    network : Sequential or Mixture
        Its repr is what ``network=`` and ``--network`` take to select the same again.
    error : float
        Its root mean square error on the held-out entries, as `Candidate.error`.
    candidates : tuple of Candidate
        The default network first.
    held_out : bool array, optional
        The known entries that were hidden from the candidates; calibration leaves them out. None
        where entries were left out in closed form.
    feature_scale : float, optional
        Of tables.
    """

    network: Sequential | Mixture
    error: float
    candidates: tuple[Candidate, ...] = field(repr=False)
    held_out: Mask | None = field(default=None, repr=False, compare=False)
    feature_scale: float | None = None

    @property
    def n_held_out(self) -> int:
        """How many entries were held out."""
        return 0 if self.held_out is None else int(self.held_out.sum())


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


def stacked(
    gram: NDArray[np.float64],
    count: float,
    max_stacked: int = MAX_STACKED,
    *,
    nonnegative: bool = False,
) -> NDArray[np.float64]:
    """Stacking weights of predictors: summing to one, mostly zero, of least held-out error.

    Stacked generalisation (Wolpert 1992, doi:10.1016/S0893-6080(05)80023-1; Breiman 1996,
    doi:10.1007/BF00117832) over all subsets of a few predictors.

    Parameters
    ----------
    gram : array of shape (k, k)
        Mean products of the errors of k predictors.
    count : float
        The number of independent errors that these are the means of.
    max_stacked : int
        At most so many weights are not zero.
    nonnegative : bool
        Only average. Weights of either sign extrapolate, which a few errors cannot justify.

    Returns
    -------
    array of shape (k,)
        The first predictor alone, unless others gain more than chance would.

    Examples
    --------
    >>> stacked(np.array([[1.0, 0.0], [0.0, 1.0]]), count=1e9)
    array([0.5, 0.5])
    """
    size = len(gram)
    needed = 1 - max(GAIN, min(CHANCE / count, 0.5))
    best, error = np.eye(size)[0], float(gram[0, 0])
    for number in range(1, min(max_stacked, size) + 1):
        found, found_error = best, error
        for chosen in itertools.combinations(range(size), number):
            part = gram[np.ix_(chosen, chosen)]
            ridge = SHRINKAGE / count * float(np.trace(part)) / number * (number > 1)
            # The least error among weights that sum to one.
            tiny = 1e-12 * np.trace(part) + np.finfo(np.float64).tiny
            weights = np.linalg.solve(part + (ridge + tiny) * np.eye(number), np.ones(number))
            weights /= weights.sum()
            if nonnegative and weights.min() < 0:
                continue  # the least error is that of a smaller subset
            value = float(weights @ part @ weights) + ridge * float(weights @ weights)
            if value < min(found_error, needed * error):
                found, found_error = np.zeros(size), value
                found[list(chosen)] = weights
        best, error = found, found_error
    # Few digits, so that the repr can be read; the largest weight takes the rounding error.
    best = np.round(best, 4)
    best[np.argmax(np.abs(best))] += 1 - best.sum()
    return np.round(best, 4)


def convex(gram: NDArray[np.float64], count: float) -> NDArray[np.float64]:
    """Stacking weights of predictors that are not negative and sum to one: as `stacked`, of all
    predictors at once.

    Parameters
    ----------
    gram : array of shape (k, k)
        Mean products of the errors of k predictors.
    count : float
        The number of independent errors that these are the means of.

    Returns
    -------
    array of shape (k,)

    Examples
    --------
    >>> convex(np.array([[1.0, 2.0], [2.0, 5.0]]), count=1e9)
    array([1., 0.])
    """
    size, mean = len(gram), float(np.trace(gram)) / len(gram)
    if mean == 0.0:
        return np.eye(size)[0]
    root = np.linalg.cholesky(gram / mean + (SHRINKAGE / count + 1e-12) * np.eye(size))
    # The least w^T A w with sum one is, but for its size, the w that minimises w^T A w - 2 sum(w).
    weights, _ = nnls(root.T, np.linalg.solve(root, np.ones(size)))
    return np.asarray(weights / weights.sum())
