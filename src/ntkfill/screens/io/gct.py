"""GCT 1.2 and 1.3 (text) and GCTX (HDF5), the formats of the Connectivity Map."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...errors import InputError, import_package
from ...io.hdf5 import check_hdf5
from ...io.text_tables import Table
from ...kernels.table import Array
from ..screen import FIELDS

# The mark of a missing label in GCTX files.
UNKNOWN = "-666"


class Matrix(NamedTuple):
    """Ids and labels of conditions, profiles of shape (conditions, genes), names of genes and what
    else is said of them."""

    ids: list[str]
    meta: dict[str, list[str]]
    values: Array
    genes: list[str]
    about: dict[str, list[str]]


def read(path: Path) -> Matrix:
    """Read .gct or .gctx."""
    return _gctx(path) if path.suffix.lower() == ".gctx" else _gct(path)


def _gct(path: Path) -> Matrix:
    lines = [line.rstrip("\r") for line in path.read_text(encoding="utf-8-sig").split("\n")]
    version = lines[0].strip()
    if version not in ("#1.2", "#1.3"):
        raise InputError("not a GCT file", expected="#1.2 or #1.3 first", got=repr(version[:20]))
    try:
        sizes = [int(part) for part in lines[1].split("\t") if part.strip()]
    except (IndexError, ValueError):
        sizes = []
    if len(sizes) != (2 if version == "#1.2" else 4):
        raise InputError("the second line of a GCT file must hold its sizes")
    genes, conditions, about_genes, about_conditions = (*sizes, 1, 0)[:4]
    grid = [line.split("\t") for line in lines[2:] if line.strip()]
    width, height = 1 + about_genes + conditions, 1 + about_conditions + genes
    if len(grid) != height:
        raise InputError(
            "the GCT file has another number of lines than its second line says",
            expected=str(height + 2),
            got=str(len(grid) + 2),
        )
    for number, row in enumerate(grid, start=3):
        while len(row) > width and not row[-1].strip():  # spreadsheets add tabs
            row.pop()
        if len(row) != width:
            raise InputError(
                f"line {number} of the GCT file has another length",
                expected=f"{width} entries",
                got=str(len(row)),
            )
    names, first = grid[0][1 + about_genes :], 1 + about_conditions
    meta = {row[0]: row[1 + about_genes :] for row in grid[1:first]}
    rows = [row[1 + about_genes :] for row in grid[first:]]
    body = Table(names, rows, range(first + 3, height + 3))
    about = {
        name: [row[k] for row in grid[first:]]
        for k, name in enumerate(grid[0][1 : 1 + about_genes], start=1)
    }
    return Matrix(names, meta, body.numbers().T, [row[0] for row in grid[first:]], about)


def write(path: Path, matrix: Matrix) -> None:
    """Write .gct (1.3) or .gctx."""
    about = dict(matrix.about)
    ids = about.pop("id", matrix.genes)
    if path.suffix.lower() == ".gctx":
        texts = {f"ROW/{name}": column for name, column in {"id": ids, **about}.items()}
        meta = {"id": matrix.ids, **matrix.meta}
        texts |= {f"COL/{name}": column for name, column in meta.items()}
        # `replacing` holds the lock.
        with _h5py().File(path, "w", locking=False) as file:
            file.attrs["version"] = "GCTX1.0"
            file["0/DATA/0/matrix"] = matrix.values
            for name, column in texts.items():
                file[f"0/META/{name}"] = np.array([text.encode() for text in column], dtype="S")
        return
    rows = [["id", *about, *matrix.ids]]
    rows += [[name, *["na"] * len(about), *column] for name, column in matrix.meta.items()]
    for k, gene in enumerate(ids):
        values = map(repr, matrix.values[:, k].tolist())
        rows.append([gene, *(column[k] for column in about.values()), *values])
    sizes = len(ids), len(matrix.ids), len(about), len(matrix.meta)
    lines = ["#1.3", "\t".join(map(str, sizes)), *("\t".join(row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def labels_of_names(names: list[str]) -> dict[str, list[str]]:
    """Labels from names such as A375:vorinostat[:10 uM[:24 h]]."""
    parts = [name.split(":") for name in names]
    lengths = {len(part) for part in parts}
    if len(lengths) != 1 or not 2 <= min(lengths) <= 4:
        raise InputError(
            "GCT 1.2 has no labels of conditions, so the names of its columns must hold them",
            expected="names such as A375:vorinostat:10 uM:24 h",
            got=repr(names[0]),
            hint="GCT 1.3, or a file of labels (labels=, --labels)",
        )
    return {field: [p[k] for p in parts] for k, field in enumerate(FIELDS[: lengths.pop()])}


def _gctx(path: Path) -> Matrix:
    h5py = _h5py()
    check_hdf5(path)
    with h5py.File(path, "r") as file:
        meta, about = _texts(file["0/META/COL"]), _texts(file["0/META/ROW"])
        if "id" not in about:
            raise InputError("the GCTX file has no names of genes", expected="0/META/ROW/id")
        meta = {name: column for name, column in meta.items() if set(column) != {UNKNOWN}}
        names = about.get("pr_gene_symbol") or about["id"]
        genes = names if len(set(names)) == len(names) else about["id"]
        matrix = file["0/DATA/0/matrix"]
        if matrix.shape != (len(next(iter(meta.values()), [])), len(genes)):
            raise InputError(
                "labels and matrix of the GCTX file do not match",
                got=f"matrix {matrix.shape}, {len(genes)} genes",
            )
        if matrix.size and not matrix.id.get_storage_size():
            raise InputError("the matrix of the GCTX file was never written")
        ids, values = meta.pop("id", []), np.asarray(matrix, dtype=np.float64)
        return Matrix(ids, meta, values, genes, about)


def _h5py() -> Any:
    hint = "pip install 'ntkfill[screens]'"
    return import_package("h5py", "GCTX needs the package h5py", hint)


def _texts(group: Any) -> dict[str, list[str]]:
    result = {}
    for name, stored in group.items():
        column = np.asarray(stored)
        result[name] = [
            (x.decode() if isinstance(x, bytes) else str(x)).strip() for x in column.tolist()
        ]
    return result
