"""The networks of a mixture fitted to a mask: values, weights and kernel rows of any image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..completion import adjoint, fit, weights
from ..errors import ConvergenceWarning, warn
from ..kernels import Kernel
from ..kernels.table import Array, Index
from ..nn import Mixture, Sequential
from ..observed import Mask, Observed
from ..runtime.progress import Progress, stage
from ..solvers.base import Factor, Report
from .level import Level
from .options import Refine
from .patches import Refined, Refinement, refine_if_better
from .plan import Plan

# Factors are kept for so many groups of channels; more are made each time they are needed.
MAX_KEPT = 4
# Refinement takes about four times as long as the fill before it.
STAGES = 5


@dataclass(frozen=True, eq=False)
class Component:
    """One network of a mixture with its kernel."""

    plan: Plan
    kernel: Kernel

    def factor(self, known: Mask) -> Factor:
        """The factor of the kernel on known pixels (*grid)."""
        return self.plan.solver.factor(self.kernel, self.plan.embed(known).ravel())


@dataclass(frozen=True, eq=False)
class CompletedImage:
    """Values (*grid, channels) that are filled in, before they are written back."""

    by_networks: Array
    reports: tuple[Report, ...]  # one for each network and group of channels
    refined: Refined
    refinement: Refinement | None


@dataclass(frozen=True, eq=False)
class GridModel:
    """A mixture of networks fitted to a mask.

    Parameters
    ----------
    network : Sequential or Mixture
        What `Inpainter` takes as `network` to do the same again.
    components : tuple of Component
        The largest weight comes first.
    missing : bool array of shape (*grid) or (*grid, channels)
    centre : bool
        Whether the mean of the known pixels is subtracted before each solve.
    groups : tuple of (channels, known)
        Channels that miss the same pixels, and which pixels (*grid) are known in them; the channels
        are a slice where all do.
    factors : tuple of tuple of Factor
        For each component and group; empty where there are many groups.
    levels : tuple of Level or None
        For each group: the level around deep holes, which is subtracted before the mean is; empty
        where there are many groups.
    """

    network: Sequential | Mixture
    components: tuple[Component, ...]
    missing: Mask
    centre: bool
    groups: tuple[tuple[Index | slice, Mask], ...]
    factors: tuple[tuple[Factor, ...], ...]
    levels: tuple[Level | None, ...]

    @classmethod
    def fit(
        cls,
        missing: Mask,
        network: Sequential | Mixture,
        components: tuple[Component, ...],
        centre: bool,
    ) -> GridModel:
        """Factor the kernels on the known pixels; no values are needed."""
        grid = components[0].plan.grid
        groups: list[tuple[Index | slice, Mask]] = [(slice(None), ~missing)]
        if missing.ndim > len(grid):
            known = ~missing.reshape(-1, missing.shape[-1])
            every = Observed(np.zeros(known.shape), known).patterns()
            groups = [(channels, rows.reshape(grid)) for channels, rows in every]
        kept = groups if len(groups) <= MAX_KEPT else []
        factors = tuple(
            tuple(component.factor(known) for _, known in kept) for component in components
        )
        reach = max(component.plan.network.receptive_radius for component in components)
        levels = tuple(Level.fit(known, reach) if centre else None for _, known in kept)
        return cls(network, components, missing, centre, tuple(groups), factors, levels)

    def refit(self, missing: Mask) -> GridModel:
        """The same networks for another mask."""
        return GridModel.fit(missing, self.network, self.components, self.centre)

    @property
    def grid(self) -> tuple[int, ...]:
        return self.components[0].plan.grid

    def factor(self, component: int, group: int) -> Factor:
        """The factor of a component on the known pixels of a group."""
        if self.factors[component]:
            return self.factors[component][group]
        return self.components[component].factor(self.groups[group][1])

    def level(self, group: int) -> Level | None:
        """The level around the deep holes of a group."""
        if self.levels:
            return self.levels[group]
        reach = max(component.plan.network.receptive_radius for component in self.components)
        return Level.fit(self.groups[group][1], reach) if self.centre else None

    def complete(
        self, pixels: Array, progress: Progress | None = None
    ) -> tuple[Array, tuple[Report, ...]]:
        """The pixels (*grid, channels) with the missing ones filled in, and how the solves ended;
        what stands at missing pixels is not read."""
        count = len(self.groups) * len(self.components)
        result = pixels.copy()
        reports: list[Report] = []
        for g, (channels, known) in enumerate(self.groups):
            y = np.ascontiguousarray(pixels[known][:, channels])  # (n_known, m)
            total = np.zeros(1, pixels.dtype)
            if (level := self.level(g)) is not None:
                around = level(pixels[..., channels]).astype(pixels.dtype)
                y, total = y - around[known], around[~known]
            for c, component in enumerate(self.components):
                share = progress and stage(progress, len(reports), count)
                done = fit(self.factor(c, g), y, centre=self.centre, progress=share)
                reports.append(done.report)
                predicted = done.predict(np.flatnonzero(component.plan.embed(~known))).astype(
                    pixels.dtype
                )
                total = total + pixels.dtype.type(component.plan.weight) * predicted
            whole = result[~known]  # (n_missing, channels)
            whole[:, channels] = total
            result[~known] = whole
        return result, tuple(reports)

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
            lambda missing: self.refit(missing).complete(pixels)[0],
            refine == "patches",
            rest,
        )
        return CompletedImage(values, reports, better, refinement)

    def weights(self, at: tuple[int, ...]) -> Array:
        """Weights (*grid) of the known pixels in the value filled in at a pixel."""
        total = np.zeros(self.grid)
        for component, factors in zip(self.components, self.factors, strict=True):
            plan = component.plan
            found = weights(factors[0], plan.index(at), centred=self.centre)
            total += plan.weight * plan.window(found.reshape(plan.torus))
        if (level := self.level(0)) is not None:
            plan, inside = self.components[0].plan, -total
            inside[np.unravel_index(plan.index(at), plan.torus)] += 1.0
            total += level.adjoint(inside[..., None])[..., 0]
        return total

    def adjoint(self, gradient: Array) -> Array:
        """Weights of known pixels in a sum over filled ones with weights `gradient`, both
        (*grid, channels)."""
        result = gradient.copy()
        for g, (channels, known) in enumerate(self.groups):
            wanted = np.where(known[..., None], 0.0, gradient[..., channels])
            result[..., channels] -= wanted
            if not wanted.any():
                continue
            total = np.zeros(wanted.shape)
            for c, component in enumerate(self.components):
                plan = component.plan
                flat = plan.embed(wanted).reshape(-1, wanted.shape[-1])
                found = adjoint(self.factor(c, g), flat, centred=self.centre)
                total += plan.weight * plan.window(found.reshape(*plan.torus, -1))
            if (level := self.level(g)) is not None:
                total += level.adjoint(wanted - total)
            result[..., channels] += total
        return result

    def kernel_row(self, at: tuple[int, ...]) -> Array:
        """The kernel (*grid) between a pixel and all others, of the largest component."""
        plan, kernel = self.components[0].plan, self.components[0].kernel
        every = np.flatnonzero(plan.embed(np.ones(plan.grid, bool)))
        row = kernel.block(np.array([plan.index(at)]), every)
        return row.astype(np.float64).reshape(plan.grid)
