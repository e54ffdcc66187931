"""Tables and screens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import openpyxl
import pandas as pd
import polars as pl
import pyarrow as pa
from pyarrow import parquet

from . import Container

# Tables: three columns of numbers with gaps, and what must stay as it is.
NUMBERS = np.add.outer(np.arange(12.0), [1, 20, 300]) % 7
GAPS = np.zeros(NUMBERS.shape, bool)
GAPS[[2, 5, 7], [0, 1, 2]] = True
WHO = [f"who {k % 3}" for k in range(12)]
FRAME = pd.DataFrame(NUMBERS, [f"row {k}" for k in range(12)], ["a", "b", "c"]).assign(who=WHO)
HOLED = FRAME.mask(np.c_[GAPS, np.zeros(12, bool)])
DAYS = pd.date_range("2024-01-01", periods=12, tz="Europe/Paris")


def impute(*more: str) -> Callable[[Path, Path], list[str]]:
    return lambda source, target: ["impute", str(source), "-o", str(target), *more]


def numbers(values: np.ndarray) -> dict[str, Any]:
    return {"known values": values[~GAPS], "gaps": values[GAPS].astype(float)}


def read_csv(separator: str = ",") -> Callable[[Path], dict[str, Any]]:
    def read(path: Path) -> dict[str, Any]:
        frame = pd.read_csv(path, sep=separator, index_col=0)
        return {
            **numbers(frame[["a", "b", "c"]].to_numpy()),
            "index": frame.index.tolist(),
            "columns": frame.columns.tolist(),
            "text": frame["who"].tolist(),
        }

    return read


def frame_of_types() -> pd.DataFrame:
    """Of pandas: types, an index, a name of the columns, attributes."""
    frame = HOLED.astype({"a": "Int64", "b": "float32", "c": "UInt8", "who": "category"})
    frame["date"], frame["truth"], frame["big"] = DAYS, np.arange(12) > 5, 2**53 + 1 + np.arange(12)
    frame.attrs["source"] = "here"
    return frame.rename_axis(index="name")


def read_frame(path: Path) -> dict[str, Any]:
    frame = pd.read_parquet(path)
    values = frame[["a", "b", "c"]].astype(float).to_numpy()
    return {
        **numbers(values),
        "types": list(map(str, frame.dtypes)),
        "index": (frame.index.tolist(), frame.index.name),
        "columns": frame.columns.tolist(),
        "categories": frame["who"].tolist(),
        "dates": frame["date"].tolist(),
        "truth values": frame["truth"].tolist(),
        "integers beyond 2^53": frame["big"].tolist(),
        "attributes": frame.attrs,
    }


def write_polars(path: Path) -> None:
    frame = pl.from_pandas(HOLED).with_columns(
        pl.col("a").cast(pl.UInt8),
        pl.col("b").cast(pl.Decimal(10, 2)),
        pl.col("c").cast(pl.Float32),
        pl.col("who").cast(pl.Categorical),
        pl.lit([1, 2]).alias("list"),
    )
    frame.write_parquet(path, compression="zstd")


def read_polars(path: Path) -> dict[str, Any]:
    frame = pl.read_parquet(path)
    return {
        **numbers(frame.select(pl.col("a", "b", "c").cast(float)).to_numpy()),
        "types": str(frame.schema),
        "text": frame["who"].to_list(),
        "lists": frame["list"].to_list(),
    }


def write_arrow(path: Path) -> None:
    columns = {name: pa.array(HOLED[name], from_pandas=True) for name in "abc"}
    table = pa.table(columns | {"who": WHO}).replace_schema_metadata({"study": "a study"})
    parquet.write_table(table, path, compression="gzip")


def read_arrow(path: Path) -> dict[str, Any]:
    table, about = parquet.read_table(path), parquet.read_metadata(path)
    return {
        **numbers(table.select(["a", "b", "c"]).to_pandas().to_numpy()),
        "schema": table.schema.to_string(),
        "metadata": table.schema.metadata,
        "compression": about.row_group(0).column(0).compression,
    }


def write_book(path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Data"
    sheet.append(["who", "when", "a", "b", "c"])
    for k, row in enumerate(HOLED.itertuples()):
        cells = [None if x != x else x for x in (row.a, row.b, row.c)]
        sheet.append([row.who, datetime(2024, 1, 1 + k), *cells])
    sheet["C4"].number_format, sheet.column_dimensions["A"].width = "0.00", 30
    sheet["D2"].font, sheet.freeze_panes = openpyxl.styles.Font(bold=True), "A2"
    notes = book.create_sheet("Notes")
    notes["A1"], notes["A2"] = "keep me", "=SUM(Data!C2:C13)"
    book.save(path)


def read_book(path: Path) -> dict[str, Any]:
    book = openpyxl.load_workbook(path)
    sheet, notes = book["Data"], book["Notes"]
    rows = list(sheet.iter_rows(min_row=2, values_only=True))
    return {
        **numbers(np.array([row[2:] for row in rows], dtype=float)),
        "text": [row[0] for row in rows],
        "dates": [row[1] for row in rows],
        "number formats": sheet["C4"].number_format,
        "fonts and widths": (sheet["D2"].font.bold, sheet.column_dimensions["A"].width),
        "frozen panes": sheet.freeze_panes,
        "other sheets": notes["A1"].value,
        "formulas": notes["A2"].value,
    }


# Screens: four conditions, of which the last was not measured, and the plates they were on.
CONDITIONS = [("A", "x"), ("A", "y"), ("B", "x"), ("B", "y")]
PROFILES = np.array([[1.0, 2.0, 3.5], [2.0, 1.0, 0.5], [3.0, 5.0, 1.5], [np.nan] * 3])
GENES, PLATES = ["g1", "g2", "g3"], ["p1", "p2", "p3", "p4"]
SYMBOLS = ["TP53", "MYC", "EGFR"]


def complete(*more: str) -> Callable[[Path, Path], list[str]]:
    words = ["screen", "complete", "--method", "additive"]
    return lambda source, target: [*words, str(source), "-o", str(target), *more]


def profiles(
    cells: Sequence[Any], drugs: Sequence[Any], values: Any, **others: Any
) -> dict[str, Any]:
    """What is read of the conditions, in any order."""
    order = np.lexsort((list(map(str, drugs)), list(map(str, cells))))
    values = np.asarray(values, float)[order]
    found: dict[str, Any] = {"profiles": values[:3], "gaps": values[3]}
    found["conditions"] = [(str(cells[k]), str(drugs[k])) for k in order]
    return found | {name: [str(each[k]) for k in order] for name, each in others.items()}


def write_wide(path: Path) -> None:
    frame = pd.DataFrame(CONDITIONS, columns=["cell_id", "pert_iname"])
    frame = frame.assign(plate=PLATES).join(pd.DataFrame(PROFILES, columns=GENES))
    frame.to_csv(path, index=False)


def read_wide(path: Path) -> dict[str, Any]:
    frame = pd.read_csv(path)
    return profiles(frame["cell_id"], frame["pert_iname"], frame[GENES], plates=frame["plate"])


def write_long(path: Path) -> None:
    frame = pd.DataFrame(CONDITIONS, columns=["cell_id", "pert_iname"])
    frame = frame.join(pd.DataFrame(PROFILES, columns=GENES)).melt(
        ["cell_id", "pert_iname"], var_name="gene", value_name="z"
    )
    frame.assign(batch="b1").to_csv(path, index=False)


def read_long(path: Path) -> dict[str, Any]:
    frame = pd.read_csv(path)
    wide = frame.pivot(index=["cell_id", "pert_iname"], columns="gene", values="z")
    found = profiles(*zip(*wide.index, strict=True), wide[GENES])
    return found | {"batch": "batch" in frame}


def write_gct(path: Path) -> None:
    rows = [["#1.3"], ["3", "4", "1", "3"], ["id", "pr_gene_symbol", "s1", "s2", "s3", "s4"]]
    rows += [["cell_id", "na", *(cell for cell, _ in CONDITIONS)]]
    rows += [["pert_iname", "na", *(drug for _, drug in CONDITIONS)], ["plate", "na", *PLATES]]
    for k, values in enumerate(PROFILES.T):
        rows.append([GENES[k], SYMBOLS[k], *("NaN" if x != x else str(x) for x in values)])
    path.write_text("\n".join("\t".join(row) for row in rows) + "\n")


def read_gct(path: Path) -> dict[str, Any]:
    """By pandas: three lines about the columns below the header, one column about the rows."""
    about = int(path.read_text().split("\n")[1].split("\t")[3])
    frame = pd.read_csv(path, sep="\t", skiprows=2, index_col=0, keep_default_na=False)
    meta = frame.iloc[:about, 1:]
    values = frame.iloc[about:, 1:].replace("NaN", np.nan).astype(float).to_numpy().T
    labels = (meta.loc[name].tolist() for name in ("cell_id", "pert_iname"))
    return {
        **profiles(*labels, values, plates=meta.loc["plate"].tolist(), ids=list(meta.columns)),
        "symbols": frame["pr_gene_symbol"].iloc[about:].tolist(),
    }


def write_gctx(path: Path) -> None:
    columns = {"id": ["s1", "s2", "s3", "s4"], "plate": PLATES}
    columns |= dict(zip(("cell_id", "pert_iname"), zip(*CONDITIONS, strict=True), strict=True))
    with h5py.File(path, "w") as file:
        file.attrs["version"] = "GCTX1.0"
        file["0/DATA/0/matrix"] = PROFILES
        for name, column in columns.items():
            file[f"0/META/COL/{name}"] = np.array(column, "S")
        file["0/META/ROW/id"] = np.array(GENES, "S")
        file["0/META/ROW/pr_gene_symbol"] = np.array(SYMBOLS, "S")


def read_gctx(path: Path) -> dict[str, Any]:
    with h5py.File(path) as file:
        meta, genes = (
            {name: [x.decode() for x in part[name][:]] for name in part}
            for part in (file["0/META/COL"], file["0/META/ROW"])
        )
        others = {"plates": meta["plate"], "ids": meta["id"]}
        values = file["0/DATA/0/matrix"][:]
        return {
            **profiles(meta["cell_id"], meta["pert_iname"], values, **others),
            "genes and symbols": (genes["id"], genes["pr_gene_symbol"]),
            "version": file.attrs["version"],
        }


def write_h5ad(path: Path) -> None:
    obs = pd.DataFrame(CONDITIONS, PLATES, ["cell", "drug"]).assign(plate=PLATES)
    var = pd.DataFrame({"symbol": SYMBOLS}, GENES)
    data = anndata.AnnData(PROFILES, obs, var, {"study": "a study"})
    data.layers["twice"], data.obsm["X_pca"] = 2 * PROFILES, np.arange(8.0).reshape(4, 2)
    data.varm["loadings"] = np.arange(6.0).reshape(3, 2)
    data.obsp["distances"] = np.eye(4)
    data.write_h5ad(path)


def read_h5ad(path: Path) -> dict[str, Any]:
    data = anndata.read_h5ad(path)
    others = {"plates": data.obs["plate"], "names": data.obs_names}
    cells, drugs = data.obs["cell"].tolist(), data.obs["drug"].tolist()
    return {
        **profiles(cells, drugs, data.X, **{k: list(v) for k, v in others.items()}),
        "var": data.var["symbol"].tolist(),
        "layers": data.layers["twice"][:3],
        "obsm and varm": [data.obsm["X_pca"].tolist(), data.varm["loadings"].tolist()],
        "uns": str(data.uns["study"]),
        "obsp": "distances" in data.obsp,
    }


def write_npz(path: Path) -> None:
    cells, drugs = zip(*CONDITIONS, strict=True)
    np.savez(path, profiles=PROFILES, cell=cells, drug=drugs, genes=GENES)


def read_npz(path: Path) -> dict[str, Any]:
    with np.load(path) as stored:
        found = profiles(stored["cell"], stored["drug"], stored["profiles"])
        return found | {"genes": stored["genes"].tolist()}


CONTAINERS = (
    Container(".csv", "pandas", ".csv", HOLED.to_csv, read_csv(), impute()),
    Container(
        ".tsv", "pandas", ".tsv", lambda path: HOLED.to_csv(path, sep="\t"), read_csv("\t"),
        impute(),
    ),
    Container(
        ".parquet, a frame", "pandas", ".parquet",
        lambda path: frame_of_types().to_parquet(path), read_frame, impute(),
    ),
    Container(".parquet, a frame", "polars", ".parquet", write_polars, read_polars, impute()),
    Container(".parquet, a table", "pyarrow", ".parquet", write_arrow, read_arrow, impute()),
    Container(".xlsx", "openpyxl", ".xlsx", write_book, read_book, impute()),
    Container(
        ".csv, a screen", "pandas", ".csv", write_wide, read_wide, complete("--ignore", "plate"),
    ),
    Container(
        ".csv, a long screen", "pandas", ".csv", write_long, read_long, complete(),
        {"batch": "does not hold batch"},
    ),
    Container(".gct, 1.3", "pandas", ".gct", write_gct, read_gct, complete()),
    Container(".gctx", "h5py", ".gctx", write_gctx, read_gctx, complete()),
    Container(
        ".h5ad", "anndata", ".h5ad", write_h5ad, read_h5ad, complete(),
        {"obsp": "does not hold obsp['distances']"},
    ),
    Container(".npz", "NumPy", ".npz", write_npz, read_npz, complete()),
)  # fmt: skip
