"""A mask that says that it lies elsewhere than the image is refused, whatever the format."""

import warnings
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
import xarray
import zarr
from quick import QUICK

from ntkfill import InputError, inpaint
from ntkfill.app.images import import_mask, open_image
from ntkfill.cli import main
from ntkfill.cli.common import DONE, FAILED
from ntkfill.io import images
from ntkfill.io.place import are_apart

RAMP = np.add.outer(np.arange(24.0), 2 * np.arange(20.0)).astype(np.float32)
HOLES = np.zeros(RAMP.shape, np.uint8)
HOLES[4:8, 6:11] = 1
DAMAGED = np.where(HOLES, -500, RAMP)
AREA, POINT = 1, 2


def nifti(path, array, place):
    affine = np.diag([2.0, 3, 4, 1])
    affine[0, 3], affine[0, 0] = place or (0, 0)
    nibabel.save(nibabel.Nifti1Image(array, affine if place else None), path)


def geotiff(path, array, place):
    """Of a corner in the west and the raster type, or of a whole transformation."""
    tags = []
    if place is not None:
        west, kind = place
        start = (west, 200.0) if kind != POINT else (west + 5, 195.0)
        scale = (33550, 12, 3, (10.0, 10.0, 0.0), True)
        tie = (33922, 12, 6, (0.0, 0.0, 0.0, *start, 0.0), True)
        whole = np.array([[10, 0, 0, west], [0, -10, 0, 200], [0, 0, 0, 0], [0, 0, 0, 1.0]])
        tags = [(34264, 12, 16, tuple(whole.ravel()), True)] if kind is None else [scale, tie]
        tags.append((34735, 3, 8, (1, 1, 0, 1, 1025, 0, 1, kind or AREA), True))
    tifffile.imwrite(path, array, extratags=tags, metadata=None)


def labelled(path, array, place):
    coordinates = {} if place is None else {"lat": np.array(place), "lon": np.arange(20.0)}
    field = xarray.DataArray(array, coordinates, ("lat", "lon"), "h").to_dataset()
    field.to_netcdf(path) if path.endswith(".nc") else field.to_zarr(path, consolidated=False)


LAT = np.arange(24.0) / 10
# How each format is written, the place of the image, others that are the same, and others that
# are not, with what is said of them.
FORMATS = {
    ".nii": (
        nifti, (5.0, 2.0), [(5.0 + 1e-6, 2.0)],
        {(51.0, -2.0): "pixel (0, 0, 0) at (5, 0, 0); got (51, 0, 0)",
         (5.0, 2.1): "pixel (23, 0, 0) at (51, 0, 0); got (53.29"},
    ),
    ".tif": (
        geotiff, (100.0, AREA), [(100.001, AREA), (100.0, POINT), (100.0, None)],
        {(150.0, AREA): "pixel (0, 0) at (105, 195); got (155, 195)",
         (105.0, POINT): "pixel (0, 0) at (105, 195); got (110, 195)"},
    ),
    ".nc": (
        labelled, LAT, [LAT.astype(np.float32)],
        {tuple(LAT[::-1]): "lat[0] = 0.0; got 2.3"},
    ),
    ".zarr": (
        labelled, LAT, [LAT.astype(np.float32)],
        {tuple(LAT + 0.1): "lat[0] = 0.0; got 0.1"},
    ),
}  # fmt: skip
SAME = [(s, place) for s, (_, _, places, _) in FORMATS.items() for place in (*places, None)]
OTHER = [(s, *each) for s, (*_, places) in FORMATS.items() for each in places.items()]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(suffix, place, image_place=()):
    """An image in its place, or in that one, and a mask."""
    make, here, *_ = FORMATS[suffix]
    make(f"in{suffix}", DAMAGED, here if isinstance(image_place, tuple) else image_place)
    make(f"mask{suffix}", HOLES, place)


def refused(words, said, capsys):
    before = sorted(map(str, Path().rglob("*")))
    assert main(words) == FAILED
    error = capsys.readouterr().err
    assert "lies elsewhere than the image" in error
    assert said in error
    assert sorted(map(str, Path().rglob("*"))) == before


@pytest.mark.parametrize(("suffix", "place", "said"), OTHER)
def test_a_mask_that_lies_elsewhere_is_refused(suffix, place, said, capsys):
    write(suffix, place)
    mask = f"mask{suffix}"
    refused(["inpaint", f"in{suffix}", "-o", f"o{suffix}", *QUICK, "--mask", mask], said, capsys)


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "place"), SAME)
def test_a_mask_in_the_same_place_or_without_one_is_used(suffix, place):
    write(suffix, place)
    assert (
        main(["inpaint", f"in{suffix}", "-o", "o.npy", *QUICK, "--mask", f"mask{suffix}"]) == DONE
    )
    assert np.abs(np.load("o.npy") - RAMP).max() < 3


@pytest.mark.slow
@pytest.mark.parametrize("suffix", FORMATS)
def test_an_image_without_a_place_takes_any_mask(suffix):
    write(suffix, FORMATS[suffix][1], None)
    assert (
        main(["inpaint", f"in{suffix}", "-o", "o.npy", *QUICK, "--mask", f"mask{suffix}"]) == DONE
    )
    assert np.abs(np.load("o.npy") - RAMP).max() < 3


def test_so_are_what_is_excluded_masks_in_folders_and_those_of_heat_maps(capsys):
    write(".tif", (150.0, AREA))
    plain = ["inpaint", "in.tif", "-o", "o.tif", *QUICK]
    refused([*plain, "--nodata", "-500", "--exclude", "mask.tif"], "(155, 195)", capsys)
    Path("masks").mkdir()
    Path("mask.tif").rename("masks/in.tif")
    refused([*plain, "--mask", "masks", "--dilate", "1"], "(155, 195)", capsys)
    words = ["heatmap", "in.tif", "--mask", "masks/in.tif", "--at", "5,7", "-o", "o.png"]
    refused([*words, *QUICK[1:]], "(155, 195)", capsys)


@pytest.mark.slow
def test_axes_in_another_order_and_times_lie_elsewhere():
    days = np.arange("2000-01-01", "2000-01-25", dtype="M8[D]").astype("M8[ns]")
    field = xarray.DataArray(HOLES, {"t": days, "x": np.arange(20.0)}, ("t", "x"), "h")
    field.to_netcdf("in.nc")
    field.T.to_netcdf("turned.nc")
    field.assign_coords(t=days + np.timedelta64(1, "D")).to_netcdf("later.nc")
    image = images.read(Path("in.nc"))
    for name, said in (("turned.nc", "the axes t, x; got x, t"), ("later.nc", "got 2000-01-02")):
        with pytest.raises(InputError, match=said):
            images.read_stored_mask(Path(name)).check_place(image)
    images.read_stored_mask(Path("in.nc")).check_place(image)
    field[:1].assign_coords(t=days[-1:]).to_netcdf("one.nc")  # a day of its own is no place
    images.read_stored_mask(Path("one.nc")).check_place(image)
    assert are_apart(np.array(["a", "b"]), np.array(["a", "c"])).tolist() == [False, True]
    assert are_apart(np.array([0, 1, np.nan, 3]), np.array([0, 1, np.nan, 4.0])).tolist()[2:] == [
        False,
        True,
    ]


@pytest.mark.slow
def test_places_of_other_kinds_are_not_compared(capsys):
    nifti("in.nii", DAMAGED, (5.0, 2.0))
    geotiff("mask.tif", HOLES, (100.0, AREA))
    labelled("mask.nc", HOLES, LAT)
    image = images.read(Path("in.nii"))
    for name in ("mask.tif", "mask.nc"):
        mask = images.read_stored_mask(Path(name))
        assert mask.place is not None
        mask.check_place(image)
    nifti("stack.nii", np.stack([HOLES] * 2, -1), (7.0, 2.0))
    with pytest.raises(InputError, match="lies elsewhere"):
        images.read_stored_mask(Path("stack.nii")).check_place(image)


def test_the_page_refuses_it_too():
    write(".tif", (150.0, AREA))
    source, mask = Path("in.tif"), Path("mask.tif")
    info = open_image(Path(), source, print)
    with pytest.raises(InputError, match="lies elsewhere than the image"):
        import_mask(Path(), info, source, mask, False, print)
    write(".tif", (100.0, AREA))
    assert import_mask(Path(), info, source, mask, False, print) == {"missing": HOLES.sum()}


def test_tiles_take_no_arrays_with_coordinates(capsys):
    labelled("in.zarr", DAMAGED, LAT)
    zarr.create_array("mask.zarr", data=HOLES)
    words = ["inpaint", "in.zarr", "-o", "o.zarr", "--mask", "mask.zarr", "--workers", "1"]
    assert main(words) == FAILED
    assert "must hold one array" in capsys.readouterr().err


def test_in_python_coordinates_may_be_rounded():
    field = xarray.DataArray(DAMAGED, {"lat": LAT}, ("lat", "lon"))
    mask = field.copy(data=HOLES > 0).assign_coords(lat=LAT.astype(np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        filled = inpaint(field, mask)
    np.testing.assert_array_equal(filled.lat, LAT)
    assert np.abs(filled.values - RAMP).max() < 3
    with pytest.raises(InputError, match="coordinates of the image"):
        inpaint(field, mask.assign_coords(lat=LAT[::-1]))
