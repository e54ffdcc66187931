"""Predict what was not measured, and write it down marked as such."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..io import text_tables
from ..io.files import check_target, replacing
from ..kernels.table import Array
from ..observed import Mask
from ..runtime.memory import require
from ..uncertainty import Interval
from ..uncertainty.conformal import check_level
from .io.reading import MEASURED, PREDICTED, SOURCE
from .methods.baselines import Method
from .methods.ntk import NTK
from .screen import Conditions, Screen, by_name, named, usable
from .uncertainty import doubt

SUFFIXES = (*text_tables.SUFFIXES, ".npz")


@dataclass(frozen=True, eq=False)
class Completed:
    """Profiles of all conditions.

    Parameters
    ----------
    screen : Screen
    measured : bool array of shape (conditions,)
        Where the profile is as it was measured, bit for bit; elsewhere it is predicted.
    std : array of shape (conditions, genes), optional
        Of predicted values; zero where measured.
    interval : Interval, optional
        Of arrays of shape (conditions, genes).
    """

    screen: Screen
    measured: Mask
    std: Array | None = None
    interval: Interval | None = None


def complete(
    screen: Screen,
    method: Method | None = None,
    conditions: Conditions | None = None,
    *,
    return_std: bool = False,
    interval: float | None = None,
    seed: int = 0,
) -> Completed:
    """Predict every pair of context and drug that was not measured.

    Parameters
    ----------
    screen : Screen
    method : Method, optional
        The default is `NTK()`.
    conditions : str array of shape (n, fields), optional
        Which conditions to return; the default is every context with every drug.
    return_std : bool
        Also say how far off predicted values are, by what the same method misses of measured
        conditions that are held out: ten more fits.
    interval : float, optional
        The share of predicted values that intervals should hold, e.g. 0.9.
    seed : int
        Says which conditions are held out together.

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
    if interval is not None:
        check_level(interval)
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
    done = Completed(Screen(profiles, wanted, screen.genes, screen.fields), ~missing)
    if not (return_std or interval is not None):
        return done
    found = doubt(method or NTK(), known, seed)
    std = np.where(missing[:, None], found.std(wanted), 0.0)
    if interval is None:
        return replace(done, std=std)
    half = np.where(std > 0, found.scores.quantile(interval), 0.0) * std
    bounds = Interval(profiles - half, profiles + half, interval, len(found.scores.values))
    return replace(done, std=std, interval=bounds)


def write(path: Path, completed: Completed) -> None:
    """Write a wide table (or .npz) with a column that tells measured from predicted.

    Raises
    ------
    InputError
        If the suffix is none of those that can be written.
    """
    check_target(path, SUFFIXES)
    screen = completed.screen
    source = np.where(completed.measured, MEASURED, PREDICTED)
    if path.suffix.lower() == ".npz":
        arrays: dict[str, Any] = by_name(screen.labels, screen.fields)
        with replacing(path) as file:
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
    text_tables.write(path, text_tables.Table(names, rows))


def write_std(path: Path, completed: Completed) -> None:
    """Write standard deviations, and bounds where there are any, in the form of `write`.

    In a table the columns of genes hold standard deviations, those of "gene lower" and
    "gene upper" the bounds.

    Raises
    ------
    InputError
        If the suffix is none of those that can be written.
    """
    assert completed.std is not None
    screen = completed.screen
    arrays: dict[str, Any] = {"std": completed.std}
    names = screen.genes.tolist()
    if completed.interval is not None:
        arrays |= {"lower": completed.interval.lower, "upper": completed.interval.upper}
        names += [f"{gene} {side}" for side in ("lower", "upper") for gene in screen.genes]
    if path.suffix.lower() == ".npz":
        with replacing(path) as file:
            named_labels: dict[str, Any] = by_name(screen.labels, screen.fields)
            np.savez_compressed(file, genes=screen.genes, **arrays, **named_labels)
        return
    check_target(path, SUFFIXES)
    source = np.where(completed.measured, MEASURED, PREDICTED)
    whole = np.hstack(list(arrays.values())).tolist()
    rows = [
        [*labels, mark, *row]
        for labels, mark, row in zip(screen.labels.tolist(), source.tolist(), whole, strict=True)
    ]
    text_tables.write(path, text_tables.Table([*screen.fields, SOURCE, *names], rows))


def _finite(predicted: Array, wanted: Conditions) -> Array:
    wrong = ~np.isfinite(predicted).all(axis=1)
    if wrong.any():
        raise InputError(f"no finite prediction of {named(wanted[np.flatnonzero(wrong)[0]])}")
    return predicted
