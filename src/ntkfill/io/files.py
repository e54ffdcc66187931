"""Files are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
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


def check_place(path: Path) -> None:
    """Refuse, before any work, a place that no file can be written to.

    Raises
    ------
    InputError
        If the folder is not there or may not be written to, or the place is a folder itself.

    Examples
    --------
    >>> check_place(Path("no/such/folder/filled.csv"))
    Traceback (most recent call last):
        ...
    ntkfill.errors.InputError: there is no folder no/such/folder.
    """
    place = Path(os.path.realpath(path))  # as in `replacing`
    if not place.parent.is_dir():
        raise InputError(f"there is no folder {path.parent}")
    if place.is_dir():
        raise InputError(f"{path} is a folder", expected="the name of a file")
    if not os.access(place.parent, os.W_OK | os.X_OK):
        raise InputError(f"{path} cannot be written", got="a folder without permission to write")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
