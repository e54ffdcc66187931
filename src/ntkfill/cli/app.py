"""`ntkfill app`: a page in the browser, served from this machine."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import InputError
from .common import DONE


def add(command: argparse.ArgumentParser) -> None:
    """The options of `ntkfill app`."""
    command.set_defaults(run=app)
    text = "images, tables and screens to open"
    command.add_argument("files", nargs="*", type=Path, metavar="FILE", help=text)
    text = "of 127.0.0.1 (default: one that is free)"
    command.add_argument("--port", type=int, default=0, metavar="N", help=text)
    text = "print the address, open no browser"
    command.add_argument("--no-browser", action="store_true", help=text)
    command.add_argument("--quiet", action="store_true", help="nothing on stderr but failures")


def app(options: argparse.Namespace) -> int:
    """Serve the page until it is interrupted."""
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError:
        raise InputError(
            "the page needs the packages starlette and uvicorn", hint="pip install 'ntkfill[app]'"
        ) from None
    from ..app import server

    if not 0 <= options.port < 2**16:
        raise InputError("--port must be from 0 to 65535", got=str(options.port))
    server.run(options.files, options.port, browser=not options.no_browser)
    return DONE
