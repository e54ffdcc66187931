"""The recommender: predicts ratings, and says what each prediction is made of."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from ..errors import InputError, as_float, check_finite, check_integer, check_number, warn
from ..io.files import naming
from ..kernels.table import Array
from ..nn import Sequential, fully_connected
from ..runtime.progress import Progress, reporter
from ..runtime.resources import require, single_blas_thread
from ..solvers.linalg import cholesky, solve
from . import serialization
from .covariance import Profile
from .features import UserPrior, of_ids, read_features
from .frames import as_ids, as_times, check_lengths, check_outliers, in_order, numbered, read
from .models import Coded, fit_model

# The parameters that are stored as JSON; the network and features are stored beside them.
OPTIONS = ("bounds", "max_iter", "noise", "max_learned_items", "random_state")


@dataclass(frozen=True, eq=False)
class RatingExplanation:
    """A predicted rating as a sum over the ratings that the user gave.

    ``value == baseline + sum(weights * ratings)``, before it is clipped to the bounds.

    Parameters
    ----------
    user, item : hashable
    items : list of n ids
    ratings, weights : float arrays of shape (n,)
    baseline : float
        What the means of the items contribute.
    value : float

    Examples
    --------
    >>> explanation = RatingExplanation("Ann", "x", ["y", "z"], np.array([5.0, 1.0]),
    ...                                 np.array([0.5, 0.1]), 1.0, 3.6)
    >>> explanation.largest(1)
    [('y', 5.0, 0.5)]
    """

    user: Hashable
    item: Hashable
    items: list[Hashable]
    ratings: Array
    weights: Array
    baseline: float
    value: float

    def __post_init__(self) -> None:
        check_finite("the explanation", self.weights, np.array([self.baseline, self.value]))

    def largest(self, n: int = 10) -> list[tuple[Hashable, float, float]]:
        """The n ratings with the largest absolute weights: item, rating and weight."""
        order = np.argsort(-np.abs(self.weights), kind="stable")[:n]
        return [(self.items[k], float(self.ratings[k]), float(self.weights[k])) for k in order]


class Recommender(BaseEstimator):  # type: ignore[misc]
    """Predict ratings of items by users.

    What a user gives to items, beyond their means, is a draw of a Gaussian process over the items.
    Its covariance starts as the network's neural tangent kernel of the items, each described by who
    rated it and by its features, and is fitted to the ratings by expectation maximisation. With
    times, ratings that a user made within a short time are correlated as well. A prediction is the
    posterior mean given all ratings of the user: a weighted sum of them, in closed form.

    Ratings say how much an item is liked. Clicks, views and purchases (implicit feedback), of which
    only one value exists, are refused.

    Parameters
    ----------
    item_features, user_features : data frame or mapping, optional
        Finite numbers by id: a pandas frame with ids as its index, or a mapping from id to vector,
        for all items (users) with ratings. Those without ratings are predicted from their features.
    network : Sequential, optional
        Of Dense layers and activations; the default is `nn.fully_connected()`.
    bounds : pair of floats or "data", optional
        Predictions are clipped to these; "data" is the range of the ratings, None no bounds.
    max_iter : int
        Iterations of expectation maximisation.
    noise : float or "auto"
        The noise variance, relative to the variance on the items' means; "auto" chooses it, and the
        covariance of ratings that were made together, by a twentieth of the ratings that is held
        out from the learning.
    max_learned_items : int
        The covariance is learned among so many of the most rated items, and carried over to the
        others by the network's kernel: the cost grows with the cube of it.
    random_state : int
        Of what is held out.
    progress : bool or callable, optional
        A progress bar, or a function that is called with the share of the work that is done.

    Attributes
    ----------
    users_, items_ : list of ids
        Items without ratings, but with features, come after those with ratings.
    covariance_ : ItemCovariance
        Of the items, with the noise variance.
    level_ : float
        The overall mean.
    held_out_rmse_ : float
        The error on the held-out ratings, which chose the noise; NaN without any.

    References
    ----------
    Radhakrishnan et al. 2022, doi:10.1073/pnas.2115064119, for the kernel; Yu, Lafferty, Zhu and
    Gong 2009, doi:10.1145/1553374.1553525, for ratings as draws of Gaussian processes.

    Examples
    --------
    >>> users = ["Ann", "Ann", "Bob", "Bob", "Cid", "Cid", "Cid", "Dan", "Dan"]
    >>> items = list("ABABABCAC")
    >>> model = Recommender(noise=0.3).fit(users, items, [5, 1, 4, 1, 1, 5, 4, 5, 2])
    >>> liked, disliked = model.predict(["Dan", "Bob"], ["B", "C"])
    >>> bool(liked < 3), bool(disliked < 3)
    (True, True)
    """

    def __init__(
        self,
        item_features: Any = None,
        user_features: Any = None,
        *,
        network: Sequential | None = None,
        bounds: tuple[float, float] | Literal["data"] | None = "data",
        max_iter: int = 10,
        noise: float | Literal["auto"] = "auto",
        max_learned_items: int = 5000,
        random_state: int = 0,
        progress: bool | Progress | None = None,
    ) -> None:
        self.item_features = item_features
        self.user_features = user_features
        self.network = network
        self.bounds = bounds
        self.max_iter = max_iter
        self.noise = noise
        self.max_learned_items = max_learned_items
        self.random_state = random_state
        self.progress = progress

    @single_blas_thread()
    def fit(
        self,
        users: Any,
        items: Any = None,
        ratings: Any = None,
        *,
        times: Any = None,
        sample_weight: Any = None,
    ) -> Self:
        """Learn the covariance of the items, and solve for every user.

        Parameters
        ----------
        users : n hashable ids, data frame or sparse matrix
            A data frame has columns user, item, rating and, optionally, timestamp (other usual
            names are found too), or these three in this order; of dask it is read into memory. In a
            sparse matrix of users by items what is stored is a rating, also a zero; ids are numbers
            from 0.
        items : n hashable ids
        ratings : float array of shape (n,)
        times : array of shape (n,), optional
            When each rating was made: numbers or datetime64.
        sample_weight : array of shape (n,), optional
            The noise variance of a rating is divided by it, e.g. the inverse of the propensity that
            it was made (`ratings.propensities`).

        Returns
        -------
        Recommender
            The same.

        Raises
        ------
        InputError
            If the ratings cannot be read, are all equal, or a parameter is out of range.
        MemoryLimitError
            If the covariance of the items does not fit into memory.
        """
        self._check_parameters()
        given = in_order(read(users, items, ratings, times, sample_weight))
        if np.ptp(given.values) == 0:
            raise InputError(
                "all ratings are equal: clicks and purchases do not say what is disliked",
                hint="ratings on a scale, or counts of use as ratings",
            )
        if self.bounds == "data":
            check_outliers(given.values)
        side = {
            what: {} if features is None else read_features(features, what)
            for what, features in (("user", self.user_features), ("item", self.item_features))
        }
        users, self._user_codes = numbered(given.users)
        items, self._item_codes = numbered(given.items)
        for name in side["item"]:  # those that only have features come last
            self._item_codes.setdefault(name, len(self._item_codes))
        self.users_: list[Hashable] = list(self._user_codes)
        self.items_: list[Hashable] = list(self._item_codes)
        sizes = len(self.users_), len(self.items_)
        self._require_memory(sizes, len(given.values))
        self._range = float(given.values.min()), float(given.values.max())
        features = of_ids(side["item"], self.items_, "item") if side["item"] else None
        data = Coded(users, items, given.values, given.times, given.weights)
        self._model = fit_model(
            data,
            sizes,
            features,
            self._network,
            max_iter=self.max_iter,
            noise=None if self.noise == "auto" else self.noise,
            max_learned_items=self.max_learned_items,
            random_state=self.random_state,
            progress=reporter(self.progress, "fit"),
        )
        self._user_features, self._user_prior = side["user"], None
        if side["user"]:
            self._user_prior = UserPrior.fit(
                of_ids(side["user"], self.users_, "user"),
                self._model.profiles,
                self._model.covariance,
                self._network,
            )
        self.level_, self.covariance_ = self._model.level, self._model.covariance
        self.held_out_rmse_ = self._model.held_out_rmse
        return self

    @single_blas_thread()
    def predict(
        self, users: Any, items: Any, *, times: Any = None, return_std: bool = False
    ) -> Array | tuple[Array, Array]:
        """Predict ratings of pairs of users and items.

        A user without ratings is predicted from `user_features`, or else by the mean of the item;
        an item without ratings from `item_features`, or else by what the user gives to all items.
        Ids that are not known in either way draw a warning.

        Parameters
        ----------
        users, items : n hashable ids
        times : array of shape (n,), optional
            When the ratings will be made; without them, and where one is NaN, long before or after
            all others.
        return_std : bool
            Also return standard deviations of such ratings.

        Returns
        -------
        array of shape (n,), or a pair of them

        Raises
        ------
        InputError
            If the lengths differ.
        """
        check_is_fitted(self)
        users, items = as_ids(users, "user"), as_ids(items, "item")
        check_lengths(
            len(users), {"items": len(items)} | ({} if times is None else {"times": len(times)})
        )
        when = None if times is None else as_times(times, gaps=True)
        values, variances = np.empty(len(users)), np.empty(len(users))
        codes = np.array([self._item_codes.get(name, -1) for name in items], np.intp)
        places: dict[Hashable, list[int]] = {}
        for k, name in enumerate(users):
            places.setdefault(name, []).append(k)
        for name, rows in places.items():
            at = None if when is None else when[rows]
            values[rows] = self._values(name, codes[rows], at)
            if return_std:
                profile = self._profile(name)
                variances[rows] = self.covariance_.variance(codes[rows], at, profile)
        strangers = len(set(users) - self._user_codes.keys() - self._user_features.keys())
        if strangers or (codes < 0).any():
            warn(
                f"{strangers} users and {len({items[k] for k in np.flatnonzero(codes < 0)})} items "
                "have neither ratings nor features: means are predicted",
                UserWarning,
            )
        values = self._clipped(values)
        check_finite("the prediction", values)
        if not return_std:
            return values
        std = self._model.std_scale * np.sqrt(variances)
        check_finite("the standard deviation", std)
        return values, std

    @single_blas_thread()
    def recommend(
        self, user: Hashable, n: int = 10, *, filter_seen: bool = True
    ) -> tuple[list[Hashable], Array]:
        """The items with the highest predicted ratings; a user that is not known draws a warning.

        Parameters
        ----------
        user : hashable
        n : int
        filter_seen : bool
            Leave out what the user has rated.

        Returns
        -------
        items : list of at most n ids
        ratings : array, the highest first, not clipped
        """
        check_is_fitted(self)
        check_integer("n", n, 1, 10**9)
        if user not in self._user_codes and user not in self._user_features:
            warn(
                f"user {user!r} has neither ratings nor features: items with the highest means are "
                "recommended",
                UserWarning,
            )
        values = self._values(user, np.arange(len(self.items_)), None)
        check_finite("the prediction", values)
        if filter_seen:
            values[self._profile(user).items] = -np.inf
        order = np.argsort(-values, kind="stable")[:n]
        order = order[np.isfinite(values[order])]
        return [self.items_[k] for k in order], values[order]

    def similar_items(self, item: Hashable, n: int = 10) -> tuple[list[Hashable], Array]:
        """The items whose ratings correlate most with those of an item.

        Parameters
        ----------
        item : hashable
        n : int

        Returns
        -------
        items : list of at most n ids
        correlations : array, the highest first
        """
        check_is_fitted(self)
        check_integer("n", n, 1, 10**9)
        code = self._item_code(item)
        values = self.covariance_.values
        found = values[code] / np.sqrt(values[code, code] * values.diagonal())
        check_finite("the correlation", found)
        order = np.argsort(-found, kind="stable")
        order = order[order != code][:n]
        return [self.items_[k] for k in order], found[order].astype(np.float64)

    @single_blas_thread()
    def explain(self, user: Hashable, item: Hashable, *, time: Any = None) -> RatingExplanation:
        """The user's ratings that a prediction is made of, with their weights.

        Parameters
        ----------
        user : hashable
            With ratings.
        item : hashable
        time : number or datetime64, optional

        Returns
        -------
        RatingExplanation

        Raises
        ------
        InputError
            If the user or the item is not known.
        """
        check_is_fitted(self)
        profile, code = self._profile(user), self._item_code(item)
        if not len(profile.items):
            raise InputError("there are no ratings of this user", got=repr(user), hint="fold_in")
        at = None if time is None else as_times([time], gaps=True)
        cross = self.covariance_.between(np.array([code]), at, profile).T
        weights = solve(cholesky(self.covariance_.system(profile)), cross)[:, 0].astype(np.float64)
        means = self._model.means[profile.items]
        ratings = profile.residuals + means
        baseline = float(self._model.means[code] - weights @ means)
        names = [self.items_[k] for k in profile.items]
        value = baseline + float(weights @ ratings)
        return RatingExplanation(user, item, names, ratings, weights, baseline, value)

    @single_blas_thread()
    def fold_in(self, user: Hashable, items: Any, ratings: Any, *, times: Any = None) -> Self:
        """Add ratings of a user, new or known, without fitting again.

        The covariance and the means of the items stay as they are. A rating of an item that the
        user has rated takes the place of the former.

        Parameters
        ----------
        user : hashable
        items : n hashable ids, fitted
        ratings : float array of shape (n,)
        times : array of shape (n,), optional

        Returns
        -------
        Recommender
            The same.

        Raises
        ------
        InputError
            If an item is not known, or the model was fitted with times and there are none.
        """
        check_is_fitted(self)
        names = as_ids(items, "item")
        given = read([user] * len(names), names, ratings, times)
        timed = self.covariance_.session > 0
        if timed != (given.times is not None):
            raise InputError(
                "times are needed for all ratings or for none",
                got=f"{'some' if timed else 'none'} in fit, {'none' if timed else 'some'} here",
            )
        codes = np.array([self._item_code(name) for name in given.items])
        old = self._profile(user)
        kept = old.part(~np.isin(old.items, codes))
        residuals = (given.values - self._model.means[codes]).astype(np.float32)
        profile = Profile(
            np.append(kept.items, codes),
            np.append(kept.residuals, residuals),
            np.append(kept.scales, np.ones(len(codes), np.float32)),
            None if given.times is None else np.append(kept.times, given.times),  # type: ignore[arg-type]
        )
        solved = self.covariance_.solved(profile)
        if user in self._user_codes:
            self._model.profiles[self._user_codes[user]] = solved
        else:
            self._user_codes[user] = len(self.users_)
            self.users_.append(user)
            self._model.profiles.append(solved)
        return self

    def save(self, path: str | Path) -> None:
        """Write the fitted recommender as one .npz of plain arrays, without pickles.

        Ids must be strings, integers, floats or truth values.

        Raises
        ------
        InputError
            If an id is of another kind, or the file cannot be written.
        """
        check_is_fitted(self)
        options = {name: getattr(self, name) for name in OPTIONS}
        serialization.write(
            Path(path),
            serialization.Stored(
                options, self._network, self.users_, self.items_, self._range, self._model,
                self._user_features, self._user_prior,
            ),
        )  # fmt: skip

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        InputError
            If the file is not a saved recommender.
        """
        stored = serialization.read(Path(path))
        with naming(Path(path), serialization.REFUSED):
            found = cls(network=stored.network, **stored.options)
            found._check_parameters()
        found.users_, found.items_, found._range = stored.users, stored.items, stored.range
        found._user_codes = {name: k for k, name in enumerate(stored.users)}
        found._item_codes = {name: k for k, name in enumerate(stored.items)}
        found._model = stored.model
        found._user_features, found._user_prior = stored.user_features, stored.user_prior
        found.level_, found.covariance_ = stored.model.level, stored.model.covariance
        found.held_out_rmse_ = stored.model.held_out_rmse
        return found

    @property
    def _network(self) -> Sequential:
        return fully_connected() if self.network is None else self.network

    def _check_parameters(self) -> None:
        check_integer("max_iter", self.max_iter, 0, 10**6)
        check_integer("max_learned_items", self.max_learned_items, 1, 10**9)
        if self.noise != "auto":
            check_number("noise", self.noise, above=0)
        check_integer("random_state", self.random_state, 0, 2**63 - 1)
        if not _are_bounds(self.bounds):
            raise InputError("bounds must be (low, high), 'data' or None", got=repr(self.bounds))
        if not isinstance(self._network, Sequential):
            raise InputError(
                "network must be None or a Sequential",
                got=repr(self.network),
                hint="ntkfill.nn.fully_connected(), or ntkfill.nn.parse(text) for its repr",
            )

    def _require_memory(self, sizes: tuple[int, int], count: int) -> None:
        """Refuse what does not fit: the kernel of the items and its copies, and the ratings."""
        learned = min(sizes[1], self.max_learned_items)
        covariance = 4 * (3 * sizes[1] ** 2 + 2 * learned**2)
        if self.item_features is not None:
            covariance += 16 * sizes[1] ** 2
        require("learning from the ratings", covariance + 200 * count, hint="fewer items")

    def _item_code(self, item: Hashable) -> int:
        if item not in self._item_codes:
            raise InputError("there is no such item", got=repr(item))
        return self._item_codes[item]

    def _profile(self, user: Hashable) -> Profile:
        if user in self._user_codes:
            return self._model.profiles[self._user_codes[user]]
        times = np.empty(0) if self.covariance_.session else None
        empty = np.empty(0, np.float32)
        return Profile(np.empty(0, np.intp), empty, empty, times, empty)

    def _values(self, user: Hashable, codes: NDArray[np.intp], times: Array | None) -> Array:
        """Predictions for one user, not clipped; items of code -1 are not known."""
        profile, known = self._profile(user), codes >= 0
        means = np.where(known, self._model.means[codes], self.level_)
        if user not in self._user_codes:
            if user in self._user_features and self._user_prior is not None:
                own = self._user_prior.mean(self._user_features[user][None])[0]
                means += np.where(known, own[codes], own.mean())
            return means
        if known.all():
            return means + self.covariance_.mean(codes, times, profile)
        every = self.covariance_.mean(np.arange(len(self.items_)), None, profile)
        return means + np.where(known, every[codes], every.mean())

    def _clipped(self, values: Array) -> Array:
        bounds = self._range if self.bounds == "data" else self.bounds
        return values if bounds is None else np.clip(values, *bounds)


def _are_bounds(bounds: Any) -> bool:
    if bounds is None or isinstance(bounds, str):
        return bounds in (None, "data")
    pair = isinstance(bounds, tuple | list | np.ndarray) and len(bounds) == 2
    return pair and as_float(bounds[0]) < as_float(bounds[1])
