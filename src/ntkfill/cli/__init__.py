"""The command line: what can be asked for, and how failures are told."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from .. import __version__
from ..errors import InputError
from . import screen_options, table_options
from .exits import DONE, FAILED, INTERRUPTED
from .messages import add_telling, complain
from .output_paths import add_output
from .sure_options import add_sure


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code.

    0 done, 1 failed, 2 usage, 3 not converged (output written and flagged), 130 interrupted.
    """
    options = parser().parse_args(arguments)
    try:
        # Only now: NumPy and SciPy take longer to load than the help takes to read.
        from . import commands

        return commands.run(options)
    except (InputError, MemoryError) as error:
        complain(str(error))
    except BrokenPipeError:  # whoever read our output has had enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as error:
        complain(f"{error.filename or 'the output'}: {error.strerror}.")
    except KeyboardInterrupt:
        complain("interrupted; no file was half-written.")
        return INTERRUPTED
    return FAILED


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = argparse.ArgumentParser(
        prog="ntkfill",
        description="Fill in what is missing, with infinitely wide neural networks.",
        epilog="exit codes: 0 done, 1 failed, 2 the command line cannot be understood, "
        "3 the solve did not converge (output written), 130 interrupted",
    )
    top.add_argument("--version", action="version", version=f"ntkfill {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _inpaint(commands.add_parser("inpaint", help="fill the holes of pictures"))
    _heatmap(commands.add_parser("heatmap", help="show what one filled pixel is made of"))
    _demo(commands.add_parser("demo", help="damage a photo, fill it in, write pictures of it"))
    table_options.add(commands.add_parser("impute", help="fill the gaps of a table"))
    screen_options.add(commands.add_parser("screen", help="complete drug screens, rank drugs"))
    _kernel(commands.add_parser("kernel", help="kernels kept on disk: list, build, clear"))
    return top


def _inpaint(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "inputs",
        nargs="+",
        type=Path,
        metavar="INPUT",
        help=".png .jpg .tif .npy, or a folder of them",
    )
    add_output(command, "a file; a folder where there are several inputs", required=False)
    command.add_argument(
        "--dry-run", action="store_true", help="only tell network, solver, memory and time"
    )
    add_sure(command, ".npy or .tif, of one picture; with --interval std, lower and upper stacked")
    _method(command)
    add_telling(command)


def _heatmap(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "inputs",
        nargs=1,
        type=Path,
        metavar="INPUT",
        help=".png .jpg .tif .npy with two axes, besides channels",
    )
    command.add_argument("--at", type=_pixel, required=True, metavar="ROW,COL", help="the pixel")
    add_output(command, "a .png with kernel row and weights side by side")
    _method(command)
    add_telling(command)


def _method(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--mask",
        type=Path,
        metavar="MASK",
        help="white (not zero) = missing; without it NaN is missing",
    )
    command.add_argument("--invert-mask", action="store_true", help="black (zero) = missing")
    command.add_argument(
        "--channel-axis",
        type=int,
        metavar="N",
        help="for .npy and .tif, e.g. -1 (default: what the file says)",
    )
    command.add_argument(
        "--network",
        default="auto",
        metavar="NET",
        help="auto, which chooses by hidden known pixels, or the repr of a network or mixture, "
        "e.g. 'Sequential(Conv(3), ReLU(), Conv(3))' or 'hourglass(5, convs_up=2)'",
    )
    command.add_argument(
        "--exact", action="store_true", help="the paper's kernel instead of its shift average"
    )
    command.add_argument("--boundary", choices=("pad", "wrap"), default="pad")
    command.add_argument(
        "--ridge",
        type=float,
        metavar="R",
        help="relative to the kernel's diagonal (default: 1e-3, or what auto chooses)",
    )
    command.add_argument(
        "--refine",
        choices=("patches", "auto"),
        help="complete patches of the fill anew from patches like them: better, much slower; auto "
        "does so where it predicts hidden known pixels better",
    )
    command.add_argument(
        "--rtol", type=float, default=1e-3, metavar="R", help="accuracy of the solve (default 1e-3)"
    )
    command.add_argument(
        "--memory",
        type=_bytes,
        metavar="SIZE",
        help="working memory, e.g. 2GB (default: what is free)",
    )
    command.add_argument("--no-cache", action="store_true", help="keep no kernels on disk")


def _demo(command: argparse.ArgumentParser) -> None:
    add_output(command, "where the pictures go", folder="ntkfill-demo")
    add_telling(command)


def _kernel(command: argparse.ArgumentParser) -> None:
    command.add_argument("action", choices=("list", "build", "clear"))
    command.add_argument(
        "--levels",
        type=int,
        nargs="+",
        default=[4, 5, 6],
        metavar="L",
        help="build: which depths of the automatic networks (default: 4 5 6)",
    )
    command.add_argument(
        "--axes",
        type=int,
        choices=(1, 2, 3),
        default=2,
        metavar="N",
        help="build: 1 for signals, 2 for images, 3 for volumes (default: 2)",
    )
    add_telling(command)


def _pixel(text: str) -> tuple[int, int]:
    try:
        row, column = (int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected ROW,COL such as 120,64; got {text!r}") from None
    return row, column


def _bytes(text: str) -> int:
    found = re.fullmatch(r"\s*([0-9.]+)\s*([KMGT]?)(I?B)?\s*", text.upper())
    size = 0
    if found is not None and found[1].count(".") <= 1 and found[1] != ".":
        base = 1024 if found[3] == "IB" else 1000
        size = int(float(found[1]) * base ** " KMGT".index(found[2] or " "))
    if size <= 0:
        raise argparse.ArgumentTypeError(f"expected a size such as 2GB or 500MB; got {text!r}")
    return size
