"""Whatever happens to the folder, the right table comes back."""

import contextlib
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from ntkfill import Cache, InputError
from ntkfill.io import cache
from ntkfill.kernels.table import Axis

AXES = (Axis(4, None, 4), Axis(2, 6))
TABLE = np.random.default_rng(0).normal(size=(4, 2, 5, 6)).astype(np.float32)
OTHER = TABLE + 1


class Counted:
    """Something to compute, which counts how often it is."""

    def __init__(self, table=TABLE):
        self.table, self.calls = table, 0

    def __call__(self):
        self.calls += 1
        return self.table, AXES


def check(store, key="k", calls=0, table=TABLE):
    """One `get`: the table and the axes are right, after so many computations."""
    compute = Counted(table)
    found, axes = store.get(key, compute)
    np.testing.assert_array_equal(found, table)
    assert found.dtype == table.dtype
    assert axes == AXES
    assert compute.calls == calls
    return found


@pytest.fixture
def store(tmp_path):
    """A cache with one entry."""
    filled = Cache(tmp_path / "deep" / "down")
    check(filled, calls=1)
    return filled


def only(store, pattern):
    (path,) = store.directory.glob(pattern)
    return path


def test_second_time_is_read_from_disk(store):
    found = check(store, calls=0)
    truncate(only(store, "*.npy"), 0)  # nothing is mapped, so that no process dies of this
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 0
    np.testing.assert_array_equal(found, TABLE)
    check(store, calls=1)
    check(Cache(store.directory), calls=0)


def test_a_folder_holds_plain_files_only(store):
    names = sorted(path.suffix for path in store.directory.iterdir())
    assert names == [".json", ".npy"]
    np.testing.assert_array_equal(np.load(only(store, "*.npy"), allow_pickle=False), TABLE)
    assert json.loads(only(store, "*.json").read_text("utf-8"))["key"] == "k"


def test_another_key_is_another_table(store):
    check(store, "K", calls=1, table=OTHER)
    check(store, "K", calls=0, table=OTHER)
    check(store, "k", calls=0)


@pytest.mark.parametrize("key", ["", "../../escape", "a/b\0c", "ключ\n" * 1000, "{}", "\\"])
def test_any_key(store, key):
    check(store, key, calls=1)
    check(store, key, calls=0)
    assert {path.parent for path in store.directory.parent.parent.rglob("*.*")} == {store.directory}


@pytest.mark.parametrize(
    "table",
    [
        np.ones(()),
        np.empty((0, 3)),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(24.0).reshape(4, 6)[::2, ::3],
        np.arange(5, dtype=">f8"),
    ],
    ids=["scalar", "empty", "columns first", "view", "big-endian"],
)
def test_any_array(tmp_path, table):
    check(Cache(tmp_path), calls=1, table=table)
    check(Cache(tmp_path), calls=0, table=table)


def flip(path, at=-1):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def truncate(path, left=None):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2 if left is None else left])


def edit(path, **fields):
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | fields), "utf-8")


def without(path, field):
    manifest = json.loads(path.read_text("utf-8"))
    del manifest[field]
    path.write_text(json.dumps(manifest), "utf-8")


class Bomb:
    """Unpickled, it leaves a trace."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def plant(path):
    np.save(path, np.array([Bomb(path.with_name("exploded"))], dtype=object), allow_pickle=True)


def archive(path):
    with path.open("wb") as file:
        np.savez(file, TABLE)


def stretch(path):
    """One digit of one axis."""
    axes = json.loads(path.read_text("utf-8"))["axes"]
    axes[0]["radius"] += 1
    edit(path, axes=axes)


def folder_with_files(path):
    path.unlink()
    path.mkdir()
    (path / "file").write_text("in the way")


def link(path, elsewhere):
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def dangling(path):
    path.unlink()
    path.symlink_to(path.with_name("exploded"))


def enlarged(path):
    """A table of a gigabyte that takes no room on disk."""
    with path.open("wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": (1 << 27,)}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + (1 << 30))


DAMAGE = {
    "one bit of the data": ("*.npy", flip),
    "one bit of the header": ("*.npy", lambda path: flip(path, 0)),
    "half of the data": ("*.npy", truncate),
    "no data": ("*.npy", lambda path: path.write_bytes(b"")),
    "another table": ("*.npy", lambda path: np.save(path, OTHER)),
    "another shape": ("*.npy", lambda path: np.save(path, TABLE.reshape(5, 6, 4, 2))),
    "another type": ("*.npy", lambda path: np.save(path, TABLE.view(np.int32))),
    "an archive": ("*.npy", archive),
    "data gone": ("*.npy", lambda path: path.unlink()),
    "data a folder": ("*.npy", lambda path: (path.unlink(), path.mkdir())),
    "a pickle": ("*.npy", lambda path: path.write_bytes(pickle.dumps(Bomb(path)))),
    "an array of objects": ("*.npy", plant),
    "half of the manifest": ("*.json", truncate),
    "no manifest": ("*.json", lambda path: path.unlink()),
    "an empty manifest": ("*.json", lambda path: path.write_text("")),
    "garbage": ("*.json", lambda path: path.write_bytes(b"\xff\xfe\x00garbage")),
    "a list": ("*.json", lambda path: path.write_text("[1, 2]")),
    "a number": ("*.json", lambda path: path.write_text("1")),
    "nesting": ("*.json", lambda path: path.write_text("[" * 100_000)),
    "another format": ("*.json", lambda path: edit(path, format=cache.FORMAT + 1)),
    "another key": ("*.json", lambda path: edit(path, key="q")),
    "another digest": ("*.json", lambda path: edit(path, sha256="0" * 64)),
    "a field too many": ("*.json", lambda path: edit(path, more=1)),
    "a field too few": ("*.json", lambda path: without(path, "axes")),
    "axes of another kind": ("*.json", lambda path: edit(path, axes=[1, 2])),
    "axes with other fields": ("*.json", lambda path: edit(path, axes=[{"size": 2}])),
    "other axes": ("*.json", stretch),
    "numbers for names": ("*.json", lambda path: edit(path, key=1, nbytes="x")),
    "a header of no end": ("*.npy", lambda path: flip(path, 10)),
    "a folder with files": ("*.npy", folder_with_files),
    "a manifest that is a folder": ("*.json", folder_with_files),
    "a link": ("*.npy", lambda path: link(path, path.with_name("elsewhere"))),
    "a link to nothing": ("*.npy", lambda path: dangling(path)),
    "a manifest that links to nothing": ("*.json", lambda path: dangling(path)),
    "a pipe": ("*.npy", lambda path: (path.unlink(), os.mkfifo(path))),
    "no axes": ("*.json", lambda path: edit(path, axes=None)),
    "a manifest of a gigabyte": ("*.json", lambda path: os.truncate(path, 1 << 30)),
    "data of a gigabyte": ("*.npy", enlarged),
    "more bytes than there are": ("*.json", lambda path: edit(path, nbytes=1 << 60)),
    "less than no bytes": ("*.json", lambda path: edit(path, nbytes=-1)),
}


@pytest.mark.sampled
@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_entry_is_computed_again(store, damage):
    pattern, harm = DAMAGE[damage]
    harm(only(store, pattern))
    check(store, calls=1)
    assert not (store.directory / "exploded").exists()
    assert [entry.key for entry in store.entries()] == ["k"]
    check(store, calls=0)
    assert not any(path.is_symlink() for path in store.directory.iterdir())
    assert store.directory.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("large", [name for name in DAMAGE if "gigabyte" in name])
def test_no_more_is_read_than_an_entry_can_be(store, large):
    pattern, harm = DAMAGE[large]
    harm(only(store, pattern))
    tracemalloc.start()
    try:
        check(store, calls=1)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_two_keys_with_one_name(store):
    """Should two digests ever be the same, the keys still are not."""
    first = {path.suffix: path for path in store.directory.iterdir()}
    check(store, "b", calls=1, table=OTHER)
    for path in set(store.directory.iterdir()) - set(first.values()):
        first[path.suffix].replace(path)
    check(store, "b", calls=1, table=OTHER)
    check(store, "b", calls=0, table=OTHER)
    check(store, calls=1)


def test_format_is_part_of_the_name(store, monkeypatch):
    monkeypatch.setattr(cache, "FORMAT", cache.FORMAT + 1)
    check(store, calls=1)
    check(store, calls=0)


def impossible(tmp_path):
    (tmp_path / "file").write_text("in the way")
    return Cache(tmp_path / "file" / "cache")


def test_folder_that_cannot_be(tmp_path):
    store = impossible(tmp_path)
    for _ in range(2):
        check(store, calls=1)
    assert store.entries() == []
    assert store.clear() == 0


@contextlib.contextmanager
def bound_by_modes():
    """As a user whom modes of files bind: the administrator for a while as somebody else."""
    root = os.getuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.mark.skipif(os.name == "nt", reason="folders have no modes")
def test_folder_that_is_read_only_for_everybody():
    """As the guide says: built once, then readable for all and writable for none. A changed byte
    is seen, and the folder stays as it is."""
    with tempfile.TemporaryDirectory() as parent:
        Path(parent).chmod(0o755)
        store = Cache(Path(parent) / "shared")
        check(store, calls=1)
        subprocess.run(["chmod", "-R", "a=rX", store.directory], check=True)
        data = only(store, "*.npy")
        before = {path.name: path.read_bytes() for path in store.directory.iterdir()}
        with bound_by_modes():
            with pytest.raises(PermissionError):
                data.open("r+b")
            check(store, calls=0)
            check(store, "new", calls=1)
            with pytest.raises(InputError, match="Permission denied"):
                Cache(store.directory, must_write=True).get("new", Counted())
        assert {path.name: path.read_bytes() for path in store.directory.iterdir()} == before
        data.chmod(0o644)
        flip(data)
        data.chmod(0o444)
        changed = data.read_bytes()
        with bound_by_modes():
            for _ in range(2):
                check(store, calls=1)
        assert data.read_bytes() == changed
        store.directory.chmod(0o700)


@pytest.mark.parametrize("fails", ["save", "replace"])
def test_full_disk(tmp_path, monkeypatch, fails):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((np, "save") if fails == "save" else (os, "replace")), full)
    store = Cache(tmp_path)
    check(store, calls=1)
    assert list(tmp_path.iterdir()) == []  # nothing half-written stays


def test_interrupted_between_the_two_files(store):
    """The data are new, the manifest is old."""
    np.save(only(store, "*.npy"), OTHER)
    check(store, calls=1)


def test_failing_computation_is_passed_on_and_leaves_nothing(tmp_path):
    def fail():
        raise RuntimeError("no such kernel")

    with pytest.raises(RuntimeError, match="no such kernel"):
        Cache(tmp_path / "new").get("k", fail)
    assert Cache(tmp_path / "new").entries() == []


PROCESS = """
import sys, time
from pathlib import Path
import numpy as np
from ntkfill import Cache
from ntkfill.kernels.table import Axis
while time.time() < float(sys.argv[2]):
    pass
table = np.full(200_000, 7.0)
for round in range(20):
    found, _ = Cache(Path(sys.argv[1])).get(f"shared {round % 3}", lambda: (table, (Axis(),)))
    assert np.array_equal(found, table)
    for path in Path(sys.argv[1]).glob("*.json") if round % 4 == 0 else ():
        path.unlink(missing_ok=True)
"""


@pytest.mark.slow
def test_two_processes_at_once(tmp_path):
    start = str(time.time() + 1.0)
    command = [sys.executable, "-c", PROCESS, str(tmp_path), start]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
    for process in both:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()
    store = Cache(tmp_path)
    for k in range(3):
        store.get(f"shared {k}", lambda: (np.full(200_000, 7.0), (Axis(),)))
    assert len(store.entries()) == 3
    assert {path.suffix for path in tmp_path.iterdir()} == {".npy", ".json"}


def test_entries_and_clear(store):
    check(store, "a", calls=1)
    mine = {"settings.json", "notes.txt", "data.npy"}
    for name in mine:
        (store.directory / name).write_text("{")
    entries = store.entries()
    assert [entry.key for entry in entries] == ["a", "k"]
    assert all(entry.nbytes == TABLE.nbytes and entry.axes == AXES for entry in entries)
    assert store.clear() > 2 * TABLE.nbytes
    assert {path.name for path in store.directory.iterdir()} == mine
    assert store.entries() == []
    assert store.clear() == 0
    check(store, calls=1)


def test_what_a_process_left_that_died_while_writing(store):
    for suffix in (".json", ".npy"):
        left = store.directory / f".writing-{suffix}"
        left.write_bytes(only(store, f"[!.]*{suffix}").read_bytes())
    assert [entry.key for entry in store.entries()] == ["k"]
    check(store, "another", calls=1)  # the next write sweeps
    assert len(list(store.directory.iterdir())) == 4
    store.clear()
    assert list(store.directory.iterdir()) == []


@pytest.mark.parametrize("harm", [Cache.clear, lambda store: truncate(only(store, "*.npy"), 0)])
def test_cleared_or_truncated_while_a_table_is_in_use(store, harm):
    """A mapped file would end the process."""
    found = check(store, calls=0)
    harm(store)
    np.testing.assert_array_equal(found, TABLE)


def test_default_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("NTKFILL_CACHE", str(tmp_path / "here"))
    assert Cache().directory == tmp_path / "here"
    monkeypatch.delenv("NTKFILL_CACHE")
    assert Cache().directory.name == "kernels"
    assert "ntkfill" in str(Cache().directory)
