"""What a command reads is never written over, and no two results go to one file."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from pathlib import Path

from ..errors import InputError


def add_output(
    command: argparse.ArgumentParser, text: str, *, required: bool = True, folder: str = ""
) -> None:
    """The option of every command that says where its result goes; `folder` is the default."""
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR" if folder else "OUT",
        required=required and not folder,
        default=Path(folder) if folder else None,
        help=f"{text} (default: {folder})" if folder else text,
    )


def spare(read: Iterable[Path | None], written: Iterable[tuple[str, Path | None]]) -> None:
    """Refuse, before any work, to write over what is read, or two results to one file.

    Parameters
    ----------
    read : iterable of Path or None
        All that the command reads.
    written : iterable of (str, Path or None)
        All that it writes: the option that says so, and the file.

    Raises
    ------
    InputError
        If a file would be written over, by whatever name it goes.
    """
    taken = {_identity(path): "its own input" for path in read if path is not None}
    for option, path in written:
        if path is not None:
            lost = taken.get(_identity(path))
            if lost is not None:
                raise InputError(f"{path} would overwrite {lost}", hint=f"another {option}")
            taken[_identity(path)] = "another result"


def _identity(path: Path) -> tuple[int, int] | str:
    """Equal for all names of one file, also where it is not there yet."""
    try:
        found = path.stat()
    except OSError:
        return os.path.realpath(path)
    return found.st_dev, found.st_ino
