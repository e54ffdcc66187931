"""Screens from files - tables (CSV, TSV, parquet), .npz, GCT text, GCTX - and from data frames and
AnnData."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError, check_unique, import_package, warn
from ...io import text_tables
from ...io.arrays import open_npz
from ...io.files import check_source, naming
from ...io.hdf5 import check_hdf5
from ...io.text_tables import Table, as_label
from ...kernels.table import Array
from ...observed import sentinel_of
from ...runtime import resources
from ..features import encode
from ..screen import (
    FIELDS,
    REPLICATES,
    Conditions,
    Screen,
    averaged,
    condition_name,
    one_spelling,
)
from . import gct

# The column of a completed screen that marks predictions, which are not read as measurements.
SOURCE, MEASURED, PREDICTED = "source", "measured", "predicted"
# The layer of a completed AnnData that marks measured values.
KNOWN = "known"

SUFFIXES = (*text_tables.SUFFIXES, ".npz", ".gct", ".gctx", ".h5ad")

Replicates = Literal["refuse", "mean"]

NPZ_GENES = ("genes", "gene", "entrez", "gene_symbol")

# The column of a file of labels that holds the ids of the conditions of a GCT or GCTX file.
IDS = ("sig_id", "inst_id", "distil_id", "id")

# Common names of the labels of conditions, in lower case; the first that is found is taken.
ALIASES: dict[str, tuple[str, ...]] = {
    "cell": ("cell", "cell_line", "cell_type", "cell_iname", "cell_id", "cells"),
    "drug": (
        "drug",
        "pert_iname",
        "cmap_name",
        "compound",
        "treatment",
        "perturbation",
        "pert_id",
        "drugs",
    ),
    "dose": ("dose", "pert_idose", "pert_dose", "dose_level", "dose_value", "concentration"),
    "time": ("time", "pert_itime", "pert_time", "hours"),
    "gene": ("gene", "gene_symbol", "pr_gene_symbol", "genes", "feature"),
    "value": ("value", "expression", "logfc", "log2fc", "z"),
}


def read(
    path: Path | str,
    columns: Mapping[str, str] | None = None,
    replicates: Replicates = "refuse",
    ignore: Sequence[str] = (),
    labels: Path | str | None = None,
    layer: str | None = None,
) -> Screen:
    """Read a screen; the format follows from the suffix.

    Parameters
    ----------
    path : path
        .csv, .tsv, .txt or .parquet: a long table (cell, drug[, dose][, time], gene, value) or a
        wide one (labels, then one column per gene; empty = not measured, and so is a row that a
        column `source` calls "predicted"). .npz: arrays `profiles`,
        `cell`, `drug`[, `dose`][, `time`], `genes`, or `T` (cells, drugs, genes) with `cells`,
        `drugs`, `genes`. .gct (1.2, 1.3). .gctx (needs h5py). .h5ad (needs anndata).
    columns : mapping, optional
        The file's names of cell, drug, dose, time, gene or value, where they are not found by
        themselves.
    replicates : {"refuse", "mean"}
        Whether a condition that was measured more than once is an error, or has the mean of its
        profiles; values that are missing are left out.
    ignore : sequence of str
        Columns of a wide table that are neither labels nor genes.
    labels : path, optional
        A table of the labels of the conditions of a GCT or GCTX file by their ids, such as the
        sig_info files of the Connectivity Map: a column `sig_id` (or `inst_id`, `distil_id`, `id`),
        and columns of labels.
    layer : str, optional
        Of an .h5ad: take the profiles from this layer instead of `X`.

    Raises
    ------
    InputError
        If the file cannot be read as a screen; names the row, column or label.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "screen.csv"
    >>> _ = file.write_text("cell,drug,TP53,MYC\\nA375,x,0.5,1\\nA375,y,,\\n")
    >>> read(file)
    Screen(1 of 2 conditions measured, 2 genes, 1 contexts, 2 drugs)
    """
    path = Path(path)
    check_source(path, SUFFIXES)
    if replicates not in ("refuse", "mean"):
        raise InputError("replicates must be 'refuse' or 'mean'", got=repr(replicates))
    suffix, names = path.suffix.lower(), dict(columns or {})
    unknown = sorted(set(names) - set(ALIASES))
    if unknown:
        raise InputError("unknown columns", expected=", ".join(ALIASES), got=", ".join(unknown))
    if labels is not None and suffix not in (".gct", ".gctx"):
        raise InputError("a file of labels is for .gct and .gctx", got=path.name)
    if layer is not None and suffix != ".h5ad":
        raise InputError("a layer is of an .h5ad", got=path.name)
    if ignore and suffix not in text_tables.SUFFIXES:
        raise InputError("columns to ignore are of a table", got=path.name)
    if suffix in text_tables.SUFFIXES:
        table = text_tables.read(path)
        with naming(path):
            return from_table(table, names, replicates, ignore)
    with naming(path):
        if suffix == ".npz":
            return _from_npz(path, names, replicates)
        if suffix in (".gct", ".gctx"):
            matrix, meta = _read_gct(path, labels, names)
            return from_columns(meta, matrix.values, matrix.genes, names, replicates)
        return from_anndata(_read_h5ad(path), names, replicates, layer)


def from_frame(
    frame: Any,
    columns: Mapping[str, str] | None = None,
    replicates: Replicates = "refuse",
    ignore: Sequence[str] = (),
) -> Screen:
    """A screen from a data frame: one row per condition, or one per condition and gene.

    Parameters
    ----------
    frame : DataFrame of pandas, polars or dask
        Labels and one column per gene, NaN where not measured; or labels, gene and value. Levels of
        an index that have names are labels too. Of dask it is read into memory. Rows that a column
        `source` calls "predicted" were not measured.
    columns : mapping, optional
        The frame's names of cell, drug, dose, time, gene or value, where they are not found by
        themselves.
    replicates : {"refuse", "mean"}
    ignore : sequence of str
        Columns of a wide frame that are neither labels nor genes.

    Returns
    -------
    Screen

    Raises
    ------
    InputError
        If the frame cannot be read as a screen; names the row, column or label.

    Examples
    --------
    >>> import pandas
    >>> frame = pandas.DataFrame({"cell": ["A", "A"], "drug": ["x", "y"], "TP53": [0.5, None]})
    >>> from_frame(frame)
    Screen(1 of 2 conditions measured, 1 genes, 1 contexts, 2 drugs)
    """
    if not hasattr(frame, "columns"):
        hint = "Screen(profiles, labels, genes) of arrays"
        raise InputError("frame must be a data frame", got=type(frame).__name__, hint=hint)
    if hasattr(frame, "dask"):
        frame = frame.compute()
    return from_table(_FrameTable(frame), columns, replicates, ignore)


@dataclass(frozen=True, eq=False)
class _FrameTable:
    """A data frame with what is asked of a table."""

    frame: Any
    lines: Sequence[int] = ()

    @cached_property
    def _columns(self) -> dict[str, Any]:
        frame = self.frame
        if any(name is not None for name in getattr(getattr(frame, "index", None), "names", ())):
            frame = frame.reset_index()
        names = [str(name).strip() for name in frame.columns]
        check_unique(names, "column")
        return {name: frame[own] for name, own in zip(names, frame.columns, strict=True)}

    @property
    def names(self) -> list[str]:
        return list(self._columns)

    def column(self, name: str) -> list[str]:
        """One column as labels, empty where there is a gap."""
        series = self._columns[name]
        gaps = series.isna() if hasattr(series, "isna") else series.is_null()
        pairs = zip(series.to_list(), gaps, strict=True)
        return ["" if gap else as_label(cell) for cell, gap in pairs]

    def numbers(self, names: Sequence[str]) -> Array:
        """Columns as numbers of shape (rows, columns), NaN where there is a gap."""
        values = np.empty((len(self.frame), len(names)))
        for k, name in enumerate(names):
            series = self._columns[name]
            given = {"na_value": np.nan} if hasattr(series, "isna") else {}
            try:
                array = series.to_numpy(**given)
                if array.dtype.kind in "bcmM":
                    raise TypeError(array.dtype)
                values[:, k] = array
            except (TypeError, ValueError):
                hint = f"ignore=[{name!r}] leaves it out"
                kind = str(series.dtype)
                raise InputError(f"column {name!r} must be numbers", got=kind, hint=hint) from None
            for row in np.flatnonzero(np.isinf(values[:, k]))[:1]:
                raise InputError(f"row {row}, column {name!r} is not a finite number")
        return values


def from_table(
    source: Table | _FrameTable,
    columns: Mapping[str, str] | None = None,
    replicates: Replicates = "refuse",
    ignore: Sequence[str] = (),
) -> Screen:
    """A screen from a long or a wide table.

    Examples
    --------
    >>> rows = [["A", "x", "TP53", "1"], ["A", "x", "MYC", "2"]]
    >>> from_table(Table(["cell", "drug", "gene", "value"], rows)).profiles
    array([[1., 2.]])
    """
    ignore, found = _ignored(source.names, ignore), match_columns(source.names, columns or {})
    meta = {name: source.column(name) for name in found.values()}
    if "gene" in found and "value" in found:
        return _from_long_table(source, meta, found, replicates)
    genes = [name for name in source.names if name not in {SOURCE, *found.values(), *ignore}]
    if not genes:
        raise InputError("no column of genes", expected="labels, then one column per gene")
    if len(genes) == 1 and genes[0].lower() in ALIASES["value"]:
        raise InputError(
            f"a column {genes[0]!r}, but none of genes",
            expected=" or ".join(ALIASES["gene"]),
            got=_some(source.names),
            hint="name it: --columns gene=NAME",
        )
    if SOURCE in source.names:
        meta[SOURCE] = source.column(SOURCE)
    kinds = {}
    if isinstance(source, Table):  # frames say of each
        kinds = {name: source.kinds(name) for name in source.text_columns() if name in set(genes)}
    # A text among the numbers of a gene is a slip, which is named with its line.
    text = [name for name, kind in kinds.items() if not 0 < 2 * len(kind.texts) <= kind.distinct]
    if text and len(text) < len(genes):
        raise InputError(
            f"the column {text[0]!r} holds text, and is neither a label nor a gene",
            hint=f"ignore=[{text[0]!r}] (--ignore {text[0]})",
        )
    return from_columns(meta, source.numbers(genes), genes, found, replicates)


def _ignored(names: Sequence[str], ignore: Sequence[str]) -> list[str]:
    """What is neither a label nor a gene: also the index of a data frame, which has no name."""
    absent = [name for name in ignore if name not in names]
    if absent:
        raise InputError(f"there is no column {absent[0]!r} to ignore", got=_some(names))
    return list(dict.fromkeys([*(names[:1] if names[0] in text_tables.UNNAMED else []), *ignore]))


def from_columns(
    meta: Mapping[str, Sequence[Any]],
    values: Array,
    genes: Sequence[str],
    columns: Mapping[str, str] | None = None,
    replicates: Replicates = "refuse",
) -> Screen:
    """A screen from labels by name and profiles of shape (conditions, genes); those that `source`
    calls predicted were not measured."""
    found = match_columns(list(meta), columns or {})
    if SOURCE in meta and len(meta[SOURCE]) == len(values):
        predicted = np.array([str(mark) == PREDICTED for mark in meta[SOURCE]])
        values = np.where(predicted[:, None], np.nan, values)
    fields = [name for name in FIELDS if name in found]
    texts = [["" if x is None else str(x) for x in meta[found[name]]] for name in fields]
    labels = np.array(texts, dtype=str).T
    _warn_of_marks(values)
    make = averaged if replicates == "mean" else Screen
    return make(values, labels, np.asarray(genes, dtype=str), fields)


def from_anndata(
    data: Any,
    columns: Mapping[str, str] | None = None,
    replicates: Replicates = "refuse",
    layer: str | None = None,
) -> Screen:
    """A screen from an AnnData: conditions in `obs`, profiles in `X`, NaN where not measured.

    Parameters
    ----------
    data : AnnData
    columns : mapping, optional
        Names of columns of `obs`, as for `read`.
    replicates : {"refuse", "mean"}
    layer : str, optional
        Take the profiles from this layer instead of `X`. A layer `known`, as `to_anndata` writes
        it, says which values were measured; the others are left out.
    """
    resources.require("reading it", 16 * math.prod(data.shape))
    if layer is not None and layer not in data.layers:
        raise InputError(f"there is no layer {layer!r}", got=_some(list(data.layers)))
    stored = data.X if layer is None else data.layers[layer]
    values = stored.toarray() if hasattr(stored, "toarray") else np.asarray(stored)
    if KNOWN in data.layers:
        values = np.where(np.asarray(data.layers[KNOWN]).astype(bool), values, np.nan)
    meta = {str(name): list(data.obs[name]) for name in data.obs.columns}
    return from_columns(meta, values, [str(name) for name in data.var_names], columns, replicates)


@dataclass(frozen=True, eq=False)
class Annotations:
    """What a file says of its conditions and genes besides their labels and values.

    Parameters
    ----------
    columns : dict of str to str
        The file's names of the labels.
    labels : str array of shape (conditions, fields)
    conditions, genes : dict of str to list
        By name, one for every condition or gene.
    more : list of str
        What no other format holds: parts of an AnnData, columns of a long table.
    long : bool
        Whether it is a table of one row per condition and gene.
    data : AnnData, optional
        Where the file holds one.
    layer : str, optional
        Of the AnnData, where the profiles are from; else they are its `X`.
    """

    columns: dict[str, str]
    labels: Conditions
    conditions: dict[str, list[Any]]
    genes: dict[str, list[str]]
    more: list[str]
    long: bool = False
    data: Any = None
    layer: str | None = None


def annotations_of(
    path: Path,
    columns: Mapping[str, str],
    ignore: Sequence[str] = (),
    labels: Path | str | None = None,
    layer: str | None = None,
) -> Annotations | None:
    """The annotations of a file that `read` has read with the same arguments; None where the format
    has none."""
    suffix, genes, more, data = path.suffix.lower(), {}, [], None
    with naming(path):
        if suffix in (".gct", ".gctx"):
            matrix, meta = _read_gct(path, labels, columns)
            genes, taken = matrix.about, {"id": matrix.ids, **matrix.meta}
        elif suffix == ".h5ad":
            data = _read_h5ad(path)
            meta = taken = {str(name): list(data.obs[name]) for name in data.obs}
            genes = {str(name): list(map(str, data.var[name])) for name in data.var}
            parts = ("layers", "obsm", "varm", "obsp", "varp", "uns")
            more = [f"{part}[{name!r}]" for part in parts for name in getattr(data, part)]
            if layer is not None:
                more[more.index(f"layers[{layer!r}]")] = "X"
        elif suffix in text_tables.SUFFIXES:
            table = text_tables.read(path)
            names, ignore = match_columns(table.names, columns), _ignored(table.names, ignore)
            meta = {name: table.column(name) for name in (*names.values(), *ignore)}
            if "value" in names:
                more = [name for name in table.names if name not in {*names.values(), SOURCE}]
            taken = {} if "value" in names else {name: meta[name] for name in ignore}
        else:
            return None
        found = match_columns(list(meta), columns)
        fields = [name for name in FIELDS if name in found]
        texts = np.array([list(map(str, meta[found[name]])) for name in fields], dtype=str).T
        others = {k: v for k, v in taken.items() if k not in {*found.values(), SOURCE} and len(v)}
    long = {"gene", "value"} <= found.keys()
    return Annotations(found, one_spelling(texts, fields), others, genes, more, long, data, layer)


def _read_gct(
    path: Path, labels: Path | str | None, columns: Mapping[str, str]
) -> tuple[gct.Matrix, dict[str, list[str]]]:
    """A matrix, and the labels of its conditions from wherever they are."""
    matrix = gct.read(path)
    if labels is not None:
        meta = _labels_of_ids(Path(labels), matrix.ids, columns)
    else:
        meta = matrix.meta or gct.labels_of_names(matrix.ids)
    return matrix, meta


def _labels_of_ids(
    path: Path, ids: Sequence[str], columns: Mapping[str, str]
) -> dict[str, list[str]]:
    """The labels that a table has for these ids."""
    table = text_tables.read(path)
    with naming(path):
        name = next((name for name in IDS if name in table.names), None)
        if name is None:
            raise InputError("no column of ids", expected=" or ".join(IDS), got=_some(table.names))
        known = set(ids)
        check_unique([label for label in table.column(name) if label in known], "condition")
        place = {label: row for row, label in enumerate(table.column(name))}
        absent = [each for each in ids if each not in place]
        if absent or not ids:
            raise InputError(
                f"no labels for {len(absent)} of {len(ids)} conditions", got=_some(absent)
            )
        rows = [place[each] for each in ids]
        meta = {}
        for label in match_columns(table.names, columns).values():
            column = table.column(label)
            meta[label] = [column[row] for row in rows]
        return meta


def match_columns(names: Sequence[str], columns: Mapping[str, str]) -> dict[str, str]:
    """The column of the file that holds each kind of label.

    Examples
    --------
    >>> match_columns(["cell_id", "pert_iname", "TP53"], {})
    {'cell': 'cell_id', 'drug': 'pert_iname'}
    """
    lower = {name.lower().strip(): name for name in reversed(names)}
    found: dict[str, str] = {}
    for kind, aliases in ALIASES.items():
        if kind in columns:
            if columns[kind] not in names:
                raise InputError(f"column {columns[kind]!r} does not exist", got=_some(names))
            found[kind] = columns[kind]
        else:
            name = next((lower[alias] for alias in aliases if alias in lower), None)
            if name is not None:
                found[kind] = name
    for kind in ("cell", "drug"):
        if kind not in found:
            raise InputError(
                f"no column of {'cell lines' if kind == 'cell' else 'drugs'}",
                expected=" or ".join(ALIASES[kind]),
                got=_some(names),
                hint=f"name it: --columns {kind}=NAME",
            )
    if not {"gene", "value"} <= found.keys():
        found.pop("gene", None)
        found.pop("value", None)
    return found


def _from_long_table(
    source: Table | _FrameTable,
    meta: Mapping[str, list[str]],
    found: Mapping[str, str],
    replicates: Replicates,
) -> Screen:
    """A screen from one row per condition and gene; replicates are averaged gene by gene."""
    fields = [name for name in FIELDS if name in found]
    labels = np.array([meta[found[name]] for name in fields], dtype=str).T
    conditions = [tuple(row) for row in one_spelling(labels, fields).tolist()]
    names, values = meta[found["gene"]], source.numbers([found["value"]])[:, 0]
    if SOURCE in source.names:
        values[np.array(source.column(SOURCE)) == PREDICTED] = np.nan
    _warn_of_marks(values)
    row, _, rows = encode(conditions, ())
    gene, _, genes = encode(names, ())
    flat = row * genes + gene
    ordered, first = np.unique(flat, return_index=True)
    if len(ordered) < len(flat) and replicates == "refuse":
        again = int(np.setdiff1d(np.arange(len(flat)), first)[0])
        place = f"row {again}" if isinstance(source, _FrameTable) else f"line {again + 2}"
        if source.lines:
            place = f"line {source.lines[again]}"
        raise InputError(
            f"{place} repeats gene {names[again]!r} of {condition_name(conditions[again])}",
            hint=REPLICATES,
        )
    known = ~np.isnan(values)
    sums = np.bincount(flat[known], values[known], rows * genes)
    counts = np.bincount(flat[known], minlength=rows * genes)
    profiles = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return Screen(
        profiles.reshape(rows, genes),
        list(dict.fromkeys(conditions)), list(dict.fromkeys(names)), fields,
    )  # fmt: skip


def _from_npz(path: Path, columns: Mapping[str, str], replicates: Replicates) -> Screen:
    with open_npz(path) as stored:
        name = next((x for x in NPZ_GENES if x in stored), None)
        if name is None:
            raise InputError("no array `genes`", got=_some(stored.files))
        tensor = {"T", "cells", "drugs"} <= set(stored.files)
        if not tensor and "profiles" not in stored:
            raise InputError(
                "no array `profiles`, nor `T` with `cells` and `drugs`", got=_some(stored.files)
            )
        arrays: dict[str, Any] = {name: stored[name] for name in stored.files}
    genes = arrays[name]
    if tensor:
        return Screen.from_tensor(
            _float_array(arrays["T"]), arrays["cells"], arrays["drugs"], genes
        )
    meta = {k: v for k, v in arrays.items() if v.ndim == 1 and v is not genes}
    profiles = _float_array(arrays["profiles"])
    return from_columns(meta, profiles, genes.tolist(), columns, replicates)


def _float_array(values: NDArray[Any]) -> Array:
    if values.dtype.kind not in "fiu":
        raise InputError("profiles must be numbers", got=str(values.dtype))
    return values.astype(np.float64)


def _read_h5ad(path: Path) -> Any:
    hint = "pip install 'ntkfill[screens]'"
    anndata = import_package("anndata", "AnnData needs the package anndata", hint)
    check_hdf5(path)
    return anndata.read_h5ad(path)


def _warn_of_marks(values: Array) -> None:
    mark = sentinel_of(values[~np.isnan(values)])
    if mark is not None:
        what = f"{mark:g} among the profiles looks like a mark of missing values"
        warn(f"{what}; it was taken for a value. Try: NaN or an empty cell.", UserWarning)


def _some(names: Sequence[str] | Mapping[str, Any]) -> str:
    listed = [str(name) for name in names]
    return ", ".join(listed[:8]) + (", ..." if len(listed) > 8 else "")
