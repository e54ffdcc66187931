"""Fill in what is missing of signals, images, volumes and videos: `inpaint` and `Inpainter`."""

from __future__ import annotations

import difflib
import inspect
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError, check_finite, finite, sentence, warn
from ..explanation import Explanation
from ..io.cache import Cache, MemoryCache
from ..kernels.table import Array
from ..nn import Mixture, Sequential
from ..observed import Mask
from ..priors import Prior
from ..result import Filled
from ..runtime.progress import reporter, stage
from ..runtime.resources import single_blas_thread
from ..selection import MAX_STACKED, Choice
from ..solvers.base import Report
from ..uncertainty import Interval, Uncertainty
from ..uncertainty.intervals import check_level
from . import serialization
from .explain import explain
from .image import ImageArray, angles, check_mask, circle, expand, read_image, read_mask, too_wide
from .labelled import read_labels
from .model import Component, GridModel
from .options import Alpha, Boundary, Bounds, GridOptions, MissingValues, Network, Refine, Spacing
from .patches import Refinement
from .plan import ONE, Plan, Request, make_plans, outside_receptive_field
from .selection import MAX_MIXED_SIZE, couple, has_few_gaps, offered_splines, select
from .tiles import fill_lazily, fill_to_file
from .uncertainty import GridUncertainty, distances


@dataclass(frozen=True, eq=False)
class Info:
    """How a fill went.

    Parameters
    ----------
    network : Sequential or Mixture or None
        The network used; ``network=`` and ``--network`` take its repr. None where nothing was
        missing.
    plan : Plan or None
        Torus and solver of the network with the largest weight.
    choice : Choice or None
        The candidates and their errors, where the network was selected by held-out pixels.
    refinement : Refinement or None
        How the fill was refined, or why not, where that was asked for.
    reports : tuple of Report
        How each solve ended: residual, steps, converged, jitter. One per network and group of
        channels that miss the same pixels.
    missing : int
        Pixels that were filled.
    outside_receptive_field : bool array of shape (*grid)
        Missing pixels without a known one in the receptive field of any network; they are filled
        with the level around them.
    channel_covariance : float array of shape (channels, channels) or None
        How channels that miss different pixels go together, over their standard deviations; None
        where they miss the same, or each is filled by itself.
    distance : float array of shape (*grid) or None
        From each pixel to the nearest that is known in all channels, in pixels, 0 where known; with
        standard deviations only.
    relative_error : float
        Of the standard deviations, from the finite number of samples; 0 where all are of patches,
        or none were asked for.
    seconds : float
        Time of the solves and the refinement.
    """

    network: Sequential | Mixture | None
    plan: Plan | None
    choice: Choice | None
    refinement: Refinement | None
    reports: tuple[Report, ...]
    missing: int
    outside_receptive_field: Mask = field(repr=False)
    channel_covariance: Array | None = None
    distance: Array | None = field(default=None, repr=False)
    relative_error: float = 0.0
    seconds: float = 0.0

    def of(self, filled: Mask) -> Info:
        """The same, of these pixels (*grid), or (*grid, channels), alone."""
        if filled.ndim > self.outside_receptive_field.ndim:
            filled = np.asarray(filled.any(axis=-1))
        outside = self.outside_receptive_field & filled
        return replace(self, missing=int(filled.sum()), outside_receptive_field=outside)

    @property
    def n_outside_receptive_field(self) -> int:
        """How many pixels are filled with no more than a level."""
        return int(self.outside_receptive_field.sum())

    @property
    def converged(self) -> bool:
        """Whether every solve reached the tolerance."""
        return all(report.converged for report in self.reports)


def inpaint(
    image: ArrayLike,
    mask: ArrayLike | None = None,
    *,
    exclude: ArrayLike | None = None,
    **options: Any,
) -> Any:
    """Fill in what is missing of a signal, an image, a volume or a video.

    Kernel regression with the neural tangent kernel of an infinitely wide convolutional network,
    which is that network trained to the end on the known pixels; exact, without training.

    Parameters
    ----------
    image : array of shape (*grid), or with an axis of channels besides
        Any real dtype and range, any size. NaN, and the masked entries of a masked array, are
        missing. A dask array, or an xarray DataArray that holds one, is filled chunk by chunk, with
        what the network sees around each, when the result is computed; holes should be smaller
        than chunks.
    mask : array of shape (*grid), or of its last axes, optional
        True (or not zero) where missing, or masked in a masked array; the same for every page or
        frame where the first axes are left out. Without it only NaN is missing.
    exclude : array of shape (*grid), optional
        True where pixels are neither filled nor used: land in a map of the sea.
    **options
        The parameters of `Inpainter`: network, channel_axis, refine, ...

    Returns
    -------
    array
        Of the image's shape and dtype; known pixels bit for bit, filled ones clipped to the range
        of the type (or `bounds`), and rounded where it holds integers.

    Raises
    ------
    InputError
        If image, mask or options are invalid; the message says what to try.
    MemoryLimitError
        If the fill does not fit into memory; nothing has been allocated.

    Warns
    -----
    InvertedMaskWarning
        If the mask seems to mark the known pixels.
    ConvergenceWarning
        If the solve stopped early.

    See Also
    --------
    Inpainter : For one mask and many images, standard deviations, intervals and explanations.

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
    names = list(inspect.signature(Inpainter).parameters)
    for name in options.keys() - set(names):
        of_fill = name in ("return_std", "interval", "uncertainty")
        close = difflib.get_close_matches(name, names, 1)
        hint = f"Inpainter(...).fill(image, mask, {name}=...)" if of_fill else " or ".join(close)
        raise TypeError(sentence(f"inpaint has no option {name!r}", "", "", hint))
    inpainter = Inpainter(**options)
    data = getattr(image, "data", None) if hasattr(image, "dims") else image
    if type(data).__module__.partition(".")[0] == "dask":
        if exclude is None:
            given = GridOptions(**inpainter.get_params())
            labelled = read_labels(image, mask, None, given, lazy=True)
            if labelled is None:
                return fill_lazily(inpainter, image, mask)
            filled = fill_lazily(inpainter, labelled.array, labelled.mask)
            return labelled.wrap(filled, "values")
        warn("the array is read and filled now, as a whole, because of exclude=", UserWarning)
    return inpainter.fill(image, mask, exclude=exclude).values


class Inpainter:
    """Fill images: `fill` one, or `fit` a mask once and `transform` many images.

    Parameters
    ----------
    network : "auto", Sequential or Mixture
        "auto" holds out known pixels in the pattern of the missing ones, and selects the network,
        or the mixture of up to three, that predicts them best. Without an image, and for the
        paper's exact kernel, it takes as many levels as the largest hole needs.
    channel_axis : int, optional
        The axis that holds channels, e.g. -1 for RGB; None if every axis belongs to the grid.
    alpha : bool or "premultiplied"
        Whether the last channel is an opacity, as in RGBA: colours count as much as they are
        opaque, and a hole in an opaque object with sharp edges is filled opaque. "premultiplied"
        where colours are stored multiplied by it. Opaque is the largest number of 8 or 16 bits, and
        1, 255 or 65535 of other types, whichever the known ones reach.
    missing_values : number, "nonfinite", or a sequence of them, optional
        Values that mean missing, as NaN does: -9999, or "nonfinite" for infinity. They are compared
        as the image's type represents them.
    bounds : (low, high) or "data", optional
        What is filled is clipped to them; an end that is None is open. "data" is the range of the
        known values of each channel. The default is the range of the type alone.
    max_gap : int, optional
        Leave gaps as they are that hold a box of more pixels than this each way: in a signal,
        longer ones.
    period : float, optional
        The values are angles: 360 for degrees, 2 pi for radians. Cosines and sines are filled, and
        angles from 0 to the period returned.
    prior : Prior, optional
        The default is `IID()`. A prior that is not stationary needs `boundary="wrap"` and
        `shift_average=False`.
    shift_average : bool
        The mean over all placements of the sampling grid: without block artefacts, and ten times
        faster. False is the exact kernel of the paper.
    boundary : {"pad", "wrap"}, or one for each axis of the grid
        Pad the image with unknown pixels, or treat it as periodic: ("pad", "wrap") for a map whose
        longitude is.
    spacing : tuple of float or "auto", optional
        The distance between pixels along each axis of the grid, in any unit: (3, 1, 1) for slices
        that are three times as far from each other as their pixels are. The network's pixels are
        the finest. ("auto", 1, 1) for the frames of a video: 1, 3 or 64 pixels, whichever predicts
        held-out pixels best, at the cost of three selections of a network; `spacing_` tells which.
    ridge : float, optional
        Added to the kernel's diagonal, relative to its mean. The default is 0.001, or what "auto"
        selects, or what a mixture says.
    centre : bool, optional
        Subtract the mean of the known values before the solve and add it after. The default is
        `shift_average`: not for the paper's exact kernel.
    refine : {None, "patches", "auto"}
        Complete every patch of the fill again from the most similar patches, in several passes:
        much better on textures and edges, and about a hundred times slower. "auto" does so where
        it predicts held-out pixels better; None is one exact solve.
    rtol : float
        Tolerance of the solve: the residual relative to the spread of the known values.
    memory_limit : int, optional
        Bytes of working memory of the solve; the default is what is free.
    cache : Cache, "user" or None
        Where kernels are stored; the default is the user's cache folder, None stores none.
    progress : bool or callable, optional
        True shows a bar on stderr; a function is called with the share that is done.

    Attributes
    ----------
    network_ : Sequential or Mixture
        The network of the fill.
    choice_ : Choice or None
        The candidates and their errors, where the network was selected by an image.
    spacing_ : tuple of float or None
        As it was given, or selected.
    model_ : GridModel
        Plan, kernel and factor of each network.
    missing_ : bool array of shape (*grid), or (*grid, channels) where they miss different pixels

    Examples
    --------
    >>> import numpy as np
    >>> ramp = np.linspace(0.0, 1.0, 32)
    >>> gap = np.zeros(32, bool)
    >>> gap[12:15] = True
    >>> inpainter = Inpainter().fit(mask=gap)
    >>> bool(abs(inpainter.transform(ramp) - ramp).max() < 0.01)
    True
    >>> Inpainter(ridge=0.1)
    Inpainter(ridge=0.1)
    """

    network_: Sequential | Mixture
    choice_: Choice | None
    spacing_: tuple[float, ...] | None
    model_: GridModel
    missing_: Mask
    _options: GridOptions

    def __init__(
        self,
        network: Network = "auto",
        *,
        channel_axis: int | None = None,
        alpha: Alpha = False,
        missing_values: MissingValues = None,
        bounds: Bounds = None,
        max_gap: int | None = None,
        period: float | None = None,
        prior: Prior | None = None,
        shift_average: bool = True,
        boundary: Boundary = "pad",
        spacing: Spacing = None,
        ridge: float | None = None,
        centre: bool | None = None,
        refine: Refine = None,
        rtol: float = 1e-3,
        memory_limit: int | None = None,
        cache: Cache | Literal["user"] | None = "user",
        progress: bool | Callable[[float], None] | None = None,
    ) -> None:
        self.network = network
        self.channel_axis = channel_axis
        self.alpha = alpha
        self.missing_values = missing_values
        self.bounds = bounds
        self.max_gap = max_gap
        self.period = period
        self.prior = prior
        self.shift_average = shift_average
        self.boundary = boundary
        self.spacing = spacing
        self.ridge = ridge
        self.centre = centre
        self.refine = refine
        self.rtol = rtol
        self.memory_limit = memory_limit
        self.cache = cache
        self.progress = progress

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name, as in scikit-learn; `deep` makes no difference."""
        return {field.name: getattr(self, field.name) for field in fields(GridOptions)}

    def set_params(self, **params: Any) -> Inpainter:
        """Change parameters by name, as in scikit-learn; returns itself."""
        for name, value in params.items():
            if name not in self.get_params():
                raise InputError(
                    f"{name!r} is not a parameter of Inpainter",
                    expected=", ".join(self.get_params()),
                )
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = inspect.signature(Inpainter).parameters
        changed = {
            name: value
            for name, value in self.get_params().items()
            if repr(value) != repr(defaults[name].default)
        }
        return f"Inpainter({', '.join(f'{name}={value!r}' for name, value in changed.items())})"

    @single_blas_thread()
    def fit(self, image: ArrayLike | None = None, mask: ArrayLike | None = None) -> Inpainter:
        """Select the network and factor its kernel, for one mask and many images.

        Parameters
        ----------
        image : array of shape (*grid), or with channels besides, optional
            What ``network="auto"`` selects by, as for `fill`. None selects by the mask alone.
        mask : array of shape (*grid), optional
            True (or not zero) where missing; with an image, NaN is missing too.

        Returns
        -------
        Inpainter
            Itself.

        Raises
        ------
        InputError
            If everything is missing, or the mask does not suit the options.
        MemoryLimitError
            If the fill does not fit into memory.
        """
        options = GridOptions(**self.get_params())
        if image is None and mask is None:
            raise InputError("fit needs an image or a mask", hint="inpainter.fit(mask=mask)")
        source = None if image is None else read_image(image, options)
        if source is None:
            assert mask is not None
            missing = read_mask(mask, np.shape(mask))
        else:
            missing = source.missing(mask)
        if mask is None and not missing.any():
            raise InputError(
                "nothing is missing in the image that fit got", hint="inpainter.fit(mask=mask)"
            )
        check_mask(missing, inverted=mask is not None)
        request = ONE if source is None else _request(source, options)
        self._fit(source, missing, options, MemoryCache(options.cache), request)
        return self

    @single_blas_thread()
    def transform(self, image: ArrayLike) -> NDArray[Any]:
        """Fill one image through the mask of the fit.

        Parameters
        ----------
        image : array of shape (*grid), or with channels besides
            Any real dtype.

        Returns
        -------
        array
            Of the same shape and dtype; known pixels bit for bit.

        Raises
        ------
        InputError
            If the image has another grid than the mask, or NaN where the mask says known.
        """
        if hasattr(image, "dims"):
            data_array: Any = image
            return data_array.copy(data=self.transform(data_array.values))
        options, source, pixels = self._read_fitted(image)
        progress = reporter(options.progress, "filling", 0.3, 1.0) if options.progress else None
        done = self.model_.complete_and_refine(pixels, options.refine, progress)
        return source.write_back(self.missing_, source.finish(self.missing_, done.refined.values))

    @single_blas_thread()
    def fill(
        self,
        image: ArrayLike,
        mask: ArrayLike | None = None,
        *,
        exclude: ArrayLike | None = None,
        return_std: bool = False,
        interval: float | None = None,
        uncertainty: Uncertainty | None = None,
    ) -> Filled[Info]:
        """Fill one image through its own mask.

        A mask that differs from the last one is fitted first. Channels may miss different pixels,
        where the image holds NaN: they are filled together, with the covariance that known pixels
        show them to have, if that predicts held-out ones better than each by itself.

        Parameters
        ----------
        image : array of shape (*grid), or with channels besides
            Any real dtype and range; NaN is missing. An array of dask is read whole.
        mask : array of shape (*grid), optional
            True (or not zero) where missing.
        exclude : array of shape (*grid), optional
            True where pixels are neither filled nor used; their standard deviation is NaN.
        return_std : bool
            Also return the standard deviation of every pixel.
        interval : float, optional
            Also return standard deviations and an interval for every pixel, calibrated on held-out
            pixels so that this share of the missing ones, e.g. 0.9, lies within.
        uncertainty : Uncertainty, optional
            How standard deviations and intervals are made.

        Returns
        -------
        Filled
            Values of the image's shape and dtype, known pixels bit for bit; std (0 where known) and
            interval of its shape, or None; and `Info`.

        Raises
        ------
        InputError, MemoryLimitError
            As `inpaint`.

        Examples
        --------
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> signal = np.sin(np.linspace(0, 20, 200)) + rng.normal(0, 0.1, 200)
        >>> gaps = rng.random(200) < 0.3
        >>> filled = Inpainter().fill(signal, gaps, interval=0.9)
        >>> bool(0.05 < filled.std[gaps].mean() < 0.3), filled.interval.level
        (True, 0.9)
        """
        options = GridOptions(**self.get_params())
        if interval is not None:
            check_level(interval)
            return_std = True
        labelled = None
        if not isinstance(image, np.ndarray):
            labelled = read_labels(image, mask, exclude, options)
        if labelled is not None:
            inner = Inpainter(**self.get_params() | labelled.options)
            return labelled.write_back(
                inner.fill(
                    labelled.array,
                    labelled.mask,
                    exclude=labelled.exclude,
                    return_std=return_std,
                    interval=interval,
                    uncertainty=uncertainty,
                )
            )
        source = read_image(image, options)
        axes = len(source.grid)
        left = None if exclude is None else read_mask(exclude, source.grid)
        missing = source.missing(mask, left)
        if options.max_gap is not None:
            inside = missing if left is None else missing & ~expand(left, missing)
            wide = too_wide(inside, options.max_gap, axes)
            left = wide if left is None else expand(left, wide) | wide
        wanted = missing
        if left is not None:
            wanted = expand(missing, left) & ~expand(left, missing)
        if mask is None and not missing.any():
            warn(
                "nothing is missing in the image: it holds no NaN, and there is no mask. "
                "Try: mask=, or missing_values=.",
                UserWarning,
            )
        looks_coloured = axes == 3 and source.grid[-1] in (3, 4) and min(source.grid[:2]) >= 8
        if options.channel_axis is None and looks_coloured:
            warn(
                f"the image {source.grid} is filled as a volume. Try: channel_axis=-1 "
                "(--channel-axis -1), if its last axis holds colours.",
                UserWarning,
            )
        if not wanted.any():
            return _unchanged(source, return_std, interval)
        if options.period is not None:
            return self._fill_angles(source, missing, wanted, return_std or interval is not None)
        check_mask(missing, inverted=mask is not None)
        cache = MemoryCache(options.cache)
        wished = _check_uncertainty(uncertainty) if return_std else None
        request = _request(source, options, wished, interval)
        model, choice = self._fit(source, missing, options, cache, request)

        started = time.perf_counter()
        progress = reporter(options.progress, "filling", 0.3, 1.0) if options.progress else None
        stages = 1 + return_std + (interval is not None)
        pixels = source.known_values(missing)
        done = model.complete_and_refine(
            pixels, options.refine, progress and stage(progress, 0, stages)
        )
        filled = source.finish(missing, done.refined.values)
        values = source.write_back(wanted, filled)
        seconds = time.perf_counter() - started

        anywhere, filled_anywhere = (
            np.asarray(each.any(axis=-1)) if each.ndim > axes else each
            for each in (missing, wanted)
        )
        std, bounds, distance, relative_error = None, None, None, 0.0
        if wished is not None:
            unsure = GridUncertainty(model, pixels, wished, cache)
            deviation = unsure.std(
                done.refined, done.refinement, progress and stage(progress, 1, stages)
            )
            check_finite("the standard deviation", deviation)
            deviation = source.rescaled(deviation)
            std = source.with_axes(
                deviation if left is None else np.where(expand(left, deviation), np.nan, deviation)
            )
            distance = distances(anywhere)
            if done.refined.std is None or np.isnan(done.refined.std).any():
                relative_error = float(1 / np.sqrt(2 * wished.samples))
            if interval is not None:
                multiplier, count = unsure.multiplier(
                    interval, choice, done.refinement, progress and stage(progress, 2, stages)
                )
                half = source.rescaled(
                    np.where(deviation > 0, multiplier, 0.0) * (deviation / source.scale)
                )
                ends = (
                    source.within_bounds(missing, source.added(filled, sign * half))
                    for sign in (-1.0, 1.0)
                )
                lower, upper = (
                    source.with_axes(
                        end if left is None else np.where(expand(left, end), np.nan, end)
                    )
                    for end in ends
                )
                bounds = Interval(lower, upper, interval, count)
        together = model.groups[0].together
        info = Info(
            network=model.network,
            plan=model.components[0].plan,
            choice=choice,
            refinement=done.refinement,
            reports=done.reports,
            missing=int(filled_anywhere.sum()),
            outside_receptive_field=filled_anywhere
            & outside_receptive_field(missing, model.reach, axes, model.components[0].plan.steps),
            channel_covariance=None if together is None else together.covariance,
            distance=distance,
            relative_error=relative_error,
            seconds=seconds,
        )
        return Filled(values, info, std, bounds)

    @single_blas_thread()
    def fill_to_file(
        self,
        image: Any,
        path: str | Path,
        mask: Any = None,
        *,
        tile: int | None = None,
        workers: int = 1,
        resume: bool = False,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        """Fill an image that does not fit into memory, tile by tile, into a file.

        The network is chosen once, on a tile with a typical share of gaps. Every tile is filled
        with what this network sees around it, and more around deep holes, so that it comes out as
        in the whole image, to the tolerance.

        Parameters
        ----------
        image : array-like of shape (*grid), or with channels besides
            Anything that can be sliced: a zarr array, a memory-mapped .npy, an HDF5 data set.
        path : str or Path
            A new .zarr or .npy. Nothing is under this name before all of it is.
        mask : array-like of shape (*grid), optional
            True where missing; NaN is missing too.
        tile : int, optional
            The side of a tile; the default is 1024 for images, 96 for volumes.
        workers : int
            Tiles that are filled at once, in threads.
        resume : bool
            Go on where an interrupted call for the same image and options stopped.
        progress : callable, optional
            Called with the share of the tiles that are written.

        Raises
        ------
        InputError
            If there is nothing to fill, the file cannot be written, or what is to be resumed is of
            another job.

        Examples
        --------
        >>> import tempfile
        >>> import numpy as np
        >>> image = np.add.outer(np.arange(80.0), np.arange(90.0))
        >>> missing = np.random.default_rng(0).random(image.shape) < 0.3
        >>> path = Path(tempfile.mkdtemp()) / "filled.npy"
        >>> Inpainter().fill_to_file(np.where(missing, np.nan, image), path, tile=40)
        >>> bool(abs(np.load(path) - image).max() < 2.0)
        True
        """
        fill_to_file(
            self, image, Path(path), mask,
            tile=tile, workers=workers, resume=resume, progress=progress,
        )  # fmt: skip

    def _fill_angles(
        self, source: ImageArray, missing: Mask, wanted: Mask, return_std: bool
    ) -> Filled[Info]:
        """Angles, by filling their cosines and sines."""
        if return_std:
            raise InputError("angles have no standard deviations", hint="return_std=False")
        period = float(self.period or 0.0)
        around = circle(source.values, period)
        each = np.broadcast_to(expand(missing, source.values), source.values.shape)
        around[np.concatenate([each, each], axis=-1)] = np.nan
        inner = Inpainter(
            # What is too wide, or excluded, was told from the gaps before.
            **self.get_params()
            | {"period": None, "channel_axis": -1, "missing_values": None, "max_gap": None}
        )
        done = inner.fill(around)
        found = angles(done.values, period)
        if source.original.dtype.kind in "ui":
            found = np.rint(found) % period
        if source.known_values(missing).min() < 0:  # from -180 to 180
            found = np.where(found < period / 2, found, found - period)
        info = done.info.of(wanted)
        return replace(done, values=source.write_back(wanted, found), info=info)

    @single_blas_thread()
    def std(
        self,
        image: ArrayLike,
        at: Sequence[tuple[int, ...]] | None = None,
        uncertainty: Uncertainty | None = None,
    ) -> Array:
        """The standard deviation of every filled pixel, or exactly of some.

        Parameters
        ----------
        image : array of shape (*grid), or with channels besides
        at : sequence of tuples of int, optional
            Pixels to solve for one by one. Without them all come from samples, with a relative
            error of 1 / sqrt(2 samples). Where the fill is refined, those of all pixels are taken.
        uncertainty : Uncertainty, optional

        Returns
        -------
        float array of the image's shape, 0 where known; or of shape (len(at),), or
        (len(at), channels)
        """
        wanted = _check_uncertainty(uncertainty)
        options, source, pixels = self._read_fitted(image)
        cache = MemoryCache(options.cache)
        unsure = GridUncertainty(self.model_, pixels, wanted, cache)
        plan = self.model_.components[0].plan
        index = None if at is None else np.array([plan.index(pixel) for pixel in at], np.intp)
        if index is not None and options.refine is None:
            found = unsure.exact_std(index)
        else:
            done = self.model_.complete_and_refine(pixels, options.refine)
            std = unsure.std(done.refined, done.refinement)
            if index is None:
                check_finite("the standard deviation", std)
                return source.with_axes(std * source.scale)
            found = std[np.unravel_index(index, plan.shape)]
        found = found * source.scale
        check_finite("the standard deviation", found)
        return found[:, 0] if options.channel_axis is None else found

    def plan(
        self,
        image: ArrayLike,
        mask: ArrayLike | None = None,
        *,
        return_std: bool = False,
        interval: float | None = None,
        uncertainty: Uncertainty | None = None,
    ) -> Plan:
        """What `fill` would do and what it would cost, without doing it: the plan of the network
        with the largest weight, before any selection by the image.

        Parameters
        ----------
        image : array of shape (*grid), or with channels besides
        mask : array of shape (*grid), optional
        return_std, interval, uncertainty
            As for `fill`.

        Returns
        -------
        Plan
        """
        options = GridOptions(**self.get_params())
        source = read_image(image, options)
        missing = source.missing(mask)
        wished = _check_uncertainty(uncertainty) if return_std or interval is not None else None
        request = _request(source, options, wished, interval)
        flat = missing.ndim == len(source.grid)
        offered = options.network == "auto" and options.shift_average and flat
        if offered and not has_few_gaps(missing):
            splines = offered_splines(missing, options)
            request = replace(request, spline=max(splines.values(), default=0))
        plan = make_plans(options, missing, source.grid, request)[0].near(missing)
        mixed = options.network == "auto" and source.values.size <= MAX_MIXED_SIZE
        return plan.mixed(MAX_STACKED) if mixed and options.shift_average else plan

    @single_blas_thread()
    def kernel_row(self, at: tuple[int, ...]) -> Array:
        """The paper's heat map: the kernel between a pixel and all others, of the largest network.

        Parameters
        ----------
        at : tuple of int
            The pixel.

        Returns
        -------
        float array of shape (*grid)
        """
        self._check_fitted()
        return finite("the kernel row", self.model_.kernel_row(at))

    @single_blas_thread()
    def weights(self, at: tuple[int, ...], channel: int = 0) -> Array:
        """Weights w of the known pixels in a filled one: filled value = sum(w * known values).

        The sum agrees with `transform` to within the tolerance `rtol` of the two solves.

        Parameters
        ----------
        at : tuple of int
            The pixel.
        channel : int
            Its channel, where channels miss different pixels; otherwise weights are the same.

        Returns
        -------
        float array of shape (*grid), or (*grid, channels) where they miss different pixels
            Zero where missing; sums to one, over the channel, where the mean is subtracted.

        Raises
        ------
        InputError
            If the fill is refined: its weights depend on the image, and `explain` gives them.
        """
        if self._check_fitted().refine is not None:
            raise InputError(
                "the weights of a refined fill depend on the image",
                hint="inpainter.explain(image, at)",
            )
        return finite("the weights", self.model_.weights(at, channel))

    @single_blas_thread()
    def explain(self, image: ArrayLike, at: tuple[int, ...], channel: int = 0) -> Explanation:
        """Weights and kernel of the known pixels in a filled one.

        A refined pixel is traced back through its patches, whose neighbours are held fixed; that
        takes as long as a fill.

        Parameters
        ----------
        image : array of shape (*grid), or with channels besides
        at : tuple of int
            The pixel.
        channel : int
            Whose value to explain. Without refinement weights are the same for all.

        Returns
        -------
        Explanation
            With the kernel of the network with the largest weight; of a refined pixel of several
            channels, with known pixels of all of them.

        Examples
        --------
        >>> import numpy as np
        >>> found = Inpainter().fit(mask=np.arange(20) % 4 == 1).explain(np.arange(20.0), (5,))
        >>> round(found.value, 1), sorted(found.largest(2).rows.tolist())
        (5.0, [4, 6])
        """
        options, source, pixels = self._read_fitted(image)
        found = explain(self.model_, pixels, options.refine, at, channel)
        values, value = found.values * source.scale, found.value * source.scale
        return replace(found, values=values, value=value)

    def save(self, path: str | Path) -> None:
        """Write options and mask to an .npz file, without pickles; kernels stay in the cache.

        Raises
        ------
        InputError
            If the file cannot be written.
        """
        self._check_fitted()
        if self.missing_.ndim > len(self.model_.grid):
            raise InputError(
                "an inpainter of channels that miss different pixels is fitted to their values, "
                "and cannot be saved",
                hint="inpainter.fit(image) again",
            )
        params = self.get_params()
        options = {name: params[name] for name in serialization.OPTIONS}
        options["spacing"] = self.spacing_
        prior = self.model_.components[0].plan.prior
        serialization.write(Path(path), options, self.network_, prior, self.missing_)

    @classmethod
    def load(cls, path: str | Path) -> Inpainter:
        """Read what `save` wrote, and fit it again.

        Raises
        ------
        InputError
            If the file cannot be read or is of another kind.
        """
        options, network, prior, missing = serialization.read(Path(path))
        try:
            return cls(network, prior=prior, **options).fit(mask=missing)
        except (TypeError, ValueError) as error:
            raise InputError(f"{path} is not a saved inpainter", got=str(error)) from error

    def _fit(
        self,
        source: ImageArray | None,
        missing: Mask,
        options: GridOptions,
        cache: MemoryCache,
        request: Request,
    ) -> tuple[GridModel, Choice | None]:
        """The model for a mask, the one of the last fit where nothing has changed; kept as
        attributes."""
        grid, choice, together = missing.shape, None, None
        spacings = options.spacings
        every = [options]
        if len(spacings) > 1:
            every = [replace(options, spacing=each) for each in spacings]
        tried: list[tuple[Choice, tuple[Plan, ...]] | None] = []
        if source is None and len(every) > 1:
            raise InputError("spacing='auto' is selected by an image", hint="inpainter.fit(image)")
        if source is not None:
            grid = source.grid
            if missing.ndim > len(grid):
                together = couple(source.values, missing, every[0], cache)
        if source is not None and isinstance(options.network, str):
            progress = (
                reporter(options.progress, "selecting", 0.0, 0.2) if options.progress else None
            )
            for k, each in enumerate(every):
                share = progress and stage(progress, k, len(every))
                tried += [select(source.values, missing, each, cache, share, together, request)]
        errors = [math.inf if found is None else found[0].error for found in tried]
        best = int(np.argmin(errors)) if errors else 0
        selected = tried[best] if tried else None
        if selected is not None:
            choice, plans = selected
        else:
            plans = make_plans(every[best], missing, grid, request)
        model = getattr(self, "model_", None)
        if (
            model is not None
            and together is None
            and model.groups[0].together is None
            and self._options == options
            and tuple(component.plan for component in model.components) == plans
            and np.array_equal(self.missing_, missing)
        ):
            self.choice_, self.spacing_ = choice, spacings[best]
            return model, choice
        network = options.network if choice is None else choice.network
        if isinstance(network, str):
            network = plans[0].network
        progress = reporter(options.progress, "kernel", 0.2, 0.3) if options.progress else None
        components = tuple(
            Component(plan, plan.kernel(cache, progress and stage(progress, k, len(plans))))
            for k, plan in enumerate(plans)
        )
        centre = options.shift_average if options.centre is None else options.centre
        model = GridModel.fit(missing, network, components, centre, together)
        self.model_, self.choice_, self.network_ = model, choice, network
        self.spacing_ = spacings[best]
        self.missing_, self._options = missing, options
        return model, choice

    def _check_fitted(self) -> GridOptions:
        """The options, if there is a fit and they have not changed since."""
        options = GridOptions(**self.get_params())
        if not hasattr(self, "model_"):
            raise InputError("this Inpainter is not fitted yet", hint="inpainter.fit(mask=mask)")
        if self._options != options:
            raise InputError(
                "parameters were changed after the fit", hint="inpainter.fit(mask=mask) again"
            )
        return options

    def _read_fitted(self, image: ArrayLike) -> tuple[GridOptions, ImageArray, Array]:
        """Options, image and its known values, of an image for the mask of the fit."""
        options = self._check_fitted()
        source = read_image(image, options)
        axes, missing = len(source.grid), self.missing_
        same = missing.shape in (source.grid, source.values.shape)
        if not same or missing.ndim > axes + 1 or len(self.model_.grid) != axes:
            raise InputError(
                "image must have the shape of the mask",
                expected=str(missing.shape),
                got=str(source.grid if missing.shape == self.model_.grid else source.values.shape),
            )
        each = missing if missing.ndim > axes else missing[..., None]
        if source.nan is not None and (source.nan & ~each).any():
            raise InputError(
                "image must not hold NaN where the mask says known",
                hint="inpainter.fill, which takes NaN for missing",
            )
        return options, source, source.known_values(missing)


def _request(
    source: ImageArray,
    options: GridOptions,
    uncertainty: Uncertainty | None = None,
    interval: float | None = None,
) -> Request:
    """What is asked for, as far as its costs depend on that."""
    return Request(
        source.values.shape[-1],
        source.values.itemsize,
        samples=0 if uncertainty is None else uncertainty.samples,
        interval=interval is not None,
        refine=options.refine,
    )


def _check_uncertainty(uncertainty: Uncertainty | None) -> Uncertainty:
    if not isinstance(uncertainty, Uncertainty | None):
        raise InputError(
            "uncertainty must be an Uncertainty or None",
            got=repr(uncertainty),
            hint=f"ntkfill.{Uncertainty()!r}",
        )
    return uncertainty or Uncertainty()


def _unchanged(source: ImageArray, return_std: bool, level: float | None) -> Filled[Info]:
    """An image of which nothing is missing: every value is certain."""
    values, zero = source.original.copy(), np.zeros(source.grid)
    std = np.zeros(values.shape) if return_std else None
    bounds = None
    if level is not None:
        bounds = Interval(values.astype(np.float64), values.astype(np.float64), level, 0)
    info = Info(None, None, None, None, (), 0, zero != 0, zero if return_std else None)
    return Filled(values, info, std, bounds)
