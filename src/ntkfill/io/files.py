"""Files are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import InputError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path`, which takes its place once it is written whole.

    Examples
    --------
    >>> target = Path(tempfile.mkdtemp()) / "greeting.txt"
    >>> with replacing(target) as path:
    ...     written = path.write_text("hello")
    >>> target.read_text()
    'hello'
    """
    path = Path(os.path.realpath(path))  # a link stays a link
    handle, name = tempfile.mkstemp(
        dir=path.parent or Path(), prefix=".writing-", suffix=path.suffix
    )
    os.close(handle)
    try:
        os.chmod(name, 0o666 & ~_umask())
        yield Path(name)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def check_source(path: Path, suffixes: Sequence[str]) -> None:
    """Refuse a file that does not exist, is empty, or is of another kind.

    Raises
    ------
    InputError
        If there is no such file, it is a folder or empty, or its suffix is none of `suffixes`.

    Examples
    --------
    >>> check_source(Path("no/such/table.csv"), [".csv"])
    Traceback (most recent call last):
        ...
    ntkfill.errors.InputError: there is no file no/such/table.csv.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder", expected="a file")
    if not path.exists():
        raise InputError(f"there is no file {path}")
    _check_suffix(path, suffixes, "read")
    if path.is_file() and path.stat().st_size == 0:
        raise InputError(f"{path} is empty")


def check_target(path: Path, suffixes: Sequence[str] = ()) -> None:
    """Refuse, before any work, a path that no file can be written to.

    Raises
    ------
    InputError
        If the suffix is none of `suffixes` (where there are any), the folder does not exist or may
        not be written to, or the path is a folder itself.

    Examples
    --------
    >>> check_target(Path("no/such/folder/filled.csv"))
    Traceback (most recent call last):
        ...
    ntkfill.errors.InputError: there is no folder no/such/folder.
    """
    if suffixes:
        _check_suffix(path, suffixes, "written")
    place = Path(os.path.realpath(path))  # as in `replacing`
    if not place.parent.is_dir():
        raise InputError(f"there is no folder {path.parent}")
    if place.is_dir():
        raise InputError(f"{path} is a folder", expected="the name of a file")
    if not os.access(place.parent, os.W_OK | os.X_OK):
        raise InputError(f"{path} cannot be written", got="a folder without permission to write")


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the name of a file in front of what is wrong with its content.

    Examples
    --------
    >>> with naming(Path("table.csv")):
    ...     raise InputError("line 3 has another length", expected="4 cells", got="5")
    Traceback (most recent call last):
        ...
    ntkfill.errors.InputError: table.csv: line 3 has another length; expected 4 cells; got 5.
    """
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {str(error).rstrip('.')}") from None


def _check_suffix(path: Path, suffixes: Sequence[str], verb: str) -> None:
    suffix = path.suffix.lower()
    if suffix not in suffixes:
        raise InputError(
            f"{path} cannot be {verb}", expected=" ".join(suffixes), got=suffix or "no suffix"
        )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
