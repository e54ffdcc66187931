"""Read and write images without changing them: pictures, .npy, and scientific containers.

A picture is read as it is seen: turned upright, and with zero for black. What a file says about its
pixels is kept with them, and written again.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..errors import InputError
from ..runtime import resources
from . import arrays, containers, files, video
from .place import PIXEL_SCALE, TIEPOINT, TRANSFORMATION, Place, check_same, of_tiff

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP", ".webp": "WEBP"}
PILLOW = tuple(FORMATS)
LOSSY_SUFFIXES = (".jpg", ".jpeg")
TIFF = (".tif", ".tiff")
SUFFIXES = (*PILLOW, *TIFF, ".npy", *containers.SUFFIXES)

# Pixels that a compressed file may declare, and how many values for each pixel of the mask.
MAX_PIXELS = 2**28
MAX_CHANNELS = 1024

# What each format can say besides its pixels; .npy says nothing.
METADATA = {
    ".png": ("icc_profile", "dpi", "exif", "text", "transparency", "chunks"),
    ".jpg": ("icc_profile", "dpi", "exif", "comment", "xmp"),
    ".bmp": ("dpi",),
    ".webp": ("icc_profile", "exif", "xmp"),
    ".tif": ("icc_profile", "dpi"),
}
NOT_KEPT = ("photoshop",)

# Chunks of a PNG: those that are read and written otherwise, those that are copied, and those of
# them that depend on how pixels are stored.
READ_CHUNKS = (
    "IHDR",
    "PLTE",
    "IDAT",
    "IEND",
    "tRNS",
    "iCCP",
    "pHYs",
    "eXIf",
    "tEXt",
    "zTXt",
    "iTXt",
)
COPIED_CHUNKS, STORED_CHUNKS = ("cHRM", "cICP", "gAMA", "sRGB", "sBIT", "bKGD"), ("sBIT", "bKGD")

# Channels of 8 bits that each format holds.
COLOURS = {
    ".png": (1, 2, 3, 4),
    ".bmp": (1, 3),
    ".webp": (3, 4),
    **dict.fromkeys(LOSSY_SUFFIXES, (1, 3)),
}

Alpha = bool | Literal["premultiplied"]

PNG_HEADER = 33  # bytes of signature and IHDR

# Pixels whose numbers are their colours; other modes would come back with other colours.
MODES = ("1", "L", "LA", "RGB", "RGBA", "P", "PA", "I", "I;16", "I;16B", "F")
PHOTOMETRIC = ("MINISBLACK", "MINISWHITE", "RGB")

# TIFF tags that depend on how pixels are stored, which are written anew.
ORIENTATION, RESOLUTION, ICC_PROFILE, NODATA, GDAL_METADATA = (
    274,
    (282, 283, 296),
    34675,
    42113,
    42112,
)
LAYOUT = {254, ORIENTATION, *RESOLUTION, 320, 347, *range(512, 522), 530, 531, 532}
# Tags that depend on values, point to other places in the file, or hold pixels again.
NOT_COPIED = {
    280: "range of values",
    281: "range of values",
    340: "range of values",
    341: "range of values",
    34665: "EXIF",
    34853: "GPS",
    37724: "Photoshop layers",
}
# Where pixels are on the ground: true only as long as they are not turned.
GEOREFERENCE = {PIXEL_SCALE, TIEPOINT, TRANSFORMATION}
LOSSY = {6, 7, 22610, 33003, 33004, 33005, 33007, 34712, 34887, 34892, 50001, 50002, 52546}
DEFLATE, MASK = 8, 4
COLOUR_TABLE = 320
# What GDAL and ArcGIS write beside a TIFF whose numbers are classes.
CLASSES = ("<ColorTable", "<CategoryNames", 'tableType="thematic"')


@dataclass(frozen=True, eq=False)
class Tiff:
    """How a TIFF stores its pixels, and what its tags say."""

    photometric: str
    sample_axis: int | None  # of the array as stored, where a pixel has several samples
    options: dict[str, Any]  # of tifffile.imwrite
    tags: tuple[tuple[int, int, int, bytes, bool], ...]
    is_array: bool  # written by tifffile from a NumPy array


@dataclass(frozen=True, eq=False)
class Stored:
    """An image as a file holds it.

    Parameters
    ----------
    array : array
        Pixels, upright and with zero for black; those of a palette are its colours.
    channel_axis : int or None
        None where the format of the file does not say.
    metadata : dict
        What the formats in `METADATA` can say.
    alpha : bool or "premultiplied"
        Whether the last channel is an opacity, and whether colours are multiplied by it.
    missing_values : tuple of float
        Values that mean missing.
    tiff : Tiff, optional
        Of a TIFF, to write the same kind again.
    lost : tuple of str
        What was in the file and cannot be kept.
    container : object, optional
        Of the library that read a scientific container, with the suffixes that it can be written
        to again.
    lossy : bool
        Whether pixels need not be those that were painted.
    place : Place, optional
        Where the file says that its pixels lie.
    """

    array: NDArray[Any]
    channel_axis: int | None
    metadata: dict[str, Any] = field(default_factory=dict)
    alpha: Alpha = False
    missing_values: tuple[float, ...] = ()
    tiff: Tiff | None = None
    lost: tuple[str, ...] = ()
    container: tuple[tuple[str, ...], Any] | None = None
    lossy: bool = False
    place: Place | None = None


@dataclass(frozen=True, eq=False)
class StoredMask:
    """A mask as a file holds it: True where missing."""

    array: NDArray[np.bool_]
    path: Path
    place: Place | None = None

    def check_place(self, image: Stored) -> None:
        """Refuse an image that lies elsewhere, where both files say where they lie."""
        check_same(image.place, self.place, f"the mask {self.path}")


def read(
    path: Path, max_pixels: int = MAX_PIXELS, masked: int | None = None, *, as_mask: bool = False
) -> Stored:
    """Read an image of at most so many pixels, and of a size that suits a mask of `masked` pixels;
    `as_mask` accepts the palette of a TIFF, which is not kept, and labels.

    Raises
    ------
    InputError
        If the file is missing, damaged, too large, or of a kind that reading would change.
    """
    suffix = files.suffix_of(path)
    if suffix == ".gif":
        raise InputError(f"{path} is an animation or has a palette", hint="frames as .png or .tif")
    files.check_source(path, SUFFIXES)
    with files.naming(path):
        limit = min(max_pixels, MAX_CHANNELS * masked) if masked else max_pixels
        if suffix in containers.SUFFIXES:
            array, template, marks, missed = containers.read(path, suffix, limit, labels=as_mask)
            channels = -1 if suffix in video.SUFFIXES and array.ndim == 4 else None
            return Stored(
                array,
                channels,
                alpha=channels is not None and array.shape[-1] == 4,
                missing_values=marks,
                lost=missed,
                container=(containers.alike(suffix), template),
                lossy=any("lossy" in each for each in missed),
                place=containers.place_of(suffix, template),
            )
        if suffix == ".npy":
            return Stored(arrays.read_npy(path), None)
        return _read_tiff(path, limit, as_mask) if suffix in TIFF else _read_pillow(path, limit)


def write(path: Path, image: Stored) -> None:
    """Write an image, whole or not at all.

    Raises
    ------
    InputError
        If the format cannot hold the image, or the file cannot be written.
    """
    check_target(path, image.array, image)
    suffix = files.suffix_of(path)
    if suffix in containers.SUFFIXES:
        assert image.container is not None
        containers.write(path, suffix, image.array, image.container[1])
        return
    with files.replacing(path) as draft, files.CheckedFile(draft) as file:
        try:
            if suffix == ".npy":
                np.save(file, image.array, allow_pickle=False)
            elif suffix in TIFF:
                _write_tiff(file, image)
            else:
                _write_pillow(file, image, suffix)
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(
                f"{path} cannot be written",
                got=str(error),
                hint=".tif or .npy, which hold any numbers",
            ) from error


def check_target(path: Path, array: NDArray[Any], source: Stored | None = None) -> None:
    """Refuse, before any work, a path or a format that an image cannot be written to; a scientific
    container is written only from a `source` of its kind."""
    files.check_target(path, SUFFIXES)
    suffix = files.suffix_of(path)
    if suffix in containers.SUFFIXES:
        if source is None or source.container is None or suffix not in source.container[0]:
            raise InputError(
                f"{path} can only be written from a file of its kind", hint=".tif or .npy"
            )
        return
    if suffix in PILLOW and source is not None and source.tiff is not None:
        more = source.tiff.options.get("extrasamples") or (0,)
        if array.ndim == 3 and array.shape[2] in (2, 4) and more[-1] not in (1, 2):
            raise InputError(
                f"a {suffix} file would take the last band for an opacity",
                got=f"{array.shape[2]} bands",
                hint=".tif or .npy",
            )
    colours = array.shape[2] if array.ndim == 3 else 1
    fits = (
        suffix in PILLOW
        and array.ndim in (2, 3)
        and (
            (array.dtype == np.uint8 and colours in COLOURS[suffix])
            or (suffix == ".png" and array.dtype == np.uint16 and colours in COLOURS[suffix])
            or (suffix in (".png", ".bmp") and array.dtype == np.bool_ and array.ndim == 2)
        )
    )
    if suffix in PILLOW and not fits:
        raise InputError(
            f"a {suffix} file cannot hold this image",
            got=f"{array.dtype} with shape {array.shape}",
            hint=".tif or .npy",
        )


def lost(image: Stored, path: Path) -> tuple[str, ...]:
    """What a file of this format cannot keep of an image."""
    suffix = files.suffix_of(path)
    suffix = {".jpeg": ".jpg", ".tiff": ".tif"}.get(suffix, suffix)
    kept = METADATA.get(suffix, ())
    names = [name.replace("_", " ") for name in image.metadata if name not in (*kept, "chunks")]
    names += image.metadata.get("chunks", ()) if "chunks" not in kept else ()
    if image.tiff is not None and suffix != ".tif":
        done = {ICC_PROFILE} if kept else set()
        names += [
            tifffile.TIFF.TAGS.get(tag[0], str(tag[0]))
            for tag in image.tiff.tags
            if tag[0] not in done
        ]
    if image.alpha == "premultiplied" and suffix in PILLOW:
        names.append("colours multiplied by their opacity (now straight)")
    if image.container is not None and suffix not in image.container[0]:
        names.append("header and coordinates")
    return tuple(dict.fromkeys((*image.lost, *names)))


def read_mask(
    path: Path, *, invert: bool = False, max_pixels: int = MAX_PIXELS
) -> NDArray[np.bool_]:
    """Read a mask: True where missing; see `read_stored_mask`."""
    return read_stored_mask(path, invert=invert, max_pixels=max_pixels).array


def read_stored_mask(
    path: Path, *, invert: bool = False, max_pixels: int = MAX_PIXELS
) -> StoredMask:
    """Read a mask, with the place that its file says.

    Anything but black (zero, in any channel) is missing; a JPEG, and what else does not hold exact
    values, is thresholded at half of its range. Grey levels raise a warning. Where opacity varies,
    it is the mask: of a layer that is painted on the painted pixels are missing, of a picture those
    that are erased. A transparent colour is opacity, too.
    """
    stored = read(path, max_pixels, as_mask=True)
    array = stored.array
    if array.dtype.kind not in "buif" or (array.dtype.kind == "f" and np.isnan(array).any()):
        raise InputError(
            f"{path} is not a mask",
            expected="0 = known, anything else = missing",
            got="NaN" if array.dtype.kind == "f" else f"dtype {array.dtype}",
        )
    if stored.tiff is not None and stored.tiff.photometric == "MINISWHITE" and stored.tiff.is_array:
        array = _inverted(array)  # True, whatever it looks like
    if (clear := stored.metadata.get("transparency")) is not None and array.dtype != np.bool_:
        array = array[..., None] if stored.channel_axis is None else array
        shown = (array != np.array(clear)).any(axis=-1, keepdims=True)
        array, stored = np.concatenate([array, 255 * shown], -1), replace(stored, channel_axis=-1)
    if stored.channel_axis is not None and array.shape[-1] in (2, 4):
        opacity, array = array[..., -1], array[..., :-1]
        if np.ptp(opacity) > 0:
            array, stored = (
                _mask_of_opacity(path, array, opacity),
                replace(stored, channel_axis=None),
            )
    several = array.dtype != np.bool_ and len(np.unique(array)) > 2
    jpeg = path.suffix.lower() in LOSSY_SUFFIXES
    halves = jpeg or (stored.lossy and several)
    if several and not halves:
        warnings.warn(
            f"the mask {path} has more than two values; everything but black counts as missing. "
            "Try: a mask of black and white alone.",
            stacklevel=2,
        )
    half = np.iinfo(array.dtype).max // 2 if array.dtype.kind in "ui" else array.max() / 2
    missing = array > half if halves else array != 0
    if stored.channel_axis is not None:
        missing = missing.any(axis=stored.channel_axis)
    return StoredMask(np.asarray(~missing if invert else missing), path, stored.place)


def _mask_of_opacity(path: Path, colours: NDArray[Any], opacity: NDArray[Any]) -> NDArray[Any]:
    """What is painted on a transparent layer, or erased from a picture that reaches the border."""
    visible = np.unique(colours[opacity > 0].reshape(-1, colours.shape[-1]), axis=0)
    if len(visible) == 2 and not visible[0].any():
        raise InputError(
            f"the alpha channel of the mask {path} varies, and so do its colours",
            expected="black and white, or paint on a transparent layer, or an erased picture",
        )
    border = np.concatenate([opacity[[0, -1]].ravel(), opacity[:, [0, -1]].ravel()])
    return opacity < opacity.max() if np.mean(border > 0) > 0.5 else opacity > 0


def _check_declared(shape: tuple[int, ...], values: int, itemsize: int, limit: int) -> None:
    """Refuse, before any pixel is decoded, what a small file may declare."""
    containers.check_declared(shape, limit)
    resources.require("reading it", 2 * math.prod(shape) * values * itemsize)


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
        deep = _is_16_bit_colour(path, image)
        if getattr(image, "n_frames", 1) > 1:
            raise InputError("the file holds several images", hint="one file each")
        if image.mode not in MODES:
            raise InputError(
                "its colours are not plain",
                expected="grey or RGB",
                got=image.mode,
                hint="the same image as RGB",
            )
        exif = image.getexif()
        named = {k: v for k, v in image.info.items() if k in sum(METADATA.values(), ())}
        metadata = {k: v for k, v in named.items() if v or k == "transparency"}  # black is one
        if image.mode not in ("L", "RGB"):
            metadata.pop("transparency", None)
        if text := getattr(image, "text", None):
            metadata["text"] = dict(text)
        turned = exif.get(ORIENTATION, 1)
        if turned != 1 and "exif" in metadata:
            exif[ORIENTATION] = 1
            metadata["exif"] = exif.tobytes()
        if turned in (5, 6, 7, 8) and "dpi" in metadata:
            metadata["dpi"] = metadata["dpi"][::-1]
        missed = tuple(key for key in NOT_KEPT if key in image.info)
        if image.format == "PNG":
            chunks, others = _chunks(path, palette=image.mode in ("P", "PA"))
            metadata |= {"chunks": chunks} if chunks else {}
            missed += others
        if deep:  # Pillow would cut the pixels to 8 bits without a warning
            array = _imagecodecs().png_decode(path.read_bytes())
            missed += ("transparency",) if metadata.pop("transparency", None) else ()
        elif image.mode in ("P", "PA"):
            clear = "transparency" in image.info or image.mode == "PA"
            array = np.array(image.convert("RGBA" if clear else "RGB"))
            missed += (f"palette (now {'RGBA' if clear else 'RGB'})",)
        else:
            array = np.array(image)
    array = np.ascontiguousarray(_upright(array, turned, (0, 1)))
    channel = -1 if array.ndim == 3 else None
    alpha = channel is not None and array.shape[-1] in (2, 4)
    return Stored(array, channel, metadata, alpha, lost=missed, lossy=_is_lossy(path))


def _chunks(path: Path, *, palette: bool) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """What else a PNG says, and the names of what cannot be written again."""
    copied, missed, place, size = {}, [], 8, path.stat().st_size
    with path.open("rb") as file:
        while file.seek(place) and len(head := file.read(8)) == 8:
            length, text = int.from_bytes(head[:4]), head[4:].decode("latin1")
            # A small second letter is of a private chunk, a small last one of what may be copied.
            known = text in COPIED_CHUNKS and not (palette and text in STORED_CHUNKS)
            if known or (text[1].islower() and text[3].islower()):
                copied[text] = file.read(min(length, size))
            elif text not in READ_CHUNKS:
                missed.append(text)
            place += 12 + length
    return copied, tuple(dict.fromkeys(missed))


def _upright(array: NDArray[Any], orientation: int, axes: tuple[int, int]) -> NDArray[Any]:
    """A view with the rows and columns (`axes`) of a picture of EXIF orientation 1 to 8."""
    if orientation in (2, 3):
        array = np.flip(array, axes[1])
    if orientation in (3, 4):
        array = np.flip(array, axes[0])
    if orientation in (5, 6, 7, 8):
        array = np.swapaxes(array, *axes)
    if orientation in (6, 7):
        array = np.flip(array, axes[1])
    if orientation in (7, 8):
        array = np.flip(array, axes[0])
    return array


def _inverted(array: NDArray[Any]) -> NDArray[Any]:
    return ~array if array.dtype.kind in "bu" else -array


def _is_16_bit_colour(path: Path, image: Image.Image) -> bool:
    if image.format != "PNG":
        return False
    with open(path, "rb") as file:
        header = file.read(26)
    return header[24] == 16 and header[25] != 0


def _is_lossy(path: Path) -> bool:
    """Whether a picture is a JPEG, or a WebP that holds one of its lossy kind."""
    suffix = files.suffix_of(path)
    if suffix != ".webp":
        return suffix in LOSSY_SUFFIXES
    kinds, place = [], 12
    with path.open("rb") as file:
        while file.seek(place) and len(head := file.read(8)) == 8:
            kinds.append(head[:4])
            place += 8 + int.from_bytes(head[4:], "little")
            place += place % 2
    return b"VP8 " in kinds


def _imagecodecs() -> Any:
    """The library that reads and writes PNG of 16 bits and several channels."""
    try:
        import imagecodecs
    except ImportError as error:
        raise InputError(
            "colour PNG with 16 bits a channel needs imagecodecs",
            hint="pip install 'ntkfill[tiff]', or the same image as .tif",
        ) from error
    return imagecodecs


def _straight(array: NDArray[Any]) -> NDArray[Any]:
    """Colours that are no longer multiplied by their opacity, the last channel."""
    full, opacity = np.iinfo(array.dtype).max, np.maximum(array[..., -1:].astype(np.float64), 1)
    colours = np.rint(array[..., :-1] * (full / opacity)).clip(0, full).astype(array.dtype)
    return np.concatenate([colours, array[..., -1:]], axis=-1)


def _write_pillow(file: IO[bytes], image: Stored, suffix: str) -> None:
    if image.alpha == "premultiplied":
        image = replace(image, array=_straight(image.array))
    jpeg = suffix in LOSSY_SUFFIXES
    kept = METADATA[".jpg" if jpeg else suffix]
    metadata = {name: value for name, value in image.metadata.items() if name in kept}
    if suffix == ".png":
        metadata["pnginfo"] = PngInfo()
        for name, text in metadata.pop("text", {}).items():
            metadata["pnginfo"].add_itxt(name, text)
        for name, content in metadata.pop("chunks", {}).items():
            metadata["pnginfo"].add(name.encode("latin1"), content)
    if jpeg:
        metadata["quality"] = 95
    if suffix == ".webp":
        metadata["lossless"] = metadata["exact"] = True
    if image.array.dtype == np.uint16 and image.array.ndim == 3:
        # What Pillow says besides the pixels of a smaller image, between header and pixels.
        dot = io.BytesIO()
        Image.new("RGB", (1, 1)).save(dot, format="PNG", **metadata)
        said = dot.getvalue()[PNG_HEADER : dot.getvalue().rindex(b"IDAT") - 4]
        content = _imagecodecs().png_encode(image.array)
        file.write(content[:PNG_HEADER] + said + content[PNG_HEADER:])
        return
    Image.fromarray(image.array).save(file, format=FORMATS[suffix], **metadata)


def _read_tiff(path: Path, limit: int, as_mask: bool) -> Stored:
    with tifffile.TiffFile(path) as file:
        pages: list[Any] = [series.keyframe for series in file.series]
        if any(page.subfiletype & MASK for page in pages) or Path(f"{path}.msk").exists():
            raise InputError(
                "a mask belongs to the image, which is not read with it",
                hint="the mask as a file of its own (--mask FILE), the image without it",
            )
        if len(pages) != 1:
            raise InputError("the file holds several images", hint="one file each")
        series, page = file.series[0], pages[0]
        photometric = getattr(page.photometric, "name", "")
        if COLOUR_TABLE in page.tags and page.samplesperpixel == 1:
            photometric = "PALETTE"  # whatever it says: GDAL says grey where the table came later
        if not as_mask and (COLOUR_TABLE in page.tags or _has_classes(path)):
            raise InputError(
                "its colours are not plain",
                expected="grey or RGB",
                got="numbers with a table of colours or classes",
                hint="the same image as RGB, or without the table if its numbers are measured",
            )
        white = photometric == "MINISWHITE" and np.dtype(series.dtype).kind not in "bu"
        if white or photometric not in (*PHOTOMETRIC, *(["PALETTE"] if as_mask else [])):
            raise InputError(
                "its colours are not plain",
                expected="grey or RGB",
                got=photometric or "unknown",
                hint="the same image as RGB or grey",
            )
        shape, axes = series.shape, series.axes
        values = math.prod(side for side, axis in zip(shape, axes, strict=False) if axis in "SC")
        _check_declared(shape, 1, np.dtype(series.dtype).itemsize, limit * values)
        array = series.asarray()
        if array.ndim != len(axes):
            axes = ""
        tag = page.tags.get(ORIENTATION)
        turned = tag.value if tag is not None and {"X", "Y"} <= set(axes) else 1
        array = _upright(array, turned, (axes.find("Y"), axes.find("X")))
        where = of_tiff(page) if turned == 1 else None
        if photometric == "PALETTE":
            return Stored(np.moveaxis(page.colormap[:, array], 0, -1), -1, place=where)
        channel = next((axes.index(letter) for letter in "SC" if letter in axes), None)
        samples = channel if channel is not None and axes[channel] == "S" else None
        if samples is not None:
            array, channel = np.moveaxis(array, samples, -1), -1
        if photometric == "MINISWHITE":
            array = _inverted(array)
        tiff, missed = _tiff_template(file, samples, turned)
        alpha: Alpha = False
        if samples is not None and page.extrasamples[-1:] in ((1,), (2,)):
            alpha = "premultiplied" if page.extrasamples[-1] == 1 else True
        metadata: dict[str, Any] = {}
        if page.iccprofile:
            metadata["icc_profile"] = page.iccprofile
        if 282 in page.tags and 283 in page.tags and page.resolutionunit in (2, 3):
            across, down = page.get_resolution(2)
            metadata["dpi"] = (down, across) if turned > 4 else (across, down)
        return Stored(
            np.ascontiguousarray(array),
            channel,
            metadata,
            alpha,
            _numbers(page.tags.valueof(NODATA, "")),
            tiff,
            missed,
            lossy=page.compression in LOSSY,
            place=where,
        )


def _has_classes(path: Path) -> bool:
    """Whether files beside a TIFF say that its numbers are classes."""
    beside = Path(f"{path}.aux.xml")
    said = beside.read_text("utf-8", "replace") if beside.is_file() else ""
    return any(word in said for word in CLASSES) or Path(f"{path}.vat.dbf").is_file()


def _tiff_template(
    file: tifffile.TiffFile, samples: int | None, turned: int
) -> tuple[Tiff, tuple[str, ...]]:
    """What is needed to write such a file again, and what cannot be written."""
    series = file.series[0]
    page: Any = series.keyframe
    options: dict[str, Any] = {"byteorder": file.byteorder, "bigtiff": file.is_bigtiff or None}
    if 282 in page.tags and 283 in page.tags:
        across, down = page.tags[282].value, page.tags[283].value
        options["resolution"] = (down, across) if turned > 4 else (across, down)
        options["resolutionunit"] = page.tags.valueof(296, 2)
    if samples is not None:
        options["planarconfig"] = page.planarconfig
        options["extrasamples"] = page.extrasamples or None
    missed = []
    if page.is_tiled and len(page.tile) == 2:
        options["tile"] = page.tile
    elif not page.is_tiled and page.rowsperstrip:
        options["rowsperstrip"] = page.rowsperstrip
    if page.compression != 1:
        kept = page.compression not in LOSSY and _can(tifffile.TIFF.COMPRESSORS, page.compression)
        options["compression"] = page.compression if kept else DEFLATE
        if not kept:
            missed.append(f"{page.compression.name} compression (now deflate)")
        if page.predictor != 1 and kept and _can(tifffile.TIFF.PREDICTORS, page.predictor):
            options["predictor"] = page.predictor
    if page.bitspersample not in (1, 8 * page.dtype.itemsize):
        missed.append(f"{page.bitspersample} bits a sample (now {8 * page.dtype.itemsize})")
    if len(series.levels) > 1:
        missed.append("lower resolutions")
    pages = [number for number, one in enumerate(series.pages) if one is not None]
    later = getattr(series.pages[1], "tags", {}) if len(pages) > 1 else {}
    if later and later.get(270) and later[270].value != page.tags.valueof(270):
        missed.append("descriptions of single pages")
    copied = []
    for tag in page.tags:
        if tag.code in LAYOUT or tag.code in tifffile.TIFF.TAG_FILTERED - {*NOT_COPIED}:
            continue
        if tag.code in NOT_COPIED or (tag.code in GEOREFERENCE and turned != 1):
            missed.append(NOT_COPIED.get(tag.code, "georeference (the image was turned)"))
            continue
        file.filehandle.seek(tag.valueoffset)
        raw = file.filehandle.read(tag.valuebytecount)
        if tag.code == GDAL_METADATA:  # statistics change with the pixels
            raw = re.sub(rb'\s*<Item name="STATISTICS_[^>]*>[^<]*</Item>', b"", raw)
        count = tag.count
        if tag.code == 270 and turned > 4:
            raw = _turned_description(raw, file, series.axes)
            count = len(raw)
        copied.append((tag.code, int(tag.dtype), count, raw, tag.code not in later))
    photometric = page.photometric.name
    return Tiff(photometric, samples, options, tuple(copied), page.is_shaped), tuple(missed)


def _turned_description(raw: bytes, file: tifffile.TiffFile, axes: str) -> bytes:
    """What tifffile and OME say of an image, after its rows have become columns."""
    if file.is_ome:

        def swapped(found: re.Match[bytes]) -> bytes:
            return found[1] + (b"X" if found[2] == b"Y" else b"Y")

        return re.sub(rb"\b(Size|PhysicalSize)([XY])(?=Unit=|=)", swapped, raw)
    if not file.pages.first.is_shaped:
        return raw
    said = json.loads(raw.rstrip(b"\0"))
    y, x = axes.find("Y"), axes.find("X")
    said["shape"][y], said["shape"][x] = said["shape"][x], said["shape"][y]
    return json.dumps(said).encode() + b"\0"


def _can(codecs: Mapping[int, Any], key: int) -> bool:
    """Whether this compression or predictor can be written by the libraries that are installed."""
    try:
        return codecs[key] is not None
    except (KeyError, NotImplementedError):
        return False


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return (float(str(text).strip("\0 ")),)
    except ValueError:
        return ()


def _write_tiff(file: IO[bytes], image: Stored) -> None:
    array, tiff = image.array, image.tiff
    options: dict[str, Any] = {"metadata": None, "software": False}
    if tiff is not None:
        if tiff.photometric == "MINISWHITE":
            array = _inverted(array)
        if tiff.sample_axis is not None:
            array = np.moveaxis(array, -1, tiff.sample_axis)
        options |= tiff.options | {"photometric": tiff.photometric, "extratags": tiff.tags}
    else:
        options = {"photometric": "minisblack"}
        if image.channel_axis is not None and image.channel_axis % array.ndim == array.ndim - 1:
            n = array.shape[-1]
            options = {
                "photometric": "rgb" if n in (3, 4) else "minisblack",
                "planarconfig": "contig",
            }
            if image.alpha:
                options["extrasamples"] = ["unassalpha"]
        options["iccprofile"] = image.metadata.get("icc_profile")
        if "dpi" in image.metadata:
            options |= {"resolution": tuple(map(float, image.metadata["dpi"])), "resolutionunit": 2}
    tifffile.imwrite(file, array, **options)
