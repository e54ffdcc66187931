"""Scores of a recommender on held-out ratings."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from sklearn.base import clone

from ..errors import InputError, check_finite, check_integer
from ..kernels.table import Array
from ..observed import Mask
from ..runtime.resources import single_blas_thread
from .frames import Ratings, numbered, read

SplitName = Literal["random", "temporal", "users", "items"]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores, one number per fold.

    Parameters
    ----------
    rmse, mae : arrays of shape (folds,)
        Of the held-out ratings; with weights, self-normalised weighted means.
    recall, ndcg : arrays of shape (folds,)
        At `at`: all items that a user has not rated in training are ranked, and those that the user
        rated above `relevant` in the test are relevant. Means over users with such items.
    at : int
    relevant : float
    """

    rmse: Array
    mae: Array
    recall: Array
    ndcg: Array
    at: int
    relevant: float


@single_blas_thread()
def evaluate(
    recommender: Any,
    users: Any,
    items: Any = None,
    ratings: Any = None,
    *,
    times: Any = None,
    sample_weight: Any = None,
    split: SplitName = "random",
    folds: int = 5,
    at: int = 10,
    relevant: float | None = None,
    random_state: int = 0,
) -> Evaluation:
    """Fit copies of a recommender to part of the ratings and score them on the others.

    Parameters
    ----------
    recommender : Recommender
    users, items, ratings, times, sample_weight
        As in `Recommender.fit`. Weights, such as inverse propensities, enter the fits and the
        scores: RMSE and MAE are then estimates for all pairs, not for those that were rated.
    split : {"random", "temporal", "users", "items"}
        "random": k folds of the ratings. "temporal": one fold, the last `1 / folds` of them.
        "users", "items": k folds of the users (items), of which nothing is seen.
    folds : int
    at : int
        The length of the list for recall and NDCG.
    relevant : float, optional
        The default is the median of the ratings.
    random_state : int

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        If there are fewer ratings than folds, or a temporal split has no times.

    Examples
    --------
    >>> from ntkfill.ratings import Recommender, simulate
    >>> made = simulate(users=40, items=30, count=500, rank=2)
    >>> scores = evaluate(Recommender(), made.users, made.items, made.ratings, folds=2)
    >>> bool(scores.rmse.mean() < made.ratings.std())
    True
    """
    check_integer("at", at, 1, 10**6)
    check_integer("folds", folds, 2, 10**6)
    given = read(users, items, ratings, times, sample_weight)
    threshold = float(np.median(given.values)) if relevant is None else relevant
    scores = [
        _scores(clone(recommender), given, test, at, threshold)
        for test in splits(given, split, folds, random_state)
    ]
    rmse, mae, recall, ndcg = np.array(scores).T
    check_finite("the error", rmse, mae)  # recall and NDCG are NaN where nothing is relevant
    return Evaluation(rmse, mae, recall, ndcg, at, threshold)


def splits(ratings: Ratings, split: SplitName, folds: int, random_state: int) -> Iterator[Mask]:
    """Which ratings are held out, fold by fold."""
    count, rng = len(ratings.values), np.random.default_rng(random_state)
    if count < folds:
        raise InputError("fewer ratings than folds", got=f"{count} and {folds}")
    if split == "temporal":
        if ratings.times is None:
            raise InputError("a temporal split needs times")
        yield ratings.times > np.quantile(ratings.times, 1 - 1 / folds)
        return
    if split == "random":
        of = rng.permutation(count) % folds
    elif split in ("users", "items"):
        names = ratings.users if split == "users" else ratings.items
        numbers, every = numbered(names)
        of = (rng.permutation(len(every)) % folds)[numbers]
    else:
        raise InputError("split must be 'random', 'temporal', 'users' or 'items'", got=repr(split))
    yield from (of == fold for fold in range(folds))


def _scores(
    recommender: Any, ratings: Ratings, test: Mask, at: int, relevant: float
) -> tuple[float, float, float, float]:
    """RMSE, MAE, recall and NDCG of one fold."""
    train, held_out = ratings.part(~test), ratings.part(test)
    wanted: dict[Any, set[Any]] = {}
    for user, item, value in zip(held_out.users, held_out.items, held_out.values, strict=True):
        if value > relevant:
            wanted.setdefault(user, set()).add(item)
    with warnings.catch_warnings():
        # A held-out user or item without features is what is measured.
        warnings.filterwarnings("ignore", ".*neither ratings nor features")
        recommender.fit(
            train.users, train.items, train.values, times=train.times, sample_weight=train.weights
        )
        predicted = recommender.predict(held_out.users, held_out.items, times=held_out.times)
        best = {user: recommender.recommend(user, at)[0] for user in wanted}
    error, weights = predicted - held_out.values, held_out.weights
    gains = 1 / np.log2(np.arange(at) + 2)
    recalls, ndcgs = [], []
    for user, items in wanted.items():
        found = np.array([item in items for item in best[user]])
        most = min(at, len(items))
        recalls.append(found.sum() / most)
        ndcgs.append(gains[: len(found)][found].sum() / gains[:most].sum())
    mean_square = np.average(error**2, weights=weights)
    return (
        float(np.sqrt(mean_square)),
        float(np.average(np.abs(error), weights=weights)),
        float(np.mean(recalls)) if recalls else np.nan,
        float(np.mean(ndcgs)) if ndcgs else np.nan,
    )
