"""Images as users have them, of any type, range and channels, and as a model needs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError, InvertedMaskWarning, warn
from ..kernels.table import Array
from ..observed import Mask


@dataclass(frozen=True, eq=False)
class ImageArray:
    """A signal, an image or a volume, with its channels last."""

    original: NDArray[np.generic]
    values: NDArray[np.generic]  # (*grid, channels), a view of the original
    channel_axis: int | None
    nan: Mask | None  # (*grid, channels), None where all are numbers
    grid: tuple[int, ...]

    def missing(self, mask: ArrayLike | None) -> Mask:
        """Masked or NaN: (*grid), or (*grid, channels) where channels miss different pixels."""
        missing = np.zeros(self.grid, bool) if mask is None else read_mask(mask, self.grid)
        if self.nan is None:
            return missing
        each = missing[..., None] | self.nan
        return np.asarray(each[..., 0] if (each == each[..., :1]).all() else each)

    def known_values(self, missing: Mask) -> Array:
        """The values as floats (*grid, channels), 0 where missing."""
        gaps = missing[..., None] if missing.ndim == len(self.grid) else missing
        dtype = np.float32 if self.values.dtype.itemsize <= 2 else np.float64
        pixels: Array = np.where(gaps, 0, self.values).astype(dtype)
        if not np.isfinite(pixels).all():
            first = tuple(map(int, np.argwhere(~np.isfinite(pixels))[0][:-1]))
            raise InputError(
                "known pixels must be finite",
                got=f"infinity at {first}",
                hint="NaN, which means missing",
            )
        return pixels

    def with_axes(self, values: Array) -> Array:
        """An array (*grid, channels) with the axes of the original."""
        if self.channel_axis is None:
            return values[..., 0]
        return np.moveaxis(values, -1, self.channel_axis)

    def write_back(self, missing: Mask, values: Array) -> NDArray[Any]:
        """A copy of the original with values (*grid, channels) in place of what is missing, rounded
        and clipped to the range of its type."""
        result, new = self.original.copy(), values[missing]
        dtype: np.dtype[Any] = result.dtype
        if dtype.kind == "b":
            new = new >= 0.5
        elif dtype.kind in "ui":
            info = np.iinfo(dtype)
            # The largest 64-bit integers are not float64 numbers: stay below them.
            top = float(info.max) if info.bits < 64 else float(np.nextafter(float(info.max), 0))
            new = np.clip(np.rint(new.astype(np.float64)), float(info.min), top)
        channels_last(result, self.channel_axis)[missing] = new.astype(dtype)
        return result


def read_image(image: ArrayLike, channel_axis: int | None) -> ImageArray:
    """The array of a user, or of a masked array; what is not made of real numbers is refused."""
    try:
        original = np.ma.getdata(image) if np.ma.isMaskedArray(image) else np.asarray(image)
    except ValueError as error:
        raise InputError("image must be an array", got=str(error)) from error
    if original.dtype.kind not in "buif":
        raise InputError(
            "image must be made of real numbers",
            expected="bool, integer or float",
            got=f"dtype {original.dtype}",
        )
    if original.size == 0:
        raise InputError("image must not be empty", got=f"shape {original.shape}")
    if channel_axis is not None and not (
        isinstance(channel_axis, int | np.integer)
        and -original.ndim <= channel_axis < original.ndim
    ):
        raise InputError(
            f"channel_axis must be an axis of the image, -{original.ndim} to "
            f"{original.ndim - 1}, or None",
            got=repr(channel_axis),
        )
    if original.ndim - (channel_axis is not None) < 1:
        raise InputError(
            "image must have at least one axis besides channels", got=f"shape {original.shape}"
        )
    values = channels_last(original, channel_axis)
    nan = np.isnan(values) if original.dtype.kind == "f" else None
    if np.ma.isMaskedArray(image):
        masked = channels_last(np.ma.getmaskarray(image), channel_axis)
        nan = masked if nan is None else nan | masked
    nan = nan if nan is not None and nan.any() else None
    return ImageArray(original, values, channel_axis, nan, values.shape[:-1])


def channels_last(array: NDArray[Any], channel_axis: int | None) -> NDArray[Any]:
    """A view of shape (*grid, channels); one channel where there is no such axis."""
    return array[..., None] if channel_axis is None else np.moveaxis(array, channel_axis, -1)


def read_mask(mask: ArrayLike, grid: tuple[int, ...]) -> Mask:
    """The mask of a user as bool (*grid), True where missing."""
    array = np.asarray(mask)
    if array.dtype.kind not in "buif":
        raise InputError(
            "mask must be made of numbers",
            expected="bool, or 0 = known and anything else = missing",
            got=f"dtype {array.dtype}",
        )
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise InputError("mask must not hold NaN", expected="0 = known, anything else = missing")
    missing = array != 0
    if missing.shape[:-1] == grid and missing.ndim == len(grid) + 1:
        if not (missing == missing[..., :1]).all():
            raise InputError(
                "mask must be the same for all channels",
                hint="NaN in the image, where channels miss different pixels",
            )
        missing = missing[..., 0]
    if missing.shape != grid:
        hint = "channel_axis=-1" if grid[:-1] == missing.shape and grid[-1] <= 4 else ""
        raise InputError(
            "mask must have the shape of the image",
            expected=str(grid),
            got=str(missing.shape),
            hint=hint,
        )
    return missing


def check_mask(missing: Mask) -> None:
    """Refuse a mask without a known pixel; warn of one that looks inverted."""
    if missing.size == 0:
        raise InputError("mask must not be empty", got=f"shape {missing.shape}")
    if missing.all():
        raise InputError(
            "every pixel is missing",
            expected="at least one known pixel",
            hint="a mask that is True where the image is missing",
        )
    if missing.mean() > 0.5 and all(
        np.take(missing, [0, -1], axis=axis).all() for axis in range(missing.ndim)
    ):
        warn(
            "the mask marks the whole border and more than half of the pixels as missing; "
            "True (or white) must mean missing. Try: the inverted mask.",
            InvertedMaskWarning,
        )
