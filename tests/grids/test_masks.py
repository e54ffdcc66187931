"""Masks in all their forms, those that do not fit, and those that look inverted."""

import warnings

import numpy as np
import pytest

from ntkfill import InputError, InvertedMaskWarning, inpaint
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
        (IMAGE, HOLES.T, None, r"expected \(16, 12\); got \(12, 16\)\.$"),
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
    "one known row": np.arange(16)[:, None] + np.zeros(12) != 5,
}


@pytest.mark.parametrize("mask", NO_ALARM.values(), ids=NO_ALARM)
def test_no_false_alarm(mask):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(inpaint(IMAGE, mask, network=NET)).all()
