"""From a mask to a way of filling it: network, torus, solver, and what they will cost."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from ..errors import InputError, check_number
from ..io.cache import Cache, MemoryCache
from ..kernels import Kernel
from ..kernels.table import Array, Axis
from ..nn.evaluate import Kind
from ..nn.networks import RIDGE, Mixture, Sequential, as_kernel
from ..observed import Mask
from ..priors import IID, Prior
from ..runtime.memory import available, require
from ..solvers.cg import CG
from ..solvers.cholesky import Cholesky
from .architecture import Boundary, automatic, automatic_network, depth

# Measured costs: per pair of a table; per unknown cubed; per coordinate, channel and step.
KERNEL_SECONDS, CHOLESKY_SECONDS, CG_SECONDS, STEPS = 1e-8, 1e-11, 6e-8, 10


@dataclass(frozen=True)
class Plan:
    """How a mask will be filled.

    Parameters
    ----------
    network : Sequential
    prior : Prior
    shift_average : bool
    boundary : {"pad", "wrap"}
    grid : tuple of int
        The image.
    torus : tuple of int
        The grid on which the kernel lives; the image is its first corner.
    solver : CG or Cholesky
    channels : int
        Right-hand sides the memory estimate counts with.
    """

    network: Sequential
    prior: Prior
    shift_average: bool
    boundary: Boundary
    grid: tuple[int, ...]
    torus: tuple[int, ...]
    solver: CG | Cholesky
    channels: int = 1

    @property
    def memory(self) -> int:
        """Bytes of working memory for one fill, about."""
        size = math.prod(self.torus)
        if not isinstance(self.solver, CG):
            return 5 * 8 * size**2
        fixed = 6 * 8 * size
        if not self.shift_average:
            blocks = self.network.period ** (2 * len(self.grid))
            fixed += 4 * blocks * (3 ** len(self.grid) + 1)
        return fixed + self.solver.column_bytes(self.torus) * self.channels

    @property
    def seconds(self) -> float:
        """Time of one fill on two cores of 2024, kernel and solve, within a factor of three."""
        entries = 4 ** (len(self.grid) * int(math.log2(max(self.network.receptive_radius, 2))))
        kernel = KERNEL_SECONDS * entries
        size = math.prod(self.torus)
        if isinstance(self.solver, Cholesky):
            return kernel + CHOLESKY_SECONDS * size**3
        cost = (
            CG_SECONDS if self.shift_average else CG_SECONDS * self.network.period ** len(self.grid)
        )
        return kernel + cost * STEPS * size * self.channels

    def embed(self, array: NDArray[Any]) -> NDArray[Any]:
        """An array over the image, (*grid, ...), as the first corner of the torus; zero around."""
        result = np.zeros(self.torus + array.shape[len(self.grid) :], dtype=array.dtype)
        self.window(result)[...] = array
        return result

    def window(self, torus: NDArray[Any]) -> NDArray[Any]:
        """The part of an array over the torus, (*torus, ...), that is the image."""
        return torus[tuple(slice(side) for side in self.grid)]

    def flat(self, at: tuple[int, ...]) -> int:
        """The number, on the torus, of a pixel of the image."""
        at = tuple(at) if np.iterable(at) else (at,)
        if len(at) != len(self.grid) or not all(
            isinstance(x, int | np.integer) and -side <= x < side
            for x, side in zip(at, self.grid, strict=True)
        ):
            raise InputError(
                "there is no such pixel",
                expected=f"{len(self.grid)} numbers within {self.grid}",
                got=str(at),
            )
        inside = tuple(int(x) % side for x, side in zip(at, self.grid, strict=True))
        return int(np.ravel_multi_index(inside, self.torus))

    def kernel(
        self,
        cache: Cache | MemoryCache | None = None,
        told: Callable[[float], None] | None = None,
        kind: Kind = "ntk",
    ) -> Kernel:
        """The kernel of the network on the torus, from the cache where it has it."""
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
                progress=told,
            )

        key = f"{self.network!r} | {self.prior!r} | {kind}, {average}, {where}"
        table, axes = cache.get(key, compute) if cache is not None else compute()
        return as_kernel(table, axes, self.torus)


def plan(
    missing: Mask,
    *,
    network: Sequential | Literal["auto"] = "auto",
    prior: Prior | None = None,
    shift_average: bool = True,
    boundary: Boundary = "pad",
    ridge: float | None = None,
    rtol: float = 1e-3,
    memory_limit: int | None = None,
    channels: int = 1,
    deepest: int | None = None,
) -> Plan:
    """Choose what the user left open.

    Parameters
    ----------
    missing : bool array of shape (*grid)
    network, prior, shift_average, boundary, ridge, rtol, memory_limit
        As in `ntkfill.inpaint`.
    channels : int
        How many right-hand sides the memory has to hold.
    deepest : int, optional
        The depth of the largest hole; measured where it is not given.

    Returns
    -------
    Plan

    Raises
    ------
    InputError
        If the options contradict each other or the mask.
    MemoryLimitError
        If the fill does not fit into memory in any way that is known.

    Examples
    --------
    >>> import numpy as np
    >>> missing = np.zeros((40, 40), bool)
    >>> missing[5:37, 5:37] = True
    >>> plan(missing).network.receptive_radius, plan(missing).torus
    (64, (128, 128))
    """
    check_options(network, prior, boundary, ridge, rtol, memory_limit)
    prior = IID() if prior is None else prior
    if not prior.stationary and (boundary == "pad" or shift_average):
        raise InputError(
            "a prior that tells coordinates apart has features for the image only",
            got=f"boundary={boundary!r}, shift_average={shift_average}",
            hint="boundary='wrap', shift_average=False",
        )
    if not isinstance(network, Sequential):
        network = automatic(
            missing.shape, depth(missing) if deepest is None else deepest, boundary, shift_average
        )
    torus = missing.shape if boundary == "wrap" else padded(missing.shape, network, shift_average)
    ridge = RIDGE if ridge is None else ridge
    solver: CG | Cholesky = CG(
        ridge=ridge, rtol=rtol, memory_limit=None if memory_limit is None else int(memory_limit)
    )
    if not prior.stationary:
        solver = Cholesky(ridge=ridge)
    made = Plan(network, prior, shift_average, boundary, missing.shape, torus, solver, channels)
    limit = available() if memory_limit is None else memory_limit
    require(
        "this fill",
        replace(made, channels=1).memory,
        limit,
        hint="a smaller image, or a crop around the hole",
    )
    return made


def build(levels: int, n: int, cache: Cache) -> None:
    """Compute the kernel of an automatic network, if the cache does not hold it yet."""
    missing = np.zeros((1,) * n, bool)
    plan(missing, network=automatic_network(levels, n)).kernel(cache)


def padded(shape: tuple[int, ...], network: Sequential, shift_average: bool) -> tuple[int, ...]:
    """The torus for an image: wide enough that its far sides do not see each other around it,
    divisible by what the network asks for, and of a size that Fourier transforms like."""
    whole = 1 if shift_average and network.axis.tail_period == 1 else network.stride
    if not network.mirrored:
        whole = network.stride
    sides = []
    for side in shape:
        least = max(side + network.receptive_radius, 2 * network.receptive_radius)
        sides.append(whole * fft.next_fast_len(math.ceil(least / whole), real=True))
    return tuple(sides)


def beyond_reach(missing: Mask, reach: int, n: int | None = None) -> Mask:
    """Coordinates where, in some channel, nothing known is seen but the far field: filled with one
    constant.

    Parameters
    ----------
    missing : bool array of shape (*grid), or (*grid, channels) on n axes
    reach : int
    n : int, optional
        The number of axes; all of the mask's by default.

    Returns
    -------
    bool array of shape (*grid)
    """
    if n is not None and missing.ndim > n:
        channels = range(missing.shape[-1])
        return np.any([beyond_reach(missing[..., k], reach) for k in channels], axis=0)
    if not missing.any():
        return missing
    return np.asarray(ndimage.distance_transform_cdt(missing, "chessboard") >= reach)


def check_options(
    network: object,
    prior: object,
    boundary: object,
    ridge: object,
    rtol: object,
    memory_limit: object,
) -> None:
    """Refuse options that no mask could make sense of."""
    if not isinstance(network, Sequential | Mixture) and not (
        isinstance(network, str) and network == "auto"
    ):
        raise InputError(
            "no such network",
            expected="'auto', a Sequential or a Mixture",
            got=repr(network),
            hint="ntkfill.nn.parse(text) for a network's repr",
        )
    if prior is not None and not hasattr(prior, "stationary"):
        raise InputError("this is no prior", expected="e.g. ntkfill.priors.IID()", got=repr(prior))
    if boundary not in ("pad", "wrap"):
        raise InputError("no such boundary", expected="'pad' or 'wrap'", got=repr(boundary))
    if ridge is not None and check_number("the ridge", ridge) < 0:
        raise InputError(
            "the ridge cannot be used", expected="a finite number, 0 or more", got=repr(ridge)
        )
    if not 0 < check_number("the tolerance", rtol) < 1:
        raise InputError(
            "the tolerance cannot be used", expected="a number between 0 and 1", got=repr(rtol)
        )
    if memory_limit is not None:
        check_number("the memory limit", memory_limit)
