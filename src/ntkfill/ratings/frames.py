"""Ratings as people hold them, read into arrays: three arrays, a data frame, a sparse matrix."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..errors import InputError, warn
from ..kernels.table import Array

# Names that columns of data frames have in other libraries, without their capitals.
NAMES = {
    "users": ("user", "users", "userid", "user_id", "uid", "u"),
    "items": ("item", "items", "itemid", "item_id", "iid", "i", "movie", "movieid", "movie_id"),
    "ratings": ("rating", "ratings", "r", "score", "value"),
    "times": ("time", "times", "timestamp", "date", "t"),
}
# A rating is far from so many or more others if it is so many times as far as they are apart.
FAR, MIN_REST = 2.0, 10


@dataclass(frozen=True, eq=False)
class Ratings:
    """Ratings as arrays.

    Parameters
    ----------
    users, items : list of n ids
    values : float array of shape (n,)
    times : float array of shape (n,), optional
    weights : float array of shape (n,)
    """

    users: list[Hashable]
    items: list[Hashable]
    values: Array
    times: Array | None
    weights: Array

    def part(self, kept: NDArray[np.bool_]) -> Ratings:
        """Some of them."""
        users, items = (
            [name for name, keep in zip(names, kept, strict=True) if keep]
            for names in (self.users, self.items)
        )
        times = None if self.times is None else self.times[kept]
        return Ratings(users, items, self.values[kept], times, self.weights[kept])


def read(
    users: Any, items: Any = None, ratings: Any = None, times: Any = None, weights: Any = None
) -> Ratings:
    """Ratings in any of the forms that `Recommender.fit` takes.

    >>> read(["a", "b"], ["x", "x"], [1, 5]).values
    array([1., 5.])
    """
    if items is None and ratings is None:
        if sparse.issparse(users):
            table = users.tocoo()
            users, items, ratings = table.row, table.col, table.data
        elif hasattr(users, "columns"):
            if hasattr(users, "dask"):  # three columns of what fits into memory
                users = users.compute()
            users, items, ratings, times = _columns(users, times)
    if items is None or ratings is None:
        raise InputError(
            "ratings must be three arrays, a data frame of users, items and ratings, or a sparse "
            "matrix of users by items",
            got=type(users).__name__,
        )
    names = as_ids(users, "user"), as_ids(items, "item")
    values = as_numbers(ratings, "ratings")
    given = {"items": len(names[1]), "ratings": len(values)}
    if times is not None:
        times = as_times(times)
        given["times"] = len(times)
    weights = np.ones(len(values)) if weights is None else as_numbers(weights, "sample_weight")
    given["sample_weight"] = len(weights)
    check_lengths(len(names[0]), given)
    if not len(values):
        raise InputError("there are no ratings")
    if not (weights > 0).all():
        raise InputError("sample_weight must be > 0", hint="leave ratings of weight 0 out")
    return merged(Ratings(*names, values, times, weights))


def merged(ratings: Ratings) -> Ratings:
    """The same with one rating, the mean, where a user rated an item several times; warns."""
    (user, _), (item, names) = numbered(ratings.users), numbered(ratings.items)
    _, first, group = np.unique(user * len(names) + item, return_index=True, return_inverse=True)
    repeated = len(group) - len(first)
    if not repeated:
        return ratings
    warn(f"{repeated} ratings repeat a user and an item: the mean counts", UserWarning)
    weights = np.bincount(group, ratings.weights)
    mean = np.bincount(group, ratings.weights * ratings.values) / weights
    last = np.zeros(len(first), np.intp)
    last[group] = np.arange(len(group))  # the time is that of the last of them
    times = None if ratings.times is None else ratings.times[last]
    users, items = ([of[k] for k in first] for of in (ratings.users, ratings.items))
    return Ratings(users, items, mean, times, weights)


def in_order(ratings: Ratings) -> Ratings:
    """The same sorted by user and item, so that nothing depends on the order of the rows.

    >>> in_order(read(["b", "a", "b"], ["y", "y", "x"], [1, 2, 3])).values
    array([2., 3., 1.])
    """
    users, items = ratings.users, ratings.items
    order = np.lexsort((_places(items), _places(users)))
    times = None if ratings.times is None else ratings.times[order]
    return Ratings(
        [users[k] for k in order],
        [items[k] for k in order],
        ratings.values[order],
        times,
        ratings.weights[order],
    )


def _places(names: list[Hashable]) -> NDArray[np.intp]:
    """The place of each name among all of them, sorted."""
    every: list[Any] = list(set(names))
    strings = all(isinstance(name, str) for name in every)
    if strings or all(isinstance(name, int | float | np.number) for name in every):
        every.sort()
    else:
        every.sort(key=lambda name: (type(name).__name__, repr(name)))
    place = {name: k for k, name in enumerate(every)}
    return np.array([place[name] for name in names], np.intp)


def check_outliers(values: Array) -> None:
    """Warn of a rating that is far from all others, to which predictions would reach."""
    for mark in (values.min(), values.max()):
        rest = values[values != mark]
        if len(values) - len(rest) == 1 and len(rest) >= MIN_REST:
            low, high = float(rest.min()), float(rest.max())
            if 0 < FAR * (high - low) < min(abs(mark - low), abs(mark - high)):
                warn(
                    f"one rating is {mark:g}, all others are from {low:g} to {high:g}: if it is a "
                    f"mistake, correct it, or give bounds=({low:g}, {high:g})",
                    UserWarning,
                )


def numbered(names: list[Hashable]) -> tuple[NDArray[np.intp], dict[Hashable, int]]:
    """The number of each name, from 0 in the order of appearance, and of which names.

    >>> numbered(["b", "a", "b"])
    (array([0, 1, 0]), {'b': 0, 'a': 1})
    """
    found: dict[Hashable, int] = {}
    return np.array([found.setdefault(name, len(found)) for name in names], np.intp), found


def as_ids(names: Any, what: str) -> list[Hashable]:
    """Ids as a list of plain objects; one that cannot be hashed is refused."""
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise InputError(f"{what}s must be a sequence of ids", got=repr(names), hint=f"[{names!r}]")
    found = names.tolist() if hasattr(names, "tolist") else list(names)
    for name in found:
        same = name == name  # not so of NaN; no answer of pandas.NA
        known = isinstance(same, bool | np.bool_) and same
        if not isinstance(name, Hashable) or name is None or not known:
            raise InputError(f"{what} ids must be hashable and not missing", got=repr(name))
    return found


def as_numbers(values: Any, what: str) -> Array:
    """Finite numbers of shape (n,)."""
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        found = np.full(1, np.nan)
    if found.ndim != 1 or not np.isfinite(found).all():
        raise InputError(f"{what} must be finite numbers, one per rating", hint="drop missing ones")
    return found


def as_times(times: Any, *, gaps: bool = False) -> Array:
    """Times as numbers (n,): seconds of dates, in UTC unless they say otherwise, other numbers as
    they are; NaN where there are gaps.

    >>> as_times(np.array(["2000-01-01", "NaT"], "M8[s]"), gaps=True)
    array([9.466848e+08,          nan])
    >>> as_times(["2000-01-01T01:00+01:00", "2000-01-01", "12.5"])
    array([9.466848e+08, 9.466848e+08, 1.250000e+01])
    """
    found = np.asarray(times)
    if found.dtype.kind == "M":
        known = ~np.isnat(found)
        found = np.where(known, found.astype("datetime64[ms]").astype(np.int64) / 1e3, np.nan)
    elif found.dtype.kind in "OU":
        found = np.array([_seconds(each) for each in found.tolist()], dtype=np.float64)
    elif gaps:
        found = found.astype(np.float64)
    return found if gaps else as_numbers(found, "times")


def _seconds(when: Any) -> float:
    """A number, or the seconds of a date; NaN where it is missing."""
    if when is None or when != when or when == "":
        return math.nan
    try:
        return float(when)
    except (TypeError, ValueError):
        pass
    try:
        date = when if isinstance(when, datetime) else datetime.fromisoformat(str(when).strip())
    except ValueError:
        raise InputError(
            "times must be numbers or dates",
            expected="seconds, or dates such as 2024-05-31 or 2024-05-31T12:00:00+02:00",
            got=repr(when),
        ) from None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def check_lengths(count: int, given: dict[str, int]) -> None:
    """As many of everything as there are users."""
    for name, length in given.items():
        if length != count:
            raise InputError(f"as many {name} as users", expected=str(count), got=str(length))


def _columns(frame: Any, times: Any) -> list[Any]:
    """Users, items, ratings and times of a data frame: by their usual names, else in this order."""
    names = [str(name).lower() for name in frame.columns]
    places = [
        next((j for j, name in enumerate(names) if name in usual), None) for usual in NAMES.values()
    ]
    if None in places[:3]:
        if len(names) != 3:
            raise InputError(
                "a data frame of ratings needs columns user, item and rating",
                got=", ".join(map(str, frame.columns)),
                hint="frame[['user', 'item', 'rating']]",
            )
        places = [0, 1, 2, None]
    found = [None if at is None else frame[frame.columns[at]].to_numpy() for at in places]
    return [*found[:3], found[3] if times is None else times]
