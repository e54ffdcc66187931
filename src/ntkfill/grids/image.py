"""Images as users have them, of any type, range and channels, and as a model needs them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from ..errors import InputError, InvertedMaskWarning, check_finite, warn
from ..kernels.table import Array
from ..observed import FAR, HUGE, MARKS, Mask
from .options import GridOptions

# Numbers that often stand for "no data". One that is the smallest or largest known value, and
# further from the others than they are from each other, draws a warning.
SENTINELS = np.array([-x for x in MARKS if x >= 99] + [x for x in MARKS if x >= 9999])

# The largest of 16 bits is also what is overexposed, or a hot pixel: a mark where at least this
# share has it, and so many times farther from the others than they are from each other. White on
# black is ordinary with 8 bits.
SHARE, APART = 0.01, 10.0

# Libraries of data frames.
TABLES = ("pandas", "polars")

# Images of fewer values are not looked at for labels; labels are not larger.
MIN_LABELS, MAX_LABEL = 1024, 32
# Of labels that are none: what is not to be classified.
VOID = 255

# An opacity that is 0 or 1 but for this share of the known pixels has edges, not gradients.
SHARP = 0.1


@dataclass(frozen=True, eq=False)
class ImageArray:
    """A signal, an image or a volume, with its channels last."""

    original: NDArray[Any]
    values: NDArray[Any]  # (*grid, channels): a view of the original, or as it is filled
    options: GridOptions
    nan: Mask | None  # (*grid, channels), None where all are numbers
    grid: tuple[int, ...]
    scale: float = 1.0  # values times this are the original's

    def missing(self, mask: ArrayLike | None, exclude: Mask | None = None) -> Mask:
        """Masked, NaN or a missing value: (*grid), or (*grid, channels) where channels miss
        different pixels. Refuses what cannot be filled, and warns of what looks like no value."""
        axis = self.options.channel_axis
        missing = np.zeros(self.grid, bool) if mask is None else read_mask(mask, self.grid, axis)
        if exclude is not None:
            missing |= exclude
        if self.nan is not None:
            each = missing[..., None] | self.nan
            if self.options.alpha and (lost := (each[..., -1:] & ~each).any(axis=-1)).any():
                raise InputError(
                    "opacity must be known where a colour is",
                    got=f"NaN at {tuple(map(int, np.argwhere(lost)[0]))}",
                    hint="NaN in all channels, or alpha=False",
                )
            missing = np.asarray(each[..., 0] if (each == each[..., :1]).all() else each)
        if missing.ndim > len(self.grid):
            counts = missing.reshape(-1, missing.shape[-1]).all(axis=0)
            if counts.any() and not counts.all():
                empty = ", ".join(map(str, np.flatnonzero(counts)))
                raise InputError(
                    "every channel must have a known entry",
                    got=f"none in channel {empty}",
                    hint="the image without it",
                )
        known = np.broadcast_to(~expand(missing, self.values), self.values.shape)
        values = channels_last(self.original, axis)
        _check_known(values, known)
        if values.dtype.kind in "ui":
            _check_no_labels(values, known)
        return missing

    def known_values(self, missing: Mask) -> Array:
        """The values as floats (*grid, channels), 0 where missing."""
        dtype = np.float32 if self.original.dtype.itemsize <= 2 else np.float64
        pixels: Array = self.values.astype(dtype, order="C")
        pixels[missing] = 0
        if self.original.dtype.kind == "f" and not np.isfinite(pixels).all():
            _refuse_infinity(pixels, np.ones((), bool))
        return pixels

    def finish(self, missing: Mask, values: Array) -> Array:
        """Filled values (*grid, channels) as those of the original, within the bounds."""
        check_finite("the fill", values[missing])
        if self.options.alpha:
            values = self._visible(missing, values)
        if self.scale != 1:
            with np.errstate(over="ignore"):
                values = values * self.scale
        return self.within_bounds(missing, values)

    def rescaled(self, amounts: Array) -> Array:
        """Standard deviations as those of the original, as far as there are such numbers."""
        with np.errstate(over="ignore"):
            return self.added(amounts * self.scale, 0.0)

    def added(self, values: Array, amounts: Array | float) -> Array:
        """Sums of the original's numbers, the largest where they are beyond these."""
        if self.scale == 1:
            return values + amounts
        top = np.finfo(np.float64).max
        with np.errstate(over="ignore"):
            return np.clip(values + amounts, -top, top)

    def _visible(self, missing: Mask, values: Array) -> Array:
        """Filled values whose opacity is one of those that are known, as the original has them."""
        opacity = channels_last(self.original, self.options.channel_axis)[..., -1:]
        gaps = np.broadcast_to(expand(missing, opacity)[..., -1:], opacity.shape)
        known = opacity[~gaps]
        full = _opaque(known)
        factor = 1.0
        if self.options.alpha is True:
            factor = _largest(self.original.dtype) / full
        straight = _straight(values, known / full, full, factor)
        if self.options.alpha == "premultiplied":
            straight[..., :-1] *= straight[..., -1:] / full
        return straight

    def within_bounds(self, missing: Mask, values: Array) -> Array:
        """Values (*grid, channels), clipped where missing to the bounds and an integer's range."""
        dtype = self.original.dtype
        low: Any = None
        high: Any = None
        if dtype.kind in "bui":
            low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        if isinstance(self.options.bounds, str):
            known = channels_last(self.original, self.options.channel_axis)
            known = np.ma.array(known, mask=np.broadcast_to(expand(missing, known), known.shape))
            axes = tuple(range(len(self.grid)))
            low, high = known.min(axis=axes).data, known.max(axis=axes).data
        elif self.options.bounds is not None:
            first, last = self.options.bounds
            low, high = low if first is None else first, high if last is None else last
        if low is None and high is None:
            return values
        low, high = (
            each
            if each is None or missing.ndim == len(self.grid)
            else np.broadcast_to(each, values.shape)[missing]
            for each in (low, high)
        )
        new = values[missing]
        clipped = np.clip(new, low, high)
        if np.array_equal(new, clipped):
            return values
        result = values.copy()
        result[missing] = clipped
        return result

    def with_axes(self, values: Array) -> Array:
        """An array (*grid, channels) with the axes of the original."""
        axis = self.options.channel_axis
        return values[..., 0] if axis is None else np.moveaxis(values, -1, axis)

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
        else:
            highest = np.finfo(dtype).max
            if highest <= np.finfo(new.dtype).max:
                new = np.clip(new, -highest, highest)
        channels_last(result, self.options.channel_axis)[missing] = new.astype(dtype)
        return result


def read_image(image: ArrayLike, options: GridOptions) -> ImageArray:
    """The array of a user, or of a masked array; what is not made of real numbers is refused."""
    channel_axis = options.channel_axis
    if hasattr(image, "columns") or type(image).__module__.partition(".")[0] in TABLES:
        refuse_table(image)
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
    values: NDArray[Any] = channels_last(original, channel_axis)
    if options.alpha and values.shape[-1] < 2:
        raise InputError(
            "alpha=True needs channels of colour and opacity",
            got=f"shape {original.shape}, channel_axis={channel_axis}",
        )
    nan: Mask | None = np.isnan(values) if original.dtype.kind == "f" else None
    if np.ma.isMaskedArray(image):
        masked = channels_last(np.ma.getmaskarray(image), channel_axis)
        nan = masked if nan is None else nan | masked
    for value in options.markers:
        found = equal(values, value)
        nan = found if nan is None else nan | found
    nan = nan if nan is not None and nan.any() else None
    scale = 1.0
    if original.dtype.kind == "f" and original.dtype.itemsize >= 8:
        largest = max(-values.min(), values.max())
        if not np.isfinite(largest):
            largest = np.max(np.abs(values), initial=0, where=np.isfinite(values))
        if largest > np.finfo(np.float64).max * 2.0**-64:  # sums would overflow
            scale = 2.0**64
            values = np.divide(values, scale, dtype=values.dtype)
    if options.alpha:
        dtype = np.float32 if original.dtype.itemsize <= 2 else np.float64
        if options.alpha is True:
            opacity = np.divide(values[..., -1:], _largest(original.dtype), dtype=dtype)
            values = np.concatenate([values[..., :-1] * opacity, values[..., -1:]], -1, dtype=dtype)
    return ImageArray(original, values, options, nan, values.shape[:-1], scale)


def refuse_table(table: Any) -> NoReturn:
    """Say what to do with a data frame, or a column of one."""
    if not hasattr(table, "columns"):
        raise InputError(
            "only inpaint and Inpainter.fill take a series, and only with times",
            got=f"an index of {table.index.dtype}" if hasattr(table, "index") else "none",
            hint="a DatetimeIndex of pandas, or series.to_numpy() for evenly spaced values",
        )
    raise InputError(
        "a data frame is a table, not a picture",
        got=f"{type(table).__name__} without times",
        hint="ntkfill.NTKImputer().fit_transform(df), inpaint(df) with a DatetimeIndex of pandas "
        "for signals, or df.to_numpy() for a picture",
    )


def equal(values: NDArray[Any], value: float | str) -> Mask:
    """Where an array holds a value as its type represents it, or no finite number."""
    if isinstance(value, str):
        return np.asarray(~np.isfinite(values))
    if values.dtype.kind in "ui":
        return np.asarray(
            values == int(value) if value == value // 1 else np.zeros(values.shape, bool)
        )
    if values.dtype.kind == "b":
        return np.zeros(values.shape, bool)  # True and False are values
    with np.errstate(over="ignore"):
        same = values.dtype.type(value)
    return np.asarray(values == (same if np.isfinite(same) else float(value)))


def _check_known(values: NDArray[Any], known: Mask) -> None:
    """Refuse infinity; warn of a smallest or largest known value that seems to mean missing."""
    if values.dtype.kind == "b" or not known[..., :1].any():
        return
    info = np.iinfo(values.dtype) if values.dtype.kind in "ui" else None
    lowest, highest = (info.min, info.max) if info else (-math.inf, math.inf)

    def ends(where: Mask) -> tuple[Any, Any]:
        return (
            np.min(values, where=where, initial=highest),
            np.max(values, where=where, initial=lowest),
        )

    low, high = values.min(), values.max()
    if not (np.isfinite(low) and np.isfinite(high)) or _apart(low) or _apart(high):
        low, high = ends(known)  # ten times slower
    if not (np.isfinite(low) and np.isfinite(high)):
        _refuse_infinity(values, known)
    for value in {low, high}:
        if (apart := _apart(value)) is None:
            continue
        others = known & (values != value)
        first, last = map(float, ends(others))
        width, gap = last - first, max(first - float(value), float(value) - last)
        count = int((known & ~others).sum())
        least = apart * width
        if values.dtype in (np.uint8, np.uint16) and value == highest:
            often = count >= SHARE * np.count_nonzero(known)
            least = APART * width if often and values.dtype == np.uint16 else math.inf
        if width > 0 and least < gap:
            warn(
                f"the value {value} at {count:,} known pixels looks like a "
                f"mark for missing ones. Try: missing_values={value} (--nodata={value}).",
                UserWarning,
            )


def _apart(value: float) -> float | None:
    """How many times farther from the others than they are from each other a number must be to look
    like a mark of missing ones; None for a number that does not."""
    if np.isclose(float(value), SENTINELS, rtol=1e-6, atol=0).any():
        return 1.0
    return FAR if abs(float(value)) >= HUGE else None


def _refuse_infinity(values: NDArray[Any], known: Mask) -> None:
    first = tuple(map(int, np.argwhere(known & ~np.isfinite(values))[0][:-1]))
    raise InputError(
        "known pixels must be finite",
        got=f"infinity at {first}",
        hint="missing_values='nonfinite' (--nodata nonfinite), or NaN for what is missing",
    )


def _largest(dtype: np.dtype[Any]) -> float:
    return float(np.iinfo(dtype).max) if dtype.kind in "ui" else 1.0


def _opaque(known: NDArray[Any]) -> float:
    """The number that stands for opaque.

    >>> [_opaque(np.array([0, 255], kind)) for kind in ("u1", "u2", "f4")]
    [255.0, 65535.0, 255.0]
    """
    largest = _largest(known.dtype)
    if known.dtype.kind in "bui" and known.dtype.itemsize <= 2:
        return largest
    top = float(known.max(initial=0)) / (1 + 1e-3)
    return next((full for full in (1.0, 255.0, 65535.0) if top <= full), largest)


def _straight(values: Array, known: NDArray[Any], opaque: float, factor: float) -> Array:
    """Colours that are no longer multiplied by their opacity, the last channel, and divided by a
    factor; a hole in an object with sharp edges, as `known` opacities show, is filled opaque or
    transparent."""
    opacity = values[..., -1:] / opaque
    colours = values[..., :-1] * factor / np.maximum(opacity, 1 / 64)
    opacity = opacity.clip(0, 1)
    between = np.mean((known > 0) & (known < 1))
    if between == 0:
        opacity = (opacity >= 0.5).astype(values.dtype)
    elif between < SHARP:
        opacity = (4 * (opacity - 0.5) + 0.5).clip(0, 1)
    return np.concatenate([colours, opaque * opacity], axis=-1)


def channels_last(array: NDArray[Any], channel_axis: int | None) -> NDArray[Any]:
    """A view of shape (*grid, channels); one channel where there is no such axis."""
    return array[..., None] if channel_axis is None else np.moveaxis(array, channel_axis, -1)


def read_mask(mask: ArrayLike, grid: tuple[int, ...], channel_axis: int | None = None) -> Mask:
    """The mask of a user as bool (*grid), True where missing; of a masked array what is masked. A
    mask of fewer axes holds for every page or frame."""
    array = np.asarray(mask)
    if np.ma.isMaskedArray(mask) and np.ma.is_masked(mask):
        masked = np.ma.getmaskarray(mask)
        array = masked | array if array.dtype == bool else masked
    if array.dtype.kind not in "buif":
        raise InputError(
            "mask must be made of numbers",
            expected="bool, or 0 = known and anything else = missing",
            got=f"dtype {array.dtype}",
        )
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise InputError("mask must not hold NaN", expected="0 = known, anything else = missing")
    missing = array != 0
    if missing.ndim == len(grid) + 1 and channel_axis is not None:
        missing = np.moveaxis(missing, channel_axis, -1)
    if missing.shape[:-1] == grid and missing.ndim == len(grid) + 1:
        if not (missing == missing[..., :1]).all():
            raise InputError(
                "mask must be the same for all channels",
                hint="NaN in the image, where channels miss different pixels",
            )
        missing = missing[..., 0]
    if 2 <= missing.ndim < len(grid) and missing.shape == grid[-missing.ndim :]:
        missing = np.broadcast_to(missing, grid).copy()
    if missing.shape != grid:
        hint = ""
        if missing.ndim > 1 and grid[:-1] == missing.shape:
            hint = "channel_axis=-1 (--channel-axis -1)"
        elif missing.ndim > 1 and missing.shape[-2:] == grid[:-3:-1]:
            hint = "the mask transposed, or turned as the image is"
        elif channel_axis is None and missing.ndim == len(grid) - 1 and missing.shape == grid[1:]:
            hint = "channel_axis=0 (--channel-axis 0)"
        raise InputError(
            "mask must have the shape of the image",
            expected=str(grid),
            got=str(missing.shape),
            hint=hint,
        )
    return missing


def too_wide(missing: Mask, max_gap: int, axes: int) -> Mask:
    """Gaps that hold a box of more than `max_gap` pixels each way, whole; channel by channel where
    the mask has one axis more than the grid.

    >>> too_wide(np.array([0, 1, 1, 0, 1, 0], bool), 1, 1)
    array([False,  True,  True, False, False, False])
    """
    if missing.ndim > axes:
        each = [too_wide(missing[..., k], max_gap, axes) for k in range(missing.shape[-1])]
        return np.stack(each, axis=-1)
    labels, _ = ndimage.label(missing, structure=np.ones((3,) * axes))
    boxes = ndimage.minimum_filter(missing, max_gap + 1, mode="constant", cval=False)
    return missing & np.isin(labels, labels[boxes])


def expand(mask: Mask, like: NDArray[Any]) -> Mask:
    """A mask (*grid) as one that broadcasts with an array that may have channels."""
    return mask[..., None] if mask.ndim < like.ndim else mask


def circle(values: NDArray[Any], period: float) -> Array:
    """Angles (*grid, channels) as cosines and then sines, along the last axis."""
    turns = values.astype(np.float64) * (2 * np.pi / period)
    return np.concatenate([np.cos(turns), np.sin(turns)], axis=-1)


def angles(circle: Array, period: float) -> Array:
    """The angles, from 0 to the period, of cosines and sines."""
    cosine, sine = np.split(circle, 2, axis=-1)
    return np.asarray(np.arctan2(sine, cosine) * (period / (2 * np.pi)) % period)


def check_mask(missing: Mask, *, inverted: bool = True) -> None:
    """Refuse a mask without a known pixel; warn of one that looks `inverted`."""
    if missing.size == 0:
        raise InputError("mask must not be empty", got=f"shape {missing.shape}")
    if missing.all():
        raise InputError(
            "every pixel is missing",
            expected="at least one known pixel",
            hint="a mask that is True where the image is missing",
        )
    share = missing.mean()
    if not inverted or share <= 0.5:
        return
    borders = [np.take(missing, [0, -1], axis=axis) for axis in range(missing.ndim)]
    if all(border.all() for border in borders):
        looks = "the whole border and more than half of the pixels"
    elif (
        share > 0.9
        and any(border.any() for border in borders)
        and (
            # Scattered pixels are near all others; a hole or a scratch is not.
            ndimage.distance_transform_edt(missing).max() > min(missing.shape) / 2
        )
    ):
        looks = "all but one place"
    elif share > 0.9 and any(border.any() for border in borders) and _are_strokes(~missing):
        looks = "all but some strokes"
    else:
        return
    warn(
        f"the mask marks {looks} as missing; True (or white) must mean missing. "
        "Try: the inverted mask (--invert-mask).",
        InvertedMaskWarning,
    )


def _are_strokes(known: Mask) -> bool:
    """Whether few known pixels hang together, as what is painted does, and are no whole lines."""
    beside = np.zeros(known.shape, bool)
    for axis in range(known.ndim):
        line = np.moveaxis(known, axis, 0)
        if line.all(axis=0).any():
            return False
        both = line[1:] & line[:-1]
        first = np.moveaxis(beside, axis, 0)
        first[1:] |= both
        first[:-1] |= both
    return bool(beside.sum() > 0.8 * known.sum())


def _check_no_labels(values: NDArray[Any], known: Mask) -> None:
    """Refuse integers that are names of classes: few, small, and beside each other without what
    lies between them."""
    if values.size < MIN_LABELS:
        return
    step = max(len(values) // 64, 1)
    few = values[::step][known[::step]]
    few = few[few != VOID]
    if few.max(initial=0) > MAX_LABEL or len(np.unique(few)) > MAX_LABEL:
        return
    known = known & (values != VOID)
    kinds = np.unique(values[known])
    if not 3 <= len(kinds) <= MAX_LABEL or not 0 <= kinds[-1] <= 2 * len(kinds):
        return
    jumps = skips = 0
    for axis in range(values.ndim - 1):
        line, seen = (np.moveaxis(each, axis, 0) for each in (values.astype(np.int64), known))
        apart = np.abs(np.diff(line, axis=0))[seen[1:] & seen[:-1]]
        jumps += int(np.count_nonzero(apart))
        skips += int(np.count_nonzero(apart > 1))
    if jumps < 0.2 * values.size and skips > 0.2 * jumps:
        raise InputError(
            "the image looks like labels, between which there are no values",
            got=f"{len(kinds)} different integers, {kinds[0]} to {kinds[-1]}",
            hint="a channel for each class, inpaint(np.eye(n)[labels], mask, channel_axis=-1)"
            ".argmax(-1), or image.astype(float), if they are quantities",
        )
