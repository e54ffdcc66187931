"""Containers that are read and written by their own libraries: NIfTI, FITS, NetCDF, zarr, video.

Each is read to an array and the object of the library, whose pixels are replaced to write it again.
"""

from __future__ import annotations

import gzip
import io
import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, import_package, warn
from ..runtime import resources
from . import place, video
from .files import replacing, replacing_folder, undisturbed
from .hdf5 import check_hdf5, groups

# The module that reads each kind, which is an extra of the same name as in pyproject.toml.
NIFTI, FITS, NETCDF, ZARR = (".nii", ".nii.gz"), (".fits", ".fit"), (".nc",), (".zarr",)
LIBRARIES = {
    **dict.fromkeys(NIFTI, ("nibabel", "nifti")),
    **dict.fromkeys(FITS, ("astropy.io.fits", "fits")),
    **dict.fromkeys(NETCDF, ("xarray", "netcdf")),
    **dict.fromkeys(ZARR, ("zarr", "zarr")),
    **dict.fromkeys(video.SUFFIXES, ("av", "video")),
}
SUFFIXES = tuple(LIBRARIES)
# What HDF5 files begin with: NetCDF of version 4 is HDF5, older ones are not.
HDF5 = b"\x89HDF"
CLASSIC = {b"CDF\x01": "NETCDF3_CLASSIC", b"CDF\x02": "NETCDF3_64BIT"}
LABELS = 1002  # the intent of a NIfTI
# Attributes of a variable, and what they are where they are not said.
VALID, PACKED = (
    {"valid_min": -math.inf, "valid_max": math.inf},
    {"scale_factor": 1.0, "add_offset": 0.0},
)

Check = Callable[..., None]
"""Refuses too many pixels along these axes."""


def alike(suffix: str) -> tuple[str, ...]:
    """The suffixes of files that what was read from one of this suffix can be written to."""
    return next((kind for kind in (NIFTI, FITS) if suffix in kind), (suffix,))


def library(suffix: str) -> Any:
    """The module for files of this suffix; the error without it names the extra."""
    name, extra = LIBRARIES[suffix]
    what, hint = f"{suffix} files need {name.partition('.')[0]}", f"pip install 'ntkfill[{extra}]'"
    return import_package(name, what, hint)


def read(
    path: Path, suffix: str, limit: int, *, labels: bool = False
) -> tuple[NDArray[Any], Any, tuple[float, ...], tuple[str, ...]]:
    """Pixels, at most so many, what is needed to write the same container, values that mean
    missing, and what cannot be kept; classes are read as `labels` alone."""

    def check(*shape: int) -> None:
        check_declared(shape, limit)

    if suffix in video.SUFFIXES:
        array, template, missed = video.read(library(suffix), path, check)
        return array, template, (), missed
    if suffix in NIFTI:
        return _read_nifti(path, check, labels)
    if suffix in FITS:
        return _read_fits(path, check)
    return _read_dataset(path, suffix, check, labels)


def place_of(suffix: str, template: Any) -> place.Place | None:
    """Where the pixels of what was read lie, if it says so."""
    if suffix in NIFTI:
        return place.of_nifti(template)
    labelled = suffix in (*NETCDF, *ZARR) and isinstance(template, tuple)
    return place.of_labelled(template[0][template[1]]) if labelled else None


def check_declared(shape: Sequence[int], limit: int) -> None:
    """Refuse, before anything is decoded, more pixels than that."""
    if math.prod(shape) > limit:
        raise InputError(
            "the image is too large",
            expected=f"at most {limit:,} pixels",
            got=" x ".join(map(str, shape)),
            hint="--max-pixels, or a mask of the size of the image",
        )


def write(path: Path, suffix: str, array: NDArray[Any], template: Any) -> None:
    """Write the container that was read, with other pixels, whole or not at all."""
    if suffix in video.SUFFIXES:
        with replacing(path) as draft:
            video.write(library(suffix), draft, array, template)
        return
    if suffix in ZARR and hasattr(template, "chunks"):  # one array
        with replacing_folder(path) as draft:
            like = {"fill_value": template.fill_value, "attributes": dict(template.attrs)}
            found = library(suffix).from_array(draft, data=template, write_data=False, **like)
            found[...] = array
        return
    if suffix in (*NETCDF, *ZARR):
        dataset, name = template
        filled = dataset.assign({name: dataset[name].copy(data=array)})
        if suffix in ZARR:
            old = (Path(dataset.encoding["source"]) / ".zgroup").exists()
            with replacing_folder(path) as draft, undisturbed():
                filled.to_zarr(draft, zarr_format=2 if old else 3, consolidated=old)
            return
        with replacing(path) as draft, tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "filled.nc"  # not locked, as the draft is
            with Path(dataset.encoding["source"]).open("rb") as source:
                version = CLASSIC.get(source.read(4))
            with undisturbed():
                filled.to_netcdf(made, format=version)
            draft.write_bytes(made.read_bytes())
        return
    if suffix in NIFTI:
        image = type(template)(array, template.affine, template.header.copy())
        image.header.set_data_dtype(array.dtype)
        image.header.set_slope_inter(1, 0)
        content = image.to_bytes()
        if suffix == ".nii.gz":
            content = gzip.compress(content, mtime=0)
    else:
        units, number = template
        units[number].data = array
        file = io.BytesIO()
        units.writeto(file, checksum="CHECKSUM" in units[number].header, output_verify="warn")
        content = file.getvalue()
    with replacing(path) as draft:
        draft.write_bytes(content)


def _read_nifti(
    path: Path, check: Check, labels: bool
) -> tuple[NDArray[Any], Any, tuple[float, ...], tuple[str, ...]]:
    image = library(".nii").load(path)
    check(*map(int, image.shape))
    resources.require("reading it", 2 * 8 * int(np.prod(image.shape)))
    if int(image.header.get("intent_code", 0)) == LABELS and not labels:
        _refuse_labels()
    array = np.asanyarray(image.dataobj)
    stored = image.get_data_dtype()
    scaled = array.dtype != stored and stored.kind in "ui"
    array = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("=")))
    return array, image, (), ((f"scaled {stored} (now {array.dtype})",) if scaled else ())


def _refuse_labels() -> NoReturn:
    raise InputError(
        "the file holds labels, between which there are no values",
        hint="one file for each class, of zeros and ones",
    )


def _read_fits(
    path: Path, check: Check
) -> tuple[NDArray[Any], Any, tuple[float, ...], tuple[str, ...]]:
    fits = library(".fits")
    with fits.open(path, memmap=False, do_not_scale_image_data=False) as units:
        images = [k for k, unit in enumerate(units) if unit.is_image and unit.header["NAXIS"] > 0]
        if len(images) != 1:
            raise InputError("the file must hold one image", got=f"{len(images)}")
        header = units[images[0]].header
        blank, scale = header.get("BLANK"), header.get("BSCALE", 1)
        check(*units[images[0]].shape)
        resources.require("reading it", 2 * 8 * units[images[0]].size)
    # Integers with a BLANK would be turned into floats, and be rounded when they are written.
    plain = blank is not None and scale == 1 and header.get("BZERO", 0) == 0
    units = fits.open(path, memmap=False, do_not_scale_image_data=plain)
    for unit in units:
        unit.data  # noqa: B018 - the file is closed, its pixels stay
    units.close()
    array = units[images[0]].data
    missed = [f"scaled integers (now {array.dtype.name})"] if scale != 1 else []
    if isinstance(units[images[0]], fits.CompImageHDU):
        with fits.open(path, disable_image_compression=True) as stored:
            if "ZSCALE" in stored[images[0]].columns.names:
                missed.append("exact pixels (quantized compression is lossy)")
    array = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("=")))
    return array, (units, images[0]), ((float(blank),) if plain else ()), tuple(missed)


def _read_dataset(
    path: Path, suffix: str, check: Check, labels: bool
) -> tuple[NDArray[Any], Any, tuple[float, ...], tuple[str, ...]]:
    how: dict[str, Any] = {}
    missed: list[str] = []
    if suffix in ZARR:
        found = library(suffix).open(path, mode="r")
        if hasattr(found, "chunks"):  # one array, without a group around it
            check(*found.shape)
            resources.require("reading it", 2 * found.nbytes)
            return found[...], found, (), ()
        arrays = dict(found.arrays())
        # Coordinates are read when the group is opened.
        resources.require("reading it", 2 * sum(each.nbytes for each in arrays.values()))
        for name, each in arrays.items():
            named = (
                getattr(each.metadata, "dimension_names", None) or "_ARRAY_DIMENSIONS" in each.attrs
            )
            if each.ndim and not named:
                raise InputError(
                    "the arrays of the group have no names of dimensions",
                    got=name,
                    hint="inpaint(zarr.open(path)[name][...]), or a .zarr of one array",
                )
        missed += [f"group {name}" for name, _ in found.groups()]
        how = {"engine": library(suffix).__name__, "consolidated": False}
    else:
        with path.open("rb") as file:
            magic = file.read(4)
        inner = magic == HDF5
        if inner:
            check_hdf5(path)
            missed += [f"group {name}" for name in groups(path)]
        elif magic not in CLASSIC:
            missed.append("version of NetCDF (now 4)")
    # What other variables are described by, such as bounds of cells, is a coordinate.
    with library(".nc").open_dataset(path, decode_coords="all", **how) as dataset:
        named = [name for name, each in dataset.data_vars.items() if each.dtype.kind in "buif"]
        wanted = [name for name in named if dataset[name].ndim]
        if len(wanted) != 1:
            raise InputError(
                "the file must hold one variable of numbers",
                got=", ".join(map(str, wanted)) or "none",
                hint="xarray.open_dataset(path)[name].ntkfill.inpaint()",
            )
        check(*dataset[wanted[0]].shape)
        resources.require("reading it", 2 * dataset[wanted[0]].nbytes)
        dataset.load()
    encoding, attributes = dataset[wanted[0]].encoding, dataset[wanted[0]].attrs
    if {"flag_values", "flag_meanings"} & set(attributes) and not labels:
        _refuse_labels()
    _warn_of_range(path, dataset[wanted[0]])
    marks = [encoding.get(name) for name in ("_FillValue", "missing_value")]
    if None not in marks and not np.array_equal(*marks):  # xarray writes one value for both
        missed.append(f"missing_value {encoding.pop('missing_value')} (now {marks[0]})")
    return dataset[wanted[0]].values, (dataset, wanted[0]), (), tuple(missed)


def _warn_of_range(path: Path, array: Any) -> None:
    """Say of values that the file itself calls invalid that they are taken for values."""
    low, high = (array.attrs.get(name, far) for name, far in VALID.items())
    low, high = array.attrs.get("valid_range", (low, high))
    packed = array.encoding.get("dtype")
    if packed is not None and getattr(low, "dtype", getattr(high, "dtype", None)) == packed:
        scale, offset = (array.encoding.get(name, by) for name, by in PACKED.items())
        low, high = low * scale + offset, high * scale + offset
    outside = int(((array.values < low) | (array.values > high)).sum())
    if outside:
        warn(
            f"{path}: {outside:,} values of {array.name!r} are outside its valid range, {low:g} to "
            f"{high:g}, and are taken for values. Try: --nodata V.",
            UserWarning,
        )
