"""`ntkfill inpaint`, `heatmap` and `demo`: what they write and print, and how they end."""

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
from ntkfill.cli.common import DONE, FAILED, INTERRUPTED, NOT_CONVERGED
from ntkfill.grids.model import Group
from ntkfill.nn import hourglass


@pytest.mark.slow
def test_inpaint_is_the_function(scene):
    image, missing = scene
    assert main(["inpaint", "in.png", "--mask", "mask.png", "-o", "out.png"]) == DONE
    written = np.asarray(Image.open("out.png"))
    np.testing.assert_array_equal(written, inpaint(image, missing, refine="auto"))
    np.testing.assert_array_equal(written[~missing], image[~missing])


@pytest.mark.slow
def test_fills_are_refined_unless_fast_is_asked_for(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    image = np.uint8(120 + 100 * np.sin(1.9 * np.add.outer(np.arange(40), np.arange(40))))
    missing = np.random.default_rng(0).random(image.shape) < 0.5
    Image.fromarray(image).save("in.png")
    Image.fromarray(np.uint8(255 * missing)).save("mask.png")
    command = ["inpaint", "in.png", "--mask", "mask.png", "-o"]
    assert main([*command, "out.png"]) == DONE
    printed = capsys.readouterr().err
    assert "out.png: 779 pixels" in printed
    assert "refined: RMSE of" in printed
    assert "; --fast fills without trying" in printed
    assert main([*command, "fast.png", "--fast"]) == DONE
    assert "refined" not in capsys.readouterr().err
    fast = np.asarray(Image.open("fast.png"))
    np.testing.assert_array_equal(fast, inpaint(image, missing))
    refined = np.asarray(Image.open("out.png"))
    assert np.abs(refined - 1.0 * image).mean() < 0.5 * np.abs(fast - 1.0 * image).mean()


def test_fast_and_refined_exclude_each_other(scene, capsys):
    command = ["inpaint", "in.png", "--mask", "mask.png", "-o", "a.png", "--fast", "--refine"]
    for how in ("auto", "patches"):
        assert main([*command, how]) == FAILED
        assert "--fast is without refinement" in capsys.readouterr().err


@pytest.mark.slow
def test_inverted_mask(scene):
    image, missing = scene
    Image.fromarray(np.uint8(255 * ~missing)).save("known.png")
    command = ["inpaint", "in.png", "--mask", "known.png", "--invert-mask", "-o", "a.png", "--fast"]
    assert main(command) == 0
    np.testing.assert_array_equal(np.asarray(Image.open("a.png")), inpaint(image, missing))


def test_nan_needs_no_mask(tmp_path):
    holes = np.ones((8, 9), np.float32)
    holes[3, 4] = np.nan
    tifffile.imwrite(tmp_path / "in.tif", holes)
    assert main(["inpaint", str(tmp_path / "in.tif"), "-o", str(tmp_path / "out.tif")]) == DONE
    assert (tifffile.imread(tmp_path / "out.tif") == 1).all()


def test_many_images_share_one_factor(scene, monkeypatch, capsys):
    image, missing = scene
    Path("frames").mkdir()
    for k in range(3):
        Image.fromarray(np.roll(image, k, axis=1)).save(f"frames/{k}.png")
    factored = []
    original = Group.factor

    def factor(self, component):
        if component not in self.kept:
            factored.append(1)
        return original(self, component)

    monkeypatch.setattr(Group, "factor", factor)
    command = ["inpaint", "frames", "--mask", "mask.png", "-o", "filled", "--json", "--fast"]
    assert main([*command, "--network", "hourglass(4)"]) == DONE
    assert len(factored) == 1
    figures = json.loads(capsys.readouterr().out)["files"]
    assert [entry["missing"] for entry in figures] == [int(missing.sum())] * 3
    for k in range(3):
        expected = inpaint(np.roll(image, k, axis=1), missing, network=hourglass(4))
        np.testing.assert_array_equal(np.asarray(Image.open(f"filled/{k}.png")), expected)


@pytest.mark.slow
def test_one_bad_image_does_not_stop_the_others(scene, capsys):
    Path("bad.png").write_bytes(b"cannot be read")
    given = ["inpaint", "in.png", "bad.png", "--mask", "mask.png", "-o", "out"]
    assert main(given) == FAILED
    assert "bad.png" in capsys.readouterr().err
    assert [path.name for path in Path("out").iterdir()] == ["in.png"]


def test_a_folder_is_its_images_and_no_more(scene):
    Path("all").mkdir()
    for name in ("a.png", ".hidden.png", "mask.png"):
        Path("all", name).write_bytes(Path("mask.png" if "mask" in name else "in.png").read_bytes())
    Path("all/folder.png").mkdir()
    assert main(["inpaint", "all", "--mask", "all/mask.png", "-o", "out"]) == DONE
    assert [path.name for path in Path("out").iterdir()] == ["a.png"]


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
def test_bad_input_is_one_sentence(scene, fails, arguments, said):
    Image.fromarray(np.zeros((3, 3), np.uint8)).save("small.png")
    Image.fromarray(np.full((24, 31), 255, np.uint8)).save("full.png")
    Path("broken.png").write_bytes(Path("in.png").read_bytes()[:60])
    Path("in.txt").write_text("hello")
    Path("empty").mkdir()
    np.save("pickle.npy", np.array([{}], dtype=object), allow_pickle=True)
    assert said in fails("inpaint", *arguments)


@pytest.mark.slow
def test_not_converged_is_written_and_flagged(scene, capsys):
    given = ["inpaint", "in.png", "--mask", "mask.png", "-o", "out.png", "--json"]
    assert (
        main([*given, "--network", "hourglass(4)", "--fast", "--rtol", "1e-16", "--ridge", "0"])
        == NOT_CONVERGED
    )
    out, err = capsys.readouterr()
    assert json.loads(out)["files"][0]["converged"] is False
    assert "larger ridge" in err
    assert Path("out.png").exists()


def test_interruption_leaves_nothing(scene, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Image.Image, "save", interrupted)
    before = sorted(Path().iterdir())
    given = ["inpaint", "in.png", "--mask", "mask.png", "-o", "out.png"]
    assert main(given) == INTERRUPTED
    assert sorted(Path().iterdir()) == before


@pytest.mark.slow
def test_full_disk(scene, monkeypatch, fails):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    said = fails("inpaint", "in.png", "--mask", "mask.png", "-o", "out.png")
    assert "No space left" in said


def test_an_old_output_survives_a_failed_write(scene, monkeypatch, capsys):
    Path("out.png").write_bytes(b"old")
    monkeypatch.setattr(Image.Image, "save", lambda *_, **__: 1 / 0)
    assert main(["inpaint", "in.png", "--mask", "mask.png", "-o", "out.png"]) == FAILED
    assert "out.png" in capsys.readouterr().err
    assert Path("out.png").read_bytes() == b"old"
    assert not list(Path().glob(".writing*"))


def test_dry_run_writes_nothing(scene, capsys):
    before = sorted(Path().iterdir())
    assert main(["inpaint", "in.png", "--mask", "mask.png", "--dry-run", "--json"]) == DONE
    figures = json.loads(capsys.readouterr().out)["files"][0]
    assert figures["memory_bytes"] > 0
    assert figures["seconds"] > 0
    assert "CG" in figures["solver"]
    assert sorted(Path().iterdir()) == before


def test_a_dry_run_counts_what_is_asked_for(scene, capsys):
    def bytes_of(*more):
        command = ["inpaint", "in.png", "--mask", "mask.png", "--network", "hourglass(1)"]
        assert main([*command, "--dry-run", "--json", *more]) == DONE
        return json.loads(capsys.readouterr().out)["files"][0]["memory_bytes"]

    std = bytes_of("--std", "std.npy", "--fast")
    assert bytes_of("--fast") < std < bytes_of("--std", "std.npy", "--interval", "0.9", "--fast")
    assert bytes_of("--fast") < bytes_of("--refine", "patches")


def test_quiet_says_nothing(scene, capsys):
    given = ["inpaint", "in.png", "--mask", "mask.png", "-o", "out.png", "--quiet"]
    assert main(given) == DONE
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow
def test_two_commands_at_once_share_the_cache(scene, tmp_path):
    environment = {**os.environ, "NTKFILL_CACHE": str(tmp_path / "shared")}
    base = [sys.executable, "-m", "ntkfill", "inpaint", "in.png", "--mask", "mask.png", "-o"]
    running = [subprocess.Popen([*base, f"{k}.png"], env=environment) for k in range(2)]
    assert [process.wait(timeout=60) for process in running] == [DONE, DONE]
    assert Path("0.png").read_bytes() == Path("1.png").read_bytes()


@pytest.mark.slow
def test_heatmap(scene, fails, capsys):
    given = ["heatmap", "in.png", "--mask", "mask.png", "--at", "10,12", "-o", "heat.png"]
    assert main(given) == DONE
    heat = np.asarray(Image.open("heat.png"))
    assert heat.shape[1] > 3 * 31
    capsys.readouterr()
    assert len(np.unique(heat.reshape(-1, 3), axis=0)) > 50
    assert "at must be a pixel of the image" in fails(*given[:5], "99,0", "-o", "other.png")


@pytest.mark.slow
def test_demo(tmp_path, capsys):
    assert main(["demo", "-o", str(tmp_path / "demo"), "--json"]) == DONE
    figures = json.loads(capsys.readouterr().out)
    assert figures["converged"]
    assert figures["psnr_scattered_db"] > 19
    names = {"before.png", "after.png", "truth.png", "heatmap.png"}
    assert {path.name for path in (tmp_path / "demo").iterdir()} == names


@pytest.mark.parametrize(
    ("shape", "words", "said"),
    [
        ((12, 12, 4), [], "--channel-axis -1"),
        ((3, 3), ["--boundary", "wrap", "--exact"], "--boundary pad"),
        ((12, 12), ["--spacing", "auto,1", "--network", "hourglass(1)"], "--network auto"),
        ((12, 12), ["--spacing", "2,1", "--exact"], "neither --exact nor --refine"),
    ],
)
def test_messages_of_the_library_advise_options(tmp_path, capsys, shape, words, said):
    image = np.ones(shape, np.float32)
    image[1, 1] = np.nan
    np.save(tmp_path / "in.npy", image)
    main(
        ["inpaint", str(tmp_path / "in.npy"), "-o", str(tmp_path / "out.npy"), "--no-cache", *words]
    )
    err = capsys.readouterr().err
    assert said in err
    assert "Try: " in err
