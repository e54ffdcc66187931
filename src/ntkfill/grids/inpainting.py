"""The door for grids: fill in what is missing of a signal, an image, a volume or a video."""

from __future__ import annotations

from typing import Any, Literal, TypedDict, Unpack, overload

from numpy.typing import ArrayLike, NDArray

from ..io.cache import Cache
from ..priors import Prior
from .architecture import Boundary
from .components import Network, Progress, Refine
from .inpainter import Inpainter
from .result import Info
from .uncertainty import Confidence, Filled


class Options(TypedDict, total=False):
    """What all forms of `inpaint` take."""

    network: Network
    channel_axis: int | None
    prior: Prior | None
    shift_average: bool
    boundary: Boundary
    ridge: float | None
    centre: bool | None
    refine: Refine
    rtol: float
    memory_limit: int | None
    cache: Cache | Literal["user"] | None
    progress: Progress


@overload
def inpaint(
    image: ArrayLike, mask: ArrayLike | None = ..., **options: Unpack[Options]
) -> NDArray[Any]: ...


@overload
def inpaint(
    image: ArrayLike,
    mask: ArrayLike | None = ...,
    *,
    return_info: Literal[True],
    **options: Unpack[Options],
) -> tuple[NDArray[Any], Info]: ...


@overload
def inpaint(
    image: ArrayLike,
    mask: ArrayLike | None = ...,
    *,
    return_std: Literal[True],
    interval: float | None = ...,
    confidence: Confidence | None = ...,
    **options: Unpack[Options],
) -> Filled: ...


@overload
def inpaint(
    image: ArrayLike,
    mask: ArrayLike | None = ...,
    *,
    interval: float,
    confidence: Confidence | None = ...,
    **options: Unpack[Options],
) -> Filled: ...


def inpaint(
    image: ArrayLike,
    mask: ArrayLike | None = None,
    *,
    network: Network = "auto",
    channel_axis: int | None = None,
    prior: Prior | None = None,
    shift_average: bool = True,
    boundary: Boundary = "pad",
    ridge: float | None = None,
    centre: bool | None = None,
    refine: Refine = None,
    rtol: float = 1e-3,
    memory_limit: int | None = None,
    cache: Cache | Literal["user"] | None = "user",
    progress: Progress = None,
    return_info: bool = False,
    return_std: bool = False,
    interval: float | None = None,
    confidence: Confidence | None = None,
) -> NDArray[Any] | tuple[NDArray[Any], Info] | Filled:
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
    network : "auto", Sequential or Mixture
        "auto" hides some known pixels in the pattern of the missing ones, and takes the network, or
        the mixture of up to three, that predicts them best (`ntkfill.grids.selection`);
        for the paper's
        exact kernel it takes as many levels as the largest hole needs.
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
    ridge : float, optional
        Added to the kernel's diagonal, relative to its mean. The default is 0.001, or what "auto"
        chooses, or what a mixture says.
    centre : bool, optional
        Take the mean of the known values out before, and put it back after. The default is to do
        so, except for the paper's exact kernel, which does without.
    refine : {None, "patches", "auto"}
        Complete every patch of the fill anew from the patches most like it, in several passes: much
        better on what repeats, textures and edges, and a hundred times as much work. "auto" does so
        where hidden known pixels say that it helps; None is one exact solve.
    rtol : float
        Accuracy of the solve: the residual relative to the known values' spread.
    memory_limit : int, optional
        Bytes of working memory of the solve; the default is what is free.
    cache : Cache or None, optional
        Where kernels are kept; the default is the user's cache folder, None keeps none.
    progress : bool or callable, optional
        True draws a bar on stderr; a function is called with the share that is done.
    return_info : bool
        Also return how the fill went.
    return_std : bool
        Say how sure every filled pixel is (`docs/confidence.md`): returns `Filled`.
    interval : float, optional
        The same, with an interval for every pixel that holds this share of the missing ones,
        calibrated on known pixels that are hidden.
    confidence : Confidence, optional
        How the standard deviations are made.

    Returns
    -------
    array
        Of the image's shape and dtype; known pixels bit for bit, integers rounded and clipped.
    Info
        With `return_info`, as the second of two.
    Filled
        With `return_std` or `interval`, instead of both: values, std, interval, info.

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
    >>> sure = inpaint(image, holes, interval=0.9)
    >>> bool(np.all(sure.values == filled)), sure.std.shape, sure.interval.level
    (True, (32, 32), 0.9)
    """
    inpainter = Inpainter(
        network,
        prior=prior,
        shift_average=shift_average,
        boundary=boundary,
        ridge=ridge,
        centre=centre,
        refine=refine,
        rtol=rtol,
        memory_limit=memory_limit,
        cache=cache,
        progress=progress,
    )
    if return_std or interval is not None:
        return inpainter.sure(
            image, mask, channel_axis=channel_axis, interval=interval, confidence=confidence
        )
    filled, info = inpainter.fill(image, mask, channel_axis=channel_axis)
    return (filled, info) if return_info else filled
