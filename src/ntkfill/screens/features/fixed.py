"""Priors of conditions that do not depend on what was measured."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...errors import InputError
from ...kernels.table import Array
from .labels import Labels, codes, column, count, keys


@dataclass(frozen=True)
class OneHot:
    """One feature per value that the labels take, e.g. per drug.

    Parameters
    ----------
    by : str or tuple of str
        Columns of the labels; of several, one feature per combination.

    Examples
    --------
    >>> OneHot("drug").features(np.empty((0, 1)), {}, {"drug": ["x", "y", "x"]})
    array([[1., 0.],
           [0., 1.],
           [1., 0.]])
    """

    by: str | tuple[str, ...]

    @property
    def fixed(self) -> bool:
        return True

    def features(self, train_profiles: Array, train_labels: Labels, labels: Labels) -> Array:
        group = codes(labels, self.by)
        return np.eye(int(group.max(initial=-1)) + 1)[group]


@dataclass(frozen=True)
class OwnNugget:
    """A feature of each condition's own: the identity matrix times `size`.

    Appending it to other features is an explicit ridge, which
    `ntkfill.screens.features.nugget.kernel_and_ridge` gives without the n x n features.

    Parameters
    ----------
    size : float
        The default is that of Radhakrishnan et al., PNAS 2022, doi:10.1073/pnas.2115064119.

    Examples
    --------
    >>> OwnNugget().features(np.empty((0, 1)), {}, {"drug": ["x", "y"]})
    array([[1.5, 0. ],
           [0. , 1.5]])
    """

    size: float = 1.5

    @property
    def fixed(self) -> bool:
        return True

    def features(self, train_profiles: Array, train_labels: Labels, labels: Labels) -> Array:
        return self.size * np.eye(count(labels))


@dataclass(frozen=True, eq=False)
class SideFeatures:
    """Any features, one row per label: fingerprints of drugs, basal profiles of cells.

    Parameters
    ----------
    rows : mapping from label to feature vector, or a pandas data frame with labels as its index
    by : str or tuple of str
        The column of the conditions' labels that the rows are matched with.

    Raises
    ------
    InputError
        If a label has no row, appears twice, or holds NaN or infinity.

    Examples
    --------
    >>> prints = SideFeatures({"x": [1.0, 0.0], "y": [0.0, 1.0]}, "drug")
    >>> prints.features(np.empty((0, 1)), {}, {"drug": ["y", "x"]})
    array([[0., 1.],
           [1., 0.]])
    """

    rows: Any
    by: str
    _values: Array = field(init=False, repr=False)
    _place: Mapping[Any, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        frame = hasattr(self.rows, "index") and hasattr(self.rows, "to_numpy")
        names = list(self.rows.index if frame else self.rows)
        values = np.asarray(
            self.rows.to_numpy() if frame else list(self.rows.values()), dtype=np.float64
        )
        if values.ndim != 2:
            raise InputError("feature vectors of different lengths", expected="one length")
        place = {name: k for k, name in enumerate(names)}
        if len(place) < len(names):
            twice = next(name for k, name in enumerate(names) if place[name] != k)
            raise InputError(f"two rows of features for the label {twice!r}", expected="one")
        for k in np.flatnonzero(~np.isfinite(values).all(axis=1))[:1]:
            raise InputError(f"the features of {names[k]!r} hold NaN or infinity")
        object.__setattr__(self, "_values", values)
        object.__setattr__(self, "_place", place)

    @property
    def fixed(self) -> bool:
        return True

    def features(self, train_profiles: Array, train_labels: Labels, labels: Labels) -> Array:
        wanted = column(labels, self.by).tolist()
        absent = sorted({str(name) for name in wanted if name not in self._place})
        if absent:
            raise InputError(
                f"no features for {len(absent)} labels of {self.by!r}",
                got=", ".join(absent[:5]) + (", ..." if len(absent) > 5 else ""),
            )
        return self._values[[self._place[name] for name in wanted]]


@dataclass(frozen=True)
class Random:
    """Standard normal features that depend on the condition's label and the seed only.

    Examples
    --------
    >>> features = Random(size=3).features(np.empty((0, 1)), {}, {"drug": ["x", "y", "x"]})
    >>> bool(np.array_equal(features[0], features[2]))
    True
    """

    size: int = 100
    seed: int = 0

    @property
    def fixed(self) -> bool:
        return True

    def features(self, train_profiles: Array, train_labels: Labels, labels: Labels) -> Array:
        names = [column(labels, name).tolist() for name in keys(labels)]
        rows = np.empty((count(labels), self.size))
        for k, label in enumerate(zip(*names, strict=True)):
            digest = hashlib.sha256(repr((self.seed, label)).encode()).digest()
            rows[k] = np.random.default_rng(list(digest[:16])).normal(size=self.size)
        return rows
