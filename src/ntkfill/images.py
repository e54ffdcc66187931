"""Read and write pictures without changing them: .png .jpg .tif .npy."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from .errors import InputError
from .files import replacing

PILLOW = (".png", ".jpg", ".jpeg")
TIFF = (".tif", ".tiff")
SUFFIXES = (*PILLOW, *TIFF, ".npy")

# What a file says of a picture besides its pixels, and Pillow can write again.
KEPT = ("icc_profile", "dpi", "exif")


@dataclass(frozen=True, eq=False)
class Stored:
    """A picture as a file holds it.

    Parameters
    ----------
    array : array
        Pixels as they are stored; a palette is looked up.
    channel_axis : int or None
        Where the file's format tells.
    extra : dict
        Colour profile, resolution and EXIF data, to be written again.
    """

    array: NDArray[Any]
    channel_axis: int | None
    extra: dict[str, Any] = field(default_factory=dict)


def read(path: Path) -> Stored:
    """Read a picture.

    Raises
    ------
    InputError
        If the file is missing, damaged, or of a kind that would be changed by reading it.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(
            f"{path} is no picture that can be read",
            expected=" ".join(SUFFIXES),
            got=suffix or "no suffix",
        )
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    try:
        if suffix == ".npy":
            return Stored(np.load(path, allow_pickle=False), None)
        return _read_tiff(path) if suffix in TIFF else _read_pillow(path)
    except InputError:
        raise
    except (
        OSError,
        ValueError,
        EOFError,
        SyntaxError,
        UnidentifiedImageError,
        Image.DecompressionBombError,
        tifffile.TiffFileError,
        KeyError,
    ) as error:
        raise InputError(f"{path} cannot be read", got=str(error)) from error


def write(path: Path, picture: Stored) -> None:
    """Write a picture, whole or not at all.

    Raises
    ------
    InputError
        If the format cannot hold the picture, or the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(
            f"{path} is no picture that can be written",
            expected=" ".join(SUFFIXES),
            got=suffix or "no suffix",
        )
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {path.parent}")
    try:
        with replacing(path) as place:
            if suffix == ".npy":
                np.save(place, picture.array, allow_pickle=False)
            elif suffix in TIFF:
                _write_tiff(place, picture)
            else:
                _write_pillow(place, picture)
    except InputError:
        raise
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{path} cannot be written", got=str(error), hint=".tif or .npy, which hold any numbers"
        ) from error


def read_mask(path: Path, *, invert: bool = False) -> NDArray[np.bool_]:
    """Read a mask: True where missing.

    Anything but zero (black) is missing; a JPEG, which cannot hold exact values, is cut in half.
    A constant alpha channel does not count.
    """
    stored = read(path)
    array = stored.array
    if stored.channel_axis is not None and array.shape[-1] in (2, 4):
        array = array[..., :-1]
    if array.dtype.kind not in "buif":
        raise InputError(f"{path} is no mask", expected="numbers", got=f"dtype {array.dtype}")
    missing = array >= 128 if path.suffix.lower() in (".jpg", ".jpeg") else array != 0
    return ~missing if invert else missing


def _read_pillow(path: Path) -> Stored:
    with Image.open(path) as image:
        _refuse_16_bit_colour(path, image)
        extra = {key: image.info[key] for key in KEPT if image.info.get(key)}
        if image.mode in ("P", "PA"):
            array = np.array(image.convert("RGBA" if "transparency" in image.info else "RGB"))
        else:
            array = np.array(image)
    return Stored(array, -1 if array.ndim == 3 else None, extra)


def _refuse_16_bit_colour(path: Path, image: Image.Image) -> None:
    """Pillow would cut the pixels of such a PNG to 8 bits without a word."""
    if image.format != "PNG":
        return
    with open(path, "rb") as file:
        header = file.read(26)
    if header[24] == 16 and header[25] != 0:
        raise InputError(
            f"{path} is a colour PNG with 16 bits a channel, which cannot be read whole",
            hint="the same picture as .tif",
        )


def _write_pillow(place: Path, picture: Stored) -> None:
    array = picture.array
    jpeg = place.suffix.lower() != ".png"
    if array.dtype not in (np.uint8, np.uint16, np.bool_) or (
        array.dtype != np.uint8 and (jpeg or array.ndim > 2)
    ):
        raise InputError(
            f"a {place.suffix} file cannot hold this picture",
            got=f"{array.dtype} with shape {array.shape}",
            hint=".tif or .npy",
        )
    options = {**picture.extra, **({"quality": 95} if jpeg else {})}
    Image.fromarray(array).save(place, **options)


def _read_tiff(path: Path) -> Stored:
    with tifffile.TiffFile(path) as file:
        series = file.series[0]
        array, axes = series.asarray(), series.axes
    if array.ndim != len(axes):
        axes = ""
    channel = next((axes.index(letter) for letter in "SC" if letter in axes), None)
    return Stored(array, channel, {"axes": axes})


def _write_tiff(place: Path, picture: Stored) -> None:
    rgb = (
        picture.channel_axis is not None
        and picture.array.shape[-1] in (3, 4)
        and (picture.channel_axis % picture.array.ndim == picture.array.ndim - 1)
    )
    array = picture.array
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * 255
    tifffile.imwrite(place, array, photometric="rgb" if rgb else "minisblack")
