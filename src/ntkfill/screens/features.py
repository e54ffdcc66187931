"""Feature vectors of conditions (cell, drug, ...) for a network of Dense layers.

Features are a function of the *training* profiles, their labels, and the labels of all conditions.
The profile of a condition that is to be predicted is not an argument, so it cannot leak.

Labels are anything that gives a column by its name: a data frame, a dict of arrays or a structured
array. Conditions are rows.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, cast

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ..errors import InputError, check_unique
from ..kernels.table import Array


class Labels(Protocol):
    """Anything that gives a column by its name."""

    def __getitem__(self, name: str, /) -> Any:
        """The column."""


class ConditionPrior(Protocol):
    """Anything that gives each condition a feature vector."""

    @property
    def fixed(self) -> bool:
        """Whether the features are the same whatever was measured."""

    def features(self, train_profiles: Array, train_labels: Labels, labels: Labels) -> Array:
        """Features of shape (n_all, k), from the training profiles (n_train, genes) alone."""


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

    fixed: ClassVar[bool] = True
    by: str | tuple[str, ...]

    def features(self, train_profiles: Array, train_labels: Labels, labels: Labels) -> Array:
        rows = _rows(labels, self.by)
        codes, _, count = encode(rows, rows)
        return np.eye(count)[codes]


@dataclass(frozen=True, eq=False)
class SideFeatures:
    """Given features, one row per label: fingerprints of drugs, basal profiles of cells.

    Parameters
    ----------
    rows : mapping from label to feature vector, or a pandas data frame with labels as its index
    by : str
        The column of the conditions' labels that the rows are matched with.

    Raises
    ------
    InputError
        If a label has no row, appears twice, or holds NaN or infinity.

    Examples
    --------
    >>> fingerprints = SideFeatures({"x": [1.0, 0.0], "y": [0.0, 1.0]}, "drug")
    >>> fingerprints.features(np.empty((0, 1)), {}, {"drug": ["y", "x"]})
    array([[0., 1.],
           [1., 0.]])
    """

    fixed: ClassVar[bool] = True
    rows: Any
    by: str
    _values: Array = field(init=False, repr=False)
    _names: list[Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        frame = hasattr(self.rows, "index") and hasattr(self.rows, "to_numpy")
        names = list(self.rows.index if frame else self.rows)
        values = np.asarray(
            self.rows.to_numpy() if frame else list(self.rows.values()), dtype=np.float64
        )
        if values.ndim != 2:
            raise InputError("feature vectors of different lengths", expected="one length")
        check_unique(names, f"{self.by} feature label")
        for k in np.flatnonzero(~np.isfinite(values).all(axis=1))[:1]:
            raise InputError(f"the features of {names[k]!r} hold NaN or infinity")
        object.__setattr__(self, "_values", values)
        object.__setattr__(self, "_names", names)

    def features(self, train_profiles: Array, train_labels: Labels, labels: Labels) -> Array:
        from ..tables.features import label_positions  # imports scikit-learn

        names = column(labels, self.by).tolist()
        return self._values[label_positions(self._names, names, self.by)]


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
    >>> train = {"cell": ["A", "A"]}
    >>> GroupMean("cell").features(np.array([[1.0], [3.0]]), train, {"cell": ["A", "C"]})
    array([[2.],
           [2.]])
    """

    fixed: ClassVar[bool] = False
    by: str | tuple[str, ...]
    residual: str | tuple[str, ...] | None = None

    def features(self, train_profiles: Array, train_labels: Labels, labels: Labels) -> Array:
        profiles = _residuals(train_profiles, train_labels, self.residual)
        return group_means(profiles, _rows(train_labels, self.by), _rows(labels, self.by))


@dataclass(frozen=True)
class MeanOverOthers:
    """The mean over training profiles with the same drug in *other* cell lines.

    Where there is none: the mean over all training profiles.

    Parameters
    ----------
    by : str or tuple of str
        Columns that must agree.
    excluding : str or tuple of str
        Columns that must differ, so that no training profile enters its own features.
    residual : str or tuple of str, optional
        Subtract the means of these groups from the profiles first, e.g. "cell".

    Examples
    --------
    >>> labels = {"cell": ["A", "B", "C"], "drug": ["x", "x", "x"]}
    >>> MeanOverOthers().features(np.array([[1.0], [3.0], [8.0]]), labels, labels).ravel()
    array([5.5, 4.5, 2. ])
    """

    fixed: ClassVar[bool] = False
    by: str | tuple[str, ...] = "drug"
    excluding: str | tuple[str, ...] = "cell"
    residual: str | tuple[str, ...] | None = None

    def features(self, train_profiles: Array, train_labels: Labels, labels: Labels) -> Array:
        profiles = _residuals(train_profiles, train_labels, self.residual)
        sums, counts = [], []
        for by in (_names(self.by), _names(self.by) + _names(self.excluding)):
            train, query, count = encode(_rows(train_labels, by), _rows(labels, by))
            total, number = group_sums(profiles, train, count)
            # A group without a training profile has the code -1.
            sums.append(np.where((query >= 0)[:, None], total[query], 0.0))
            counts.append(np.where(query >= 0, number[query], 0.0))
        others = (counts[0] - counts[1])[:, None]
        means = (sums[0] - sums[1]) / np.where(others > 0, others, 1.0)
        return np.where(others > 0, means, profiles.mean(axis=0))


@dataclass(frozen=True)
class Reference:
    """The profile of the same drug in a reference cell line, if it is a training condition.

    Otherwise the mean of the reference's training profiles.

    Parameters
    ----------
    at : tuple of (column, value)
        E.g. ``("cell", "MCF7")``.
    by : str or tuple of str
        Columns that must agree.

    Raises
    ------
    InputError
        If the reference has no training condition.

    Examples
    --------
    >>> train = {"cell": ["MCF7", "A"], "drug": ["x", "y"]}
    >>> labels = {"cell": ["A", "A"], "drug": ["x", "z"]}
    >>> Reference(("cell", "MCF7")).features(np.array([[1.0], [3.0]]), train, labels)
    array([[1.],
           [1.]])
    """

    fixed: ClassVar[bool] = False
    at: tuple[str, Any]
    by: str | tuple[str, ...] = "drug"

    def features(self, train_profiles: Array, train_labels: Labels, labels: Labels) -> Array:
        rows = column(train_labels, self.at[0]) == self.at[1]
        if not rows.any():
            raise InputError(
                f"the reference {self.at[0]} {self.at[1]!r} has no training condition",
                hint="another reference, or more training conditions",
            )
        reference = {name: column(train_labels, name)[rows] for name in _names(self.by)}
        return GroupMean(self.by).features(train_profiles[rows], reference, labels)


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
            weight * unit_rows(part.features(train_profiles, train_labels, labels))
            for part, weight in zip(self.parts, self.weights, strict=True)
        ]
        return unit_rows(np.hstack(columns))


def column(labels: Labels, name: str) -> NDArray[Any]:
    """One column of the labels, shape (n,), dtype object."""
    if isinstance(labels, np.ndarray):
        names = list(labels.dtype.names or ())
    else:
        names = list(getattr(labels, "columns", cast(Any, labels)))
    if name not in names:
        raise InputError(f"the labels have no column {name!r}", expected=", ".join(names))
    return np.asarray(labels[name], dtype=object)


def unit_rows(rows: Array) -> Array:
    """Rows divided by their lengths; rows of zeros stay."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1.0)


def encode(
    known: Iterable[Hashable], query: Iterable[Hashable]
) -> tuple[NDArray[np.intp], NDArray[np.intp], int]:
    """Labels as numbers in order of first appearance, -1 for query ones that are not known, and
    how many there are.

    >>> encode(["y", "x", "y"], ["x", "z"])
    (array([0, 1, 0]), array([ 1, -1]), 2)
    """
    number: dict[Hashable, int] = {}
    codes = [number.setdefault(name, len(number)) for name in known]
    query_codes = [number.get(name, -1) for name in query]
    return np.array(codes, np.intp), np.array(query_codes, np.intp), len(number)


def group_sums(
    profiles: Array, codes: NDArray[np.intp], count: int
) -> tuple[Array, NDArray[np.intp]]:
    """The sum of the profiles (count, genes) and their number (count,) in each group."""
    rows = np.arange(len(codes))
    member = csr_array((np.ones(len(codes)), (codes, rows)), shape=(count, len(codes)))
    return member @ profiles, np.bincount(codes, minlength=count)


def group_means(profiles: Array, known: Iterable[Hashable], query: Iterable[Hashable]) -> Array:
    """The mean profile of each query group; of an unknown one, the mean over all profiles."""
    codes, at, count = encode(known, query)
    sums, sizes = group_sums(profiles, codes, count)
    return np.where((at >= 0)[:, None], (sums / sizes[:, None])[at], profiles.mean(axis=0))


def _names(by: str | tuple[str, ...]) -> tuple[str, ...]:
    return (by,) if isinstance(by, str) else tuple(by)


def _rows(labels: Labels, by: str | tuple[str, ...]) -> list[tuple[Any, ...]]:
    return list(zip(*(column(labels, name).tolist() for name in _names(by)), strict=True))


def _residuals(profiles: Array, labels: Labels, by: str | tuple[str, ...] | None) -> Array:
    return profiles if by is None else profiles - GroupMean(by).features(profiles, labels, labels)
