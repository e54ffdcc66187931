"""Whether to refine, and how: known entries are hidden, and fills with and without predict them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ...kernels.table import Array
from ...observed import Mask
from ...runtime.progress import Progress, stage
from ..holdout import Holdout, crops, hold_out_like, pattern_period
from .options import Patches, offered
from .refinement import Refined, known_entries, refine
from .ringwise import depths

# Fewer hidden entries say nothing.
LEAST = 50
# Patches, or others than the usual ones, must be better by this share of the error.
GAIN = 0.005
# Holes inward must be better by so many standard errors: one hole says little of another.
SURE = 2.0
# Half of the passes are enough to tell.
FEWER = 2
# How often deep holes are completed inward, if that does better than to leave their middle.
INWARD = 2
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
        (`ntkfill.grids.holdout.pattern_period`); 0 where they do not, or it was not asked.
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
    hidden = hold_out_like(missing, n)
    if len(hidden) < LEAST:
        return None
    trial = _Trial.of(values, missing, hidden, fill)
    usual = offered(n, values.shape[-1])
    deep = trial.deep(usual[0].width)
    found = Refinement(None, trial.before, None, len(hidden))
    best, least = trial.first, math.inf if must else trial.before
    for k in range(len(usual) + deep):
        inward = k == len(usual)
        patches = replace(found.patches or usual[0], inward=INWARD) if inward else usual[k]
        done = trial.refined(patches, stage(told, k, len(usual) + deep))
        error = trial.error(done.values)
        if inward and not trial.clearly(done.values, best, patches.width):
            continue
        found = replace(found, after=min(error, math.inf if found.after is None else found.after))
        if error < (1 - GAIN) * least:
            found = replace(found, patches=patches, scale=trial.scale(done))
            best, least = done.values, error
    return found


@dataclass(frozen=True, eq=False)
class _Trial:
    """What refined fills are judged by."""

    values: Array
    gaps: Mask
    hidden: Holdout
    first: Array
    parts: list[tuple[slice, ...]]

    @classmethod
    def of(
        cls, values: Array, missing: Mask, hidden: Holdout, fill: Callable[[Mask], Array]
    ) -> _Trial:
        gaps = missing | hidden.mask
        joint = missing.ndim < values.ndim
        weight = hidden.weight if joint else hidden.weight.sum(axis=-1)
        parts = crops(missing if joint else np.asarray(missing.any(axis=-1)), weight)
        return cls(values, gaps, hidden, fill(gaps), parts)

    @cached_property
    def before(self) -> float:
        """The error of the fill that is refined."""
        return self.error(self.first)

    def deep(self, width: int) -> bool:
        """Whether something hidden lies deeper in a hole than patches of this width reach."""
        there = depths(known_entries(self.first, self.gaps), width)[..., None] > 0
        return bool((there & ~known_entries(self.first, self.hidden.mask)).any())

    def refined(self, patches: Patches, told: Progress | None) -> Refined:
        """In all parts."""
        quick = replace(patches, passes=math.ceil(patches.passes / FEWER))
        better, std = self.first.copy(), np.full(self.first.shape, np.nan)
        for w, part in enumerate(self.parts):
            share = stage(told, w, len(self.parts))
            done = refine(self.first[part], self.gaps[part], self.before, quick, share)
            better[part] = done.values
            std[part] = np.nan if done.std is None else done.std
        return Refined(better, std)

    def error(self, filled: Array) -> float:
        """The weighted root mean square error on the hidden entries of the parts."""
        hidden, parts = self.hidden, self.parts
        errors = [(filled[part] - self.values[part])[hidden.mask[part]] for part in parts]
        weights = np.concatenate([hidden.weight[part][hidden.mask[part]] for part in parts])
        off = np.concatenate(errors).astype(np.float64).reshape(len(weights), -1)
        unit = float(np.abs(off).max()) or 1.0  # squares of the largest floats have no place in one
        squares = np.square(off / unit).mean(axis=-1)
        return unit * math.sqrt(float(weights @ squares) / float(weights.sum()))

    def clearly(self, better: Array, worse: Array, width: int) -> bool:
        """Whether one fill is better by standard errors, from blocks half as wide as a patch."""
        mask = self.hidden.mask
        off = [(filled - self.values)[mask].astype(np.float64) for filled in (better, worse)]
        unit = max(float(np.abs(one).max()) for one in off) or 1.0
        gain = np.square(off[1] / unit) - np.square(off[0] / unit)
        gain = self.hidden.weight[mask] * gain.reshape(len(gain), -1).sum(axis=-1)
        corner = np.argwhere(mask)[:, : self.values.ndim - 1] // max(width // 2, 1)
        _, block = np.unique(corner, axis=0, return_inverse=True)
        each = np.bincount(block.ravel(), gain)
        if len(each) < 2:
            return False
        return bool(each.mean() > SURE * each.std(ddof=1) / math.sqrt(len(each)))

    def scale(self, done: Refined) -> float:
        """What standard deviations have to be multiplied by, from hidden entries that have one."""
        assert done.std is not None
        off = (done.values - self.values)[self.hidden.mask].astype(np.float64)
        std = done.std[self.hidden.mask]
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
    every = 0 if must else pattern_period(missing, values.ndim - 1)
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
