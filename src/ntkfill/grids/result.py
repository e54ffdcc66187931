"""One fill: a picture, what is missing of it, and the networks made ready for it."""

from __future__ import annotations

import sys
import time
import warnings
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ConvergenceWarning, InputError, InvertedMaskWarning
from ..kernels.table import Array
from ..nn.networks import Mixture, Sequential
from ..observed import Mask
from ..runtime.progress import Progress, stage
from ..solvers.base import Report
from .components import Refine
from .image import Picture, looks_inverted, mask_array
from .model import Canvas
from .patches import Refined, Refinement, refined
from .plan import Plan, beyond_reach
from .selection import Choice

# A refined fill takes about so many times as long as the first one.
STAGES = 5


@dataclass(frozen=True)
class Info:
    """How a fill went.

    Parameters
    ----------
    network : Sequential or Mixture or None
        What filled; its repr is what ``network=`` and ``--network`` take. None where nothing was
        missing.
    plan : Plan or None
        Torus and solver of the network that counts most.
    choice : Choice or None
        What was tried and how each did, where the network was chosen by hidden known pixels.
    refinement : Refinement or None
        How the fill was refined, or why not, where that was asked for.
    reports : tuple of Report
        How each solve ended: residual, steps, converged, jitter. One per network and pattern of
        known pixels.
    missing : int
        Pixels that were filled.
    beyond_reach : int
        How many of them lie so deep in a hole that no network sees anything known from there and
        one constant is filled in.
    seconds : float
    """

    network: Sequential | Mixture | None = None
    plan: Plan | None = None
    choice: Choice | None = None
    refinement: Refinement | None = None
    reports: tuple[Report, ...] = ()
    missing: int = 0
    beyond_reach: int = 0
    seconds: float = 0.0

    @property
    def converged(self) -> bool:
        return all(report.converged for report in self.reports)


@dataclass(frozen=True, eq=False)
class Completed:
    """A fill before it is put into the picture: arrays of shape (*grid, channels).

    Parameters
    ----------
    first : array
        What the networks fill in.
    reports : tuple of Report
        How their solves ended.
    refined : Refined
        The same refined by its own patches, where that was asked for and helps.
    refinement : Refinement or None
    """

    first: Array
    reports: tuple[Report, ...]
    refined: Refined
    refinement: Refinement | None


def completed(drawn: Canvas, refining: Refine, told: Progress | None = None) -> Completed:
    """What networks fill in, and what patches make of it."""
    if refining is None:
        first, reports = drawn.filled(told)
        return Completed(first, reports, Refined(first), None)
    first, reports = drawn.filled(stage(told, 0, STAGES))
    rest = None if told is None else (lambda share: told((1 + (STAGES - 1) * share) / STAGES))
    return Completed(
        first,
        reports,
        *refined(
            drawn.pixels,
            first,
            drawn.missing,
            lambda gaps: drawn.hiding(gaps).filled()[0],
            refining == "patches",
            rest,
        ),
    )


def fill(
    source: Picture, drawn: Canvas, refining: Refine, told: Progress | None
) -> tuple[NDArray[Any], Info, Refined]:
    """Fill a picture.

    Returns
    -------
    array
        Of the picture's shape and dtype.
    Info
    Refined
        The same as it was solved for, not rounded.
    """
    started = time.perf_counter()
    done = completed(drawn, refining, told)
    result = source.filled(drawn.missing, done.refined.values)
    reach = max(part.plan.network.receptive_radius for part in drawn.parts)
    info = Info(
        plan=drawn.parts[0].plan,
        refinement=done.refinement,
        reports=done.reports,
        missing=int(drawn.anywhere.sum()),
        beyond_reach=int(beyond_reach(drawn.missing, reach, len(source.grid)).sum()),
        seconds=time.perf_counter() - started,
    )
    if not info.converged:
        worst = max(report.residual for report in info.reports)
        warnings.warn(
            f"the solve stopped at a residual of {worst:.2g}. Try: a larger ridge.",
            ConvergenceWarning,
            stacklevel=outside(),
        )
    return result, info, done.refined


def missing_pixels(source: Picture, mask: ArrayLike | None) -> Mask:
    """What the mask and the NaNs say together: (*grid), or (*grid, channels) if channels differ."""
    missing = np.zeros(source.grid, bool) if mask is None else mask_array(mask, source.grid)
    if source.nan is None:
        return missing
    both = missing[..., None] | source.nan
    alike = bool((both == both[..., :1]).all())
    return np.asarray(both[..., 0] if alike else both)


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


def check_fit(source: Picture, missing: Mask) -> None:
    """Refuse an image of another size than the mask, or with NaN where the mask says known."""
    if source.grid != missing.shape:
        raise InputError(
            "the image has another size than the mask",
            expected=str(missing.shape),
            got=str(source.grid),
        )
    if source.nan is not None and (source.nan & ~missing[..., None]).any():
        raise InputError(
            "the image holds NaN where the mask says known",
            hint="inpainter.fill, which takes NaN for missing",
        )


def outside() -> int:
    """The stacklevel at which a warning names the caller's line, not one of this package."""
    level = 1
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] == "ntkfill":
        level, frame = level + 1, frame.f_back
    return level
