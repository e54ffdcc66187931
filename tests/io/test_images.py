"""Image files: read as they are seen, and written again with all that can be kept."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps
from quick import QUICK

from ntkfill.cli import main
from ntkfill.cli.common import DONE, FAILED
from ntkfill.io import images

RAMP = np.add.outer(np.arange(32), 3 * np.arange(40)).astype(np.uint8)
HOLES = np.zeros(RAMP.shape, bool)
HOLES[4:10, 6:16] = True
COLOUR = np.stack([RAMP, RAMP // 2, 255 - RAMP], axis=-1)
TO_STORED = {  # what a camera stores of an upright picture, by orientation
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.uint8(255 * HOLES)).save("mask.png")


def fill(source, target, *more, mask="mask.png", code=DONE):
    given = [] if mask is None else ["--mask", mask]
    assert main(["inpaint", str(source), *given, "-o", str(target), *QUICK, *more]) == code
    return Path(target)


def save(path, upright, orientation):
    """A picture that is seen as `upright` where the tag is honoured."""
    stored = np.ascontiguousarray(TO_STORED[orientation](upright))
    if Path(path).suffix == ".tif":
        tags = [(274, 3, 1, orientation, True)]
        colour = "rgb" if upright.ndim == 3 else "minisblack"
        # Pillow maps uncompressed pixels into memory, and turns them wrongly.
        tifffile.imwrite(path, stored, photometric=colour, extratags=tags, compression="zlib")
    else:
        exif = Image.Exif()
        exif[274] = orientation
        Image.fromarray(stored).save(path, exif=exif, quality=100, subsampling=0)


def seen(path):
    """A picture as a viewer shows it."""
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image))


@pytest.mark.sampled
@pytest.mark.parametrize("upright", [RAMP, COLOUR], ids=["grey", "colour"])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_what_is_seen_is_what_is_filled(orientation, suffix, upright):
    damaged = np.where(HOLES if upright.ndim == 2 else HOLES[..., None], np.uint8(255), upright)
    save(f"in{suffix}", damaged, orientation)
    np.testing.assert_allclose(seen(f"in{suffix}"), damaged, atol=20)
    back = seen(fill(f"in{suffix}", f"out{suffix}"))
    assert back.shape == upright.shape
    close = np.abs(back.astype(float) - upright)
    assert close[HOLES].max() < (40 if suffix == ".jpg" else 6)
    if suffix != ".jpg":
        np.testing.assert_array_equal(back[~HOLES], upright[~HOLES])
    np.testing.assert_array_equal(images.read(Path(f"out{suffix}")).array, back)


@pytest.mark.sampled
@pytest.mark.parametrize("orientation", [2, 3, 6, 7])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_mask_is_turned_as_it_is_seen(suffix, orientation):
    save(f"turned{suffix}", np.uint8(255 * HOLES), orientation)
    np.testing.assert_array_equal(images.read_mask(Path(f"turned{suffix}")), HOLES)
    save("in.png", RAMP, 8)
    np.testing.assert_array_equal(
        seen(fill("in.png", "out.png", mask=f"turned{suffix}")), seen(fill("in.png", "a.png"))
    )


@pytest.mark.slow
def test_heatmap_takes_the_pixel_that_is_seen():
    for orientation in (1, 3, 6):
        save("in.png", RAMP, orientation)
        given = ["heatmap", "in.png", "--mask", "mask.png", "--at", "5,7", "-o"]
        assert main([*given, f"{orientation}.png"]) == DONE
    first = seen("1.png")
    np.testing.assert_array_equal(seen("3.png"), first)
    np.testing.assert_array_equal(seen("6.png"), first)


def test_what_else_exif_says_is_kept():
    exif = Image.Exif()
    exif[274], exif[271] = 6, "a camera"
    stored = np.ascontiguousarray(TO_STORED[6](RAMP))
    Image.fromarray(stored).save("in.png", exif=exif, dpi=(300, 150))
    with Image.open(fill("in.png", "out.png")) as image:
        assert dict(image.getexif()) == {274: 1, 271: "a camera"}
        assert image.info["dpi"] == pytest.approx((150, 300), abs=0.1)


def bands(count, dtype):
    return np.stack([(RAMP // (k + 1)).astype(dtype) for k in range(count)])


@pytest.mark.sampled
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("layout", ["contig", "separate"])
@pytest.mark.parametrize("count", [2, 3, 4, 5, 6, 13])
def test_bands_come_back_as_bands(count, layout, dtype):
    planes = bands(count, dtype)
    planes[:, HOLES] = 77
    array = planes if layout == "separate" else np.moveaxis(planes, 0, -1)
    tifffile.imwrite("in.tif", array, photometric="minisblack", planarconfig=layout)
    target = fill("in.tif", "out.tif")
    before, after = (tifffile.TiffFile(name) for name in ("in.tif", target))
    with before, after:
        one, other = before.pages[0], after.pages[0]
        assert len(after.pages) == len(before.pages) == 1
        for name in ("shape", "dtype", "photometric", "planarconfig", "extrasamples"):
            assert getattr(other, name) == getattr(one, name), name
        back = after.asarray() if layout == "separate" else np.moveaxis(after.asarray(), -1, 0)
    np.testing.assert_array_equal(back[:, ~HOLES], planes[:, ~HOLES])
    assert not (back[0, HOLES] == 77).all()
    assert np.abs(back.astype(float) - bands(count, dtype))[:, HOLES].max() < 8


@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.filterwarnings("ignore")
def test_geotiff_comes_back_as_geotiff(count, interleave):
    rasterio = pytest.importorskip("rasterio")
    planes = bands(count, "f4")
    planes[:, HOLES] = -9999
    profile = {
        "driver": "GTiff", "width": 40, "height": 32, "count": count, "dtype": "float32",
        "crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 6e6),
        "nodata": -9999, "interleave": interleave, "compress": "deflate", "tiled": True,
        "blockxsize": 16, "blockysize": 16, "bigtiff": "YES",
    }  # fmt: skip
    with rasterio.open("in.tif", "w", **profile) as file:
        file.write(planes)
        file.descriptions = tuple(f"band {k}" for k in range(count))
        file.update_tags(season="spring", STATISTICS_MEAN="3")
    target = fill("in.tif", "out.tif", mask=None)  # its no-data value says what is missing
    with rasterio.open("in.tif") as before, rasterio.open(target) as after:
        for name in ("crs", "transform", "nodata", "count", "descriptions", "dtypes",
                     "interleaving", "compression", "block_shapes"):  # fmt: skip
            assert getattr(after, name) == getattr(before, name), name
        assert after.tags()["season"] == "spring"
        assert "STATISTICS_MEAN" not in after.tags()
        np.testing.assert_array_equal(after.read()[:, ~HOLES], planes[:, ~HOLES])
        assert np.abs(after.read() - bands(count, "f4"))[:, HOLES].max() < 8
    with tifffile.TiffFile(target) as file:
        assert file.is_bigtiff


def stack():
    return np.stack([RAMP, RAMP // 2, RAMP // 3])


@pytest.mark.parametrize(
    ("options", "axes"),
    [
        ({"imagej": True, "metadata": {"axes": "ZYX", "spacing": 2.5, "unit": "um"}}, "ZYX"),
        ({"imagej": True, "metadata": {"axes": "TYX", "finterval": 0.5, "Info": "hello"}}, "TYX"),
        ({"ome": True, "metadata": {"axes": "ZYX", "PhysicalSizeX": 0.3}}, "ZYX"),
        ({"ome": True, "metadata": {"axes": "TYX", "PhysicalSizeXUnit": "µm"}}, "TYX"),
        ({"metadata": {"axes": "ZYX", "note": "hello"}}, "ZYX"),
    ],
)
def test_axes_and_spacing_of_stacks_are_kept(options, axes):
    array = stack()
    array[:, HOLES] = 0
    tifffile.imwrite("in.tif", array, photometric="minisblack", resolution=(5.0, 4.0), **options)
    target = fill("in.tif", "out.tif")
    with tifffile.TiffFile("in.tif") as before, tifffile.TiffFile(target) as after:
        assert after.series[0].axes == before.series[0].axes == axes
        for name in ("imagej_metadata", "ome_metadata", "shaped_metadata", "byteorder"):
            assert getattr(after, name) == getattr(before, name), name
        assert after.pages[0].resolution == before.pages[0].resolution
        assert after.pages[0].software == before.pages[0].software
        np.testing.assert_array_equal(after.asarray()[:, ~HOLES], array[:, ~HOLES])


@pytest.mark.parametrize("orientation", [3, 6])
@pytest.mark.parametrize("kind", ["shaped", "ome", "plain"])
def test_what_is_said_of_axes_is_turned_with_the_image(kind, orientation):
    stored = np.ascontiguousarray([TO_STORED[orientation](page) for page in stack()])
    options = {
        "shaped": {"metadata": {"axes": "ZYX", "note": "hello"}},
        "ome": {"ome": True, "metadata": {"axes": "ZYX", "PhysicalSizeX": 0.3, "PhysicalSizeY": 2}},
        "plain": {"metadata": None},
    }[kind]
    tags = [(274, 3, 1, orientation, False)]
    tifffile.imwrite("in.tif", stored, photometric="minisblack", extratags=tags, **options)
    with tifffile.TiffFile(fill("in.tif", "out.tif")) as file:
        back = file.series[0]
        assert back.shape == stack().shape
        np.testing.assert_array_equal(back.asarray()[:, ~HOLES], stack()[:, ~HOLES])
        if kind == "shaped":
            assert (back.axes, file.shaped_metadata[0]["note"]) == ("ZYX", "hello")
        if kind == "ome":
            pixels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
            along = ("Y", "X") if orientation == 6 else ("X", "Y")
            assert [pixels[f"PhysicalSize{axis}"] for axis in along] == [0.3, 2]


@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
@pytest.mark.parametrize("rows", [3, 32])
def test_strips_are_kept(rows, compression):
    tifffile.imwrite("in.tif", RAMP, rowsperstrip=rows, compression=compression)
    with tifffile.TiffFile(fill("in.tif", "out.tif")) as file:
        assert file.pages[0].rowsperstrip == rows
        assert len(file.pages[0].dataoffsets) == -(-32 // rows)


def profile_of_colours():
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize("target", ["out.tif", "out.png", "out.jpg"])
@pytest.mark.parametrize("source", ["in.tif", "in.png", "in.jpg"])
def test_colour_profile_and_resolution_go_with_the_picture(source, target):
    profile = profile_of_colours()
    Image.fromarray(COLOUR).save(source, icc_profile=profile, dpi=(200, 200))
    fill(source, target)
    with Image.open(target) as image:
        assert image.info["icc_profile"] == profile
        assert image.info["dpi"] == pytest.approx((200, 200), abs=0.1)


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("text.png", "out.tif", "text"),
        ("text.png", "out.npy", "text"),
        ("comment.jpg", "out.png", "comment"),
        ("tags.tif", "out.png", "ImageDescription"),
        ("layers.tif", "out.tif", "Photoshop layers"),
    ],
)
def test_what_is_lost_is_said_once(source, target, said, capsys):
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_text("Title", "a title")
    Image.fromarray(RAMP).save("text.png", pnginfo=text)
    Image.fromarray(RAMP).save("comment.jpg", comment=b"hello")
    tifffile.imwrite("tags.tif", RAMP, description="hello")
    tifffile.imwrite("layers.tif", RAMP, extratags=[(37724, 7, 40, b"layer" * 8, True)])
    fill(source, target)
    lines = [line for line in capsys.readouterr().err.splitlines() if "not kept" in line]
    assert len(lines) == 1
    assert said in lines[0]


def test_text_of_png_and_comment_of_jpeg_are_kept(capsys):
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_text("Title", "a title")
    Image.fromarray(RAMP).save("in.png", pnginfo=text)
    Image.fromarray(RAMP).save("in.jpg", comment=b"hello")
    with Image.open(fill("in.png", "out.png")) as image:
        assert image.text == {"Title": "a title"}
    with Image.open(fill("in.jpg", "out.jpg")) as image:
        assert image.info["comment"] == b"hello"
    assert "not kept" not in capsys.readouterr().err


def with_chunks(path, *chunks):
    """A PNG with more chunks after its header."""
    content = Path(path).read_bytes()
    more = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    ]
    Path(path).write_bytes(content[:33] + b"".join(more) + content[33:])


CHUNKS = {
    b"gAMA": struct.pack(">I", 45455),
    b"sRGB": b"\0",
    b"cICP": b"\x09\x10\0\1",
    b"cHRM": struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000),
    b"sBIT": b"\5\5\5",
    b"bKGD": b"\0\1\0\1\0\1",
    b"prIV": b"not to be copied",
    b"prIo": b"to be copied",
    b"tIME": struct.pack(">H5B", 2024, 1, 1, 1, 1, 1),
    b"sTER": b"\0",
}


@pytest.mark.sampled
@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("name", CHUNKS, ids=bytes.decode)
def test_what_a_png_says_of_its_colours_is_kept_or_said(name, deep, capsys):
    colours = COLOUR.astype(np.uint16) * 257 if deep else COLOUR
    images.write(Path("in.png"), images.Stored(colours, -1))
    with_chunks("in.png", (name, CHUNKS[name]))
    back = fill("in.png", "out.png").read_bytes()
    said = capsys.readouterr().err
    if name in (b"tIME", b"sTER", b"prIV"):
        assert f"not kept in out.png: {name.decode()}" in said
    else:
        place = back.index(name)
        assert back[place + 4 : place + 4 + len(CHUNKS[name])] == CHUNKS[name]
        assert "not kept" not in said
        fill("in.png", "out.tif")
        assert f"not kept in out.tif: {name.decode()}" in capsys.readouterr().err
    np.testing.assert_array_equal(images.read(Path("out.png")).array[~HOLES], colours[~HOLES])


@pytest.mark.parametrize("suffix", [".png", ".webp"])
@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("layout", ["contig", "separate"])
def test_bands_are_not_written_as_opacity(layout, count, suffix, capsys):
    planes = bands(count, "u1")
    array = planes if layout == "separate" else np.moveaxis(planes, 0, -1)
    tifffile.imwrite("in.tif", array, photometric="minisblack", planarconfig=layout)
    fill("in.tif", f"out{suffix}", code=FAILED)
    assert f"would take the last band for an opacity; got {count} bands" in capsys.readouterr().err


PAINT = (200, 30, 30)


def layer(background, paint, where=HOLES):
    """Colours (R, G, B, A) with others at some pixels."""
    picture = np.broadcast_to(np.uint8(background), (*RAMP.shape, 4)).copy()
    picture[where] = paint
    return picture


def erased():
    return np.dstack([COLOUR, np.uint8(255 * ~HOLES)])


MASKS = {  # by name of the file: how it is made; all mean HOLES
    "boolean.tif": lambda p: tifffile.imwrite(p, HOLES),
    "white is zero.tif": lambda p: tifffile.imwrite(
        p, np.uint8(255 * ~HOLES), photometric="miniswhite", metadata=None
    ),
    "bilevel.png": lambda p: Image.fromarray(HOLES).save(p),
    "palette.png": lambda p: Image.fromarray(np.uint8(255 * HOLES)).convert("P").save(p),
    "palette.tif": lambda p: tifffile.imwrite(
        p, HOLES.astype(np.uint8), photometric="palette",
        colormap=np.uint16(np.arange(256) > 0) * np.full((3, 1), 65535, np.uint16),
    ),
    "late palette.tif": lambda p: tifffile.imwrite(
        p, HOLES.astype(np.uint8), photometric="minisblack", extratags=[(320, 3, 768, bytes(
            np.uint16(np.arange(256) > 0) * np.full((3, 1), 65535, np.uint16)), True)],
    ),
    "lossy.jpg": lambda p: Image.fromarray(np.uint8(255 * HOLES)).save(p, quality=90),
    "brush.png": lambda p: Image.fromarray(layer((0, 0, 0, 0), (*PAINT, 255))).save(p),
    "black brush.png": lambda p: Image.fromarray(layer((0, 0, 0, 0), (0, 0, 0, 255))).save(p),
    "soft brush.tif": lambda p: tifffile.imwrite(
        p, layer((255, 255, 255, 0), (*PAINT, 90)), photometric="rgb", extrasamples=["unassalpha"]
    ),
    "erased picture.png": lambda p: Image.fromarray(erased()).save(p),
    "erased canvas.png": lambda p: Image.fromarray(layer((9, 9, 9, 255), (9, 9, 9, 0))).save(p),
    "turned palette.tif": lambda p: tifffile.imwrite(
        p, np.ascontiguousarray(TO_STORED[6](HOLES.astype(np.uint8))), photometric="palette",
        colormap=np.uint16(np.arange(256) > 0) * np.full((3, 1), 65535, np.uint16),
        extratags=[(274, 3, 1, 6, True)],
    ),
    "lossy.webp": lambda p: Image.fromarray(np.uint8(255 * HOLES)).save(p, quality=60),
    "lossy.tif": lambda p: tifffile.imwrite(
        p, np.uint8(255 * HOLES), compression="jpeg", compressionargs={"level": 60}
    ),
    "lossless.webp": lambda p: Image.fromarray(np.uint8(HOLES)).save(p, lossless=True),
    "black on transparent white.png": lambda p: Image.fromarray(np.uint8(255 * ~HOLES)).save(
        p, transparency=255
    ),
    "red on a transparent colour.png": lambda p: Image.fromarray(
        layer((9, 9, 9, 255), (*PAINT, 255))[..., :3]
    ).save(p, transparency=(9, 9, 9)),
    "premultiplied brush.tif": lambda p: tifffile.imwrite(
        p, layer((0, 0, 0, 0), (*PAINT, 255)), photometric="rgb", extrasamples=["assocalpha"]
    ),
    "opaque.png": lambda p: Image.fromarray(layer((0, 0, 0, 255), (255, 255, 255, 255))).save(p),
}  # fmt: skip


@pytest.mark.parametrize("name", MASKS)
def test_masks_mean_what_was_painted(name):
    MASKS[name](name)
    np.testing.assert_array_equal(images.read_mask(Path(name)), HOLES)


def test_a_picture_with_erased_parts_is_its_own_mask(capsys):
    Image.fromarray(erased()).save("in.png")
    assert main(["inpaint", "in.png", "-o", "out.png"]) == FAILED
    assert "--mask in.png" in capsys.readouterr().err
    back = seen(fill("in.png", "out.png", mask="in.png"))
    assert (back[..., 3] == 255).all()
    assert np.abs(back[..., :3].astype(float) - COLOUR)[HOLES].max() < 6


def test_dilate(capsys):
    Image.fromarray(RAMP).save("in.png")
    dot = np.zeros_like(RAMP)
    dot[16, 20] = 255
    Image.fromarray(dot).save("dot.png")
    for radius, pixels in ((0, 1), (1, 5), (2, 13)):  # discs
        fill("in.png", "out.png", "--dilate", str(radius), mask="dot.png")
        assert f"{pixels} of 1,280 pixels are missing" in capsys.readouterr().err
    assert main(["inpaint", "in.png", "-o", "out.png", "--dilate", "2"]) == FAILED
    assert "--dilate needs a mask" in capsys.readouterr().err


def test_one_mask_for_each_picture(capsys):
    for name in ("frames", "masks"):
        Path(name).mkdir()
    for k, where in enumerate((HOLES, HOLES[::-1])):
        Image.fromarray(np.where(where, np.uint8(255), RAMP)).save(f"frames/{k}.png")
        np.save(f"masks/{k}.npy", where)
    fill("frames", "out", mask="masks")
    for k in range(2):
        assert np.abs(seen(f"out/{k}.png").astype(float) - RAMP).max() < 6
    Path("masks/1.npy").unlink()
    fill("frames", "again", mask="masks", code=FAILED)
    assert "one mask called 1" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a.PNG", "a.nii.gz", "a.zarr"])
def test_masks_are_found_by_the_name_without_any_suffix(name):
    Path("masks").mkdir()
    if name == "a.PNG":
        Image.fromarray(np.uint8(255 * HOLES)).save(f"masks/{name}")
    elif name == "a.zarr":
        pytest.importorskip("zarr").create_array(f"masks/{name}", data=HOLES)
    else:
        nibabel = pytest.importorskip("nibabel")
        nibabel.save(nibabel.Nifti1Image(np.uint8(HOLES), np.eye(4)), f"masks/{name}")
    Image.fromarray(np.where(HOLES, np.uint8(255), RAMP)).save("a.png")
    both = [
        seen(fill("a.png", f"{k}.png", mask=mask)) for k, mask in enumerate(["masks", "mask.png"])
    ]
    np.testing.assert_array_equal(*both)


def test_the_suffix_of_a_picture_may_have_two_parts():
    nibabel = pytest.importorskip("nibabel")
    Path("masks").mkdir()
    nibabel.save(nibabel.Nifti1Image(np.float32(RAMP), np.eye(4)), "a.nii.gz")
    nibabel.save(nibabel.Nifti1Image(np.uint8(HOLES), np.eye(4)), "masks/a.nii.gz")
    back = nibabel.load(fill("a.nii.gz", "out.nii.gz", mask="masks")).get_fdata()
    assert (back[~HOLES] == RAMP[~HOLES]).all()
    assert (back[HOLES] != RAMP[HOLES]).any()


def test_one_mask_for_every_page(capsys):
    array = stack()
    array[:, HOLES] = 0
    array[1] = 0
    tifffile.imwrite("in.tif", array, photometric="minisblack")
    back = tifffile.imread(fill("in.tif", "out.tif"))
    np.testing.assert_array_equal(back[:, ~HOLES], array[:, ~HOLES])
    assert np.abs(back[0].astype(float) - RAMP)[HOLES].max() < 30
    gone = np.broadcast_to(HOLES, array.shape).copy()
    gone[1] = True
    np.save("gone.npy", gone)
    fill("in.tif", "out.tif", mask="gone.npy")
    assert "pages 1 hold no known pixel" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("values", "given"),
    [
        ([-9999], ["--nodata", "-9999"]),
        ([-1e20], ["--nodata", "-1e20"]),
        ([-32768, 32767], ["--nodata", "-32768", "--nodata", "32767"]),
        ([np.inf, -np.inf], ["--nodata", "nonfinite"]),
    ],
)
def test_nodata(values, given):
    array = RAMP.astype(np.float32)
    array[HOLES] = np.resize(np.float32(values), HOLES.sum())
    tifffile.imwrite("in.tif", array)
    back = tifffile.imread(fill("in.tif", "out.tif", *given, mask=None))
    np.testing.assert_array_equal(back[~HOLES], array[~HOLES])
    assert np.abs(back - RAMP)[HOLES].max() < 6


@pytest.mark.parametrize("text", ["-9999", "-3.4028234663852886e+38", "1e+20", "nan"])
def test_the_nodata_tag_is_read(text):
    array = RAMP.astype(np.float32)
    array[HOLES] = float(text)
    tifffile.imwrite("in.tif", array, extratags=[(42113, 2, 0, text, True)])
    back = tifffile.imread(fill("in.tif", "out.tif", mask=None))
    assert np.abs(back - RAMP)[HOLES].max() < 6


@pytest.mark.parametrize(("text", "low", "high"), [("20,60", 20, 60), ("-1,50", -1, 50),
                                                   ("90,", 90, 255), ("data", 0, 148)])  # fmt: skip
def test_bounds(text, low, high):
    Image.fromarray(RAMP).save("in.png")
    back = seen(fill("in.png", "out.png", "--bounds", text))
    assert low <= back[HOLES].min() <= back[HOLES].max() <= high
    np.testing.assert_array_equal(back[~HOLES], RAMP[~HOLES])


def disc():
    rows, columns = np.indices((48, 48)) - 24
    picture = np.zeros((48, 48, 4), np.uint8)
    picture[np.hypot(rows, columns) < 16] = (212, 175, 55, 255)
    return picture


@pytest.mark.sampled
@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("hole", [np.s_[20:28, 20:28], np.s_[20:28, 34:44], np.s_[2:12, 2:46]])
def test_colours_are_weighted_by_their_opacity(hole, suffix):
    truth, missing = disc(), np.zeros((48, 48), bool)
    missing[hole] = True
    damaged = np.where(missing[..., None], np.uint8((255, 0, 255, 255)), truth)
    Image.fromarray(damaged).save(f"in{suffix}")
    np.save("hole.npy", missing)
    target = fill(f"in{suffix}", f"out{suffix}", "--network", "auto", mask="hole.npy")
    back = seen(target).astype(int)
    np.testing.assert_array_equal(back[~missing], truth[~missing])
    assert set(np.unique(back[..., 3])) <= {0, 255}
    assert (back[..., 3] == truth[..., 3])[missing].mean() > 0.85
    visible = missing & (back[..., 3] > 0)
    assert visible.any() or not truth[missing].any()
    error = np.abs(back[..., :3] - (212, 175, 55))[visible]
    assert error.max(initial=0) <= 2


@pytest.mark.sampled
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("hole", [np.s_[20:28, 20:28], np.s_[20:28, 34:44]])
def test_colours_that_are_multiplied_by_their_opacity(hole, dtype):
    soft = disc() / 255.0
    rows, columns = np.indices((48, 48)) - 24
    soft[..., 3] = np.clip(16 - np.hypot(rows, columns), 0, 1)
    soft[..., :3] = np.array((212, 175, 55)) / 255 * soft[..., 3:]
    full = np.iinfo(dtype).max if dtype != "f4" else 1
    stored = (soft * full).round(0 if full > 1 else 9).astype(dtype)
    missing = np.zeros((48, 48), bool)
    missing[hole] = True
    stored[missing] = np.array((1, 0, 1, 1)) * full
    tifffile.imwrite("in.tif", stored, photometric="rgb", extrasamples=["assocalpha"])
    np.save("hole.npy", missing)
    target = fill("in.tif", "out.tif", "--network", "auto", mask="hole.npy")
    with tifffile.TiffFile(target) as file:
        assert file.pages[0].extrasamples == (1,)
        back = file.asarray()
    np.testing.assert_array_equal(back[~missing], stored[~missing])
    opacity = back[missing][:, 3:] / full
    expected = np.array((212, 175, 55)) * opacity
    assert opacity.max() == 1
    assert np.abs(back[missing][:, :3] / (full / 255) - expected).max() < 3


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_colours_are_divided_by_their_opacity_where_a_format_wants_that(suffix, capsys):
    stored = layer((100, 50, 25, 128), (0, 0, 0, 0))
    tifffile.imwrite("in.tif", stored, photometric="rgb", extrasamples=["assocalpha"])
    back = seen(fill("in.tif", f"out{suffix}"))
    assert set(map(tuple, back[~HOLES])) == {(199, 100, 50, 128)}
    assert "colours multiplied by their opacity (now straight)" in capsys.readouterr().err


def test_white_is_zero_comes_back_so():
    tifffile.imwrite("in.tif", 255 - RAMP, photometric="miniswhite")
    target = fill("in.tif", "out.tif")
    with tifffile.TiffFile(target) as file:
        assert file.pages[0].photometric.name == "MINISWHITE"
        np.testing.assert_array_equal(file.asarray()[~HOLES], (255 - RAMP)[~HOLES])
    np.testing.assert_array_equal(seen(fill("in.tif", "out.png"))[~HOLES], RAMP[~HOLES])


@pytest.mark.parametrize("grey", [0, 7])
def test_the_transparent_grey_of_a_png_is_kept_also_where_it_is_black(grey, capsys):
    Image.fromarray(RAMP).save("in.png", transparency=grey)
    fill("in.png", "out.png")
    with Image.open("out.png") as back:
        assert back.info["transparency"] == grey
    assert "not kept" not in capsys.readouterr().err


@pytest.mark.parametrize("inside", ["YES", "NO"])
def test_a_geotiff_with_a_mask_of_its_own_is_refused_with_a_hint(inside, capsys):
    """Of the mask inside the file or beside it nothing is filled as if it were known."""
    rasterio = pytest.importorskip("rasterio")
    profile = {"driver": "GTiff", "height": 32, "width": 40, "count": 1, "dtype": "uint8"}
    profile |= {"crs": "EPSG:4326", "transform": rasterio.Affine(2, 0, 0, 0, -2, 0)}
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=inside), rasterio.open("in.tif", "w", **profile) as f:
        f.write(np.where(HOLES, 0, RAMP), 1)
        f.write_mask(~HOLES)
    assert Path("in.tif.msk").exists() == (inside == "NO")
    fill("in.tif", "out.tif", mask=None, code=FAILED)
    said = capsys.readouterr().err
    assert "a mask belongs to the image" in said
    assert "--mask FILE" in said
