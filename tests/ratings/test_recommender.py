"""Recommenders: against closed forms, on simulated ratings with known truth, and from disk."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from ntkfill import Inpainter, InputError, MemoryLimitError, Recommender
from ntkfill.ratings import simulate
from ntkfill.ratings.frames import as_times

MADE = simulate(users=80, items=50, count=1600, rank=2, noise=0.5, random_state=1)
RATED = MADE.users, MADE.items, MADE.ratings


@pytest.fixture(scope="module")
def model():
    return Recommender(bounds=None).fit(*RATED)


def unrated():
    rated = np.zeros((80, 50), bool)
    rated[MADE.users, MADE.items] = True
    users, items = np.nonzero(~rated[np.ix_(np.unique(MADE.users), np.unique(MADE.items))])
    return np.unique(MADE.users)[users], np.unique(MADE.items)[items]


def test_predictions_are_the_conditional_mean_and_variance(model):
    """By NumPy from the covariance, for one user."""
    user = int(MADE.users[0])
    rows = MADE.users == user
    code = {name: k for k, name in enumerate(model.items_)}
    known, asked = [code[k] for k in MADE.items[rows]], [code[k] for k in unrated()[1][:5]]
    covariance = model.covariance_.values.astype(float)
    means = model._model.means
    system = covariance[np.ix_(known, known)] + model.covariance_.noise * np.eye(len(known))
    cross = covariance[np.ix_(asked, known)]
    expected = means[asked] + cross @ np.linalg.solve(system, MADE.ratings[rows] - means[known])
    left = np.diag(covariance)[asked] - np.sum(cross * np.linalg.solve(system, cross.T).T, axis=1)
    names = [model.items_[k] for k in asked]
    values, std = model.predict([user] * 5, names, return_std=True)
    np.testing.assert_allclose(values, expected, atol=1e-4)
    scale = model._model.std_scale
    np.testing.assert_allclose(std, scale * np.sqrt(left + model.covariance_.noise), rtol=1e-3)


def test_unrated_pairs_are_predicted_better_than_by_effects(model):
    users, items = unrated()
    truth = MADE.truth(users, items)
    effects = pd.DataFrame({"u": MADE.users, "i": MADE.items, "r": MADE.ratings})
    of_item = effects.groupby("i").r.mean()
    of_user = (effects.r - of_item[effects.i].to_numpy()).groupby(effects.u).mean()
    baseline = of_item[items].to_numpy() + of_user[users].to_numpy()
    error = np.sqrt(np.mean((model.predict(users, items) - truth) ** 2))
    assert error < 0.9 * np.sqrt(np.mean((baseline - truth) ** 2))


@pytest.mark.parametrize("name", [int, str, lambda code: (code,)], ids=["int", "str", "tuple"])
def test_the_order_of_the_ratings_does_not_count(name):
    users, items = ([name(int(code)) for code in codes] for codes in RATED[:2])
    shuffled = np.random.default_rng(0).permutation(len(users))
    found = [
        Recommender(max_iter=2)
        .fit(*[[each[k] for k in order] for each in (users, items, RATED[2])])
        .predict(users[:50], items[50:100])
        for order in (range(len(users)), shuffled)
    ]
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT], ids=repr)
@pytest.mark.parametrize("side", [0, 1])
def test_ids_that_are_missing_are_refused(missing, side):
    given = [["a", "b", "c"], ["x", "y", "x"], [1.0, 2.0, 3.0]]
    given[side][1] = missing
    with pytest.raises(InputError, match="ids must be hashable and not missing"):
        Recommender().fit(*given)


def test_a_rating_far_from_all_others_is_named():
    wrong = RATED[2].copy()
    wrong[3] = 55.0
    low, high = np.delete(wrong, 3).min(), np.delete(wrong, 3).max()
    with pytest.warns(UserWarning, match=f"one rating is 55, all others are from {low:g} to"):
        Recommender(max_iter=1).fit(*RATED[:2], wrong)
    Recommender(max_iter=1, bounds=(low, high)).fit(*RATED[:2], wrong)  # no warning


def test_standard_deviations_hold_errors(model):
    users, items = unrated()
    rng = np.random.default_rng(2)
    values, std = model.predict(users, items, return_std=True)
    errors = values - MADE.truth(users, items) - 0.5 * rng.normal(size=len(users))
    assert 0.85 < np.sqrt(np.mean((errors / std) ** 2)) < 1.15


def test_an_explanation_sums_to_the_prediction(model):
    user, item = unrated()[0][7], unrated()[1][7]
    explanation = model.explain(user, item)
    total = explanation.baseline + explanation.weights @ explanation.ratings
    assert np.isclose(total, explanation.value)
    assert np.isclose(explanation.value, model.predict([user], [item])[0], atol=1e-4)
    assert sorted(explanation.items) == sorted(MADE.items[MADE.users == user])
    given = dict(zip(MADE.items[MADE.users == user], MADE.ratings[MADE.users == user], strict=True))
    assert all(
        np.isclose(given[name], rating, atol=1e-5) for name, rating, _ in explanation.largest(3)
    )


@pytest.mark.sampled
@pytest.mark.parametrize("form", ["frame", "named", "sparse", "strings"])
def test_containers_give_the_same(form):
    plain = Recommender(noise=0.5).fit(*RATED)
    users, items = unrated()
    expected = plain.predict(users, items)
    fresh = Recommender(noise=0.5)
    frame = pd.DataFrame(dict(zip("abc", RATED, strict=True)))
    if form == "frame":
        found = fresh.fit(frame).predict(users, items)
    elif form == "named":
        named = frame.set_axis(["userId", "movieId", "rating"], axis=1)
        found = fresh.fit(named[["rating", "movieId", "userId"]]).predict(users, items)
    elif form == "sparse":
        found = fresh.fit(sparse.coo_array((MADE.ratings, (MADE.users, MADE.items)))).predict(
            users, items
        )
    else:
        names = [f"u{k}" for k in MADE.users], [("i", int(k)) for k in MADE.items]
        asked = [f"u{k}" for k in users], [("i", int(k)) for k in items]
        found = fresh.fit(*names, MADE.ratings).predict(*asked)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_stored_zero_of_a_sparse_matrix_is_a_rating():
    matrix = sparse.csr_array(([0.0, 1.0, 1.0, 2.0], ([0, 0, 1, 1], [0, 1, 0, 1])), shape=(2, 2))
    assert Recommender().fit(matrix)._range == (0.0, 2.0)


def test_items_that_are_liked_together_are_similar_and_recommended():
    """Two groups of items, and users who like one of them."""
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((60, 20)) < 0.5)
    ratings = 3 + 2 * np.where(users % 2 == items % 2, 1.0, -1.0)
    model = Recommender().fit(users, items, ratings)
    assert {name % 2 for name in model.similar_items(4, 5)[0]} == {0}
    for user in (0, 1):
        found, values = model.recommend(user, 3)
        assert {name % 2 for name in found} == {user}
        assert not set(found) & set(items[users == user])
        assert (np.diff(values) <= 0).all()
    every = model.recommend(0, 20, filter_seen=False)[0]
    assert set(every) == set(range(20))


def test_folding_in_is_fitting_where_the_covariance_stays():
    """A user whose ratings are folded in is predicted as the user that they were copied from."""
    model = Recommender(bounds=None).fit(*RATED)
    user = int(MADE.users[0])
    rows = MADE.users == user
    asked = list(range(0, 50, 7))
    asked = [name for name in asked if name in model.items_]
    model.fold_in("copy", MADE.items[rows], MADE.ratings[rows])
    copied = model.predict(["copy"] * len(asked), asked)
    np.testing.assert_allclose(copied, model.predict([user] * len(asked), asked), atol=1e-5)
    first = model.items_[0]
    low, high = (
        model.fold_in("copy", [first], [value]).predict(["copy"], [first])[0] for value in (1, 5)
    )
    assert low < high
    assert len(model._profile("copy").items) == len(set(MADE.items[rows]) | {first})


def cold(features_of_items):
    """Ratings by features of both sides, of which the last users and items have none."""
    rng = np.random.default_rng(3)
    left, right = rng.normal(size=(90, 2)), rng.normal(size=(60, 2))
    users, items = np.nonzero(rng.random((80, 50)) < 0.4)
    truth = left @ right.T + right[:, 0]
    model = Recommender(
        dict(enumerate(right if features_of_items else rng.normal(size=right.shape))),
        dict(enumerate(left)),
        bounds=None,
    ).fit(users, items, truth[users, items] + 0.1 * rng.normal(size=len(users)))
    return model, truth


@pytest.mark.slow
def test_new_items_and_users_are_predicted_from_features():
    model, truth = cold(True)
    wrong, _ = cold(False)
    users, items = (of.ravel() for of in np.mgrid[:80, 50:60])
    error = np.mean((model.predict(users, items) - truth[users, items]) ** 2)
    assert error < 0.3 * np.var(truth[:80, 50:])
    # The check of the check: features that say nothing predict nothing.
    assert np.mean((wrong.predict(users, items) - truth[users, items]) ** 2) > 2 * error
    users, items = (of.ravel() for of in np.mgrid[80:90, :50])
    error = np.mean((model.predict(users, items) - truth[users, items]) ** 2)
    assert error < 0.3 * np.var(truth[80:, :50])


def test_strangers_get_means_and_a_warning(model):
    user = int(MADE.users[0])
    with pytest.warns(UserWarning, match="1 users and 1 items have neither"):
        values = model.predict(["nobody", user], [model.items_[0], "nothing"])
    assert np.isclose(values[0], model._model.means[0])
    assert abs(values[1] - model.level_) < 1.5


def test_a_stranger_is_recommended_what_is_rated_best_with_a_warning(model):
    with pytest.warns(UserWarning, match="user 'typo' has neither ratings nor features"):
        _, values = model.recommend("typo", 3)
    np.testing.assert_allclose(values, np.sort(model._model.means)[::-1][:3])
    assert model.recommend(int(MADE.users[0]), 3)[0]  # known: no warning, which would be an error


DATES = pd.date_range("2024-03-30 23:00", periods=1600, freq="7h", tz="Europe/Berlin")


@pytest.mark.parametrize(
    "times",
    [
        DATES,
        pd.Series(DATES),
        DATES.tz_convert("UTC").tz_localize(None),
        DATES.map(lambda date: date.isoformat()),
        DATES.tz_convert("UTC").tz_localize(None).astype(str),
        DATES.to_pydatetime(),
        DATES.map(lambda date: str(date.timestamp())),
    ],
    ids=["zone", "series", "naive", "ISO", "text", "datetime", "seconds"],
)
def test_dates_of_any_kind_are_seconds(times):
    seconds = as_times(times)
    np.testing.assert_allclose(seconds, [date.timestamp() for date in DATES])


@pytest.mark.parametrize("wrong", ["soon", "2024-13-01", "31.05.2024"])
def test_a_time_that_is_no_date_is_said(wrong):
    with pytest.raises(InputError, match=f"times must be numbers or dates.*got '{wrong}'"):
        as_times(["2024-01-01", wrong])
    with pytest.raises(InputError, match="finite"):
        as_times(["2024-01-01", None])
    assert np.isnan(as_times(["2024-01-01", None, "", pd.NaT], gaps=True)).tolist() == [
        *(False, True, True, True)
    ]


@pytest.mark.parametrize("load", [Recommender.load, Inpainter.load])
def test_a_file_that_is_not_there_is_said(load, tmp_path):
    for name in ("nope.npz", "nope"):
        with pytest.raises(InputError, match=rf"there is no file .*{name}"):
            load(tmp_path / name)


@pytest.mark.slow
def test_ratings_that_were_made_together_inform_each_other():
    """Every session has a mood of its own."""
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((60, 40)) < 0.5)
    session = rng.integers(5, size=len(users))
    mood = rng.normal(size=(60, 5))[users, session]
    times = np.datetime64("2020-01-01") + (
        86_400 * session + rng.integers(60, size=len(users))
    ).astype("m8[s]")
    ratings = mood + 0.3 * rng.normal(size=len(users))
    test = rng.random(len(users)) < 0.2
    train = users[~test], items[~test], ratings[~test]
    asked = users[test], items[test]
    timed = Recommender().fit(*train, times=times[~test]).predict(*asked, times=times[test])
    plain = Recommender().fit(*train).predict(*asked)
    error, without = (np.mean((of - ratings[test]) ** 2) for of in (timed, plain))
    assert error < 0.7 * without


def test_weights_are_inverse_noise():
    """A rating of weight two counts as two: the posterior is that of half the noise."""
    model = Recommender(noise=0.5, max_iter=0).fit(*RATED)
    double = Recommender(noise=0.5, max_iter=0).fit(
        *RATED, sample_weight=np.full(len(MADE.users), 2.0)
    )
    user = model.users_[0]
    for fitted, scale in ((model, 1.0), (double, 0.5)):
        np.testing.assert_allclose(fitted._profile(user).scales, scale)
    asked = [user] * 10, model.items_[:10]
    assert not np.allclose(model.predict(*asked), double.predict(*asked), atol=1e-3)


@pytest.mark.parametrize("features", [False, True])
def test_saved_and_loaded_is_the_same(tmp_path, features):
    sides = [{k: [k % 3, k % 5] for k in range(n)} for n in (52, 82)] if features else []
    times = np.arange(len(MADE.users))
    model = Recommender(*sides, bounds=(1, 5)).fit(*RATED, times=times)
    model.save(tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz", allow_pickle=False) as file:
        assert all(file[name].dtype != object for name in file.files)
    loaded = Recommender.load(tmp_path / "model.npz")
    users = [*model.users_[:3], *([81] if features else [])]
    items = [*model.items_[3:6], *([51] if features else [])]
    for one, other in zip(
        model.predict(users, items, return_std=True, times=np.arange(len(users))),
        loaded.predict(users, items, return_std=True, times=np.arange(len(users))),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)
    assert loaded.recommend(0)[0] == model.recommend(0)[0]
    assert loaded.get_params()["bounds"] == (1, 5)


def damaged(path, change):
    """A saved recommender with other arrays."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(path, **arrays | change(arrays))


@pytest.mark.sampled
@pytest.mark.parametrize(
    "name",
    [
        "means", "covariance", "lengths", "items", "residuals", "scales", "times", "coefficients",
        "user_features", "functions", "standard_exponent", "standard_level", "standard_scale",
        "standard_vectors",
    ],
)  # fmt: skip
@pytest.mark.parametrize("how", ["short", "text", "not finite"])
def test_damaged_files_are_refused(tmp_path, name, how):
    path = tmp_path / "model.npz"
    sides = [{k: [k % 3, k % 5] for k in range(n)} for n in (52, 82)]
    Recommender(*sides, max_iter=1).fit(*RATED, times=np.arange(len(RATED[0]))).save(path)
    new = {
        "short": lambda array: array[:-1],
        "text": lambda array: array.astype(str),
        "not finite": lambda array: array.astype(float) * np.nan,
    }[how]
    damaged(path, lambda arrays: {name: new(arrays[name])})
    with pytest.raises(InputError, match=r"model.npz is not a saved recommender"):
        Recommender.load(path)


STRANGE = {
    "format": {"format": 2},
    "bounds of one number": {"options": {"bounds": 3}},
    "bounds of text": {"options": {"bounds": ["a", "b"]}},
    "an unknown option": {"options": {"colour": 1}},
    "steps": {"options": {"max_iter": "x"}},
    "a seed": {"options": {"random_state": "x"}},
    "another network": {"network": "Spline(2)"},
    "users without names": {"users": [None]},
    "lists of users": {"users": [[1]]},
    "items twice": {"items": ["a", "a"]},
    "a range of text": {"range": ["a", "b"]},
    "an empty range": {"range": [5, 1]},
    "noise of less than nothing": {"covariance": [-1, 0, 1]},
    "texts for a covariance": {"covariance": "abc"},
    "sessions of no length": {"covariance": [1, 0, 0]},
    "no level": {"model": [None, 1, 1]},
    "an endless level": {"model": [10**400, 1, 1]},
}


@pytest.mark.parametrize("name", STRANGE)
def test_saved_recommenders_of_another_kind_are_refused(tmp_path, name):
    path = tmp_path / "model.npz"
    Recommender(max_iter=0, noise=0.3).fit(["a", "a", "b"], ["x", "y", "x"], [1, 2, 3]).save(path)

    def changed(arrays):
        text = json.loads(str(arrays["text"]))
        for field, value in STRANGE[name].items():
            if isinstance(value, dict):
                text[field] |= value
            elif field in ("users", "items"):  # as many as there are
                text[field] = (value * 2)[:2]
            else:
                text[field] = value
        return {"text": np.array(json.dumps(text))}

    assert Recommender.load(path).users_ == ["a", "b"]
    damaged(path, changed)
    with pytest.raises(InputError, match=r"model\.npz is not a saved recommender"):
        Recommender.load(path)


def test_ratings_of_other_items_are_refused(tmp_path, model):
    model.save(tmp_path / "model.npz")
    damaged(tmp_path / "model.npz", lambda arrays: {"items": arrays["items"] + 100})
    with pytest.raises(InputError, match="items that are not there"):
        Recommender.load(tmp_path / "model.npz")


def test_ids_that_cannot_be_saved_are_refused(tmp_path):
    model = Recommender().fit([("a",), ("a",), ("b",)], ["x", "y", "x"], [1, 2, 3])
    with pytest.raises(InputError, match="strings or numbers; got"):
        model.save(tmp_path / "model.npz")
    assert not list(tmp_path.iterdir())


def test_the_same_input_gives_the_same_bytes(model):
    users, items = unrated()
    again = Recommender(bounds=None).fit(*RATED)
    assert again.predict(users, items).tobytes() == model.predict(users, items).tobytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["a"], ["x"], [np.nan]), "ratings must be finite numbers"),
        ((["a", "b"], ["x"], [1, 2]), "as many items as users; expected 2; got 1"),
        ((["a", "b"], ["x", "x"], [1, 1]), "all ratings are equal: clicks"),
        ((["a", None], ["x", "x"], [1, 2]), "user ids must be hashable and not missing"),
        (("ab", ["x", "x"], [1, 2]), "users must be a sequence of ids"),
        ((np.eye(3),), "three arrays, a data frame"),
        ((pd.DataFrame({"a": [1], "b": [1]}),), "needs columns user, item and rating"),
        (([], [], []), "there are no ratings"),
    ],
)
def test_ratings_that_cannot_be_used(arguments, message):
    with pytest.raises(InputError, match=message):
        Recommender().fit(*arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise": 0}, "noise must be a number > 0"),
        ({"bounds": (5, 1)}, "bounds must be"),
        ({"bounds": 5}, "bounds must be"),
        ({"bounds": ("a", "b")}, "bounds must be"),
        ({"bounds": np.array([5, 1])}, "bounds must be"),
        ({"bounds": (1, 10**400)}, "bounds must be"),
        ({"noise": 10**400}, "noise must be a number > 0"),
        ({"random_state": "x"}, "random_state must be an integer"),
        ({"network": "hourglass(1)"}, r"network must be None or a Sequential; .*nn\.parse"),
        ({"max_iter": -1}, "max_iter must be an integer"),
        ({"item_features": [[1.0]]}, "item_features must say which vector"),
        ({"item_features": {"x": [1.0]}}, "no item features for 1 of 2 items; got 'y'"),
        ({"user_features": {"a": [1.0], "b": [np.nan]}}, "vectors of finite numbers"),
    ],
)
def test_parameters_that_cannot_be_used(options, message):
    with pytest.raises(InputError, match=message):
        Recommender(**options).fit(["a", "a", "b"], ["x", "y", "x"], [1, 2, 3])


def test_repeated_ratings_are_averaged_with_a_warning():
    with pytest.warns(UserWarning, match="1 ratings repeat"):
        model = Recommender().fit(list("aabb"), list("xxxy"), [1, 3, 3, 4])
    assert model._profile("a").residuals + model._model.means[0] == pytest.approx(2)


def test_memory_is_estimated_before(monkeypatch):
    monkeypatch.setattr("ntkfill.runtime.resources.available", lambda: 10_000)
    with pytest.raises(MemoryLimitError, match="learning from the ratings needs"):
        Recommender().fit(*RATED)


@pytest.mark.slow
def test_frames_of_dask():
    dd = pytest.importorskip("dask.dataframe")
    made = simulate(users=30, items=20, count=300, rank=2)
    frame = pd.DataFrame({"user": made.users, "item": made.items, "rating": made.ratings})
    expected = Recommender().fit(frame).predict([0, 1], [2, 3])
    model = Recommender().fit(dd.from_pandas(frame, npartitions=3))
    np.testing.assert_array_equal(model.predict([0, 1], [2, 3]), expected)
