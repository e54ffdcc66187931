"""How sure a filled grid is: a standard deviation and a calibrated interval for every pixel."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..completion import fit
from ..errors import InputError, PatternWarning, check_integer, check_number
from ..kernels.table import Array, Index
from ..observed import Mask
from ..runtime.progress import Progress, stage
from ..solvers.base import Factored, Solver, absolute_ridge
from ..solvers.cg import CG
from ..uncertainty import (
    Interval,
    Posterior,
    SampledVariance,
    Scores,
    likelihood_ratio_weights,
    local_scale,
)
from ..uncertainty.posterior import MODELS, PosteriorModel
from .components import Refine
from .holdout import hold_out_like, pattern_period
from .image import Picture
from .model import Canvas
from .patches import Refined, Refinement
from .plan import Plan, beyond_reach
from .result import Info, fill, outside
from .selection import SHARE

# With fewer hidden entries than this, intervals are made of all of them, also of those by which
# the network may have been chosen.
ENOUGH = 200
# Tolerance of the solves for chosen pixels.
EXACT = 1e-9


@dataclass(frozen=True, eq=False)
class Filled:
    """A filled grid, and how sure it is.

    Parameters
    ----------
    values : array
        Of the image's shape and dtype.
    std : float array of the image's shape
        Zero where known.
    interval : Interval or None
        Arrays of the image's shape, where a level was asked for.
    unsupported : bool array of shape (*grid)
        Missing pixels farther from everything known than the network reaches: one constant.
    distance : float array of shape (*grid)
        From each pixel to the nearest that is known in all channels, in pixels; 0 where known.
    relative_error : float
        Of the standard deviations, from the finite number of draws; 0 where all are of patches.
    info : Info
    """

    values: NDArray[Any]
    std: Array
    interval: Interval | None
    unsupported: Mask
    distance: Array
    relative_error: float
    info: Info


@dataclass(frozen=True)
class Confidence:
    """How the standard deviations of a grid are made.

    Those of a refined fill come from its patches; where no patch shows anything known, and where
    nothing was refined, from draws of the networks. Where the answers of several networks are added
    up, they are those of the one that counts most; intervals are calibrated on the errors of all
    together.

    Parameters
    ----------
    under : {"ensemble", "nngp", "ntk"}
        What the truth is taken for. "ensemble": a network before training, so that the standard
        deviation is the spread of infinitely wide networks trained by gradient descent from random
        initialisations (Lee et al. 2019, doi:10.1088/1742-5468/abc62b). "nngp": the same, but
        fitted by Bayes' rule (Rasmussen and Williams 2006). "ntk": the linearised network with
        random weights (He et al. 2020, arXiv:2007.05864).
    samples : int
        Draws from the prior; the relative error of a standard deviation is 1 / sqrt(2 samples).
    seed : int
    hidden : float
        For intervals: the share of the known pixels that is hidden to calibrate them.

    Examples
    --------
    >>> Confidence(samples=64)
    Confidence(under='ensemble', samples=64, seed=0, hidden=0.1)
    """

    under: PosteriorModel = "ensemble"
    samples: int = 32
    seed: int = 0
    hidden: float = 0.1

    def __post_init__(self) -> None:
        if not isinstance(self.under, str) or self.under not in MODELS:
            raise InputError(
                "no such posterior", expected=", ".join(map(repr, MODELS)), got=repr(self.under)
            )
        check_integer("the number of samples", self.samples, 1, 10**6)
        check_integer("the seed", self.seed, 0, 2**63 - 1)
        if not 0 < check_number("the hidden share", self.hidden) < 1:
            raise InputError(
                "the hidden share cannot be used", expected="between 0 and 1", got=repr(self.hidden)
            )

    def std(self, drawn: Canvas, told: Progress | None = None) -> Array:
        """Standard deviations of what the networks fill in, (*grid, channels), 0 where known."""
        result = np.zeros(drawn.pixels.shape)
        groups, part = list(drawn.groups()), drawn.parts[0]
        for number, (columns, known) in enumerate(groups):
            posterior = self._posterior(drawn, known)
            at = np.flatnonzero(part.plan.embed(~known))
            found = posterior.sample(at, self.samples, self.seed, stage(told, number, len(groups)))
            scale = _local(posterior, found, drawn.pixels[known][:, columns], part.plan)
            spread = np.zeros((*known.shape, len(columns)))
            spread[~known] = np.sqrt(found.variance)[:, None]
            result[..., columns] = spread * scale
        return result

    def of(
        self,
        drawn: Canvas,
        done: Refined,
        refinement: Refinement | None,
        told: Progress | None = None,
    ) -> Array:
        """Standard deviations of a fill, (*grid, channels), 0 where known: those of its patches
        where it was refined, those of the networks elsewhere."""
        if refinement is None or done.std is None:
            return self.std(drawn, told)
        std = refinement.scale * done.std
        untold = np.isnan(std)
        return np.where(untold, self.std(drawn, told), std) if untold.any() else std

    def exact(self, drawn: Canvas, at: Index) -> Array:
        """Those of the networks for chosen pixels, flat on the plan's torus: (len(at), channels).

        By one solve for each; only the scale still comes from draws.
        """
        result, plan = np.zeros((len(at), drawn.pixels.shape[-1])), drawn.parts[0].plan
        for columns, known in drawn.groups():
            rough = self._posterior(drawn, known)
            draws = rough.sample(at[:0], self.samples, self.seed)
            scale = plan.embed(_local(rough, draws, drawn.pixels[known][:, columns], plan))
            exact = self._posterior(drawn, known, EXACT)
            deviation = np.where(rough.known[at], 0.0, np.sqrt(exact.variances(at)))
            result[:, columns] = deviation[:, None] * scale.reshape(-1, len(columns))[at]
        return result

    def times(
        self,
        drawn: Canvas,
        level: float,
        refinement: Refinement | None = None,
        told: Progress | None = None,
    ) -> tuple[Array, int]:
        """How many standard deviations the interval of each entry spans to either side, of the
        shape of what is missing with an axis for channels, and from how many hidden entries that is
        known, refined as the fill was."""
        missing, n = drawn.missing, len(drawn.grid)
        hidden = hold_out_like(missing, n, share=self.hidden, random_state=self.seed + 1).mask
        # Not those by which network and patches may have been chosen, where others are left.
        chosen = hold_out_like(missing, n, share=SHARE).mask | hold_out_like(missing, n).mask
        hidden = hidden & ~chosen if (hidden & ~chosen).sum() >= ENOUGH else hidden
        if not hidden.any():
            raise InputError(
                "there are too few known pixels to hide some of them", hint="interval=None"
            )
        again = drawn.hiding(missing | hidden)
        done = Refined(again.filled()[0])
        if refinement is not None:
            done = refinement.redone(done.values, again.missing)
        std = self.of(again, done, refinement, told)[hidden]
        error = np.abs((done.values - drawn.pixels)[hidden])
        score = np.divide(error, std, out=np.where(error > 0, np.inf, 0.0), where=std > 0)
        depth, own = strata(missing | hidden, n)[hidden], strata(missing, n)[missing]
        weights, needed = likelihood_ratio_weights(depth, own)
        each = np.repeat(weights, score.size // len(weights))
        scores = Scores(score.ravel(), each)
        result = np.zeros(missing.shape)
        values, place = np.unique(needed, return_inverse=True)
        result[missing] = np.array([scores.quantile(level, weight) for weight in values])[place]
        return result.reshape(*drawn.grid, -1), score.size

    def _posterior(self, drawn: Canvas, known: Mask, rtol: float | None = None) -> Posterior:
        """Of the network that counts most, on known pixels (*grid), in units of its kernel."""
        law, fitted = MODELS[self.under]
        part = drawn.parts[0]
        plan, mask = part.plan, part.plan.embed(known).ravel()
        prior, kernel = (
            part.kernel if kind == "ntk" else plan.kernel(drawn.cache, kind=kind)
            for kind in (law, fitted)
        )
        solver: Solver = plan.solver
        if isinstance(solver, CG) and rtol is not None:
            solver = replace(solver, rtol=rtol)
        elif kernel is part.kernel and _fits(part.solver, mask):
            solver = part.solver
        noise = absolute_ridge(plan.solver.ridge, prior) if law == fitted else 0.0
        return Posterior(prior, solver.factor(kernel, mask), noise, drawn.centre)


def checked(confidence: Confidence | None) -> Confidence:
    """What was asked of standard deviations, or the default."""
    if confidence is not None and not isinstance(confidence, Confidence):
        raise InputError(
            "this is no confidence",
            expected="a Confidence or None",
            got=repr(confidence),
            hint=f"ntkfill.{Confidence()!r}",
        )
    return confidence or Confidence()


def sure(
    source: Picture,
    drawn: Canvas,
    refining: Refine,
    confidence: Confidence,
    level: float | None = None,
    told: Progress | None = None,
) -> Filled:
    """Fill a picture, and say how sure."""
    stages = 2 if level is None else 3
    values, info, done = fill(source, drawn, refining, stage(told, 0, stages))
    std = confidence.of(drawn, done, info.refinement, stage(told, 1, stages))
    interval = None
    if level is not None:
        _check_period(drawn)
        times, count = confidence.times(drawn, level, info.refinement, stage(told, 2, stages))
        half = np.where(std > 0, times, 0.0) * std
        lower, upper = (source.laid_out(done.values + sign * half) for sign in (-1.0, 1.0))
        interval = Interval(lower, upper, level, count)
    reach = max(part.plan.network.receptive_radius for part in drawn.parts)
    told_by_patches = done.std is not None and not np.isnan(done.std).any()
    return Filled(
        values,
        source.laid_out(std),
        interval,
        beyond_reach(drawn.missing, reach, len(source.grid)),
        distances(drawn.anywhere),
        0.0 if told_by_patches else float(1 / np.sqrt(2 * confidence.samples)),
        info,
    )


def _check_period(drawn: Canvas) -> None:
    """Warn where nothing that can be hidden is like what is missing."""
    every = pattern_period(drawn.missing, len(drawn.grid))
    if every:
        warnings.warn(
            f"gaps repeat every {every} pixels, and nothing known is like them; intervals may hold "
            "much less, or much more, than they say. Try: scattered gaps, if they can be chosen.",
            PatternWarning,
            stacklevel=outside(),
        )


def _local(posterior: Posterior, drawn: SampledVariance, y: Array, plan: Plan) -> Array:
    """The local scale of known values (n_known, m) over the image: (*grid, m)."""
    own = fit(posterior.factor, y, centre=posterior.centred)
    known = posterior.known.reshape(plan.torus)
    scale = local_scale(own.coefficients, drawn.expected_squares, known)
    return plan.window(np.moveaxis(scale, 0, -1)) * own.scale


def _fits(solver: Solver, known: Mask) -> bool:
    """Whether a factor for these known entries is there already."""
    return isinstance(solver, Factored) and np.array_equal(solver.ready.known, known)


def untouched(source: Picture, info: Info, level: float | None) -> Filled:
    """An image of which nothing is missing: certain everywhere."""
    values = source.original.copy()
    zero = np.zeros(source.grid)
    interval = None
    if level is not None:
        interval = Interval(values.astype(np.float64), values.astype(np.float64), level, 0)
    return Filled(values, np.zeros(values.shape), interval, zero != 0, zero, 0.0, info)


def strata(missing: Mask, axes: int) -> Index:
    """How deep coordinates lie among missing ones, on so many axes, channel by channel on one more:
    distances of 1, sqrt(2), 2, ... to the nearest known one count 0, 1, 2, ...

    >>> strata(np.array([0, 1, 1, 1, 1, 0], bool), 1)
    array([0, 0, 2, 2, 0, 0])
    """
    if missing.ndim > axes:
        each = [strata(missing[..., channel], axes) for channel in range(missing.shape[-1])]
        return np.stack(each, axis=-1)
    distance = distances(missing)
    return np.floor(2 * np.log2(np.maximum(distance, 1.0)) + 1e-9).astype(np.intp)


def distances(missing: Mask) -> Array:
    """From each coordinate to the nearest known one, 0 where known; infinite without any.

    >>> distances(np.array([0, 1, 1, 1, 0], bool))
    array([0., 1., 2., 1., 0.])
    """
    if missing.all():
        return np.full(missing.shape, np.inf)
    return np.asarray(ndimage.distance_transform_edt(missing))
