"""The covariance of items, learned from ratings: every user is a draw of one Gaussian process.

What a user gives to items beyond their means is a draw of a Gaussian process over the items. The
covariance starts as the network's kernel of the items and is fitted by expectation maximisation
over users with gaps (Dempster, Laird and Rubin 1977), stopped early, which regularises it. Two
ratings of one user share more the closer in time they were made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from ..errors import InputError
from ..kernels import product
from ..kernels.table import Array
from ..runtime.progress import Progress
from ..solvers.linalg import cholesky, explained, solve

# Users with more ratings are learned from by so many of them, drawn at random.
MAX_LEARNED = 500
Items = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Profile:
    """The ratings of one user: items (n,), residuals on the items' means (n,), noise scales (n,)
    and, where they are known, times (n,)."""

    items: Items
    residuals: Array
    scales: Array
    times: Array | None = None
    coefficients: Array = field(default_factory=lambda: np.zeros(0, np.float32))

    def part(self, kept: NDArray[np.intp] | NDArray[np.bool_]) -> Profile:
        """Some of the ratings."""
        times = None if self.times is None else self.times[kept]
        return Profile(self.items[kept], self.residuals[kept], self.scales[kept], times)


@dataclass(frozen=True, eq=False)
class ItemCovariance:
    """The covariance of what one user gives to items, at times.

    Parameters
    ----------
    values : float32 array of shape (items, items)
    noise : float
        The variance of a rating of noise scale 1.
    session : float
        The variance that the ratings of one user have in common where they are made at once.
    duration : float
        The time after which 1 / sqrt(2) of that covariance is left.
    """

    values: Array
    noise: float
    session: float = 0.0
    duration: float = 1.0

    def between(self, items: Items, times: Array | None, profile: Profile) -> Array:
        """The covariance of items (k,) at times (k,) with a user's ratings, (k, n)."""
        result = self.values[items[:, None], profile.items]
        if self.session and times is not None and profile.times is not None:
            # A mixture of exponentials in time, hence positive definite.
            apart = np.abs(times[:, None] - profile.times) / self.duration
            shared = self.session / np.sqrt(1 + apart)
            result += np.nan_to_num(shared).astype(result.dtype)  # an unknown time is far away
        return result

    def system(self, profile: Profile) -> Array:
        """The covariance of a user's ratings and their noise, (n, n)."""
        result = self.between(profile.items, profile.times, profile)
        result[np.diag_indices(len(result))] += self.noise * profile.scales
        return result

    def solved(self, profile: Profile) -> Profile:
        """The user with the coefficients of the posterior mean."""
        lower = cholesky(self.system(profile))
        return replace(profile, coefficients=solve(lower, profile.residuals[:, None])[:, 0])

    def mean(self, items: Items, times: Array | None, profile: Profile) -> Array:
        """The posterior mean of a solved user at items (k,)."""
        return self.between(items, times, profile) @ profile.coefficients

    def variance(self, items: Items, times: Array | None, profile: Profile) -> Array:
        """The variance of new ratings of a user at items (k,), noise included."""
        own = self.values[items, items] + np.float32(self.session + self.noise)
        if not len(profile.items):
            return own
        cross = self.between(items, times, profile).T
        return np.maximum(own - explained(cholesky(self.system(profile)), cross), self.noise)

    def em_step(self, profiles: Sequence[Profile]) -> ItemCovariance:
        """One iteration of expectation maximisation; the profiles hold all items that change."""
        gradient = np.zeros_like(self.values)
        for profile in profiles:
            factor, failed = lapack.spotrf(self.system(profile), lower=1, overwrite_a=1)
            inverse, _ = lapack.spotri(factor, lower=1, overwrite_c=1)
            inverse = np.tril(inverse) + np.tril(inverse, -1).T
            solved = inverse @ profile.residuals
            # Twice the gradient of the log-likelihood with respect to this block, (n, n).
            gradient[profile.items[:, None], profile.items] += np.outer(solved, solved) - inverse
            if failed:
                raise InputError("the covariance is not positive definite", hint="more noise")
        change = product(product(self.values, gradient), self.values) / np.float32(len(profiles))
        change += self.values
        return replace(self, values=(change + change.T) / 2)


def learn(
    start: ItemCovariance,
    profiles: Sequence[Profile],
    max_iter: int,
    landmarks: Items,
    progress: Progress | None = None,
) -> ItemCovariance:
    """Fit the covariance of the landmark items (l,), and carry it over to all by the start.

    With S0 the start, every step keeps the form S = S0 + S0 H S0 with H among the landmarks, so
    that their S says what S is for all items.
    """
    place = np.full(len(start.values), -1)
    place[landmarks] = np.arange(len(landmarks))
    rng, used = np.random.default_rng(0), []
    for profile in profiles:
        kept = np.flatnonzero(place[profile.items] >= 0)
        if len(kept) > MAX_LEARNED:
            kept = np.sort(rng.permutation(kept)[:MAX_LEARNED])
        if len(kept):
            part = profile.part(kept)
            used.append(replace(part, items=place[part.items]))
    every = len(landmarks) == len(start.values)
    inner = start.values[np.ix_(landmarks, landmarks)]
    fitted = replace(start, values=inner)
    for step in range(max_iter):
        fitted = fitted.em_step(used)
        if progress is not None:
            progress((step + 1) / max_iter)
    if every:
        order = np.argsort(landmarks)
        return replace(start, values=np.ascontiguousarray(fitted.values[np.ix_(order, order)]))
    lower = cholesky(inner.astype(np.float64))
    change = solve(lower, solve(lower, (fitted.values - inner).astype(np.float64)).T)
    cross = start.values[:, landmarks]
    values = start.values + product(product(cross, change.astype(np.float32)), cross.T)
    return replace(start, values=(values + values.T) / 2)
