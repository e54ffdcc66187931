"""What one fill works on: known pixels, what is missing of them, and the networks that fill it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..completion import adjoint, complete
from ..errors import InputError
from ..io.cache import Cache, MemoryCache
from ..kernels.table import Array, Index
from ..observed import Mask, Observed
from ..runtime.progress import Progress, stage
from ..solvers.base import Report
from .components import Part
from .image import Picture


@dataclass(frozen=True, eq=False)
class Canvas:
    """Known pixels, what is missing of them, and the networks that fill it in together.

    Parameters
    ----------
    pixels : float array of shape (*grid, channels)
        What stands at missing ones is never read.
    missing : bool array of shape (*grid) or (*grid, channels)
    parts : tuple of Part
        The network that counts most comes first.
    centre : bool
        Whether the mean of the known pixels is taken out before.
    cache : Cache or MemoryCache, optional
        For kernels that are asked for later.
    """

    pixels: Array
    missing: Mask
    parts: tuple[Part, ...]
    centre: bool
    cache: Cache | MemoryCache | None = None

    @property
    def grid(self) -> tuple[int, ...]:
        return self.pixels.shape[:-1]

    @property
    def gaps(self) -> Mask:
        """What is missing, with an axis for channels: (*grid, channels) or (*grid, 1)."""
        joint = self.missing.ndim < self.pixels.ndim
        return self.missing[..., None] if joint else self.missing

    @property
    def anywhere(self) -> Mask:
        """The pixels that miss at least one channel, (*grid)."""
        return in_any_channel(self.missing, self.grid)

    def filled(self, told: Progress | None = None) -> tuple[Array, tuple[Report, ...]]:
        """The pixels (*grid, channels) with what is missing filled in, and how solves ended."""
        answer: NDArray[Any] | float = 0.0
        reports: list[Report] = []
        for number, part in enumerate(self.parts):
            one, ended = self._answer(part, stage(told, number, len(self.parts)))
            reports += ended
            alone = len(self.parts) == 1
            answer = one if alone else answer + self.pixels.dtype.type(part.weight) * one
        # Weights that sum to one leave known values as they were but for rounding.
        return np.where(self.gaps, answer, self.pixels), tuple(reports)

    def hiding(self, missing: Mask) -> Canvas:
        """The same networks for another mask, of the same shape."""
        anew = tuple(replace(part, solver=part.plan.solver) for part in self.parts)
        return replace(self, missing=missing, parts=anew)

    def adjoint(self, gradient: Array) -> Array:
        """What known pixels count in a sum over the filled ones: (*grid, channels).

        Parameters
        ----------
        gradient : float array of shape (*grid, channels)
            What each pixel of the fill counts.
        """
        result = np.where(self.gaps, 0.0, gradient)
        for columns, known in self.groups():
            wanted = np.where(known[..., None], 0.0, gradient[..., columns])
            if not wanted.any():
                continue
            for part in self.parts:
                plan = part.plan
                factor = part.solver.factor(part.kernel, plan.embed(known).ravel())
                flat = plan.embed(wanted).reshape(-1, len(columns))
                shares = adjoint(factor, flat, centred=self.centre)
                back = plan.window(shares.reshape(*plan.torus, -1))
                result[..., columns] += part.weight * back
        return result

    def groups(self) -> Iterator[tuple[Index, Mask]]:
        """Channels that miss the same pixels, and what is known (*grid) in them."""
        flat = self.pixels.reshape(-1, self.pixels.shape[-1])
        joint = self.missing.ndim < self.pixels.ndim
        known = ~self.missing.reshape(-1 if joint else flat.shape)
        for columns, rows in Observed(flat, known).patterns():
            yield columns, rows.reshape(self.grid)

    def _answer(self, part: Part, told: Progress | None) -> tuple[Array, tuple[Report, ...]]:
        """What one network fills in, (*grid, channels), and how its solves ended."""
        plan, channels = part.plan, self.pixels.shape[-1]
        known = plan.embed(~self.missing)
        observed = Observed(
            plan.embed(self.pixels).reshape(-1, channels),
            known.reshape(-1, channels) if self.missing.ndim == self.pixels.ndim else known.ravel(),
        )
        done = complete(observed, part.kernel, part.solver, centre=self.centre, progress=told)
        return plan.window(done.values.reshape(*plan.torus, channels)), done.reports


def canvas(
    source: Picture,
    missing: Mask,
    parts: tuple[Part, ...],
    centre: bool,
    cache: Cache | MemoryCache | None = None,
) -> Canvas:
    """The canvas of a picture: its pixels as floats, zero where missing."""
    joint = missing.ndim == len(source.grid)
    dtype = np.float32 if source.pixels.dtype.itemsize <= 2 else np.float64
    pixels = np.where(missing[..., None] if joint else missing, 0, source.pixels).astype(dtype)
    if not np.isfinite(pixels).all():
        first = tuple(map(int, np.argwhere(~np.isfinite(pixels))[0][:-1]))
        raise InputError(
            "the image holds infinity where the mask says known",
            got=f"at {first}",
            hint="NaN, which means missing",
        )
    return Canvas(pixels, missing, parts, centre, cache)


def in_any_channel(missing: Mask, grid: tuple[int, ...]) -> Mask:
    """The pixels that miss at least one channel, (*grid)."""
    return missing if missing.ndim == len(grid) else np.asarray(missing.any(axis=-1))
