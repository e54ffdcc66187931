"""The command line: what it writes, what it says, how it ends, and what it leaves alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from ntkfill import inpaint
from ntkfill.cli import main
from ntkfill.cli.common import DONE, FAILED, INTERRUPTED, NOT_CONVERGED, USAGE
from ntkfill.grids.model import Component
from ntkfill.io import images
from ntkfill.nn import hourglass


@pytest.fixture
def scene(tmp_path, monkeypatch):
    """A folder with a grey picture, a mask, and nothing else."""
    monkeypatch.chdir(tmp_path)
    rows, columns = np.indices((24, 31))
    picture = np.uint8(120 + 80 * np.sin(rows / 4) * np.cos(columns / 5))
    missing = np.random.default_rng(0).random(picture.shape) < 0.4
    Image.fromarray(picture).save("in.png")
    Image.fromarray(np.uint8(255 * missing)).save("mask.png")
    return picture, missing


def fails(capsys, *arguments):
    """The one sentence that a command ends with; nothing on stdout, no traceback."""
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*")}
    assert main(arguments) == FAILED
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert {path: path.stat().st_mtime_ns for path in Path().rglob("*")} == before
    return err


def test_inpaint_is_the_function(scene):
    picture, missing = scene
    assert main(["inpaint", "in.png", "--mask", "mask.png", "-o", "out.png"]) == DONE
    written = np.asarray(Image.open("out.png"))
    np.testing.assert_array_equal(written, inpaint(picture, missing))
    np.testing.assert_array_equal(written[~missing], picture[~missing])


def test_inverted_mask(scene):
    picture, missing = scene
    Image.fromarray(np.uint8(255 * ~missing)).save("known.png")
    assert main(["inpaint", "in.png", "--mask", "known.png", "--invert-mask", "-o", "a.png"]) == 0
    np.testing.assert_array_equal(np.asarray(Image.open("a.png")), inpaint(picture, missing))


@pytest.mark.parametrize(
    ("suffix", "array"),
    [
        (".png", np.arange(768, dtype=np.uint8).reshape(16, 16, 3)),
        (".png", np.arange(1024, dtype=np.uint8).reshape(16, 16, 4)),
        (".png", np.arange(256, dtype=np.uint16).reshape(16, 16) * 257),
        (".png", np.eye(16, dtype=bool)),
        (".tif", np.arange(256, dtype=np.uint16).reshape(16, 16) * 257),
        (".tif", np.arange(768, dtype=np.uint16).reshape(16, 16, 3) * 80),
        (".tiff", np.linspace(-1, 1, 256, dtype=np.float32).reshape(16, 16)),
        (".tif", np.arange(2048, dtype=np.uint8).reshape(8, 16, 16)),
        (".npy", np.linspace(-1, 1, 256).reshape(16, 16)),
    ],
)
def test_files_come_back_as_they_were(suffix, array, tmp_path):
    rgb = array.shape[-1] in (3, 4)
    images.write(tmp_path / f"in{suffix}", images.Stored(array, -1 if rgb else None))
    grid = array.shape[:2] if rgb else array.shape
    missing = np.zeros(grid, bool)
    missing[..., 5:8, 6:9] = True
    np.save(tmp_path / "mask.npy", missing)
    source, target = (str(tmp_path / f"{name}{suffix}") for name in ("in", "out"))
    assert main(["inpaint", source, "--mask", str(tmp_path / "mask.npy"), "-o", target]) == DONE
    back = images.read(Path(target)).array
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    np.testing.assert_array_equal(back[~missing], array[~missing])


def test_nan_needs_no_mask(tmp_path):
    holes = np.ones((8, 9), np.float32)
    holes[3, 4] = np.nan
    tifffile.imwrite(tmp_path / "in.tif", holes)
    assert main(["inpaint", str(tmp_path / "in.tif"), "-o", str(tmp_path / "out.tif")]) == DONE
    assert (tifffile.imread(tmp_path / "out.tif") == 1).all()


def test_many_pictures_share_one_factor(scene, monkeypatch, capsys):
    picture, missing = scene
    Path("frames").mkdir()
    for k in range(3):
        Image.fromarray(np.roll(picture, k, axis=1)).save(f"frames/{k}.png")
    factored = []
    original = Component.factor
    monkeypatch.setattr(
        Component, "factor", lambda self, known: factored.append(1) or original(self, known)
    )
    command = ["inpaint", "frames", "--mask", "mask.png", "-o", "filled", "--json"]
    assert main([*command, "--network", "hourglass(4)"]) == DONE
    assert len(factored) == 1
    told = json.loads(capsys.readouterr().out)["files"]
    assert [entry["missing"] for entry in told] == [int(missing.sum())] * 3
    for k in range(3):
        expected = inpaint(np.roll(picture, k, axis=1), missing, network=hourglass(4))
        np.testing.assert_array_equal(np.asarray(Image.open(f"filled/{k}.png")), expected)


def test_one_bad_picture_does_not_stop_the_others(scene, capsys):
    Path("bad.png").write_bytes(b"cannot be read")
    given = ["inpaint", "in.png", "bad.png", "--mask", "mask.png", "-o", "out"]
    assert main(given) == FAILED
    assert "bad.png" in capsys.readouterr().err
    assert [path.name for path in Path("out").iterdir()] == ["in.png"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.png", "--mask", "mask.png", "-o", "o.png"], "no file"),
        (["in.png", "--mask", "nowhere.png", "-o", "o.png"], "no file"),
        (["in.png", "-o", "o.png"], "--mask"),
        (["in.png", "--mask", "mask.png"], "-o OUT"),
        (["in.png", "--mask", "mask.png", "-o", "in.png"], "overwrite"),
        (["in.png", "--mask", "mask.png", "-o", "o.xyz"], ".png"),
        (["in.png", "--mask", "mask.png", "-o", "no/such/o.png"], "no folder"),
        (["in.png", "--mask", "small.png", "-o", "o.png"], "shape of the image"),
        (["in.png", "--mask", "full.png", "-o", "o.png"], "every pixel is missing"),
        (["broken.png", "--mask", "mask.png", "-o", "o.png"], "cannot be read"),
        (["pickle.npy", "--mask", "mask.png", "-o", "o.npy"], "cannot be read"),
        (["in.txt", "--mask", "mask.png", "-o", "o.png"], "cannot be read"),
        (["in.png", "--mask", "mask.png", "-o", "o.png", "--network", "Conv(3)"], "network must"),
        (["in.png", "--mask", "mask.png", "-o", "o.png", "--network", "exec('1')"], "network must"),
        (["in.png", "--mask", "mask.png", "-o", "o.png", "--ridge", "-1"], "ridge"),
        (["in.png", "--mask", "mask.png", "-o", "o.png", "--memory", "1kB"], "needs"),
        (["in.png", "in.png", "--mask", "mask.png", "-o", "out"], "same name"),
        (["empty", "--mask", "mask.png", "-o", "out"], "no images"),
        (["in.png", "--mask", "mask.png", "--exact", "--boundary", "wrap", "-o", "o.png"], "pad"),
    ],
)
def test_bad_input_is_one_sentence(scene, capsys, arguments, said):
    Image.fromarray(np.zeros((3, 3), np.uint8)).save("small.png")
    Image.fromarray(np.full((24, 31), 255, np.uint8)).save("full.png")
    Path("broken.png").write_bytes(Path("in.png").read_bytes()[:60])
    Path("in.txt").write_text("hello")
    Path("empty").mkdir()
    np.save("pickle.npy", np.array([{}], dtype=object), allow_pickle=True)
    assert said in fails(capsys, "inpaint", *arguments)


def test_16_bit_colour_png_is_refused_not_cut(scene, capsys):
    """Its header says 16 bits, three channels."""
    header = bytearray(Path("in.png").read_bytes())
    header[24:26] = bytes([16, 2])
    Path("deep.png").write_bytes(header)
    with Image.open("in.png") as image, pytest.raises(images.InputError, match="16 bits"):
        images._refuse_16_bit_colour(Path("deep.png"), image)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nothing"],
        ["inpaint"],
        ["heatmap", "in.png", "--at", "1;2", "-o", "h.png"],
        ["inpaint", "in.png", "--memory", "lots"],
        ["inpaint", "in.png", "--boundary", "glue"],
    ],
)
def test_usage(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == USAGE
    assert "Traceback" not in capsys.readouterr().err


def test_not_converged_is_written_and_flagged(scene, capsys):
    given = ["inpaint", "in.png", "--mask", "mask.png", "-o", "out.png", "--json"]
    assert main([*given, "--rtol", "1e-16", "--ridge", "0"]) == NOT_CONVERGED
    out, err = capsys.readouterr()
    assert json.loads(out)["files"][0]["converged"] is False
    assert "larger ridge" in err
    assert Path("out.png").exists()


def test_interruption_leaves_nothing(scene, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(images, "_write_pillow", interrupted)
    before = sorted(Path().iterdir())
    given = ["inpaint", "in.png", "--mask", "mask.png", "-o", "out.png"]
    assert main(given) == INTERRUPTED
    assert sorted(Path().iterdir()) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk(scene, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(images, "_write_pillow", full)
    said = fails(capsys, "inpaint", "in.png", "--mask", "mask.png", "-o", "out.png")
    assert "No space left" in said


def test_an_old_output_survives_a_failed_write(scene, monkeypatch, capsys):
    Path("out.png").write_bytes(b"old")
    monkeypatch.setattr(images.Image.Image, "save", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["inpaint", "in.png", "--mask", "mask.png", "-o", "out.png"])
    assert Path("out.png").read_bytes() == b"old"
    assert not list(Path().glob(".writing*"))


def test_dry_run_writes_nothing(scene, capsys):
    before = sorted(Path().iterdir())
    assert main(["inpaint", "in.png", "--mask", "mask.png", "--dry-run", "--json"]) == DONE
    told = json.loads(capsys.readouterr().out)["files"][0]
    assert told["memory_bytes"] > 0
    assert told["seconds"] > 0
    assert "CG" in told["solver"]
    assert sorted(Path().iterdir()) == before


def test_quiet_says_nothing(scene, capsys):
    given = ["inpaint", "in.png", "--mask", "mask.png", "-o", "out.png", "--quiet"]
    assert main(given) == DONE
    assert capsys.readouterr() == ("", "")


def test_heatmap(scene, capsys):
    given = ["heatmap", "in.png", "--mask", "mask.png", "--at", "10,12", "-o", "heat.png"]
    assert main(given) == DONE
    heat = np.asarray(Image.open("heat.png"))
    assert heat.shape[1] > 3 * 31
    assert len(np.unique(heat.reshape(-1, 3), axis=0)) > 50
    assert "at must be a pixel of the image" in fails(capsys, *given[:5], "99,0", "-o", "other.png")


def test_kernel_list_build_clear(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NTKFILL_CACHE", str(tmp_path / "kernels"))
    assert main(["kernel", "build", "--levels", "3", "4", "--quiet"]) == DONE
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert main(["kernel", "list", "--json"]) == DONE
    assert len(json.loads(capsys.readouterr().out)) == 2
    assert main(["kernel", "clear"]) == DONE
    assert main(["kernel", "list"]) == DONE
    assert capsys.readouterr().out == ""


def test_demo(tmp_path, capsys):
    assert main(["demo", "-o", str(tmp_path / "demo"), "--json"]) == DONE
    told = json.loads(capsys.readouterr().out)
    assert told["converged"]
    assert told["psnr_scattered_db"] > 19
    names = {"before.png", "after.png", "truth.png", "heatmap.png"}
    assert {path.name for path in (tmp_path / "demo").iterdir()} == names


def test_help_is_light():
    """The help waits for neither NumPy nor SciPy."""
    code = (
        "import sys; from ntkfill.cli import parser; parser().format_help(); "
        "print([m for m in ('numpy', 'scipy', 'sklearn', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "ntkfill", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("ntkfill ")


def test_core_works_without_extras(tmp_path):
    """With every optional library hidden, the core imports and fills."""
    code = (
        "import sys\n"
        "for name in ('matplotlib', 'pandas', 'skimage', 'torch', 'jax', 'numba'):\n"
        "    sys.modules[name] = None\n"
        "import numpy as np, ntkfill\n"
        "hole = np.eye(8, dtype=bool)\n"
        "assert np.isfinite(ntkfill.inpaint(np.ones((8, 8)), hole)).all()\n"
    )
    environment = {**os.environ, "NTKFILL_CACHE": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_two_commands_at_once_share_the_cache(scene, tmp_path):
    environment = {**os.environ, "NTKFILL_CACHE": str(tmp_path / "shared")}
    base = [sys.executable, "-m", "ntkfill", "inpaint", "in.png", "--mask", "mask.png", "-o"]
    running = [subprocess.Popen([*base, f"{k}.png"], env=environment) for k in range(2)]
    assert [process.wait(timeout=60) for process in running] == [DONE, DONE]
    assert Path("0.png").read_bytes() == Path("1.png").read_bytes()
