"""Priors of conditions that are made from the training profiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...kernels.table import Array
from .labels import Labels, column, positions


@dataclass(frozen=True)
class GroupMean:
    """The mean of the training profiles that share a label, e.g. of the same cell line.

    Where a group has no training profile: the mean over all training profiles.

    Parameters
    ----------
    by : str or tuple of str
    residual : str or tuple of str, optional
        Subtract the means of these groups from the profiles first.

    Examples
    --------
    >>> seen = {"cell": ["A", "A"]}
    >>> GroupMean("cell").features(np.array([[1.0], [3.0]]), seen, {"cell": ["A", "C"]})
    array([[2.],
           [2.]])
    """

    by: str | tuple[str, ...]
    residual: str | tuple[str, ...] | None = None

    @property
    def fixed(self) -> bool:
        return False

    def features(self, train_profiles: Array, train_labels: Labels, labels: Labels) -> Array:
        profiles = _residuals(train_profiles, train_labels, self.residual)
        known, wanted = positions(train_labels, labels, self.by)
        sums, sizes = _sums(profiles, known, int(wanted.max(initial=-1)) + 1)
        return _means(sums[wanted], sizes[wanted], profiles.mean(axis=0))


@dataclass(frozen=True)
class MeanOverOthers:
    """The mean over training profiles with the same drug in *other* cell lines.

    Where there is none: the mean over all training profiles.

    Parameters
    ----------
    by : str or tuple of str
        What has to agree.
    excluding : str or tuple of str
        What has to differ, so that no training profile enters its own features.
    residual : str or tuple of str, optional
        Subtract the means of these groups from the profiles first, e.g. "cell".

    Examples
    --------
    >>> labels = {"cell": ["A", "B", "C"], "drug": ["x", "x", "x"]}
    >>> MeanOverOthers().features(np.array([[1.0], [3.0], [8.0]]), labels, labels).ravel()
    array([5.5, 4.5, 2. ])
    """

    by: str | tuple[str, ...] = "drug"
    excluding: str | tuple[str, ...] = "cell"
    residual: str | tuple[str, ...] | None = None

    @property
    def fixed(self) -> bool:
        return False

    def features(self, train_profiles: Array, train_labels: Labels, labels: Labels) -> Array:
        profiles = _residuals(train_profiles, train_labels, self.residual)
        known, wanted = positions(train_labels, labels, self.by)
        sums, sizes = _sums(profiles, known, int(wanted.max(initial=-1)) + 1)
        own = _flat(self.by) + _flat(self.excluding)
        known_own, wanted_own = positions(train_labels, labels, own)
        own_sums, own_sizes = _sums(profiles, known_own, int(wanted_own.max(initial=-1)) + 1)
        others = sizes[wanted] - own_sizes[wanted_own]
        rest = np.where(others[:, None] > 0, sums[wanted] - own_sums[wanted_own], 0.0)
        return _means(rest, others, profiles.mean(axis=0))


@dataclass(frozen=True)
class Reference:
    """The profile of the same drug in a reference cell line, if it is a training condition.

    Otherwise the mean of the reference's training profiles.

    Parameters
    ----------
    at : tuple of (column, value)
        E.g. ``("cell", "MCF7")``.
    by : str or tuple of str
        What has to agree.

    Raises
    ------
    InputError
        If the reference has no training condition.

    Examples
    --------
    >>> seen = {"cell": ["MCF7", "A"], "drug": ["x", "y"]}
    >>> wanted = {"cell": ["A", "A"], "drug": ["x", "z"]}
    >>> Reference(("cell", "MCF7")).features(np.array([[1.0], [3.0]]), seen, wanted)
    array([[1.],
           [1.]])
    """

    at: tuple[str, Any]
    by: str | tuple[str, ...] = "drug"

    @property
    def fixed(self) -> bool:
        return False

    def features(self, train_profiles: Array, train_labels: Labels, labels: Labels) -> Array:
        there = column(train_labels, self.at[0]) == self.at[1]
        if not there.any():
            raise InputError(
                f"no training condition with {self.at[0]} {self.at[1]!r} to refer to",
                hint="another reference, or more training conditions",
            )
        names = _flat(self.by)
        chosen = {name: column(train_labels, name)[there] for name in names}
        return GroupMean(names).features(train_profiles[there], chosen, labels)


@dataclass(frozen=True, eq=False)
class Imputation:
    """What another method predicts, as features.

    Parameters
    ----------
    method : callable
        From (training profiles, training labels, all labels) to profiles of all conditions.

    Examples
    --------
    >>> prior = Imputation(lambda profiles, seen, labels: np.full((2, 1), profiles.mean()))
    >>> prior.features(np.array([[1.0], [3.0]]), {}, {}).ravel()
    array([2., 2.])
    """

    method: Callable[[Array, Labels, Labels], Array]

    @property
    def fixed(self) -> bool:
        return False

    def features(self, train_profiles: Array, train_labels: Labels, labels: Labels) -> Array:
        return np.asarray(self.method(train_profiles, train_labels, labels), dtype=np.float64)


def _flat(by: str | tuple[str, ...]) -> tuple[str, ...]:
    return (by,) if isinstance(by, str) else tuple(by)


def _sums(profiles: Array, group: NDArray[np.intp], groups: int) -> tuple[Array, Array]:
    """Sum of the profiles and their number, per group; those of groups past the last are left."""
    inside = (group >= 0) & (group < groups)
    sums = np.zeros((groups, profiles.shape[1]))
    np.add.at(sums, group[inside], profiles[inside])
    return sums, np.bincount(group[inside], minlength=groups).astype(np.float64)


def _means(sums: Array, sizes: Array, otherwise: Array) -> Array:
    """sums / sizes, and `otherwise` where there was nothing to sum."""
    means = sums / np.where(sizes > 0, sizes, 1.0)[:, None]
    return np.where(sizes[:, None] > 0, means, otherwise)


def _residuals(profiles: Array, labels: Labels, by: str | tuple[str, ...] | None) -> Array:
    return profiles if by is None else profiles - GroupMean(by).features(profiles, labels, labels)
