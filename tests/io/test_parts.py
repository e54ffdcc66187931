"""Arrays that are written in parts, interrupted and resumed."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ntkfill.cli import main
from ntkfill.errors import InputError
from ntkfill.io.parts import Parts, differences, in_parts, open_array


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


@pytest.mark.skipif(os.name == "nt", reason="files that are open cannot be replaced there")
@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("name", ["x.npy", "x.zarr"])
def test_two_jobs_do_not_write_one_array(tmp_path: Path, name: str, resume: bool) -> None:
    path, job = tmp_path / name, {"seed": 0}
    with in_parts(path, (6, 2), np.float32, (2, 2), job, {"a": [1]}) as parts:
        parts.write(0, slice(0, 2), np.full((2, 2), 7, np.float32))
        with pytest.raises(InputError, match="is being written by another job"):
            write(path, resume=resume)
        parts.write(1, slice(2, 4), np.full((2, 2), 8, np.float32))
    np.testing.assert_array_equal(read(path)[:, 0], [7, 7, 8, 8, 0, 0])
    if name == "x.npy":
        assert write(path) == [0, 1, 2]


@pytest.mark.parametrize("name", ["x.npy", "x.zarr"])
def test_parts_of_a_job_that_was_begun_anew_are_not_taken_for_done(
    tmp_path: Path, name: str
) -> None:
    for stop in (2, 0):  # begun anew without resume, and interrupted before the first part
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / name, stop=stop)
    assert write(tmp_path / name, resume=True) == [0, 1, 2]
    np.testing.assert_array_equal(read(tmp_path / name)[:, 0], [0, 0, 1, 1, 2, 2])


@pytest.mark.skipif(os.name == "nt", reason="modes and links")
def test_what_is_overwritten_keeps_mode_and_links(tmp_path: Path) -> None:
    real, link = tmp_path / "real" / "y.npy", tmp_path / "x.npy"
    real.parent.mkdir()
    real.write_bytes(b"old")
    real.chmod(0o640)
    link.symlink_to(real)
    write(link)
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    np.testing.assert_array_equal(read(link)[:, 0], [0, 0, 1, 1, 2, 2])
    assert sorted(path.name for path in real.parent.iterdir()) == ["y.npy"]


@pytest.mark.parametrize("name", ["x.npy", "x.zarr"])
def test_data_are_on_disk_before_the_name(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, rename = os.fsync, os.replace

    def synced(handle: int) -> None:
        done.append(os.readlink(f"/proc/self/fd/{handle}"))
        sync(handle)

    def replaced(source: Path, target: Path) -> None:
        done.append(f"to {Path(target).name}")
        rename(source, target)

    if not Path("/proc/self/fd").exists():
        pytest.skip("Linux")
    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    write(tmp_path / name)
    before = done[: done.index(f"to {name}")]
    drafts = [path for path in before if f"{name}.unfinished" in path and "json" not in path]
    assert len(drafts) >= (5 if name == "x.zarr" else 1)  # three chunks at least, and their folders


@pytest.mark.parametrize("name", ["x.npy", "x.zarr"])
def test_whatever_a_library_raises_while_it_writes_is_a_sentence(tmp_path: Path, name: str) -> None:
    class Full:
        def __setitem__(self, *_: object) -> None:
            raise OSError(28, "No space left on device")

    path = tmp_path / name
    expected = f"{name} cannot be written; got No space left on device"
    with (
        pytest.raises(InputError, match=expected),
        in_parts(path, (6, 2), np.float32, (2, 2), {}, {}) as parts,
    ):
        replace(parts, array=Full()).write(0, slice(0, 2), np.zeros((2, 2)))


def test_a_link_in_place_of_what_is_unfinished_is_not_followed(tmp_path: Path) -> None:
    for name in ("x.npy", "x.zarr"):
        mine = tmp_path / f"mine-{name}"
        mine.mkdir()
        (mine / "file").write_text("mine")
        (tmp_path / f"{name}.unfinished").symlink_to(mine)
        write(tmp_path / name)
        assert (mine / "file").read_text() == "mine"


def test_another_job_is_not_continued(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "x.npy", stop=1)
    with pytest.raises(InputError, match=r"another job; expected seed 1; got seed 0\. Try"):
        write(tmp_path / "x.npy", resume=True, seed=1)
    assert write(tmp_path / "x.npy", seed=1) == [0, 1, 2]
    assert np.load(tmp_path / "x.npy")[0, 0] == 10


@pytest.mark.parametrize(
    ("job", "other", "said"),
    [
        ({"seed": 1}, {"seed": 0}, ("seed 1", "seed 0")),
        ({"of": "F(x=N(1, 2))", "k": 1}, {"of": "F(x=N(1, 2), y=3)", "k": 1},
         ("of without more", "of y=3")),
        ({"of": "F(net=N(c=3), ridge=0.1, z=1)"}, {"of": "F(net=N(c=3), ridge=0.15, z=1)"},
         ("of ridge=0.1", "of ridge=0.15")),
        ({"of": "F(a)", "input": "af3"}, {"of": "G(a)", "input": "b3"},
         ("of F; input af3", "of G; input b3")),
        ({"tile": 64}, {}, ("tile 64", "tile nothing")),
    ],
)  # fmt: skip
def test_another_job_is_said_by_what_differs(job: Any, other: Any, said: tuple[str, str]) -> None:
    assert differences(job, other) == said


def test_a_zarr_that_is_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.zarr").mkdir()
    with pytest.raises(InputError, match="is there already"):
        write(tmp_path / "x.zarr")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.npy.unfinished.json", b'{"job": {"seed": 0'),
        ("x.npy.unfinished.json", b"[]"),
        ("x.npy.unfinished.json", b"\xff"),
        ("x.npy.unfinished", b"\x93NUMPY"),
        ("x.npy.unfinished", b""),
    ],
)
def test_what_is_left_of_a_job_may_be_damaged(tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "x.npy", stop=1)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        write(tmp_path / "x.npy", resume=True)
    assert not (tmp_path / "x.npy").exists()


def test_what_is_left_of_a_job_may_have_another_shape(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "x.npy", stop=1)
    with (tmp_path / "x.npy.unfinished").open("wb") as file:
        np.save(file, np.zeros((3, 2), np.float32))
    with pytest.raises(InputError, match=r"x\.npy\.unfinished is damaged"):
        write(tmp_path / "x.npy", resume=True)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="not on this system")
def test_the_room_is_taken_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(InputError, match="No space left on device"):
        write(tmp_path / "x.npy")
    assert not list(tmp_path.iterdir())


def test_a_damaged_chunk_names_its_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    zarr = pytest.importorskip("zarr")
    monkeypatch.chdir(tmp_path)
    zarr.create_array("in.zarr", data=np.full((20, 20), np.nan), chunks=(10, 10))[:9] = 1.0
    (chunk, *_) = (path for path in Path("in.zarr/c").rglob("*") if path.is_file())
    chunk.write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"in\.zarr cannot be read"):
        open_array(Path("in.zarr"))[:]
    assert main(["inpaint", "in.zarr", "--workers", "1", "-o", "out.npy"]) == 1
    assert "in.zarr cannot be read" in capsys.readouterr().err


def test_a_file_that_is_not_named_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [f"{cell},{drug},{k},{k * k}" for k, cell in enumerate("ABC") for drug in "xyz"]
    Path("in.csv").write_text("\n".join(["cell,drug,g,h", *rows[:-1]]) + "\n")
    Path("out.json").write_text("mine")
    command = ["screen", "complete", "in.csv", "--method", "low-rank", "-o", "out.npy"]
    assert main(command) == 1
    assert "out.json exists" in capsys.readouterr().err
    assert Path("out.json").read_text() == "mine"
    assert not Path("out.npy").exists()
    assert main([*command, "--force"]) == 0
    assert "contexts" in Path("out.json").read_text()
