"""`ntkfill kernel`: list, build or clear the kernels that are cached on disk."""

from __future__ import annotations

import argparse
import contextlib
from typing import TYPE_CHECKING

from ..errors import InputError, format_bytes, printable
from .common import DONE, add_messages, print_json, print_message

if TYPE_CHECKING:
    from ..io.cache import Cache


def add(command: argparse.ArgumentParser) -> None:
    """The options of `ntkfill kernel`."""
    command.set_defaults(run=kernels)
    command.add_argument("action", choices=("list", "build", "clear"))
    text = "build: depths of the automatic networks (default: 4 5 6)"
    default = [4, 5, 6]
    command.add_argument("--levels", type=int, nargs="+", default=default, metavar="L", help=text)
    text = "build: 1 for signals, 2 for images, 3 for volumes (default: 2)"
    command.add_argument("--axes", type=int, choices=(1, 2, 3), default=2, help=text)
    add_messages(command)


def kernels(options: argparse.Namespace) -> int:
    """Run the action that was asked for."""
    from ..grids import plan
    from ..io.cache import Cache

    cache = Cache(must_write=True)
    if options.action == "clear":
        freed = cache.clear()
        print_message(options, f"{cache.directory}: {format_bytes(freed)} freed")
        if options.json:
            print_json({"directory": str(cache.directory), "freed_bytes": freed})
        return DONE
    if options.action == "build":
        check_cache(cache)
        for levels in options.levels:
            print_message(options, f"building {levels} levels for {options.axes} axes")
            try:
                plan.build_kernel(levels, options.axes, cache)
            except InputError:
                kept = ", ".join(shortened(entry.key) for entry in cache.entries()) or "nothing"
                print_message(options, f"kept in {cache.directory}: {kept}")
                raise
    entries = cache.entries()
    if options.json:
        print_json([{"key": entry.key, "bytes": entry.nbytes} for entry in entries])
    else:
        for entry in entries:
            print(f"{format_bytes(entry.nbytes):>9}  {printable(shortened(entry.key))}")
    return DONE


def shortened(key: str) -> str:
    """The key of a kernel with the short name of its network."""
    from ..nn.parsing import parse, shorten

    network, *rest = key.split(" | ")
    with contextlib.suppress(InputError):  # of another version
        network = shorten(parse(network))
    return " | ".join([network, *rest])


def check_cache(cache: Cache) -> None:
    """Refuse a cache that cannot be written to, before any kernel is computed."""
    from ..io.files import check_target

    try:
        cache.directory.mkdir(parents=True, exist_ok=True)
        check_target(cache.directory / "kernel")
    except (OSError, InputError) as error:
        raise InputError(
            f"kernels cannot be written to {cache.directory}",
            hint="another folder, in the environment variable NTKFILL_CACHE",
        ) from error
