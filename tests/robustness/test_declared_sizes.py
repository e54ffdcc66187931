"""Small files that declare large arrays are refused before they are decoded."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from ntkfill import Inpainter, InputError
from ntkfill.cli import main
from ntkfill.io import images
from ntkfill.runtime import resources
from ntkfill.screens import read

SIDE = 1024


@pytest.fixture(autouse=True)
def little_memory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(resources, "available", lambda: 500_000)


@pytest.fixture
def undecoded(monkeypatch):
    """Whatever decodes pixels fails."""

    def decode(*_, **__):
        raise AssertionError("decoded")

    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", decode)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decode)


def save(suffix):
    path, image = Path(f"bomb{suffix}"), np.zeros((SIDE, SIDE), np.uint8)
    if suffix == ".tif":
        tifffile.imwrite(path, image, compression="zlib")
    else:
        Image.fromarray(image).save(path)
    return path


@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg"])
def test_images_larger_than_memory(suffix, undecoded):
    with pytest.raises(InputError, match=r"bomb.*needs .*MB"):
        images.read(save(suffix))


@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg"])
@pytest.mark.parametrize("limits", [{"max_pixels": SIDE**2 - 1}, {"masked": 100}])
def test_images_of_too_many_pixels(suffix, limits, undecoded, monkeypatch):
    monkeypatch.setattr(resources, "available", lambda: 10**9)
    with pytest.raises(InputError, match=r"too large; expected at most .*got 1024 x 1024"):
        images.read(save(suffix), **limits)


@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_more_pixels_where_that_is_asked_for(suffix, monkeypatch):
    monkeypatch.setattr(resources, "available", lambda: 10**9)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)  # Pillow's own limit
    path = save(suffix)
    assert images.read(path, max_pixels=SIDE**2).array.shape == (SIDE, SIDE)
    assert Image.MAX_IMAGE_PIXELS == 10
    command = ["inpaint", str(path), "--mask", str(path), "--dry-run", "--max-pixels"]
    assert main([*command, "1000"]) == 1


def test_a_header_that_declares_more_than_the_file_holds():
    with open("bomb.npy", "wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": (10**9, 10**3)}
        np.lib.format.write_array_header_1_0(file, header)
    with pytest.raises(InputError, match=r"bomb\.npy cannot be read"):
        images.read(Path("bomb.npy"))


def npz(path):
    np.savez_compressed(path, genes=["g"], profiles=np.zeros((SIDE**2, 1)))


def other(path):
    np.savez_compressed(path, other=np.zeros(10))


def gctx(path, columns=SIDE):
    with h5py.File(path, "w") as file:
        file.create_dataset("0/DATA/0/matrix", (columns, columns), "f8", chunks=True)
        for name in ("ROW/id", "COL/cell", "COL/drug"):
            file[f"0/META/{name}"] = np.array([f"{k}" for k in range(columns)], dtype="S")


@pytest.mark.filterwarnings("ignore")
def h5ad(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("X", (SIDE, SIDE), "f8", chunks=True)


def parquet(path):
    pd.DataFrame(dict.fromkeys(("cell", "drug", "g"), np.zeros(SIDE * 64, np.int8))).to_parquet(
        path
    )


SCREENS = {
    "bomb.npz": (npz, "needs 16.8 MB"),
    "other.npz": (other, "no array `genes`"),
    "bomb.gctx": (gctx, "needs .* MB"),
    "small.gctx": (lambda path: gctx(path, 30), "never written"),
    "bomb.h5ad": (h5ad, "needs .* MB"),
    "bomb.parquet": (parquet, "needs .* MB"),
}


@pytest.mark.sampled
@pytest.mark.parametrize("name", SCREENS)
def test_screens(name):
    make, said = SCREENS[name]
    make(Path(name))
    with pytest.raises(InputError, match=f"{name}.*{said}"):
        read(name)


def test_saved_inpainters():
    np.savez_compressed("bomb.npz", missing=np.zeros((SIDE, SIDE), bool), options="{}")
    with pytest.raises(InputError, match=r"not a saved inpainter: .*needs"):
        Inpainter.load("bomb.npz")
