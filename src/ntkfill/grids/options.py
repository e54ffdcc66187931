"""Options of `Inpainter`, validated once and passed whole."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np

from ..errors import InputError, as_float
from ..io.cache import Cache
from ..nn import Mixture, Sequential
from ..priors import Prior

Network = Sequential | Mixture | Literal["auto"]
Side = Literal["pad", "wrap"]
Boundary = Side | tuple[Side, ...]
Spacing = tuple[float | Literal["auto"], ...] | None
# Of pixels along the axis whose spacing is "auto", in the smallest other one: as near, further than
# most networks look at a texture, and so far that each is filled nearly by itself.
SPACINGS = (1.0, 3.0, 64.0)
Refine = Literal["patches", "auto"] | None
MissingValues = float | Literal["nonfinite"] | Sequence[float | Literal["nonfinite"]] | None
Alpha = bool | Literal["premultiplied"]
Bounds = tuple[float | None, float | None] | Literal["data"] | None

OPEN = (-math.inf, math.inf)

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
    alpha: Alpha = field(default=False, compare=False)
    missing_values: MissingValues = field(default=None, compare=False)
    bounds: Bounds = field(default=None, compare=False)
    max_gap: int | None = field(default=None, compare=False)
    period: float | None = field(default=None, compare=False)
    prior: Prior | None = None
    shift_average: bool = True
    boundary: Boundary = "pad"
    spacing: Spacing = None
    ridge: float | None = None
    centre: bool | None = None
    refine: Refine = None
    rtol: float = 1e-3
    memory_limit: int | None = None
    cache: Cache | Literal["user"] | None = field(default="user", compare=False)
    progress: bool | Callable[[float], None] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.boundary, list):  # as JSON holds it
            object.__setattr__(self, "boundary", tuple(self.boundary))
        if isinstance(self.spacing, list | np.ndarray):
            object.__setattr__(self, "spacing", tuple(self.spacing))
        network, boundary, refine, cache = self.network, self.boundary, self.refine, self.cache
        if self.period is not None and (self.alpha or self.bounds is not None):
            raise InputError("period= takes neither alpha= nor bounds=", hint="period alone")
        prior, ridge, rtol, memory = self.prior, self.ridge, self.rtol, self.memory_limit
        bounds: Any = self.bounds
        pair = bounds if isinstance(bounds, tuple | list) and len(bounds) == 2 else (math.nan,) * 2
        low, high = (
            far if end is None else as_float(end) for end, far in zip(pair, OPEN, strict=True)
        )
        constraints = {
            "network": (
                isinstance(network, Sequential | Mixture)
                or (isinstance(network, str) and network == "auto"),
                "'auto', a Sequential or a Mixture",
            ),
            "shift_average": (isinstance(self.shift_average, bool), "True or False"),
            "centre": (self.centre is None or isinstance(self.centre, bool), "True, False or None"),
            "boundary": (
                bool(boundary)
                and all(
                    isinstance(side, str) and side in ("pad", "wrap")
                    for side in ([boundary] if isinstance(boundary, str) else boundary)
                ),
                "'pad' or 'wrap', or one of them for each axis",
            ),
            "spacing": (
                self.spacing is None
                or (
                    isinstance(self.spacing, tuple)
                    and bool(self.spacing)
                    and all(0 < as_float(x) < math.inf or _is_auto(x) for x in self.spacing)
                    and sum(map(_is_auto, self.spacing)) < 2
                ),
                "a number > 0 for each axis, 'auto' for one of them, or None",
            ),
            "refine": (
                refine is None or (isinstance(refine, str) and refine in ("patches", "auto")),
                "None, 'patches' or 'auto'",
            ),
            "cache": (
                isinstance(cache, Cache | None) or (isinstance(cache, str) and cache == "user"),
                "a Cache, 'user' or None",
            ),
            "channel_axis": (
                self.channel_axis is None or isinstance(self.channel_axis, Integral),
                "an axis of the image or None",
            ),
            "alpha": (
                isinstance(self.alpha, bool)
                or (isinstance(self.alpha, str) and self.alpha == "premultiplied"),
                "True, False or 'premultiplied'",
            ),
            "missing_values": (
                all(
                    value == "nonfinite" if isinstance(value, str) else _is_marker(value)
                    for value in self.markers
                ),
                "a number, 'nonfinite', or several of them",
            ),
            "bounds": (
                bounds is None or (isinstance(bounds, str) and bounds == "data") or low <= high,
                "a pair (low, high), 'data' or None",
            ),
            "max_gap": (
                self.max_gap is None or (isinstance(self.max_gap, Integral) and self.max_gap > 0),
                "an integer > 0 or None",
            ),
            "period": (
                self.period is None or 0 < as_float(self.period) < math.inf,
                "a number > 0 or None",
            ),
            "prior": (
                prior is None or hasattr(prior, "stationary"),
                "a prior of ntkfill.priors or None",
            ),
            "ridge": (
                ridge is None or 0 <= as_float(ridge) < math.inf,
                "a finite number >= 0 or None",
            ),
            "rtol": (0 < as_float(rtol) < 1, "between 0 and 1"),
            "memory_limit": (
                memory is None or (isinstance(memory, Real) and abs(memory) < math.inf),
                "a number of bytes or None",
            ),
        }
        for name, (valid, expected) in constraints.items():
            if not valid:
                got = repr(getattr(self, name))
                raise InputError(f"{name} must be {expected}", got=got, hint=HINTS.get(name, ""))
        if self.spacing is not None and not (self.shift_average and refine is None):
            raise InputError(
                "spacing needs the shift-averaged kernel, without refinement",
                got=f"shift_average={self.shift_average}, refine={refine!r}",
                hint="shift_average=True, refine=None (neither --exact nor --refine)",
            )
        if len(self.spacings) > 1 and not isinstance(network, str):
            raise InputError(
                "spacing='auto' is selected together with a network",
                got=repr(network),
                hint="network='auto' (--network auto)",
            )
        if self.spacing is not None and not (prior is None or prior.stationary):
            raise InputError("spacing needs a stationary prior", got=repr(prior), hint="IID()")
        if not (prior is None or prior.stationary) and (boundary != "wrap" or self.shift_average):
            raise InputError(
                "prior must be stationary, as IID() is, unless the image is treated as periodic",
                got=f"boundary={boundary!r}, shift_average={self.shift_average}",
                hint="boundary='wrap', shift_average=False",
            )

    @property
    def spacings(self) -> tuple[tuple[float, ...] | None, ...]:
        """Those to select from: one, but where that of an axis is "auto"."""
        if self.spacing is None:
            return (None,)
        given = [as_float(each) for each in self.spacing]  # NaN for "auto"
        if not any(map(_is_auto, self.spacing)):
            return (tuple(given),)
        finest = min([each for each in given if not math.isnan(each)], default=1.0)
        return tuple(
            tuple(times * finest if math.isnan(each) else each for each in given)
            for times in SPACINGS
        )

    @property
    def markers(self) -> tuple[float | Literal["nonfinite"], ...]:
        """`missing_values`, one by one."""
        given = self.missing_values
        if given is None:
            return ()
        if isinstance(given, Sequence | np.ndarray) and not isinstance(given, str):
            return tuple(np.ravel(given).tolist() if isinstance(given, np.ndarray) else given)
        return (given,)


def wrapped_sides(shape: tuple[int, ...], boundary: Boundary) -> tuple[int, ...]:
    """The sides of the axes that are periodic; refuses a boundary for another number of axes.

    >>> wrapped_sides((180, 360), ("pad", "wrap")), wrapped_sides((180, 360), "wrap")
    ((360,), (180, 360))
    """
    each = (boundary,) * len(shape) if isinstance(boundary, str) else boundary
    if len(each) != len(shape):
        raise InputError(
            f"boundary must be one word, or one for each of {len(shape)} axes", got=repr(boundary)
        )
    return tuple(side for side, kind in zip(shape, each, strict=True) if kind == "wrap")


def _is_auto(value: object) -> bool:
    return isinstance(value, str) and value == "auto"


def _is_marker(value: object) -> bool:
    return isinstance(value, Real) and (value != value or not math.isnan(as_float(value)))
