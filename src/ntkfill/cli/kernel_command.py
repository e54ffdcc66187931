"""The command for kernels that are kept on disk."""

from __future__ import annotations

import argparse
import json

from ..errors import InputError, format_bytes
from ..grids.plan import build
from ..io.cache import Cache
from ..io.files import check_place
from .exits import DONE
from .messages import say


def kernels(options: argparse.Namespace) -> int:
    """List, build or clear the kernels kept on disk."""
    cache = Cache()
    if options.action == "clear":
        freed = cache.clear()
        say(options, f"{cache.directory}: {format_bytes(freed)} freed")
        if options.json:
            print(json.dumps({"directory": str(cache.directory), "freed_bytes": freed}))
        return DONE
    if options.action == "build":
        refuse_no_cache(cache)
        for levels in options.levels:
            say(options, f"building {levels} levels for {options.axes} axes")
            build(levels, options.axes, cache)
    entries = cache.entries()
    if options.json:
        print(json.dumps([{"key": e.key, "bytes": e.nbytes} for e in entries], indent=1))
    else:
        for entry in entries:
            print(f"{format_bytes(entry.nbytes):>9}  {entry.key}")
    return DONE


def refuse_no_cache(cache: Cache) -> None:
    """Whether kernels can be kept at all, before any is made."""
    try:
        cache.directory.mkdir(parents=True, exist_ok=True)
        check_place(cache.directory / "kernel")
    except (OSError, InputError) as error:
        raise InputError(
            f"kernels cannot be kept in {cache.directory}",
            hint="another folder, in the environment variable NTKFILL_CACHE",
        ) from error
