"""Whatever array is given comes back: its type, its range, its known pixels bit for bit."""

import numpy as np
import pytest

from ntkfill import Inpainter, InputError, Uncertainty, inpaint
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


@pytest.mark.sampled
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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("low", [-1.0, 0.0, 1.0])
def test_the_largest_floats(dtype, low):
    """A step up to the top of the type is filled with finite numbers of its range."""
    top = np.finfo(dtype).max
    image = np.full((18, 15), top)
    image[:, :7] = low * top
    holes = HOLES.copy()
    holes[5:12, 4:11] = True
    filled = inpaint(image, holes)
    assert np.isfinite(filled).all()
    np.testing.assert_array_equal(filled[~holes], image[~holes])
    step = inpaint(np.where(np.arange(15) < 7, low, 1.0) + np.zeros((18, 1)), holes)
    np.testing.assert_allclose(filled / top, step.clip(-1, 1), atol=2e-3)
    deviation = Inpainter().fill(image, holes, return_std=True).std
    assert np.isfinite(deviation).all()


@pytest.mark.sampled
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("noise", [0.3, 1.0])
def test_uncertainty_at_the_largest_floats_is_finite(noise, dtype):
    top = float(np.finfo(dtype).max)
    image = np.random.default_rng(1).uniform(-noise, noise, (18, 15))
    few = Uncertainty(samples=20)
    scaled = (image * top).astype(dtype)
    done = Inpainter(hourglass(2)).fill(scaled, HOLES, interval=0.9, uncertainty=few)
    for part in (done.values, done.std, done.interval.lower, done.interval.upper):
        assert np.isfinite(part).all()
    assert (done.interval.lower <= done.interval.upper).all()
    plain = Inpainter(hourglass(2)).fill(image, HOLES, return_std=True, uncertainty=few)
    expected = np.minimum(plain.std, np.finfo(np.float64).max / top)
    np.testing.assert_allclose(done.std / top, expected, rtol=1e-2)


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("bounds", "low", "high"),
    [((0, 1), 0, 1), ((0.2, None), 0.2, np.inf), ((None, 0.7), -np.inf, 0.7), ("data", 0, 1)],
)
def test_bounds(bounds, low, high):
    image = (np.random.default_rng(1).random((18, 15)) < 0.5).astype(float)
    free = inpaint(image, HOLES)
    assert (free > 1).any()
    filled = inpaint(image, HOLES, bounds=bounds)
    np.testing.assert_array_equal(filled, np.where(HOLES, free.clip(low, high), image))
    whole = Inpainter(bounds=bounds).fill(image, HOLES, interval=0.8)
    np.testing.assert_array_equal(whole.values, filled)
    inside = whole.interval.lower[HOLES], whole.interval.upper[HOLES]
    assert low <= inside[0].min() <= inside[1].max() <= high
    inpainter = Inpainter(bounds=bounds).fit(image, HOLES)
    np.testing.assert_array_equal(inpainter.transform(image), filled)


def test_bounds_of_data_are_those_of_each_channel():
    image = np.stack([smooth(), 100 * smooth()], axis=-1)
    filled = inpaint(image, HOLES, channel_axis=-1, bounds="data")
    for k in range(2):
        known = image[~HOLES][:, k]
        assert known.min() <= filled[..., k].min() <= filled[..., k].max() <= known.max()


@pytest.mark.parametrize("bounds", [(1, 0), 3, "range", (0,), ("a", 1), (np.nan, 1)])
def test_bounds_that_are_none_are_refused(bounds):
    with pytest.raises(InputError, match="bounds must be"):
        inpaint(smooth(), HOLES, bounds=bounds)


MARKS = [
    ("f8", -9999, -9999), ("f4", -9999, np.float64(-9999)), ("f4", 1e20, 1e20),
    ("f4", np.finfo("f4").min, -3.4028234663852886e38), ("i2", -32768, np.int16(-32768)),
    ("i2", -32768, np.float64(-32768)), ("u1", 255, np.int64(255)), ("u8", 2**64 - 1, 2**64 - 1),
    ("f8", np.inf, "nonfinite"), ("f2", -np.inf, "nonfinite"), ("f8", np.inf, np.inf),
    ("f8", -99, [-99, -9]), ("f8", -9, np.array([-99, -9])), ("f8", np.inf, [-9, "nonfinite"]),
]  # fmt: skip


@pytest.mark.parametrize(("dtype", "mark", "given"), MARKS)
def test_missing_values(dtype, mark, given):
    image = (100 * smooth()).astype(dtype)
    marked = image.copy()
    marked[HOLES] = mark
    expected = inpaint(image, HOLES)
    np.testing.assert_array_equal(inpaint(marked, missing_values=given), expected)
    assert "missing_values" in repr(Inpainter(missing_values=given))
    inpainter = Inpainter(missing_values=given).fit(marked)
    np.testing.assert_array_equal(inpainter.transform(marked), expected)


@pytest.mark.parametrize("given", ["NA", [None], object(), [1, "x"]])
def test_missing_values_that_are_no_numbers_are_refused(given):
    with pytest.raises(InputError, match="missing_values must be"):
        inpaint(smooth(), HOLES, missing_values=given)


@pytest.mark.filterwarnings("ignore:nothing is missing")
def test_true_and_false_are_values():
    image = smooth() > 0.6
    np.testing.assert_array_equal(inpaint(image, missing_values=0), image)


@pytest.mark.parametrize(("dtype", "mark"), [("f4", -9999), ("f8", 1e20), ("i2", -32768)])
def test_what_looks_like_no_value_draws_a_warning(dtype, mark):
    image = (100 * smooth()).astype(dtype)
    image[3, 4] = image[9, 10] = mark
    with pytest.warns(UserWarning, match=r"at 2 known pixels looks like.*missing_values="):
        inpaint(image, np.eye(18, 15, dtype=bool), network=hourglass(2))
    image[HOLES] = mark
    holes = image == mark  # under the mask nobody asks
    assert inpaint(image, holes, network=hourglass(2)).max() < 120
    plain = np.where(np.arange(270).reshape(18, 15) % 50, -9998, -9999).astype(dtype)
    assert inpaint(plain, HOLES).max() <= -9997  # such values are nothing special here


MARKED = [
    ("f4", 1e36),
    ("f8", -1.7e308),
    ("f4", 65535),
    ("u2", 65535),
    ("u4", 2**32 - 1),
    ("i4", 2**30),
]


@pytest.mark.parametrize(("dtype", "mark"), MARKED)
def test_numbers_that_no_pixel_has_draw_a_warning(dtype, mark):
    image = np.add.outer(np.arange(20), np.arange(20)).astype(dtype)
    image[3:6, 3:6] = mark
    holes = np.zeros(image.shape, bool)
    holes[12:14, 12:14] = True
    with pytest.warns(
        UserWarning, match=r"at 9 known pixels looks like.*missing_values="
    ) as warned:
        inpaint(image, holes, network=hourglass(2))
    said = str(warned[0].message).rpartition("missing_values=")[2].partition(" ")[0]
    options = {"missing_values": float(said), "network": hourglass(2)}
    assert inpaint(image, holes, **options).max() <= 45


@pytest.mark.sampled
@pytest.mark.parametrize("kind", ["overexposed", "hot pixels", "white on black", "units"])
def test_what_is_at_the_top_of_its_range_is_no_mark(kind):
    rng = np.random.default_rng(0)
    image = {
        "overexposed": rng.normal(40000, 15000, (32, 32)).clip(0, 65535).astype(np.uint16),
        "hot pixels": np.where(
            rng.random((32, 32)) < 0.004, 65535, rng.integers(300, 400, (32, 32))
        ),
        "white on black": np.where(rng.random((32, 32)) < 0.5, 255, rng.integers(0, 4, (32, 32))),
        "units": 1e30 * rng.lognormal(0, 2, (32, 32)),
    }[kind]
    kinds = {"hot pixels": np.uint16, "white on black": np.uint8}
    image = image.astype(kinds.get(kind, image.dtype))
    holes = np.zeros(image.shape, bool)
    holes[12:14, 12:14] = True
    inpaint(image, holes)  # warnings are errors


@pytest.mark.parametrize("mask", [None, HOLES])
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinity_is_refused_with_its_place(value, mask):
    with pytest.raises(InputError, match=r"infinity at \(0, 8\).*nonfinite"):
        inpaint(where_known(value), mask)


def test_opacity_is_no_colour():
    image = np.zeros((24, 24, 4))
    image[4:20, 4:20] = (0.8, 0.6, 0.2, 1.0)
    holes = np.zeros((24, 24), bool)
    holes[8:14, 2:9] = True
    dark = inpaint(image, holes, channel_axis=-1)[8:14, 4:9]
    filled = inpaint(image, holes, channel_axis=-1, alpha=True)
    inside = filled[8:14, 5:9]
    assert (inside[..., 3] == 1).all()
    assert abs(inside[..., :3] - (0.8, 0.6, 0.2)).max() < 0.05 < abs(dark[..., 0] - 0.8).max()
    np.testing.assert_array_equal(filled[~holes], image[~holes])
    with pytest.raises(InputError, match="alpha=True needs"):
        inpaint(smooth(), HOLES, alpha=True)


@pytest.mark.parametrize(
    ("dtype", "full"),
    [("u1", 255), ("u2", 65535), ("i4", 255), ("f4", 1), ("f8", 255), ("f4", 65535), ("f2", 1)],
)
def test_opaque_is_what_the_known_reach(dtype, full):
    image = np.zeros((24, 24, 4))
    image[4:20, 4:20] = (0.8, 0.6, 0.2, 1.0)
    holes = np.zeros((24, 24), bool)
    holes[8:14, 5:9] = True
    image = (image * full).astype(dtype)
    filled = inpaint(image, holes, channel_axis=-1, alpha=True)[holes].astype(float)
    assert (filled[:, 3] == full).all()
    assert abs(filled[:, :3] / full - (0.8, 0.6, 0.2)).max() < 0.02
    filled = inpaint(image, holes, channel_axis=-1, alpha="premultiplied")[holes].astype(float)
    assert (filled[:, 3] == full).all()
    assert abs(filled[:, :3] / full - (0.8, 0.6, 0.2)).max() < 0.02


@pytest.mark.parametrize("given", [1, "straight", None])
def test_alpha_of_another_kind_is_refused(given):
    with pytest.raises(InputError, match="alpha must be True, False or 'premultiplied'"):
        inpaint(np.dstack([smooth()] * 4), HOLES, channel_axis=-1, alpha=given)


@pytest.mark.parametrize("empty", [[1], [0, 2]])
def test_channels_without_a_known_pixel_are_named_before_any_work(empty, monkeypatch):
    monkeypatch.setattr(Inpainter, "_fit", lambda *_: 1 / 0)
    image = np.stack([smooth()] * 3)
    image[empty] = np.nan
    with pytest.raises(InputError, match=f"none in channel {', '.join(map(str, empty))}"):
        inpaint(image, channel_axis=0)


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
@pytest.mark.filterwarnings("ignore:nothing is missing")
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


@pytest.mark.slow
@pytest.mark.parametrize("channel_axis", [-1, 0])
def test_nan_per_channel(channel_axis):
    """Channels that miss different pixels are filled together, unrelated ones as if alone."""
    truth = np.stack([smooth(), smooth() ** 2, smooth() + 5], axis=channel_axis)
    gaps = np.random.default_rng(2).random(truth.shape) < 0.3
    image = np.where(gaps, np.nan, truth)
    filled = inpaint(image, channel_axis=channel_axis)
    np.testing.assert_array_equal(filled[~gaps], truth[~gaps])
    each = [inpaint(np.take(image, channel, channel_axis)) for channel in range(3)]
    alone = np.stack(each, axis=channel_axis)
    errors = [np.sqrt(np.mean((x - truth)[gaps] ** 2)) for x in (filled, alone)]
    assert errors[0] < 1.2 * errors[1]
    noise = np.random.default_rng(3).normal(size=(2, 24, 24))
    gaps = np.random.default_rng(4).random(noise.shape) < 0.3
    noise[gaps] = np.nan
    each = [inpaint(channel) for channel in noise]
    np.testing.assert_allclose(inpaint(noise, channel_axis=0), each, atol=0.5)


@pytest.mark.slow
def test_nan_and_mask_together():
    image = np.stack([smooth(), 1 - smooth()], axis=-1)
    holes = np.stack([HOLES, HOLES.T[:15].T], axis=-1)
    holes[2, 3] = [True, False]
    more = np.zeros((18, 15), bool)
    more[7:9] = True
    options = {"channel_axis": -1, "network": hourglass(2)}
    filled = inpaint(np.where(holes, np.nan, image), more, **options)
    expected = inpaint(np.where(holes | more[..., None], np.nan, image), **options)
    np.testing.assert_array_equal(filled, expected)


def test_a_channel_without_a_known_pixel_is_refused():
    image = np.stack([smooth(), np.full((18, 15), np.nan)], axis=-1)
    with pytest.raises(InputError, match="channel must have a known entry"):
        inpaint(image, channel_axis=-1)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["u1", "f4", "f8"])
def test_masked_arrays(dtype):
    image, _ = of_type(dtype)
    filled = inpaint(np.ma.array(image, mask=HOLES))
    np.testing.assert_array_equal(filled, inpaint(image, HOLES))
    assert type(filled) is np.ndarray
    colour = np.ma.array(np.stack([image, image]), mask=np.stack([HOLES, HOLES[::-1]]))
    holed = colour.astype("f8").filled(np.nan)
    expected = np.asarray(inpaint(holed, channel_axis=0))
    tolerance = 1.0 if dtype == "u1" else 1e-3
    np.testing.assert_allclose(inpaint(colour, channel_axis=0), expected, rtol=0, atol=tolerance)
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


def classes(kind):
    """A map of 48 x 48 with classes, or what looks a little like one."""
    rows, columns = np.indices((48, 48))
    if kind == "land cover":
        return np.array([[1, 4, 7], [5, 2, 6], [3, 7, 1]], np.uint8)[rows // 16, columns // 16]
    if kind == "void":
        return np.where(rows + columns > 80, 255, classes("land cover")).astype(np.uint8)
    if kind == "no background":
        return np.where(rows + columns > 80, -1, classes("segments"))
    if kind == "segments":
        corners = np.random.default_rng(0).integers(0, 48, (9, 2))
        apart = np.hypot(rows[..., None] - corners[:, 0], columns[..., None] - corners[:, 1])
        return apart.argmin(axis=-1).astype(np.int64)
    if kind == "three organs":
        return np.select([columns < 16, columns < 32], [3, 0], 1).astype(np.int16)
    if kind == "counts":
        return np.random.default_rng(0).poisson(3, (48, 48))
    if kind == "steps":
        return ((rows + columns) // 8).astype(np.uint8)
    return (rows // 16 * 100).astype(np.uint8)  # grey levels


@pytest.mark.parametrize("kind", ["void", "no background"])
@pytest.mark.parametrize("pages", [False, True])
def test_labels_beside_what_is_none_are_refused(kind, pages):
    labels, hole = classes(kind), np.zeros((48, 48), bool)
    hole[20:26, 20:26] = True
    with pytest.raises(InputError, match=r"looks like labels.*argmax"):
        inpaint(np.stack([labels] * 3) if pages else labels, hole)


@pytest.mark.parametrize("kind", ["land cover", "segments", "three organs"])
def test_labels_are_refused_with_a_hint(kind):
    labels, hole = classes(kind), np.zeros((48, 48), bool)
    hole[20:26, 20:26] = True
    with pytest.raises(InputError, match=r"looks like labels.*argmax"):
        inpaint(labels, hole)
    every = np.eye(labels.max() + 1)[labels]
    found = inpaint(every, hole, channel_axis=-1, network=hourglass(3)).argmax(axis=-1)
    assert (found == labels).mean() > 0.98


@pytest.mark.parametrize("kind", ["counts", "steps", "grey levels"])
def test_quantities_are_no_labels(kind):
    hole = np.zeros((48, 48), bool)
    hole[20:26, 20:26] = True
    inpaint(classes(kind), hole, network=hourglass(3))


@pytest.mark.slow
def test_colours_whose_opacity_is_missing_are_refused():
    colours = np.dstack([smooth()] * 4)
    colours[3, 4, 3] = np.nan
    options = {"network": hourglass(1), "channel_axis": -1, "alpha": True, "cache": None}
    with pytest.raises(InputError, match=r"opacity must be known .* NaN at \(3, 4\)"):
        inpaint(colours, **options)
    colours[3, 4] = np.nan
    colours[5, 5, 0] = np.nan  # a colour whose opacity is known
    assert np.isfinite(inpaint(colours, **options)).all()
