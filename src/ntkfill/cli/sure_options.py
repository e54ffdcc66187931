"""What can be asked of how sure a command is."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_sure(command: argparse.ArgumentParser, files: str) -> None:
    """The options of every command that fills in."""
    command.add_argument(
        "--std", type=Path, metavar="FILE", help=f"write standard deviations too: {files}"
    )
    command.add_argument(
        "--interval",
        type=_level,
        metavar="SHARE",
        help="with --std: also bounds that hold this share of the missing entries, e.g. 0.9",
    )


def check_sure(options: argparse.Namespace) -> None:
    """Bounds go to the file of the standard deviations."""
    from ..errors import InputError

    if options.std is None and options.interval is not None:
        raise InputError("nowhere to write the intervals to", hint="--std FILE")


def _level(text: str) -> float:
    try:
        level = float(text)
    except ValueError:
        level = 0.0
    if not 0 < level < 1:
        raise argparse.ArgumentTypeError(f"expected a number between 0 and 1; got {text!r}")
    return level
