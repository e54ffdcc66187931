"""Pixels that are farther from each other along one axis than along another."""

import numpy as np
import pytest
from scipy import ndimage

from ntkfill import Inpainter, InputError, inpaint, priors
from ntkfill.kernels import Stationary
from ntkfill.kernels.stationary import stretched
from ntkfill.kernels.table import Axis
from ntkfill.nn import hourglass
from ntkfill.nn.activations import Abs

NETWORKS = [hourglass(3), hourglass(2, upsample="bilinear", activation=Abs())]


def smooth(shape, steps, seed=0):
    """Noise that is blurred alike along all axes, in pixels that are not."""
    noise = np.random.default_rng(seed).normal(size=shape)
    found = ndimage.gaussian_filter(noise, [4 / step for step in steps], mode="wrap")
    return 100 * found / found.std()


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("step", [2, 3])
def test_as_every_second_row_of_a_finer_image(network, step):
    fine = smooth((48, 40), (1, 1))
    hole = np.zeros(fine.shape, bool)
    hole[15:31, 12:22] = True
    absent = np.arange(len(fine)) % step > 0
    options = {"network": network, "rtol": 1e-7, "centre": False, "cache": None}
    whole = inpaint(fine, hole | absent[:, None], **options)[::step]
    rows = inpaint(fine[::step], hole[::step], spacing=(step * 0.7, 0.7), **options)
    # Averaged over placements both see the same; only the padding differs.
    assert np.abs(rows - whole).max() < 0.02 * np.ptp(fine)
    plain = inpaint(fine[::step], hole[::step], **options)
    assert np.abs(plain - whole).max() > 3 * np.abs(rows - whole).max()


@pytest.mark.parametrize("step", [1.0, 1.5, 2.7])
def test_stretched_kernels_are_positive_semi_definite(step):
    table, axes = hourglass(3).table((64,), priors.IID(), shift_average=True)
    values, axes = stretched(table, axes, (64,), (step,))
    kernel = Stationary(values, axes, (64,))
    every = np.arange(24)
    assert np.linalg.eigvalsh(kernel.block(every, every)).min() > -1e-6 * values[0]
    assert axes == (Axis(1, 64),) or step == 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("network", ["auto", hourglass(3, convs_up=2)])
def test_thick_slices_are_filled_better(network, seed):
    steps = (4, 1, 1)
    volume = smooth((12, 30, 30), steps, seed)
    gaps = np.random.default_rng(seed).random(volume.shape) < 0.6
    error = [
        np.sqrt(np.mean((inpaint(volume, gaps, network=network, spacing=s) - volume)[gaps] ** 2))
        for s in (steps, None)
    ]
    assert error[0] < 0.9 * error[1]


def test_isotropic_spacing_changes_nothing():
    image = smooth((30, 30), (1, 1))
    hole = np.zeros(image.shape, bool)
    hole[10:14, 10:14] = True
    given = inpaint(image, hole, spacing=(0.3, 0.3), network=NETWORKS[0])
    np.testing.assert_array_equal(given, inpaint(image, hole, network=NETWORKS[0]))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"spacing": (1, 2, 3)}, "one number for each of 2 axes"),
        ({"spacing": (1, -2)}, "spacing must be a number > 0"),
        ({"spacing": 2.0}, "spacing must be a number > 0"),
        ({"spacing": (1, 2), "refine": "auto"}, "without refinement"),
        ({"spacing": (1, 2), "shift_average": False}, "shift-averaged"),
    ],
)
def test_what_cannot_be_spaced_is_refused(options, said):
    image = smooth((30, 30), (1, 1))
    with pytest.raises(InputError, match=said):
        inpaint(image, image > 100, **options)


@pytest.mark.slow
def test_spacing_is_saved_and_has_std(tmp_path):
    image = smooth((24, 30), (2, 1))
    hole = np.zeros(image.shape, bool)
    hole[8:14, 10:20] = True
    inpainter = Inpainter(NETWORKS[0], spacing=(2, 1))
    done = inpainter.fill(image, hole, interval=0.9)
    assert (done.std[hole] > 0).all()
    inpainter.save(tmp_path / "a.npz")
    again = Inpainter.load(tmp_path / "a.npz")
    assert tuple(again.spacing) == (2, 1)
    np.testing.assert_allclose(again.transform(image), done.values, atol=1e-6)
