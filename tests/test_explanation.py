"""What filled values are made of, and how far networks look."""

import numpy as np
import pytest

from ntkfill import Inpainter, InputError, NTKImputer
from ntkfill.explanation import Explanation, mass_radius, neighbourhood
from ntkfill.nn import Conv, ReLU, Sequential, hourglass
from ntkfill.priors import IID, MeshGrid

RNG = np.random.default_rng(0)
HOLES = RNG.random((24, 20)) < 0.4
IMAGE = RNG.normal(size=HOLES.shape)
AT = tuple(map(int, np.argwhere(HOLES)[60]))


@pytest.mark.parametrize("network", ["auto", hourglass(2)])
def test_a_pixel(network):
    inpainter = Inpainter(network, rtol=1e-7).fit(IMAGE, HOLES)
    found = inpainter.explain(IMAGE, AT)
    assert found.value == pytest.approx(inpainter.transform(IMAGE)[AT], abs=1e-4)
    assert found.value == pytest.approx(np.vdot(found.weights, found.values))
    np.testing.assert_array_equal(found.values, IMAGE[found.rows, found.columns])
    assert not HOLES[found.rows, found.columns].any()
    np.testing.assert_array_equal(found.as_array(HOLES.shape), inpainter.weights(AT))
    row = inpainter.kernel_row(AT)
    np.testing.assert_array_equal(found.as_array(HOLES.shape, kernel=True), np.where(HOLES, 0, row))
    assert inpainter.explain(IMAGE, (AT[0] - 24, AT[1] - 20)).at == AT


def test_channels():
    colour = np.stack([IMAGE, 2 * IMAGE], axis=-1)
    inpainter = Inpainter(hourglass(2)).fit(mask=HOLES)
    inpainter.set_params(channel_axis=-1)
    first, second = (inpainter.explain(colour, AT, channel) for channel in (0, 1))
    assert second.value == pytest.approx(2 * first.value)
    np.testing.assert_array_equal(first.weights, second.weights)


def test_largest_weights_and_radius():
    inpainter = Inpainter(hourglass(2)).fit(mask=HOLES)
    found = inpainter.explain(IMAGE, AT)
    few = found.largest(5)
    assert len(few.weights) == len(few.kernel) == 5
    assert abs(few.weights).min() >= np.sort(abs(found.weights))[-6]
    assert found.radius(0.5) < found.radius(0.9) < 24
    # Most of the weight lies beside the pixel, as a count of what is known there would not.
    flat = Explanation(found.at, found.coordinates, found.values, np.ones(len(found.values)), 0.0)
    assert found.radius(0.5) < flat.radius(0.5) / 2


def test_neighbourhoods():
    single = Sequential(Conv(3), ReLU(), Conv(3))
    assert neighbourhood(single, axes=1) == 0.0  # nothing but the coordinate itself
    for levels in (2, 3):
        radii = [neighbourhood(hourglass(levels), share) for share in (0.1, 0.5, 0.9, 0.999999)]
        assert radii == sorted(radii)
        assert radii[-1] < np.sqrt(2) * hourglass(levels).receptive_radius
    assert neighbourhood(hourglass(3), prior=IID(0.0, 1.0)) > 2
    # The nngp falls off more slowly than the ntk, which counts the last layers most.
    assert neighbourhood(hourglass(4), kind="nngp") > neighbourhood(hourglass(4))
    assert neighbourhood(hourglass(2, upsample="bilinear")) > neighbourhood(hourglass(2))
    with pytest.raises(InputError, match="needs a stationary prior"):
        neighbourhood(hourglass(2), prior=MeshGrid())


SIDES = {
    "plain": {},
    "rows": {"row_features": RNG.normal(size=(20, 2))},
    "columns": {"column_features": RNG.normal(size=(8, 2))},
    "both": {"row_features": RNG.normal(size=(20, 2)), "column_features": RNG.normal(size=(8, 2))},
}


@pytest.mark.sampled
@pytest.mark.parametrize("sides", SIDES.values(), ids=SIDES)
def test_an_entry_of_a_table(sides):
    """The same object as for a pixel; what is most alike weighs most."""
    table = RNG.normal(size=(20, 1)) + 0.3 * RNG.normal(size=(20, 8))
    table[RNG.random(table.shape) < 0.2] = np.nan
    imputer = NTKImputer(**sides, ridge=1.0).fit(table)
    filled = imputer.fit_transform(table)
    at = tuple(map(int, np.argwhere(np.isnan(table))[7]))
    found = imputer.explain(*at)
    assert (found.at, found.coordinates.shape) == (at, (len(found.weights), 2))
    assert found.value == pytest.approx(filled[at], abs=1e-4)
    np.testing.assert_array_equal(found.values, table[found.rows, found.columns])
    assert found.kernel.shape == found.weights.shape
    assert np.corrcoef(found.kernel, found.weights)[0, 1] > 0.3
    assert found.as_array(table.shape)[found.rows[0], found.columns[0]] == found.weights[0]
    known = imputer.explain(*map(int, np.argwhere(~np.isnan(table))[0]))
    assert (known.kernel, known.weights.tolist()) == (None, [1.0])
    # The kernel and the ridge make the weights.
    if "row_features" in sides and "column_features" not in sides:
        model = imputer.model_
        gram = model.regression.kernel.values[np.ix_(found.rows, found.rows)]
        share = np.linalg.solve(gram + np.diag(gram).mean() * np.eye(len(gram)), found.kernel)
        np.testing.assert_allclose(found.weights, share + (1 - share.sum()) / len(share))


@pytest.mark.parametrize("share", [0, 1, -1, 2])
def test_shares_out_of_range(share):
    with pytest.raises(InputError, match="share must be between 0 and 1"):
        mass_radius(np.arange(3.0), np.ones(3), share)


def test_equal_distances_count_together():
    assert mass_radius(np.array([1.0, 1.0, 3.0]), np.array([1.0, 3.0, 1.0]), 0.5) == 1.0


def test_without_a_kernel():
    found = Inpainter(hourglass(2)).fit(mask=HOLES).explain(IMAGE, AT)
    bare = Explanation(found.at, found.coordinates, found.values, found.weights, found.value)
    with pytest.raises(InputError, match="needs an explanation with a kernel"):
        bare.as_array(HOLES.shape, kernel=True)
