"""One fill: a picture, what is missing of it, and the networks made ready for it."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .choice import Choice
from .completion import complete
from .errors import ConvergenceWarning, InputError, InvertedMaskWarning
from .grid import Array
from .nn.mixture import Mixture
from .nn.sequential import Sequential
from .observed import Mask, Observed
from .parts import Part, Settings
from .patches import Refinement, refine, refined
from .pictures import Picture, looks_inverted, mask_array
from .plan import Plan, beyond_reach
from .progress import stage
from .solvers.base import Progress, Report

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


def fill(
    source: Picture,
    missing: Mask,
    parts: tuple[Part, ...],
    settings: Settings,
    told: Progress | None,
) -> tuple[NDArray[Any], Info, Array]:
    """Fill a picture where `missing`, of shape (*grid) or (*grid, channels).

    Returns
    -------
    array
        Of the picture's shape and dtype.
    Info
    array of shape (*grid, channels)
        The same as it was solved for, not rounded.
    """
    started = time.perf_counter()
    pixels = known_pixels(source, missing)
    first = told if settings.refine is None else stage(told, 0, STAGES)
    filled, reports = answered(pixels, missing, parts, settings.centres, first)
    filled, refinement = _refined(pixels, filled, missing, parts, settings, told)
    result = source.filled(missing, filled)
    anywhere = in_any_channel(missing, source.grid)
    reach = max(part.plan.network.reach for part in parts)
    info = Info(
        plan=parts[0].plan,
        refinement=refinement,
        reports=reports,
        missing=int(anywhere.sum()),
        beyond_reach=int(beyond_reach(missing, reach, len(source.grid)).sum()),
        seconds=time.perf_counter() - started,
    )
    if not info.converged:
        worst = max(report.residual for report in info.reports)
        warnings.warn(
            f"the solve stopped at a residual of {worst:.2g}. Try: a larger ridge.",
            ConvergenceWarning,
            stacklevel=outside(),
        )
    return result, info, filled


def answered(
    pixels: Array,
    missing: Mask,
    parts: tuple[Part, ...],
    centre: bool,
    told: Progress | None = None,
) -> tuple[Array, tuple[Report, ...]]:
    """Pixels (*grid, channels), filled in by networks together, and how their solves ended."""
    filled: NDArray[Any] | float = 0.0
    reports: list[Report] = []
    for number, part in enumerate(parts):
        answer, ended = _answer(pixels, missing, part, centre, stage(told, number, len(parts)))
        reports += ended
        filled = answer if len(parts) == 1 else filled + pixels.dtype.type(part.weight) * answer
    gaps = missing if missing.ndim == pixels.ndim else missing[..., None]
    # Weights that sum to one leave known values as they were but for rounding.
    return np.where(gaps, filled, pixels), tuple(reports)


def known_pixels(source: Picture, missing: Mask) -> Array:
    """The pixels as floats, zero where missing: (*grid, channels)."""
    joint = missing.ndim == len(source.grid)
    dtype = np.float32 if source.pixels.dtype.itemsize <= 2 else np.float64
    pixels = np.where(missing[..., None] if joint else missing, 0, source.pixels).astype(dtype)
    if not np.isfinite(pixels).all():
        first = tuple(map(int, np.argwhere(~np.isfinite(pixels))[0][:-1]))
        raise InputError(
            "the image holds infinity where the mask says known",
            got=f"at {first}",
            hint="NaN, which means missing",
        )
    return pixels


def answering(
    pixels: Array, parts: tuple[Part, ...], centre: bool, patches: Refinement | None = None
) -> Callable[[Mask], Array]:
    """From a mask, (*grid) or (*grid, channels), to the picture filled there by the same networks,
    and refined by the same patches."""
    anew = tuple(replace(part, solver=part.plan.solver) for part in parts)

    def answer(gaps: Mask) -> Array:
        filled = answered(pixels, gaps, anew, centre)[0]
        if patches is None or patches.patches is None:
            return filled
        return refine(filled, gaps, patches.before, patches.patches)

    return answer


def _refined(
    pixels: Array,
    filled: Array,
    missing: Mask,
    parts: tuple[Part, ...],
    settings: Settings,
    told: Progress | None,
) -> tuple[Array, Refinement | None]:
    """The fill refined by its own patches, where that is asked for or helps."""
    if settings.refine is None:
        return filled, None
    again = answering(pixels, parts, settings.centres)
    rest = None if told is None else (lambda share: told((1 + (STAGES - 1) * share) / STAGES))
    return refined(pixels, filled, missing, again, settings.refine == "patches", rest)


def _answer(
    pixels: Array, missing: Mask, part: Part, centre: bool, told: Progress | None
) -> tuple[Array, tuple[Report, ...]]:
    """What one network fills in, (*grid, channels), and how its solves ended."""
    channels = pixels.shape[-1]
    known = part.plan.embed(~missing)
    joint = missing.ndim == len(part.plan.grid)
    observed = Observed(
        part.plan.embed(pixels).reshape(-1, channels),
        known.ravel() if joint else known.reshape(-1, channels),
    )
    done = complete(observed, part.kernel, part.solver, centre=centre, progress=told)
    return part.plan.window(done.values.reshape(*part.plan.torus, channels)), done.reports


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
