"""One mask, many images: an inpainter that is made ready once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import saving
from .cache import Cache
from .completion import weights
from .errors import InputError
from .filling import Info, check_missing, fill, in_any_channel, missing_pixels
from .grid import Array
from .nn.sequential import Sequential
from .observed import Mask
from .pictures import Picture, mask_array, picture
from .plan import Boundary, Plan, check_options, depth, plan
from .priors import Prior
from .progress import reporter
from .solvers.base import Factor, Prepared

Network = Sequential | Literal["auto"]
Progress = bool | Callable[[float], None] | None


class Inpainter:
    """Fill many images through one mask: network, kernel and factor are made once.

    Parameters
    ----------
    network : "auto" or Sequential
        "auto" takes as many levels as the largest hole needs.
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
    centre : bool, optional
        Take the mean of the known values out before, and put it back after. The default is to do
        so, except for the paper's exact kernel, which does without.
    rtol : float
        Accuracy of the solve: the residual relative to the known values' spread.
    memory_limit : int, optional
        Bytes of working memory of the solve; the default is what is free.
    cache : Cache or None, optional
        Where kernels are kept; the default is the user's cache folder, None keeps none.
    progress : bool or callable, optional
        True draws a bar on stderr; a function is called with the share that is done.

    Attributes
    ----------
    plan_ : Plan
        Network, torus and solver for the mask.
    missing_ : bool array of shape (*grid)
    factor_ : Factor

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
        ridge: float = 1e-3,
        centre: bool | None = None,
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
        self.rtol = rtol
        self.memory_limit = memory_limit
        self.cache = cache
        self.progress = progress

    def __repr__(self) -> str:
        names = ("network", "prior", *OPTIONS)
        options = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"Inpainter({options})"

    def fit(self, mask: ArrayLike, *, channels: int = 1) -> Inpainter:
        """Make ready for a mask.

        Parameters
        ----------
        mask : array of shape (*grid)
            True (or not zero) where missing.
        channels : int
            Of the images to come, for the estimate of memory.

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
        missing = mask_array(mask, np.shape(mask))
        check_missing(missing)
        plan = self.planned(missing, channels)
        kernel = plan.kernel(self._cache(), reporter(self.progress, "kernel", 0.0, 0.3))
        factor: Factor = plan.solver.factor(kernel, plan.embed(~missing).ravel())
        self.plan_, self.missing_, self.factor_ = plan, missing, factor
        self._fitted_with = self._settings
        return self

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
        if source.grid != self.missing_.shape:
            raise InputError(
                "the image has another size than the mask",
                expected=str(self.missing_.shape),
                got=str(source.grid),
            )
        if source.nan is not None and (source.nan & ~self.missing_[..., None]).any():
            raise InputError(
                "the image holds NaN where the mask says known",
                hint="inpainter.fill, which takes NaN for missing",
            )
        return self._filled(source, self.missing_)[0]

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
        if not missing.any():
            check_options(
                self.network, self.prior, self.boundary, self.ridge, self.rtol, self.memory_limit
            )
            return source.original.copy(), Info(None, (), 0, 0, 0.0)
        if missing.ndim == len(source.grid):
            if not self._ready_for(missing):
                self.fit(missing, channels=source.pixels.shape[-1])
            return self._filled(source, missing)
        check_missing(missing)
        deepest = max(depth(missing[..., channel]) for channel in range(missing.shape[-1]))
        plan = self.planned(in_any_channel(missing, source.grid), missing.shape[-1], deepest)
        kernel = plan.kernel(self._cache(), reporter(self.progress, "kernel", 0.0, 0.3))
        return fill(
            source,
            missing,
            plan,
            kernel,
            plan.solver,
            self._centres,
            reporter(self.progress, "filling", 0.3, 1.0),
        )

    def planned(self, missing: Mask, channels: int = 1, deepest: int | None = None) -> Plan:
        """What would be done for a mask, and what it would cost, without doing it."""
        return plan(
            missing,
            network=self.network,
            prior=self.prior,
            shift_average=self.shift_average,
            boundary=self.boundary,
            ridge=self.ridge,
            rtol=self.rtol,
            memory_limit=self.memory_limit,
            channels=channels,
            deepest=deepest,
        )

    def kernel_row(self, at: tuple[int, ...]) -> Array:
        """The paper's heat map: the kernel between one pixel and all others.

        Parameters
        ----------
        at : tuple of int
            The pixel.

        Returns
        -------
        float array of shape (*grid)
        """
        self._fitted()
        every = np.flatnonzero(self.plan_.embed(np.ones(self.missing_.shape, bool)))
        row = self.factor_.kernel.block(np.array([self._flat(at)]), every)
        return row.astype(np.float64).reshape(self.missing_.shape)

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
        """
        self._fitted()
        spread = weights(self.factor_, self._flat(at), centred=self._centres)
        return self.plan_.window(spread.reshape(self.plan_.torus)).copy()

    def save(self, path: str | Path) -> None:
        """Write options and mask to an .npz file, without pickles; kernels stay in the cache.

        Raises
        ------
        InputError
            If the file cannot be written.
        """
        self._fitted()
        options = {name: getattr(self, name) for name in OPTIONS}
        saving.write(Path(path), options, self.plan_.network, self.plan_.prior, self.missing_)

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

    def _filled(self, source: Picture, missing: Mask) -> tuple[NDArray[Any], Info]:
        prepared = Prepared(self.factor_)
        return fill(
            source,
            missing,
            self.plan_,
            self.factor_.kernel,
            prepared,
            self._centres,
            reporter(self.progress, "filling", 0.3, 1.0),
        )

    @property
    def _settings(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in ("network", "prior", *OPTIONS))

    def _ready_for(self, missing: Mask) -> bool:
        """Whether the last fit was for this mask, with the options as they are now."""
        return (
            hasattr(self, "factor_")
            and self._fitted_with == self._settings
            and np.array_equal(self.missing_, missing)
        )

    @property
    def _centres(self) -> bool:
        return self.shift_average if self.centre is None else self.centre

    def _flat(self, at: tuple[int, ...]) -> int:
        grid = self.missing_.shape
        at = tuple(at) if np.iterable(at) else (at,)
        if len(at) != len(grid) or not all(
            isinstance(x, int | np.integer) and -side <= x < side
            for x, side in zip(at, grid, strict=True)
        ):
            raise InputError(
                "there is no such pixel", expected=f"{len(grid)} numbers within {grid}", got=str(at)
            )
        inside = tuple(int(x) % side for x, side in zip(at, grid, strict=True))
        return int(np.ravel_multi_index(inside, self.plan_.torus))

    def _cache(self) -> Cache | None:
        if self.cache is None or isinstance(self.cache, Cache):
            return self.cache
        if self.cache == "user":
            return Cache()
        raise InputError(
            "this is no cache",
            expected="a Cache, 'user' or None",
            got=repr(self.cache),
            hint="ntkfill.Cache(pathlib.Path(...))",
        )

    def _fitted(self) -> None:
        if not hasattr(self, "factor_"):
            raise InputError("this inpainter has no mask yet", hint="inpainter.fit(mask)")
        if self._fitted_with != self._settings:
            raise InputError("options were changed after the fit", hint="inpainter.fit(mask) again")


OPTIONS = (
    "shift_average",
    "boundary",
    "ridge",
    "centre",
    "rtol",
    "memory_limit",
)
