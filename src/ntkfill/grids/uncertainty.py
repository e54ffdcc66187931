"""Standard deviations and calibrated intervals of every pixel that is filled in."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from ..completion import fit
from ..errors import InputError, PatternWarning, warn
from ..io.cache import MemoryCache
from ..kernels import Stationary
from ..kernels.table import Array, Index
from ..observed import Mask
from ..runtime.progress import Progress, stage
from ..selection import Choice
from ..solvers.base import absolute_ridge
from ..solvers.cg import CG
from ..uncertainty import (
    Posterior,
    SampledVariance,
    Scores,
    Uncertainty,
    likelihood_ratio_weights,
    local_scale,
)
from ..uncertainty.posterior import MODELS
from .holdout import hold_out_like, hold_out_shifted, holes, lines, pattern_period
from .model import Component, GridModel
from .patches import Refined, Refinement
from .selection import MAX_ROUNDS
from .windows import LARGE, MAX_MISSING, Windows, relative

# With fewer held-out pixels than this, intervals are calibrated on all of them, also on those by
# which network and patches were selected.
MIN_CALIBRATION = 200
# Copies of each hole, where there are few: one says little of another.
COPIES = 4
# Strata of pixels in holes come after all others.
IN_HOLE = 1 << 10
# Tolerance of the solves for single pixels.
EXACT_RTOL = 1e-9


@dataclass(frozen=True, eq=False)
class GridUncertainty:
    """How far the values that a model fills into an image are from the truth.

    Standard deviations of a refined fill come from its patches; elsewhere, and where no patch shows
    anything known, from samples of the largest network of the mixture. Intervals are calibrated on
    the errors of the whole mixture.
    """

    model: GridModel
    pixels: Array  # (*grid, channels)
    options: Uncertainty
    cache: MemoryCache | None = None

    def std(
        self,
        refined: Refined,
        refinement: Refinement | None,
        progress: Progress | None = None,
    ) -> Array:
        """Standard deviations (*grid, channels) of a fill, 0 where known."""
        if refinement is None or refined.std is None:
            return self.network_std(refined.values, progress)
        std = refinement.scale * refined.std
        without = np.isnan(std)
        if not without.any():
            return std
        return np.where(without, self.network_std(refined.values, progress), std)

    def network_std(self, filled: Array, progress: Progress | None = None) -> Array:
        """Those of what the networks fill in, from samples of the prior; of thin gaps in a large
        grid from what is near them."""
        result = np.zeros(self.pixels.shape)
        plan, groups = self.model.components[0].plan, self.model.groups
        for g, group in enumerate(groups):
            if group.windows is not None:
                nearby = self._near(group.windows, filled[..., group.channels], progress)
                group.put(result, ~group.known, nearby)
                continue
            posterior = self._posterior(g)
            share = progress and stage(progress, g, len(groups))
            found = posterior.sample(
                group.at(plan, ~group.known),
                self.options.samples,
                self.options.random_state,
                share,
            )
            unscaled = np.zeros(self.pixels.shape)
            group.put(unscaled, ~group.known, np.sqrt(found.variance)[:, None])
            scale = self._local_scale(g, posterior, found)
            result[..., group.channels] = unscaled[..., group.channels] * scale
        return result

    def _near(self, windows: Windows, filled: Array, progress: Progress | None) -> Array:
        """Those of the gaps of filled pixels (*grid, m) in windows and crops: (n_missing, m)."""
        component = self.model.components[0]
        prior_kind, fitted_kind = MODELS[self.options.posterior or "ensemble"]
        prior, fitted = (
            component.kernel if kind == "ntk" else component.plan.kernel(self.cache, kind=kind)
            for kind in (prior_kind, fitted_kind)
        )
        assert isinstance(prior, Stationary)
        assert isinstance(fitted, Stationary)
        ridge, mean = component.plan.solver.ridge, self.model.mean(windows, filled)
        noise = absolute_ridge(ridge, prior) if prior_kind == fitted_kind else 0.0
        result = windows.std(filled, mean, fitted, prior, ridge, noise, progress)
        for crop in windows.crops:
            box, base, model = self.model.around_hole(windows, crop, filled)
            rest = np.where(windows.missing[box][..., None], 0.0, filled[box] - base)
            # With the mean of the crop: the kernel's constant is in the prior again.
            inside = replace(self, model=replace(model, centre=True), pixels=rest)
            std, inner = inside.network_std(rest), crop[-1]
            result[windows.order_within(inner)] = std[relative(inner, box)][windows.missing[inner]]
        return result

    def exact_std(self, at: Index) -> Array:
        """Those of single pixels, (len(at), channels), by one solve for each; `at` are flat indices
        on the torus. Only the scale still comes from samples."""
        plan = self.model.components[0].plan
        result = np.zeros((len(at), self.pixels.shape[-1]))
        for g, group in enumerate(self.model.groups):
            rough = self._posterior(g)
            samples = rough.sample(at[:0], self.options.samples, self.options.random_state)
            scale = plan.embed(self._local_scale(g, rough, samples))
            exact = self._posterior(g, EXACT_RTOL)
            # Of one column the channels stand one after the other.
            places = (
                at
                if group.together is None
                else np.add.outer(at, math.prod(plan.shape) * np.arange(result.shape[1])).ravel()
            )
            deviation = np.where(rough.known[places], 0.0, np.sqrt(exact.variances(places)))
            deviation = deviation.reshape(len(at), -1)
            result[:, group.channels] = deviation * scale.reshape(-1, scale.shape[-1])[at]
        return result

    def multiplier(
        self,
        level: float,
        choice: Choice | None,
        refinement: Refinement | None,
        progress: Progress | None = None,
    ) -> tuple[Array, int]:
        """Half the width of each interval in standard deviations, (*grid, channels) or (*grid, 1),
        and the number of pixels that it is calibrated on.

        Known pixels are held out, completed and refined as the fill was. Those by which the network
        or the patches were selected are left out, unless too few remain.
        """
        missing, n = self.model.missing, len(self.model.grid)
        period = pattern_period(missing, n)
        if period:
            warn(
                f"gaps repeat every {period} pixels, so that no held-out pixel is like the missing "
                "ones; intervals may be much too narrow or too wide. Try: scattered gaps, if they "
                "can be chosen.",
                PatternWarning,
            )
        together = self.model.groups[0].together is not None
        if together and missing.ndim > n and (~missing).sum(axis=-1).max() == 1:
            warn(
                "no pixel is known in two channels, so that held-out pixels are known in none, and "
                "missing ones in another; intervals may be too narrow. Try: some pixels that are "
                "known in all channels, if they can be chosen.",
                PatternWarning,
            )
        held_out = calibration_mask(missing, n, self.options, choice, refinement)
        if not held_out.any():
            raise InputError("too few known pixels to hold some out", hint="interval=None")
        again = replace(self, model=self.model.refit(missing | held_out))
        refined = Refined(again.model.complete(self.pixels)[0])
        if refinement is not None:
            refined = refinement.apply(refined.values, again.model.missing)
        std = again.std(refined, refinement, progress)[held_out]
        error = np.abs((refined.values - self.pixels)[held_out])
        score = np.divide(error, std, out=np.where(error > 0, np.inf, 0.0), where=std > 0)
        strata = pixel_strata(missing | held_out, n)[held_out]
        weights, needed = likelihood_ratio_weights(strata, pixel_strata(missing, n)[missing])
        scores = Scores(score.ravel(), np.repeat(weights, score.size // len(weights)))
        result = np.zeros(missing.shape)
        values, place = np.unique(needed, return_inverse=True)
        result[missing] = np.array([scores.quantile(level, weight) for weight in values])[place]
        return result.reshape(*self.model.grid, -1), score.size

    def _posterior(self, group: int, rtol: float | None = None) -> Posterior:
        """Of the largest network, on the known pixels of a group, in units of its kernel."""
        prior_kind, fitted_kind = MODELS[self.options.posterior or "ensemble"]
        component = self.model.components[0]
        plan, solver = component.plan, component.plan.solver
        prior, fitted = (
            component.kernel if kind == "ntk" else plan.kernel(self.cache, kind=kind)
            for kind in (prior_kind, fitted_kind)
        )
        chosen = self.model.groups[group]
        if isinstance(solver, CG) and rtol is not None:
            solver = replace(solver, rtol=rtol)
        same = fitted_kind == "ntk" and solver == plan.solver
        if not same:
            component = Component(replace(plan, solver=solver), fitted)
        factor = chosen.factor(component)
        if chosen.together is not None:
            prior = chosen.together.kernel(prior)
        noise = absolute_ridge(solver.ridge, prior) if prior_kind == fitted_kind else 0.0
        centred = self.model.centre and chosen.together is None
        return Posterior(prior, factor, noise, centred)

    def _local_scale(self, group: int, posterior: Posterior, samples: SampledVariance) -> Array:
        """The local scale (*grid, m) of the known pixels of a group of channels."""
        plan = self.model.components[0].plan
        chosen = self.model.groups[group]
        y = chosen.take(self.pixels, chosen.known)
        if chosen.together is None:
            done = fit(posterior.factor, y, centre=posterior.centred)
            on_torus = posterior.known.reshape(plan.shape)
            scale = local_scale(done.coefficients, samples.expected_squares, on_torus)
            return plan.window(np.moveaxis(scale, 0, -1)) * done.scale
        (level, unit), rows = chosen.units(y, self.model.centre), chosen.rows(chosen.known)
        done = fit(posterior.factor, (y - level[rows]) / unit[rows], centre=False)
        each = []
        for channel, known in enumerate(posterior.known.reshape(-1, *plan.shape)):
            squares, here = samples.expected_squares[rows == channel], rows == channel
            each.append(local_scale(done.coefficients[here], squares, known)[0] * unit[channel])
        return plan.window(np.stack(each, axis=-1)) * done.scale


def calibration_mask(
    missing: Mask,
    axes: int,
    options: Uncertainty,
    choice: Choice | None,
    refinement: Refinement | None,
) -> Mask:
    """The known pixels that intervals are calibrated on, none by which anything was selected."""
    # Not the seed of any round of the selection.
    seed = options.random_state + 1 + MAX_ROUNDS
    if missing.size >= LARGE and missing.mean() <= MAX_MISSING / 2:
        held_out = hold_out_shifted(missing, axes, share=1 / 3).mask
    else:
        held_out = hold_out_like(
            missing, axes, share=options.holdout, random_state=seed, copies=COPIES
        ).mask
    rest = held_out.copy()
    for selection in (choice, refinement):
        if selection is not None and selection.held_out is not None:
            rest &= ~selection.held_out
    return rest if rest.sum() >= MIN_CALIBRATION else held_out


def pixel_strata(missing: Mask, axes: int) -> Index:
    """How deep coordinates lie among missing ones, on so many axes, channel by channel on one more:
    distances of 1, sqrt(2), 2, ... to the nearest known one count 0, 1, 2, ...; those in holes and
    among scattered gaps apart, since a hole says little of scattered gaps around it.

    >>> pixel_strata(np.array([0, 1, 1, 1, 1, 0], bool), 1)
    array([0, 0, 2, 2, 0, 0])
    """
    if missing.ndim > axes:
        each = [pixel_strata(missing[..., channel], axes) for channel in range(missing.shape[-1])]
        return np.stack(each, axis=-1)
    deep = np.floor(2 * np.log2(np.maximum(distances(missing), 1.0)) + 1e-9).astype(np.intp)
    return deep + IN_HOLE * (holes(missing) | lines(missing))


def distances(missing: Mask) -> Array:
    """From each coordinate to the nearest known one, 0 where known; infinite without any.

    >>> distances(np.array([0, 1, 1, 1, 0], bool))
    array([0., 1., 2., 1., 0.])
    """
    if missing.all():
        return np.full(missing.shape, np.inf)
    return np.asarray(ndimage.distance_transform_edt(missing))
