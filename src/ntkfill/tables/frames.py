"""Tables as people hold them, read into arrays and written back: arrays, data frames of either
library, sparse matrices.

pandas and polars are never imported here unless the caller's table is one of theirs.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.validation import validate_data

from ..errors import InputError, check_unique
from ..kernels.table import Array

# Squares of what is left must be finite.
MAX_VALUE = 1e150


def read(estimator: Any, table: Any, missing_values: Any, *, reset: bool) -> Array:
    """A table as floats, NaN where missing; scikit-learn checks, and remembers in the estimator,
    the number and the names of the columns."""
    if kind(table) in ("pandas", "polars"):
        # Names first, so that messages may use them; scikit-learn would not say which column
        # holds text.
        check_unique(list(table.columns), "column")
        validate_data(estimator, table, reset=reset, skip_check_array=True)
        values = numbers(table)
        if not values.size:
            raise InputError("the table must have rows and columns", got=str(values.shape))
    else:
        if isinstance(table, np.ndarray) and table.dtype.kind == "O" and table.ndim == 2:
            _refuse_text(table)
        values = validate_data(
            estimator, table, reset=reset, dtype=(np.float64, np.float32), accept_sparse=True,
            ensure_all_finite=False,
        )  # fmt: skip
        if kind(values) == "sparse":
            values = unstored_missing(values)
    values = values.astype(np.float64)
    if isinstance(missing_values, int | float) and not np.isnan(missing_values):
        values[values == missing_values] = np.nan
    for i, j in np.argwhere(np.abs(values) > MAX_VALUE)[:1]:
        names, labels = getattr(estimator, "feature_names_in_", None), row_labels(table)
        what = "infinity" if np.isinf(values[i, j]) else "too large a number"
        raise InputError(
            f"the table holds {what}",
            expected=f"numbers up to {MAX_VALUE:g}, and NaN where missing",
            got=f"{values[i, j]:g} in row {i if labels is None else labels[i]}, "
            f"column {j if names is None else names[j]}",
        )
    return values


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
    """A data frame's values as floats, NaN where missing; refuses text."""
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
        texts = (
            f"{entry!r} in row {k}"
            for k, entry in enumerate(series.to_list())
            if entry is not None and not _is_number(entry)
        )
        raise InputError(
            f"the column {name!r} holds something that is no number",
            got=next(texts, f"dtype {series.dtype}"),
            hint="leave the column out, or turn it into numbers first",
        ) from error


def _refuse_text(table: NDArray[Any]) -> None:
    """Name the first text in an array of objects that is no number."""
    for (i, j), entry in np.ndenumerate(table):
        if isinstance(entry, str) and not _is_number(entry):
            raise InputError(
                "the table holds something that is no number",
                got=f"{entry!r} in row {i}, column {j}",
            )


def _is_number(entry: Any) -> bool:
    try:
        float(entry)
    except (ValueError, TypeError):
        return False
    return True


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


def position(label: Any, labels: NDArray[Any] | None, count: int, what: str) -> int:
    """Where a label is; numbers are positions where there are no such labels."""
    found = np.empty(0, np.intp) if labels is None else np.flatnonzero(labels == label)
    if len(found) == 1:
        return int(found[0])
    if len(found) > 1:
        raise InputError(f"{len(found)} {what}s are called {label!r}", hint="its position")
    if isinstance(label, int | np.integer) and -count <= label < count:
        return int(label) % count
    raise InputError(f"there is no {what} {label!r}", expected=f"a label, or 0 to {count - 1}")


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
