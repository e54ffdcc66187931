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
    if threading.current_thread() is not threading.main_thread():
        return _run(options)
    before = signal.getsignal(signal.SIGTERM)
    try:
        try:
            signal.signal(signal.SIGTERM, _terminate)
            return _run(options)
        finally:
            signal.signal(signal.SIGTERM, before)
    except Terminated:  # just before or after the work
        print_error("terminated; no file was half-written.")
        return TERMINATED


def _run(options: argparse.Namespace) -> int:
    """Run one command; what goes wrong is a sentence and an exit code."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            code: int = options.run(options)
        for text in dict.fromkeys(
            str(warning.message) for warning in caught if issubclass(warning.category, UserWarning)
        ):
            print_message(options, f"warning: {text}")
        return code
    except (InputError, MemoryError) as error:
        print_error(str(error))
    except BrokenPipeError:  # the reader of stdout has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as error:
        print_error(f"{error.filename or 'the output'}: {error.strerror or error}.")
    except KeyboardInterrupt:
        print_error("interrupted; no file was half-written.")
        return INTERRUPTED
    except Terminated:
        print_error("terminated; no file was half-written.")
        return TERMINATED
    return FAILED


def _terminate(*_: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
    raise Terminated


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
