"""Gaps in windows against the solve of the whole grid."""

import numpy as np
import pytest

from ntkfill import Inpainter, Uncertainty
from ntkfill.grids import model, plan, windows
from ntkfill.grids.model import GridModel
from ntkfill.grids.windows import Windows
from ntkfill.nn import hourglass
from ntkfill.nn.activations import Abs

NETWORKS = {
    "nearest": hourglass(5, convs_up=2),
    "bilinear": hourglass(3, upsample="bilinear", activation=Abs()),
}


def allow_windows(monkeypatch):
    """Windows in grids of any size."""
    for module in (model, plan, windows):
        monkeypatch.setattr(module, "LARGE", 1)


@pytest.fixture
def everywhere(monkeypatch):
    allow_windows(monkeypatch)


def texture(shape, seed=0):
    """Smooth and rough parts at levels that differ, with two channels."""
    rng = np.random.default_rng(seed)
    places = np.indices(shape).sum(axis=0) / 15.0
    smooth = 100 + 60 * np.sin(places) + 30 * (places > places.mean())
    return np.stack([smooth, smooth + rng.normal(0, 5, shape)], axis=-1)


def specks(shape, count=40, seed=1, size=6):
    rng = np.random.default_rng(seed)
    missing = np.zeros(shape, bool)
    for _ in range(count):
        corner = [int(rng.integers(0, side)) for side in shape]
        missing[tuple(slice(c, c + int(rng.integers(1, size))) for c in corner)] = True
    return missing


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_thin_gaps_are_filled_as_by_the_whole_solve(name, monkeypatch):
    image, missing = texture((180, 150)), specks((180, 150))
    missing[np.arange(150), np.arange(150)] = True
    options = {"network": NETWORKS[name], "channel_axis": -1, "cache": None}
    whole = Inpainter(rtol=1e-6, **options).fill(image, missing).values[missing]
    allow_windows(monkeypatch)
    inpainter = Inpainter(**options)
    near = inpainter.fill(image, missing)
    assert inpainter.model_.groups[0].windows is not None
    assert near.info.converged
    error = (near.values[missing] - whole) / np.ptp(image)
    assert np.sqrt(np.mean(error**2)) < 1e-3  # as the tolerance of the solve
    assert np.array_equal(near.values[~missing], image[~missing])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["lines", "corners", "bytes"])
def test_gaps_at_the_border_are_filled_as_by_the_whole_solve(kind, monkeypatch):
    image, missing = texture((180, 150)), np.zeros((180, 150), bool)
    if kind == "corners":
        missing[:3, :3] = missing[-3:, -3:] = missing[:3, -4:] = True
    else:
        missing[0] = missing[:, -1] = missing[-1, ::2] = True
    if kind == "bytes":
        image = image.clip(0, 255).astype(np.uint8)
    options = {"network": NETWORKS["nearest"], "channel_axis": -1, "cache": None}
    whole = Inpainter(rtol=1e-6, **options).fill(image, missing).values[missing].astype(float)
    allow_windows(monkeypatch)
    inpainter = Inpainter(**options)
    near = inpainter.fill(image, missing).values[missing]
    assert inpainter.model_.groups[0].windows is not None
    assert np.sqrt(np.mean((near - whole) ** 2)) / np.ptp(image) < 3e-3


@pytest.mark.slow
def test_deep_holes_are_solved_on_crops(monkeypatch):
    """A hole far from the others, thin gaps beside it, and thin gaps elsewhere."""
    image, missing = texture((400, 420)), specks((400, 420), count=60, size=4)
    missing[60:80, 50:80] = True
    options = {"network": NETWORKS["nearest"], "channel_axis": -1, "cache": None}
    whole = Inpainter(rtol=1e-6, **options).fill(image, missing).values[missing]
    allow_windows(monkeypatch)
    inpainter = Inpainter(**options)
    near = inpainter.fill(image, missing).values[missing]
    assert len(inpainter.model_.groups[0].windows.crops) == 1
    assert np.sqrt(np.mean((near - whole) ** 2)) / np.ptp(image) < 3e-3
    assert not np.isnan(near).any()


@pytest.mark.parametrize("return_std", [False, True], ids=["values", "std"])
def test_a_line_is_filled_in_windows_as_by_the_whole_solve(return_std, monkeypatch):
    image, missing = texture((20000,)), specks((20000,), count=20, size=4)
    options = {"network": NETWORKS["nearest"], "channel_axis": -1, "cache": None}
    whole = Inpainter(rtol=1e-6, **options).fill(image, missing).values
    allow_windows(monkeypatch)
    inpainter = Inpainter(**options)
    near = inpainter.fill(image, missing, return_std=return_std)
    assert inpainter.model_.groups[0].windows is not None
    error = np.square(near.values - whole)[missing].mean()
    assert np.sqrt(error) / np.ptp(image) < 3e-3
    assert not return_std or (near.std[missing] > 0).all()


@pytest.mark.parametrize("shape", [(500, 490), (20000,)])
def test_every_gap_is_in_one_window_or_crop(shape, everywhere):
    missing = specks(shape, count=20, size=4)
    missing[tuple(slice(0, 3) for _ in shape)] = True
    missing[tuple(slice(-2, None) for _ in shape)] = True
    if len(shape) > 1:
        missing[200:215, 190:205] = True
    found = Windows.of(missing, reach=8)
    count = np.zeros(shape, int)
    for core in found.cores:
        count[tuple(slice(c, c + windows.CORE[len(shape)]) for c in core)] += 1
    for _, _, inner in found.crops:
        count[inner] += 1
    assert (count[missing] == 1).all()


@pytest.mark.parametrize(
    "missing",
    [
        np.zeros((200, 200), bool),
        np.random.default_rng(0).random((200, 200)) < 0.2,  # as much work as the whole
        np.indices((200, 200))[0] > 140,
        np.random.default_rng(0).random((30, 3000)) < 0.01,  # narrower than a window
        np.random.default_rng(0).random((40, 40, 40)) < 0.01,
    ],
)
def test_other_gaps_are_solved_whole(missing, everywhere):
    assert Windows.of(missing, reach=32) is None


def test_small_grids_are_solved_whole():
    assert Windows.of(specks((1000, 1000)), reach=32) is None
    assert Windows.of(specks((1100, 1000)), reach=32) is not None


@pytest.mark.slow
def test_the_number_of_threads_changes_nothing(monkeypatch, everywhere):
    image, missing = texture((180, 150)), specks((180, 150))
    monkeypatch.setattr(windows, "CHUNK", 4)
    options = {"network": NETWORKS["nearest"], "channel_axis": -1, "cache": None}
    many = Inpainter(**options).fill(image, missing).values
    monkeypatch.setattr("ntkfill.runtime.resources.workers", lambda: 1)
    assert np.array_equal(Inpainter(**options).fill(image, missing).values, many)


@pytest.mark.slow
def test_weights_give_the_value_and_channels_may_miss_other_pixels(everywhere):
    image, missing = texture((180, 150)), specks((180, 150), count=30, size=3)
    inpainter = Inpainter(NETWORKS["bilinear"], channel_axis=-1, cache=None)
    filled = inpainter.fill(image, missing).values
    at = tuple(map(int, np.argwhere(missing)[3]))
    value = (inpainter.weights(at)[..., None] * np.where(missing[..., None], 0, image)).sum((0, 1))
    assert np.abs(value - filled[at]).max() < 0.01 * np.ptp(image)
    holes = image.copy()
    holes[..., 0][missing] = np.nan
    holes[..., 1][np.roll(missing, 7, axis=0)] = np.nan
    each = inpainter.fill(holes).values
    assert not np.isnan(each).any()
    assert np.abs(each[..., 0] - filled[..., 0]).max() < 0.1 * np.ptp(image)


@pytest.mark.slow
@pytest.mark.parametrize("posterior", ["ensemble", "ntk"])
@pytest.mark.parametrize("name", NETWORKS)
def test_standard_deviations_are_those_of_the_whole(name, posterior, monkeypatch):
    image, missing = texture((90, 80))[..., 1], specks((90, 80), count=12, size=5)
    options = {"network": NETWORKS[name], "cache": None}
    places = np.argwhere(missing)[::5]
    at = [tuple(map(int, place)) for place in places]
    unsure = Uncertainty(posterior, samples=200)
    exact = Inpainter(rtol=1e-4, **options).fit(image, missing).std(image, at, unsure)
    allow_windows(monkeypatch)
    monkeypatch.setattr(windows, "MAX_MISSING", 0.1)
    inpainter = Inpainter(**options)
    done = inpainter.fill(image, missing, return_std=True, uncertainty=unsure)
    assert inpainter.model_.groups[0].windows is not None
    ratio = done.std[tuple(places.T)] / exact
    # The scale is an average over the window, instead of over the image.
    assert 0.8 < np.median(ratio) < 1.15
    assert np.quantile(np.abs(np.log(ratio)), 0.9) < 0.3
    assert (done.std[~missing] == 0).all()


@pytest.mark.slow
def test_intervals_are_calibrated_near_the_gaps(everywhere, monkeypatch):
    monkeypatch.setattr("ntkfill.grids.uncertainty.LARGE", 1)
    rng = np.random.default_rng(3)
    image = texture((420, 400))[..., 1] + rng.normal(0, 2, (420, 400))
    missing = specks((420, 400), count=150, size=5)
    missing[60:72, 50:62] = True
    solved = []
    monkeypatch.setattr(
        "ntkfill.grids.model.GridModel._complete_whole",
        lambda self, *args, whole=GridModel._complete_whole: (
            solved.append(self.grid) or whole(self, *args)
        ),
    )
    done = Inpainter(NETWORKS["nearest"], cache=None).fill(image, missing, interval=0.9)
    assert (420, 400) not in solved
    inside = (done.interval.lower <= image) & (image <= done.interval.upper)
    assert 0.8 < inside[missing].mean() < 0.97
