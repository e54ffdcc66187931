"""The level around holes: what lies deep inside is filled from its surroundings."""

import numpy as np
import pytest

from ntkfill import Inpainter, inpaint
from ntkfill.grids.level import Level
from ntkfill.nn import hourglass


def hole(shape, box):
    missing = np.zeros(shape, bool)
    missing[box] = True
    return missing


GAP = hole((9000,), np.s_[4600:7400])
DISC = hole((60, 50), np.s_[20:44, 15:35])


def steps(shape, dark, seed=0):
    image = np.full(shape, 200.0) + np.random.default_rng(seed).normal(0, 2, shape)
    image[..., :dark] -= 180
    return image


@pytest.mark.slow
def test_a_long_gap_does_not_sink_to_the_mean_of_all():
    """It sank to 166 in its middle."""
    filled = inpaint(steps((9000,), 3000), GAP)
    assert abs(filled[GAP] - 200).max() < 10


def test_outside_the_receptive_field_the_level_is_that_of_the_rim():
    """It was the mean of all, 150."""
    image = steps((200, 200), 60)
    missing = hole(image.shape, np.s_[60:140, 90:170])
    done = Inpainter(hourglass(3)).fill(image, missing)
    outside = done.info.outside_receptive_field
    assert outside.sum() > 1000
    assert abs(done.values[outside] - 200).mean() < 25


@pytest.mark.parametrize(
    ("shape", "box", "dark"),
    [((180, 270), np.s_[22:157, 112:247], 90), ((40, 40, 40), np.s_[11:29, 11:29, 18:35], 13)],
)
def test_the_level_of_a_hole_is_that_near_it(shape, box, dark):
    """A dark third away from it took it to 163 in the plane, 181 in a volume."""
    missing = hole(shape, box)
    image = np.full(shape, 200.0)
    image[..., :dark] = 40
    middle = tuple((side.start + side.stop) // 2 for side in box)
    assert 182 < Level.fit(~missing, 4)(image[..., None])[middle][0] < 201


@pytest.mark.parametrize("pattern", [0.5, 0.9])
def test_scattered_gaps_have_no_level(pattern):
    missing = np.random.default_rng(0).random((64, 64)) < pattern
    assert Level.fit(~missing, 4) is None


def test_holes_that_networks_see_across_have_no_level():
    model = Inpainter(hourglass(4)).fit(mask=DISC).model_
    assert model.levels == (None,)
    assert Inpainter(hourglass(3)).fit(mask=DISC).model_.levels != (None,)


def test_average_and_adjoint():
    level = Level.fit(~DISC, 4)
    rng = np.random.default_rng(0)
    x, g = rng.normal(size=(2, *DISC.shape, 2))
    np.testing.assert_allclose(level(np.ones((*DISC.shape, 1))), 1.0)
    assert np.sum(level(x) * g) == pytest.approx(np.sum(x * level.adjoint(g)))
    np.testing.assert_array_equal(level(np.where(DISC[..., None], np.nan, x)), level(x))
    flipped = Level.fit(~DISC[::-1], 4)
    np.testing.assert_allclose(flipped(x[::-1])[::-1], level(x), atol=1e-12)


def test_weights_make_up_the_filled_value():
    image = steps(DISC.shape, 15)
    inpainter = Inpainter(hourglass(3), rtol=1e-7).fit(mask=DISC)
    filled = inpainter.transform(image)
    for at in ((32, 25), (21, 30)):
        weights = inpainter.weights(at)
        assert weights[DISC].max() == weights[DISC].min() == 0
        assert weights.sum() == pytest.approx(1)
        assert np.sum(weights * image) == pytest.approx(filled[at], rel=1e-4)
        assert inpainter.explain(image, at).value == pytest.approx(filled[at], rel=1e-4)


@pytest.mark.slow
def test_without_centring_there_is_no_level():
    dark = inpaint(steps((200, 200), 60), hole((200, 200), np.s_[60:140, 90:170]), centre=False)
    assert np.isfinite(dark).all()
    model = Inpainter(hourglass(3), centre=False).fit(mask=DISC).model_
    assert model.levels == (None,)
