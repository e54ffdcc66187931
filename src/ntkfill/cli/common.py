"""What the commands share: exit codes, messages, output paths and the options of uncertainty.

Nothing here, and nothing at the top of any module of this package, imports NumPy: `--help` is fast.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from ..errors import InputError

DONE, FAILED, USAGE, NOT_CONVERGED, INTERRUPTED = 0, 1, 2, 3, 130


def add_messages(command: argparse.ArgumentParser) -> None:
    """The options of every command for what it prints."""
    command.add_argument("--json", action="store_true", help="figures as JSON on stdout")
    command.add_argument("--quiet", action="store_true", help="nothing on stderr but failures")


def print_message(options: argparse.Namespace, text: str) -> None:
    """A message on stderr, where there is one: stdout is for data."""
    if not options.quiet and sys.stderr is not None:
        print(text, file=sys.stderr)


def print_error(text: str) -> None:
    """A failure on stderr, where there is one."""
    if sys.stderr is not None:
        print(f"ntkfill: {text}", file=sys.stderr)


def print_json(figures: object) -> None:
    """Figures on stdout."""
    print(json.dumps(figures, indent=1))


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


def check_outputs(read: Iterable[Path | None], written: Iterable[tuple[str, Path | None]]) -> None:
    """Refuse, before any work, to overwrite an input or to write two results to one file.

    `written` holds pairs of the option and its path.
    """
    taken = {_identity(path): "its own input" for path in read if path is not None}
    for option, path in written:
        if path is not None:
            lost = taken.get(_identity(path))
            if lost is not None:
                raise InputError(f"{path} would overwrite {lost}", hint=f"another {option}")
            taken[_identity(path)] = "another result"


def _identity(path: Path) -> tuple[int, int] | str:
    """Equal for all names of one file, which need not exist."""
    try:
        found = path.stat()
    except OSError:
        return os.path.realpath(path)
    return found.st_dev, found.st_ino


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


def _level(text: str) -> float:
    try:
        level = float(text)
    except ValueError:
        level = 0.0
    if not 0 < level < 1:
        raise argparse.ArgumentTypeError(f"expected a number between 0 and 1; got {text!r}")
    return level
