"""Completed screens as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ...errors import InputError, import_package, warn
from ...io import text_tables
from ...io.files import check_target, replacing
from ...kernels.table import Array
from ...observed import Mask
from ...result import Filled
from ..completion import Info
from ..screen import Screen, label_columns, one_spelling
from . import gct
from .reading import KNOWN, MEASURED, PREDICTED, SOURCE, Annotations, match_columns

STD_SUFFIXES = (*text_tables.SUFFIXES, ".npz")
# The layers that are not those of a file.
OWN = {KNOWN, "std", "lower", "upper"}
SUFFIXES = (*STD_SUFFIXES, ".gct", ".gctx", ".h5ad")


def to_frame(filled: Filled[Info]) -> Any:
    """A completed screen as a pandas DataFrame, one row per condition.

    Parameters
    ----------
    filled : Filled
        From `complete`.

    Returns
    -------
    DataFrame
        Columns of labels, `source` ("measured", or "predicted" where any value is), then one
        column per gene. `from_frame` reads it again, without what was predicted.

    Examples
    --------
    >>> from ntkfill.screens import complete, simulate
    >>> frame = to_frame(complete(simulate(cells=3, drugs=6, genes=8).screen))
    >>> frame.shape, list(frame)[:3]
    ((18, 11), ['cell', 'drug', 'source'])
    """
    pandas = import_package("pandas", "data frames need pandas", "pip install 'ntkfill[tables]'")
    screen = filled.values
    labels = label_columns(screen.labels, screen.fields)
    about = pandas.DataFrame({**labels, SOURCE: _source(filled.info.measured)})
    return pandas.concat([about, pandas.DataFrame(screen.profiles, columns=screen.genes)], axis=1)


def to_anndata(
    filled: Filled[Info],
    like: Any = None,
    columns: Mapping[str, str] | None = None,
    layer: str | None = None,
) -> Any:
    """A completed screen as an AnnData.

    Parameters
    ----------
    filled : Filled
        From `complete`.
    like : AnnData, optional
        What the screen was read from: its `var`, `varm`, `varp` and `uns` are kept, and for its
        conditions (of replicates, the first) their names, the other columns of `obs`, `obsm` and
        `layers`, which miss the conditions that it did not have. Profiles of float32 stay so; a
        warning names what comes back in another type.
    columns : mapping, optional
        Names of columns of its `obs`, as for `from_anndata`; the result has the same.
    layer : str, optional
        The layer of `like` that the screen was read from, and is written to. `X` is then that of
        `like`.

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
    found = dict(columns or {})
    if like is not None:
        like = like[:, screen.genes]
        found = match_columns(list(like.obs.columns), found)
    labels = label_columns(screen.labels, screen.fields)
    obs = pandas.DataFrame({found.get(k, k): v for k, v in labels.items()}, index=names)
    source = np.where(info.partly, "partly measured", np.where(info.measured, MEASURED, PREDICTED))
    obs[SOURCE], obs["novelty"] = source, info.novelty
    var = pandas.DataFrame(index=screen.genes)
    data = anndata.AnnData(screen.profiles.copy(), obs=obs, var=var)
    if like is None and layer is not None:
        raise InputError("a layer is of an AnnData", hint="like=, what the screen was read from")
    if like is not None:
        texts = np.array([like.obs[found[name]].astype(str) for name in screen.fields], dtype=str)
        rows = _places(screen, one_spelling(texts.T, screen.fields, screen.labels))
        types: dict[str, tuple[Any, Any]] = {}
        of_file = like.obs.drop(columns=[*found.values(), SOURCE, "novelty"], errors="ignore")
        for name in of_file:
            data.obs[name] = _of_rows(of_file[name], rows, data.obs_names)
            types[f"obs[{name!r}]"] = of_file[name], data.obs[name]
        if like.obs_names.is_unique:
            pairs = zip(names, rows, strict=True)
            data.obs_names = [name if row < 0 else like.obs_names[row] for name, row in pairs]
        data.var, data.uns = like.var.copy(), dict(like.uns)
        data.varm.update(like.varm)
        data.varp.update(like.varp)
        lost = [f"obsp[{name!r}]" for name in like.obsp] + ["raw"] * (like.raw is not None)
        if lost:
            warn(f"an AnnData of other conditions does not hold {', '.join(lost)}", UserWarning)
        for kind in ("layers", "obsm"):
            for name in sorted(set(getattr(like, kind)) - OWN):
                before = getattr(like, kind)[name]
                getattr(data, kind)[name] = after = _of_rows(before, rows, data.obs_names)
                types[f"{kind}[{name!r}]"] = before, after
        source = like.X if layer is None else like.layers[layer]
        if source is not None:
            data.X = data.X.astype(_float_type(source.dtype))
        name = "X" if layer is None else f"layers[{layer!r}]"
        types[name] = source, data.X
        if layer is not None:
            data.layers[layer] = data.X
            data.X = None if like.X is None else _of_rows(like.X, rows, names)
            types["X"] = like.X, data.X
        _warn_of_types(types)
    data.layers[KNOWN] = info.known
    if filled.std is not None:
        data.layers["std"] = filled.std
    if filled.interval is not None:
        data.layers["lower"], data.layers["upper"] = filled.interval.lower, filled.interval.upper
    return data


def write(
    path: Path,
    filled: Filled[Info],
    like: Annotations | None = None,
    *,
    excel_safe: bool = False,
) -> None:
    """Write the profiles, with a column that marks predicted ones, and what is said of conditions
    and genes in the file that they are from; a warning names what the format does not hold."""
    check_target(path, SUFFIXES)
    screen, suffix = filled.values, path.suffix.lower()
    lost = [] if like is None or (suffix == ".h5ad" and like.data is not None) else like.more
    if like is not None and suffix in STD_SUFFIXES:
        lost = [*like.genes, *lost]
    others: dict[str, list[str]] = {}
    if like is not None:
        rows = _places(screen, like.labels)
        others = {
            name: ["" if row < 0 else str(column[row]) for row in rows]
            for name, column in like.conditions.items()
        }
    if suffix == ".npz":
        lost = [*others, *lost]
    if lost:
        what = ", ".join(lost[:8]) + (", ..." if len(lost) > 8 else "")
        warn(f"{path} does not hold {what}", UserWarning)
    names = [name if like is None else like.columns[name] for name in screen.fields]
    if suffix == ".h5ad":
        _write_h5ad(path, filled, like, others)
    elif suffix == ".npz":
        _write_npz(path, filled, {"profiles": screen.profiles})
    elif suffix in STD_SUFFIXES:
        if like is not None and like.long:
            table = _long(filled, like.columns)
        else:
            table = _wide(filled, [screen.profiles], [""], names, others)
        text_tables.write(path, table.excel_safe() if excel_safe else table)
    else:
        ids = others.pop("id", [""] * len(screen))
        ids = [own or ":".join(labels) for own, labels in zip(ids, screen.labels, strict=True)]
        texts = dict(zip(names, screen.labels.T.tolist(), strict=True))
        texts |= {name: [x or gct.UNKNOWN for x in column] for name, column in others.items()}
        texts[SOURCE] = _source(filled.info.measured)
        about = {} if like is None else like.genes
        matrix = gct.Matrix(ids, texts, screen.profiles, screen.genes.tolist(), about)
        with replacing(path) as file:
            gct.write(file, matrix)


def write_std(path: Path, filled: Filled[Info], *, excel_safe: bool = False) -> None:
    """Write standard deviations, and bounds where there are any, as tables or .npz.

    In a table the columns of genes hold standard deviations, those of "gene lower" and
    "gene upper" the bounds.
    """
    check_target(path, STD_SUFFIXES)
    arrays: dict[str, Any] = {"std": filled.std}
    if filled.interval is not None:
        arrays |= {"lower": filled.interval.lower, "upper": filled.interval.upper}
    if path.suffix.lower() == ".npz":
        _write_npz(path, filled, arrays)
        return
    suffixes = ["", " lower", " upper"][: len(arrays)]
    table = _wide(filled, list(arrays.values()), suffixes, list(filled.values.fields), {})
    text_tables.write(path, table.excel_safe() if excel_safe else table)


def _write_npz(path: Path, filled: Filled[Info], arrays: Mapping[str, Array]) -> None:
    screen = filled.values
    stored: dict[str, Any] = {**arrays, **label_columns(screen.labels, screen.fields)}
    with replacing(path) as file:
        source = _source(filled.info.measured)
        np.savez_compressed(file, genes=screen.genes, source=source, **stored)


def _wide(
    filled: Filled[Info],
    arrays: Sequence[Array],  # (conditions, genes)
    suffixes: Sequence[str],  # of the genes
    names: Sequence[str],  # of the labels
    others: Mapping[str, list[str]],  # of the conditions
) -> text_tables.Table:
    screen, marks = filled.values, _source(filled.info.measured)
    genes = [f"{gene}{suffix}" for suffix in suffixes for gene in screen.genes]
    # The index of a data frame, which has no name, is the first column.
    index = {name: column for name, column in others.items() if name in text_tables.UNNAMED}
    said = {name: column for name, column in others.items() if name not in index}
    labels = dict(zip(names, screen.labels.T.tolist(), strict=True))
    columns = [index, labels, said, {SOURCE: marks}]
    before = zip(*(column for part in columns for column in part.values()), strict=True)
    rows = [[*cells, *row] for cells, row in zip(before, np.hstack(arrays).tolist(), strict=True)]
    return text_tables.Table([*(name for part in columns for name in part), *genes], rows)


def _long(filled: Filled[Info], columns: Mapping[str, str]) -> text_tables.Table:
    """One row per condition and gene."""
    screen, rows = filled.values, []
    for labels, known, profile in zip(
        screen.labels.tolist(), filled.info.known, screen.profiles.tolist(), strict=True
    ):
        parts = zip(screen.genes.tolist(), profile, _source(known), strict=True)
        rows += [[*labels, *part] for part in parts]
    names = [columns[name] for name in (*screen.fields, "gene", "value")]
    return text_tables.Table([*names, SOURCE], rows)


def _write_h5ad(
    path: Path, filled: Filled[Info], like: Annotations | None, others: Mapping[str, list[str]]
) -> None:
    about = () if like is None or like.data is None else (like.data, like.columns, like.layer)
    data = to_anndata(filled, *about)
    if like is not None and like.data is None:
        for name, column in others.items():
            data.obs[name] = column
        for name, column in like.genes.items():
            data.var[name] = column
    import anndata
    import h5py

    data.strings_to_categoricals()
    with replacing(path) as draft, h5py.File(draft, "w", locking=False) as file:  # it has the lock
        anndata.io.write_elem(file, "/", data)


def _source(measured: Mask) -> list[str]:
    return [MEASURED if each else PREDICTED for each in measured]


def _places(screen: Screen, labels: NDArray[np.str_]) -> NDArray[np.intp]:
    """Where each condition of a screen is first among these labels, -1 where it is not."""
    first: dict[tuple[str, ...], int] = {}
    for row, condition in enumerate(map(tuple, labels.tolist())):
        first.setdefault(condition, row)
    return np.array([first.get(tuple(condition), -1) for condition in screen.labels.tolist()])


def _of_rows(part: Any, rows: NDArray[np.intp], names: Any) -> Any:
    """These rows, under these names, of a column, a data frame or a matrix, missing for -1, in the
    nearest type that can miss some: nullable in columns, floats in matrices."""
    if hasattr(part, "reindex"):
        if (rows < 0).any():
            frame = part if hasattr(part, "columns") else part.to_frame(0)
            types = {name: _nullable(dtype) for name, dtype in frame.dtypes.items()}
            part = frame.astype(types) if part is frame else part.astype(types[0])
        part = part.reset_index(drop=True).reindex(np.where(rows < 0, len(part), rows))
        return part.set_axis(names)
    part = part if sparse.issparse(part) else np.asarray(part)
    if (rows >= 0).all():
        return part[rows]
    gap = np.full((1, *part.shape[1:]), np.nan, _float_type(part.dtype))
    if not sparse.issparse(part):
        return np.concatenate([part, gap])[rows]
    return sparse.vstack([part, sparse.csr_matrix(gap)], part.format)[rows]


def _nullable(dtype: Any) -> Any:
    """The type of a column that holds the same values, or none."""
    if not isinstance(dtype, np.dtype) or dtype.kind not in "biuO":
        return dtype
    others = {"bool": "boolean", "object": "category"}  # of text, which AnnData has as categories
    return others.get(dtype.name, dtype.name.replace("i", "I").replace("u", "U"))


def _float_type(dtype: Any) -> Any:
    """The type of floats that holds these numbers: float32 stays."""
    return np.result_type(dtype, np.float32) if dtype.kind == "f" else np.dtype(np.float64)


def _warn_of_types(types: Mapping[str, tuple[Any, Any]]) -> None:
    """Say in one sentence which parts of an AnnData come back in another type."""
    said = {
        name: tuple(map(_type_name, pair)) for name, pair in types.items() if pair[0] is not None
    }
    said = {name: pair for name, pair in said.items() if pair != ("object", "category")}
    changed = [f"{name} is {new} ({old} before)" for name, (old, new) in said.items() if old != new]
    if changed:
        what = ", ".join(changed[:8]) + (", ..." if len(changed) > 8 else "")
        warn(f"with predicted conditions {what}", UserWarning)


def _type_name(part: Any) -> str:
    dtypes = [part.dtype] if hasattr(part, "dtype") else part.dtypes
    names = ", ".join(dict.fromkeys(map(str, dtypes)))
    return f"sparse {names}" if sparse.issparse(part) else names
