"""A cache of kernel tables on disk: a .npy file and a JSON manifest each, never a pickle."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Literal

import numpy as np
import platformdirs

from ..errors import InputError
from ..kernels.table import Array, Axis
from ..runtime.resources import require
from .files import NO_LINKS, UNFINISHED, CheckedFile, replacing

# Changes whenever the numbers or the layout of a stored table change.
FORMAT = 2

Table = tuple[Array, tuple[Axis, ...]]

# A manifest, or the header of a table, is smaller.
MANIFEST = 1 << 20

# The names of entries, and of unfinished files.
NAMES = re.compile(rf"[0-9a-f]{{32}}\.(npy|json)|{UNFINISHED.pattern}")


def default_directory() -> Path:
    """The environment variable NTKFILL_CACHE, or the user's cache directory."""
    given = os.environ.get("NTKFILL_CACHE")
    return Path(given) if given else Path(platformdirs.user_cache_dir("ntkfill")) / "kernels"


@dataclass(frozen=True)
class Cache:
    """A directory of kernel tables, each computed once.

    An entry that is damaged, incomplete, a link or of another format is computed again and
    replaced. Writing is atomic, so processes may share a directory.

    Parameters
    ----------
    directory : Path
        The default is the environment variable NTKFILL_CACHE, or the user's cache directory.
    must_write : bool
        If the directory cannot be written: an error, or (default) nothing is stored.

    Examples
    --------
    >>> import tempfile
    >>> from ntkfill.kernels.table import Axis
    >>> cache = Cache(Path(tempfile.mkdtemp()))
    >>> table, axes = cache.get("ones", lambda: (np.ones(2), (Axis(),)))
    >>> [entry.key for entry in cache.entries()]
    ['ones']
    """

    directory: Path = field(default_factory=default_directory)
    must_write: bool = False

    def get(self, key: str, compute: Callable[[], Table]) -> Table:
        """The table of this key, read from disk, or else computed and stored.

        Parameters
        ----------
        key : str
            Everything that the table depends on.
        compute : callable
            Returns the table and its axes.

        Returns
        -------
        table : array, read-only
        axes : tuple of Axis
        """
        name = hashlib.sha256(f"{FORMAT}\n{key}".encode()).hexdigest()[:32]
        data, manifest = self.directory / f"{name}.npy", self.directory / f"{name}.json"
        with contextlib.suppress(Exception):  # a damaged file may raise anything
            entry = Entry.read(manifest)
            # Not mapped: a mapped file that is truncated meanwhile would kill the process.
            with _open(data, entry.nbytes + MANIFEST) as file:
                table = np.lib.format.read_array(file, allow_pickle=False)
            if entry == Entry.of(key, table, entry.axes):
                table.flags.writeable = False
                return table, entry.axes
        table, axes = compute()
        try:
            self._write(data, manifest, Entry.of(key, table, axes), table)
        except (OSError, InputError):  # a full or read-only disk costs time, not the result
            if self.must_write:
                raise
        return table, axes

    def entries(self) -> list[Entry]:
        """The manifests of all entries, sorted by key, without unreadable ones."""
        found: list[Entry] = []
        for path in self.directory.glob("[!.]*.json"):
            with contextlib.suppress(Exception):
                found.append(Entry.read(path))
        return sorted(found, key=lambda entry: entry.key)

    def clear(self) -> int:
        """Delete every entry, and nothing else; return the number of bytes freed."""
        freed = 0
        if self.directory.is_dir():
            for path in self.directory.iterdir():
                # Also unfinished files of processes that died while writing.
                if NAMES.fullmatch(path.name) and (path.is_symlink() or path.is_file()):
                    freed += path.lstat().st_size
                    path.unlink(missing_ok=True)
        return freed

    def _write(self, data: Path, manifest: Path, entry: Entry, table: Array) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in (data, manifest):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
        with replacing(data, follow=False) as path, CheckedFile(path) as file:
            np.save(file, table, allow_pickle=False)
        with replacing(manifest, follow=False) as path:
            path.write_text(json.dumps(asdict(entry), indent=1), encoding="utf-8")


@dataclass(frozen=True)
class MemoryCache:
    """The tables of one call in memory, in front of a cache on disk or none; "user" is that of the
    user's directory.

    >>> cache = MemoryCache(None)
    >>> first = cache.get("ones", lambda: (np.ones(2), (Axis(),)))
    >>> cache.get("ones", lambda: (np.zeros(2), (Axis(),))) is first
    True
    """

    cache: Cache | Literal["user"] | None
    tables: dict[str, Table] = field(default_factory=dict)

    def get(self, key: str, compute: Callable[[], Table]) -> Table:
        """The table of this key, as `Cache.get`."""
        if key not in self.tables:
            cache = Cache() if isinstance(self.cache, str) else self.cache
            self.tables[key] = cache.get(key, compute) if cache else compute()
        return self.tables[key]


@dataclass(frozen=True)
class Entry:
    """The manifest of one stored table."""

    key: str
    format: int
    sha256: str
    nbytes: int
    axes: tuple[Axis, ...]

    @classmethod
    def of(cls, key: str, table: Array, axes: tuple[Axis, ...]) -> Entry:
        """With the digest of the axes, the shape, the type and every byte."""
        digest = hashlib.sha256(f"{axes} {table.shape} {table.dtype.str}\n".encode())
        digest.update(np.ascontiguousarray(table).data)
        return cls(key, FORMAT, digest.hexdigest(), table.nbytes, axes)

    @classmethod
    def read(cls, path: Path) -> Entry:
        with _open(path, MANIFEST) as file:
            fields = json.loads(file.read())
        entry = cls(**fields | {"axes": tuple(Axis(**axis) for axis in fields["axes"])})
        if not isinstance(entry.key, str) or not isinstance(entry.nbytes, int):
            raise TypeError("fields of another type")
        require("a kernel of the cache", entry.nbytes)
        return entry


@contextlib.contextmanager
def _open(path: Path, most: int) -> Iterator[IO[bytes]]:
    """Open a file for reading that is not a link, a device or a pipe, nor larger than it can be."""
    handle = os.open(path, os.O_RDONLY | NO_LINKS | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_size > most:
            raise OSError("not a regular file, or too large")
        yield file
