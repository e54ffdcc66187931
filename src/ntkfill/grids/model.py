"""The networks of a mixture fitted to a mask: values, weights and kernel rows of any image."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from ..completion import adjoint, fit, weights
from ..errors import ConvergenceWarning, InputError, warn
from ..kernels import Kernel, Stationary
from ..kernels.table import Array, Index
from ..nn import Mixture, Sequential
from ..observed import Mask, column_patterns
from ..runtime.progress import Progress, stage
from ..runtime.resources import parallel_for
from ..solvers.base import Factor, Report
from ..solvers.cg import CG
from .channels import Channels, by_channel
from .level import Level
from .options import Refine
from .patches import Refined, Refinement, refine_if_better
from .plan import Plan
from .spline import SplineFit
from .windows import LARGE, Box, Windows, relative

# Factors are kept for so many groups of channels; more are made each time they are needed.
MAX_KEPT = 4
# Refinement takes about four times as long as the fill before it.
STAGES = 5


@dataclass(frozen=True, eq=False)
class Component:
    """One network of a mixture with its kernel."""

    plan: Plan
    kernel: Kernel

    def resized(self, sides: tuple[int, ...]) -> Component:
        """The same network on another grid."""
        assert isinstance(self.kernel, Stationary)
        assert isinstance(self.plan.solver, CG)
        plan = self.plan.crop(sides, self.plan.solver.rtol)
        return Component(plan, replace(self.kernel, shape=plan.torus))

    def cropped(self, sides: tuple[int, ...]) -> Component:
        """The same network on a crop of the grid, whose mean is known: without the constant by
        which it would be estimated."""
        assert isinstance(self.kernel, Stationary)
        plan, values = self.resized(sides).plan, self.kernel.values - self.kernel.values.flat[-1]
        ridge = plan.solver.ridge * self.kernel.values.flat[0] / values.flat[0]
        plan = replace(plan, solver=replace(plan.solver, ridge=float(ridge)))
        return Component(plan, replace(self.kernel, values=values, shape=plan.torus))


@dataclass(frozen=True, eq=False)
class Group:
    """Channels that one solve fills, as columns where they miss the same pixels, or as one column
    of all channels and pixels.

    Parameters
    ----------
    channels : int array or slice
    known : bool array of shape (*grid), or (*grid, channels) for one column
    together : Channels or None
        How the channels of one column go together.
    windows : Windows or None
        How gaps of a large grid are predicted from what is near them, without a factor and a level
        of the whole.
    splines : tuple of (float, SplineFit)
        Splines and their weights.
    kept : dict of Component to Factor
        Where there are few groups that are solved whole.
    """

    channels: Index | slice
    known: Mask
    together: Channels | None = None
    windows: Windows | None = None
    splines: tuple[tuple[float, SplineFit], ...] = ()
    kept: dict[Component, Factor] = field(default_factory=dict, repr=False)

    def factor(self, component: Component) -> Factor:
        """The factor of a component on the known pixels, if it is not kept a new one."""
        if component in self.kept:
            return self.kept[component]
        plan, kernel = component.plan, component.kernel
        if self.together is None:
            return plan.solver.factor(kernel, plan.embed(self.known).ravel())
        known = by_channel(plan.embed(self.known)).ravel()
        return plan.solver.factor(self.together.kernel(kernel), known)

    def at(self, plan: Plan, mask: Mask) -> Index:
        """The flat coordinates, on the torus, of a mask of the shape of `known`."""
        embedded = plan.embed(mask)
        return np.flatnonzero(embedded if self.together is None else by_channel(embedded))

    def take(self, pixels: Array, mask: Mask) -> Array:
        """Pixels (*grid, all channels) where the mask is True: (n, m), or (n, 1) for one column."""
        if self.together is None:
            return np.ascontiguousarray(pixels[mask][:, self.channels])
        return by_channel(pixels)[by_channel(mask)][:, None]

    def put(self, pixels: Array, mask: Mask, values: Array) -> None:
        """Write what `take` reads."""
        if self.together is None:
            part = pixels[mask]
            part[:, self.channels] = values
            pixels[mask] = part
        else:
            by_channel(pixels)[by_channel(mask)] = values[:, 0]

    def rows(self, mask: Mask) -> Index:
        """The channel of every row that `take` reads as one column."""
        return np.nonzero(by_channel(mask))[0]

    def units(self, y: Array, centre: bool) -> tuple[Array, Array]:
        """Level and scale (m, 1) of the channels of one column of known pixels (n_known, 1)."""
        assert self.together is not None
        scale = self.together.scale.astype(y.dtype)[:, None]
        level = np.zeros_like(scale)
        if centre:
            rows = self.rows(self.known)
            level[:, 0] = np.bincount(rows, y[:, 0]) / np.bincount(rows)
        return level, scale


@dataclass(frozen=True, eq=False)
class CompletedImage:
    """Values (*grid, channels) that are filled in, before they are written back."""

    by_networks: Array
    reports: tuple[Report, ...]  # one for each network and group of channels
    refined: Refined
    refinement: Refinement | None


@dataclass(frozen=True, eq=False)
class GridModel:
    """A mixture of networks, and of splines, fitted to a mask.

    Parameters
    ----------
    network : Sequential or Mixture
        What `Inpainter` takes as `network` to do the same again.
    components : tuple of Component
        Of the networks; the largest weight comes first.
    missing : bool array of shape (*grid) or (*grid, channels)
    centre : bool
        Whether the mean of the known pixels is subtracted before each solve.
    reach : int
        The largest receptive radius of the networks.
    groups : tuple of Group
        Channels that one solve fills.
    levels : tuple of Level or None
        For each group: the level around deep holes, which is subtracted before the mean is; empty
        where there are many groups.
    """

    network: Sequential | Mixture
    components: tuple[Component, ...]
    missing: Mask
    centre: bool
    reach: int
    groups: tuple[Group, ...]
    levels: tuple[Level | None, ...]

    @classmethod
    def fit(
        cls,
        missing: Mask,
        network: Sequential | Mixture,
        components: tuple[Component, ...],
        centre: bool,
        together: Channels | None = None,
    ) -> GridModel:
        """Factor the kernels on the known pixels; no values are needed. Channels that miss
        different pixels are filled `together`, or else each by itself."""
        plan = components[0].plan
        grid, members = plan.grid, network.splines if isinstance(network, Mixture) else ()
        if members and together is not None:
            raise InputError(
                "channels that are filled together take no splines",
                got=repr(network),
                hint="channels one by one",
            )
        parts: list[tuple[Index | slice, Mask]] = [(slice(None), ~missing)]
        if missing.ndim > len(grid) and together is None:
            every = column_patterns(~missing.reshape(-1, missing.shape[-1]))
            parts = [(channels, rows.reshape(grid)) for channels, rows in every]
        few = len(parts) <= MAX_KEPT
        reach = max(component.plan.network.receptive_radius for component in components)
        local = math.prod(grid) >= LARGE and together is None and few and not members
        local = local and all(component.plan.is_local for component in components)
        groups: list[Group] = []
        levels: list[Level | None] = []
        for channels, known in parts:
            windows = Windows.of(~known, reach) if local else None
            splines = tuple(
                (weight, SplineFit.of(each, ~known, plan.wrapped, plan.steps))
                for each, weight in members
                if not known.all()
            )
            groups.append(Group(channels, known, together, windows, splines))
            for component in components:
                if few and windows is None and component.plan.weight:
                    groups[-1].kept[component] = groups[-1].factor(component)
            if few:
                whole = centre and windows is None
                levels.append(Level.fit(known, reach, len(grid)) if whole else None)
        return cls(network, components, missing, centre, reach, tuple(groups), tuple(levels))

    def refit(self, missing: Mask) -> GridModel:
        """The same networks for another mask."""
        together = self.groups[0].together
        return GridModel.fit(missing, self.network, self.components, self.centre, together)

    @property
    def grid(self) -> tuple[int, ...]:
        return self.components[0].plan.grid

    def level(self, group: int) -> Level | None:
        """The level around the deep holes of a group."""
        known, windows = self.groups[group].known, self.groups[group].windows
        if self.levels and windows is None:
            return self.levels[group]
        return Level.fit(known, self.reach, len(self.grid)) if self.centre else None

    def complete(
        self, pixels: Array, progress: Progress | None = None
    ) -> tuple[Array, tuple[Report, ...]]:
        """The pixels (*grid, channels) with the missing ones filled in, and how the solves ended;
        what stands at missing pixels is not read."""
        result = pixels.copy()
        reports: list[Report] = []
        for g, group in enumerate(self.groups):
            share = progress and stage(progress, g, len(self.groups))
            if group.windows is not None:
                part = pixels[..., group.channels]
                found, worst = self._complete_nearby(group.windows, part, share)
                reports.append(worst)
            else:
                found, solved = self._complete_whole(g, pixels, share)
                reports += solved
            group.put(result, ~group.known, found)
        return result, tuple(reports)

    def _complete_whole(
        self, number: int, pixels: Array, progress: Progress | None
    ) -> tuple[Array, list[Report]]:
        """What is missing of a group in pixels (*grid, channels), as `Group.put` takes it, from all
        that is known."""
        group = self.groups[number]
        known = group.known
        y, total = group.take(pixels, known), np.zeros(1, pixels.dtype)
        if (level := self.level(number)) is not None:
            around = pixels.copy()
            around[..., group.channels] = level(pixels[..., group.channels])
            y, total = y - group.take(around, known), group.take(around, ~known)
        unit: Array | None = None
        if group.together is not None:
            mean, scale = group.units(y, self.centre)
            rows, gaps = group.rows(known), group.rows(~known)
            y, total, unit = (y - mean[rows]) / scale[rows], total + mean[gaps], scale[gaps]
        reports = []
        for weight, spline in group.splines:
            found, report = spline(y)
            reports.append(report)
            total = total + pixels.dtype.type(weight) * found
        weighted = [component for component in self.components if component.plan.weight]
        by_network: list[tuple[Array, Report] | None] = [None] * len(weighted)
        together = self.components[0].plan.at_once > 1

        def predict(k: int) -> None:
            component = weighted[k]
            share = None if together else progress and stage(progress, k, len(weighted))
            centre = self.centre and unit is None
            done = fit(group.factor(component), y, centre=centre, progress=share)
            predicted = done.predict(group.at(component.plan, ~known)).astype(pixels.dtype)
            by_network[k] = predicted if unit is None else predicted * unit, done.report

        if together:
            parallel_for(predict, range(len(weighted)), progress)
        else:
            for k in range(len(weighted)):
                predict(k)
        for component, each in zip(weighted, by_network, strict=True):
            assert each is not None
            total = total + pixels.dtype.type(component.plan.weight) * each[0]
            reports.append(each[1])
        return total, reports

    def _complete_nearby(
        self, windows: Windows, pixels: Array, progress: Progress | None
    ) -> tuple[Array, Report]:
        """What is missing of pixels (*grid, m), as (n_missing, m), from what is near it; the worst
        of the solves for deep holes."""
        mean, missing = self.mean(windows, pixels), windows.missing
        total: Array = np.zeros((np.count_nonzero(missing), len(mean)), pixels.dtype)
        for c, component in enumerate(self.components):
            plan, kernel = component.plan, component.kernel
            assert isinstance(kernel, Stationary)
            share = progress and stage(progress, c, len(self.components) + len(windows.crops))
            found = windows.fill(pixels, mean, kernel, plan.solver.ridge, share)
            total += pixels.dtype.type(plan.weight) * found
        total += mean.astype(pixels.dtype)
        worst = Report(0.0, 0, True)
        for crop in windows.crops:
            box, base, model = self.around_hole(windows, crop, pixels)
            found, reports = model.complete((pixels[box] - base).astype(pixels.dtype))
            inner = crop[-1]
            filled = (found + base)[relative(inner, box)][missing[inner]]
            total[windows.order_within(inner)] = filled
            worst = Report.worst((worst, *reports))
        return total, worst

    def mean(self, windows: Windows, pixels: Array) -> Array:
        """The mean of the known pixels (*grid, m), if it is subtracted: (m,)."""
        if not self.centre:
            return np.zeros(pixels.shape[-1])
        every = pixels.sum(axis=0, dtype=np.float64).reshape(-1, pixels.shape[-1]).sum(axis=0)
        gaps = pixels[windows.missing].sum(axis=0, dtype=np.float64)
        return np.asarray((every - gaps) / np.count_nonzero(~windows.missing))

    def around_hole(
        self, windows: Windows, crop: tuple[Box, Box, Box], pixels: Array
    ) -> tuple[Box, Array, GridModel]:
        """The box that is solved for a deep hole, the level to subtract there, and the model."""
        outer, near, _ = crop
        level = Level.fit(~windows.missing[outer], self.reach) if self.centre else None
        mean = np.broadcast_to(self.mean(windows, pixels), pixels[outer].shape)
        box = outer if level is None else near
        base = (mean if level is None else level(pixels[outer]))[relative(box, outer)]
        cropped = tuple(component.cropped(base.shape[:-1]) for component in self.components)
        return box, base, GridModel.fit(windows.missing[box], self.network, cropped, centre=False)

    def complete_and_refine(
        self, pixels: Array, refine: Refine, progress: Progress | None = None
    ) -> CompletedImage:
        """The same, refined by its own patches where that is asked for and helps; warns of a solve
        that stopped early."""
        share = progress if progress is None or refine is None else stage(progress, 0, STAGES)
        values, reports = self.complete(pixels, share)
        if not all(report.converged for report in reports):
            residual = max(report.residual for report in reports)
            warn(
                f"the solve stopped at a residual of {residual:.2g}. Try: a larger ridge.",
                ConvergenceWarning,
            )
        if refine is None:
            return CompletedImage(values, reports, Refined(values), None)
        rest = None if progress is None else (lambda x: progress((1 + (STAGES - 1) * x) / STAGES))
        better, refinement = refine_if_better(
            pixels,
            values,
            self.missing,
            self._fill,
            refine == "patches",
            rest,
        )
        return CompletedImage(values, reports, better, refinement)

    def _fill(self, values: Array, missing: Mask) -> Array | None:
        """Values (*grid, channels), of this or of a coarser grid, with the missing ones filled in;
        None where the kernels are those of this grid alone."""
        sides = values.shape[:-1]
        if sides == self.grid:
            return self.refit(missing).complete(values)[0]
        if not all(component.plan.is_local for component in self.components):
            return None
        smaller = tuple(component.resized(sides) for component in self.components)
        return GridModel.fit(missing, self.network, smaller, self.centre).complete(values)[0]

    def weights(self, at: tuple[int, ...], channel: int = 0) -> Array:
        """Weights of the known pixels in the value filled in at a pixel: (*grid), or (*grid,
        channels) where channels miss different pixels."""
        if self.missing.ndim > len(self.grid):
            gradient = np.zeros(self.missing.shape)
            gradient[(*at, channel)] = 1.0
            return self.adjoint(gradient)
        total = np.zeros(self.grid)
        plan, known, here = self.components[0].plan, self.groups[0].known, np.zeros(self.grid)
        here[np.unravel_index(plan.index(at), plan.shape)] = 1.0
        for weight, spline in self.groups[0].splines:
            total += weight * np.where(known, here, 0.0)
            total[known] += weight * spline.adjoint(here[~known][:, None])[:, 0]
        for component in self.components:
            plan = component.plan
            if not plan.weight:
                continue
            factor = self.groups[0].factor(component)
            found = weights(factor, plan.index(at), centred=self.centre)
            total += plan.weight * plan.window(found.reshape(plan.shape))
        if (level := self.level(0)) is not None:
            total += level.adjoint((here - total)[..., None])[..., 0]
        return total

    def adjoint(self, gradient: Array) -> Array:
        """Weights of known pixels in a sum over filled ones with weights `gradient`, both
        (*grid, channels)."""
        result = gradient.copy()
        for g, group in enumerate(self.groups):
            known, together = group.known, group.together
            known = known if known.ndim == gradient.ndim else known[..., None]
            wanted = np.where(known, 0.0, gradient[..., group.channels])
            result[..., group.channels] -= wanted
            if not wanted.any():
                continue
            unit = np.ones(1) if together is None else together.scale
            total = np.zeros(wanted.shape)
            for weight, spline in group.splines:
                total[group.known] += weight * spline.adjoint(wanted[~group.known])
            for component in self.components:
                if not component.plan.weight:
                    continue
                plan, factor = component.plan, group.factor(component)
                whole = plan.embed(wanted * unit)
                if together is None:
                    flat = whole.reshape(-1, wanted.shape[-1])
                    found = adjoint(factor, flat, centred=self.centre).reshape(whole.shape)
                else:
                    flat = by_channel(whole).reshape(-1, 1)
                    found = adjoint(factor, flat, centred=False)
                    found = np.moveaxis(found.reshape(-1, *plan.shape), 0, -1)
                total += plan.weight * plan.window(found) / unit
            if together is not None and self.centre:
                axes = tuple(range(len(self.grid)))
                left = (wanted - total).sum(axis=axes) / known.sum(axis=axes)
                total += np.where(known, left, 0.0)
            if (level := self.level(g)) is not None:
                total += level.adjoint(wanted - total)
            result[..., group.channels] += total
        return result

    def kernel_row(self, at: tuple[int, ...]) -> Array:
        """The kernel (*grid) between a pixel and all others, of the largest component."""
        plan, kernel = self.components[0].plan, self.components[0].kernel
        every = np.flatnonzero(plan.embed(np.ones(plan.grid, bool)))
        row = kernel.block(np.array([plan.index(at)]), every)
        return row.astype(np.float64).reshape(plan.grid)
