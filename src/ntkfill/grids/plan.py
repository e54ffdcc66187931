"""The plan of a fill: network, torus and solver for a mask, with estimates of memory and time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from ..errors import InputError, MemoryLimitError
from ..io.cache import Cache, MemoryCache
from ..kernels import DenseKernel, Kernel, of_table
from ..kernels.stationary import stretched
from ..kernels.table import Array, Axis
from ..nn import Mixture, Sequential, hourglass
from ..nn.evaluate import Kind, footprint
from ..nn.mixture import RIDGE
from ..observed import Mask
from ..priors import IID, Prior
from ..runtime.progress import Progress
from ..runtime.resources import available, workers
from ..solvers.cg import CG
from ..solvers.cholesky import Cholesky
from ..uncertainty.posterior import BATCH, DRAWN, SEEN
from ..uncertainty.sampling import STEPS as LANCZOS_STEPS
from .holdout import CROPPED_SIZE, depth, eroded
from .level import MIN_DEPTH
from .options import Boundary, GridOptions, Refine, wrapped_sides
from .patches.options import candidates
from .patches.refinement import working_memory
from .spline import costs
from .windows import CORE, LARGE, Windows, window_memory

DEFAULT_PRIOR = IID()
# On so many axes, fewer levels do worse even where only single coordinates are missing.
MIN_LEVELS = {1: 8, 2: 5, 3: 4}
# A table of 4**14 pairs takes seconds: on n axes that is 14 / n levels.
MAX_LOG4_PAIRS = 14
# Measured costs: per pair of a table; per unknown cubed; per coordinate, channel and step.
KERNEL_SECONDS, CHOLESKY_SECONDS, CG_SECONDS, STEPS = 1e-8, 1e-11, 6e-8, 10
# The exact kernel of a grid with at most so many pixels is solved directly: blocks of one period,
# which products on the torus need, may have many more (a volume of 520 voxels: 1 GB).
SMALL = 1024
# Signals, and grids with a side, longer than this are solved in double precision: what single
# precision loses of a constant, which is the largest eigenvalue by far, grows with the length, and
# steps grow from ten to hundreds.
LONG_SIGNAL, LONG_SIDE = 1 << 17, 1 << 14
# Bytes per pixel of the torus, of the factor while it is made and after, and more of it where
# channels are coupled; for each pair of pixels, of a direct solve, and of a kernel that is not
# stationary while it is made.
FACTOR, FACTOR_KEPT, FACTOR_COUPLED, DIRECT, DENSE = 48, 14, 40, 40, 104
# The networks of a mixture are solved at once where that takes at most so many bytes.
AT_ONCE = 1 << 28


@dataclass(frozen=True)
class Request:
    """What a fill is asked for, as far as its costs depend on that.

    Parameters
    ----------
    channels : int
    itemsize : int
        Bytes of a value of the image.
    networks : int
        That are fitted, at most.
    coupled : bool
        Whether channels miss different pixels, so that they may be filled as one column.
    depth : int
        Of the deepest hole.
    samples : int
        Of the prior, for standard deviations; 0 without.
    interval : bool
        Whether intervals are calibrated, by another fit.
    refine : {None, "patches", "auto"}
    near : bool
        Whether gaps are filled from windows near them.
    spline : int
        Bytes of the largest spline that may fill, or be tried.
    """

    channels: int = 1
    itemsize: int = 8
    networks: int = 1
    coupled: bool = False
    depth: int = 1
    samples: int = 0
    interval: bool = False
    refine: Refine = None
    near: bool = False
    spline: int = 0


ONE = Request()


@dataclass(frozen=True)
class Plan:
    """How one network will fill a grid.

    Parameters
    ----------
    network : Sequential
    prior : Prior
    shift_average : bool
    grid : tuple of int
        The image.
    torus : tuple of int
        The grid of the kernel; the image is its first corner.
    solver : CG or Cholesky
    weight : float
        Of the network in its mixture.
    request : Request
        What memory and time are estimated for.
    steps : tuple of float or None
        From pixel to pixel along each axis, in those of the network: 1 along the finest.
    """

    network: Sequential
    prior: Prior
    shift_average: bool
    grid: tuple[int, ...]
    torus: tuple[int, ...]
    solver: CG | Cholesky
    weight: float = 1.0
    request: Request = field(default=ONE, compare=False)
    steps: tuple[float, ...] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The grid that is solved on: the torus, or the image alone where that is done directly."""
        return self.grid if isinstance(self.solver, Cholesky) else self.torus

    @property
    def memory(self) -> int:
        """Bytes of working memory of one fill, the kernel's own construction included, about."""
        return self._memory(self.request.channels, self._kernel)

    def _memory(self, columns: int, kernel: int = 0) -> int:
        """The same with a kernel that takes so much to make, where so many right-hand sides are
        solved at once: the largest of the stages, on top of the image, its masks and copies, and of
        what stays (benchmarks/memory.py)."""
        asked, n, size = self.request, len(self.grid), math.prod(self.shape)
        each = 2 * (4 if asked.itemsize <= 2 else 8)
        values = math.prod(self.grid) * (each * asked.channels + 4)
        if isinstance(self.solver, Cholesky):
            return values + max(kernel, (DIRECT if self.prior.stationary else DENSE) * size**2)
        if asked.near and n in CORE:
            std = asked.samples > 0
            windows = window_memory(n, asked.channels, std)
            return values + max(kernel, values, std * values + windows)
        whole = size
        size *= asked.channels if asked.coupled else 1
        column = self.solver.column_bytes((size,))
        each = FACTOR_KEPT * np.dtype(self.solver.precision).itemsize // 4
        kept = (each + FACTOR_COUPLED * asked.coupled) * size * asked.networks
        solved = column * (1 if asked.coupled else columns)
        stages = [FACTOR * size + kept, kept + solved * self.at_once]
        stages.append(kept + asked.spline)
        # Intervals take a second model beside the first; of a spline two arrays in three stay.
        kept = (1 + asked.interval) * (kept + asked.spline * 2 // 3)
        if asked.networks > 1:  # candidates are tried on crops, one on each core
            crop = min(size, 2 * CROPPED_SIZE[min(n, 3)])
            trial = (FACTOR + FACTOR_KEPT) * crop
            spline = int(asked.spline * min(1.0, crop / math.prod(self.grid)))
            stages.append((workers() - 1) * trial + max(trial, spline))
        patches = candidates(n, asked.channels)[0] if asked.refine else None
        # Standard deviations of what is refined come from the patches.
        refined = asked.refine == "patches" and patches and 2 * asked.depth < patches.width
        if asked.samples and not refined:
            batch = min(BATCH, asked.samples)
            draws = batch * (DRAWN * size + SEEN * size * math.prod(self.grid) // whole)
            draws += column * min(batch, columns if columns > 1 else batch)
            if not self.shift_average:  # the basis of the Lanczos steps
                draws = max(draws, 4 * (LANCZOS_STEPS + 22) * batch * size)
            stages.append(kept + draws)
        if asked.depth >= MIN_DEPTH:  # weights around deep holes, on twice the sides
            stages.append(kept + 5 * 8 * 2**n * math.prod(self.grid))
        if patches:
            shape = (*self.grid, asked.channels)
            stages.append(kept + working_memory(shape, patches, asked.depth, keep_passes=False))
        blocks = 0
        if not self.shift_average:
            period = self.network.period
            blocks = 2 * period ** (2 * n) * (3**n + 1) + 2 * 4 * (period * (period + 1)) ** n
        return values + max(kernel, blocks + max(stages))

    @property
    def at_once(self) -> int:
        """How many networks of a mixture are solved at the same time."""
        asked, solver = self.request, self.solver
        if isinstance(solver, Cholesky) or asked.coupled:
            return 1
        count = min(asked.networks, workers())
        needed = count * asked.channels * solver.column_bytes(self.shape)
        limit = math.inf if solver.memory_limit is None else solver.memory_limit
        return count if needed <= min(AT_ONCE, limit / 2) else 1

    @property
    def _kernel(self) -> int:
        """Bytes of the construction of the kernel."""
        if not self.prior.stationary:
            return 0  # counted by the dense solve
        _, axes = self.prior.table(self.network.table_grid(self.torus, self.prior), len(self.grid))
        made = footprint(self.network.layers, axes, self.shift_average, np.float32)
        # Standard deviations take a second kernel, beside the first.
        return made * (2 if self.request.samples and not self.shift_average else 1)

    def mixed(self, networks: int) -> Plan:
        """The same, as one of so many networks of a mixture."""
        return replace(self, request=replace(self.request, networks=networks))

    def near(self, missing: Mask) -> Plan:
        """The same, where gaps of a large grid are filled from what is near them."""
        whole = self.request.refine or missing.ndim > len(self.grid)
        if whole or not self.is_local:
            return self
        windows = Windows.of(missing, self.network.receptive_radius)
        return replace(self, request=replace(self.request, near=windows is not None))

    @property
    def wrapped(self) -> tuple[int, ...]:
        """The axes that are periodic."""
        sides = enumerate(zip(self.torus, self.grid, strict=True))
        return tuple(axis for axis, (whole, side) in sides if whole == side)

    @property
    def is_local(self) -> bool:
        """Whether the kernel depends on offsets alone, and nothing beyond the image is known: gaps
        can be predicted from any part of it."""
        local = self.shift_average and self.prior.stationary and self.steps is None
        return local and not self.wrapped

    @property
    def seconds(self) -> float:
        """Time of one fill on two cores of 2024, kernel and solve, within a factor of three."""
        entries = 4 ** (len(self.grid) * int(math.log2(max(self.network.receptive_radius, 2))))
        kernel = KERNEL_SECONDS * entries
        size = math.prod(self.shape)
        if isinstance(self.solver, Cholesky):
            return kernel + CHOLESKY_SECONDS * size**3
        cost = (
            CG_SECONDS if self.shift_average else CG_SECONDS * self.network.period ** len(self.grid)
        )
        asked = self.request
        columns = asked.channels + asked.samples * (1 + asked.interval)
        return kernel + cost * STEPS * size * columns

    def check_memory(self, memory_limit: float | None, missing: Mask | None = None) -> Plan:
        """The same, if one right-hand side at a time fits into memory; for a mask, also where gaps
        are filled from what is near them."""
        limit = available() if memory_limit is None else int(memory_limit)
        plan = self
        if missing is not None and math.prod(self.grid) >= LARGE:
            near = replace(self, request=replace(self.request, near=True))
            if max(self._memory(1), near._memory(1)) > limit:
                plan = self.near(missing)  # which takes a while to find out
        needed = plan._memory(1)
        if needed > limit:
            hint = "a smaller image, or a crop around the hole"
            for asked, name in (
                (self.request.refine, "refine=None"),
                (self.request.samples, "return_std=False"),
            ):
                hint = name if asked else hint
            raise MemoryLimitError("this fill", needed=needed, limit=limit, hint=hint)
        return plan

    def embed(self, array: NDArray[Any]) -> NDArray[Any]:
        """An array over the image, (*grid, ...), as the first corner of `shape`; zero around."""
        around = [(0, whole - side) for whole, side in zip(self.shape, self.grid, strict=True)]
        return np.pad(array, around + [(0, 0)] * (array.ndim - len(self.grid)))

    def window(self, torus: NDArray[Any]) -> NDArray[Any]:
        """The part of an array (*shape, ...) that is the image."""
        return torus[tuple(slice(side) for side in self.grid)]

    def index(self, at: tuple[int, ...]) -> int:
        """The flat index, on `shape`, of a pixel of the image."""
        at = tuple(at) if np.iterable(at) else (at,)
        if len(at) != len(self.grid) or not all(
            isinstance(x, int | np.integer) and -side <= x < side
            for x, side in zip(at, self.grid, strict=True)
        ):
            raise InputError(
                "at must be a pixel of the image",
                expected=f"{len(self.grid)} integers within {self.grid}",
                got=str(at),
            )
        inside = tuple(int(x) % side for x, side in zip(at, self.grid, strict=True))
        return int(np.ravel_multi_index(inside, self.shape))

    def kernel(
        self,
        cache: Cache | MemoryCache | None = None,
        progress: Progress | None = None,
        kind: Kind = "ntk",
    ) -> Kernel:
        """The kernel of the network on `shape`, from the cache where it has it."""
        grid = self.network.table_grid(self.torus, self.prior)
        # A dense kernel is solved directly, in double precision; a table only by iteration.
        dtype = np.float32 if self.prior.stationary else np.float64
        average = "shift-averaged" if self.shift_average else f"exact {np.dtype(dtype)}"
        where = f"endless {len(self.torus)}-d" if grid is None else f"torus {grid}"

        def compute() -> tuple[Array, tuple[Axis, ...]]:
            return self.network.table(
                self.torus,
                self.prior,
                kind=kind,
                shift_average=self.shift_average,
                dtype=dtype,
                progress=progress,
            )

        key = f"{self.network!r} | {self.prior!r} | {kind}, {average}, {where}"
        table, axes = cache.get(key, compute) if cache is not None else compute()
        if self.steps is not None:
            table, axes = stretched(table, axes, self.torus, self.steps)
        kernel = of_table(table, axes, self.torus)
        if self.shape == self.torus:
            return kernel
        inside = np.ravel_multi_index(np.indices(self.grid), self.torus).ravel()
        return DenseKernel(kernel.block(inside, inside), self.grid)

    def crop(self, sides: tuple[int, ...], rtol: float) -> Plan:
        """The same network on a padded crop of the image, solved to another tolerance."""
        assert isinstance(self.solver, CG)
        torus = padded(sides, self.network, self.shift_average)
        limit = self.solver.memory_limit
        solver = CG(self.solver.ridge, rtol, dtype=_precision(sides), memory_limit=limit)
        request = Request(self.request.channels, coupled=self.request.coupled)
        return replace(self, grid=sides, torus=torus, solver=solver, request=request)


def make_plans(
    options: GridOptions, missing: Mask, grid: tuple[int, ...], request: Request = ONE
) -> tuple[Plan, ...]:
    """A plan for each network of a mixture, the largest weight first; `network="auto"` is resolved
    by the mask, (*grid) or (*grid, channels), alone. Raises MemoryLimitError.

    >>> missing = np.zeros((40, 40), bool)
    >>> missing[5:37, 5:37] = True
    >>> (plan,) = make_plans(GridOptions(), missing, missing.shape)
    >>> plan.network.receptive_radius, plan.torus
    (64, (128, 128))
    """
    network = options.network
    # A hole as deep as costs ask for has so many pixels.
    few = np.count_nonzero(missing) < MIN_DEPTH ** len(grid)
    deepest = 1
    if not few or request.refine or isinstance(network, str):
        deepest = depth(missing, len(grid), steps_of(options, grid))
    request = replace(request, depth=deepest, coupled=missing.ndim > len(grid))
    if isinstance(network, Mixture):
        spline = max((costs(each, missing).memory for each, _ in network.splines), default=0)
        request = replace(request, networks=len(network.members), spline=spline)
        plans = [
            make_plan(options, grid, each, member.ridge, member.weight, request=request)
            for each, member in network.networks
        ]
    else:
        if not isinstance(network, Sequential):
            network = default_architecture(grid, deepest, options.boundary, options.shift_average)
        plans = [make_plan(options, grid, network, request=request)]
    return tuple(plan.check_memory(options.memory_limit, missing) for plan in plans)


def make_plan(
    options: GridOptions,
    grid: tuple[int, ...],
    network: Sequential,
    ridge: float = RIDGE,
    weight: float = 1.0,
    request: Request = ONE,
) -> Plan:
    """The plan of one network; the ridge of the options, if any, replaces the one given here."""
    prior = DEFAULT_PRIOR if options.prior is None else options.prior
    ridge = ridge if options.ridge is None else options.ridge
    solver: CG | Cholesky = Cholesky(ridge=ridge)
    direct = not options.shift_average and math.prod(grid) <= SMALL
    if prior.stationary and not direct:
        limit = None if options.memory_limit is None else int(options.memory_limit)
        solver = CG(ridge, options.rtol, dtype=_precision(grid), memory_limit=limit)
    torus = padded(grid, network, options.shift_average)
    if options.boundary != "pad" and wrapped_sides(grid, options.boundary):
        each = options.boundary if isinstance(options.boundary, tuple) else ("wrap",) * len(grid)
        torus = tuple(
            side if kind == "wrap" else whole
            for side, whole, kind in zip(grid, torus, each, strict=True)
        )
    steps = steps_of(options, grid)
    return Plan(network, prior, options.shift_average, grid, torus, solver, weight, request, steps)


def _precision(grid: tuple[int, ...]) -> type | None:
    """The type that a solve on a grid works in; None for that of its tolerance."""
    long = max(grid) > (LONG_SIGNAL if len(grid) == 1 else LONG_SIDE)
    return np.float64 if long else None


def steps_of(options: GridOptions, grid: tuple[int, ...]) -> tuple[float, ...] | None:
    """From pixel to pixel along each axis, in those of the network: the spacing over the smallest.

    >>> steps_of(GridOptions(spacing=(3.0, 0.5, 0.5)), (10, 40, 40))
    (6.0, 1.0, 1.0)
    """
    spacing = options.spacings[0]
    if spacing is None:
        return None
    if len(spacing) != len(grid):
        raise InputError(
            f"spacing must be one number for each of {len(grid)} axes", got=repr(options.spacing)
        )
    steps = tuple(float(each) / min(spacing) for each in spacing)
    return steps if max(steps) > 1 else None


def default_architecture(
    shape: tuple[int, ...], deepest: int, boundary: Boundary, shift_average: bool
) -> Sequential:
    """As many levels as the largest hole needs, and one more where its kernel takes only seconds.

    A pixel farther than 2**levels from all known ones would be filled with a constant.
    """
    n = len(shape)
    quick = max(min(MAX_LOG4_PAIRS // n, 12), 1)
    needed = math.ceil(math.log2(max(2 * deepest, 2)))
    # The last of `quick` + 1 levels is only interpolated, so that its kernel takes seconds too.
    levels = min(max(needed, min(needed + 1, quick), MIN_LEVELS.get(n, 3)), quick + 1)
    if wrapped := wrapped_sides(shape, boundary):
        # One level more would end in a single coordinate: a constant kernel.
        allowed = int(math.log2(min(wrapped))) - 1
        if not shift_average:
            divisor = math.gcd(*wrapped)
            allowed = min(allowed, (divisor & -divisor).bit_length() - 1)
        if allowed < 1:
            raise InputError(
                "no network with levels fits a torus of this shape",
                expected="sides of 4 at least, divisible by 2",
                got=str(shape),
                hint="boundary='pad' (--boundary pad)",
            )
        levels = min(levels, allowed)
    return levels_architecture(levels, n)


def levels_architecture(levels: int, n: int) -> Sequential:
    """The default network with this many levels, for grids of n axes."""
    return hourglass(levels, convs_up=2 if levels <= max(min(MAX_LOG4_PAIRS // n, 12), 1) else 1)


def build_kernel(levels: int, n: int, cache: Cache) -> None:
    """Compute the kernel of a default network, if the cache does not hold it yet."""
    make_plan(GridOptions(), (1,) * n, levels_architecture(levels, n)).kernel(cache)


def padded(shape: tuple[int, ...], network: Sequential, shift_average: bool) -> tuple[int, ...]:
    """The torus for an image: padded so that opposite sides do not interact, with sides that the
    stride divides and that suit fast Fourier transforms."""
    divisor = network.stride
    if shift_average and network.axis.tail_period == 1 and network.mirror_symmetric:
        divisor = 1
    radius = network.receptive_radius
    return tuple(
        divisor * fft.next_fast_len(math.ceil(max(side + radius, 2 * radius) / divisor), real=True)
        for side in shape
    )


def outside_receptive_field(
    missing: Mask, radius: int, axes: int, steps: tuple[float, ...] | None = None
) -> Mask:
    """Pixels (*grid) at least `radius` from all known ones in some channel."""
    if missing.ndim > axes:
        channels = range(missing.shape[-1])
        each = [outside_receptive_field(missing[..., k], radius, axes, steps) for k in channels]
        return np.any(each, axis=0)
    if not missing.any():
        return missing
    if steps is not None:
        return np.asarray(ndimage.distance_transform_edt(missing, sampling=steps) >= radius)
    return eroded(missing, radius - 1)
