"""Where a file says that its pixels lie, and whether a mask lies in the same place as its image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

# Pixels of two files are in the same place if they are closer than this share of a pixel: matrices
# and coordinates are often stored in single precision.
TOLERANCE = 0.01

POINT = 2  # a GeoTIFF that gives places of centres of pixels, not of their corners
RASTER_TYPE = 1025
PIXEL_SCALE, TIEPOINT, TRANSFORMATION, GEO_KEYS = 33550, 33922, 34264, 34735


@dataclass(frozen=True, eq=False)
class Affine:
    """Places that are an affine function of the indices of pixels.

    Parameters
    ----------
    kind : str
        Of the file; only places of the same kind are compared.
    matrix : array of shape (dimensions, axes + 1)
        The step along each axis, and the centre of the first pixel.
    shape : tuple of int
        Pixels along these axes.
    """

    kind: str
    matrix: NDArray[np.float64]
    shape: tuple[int, ...]

    def difference(self, other: Place) -> tuple[str, str] | None:
        """A pixel here and there, in words, where the other places differ."""
        if not isinstance(other, Affine) or other.kind != self.kind:
            return None
        for corner in product(*((0, side - 1) for side in self.shape)):
            ours, theirs = (each.matrix @ (*corner, 1) for each in (self, other))
            pixel = np.linalg.norm(self.matrix[:, :-1], axis=0).min()
            if np.linalg.norm(theirs - ours) > TOLERANCE * pixel:
                here, there = (", ".join(f"{x:.10g}" for x in each) for each in (ours, theirs))
                return f"the pixel {corner} at ({here})", f"({there})"
        return None


@dataclass(frozen=True, eq=False)
class Coordinates:
    """Coordinates along axes, by their names and in their order; each of several pixels."""

    axes: Mapping[str, NDArray[Any]]

    def difference(self, other: Place) -> tuple[str, str] | None:
        """An axis or a coordinate here and there, in words, where the other places differ."""
        if not isinstance(other, Coordinates):
            return None
        ours, theirs = (
            [n for n in a.axes if n in b.axes] for a, b in ((self, other), (other, self))
        )
        if ours != theirs:
            return f"the axes {', '.join(ours)}", ", ".join(theirs)
        for name in ours:
            here, there = self.axes[name], other.axes[name]
            if len(here) == len(there) and (k := np.flatnonzero(are_apart(here, there))).size:
                return f"{name}[{k[0]}] = {here[k[0]]}", str(there[k[0]])
        return None


Place = Affine | Coordinates


def check_same(image: Place | None, mask: Place | None, name: str) -> None:
    """Refuse a mask that says that it lies elsewhere than the image says."""
    differs = None if image is None or mask is None else image.difference(mask)
    if differs is not None:
        raise InputError(
            f"{name} lies elsewhere than the image",
            expected=differs[0],
            got=differs[1],
            hint="the mask resampled onto the pixels of the image, or as .npy without coordinates",
        )


def are_apart(ours: NDArray[Any], theirs: NDArray[Any]) -> NDArray[np.bool_]:
    """Which of equally many coordinates along an axis differ, (n,), by more than rounding."""
    if ours.dtype.kind in "iuf" and theirs.dtype.kind in "iuf":
        ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
    elif ours.dtype.kind != theirs.dtype.kind or ours.dtype.kind not in "mM":
        return np.asarray(ours.astype(object) != theirs.astype(object))
    if len(ours) < 2:
        return np.asarray(ours != theirs)
    step = np.fmin.reduce(np.abs(np.diff(ours)))
    return np.asarray(np.abs(theirs - ours) > TOLERANCE * step)


def of_nifti(image: Any) -> Affine | None:
    """The place of a NIfTI, unless its header says that its matrix means nothing."""
    if not image.header["sform_code"] and not image.header["qform_code"]:
        return None
    shape = (*map(int, image.shape), 1, 1)[:3]  # an axis of time has no place
    return Affine("NIfTI", np.asarray(image.affine, np.float64)[:3], shape)


def of_tiff(page: Any) -> Affine | None:
    """The place of a page of a GeoTIFF, on the ground; None where it has none, or no matrix."""
    scale, tie, whole, keys = (
        np.ravel(page.tags.valueof(tag, ()))
        for tag in (PIXEL_SCALE, TIEPOINT, TRANSFORMATION, GEO_KEYS)
    )
    if whole.size == 16:
        x, y, _, start = whole.reshape(4, 4)[:2].T.astype(np.float64)
    elif scale.size >= 2 and tie.size == 6:
        x, y = np.diag(scale[:2] * [1.0, -1.0])
        start = tie[3:5] - tie[0] * x - tie[1] * y
    else:
        return None
    types = [key[3] for key in keys[: keys.size // 4 * 4].reshape(-1, 4) if key[0] == RASTER_TYPE]
    if POINT not in types:
        start = start + (x + y) / 2
    matrix = np.stack([y, x, start], axis=-1)  # rows come first
    return Affine("GeoTIFF", matrix, (page.imagelength, page.imagewidth))


def of_labelled(array: Any) -> Coordinates | None:
    """The place of an xarray DataArray; what is one pixel wide has none along this axis."""
    names = [name for name in array.dims if name in array.coords and array.sizes[name] > 1]
    return Coordinates({str(name): array[name].values for name in names}) if names else None
