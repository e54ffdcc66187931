"""What the commands share: exit codes, messages, output paths and the options of uncertainty.

Nothing here, and nothing at the top of any module of this package, imports NumPy: `--help` is fast.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from ..errors import InputError, printable
from ..io.files import json_text

T = TypeVar("T")

DONE, FAILED, USAGE, NOT_CONVERGED, INTERRUPTED, TERMINATED = 0, 1, 2, 3, 130, 143


class Parser(argparse.ArgumentParser):
    """Options are written in full: what an abbreviation means would change with every new one."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_abbrev=False, **kwargs)

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def add_messages(command: argparse.ArgumentParser) -> None:
    """The options of every command for what it prints."""
    command.add_argument("--json", action="store_true", help="figures as JSON on stdout")
    command.add_argument("--quiet", action="store_true", help="nothing on stderr but failures")


def print_message(options: argparse.Namespace, text: str) -> None:
    """A message on stderr, where there is one: stdout is for data."""
    if not options.quiet and sys.stderr is not None:
        print(printable(text), file=sys.stderr)


def print_error(text: str) -> None:
    """A failure on stderr, where there is one."""
    if sys.stderr is not None:
        print(f"ntkfill: {printable(text)}", file=sys.stderr)


def print_json(figures: object) -> None:
    """Figures on stdout."""
    print(json_text(figures, indent=1))


def shows_progress(options: argparse.Namespace) -> bool:
    """Progress bars are for terminals."""
    return not options.quiet and sys.stderr is not None and sys.stderr.isatty()


def add_output(
    command: argparse.ArgumentParser, text: str, *, required: bool = True, folder: str = ""
) -> None:
    """The option for where the result is written; `folder` is the default."""
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR" if folder else "OUT",
        required=required and not folder,
        default=Path(folder) if folder else None,
        help=f"{text} (default: {folder})" if folder else text,
    )


def add_force(command: argparse.ArgumentParser) -> None:
    """The option of commands that write files that the command line does not name."""
    text = "overwrite also existing files that are not named here"
    command.add_argument("--force", action="store_true", help=text)


def add_excel_safe(command: argparse.ArgumentParser) -> None:
    """The option of commands that write tables of text."""
    text = "put ' before text that a spreadsheet would take for a formula"
    command.add_argument("--excel-safe", action="store_true", help=text)


def check_outputs(
    read: Iterable[Path | None],
    written: Iterable[tuple[str, Path | None]],
    unnamed: Iterable[Path] = (),
    *,
    force: bool = False,
) -> None:
    """Refuse, before any work, to overwrite an input, to write two results to one file, or to
    overwrite what the command line does not name.

    `written` holds pairs of the option and its path; `unnamed` are those of them that follow from
    a folder or from another file.
    """
    taken = {_identity(path): "its own input" for path in read if path is not None}
    for option, path in written:
        if path is not None:
            lost = taken.get(_identity(path))
            if lost is not None:
                raise InputError(f"{path} would overwrite {lost}", hint=f"another {option}")
            taken[_identity(path)] = "another result"
    for each in unnamed:
        if each.exists() and not force:
            raise InputError(f"{each} exists", hint="--force, which overwrites it")


def _identity(path: Path) -> tuple[int, int] | str:
    """Equal for all names of one file, which need not exist."""
    try:
        found = path.stat()
    except OSError:
        return os.path.realpath(path)
    return found.st_dev, found.st_ino


def argument(expected: str) -> Callable[[Callable[[str], T]], Callable[[str], T]]:
    """Make a function that reads an option say what it expected, where it raises ValueError."""

    def decorate(read: Callable[[str], T]) -> Callable[[str], T]:
        def checked(text: str) -> T:
            try:
                return read(text)
            except ValueError:
                message = f"expected {expected}; got {text!r}"
                raise argparse.ArgumentTypeError(message) from None

        return checked

    return decorate


@argument("LOW,HIGH such as 0,1 or 0, or 'data'")
def bounds(text: str) -> tuple[float | None, float | None] | str:
    """An option that limits what is filled: a pair, None where there is no bound, or "data"."""
    if text == "data":
        return text
    low, high = (float(end) if end.strip() else None for end in text.split(","))
    return low, high


def listed(text: str) -> list[str]:
    """Several names between commas."""
    return [name.strip() for name in text.split(",")]


def add_uncertainty(command: argparse.ArgumentParser, files: str) -> None:
    """The options for standard deviations and intervals."""
    command.add_argument(
        "--std", type=Path, metavar="FILE", help=f"write standard deviations too: {files}"
    )
    command.add_argument(
        "--interval",
        type=_level,
        metavar="SHARE",
        help="with --std: also bounds that hold this share of the missing entries, e.g. 0.9",
    )


def check_uncertainty(options: argparse.Namespace) -> None:
    """Intervals are written to the file of the standard deviations."""
    if options.std is None and options.interval is not None:
        raise InputError("--interval needs a file to write to", hint="--std FILE")


@argument("a number between 0 and 1")
def _level(text: str) -> float:
    if not 0 < float(text) < 1:
        raise ValueError
    return float(text)
