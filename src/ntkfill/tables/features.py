"""Features of the rows or columns of a table: matched by label, standardised, a kernel of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, check_unique
from ..kernels import DenseKernel
from ..kernels.table import Array
from ..nn import Sequential
from ..nn.evaluate import Kind
from .frames import as_numbers, kind, row_labels


def read_features(features: Any, labels: list[Any] | None, count: int, what: str) -> Array:
    """The feature vectors (count, k) of rows or columns (`what`) with these labels; in their own
    order where there are none.

    >>> read_features([[1.0], [2.0]], None, 2, "row")
    array([[1.],
           [2.]])
    """
    try:
        values = np.asarray(as_numbers(features), dtype=np.float64)
    except TypeError as error:
        raise InputError(
            f"the {what} features must be an array or a data frame", got=type(features).__name__
        ) from error
    if values.ndim != 2:
        raise InputError(f"the {what} features need two axes", got=f"shape {values.shape}")
    names: Sequence[Any] = range(len(values))
    if labels is not None and kind(features) == "pandas":
        names = labels
        values = values[label_positions(list(features.index), names, what)]
    elif len(values) != count:
        raise InputError(
            f"the {what} features do not fit the table",
            expected=f"{count} rows of features",
            got=str(len(values)),
            hint=f"data frames, whose labels say which features belong to which {what}",
        )
    for k, j in np.argwhere(~np.isfinite(values))[:1]:
        raise InputError(
            f"the {what} features hold NaN or infinity", got=f"{what} {names[k]!r}, feature {j}"
        )
    return values


def label_positions(names: Sequence[Any], labels: Sequence[Any], what: str) -> list[int]:
    """The positions of labels among the labels (`names`) that features have.

    >>> label_positions(["a", "b", "c"], ["c", "a"], "row")
    [2, 0]
    """
    check_unique(names, f"{what} feature label")
    place = {name: k for k, name in enumerate(names)}
    none = not any(label in place for label in labels)
    absent = [str(label) for label in labels if label not in place]
    if absent:
        raise InputError(
            f"no {what} features for {len(absent)} of {len(labels)} {what}s",
            got=", ".join(absent[:5]) + (", ..." if len(absent) > 5 else ""),
            hint=f"labels as the features have them: {names[0]!r}" if none and len(names) else "",
        )
    return [place[label] for label in labels]


def of_new_rows(given: Any, fitted: Any, table: Any, count: int, same: bool) -> Array:
    """The features of rows to transform: given with them, found by their labels among those that
    were fitted, or (where the table is the very `same`) those that were fitted.

    Labels that only count the rows from zero are those of any table, and say nothing.
    """
    labels = row_labels(table)
    if given is not None:
        return read_features(given, labels, count, "row")
    counted = labels is None or labels == list(range(count))
    if same or (kind(fitted) == "pandas" and not counted):
        return read_features(fitted, labels, count, "row")
    raise InputError(
        "row_features are needed for these rows",
        hint="transform(X, row_features=...), or data frames with labels for both",
    )


@dataclass(frozen=True, eq=False)
class Features:
    """The features of rows or columns, standardised, and the network that compares them."""

    network: Sequential
    exponent: NDArray[np.intc]  # (k,): features are divided by two to this power first
    level: Array  # (k,)
    scale: Array  # (k,)
    vectors: Array  # (n, k + 1): of unit variance in all, with a constant appended

    @classmethod
    def of(cls, features: Array, network: Sequential, feature_scale: float = 1.0) -> Features:
        """Standardise features (n, k) and scale them relative to the constant; constant ones drop
        out."""
        exponent = np.frexp(np.max(np.abs(features), axis=0, initial=0.0))[1]
        features = np.ldexp(features, -exponent)  # their squares neither overflow nor vanish
        level, spread = features.mean(axis=0), features.std(axis=0)
        varies = spread > 1e-12 * np.max(np.abs(features), axis=0, initial=0.0)
        count = max(1, int(varies.sum()))
        scale = np.where(varies, 1.0 / (np.where(varies, spread, 1.0) * np.sqrt(count)), 0.0)
        scale = feature_scale * scale
        return cls(network, exponent, level, scale, _vectors(features, level, scale))

    def kernel(self, kind: Kind = "ntk") -> DenseKernel:
        """Between all of them."""
        return DenseKernel(self.network.between(self.vectors, kind=kind), (len(self.vectors),))

    def cross_kernel(self, features: Array) -> Array:
        """Between others (k, features) and all of them: (k, n)."""
        if features.shape[1] != len(self.level):
            raise InputError(
                "new rows must have the features that were fitted",
                expected=f"{len(self.level)} features",
                got=str(features.shape[1]),
            )
        features = np.ldexp(features, -self.exponent)
        return self.network.between(_vectors(features, self.level, self.scale), self.vectors)


def _vectors(features: Array, level: Array, scale: Array) -> Array:
    return np.hstack([(features - level) * scale, np.ones((len(features), 1))])
