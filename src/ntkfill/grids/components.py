"""The networks of a fill: chosen or given, each with its plan, kernel and factor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..errors import InputError
from ..io.cache import Cache, MemoryCache
from ..kernels import Kernel
from ..nn.networks import Mixture, Sequential
from ..observed import Mask
from ..priors import Prior
from ..runtime.progress import reporter, stage
from ..solvers.base import Factor, Factored, Solver
from .architecture import Boundary, depth
from .image import Picture
from .plan import Plan, check_options, plan
from .selection import Choice, choose

Network = Sequential | Mixture | Literal["auto"]
Progress = bool | Callable[[float], None] | None
Refine = Literal["patches", "auto"] | None


@dataclass(frozen=True, eq=False)
class Part:
    """One network of a fill, made ready.

    Parameters
    ----------
    plan : Plan
    kernel : Kernel
    solver : Solver
        `Factored` once it is factored.
    weight : float
        What its answer counts.
    """

    plan: Plan
    kernel: Kernel
    solver: Solver
    weight: float = 1.0

    def factored(self, missing: Mask) -> Part:
        """The same, with the factor for a mask (*grid)."""
        factor = self.solver.factor(self.kernel, self.plan.embed(~missing).ravel())
        return replace(self, solver=Factored(factor))

    @property
    def factor(self) -> Factor:
        if not isinstance(self.solver, Factored):
            raise InputError("this part was not factored", hint="part.factored(missing)")
        return self.solver.ready


@dataclass(frozen=True)
class Settings:
    """How to fill, whatever the mask: the options of `ntkfill.Inpainter`."""

    network: Network
    prior: Prior | None
    shift_average: bool
    boundary: Boundary
    ridge: float | None
    centre: bool | None
    refine: Refine
    rtol: float
    memory_limit: int | None

    def check(self) -> None:
        """Refuse options that no mask could make sense of."""
        check_options(
            self.network, self.prior, self.boundary, self.ridge, self.rtol, self.memory_limit
        )
        named = isinstance(self.refine, str) and self.refine in ("patches", "auto")
        if self.refine is not None and not named:
            raise InputError(
                "no such refinement", expected="None, 'patches' or 'auto'", got=repr(self.refine)
            )

    @property
    def centres(self) -> bool:
        """Whether the mean of the known values is taken out."""
        return self.shift_average if self.centre is None else self.centre

    def chosen(
        self, source: Picture, missing: Mask, cache: Cache | MemoryCache | None, progress: Progress
    ) -> Choice | None:
        """What "auto" chooses by the known pixels; None where it cannot, or was not asked.

        Parameters
        ----------
        source : Picture
        missing : bool array of shape (*grid) or (*grid, channels)
        cache : Cache or MemoryCache, optional
        progress : bool or callable, optional
        """
        self.check()
        stationary = self.prior is None or self.prior.stationary
        if self.network != "auto" or not self.shift_average or not stationary:
            return None
        if missing.ndim == len(source.grid):
            values = source.pixels.mean(axis=-1, dtype=np.float64)
        else:
            most = int(np.argmax(missing.reshape(-1, missing.shape[-1]).sum(axis=0)))
            values, missing = source.pixels[..., most], missing[..., most]
        return choose(
            values,
            missing,
            channels=source.pixels.shape[-1],
            ridge=self.ridge,
            boundary=self.boundary,
            cache=cache,
            memory_limit=self.memory_limit,
            told=reporter(progress, "choosing", 0.0, 0.2),
        )

    def of(self, choice: Choice | None) -> Settings:
        """The same with what was chosen."""
        return self if choice is None else replace(self, network=choice.network)

    def plans(
        self, missing: Mask, channels: int = 1, deepest: int | None = None
    ) -> list[tuple[Plan, float]]:
        """A plan and a weight for each network; the one that counts most comes first.

        Parameters
        ----------
        missing : bool array of shape (*grid)
        channels : int
            How many right-hand sides the memory has to hold.
        deepest : int, optional
            The depth of the largest hole; measured where it is not given.
        """
        networks: list[tuple[Sequential | Literal["auto"], float | None, float]] = []
        if isinstance(self.network, Mixture):
            for member in self.network.members:
                ridge = member.ridge if self.ridge is None else self.ridge
                networks.append((member.network, ridge, member.weight))
        else:
            networks.append((self.network, self.ridge, 1.0))
        return [
            (
                plan(
                    missing,
                    network=network,
                    prior=self.prior,
                    shift_average=self.shift_average,
                    boundary=self.boundary,
                    ridge=ridge,
                    rtol=self.rtol,
                    memory_limit=self.memory_limit,
                    channels=channels,
                    deepest=deepest,
                ),
                weight,
            )
            for network, ridge, weight in networks
        ]

    def parts(
        self,
        missing: Mask,
        channels: int,
        cache: Cache | MemoryCache | None,
        progress: Progress,
        deepest: int | None = None,
    ) -> tuple[Part, ...]:
        """The networks with their kernels, not factored yet."""
        plans = self.plans(missing, channels, deepest)
        told = reporter(progress, "kernel", 0.2, 0.3)
        return tuple(
            Part(made, made.kernel(cache, stage(told, k, len(plans))), made.solver, weight)
            for k, (made, weight) in enumerate(plans)
        )


def deepest_of(missing: Mask, n: int) -> int:
    """The depth of the largest hole of a mask (*grid), of n axes, or (*grid, channels)."""
    if missing.ndim == n:
        return depth(missing)
    return max(depth(missing[..., channel]) for channel in range(missing.shape[-1]))
