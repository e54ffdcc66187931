"""Arrays with labels: xarray DataArrays, and pandas objects over time; the same comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError, warn
from ..nn import hourglass
from ..observed import Mask
from ..result import Filled
from ..runtime.resources import require
from .options import GridOptions

# Times that are not evenly spaced are placed on an even grid of at most so many steps each, and
# filled by a network that is smooth on that scale.
STEPS, SMOOTH = 4, hourglass(8, upsample="bilinear", convs_up=2)
# Names and units by which an axis is a longitude.
LONGITUDES = ("lon", "longitude", "degrees_east", "degree_east")


@dataclass(frozen=True, eq=False)
class Labelled:
    """An array without its labels, options that follow from them, and the way back."""

    array: NDArray[Any]
    mask: Mask | None
    options: dict[str, Any]
    wrap: Callable[[NDArray[Any], bool], Any]  # of values, or of their standard deviations

    def write_back(self, filled: Filled[Any]) -> Filled[Any]:
        """The result with labels."""
        bounds, std = filled.interval, filled.std
        if bounds is not None:
            lower, upper = (self.wrap(end, True) for end in (bounds.lower, bounds.upper))
            bounds = replace(bounds, lower=lower, upper=upper)
        std = None if std is None else self.wrap(std, False)
        return replace(filled, values=self.wrap(filled.values, True), std=std, interval=bounds)


def read_labels(image: Any, mask: ArrayLike | None, options: GridOptions) -> Labelled | None:
    """What `image` is without its labels; None for an array."""
    library = type(image).__module__.partition(".")[0]
    if library == "xarray":
        return _of_xarray(image, mask, options)
    if library == "pandas":
        return _of_pandas(image, mask, options)
    return None


def _of_xarray(image: Any, mask: Any, options: GridOptions) -> Labelled:
    if not hasattr(image, "dims") or not hasattr(image, "values") or hasattr(image, "data_vars"):
        raise InputError("image must be one DataArray", got=type(image).__name__, hint="ds[name]")
    if "flag_values" in image.attrs or "flag_meanings" in image.attrs:
        raise InputError(
            "the image holds labels, between which there are no values",
            got=f"flag_meanings={image.attrs.get('flag_meanings')!r}",
            hint="a channel for each class: (image == value).astype(float)",
        )
    if hasattr(mask, "dims"):
        if set(mask.dims) - set(image.dims):
            raise InputError("mask must have dimensions of the image", got=str(mask.dims))
        if any(
            not np.array_equal(mask[name], image[name]) for name in mask.dims if name in mask.coords
        ):
            raise InputError("mask must have the coordinates of the image")
        mask = mask.broadcast_like(image).transpose(*image.dims).values
    channel = options.channel_axis
    grid = [name for k, name in enumerate(image.dims) if channel not in (k, k - image.ndim)]
    sides = []
    for name in grid:
        places = image[name].values if name in image.coords else np.arange(image.sizes[name])
        sides.append("wrap" if _is_whole_circle(image, name, places) else "pad")
        if places.dtype.kind in "iufM" and not _are_even(places):
            warn(
                f"the coordinates {name!r} are not evenly spaced, but pixels are taken to be. "
                f"Try: image.interp({name}=...) first.",
                UserWarning,
            )
    more = {"boundary": tuple(sides)} if options.boundary == "pad" and "wrap" in sides else {}
    return Labelled(image.values, mask, more, lambda values, _: image.copy(data=values))


def _are_even(places: NDArray[Any]) -> bool:
    steps = np.diff(places).astype(np.float64)
    return bool(len(steps) < 2 or np.allclose(steps, steps.mean(), rtol=1e-3, atol=0))


def _is_whole_circle(image: Any, name: Any, places: NDArray[Any]) -> bool:
    """Whether the coordinates are longitudes that go round the earth."""
    if name not in image.coords or places.dtype.kind not in "iuf" or len(places) < 4:
        return False
    said = str(name).lower(), image[name].attrs.get("units", "")
    step = float(np.diff(places).mean())
    return any(word in LONGITUDES for word in said) and bool(
        np.isclose(abs(step) * len(places), 360, rtol=1e-3)
    )


def _of_pandas(image: Any, mask: Any, options: GridOptions) -> Labelled | None:
    import pandas as pd

    if not isinstance(image, pd.DataFrame | pd.Series):
        return None
    if not isinstance(image.index, pd.DatetimeIndex | pd.TimedeltaIndex):
        raise InputError(
            "a data frame is a table, not a picture",
            got=f"{type(image).__name__} without times",
            hint="ntkfill.NTKImputer().fit_transform(df), a DatetimeIndex for signals, or "
            "df.to_numpy() for a picture",
        )
    if options.channel_axis is not None:
        raise InputError("signals over time have no channel_axis", got=repr(options.channel_axis))
    if not image.index.is_monotonic_increasing or not image.index.is_unique:
        raise InputError("times must increase", hint="df.sort_index(), without duplicates")
    frame = image.to_frame() if isinstance(image, pd.Series) else image
    if any(not pd.api.types.is_numeric_dtype(kind) for kind in frame.dtypes):
        raise InputError("signals must be numbers", got=str([str(kind) for kind in frame.dtypes]))
    values = frame.to_numpy(dtype=np.float64, na_value=np.nan)
    hidden = np.isnan(values)
    if mask is not None:
        given = np.asarray(mask, bool)
        hidden |= given.reshape(len(values), -1)
    places = _places(image.index.asi8.astype(np.float64))
    length = int(places.max(initial=0)) + 2
    require("the even grid of these times", 8 * 16 * length * values.shape[1])
    even = np.full((length, values.shape[1]), np.nan)
    before, share = np.floor(places).astype(int), (places % 1)[:, None]
    for k, gaps in enumerate(hidden.T):
        even[np.rint(places[~gaps]).astype(int), k] = values[~gaps, k]

    def wrap(filled: NDArray[Any], are_values: bool) -> Any:
        found = filled[before] * (1 - share) + filled[before + 1] * share
        found = np.where(hidden, found, values if are_values else 0.0)
        result = pd.DataFrame(found, index=frame.index, columns=frame.columns)
        for k, kind in enumerate(frame.dtypes):
            if kind.kind == "f" or not hidden[:, k].any():
                result.isetitem(k, result.iloc[:, k].astype(kind if are_values else float))
        return result.iloc[:, 0].rename(image.name) if isinstance(image, pd.Series) else result

    smooth = isinstance(options.network, str) and bool(share.any())
    more = {"channel_axis": -1, **({"network": SMOOTH} if smooth else {})}
    return Labelled(even, None, more, wrap)


def _places(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where times lie on an even grid, each nearest to a step of its own."""
    steps = np.diff(times)
    if len(steps) == 0:
        return np.zeros(len(times))
    step = max(float(steps.min()), float(np.median(steps)) / STEPS)
    places = (times - times[0]) / step
    even = np.allclose(steps / step, np.rint(steps / step), rtol=0, atol=1e-6)
    return np.asarray(np.rint(places) if even else places)
