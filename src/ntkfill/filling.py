"""One fill: a picture, what is missing of it, and a plan."""

from __future__ import annotations

import sys
import time
import warnings
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .completion import complete
from .errors import ConvergenceWarning, InputError, InvertedMaskWarning
from .kernels import Kernel
from .observed import Mask, Observed
from .pictures import Picture, looks_inverted, mask_array
from .plan import Plan, beyond_reach
from .solvers.base import Progress, Report, Solver


@dataclass(frozen=True)
class Info:
    """How a fill went.

    Parameters
    ----------
    plan : Plan or None
        Network, torus and solver; None where nothing was missing.
    reports : tuple of Report
        How each solve ended: residual, steps, converged, jitter. One per pattern of known pixels.
    missing : int
        Pixels that were filled.
    beyond_reach : int
        How many of them lie so deep in a hole that the network sees nothing known from there and
        fills in one constant.
    seconds : float
    """

    plan: Plan | None
    reports: tuple[Report, ...]
    missing: int
    beyond_reach: int
    seconds: float

    @property
    def converged(self) -> bool:
        return all(report.converged for report in self.reports)


def fill(
    source: Picture,
    missing: Mask,
    plan: Plan,
    kernel: Kernel,
    solver: Solver,
    centre: bool,
    told: Progress | None,
) -> tuple[NDArray[Any], Info]:
    """Fill a picture where `missing`, of shape (*grid) or (*grid, channels)."""
    started = time.perf_counter()
    channels = source.pixels.shape[-1]
    joint = missing.ndim == len(plan.grid)
    dtype = np.float32 if source.pixels.dtype.itemsize <= 2 else np.float64
    pixels = np.where(missing[..., None] if joint else missing, 0, source.pixels).astype(dtype)
    if not np.isfinite(pixels).all():
        first = tuple(map(int, np.argwhere(~np.isfinite(pixels))[0][:-1]))
        raise InputError(
            "the image holds infinity where the mask says known",
            got=f"at {first}",
            hint="NaN, which means missing",
        )
    known = plan.embed(~missing)
    observed = Observed(
        plan.embed(pixels).reshape(-1, channels),
        known.ravel() if joint else known.reshape(-1, channels),
    )
    done = complete(observed, kernel, solver, centre=centre, progress=told)
    filled = plan.window(done.values.reshape(*plan.torus, channels))
    result = source.filled(missing, filled)
    anywhere = in_any_channel(missing, plan.grid)
    info = Info(
        plan,
        done.reports,
        int(anywhere.sum()),
        int(beyond_reach(anywhere, plan.network.reach).sum()),
        time.perf_counter() - started,
    )
    if not info.converged:
        worst = max(report.residual for report in done.reports)
        warnings.warn(
            f"the solve stopped at a residual of {worst:.2g}. Try: a larger ridge.",
            ConvergenceWarning,
            stacklevel=outside(),
        )
    return result, info


def missing_pixels(source: Picture, mask: ArrayLike | None) -> Mask:
    """What the mask and the NaNs say together: (*grid), or (*grid, channels) if channels differ."""
    missing = np.zeros(source.grid, bool) if mask is None else mask_array(mask, source.grid)
    if source.nan is None:
        return missing
    both = missing[..., None] | source.nan
    alike = bool((both == both[..., :1]).all())
    return np.asarray(both[..., 0] if alike else both)


def in_any_channel(missing: Mask, grid: tuple[int, ...]) -> Mask:
    """The pixels that miss at least one channel, (*grid)."""
    return missing if missing.ndim == len(grid) else np.asarray(missing.any(axis=-1))


def check_missing(missing: Mask) -> None:
    """Refuse a mask without a known pixel; warn of one that looks inverted."""
    if missing.size == 0:
        raise InputError("the mask is empty", got=f"shape {missing.shape}")
    if missing.all():
        raise InputError(
            "every pixel is missing, so there is nothing to fill in from",
            expected="at least one known pixel",
            hint="a mask that is True where the image is missing",
        )
    if looks_inverted(missing):
        warnings.warn(
            "the mask marks the whole border and more than half of the pixels as missing; "
            "True (or white) must mean missing. Try: the inverted mask.",
            InvertedMaskWarning,
            stacklevel=outside(),
        )


def outside() -> int:
    """The stacklevel at which a warning names the caller's line, not one of this package."""
    level = 1
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] == "ntkfill":
        level, frame = level + 1, frame.f_back
    return level
