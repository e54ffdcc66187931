"""The options of a table: checked once, on construction, and passed whole."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral
from typing import Literal

import numpy as np

from ..errors import InputError, as_float
from ..nn import Sequential, fully_connected

DEFAULT_NETWORK = fully_connected()


@dataclass(frozen=True)
class TableOptions:
    """How a table is filled; see `NTKImputer` for what each option means.

    Raises
    ------
    InputError
        If an option is out of range, or the network does not compare feature vectors.

    Examples
    --------
    >>> TableOptions(ridge=-1)
    Traceback (most recent call last):
        ...
    ntkfill.errors.InputError: ridge must be >= 0 or 'loo'; got -1.
    """

    network: Sequential | Literal["auto"] | None = None
    depth: int = 1
    feature_scale: float = 1.0
    ridge: float | Literal["loo"] = "loo"
    max_iter: int = 10
    tol: float = 1e-3
    random_state: int = 0

    def __post_init__(self) -> None:
        depth, max_iter = (
            as_float(each) if isinstance(each, Integral) else math.nan
            for each in (self.depth, self.max_iter)
        )
        usable = isinstance(self.network, Sequential) or self.network in (None, "auto")
        for name, valid, expected in (
            ("network", usable, "None, 'auto' or a Sequential"),
            ("depth", 1 <= depth <= 1000, "an integer from 1 to 1000"),
            ("feature_scale", 0 < as_float(self.feature_scale) < math.inf, "a number > 0"),
            (
                "ridge",
                self.ridge == "loo" or 0 <= as_float(self.ridge) < math.inf,
                ">= 0 or 'loo'",
            ),
            ("max_iter", max_iter >= 1, "an integer >= 1"),
            ("tol", 0 <= as_float(self.tol) < math.inf, "a number >= 0"),
        ):
            if not valid:
                given = getattr(self, name)
                text = name == "network" and isinstance(given, str)
                hint = "ntkfill.nn.parse(text) for the repr of a network" if text else ""
                raise InputError(f"{name} must be {expected}", got=repr(given), hint=hint)
        if self.network is None:
            network = DEFAULT_NETWORK if self.depth == 1 else fully_connected(int(self.depth))
            object.__setattr__(self, "network", network)
        elif isinstance(self.network, Sequential):
            self.network.between(np.ones((1, 1)))  # refuses layers that need a grid
