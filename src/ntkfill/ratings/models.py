"""A model of ratings: means of items, the covariance of items, and the solved profiles of users."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ..kernels.table import Array
from ..nn import Sequential
from ..observed import Mask
from ..runtime.progress import Progress
from ..selection import hold_out
from ..solvers.linalg import cholesky, solve
from ..tables.features import Features
from .covariance import ItemCovariance, Items, Profile, learn
from .features import item_kernel

# Variances before anything is learned, relative to the mean square of the residuals: what a user
# gives to all items alike, an item's own part, what the kernel says; noise; what is made at once.
LEVEL, OWN, KERNEL = 0.15, 0.12, 0.25
NOISE, SESSION = 0.55, 0.22
# What is tried on held-out ratings once the covariance is learned.
NOISES, SESSIONS = (0.4, 0.55, 0.7, 0.85), (0.0, 0.11, 0.22, 0.44)
HELD_OUT, MAX_HELD_OUT = 0.05, 20_000
# Users that the noise is chosen on, at most twice as many.
CHOOSERS = 1000
# The effects of users and items count as so many ratings of zero.
SHRINKAGE = 5.0
ROUNDS = 15


@dataclass(frozen=True, eq=False)
class Coded:
    """Ratings whose users and items are numbered from 0; times may be None."""

    users: NDArray[np.intp]
    items: Items
    values: Array
    times: Array | None
    weights: Array

    def part(self, kept: Mask) -> Coded:
        """Some of them."""
        times = None if self.times is None else self.times[kept]
        return Coded(
            self.users[kept], self.items[kept], self.values[kept], times, self.weights[kept]
        )

    def profiles(self, means: Array, count: int) -> list[Profile]:
        """The profile of each of `count` users, given the means of the items."""
        order = np.argsort(self.users, kind="stable")
        ends = np.searchsorted(self.users[order], np.arange(count + 1))
        residuals = (self.values - means[self.items]).astype(np.float32)
        scales = (1 / self.weights).astype(np.float32)
        every = Profile(self.items, residuals, scales, self.times)
        return [every.part(order[i:j]) for i, j in itertools.pairwise(ends)]


@dataclass(frozen=True, eq=False)
class RatingModel:
    """What is learned from ratings.

    Parameters
    ----------
    level : float
        The overall mean.
    means : array of shape (items,)
        Of the items, shrunk to the level or to what their features say.
    covariance : ItemCovariance
    profiles : list of Profile
        Solved, one per user.
    std_scale : float
        Held-out errors over predicted standard deviations.
    held_out_rmse : float
    """

    level: float
    means: Array
    covariance: ItemCovariance
    profiles: list[Profile]
    std_scale: float = 1.0
    held_out_rmse: float = float("nan")


def fit_model(
    data: Coded,
    sizes: tuple[int, int],
    features: Array | None,
    network: Sequential,
    *,
    max_iter: int,
    noise: float | None,
    max_learned_items: int,
    random_state: int,
    progress: Progress | None,
) -> RatingModel:
    """Learn from ratings of so many users and items; choose the noise where there is none."""
    held_out = np.zeros(len(data.values), bool)
    if noise is None:
        share = min(HELD_OUT, MAX_HELD_OUT / len(held_out))
        held_out = hold_out(~held_out, share, np.random.default_rng(random_state))
    seen = data.part(~held_out)
    _, means = item_means(seen, sizes, features, network)
    profiles = seen.profiles(means, sizes[0])
    size = float(np.mean([np.mean(p.residuals**2) for p in profiles if len(p.items)])) or 1.0
    counts = np.bincount(seen.items, minlength=sizes[1])
    ones = np.ones(len(seen.items), np.float32)
    rated = csr_array((ones, (seen.items, seen.users)), shape=(sizes[1], sizes[0]))
    values = item_kernel(rated, features, network)
    values *= np.float32(KERNEL * size)
    values += np.float32(LEVEL * size)
    values[np.diag_indices(len(values))] += np.float32(OWN * size)
    covariance = ItemCovariance(values, size * (NOISE if noise is None else noise))
    if data.times is not None:
        duration = session_duration(data.users, data.times)
        covariance = replace(covariance, session=SESSION * size, duration=duration)
    landmarks = np.argsort(-counts, kind="stable")[:max_learned_items]
    covariance = learn(covariance, profiles, max_iter, landmarks, progress)
    rmse, std_scale = float("nan"), 1.0
    if held_out.any():
        hidden = data.part(held_out).profiles(means, sizes[0])
        covariance, rmse, std_scale = choose_noise(covariance, profiles, hidden, size)
    level, means = item_means(data, sizes, features, network)
    solved = [covariance.solved(p) for p in data.profiles(means, sizes[0])]
    return RatingModel(level, means, covariance, solved, std_scale, rmse)


def item_means(
    data: Coded, sizes: tuple[int, int], features: Array | None, network: Sequential
) -> tuple[float, Array]:
    """The overall mean, and the means of all items: ridge regression on users and items in turns.

    With features half of the prior covariance of the items' effects is the network's kernel.
    """
    users, items, weights = data.users, data.items, data.weights
    level = float(np.average(data.values, weights=weights))
    of_user, of_item = (
        np.bincount(codes, weights, minlength=size)
        for codes, size in zip((users, items), sizes, strict=True)
    )
    smooth: Callable[[Array], Array] = lambda sums: sums / (of_item + SHRINKAGE)  # noqa: E731
    if features is not None:
        kernel = Features.of(features, network).kernel().values
        kernel /= 2 * kernel.diagonal().mean()
        kernel[np.diag_indices(len(kernel))] += 0.5
        rated = np.flatnonzero(of_item)
        system = kernel[np.ix_(rated, rated)]
        system[np.diag_indices(len(rated))] += SHRINKAGE / of_item[rated]
        lower = cholesky(system)

        def smooth(sums: Array) -> Array:
            found = (sums[rated] / of_item[rated])[:, None]
            return (kernel[:, rated] @ solve(lower, found))[:, 0]

    user_effects, item_effects = np.zeros(sizes[0]), np.zeros(sizes[1])
    for _ in range(ROUNDS):
        left = weights * (data.values - level - user_effects[users])
        item_effects = smooth(np.bincount(items, left, minlength=sizes[1]))
        left = weights * (data.values - level - item_effects[items])
        user_effects = np.bincount(users, left, minlength=sizes[0]) / (of_user + SHRINKAGE)
    return level, level + item_effects


def session_duration(users: NDArray[np.intp], times: Array) -> float:
    """The median time from one rating of a user to the next, where any passed."""
    order = np.lexsort((times, users))
    gaps = np.diff(times[order])[np.diff(users[order]) == 0]
    return float(np.median(gaps[gaps > 0])) if (gaps > 0).any() else 1.0


def choose_noise(
    covariance: ItemCovariance, profiles: list[Profile], hidden: list[Profile], size: float
) -> tuple[ItemCovariance, float, float]:
    """The noise, and then the variance of a session, with the least error on hidden ratings.

    Also that error, and the ratio of errors to predicted standard deviations.
    """
    pairs = [(seen, left) for seen, left in zip(profiles, hidden, strict=True) if len(left.items)]
    pairs = pairs[:: max(1, len(pairs) // CHOOSERS)]

    def error(tried: ItemCovariance) -> float:
        wrong = [
            tried.mean(left.items, left.times, tried.solved(seen)) - left.residuals
            for seen, left in pairs
        ]
        return float(np.sqrt(np.mean(np.concatenate(wrong) ** 2)))

    tried = {c: error(c) for c in (replace(covariance, noise=size * s) for s in NOISES)}
    covariance = min(tried, key=tried.__getitem__)
    if covariance.session:
        others = (s for s in SESSIONS if not np.isclose(s * size, covariance.session))
        tried |= {c: error(c) for c in (replace(covariance, session=size * s) for s in others)}
        covariance = min(tried, key=tried.__getitem__)
    ratios = [
        (covariance.mean(left.items, left.times, covariance.solved(seen)) - left.residuals) ** 2
        / (covariance.variance(left.items, left.times, seen) * left.scales)
        for seen, left in pairs
    ]
    return covariance, tried[covariance], float(np.sqrt(np.mean(np.concatenate(ratios))))
