"""Conditions that were measured more than once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from .screen import Screen


def averaged(
    profiles: ArrayLike,
    labels: ArrayLike | Sequence[Sequence[object]],
    genes: ArrayLike,
    fields: Sequence[str] | None = None,
) -> Screen:
    """A screen of conditions measured more than once, each with the mean of its profiles.

    Conditions are in the order in which they come first. A replicate that was not measured, a row
    of NaN, does not count.

    Parameters
    ----------
    profiles, labels, genes, fields
        As of `Screen`, but for labels that come again.

    Raises
    ------
    InputError
        As `Screen` does; of profiles that are missing in part, too.

    Examples
    --------
    >>> labels = [["A375", "x"], ["A375", "y"], ["A375", "x"]]
    >>> averaged([[1.0], [5.0], [2.0]], labels, ["g"]).profiles.tolist()
    [[1.5], [5.0]]
    """
    values, names = np.array(profiles, dtype=np.float64), np.array(labels, dtype=str)
    if values.ndim != 2 or names.ndim != 2 or len(names) != len(values):
        return Screen(values, names, genes, fields)  # which says what is wrong
    place: dict[tuple[str, ...], int] = {}
    at = np.array([place.setdefault(tuple(row), len(place)) for row in names.tolist()], np.intp)
    measured = ~np.isnan(values).all(axis=1)
    sums, counts = np.zeros((len(place), values.shape[1])), np.zeros((len(place), 1))
    np.add.at(sums, at[measured], values[measured])
    np.add.at(counts, at[measured], 1.0)
    means = np.where(counts > 0, sums / np.maximum(counts, 1.0), np.nan)
    return Screen(means, list(place), genes, fields)
