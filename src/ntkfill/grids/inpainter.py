"""One mask, many images: an inpainter that is made ready once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from ..explanation import Explanation
from ..io.cache import Cache, MemoryCache, resolve_cache
from ..kernels.table import Array
from ..observed import Mask
from ..priors import Prior
from ..runtime.progress import reporter
from ..uncertainty.conformal import check_level
from . import serialization as saving
from .architecture import Boundary
from .components import Network, Part, Progress, Refine, Settings, deepest_of
from .explain import explained, kernel_row, network_weights
from .image import Picture, mask_array, picture
from .model import Canvas, canvas, in_any_channel
from .plan import Plan
from .result import Info, check_fit, check_missing, completed, fill, missing_pixels
from .selection import Choice
from .uncertainty import Confidence, Filled, checked, sure, untouched

# What there is to set besides network and prior.
OPTIONS = tuple(field.name for field in fields(Settings))[2:]


class Inpainter:
    """Fill many images through one mask: network, kernel and factor are made once.

    Parameters
    ----------
    network : "auto", Sequential or Mixture
        As for `ntkfill.inpaint`; without an image to choose by, "auto" takes as many levels as the
        largest hole needs.
    prior, shift_average, boundary, ridge, centre, refine, rtol, memory_limit, cache, progress
        As for `ntkfill.inpaint`.

    Attributes
    ----------
    network_ : Sequential or Mixture
        What fills.
    choice_ : Choice or None
        What was tried, where the network was chosen by an image.
    parts_ : tuple of Part
        Plan, kernel, factor and weight of each network; the one that counts most comes first.
    missing_ : bool array of shape (*grid)

    Examples
    --------
    >>> import numpy as np
    >>> ramp = np.linspace(0.0, 1.0, 32)
    >>> gap = np.zeros(32, bool)
    >>> gap[12:15] = True
    >>> inpainter = Inpainter().fit(gap)
    >>> bool(abs(inpainter.transform(ramp) - ramp).max() < 0.01)
    True
    """

    def __init__(
        self,
        network: Network = "auto",
        *,
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
    ) -> None:
        self.network = network
        self.prior = prior
        self.shift_average = shift_average
        self.boundary = boundary
        self.ridge = ridge
        self.centre = centre
        self.refine = refine
        self.rtol = rtol
        self.memory_limit = memory_limit
        self.cache = cache
        self.progress = progress

    def __repr__(self) -> str:
        names = ("network", "prior", *OPTIONS)
        options = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"Inpainter({options})"

    def fit(
        self,
        mask: ArrayLike,
        image: ArrayLike | None = None,
        *,
        channel_axis: int | None = None,
        channels: int = 1,
    ) -> Inpainter:
        """Make ready for a mask.

        Parameters
        ----------
        mask : array of shape (*grid)
            True (or not zero) where missing.
        image : array of shape (*grid), or with channels besides, optional
            What ``network="auto"`` chooses by; without one it goes by the mask alone.
        channel_axis : int, optional
        channels : int
            Of the images to come, for the estimate of memory, where none is given.

        Returns
        -------
        Inpainter
            Itself.

        Raises
        ------
        InputError
            If everything is missing, or the mask does not suit the options.
        MemoryLimitError
            If the fill would not fit.
        """
        self._settings.check()
        missing = mask_array(mask, np.shape(mask))
        check_missing(missing)
        source = None if image is None else picture(image, channel_axis)
        if source is not None:
            check_fit(source, missing)
            channels = source.pixels.shape[-1]
        cache = MemoryCache(resolve_cache(self.cache))
        choice = None
        if source is not None:
            choice = self._settings.chosen(source, missing, cache, self.progress)
        return self._fit(missing, channels, choice, cache)

    def transform(self, image: ArrayLike, *, channel_axis: int | None = None) -> NDArray[Any]:
        """Fill one image.

        Parameters
        ----------
        image : array of shape (*grid), or with channels besides
            Any real dtype.
        channel_axis : int, optional

        Returns
        -------
        array
            Of the same shape and dtype; known pixels bit for bit.

        Raises
        ------
        InputError
            If the image has another grid than the mask, or NaN where the mask says known.
        """
        self._fitted()
        source = picture(image, channel_axis)
        check_fit(source, self.missing_)
        told = reporter(self.progress, "filling", 0.3, 1.0)
        return fill(source, self._canvas(source), self.refine, told)[0]

    def fill(
        self, image: ArrayLike, mask: ArrayLike | None = None, *, channel_axis: int | None = None
    ) -> tuple[NDArray[Any], Info]:
        """Fill one image through its own mask; what `ntkfill.inpaint` does.

        A mask that differs from the last one is fitted first. Channels may miss different pixels,
        where the image holds NaN.

        Parameters
        ----------
        image : array of shape (*grid), or with channels besides
            NaN is missing.
        mask : array of shape (*grid), optional
            True (or not zero) where missing.
        channel_axis : int, optional

        Returns
        -------
        array
            Of the same shape and dtype; known pixels bit for bit.
        Info
            How it went.
        """
        source = picture(image, channel_axis)
        missing = missing_pixels(source, mask)
        self._settings.check()
        if not missing.any():
            return source.original.copy(), Info()
        check_missing(missing)
        parts, choice = self._made_ready(source, missing, MemoryCache(resolve_cache(self.cache)))
        told = reporter(self.progress, "filling", 0.3, 1.0)
        drawn = canvas(source, missing, parts, self._settings.centres)
        filled, info, _ = fill(source, drawn, self.refine, told)
        return filled, self._named(info, parts, choice)

    def sure(
        self,
        image: ArrayLike,
        mask: ArrayLike | None = None,
        *,
        channel_axis: int | None = None,
        interval: float | None = None,
        confidence: Confidence | None = None,
    ) -> Filled:
        """Fill one image, and say how sure every filled pixel is.

        Parameters
        ----------
        image : array of shape (*grid), or with channels besides
            NaN is missing.
        mask : array of shape (*grid), optional
            True (or not zero) where missing.
        channel_axis : int, optional
        interval : float, optional
            The share of missing pixels that intervals should hold, e.g. 0.9; calibrated on known
            pixels that are hidden in the pattern of the missing ones.
        confidence : Confidence, optional
            How the standard deviations are made.

        Returns
        -------
        Filled

        Examples
        --------
        >>> import numpy as np
        >>> signal = np.sin(np.linspace(0, 20, 200)) + np.random.default_rng(0).normal(0, 0.1, 200)
        >>> filled = Inpainter().sure(signal, np.arange(200) % 3 == 1)
        >>> bool(0.05 < filled.std[1::3].mean() < 0.3), bool(filled.std[::3].any())
        (True, False)
        """
        weighed = checked(confidence)
        source = picture(image, channel_axis)
        missing = missing_pixels(source, mask)
        self._settings.check()
        if interval is not None:
            check_level(interval)
        if not missing.any():
            return untouched(source, Info(), interval)
        check_missing(missing)
        cache = MemoryCache(resolve_cache(self.cache))
        parts, choice = self._made_ready(source, missing, cache)
        told = reporter(self.progress, "filling", 0.3, 1.0)
        drawn = canvas(source, missing, parts, self._settings.centres, cache)
        filled = sure(source, drawn, self.refine, weighed, interval, told)
        return replace(filled, info=self._named(filled.info, parts, choice))

    def std(
        self,
        image: ArrayLike,
        *,
        channel_axis: int | None = None,
        at: Sequence[tuple[int, ...]] | None = None,
        confidence: Confidence | None = None,
    ) -> Array:
        """The standard deviation of every filled pixel, or exactly of some.

        Parameters
        ----------
        image : array of shape (*grid), or with channels besides
        channel_axis : int, optional
        at : sequence of tuples of int, optional
            Pixels to solve for one by one. Without them the whole map comes from draws, whose
            relative error is 1 / sqrt(2 samples). Refined pixels have no draws and no solves: those
            of the map.
        confidence : Confidence, optional

        Returns
        -------
        float array of the image's shape, 0 where known; or of shape (len(at),), or
        (len(at), channels)
        """
        self._fitted()
        weighed = checked(confidence)
        source = picture(image, channel_axis)
        check_fit(source, self.missing_)
        drawn = self._canvas(source, MemoryCache(resolve_cache(self.cache)))
        plan = self.parts_[0].plan
        flat = None if at is None else np.array([plan.flat(pixel) for pixel in at], dtype=np.intp)
        if flat is not None and self.refine is None:
            found = weighed.exact(drawn, flat)
        else:
            told = completed(drawn, self.refine)
            std = weighed.of(drawn, told.refined, told.refinement)
            if flat is None:
                return source.laid_out(std)
            found = std[np.unravel_index(flat, plan.torus)]
        return found[:, 0] if channel_axis is None else found

    def _made_ready(
        self, source: Picture, missing: Mask, cache: MemoryCache
    ) -> tuple[tuple[Part, ...], Choice | None]:
        """The networks for some missing pixels, which may differ between channels."""
        settings, channels = self._settings, source.pixels.shape[-1]
        choice = settings.chosen(source, missing, cache, self.progress)
        if missing.ndim == len(source.grid):
            if not self._ready_for(missing, choice):
                self._fit(missing, channels, choice, cache)
            return self.parts_, choice
        parts = settings.of(choice).parts(
            in_any_channel(missing, source.grid),
            channels,
            cache,
            self.progress,
            deepest_of(missing, len(source.grid)),
        )
        return parts, choice

    def _named(self, info: Info, parts: tuple[Part, ...], choice: Choice | None) -> Info:
        """With the network that filled, and how it was chosen."""
        network = self._settings.of(choice).network
        named = parts[0].plan.network if isinstance(network, str) else network
        return replace(info, network=named, choice=choice)

    def planned(self, missing: Mask, channels: int = 1, deepest: int | None = None) -> Plan:
        """What would be done for a mask, and what it would cost, without doing it; before a choice,
        and of the network that counts most.

        Parameters
        ----------
        missing : bool array of shape (*grid)
        channels : int
        deepest : int, optional
            The depth of the largest hole; measured where it is not given.

        Returns
        -------
        Plan
        """
        return self._settings.plans(missing, channels, deepest)[0][0]

    def kernel_row(self, at: tuple[int, ...]) -> Array:
        """The paper's heat map: the kernel between one pixel and all others, of the network that
        counts most.

        Parameters
        ----------
        at : tuple of int
            The pixel.

        Returns
        -------
        float array of shape (*grid)
        """
        self._fitted()
        return kernel_row(self.parts_[0], at)

    def weights(self, at: tuple[int, ...]) -> Array:
        """What a filled pixel is made of: weights w with filled value = sum(w * known values).

        The sum agrees with `transform` to within the tolerance `rtol` of the two solves.

        Parameters
        ----------
        at : tuple of int
            The pixel.

        Returns
        -------
        float array of shape (*grid)
            Zero where missing; sums to one where the mean is taken out.

        Raises
        ------
        InputError
            If the fill is refined: its weights depend on the image, and `explain` gives them.
        """
        self._fitted()
        if self.refine is not None:
            raise InputError(
                "the weights of a refined fill depend on the image",
                hint="inpainter.explain(image, at)",
            )
        return network_weights(self.parts_, at, self._settings.centres)

    def explain(
        self,
        image: ArrayLike,
        at: tuple[int, ...],
        *,
        channel_axis: int | None = None,
        channel: int = 0,
    ) -> Explanation:
        """The known pixels that a filled one is made of, with their weights and the kernel.

        A refined pixel is explained as well: the last passes are traced back, patch by patch, with
        what patches were like each other held as it was; that takes as long as a fill.

        Parameters
        ----------
        image : array of shape (*grid), or with channels besides
        at : tuple of int
            The pixel.
        channel_axis : int, optional
        channel : int
            Whose value to explain. Without refinement weights are the same for all.

        Returns
        -------
        Explanation
            With the kernel of the network that counts most; of a refined pixel of several channels,
            with known entries of all of them.

        Examples
        --------
        >>> import numpy as np
        >>> told = Inpainter().fit(np.arange(20) % 4 == 1).explain(np.arange(20.0), (5,))
        >>> round(told.value, 1), sorted(told.heaviest(2).rows.tolist())
        (5.0, [4, 6])
        """
        self._fitted()
        source = picture(image, channel_axis)
        check_fit(source, self.missing_)
        return explained(self._canvas(source), self.refine, at, channel)

    def save(self, path: str | Path) -> None:
        """Write options and mask to an .npz file, without pickles; kernels stay in the cache.

        Raises
        ------
        InputError
            If the file cannot be written.
        """
        self._fitted()
        options = {name: getattr(self, name) for name in OPTIONS}
        prior = self.parts_[0].plan.prior
        saving.write(Path(path), options, self.network_, prior, self.missing_)

    @classmethod
    def load(cls, path: str | Path) -> Inpainter:
        """Read what `save` wrote, and make it ready again.

        Raises
        ------
        InputError
            If the file cannot be read or is of another kind.
        """
        options, network, prior, missing = saving.read(Path(path))
        try:
            return cls(network, prior=prior, **options).fit(missing)
        except (TypeError, ValueError) as error:
            raise InputError(f"{path} is not a saved inpainter", got=str(error)) from error

    def _fit(
        self, missing: Mask, channels: int, choice: Choice | None, cache: MemoryCache
    ) -> Inpainter:
        settings = self._settings.of(choice)
        parts = settings.parts(missing, channels, cache, self.progress)
        self.parts_ = tuple(part.factored(missing) for part in parts)
        network = settings.network
        self.network_ = parts[0].plan.network if isinstance(network, str) else network
        self.choice_, self.missing_ = choice, missing
        self._fitted_with = self._settings
        return self

    @property
    def _settings(self) -> Settings:
        return Settings(self.network, self.prior, *(getattr(self, name) for name in OPTIONS))

    def _ready_for(self, missing: Mask, choice: Choice | None) -> bool:
        """Whether the last fit was for this mask and choice, with the options as they are now."""
        return (
            hasattr(self, "parts_")
            and (choice and choice.network) == (self.choice_ and self.choice_.network)
            and self._fitted_with == self._settings
            and np.array_equal(self.missing_, missing)
        )

    def _canvas(self, source: Picture, cache: MemoryCache | None = None) -> Canvas:
        return canvas(source, self.missing_, self.parts_, self._settings.centres, cache)

    def _fitted(self) -> None:
        if not hasattr(self, "parts_"):
            raise InputError("this inpainter has no mask yet", hint="inpainter.fit(mask)")
        if self._fitted_with != self._settings:
            raise InputError("options were changed after the fit", hint="inpainter.fit(mask) again")
