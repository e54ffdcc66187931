"""The door for grids: fill in what is missing of a signal, an image, a volume or a video."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .cache import Cache
from .completion import complete
from .errors import ConvergenceWarning, InputError, InvertedMaskWarning
from .kernels import Kernel
from .nn.sequential import Sequential
from .observed import Mask, Observed
from .pictures import Picture, looks_inverted, mask_array, picture
from .plan import Boundary, Plan, beyond_reach, plan
from .priors import Prior
from .progress import reporter
from .solvers.base import Progress as Told
from .solvers.base import Report, Solver

Network = Sequential | Literal["auto"]
Progress = bool | Callable[[float], None] | None


@dataclass(frozen=True)
class Info:
    """How a fill went.

    Parameters
    ----------
    plan : Plan or None
        Network, torus and solver; None where nothing was missing.
    reports : tuple of Report
        How each solve ended: residual, steps, converged, jitter. One per pattern of known pixels.
    missing : int
        Pixels that were filled.
    beyond_reach : int
        How many of them lie so deep in a hole that the network sees nothing known from there and
        fills in one constant.
    seconds : float
    """

    plan: Plan | None
    reports: tuple[Report, ...]
    missing: int
    beyond_reach: int
    seconds: float

    @property
    def converged(self) -> bool:
        return all(report.converged for report in self.reports)


@overload
def inpaint(
    image: ArrayLike,
    mask: ArrayLike | None = ...,
    *,
    network: Network = ...,
    channel_axis: int | None = ...,
    prior: Prior | None = ...,
    shift_average: bool = ...,
    boundary: Boundary = ...,
    ridge: float = ...,
    rtol: float = ...,
    memory_limit: int | None = ...,
    cache: Cache | Literal["user"] | None = ...,
    progress: Progress = ...,
    return_info: Literal[False] = ...,
) -> NDArray[Any]: ...


@overload
def inpaint(
    image: ArrayLike,
    mask: ArrayLike | None = ...,
    *,
    network: Network = ...,
    channel_axis: int | None = ...,
    prior: Prior | None = ...,
    shift_average: bool = ...,
    boundary: Boundary = ...,
    ridge: float = ...,
    rtol: float = ...,
    memory_limit: int | None = ...,
    cache: Cache | Literal["user"] | None = ...,
    progress: Progress = ...,
    return_info: Literal[True],
) -> tuple[NDArray[Any], Info]: ...


def inpaint(
    image: ArrayLike,
    mask: ArrayLike | None = None,
    *,
    network: Network = "auto",
    channel_axis: int | None = None,
    prior: Prior | None = None,
    shift_average: bool = True,
    boundary: Boundary = "pad",
    ridge: float = 1e-3,
    rtol: float = 1e-3,
    memory_limit: int | None = None,
    cache: Cache | Literal["user"] | None = "user",
    progress: Progress = None,
    return_info: bool = False,
) -> NDArray[Any] | tuple[NDArray[Any], Info]:
    """Fill in what is missing of a signal, an image, a volume or a video.

    Kernel regression with the neural tangent kernel of an infinitely wide convolutional network,
    which is that network trained to the end on the known pixels; exact, without training.

    Parameters
    ----------
    image : array of shape (*grid), or with an axis of channels besides
        Any real dtype and range, any size. NaN, and the masked entries of a masked array, are
        missing.
    mask : array of shape (*grid), optional
        True (or not zero) where missing. Without it only NaN is missing.
    network : "auto" or Sequential
        "auto" takes as many levels as the largest hole needs.
    channel_axis : int, optional
        The axis that holds channels, e.g. -1 for RGB; None if every axis belongs to the grid.
    prior : Prior, optional
        The default is `IID()`. A prior that tells coordinates apart needs `boundary="wrap"` and
        `shift_average=False`.
    shift_average : bool
        The mean over all placements of the sampling grid: without block artefacts, and ten times
        faster. False is the exact kernel of the paper.
    boundary : {"pad", "wrap"}
        Surround the image with unknown pixels, or take it for a torus.
    ridge : float
        Added to the kernel's diagonal, relative to its mean.
    rtol : float
        Accuracy of the solve: the residual relative to the known values' spread.
    memory_limit : int, optional
        Bytes of working memory; the default is what is free.
    cache : Cache or None, optional
        Where kernels are kept; the default is the user's cache folder, None keeps none.
    progress : bool or callable, optional
        True draws a bar on stderr; a function is called with the share that is done.
    return_info : bool
        Also return how the fill went.

    Returns
    -------
    array
        Of the image's shape and dtype; known pixels bit for bit, integers rounded and clipped.
    Info
        With `return_info` only.

    Raises
    ------
    InputError
        If image, mask and options do not go together; the message says what to try.
    MemoryLimitError
        If the fill would not fit; nothing was allocated.

    Warns
    -----
    InvertedMaskWarning
        If the mask seems to mark what is known.
    ConvergenceWarning
        If the solve stopped early.

    References
    ----------
    Radhakrishnan, Stefanakis, Belkin and Uhler, "Simple, fast, and flexible framework for matrix
    completion with infinite width neural networks", PNAS 2022, doi:10.1073/pnas.2115064119.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.add.outer(np.arange(32.0), np.arange(32.0))
    >>> holes = np.random.default_rng(0).random(image.shape) < 0.5
    >>> filled = inpaint(image, holes)
    >>> bool(np.all(filled[~holes] == image[~holes])), bool(abs(filled - image).max() < 2)
    (True, True)
    """
    source = picture(image, channel_axis)
    missing = missing_pixels(source, mask)
    anywhere = in_any_channel(missing, source.grid)
    check_missing(anywhere)
    if not anywhere.any():
        info = Info(None, (), 0, 0, 0.0)
        return (source.original.copy(), info) if return_info else source.original.copy()
    made = plan(
        anywhere,
        network=network,
        prior=prior,
        shift_average=shift_average,
        boundary=boundary,
        ridge=ridge,
        rtol=rtol,
        memory_limit=memory_limit,
        channels=source.pixels.shape[-1],
    )
    kernel = made.kernel(store(cache))
    filled, info = fill(source, missing, made, kernel, made.solver, reporter(progress, "filling"))
    return (filled, info) if return_info else filled


def fill(
    source: Picture, missing: Mask, plan: Plan, kernel: Kernel, solver: Solver, told: Told | None
) -> tuple[NDArray[Any], Info]:
    """Fill a picture where `missing`, of shape (*grid) or (*grid, channels)."""
    started = time.perf_counter()
    channels = source.pixels.shape[-1]
    joint = missing.ndim == len(plan.grid)
    dtype = np.float32 if source.pixels.dtype.itemsize <= 2 else np.float64
    pixels = np.where(missing[..., None] if joint else missing, 0, source.pixels).astype(dtype)
    known = plan.embed(~missing)
    observed = Observed(
        plan.embed(pixels).reshape(-1, channels),
        known.ravel() if joint else known.reshape(-1, channels),
    )
    done = complete(observed, kernel, solver, centre=True, progress=told)
    filled = plan.window(done.values.reshape(*plan.torus, channels))
    result = source.filled(missing, filled)
    anywhere = in_any_channel(missing, plan.grid)
    info = Info(
        plan,
        done.reports,
        int(anywhere.sum()),
        int(beyond_reach(anywhere, plan.network.reach).sum()),
        time.perf_counter() - started,
    )
    if not info.converged:
        worst = max(report.residual for report in done.reports)
        warnings.warn(
            f"the solve stopped at a residual of {worst:.2g}. Try: a larger ridge.",
            ConvergenceWarning,
            stacklevel=3,
        )
    return result, info


def missing_pixels(source: Picture, mask: ArrayLike | None) -> Mask:
    """What the mask and the NaNs say together: (*grid), or (*grid, channels) if channels differ."""
    missing = np.zeros(source.grid, bool) if mask is None else mask_array(mask, source.grid)
    if source.nan is None:
        return missing
    both = missing[..., None] | source.nan
    alike = bool((both == both[..., :1]).all())
    return np.asarray(both[..., 0] if alike else both)


def in_any_channel(missing: Mask, grid: tuple[int, ...]) -> Mask:
    """The pixels that miss at least one channel, (*grid)."""
    return missing if missing.ndim == len(grid) else np.asarray(missing.any(axis=-1))


def check_missing(missing: Mask) -> None:
    """Refuse a mask without a known pixel; warn of one that looks inverted."""
    if missing.size == 0:
        raise InputError("the mask is empty", got=f"shape {missing.shape}")
    if missing.all():
        raise InputError(
            "every pixel is missing, so there is nothing to fill in from",
            expected="at least one known pixel",
            hint="a mask that is True where the image is missing",
        )
    if looks_inverted(missing):
        warnings.warn(
            "the mask marks the whole border and more than half of the pixels as missing; "
            "True (or white) must mean missing. Try: the inverted mask.",
            InvertedMaskWarning,
            stacklevel=3,
        )


def store(cache: Cache | Literal["user"] | None) -> Cache | None:
    """The cache that was asked for."""
    return Cache() if cache == "user" else cache
