"""Options of `Inpainter`, validated once and passed whole."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Real
from typing import Literal

from ..errors import InputError
from ..io.cache import Cache
from ..nn.networks import Mixture, Sequential
from ..priors import Prior

Network = Sequential | Mixture | Literal["auto"]
Boundary = Literal["pad", "wrap"]
Refine = Literal["patches", "auto"] | None

HINTS = {
    "network": "ntkfill.nn.parse(text) for the repr of a network",
    "prior": "ntkfill.priors.IID()",
    "cache": "ntkfill.Cache(pathlib.Path(...))",
}


@dataclass(frozen=True)
class GridOptions:
    """The parameters of `Inpainter`, validated; InputError names the first that is invalid."""

    network: Network = "auto"
    # Not compared, as cache and progress: the fitted model does not depend on it.
    channel_axis: int | None = field(default=None, compare=False)
    prior: Prior | None = None
    shift_average: bool = True
    boundary: Boundary = "pad"
    ridge: float | None = None
    centre: bool | None = None
    refine: Refine = None
    rtol: float = 1e-3
    memory_limit: int | None = None
    cache: Cache | Literal["user"] | None = field(default="user", compare=False)
    progress: bool | Callable[[float], None] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        network, boundary, refine, cache = self.network, self.boundary, self.refine, self.cache
        prior, ridge, rtol, memory = self.prior, self.ridge, self.rtol, self.memory_limit
        constraints = {
            "network": (
                isinstance(network, Sequential | Mixture)
                or (isinstance(network, str) and network == "auto"),
                "'auto', a Sequential or a Mixture",
            ),
            "shift_average": (isinstance(self.shift_average, bool), "True or False"),
            "centre": (self.centre is None or isinstance(self.centre, bool), "True, False or None"),
            "boundary": (
                isinstance(boundary, str) and boundary in ("pad", "wrap"),
                "'pad' or 'wrap'",
            ),
            "refine": (
                refine is None or (isinstance(refine, str) and refine in ("patches", "auto")),
                "None, 'patches' or 'auto'",
            ),
            "cache": (
                isinstance(cache, Cache | None) or (isinstance(cache, str) and cache == "user"),
                "a Cache, 'user' or None",
            ),
            "prior": (
                prior is None or hasattr(prior, "stationary"),
                "a prior of ntkfill.priors or None",
            ),
            "ridge": (
                ridge is None or (isinstance(ridge, Real) and 0 <= ridge < math.inf),
                "a finite number >= 0 or None",
            ),
            "rtol": (isinstance(rtol, Real) and 0 < rtol < 1, "between 0 and 1"),
            "memory_limit": (
                memory is None or (isinstance(memory, Real) and abs(memory) < math.inf),
                "a number of bytes or None",
            ),
        }
        for name, (valid, expected) in constraints.items():
            if not valid:
                got = repr(getattr(self, name))
                raise InputError(f"{name} must be {expected}", got=got, hint=HINTS.get(name, ""))
        if not (prior is None or prior.stationary) and (boundary == "pad" or self.shift_average):
            raise InputError(
                "prior must be stationary, as IID() is, unless the image is treated as periodic",
                got=f"boundary={boundary!r}, shift_average={self.shift_average}",
                hint="boundary='wrap', shift_average=False",
            )
