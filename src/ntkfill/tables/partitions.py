"""Tables in partitions: arrays and data frames of dask, of which one partition at a time is in
memory.

The imputer is fitted to rows that are spread evenly over the partitions. Then every partition is
filled in and what the regressions need of it is summed, partitions in pairs in the order of the
table, so that the result does not depend on which worker did what, or did it twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..nn.vectors import Vectors
from .chained import SETTLING, Chained
from .frames import read
from .stack import Sums

# An `NTKImputer`, whose module imports this one.
Imputer = Any


def fit_partitions(imputer: Imputer, table: Any) -> None:
    """Fit to some rows, and the regressions to all."""
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
    chosen = np.linspace(0, total - 1, min(total, SETTLING)).astype(np.intp)
    edges = np.cumsum([0, *counts])
    places = np.split(chosen, np.searchsorted(chosen, edges[1:-1]))
    some = compute(*[
        delayed(_rows)(part, at - edge)
        for part, at, edge in zip(parts, places, edges, strict=False)
        if len(at)
    ])  # fmt: skip
    imputer._fit(_joined(some))
    model = getattr(imputer, "model_", None)
    if total > SETTLING and isinstance(model, Chained):
        imputer.model_, landmarks = model.ready()
        shared = delayed((imputer, landmarks), traverse=False)
        sums = [delayed(_sums)(shared, part) for part, n in zip(parts, counts, strict=True) if n]
        while len(sums) > 1:
            pairs = zip(sums[::2], sums[1::2], strict=False)
            sums = [delayed(_added)(*pair) for pair in pairs] + sums[len(sums) // 2 * 2 :]
        imputer.model_ = model.refitted(sums[0].compute())


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


def _sums(shared: tuple[Imputer, list[Vectors]], part: Any) -> list[Sums]:
    imputer, landmarks = shared
    values = read(imputer, part, imputer.missing_values, reset=False)
    assert isinstance(imputer.model_, Chained)
    numbers = imputer._indicators.of(values[:, imputer._used])
    return imputer.model_.sums(numbers, landmarks)


def _added(left: list[Sums], right: list[Sums]) -> list[Sums]:
    return [a + b for a, b in zip(left, right, strict=True)]


def _filled(part: Any, imputer: Imputer) -> Any:
    return imputer.transform(part) if len(part) else part
