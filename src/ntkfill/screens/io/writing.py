"""Completed screens as files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from ...io import text_tables
from ...io.files import check_target, replacing
from ...kernels.table import Array
from ...result import Filled
from ..completion import Info
from ..screen import label_columns, one_spelling
from .reading import KNOWN, MEASURED, PREDICTED, SOURCE, match_columns

SUFFIXES = (*text_tables.SUFFIXES, ".npz")


def to_anndata(filled: Filled[Info], like: Any = None) -> Any:
    """A completed screen as an AnnData.

    Parameters
    ----------
    filled : Filled
        From `complete`.
    like : AnnData, optional
        What the screen was read from: the other columns of its `obs` are kept for its conditions
        (of replicates, those of the first), and its `var`.

    Returns
    -------
    AnnData
        `obs` holds the labels, `source` ("measured", "predicted", or "partly measured") and
        `novelty`; the layer `known` marks measured values, `std`, `lower` and `upper` are there
        where they were asked for.

    Examples
    --------
    >>> from ntkfill.screens import complete, simulate
    >>> data = to_anndata(complete(simulate(cells=3, drugs=6, genes=8).screen))
    >>> data.shape, sorted(data.obs)
    ((18, 8), ['cell', 'drug', 'novelty', 'source'])
    """
    try:
        import anndata
        import pandas
    except ImportError:
        raise InputError(
            "AnnData needs the package anndata", hint="pip install 'ntkfill[screens]'"
        ) from None
    screen, info = filled.values, filled.info
    names = [" | ".join(labels) for labels in screen.labels.tolist()]
    obs = pandas.DataFrame(label_columns(screen.labels, screen.fields), index=names)
    source = np.where(info.partly, "partly measured", np.where(info.measured, MEASURED, PREDICTED))
    obs[SOURCE], obs["novelty"] = source, info.novelty
    var = pandas.DataFrame(index=screen.genes)
    if like is not None:
        found = match_columns(list(like.obs.columns), {})
        columns = [like.obs[found[name]].astype(str) for name in screen.fields]
        labels = one_spelling(np.array(columns, dtype=str).T, screen.fields)
        kept = like.obs.set_axis([" | ".join(row) for row in labels.tolist()], axis=0)
        others = [name for name in kept.columns if name not in {*found.values(), *obs.columns}]
        obs = obs.join(kept.loc[~kept.index.duplicated(), others])
        var = like.var.reindex(screen.genes)
    data = anndata.AnnData(screen.profiles.copy(), obs=obs, var=var)
    data.layers[KNOWN] = info.known
    if filled.std is not None:
        data.layers["std"] = filled.std
    if filled.interval is not None:
        data.layers["lower"], data.layers["upper"] = filled.interval.lower, filled.interval.upper
    return data


def write(path: Path, filled: Filled[Info], *, excel_safe: bool = False) -> None:
    """Write a wide table or .npz of the profiles, with a column that marks predicted ones."""
    _write(path, filled, {"profiles": filled.values.profiles}, [""], excel_safe)


def write_std(path: Path, filled: Filled[Info], *, excel_safe: bool = False) -> None:
    """Write standard deviations, and bounds where there are any, in the form of `write`.

    In a table the columns of genes hold standard deviations, those of "gene lower" and
    "gene upper" the bounds.
    """
    arrays, suffixes = {"std": filled.std}, [""]
    if filled.interval is not None:
        arrays |= {"lower": filled.interval.lower, "upper": filled.interval.upper}
        suffixes += [" lower", " upper"]
    _write(path, filled, arrays, suffixes, excel_safe)


def _write(
    path: Path,
    filled: Filled[Info],
    arrays: Mapping[str, Array],
    suffixes: list[str],
    excel_safe: bool,
) -> None:
    check_target(path, SUFFIXES)
    screen = filled.values
    source = np.where(filled.info.measured, MEASURED, PREDICTED)
    if path.suffix.lower() == ".npz":
        stored: dict[str, Any] = {**arrays, **label_columns(screen.labels, screen.fields)}
        with replacing(path) as file:
            np.savez_compressed(file, genes=screen.genes, source=source, **stored)
        return
    genes = [f"{gene}{suffix}" for suffix in suffixes for gene in screen.genes]
    values = np.hstack(list(arrays.values())).tolist()
    rows = [
        [*labels, mark, *row]
        for labels, mark, row in zip(screen.labels.tolist(), source.tolist(), values, strict=True)
    ]
    table = text_tables.Table([*screen.fields, SOURCE, *genes], rows)
    text_tables.write(path, table.excel_safe() if excel_safe else table)
