"""Limits of size and time: refused by name, or done another way; and layouts that went wrong
elsewhere."""

import numpy as np
import pytest

from ntkfill import InputError, NTKImputer, inpaint, nn
from ntkfill.uncertainty import sampling

RNG = np.random.default_rng(0)
NET = nn.hourglass(2)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: nn.Conv(10**9 + 1), "below 1,000"),
        (lambda: nn.fully_connected(10**6), "1 to 1000"),
        (lambda: NTKImputer(depth=10**6).fit(np.eye(4)), "1 to 1000"),
        (lambda: nn.Mixture((nn.Member(NET, weight=1 / 101),) * 101), "at most 100 members"),
    ],
)
def test_sizes_without_reason_are_refused(make, said):
    with pytest.raises(InputError, match=said):
        make()


@pytest.mark.parametrize("levels", [2, 3])
def test_square_roots_by_lanczos_are_those_by_eigenvectors(levels):
    shape = (16, 16)
    kernel = nn.hourglass(levels).kernel(shape)
    x = RNG.normal(size=(3, *shape)).astype(np.float32)
    right = sampling.square_root(kernel)(x)
    error = np.linalg.norm(sampling.krylov_root(kernel, x) - right) / np.linalg.norm(right)
    assert error < 0.05
    assert np.linalg.norm(x - right) > 0.1 * np.linalg.norm(right)  # it is no identity


@pytest.mark.parametrize("dtype", [">f8", ">f4", "<f4", ">i2", ">u4"])
def test_byte_orders(dtype):
    image = (100 * RNG.random((20, 20))).astype(dtype)
    mask = RNG.random(image.shape) < 0.3
    filled = inpaint(image, mask, network=NET, cache=None)
    native = inpaint(image.astype(image.dtype.newbyteorder("=")), mask, network=NET, cache=None)
    assert filled.dtype == image.dtype
    np.testing.assert_array_equal(filled, native)


def test_mostly_missing_grids_and_many_patterns_of_channels():
    image = np.full((40, 40), np.nan)
    image[RNG.random(image.shape) < 0.03] = 2.5
    np.testing.assert_allclose(inpaint(image, network=NET, cache=None), 2.5)
    patterns = (np.arange(64)[:, None] >> np.arange(6)) & 1 == 1  # (64, 6)
    image = RNG.random((32, 32, 6))
    image[RNG.integers(32, size=64), RNG.integers(32, size=64)] = np.where(patterns, np.nan, 0.5)
    filled = inpaint(image, channel_axis=-1, network=NET, cache=None)
    assert np.isfinite(filled).all()
    known = ~np.isnan(image)
    np.testing.assert_array_equal(filled[known], image[known])
