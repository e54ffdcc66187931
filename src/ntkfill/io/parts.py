"""Arrays larger than memory, written part by part: under their name only once they are whole.

Until then they are beside it, `NAME.unfinished`, with a list of the parts that are done, so that a
job that was interrupted can go on where it stopped.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, import_package
from .files import check_target, naming, replacing

SUFFIXES = (".npy", ".zarr")


@dataclass(frozen=True, eq=False)
class Parts:
    """An array that is being written: the .npy file, or zarr's array."""

    array: Any
    place: Path
    job: dict[str, Any]
    done: set[int] = field(default_factory=set)

    def write(self, part: int, where: Any, values: NDArray[Any]) -> None:
        """Write one part, and then that it is done."""
        # A file is mapped for each part, or the pages of all would stay in memory.
        array = np.load(self.array, mmap_mode="r+") if isinstance(self.array, Path) else self.array
        array[where] = values
        self.done.add(part)
        with replacing(self.place) as path:
            path.write_text(json.dumps({"job": self.job, "done": sorted(self.done)}))


@dataclass(frozen=True, eq=False)
class Sliced:
    """An array on disk; what is wrong with a part of it names the file when that is read."""

    array: Any
    path: Path

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.array.shape)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def dtype(self) -> Any:
        return self.array.dtype

    def __getitem__(self, where: Any) -> NDArray[Any]:
        with naming(self.path):
            return np.asarray(self.array[where])


def open_array(path: Path, suffix: str = "") -> Sliced:
    """A .npy, memory-mapped, or a .zarr that holds one array: read where it is sliced.

    Raises
    ------
    InputError
        If it cannot be read, or zarr is needed and not there.
    """
    suffix = suffix or path.suffix
    if suffix not in SUFFIXES or not path.exists():
        what = f"there is no file {path}" if not path.exists() else f"{path} cannot be sliced"
        raise InputError(what, expected=" or ".join(SUFFIXES))
    if suffix == ".npy":
        with naming(path):
            return Sliced(np.lib.format.open_memmap(path, mode="r"), path)
    zarr = _zarr()
    with naming(path):
        found = zarr.open(path, mode="r")
        arrays = [found] if hasattr(found, "shape") else [array for _, array in found.arrays()]
        if len(arrays) != 1:
            raise InputError("it must hold one array", got=str(len(arrays)))
        return Sliced(arrays[0], path)


@contextlib.contextmanager
def in_parts(
    path: Path,
    shape: tuple[int, ...],
    dtype: Any,
    chunks: tuple[int, ...],
    job: dict[str, Any],
    attributes: dict[str, Any],
    *,
    resume: bool = False,
) -> Iterator[Parts]:
    """A new .npy or .zarr, which takes its name when the block ends without an exception.

    `job` says what is computed: with `resume` an unfinished array of the same job is continued.
    `attributes` are those of the zarr array, or in a JSON file beside the .npy.

    Raises
    ------
    InputError
        If the path cannot be written, zarr is needed and not there, or what is to be resumed is of
        another job.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "x.npy"
    >>> with in_parts(path, (4,), "f4", (2,), {"what": "an example"}, {}) as parts:
    ...     parts.write(0, slice(0, 2), np.ones(2))
    ...     path.exists()
    False
    >>> np.load(path)
    array([1., 1., 0., 0.], dtype=float32)
    """
    zarr = path.suffix == ".zarr"
    if zarr and path.exists():
        raise InputError(f"{path} is there already", hint="another name")
    check_target(path, SUFFIXES)
    draft, place = (path.with_name(path.name + end) for end in (".unfinished", ".unfinished.json"))
    done: set[int] = set()
    job = {"shape": list(shape), "dtype": np.dtype(dtype).str, **job}
    if resume and place.exists() and draft.exists():
        with naming(place):
            state = json.loads(place.read_text())
            other, done = state["job"], {int(part) for part in state["done"]}
        found = open_array(draft, path.suffix)
        if tuple(found.shape) != tuple(shape) or found.dtype != np.dtype(dtype):
            raise InputError(f"{draft} is damaged", hint="without resume")
        if other != job:
            raise InputError(
                f"{draft} is of another job",
                expected=json.dumps(job),
                got=json.dumps(other),
                hint="the same input and options, or without resume",
            )
    else:
        _remove(draft)
    if zarr:
        array = _zarr_array(draft, shape, dtype, chunks, new=not done)
        array.attrs.update(attributes)
    elif not done:
        _reserve(draft, np.lib.format.open_memmap(draft, "w+", dtype, shape).offset, shape, dtype)
    yield Parts(array if zarr else draft, place, job, done)
    if attributes and not zarr:
        with replacing(path.with_suffix(".json")) as beside:
            beside.write_text(json.dumps(attributes))
    os.replace(draft, path)
    place.unlink(missing_ok=True)


def _reserve(path: Path, start: int, shape: tuple[int, ...], dtype: Any) -> None:
    """Take the room of an array on disk now: a mapped file that has none later ends the process."""
    size = start + math.prod(shape) * np.dtype(dtype).itemsize
    if hasattr(os, "posix_fallocate"):
        try:
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            _remove(path)
            raise InputError(f"{path} cannot be written", got=str(error.strerror)) from error


def _zarr_array(
    path: Path, shape: tuple[int, ...], dtype: Any, chunks: tuple[int, ...], *, new: bool
) -> Any:
    if new:
        return _zarr().create_array(path, shape=shape, dtype=dtype, chunks=chunks)
    return _zarr().open_array(path, mode="r+")


def _zarr() -> Any:
    hint = "pip install 'ntkfill[zarr]'"
    return import_package("zarr", "zarr needs the package zarr", hint)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
