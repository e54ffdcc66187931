"""What is said to the person, on stderr: stdout is for data."""

from __future__ import annotations

import argparse
import sys


def complain(message: str) -> None:
    """A failure, to the person; there may be nobody to read it."""
    if sys.stderr is not None:
        print(f"ntkfill: {message}", file=sys.stderr)


def shows_progress(options: argparse.Namespace) -> bool:
    """Bars are for terminals."""
    return not options.quiet and sys.stderr is not None and sys.stderr.isatty()


def say(options: argparse.Namespace, message: str) -> None:
    """A message to the person, not to the program that reads stdout."""
    if not options.quiet and sys.stderr is not None:
        print(message, file=sys.stderr)


def add_telling(command: argparse.ArgumentParser) -> None:
    """The options of every command that say how much it says."""
    command.add_argument("--json", action="store_true", help="figures as JSON on stdout")
    command.add_argument("--quiet", action="store_true", help="nothing on stderr but failures")
