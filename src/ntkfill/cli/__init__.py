"""The command line: `main` runs one command and turns failures into sentences and exit codes."""

from __future__ import annotations

import argparse
import io
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Sequence
from typing import NoReturn

from .. import __version__
from ..errors import InputError
from . import app, demo, images, kernels, ratings, screens, tables
from .common import DONE, FAILED, INTERRUPTED, TERMINATED, Parser, print_error, print_message

# Options that take numbers, which may be negative.
NUMBERS = ("--at", "--nodata", "--bounds")


class Terminated(BaseException):
    """SIGTERM, which unwinds as SIGINT does."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code.

    0 done, 1 failed, 2 usage, 3 not converged (output written and flagged), 130 interrupted, 143
    terminated.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what a terminal cannot show is escaped
            stream.reconfigure(errors="backslashreplace")
    options = parser().parse_args(_join_numbers(sys.argv[1:] if arguments is None else arguments))
    received: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    if before[signal.SIGINT] is not signal.default_int_handler:  # ignored, or somebody else's
        del before[signal.SIGINT]
    if threading.current_thread() is not threading.main_thread():
        before = {}

    def stop(number: int, _: object) -> NoReturn:
        received.append(number)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        signal.signal(number, signal.SIG_IGN)  # once is enough
        raise Terminated

    try:
        try:
            for number in before:
                signal.signal(number, stop)
            return _run(options)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    except BaseException as error:
        if received and isinstance(error, Exception):
            # A library has made another error of what a signal raised: imports in C do.
            error = KeyboardInterrupt() if received[0] == signal.SIGINT else Terminated()
        return _failed(error)


def _run(options: argparse.Namespace) -> int:
    """Run one command, and print its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        code: int = options.run(options)
    for text in dict.fromkeys(
        str(warning.message) for warning in caught if issubclass(warning.category, UserWarning)
    ):
        print_message(options, f"warning: {text}")
    return code


def _failed(error: BaseException) -> int:
    """Print what went wrong as a sentence; returns the exit code."""
    if isinstance(error, KeyboardInterrupt | Terminated):
        interrupted = isinstance(error, KeyboardInterrupt)
        print_error(f"{'interrupted' if interrupted else 'terminated'}; no file was half-written.")
        return INTERRUPTED if interrupted else TERMINATED
    if isinstance(error, InputError | MemoryError):
        print_error(str(error))
    elif isinstance(error, BrokenPipeError):  # the reader of stdout has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    elif isinstance(error, OSError):
        print_error(f"{error.filename or 'the output'}: {error.strerror or error}.")
    else:
        raise error
    return FAILED


def _join_numbers(arguments: Sequence[str]) -> list[str]:
    """--at -1,-1 as --at=-1,-1: argparse would take -1,-1 for an option."""
    joined: list[str] = []
    for text in arguments:
        if joined and joined[-1] in NUMBERS and re.match(r"-[\d.]", text):
            joined[-1] += f"={text}"
        else:
            joined.append(text)
    return joined


def parser() -> argparse.ArgumentParser:
    """All commands and their options; each sets `run`, the function that does its work."""
    top = Parser(
        prog="ntkfill",
        description="Fill in what is missing, with infinitely wide neural networks.",
        epilog="exit codes: 0 done, 1 failed, 2 the command line cannot be understood, "
        "3 the solve did not converge (output written), 130 interrupted, 143 terminated",
    )
    top.add_argument("--version", action="version", version=f"ntkfill {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    images.add_inpaint(commands.add_parser("inpaint", help="fill the holes of images"))
    images.add_heatmap(commands.add_parser("heatmap", help="show what one filled pixel is made of"))
    demo.add(commands.add_parser("demo", help="damage a photo, fill it in, write the images"))
    tables.add(commands.add_parser("impute", help="fill the gaps of a table"))
    ratings.add(commands.add_parser("rate", help="predict ratings, recommend items"))
    screens.add(commands.add_parser("screen", help="complete drug screens, rank drugs"))
    app.add(commands.add_parser("app", help="a page to fill images, tables and screens in"))
    kernels.add(commands.add_parser("kernel", help="kernels cached on disk: list, build, clear"))
    return top
