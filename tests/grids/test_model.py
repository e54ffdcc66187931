"""Fills against a dense solve: every number of axes, hole and boundary."""

import itertools

import numpy as np
import pytest
from oracles import regression

import ntkfill
from ntkfill import Inpainter, InputError
from ntkfill.grids.holdout import depth
from ntkfill.grids.plan import default_architecture
from ntkfill.nn import Conv, Downsample, ReLU, Sequential, Upsample, hourglass
from ntkfill.priors import IID, Features, Identity, MeshGrid


def fill(image, mask=None, **options):
    """Values and how the fill went."""
    done = Inpainter(**options).fill(image, mask)
    return done.values, done.info


NET = hourglass(1)
RTOL = 1e-9


def inpaint(image, mask=None, **options):
    """Every kernel with the mean taken out, as `dense_fill` does; without it see below."""
    return ntkfill.inpaint(image, mask, **{"centre": True} | options)


def smooth(*shape):
    """A smooth image of any number of axes, between about 0 and 1."""
    grid = np.meshgrid(*(np.linspace(0, 1, side) for side in shape), indexing="ij", sparse=True)
    return 0.5 + sum(np.sin(3 * x + k) for k, x in enumerate(grid)) / (2 * len(shape))


def scattered(*shape, share=0.3, seed=0):
    return np.random.default_rng(seed).random(shape) < share


def oracle_kernel(net, grid, *, torus=None, shift_average=False, prior=None):
    """The kernel between the pixels of a grid in the first corner of a torus, as a matrix, from
    the network's dense kernel: shifted by all offsets of its period and averaged where asked."""
    torus = grid if torus is None else torus
    kernel = net.ntk(torus, prior)
    n = len(grid)
    shifts = itertools.product(range(net.period), repeat=n) if shift_average else [(0,) * n]
    axes = tuple(range(2 * n))
    kernel = np.mean([np.roll(kernel, shift + shift, axes) for shift in map(tuple, shifts)], axis=0)
    kernel = kernel[tuple(slice(side) for side in grid) * 2]
    return kernel.reshape(np.prod(grid), np.prod(grid))


def dense_fill(image, missing, kernel, ridge=1e-3, *, centre=True):
    """The formula, with a matrix; an image whose channels are last."""
    values = image.reshape(missing.size, -1)
    filled = regression(values, ~missing.ravel(), kernel, ridge, centre=centre)
    return filled.reshape(image.shape)


SHAPES = [(16,), (8, 6), (4, 6, 4)]
averages = pytest.mark.parametrize("shift_average", [True, False], ids=["averaged", "exact"])


@pytest.mark.sampled
@averages
@pytest.mark.parametrize("boundary", ["pad", "wrap"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("channels", [None, 3])
def test_dense_solve(shape, boundary, shift_average, channels):
    image = smooth(*shape)
    if channels:
        image = np.stack([image, 5 * image**2, np.random.default_rng(0).random(shape)], axis=-1)
    missing = scattered(*shape)
    options = {"shift_average": shift_average, "boundary": boundary, "rtol": RTOL}
    filled = inpaint(image, missing, network=NET, channel_axis=channels and -1, **options)
    # What lies on a torus far larger than needed sees nothing around it.
    torus = tuple(2 * side + 4 for side in shape) if boundary == "pad" else shape
    torus = tuple(side + 4 for side in shape) if len(shape) == 3 and boundary == "pad" else torus
    kernel = oracle_kernel(NET, shape, torus=torus, shift_average=shift_average)
    expected = dense_fill(image, missing, kernel)
    # On a small torus half of an exact kernel is nearly singular: single precision shows there.
    np.testing.assert_allclose(filled, expected, atol=5e-4)
    assert abs(filled - image).max() > 1e-2  # or nothing was asked of it


HOLES = {
    "corner": np.s_[:4, :3],
    "far corner": np.s_[-3:, -4:],
    "left border": np.s_[:, 0],
    "last row": np.s_[-1],
    "frame": (np.array([0, -1]), slice(None)),
    "middle": np.s_[3:8, 2:6],
    "everything but a corner": np.s_[1:, 1:],
    "one pixel": np.s_[4, 4],
    "a stripe": np.s_[:, 3:5],
}


@averages
@pytest.mark.parametrize("hole", HOLES)
def test_holes(hole, shift_average):
    net, shape = hourglass(2), (9, 7)
    image, missing = smooth(*shape), np.zeros(shape, bool)
    missing[HOLES[hole]] = True
    filled = inpaint(image, missing, network=net, shift_average=shift_average, rtol=RTOL)
    kernel = oracle_kernel(net, shape, torus=(16, 16), shift_average=shift_average)
    np.testing.assert_allclose(filled, dense_fill(image, missing, kernel), atol=1e-5)


@pytest.mark.parametrize(
    "network",
    [
        Sequential(Conv(3), ReLU(), Conv(3)),
        Sequential(Conv(5), Downsample(), ReLU(), Upsample("bilinear"), Conv(3)),
        hourglass(1, convs_down=2, convs_up=2, upsample="bilinear"),
    ],
    ids=["flat", "bilinear", "deeper"],
)
@pytest.mark.parametrize("prior", [None, IID(0.0, 1.0), Identity()], ids=repr)
def test_networks_and_priors(network, prior):
    image, missing = smooth(13), scattered(13)
    filled = inpaint(image, missing, network=network, prior=prior, shift_average=False, rtol=RTOL)
    kernel = oracle_kernel(network, (13,), torus=(64,), prior=prior)
    np.testing.assert_allclose(filled, dense_fill(image, missing, kernel), atol=1e-5)


@pytest.mark.parametrize("ridge", [1e-3, 1e-2, 1.0])
@pytest.mark.parametrize("prior", [MeshGrid(), "features"], ids=str)
@pytest.mark.parametrize("shape", [(16,), (8, 6)], ids=str)
def test_priors_that_tell_coordinates_apart(shape, prior, ridge):
    if prior == "features":
        prior = Features(np.random.default_rng(0).normal(size=(3, *shape)))
    image, missing = smooth(*shape), scattered(*shape)
    options = {"prior": prior, "boundary": "wrap", "shift_average": False, "ridge": ridge}
    filled = inpaint(image, missing, network=NET, **options)
    expected = dense_fill(image, missing, oracle_kernel(NET, shape, prior=prior), ridge)
    np.testing.assert_allclose(filled, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("network", "options"),
    [
        ("auto", {"prior": MeshGrid(), "boundary": "wrap", "shift_average": False}),
        (hourglass(4, convs_up=2, upsample="bilinear"), {}),
        (hourglass(4, convs_up=2, upsample="bilinear"), {"shift_average": False}),
    ],
    ids=["mesh grid", "bilinear, averaged", "bilinear, exact"],
)
def test_tables_larger_than_a_slab(network, options):
    image, missing = smooth(24, 16), scattered(24, 16)
    assert np.isfinite(inpaint(image, missing, network=network, **options)).all()


GRIDS = [(1,), (2,), (31,), (1, 1), (2, 3), (1, 17), (17, 1), (15, 22), (3, 5, 4), (6, 9, 11)]
NEAR = {(15, 22): 0.1, (31,): 0.02, (6, 9, 11): 0.15}


@pytest.mark.parametrize("shape", GRIDS, ids=str)
def test_any_size(shape):
    image, missing = smooth(*shape), scattered(*shape)
    missing.flat[0] = False
    filled = inpaint(image, missing, network="auto" if len(shape) < 3 else hourglass(2))
    np.testing.assert_array_equal(filled[~missing], image[~missing])
    assert abs(filled - image).max() <= NEAR.get(shape, 1.0)


@pytest.mark.parametrize("channel_axis", [-1, 0, 1, None])
def test_video_and_channel_axes(channel_axis):
    frames, missing = smooth(6, 10, 12), scattered(6, 10, 12)
    if channel_axis is None:
        frames, missing = frames[:3], missing[:3]
        assert abs(inpaint(frames, missing, network=hourglass(2)) - frames).max() < 0.15
        return
    colour = np.stack([frames, 1 - frames], axis=-1)
    last = inpaint(colour, missing, network=hourglass(2), channel_axis=-1)
    moved = np.moveaxis(colour, -1, channel_axis)
    filled = inpaint(moved, missing, network=hourglass(2), channel_axis=channel_axis)
    np.testing.assert_array_equal(np.moveaxis(filled, channel_axis, -1), last)
    assert abs(last - colour).max() < 0.15


@pytest.mark.slow
def test_volumes_by_default():
    image, missing = smooth(7, 8, 9), scattered(7, 8, 9)
    assert abs(inpaint(image, missing) - image).max() < 0.1


@pytest.mark.parametrize("shape", [(1,), (1, 1), (5, 4), (3, 4, 5)], ids=str)
@pytest.mark.parametrize("given", [True, False])
@pytest.mark.filterwarnings("ignore:nothing is missing")
def test_nothing_missing(shape, given):
    image = smooth(*shape)
    mask = np.zeros(shape, bool) if given else None
    filled, info = fill(image, mask)
    assert filled is not image
    assert not np.shares_memory(filled, image)
    np.testing.assert_array_equal(filled, image)
    assert (info.missing, info.reports, info.converged) == (0, (), True)


def test_nothing_missing_on_a_torus_without_levels():
    assert inpaint(np.ones((1, 7)), np.zeros((1, 7)), boundary="wrap").all()


@pytest.mark.parametrize("shape", [(1,), (1, 1), (5, 4)], ids=str)
def test_everything_missing_is_refused(shape):
    for image, mask in ((smooth(*shape), np.ones(shape)), (np.full(shape, np.nan), None)):
        with pytest.raises(InputError, match="every pixel is missing"):
            inpaint(image, mask)


@pytest.mark.filterwarnings("ignore:the mask marks")
@pytest.mark.parametrize("at", [(0, 0), (3, 4), (6, 8)])
def test_one_known_pixel_is_spread(at):
    image, missing = smooth(7, 9), np.ones((7, 9), bool)
    missing[at] = False
    np.testing.assert_array_equal(inpaint(image, missing), np.full((7, 9), image[at]))


@pytest.mark.parametrize("shape", [(11, 13), (5, 7), (9,)], ids=str)
@pytest.mark.parametrize("network", [None, NET], ids=["default", "one level"])
@averages
def test_wrap_on_odd_sides(shape, network, shift_average):
    image, missing = smooth(*shape), scattered(*shape)
    if network is None:
        deepest = depth(missing)
        network = default_architecture(shape, deepest, "wrap", shift_average=True)
    options = {"network": network, "boundary": "wrap", "shift_average": shift_average}
    if not shift_average:
        with pytest.raises(InputError, match=r"divisible by|multiple of"):
            inpaint(image, missing, **options)
    else:
        filled = inpaint(image, missing, **options)
        rolled = inpaint(np.roll(image, 2, 0), np.roll(missing, 2, 0), **options)
        np.testing.assert_allclose(np.roll(filled, 2, 0), rolled, atol=0.01)


@averages
def test_pixels_of_other_periods_are_alike(shift_average):
    """Moving an image on its torus by the period moves the fill, and by one if averaged."""
    image, missing = np.random.default_rng(0).random((8, 8)), scattered(8, 8)
    options = {"network": NET, "boundary": "wrap", "shift_average": shift_average, "rtol": RTOL}
    filled = inpaint(image, missing, **options)
    for step, same in ((2, True), (1, shift_average)):
        rolled = inpaint(np.roll(image, step, 1), np.roll(missing, step, 1), **options)
        assert np.allclose(np.roll(filled, step, 1), rolled, atol=1e-6) is same


@pytest.mark.parametrize(
    ("options", "centre"),
    [
        ({}, True),
        ({"shift_average": False}, False),
        ({"centre": False}, False),
        ({"shift_average": False, "centre": True}, True),
    ],
    ids=str,
)
def test_only_the_exact_kernel_keeps_the_mean_in(options, centre):
    image, missing = smooth(8, 12) + 3, scattered(8, 12)
    average = options.get("shift_average", True)
    kernel = oracle_kernel(NET, (8, 12), shift_average=average)
    filled = ntkfill.inpaint(
        image, missing, network=NET, boundary="wrap", ridge=0.1, rtol=RTOL, **options
    )
    right, wrong = (dense_fill(image, missing, kernel, 0.1, centre=c) for c in (centre, not centre))
    np.testing.assert_allclose(filled, right, atol=1e-6)
    assert abs(filled - wrong).max() > 1e-4
