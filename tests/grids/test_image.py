"""Whatever array is given comes back: its type, its range, its known pixels bit for bit."""

import numpy as np
import pytest

from ntkfill import InputError, inpaint
from ntkfill.nn import hourglass

INTEGERS = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"]
FLOATS = ["f2", "f4", "f8"]
SWAPPED = [">u2", ">i4", ">f4", ">f8", "<f8"]


def smooth():
    return 0.5 + 0.45 * np.sin(np.add.outer(np.linspace(0, 3, 18), np.linspace(1, 3, 15)))


HOLES = np.random.default_rng(0).random((18, 15)) < 0.3


def of_type(dtype):
    """The smooth image over most of a type's range, and what it is worth in that type."""
    dtype = np.dtype(dtype)
    low, high = (np.iinfo(dtype).min, np.iinfo(dtype).max) if dtype.kind in "ui" else (0, 1)
    span = float(high) - float(low)
    return (low + smooth() * span).astype(dtype), span


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS, *SWAPPED, "g"])
def test_same_type_and_same_known_pixels(dtype):
    image, span = of_type(dtype)
    before = image.copy()
    filled = inpaint(image, HOLES)
    assert (filled.dtype, filled.shape) == (image.dtype, image.shape)
    assert filled[~HOLES].tobytes() == image[~HOLES].tobytes()
    assert image.tobytes() == before.tobytes()
    expected = inpaint(smooth(), HOLES)
    got = (filled.astype(float) - float(image.dtype.kind == "i") * -span / 2) / span
    np.testing.assert_allclose(got, expected, atol=0.02 if dtype in ("u1", "i1") else 2e-3)
    assert not np.array_equal(filled, image)


def test_bool():
    image = smooth() > 0.6
    filled = inpaint(image, HOLES)
    assert filled.dtype == bool
    np.testing.assert_array_equal(filled[~HOLES], image[~HOLES])
    np.testing.assert_array_equal(filled, inpaint(image.astype(float), HOLES) >= 0.5)
    assert (filled == image).mean() > 0.95


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_are_rounded(dtype):
    image = (100 * smooth()).astype(dtype)
    exact = inpaint(image.astype(float), HOLES)
    np.testing.assert_allclose(inpaint(image, HOLES), np.rint(exact), atol=0.51)
    assert np.abs(inpaint(image, HOLES) - exact)[HOLES].mean() == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_are_clipped(dtype):
    """Where a fill would go beyond the range it stops there instead of wrapping around."""
    rng = np.random.default_rng(1)
    info = np.iinfo(dtype)
    image = np.where(rng.random((18, 15)) < 0.5, info.min, info.max).astype(dtype)
    scale = 1 if info.bits < 64 else 2.0**32
    beyond = inpaint(image.astype(float) / scale, HOLES)
    low, high = info.min / scale, info.max / scale
    over, under = HOLES & (beyond > high), HOLES & (beyond < low)
    assert over.any()
    assert under.any()
    filled = inpaint(image, HOLES)
    assert (filled[over] >= info.max - (0 if info.bits < 64 else 2048)).all()
    assert (filled[under] == info.min).all()


wide = pytest.mark.xfail(strict=True, reason="beyond 2**53 the mean and the fill are rounded")


@pytest.mark.parametrize(
    ("dtype", "value"),
    [(t, v) for t in INTEGERS[:6] for v in (np.iinfo(t).min, 0, 7, np.iinfo(t).max)]
    + [(t, v) for t in INTEGERS[6:] for v in (np.iinfo(t).min, 0, 7, 2**53)]
    + [pytest.param("u8", 2**64 - 1, marks=wide), pytest.param("i8", 2**53 + 1, marks=wide)]
    + [(t, v) for t in FLOATS for v in (0.0, 0.1, -7.7, 6e-8, 6e4)]
    + [("f4", 3e38), ("f8", 1e300), ("f8", 1e-300), ("f8", -1 / 3), ("?", False), ("?", True)],
)
def test_constant_stays_exactly_constant(dtype, value):
    image = np.full((18, 15), value, dtype)
    holes = HOLES.copy()
    holes[:5, :6] = holes[8:14, 4:12] = True
    np.testing.assert_array_equal(inpaint(image, holes), image)


@pytest.mark.parametrize("shift", [0.0, -0.5])
@pytest.mark.parametrize("scale", [1.0, -1.0, 1e-30, 1e30, 1e-300, 1e300, 3.7])
def test_scale_does_not_matter(scale, shift):
    base = inpaint(smooth(), HOLES)
    filled = inpaint(scale * (smooth() + shift), HOLES) / scale - shift
    np.testing.assert_allclose(filled, base, atol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "offset", "tolerance"),
    [("f8", 1e6, 1e-5), ("f8", -1e9, 1e-3), ("f4", 1e3, 1e-3), ("f4", 1e5, 0.02), ("f2", 50, 0.05)],
)
def test_large_offsets(dtype, offset, tolerance):
    """A small signal on a high plateau is filled as well as without the plateau."""
    image = (smooth() + offset).astype(dtype)
    filled = inpaint(image, HOLES).astype(float) - offset
    np.testing.assert_allclose(filled, inpaint(smooth(), HOLES), atol=tolerance)


@pytest.mark.xfail(strict=True, raises=RuntimeWarning, reason="the mean overflows")
def test_the_largest_floats():
    image = np.full((6, 6), 1.7e308)
    np.testing.assert_array_equal(inpaint(image, np.eye(6)), image)


@pytest.mark.parametrize("a", [2.0, -3.0, 1e4])
@pytest.mark.parametrize("b", [0.0, 5.0, -1e4])
@pytest.mark.parametrize("shift_average", [True, False])
def test_equivariance(a, b, shift_average):
    options = {"network": hourglass(2), "shift_average": shift_average, "centre": True}
    base = inpaint(smooth(), HOLES, **options)
    filled = inpaint(a * smooth() + b, HOLES, **options)
    np.testing.assert_allclose(filled, a * base + b, atol=1e-4 * abs(a))


def strided(array):
    result = np.zeros((2 * array.shape[0], 3 * array.shape[1]), array.dtype)[::2, ::3]
    result[...] = array
    return result


def read_only(array):
    result = array.copy()
    result.flags.writeable = False
    return result


class Custom(np.ndarray):
    pass


LAYOUTS = {
    "Fortran": np.asfortranarray,
    "strided": strided,
    "reversed": lambda array: array[::-1].copy()[::-1],
    "transposed": lambda array: array.T.copy().T,
    "read-only": read_only,
    "big-endian": lambda array: array.astype(array.dtype.newbyteorder(">")),
    "subclass": lambda array: array.view(Custom),
    "lists": lambda array: array.tolist(),
    "broadcast": lambda array: np.broadcast_to(array, (2, *array.shape))[1],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout):
    plain = inpaint(smooth(), HOLES)
    given = LAYOUTS[layout](smooth())
    filled = inpaint(given, LAYOUTS[layout](HOLES))
    np.testing.assert_array_equal(filled, plain)
    assert type(filled) is np.ndarray
    assert filled.flags.writeable
    np.testing.assert_array_equal(given, smooth())
    assert inpaint(given).flags.writeable  # nothing missing


@pytest.mark.parametrize("dtype", FLOATS)
def test_nan_is_a_mask(dtype):
    image = smooth().astype(dtype)
    filled = inpaint(np.where(HOLES, np.nan, image).astype(dtype))
    np.testing.assert_array_equal(filled, inpaint(image, HOLES))


@pytest.mark.parametrize("channel_axis", [-1, 0])
def test_nan_per_channel(channel_axis):
    """Channels that miss different pixels are filled as if each came alone."""
    image = np.stack([smooth(), smooth() ** 2, smooth() + 5], axis=channel_axis)
    image[np.random.default_rng(2).random(image.shape) < 0.3] = np.nan
    filled = inpaint(image, channel_axis=channel_axis)
    for channel in range(3):
        alone = inpaint(np.take(image, channel, channel_axis))
        np.testing.assert_array_equal(np.take(filled, channel, channel_axis), alone)


def test_nan_and_mask_together():
    image = np.stack([smooth(), 1 - smooth()], axis=-1)
    holes = np.stack([HOLES, HOLES.T[:15].T], axis=-1)
    holes[2, 3] = [True, False]
    more = np.zeros((18, 15), bool)
    more[7:9] = True
    filled = inpaint(np.where(holes, np.nan, image), more, channel_axis=-1)
    expected = inpaint(np.where(holes | more[..., None], np.nan, image), channel_axis=-1)
    np.testing.assert_array_equal(filled, expected)


def test_a_channel_without_a_known_pixel_is_refused():
    image = np.stack([smooth(), np.full((18, 15), np.nan)], axis=-1)
    with pytest.raises(InputError, match="channel must have a known entry"):
        inpaint(image, channel_axis=-1)


@pytest.mark.parametrize("dtype", ["u1", "f4", "f8"])
def test_masked_arrays(dtype):
    image, _ = of_type(dtype)
    filled = inpaint(np.ma.array(image, mask=HOLES))
    np.testing.assert_array_equal(filled, inpaint(image, HOLES))
    assert type(filled) is np.ndarray
    colour = np.ma.array(np.stack([image, image]), mask=np.stack([HOLES, HOLES[::-1]]))
    expected = [inpaint(image, HOLES), inpaint(image, HOLES[::-1])]
    np.testing.assert_array_equal(inpaint(colour, channel_axis=0), expected)
    with_nothing = inpaint(np.ma.array(image), HOLES)
    np.testing.assert_array_equal(with_nothing, inpaint(image, HOLES))


def where_known(value):
    image = smooth()
    image[tuple(np.argwhere(~HOLES)[5])] = value
    return image


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (where_known(np.inf), r"infinity.*at \(0, 8\)"),
        (where_known(-np.inf), "infinity"),
        (smooth() + 0j, "dtype complex128"),
        (smooth().astype(object), "dtype object"),
        (smooth().astype(str), "dtype <U"),
        (np.zeros((18, 15), "M8[s]"), "dtype datetime64"),
        (np.zeros((18, 15), [("r", "u1")]), "real numbers"),
        (None, "real numbers"),
        ("image.png", "real numbers"),
        (np.zeros((0, 15)), "empty"),
        (np.zeros((18, 15, 0)), "empty"),
        (3.0, "at least one axis"),
    ],
)
def test_what_is_no_image_is_refused(image, message):
    with pytest.raises(InputError, match=message):
        inpaint(image, HOLES)


def test_ragged_lists_are_refused():
    with pytest.raises(ValueError, match="inhomogeneous"):
        inpaint([[1.0, 2.0], [3.0]])


def test_infinity_under_the_mask_is_not_read():
    np.testing.assert_array_equal(
        inpaint(np.where(HOLES, np.inf, smooth()), HOLES), inpaint(smooth(), HOLES)
    )
