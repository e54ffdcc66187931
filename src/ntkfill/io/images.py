"""Read and write images without changing them: .png .jpg .tif .npy."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from ..errors import InputError
from ..runtime import resources
from . import arrays, files

PILLOW = (".png", ".jpg", ".jpeg")
TIFF = (".tif", ".tiff")
SUFFIXES = (*PILLOW, *TIFF, ".npy")

# Pixels that a compressed file may declare, and how many values for each pixel of the mask.
MAX_PIXELS = 2**28
MAX_CHANNELS = 1024

# The metadata that Pillow can read and write again.
METADATA = ("icc_profile", "dpi", "exif")

# Pixels whose numbers are their colours; other modes would come back with other colours.
MODES = ("1", "L", "LA", "RGB", "RGBA", "P", "PA", "I", "I;16", "I;16B", "F")
PHOTOMETRIC = ("MINISBLACK", "RGB")


@dataclass(frozen=True, eq=False)
class Stored:
    """An image as a file holds it.

    Parameters
    ----------
    array : array
        Pixels as they are stored; those of a palette are its colours.
    channel_axis : int or None
        None where the format of the file does not say.
    metadata : dict
        Colour profile, resolution and EXIF data, to be written again.
    """

    array: NDArray[Any]
    channel_axis: int | None
    metadata: dict[str, Any] = field(default_factory=dict)


def read(path: Path, max_pixels: int = MAX_PIXELS, masked: int | None = None) -> Stored:
    """Read an image of at most so many pixels, and of a size that suits a mask of `masked` pixels.

    Raises
    ------
    InputError
        If the file is missing, damaged, too large, or of a kind that reading would change.
    """
    files.check_source(path, SUFFIXES)
    suffix = path.suffix.lower()
    with files.naming(path):
        if suffix == ".npy":
            return Stored(arrays.read_npy(path), None)
        limit = min(max_pixels, MAX_CHANNELS * masked) if masked else max_pixels
        return _read_tiff(path, limit) if suffix in TIFF else _read_pillow(path, limit)


def write(path: Path, image: Stored) -> None:
    """Write an image, whole or not at all.

    Raises
    ------
    InputError
        If the format cannot hold the image, or the file cannot be written.
    """
    check_target(path, image.array)
    suffix = path.suffix.lower()
    try:
        with files.replacing(path) as draft:
            if suffix == ".npy":
                np.save(draft, image.array, allow_pickle=False)
            elif suffix in TIFF:
                rgb = image.channel_axis == -1 and image.array.shape[-1] in (3, 4)
                photometric = "rgb" if rgb else "minisblack"
                tifffile.imwrite(draft, image.array, photometric=photometric)
            else:
                _write_pillow(draft, image)
    except InputError:
        raise
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{path} cannot be written", got=str(error), hint=".tif or .npy, which hold any numbers"
        ) from error


def check_target(path: Path, array: NDArray[Any]) -> None:
    """Refuse, before any work, a path or a format that an image cannot be written to."""
    files.check_target(path, SUFFIXES)
    suffix = path.suffix.lower()
    jpeg = suffix in (".jpg", ".jpeg")
    colours = array.shape[2] if array.ndim == 3 else 1
    fits = array.ndim in (2, 3) and (
        (array.dtype == np.uint8 and colours in ((1, 3) if jpeg else (1, 2, 3, 4)))
        or (array.dtype in (np.uint16, np.bool_) and array.ndim == 2 and not jpeg)
    )
    if suffix in PILLOW and not fits:
        raise InputError(
            f"a {suffix} file cannot hold this image",
            got=f"{array.dtype} with shape {array.shape}",
            hint=".tif or .npy",
        )


def read_mask(
    path: Path, *, invert: bool = False, max_pixels: int = MAX_PIXELS
) -> NDArray[np.bool_]:
    """Read a mask: True where missing.

    Anything but black (zero, in any channel) is missing; a JPEG, which cannot hold exact values,
    is thresholded at 128. A constant alpha channel is ignored. Grey levels raise a warning.
    """
    stored = read(path, max_pixels)
    array = stored.array
    if array.dtype.kind not in "buif" or (array.dtype.kind == "f" and np.isnan(array).any()):
        raise InputError(
            f"{path} is not a mask",
            expected="0 = known, anything else = missing",
            got="NaN" if array.dtype.kind == "f" else f"dtype {array.dtype}",
        )
    if stored.channel_axis is not None and array.shape[-1] in (2, 4):
        if np.ptp(array[..., -1]) > 0:
            raise InputError(
                f"the alpha channel of the mask {path} varies",
                expected="black = known, white = missing, without transparency",
            )
        array = array[..., :-1]
    jpeg = path.suffix.lower() in (".jpg", ".jpeg")
    if array.dtype != np.bool_ and not jpeg and len(np.unique(array)) > 2:
        warnings.warn(
            f"the mask {path} has more than two values; everything but black counts as missing. "
            "Try: a mask of black and white alone.",
            stacklevel=2,
        )
    missing = array >= 128 if jpeg else array != 0
    if stored.channel_axis is not None:
        missing = missing.any(axis=stored.channel_axis)
    return np.asarray(~missing if invert else missing)


def _check_declared(shape: tuple[int, ...], values: int, itemsize: int, limit: int) -> None:
    """Refuse, before any pixel is decoded, what a small file may declare."""
    pixels = math.prod(shape)
    if pixels > limit:
        raise InputError(
            "the image is too large",
            expected=f"at most {limit:,} pixels",
            got=" x ".join(map(str, shape)),
            hint="--max-pixels, or a mask of the size of the image",
        )
    resources.require("reading it", 2 * pixels * values * itemsize)


@contextlib.contextmanager
def _open_pillow(path: Path) -> Iterator[Image.Image]:
    """An open image, which may be larger than Pillow's limit."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with Image.open(path) as image:
            yield image
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _read_pillow(path: Path, limit: int) -> Stored:
    with _open_pillow(path) as image:
        _check_declared(image.size[::-1], len(image.getbands()), 4, limit)
        _refuse_16_bit_colour(path, image)
        if getattr(image, "n_frames", 1) > 1:
            raise InputError("the file holds several images", hint="one file each")
        if image.mode not in MODES:
            raise InputError(
                "its colours are not plain",
                expected="grey or RGB",
                got=image.mode,
                hint="the same image as RGB",
            )
        keys = (*METADATA, "transparency") if image.mode in ("L", "RGB") else METADATA
        metadata = {key: image.info[key] for key in keys if image.info.get(key) is not None}
        if image.mode in ("P", "PA"):
            array = np.array(image.convert("RGBA" if "transparency" in image.info else "RGB"))
        else:
            array = np.array(image)
    return Stored(array, -1 if array.ndim == 3 else None, metadata)


def _refuse_16_bit_colour(path: Path, image: Image.Image) -> None:
    """Pillow would cut the pixels of such a PNG to 8 bits without a warning."""
    if image.format != "PNG":
        return
    with open(path, "rb") as file:
        header = file.read(26)
    if header[24] == 16 and header[25] != 0:
        raise InputError(
            "a colour PNG with 16 bits a channel, which cannot be read whole",
            hint="the same image as .tif",
        )


def _write_pillow(draft: Path, image: Stored) -> None:
    jpeg = draft.suffix.lower() != ".png"
    metadata = {k: v for k, v in image.metadata.items() if not (jpeg and k == "transparency")}
    if jpeg:
        metadata["quality"] = 95
    Image.fromarray(image.array).save(draft, **metadata)


def _read_tiff(path: Path, limit: int) -> Stored:
    with tifffile.TiffFile(path) as file:
        if len(file.series) != 1:
            raise InputError("the file holds several images", hint="one file each")
        series = file.series[0]
        photometric = getattr(series.keyframe.photometric, "name", "")
        if photometric not in PHOTOMETRIC:
            raise InputError(
                "its colours are not plain",
                expected="grey (zero = black) or RGB",
                got=photometric or "unknown",
                hint="the same image as RGB or grey",
            )
        shape, axes = series.shape, series.axes
        values = math.prod(side for side, axis in zip(shape, axes, strict=False) if axis in "SC")
        _check_declared(shape, 1, np.dtype(series.dtype).itemsize, limit * values)
        array = series.asarray()
    if array.ndim != len(axes):
        axes = ""
    channel = next((axes.index(letter) for letter in "SC" if letter in axes), None)
    if channel is not None and axes[channel] == "S":
        array, channel = np.moveaxis(array, channel, -1), -1
    return Stored(np.ascontiguousarray(array), channel)
