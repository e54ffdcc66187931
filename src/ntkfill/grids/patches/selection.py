"""Whether to refine a fill, and with which options: by the error on held-out known entries."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from ...kernels.table import Array
from ...observed import Mask
from ...runtime.progress import Progress, stage
from ...selection import convex
from ..holdout import (
    Crop,
    Holdout,
    crops,
    gaps_along_lines,
    hold_out_like,
    octave_coarser,
    pattern_period,
)
from .options import MAX_CHANNELS, PatchOptions, candidates
from .passes import hole_depths
from .refinement import Refined, known_entries, refine

# With fewer held-out entries there is no selection.
MIN_HELD_OUT = 50
# Refinement, and other options than the default, must lower the error by this share of it.
MIN_GAIN = 0.005
# Ring-wise passes must gain by so many standard errors: one hole says little about another.
MIN_STANDARD_ERRORS = 2.0
# The trial takes this share of the passes, which is enough to compare.
TRIAL_PASSES = 0.5
# Ring-wise passes where they do better than to leave the middle of deep holes.
RING_PASSES = 2
# Where gaps repeat, errors go together and patches take them for structure: they are refined as if
# the error were so many times that of the lattice alone, where the fill explains its variance.
REPEATING = 2.0
# Mean square error of a fill relative to the variance, assumed where nothing can be held out.
ASSUMED_MSE = 0.05


@dataclass(frozen=True)
class Refinement:
    """How a fill was refined, and its error on held-out known entries.

    Parameters
    ----------
    patches : PatchOptions or None
        None where the fill was left as it was.
    before : float
        Root mean square error of the fill on the held-out entries, in units of the values; a guess
        where none could be held out. Where gaps repeat, that on the known entries alone with such
        gaps, or 0 where these have no such.
    after : float or None
        That of the result, refined with the best options in half as many passes.
    share : float
        Share of the refined fill in the result, the rest is the fill before: below 1 where the
        held-out entries do not say which of the two is better, and where gaps repeat.
    scale : float
        Factor of the standard deviations, from the errors of held-out entries: above 1, since
        patches take the fill around them for certain.
    period : int
        Period of gaps that cannot be held out like the missing ones
        (`ntkfill.grids.holdout.pattern_period`); 0 where there is none, or refinement is forced.
    assumed_error : float or None
        What `refine` takes for the error of the fill, and makes its ridge of, where that is not
        `before`.
    held_out : bool array of shape (*grid) or (*grid, channels), or None
        The entries by which options were selected and `scale` was found: no other estimate should
        use them.
    """

    patches: PatchOptions | None
    before: float
    after: float | None
    share: float = 1.0
    scale: float = 1.0
    period: int = 0
    assumed_error: float | None = None
    held_out: Mask | None = field(default=None, compare=False, repr=False)

    @property
    def n_held_out(self) -> int:
        """Number of held-out entries."""
        return 0 if self.held_out is None else int(self.held_out.sum())

    def apply(self, filled: Array, missing: Mask, progress: Progress | None = None) -> Refined:
        """Refine another fill (*grid, channels) in the same way."""
        if self.patches is None:
            return Refined(filled)
        refined = refine(filled, missing, self.error, self.patches, progress)
        return _mixed(filled, refined, self.share)

    @property
    def error(self) -> float:
        """What `refine` takes for the error of the fill, and makes its ridge of."""
        return self.before if self.assumed_error is None else self.assumed_error

    def report(self) -> str:
        """One line for a person.

        >>> Refinement(None, 0.25, 0.5, held_out=np.ones(100, bool)).report()
        'not refined: RMSE of 100 held-out known pixels: 0.5 with patches, 0.25 without'
        """
        done = "refined" if self.patches else "not refined"
        done += f" by {self.share:.0%}" if self.share < 1 else ""
        if self.period and self.after is not None:
            return (
                f"{done}: RMSE of the known pixels alone with the same gaps, which repeat every "
                f"{self.period} pixels: {self.after:.3g} with patches, {self.before:.3g} without"
            )
        if self.period:
            repeat = f"gaps repeat every {self.period} pixels"
            return f"{done}: {repeat}, so that no held-out pixel is like the missing ones"
        if self.after is None:
            return f"{done}: too few known pixels to hold some out"
        return (
            f"{done}: RMSE of {self.n_held_out:,} held-out known pixels: {self.after:.3g} with "
            f"patches, {self.before:.3g} without"
        )


def refine_if_better(
    values: Array,
    filled: Array,
    missing: Mask,
    fill: Callable[[Array, Mask], Array | None],
    force: bool = False,
    progress: Progress | None = None,
) -> tuple[Refined, Refinement | None]:
    """Refine a fill with the options that do best on held-out known entries, if any gains.

    Parameters
    ----------
    values : float array of shape (*grid, channels)
        Missing entries are never read.
    filled : float array of shape (*grid, channels)
    missing : bool array of shape (*grid) or (*grid, channels)
    fill : callable
        From values and a mask, with more missing entries or of another grid, to an image without
        gaps; None where that grid cannot be filled.
    force : bool
        Refine in any case.
    progress : callable, optional

    Returns
    -------
    Refined
    Refinement or None
        None where too little is known to compare, or patches have too many channels.
    """
    axes = values.ndim - 1
    if not force and values.shape[-1] > MAX_CHANNELS:
        return Refined(filled), None
    period = 0 if force else pattern_period(missing, axes)
    octave = octave_coarser(missing) if period and missing.ndim == axes else None
    if octave is not None:
        found = one_octave_coarser(values, octave, fill, period)
    elif period:
        return Refined(filled), Refinement(None, 0.0, None, period=period)
    else:
        found = select(values, missing, fill, force, progress and stage(progress, 0, 2))
    if found is None:
        if not force:
            return Refined(filled), None
        peak = float(np.abs(filled).max()) or 1.0
        spread = peak * float((filled / peak).std(dtype=np.float64))
        default = candidates(axes, values.shape[-1])[0]
        found = Refinement(default, math.sqrt(ASSUMED_MSE) * spread, None)
    return found.apply(filled, missing, progress and stage(progress, 1, 2)), found


def one_octave_coarser(
    values: Array,
    octave: tuple[tuple[Any, ...], Mask],
    fill: Callable[[Array, Mask], Array | None],
    period: int,
) -> Refinement | None:
    """How a fill is refined where the known entries are a lattice, whose held-out entries are like
    no missing one: by the lattice alone, with the same gaps. None where it has too few entries.

    What patches gain there says nothing of what they gain on the finer grid. What does is how much
    of the variance of the lattice the first fill explains, as little where structure is as fine as
    the gaps; the rest of the variance is the share that is not refined. Where lines are known
    completely, gaps as wide as the missing ones are held out along them instead."""
    lattice, pattern = octave
    coarse, options = values[lattice], candidates(pattern.ndim, values.shape[-1])[0]
    trial = _lattice_trial(coarse, pattern, fill)
    if trial is None:
        return None
    share, error = trial.explained, trial.error_of_finer
    along = _along_lines(coarse, gaps_along_lines(lattice, pattern), fill)
    trial, trial_error = (trial, error) if along is None else along
    passes = TRIAL_PASSES if along is None else 1.0
    refined = trial.refined(options, trial_error, None, share_of_passes=passes)
    if along is not None:
        share = trial.share(refined.values, float(trial.gaps.sum()))
    refined = _mixed(trial.first, refined, share)
    after = trial.error(refined.values)
    found = Refinement(options, trial.before, after, share, trial.std_scale(refined), period, error)
    return found if after < trial.before else replace(found, patches=None, share=1.0)


def _along_lines(
    values: Array, gaps: Mask | None, fill: Callable[[Array, Mask], Array | None]
) -> tuple[_Trial, float] | None:
    """A fill of gaps in known lines, and the error that is assumed for it; None where there are no
    lines, or too short ones."""
    if gaps is None or (octave := octave_coarser(gaps)) is None:
        return None
    lattice, pattern = octave
    coarser = _lattice_trial(values[lattice], pattern, fill)
    trial = None if coarser is None else _lattice_trial(values, gaps, fill)
    return None if coarser is None or trial is None else (trial, coarser.error_of_finer)


def _lattice_trial(
    values: Array, pattern: Mask, fill: Callable[[Array, Mask], Array | None]
) -> _Trial | None:
    """A fill of known entries (*grid, channels) in this pattern; None where it has too few."""
    first = fill(values, pattern) if pattern.sum() >= MIN_HELD_OUT else None
    if first is None:
        return None
    none, weight = np.zeros_like(pattern), pattern.astype(np.float64)
    return _Trial(values, pattern, Holdout(pattern, weight, none), first, crops(none, weight))


def select(
    values: Array,
    missing: Mask,
    fill: Callable[[Array, Mask], Array | None],
    force: bool = False,
    progress: Progress | None = None,
) -> Refinement | None:
    """Hold out known entries in the pattern of the missing ones, and compare how fills predict
    them; parameters as for `refine_if_better`.

    >>> stripes = np.sin(np.arange(64) * 1.7)[:, None, None] + np.zeros((64, 64, 1))
    >>> missing = np.random.default_rng(0).random((64, 64)) < 0.5
    >>> found = select(stripes, missing, lambda _, gaps: np.where(gaps[..., None], 0.0, stripes))
    >>> found.after < found.before / 4
    True
    """
    return compare(values, missing, hold_out_like(missing, values.ndim - 1), fill, force, progress)


def compare(
    values: Array,
    missing: Mask,
    holdout: Holdout,
    fill: Callable[[Array, Mask], Array | None],
    force: bool = False,
    progress: Progress | None = None,
) -> Refinement | None:
    """The options that predict held-out entries best; None where these are too few."""
    axes = values.ndim - 1
    gaps = missing | holdout.mask
    first = fill(values, gaps) if len(holdout) >= MIN_HELD_OUT else None
    if first is None:
        return None
    trial = _Trial(values, gaps, holdout, first, crops(missing, holdout.weight, axes))
    held_out = np.zeros_like(holdout.mask)
    for crop in trial.crops:
        held_out[crop] = holdout.mask[crop]
    tried = candidates(axes, values.shape[-1])
    # Ring-wise passes are tried last, if patches leave held-out entries in the middle of holes.
    known = known_entries(trial.first, gaps)
    deep = hole_depths(known, tried[0].width)[..., None] > 0
    ringwise = bool((deep & ~known_entries(trial.first, holdout.mask)).any())
    parts = [
        progress and stage(progress, number, len(tried) + ringwise)
        for number in range(len(tried) + ringwise)
    ]
    patches, best = tried[0], trial.refined(tried[0], trial.before, parts[0])
    for options, part in zip(tried[1:], parts[1:], strict=False):
        rival = trial.refined(options, trial.before, part, best)
        if trial.error(rival.values) < (1 - MIN_GAIN) * trial.error(best.values):
            patches, best = options, rival
    if ringwise:
        options = replace(patches, ring_passes=RING_PASSES)
        rival = trial.refined(options, trial.before, parts[-1])
        other = min(trial.first, best.values, key=trial.error)
        if trial.clearly_better(rival.values, other, options.width):
            patches, best = options, rival
    # What patches change at single pixels goes less together than errors do.
    count = float(held_out.sum())
    if holdout.in_holes.any():
        count = sum(holdout.independent(missing, crop, axes) for crop in trial.crops)
    share = 1.0 if force else trial.share(best.values, count)
    mixed = _mixed(trial.first, best, share)
    after = trial.error(mixed.values)
    if not force and after >= (1 - MIN_GAIN) * trial.before:
        return Refinement(None, trial.before, after, held_out=held_out)
    scale = trial.std_scale(mixed)
    return Refinement(patches, trial.before, after, share, scale, held_out=held_out)


def _mixed(filled: Array, refined: Refined, share: float) -> Refined:
    """A share of the refined fill, and the rest of the fill before."""
    if share == 1:
        return refined
    values = (1 - share) * filled + share * refined.values
    return replace(refined, values=values.astype(filled.dtype))


@dataclass(frozen=True, eq=False)
class _Trial:
    """A fill of held-out entries, and how well refined ones predict them."""

    values: Array  # (*grid, channels): the truth
    gaps: Mask  # missing or held out
    holdout: Holdout
    first: Array  # (*grid, channels): the fill that is refined
    crops: list[Crop]

    @cached_property
    def before(self) -> float:
        """The error of the fill that is refined."""
        return self.error(self.first)

    @cached_property
    def explained(self) -> float:
        """The share of the variance that is not the error of the fill."""
        axes = tuple(range(self.gaps.ndim))
        unit = float(np.abs(self.values).max()) or 1.0
        variance = float(np.mean((self.values / unit).std(axis=axes, dtype=np.float64) ** 2))
        total = (self.before / unit) ** 2 + variance
        return variance / total if total else 0.0

    @property
    def error_of_finer(self) -> float:
        """The error that is assumed for a fill one octave finer."""
        return self.before * REPEATING * self.explained**2

    def refined(
        self,
        options: PatchOptions,
        error: float,
        progress: Progress | None,
        best: Refined | None = None,
        share_of_passes: float = TRIAL_PASSES,
    ) -> Refined:
        """The fill, of this error, refined in all crops; the best one so far where that does
        better in the first of several."""
        fewer = replace(options, passes=math.ceil(share_of_passes * options.passes))
        values, std = self.first.copy(), np.full(self.first.shape, np.nan)
        for number, crop in enumerate(self.crops):
            share = progress and stage(progress, number, len(self.crops))
            done = refine(self.first[crop], self.gaps[crop], error, fewer, share)
            values[crop] = done.values
            std[crop] = np.nan if done.std is None else done.std
            several = number == 0 and len(self.crops) > 1
            if several and best and self.error(best.values, [crop]) <= self.error(values, [crop]):
                return best
        return Refined(values, std)

    def error(self, filled: Array, crops: list[Crop] | None = None) -> float:
        """The weighted root mean square error on the held-out entries in the crops, or in some."""
        mask, weight = self.holdout.mask, self.holdout.weight
        crops = self.crops if crops is None else crops
        errors = [(filled[crop] - self.values[crop])[mask[crop]] for crop in crops]
        weights = np.concatenate([weight[crop][mask[crop]] for crop in crops])
        error = np.concatenate(errors).astype(np.float64).reshape(len(weights), -1)
        unit = float(np.abs(error).max()) or 1.0  # squares of the largest floats overflow
        squares = np.square(error / unit).mean(axis=-1)
        return unit * math.sqrt(float(weights @ squares) / float(weights.sum()))

    def share(self, refined: Array, count: float) -> float:
        """The share of a refined fill with the least held-out error, shrunk towards a half, for so
        many independent errors."""
        mask, weight = self.holdout.mask, self.holdout.weight
        errors, weights = [], np.concatenate([weight[crop][mask[crop]] for crop in self.crops])
        for filled in (self.first, refined):
            parts = [(filled[crop] - self.values[crop])[mask[crop]] for crop in self.crops]
            errors.append(np.concatenate(parts).astype(np.float64).reshape(len(weights), -1))
        unit = max(float(np.abs(error).max()) for error in errors) or 1.0
        gram = np.einsum("axc,bxc,x->ab", *[np.array(errors) / unit] * 2, weights)
        return float(convex(gram / weights.sum(), count)[1])

    def clearly_better(self, filled: Array, other: Array, width: int) -> bool:
        """Whether the gain over the other fill is significant over blocks half a patch wide."""
        mask = self.holdout.mask
        errors = [(one - self.values)[mask].astype(np.float64) for one in (filled, other)]
        unit = max(float(np.abs(error).max()) for error in errors) or 1.0
        gain = np.square(errors[1] / unit) - np.square(errors[0] / unit)
        gain = self.holdout.weight[mask] * gain.reshape(len(gain), -1).sum(axis=-1)
        corners = np.argwhere(mask)[:, : self.values.ndim - 1] // max(width // 2, 1)
        _, block = np.unique(corners, axis=0, return_inverse=True)
        gains = np.bincount(block.ravel(), gain)
        if len(gains) < 2:
            return False
        standard_error = gains.std(ddof=1) / math.sqrt(len(gains))
        return bool(gains.mean() > MIN_STANDARD_ERRORS * standard_error)

    def std_scale(self, refined: Refined) -> float:
        """The factor by which standard deviations match the errors of the held-out entries."""
        assert refined.std is not None
        mask = self.holdout.mask
        error = (refined.values - self.values)[mask].astype(np.float64)
        std = refined.std[mask]
        positive = std > 0  # NaN outside the crops and where no patch reaches
        unit = float(std[positive].max(initial=0.0))
        if not unit:
            return 1.0
        squares = np.square(error[positive] / unit).sum() / np.square(std[positive] / unit).sum()
        return float(np.sqrt(squares))
