"""Tables as people hold them: arrays, data frames of either kind, sparse matrices.

pandas and polars are never imported here unless the caller's table is one of theirs.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..errors import InputError
from ..kernels.table import Array


def kind(table: Any) -> str:
    """ "pandas", "polars", "sparse" or "array".

    Examples
    --------
    >>> kind([[1.0]])
    'array'
    """
    for library in ("pandas", "polars"):
        module = sys.modules.get(library)
        if module is not None and isinstance(table, module.DataFrame):
            return library
    return "sparse" if sparse.issparse(table) else "array"


def numbers(frame: Any) -> Array:
    """A data frame's values as floats, NaN where missing.

    Raises
    ------
    InputError
        If a column holds text or anything else that is no number.
    """
    columns = [_column(frame, name) for name in frame.columns]
    return np.stack(columns, axis=1) if columns else np.empty((len(frame), 0))


def _column(frame: Any, name: Any) -> Array:
    series = frame[name]
    try:
        if kind(frame) == "pandas":
            return np.asarray(series.to_numpy(dtype=np.float64, na_value=np.nan))
        polars = sys.modules["polars"]
        if not (series.dtype.is_numeric() or series.dtype in (polars.Boolean, polars.Null)):
            raise TypeError("text, a date or a list")
        return np.asarray(series.cast(polars.Float64).fill_null(np.nan).to_numpy())
    except (ValueError, TypeError) as error:
        raise InputError(
            f"the column {name!r} holds something that is no number",
            got=_culprit(series),
            hint="leave the column out, or turn it into numbers first",
        ) from error


def _culprit(series: Any) -> str:
    """The first entry that is no number, and where it stands."""
    for k, entry in enumerate(series.to_list()):
        try:
            float(np.nan if entry is None else entry)
        except (ValueError, TypeError):
            return f"{entry!r} in row {k}"
    return f"dtype {series.dtype}"


def unstored_missing(matrix: Any) -> Array:
    """A sparse matrix as an array: what is not stored is missing, a stored zero is a value.

    Examples
    --------
    >>> unstored_missing(sparse.csr_array(([0.0, 2.0], ([0, 1], [0, 1])), shape=(2, 2)))
    array([[ 0., nan],
           [nan,  2.]])
    """
    entries = sparse.coo_array(matrix)
    entries.sum_duplicates()
    values = np.full(entries.shape, np.nan)
    values[entries.coords] = entries.data
    return values


def row_labels(table: Any) -> NDArray[Any] | None:
    """The index of a pandas frame; nothing else has labels for its rows."""
    return np.asarray(table.index, dtype=object) if kind(table) == "pandas" else None


def like(frame: Any, values: Array, names: list[Any]) -> Any:
    """The values as a frame of the same library, index and types; new columns as floats.

    Whole-number and boolean columns get the nearest value that fits them.
    """
    if kind(frame) == "pandas":
        pandas = sys.modules["pandas"]
        filled = {
            k: pandas.Series(_as(values[:, k], frame[name].dtype), index=frame.index)
            if name in frame.columns
            else pandas.Series(values[:, k], index=frame.index)
            for k, name in enumerate(names)
        }
        result = pandas.DataFrame(filled, index=frame.index)
        result.columns = names
        return result
    polars = sys.modules["polars"]
    return polars.DataFrame(
        [_polars(polars, frame, values[:, k], name) for k, name in enumerate(names)]
    )


def labelled(frame: Any, values: Array, names: Any) -> Any:
    """Floats under the labels of a frame of the same library; an array for anything else."""
    if kind(frame) == "pandas":
        return sys.modules["pandas"].DataFrame(values, index=frame.index, columns=names)
    if kind(frame) == "polars":
        return sys.modules["polars"].DataFrame(values, schema=list(names))
    return values


def _as(values: Array, dtype: Any) -> Any:
    """Values in a pandas dtype, rounded where it holds whole numbers only."""
    numpy_kind = getattr(dtype, "kind", "f")
    pandas = sys.modules["pandas"]
    if numpy_kind in "iu":
        return pandas.array(np.rint(values).astype(np.int64), dtype=dtype)
    if numpy_kind == "b":
        return pandas.array(values >= 0.5, dtype=dtype)
    return pandas.array(values, dtype=dtype if numpy_kind == "f" else np.float64)


def _polars(polars: Any, frame: Any, values: Array, name: str) -> Any:
    series = polars.Series(name, values)
    if name not in frame.columns:
        return series
    dtype = frame[name].dtype
    if dtype == polars.Boolean:
        return series >= 0.5
    if dtype.is_integer():
        return series.round().cast(dtype)
    return series.cast(dtype) if dtype.is_float() else series
