"""Image files: nothing is lost, cut, recoloured or overwritten without a word."""

import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from quick import QUICK

from ntkfill.cli import main
from ntkfill.cli.common import DONE, FAILED
from ntkfill.io import images

GREY = np.add.outer(np.arange(12), np.arange(10)).astype(np.uint8) * 10

HOLES = np.zeros((12, 10), bool)

HOLES[4:7, 3:6] = True


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(GREY).save("in.png")
    Image.fromarray(np.uint8(255 * HOLES)).save("mask.png")


def fill(source, target, *more):
    return main(["inpaint", source, "--mask", "mask.png", "-o", target, *QUICK, *more])


@pytest.mark.sampled
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


def several(path):
    with tifffile.TiffWriter(path) as file:
        file.write(GREY)
        file.write(np.zeros((3, 3), np.uint8))


def animated(path):
    frames = [Image.fromarray(GREY), Image.fromarray(GREY // 2)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def palette(path):
    colours = np.zeros((3, 256), np.uint16)
    tifffile.imwrite(path, GREY, photometric="palette", colormap=colours)


def late_table(path):
    """As GDAL writes a colour table after the pixels: they are said to be grey."""
    table = np.zeros(768, np.uint16)
    tags = [(320, 3, 768, table.tobytes(), True)]
    tifffile.imwrite(path, GREY, photometric="minisblack", extratags=tags)


def beside(suffix, text=""):
    """A grey TIFF, and a file beside it that says that its numbers are classes."""

    def make(path):
        tifffile.imwrite(path, GREY, photometric="minisblack")
        Path(f"{path}{suffix}").write_text(text)

    return make


STRANGE = {
    "late.tif": (late_table, "table of colours or classes"),
    "names.tif": (beside(".aux.xml", "<PAMDataset><CategoryNames/></PAMDataset>"), "or classes"),
    "table.tif": (beside(".aux.xml", "<PAMDataset><ColorTable></ColorTable>"), "or classes"),
    "attributes.tif": (beside(".vat.dbf"), "or classes"),
    "palette.tif": (palette, "not plain"),
    "cmyk.jpg": (lambda p: Image.new("CMYK", (10, 12)).save(p), "not plain"),
    "several.tif": (several, "several images"),
    "animated.png": (animated, "several images"),
}


@pytest.mark.parametrize("name", STRANGE)
def test_what_would_change_its_meaning_is_refused(name, capsys):
    make, said = STRANGE[name]
    make(name)
    assert fill(name, "out" + Path(name).suffix) == FAILED
    assert said in capsys.readouterr().err
    assert not Path("out" + Path(name).suffix).exists()


def chunk(kind, data):
    """One chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_without_imagecodecs_16_bit_colour_png_is_refused_not_cut(monkeypatch, capsys):
    """Pillow would read 8 of its bits."""
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    header = struct.pack(">IIBBBBB", 10, 12, 16, 2, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + bytes(range(60)) for _ in range(12)))
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    Path("deep.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    with Image.open("deep.png") as image:
        assert np.asarray(image).dtype == np.uint8
    assert fill("deep.png", "out.png") == FAILED
    assert "16 bits" in capsys.readouterr().err


def test_damaged_images_are_one_sentence(capsys):
    tifffile.imwrite("in.tif", np.tile(GREY, (20, 20)), compression="zlib")
    whole = bytearray(Path("in.tif").read_bytes())
    whole[-200:-100] = b"\xff" * 100
    Path("in.tif").write_bytes(whole)
    assert fill("in.tif", "out.tif") == FAILED
    assert "in.tif cannot be read" in capsys.readouterr().err


def test_planes_of_colour_come_back_as_colour():
    planes = np.stack([GREY, GREY // 2, 255 - GREY])
    tifffile.imwrite("in.tif", planes, photometric="rgb", planarconfig="separate")
    assert fill("in.tif", "out.tif") == DONE
    back = tifffile.imread("out.tif")
    np.testing.assert_array_equal(back[:, ~HOLES], planes[:, ~HOLES])


def test_a_link_stays_a_link():
    Path("real").mkdir()
    Path("link.png").symlink_to("real/out.png")
    assert fill("in.png", "link.png") == DONE
    assert Path("link.png").is_symlink()
    assert np.asarray(Image.open("real/out.png")).shape == GREY.shape


def test_transparency_and_resolution_are_kept():
    Image.fromarray(GREY).save("in.png", dpi=(300, 300), transparency=70)
    assert fill("in.png", "out.png") == DONE
    with Image.open("out.png") as image:
        assert image.info["transparency"] == 70
        assert image.info["dpi"][0] == pytest.approx(300, abs=0.1)


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (np.uint8(127 * HOLES) + np.uint8(9), "every pixel is missing"),
        (np.uint8(np.arange(120).reshape(12, 10)), "more than two values"),
        (np.zeros((12, 10), np.uint8), "nothing is missing"),
        (np.dstack([np.uint8(9 * (GREY > 70))] * 3 + [np.uint8(255 * HOLES)]), "alpha channel"),
    ],
    ids=["grey", "soft", "black", "alpha"],
)
def test_odd_masks_are_remarked_upon(mask, said, capsys):
    Image.fromarray(mask).save("mask.png")
    fill("in.png", "out.png")
    assert said in capsys.readouterr().err


def test_a_red_mask_is_a_mask():
    assert fill("in.png", "white.png") == DONE
    Image.fromarray(np.dstack([np.uint8(255 * HOLES), *[np.zeros_like(GREY)] * 2])).save("mask.png")
    assert fill("in.png", "red.png") == DONE
    assert Path("red.png").read_bytes() == Path("white.png").read_bytes()


def test_formats_are_checked_before_any_work(monkeypatch, capsys):
    monkeypatch.setattr("ntkfill.grids.inpainter.Inpainter.fit", lambda *_, **__: 1 / 0)
    tifffile.imwrite("in.tif", GREY.astype(np.float32))
    assert fill("in.tif", "out.png") == FAILED
    assert "cannot hold" in capsys.readouterr().err
