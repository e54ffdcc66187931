"""Grids of values as users have them - any type, range and channels - and as solvers want them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from ..kernels.table import Array
from ..observed import Mask


@dataclass(frozen=True, eq=False)
class Picture:
    """An image, a signal or a volume, its channels last.

    Parameters
    ----------
    original : array
        As it was given.
    pixels : array of shape (*grid, channels)
        The same numbers, a view where possible.
    channel_axis : int or None
        Which axis of the original holds the channels.
    nan : bool array of shape (*grid, channels) or None
        Where the original holds no number.
    """

    original: NDArray[np.generic]
    pixels: NDArray[np.generic]
    channel_axis: int | None
    nan: Mask | None

    @property
    def grid(self) -> tuple[int, ...]:
        return self.pixels.shape[:-1]

    def laid_out(self, values: Array) -> Array:
        """An array (*grid, channels) with the axes of the original."""
        if self.channel_axis is None:
            return values[..., 0]
        return np.moveaxis(values, -1, self.channel_axis)

    def filled(self, missing: Mask, values: Array) -> NDArray[np.generic]:
        """A copy of the original with `values`, (*grid, channels), in place of what is missing."""
        result = self.original.copy()
        view = channels_last(result, self.channel_axis)
        view[missing] = as_type(values[missing], result.dtype)
        return result


def picture(image: ArrayLike, channel_axis: int | None) -> Picture:
    """Take a user's array apart.

    Raises
    ------
    InputError
        If it is empty, not of real numbers, or has no such axis.
    """
    try:
        original = np.ma.getdata(image) if np.ma.isMaskedArray(image) else np.asarray(image)
    except ValueError as error:
        raise InputError("the image is no array", got=str(error)) from error
    if original.dtype.kind not in "buif":
        raise InputError(
            "the image is not made of real numbers",
            expected="bool, integer or float",
            got=f"dtype {original.dtype}",
        )
    if original.size == 0:
        raise InputError("the image is empty", got=f"shape {original.shape}")
    if channel_axis is not None and not isinstance(channel_axis, int | np.integer):
        raise InputError(
            "the channel axis is no axis", expected="a whole number or None", got=repr(channel_axis)
        )
    if channel_axis is not None and not -original.ndim <= channel_axis < original.ndim:
        raise InputError(
            "the image has no such channel axis",
            expected=f"-{original.ndim} to {original.ndim - 1}, or None",
            got=str(channel_axis),
        )
    if original.ndim - (channel_axis is not None) < 1:
        raise InputError(
            "the image has no grid",
            expected="at least one axis besides channels",
            got=f"shape {original.shape}",
        )
    pixels = channels_last(original, channel_axis)
    nan = None
    if original.dtype.kind == "f":
        nan = np.isnan(pixels)
    if np.ma.isMaskedArray(image):
        masked = channels_last(np.ma.getmaskarray(image), channel_axis)
        nan = masked if nan is None else nan | masked
    return Picture(original, pixels, channel_axis, nan if nan is not None and nan.any() else None)


def channels_last(array: NDArray[Any], channel_axis: int | None) -> NDArray[Any]:
    """A view of shape (*grid, channels); one channel where there is no such axis."""
    return array[..., None] if channel_axis is None else np.moveaxis(array, channel_axis, -1)


def mask_array(mask: ArrayLike, grid: tuple[int, ...]) -> Mask:
    """A user's mask as bool of the shape of the grid, True where missing.

    Raises
    ------
    InputError
        If its shape is not that of the grid, or its channels differ.
    """
    array = np.asarray(mask)
    if array.dtype.kind not in "buif":
        raise InputError(
            "the mask is not made of numbers",
            expected="bool, or 0 = known and anything else = missing",
            got=f"dtype {array.dtype}",
        )
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise InputError("the mask holds NaN", expected="0 = known, anything else = missing")
    missing = array != 0
    if missing.shape[:-1] == grid and missing.ndim == len(grid) + 1:
        if not (missing == missing[..., :1]).all():
            raise InputError(
                "the mask's channels differ",
                expected="one mask for all channels",
                hint="NaN in the image, where channels miss different pixels",
            )
        missing = missing[..., 0]
    if missing.shape != grid:
        hint = "channel_axis=-1" if grid[:-1] == missing.shape and grid[-1] <= 4 else ""
        raise InputError(
            "the mask has another size than the image",
            expected=str(grid),
            got=str(missing.shape),
            hint=hint,
        )
    return missing


def looks_inverted(missing: Mask) -> bool:
    """Whether the border is all missing and more is missing than known."""
    if missing.all() or missing.mean() <= 0.5:
        return False
    return all(bool(np.take(missing, [0, -1], axis=axis).all()) for axis in range(missing.ndim))


def as_type(values: Array, dtype: np.dtype) -> NDArray[np.generic]:
    """Values in an image's type: rounded and clipped to its range where it has one."""
    if dtype.kind == "b":
        return values >= 0.5
    if dtype.kind in "ui":
        info = np.iinfo(dtype)
        # The largest 64-bit integers have no float64 of their own: stay below them.
        top = float(info.max) if info.bits < 64 else float(np.nextafter(float(info.max), 0))
        return np.clip(np.rint(values.astype(np.float64)), float(info.min), top).astype(dtype)
    return values.astype(dtype)
