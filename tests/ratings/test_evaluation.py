"""Scores of recommenders, splits, and propensities where ratings are not missing at random."""

import numpy as np
import pytest

from ntkfill import InputError, Recommender
from ntkfill.ratings import evaluate, propensities, simulate
from ntkfill.ratings.evaluation import splits
from ntkfill.ratings.frames import read

USERS, ITEMS = np.divmod(np.arange(200), 10)
RATINGS = read(USERS, ITEMS, np.arange(200) % 5, times=np.arange(200)[::-1])


@pytest.mark.parametrize("split", ["random", "users", "items"])
def test_folds_hold_everything_out_once(split):
    folds = list(splits(RATINGS, split, 4, 0))
    assert (np.sum(folds, axis=0) == 1).all()
    for test in folds:
        if split != "random":
            names = USERS if split == "users" else ITEMS
            assert not set(names[test]) & set(names[~test])


def test_a_temporal_split_holds_out_what_came_last():
    (test,) = splits(RATINGS, "temporal", 4, 0)
    assert test.sum() == 50
    assert RATINGS.times[test].min() > RATINGS.times[~test].max()


class Oracle(Recommender):
    """Knows every rating: the parity of user and item."""

    def fit(self, *_, **__):
        return self

    def predict(self, users, items, times=None):
        return (np.array(users) + np.array(items)) % 2 + 0.5

    def recommend(self, user, n):
        return [item for item in range(10) if (user + item) % 2][:n], None


def test_scores_of_known_predictions():
    scores = evaluate(Oracle(), USERS, ITEMS, (USERS + ITEMS) % 2, folds=2, at=5)
    np.testing.assert_allclose([scores.rmse, scores.mae], 0.5)
    # The five relevant items of every user are the list: in the test or not.
    assert (scores.recall == 1).all()
    assert ((scores.ndcg > 0.5) & (scores.ndcg < 1)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "temporal"}, "needs times"),
        ({"split": "months"}, "split must be 'random'"),
        ({"folds": 300}, "fewer ratings than folds"),
    ],
)
def test_splits_that_cannot_be_made(options, message):
    with pytest.raises(InputError, match=message):
        evaluate(Oracle(), USERS, ITEMS, (USERS + ITEMS) % 2, **options)


def test_propensities_make_error_estimates_honest():
    """People rate what they like. Errors on rated pairs are not those on all pairs; weighted by
    propensities, from ratings of 1,000 random pairs, they are closer to it."""
    made = simulate(users=300, items=200, count=20_000, rank=3, noise=0.5, liking=2.5)
    rng = np.random.default_rng(0)
    users, items = rng.integers(300, size=20_000), rng.integers(200, size=20_000)
    drawn = np.clip(np.round(made.truth(users, items) + 0.5 * rng.normal(size=20_000)), 1, 5)
    predicted = made.ratings.mean()  # whatever predictions are scored: here the simplest
    true = np.mean((predicted - drawn) ** 2)
    errors = (predicted - made.ratings) ** 2
    weights = 1 / propensities(made.ratings, drawn[:1000])
    naive, weighted = errors.mean(), np.average(errors, weights=weights)
    assert naive < 0.8 * true
    assert abs(weighted - true) < 0.25 * abs(naive - true)


@pytest.mark.slow
def test_propensities_make_predictions_better_where_nobody_rates():
    made = simulate(users=300, items=200, count=20_000, rank=3, noise=0.5, liking=2.5)
    rng = np.random.default_rng(0)
    users, items = (
        names[rng.integers(len(names), size=20_000)]
        for names in (np.unique(made.users), np.unique(made.items))
    )
    truth = made.truth(users, items)
    drawn = np.clip(np.round(truth[:1000] + 0.5 * rng.normal(size=1000)), 1, 5)
    weights = 1 / propensities(made.ratings, drawn)
    errors = []
    for weight in (None, weights):
        model = Recommender(bounds=(1, 5)).fit(
            made.users, made.items, made.ratings, sample_weight=weight
        )
        errors.append(np.sqrt(np.mean((model.predict(users, items) - truth) ** 2)))
    assert errors[1] < 0.98 * errors[0]
