"""Screens from files of every kind, and errors that name what is wrong with a file."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from ntkfill import InputError
from ntkfill.screens import (
    Additive,
    Screen,
    complete,
    from_anndata,
    from_frame,
    read,
    simulate,
    to_anndata,
    to_frame,
)
from ntkfill.screens.io import reading, writing

MADE = simulate(cells=3, drugs=5, genes=4, random_state=1)
PLAIN = MADE.screen
DOSED = Screen(
    np.round(np.random.default_rng(0).normal(size=(4, 3)), 3),
    [["A", "x", "1 uM", "6 h"], ["A", "x", "9 uM", "6 h"], ["B", "x", "1 uM", "6 h"],
     ["B", "y", "1 uM", "24 h"]],
    ["g1", "g2", "g3"],
)  # fmt: skip


def same(first, second):
    """What was measured, up to the order of conditions and genes."""
    known, other = first.known, second.known
    assert known.fields == other.fields
    assert sorted(known.genes) == sorted(other.genes)
    columns = [known.genes.tolist().index(gene) for gene in other.genes]
    place = {tuple(row): k for k, row in enumerate(known.labels.tolist())}
    rows = [place.pop(tuple(row)) for row in other.labels.tolist()]
    assert not place
    np.testing.assert_array_equal(known.profiles[np.ix_(rows, columns)], other.profiles)
    return True


def text(value):
    return "" if np.isnan(value) else repr(float(value))


def wide(path, screen, delimiter=","):
    lines = [[*screen.fields, *screen.genes]]
    for labels, row in zip(screen.labels, screen.profiles, strict=True):
        lines.append([*labels, *map(text, row)])
    path.write_text("\n".join(delimiter.join(line) for line in lines) + "\n")


def long(path, screen):
    lines = [[*screen.fields, "gene", "value"]]
    for labels, row in zip(screen.labels, screen.profiles, strict=True):
        lines += [[*labels, g, text(v)] for g, v in zip(screen.genes, row, strict=True)]
    path.write_text("\n".join(",".join(line) for line in lines) + "\n")


def parquet(path, screen):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame(screen.profiles, columns=screen.genes)
    for k, name in enumerate(screen.fields):
        frame.insert(k, name, screen.labels[:, k])
    frame.to_parquet(path)


def npz(path, screen):
    labels = {name: screen.labels[:, k] for k, name in enumerate(screen.fields)}
    np.savez(path, profiles=screen.profiles, genes=screen.genes, **labels)


def gct_13(path, screen):
    names = {"cell": "cell_id", "drug": "pert_iname", "dose": "pert_idose", "time": "pert_itime"}
    count, genes = len(screen), len(screen.genes)
    lines = ["#1.3", f"{genes}\t{count}\t1\t{len(screen.fields)}"]
    lines.append("\t".join(["id", "symbol", *(f"c{k}" for k in range(count))]))
    for k, name in enumerate(screen.fields):
        lines.append("\t".join([names[name], "na", *screen.labels[:, k]]))
    for gene, row in zip(screen.genes, screen.profiles.T, strict=True):
        lines.append("\t".join([gene, f"symbol {gene}", *map(text, row)]))
    path.write_text("\n".join(lines) + "\n")


def gct_12(path, screen):
    lines = ["#1.2", f"{len(screen.genes)}\t{len(screen)}"]
    lines.append("\t".join(["Name", "Description", *(":".join(row) for row in screen.labels)]))
    for gene, row in zip(screen.genes, screen.profiles.T, strict=True):
        lines.append("\t".join([gene, "na", *map(text, row)]))
    path.write_text("\n".join(lines) + "\n")


def gctx(path, screen):
    h5py = pytest.importorskip("h5py")
    names = {"cell": "cell_id", "drug": "pert_iname", "dose": "pert_idose", "time": "pert_itime"}
    with h5py.File(path, "w") as file:
        file["0/DATA/0/matrix"] = screen.profiles
        file["0/META/ROW/id"] = screen.genes.astype("S")
        for k, name in enumerate(screen.fields):
            file[f"0/META/COL/{names[name]}"] = screen.labels[:, k].astype("S")
        file["0/META/COL/pert_dose"] = np.array([b"-666"] * len(screen))


def h5ad(path, screen):
    as_anndata(screen).write_h5ad(path)


def as_anndata(screen):
    anndata, pandas = pytest.importorskip("anndata"), pytest.importorskip("pandas")
    names = [f"c{k}" for k in range(len(screen))]
    labels = {name: screen.labels[:, k].astype(object) for k, name in enumerate(screen.fields)}
    return anndata.AnnData(
        np.array(screen.profiles),
        obs=pandas.DataFrame(labels, index=names),
        var=pandas.DataFrame(index=screen.genes.astype(object)),
    )


FORMATS = {
    "wide.csv": wide,
    "long.csv": long,
    "table.parquet": parquet,
    "arrays.npz": npz,
    "v13.gct": gct_13,
    "v12.gct": gct_12,
    "file.gctx": gctx,
    "file.h5ad": h5ad,
}


@pytest.mark.sampled
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("screen", [PLAIN, DOSED], ids=["cell-drug", "dose-time"])
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_screen(name, screen, tmp_path):
    FORMATS[name](tmp_path / name, screen)
    found = read(tmp_path / name)
    assert same(screen, found)
    if name != "long.csv":
        assert found.labels.tolist() == screen.labels.tolist()


@pytest.mark.parametrize("name", ["v12.gct", "v13.gct", "file.gctx"])
def test_labels_from_a_sig_info_file(name, tmp_path):
    bare = Screen(DOSED.profiles, DOSED.labels, DOSED.genes)
    ids = [f"c{k}" for k in range(len(bare))]
    FORMATS[name](tmp_path / name, bare)
    if name == "v12.gct":  # names that say nothing
        lines = (tmp_path / name).read_text().split("\n")
        lines[2] = "\t".join(["Name", "Description", *ids])
        (tmp_path / name).write_text("\n".join(lines))
    if name == "file.gctx":
        h5py = pytest.importorskip("h5py")
        with h5py.File(tmp_path / name, "r+") as file:
            del file["0/META/COL"]
            file["0/META/COL/id"] = np.array(ids, "S")
    rows = [["CGS001", "other", "cell", "z", "9 uM", "6 h"]]
    rows += [[each, "x", *labels] for each, labels in zip(ids, bare.labels, strict=True)][::-1]
    names = ["sig_id", "pert_type", "cell_id", "pert_iname", "pert_idose", "pert_itime"]
    info = tmp_path / "sig_info.txt"
    info.write_text("\n".join("\t".join(row) for row in [names, *rows]) + "\n")
    assert same(bare, read(tmp_path / name, labels=info))
    info.write_text(info.read_text().replace("c2\t", "d2\t"))
    with pytest.raises(InputError, match="no labels for 1 of 4 conditions; got c2"):
        read(tmp_path / name, labels=info)
    info.write_text(info.read_text().replace("sig_id", "signature"))
    with pytest.raises(InputError, match=r"sig_info.txt: no column of ids; expected sig_id or"):
        read(tmp_path / name, labels=info)


@pytest.mark.slow
def test_folder_of_the_connectivity_map(tmp_path):
    """The layout that benchmarks/paper/figure2.py --cmap documents, on a small file of it."""
    place = Path(__file__).parents[2] / "benchmarks" / "screens.py"
    spec = importlib.util.spec_from_file_location("benchmark_screens", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    cmap = module.cmap
    with pytest.raises(FileNotFoundError, match=r"must hold profiles.gctx"):
        cmap(tmp_path)
    h5py = pytest.importorskip("h5py")
    ids = ["CPC:A:x:10", "CPC:A:y:10", "CPC:A:x:10:again", "CPC:B:x:10"]
    with h5py.File(tmp_path / "profiles.gctx", "w") as file:
        file["0/DATA/0/matrix"] = np.array([[1.0, 2], [3, 4], [3, 6], [5, 6]])
        file["0/META/ROW/id"] = np.array(["5720", "466"], "S")
        file["0/META/COL/id"] = np.array(ids, "S")
    labels = [("A375", "x"), ("A375", "y"), ("A375", "x"), ("MCF7", "x")]
    rows = ["\t".join([name, *label]) for name, label in zip(ids, labels, strict=True)]
    text = "\n".join(["sig_id\tcell_id\tpert_iname", *rows[::-1]]) + "\n"
    (tmp_path / "sig_info.txt").write_text(text)
    found = cmap(tmp_path)
    assert found.labels.tolist() == [["A375", "x"], ["A375", "y"], ["MCF7", "x"]]
    np.testing.assert_array_equal(found.profiles, [[2, 4], [3, 4], [5, 6]])
    assert found.genes.tolist() == ["5720", "466"]


def test_a_file_of_labels_is_for_matrices_without(tmp_path):
    wide(tmp_path / "s.csv", PLAIN)
    with pytest.raises(InputError, match="labels is for"):
        read(tmp_path / "s.csv", labels=tmp_path / "s.csv")


def test_tsv_and_names_of_other_people(tmp_path):
    wide(tmp_path / "s.tsv", DOSED, "\t")
    assert same(DOSED, read(tmp_path / "s.tsv"))
    renamed = (tmp_path / "s.tsv").read_text().replace("cell\tdrug", "line\tagent")
    (tmp_path / "t.txt").write_text(renamed)
    assert same(DOSED, read(tmp_path / "t.txt", {"cell": "line", "drug": "agent"}))


def test_a_tensor(tmp_path):
    tensor = np.arange(12.0).reshape(2, 3, 2)
    tensor[1, 2] = np.nan
    np.savez(tmp_path / "t.npz", T=tensor, cells=["A", "B"], drugs=list("xyz"), entrez=["1", "2"])
    screen = read(tmp_path / "t.npz")
    assert screen.measured.tolist() == [True] * 5 + [False]
    assert screen.profiles[screen.labels.tolist().index(["B", "x"])].tolist() == [6.0, 7.0]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", writing.SUFFIXES)
def test_completed_screens_are_read_again(suffix, tmp_path):
    done = complete(PLAIN)
    writing.write(tmp_path / f"done{suffix}", done)
    found = read(tmp_path / f"done{suffix}")
    assert len(found) == len(done.values)
    # Predictions are no measurements.
    assert found.measured.tolist() == done.info.measured.tolist()
    if suffix == ".xlsx":  # workbooks hold 16 digits
        measured = found.measured
        np.testing.assert_allclose(found.profiles[measured], done.values.profiles[measured])
    else:
        assert same(PLAIN, found)
    if suffix == ".npz":
        with np.load(tmp_path / "done.npz", allow_pickle=False) as stored:
            np.testing.assert_array_equal(stored["profiles"], done.values.profiles)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_anndata_is_read_and_left_alone():
    data = as_anndata(PLAIN)
    before = data.X.copy()
    assert same(PLAIN, from_anndata(data))
    np.testing.assert_array_equal(data.X, before)


def test_a_completed_anndata_keeps_obs_and_flags_what_is_predicted():
    data = as_anndata(PLAIN)
    data.obs["plate"] = [f"p{k}" for k in range(len(data))]
    data.layers["twice"] = 2 * data.X
    twice = from_anndata(data, layer="twice")
    np.testing.assert_array_equal(twice.profiles, 2 * PLAIN.profiles)
    with pytest.raises(InputError, match=r"no layer 'other'.*twice"):
        from_anndata(data, layer="other")
    done = complete(from_anndata(data))
    back = to_anndata(done, like=data)
    assert back.obs["plate"].tolist()[: len(data)] == data.obs["plate"].tolist()
    assert back.obs["source"].eq("predicted").tolist() == (~done.info.measured).tolist()
    again = from_anndata(back)
    assert again.measured.tolist() == done.info.measured.tolist()
    assert same(PLAIN, again)


BAD = {
    "empty.csv": ("", "is empty"),
    "head.csv": ("cell,drug,g\n", "the table is empty"),
    "ragged.csv": ("cell,drug,g\nA,x\n", "line 2.*3 cells.*got 2"),
    "text.csv": ("cell,drug,g,h\nA,x,1,2\nA,y,3,high\n", "line 3, column 'h'.*'high'"),
    "long_text.csv": ("cell,drug,gene,value\nA,x,g,1\nA,y,g,low\n", "line 3, column 'value'"),
    "twice.csv": ("cell,drug,g\nA,x,1\nA,x,2\n", r"duplicate condition \(A, x\)"),
    "long_twice.csv": ("cell,drug,gene,value\nA,x,g,1\nA,x,g,2\n", "line 3 repeats gene 'g'"),
    "columns.csv": ("cell,drug,g,g\nA,x,1,2\n", "two columns are called 'g'"),
    "infinite.csv": ("cell,drug,g,h\nA,x,1,2\nA,y,3,inf\n", "line 3, column 'h'.*'inf'"),
    "gene.csv": ("cell,drug,g,h\nA,x,1,\nA,y,3,\n", "not measured in any condition: gene 'h'"),
    "no_cell.csv": ("drug,g\nx,1\n", "no column of cell lines.*--columns cell=NAME"),
    "no_gene.csv": ("cell,drug\nA,x\n", "no column of genes"),
    "label.csv": ("cell,drug,g\nA,,1\n", "condition 1 has an empty label"),
    "bytes.csv": (b"\xff\xfe\x00", "UTF-8"),
    "what.xlsx": ("x", "cannot be read"),
    "not.npz": ("x", "not an .npz"),
    "not.gct": ("x", "not a GCT file"),
    "size.gct": ("#1.2\n2\t1\nName\tDescription\tA:x\ng\tna\t1\n", "number of lines"),
    "names.gct": ("#1.2\n1\t1\nName\tDescription\tAx\ng\tna\t1\n", "must hold them.*'Ax'"),
    "text.gct": ("#1.2\n1\t2\nName\tDescr\tA:x\tA:y\ng\tna\t1\tup\n", "line 4, column 'A:y'"),
    "not.gctx": ("x", "not.gctx cannot be read; got .*signature"),
    "not.parquet": ("x", "not.parquet cannot be read"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_named_with_what_is_wrong(name, tmp_path):
    content, message = BAD[name]
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=message) as caught:
        read(path)
    assert name in str(caught.value)


AGAIN = {
    "wide.csv": "cell,drug,g,h\nA,x,1,2\nA,y,5,6\nA,x,2,4\nA,x,,\n",
    "long.csv": "cell,drug,gene,value\nA,x,g,1\nA,x,h,2\nA,y,g,5\nA,y,h,6\nA,x,g,2\nA,x,h,4\n",
}


@pytest.mark.parametrize("name", AGAIN)
def test_replicates_are_refused_or_averaged(name, tmp_path):
    path = tmp_path / name
    path.write_text(AGAIN[name])
    with pytest.raises(InputError, match="replicates='mean'"):
        read(path)
    screen = read(path, replicates="mean")
    assert screen.labels.tolist() == [["A", "x"], ["A", "y"]]
    assert screen.profiles.tolist() == [[1.5, 3.0], [5.0, 6.0]]
    with pytest.raises(InputError, match="'refuse' or 'mean'"):
        read(path, replicates="median")


@pytest.mark.parametrize(
    "keys", [{"a": 1}, {"genes": ["g"]}, {"profiles": [["x"]], "genes": ["g"]}]
)
def test_npz_without_a_screen(keys, tmp_path):
    np.savez(tmp_path / "s.npz", **keys)
    with pytest.raises(InputError, match=r"genes|profiles"):
        read(tmp_path / "s.npz")


def test_pickles_are_refused(tmp_path):
    np.savez(tmp_path / "s.npz", genes=np.array([{"g": 1}], dtype=object), profiles=[[1.0]])
    with pytest.raises(InputError, match=r"s\.npz cannot be read; got Object arrays"):
        read(tmp_path / "s.npz")


@pytest.mark.slow
def test_optional_means_optional(tmp_path):
    wide(tmp_path / "s.csv", PLAIN)
    code = f"""
import sys
for name in ("pandas", "h5py", "anndata", "jinja2", "matplotlib", "pyarrow"):
    sys.modules[name] = None
from ntkfill import InputError, screens
screens.complete(screens.read({str(tmp_path / "s.csv")!r}))
for name in ("s.gctx", "s.h5ad", "s.parquet"):
    open(name, "w").write("x")
    try:
        screens.read(name)
    except InputError as error:
        assert "pip install" in str(error), error
    else:
        raise SystemExit(name)
from pathlib import Path
from ntkfill.screens.evaluation import report
try:
    report.check(Path("report.html"))
except InputError as error:
    assert "jinja2 and matplotlib" in str(error), error
else:
    raise SystemExit("report")
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


LONG = "cell,drug,gene,value\nA,x,g,1\nA,x,h,3\nA,x,g,{}\nA,x,h,{}\nA,x,h,5\nA,y,g,{}\nA,y,h,{}\n"


@pytest.mark.parametrize("gap", ["", "NaN", "NA", "<NA>"])
def test_a_failed_replicate_leaves_a_condition_measured(gap, tmp_path):
    path = tmp_path / "long.csv"
    path.write_text(LONG.format(gap, gap, gap, gap))
    screen = read(path, replicates="mean")
    assert screen.measured.tolist() == [True, False]
    assert screen.profiles[0].tolist() == [1.0, 4.0]
    wide = f"cell,drug,g,h\nA,x,1,4\nA,x,{gap},{gap}\nA,y,{gap},{gap}\n"
    (tmp_path / "wide.csv").write_text(wide)
    assert same(screen, read(tmp_path / "wide.csv", replicates="mean"))


@pytest.mark.sampled
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("place", "unknown"),
    [(1, "nan"), (1, "<NA>"), (1, "None"), (1, "#N/A"), (2, "-666"), (2, "null"), (3, "NaN")],
    ids=str,
)
@pytest.mark.parametrize("name", FORMATS)
def test_labels_that_are_not_known_are_refused(name, place, unknown, tmp_path):
    labels = DOSED.labels.copy().astype("<U8")
    labels[2, place] = unknown
    broken = DOSED.take(np.arange(4))
    object.__setattr__(broken, "labels", labels)
    FORMATS[name](tmp_path / name, broken)
    with pytest.raises(InputError, match=f"condition [0-9]+ has no {DOSED.fields[place]}"):
        read(tmp_path / name)


def frame_of(screen):
    pandas = pytest.importorskip("pandas")
    labels = {name: screen.labels[:, k] for k, name in enumerate(screen.fields)}
    return pandas.concat(
        [pandas.DataFrame(labels), pandas.DataFrame(screen.profiles, columns=screen.genes)], axis=1
    )


def in_polars(frame):
    return pytest.importorskip("polars").from_pandas(frame)


def in_dask(frame):
    return pytest.importorskip("dask.dataframe").from_pandas(frame, npartitions=2)


FRAMES = {
    "wide": lambda frame, fields: frame,
    "long": lambda frame, fields: frame.melt(fields, var_name="gene", value_name="value"),
    "indexed": lambda frame, fields: frame.set_index(fields),
    "polars": lambda frame, fields: in_polars(frame),
    "polars, long": lambda frame, fields: in_polars(FRAMES["long"](frame, fields)),
    "dask": lambda frame, fields: in_dask(frame),
    "nullable": lambda frame, fields: frame.convert_dtypes(),
}


@pytest.mark.sampled
@pytest.mark.parametrize("screen", [PLAIN, DOSED], ids=["cell-drug", "dose-time"])
@pytest.mark.parametrize("name", FRAMES)
def test_every_data_frame_gives_the_same_screen(name, screen):
    assert same(screen, from_frame(FRAMES[name](frame_of(screen), list(screen.fields))))


def test_a_completed_screen_is_a_frame_that_can_be_read_again():
    filled = complete(PLAIN, Additive())
    frame = to_frame(filled)
    np.testing.assert_array_equal(frame[list(PLAIN.genes)], filled.values.profiles)
    assert (frame["source"] == "measured").tolist() == filled.info.measured.tolist()
    again = from_frame(frame)
    assert again.measured.tolist() == filled.info.measured.tolist()
    assert same(PLAIN.known, again.known)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.assign(plate="p"), "column 'plate' must be numbers; got"),
        (lambda frame: frame.assign(used=True), "column 'used' must be numbers; got bool"),
        (lambda frame: frame.assign(g=np.inf), "row 0, column 'g' is not a finite number"),
        (lambda frame: frame.drop(columns="drug"), "no column of drugs"),
        (lambda frame: frame.assign(drug=None), "condition 1 has an empty label"),
        (lambda frame: frame.iloc[[0, 0]], "duplicate condition"),
        (lambda frame: FRAMES["long"](frame, ["cell", "drug"]).iloc[[0, 0]], "row 1 repeats gene"),
        (lambda frame: frame[["cell", "drug"]].assign(value=1.0), "a column 'value', but none of"),
        (lambda frame: frame.to_numpy(), "frame must be a data frame; got ndarray"),
    ],
)
def test_frames_that_are_no_screens(change, message):
    with pytest.raises(InputError, match=message):
        from_frame(change(frame_of(PLAIN)))


@pytest.mark.parametrize("unknown", ["nan", "-666", "<NA>", ""])
def test_genes_without_a_name_are_refused(unknown):
    with pytest.raises(InputError, match="gene 2 has no name"):
        Screen([[1.0, 2.0]], [["A", "x"]], ["g", unknown])


@pytest.mark.parametrize(
    ("first", "second", "dose"),
    [
        ("10", "10.0", "10"),
        ("10.00", "9.9999999", "10"),
        ("10", "9.999999", "10"),
        ("1e1", "10", "10"),
        (".04", "0.0400", "0.04"),
        ("10.0 uM", "10 uM", "10 uM"),
        ("-1.50", "-1.5", "-1.5"),
        ("10uM", "10 uM", "10 uM"),
        ("10.0uM", "10 µM", "10 uM"),
        ("24h", "24.0 h", "24 h"),
        ("1 uM", "1000 nM", "1 uM"),
        ("0.001 mM", "1 µM", "0.001 mM"),
        ("2 ug/mL", "2000 ng/ml", "2 ug/mL"),
        ("24 hr", "1 day", "24 hr"),
        ("high", "high", "high"),
        ("5-10", "5-10", "5-10"),
    ],
)
def test_a_dose_has_one_spelling(first, second, dose, tmp_path):
    path = tmp_path / "wide.csv"
    path.write_text(f"cell,drug,dose,g\nA,x,{first},1\nA,x,{second},3\nA,1.0,{first},2\n")
    screen = read(path, replicates="mean")
    assert screen.labels.tolist() == [["A", "x", dose], ["A", "1.0", dose]]
    assert screen.profiles.tolist() == [[2.0], [2.0]]
    long = tmp_path / "long.csv"
    long.write_text(f"cell,drug,time,gene,value\nA,x,{first},g,1\nA,x,{second},g,3\n")
    assert read(long, replicates="mean").labels.tolist() == [["A", "x", dose]]
    with pytest.raises(InputError, match="duplicate condition"):
        read(path)


def test_conditions_may_be_asked_for_in_another_unit(tmp_path):
    rng = np.random.default_rng(0)
    labels = [[c, d, dose] for c in "AB" for d in "xyz" for dose in ("1 uM", "100 nM", "10000 nM")]
    screen = Screen(rng.normal(size=(18, 4)), labels, list("efgh"))
    assert sorted(set(screen.labels[:, 2])) == ["100 nM", "1000 nM", "10000 nM"]
    known = screen.take(np.arange(1, 18))
    done = complete(known, conditions=[["A", "x", "0.001 mM"], ["A", "y", "1 uM"]])
    assert done.values.labels[:, 2].tolist() == ["1000 nM", "1000 nM"]
    assert done.info.measured.tolist() == [False, True]
    np.testing.assert_array_equal(done.values.profiles[1], screen.profiles[3])


def test_columns_to_ignore(tmp_path):
    path = tmp_path / "wide.csv"
    path.write_text("cell,drug,plate,g,h,batch\nA,x,1,2,3,b1\nA,y,1,4,5,b2\n")
    assert read(path, ignore=["plate", "batch"]).genes.tolist() == ["g", "h"]
    with pytest.raises(InputError, match="no column 'well' to ignore"):
        read(path, ignore=["well"])


@pytest.mark.parametrize("name", ["", "Unnamed: 0", " "])
@pytest.mark.parametrize("kind", ["wide", "long", "frame"])
def test_the_index_of_a_data_frame_is_no_gene(kind, name, tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = frame_of(PLAIN)
    frame = FRAMES["long"](frame, ["cell", "drug"]) if kind == "long" else frame
    if kind == "frame":
        frame.insert(0, name, range(len(frame)))
        assert same(PLAIN, from_frame(frame))
        return
    frame.to_csv(tmp_path / "a.csv", index_label=name)
    assert same(PLAIN, read(tmp_path / "a.csv"))
    assert list(pandas.read_csv(tmp_path / "a.csv").columns[1:3]) == ["cell", "drug"]
    if kind == "wide":  # and comes back beside the labels
        assert run(tmp_path / "a.csv", "-o", tmp_path / "b.csv") == 0
        assert reading.annotations_of(tmp_path / "b.csv", {}).conditions[name.strip()][0] == "0"


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("name", FORMATS)
def test_what_cannot_be_ignored_is_refused(name, tmp_path):
    FORMATS[name](tmp_path / name, PLAIN)
    tables = name.endswith((".csv", ".parquet"))
    said = "there is no column 'plate' to ignore" if tables else "columns to ignore are of a table"
    with pytest.raises(InputError, match=said):
        read(tmp_path / name, ignore=["plate"])


FAILED = {  # A, x was measured three times, once in no gene and once in one of two
    "cell": ["A", "A", "A", "A", "B"],
    "drug": ["x", "x", "x", "y", "x"],
    "g": [1.0, np.nan, 3.0, np.nan, 5.0],
    "h": [4.0, np.nan, np.nan, np.nan, 2.0],
}


@pytest.mark.sampled
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "name",
    ["wide.parquet", "nullable.parquet", "long.parquet", "wide.xlsx", "long.tsv", "arrays.npz",
     "v13.gct", "file.gctx", "file.h5ad"],
)  # fmt: skip
def test_a_failed_replicate_of_every_format_is_left_out(name, tmp_path):
    pandas = pytest.importorskip("pandas")
    frame, path = pandas.DataFrame(FAILED), tmp_path / name
    kind, _, suffix = name.partition(".")
    frame = frame.convert_dtypes() if kind == "nullable" else frame
    frame = FRAMES["long"](frame, ["cell", "drug"]) if kind == "long" else frame
    if suffix == "parquet":
        frame.to_parquet(path)
    elif suffix == "xlsx":
        frame.to_excel(path, index=False)
    elif suffix == "tsv":
        frame.to_csv(path, sep="\t", index=False)
    else:
        broken = object.__new__(Screen)
        object.__setattr__(broken, "profiles", frame[["g", "h"]].to_numpy())
        object.__setattr__(broken, "labels", frame[["cell", "drug"]].to_numpy(str))
        object.__setattr__(broken, "genes", np.array(["g", "h"]))
        object.__setattr__(broken, "fields", ("cell", "drug"))
        FORMATS[name](path, broken)
    found = read(path, replicates="mean")
    assert found.labels.tolist() == [["A", "x"], ["A", "y"], ["B", "x"]]
    np.testing.assert_array_equal(found.profiles, [[2, 4], [np.nan, np.nan], [5, 2]])
    assert found.measured.tolist() == [True, False, True]


@pytest.mark.parametrize("end", ["\t", "\t\t\t", "\t \t"])
@pytest.mark.parametrize("last", ["", "\n\n", "\t\t\n", "  \n"])
@pytest.mark.parametrize("screen", [PLAIN, DOSED], ids=["cell-drug", "dose-time"])
def test_gct_with_trailing_tabs_and_blank_lines(end, last, screen, tmp_path):
    path = tmp_path / "s.gct"
    FORMATS["v13.gct" if len(end) > 1 else "v12.gct"](path, screen)
    first, *lines = path.read_text().rstrip("\n").split("\n")
    path.write_text("\n".join([first, *(line + end for line in lines)]) + "\n" + last)
    assert same(screen, read(path))


# A screen comes back in the container that it came in.


def annotated(path):
    """A file with more than labels and values: of A, x twice; B, y was not measured."""
    profiles = np.array([[1.0, 2.0, 3.5], [2.0, 1.0, 0.5], [3.0, 5.0, 1.5], [3.0, 3.0, 3.0]])
    labels = [["A", "x"], ["A", "y"], ["B", "x"], ["A", "x"]]
    screen = Screen(profiles[:3], labels[:3], ["g1", "g2", "g3"])
    if path.suffix == ".gct":
        rows = [["#1.3"], ["3", "4", "2", "3"], ["id", "symbol", "chip", "s1", "s2", "s3", "s4"]]
        rows += [["cell_id", "na", "na", *(each[0] for each in labels)]]
        rows += [["plate", "na", "na", "p1", "p2", "p3", "p4"]]
        rows += [["pert_iname", "na", "na", *(each[1] for each in labels)]]
        for k, column in enumerate(profiles.T):
            rows.append([f"g{k + 1}", f"GENE{k}", "yes", *map(str, column)])
        path.write_text("\n".join("\t".join(row) for row in rows) + "\n")
    elif path.suffix == ".gctx":
        h5py = pytest.importorskip("h5py")
        columns = {"id": ["s1", "s2", "s3", "s4"], "plate": ["p1", "p2", "p3", "p4"]}
        columns |= {"cell_id": [x[0] for x in labels], "pert_iname": [x[1] for x in labels]}
        genes = {"id": ["g1", "g2", "g3"], "symbol": ["GENE0", "GENE1", "GENE2"]}
        with h5py.File(path, "w") as file:
            file["0/DATA/0/matrix"] = profiles
            for part, texts in (("COL", columns), ("ROW", genes | {"chip": ["yes"] * 3})):
                for name, column in texts.items():
                    file[f"0/META/{part}/{name}"] = np.array(column, "S")
    elif path.suffix == ".csv":
        lines = ["cell,plate,drug,g1,g2,g3"]
        for k, (cell, drug) in enumerate(labels):
            lines.append(f"{cell},p{k + 1},{drug}," + ",".join(map(str, profiles[k])))
        path.write_text("\n".join(lines) + "\n")
    return screen


def run(*words):
    from ntkfill.cli import main

    return main(["screen", "complete", *map(str, words), "--method", "additive"])


@pytest.mark.slow
@pytest.mark.parametrize("target", [".gct", ".gctx", ".h5ad", ".csv"])
@pytest.mark.parametrize("source", [".gct", ".gctx", ".csv"])
def test_what_is_said_of_conditions_and_genes_is_kept(source, target, tmp_path, capsys):
    given, written = tmp_path / f"in{source}", tmp_path / f"out{target}"
    screen = annotated(given)
    more = ["--ignore", "plate"] if source == ".csv" else []
    assert run(given, "-o", written, "--replicates", "mean", *more) == 0
    said = capsys.readouterr().err
    found = read(
        written, ignore=["plate", *["id"] * (source != ".csv")] if target == ".csv" else ()
    )
    assert found.measured.tolist() == [True, True, True, False]
    assert found.labels.tolist() == [*screen.labels.tolist(), ["B", "y"]]
    np.testing.assert_array_equal(found.profiles[0], [2.0, 2.5, 3.25])
    of_genes = source != ".csv"
    assert ("does not hold" in said) == (of_genes and target == ".csv")
    kept = reading.annotations_of(written, {}, ["plate"])
    plates = [str(each) for each in kept.conditions["plate"]]
    unknown = {".csv": "", ".h5ad": ""}.get(target, "-666")
    assert plates == ["p1", "p2", "p3", unknown]
    if of_genes and target != ".csv":
        assert kept.genes["symbol"] == ["GENE0", "GENE1", "GENE2"]
        assert kept.genes["chip"] == ["yes"] * 3
        if target != ".h5ad":
            assert kept.conditions["id"][:3] == ["s1", "s2", "s3"]
            assert kept.columns == {"cell": "cell_id", "drug": "pert_iname"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_an_h5ad_comes_back_with_what_it_held(tmp_path, capsys):
    anndata = pytest.importorskip("anndata")
    data = as_anndata(PLAIN)
    data.obs["plate"] = [f"p{k}" for k in range(len(data))]
    data.obs["count"] = np.arange(len(data))
    data.var["chip"], data.uns["study"] = "yes", "a study"
    data.obsm["position"] = np.arange(2.0 * len(data)).reshape(-1, 2)
    data.layers["raw"], data.X = data.X.copy(), 2 * data.X
    data.write_h5ad(tmp_path / "in.h5ad")
    words = ["--layer", "raw", "--interval", "0.8", "--std", tmp_path / "std.csv"]
    assert run(tmp_path / "in.h5ad", "-o", tmp_path / "out.h5ad", *words) == 0
    assert "does not hold" not in capsys.readouterr().err
    back, known = anndata.read_h5ad(tmp_path / "out.h5ad"), len(data)
    done = complete(PLAIN, Additive(), return_std=True, interval=0.8)
    np.testing.assert_array_equal(back.layers["raw"], done.values.profiles)
    np.testing.assert_array_equal(back.X[:known], data.X)
    np.testing.assert_array_equal(back.layers["std"], done.std)
    np.testing.assert_array_equal(back.layers["upper"], done.interval.upper)
    np.testing.assert_array_equal(back.obsm["position"][:known], data.obsm["position"])
    assert back.uns["study"] == "a study"
    assert back.var["chip"].tolist() == ["yes"] * len(PLAIN.genes)
    assert back.obs["plate"].tolist()[:known] == data.obs["plate"].tolist()
    assert back.obs["plate"].isna().sum() == back.obs["count"].isna().sum() == len(back) - known
    assert back.obs["source"].eq("predicted").tolist() == (~done.info.measured).tolist()
    assert run(tmp_path / "in.h5ad", "-o", tmp_path / "out.npz", "--layer", "raw") == 0
    said = capsys.readouterr().err
    assert "does not hold plate, count, chip, X, obsm['position'], uns['study']" in said
    with pytest.raises(InputError, match="a layer is of an"):
        read(annotated(tmp_path / "in.csv") and tmp_path / "in.csv", layer="raw")


GRID = Screen(np.arange(8.0).reshape(4, 2) ** 2, [[c, d] for c in "AB" for d in "xy"], ["g", "h"])
IN_ANNDATA = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


def changes(capsys):
    """What the command line says of types that are others now."""
    said = capsys.readouterr().err.partition("warning: with predicted conditions ")[2]
    return set(filter(None, said.strip().split(", ")))


@pytest.mark.slow
@IN_ANNDATA
@pytest.mark.parametrize("rows", [3, 4])  # with and without a condition that is not in the file
@pytest.mark.parametrize(
    ("dtype", "after"),
    [
        ("bool", "boolean"),
        ("boolean", "boolean"),
        ("int64", "Int64"),
        ("uint8", "UInt8"),
        ("Int64", "Int64"),
        ("float32", "float32"),
        ("category", "category"),
        ("str", "category"),
    ],
)
def test_columns_of_an_h5ad_keep_their_type_or_the_nearest(tmp_path, dtype, after, rows, capsys):
    anndata = pytest.importorskip("anndata")
    data = as_anndata(GRID)[:rows].copy()
    data.obs["column"] = np.array([1, 0, 1, 1])[:rows]
    data.obs["column"] = data.obs["column"].astype(dtype)
    data.write_h5ad(tmp_path / "in.h5ad")
    given = anndata.read_h5ad(tmp_path / "in.h5ad").obs["column"]
    assert run(tmp_path / "in.h5ad", "-o", tmp_path / "out.h5ad") == 0
    back = anndata.read_h5ad(tmp_path / "out.h5ad").obs["column"]
    assert back[:rows].tolist() == given.tolist()
    assert back[rows:].isna().sum() == 4 - rows
    kind = str(given.dtype) if rows == 4 else after
    assert str(back.dtype) == kind
    expected = f"obs['column'] is {kind} ({given.dtype} before)"
    assert changes(capsys) == (set() if back.dtype == given.dtype else {expected})


@pytest.mark.slow
@IN_ANNDATA
@pytest.mark.parametrize("layer", [None, "z"])
@pytest.mark.parametrize("kind", ["float32", "sparse float32", "int64", "sparse int64"])
def test_what_is_not_completed_of_an_h5ad_is_kept(tmp_path, kind, layer, capsys):
    anndata = pytest.importorskip("anndata")
    *form, dtype = kind.split()
    data = as_anndata(GRID)[:3].copy()
    made = data.X.astype(dtype)
    data.X, data.layers["z"] = (
        sparse.csr_matrix(each) if form else each for each in (made, made * 2 + 5)
    )
    data.write_h5ad(tmp_path / "in.h5ad")
    words = ["--layer", layer] if layer else []
    assert run(tmp_path / "in.h5ad", "-o", tmp_path / "out.h5ad", *words) == 0
    back = anndata.read_h5ad(tmp_path / "out.h5ad")
    completed, other = (back.layers["z"], back.X) if layer else (back.X, back.layers["z"])
    floats = "float32" if dtype == "float32" else "float64"
    assert completed.dtype == other.dtype == floats
    assert sparse.issparse(other) == bool(form)
    other = other.toarray() if form else other
    times, plus = (1, 0) if layer else (2, 5)
    np.testing.assert_array_equal(other, [*(made * times + plus), [np.nan, np.nan]])
    np.testing.assert_array_equal(completed[:3], made * 2 + 5 if layer else made)
    assert np.isfinite(completed).all()
    names = ("layers['z']", "X") if layer else ("X", "layers['z']")
    kinds = (floats, " ".join([*form, floats]))
    changed = {
        f"{n} is {k} ({kind} before)" for n, k in zip(names, kinds, strict=True) if k != kind
    }
    assert changes(capsys) == changed


def test_a_layer_needs_the_anndata_that_it_is_of():
    pytest.importorskip("anndata")
    with pytest.raises(InputError, match="a layer is of an AnnData"):
        to_anndata(complete(GRID.take([0, 1, 2]), Additive()), layer="z")


def test_columns_of_text_that_are_no_labels_say_how_to_ignore_them(tmp_path):
    path = tmp_path / "wide.csv"
    path.write_text("cell,drug,plate,g,h\nA,x,P1,5,1\nA,y,P2,3,1\n")
    with pytest.raises(InputError, match=r"column 'plate' holds text.*--ignore plate"):
        read(path)
    assert read(path, ignore=["plate"]).genes.tolist() == ["g", "h"]


@pytest.mark.parametrize("suffix", ["wide", "long", "gct"])
def test_marks_among_the_profiles_draw_a_warning(suffix, tmp_path):
    values = [[0.5, -666.0], [1.0, 2.0], [-0.3, 0.1]]
    path = tmp_path / f"screen.{'gct' if suffix == 'gct' else 'csv'}"
    text = "cell,drug,g,h\n" + "".join(f"A,{k},{a},{b}\n" for k, (a, b) in enumerate(values))
    if suffix == "long":
        cells = [(k, gene, row[i]) for k, row in enumerate(values) for i, gene in enumerate("gh")]
        text = "cell,drug,gene,value\n" + "".join(f"A,{k},{g},{v}\n" for k, g, v in cells)
    if suffix == "gct":
        rows = ["\t".join(map(str, [g, *(row[i] for row in values)])) for i, g in enumerate("gh")]
        head = ["id\ta\tb\tc", "cell_id\tA\tA\tA", "pert_iname\tx\ty\tz"]
        text = "\n".join(["#1.3", "2\t3\t0\t2", *head, *rows]) + "\n"
    path.write_text(text)
    with pytest.warns(UserWarning, match="-666 among the profiles looks like a mark"):
        assert np.nanmin(read(path).profiles) == -666


def test_ids_that_a_file_of_labels_repeats_are_refused(tmp_path):
    text = "#1.3\n1\t1\t0\t1\nid\ts1\ncell_id\tA\ng\t1\n"
    (tmp_path / "a.gct").write_text(text)
    (tmp_path / "labels.csv").write_text("sig_id,cell,drug\ns1,A,x\ns1,B,y\ns2,A,x\ns2,A,z\n")
    with pytest.raises(InputError, match="two conditions are called 's1'"):
        read(tmp_path / "a.gct", labels=tmp_path / "labels.csv")
