"""`ntkfill inpaint --workers` and `--resume`: images larger than memory."""

from pathlib import Path

import numpy as np
import pytest

from ntkfill.cli import main


@pytest.mark.slow
def test_zarr_in_and_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zarr = pytest.importorskip("zarr")
    image = np.add.outer(np.arange(70.0), np.arange(60.0)).astype(np.float32)
    missing = np.random.default_rng(0).random(image.shape) < 0.3
    group = zarr.open_group(tmp_path / "in.zarr", mode="w")
    group.create_array("band", shape=image.shape, dtype="f4")[:] = np.where(missing, np.nan, image)
    arguments = ["inpaint", str(tmp_path / "in.zarr"), "-o", str(tmp_path / "out.zarr")]
    assert main([*arguments, "--workers", "2", "--resume"]) == 0
    filled = np.asarray(zarr.open_array(tmp_path / "out.zarr", mode="r")[:])
    np.testing.assert_array_equal(filled[~missing], image[~missing])
    assert abs(filled - image).max() < 5
    capsys.readouterr()
    assert main([*arguments, "--workers", "2"]) == 1
    assert "is there already" in capsys.readouterr().err


def test_what_tiles_cannot_do_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "x.npy", np.ones((9, 9)))
    arguments = [
        "inpaint",
        str(tmp_path / "x.npy"),
        "-o",
        str(tmp_path / "y.npy"),
        "--workers",
        "1",
    ]
    assert main([*arguments, "--dilate", "2"]) == 1
    assert "cannot be used with --dilate" in capsys.readouterr().err
    assert main(arguments) == 1
    assert "there is nothing to fill" in capsys.readouterr().err
