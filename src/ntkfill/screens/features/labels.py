"""Labels of rows: columns by name, of data frames, dicts of arrays or structured arrays."""

from __future__ import annotations

from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError


class Labels(Protocol):
    """Anything that gives a column by its name."""

    def __getitem__(self, name: str, /) -> Any:
        """The column."""


def keys(labels: Labels) -> list[str]:
    """The names of the columns.

    Examples
    --------
    >>> keys({"cell": ["A"], "drug": ["x"]})
    ['cell', 'drug']
    """
    if isinstance(labels, np.ndarray):
        return list(labels.dtype.names or ())
    return list(cast(Any, labels).columns if hasattr(labels, "columns") else cast(Any, labels))


def column(labels: Labels, name: str) -> NDArray[Any]:
    """One column as an array.

    Raises
    ------
    InputError
        If there is no such column.

    Examples
    --------
    >>> column({"cell": ["A", "B"]}, "cell")
    array(['A', 'B'], dtype=object)
    """
    if name not in keys(labels):
        raise InputError(f"the labels have no column {name!r}", expected=", ".join(keys(labels)))
    return np.asarray(labels[name], dtype=object)


def count(labels: Labels) -> int:
    """How many rows there are.

    Examples
    --------
    >>> count({"cell": ["A", "B"]})
    2
    """
    names = keys(labels)
    return len(labels[names[0]]) if names else 0


def rows(labels: Labels, by: str | tuple[str, ...]) -> list[tuple[Any, ...]]:
    """The labels of each row, as tuples.

    Examples
    --------
    >>> rows({"cell": ["A", "B"], "drug": ["x", "x"]}, ("drug", "cell"))
    [('x', 'A'), ('x', 'B')]
    """
    names = (by,) if isinstance(by, str) else by
    return list(zip(*(column(labels, name).tolist() for name in names), strict=True))


def codes(labels: Labels, by: str | tuple[str, ...]) -> NDArray[np.intp]:
    """A number per row, the same for the same labels, in the order of first appearance.

    Examples
    --------
    >>> codes({"drug": ["y", "x", "y"]}, "drug")
    array([0, 1, 0])
    """
    number: dict[tuple[Any, ...], int] = {}
    return np.array(
        [number.setdefault(row, len(number)) for row in rows(labels, by)], dtype=np.intp
    )


def positions(
    known: Labels, wanted: Labels, by: str | tuple[str, ...]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """`codes` of both, numbered alike; -1 for known labels that nobody wants.

    Examples
    --------
    >>> positions({"drug": ["x", "z"]}, {"drug": ["y", "x"]}, "drug")
    (array([ 1, -1]), array([0, 1]))
    """
    number: dict[tuple[Any, ...], int] = {}
    second = [number.setdefault(row, len(number)) for row in rows(wanted, by)]
    first = [number.get(row, -1) for row in rows(known, by)]
    return np.array(first, dtype=np.intp), np.array(second, dtype=np.intp)
