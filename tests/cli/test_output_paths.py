"""Where commands write: every one refuses, before any work, what it could not or should not."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ntkfill.cli import main

INPAINT = "inpaint in.png --mask mask.png --network hourglass(1)"
IMPUTE = "impute t.csv --index row --row-features rows.csv --column-features columns.csv"
WRITES = {  # by what they write: the command, the suffix, and what it reads
    "inpaint": (f"{INPAINT} -o", ".png", "in.png mask.png"),
    "inpaint --std": (f"{INPAINT} -o out.png --std", ".npy", "in.png mask.png"),
    "heatmap": ("heatmap in.png --mask mask.png --at 3,3 -o", ".png", "in.png mask.png"),
    "impute": (f"{IMPUTE} -o", ".csv", "t.csv rows.csv columns.csv"),
    "impute --std": (f"{IMPUTE} -o out.csv --std", ".csv", "t.csv rows.csv columns.csv"),
    "evaluate": ("screen evaluate s.csv --methods cell-mean --report", ".html", "s.csv"),
    "complete": ("screen complete s.csv -o", ".csv", "s.csv"),
    "complete --std": ("screen complete s.csv -o out.csv --std", ".csv", "s.csv"),
    "rank": ("screen rank s.csv --signature sign.csv -o", ".csv", "s.csv sign.csv"),
}


class WorkBegunError(Exception):
    """Work has begun."""


@pytest.fixture(autouse=True)
def scene(tmp_path, monkeypatch):
    """A folder with all that is read; whatever begins to work on it raises."""
    monkeypatch.chdir(tmp_path)
    holes = np.zeros((8, 9), np.uint8)
    holes[2:5, 3:5] = 255
    Image.fromarray(holes // 2 + 9).save("in.png")
    Image.fromarray(holes).save("mask.png")
    Path("t.csv").write_text("row,a,b\nx,1,2\ny,,4\nz,5,6\n")
    Path("rows.csv").write_text("row,f\nx,1\ny,2\nz,3\n")
    Path("columns.csv").write_text("name,f\na,1\nb,2\n")
    lines = [f"{c},{d},{k},{k * k}" for k, (c, d) in enumerate((c, d) for c in "AB" for d in "xyz")]
    Path("s.csv").write_text("cell,drug,g,h\n" + "\n".join(lines[:-1]) + "\n")
    Path("sign.csv").write_text("gene,change\ng,1\nh,-1\n")

    def work(*_, **__):
        raise WorkBegunError

    for place in (
        *(
            "grids.inpainter.Inpainter.fill",
            "grids.inpainter.Inpainter.fit",
        ),
        *("tables.imputer.NTKImputer.impute", "screens.complete", "screens.evaluate"),
        "grids.plan.build_kernel",
    ):
        monkeypatch.setattr(f"ntkfill.{place}", work)


@pytest.mark.parametrize("name", WRITES)
def test_a_good_place_is_worked_for(name):
    command, suffix, _ = WRITES[name]
    with pytest.raises(WorkBegunError):
        main([*command.split(), f"result{suffix}"])


@pytest.mark.sampled
@pytest.mark.parametrize("link", [Path.hardlink_to, Path.symlink_to])
@pytest.mark.parametrize("name", WRITES)
def test_nothing_that_is_read_is_written_over(name, link, fails):
    command, suffix, inputs = WRITES[name]
    for k, source in enumerate(inputs.split()):
        place = Path(f"link{k}{suffix}")
        link(place, Path(source))
        assert f"{place} would overwrite its own input" in fails(*command.split(), place)
        if Path(source).suffix == suffix:
            assert "its own input" in fails(*command.split(), Path().absolute() / source)


@pytest.mark.parametrize("name", [name for name in WRITES if "--std" in name])
def test_two_results_are_two_files(name, fails):
    command, suffix, _ = WRITES[name]
    out = "out.npy" if suffix == ".npy" else "./out.csv"
    said = fails(*command.replace("-o out.png", f"-o {out}").split(), out)
    assert "would overwrite another result. Try: another --std FILE" in said


@pytest.mark.parametrize("name", WRITES)
def test_places_that_no_file_can_be_written_to(name, fails, monkeypatch):
    command, suffix, _ = WRITES[name]
    assert "there is no folder nope" in fails(*command.split(), f"nope/result{suffix}")
    Path(f"folder{suffix}").mkdir()
    if name != "inpaint":  # which writes into folders
        assert "is a folder" in fails(*command.split(), f"folder{suffix}")
    monkeypatch.setattr("os.access", lambda *_, **__: False)
    assert "without permission" in fails(*command.split(), f"result{suffix}")


@pytest.mark.parametrize("command", ["demo -o", "screen demo -o"])
def test_folders_of_demos(command, fails, monkeypatch):
    assert "in.png: File exists" in fails(*command.split(), "in.png")
    monkeypatch.setattr("os.access", lambda *_, **__: False)
    assert "without permission" in fails(*command.split(), "folder")


def test_a_cache_that_cannot_be_written_is_refused_before_any_work(fails, monkeypatch):
    monkeypatch.setenv("NTKFILL_CACHE", "in.png/kernels")
    assert "NTKFILL_CACHE" in fails("kernel", "build", "--levels", 2)


def test_one_image_is_not_written_over_by_the_fill_of_another(fails):
    Path("out").mkdir()
    for name in ("a.png", "b.png"):
        Path(name).write_bytes(Path("in.png").read_bytes())
    Path("out/a.png").symlink_to("../b.png")
    said = fails("inpaint", "a.png", "b.png", "--mask", "mask.png", "-o", "out")
    assert "out/a.png would overwrite its own input" in said
