"""Limits of size and time: refused by name, or done another way; and layouts that went wrong
elsewhere."""

import math
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from ntkfill import Inpainter, InputError, NTKImputer, Uncertainty, inpaint, nn
from ntkfill.cli import main
from ntkfill.uncertainty import sampling

RNG = np.random.default_rng(0)
NET = nn.hourglass(2)
slow = pytest.mark.slow


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


@pytest.mark.slow
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


FRESH = """
import numpy as np
from pathlib import Path
import ntkfill
ntkfill.inpaint(np.eye(24), np.eye(24)[::-1] > 0, cache=None)  # what is imported late
rng = np.random.default_rng(0)
places = np.indices((700, 900)).sum(axis=0)
picture = np.stack([np.sin(places / 30), np.cos(places / 40), places / 1600], axis=-1)
missing = rng.random((700, 900)) < 0.88

def memory(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024

Path("/proc/self/clear_refs").write_text("5")  # the peak begins now
before = memory("VmRSS")
filled = ntkfill.inpaint(np.where(missing[..., None], 0, picture), missing, channel_axis=-1,
                         cache=None)
print(memory("VmHWM") - before, np.abs(filled - picture).max())
"""


@slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_a_large_picture_that_is_mostly_missing_takes_less_than_300_megabytes():
    done = subprocess.run([sys.executable, "-c", FRESH], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    peak, error = map(float, done.stdout.split())
    assert 15e6 < peak < 300e6
    assert error < 0.15


@slow
def test_a_volume_with_235_000_gaps():
    places = np.indices((88, 90, 92))
    volume = np.sin(places[0] / 9) * np.cos(places[1] / 11) + places[2] / 92
    missing = np.zeros(volume.shape, bool)
    random = np.random.default_rng(0)
    missing.flat[random.choice(volume.size, 235_000, replace=False)] = True
    filled = inpaint(np.where(missing, 0.0, volume), missing, network=NET, cache=None)
    np.testing.assert_array_equal(filled[~missing], volume[~missing])
    assert np.abs(filled - volume).max() < 0.2


@pytest.mark.slow
@pytest.mark.parametrize("network", [nn.hourglass(3), pytest.param("auto", marks=slow)])
@pytest.mark.parametrize("missing", [(4, 6, 2), (0, 0, 0)])
def test_standard_deviations_under_the_exact_kernel_of_a_small_volume(missing, network):
    """Blocks of a whole period would be a gigabyte, and their eigenvectors take minutes."""
    volume = np.random.default_rng(0).normal(size=(8, 13, 5))
    mask = np.zeros(volume.shape, bool)
    mask[missing] = True
    inpainter = Inpainter(network, shift_average=False, cache=None)
    plan = inpainter.plan(volume, mask, interval=0.9)
    assert plan.memory < 250e6
    done = inpainter.fill(volume, mask, return_std=True, uncertainty=Uncertainty(samples=4))
    assert 0 < done.std[missing] < 10
    table = plan.network.kernel(plan.torus)  # the same on the torus, pixel by pixel
    inside = np.ravel_multi_index(np.indices(volume.shape), plan.torus).ravel()
    matrix = table.block(inside, inside).astype(float)
    known = ~mask.ravel()
    right = matrix[np.ix_(~known, known)] @ np.linalg.solve(
        matrix[np.ix_(known, known)] + 1e-3 * np.mean(np.diag(matrix)) * np.eye(known.sum()),
        volume.ravel()[known],
    )
    np.testing.assert_allclose(done.values[mask], right, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="Windows")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("shape", [(8, 13, 5), (16, 16, 16)])
def test_standard_deviations_of_an_exact_kernel_answer_signals(shape):
    """No single call into a library takes long: a signal is answered between two of them."""

    def stop(*_):
        raise TimeoutError

    volume = RNG.normal(size=shape)
    mask = np.zeros(shape, bool)
    mask[4, 6, 2] = True
    inpainter = Inpainter(nn.hourglass(3), shift_average=False, cache=None)
    before = signal.signal(signal.SIGALRM, stop)
    seconds = time.process_time()
    signal.alarm(1)
    try:
        inpainter.fill(volume, mask, return_std=True, uncertainty=Uncertainty(samples=400))
    except TimeoutError:
        pass
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    assert time.process_time() - seconds < 6


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape", [(20_000, 2), (2, 20_000), pytest.param((30_000, 1), marks=pytest.mark.slow)]
)
def test_heat_maps_of_long_and_narrow_pictures(shape, tmp_path, monkeypatch):
    """Small pictures are enlarged, but not to gigabytes."""
    monkeypatch.chdir(tmp_path)
    image = RNG.random(shape)
    image[shape[0] // 2, shape[1] // 2] = np.nan
    np.save("in.npy", image)
    at = f"{shape[0] // 2},{shape[1] // 2}"
    command = ["heatmap", "in.npy", "--at", at, "-o", "out.png", "--network", "hourglass(1)"]
    assert main([*command, "--quiet"]) == 0
    with Image.open("out.png") as drawn:
        assert math.prod(drawn.size) < 12_000_000
        assert drawn.size[1] > shape[0]
