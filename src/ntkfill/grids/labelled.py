"""Arrays with labels: xarray DataArrays, and pandas objects over time; the same comes out."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, warn
from ..io.place import are_apart
from ..nn import hourglass
from ..observed import Mask
from ..result import Filled
from ..runtime.resources import require
from .image import equal, refuse_table
from .options import GridOptions

# Times that are not evenly spaced are placed on an even grid of at most so many steps each, and
# filled by a network that is smooth on that scale.
STEPS, SMOOTH = 4, hourglass(8, upsample="bilinear", convs_up=2)
What = Literal["values", "bound", "std"]
# Names and units by which an axis is a longitude.
LONGITUDES = ("lon", "longitude", "degrees_east", "degree_east")


@dataclass(frozen=True, eq=False)
class Labelled:
    """An array without its labels, options that follow from them, and the way back."""

    array: NDArray[Any]
    mask: Mask | None
    exclude: Any
    options: dict[str, Any]
    wrap: Callable[[NDArray[Any], What], Any]

    def write_back(self, filled: Filled[Any]) -> Filled[Any]:
        """The result with labels."""
        bounds, std = filled.interval, filled.std
        if bounds is not None:
            lower, upper = (self.wrap(end, "bound") for end in (bounds.lower, bounds.upper))
            bounds = replace(bounds, lower=lower, upper=upper)
        std = None if std is None else self.wrap(std, "std")
        return replace(filled, values=self.wrap(filled.values, "values"), std=std, interval=bounds)


def read_labels(
    image: Any, mask: Any, exclude: Any, options: GridOptions, *, lazy: bool = False
) -> Labelled | None:
    """What `image` is without its labels, not read if `lazy`; None for an array."""
    xarray, pandas = sys.modules.get("xarray"), sys.modules.get("pandas")
    if xarray is not None and isinstance(image, xarray.DataArray | xarray.Dataset):
        return _of_xarray(image, mask, exclude, options, lazy)
    if pandas is not None and isinstance(image, pandas.Series | pandas.DataFrame):
        return _of_pandas(image, mask, exclude, options)
    return None


def _of_xarray(image: Any, mask: Any, exclude: Any, options: GridOptions, lazy: bool) -> Labelled:
    if hasattr(image, "data_vars"):
        raise InputError("image must be one DataArray", got=type(image).__name__, hint="ds[name]")
    if "flag_values" in image.attrs or "flag_meanings" in image.attrs:
        raise InputError(
            "the image holds labels, between which there are no values",
            got=f"flag_meanings={image.attrs.get('flag_meanings')!r}",
            hint="a channel for each class: (image == value).astype(float)",
        )
    channel = options.channel_axis
    like = image.isel({image.dims[channel]: 0}) if lazy and channel is not None else image
    mask, exclude = (_along(like, each) for each in (mask, exclude))
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
    wraps = options.boundary == "pad" and "wrap" in sides
    if wraps and lazy:
        said = "longitudes do not go round where an array is filled chunk by chunk"
        warn(f"{said}. Try: image.compute() first.", UserWarning)
    more = {"boundary": tuple(sides)} if wraps and not lazy else {}
    array = image.data if lazy else image.values
    return Labelled(array, mask, exclude, more, lambda values, _: image.copy(data=values))


def _along(image: Any, mask: Any) -> Any:
    """A mask with the dimensions and coordinates of a DataArray, in their order; any other as it
    is."""
    if not hasattr(mask, "dims"):
        return mask
    if set(mask.dims) - set(image.dims):
        raise InputError("mask must have dimensions of the image", got=str(mask.dims))
    places = {name: image[name] for name in mask.dims if name in mask.coords}
    for name, ours in places.items():
        theirs = mask[name]
        if theirs.shape != ours.shape or are_apart(ours.values, theirs.values).any():
            raise InputError("mask must have the coordinates of the image")
    mask = mask.assign_coords(places)  # without rounding
    return mask.broadcast_like(image).transpose(*image.dims).values


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


def _of_pandas(image: Any, mask: Any, exclude: Any, options: GridOptions) -> Labelled:
    import pandas as pd

    times = image.index
    if isinstance(times, pd.PeriodIndex):
        times = times.to_timestamp()
    if not isinstance(times, pd.DatetimeIndex | pd.TimedeltaIndex):
        refuse_table(image)
    if options.channel_axis is not None:
        raise InputError("signals over time have no channel_axis", got=repr(options.channel_axis))
    if not times.is_monotonic_increasing or not times.is_unique:
        raise InputError("times must increase", hint="df.sort_index(), without duplicates")
    frame = image.to_frame() if isinstance(image, pd.Series) else image
    for name, kind in frame.dtypes.items():
        if not pd.api.types.is_numeric_dtype(kind) or kind.kind == "c":
            raise InputError("signals must be numbers", got=f"{kind} in column {name!r}")
    values = frame.to_numpy(dtype=np.float64, na_value=np.nan)
    hidden = np.isnan(values) | _marked(image, mask)
    for (k, kind), value in product(enumerate(frame.dtypes), options.markers):
        plain = getattr(kind, "numpy_dtype", kind)
        hidden[:, k] |= equal(values[:, k].astype(plain if kind.kind == "f" else float), value)
    left = _marked(image, exclude)
    dead = [name for name, gaps in zip(frame, (hidden | left).T, strict=True) if gaps.all()]
    if 0 < len(dead) < len(frame.columns):
        raise InputError(
            "every column must have a known value",
            got=f"none in {', '.join(map(repr, dead))}",
            hint=f"df.drop(columns={dead!r})",
        )
    places = _places(times.asi8.astype(np.float64))
    length = math.ceil(places.max(initial=0)) + 1
    require("the even grid of these times", 8 * 16 * length * values.shape[1])
    even = np.full((length, values.shape[1]), np.nan)
    before, share = np.floor(places).astype(int), (places % 1)[:, None]
    after = np.minimum(before + 1, length - 1)
    for k, gaps in enumerate((hidden | left).T):
        even[np.rint(places[~gaps]).astype(int), k] = values[~gaps, k]
    hidden &= ~left

    def wrap(filled: NDArray[Any], what: What) -> Any:
        found = filled[before] * (1 - share) + filled[after] * share
        sure = np.where(left, np.nan, 0.0) if what == "std" else values
        found = np.where(hidden, found, sure)
        result = pd.DataFrame(found, index=frame.index, columns=frame.columns)
        for k, kind in enumerate(frame.dtypes):
            if what == "values":
                new = pd.Series(_of_type(found[:, k], kind), frame.index, kind)
                result.isetitem(k, frame.iloc[:, k].where(~hidden[:, k], new))
            elif what == "bound" and kind.kind == "f":
                result.isetitem(k, result.iloc[:, k].astype(kind))
        result.attrs = image.attrs
        return result.iloc[:, 0].rename(image.name) if isinstance(image, pd.Series) else result

    smooth = isinstance(options.network, str) and bool(share.any())
    more = {"channel_axis": -1, **({"network": SMOOTH} if smooth else {})}
    return Labelled(even, None, None, more, wrap)


def _marked(image: Any, mask: Any) -> Mask:
    """Where a mask (n,) or (n, signals) of a series or a frame is True, as (n, signals)."""
    shape = (len(image), 1 if image.ndim == 1 else image.shape[1])
    if mask is None:
        return np.zeros(shape, bool)
    for label in ("index", "columns"):
        theirs, ours = (getattr(each, label, None) for each in (mask, image))
        if theirs is not None and ours is not None and not theirs.equals(ours):
            raise InputError(f"mask must have the {label} of the signals")
    given = np.asarray(mask, bool)
    if given.shape not in (image.shape, shape[:1]):
        expected = str(image.shape)
        raise InputError(
            "mask must have the shape of the signals", expected=expected, got=str(given.shape)
        )
    return np.broadcast_to(given.reshape(shape[0], -1), shape)


def _of_type(values: NDArray[np.float64], kind: Any) -> NDArray[Any]:
    """Numbers as a pandas type holds them: rounded and clipped to the range of integers."""
    if kind.kind == "b":
        return values >= 0.5
    if kind.kind not in "iu":
        return values
    limits = np.iinfo(getattr(kind, "numpy_dtype", kind))
    top = float(limits.max) if limits.bits < 64 else float(np.nextafter(float(limits.max), 0))
    whole = np.rint(np.nan_to_num(values)).clip(float(limits.min), top)
    return np.asarray(whole.astype(limits.dtype))


def _places(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where times lie on an even grid, each nearest to a step of its own."""
    steps = np.diff(times)
    if len(steps) == 0:
        return np.zeros(len(times))
    step = max(float(steps.min()), float(np.median(steps)) / STEPS)
    places = (times - times[0]) / step
    even = np.allclose(steps / step, np.rint(steps / step), rtol=0, atol=1e-6)
    return np.asarray(np.rint(places) if even else places)
