"""What a prior of conditions is, and how several are stacked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from ...errors import InputError
from ...kernels.table import Array
from .labels import Labels, column, count, keys


class ConditionPrior(Protocol):
    """Anything that gives each condition a feature vector."""

    @property
    def fixed(self) -> bool:
        """Whether the features are the same whatever was measured."""

    def features(self, train_profiles: Array, train_labels: Labels, labels: Labels) -> Array:
        """Features of shape (n_all, k), from the training profiles (n_train, genes) alone."""


def of_training(
    prior: ConditionPrior, profiles: ArrayLike, labels: Labels, train: ArrayLike
) -> Array:
    """The features of all conditions, where `train` says whose profiles may be looked at.

    Parameters
    ----------
    prior : ConditionPrior
    profiles : array of shape (n_all, genes)
        Rows outside `train` are never read, and may be NaN.
    labels : data frame, dict of arrays or structured array, n_all conditions
    train : bool array of shape (n_all,)

    Returns
    -------
    array of shape (n_all, k)

    Raises
    ------
    InputError
        If the shapes differ or a training profile is not finite.

    Examples
    --------
    >>> from ntkfill.screens.features import GroupMean
    >>> labels = {"cell": ["A", "A", "B"], "drug": ["x", "y", "x"]}
    >>> of_training(GroupMean("cell"), [[1.0], [3.0], [np.nan]], labels, [True, True, False])
    array([[2.],
           [2.],
           [2.]])
    """
    values, chosen = np.asarray(profiles, dtype=np.float64), np.asarray(train, dtype=bool)
    if values.ndim != 2 or chosen.shape != values.shape[:1] or len(values) != count(labels):
        raise InputError(
            "profiles, labels and training conditions do not fit",
            expected="(n, genes), n labels and (n,)",
            got=f"{values.shape}, {count(labels)} labels and {chosen.shape}",
        )
    if not chosen.any():
        raise InputError("no condition is a training condition")
    seen = values[chosen]
    wrong = np.flatnonzero(~np.isfinite(seen).all(axis=1))
    train_labels = {name: column(labels, name)[chosen] for name in keys(labels)}
    if len(wrong):
        where = {name: of[wrong[0]] for name, of in train_labels.items()}
        raise InputError("a training profile holds NaN or infinity", got=f"condition {where}")
    return prior.features(seen, train_labels, labels)


@dataclass(frozen=True, init=False)
class Stack:
    """Several priors side by side: each part scaled to unit rows, weighted, and the whole too.

    Parameters
    ----------
    *parts : ConditionPrior
    weights : sequence of float, optional
        One per part, by which its unit rows are multiplied; the default is all 1.

    Examples
    --------
    >>> from ntkfill.screens.features import OneHot
    >>> stack = Stack(OneHot("cell"), OneHot("drug"), weights=[3.0, 4.0])
    >>> stack.features(np.empty((0, 1)), {}, {"cell": ["A", "A"], "drug": ["x", "y"]})
    array([[0.6, 0.8, 0. ],
           [0.6, 0. , 0.8]])
    """

    parts: tuple[ConditionPrior, ...]
    weights: tuple[float, ...]

    def __init__(self, *parts: ConditionPrior, weights: Sequence[float] | None = None) -> None:
        numbers = tuple(map(float, weights)) if weights is not None else (1.0,) * len(parts)
        if not parts or len(numbers) != len(parts) or not all(np.isfinite(numbers)):
            raise InputError(
                "parts and weights do not fit",
                expected="one finite weight per part",
                got=f"{len(parts)} parts and weights {numbers}",
            )
        object.__setattr__(self, "parts", parts)
        object.__setattr__(self, "weights", numbers)

    @property
    def fixed(self) -> bool:
        return all(part.fixed for part in self.parts)

    def features(self, train_profiles: Array, train_labels: Labels, labels: Labels) -> Array:
        columns = [
            weight * unit(part.features(train_profiles, train_labels, labels))
            for part, weight in zip(self.parts, self.weights, strict=True)
        ]
        return unit(np.hstack(columns))


def unit(rows: Array) -> Array:
    """Rows divided by their lengths; rows of zeros stay."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1.0)
