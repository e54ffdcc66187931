"""Whether to refine, and how: known entries are hidden, and fills with and without predict them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..grid import Array
from ..hiding import Hidden, hide_each, period
from ..observed import Mask
from ..progress import stage
from ..solvers.base import Progress
from ..windows import windows
from .refining import Refined, refine
from .setting import Patches, offered

# Fewer hidden entries say nothing.
LEAST = 50
# Patches, or others than the usual ones, must be better by this share of the error.
GAIN = 0.005
# Half of the passes are enough to tell.
FEWER = 2
# The mean square error of a fill, relative to the variance, where nothing can be hidden to tell.
UNKNOWN = 0.05


@dataclass(frozen=True)
class Refinement:
    """How a fill was refined, and what that was worth on hidden known entries.

    Parameters
    ----------
    patches : Patches or None
        None where the fill was left as it was.
    before : float
        Root mean square error of the fill on the hidden entries, in units of the values; a guess
        where none could be hidden, 0 where gaps repeat.
    after : float or None
        That of the fill refined by the patches that did best, in half as many passes.
    hidden : int
        How many known entries were hidden.
    scale : float
        Errors of hidden entries, relative to what the patches alone take for their standard
        deviation: above one, since they take each other's fills for certain.
    period : int
        After how many coordinates gaps repeat that nothing hidden could be like
        (`ntkfill.hiding.period`); 0 where they do not, or it was not asked.
    """

    patches: Patches | None
    before: float
    after: float | None
    hidden: int
    scale: float = 1.0
    period: int = 0

    def redone(self, filled: Array, missing: Mask, told: Progress | None = None) -> Refined:
        """Another fill (*grid, channels), refined in the same way."""
        if self.patches is None:
            return Refined(filled)
        return refine(filled, missing, self.before, self.patches, told)

    def told(self) -> str:
        """In words.

        >>> Refinement(None, 0.25, 0.5, 100).told()
        'not refined: hidden known pixels (100) are off by 0.5 with patches, 0.25 without'
        """
        done = "refined" if self.patches else "not refined"
        if self.period:
            return f"{done}: gaps repeat every {self.period} pixels, and nothing known is like them"
        if self.after is None:
            return f"{done}: too little is known to hide some of it"
        return (
            f"{done}: hidden known pixels ({self.hidden:,}) are off by {self.after:.3g} with "
            f"patches, {self.before:.3g} without"
        )


def judge(
    values: Array,
    missing: Mask,
    fill: Callable[[Mask], Array],
    must: bool = False,
    told: Progress | None = None,
) -> Refinement | None:
    """Hide known entries, in the pattern of the missing ones, and see who predicts them best.

    Parameters
    ----------
    values : float array of shape (*grid, channels)
        What stands at missing entries is never read.
    missing : bool array of shape (*grid) or (*grid, channels)
    fill : callable
        From a mask of more missing entries, of the same shape, to a picture without gaps.
    must : bool
        Whether to refine in any case.
    told : callable, optional
        Called with the share of the work that is done.

    Returns
    -------
    Refinement or None
        None where too little is known to judge by.

    Examples
    --------
    >>> stripes = np.sin(np.arange(64) * 1.7)[:, None, None] + np.zeros((64, 64, 1))
    >>> missing = np.random.default_rng(0).random((64, 64)) < 0.5
    >>> found = judge(stripes, missing, lambda gaps: np.where(gaps[..., None], 0.0, stripes))
    >>> found.after < found.before / 4
    True
    """
    n = values.ndim - 1
    hidden = hide_each(missing, n)
    if len(hidden) < LEAST:
        return None
    gaps = missing | hidden.mask
    first = fill(gaps)
    joint = missing.ndim == n
    weight = hidden.weight if joint else hidden.weight.sum(axis=-1)
    parts = list(windows(missing if joint else np.asarray(missing.any(axis=-1)), weight))
    before = _error(first, values, hidden, parts)
    best, least, after, scale = None, math.inf if must else before, math.inf, 1.0
    choices = offered(n, values.shape[-1])
    for k, patches in enumerate(choices):
        quick = replace(patches, passes=math.ceil(patches.passes / FEWER))
        better, std = first.copy(), np.full(first.shape, np.nan)
        for w, part in enumerate(parts):
            share = stage(stage(told, k, len(choices)), w, len(parts))
            done = refine(first[part], gaps[part], before, quick, share)
            better[part] = done.values
            std[part] = np.nan if done.std is None else done.std
        error = _error(better, values, hidden, parts)
        after = min(after, error)
        if error < (1 - GAIN) * least:
            best, least, scale = patches, error, _scale(better - values, std, hidden)
    return Refinement(best, before, after, len(hidden), scale)


def _error(filled: Array, values: Array, hidden: Hidden, parts: list[tuple[slice, ...]]) -> float:
    """The weighted root mean square error on the hidden entries of some parts of the grid."""
    errors = [(filled[part] - values[part])[hidden.mask[part]] for part in parts]
    weights = np.concatenate([hidden.weight[part][hidden.mask[part]] for part in parts])
    off = np.concatenate(errors).astype(np.float64).reshape(len(weights), -1)
    unit = float(np.abs(off).max()) or 1.0  # squares of the largest floats have no place in one
    squares = np.square(off / unit).mean(axis=-1)
    return unit * math.sqrt(float(weights @ squares) / float(weights.sum()))


def _scale(off: Array, std: Array, hidden: Hidden) -> float:
    """What standard deviations have to be multiplied by, from hidden entries that have one."""
    off, std = off[hidden.mask].astype(np.float64), std[hidden.mask]
    there = std > 0
    unit = float(std[there].max(initial=0.0))
    if not unit:
        return 1.0
    ratio = np.square(off[there] / unit).sum() / np.square(std[there] / unit).sum()
    return float(np.sqrt(ratio))


def refined(
    values: Array,
    filled: Array,
    missing: Mask,
    fill: Callable[[Mask], Array],
    must: bool = False,
    told: Progress | None = None,
) -> tuple[Refined, Refinement | None]:
    """A fill refined as hidden known entries ask for, and what they said.

    Parameters
    ----------
    values : float array of shape (*grid, channels)
        What stands at missing entries is never read.
    filled : float array of shape (*grid, channels)
    missing : bool array of shape (*grid) or (*grid, channels)
    fill : callable
        From a mask of more missing entries, of the same shape, to a picture without gaps.
    must : bool
        Whether to refine in any case.
    told : callable, optional

    Returns
    -------
    Refined
    Refinement or None
    """
    every = 0 if must else period(missing, values.ndim - 1)
    if every:
        return Refined(filled), Refinement(None, 0.0, None, 0, period=every)
    found = judge(values, missing, fill, must, stage(told, 0, 2))
    if found is None and must:
        usual = offered(values.ndim - 1, values.shape[-1])[0]
        peak = float(np.abs(filled).max()) or 1.0
        spread = peak * float((filled / peak).std(dtype=np.float64))
        found = Refinement(usual, math.sqrt(UNKNOWN) * spread, None, 0)
    if found is None:
        return Refined(filled), None
    return found.redone(filled, missing, stage(told, 1, 2)), found
