"""Completed screens as files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...io import text_tables
from ...io.files import check_target, replacing
from ...kernels.table import Array
from ...result import Filled
from ..completion import Info
from ..screen import label_columns
from .reading import MEASURED, PREDICTED, SOURCE

SUFFIXES = (*text_tables.SUFFIXES, ".npz")


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
