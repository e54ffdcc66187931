"""The result of a fill, of the same shape for grids, tables and screens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .uncertainty.intervals import Interval

InfoType = TypeVar("InfoType")


@dataclass(frozen=True, eq=False)
class Filled(Generic[InfoType]):
    """Filled values, how the fill went and, where asked for, how uncertain the values are.

    Parameters
    ----------
    values : array, data frame or Screen
        In the form of the input; known entries as they were.
    info : Info
        How the fill went: `ntkfill.grids.Info`, `ntkfill.tables.Info` or `ntkfill.screens.Info`.
    std : array or data frame of the form of the values, optional
        Standard deviations, 0 where known; None unless asked for.
    interval : Interval, optional
        Calibrated bounds of the form of the values; None unless a level was asked for.
    draws : tuple of arrays or data frames, optional
        Tables whose gaps are drawn at random, for multiple imputation; None unless asked for.
    """

    values: Any
    info: InfoType
    std: Any = None
    interval: Interval | None = None
    draws: tuple[Any, ...] | None = None
