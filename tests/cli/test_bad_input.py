"""Bad input of every command: one sentence, no traceback, nothing written."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

READS = {  # by what is read: the command, with INPUT for the bad file
    "inpaint": "inpaint INPUT --mask mask.png -o out.png",
    "inpaint --mask": "inpaint in.png --mask INPUT -o out.png",
    "inpaint --dry-run": "inpaint INPUT --mask mask.png --dry-run",
    "heatmap": "heatmap INPUT --mask mask.png --at 3,3 -o out.png",
    "heatmap --mask": "heatmap in.png --mask INPUT --at 3,3 -o out.png",
    "impute": "impute INPUT -o out.csv",
    "impute --row-features": "impute t.csv --index row --row-features INPUT -o out.csv",
    "impute --column-features": "impute t.csv --index row --column-features INPUT -o out.csv",
    "screen evaluate": "screen evaluate INPUT",
    "screen complete": "screen complete INPUT -o out.csv",
    "screen rank": "screen rank INPUT --signature sign.csv",
    "screen rank --signature": "screen rank s.csv --signature INPUT",
}
BAD = {  # by what is wrong: the name without suffix, and what it holds
    "absent": None,
    "empty": b"",
    "binary": bytes(range(256)),
    "text": b"hello, I am\nno table\n\n\t,;\n",
    "one line": b"cell,drug,g\n",
}


@pytest.fixture(autouse=True)
def scene(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    holes = np.zeros((8, 9), np.uint8)
    holes[2:5, 3:5] = 255
    Image.fromarray(holes // 2 + 9).save("in.png")
    Image.fromarray(holes).save("mask.png")
    Path("t.csv").write_text("row,a,b\nx,1,2\ny,,4\nz,5,6\n")
    Path("s.csv").write_text("cell,drug,g,h\nA,x,1,2\nA,y,3,5\nB,x,2,3\n")
    Path("sign.csv").write_text("gene,change\ng,1\nh,-1\n")


@pytest.mark.sampled
@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("name", READS)
def test_bad_files(name, bad, fails):
    tables = name.startswith(("impute", "screen"))
    for suffix in (".csv", ".tsv", ".xyz", ".parquet") if tables else (".png", ".tif", ".npy", ""):
        path = Path(f"{bad.replace(' ', '-')}{suffix}")
        if BAD[bad] is not None:
            path.write_bytes(BAD[bad])
        line = fails(*READS[name].replace("INPUT", str(path)).split())
        assert str(path) in line


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".npz", ".gct", ".gctx", ".h5ad"])
@pytest.mark.parametrize("bad", BAD)
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_bad_screens(bad, suffix, fails):
    path = Path(f"{bad.replace(' ', '-')}{suffix}")
    if BAD[bad] is not None:
        path.write_bytes(BAD[bad])
    assert str(path) in fails("screen", "complete", path, "-o", "out.csv")


@pytest.mark.parametrize("name", READS)
def test_folders(name, fails):
    Path("folder.csv").mkdir()
    line = fails(*READS[name].replace("INPUT", "folder.csv").split())
    assert "folder" in line


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("inpaint in.png --mask mask.png -o out.png --channel-axis 7", "channel_axis"),
        ("inpaint in.png --mask mask.png -o out.png --rtol -1", "got -1.0"),
        ("inpaint in.png --mask mask.png -o out.png --ridge nan", "ridge"),
        ("heatmap in.png --mask mask.png -o out.png --at 0,99", "pixel"),
        ("heatmap in.png --mask mask.png -o out.jpg --at 3,3", "cannot be written; expected .png"),
        ("impute t.csv -o out.csv --depth 0", "depth"),
        ("impute t.csv -o out.csv --ridge -1", "ridge"),
        ("impute t.csv -o out.csv --max-iter 0", "max_iter"),
        ("impute t.csv -o out.csv --tol -1", "tol"),
        ("impute t.csv -o out.csv --index nothing", "no column 'nothing'"),
        ("screen evaluate s.csv --rounds 0", "got 0"),
        ("screen evaluate s.csv --folds 1", "folds"),
        ("screen complete s.csv -o out.csv --columns drug=nothing", "column 'nothing'"),
        ("screen complete s.csv -o out.csv --method paper --reference X", "X"),
        ("kernel build --levels 99", "levels"),
    ],
)
def test_options_out_of_range(command, said, fails):
    assert said in fails(*command.split())
