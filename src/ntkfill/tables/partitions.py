"""Tables in partitions: arrays and data frames of dask, of which one partition at a time is in
memory.

The imputer is fitted to rows that are spread evenly over the partitions, as many as the last
regressions of a long table in memory take. Then every partition is filled in by itself, so that the
result does not depend on which worker did what, or did it twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..runtime.resources import alone, require
from .chained import SETTLING, SUMMED, Chained, rows_memory

# An `NTKImputer`, whose module imports this one.
Imputer = Any


def fit_partitions(imputer: Imputer, table: Any) -> None:
    """Fit to some rows."""
    from dask.base import compute
    from dask.delayed import delayed

    if imputer.row_features is not None:
        raise InputError(
            "row_features cannot be used with a table in partitions",
            hint="join the features to the table as columns",
        )
    parts = _parts(table)
    counts = compute(*[delayed(len)(part) for part in parts])
    total = sum(counts)
    # By features of the columns every row is a regression of its own.
    most = SUMMED if imputer.column_features is None else SETTLING
    chosen = np.linspace(0, total - 1, min(total, most)).astype(np.intp)
    edges = np.cumsum([0, *counts])
    places = np.split(chosen, np.searchsorted(chosen, edges[1:-1]))
    some = compute(*[
        delayed(_rows)(part, at - edge)
        for part, at, edge in zip(parts, places, edges, strict=False)
        if len(at)
    ])  # fmt: skip
    imputer._fit(_joined(some), places=chosen)
    model = getattr(imputer, "model_", None)
    if total > len(chosen) and isinstance(model, Chained):
        model.ready()


def transform_partitions(imputer: Imputer, table: Any, row_features: Any) -> Any:
    """The table filled in, as lazily as it is: partition by partition."""
    from dask.delayed import delayed

    if row_features is not None or imputer.row_features is not None:
        raise InputError(
            "row_features cannot be used with a table in partitions",
            hint="transform(part, row_features) for each part of it",
        )
    shared = delayed(imputer, traverse=False)
    if hasattr(table, "columns"):
        like = imputer.transform(table.head(1, npartitions=-1)).iloc[:0]
        return table.map_partitions(_filled, shared, meta=like)
    if imputer._library not in ("", "None", "default"):
        raise InputError("set_output cannot be used with a dask array", hint="a dask data frame")
    whole = table.rechunk({1: -1})
    chunks = whole.chunks[0], (len(imputer.get_feature_names_out()),)
    return whole.map_blocks(_filled, shared, dtype=whole.dtype, chunks=chunks)


def _parts(table: Any) -> list[Any]:
    """The partitions in their order, each with all columns."""
    whole = table if hasattr(table, "columns") else table.rechunk({1: -1})
    return list(np.ravel(whole.to_delayed()))


def _rows(part: Any, places: NDArray[np.intp]) -> Any:
    return part.iloc[places] if hasattr(part, "iloc") else part[places]


def _joined(parts: Sequence[Any]) -> Any:
    if not hasattr(parts[0], "iloc"):
        return np.concatenate(parts)
    import pandas

    return pandas.concat(parts)


def _filled(part: Any, imputer: Imputer) -> Any:
    if not len(part):
        return part
    if isinstance(getattr(imputer, "model_", None), Chained):
        needed = rows_memory(*part.shape)
        require("the fill of a partition", needed, hint="smaller partitions, or fewer at a time")
    with alone():
        return imputer.transform(part)
