"""HDF5 files: the library may never return from a damaged one, so another process tries first."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..runtime import resources

# Seconds for names, attributes and texts; a hundredth of the usual speed of a disk is enough.
START, BYTES_PER_SECOND = 10, 10_000_000

# Bytes of memory for one entry of variable length, beside the text itself.
OBJECT = 64


def check_hdf5(path: Path) -> None:
    """Refuse a file that the HDF5 library hangs or crashes on, or that does not fit into memory.

    Damaged pointers can form a circle, which the library follows forever, deaf to signals
    (github.com/HDFGroup/hdf5/issues/1707). Numbers are not read: they hold no pointers. A file that
    was read once is tried again where it has changed.
    """
    if not sys.executable or getattr(sys, "frozen", False):
        return  # no interpreter that could be started
    status = path.stat()
    version = status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns
    resources.require("reading it", _tried(path.absolute(), status.st_size, version))


@lru_cache(maxsize=64)
def _tried(path: Path, size: int, version: tuple[int, ...]) -> int:
    """The bytes that a file declares, once another process has read it."""
    limit, seconds = resources.available(), START + size / BYTES_PER_SECOND
    code = "from ntkfill.io import hdf5; hdf5.walk()"
    tried = subprocess.run(
        [sys.executable, "-P", "-c", code, str(path), str(limit), str(seconds)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if tried.returncode == 0:
        return int(tried.stdout)
    said = tried.stderr.strip().splitlines()
    if said and said[0].startswith("Timeout"):
        reason = "a loop without an end in the HDF5 library"
    elif tried.returncode == 1 and said:
        reason = said[-1]
    else:
        reason = "a crash of the HDF5 library"
    raise OSError(reason)


def groups(path: Path) -> list[str]:
    """The names of the groups of a file that was checked."""
    import h5py

    with h5py.File(path, "r") as file:
        return [name for name, item in file.items() if isinstance(item, h5py.Group)]


def walk() -> None:
    """Print the bytes that all datasets declare; where they fit, read what holds pointers."""
    import h5py

    path, limit, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    faulthandler.dump_traceback_later(seconds, exit=True)
    with contextlib.suppress(ImportError, ValueError, OSError):  # Linux only
        import resource

        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (limit + 10**9, hard))
    sizes = []

    def declare(_: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            each = OBJECT if item.dtype.hasobject else max(item.dtype.itemsize, 8)
            sizes.append(2 * (item.size or 0) * each)

    def read(_: str, item: Any) -> None:
        dict(item.attrs)
        if isinstance(item, h5py.Dataset) and item.chunks:
            item.id.get_num_chunks()
        if isinstance(item, h5py.Dataset) and item.dtype.hasobject and item.size:
            for part in item.iter_chunks() if item.chunks else [()]:
                item[part]

    try:
        with h5py.File(path, "r") as file:
            file.visititems(declare)
            if sum(sizes) <= limit:
                read("/", file)
                file.visititems(read)
    except Exception as error:
        sys.exit(str(error) or type(error).__name__)
    print(sum(sizes))
