"""A filled table with how sure it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError, check_integer
from ..kernels.table import Array
from ..observed import Mask
from ..uncertainty import Interval
from ..uncertainty.conformal import check_level
from ..uncertainty.posterior import MODELS, PosteriorModel
from .calibration import Completed, calibrate


@dataclass(frozen=True, eq=False)
class Imputed:
    """A filled table, and how sure it is.

    Parameters
    ----------
    values : array or data frame of shape (n, m)
        As `NTKImputer.fit_transform` returns it.
    std : array or data frame of shape (n, m), optional
        Zero where known; NaN in columns of which nothing is known.
    interval : Interval, optional
        In the form of the standard deviations.
    """

    values: Any
    std: Any = None
    interval: Interval | None = None


@dataclass(frozen=True)
class Doubt:
    """What was asked about the certainty of a table.

    Parameters
    ----------
    interval : float, optional
        The share of missing entries that intervals should hold.
    under : {"ntk", "nngp", "ensemble"}
    seed : int
    """

    interval: float | None
    under: PosteriorModel
    seed: int

    def __post_init__(self) -> None:
        if self.interval is not None:
            check_level(self.interval)
        if not isinstance(self.under, str) or self.under not in MODELS:
            raise InputError(
                "no such posterior", expected=", ".join(map(repr, MODELS)), got=repr(self.under)
            )
        check_integer("the seed", self.seed, 0, 2**63 - 1)

    def weigh(
        self, completed: Completed, values: Array, *, sided: bool
    ) -> tuple[Array, Interval | None]:
        """Standard deviations of a table (n, m), NaN where missing, and intervals if asked for."""
        missing: Mask = np.isnan(values)
        if not missing.any():
            level = self.interval
            exact = None if level is None else Interval(values.copy(), values.copy(), level, 0)
            return np.zeros(values.shape), exact
        filled, std = completed(values)
        hidden = calibrate(completed, values, sided=sided, seed=self.seed)
        std = np.where(missing, std * hidden.factor, 0.0)
        if self.interval is None:
            return std, None
        # Where std is 0 the half-width is 0, also where the quantile is infinite.
        half = np.where(std > 0, hidden.scores.quantile(self.interval), 0.0) * std
        middle = np.where(missing, filled, values)
        count = len(hidden.scores.values)
        return std, Interval(middle - half, middle + half, self.interval, count)
