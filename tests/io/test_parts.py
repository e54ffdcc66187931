"""Arrays that are written in parts, interrupted and resumed."""

from pathlib import Path

import numpy as np
import pytest

from ntkfill.errors import InputError
from ntkfill.io.parts import Parts, in_parts


def write(path: Path, stop: int | None = None, *, resume: bool = False, seed: int = 0) -> list[int]:
    """Three parts, or up to an exception after some; returns those that were written."""
    written = []
    job = {"seed": seed}
    with in_parts(path, (6, 2), np.float32, (2, 2), job, {"a": [1]}, resume=resume) as parts:
        assert isinstance(parts, Parts)
        for k in range(3):
            if k in parts.done:
                continue
            if k == stop:
                raise KeyboardInterrupt
            parts.write(k, slice(2 * k, 2 * k + 2), np.full((2, 2), 10 * seed + k, np.float32))
            written.append(k)
    return written


def read(path: Path) -> np.ndarray:
    if path.suffix == ".npy":
        assert path.with_suffix(".json").read_text() == '{"a": [1]}'
        return np.load(path)
    zarr = pytest.importorskip("zarr")
    assert zarr.open_array(path, mode="r").attrs["a"] == [1]
    return np.asarray(zarr.open_array(path, mode="r")[:])


@pytest.mark.parametrize("name", ["x.npy", "x.zarr"])
def test_a_job_goes_on_where_it_stopped(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with pytest.raises(KeyboardInterrupt):
        write(path, stop=2)
    assert not path.exists()
    assert write(path, resume=True) == [2]
    np.testing.assert_array_equal(read(path)[:, 0], [0, 0, 1, 1, 2, 2])
    assert [left.name for left in tmp_path.iterdir() if "unfinished" in left.name] == []


def test_another_job_is_not_continued(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "x.npy", stop=1)
    with pytest.raises(InputError, match="of another job"):
        write(tmp_path / "x.npy", resume=True, seed=1)
    assert write(tmp_path / "x.npy", seed=1) == [0, 1, 2]
    assert np.load(tmp_path / "x.npy")[0, 0] == 10


def test_a_zarr_that_is_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.zarr").mkdir()
    with pytest.raises(InputError, match="is there already"):
        write(tmp_path / "x.zarr")
