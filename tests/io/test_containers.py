"""Scientific containers, written and read back by their own libraries."""

import sys
from fractions import Fraction
from pathlib import Path

import astropy.io.fits
import av
import imagecodecs
import nibabel
import numpy as np
import pytest
import xarray
import zarr
from PIL import Image
from quick import QUICK

from ntkfill import InputError
from ntkfill.cli import main
from ntkfill.cli.common import DONE, FAILED
from ntkfill.io import images
from ntkfill.runtime import resources

RAMP = np.add.outer(np.arange(24.0), 2 * np.arange(20.0))
HOLES = np.zeros(RAMP.shape, bool)
HOLES[4:8, 6:11] = True
DAMAGED = np.where(HOLES, np.nan, RAMP)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.uint8(255 * HOLES)).save("mask.png")


def fill(source, target, *more, code=DONE):
    assert main(["inpaint", source, "-o", target, *QUICK, *more]) == code


def check(filled, known=~HOLES, truth=RAMP):
    np.testing.assert_array_equal(filled[known], truth[known])
    assert np.abs(filled - truth).max() < 3


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_nifti_keeps_affine_header_and_dtype(dtype, suffix, capsys):
    affine = np.array([[-2.0, 0, 0, 9], [0, 1.5, 0.1, -8], [0, 0, 3, 4], [0, 0, 0, 1]])
    volume = np.stack([RAMP, RAMP + 1, RAMP + 2], axis=-1)
    holes = np.repeat(HOLES[..., None], 3, axis=-1)
    damaged = np.where(holes, -1, volume).astype(dtype)
    image = nibabel.Nifti1Image(damaged, affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header["descrip"] = b"a scan"
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"who, when"))
    nibabel.save(image, f"in{suffix}")
    fill(f"in{suffix}", f"out{suffix}", "--nodata", "-1")
    back = nibabel.load(f"out{suffix}")
    assert back.get_data_dtype() == dtype
    np.testing.assert_array_equal(back.affine, nibabel.load(f"in{suffix}").affine)
    assert back.header["descrip"] == b"a scan"
    assert back.header.get_xyzt_units() == ("mm", "sec")
    assert [e.get_content() for e in back.header.extensions] == [
        e.get_content() for e in nibabel.load(f"in{suffix}").header.extensions
    ]
    check(np.asanyarray(back.dataobj), ~holes, volume)
    assert "not kept" not in capsys.readouterr().err


def test_scaled_integers_of_nifti_become_floats_and_it_is_said(capsys):
    image = nibabel.Nifti1Image(RAMP, np.eye(4))
    image.header.set_data_dtype(np.int16)
    image.header.set_slope_inter(0.5, 1.0)
    nibabel.save(image, "in.nii")
    stored = np.asanyarray(nibabel.load("in.nii").dataobj)
    fill("in.nii", "out.nii", "--mask", "mask.png")
    check(np.asanyarray(nibabel.load("out.nii").dataobj), truth=stored)
    assert "scaled int16" in capsys.readouterr().err


def test_nifti_of_labels_is_refused(capsys):
    image = nibabel.Nifti1Image(RAMP.astype(np.int16), np.eye(4))
    image.header.set_intent("label")
    nibabel.save(image, "in.nii")
    fill("in.nii", "out.nii", "--mask", "mask.png", code=FAILED)
    assert "the file holds labels" in capsys.readouterr().err


@pytest.mark.sampled
@pytest.mark.parametrize("kind", ["float", "blank", "unsigned", "extension"])
def test_fits_keeps_header_and_other_units(kind, capsys):
    header = astropy.io.fits.Header({"CRVAL1": 12.5, "OBJECT": "M31"})
    data, more = DAMAGED.astype(np.float32), []
    if kind == "blank":
        data, header["BLANK"] = np.where(HOLES, -99, RAMP).astype(np.int16), -99
    if kind == "unsigned":
        data, more = RAMP.astype(np.uint16), ["--mask", "mask.png"]
    units = [astropy.io.fits.PrimaryHDU(data, header)]
    if kind == "extension":
        column = astropy.io.fits.Column("flux", "E", array=[1, 2])
        table = astropy.io.fits.BinTableHDU.from_columns([column])
        image = astropy.io.fits.ImageHDU(data, header)
        units = [astropy.io.fits.PrimaryHDU(), table, image]
    astropy.io.fits.HDUList(units).writeto("in.fits", checksum=True)
    fill("in.fits", "out.fits", *more)
    with astropy.io.fits.open("out.fits", checksum=True) as back:
        place = 2 if kind == "extension" else 0
        assert len(back) == len(units)
        assert back[place].header["CRVAL1"] == 12.5
        assert back[place].header["OBJECT"] == "M31"
        if kind == "extension":
            assert back[1].data["flux"].tolist() == [1, 2]
        assert back[place].data.dtype.kind == {"unsigned": "u"}.get(kind, "f")
        check(back[place].data)
    assert "not kept" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "dtype", "lossy"),
    [("RICE_1", "f4", True), ("GZIP_2", "f4", False), ("RICE_1", "i2", False)],
)
def test_compressed_fits_says_whether_it_is_lossy(kind, dtype, lossy, capsys):
    quantized = {"quantize_level": 16 if lossy else 0} if dtype == "f4" else {}
    data = np.where(HOLES, -99, RAMP).astype(dtype)
    image = astropy.io.fits.CompImageHDU(data, compression_type=kind, **quantized)
    image.header["BLANK" if dtype == "i2" else "OBJECT"] = -99
    units = [astropy.io.fits.PrimaryHDU(), image]
    astropy.io.fits.HDUList(units).writeto("in.fits")
    fill("in.fits", "out.fits", "--mask", "mask.png")
    with astropy.io.fits.open("in.fits") as before, astropy.io.fits.open("out.fits") as after:
        assert after[1].header["BITPIX"] == before[1].header["BITPIX"]
        assert after[1].compression_type == kind
        apart = np.abs(after[1].data - RAMP)
    assert apart[~HOLES].max() <= (0.5 if lossy else 0)
    assert apart.max() < 5
    assert ("quantized compression is lossy" in capsys.readouterr().err) == lossy


@pytest.mark.sampled
@pytest.mark.parametrize("packed", [False, True])
def test_netcdf_keeps_coordinates_attributes_and_packing(packed, capsys):
    coords = {"lat": np.linspace(-60, 60, 24), "lon": np.linspace(0, 342, 20)}
    array = xarray.DataArray(DAMAGED, coords, ("lat", "lon"), attrs={"units": "K"})
    dataset = array.to_dataset(name="t").assign_attrs(title="a field")
    encoding = {"_FillValue": -9999.0}
    if packed:
        encoding = {"dtype": "int16", "scale_factor": 0.5, "_FillValue": -9999}
    dataset.to_netcdf("in.nc", encoding={"t": encoding})
    fill("in.nc", "out.nc")
    with xarray.open_dataset("out.nc") as back:
        assert back.attrs == {"title": "a field"}
        assert back.t.attrs == {"units": "K"}
        assert back.t.encoding["_FillValue"] == -9999
        assert back.t.encoding["dtype"] == (np.int16 if packed else np.float64)
        for name, values in coords.items():
            np.testing.assert_array_equal(back[name], values)
        check(back.t.values)
    assert "not kept" not in capsys.readouterr().err


@pytest.mark.sampled
@pytest.mark.parametrize("version", [2, 3])
def test_zarr_is_a_folder_that_is_never_overwritten(version, capsys):
    field = xarray.DataArray(DAMAGED, {"x": np.arange(20) * 2.0}, ("y", "x"), attrs={"units": "m"})
    how = {"encoding": {"h": {"chunks": (24, 10)}}, "zarr_format": version, "consolidated": False}
    field.to_dataset(name="h").assign_attrs(title="t").to_zarr("in.zarr", **how)
    fill("in.zarr", "out.zarr")
    assert Path("out.zarr/zarr.json").exists() == (version == 3)
    with xarray.open_zarr("out.zarr", chunks=None, consolidated=False) as back:
        assert (back.attrs, back.h.attrs) == ({"title": "t"}, {"units": "m"})
        assert back.h.encoding["chunks"] == (24, 10)
        np.testing.assert_array_equal(back.x, field.x)
        check(back.h.values)
    fill("in.zarr", "out.zarr", code=FAILED)
    assert "out.zarr exists, and is not overwritten" in capsys.readouterr().err
    Path("many").mkdir()
    Path("in.zarr").rename("many/a.zarr")
    fill("many", "filled")
    with xarray.open_zarr("filled/a.zarr", chunks=None, consolidated=False) as back:
        check(back.h.values)
    assert not list(Path().glob("**/.writing-*"))


def test_a_single_array_of_zarr_keeps_chunks_and_attributes():
    how = {"shape": RAMP.shape, "chunks": (12, 5), "dtype": "f4", "fill_value": -1.0}
    array = zarr.create_array("in.zarr", attributes={"units": "m"}, **how)
    array[...] = DAMAGED
    fill("in.zarr", "out.zarr")
    back = zarr.open_array("out.zarr", mode="r")
    assert (back.chunks, back.dtype, back.fill_value) == ((12, 5), np.float32, -1)
    assert dict(back.attrs) == {"units": "m"}
    assert back.compressors == array.compressors
    check(back[...])


def film(path, codec, pixels, layout="rgb24", sound=False, times=None):
    """Frames whose ramp moves, with a hole."""
    with av.open(path, "w") as file:
        file.metadata["title"] = "a title"
        stream = file.add_stream(codec, rate=Fraction(30000, 1001))
        stream.height, stream.width, stream.pix_fmt = 32, 48, pixels
        if times:
            stream.codec_context.time_base = Fraction(1, 1000)
        tone = file.add_stream("aac", rate=44100) if sound else None
        for k, array in enumerate(frames(layout)):
            frame = av.VideoFrame.from_ndarray(array, format=layout)
            if times:
                frame.pts, frame.time_base = times[k], Fraction(1, 1000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
        if tone:
            wave = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
            wave.sample_rate = 44100
            file.mux(tone.encode(wave))
            file.mux(tone.encode())


def frames(layout, hole=True):
    scale, dtype = (257, np.uint16) if "16" in layout or "48" in layout else (1, np.uint8)
    ramps = [np.add.outer(3 * np.arange(32), 2 * np.arange(48)) + k for k in range(5)]
    array = (np.stack(ramps) * scale).astype(dtype)
    if hole:
        array[:, 8:16, 10:20] = 0
    return array if "gray" in layout else np.repeat(array[..., None], 3, axis=-1)


def watch(path, layout):
    with av.open(path) as file:
        stream = file.streams.video[0]
        shown = list(file.decode(stream))
        said = {
            "codec": stream.codec_context.name,
            "pixels": stream.format.name,
            "rate": stream.average_rate,
            "title": file.metadata["title"],
            "sound": len(file.streams.audio),
            "times": [float(frame.pts * stream.time_base) for frame in shown],
        }
        return np.stack([frame.to_ndarray(format=layout) for frame in shown]), said


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("name", "codec", "pixels", "layout", "tolerance", "more"),
    [
        ("a.mkv", "ffv1", "bgr0", "rgb24", 0, {}),
        ("a.mkv", "ffv1", "gray", "gray", 0, {}),
        ("a.mkv", "ffv1", "gray16le", "gray16le", 0, {"times": [0, 10, 50, 60, 200]}),
        ("a.avi", "rawvideo", "bgr24", "rgb24", 0, {}),
        ("a.mp4", "libx264", "yuv420p", "rgb24", 12, {"sound": True}),
        ("a.mp4", "libx264rgb", "rgb24", "rgb24", 12, {}),
        ("a.mov", "qtrle", "rgb24", "rgb24", 0, {}),
        ("a.mov", "prores_ks", "yuv422p10le", "rgb48le", 2500, {}),
        ("a.webm", "libvpx-vp9", "yuv420p", "rgb24", 25, {}),
    ],
)
def test_videos_keep_codec_rate_and_sound(name, codec, pixels, layout, tolerance, more, capsys):
    film(name, codec, pixels, layout, **more)
    mask = np.zeros((32, 48), np.uint8)
    mask[7:17, 9:21] = 255
    Image.fromarray(mask).save("hole.png")
    out = "out" + name
    fill(name, out, "--mask", "hole.png")
    (before, said), (after, again) = watch(name, layout), watch(out, layout)
    assert {**again, "times": None} == {**said, "times": None}
    np.testing.assert_allclose(again["times"], said["times"], atol=1e-3)
    known = mask == 0
    apart = np.abs(after.astype(float) - before)
    assert apart[:, known].max() <= tolerance
    truth, scale = frames(layout, hole=False), 257 if after.dtype == np.uint16 else 1
    assert np.abs(after / scale - truth / scale)[:, ~known].max() < 20 + tolerance
    assert ("is lossy" in capsys.readouterr().err) == (tolerance > 0)


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "ffv1"), ("a.mp4", "libx264")])
def test_videos_are_the_same_bytes_each_time(name, codec):
    """Of a container that may hold a random number, and an encoder that may use threads."""
    film(name, codec, "gray" if codec == "ffv1" else "yuv420p")
    template = images.read(Path(name))
    for out in ("one" + name, "two" + name):
        images.write(Path(out), template)
    assert Path("one" + name).read_bytes() == Path("two" + name).read_bytes()


@pytest.mark.sampled
@pytest.mark.parametrize("name", ["a.nii.gz", "a.fits", "a.nc", "a.zarr", "group.zarr", "a.mkv"])
def test_sizes_are_checked_before_anything_is_decoded(name, monkeypatch):
    volume = np.zeros((4, 32, 48), np.uint8)
    if name == "a.nii.gz":
        nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), name)
    elif name == "a.fits":
        astropy.io.fits.PrimaryHDU(volume).writeto(name)
    elif name == "a.nc":
        xarray.Dataset({"v": (("t", "y", "x"), volume)}).to_netcdf(name)
    elif name == "a.zarr":
        zarr.create_array(name, data=volume)
    elif name == "group.zarr":
        xarray.Dataset({"v": (("t", "y", "x"), volume)}).to_zarr(name, consolidated=False)
    else:
        film(name, "ffv1", "gray", "gray")
    with pytest.raises(InputError, match="too large; expected at most 1,000 pixels"):
        images.read(Path(name), max_pixels=1000)
    monkeypatch.setattr(resources, "available", lambda: 2000)
    with pytest.raises(InputError, match=f"{name}.*needs"):
        images.read(Path(name))


def test_a_coordinate_may_declare_more_than_there_is(monkeypatch):
    group = zarr.create_group("in.zarr")
    for name, shape in {"image": (4, 4), "x": (10**7,)}.items():
        axes = ("y", "x")[-len(shape) :]
        group.create_array(name, shape=shape, chunks=shape, dtype="f8", dimension_names=axes)
    monkeypatch.setattr(resources, "available", lambda: 10**6)
    with pytest.raises(InputError, match=r"in\.zarr.*needs 160 MB"):
        images.read(Path("in.zarr"))


def test_a_video_is_written_from_its_kind_alone(capsys):
    film("a.mp4", "mpeg4", "yuv420p")
    fill("a.mp4", "out.mkv", "--nodata", "0", code=FAILED)
    assert "only be written from a file of its kind" in capsys.readouterr().err
    with av.open("sound.mp4", "w") as file:
        file.add_stream("aac", rate=44100)
        file.start_encoding()
    fill("sound.mp4", "out.mp4", code=FAILED)
    assert "one video" in capsys.readouterr().err


def test_a_container_is_written_from_its_kind_and_what_is_lost_is_said(capsys):
    nibabel.save(nibabel.Nifti1Image(DAMAGED, np.eye(4)), "in.nii")
    fill("in.nii", "out.fits", code=FAILED)
    assert "from a file of its kind" in capsys.readouterr().err
    fill("in.nii", "out.npy")
    assert "not kept in out.npy: header and coordinates" in capsys.readouterr().err
    check(np.load("out.npy"))


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [
        ("a.nii.gz", "nibabel", "nifti"),
        ("a.fits", "astropy.io.fits", "fits"),
        ("a.nc", "xarray", "netcdf"),
        ("a.zarr", "zarr", "zarr"),
        ("a.mp4", "av", "video"),
    ],
)
def test_without_its_library_the_error_names_the_extra(name, module, extra, monkeypatch, capsys):
    Path(name).write_bytes(b"anything")
    monkeypatch.setitem(sys.modules, module, None)
    fill(name, f"out{name}", code=FAILED)
    assert f"ntkfill[{extra}]" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.fits", "a.nc", "a.zarr", "a.mp4"])
def test_a_damaged_container_is_one_sentence(name, capsys):
    Path(name).write_bytes(b"\x00\x01" * 300)
    fill(name, f"out{name}", code=FAILED)
    said = capsys.readouterr().err
    assert name in said
    assert "Traceback" not in said
    assert not Path(f"out{name}").exists()


@pytest.mark.sampled
@pytest.mark.parametrize("dataset", [{}, {"a": (("x",), [1.0, np.nan]), "b": (("x",), [1.0, 2])}])
def test_several_variables_are_refused_by_name(dataset, capsys):
    xarray.Dataset(dataset, attrs={"title": "t"}).to_netcdf("in.nc")
    fill("in.nc", "out.nc", code=FAILED)
    assert "one variable" in capsys.readouterr().err


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_png_of_16_bit_colour_is_kept_whole(channels):
    colour = (RAMP[..., None] * 900 + np.arange(channels)).astype(np.uint16)
    if channels != 3:
        colour[..., -1] = 65535
    Path("in.png").write_bytes(imagecodecs.png_encode(colour))
    fill("in.png", "out.png", "--mask", "mask.png")
    back = imagecodecs.png_decode(Path("out.png").read_bytes())
    np.testing.assert_array_equal(back[~HOLES], colour[~HOLES])
    assert np.abs(back.astype(float) - colour).max() < 3000


@pytest.mark.parametrize("name", ["in.bmp", "in.webp"])
def test_bmp_and_webp_keep_their_pixels(name):
    colour = np.repeat(RAMP[..., None], 3, axis=-1).astype(np.uint8)
    Image.fromarray(colour).save(name, **({"lossless": True} if "webp" in name else {}))
    fill(name, "out" + name, "--mask", "mask.png")
    with Image.open("out" + name) as back:
        check(np.asarray(back).astype(float)[..., 0])


def test_gif_is_refused_with_a_hint(capsys):
    frames = [Image.fromarray(np.full((8, 8), k, np.uint8)) for k in range(3)]
    frames[0].save("in.gif", save_all=True, append_images=frames[1:])
    fill("in.gif", "out.png", code=FAILED)
    assert "frames as .png" in capsys.readouterr().err


@pytest.mark.sampled
@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_bounds_of_cells_and_grid_mappings_are_coordinates(suffix, capsys):
    lat = ("y", np.arange(24.0), {"bounds": "lat_bnds", "units": "degrees_north"})
    field = (("y", "x"), DAMAGED, {"grid_mapping": "crs", "cell_measures": "area: area"})
    dataset = xarray.Dataset(
        {
            "t": field,
            "lat_bnds": (("y", "b"), np.stack([np.arange(24.0) - 0.5] * 2, axis=1)),
            "crs": ((), np.int32(0), {"grid_mapping_name": "latitude_longitude"}),
            "area": (("y", "x"), np.ones(DAMAGED.shape)),
        },
        {"lat": lat},
    )
    if suffix == ".nc":
        dataset.to_netcdf("in.nc")
    else:
        dataset.to_zarr("in.zarr", consolidated=False)
    fill(f"in{suffix}", f"out{suffix}")
    assert "not kept" not in capsys.readouterr().err
    engine = {"engine": "zarr", "consolidated": False} if suffix == ".zarr" else {}
    before, after = (xarray.open_dataset(f"{name}{suffix}", **engine) for name in ("in", "out"))
    assert set(after.variables) == set(before.variables)
    for name in before.variables:
        assert after[name].attrs == before[name].attrs
        if name != "t":
            np.testing.assert_array_equal(after[name], before[name])
    check(after.t.values)


@pytest.mark.slow
def test_two_marks_of_missing_values_in_netcdf_become_one(capsys):
    array = xarray.DataArray(np.where(HOLES, -999, RAMP), dims=("y", "x"))
    array.attrs["missing_value"] = -999.0
    array.to_dataset(name="t").to_netcdf("in.nc", encoding={"t": {"_FillValue": 1e20}})
    fill("in.nc", "out.nc")
    assert capsys.readouterr().err.count("missing_value -999.0 (now 1e+20)") == 1
    with xarray.open_dataset("out.nc") as back:
        check(back.t.values)
        assert back.t.encoding["_FillValue"] == 1e20


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_groups_that_are_not_kept_are_said(suffix, capsys):
    field = xarray.Dataset({"h": (("y", "x"), DAMAGED)})
    other = xarray.Dataset({"g": (("y", "x"), RAMP)})
    if suffix == ".nc":
        field.to_netcdf("in.nc")
        other.to_netcdf("in.nc", mode="a", group="more")
    else:
        field.to_zarr("in.zarr", consolidated=False)
        other.to_zarr("in.zarr", mode="a", group="more", consolidated=False)
    fill(f"in{suffix}", f"out{suffix}")
    assert capsys.readouterr().err.count(f"not kept in out{suffix}: group more") == 1


@pytest.mark.parametrize("version", ["NETCDF3_CLASSIC", "NETCDF3_64BIT", "NETCDF4"])
def test_netcdf_comes_back_in_its_version(version, capsys):
    xarray.Dataset({"h": (("y", "x"), DAMAGED)}).to_netcdf("in.nc", format=version)
    fill("in.nc", "out.nc")
    magic = [Path(name).read_bytes()[:4] for name in ("in.nc", "out.nc")]
    assert magic[0] == magic[1]
    with xarray.open_dataset("out.nc") as back:
        check(back.h.values)
    assert "not kept" not in capsys.readouterr().err


LABELS = np.uint8(HOLES)
CLASSES = {
    "a.nii": lambda p: labelled_nifti(p),
    "a.nc": lambda p: flagged().to_netcdf(p),
    "a.zarr": lambda p: flagged().to_zarr(p, consolidated=False),
}


def labelled_nifti(path):
    image = nibabel.Nifti1Image(LABELS, np.eye(4))
    image.header.set_intent("label")
    nibabel.save(image, path)


def flagged():
    flags = {"flag_values": np.uint8([0, 1]), "flag_meanings": "sea land"}
    return xarray.Dataset({"h": (("y", "x"), LABELS, flags)})


@pytest.mark.sampled
@pytest.mark.parametrize("name", CLASSES)
def test_classes_are_no_picture_but_a_mask(name, capsys):
    CLASSES[name](name)
    fill(name, f"out{name[1:]}", "--mask", "mask.png", code=FAILED)
    assert f"{name}: the file holds labels" in capsys.readouterr().err
    np.save("in.npy", RAMP)
    fill("in.npy", "out.npy", "--mask", name)
    check(np.load("out.npy"))


@pytest.mark.sampled
@pytest.mark.parametrize("kind", ["range", "least", "packed", "inside"])
def test_values_that_a_file_calls_invalid_are_said(kind, capsys):
    field = xarray.Dataset({"h": (("y", "x"), np.where(HOLES, -7.0, RAMP))})
    field.h.attrs |= {
        "range": {"valid_range": [0.0, 80.0]},
        "least": {"valid_min": 0.0},
        "packed": {"valid_range": np.int16([0, 160])},
        "inside": {"valid_range": [-9.0, 80.0]},
    }[kind]
    packing = {"dtype": "int16", "scale_factor": 0.5, "_FillValue": -99} if kind == "packed" else {}
    field.to_netcdf("in.nc", encoding={"h": packing})
    fill("in.nc", "out.nc", "--nodata", "-99", "--mask", "mask.png")
    said = capsys.readouterr().err
    assert said.count("20 values of 'h' are outside its valid range") == (kind != "inside")


def test_arrays_without_names_of_dimensions_are_refused(capsys):
    zarr.create_group("in.zarr").create_array("h", data=DAMAGED)
    fill("in.zarr", "out.zarr", code=FAILED)
    assert "in.zarr: the arrays of the group have no names of dimensions; got h" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("name", ["m.zarr", "m.nii.gz", "m.mp4"])
def test_containers_are_masks(name):
    if name == "m.zarr":
        zarr.create_array(name, data=HOLES)
    elif name == "m.nii.gz":
        nibabel.save(nibabel.Nifti1Image(np.uint8(HOLES), np.eye(4)), name)
    np.save("in.npy", RAMP)
    if name == "m.mp4":  # lossy: black is not zero everywhere
        big = np.kron(np.uint8(255 * HOLES), np.ones((4, 4), np.uint8))
        with av.open(name, "w") as file:
            stream = file.add_stream("libx264", rate=25)
            stream.height, stream.width, stream.pix_fmt = *big.shape, "yuv420p"
            frame = av.VideoFrame.from_ndarray(np.dstack([big] * 3), format="rgb24")
            file.mux(stream.encode(frame))
            file.mux(stream.encode())
        np.testing.assert_array_equal(images.read_mask(Path(name)), big[None] > 0)
        return
    fill("in.npy", "out.npy", "--mask", name)
    check(np.load("out.npy"))
