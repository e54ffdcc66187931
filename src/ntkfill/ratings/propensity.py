"""How likely it was that a rating was made: ratings are not missing at random."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InputError
from ..kernels.table import Array
from .frames import as_numbers

# Propensities are at least this share of their mean: smaller ones would give weights without end.
LEAST = 0.05


def propensities(ratings: Any, sample: Any, share: float = 1.0) -> Array:
    """The propensity of every rating, from its value, by naive Bayes.

    People rate what they like, so that errors on what they rated are smaller than on all items. A
    small sample of ratings of items that were drawn at random, not chosen by the users, tells how
    ratings are distributed over all pairs; ``P(rated | r) = P(r | rated) P(rated) / P(r)`` follows
    (Schnabel et al. 2016, arXiv:1602.05352). Weigh by its inverse: in `Recommender.fit` and in
    `evaluate`, ``sample_weight=1 / propensities(...)``.

    Parameters
    ----------
    ratings : array of shape (n,)
        Those that were made, of few different values.
    sample : array of shape (m,)
        Ratings of randomly drawn items, of the same values.
    share : float
        P(rated), the share of all pairs that are rated; it scales the result.

    Returns
    -------
    array of shape (n,)

    Raises
    ------
    InputError
        If there are more than 20 different ratings.

    Examples
    --------
    >>> propensities([5, 5, 5, 1], [5, 1, 1, 5])
    array([1.5, 1.5, 1.5, 0.5])
    """
    made, drawn = as_numbers(ratings, "ratings"), as_numbers(sample, "the sample")
    values, group = np.unique(made, return_inverse=True)
    if len(values) > 20 or not len(drawn):
        raise InputError(
            "propensities need at most 20 different ratings, and a sample",
            got=f"{len(values)} and {len(drawn)}",
            hint="round the ratings",
        )
    # One more of each in the sample, so that none has no probability.
    count = np.array([1 + np.sum(drawn == value) for value in values])
    found = share * np.bincount(group) / len(made) / (count / count.sum())
    return np.maximum(found, LEAST * share)[group]
