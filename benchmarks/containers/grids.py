"""Pictures, volumes, maps and videos."""

from __future__ import annotations

import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import astropy.io.fits
import av
import imagecodecs
import nibabel
import numpy as np
import rasterio
import tifffile
import xarray
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo
from rasterio.enums import Resampling

from . import Container

RAMP = np.add.outer(2 * np.arange(32), 3 * np.arange(40)).astype(np.uint8)
HOLES = np.zeros(RAMP.shape, bool)
HOLES[5:11, 6:14] = True
COLOUR = np.stack([RAMP, RAMP // 2, 250 - RAMP], axis=-1)
STACK = np.stack([RAMP, RAMP // 2, RAMP // 3])
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def marked(source: Path, target: Path) -> list[str]:
    """The file says what is missing."""
    return ["inpaint", str(source), "-o", str(target), "--network", "hourglass(3)", "--fast"]


def masked(source: Path, target: Path) -> list[str]:
    """A mask says what is missing."""
    mask = source.with_name("mask.npy")
    np.save(mask, HOLES)
    return [*marked(source, target), "--mask", str(mask)]


def masked_volume(source: Path, target: Path) -> list[str]:
    words = masked(source, target)
    np.save(words[-1], np.repeat(HOLES[..., None], len(STACK), axis=-1))
    return words


def with_nodata(value: float) -> Any:
    """A value says what is missing."""
    return lambda source, target: [*marked(source, target), "--nodata", str(value)]


def damaged(array: np.ndarray, mark: float = 255, axes: tuple[int, int] = (0, 1)) -> np.ndarray:
    """With a mark in the hole, of rows and columns along `axes`."""
    result = array.copy()
    np.moveaxis(result, axes, (0, 1))[HOLES] = mark
    return result


def pixels(array: np.ndarray, axes: tuple[int, int] = (0, 1)) -> dict[str, Any]:
    first = np.moveaxis(array, axes, (0, 1))
    return {"known values": first[~HOLES], "gaps": first[HOLES], "shape": array.shape}


# Pillow


def exif() -> Image.Exif:
    tags = Image.Exif()
    tags[271], tags[306] = "a camera", "2024:05:06 07:08:09"
    for number, tag, value in ((34665, 33434, 0.01), (34853, 1, "N")):
        tags.get_ifd(number)[tag] = value
        tags[number] = tags.get_ifd(number)  # TIFF needs both
    return tags


def save(array: np.ndarray, **options: Any) -> Any:
    return lambda path: Image.fromarray(damaged(array)).save(path, **options)


def text() -> PngInfo:
    info = PngInfo()
    info.add_text("Title", "a title")
    info.add_itxt("Author", "an author")
    return info


def pillow(path: Path) -> dict[str, Any]:
    with Image.open(path) as image:
        plain = image.convert("RGB") if image.mode == "P" else image
        found = {**pixels(np.asarray(plain)), "mode": image.mode}
        names = {"icc_profile": "colour profile", "comment": "comment", "xmp": "XMP"}
        names |= {"transparency": "transparent colour", "gamma": "gamma"}
        found |= {names[key]: value for key, value in image.info.items() if key in names}
        if "dpi" in image.info:
            found["resolution"] = tuple(round(float(value)) for value in image.info["dpi"])
        if hasattr(image, "text") and image.text:
            found["text"] = dict(image.text)
        if tags := image.getexif():
            parts = {k: dict(tags.get_ifd(k)) for k in (34665, 34853)}
            found["EXIF and GPS"] = str([tags[271], tags[306], parts])
    return found


def chunk(kind: bytes, data: bytes) -> bytes:
    """Of a PNG."""
    end = zlib.crc32(kind + data).to_bytes(4, "big")
    return len(data).to_bytes(4, "big") + kind + data + end


def with_gamma(path: Path) -> None:
    save(RAMP, icc_profile=PROFILE, dpi=(300, 300), exif=exif(), pnginfo=text())(path)
    content = path.read_bytes()
    gamma = chunk(b"gAMA", (45455).to_bytes(4, "big"))
    path.write_bytes(content[:33] + gamma + content[33:])


# imagecodecs


def deep_colour(path: Path) -> None:
    content = imagecodecs.png_encode(damaged(COLOUR.astype(np.uint16) * 257))
    more = chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(PROFILE))
    more += chunk(b"pHYs", 2 * (11811).to_bytes(4, "big") + b"\1")
    path.write_bytes(content[:33] + more + chunk(b"tEXt", b"Title\0a title") + content[33:])


def read_deep(path: Path) -> dict[str, Any]:
    array = imagecodecs.png_decode(path.read_bytes())
    return pillow(path) | {**pixels(array), "dtype": array.dtype.name}


# rasterio


def geotiff(path: Path) -> None:
    profile = {
        "driver": "GTiff", "width": 40, "height": 32, "count": 3, "dtype": "float32",
        "crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 6e6),
        "nodata": -9999, "interleave": "band", "compress": "deflate", "tiled": True,
        "blockxsize": 16, "blockysize": 16, "bigtiff": "YES",
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as file:
        file.write(damaged(STACK.astype(np.float32), -9999, (1, 2)))
        file.descriptions = ("red", "green", "blue")
        file.update_tags(season="spring")
        file.scales, file.offsets = (0.1, 0.1, 0.1), (5, 5, 5)


def pyramid(path: Path) -> None:
    geotiff(path)
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4], Resampling.average)


def read_geotiff(path: Path) -> dict[str, Any]:
    with rasterio.open(path) as file:
        return {
            **pixels(file.read(), (1, 2)),
            "dtype": file.dtypes,
            "coordinate system": file.crs.to_wkt(),
            "transform": tuple(file.transform),
            "no-data value": file.nodata,
            "band names": file.descriptions,
            "scales and offsets": (file.scales, file.offsets),
            "tags": {k: v for k, v in file.tags().items() if not k.startswith("TIFFTAG")},
            "band layout": str(file.interleaving),
            "tiles": tuple(file.block_shapes),
            "compression": str(file.compression),
            "overviews": tuple(map(tuple, (file.overviews(k) for k in (1, 2, 3)))),
        }


# tifffile


def tiff(array: np.ndarray, axes: tuple[int, int] = (0, 1), **options: Any) -> Any:
    return lambda path: tifffile.imwrite(path, damaged(array, axes=axes), **options)


def read_tiff(path: Path) -> dict[str, Any]:
    with tifffile.TiffFile(path) as file:
        series, page = file.series[0], file.pages[0]
        axes = series.axes.index("Y"), series.axes.index("X")
        found = {
            **pixels(file.asarray(), axes),
            "dtype": series.dtype.name,
            "axes": series.axes,
            "byte order": file.byteorder,
            "BigTIFF": file.is_bigtiff,
            "photometric": page.photometric.name,
            "planar configuration": str(page.planarconfig),
            "extra samples": page.extrasamples,
            "compression": page.compression.name,
            "predictor": page.predictor,
            "resolution": page.resolution,
            "description": page.description,
            "colour profile": page.iccprofile,
            "lower resolutions": len(series.levels),
            "EXIF": str(page.tags.valueof(34665)),
        }
        return {k: v for k, v in found.items() if str(v) not in ("None", "", "()", "1", "False")}


def tiff_with_exif(path: Path) -> None:
    Image.fromarray(damaged(COLOUR)).save(path, exif=exif(), icc_profile=PROFILE, dpi=(300, 300))


# NumPy, nibabel, Astropy, xarray


def read_npy(path: Path) -> dict[str, Any]:
    array = np.load(path)
    return {**pixels(array, (1, 2)), "dtype": array.dtype.name}


def nifti(dtype: type, slope: float | None = None) -> Any:
    def write(path: Path) -> None:
        affine = np.array([[-2.0, 0, 0, 9], [0, 1.5, 0.1, -8], [0, 0, 3, 4], [0, 0, 0, 1]])
        volume = np.moveaxis(STACK, 0, -1)
        image = nibabel.Nifti1Image(damaged(volume).astype(dtype), affine)
        image.header.set_xyzt_units("mm", "sec")
        image.header["descrip"] = b"a scan"
        image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"who, when"))
        if slope:
            image = nibabel.Nifti1Image(damaged(volume) * slope, affine, image.header)
            image.header.set_data_dtype(np.int16)
            image.header.set_slope_inter(slope, 0)
        nibabel.save(image, path)

    return write


def read_nifti(path: Path) -> dict[str, Any]:
    image = nibabel.load(path)
    return {
        **pixels(np.asanyarray(image.dataobj)),
        "stored dtype": image.get_data_dtype().name,
        "affine": image.affine,
        "voxel sizes and units": (image.header.get_zooms(), image.header.get_xyzt_units()),
        "header": bytes(image.header["descrip"]),
        "extensions": [each.get_content() for each in image.header.extensions],
    }


def fits(path: Path) -> None:
    header = astropy.io.fits.Header({"CRVAL1": 12.5, "CTYPE1": "RA---TAN", "OBJECT": "M31"})
    header["BLANK"] = -99
    image = astropy.io.fits.ImageHDU(damaged(RAMP.astype(np.int16), -99), header)
    column = astropy.io.fits.Column("flux", "E", array=[1, 2])
    table = astropy.io.fits.BinTableHDU.from_columns([column])
    units = [astropy.io.fits.PrimaryHDU(), table, image]
    astropy.io.fits.HDUList(units).writeto(path, checksum=True)


def read_fits(path: Path) -> dict[str, Any]:
    with astropy.io.fits.open(path, checksum=True) as units:
        header = units[2].header
        return {
            **pixels(units[2].data),
            "stored dtype": header["BITPIX"],
            "header": {name: header[name] for name in ("CRVAL1", "CTYPE1", "OBJECT")},
            "BLANK": header["BLANK"],
            "other units": units[1].data["flux"].tolist(),
            "checksum": "CHECKSUM" in header,
        }


def field() -> xarray.Dataset:
    coords = {"lat": np.linspace(-60, 60, 32), "lon": np.linspace(0, 78, 40)}
    array = xarray.DataArray(
        damaged(RAMP.astype(float), np.nan), coords, ("lat", "lon"), attrs={"units": "K"}
    )
    return array.to_dataset(name="t").assign_attrs(title="a field")


def netcdf(path: Path) -> None:
    encoding = {"dtype": "int16", "scale_factor": 0.5, "_FillValue": -9999, "zlib": True}
    field().to_netcdf(path, encoding={"t": encoding})


def read_dataset(dataset: xarray.Dataset) -> dict[str, Any]:
    encoding = dataset.t.encoding
    return {
        **pixels(dataset.t.values),
        "dimensions": dataset.t.dims,
        "coordinates": {name: each.values.tolist() for name, each in dataset.coords.items()},
        "attributes": (dataset.attrs, dataset.t.attrs),
        "stored dtype": str(encoding["dtype"]),
        "packing": (encoding.get("scale_factor"), encoding.get("add_offset")),
        "fill value": str(encoding.get("_FillValue")),
    }


def read_netcdf(path: Path) -> dict[str, Any]:
    with xarray.open_dataset(path) as dataset:
        return {
            **read_dataset(dataset.load()),
            "compression": bool(dataset.t.encoding.get("zlib")),
        }


def zarr(path: Path) -> None:
    encoding = {"t": {"_FillValue": -9999.0, "chunks": (16, 40)}}
    field().to_zarr(path, encoding=encoding, consolidated=False)


def read_zarr(path: Path) -> dict[str, Any]:
    with xarray.open_zarr(path, chunks=None, consolidated=False) as dataset:
        return {**read_dataset(dataset.load()), "chunks": dataset.t.encoding["chunks"]}


# PyAV


def film(codec: str, pixel_format: str, sound: bool = False) -> Any:
    def write(path: Path) -> None:
        with av.open(path, "w") as file:
            file.metadata["title"] = "a title"
            stream = file.add_stream(codec, rate=Fraction(30000, 1001))
            stream.height, stream.width, stream.pix_fmt = *RAMP.shape, pixel_format
            tone = file.add_stream("aac", rate=44100) if sound else None
            for _ in range(4):
                frame = av.VideoFrame.from_ndarray(damaged(COLOUR), format="rgb24")
                file.mux(stream.encode(frame))
            file.mux(stream.encode())
            if tone:
                wave = av.AudioFrame.from_ndarray(np.zeros((2, 1024), "f4"), "fltp", "stereo")
                wave.sample_rate = 44100
                file.mux(tone.encode(wave))
                file.mux(tone.encode())

    return write


def read_film(path: Path) -> dict[str, Any]:
    with av.open(path) as file:
        stream = file.streams.video[0]
        shown = list(file.decode(stream))
        return {
            **pixels(np.stack([frame.to_ndarray(format="rgb24") for frame in shown]), (1, 2)),
            "codec": stream.codec_context.name,
            "pixel format": stream.format.name,
            "rate": stream.average_rate,
            "times": [frame.pts for frame in shown],
            "title": file.metadata["title"],
            "sound": [other.codec_context.name for other in file.streams.audio],
        }


GIF = [Image.fromarray(np.full((8, 8), k, np.uint8)) for k in range(3)]

CONTAINERS = (
    Container(
        ".png, 8 bits grey", "Pillow", ".png", with_gamma, pillow, masked,
    ),
    Container(
        ".png, palette", "Pillow", ".png",
        lambda path: Image.fromarray(damaged(COLOUR)).quantize(16).save(path),
        pillow, masked, {"mode": "palette (now RGB)"},
    ),
    Container(
        ".png, 16 bits grey", "Pillow", ".png",
        save(RAMP.astype(np.uint16) * 257, dpi=(300, 300), pnginfo=text()), pillow, masked,
    ),
    Container(".png, 16 bits colour", "imagecodecs", ".png", deep_colour, read_deep, masked),
    Container(
        ".jpg", "Pillow", ".jpg",
        save(COLOUR, icc_profile=PROFILE, dpi=(300, 300), exif=exif(), comment=b"hello",
             xmp=b"<x:xmpmeta/>", quality=95),
        pillow, masked, {"known values": "JPEG is lossy"},
    ),
    Container(".bmp", "Pillow", ".bmp", save(COLOUR, dpi=(300, 300)), pillow, masked),
    Container(
        ".webp", "Pillow", ".webp",
        save(COLOUR, lossless=True, icc_profile=PROFILE, exif=exif(), xmp=b"<x:xmpmeta/>"),
        pillow, masked,
    ),
    Container(
        ".gif", "Pillow", ".gif",
        lambda path: GIF[0].save(path, save_all=True, append_images=GIF[1:]),
        pillow, lambda source, target: masked(source, target.with_suffix(".png")),
        refused="frames as .png or .tif",
    ),
    Container(".tif, GeoTIFF", "rasterio", ".tif", geotiff, read_geotiff, marked),
    Container(
        ".tif, GeoTIFF with overviews", "rasterio", ".tif", pyramid, read_geotiff, marked,
        {"overviews": "lower resolutions"},
    ),
    Container(
        ".tif, five bands", "tifffile", ".tif",
        tiff(np.dstack([COLOUR, RAMP, RAMP // 4]), photometric="minisblack", planarconfig="contig",
             bigtiff=True, byteorder=">", compression="lzw", predictor=True, description="bands"),
        read_tiff, masked,
    ),
    Container(
        ".tif, ImageJ", "tifffile", ".tif",
        tiff(STACK, (1, 2), imagej=True, resolution=(5.0, 4.0),
             metadata={"axes": "ZYX", "spacing": 2.5, "unit": "um", "Info": "hello"}),
        read_tiff, masked,
    ),
    Container(
        ".tif, OME", "tifffile", ".tif",
        tiff(STACK, (1, 2), ome=True, metadata={"axes": "ZYX", "PhysicalSizeX": 0.3}),
        read_tiff, masked,
    ),
    Container(
        ".tif, photo", "Pillow", ".tif", tiff_with_exif, pillow, masked, {"EXIF and GPS": "EXIF"},
    ),
    Container(
        ".npy", "NumPy", ".npy", lambda path: np.save(path, damaged(STACK, axes=(1, 2))),
        read_npy, masked,
    ),
    Container(".nii", "nibabel", ".nii", nifti(np.int16), read_nifti, with_nodata(255)),
    Container(".nii.gz", "nibabel", ".nii.gz", nifti(np.float32), read_nifti, with_nodata(255)),
    Container(
        ".nii, scaled", "nibabel", ".nii", nifti(np.float64, 0.5), read_nifti, masked_volume,
        {"stored dtype": "scaled int16 (now float64)"},
    ),
    Container(".fits", "Astropy", ".fits", fits, read_fits, marked),
    Container(".nc", "xarray", ".nc", netcdf, read_netcdf, marked),
    Container(".zarr", "xarray", ".zarr", zarr, read_zarr, marked),
    Container(".mkv, FFV1", "PyAV", ".mkv", film("ffv1", "bgr0"), read_film, masked),
    Container(
        ".mp4, H.264", "PyAV", ".mp4", film("libx264", "yuv420p", sound=True), read_film, masked,
        {"known values": "h264, yuv420p is lossy"},
    ),
)  # fmt: skip
