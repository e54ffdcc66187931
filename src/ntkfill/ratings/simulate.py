"""Simulated ratings of which the truth is known for every pair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..kernels.table import Array


@dataclass(frozen=True, eq=False)
class SimulatedRatings:
    """Ratings, and what they would be without noise.

    Parameters
    ----------
    users, items : int arrays of shape (n,)
    ratings : float array of shape (n,)
    left, right : arrays of shape (users, rank + 2) and (items, rank + 2)
        `left @ right.T` holds the expected ratings of all pairs.
    """

    users: NDArray[np.intp]
    items: NDArray[np.intp]
    ratings: Array
    left: Array
    right: Array

    def truth(self, users: NDArray[np.intp], items: NDArray[np.intp]) -> Array:
        """The expected ratings of pairs (n,)."""
        return np.einsum("ij,ij->i", self.left[users], self.right[items])


def simulate(
    users: int = 943,
    items: int = 1682,
    count: int = 100_000,
    *,
    rank: int = 10,
    noise: float = 0.85,
    liking: float = 0.0,
    random_state: int = 0,
) -> SimulatedRatings:
    """Simulate ratings in the pattern of MovieLens: a few users and items have most of them.

    Activity of users and popularity of items are log-normal with spreads 0.95 and 1.5, as in
    MovieLens 100K; expected ratings are effects of users and items and a product of `rank` factors,
    with mean 3.5 and a standard deviation of 0.75.

    Parameters
    ----------
    users, items, count : int
        Pairs are drawn with replacement and repeated ones dropped, so that there are somewhat fewer
        than `count` ratings.
    rank : int
    noise : float
        Standard deviation.
    liking : float
        Ratings are not missing at random: the log-probability that a pair is rated grows by so much
        with each unit of its expected rating.
    random_state : int

    Returns
    -------
    SimulatedRatings

    Examples
    --------
    >>> made = simulate(users=50, items=40, count=600)
    >>> bool(abs(np.mean(made.ratings) - 3.5) < 0.5)
    True
    """
    rng = np.random.default_rng(random_state)
    scale = 0.45 * rank**-0.25
    left = np.hstack(
        [rng.normal(0, 0.4, (users, 1)), np.ones((users, 1)), rng.normal(0, scale, (users, rank))]
    )
    right = np.hstack(
        [
            np.ones((items, 1)),
            rng.normal(3.5, 0.45, (items, 1)),
            rng.normal(0, scale, (items, rank)),
        ]
    )
    activity, popularity = rng.lognormal(0, 0.95, users), rng.lognormal(0, 1.5, items)
    # Quality is popular, as in MovieLens.
    popularity *= np.exp(right[:, 1] - 3.5)
    tries = int(count * (1 + 2 * bool(liking)))
    pairs = np.unique(
        rng.choice(users, tries, p=activity / activity.sum()) * items
        + rng.choice(items, tries, p=popularity / popularity.sum())
    )
    who, what = np.divmod(pairs, items)
    made = SimulatedRatings(who, what, np.empty(0), left, right)
    truth = made.truth(who, what)
    if liking:
        likely = np.exp(np.minimum(liking * (truth - 4.5), 0.0))
        kept = rng.random(len(truth)) < likely
        who, what, truth = who[kept], what[kept], truth[kept]
    ratings = truth + noise * rng.normal(size=len(truth))
    return SimulatedRatings(who, what, np.clip(np.round(ratings), 1.0, 5.0), left, right)
