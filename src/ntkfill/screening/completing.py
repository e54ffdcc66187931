"""Predict what was not measured, and write it down marked as such."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..files import replacing
from ..grid import Array
from ..memory import require
from ..observed import Mask
from . import tables
from .baselines import Method
from .ntk import NTK
from .reading import MEASURED, PREDICTED, SOURCE
from .screen import Conditions, Screen, by_name, named, usable

SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".npz")


@dataclass(frozen=True, eq=False)
class Completed:
    """Profiles of all conditions.

    Parameters
    ----------
    screen : Screen
    measured : bool array of shape (conditions,)
        Where the profile is as it was measured, bit for bit; elsewhere it is predicted.
    """

    screen: Screen
    measured: Mask


def complete(
    screen: Screen, method: Method | None = None, conditions: Conditions | None = None
) -> Completed:
    """Predict every pair of context and drug that was not measured.

    Parameters
    ----------
    screen : Screen
    method : Method, optional
        The default is `NTK()`.
    conditions : str array of shape (n, fields), optional
        Which conditions to return; the default is every context with every drug.

    Raises
    ------
    InputError
        If a condition is asked for twice or has other labels than the screen.
    MemoryLimitError
        If the result does not fit into memory.

    Examples
    --------
    >>> screen = Screen([[1.0, 0.0], [3.0, 1.0], [8.0, 2.0]],
    ...                 [["A", "x"], ["A", "y"], ["B", "x"]], ["g", "h"])
    >>> done = complete(screen)
    >>> done.screen.labels[~done.measured].tolist()
    [['B', 'y']]
    """
    known = usable(screen)
    wanted = screen.pairs() if conditions is None else np.array(conditions, dtype=str)
    if wanted.ndim != 2 or wanted.shape[1] != len(screen.fields):
        raise InputError(
            "conditions have other labels than the screen",
            expected=", ".join(screen.fields),
            got=str(wanted.shape),
        )
    require("all profiles", 3 * 8 * len(wanted) * len(screen.genes), hint="fewer conditions")
    place = {tuple(row): k for k, row in enumerate(known.labels.tolist())}
    at = np.array([place.get(tuple(row), -1) for row in wanted.tolist()], dtype=np.intp)
    missing = at < 0
    profiles = known.profiles[at]
    if missing.any():
        profiles[missing] = _finite((method or NTK()).predict(known, wanted[missing]), wanted)
    return Completed(Screen(profiles, wanted, screen.genes, screen.fields), ~missing)


def write(path: Path, completed: Completed) -> None:
    """Write a wide table (or .npz) with a column that tells measured from predicted.

    Raises
    ------
    InputError
        If the suffix is none of those that can be written.
    """
    check_suffix(path)
    screen = completed.screen
    source = np.where(completed.measured, MEASURED, PREDICTED)
    with replacing(path) as file:
        if path.suffix.lower() == ".npz":
            arrays: dict[str, Any] = by_name(screen.labels, screen.fields)
            np.savez_compressed(
                file, profiles=screen.profiles, genes=screen.genes, source=source, **arrays
            )
            return
        rows = [
            [*labels, mark, *profile]
            for labels, mark, profile in zip(
                screen.labels.tolist(), source.tolist(), screen.profiles.tolist(), strict=True
            )
        ]
        names = [*screen.fields, SOURCE, *screen.genes.tolist()]
        tables.write(file, tables.Table(names, rows))


def check_suffix(path: Path) -> None:
    """Refuse, before any work, a file that could not be written."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path} cannot be written", expected=" ".join(SUFFIXES))
    if not path.parent.is_dir():
        raise InputError(f"the folder of {path} is not there")


def _finite(predicted: Array, wanted: Conditions) -> Array:
    wrong = ~np.isfinite(predicted).all(axis=1)
    if wrong.any():
        raise InputError(f"no finite prediction of {named(wanted[np.flatnonzero(wrong)[0]])}")
    return predicted
