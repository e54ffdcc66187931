"""How sure a filled grid is: a standard deviation and a calibrated interval for every pixel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .completion import Completion, Fit, complete
from .errors import InputError, whole
from .filling import Info, fill, in_any_channel, observe
from .grid import Array
from .hiding import hide
from .kernels import Kernel
from .nn.evaluate import Kind
from .observed import Mask, Observed
from .pictures import Picture
from .plan import Plan, beyond_reach
from .posterior import Interval, Posterior, Sampled, Scores, local_scale, shift
from .posterior.gaussian import MODELS, Under
from .progress import stage
from .solvers.base import Progress, Solver, absolute_ridge
from .solvers.cg import CG

Kernels = Callable[[Kind], Kernel]

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
        if self.under not in MODELS:
            raise InputError(
                "no such posterior", expected=", ".join(map(repr, MODELS)), got=repr(self.under)
            )
        whole("the number of samples", self.samples, 1, 10**6)
        whole("the seed", self.seed, 0, 2**63 - 1)
        if not 0 < self.hidden < 1:
            raise InputError(
                "the hidden share cannot be used", expected="between 0 and 1", got=repr(self.hidden)
            )

    def std(
        self,
        observed: Observed,
        done: Completion,
        plan: Plan,
        kernels: Kernels,
        told: Progress | None = None,
    ) -> Array:
        """Standard deviation of every entry over the plan's torus, shape (n, m); 0 where known."""
        result = np.zeros(observed.values.shape)
        for fit, _, sampled, scale in self._parts(observed, done, plan, kernels, told):
            result[:, fit.columns] = scale * np.sqrt(sampled.variance)[:, None]
        return result

    def exact(
        self,
        observed: Observed,
        done: Completion,
        plan: Plan,
        kernels: Kernels,
        at: NDArray[np.intp],
    ) -> Array:
        """The same for chosen flat coordinates, shape (len(at), m), by one solve for each.

        Only the scale still comes from draws.
        """
        result = np.zeros((len(at), observed.values.shape[1]))
        solver = plan.solver
        if isinstance(solver, CG):
            solver = replace(solver, rtol=EXACT)
        for fit, posterior, _, scale in self._parts(observed, done, plan, kernels):
            factor = solver.factor(posterior.factor.kernel, fit.factor.known)
            deviation = np.sqrt(replace(posterior, factor=factor).variances(at))
            deviation[fit.factor.known[at]] = 0.0
            result[:, fit.columns] = scale[at] * deviation[:, None]
        return result

    def _parts(
        self,
        observed: Observed,
        done: Completion,
        plan: Plan,
        kernels: Kernels,
        told: Progress | None = None,
    ) -> Iterator[tuple[Fit, Posterior, Sampled, Array]]:
        """For every pattern of known entries its posterior, what draws tell of it, and the local
        scale (n, columns)."""
        drawn, fitted = MODELS[self.under]
        prior = kernels(drawn)
        if fitted != "ntk":
            done = complete(observed, kernels(fitted), plan.solver, centre=done.centred)
        noise = absolute_ridge(plan.solver.ridge, prior) if drawn == fitted else 0.0
        for k, fit in enumerate(done.fits):
            posterior = Posterior(prior, fit.factor, noise, done.centred)
            sampled = posterior.sampled(self.samples, self.seed, stage(told, k, len(done.fits)))
            known = fit.factor.known.reshape(plan.torus)
            scale = local_scale(fit.coefficients * fit.scale, sampled.expected, known)
            yield fit, posterior, sampled, scale.reshape(len(fit.columns), -1).T

    def scores(
        self,
        observed: Observed,
        hidden: Mask,
        centred: bool,
        plan: Plan,
        kernels: Kernels,
        told: Progress | None = None,
    ) -> Array:
        """|error| / std of entries (n,) that are hidden; shape (hidden entries, m), NaN where an
        entry was not known."""
        known = observed.known if observed.known.ndim == 2 else observed.known[:, None]
        left = observed.known & (~hidden if observed.known.ndim == 1 else ~hidden[:, None])
        rest = Observed(observed.values, left)
        done = complete(rest, kernels("ntk"), plan.solver, centre=centred)
        std = self.std(rest, done, plan, kernels, told)[hidden]
        error = np.abs(done.values[hidden] - observed.values[hidden])
        score = np.divide(error, std, out=np.where(error > 0, np.inf, 0.0), where=std > 0)
        return np.where(known[hidden], score, np.nan)

    def quantiles(
        self,
        observed: Observed,
        missing: Mask,
        level: float,
        centred: bool,
        plan: Plan,
        kernels: Kernels,
        told: Progress | None = None,
    ) -> tuple[Array, int]:
        """How many standard deviations the interval of each pixel spans to either side, shape
        (*grid), and from how many hidden entries that is known."""
        hidden = hide(missing, share=self.hidden, seed=self.seed).mask
        torus = plan.embed(hidden).ravel()
        scores = self.scores(observed, torus, centred, plan, kernels, told)
        there = ~np.isnan(scores)
        depth, own = strata(missing | hidden)[hidden], strata(missing)[missing]
        weights, needed = shift(depth, own)
        sorted_out = Scores(scores[there], np.broadcast_to(weights[:, None], there.shape)[there])
        result = np.zeros(missing.shape)
        values, place = np.unique(needed, return_inverse=True)
        result[missing] = np.array([sorted_out.quantile(level, w) for w in values])[place]
        return result, int(there.sum())


def sure(
    source: Picture,
    missing: Mask,
    plan: Plan,
    kernels: Kernels,
    solver: Solver,
    centre: bool,
    confidence: Confidence,
    level: float | None = None,
    told: Progress | None = None,
) -> Filled:
    """Fill a picture where `missing`, of shape (*grid) or (*grid, channels), and say how sure."""
    stages = 2 if level is None else 3
    values, info, done = fill(
        source, missing, plan, kernels("ntk"), solver, centre, stage(told, 0, stages)
    )
    observed = observe(source, missing, plan)
    std = confidence.std(observed, done, plan, kernels, stage(told, 1, stages))

    def picture(flat: Array) -> Array:
        whole = plan.window(flat.reshape(*plan.torus, -1))
        return (
            whole[..., 0]
            if source.channel_axis is None
            else np.moveaxis(whole, -1, source.channel_axis)
        )

    anywhere = in_any_channel(missing, plan.grid)
    interval = None
    if level is not None:
        times, count = confidence.quantiles(
            observed, anywhere, level, centre, plan, kernels, stage(told, 2, stages)
        )
        half = np.where(std > 0, plan.embed(times).reshape(-1, 1), 0.0) * std
        middle = done.values.astype(np.float64)
        interval = Interval(picture(middle - half), picture(middle + half), level, count)
    return Filled(
        values,
        picture(std),
        interval,
        beyond_reach(anywhere, plan.network.reach),
        distances(anywhere),
        float(1 / np.sqrt(2 * confidence.samples)),
        info,
    )


def untouched(source: Picture, info: Info, level: float | None) -> Filled:
    """An image of which nothing is missing: certain everywhere."""
    values = source.original.copy()
    zero = np.zeros(source.grid)
    interval = None if level is None else Interval(values, values, level, 0)
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
    """From each coordinate to the nearest known one, 0 where known.

    >>> distances(np.array([0, 1, 1, 1, 0], bool))
    array([0., 1., 2., 1., 0.])
    """
    return np.asarray(ndimage.distance_transform_edt(missing))
