"""Containers that a library wrote, filled by `ntkfill`, and read back by the same library."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ntkfill.cli import main
from ntkfill.cli.common import FAILED


@dataclass(frozen=True)
class Container:
    """A kind of file, and what there is to keep of it.

    Parameters
    ----------
    name : str
        In the table of the documentation.
    library : str
        That writes and reads it here.
    suffix : str
    write : function of a path
        Makes a file with gaps.
    read : function of a path
        What the library reads, by name. "gaps" are the values where the file had gaps: they must
        be filled. Everything else must be the same after as before.
    command : function of two paths
        The arguments of `ntkfill` that fill the first and write the second.
    said : dict of str to str
        By a name of `read`, what is said on stderr where it is not the same.
    refused : str
        What is said of a kind that is not read.
    """

    name: str
    library: str
    suffix: str
    write: Callable[[Path], Any]
    read: Callable[[Path], dict[str, Any]]
    command: Callable[[Path, Path], list[str]]
    said: Mapping[str, str] = field(default_factory=dict)
    refused: str = ""


@dataclass(frozen=True)
class Outcome:
    """Names of what is kept, said not to be, and neither; what was printed on stderr."""

    kept: tuple[str, ...]
    said: tuple[str, ...]
    lost: tuple[str, ...]
    printed: str


def measure(container: Container, folder: Path) -> Outcome:
    """Write, fill and read back one container in a folder."""
    source, target = (folder / f"{name}{container.suffix}" for name in ("in", "out"))
    container.write(source)
    messages = io.StringIO()
    with contextlib.redirect_stderr(messages), contextlib.redirect_stdout(io.StringIO()):
        code = main(container.command(source, target))
    printed = messages.getvalue()
    if container.refused:
        found = code == FAILED and container.refused in printed and not target.exists()
        return Outcome((), ("refused",) * found, ("refused",) * (not found), printed)
    if code:
        return Outcome((), (), ("the result",), printed)
    with warnings.catch_warnings():  # of the libraries, about files that they wrote themselves
        warnings.simplefilter("ignore")
        before, after = container.read(source), container.read(target)
    old, new = before.pop("gaps"), after.pop("gaps")
    filled = new.dtype.kind not in "fc" or np.isfinite(new).all()
    if not filled or np.array_equal(old, new):
        return Outcome((), (), ("the fill",), printed)
    kept = tuple(name for name in before if _same(before[name], after.get(name)))
    said = tuple(name for name in before if name not in kept and _is_said(container, name, printed))
    lost = tuple(name for name in before if name not in kept and name not in said)
    return Outcome(kept, said, lost, printed)


def row(container: Container, outcome: Outcome) -> str:
    """A line of the table in docs/guide/containers.md."""
    said = [f"{name}: “{container.said[name]}”" for name in outcome.said if name in container.said]
    if container.refused:
        said = [f"refused: “{container.refused}”"]
    cells = (container.name, container.library, ", ".join(outcome.kept), "; ".join(said))
    return f"| {' | '.join(cells)} |"


def _is_said(container: Container, name: str, printed: str) -> bool:
    return name in container.said and container.said[name] in printed


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        numbers = one.dtype.kind == "f"
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=numbers)
    return type(one) is type(other) and bool(one == other)
