"""Masks in all their forms, those that do not fit, and those that look inverted."""

import contextlib
import warnings

import numpy as np
import pytest

from ntkfill import InputError, InvertedMaskWarning, inpaint
from ntkfill.grids.image import check_mask
from ntkfill.nn import hourglass

IMAGE = np.add.outer(np.sin(np.linspace(0, 3, 16)), np.linspace(0, 1, 12))
COLOUR = np.stack([IMAGE, IMAGE**2, 1 - IMAGE], axis=-1)
HOLES = np.random.default_rng(0).random(IMAGE.shape) < 0.3
NET = hourglass(2)

FORMS = {
    "0 and 1": HOLES.astype(int),
    "0 and 255": HOLES.astype(np.uint8) * 255,
    "0 and -1": -HOLES.astype(np.int8),
    "float": HOLES.astype(np.float16),
    "tiny": HOLES * 1e-300,
    "(H, W, 1)": HOLES[..., None],
    "three equal channels": np.repeat(HOLES[..., None], 3, axis=-1) * np.uint8(255),
    "different numbers, all missing": HOLES[..., None] * np.array([1, 100, 255], np.uint8),
    "list": HOLES.tolist(),
    "Fortran": np.asfortranarray(HOLES),
    "read-only": np.broadcast_to(HOLES, HOLES.shape),
}


@pytest.mark.sampled
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("colour", [False, True])
def test_masks_in_all_forms(form, colour):
    image, axis = (COLOUR, -1) if colour else (IMAGE, None)
    before = np.array(FORMS[form])
    filled = inpaint(image, FORMS[form], channel_axis=axis, network=NET)
    np.testing.assert_array_equal(filled, inpaint(image, HOLES, channel_axis=axis, network=NET))
    np.testing.assert_array_equal(FORMS[form], before)


@pytest.mark.parametrize(
    ("image", "mask", "axis", "message"),
    [
        (IMAGE, HOLES[:-1], None, r"expected \(16, 12\); got \(15, 12\)\.$"),
        (IMAGE, HOLES.T, None, r"got \(12, 16\)\. Try: the mask transposed"),
        (COLOUR, HOLES.T, -1, r"Try: the mask transposed, or turned as the image"),
        (IMAGE.T[:3], HOLES[:, 0], None, r"expected \(3, 16\); got \(16,\)\. Try: channel_axis=0"),
        (IMAGE, HOLES.ravel(), None, r"got \(192,\)\.$"),
        (IMAGE, True, None, r"got \(\)\.$"),
        (COLOUR, HOLES, None, r"expected \(16, 12, 3\); got \(16, 12\). Try: channel_axis=-1"),
        (COLOUR, HOLES, 0, r"expected \(12, 3\)"),
        (COLOUR, COLOUR > 0.5, -1, "mask must be the same for all channels.*NaN in the image"),
        (IMAGE, np.where(HOLES, np.nan, 0), None, "mask must not hold NaN"),
        (IMAGE, HOLES.astype(object), None, "must be made of numbers.*object"),
        (IMAGE, HOLES.astype(complex), None, "must be made of numbers.*complex"),
        (IMAGE, np.where(HOLES, "a", "b"), None, "must be made of numbers.*U1"),
    ],
)
def test_masks_that_do_not_fit_are_refused(image, mask, axis, message):
    with pytest.raises(InputError, match=message):
        inpaint(image, mask, channel_axis=axis)


def square(outside, inside, lo=4, hi=8):
    mask = np.full(IMAGE.shape, outside)
    mask[lo:hi, lo:hi] = inside
    return mask


@pytest.mark.parametrize("channels", [False, True])
def test_inverted_mask_warns(channels):
    with pytest.warns(InvertedMaskWarning, match="inverted mask"):
        inpaint(
            COLOUR if channels else IMAGE,
            square(True, False),
            channel_axis=-1 if channels else None,
        )


def test_warnings_point_at_the_caller():
    with pytest.warns(InvertedMaskWarning) as caught:
        inpaint(IMAGE, square(True, False))
    assert caught[0].filename == __file__


NO_ALARM = {
    "a hole": square(False, True),
    "a large hole": square(False, True, 1, 11),
    "scattered": HOLES,
    "most missing, scattered": np.random.default_rng(5).random(IMAGE.shape) < 0.9,
    "half of the image": np.arange(16)[:, None] + np.zeros(12) > 8,
    "known frame": np.pad(np.ones((14, 10), bool), 1),
    "missing frame": np.pad(np.zeros((14, 10), bool), 1, constant_values=True),
    "every fourth known": ~((np.arange(16)[:, None] % 4 == 0) & (np.arange(12) % 4 == 0)),
}
LOOKS_INVERTED = {
    "one known row": np.arange(16)[:, None] + np.zeros(12) != 5,
    "a known corner": ~np.pad(np.ones((3, 4), bool), ((0, 13), (8, 0))),
    "a known piece of the border": ~np.pad(np.ones((2, 4), bool), ((14, 0), (2, 6))),
}


@pytest.mark.parametrize("mask", LOOKS_INVERTED.values(), ids=LOOKS_INVERTED)
def test_an_inverted_mask_that_touches_the_border_warns(mask):
    with pytest.warns(InvertedMaskWarning, match="all but one place"):
        inpaint(IMAGE, mask, network=NET)
    inpaint(np.where(mask, np.nan, IMAGE), network=NET)  # NaN is never inverted


def painted(kind):
    """A mask of 64 x 64 in which less than a tenth is painted; True there."""
    paint, along = np.zeros((64, 64), bool), np.arange(60)
    if kind == "a scratch":
        paint[along, along // 2] = paint[along + 1, along // 2] = paint[along, along // 2 + 1] = (
            True
        )
    elif kind == "specks":
        for row, column in ((5, 9), (20, 50), (44, 30), (58, 12)):
            paint[row : row + 4, column : column + 4] = True
    else:
        paint[10:13, 8:56] = paint[30:33, 8:40] = True
    return paint


@pytest.mark.parametrize("kind", ["a scratch", "specks", "text"])
def test_inverted_strokes_warn(kind):
    image = np.add.outer(np.arange(64.0), np.arange(64.0))
    with pytest.warns(InvertedMaskWarning, match="marks (all but|the whole border)"):
        inpaint(image, ~painted(kind), network=NET)


@pytest.mark.parametrize("kind", ["scattered", "lines of a scan", "every eighth"])
def test_what_was_measured_on_less_than_a_tenth_is_no_alarm(kind):
    image = np.add.outer(np.arange(64.0), np.arange(64.0))
    known = {
        "scattered": np.random.default_rng(0).random(image.shape) < 0.08,
        "lines of a scan": np.indices(image.shape)[0] % 16 == 3,
        "every eighth": (np.indices(image.shape) % 8 == 0).all(axis=0),
    }[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        inpaint(image, ~known, network=NET)


@pytest.mark.parametrize(("missing", "warns"), [(51, True), (50, False)])
def test_from_which_share_a_missing_border_looks_inverted(missing, warns):
    mask = np.pad(np.zeros((8, 8), bool), 1, constant_values=True)  # 36 of 100
    mask[1 : 1 + (missing - 36) // 8, 1:9] = True
    mask[1 + (missing - 36) // 8, 1 : 1 + (missing - 36) % 8] = True
    assert mask.sum() == missing
    with pytest.warns(InvertedMaskWarning) if warns else contextlib.nullcontext():
        check_mask(mask)


@pytest.mark.parametrize(("rows", "warns"), [(3, True), (4, False)])
def test_from_which_share_one_known_place_looks_inverted(rows, warns):
    mask = np.ones((36, 36), bool)
    mask[:rows] = False
    with pytest.warns(InvertedMaskWarning) if warns else contextlib.nullcontext():
        check_mask(mask)


STACK = np.stack([IMAGE, 1 - IMAGE, IMAGE**2, IMAGE])


@pytest.mark.parametrize("channels", [False, True])
def test_one_mask_for_every_page(channels):
    stack = np.stack([STACK, STACK + 1], axis=-1) if channels else STACK
    axis = -1 if channels else None
    every = np.broadcast_to(HOLES, STACK.shape)
    np.testing.assert_array_equal(
        inpaint(stack, HOLES, channel_axis=axis, network=NET),
        inpaint(stack, every, channel_axis=axis, network=NET),
    )


def test_a_mask_has_channels_where_the_image_has_them():
    first = np.moveaxis(COLOUR, -1, 0)
    mask = np.broadcast_to(HOLES, first.shape)
    np.testing.assert_array_equal(
        inpaint(first, mask, channel_axis=0, network=NET),
        inpaint(first, HOLES, channel_axis=0, network=NET),
    )


MASKED = {
    "values": np.ma.masked_where(HOLES, IMAGE),
    "integers": np.ma.masked_where(HOLES, np.full(IMAGE.shape, -9999)),
    "nothing masked": np.ma.array(HOLES),
    "both": np.ma.array(HOLES & (IMAGE > 0.5), mask=HOLES & (IMAGE <= 0.5)),
}


@pytest.mark.parametrize("mask", MASKED.values(), ids=MASKED)
def test_of_a_masked_array_what_is_masked_is_missing(mask):
    np.testing.assert_array_equal(
        inpaint(IMAGE, mask, network=NET), inpaint(IMAGE, HOLES, network=NET)
    )


@pytest.mark.parametrize("mask", NO_ALARM.values(), ids=NO_ALARM)
def test_no_false_alarm(mask):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(inpaint(IMAGE, mask, network=NET)).all()


def test_a_picture_of_which_nothing_is_missing_draws_a_warning():
    image = np.add.outer(np.arange(8.0), np.arange(8.0))
    with pytest.warns(UserWarning, match="nothing is missing"):
        np.testing.assert_array_equal(inpaint(image), image)
    inpaint(image, np.zeros(image.shape, bool))  # it was said that nothing is


@pytest.mark.parametrize("channels", [3, 4])
def test_colours_that_are_filled_as_a_volume_draw_a_warning(channels):
    image = np.ones((12, 10, channels))
    missing = np.zeros(image.shape, bool)
    missing[4:6, 4:6] = True
    with pytest.warns(UserWarning, match="channel_axis=-1"):
        inpaint(image, missing)
    inpaint(image, missing, channel_axis=-1)
