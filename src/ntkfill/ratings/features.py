"""What is known of items and users besides ratings: who rated an item, and features."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from ..errors import InputError
from ..kernels.table import Array
from ..nn import Sequential
from ..nn.pairs import of_gram
from ..solvers.spectral import Spectrum, mean_diagonal
from ..tables.features import Features
from .covariance import ItemCovariance, Profile

# Users that the functions of new users are regressed on, and principal functions for its ridge.
LANDMARKS = 2000
PRINCIPAL = 10


def read_features(features: Any, what: str) -> dict[Hashable, Array]:
    """Feature vectors by id, of a pandas frame with ids as its index, or of a mapping.

    >>> read_features({"x": [1, 2]}, "item")
    {'x': array([1., 2.])}
    """
    if hasattr(features, "index") and hasattr(features, "to_numpy"):
        names, rows = list(features.index), features.to_numpy()
    elif hasattr(features, "items"):
        names, rows = list(features), list(features.values())
    else:
        raise InputError(
            f"{what}_features must say which vector belongs to which {what}",
            expected=f"a data frame with {what} ids as its index, or a mapping from id to vector",
            got=type(features).__name__,
        )
    try:
        values = np.array(rows, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise InputError(
            f"{what}_features must be vectors of finite numbers, all of one length",
            hint="pandas.get_dummies for categories",
        )
    if len(set(names)) < len(names):
        raise InputError(f"two rows of {what}_features have the same id")
    return dict(zip(names, values, strict=True))


def of_ids(features: dict[Hashable, Array], ids: Sequence[Hashable], what: str) -> Array:
    """The feature vectors of these ids, (n, k)."""
    absent = [repr(name) for name in ids if name not in features]
    if absent:
        raise InputError(
            f"no {what} features for {len(absent)} of {len(ids)} {what}s", got=", ".join(absent[:5])
        )
    return np.stack([features[name] for name in ids])


def item_kernel(rated: csr_array, features: Array | None, network: Sequential) -> Array:
    """The network's kernel of items, (m, m), of mean diagonal 1.

    The vector of an item is who rated it (`rated`, (m, users), ones) beside its features (m, k),
    each of length 1; an item that nobody rated has its features alone.
    """
    counts = np.maximum(np.asarray(rated.sum(axis=1)).ravel(), 1)
    unit = (csr_array(rated.multiply(1 / np.sqrt(counts)[:, None]))).astype(np.float32)
    gram = (unit @ unit.T).toarray()
    if features is None:
        gram += np.float32(1)
    else:
        vectors = Features.of(features, network).vectors.astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        gram += vectors @ vectors.T
    lengths = np.diagonal(gram).copy()
    kernel = of_gram(network.layers, gram, lengths, lengths, overwrite=True, symmetric=True)
    return kernel / np.float32(mean_diagonal(kernel))


@dataclass(frozen=True, eq=False)
class UserPrior:
    """What users with given features give to items: a kernel regression of the functions of others.

    Parameters
    ----------
    features : Features
        Of the users that it is regressed on, (l, k).
    functions : array of shape (l, items)
        The coefficients of the regression.
    """

    features: Features
    functions: Array

    @classmethod
    def fit(
        cls,
        features: Array,
        profiles: Sequence[Profile],
        covariance: ItemCovariance,
        network: Sequential,
    ) -> UserPrior:
        """Regress the posterior means of solved users on their features (n, k)."""
        used = np.arange(len(profiles))
        if len(used) > LANDMARKS:
            used = np.sort(np.random.default_rng(0).permutation(used)[:LANDMARKS])
        values = covariance.values
        coefficients = np.zeros((len(used), len(values)), np.float32)
        for k, user in enumerate(used):
            profile = profiles[int(user)]
            coefficients[k, profile.items] = profile.coefficients
        functions = coefficients @ values
        sides = Features.of(features[used], network)
        kernel = sides.kernel().values
        spectrum = Spectrum.of(kernel.copy())
        _, _, axes = np.linalg.svd(functions, full_matrices=False)
        ridge = spectrum.choose((functions @ axes[:PRINCIPAL].T).astype(np.float64))
        solved, _ = spectrum.solve(functions.astype(np.float64), ridge)
        return cls(sides, solved)

    def mean(self, features: Array) -> Array:
        """What users with these features (k, features) give to all items, (k, m)."""
        return self.features.cross_kernel(features) @ self.functions
