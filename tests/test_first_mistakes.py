"""Mistakes of a first hour: each is answered by a sentence that says what to write instead."""

import numpy as np
import pytest

import ntkfill
from ntkfill import InputError, screens

IMAGE = np.add.outer(np.arange(12.0), np.arange(12.0))
HOLES = np.random.default_rng(0).random(IMAGE.shape) < 0.3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"refin": "auto"}, "no option 'refin'. Try: refine"),
        ({"return_std": True}, r"Try: Inpainter\(...\).fill\(image, mask, return_std=...\)"),
        ({"interval": 0.9}, r"fill\(image, mask, interval=...\)"),
        ({"uncertainty": None}, r"fill\(image, mask, uncertainty=...\)"),
        ({"zzz": 1}, "no option 'zzz'.$"),
    ],
)
def test_options_of_inpaint(options, message):
    with pytest.raises(TypeError, match=message):
        ntkfill.inpaint(IMAGE, HOLES, **options)


@pytest.mark.parametrize("image", [HOLES, IMAGE])
def test_a_fit_needs_something_missing(image):
    with pytest.raises(InputError, match=r"nothing is missing.*fit.mask=mask"):
        ntkfill.Inpainter().fit(image)


@pytest.mark.parametrize("screen", [screens.simulate(4, 5, 3), IMAGE, "screen.csv"])
def test_a_screen_is_a_screen(screen):
    with pytest.raises(InputError, match="screen must be a Screen; got"):
        screens.complete(screen)


@pytest.mark.parametrize("method", ["ntk", screens.NTK, 3])
def test_a_method_is_an_instance(method):
    screen = screens.simulate(4, 5, 3).screen
    with pytest.raises(InputError, match="method must be an instance"):
        screens.complete(screen, method)
    with pytest.raises(InputError, match="method must be an instance"):
        screens.evaluate(screen, {"mine": method})
