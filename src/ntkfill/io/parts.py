"""Arrays larger than memory, written part by part: under their name only once they are whole.

Until then they are beside it, `NAME.unfinished`, with a list of the parts that are done, so that a
job that was interrupted can go on where it stopped.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, import_package, printable
from .files import alone, check_target, naming, put_in_place, replacing, undisturbed

SUFFIXES = (".npy", ".zarr")


@dataclass(frozen=True, eq=False)
class Parts:
    """An array that is being written: the .npy file, or zarr's array."""

    array: Any
    path: Path
    place: Path
    job: dict[str, Any]
    done: set[int] = field(default_factory=set)

    def write(self, part: int, where: Any, values: NDArray[Any]) -> None:
        """Write one part, and then that it is done."""
        with _writing(self.path):
            if isinstance(self.array, Path):
                # A file is mapped for each part, or the pages of all would stay in memory.
                array = np.load(self.array, mmap_mode="r+")
                array[where] = values
                array.flush()  # on disk before it is said to be done
            else:
                self.array[where] = values
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
        If the path cannot be written, zarr is needed and not there, another process is writing it,
        or what is to be resumed is of another job.

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
    zarr = _zarr() if path.suffix == ".zarr" else None
    if zarr and path.exists():
        raise InputError(f"{path} is there already", hint="another name")
    check_target(path, SUFFIXES)
    target = Path(os.path.realpath(path))  # a link stays a link
    draft, place = (
        target.with_name(target.name + end) for end in (".unfinished", ".unfinished.json")
    )
    if draft.exists():
        with alone(draft):
            pass
    done: set[int] = set()
    job = {"shape": list(shape), "dtype": np.dtype(dtype).str, **job}
    resumed = resume and place.exists() and draft.exists()
    if resumed:
        with naming(place):
            state = json.loads(place.read_text())
            other, done = state["job"], {int(part) for part in state["done"]}
        found = open_array(draft, path.suffix)
        if tuple(found.shape) != tuple(shape) or found.dtype != np.dtype(dtype):
            raise InputError(f"{draft} is damaged", hint="without resume")
        if other != job:
            ours, theirs = differences(job, other)
            raise InputError(
                f"{draft} is of another job",
                expected=ours,
                got=theirs,
                hint="the same input and options, or without resume",
            )
    else:
        _remove(place)  # first: what it lists would be taken for done
        _remove(draft)
    array: Any = draft
    with _writing(path):
        if zarr and resumed:
            array = zarr.open_array(draft, mode="r+")
        elif zarr:
            array = zarr.create_array(draft, shape=shape, dtype=dtype, chunks=chunks)
        elif not resumed:
            _reserve(
                draft, np.lib.format.open_memmap(draft, "w+", dtype, shape).offset, shape, dtype
            )
        if zarr:
            array.attrs.update(attributes)
    with alone(draft):
        yield Parts(array, path, place, job, done)
        if attributes and not zarr:
            with replacing(path.with_suffix(".json")) as beside:
                beside.write_text(json.dumps(attributes))
        with _writing(path):
            put_in_place(draft, target)
        place.unlink(missing_ok=True)


def differences(job: dict[str, Any], other: dict[str, Any]) -> tuple[str, str]:
    """What two jobs differ in, as each has it; of long texts the part that differs.

    >>> differences({"of": "f(a=1, b=2)", "seed": 0}, {"of": "f(a=1, b=25, c=3)", "seed": 0})
    ('of b=2', 'of b=25, c=3')
    """
    sides: tuple[list[str], list[str]] = [], []
    for name in dict.fromkeys([*job, *other]):
        texts = [str(each.get(name, "nothing")) for each in (job, other)]
        if texts[0] != texts[1]:
            parts = [re.findall(r"[^,()]+|[,()] ?", text) for text in texts]
            for end in (0, -1):
                while all(parts) and parts[0][end] == parts[1][end]:
                    del parts[0][end], parts[1][end]
            for side, differing in zip(sides, parts, strict=True):
                text = "".join(differing).strip(", ") or "without more"
                side.append(f"{name} {printable(text, 80)}")
    return "; ".join(sides[0]), "; ".join(sides[1])


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """What a library raises names the file, and signals wait for it."""
    with undisturbed(), naming(path, "cannot be written"):
        yield


def _reserve(path: Path, start: int, shape: tuple[int, ...], dtype: Any) -> None:
    """Take the room of an array on disk now: a mapped file that has none later ends the process."""
    size = start + math.prod(shape) * np.dtype(dtype).itemsize
    if hasattr(os, "posix_fallocate"):
        try:
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, size)
        except OSError:
            _remove(path)
            raise


def _zarr() -> Any:
    hint = "pip install 'ntkfill[zarr]'"
    return import_package("zarr", "zarr needs the package zarr", hint)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
