"""How sure a filled grid is: a standard deviation and a calibrated interval for every pixel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .cache import Cache, Kept
from .choice import SHARE
from .completion import fit
from .errors import InputError, whole
from .errors import number as finite
from .filling import Info, answering, fill, in_any_channel, known_pixels
from .grid import Array
from .hiding import hide
from .observed import Mask, Observed
from .parts import Part, Settings
from .patches import Refinement
from .pictures import Picture
from .plan import Plan, beyond_reach
from .posterior import Interval, Posterior, Sampled, Scores, local_scale, shift
from .posterior.gaussian import MODELS, Under
from .progress import stage
from .solvers.base import Prepared, Progress, Solver, absolute_ridge
from .solvers.cg import CG

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
        Of the standard deviations, from the finite number of draws.
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

    Where the answers of several networks are added up, they are those of the one that counts most;
    intervals are calibrated on the errors of all together.

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

    under: Under = "ensemble"
    samples: int = 32
    seed: int = 0
    hidden: float = 0.1

    def __post_init__(self) -> None:
        if not isinstance(self.under, str) or self.under not in MODELS:
            raise InputError(
                "no such posterior", expected=", ".join(map(repr, MODELS)), got=repr(self.under)
            )
        whole("the number of samples", self.samples, 1, 10**6)
        whole("the seed", self.seed, 0, 2**63 - 1)
        if not 0 < finite("the hidden share", self.hidden) < 1:
            raise InputError(
                "the hidden share cannot be used", expected="between 0 and 1", got=repr(self.hidden)
            )

    def std(
        self,
        pixels: Array,
        missing: Mask,
        part: Part,
        centre: bool,
        cache: Cache | Kept | None,
        told: Progress | None = None,
    ) -> Array:
        """Standard deviations of pixels (*grid, channels) where `missing`, 0 elsewhere.

        Parameters
        ----------
        pixels : float array of shape (*grid, channels)
            What stands at missing ones is never read.
        missing : bool array of shape (*grid) or (*grid, channels)
        part : Part
            The network that counts most.
        centre : bool
        cache : Cache or Kept, optional
        told : callable, optional
        """
        result = np.zeros(pixels.shape)
        groups = list(_groups(pixels, missing))
        for number, (columns, known) in enumerate(groups):
            posterior = self._posterior(part, known, centre, cache)
            at = np.flatnonzero(part.plan.embed(~known))
            drawn = posterior.sampled(at, self.samples, self.seed, stage(told, number, len(groups)))
            scale = _local(posterior, drawn, pixels[known][:, columns], part.plan)
            spread = np.zeros((*known.shape, len(columns)))
            spread[~known] = np.sqrt(drawn.variance)[:, None]
            result[..., columns] = spread * scale
        return result

    def exact(
        self,
        pixels: Array,
        missing: Mask,
        part: Part,
        centre: bool,
        cache: Cache | Kept | None,
        at: NDArray[np.intp],
    ) -> Array:
        """The same for chosen pixels, flat on the plan's torus: shape (len(at), channels).

        By one solve for each; only the scale still comes from draws.
        """
        result = np.zeros((len(at), pixels.shape[-1]))
        for columns, known in _groups(pixels, missing):
            rough = self._posterior(part, known, centre, cache)
            drawn = rough.sampled(at[:0], self.samples, self.seed)
            scale = part.plan.embed(_local(rough, drawn, pixels[known][:, columns], part.plan))
            exact = self._posterior(part, known, centre, cache, EXACT)
            deviation = np.where(rough.known[at], 0.0, np.sqrt(exact.variances(at)))
            result[:, columns] = deviation[:, None] * scale.reshape(-1, len(columns))[at]
        return result

    def times(
        self,
        pixels: Array,
        missing: Mask,
        parts: tuple[Part, ...],
        centre: bool,
        cache: Cache | Kept | None,
        level: float,
        refinement: Refinement | None = None,
        told: Progress | None = None,
    ) -> tuple[Array, int]:
        """How many standard deviations the interval of each pixel spans to either side, (*grid),
        and from how many hidden entries that is known, refined as the fill was."""
        anywhere = in_any_channel(missing, pixels.shape[:-1])
        hidden = hide(anywhere, share=self.hidden, seed=self.seed + 1).mask
        # Not those by which network and patches may have been chosen, where others are left.
        others = hidden & ~hide(anywhere, share=SHARE).mask & ~hide(anywhere).mask
        hidden = others if others.sum() >= ENOUGH else hidden
        if not hidden.any():
            raise InputError(
                "there are too few known pixels to hide some of them", hint="interval=None"
            )
        gone = missing | (hidden if missing.ndim == hidden.ndim else hidden[..., None])
        filled = answering(pixels, parts, centre, refinement)(gone)
        std = self.std(pixels, gone, parts[0], centre, cache, told)[hidden]
        error = np.abs((filled - pixels)[hidden])
        score = np.divide(error, std, out=np.where(error > 0, np.inf, 0.0), where=std > 0)
        there = np.broadcast_to(~missing.reshape(*anywhere.shape, -1), pixels.shape)[hidden]
        depth, own = strata(anywhere | hidden)[hidden], strata(anywhere)[anywhere]
        weights, needed = shift(depth, own)
        scores = Scores(score[there], np.broadcast_to(weights[:, None], there.shape)[there])
        result = np.zeros(anywhere.shape)
        values, place = np.unique(needed, return_inverse=True)
        result[anywhere] = np.array([scores.quantile(level, weight) for weight in values])[place]
        return result, int(there.sum())

    def _posterior(
        self,
        part: Part,
        known: Mask,
        centre: bool,
        cache: Cache | Kept | None,
        rtol: float | None = None,
    ) -> Posterior:
        """Of a network on known pixels (*grid), in units of its kernel."""
        drawn, fitted = MODELS[self.under]
        plan, mask = part.plan, part.plan.embed(known).ravel()
        prior, kernel = (
            part.kernel if kind == "ntk" else plan.kernel(cache, kind=kind)
            for kind in (drawn, fitted)
        )
        solver: Solver = plan.solver
        if isinstance(solver, CG) and rtol is not None:
            solver = replace(solver, rtol=rtol)
        elif kernel is part.kernel and _fits(part.solver, mask):
            solver = part.solver
        noise = absolute_ridge(plan.solver.ridge, prior) if drawn == fitted else 0.0
        return Posterior(prior, solver.factor(kernel, mask), noise, centre)


def sure(
    source: Picture,
    missing: Mask,
    parts: tuple[Part, ...],
    settings: Settings,
    cache: Cache | Kept | None,
    confidence: Confidence,
    level: float | None = None,
    told: Progress | None = None,
) -> Filled:
    """Fill a picture where `missing`, of shape (*grid) or (*grid, channels), and say how sure."""
    stages = 2 if level is None else 3
    centre = settings.centres
    values, info, answer = fill(source, missing, parts, settings, stage(told, 0, stages))
    pixels = known_pixels(source, missing)
    std = confidence.std(pixels, missing, parts[0], centre, cache, stage(told, 1, stages))
    anywhere = in_any_channel(missing, source.grid)
    interval = None
    if level is not None:
        times, count = confidence.times(
            pixels, missing, parts, centre, cache, level, info.refinement, stage(told, 2, stages)
        )
        half = np.where(std > 0, times[..., None], 0.0) * std
        lower, upper = (source.laid_out(answer + sign * half) for sign in (-1.0, 1.0))
        interval = Interval(lower, upper, level, count)
    reach = max(part.plan.network.reach for part in parts)
    return Filled(
        values,
        source.laid_out(std),
        interval,
        beyond_reach(missing, reach, len(source.grid)),
        distances(anywhere),
        float(1 / np.sqrt(2 * confidence.samples)),
        info,
    )


def _groups(pixels: Array, missing: Mask) -> Iterator[tuple[NDArray[np.intp], Mask]]:
    """Channels that miss the same pixels, and what is known (*grid) in them."""
    flat = pixels.reshape(-1, pixels.shape[-1])
    known = ~missing.reshape(-1) if missing.ndim < pixels.ndim else ~missing.reshape(flat.shape)
    for columns, rows in Observed(flat, known).patterns():
        yield columns, rows.reshape(pixels.shape[:-1])


def _local(posterior: Posterior, drawn: Sampled, y: Array, plan: Plan) -> Array:
    """The local scale of known values (n_known, m) over the image: (*grid, m)."""
    own = fit(posterior.factor, y, centre=posterior.centred)
    known = posterior.known.reshape(plan.torus)
    scale = local_scale(own.coefficients, drawn.expected, known)
    return plan.window(np.moveaxis(scale, 0, -1)) * own.scale


def _fits(solver: Solver, known: Mask) -> bool:
    """Whether a factor for these known entries is there already."""
    return isinstance(solver, Prepared) and np.array_equal(solver.ready.known, known)


def untouched(source: Picture, info: Info, level: float | None) -> Filled:
    """An image of which nothing is missing: certain everywhere."""
    values = source.original.copy()
    zero = np.zeros(source.grid)
    interval = None
    if level is not None:
        interval = Interval(values.astype(np.float64), values.astype(np.float64), level, 0)
    return Filled(values, np.zeros(values.shape), interval, zero != 0, zero, 0.0, info)


def strata(missing: Mask) -> NDArray[np.intp]:
    """How deep coordinates lie among missing ones: distances of 1, sqrt(2), 2, ... to the nearest
    known one count 0, 1, 2, ...

    >>> strata(np.array([0, 1, 1, 1, 1, 0], bool))
    array([0, 0, 2, 2, 0, 0])
    """
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
