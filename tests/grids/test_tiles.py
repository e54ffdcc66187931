"""Images filled tile by tile, against the same in memory."""

from pathlib import Path

import numpy as np
import pytest

from ntkfill import Inpainter, inpaint, nn
from ntkfill.errors import InputError, MemoryLimitError
from ntkfill.grids import plan
from ntkfill.grids.tiles import Source
from ntkfill.runtime import resources

NETWORK = nn.hourglass(3)


def picture(rows: int = 220, columns: int = 190) -> tuple[np.ndarray, np.ndarray]:
    """Waves, and a mask of scattered pixels and two clouds, one across the borders of tiles."""
    y, x = np.mgrid[:rows, :columns] / 30
    image = np.sin(x * 2 + y) + np.cos(y * 3 - x * x / 4)
    missing = np.random.default_rng(0).random(image.shape) < 0.3
    for row, column, radius in ((96, 100, 9), (20, 150, 6)):
        missing |= np.hypot(*(np.mgrid[:rows, :columns] - np.array([[[row]], [[column]]]))) < radius
    return image, missing


@pytest.mark.sampled
@pytest.mark.parametrize("channels", [False, True])
def test_tiles_are_filled_as_the_whole(tmp_path: Path, channels: bool) -> None:
    image, missing = picture()
    axis = None
    if channels:
        image, axis = np.stack([image, image.T[::-1, ::-1].T ** 2, -image]), 0
    holed = np.where(missing, np.nan, image)
    whole = inpaint(holed, network=NETWORK, channel_axis=axis)
    path = tmp_path / "filled.npy"
    inpainter = Inpainter(NETWORK, channel_axis=axis)
    inpainter.fill_to_file(holed, path, tile=96, workers=2)
    filled = np.load(path)
    known = np.broadcast_to(~missing, image.shape)
    np.testing.assert_array_equal(filled[known], image[known])
    errors = [np.sqrt(np.mean(np.square(one - image)[~known])) for one in (filled, whole)]
    assert errors[0] < 1.05 * errors[1]
    assert np.sqrt(np.mean(np.square(filled - whole)[~known])) < 0.02 * image.std()


def test_memory_of_all_tiles_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tiles are refused, before anything is written, where one fits."""
    image, missing = picture()
    inpainter, path = Inpainter(NETWORK), tmp_path / "filled.npy"
    whole = (slice(0, image.shape[0]), slice(0, image.shape[1]))
    one = Source(image, missing, None, inpainter).memory(whole, 0)
    monkeypatch.setattr(resources, "available", lambda: int(1.5 * one))
    with pytest.raises(MemoryLimitError, match=r"filling 2 tiles at once .* fewer workers"):
        inpainter.fill_to_file(image, path, missing, tile=256, workers=2)
    assert not list(tmp_path.iterdir())
    inpainter.fill_to_file(image, path, missing, tile=256, workers=1)
    assert path.exists()


@pytest.mark.slow
def test_channels_of_one_tile_are_filled_in_turns_where_all_do_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, missing = picture()
    image = np.repeat(image[..., None], 12, axis=2)
    inpainter, path = Inpainter(NETWORK, channel_axis=-1), tmp_path / "filled.npy"
    memory = inpainter.plan(image, missing).memory
    limit = memory * 3 // 4
    for module in (resources, plan):
        monkeypatch.setattr(module, "available", lambda: limit)
    inpainter.fill_to_file(image, path, missing, tile=256, workers=1)
    assert np.load(path).shape == image.shape


@pytest.mark.slow
def test_a_hole_larger_than_a_tile(tmp_path: Path) -> None:
    image, _ = picture()
    missing = np.zeros(image.shape, bool)
    missing[60:110, 50:110] = True
    whole = inpaint(image, missing, network=NETWORK)
    Inpainter(NETWORK).fill_to_file(image, tmp_path / "x.npy", missing, tile=32)
    off = np.load(tmp_path / "x.npy") - whole
    assert np.sqrt(np.mean(np.square(off[missing]))) < 0.1 * image.std()


@pytest.mark.slow
def test_interrupted_and_resumed_it_is_the_same(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    image, missing = picture()
    source = zarr.create_array(tmp_path / "in.zarr", shape=image.shape, dtype="f4", chunks=(64, 64))
    source[:] = np.where(missing, np.nan, image)
    shares: list[float] = []

    def stop(share: float) -> None:
        shares.append(share)
        if len(shares) == 2:
            raise KeyboardInterrupt

    path = tmp_path / "out.zarr"
    with pytest.raises(KeyboardInterrupt):
        Inpainter(NETWORK).fill_to_file(source, path, tile=64, progress=stop)
    assert not path.exists()
    Inpainter(NETWORK).fill_to_file(source, path, tile=64, resume=True, progress=shares.append)
    assert len(shares) == 2 + 4  # of 12 tiles, two at a time
    Inpainter(NETWORK).fill_to_file(source, tmp_path / "again.npy", tile=64, workers=2)
    found = np.asarray(zarr.open_array(path, mode="r")[:])
    np.testing.assert_array_equal(found, np.load(tmp_path / "again.npy"))


def test_what_is_resumed_is_of_the_same_pixels_and_mask(tmp_path: Path) -> None:
    """Tiles of two inputs in one file would be wrong without a word."""
    image, path = np.arange(1600.0).reshape(40, 40), tmp_path / "out.npy"
    missing = np.zeros(image.shape, bool)
    missing[3::7, 5::6] = True
    network = Inpainter(nn.hourglass(1), cache=None)

    def stop(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        network.fill_to_file(image, path, missing, tile=20, progress=stop)
    other, more = image.copy(), missing.copy()
    other[1, 1], more[38, 38] = -1.0, True
    for given in ((other, missing), (image, more)):
        with pytest.raises(InputError, match="of another job"):
            network.fill_to_file(given[0], path, given[1], tile=20, resume=True)
    network.fill_to_file(image, path, missing, tile=20, resume=True)
    assert np.isfinite(np.load(path)).all()


@pytest.mark.slow
def test_dask_arrays_are_filled_chunk_by_chunk() -> None:
    da = pytest.importorskip("dask.array")
    image, missing = picture()
    holed = np.where(missing, np.nan, image)
    whole = inpaint(holed, network=NETWORK)
    filled = inpaint(da.from_array(holed, chunks=100), network=NETWORK)
    off = filled.compute(scheduler="synchronous") - whole
    assert np.sqrt(np.mean(np.square(off[missing]))) < 0.02 * image.std()
    colours = da.from_array(np.stack([image] * 3, -1), chunks=(100, 100, 1))
    mask = da.from_array(missing, chunks=70)
    filled = inpaint(colours, mask, network=NETWORK, channel_axis=-1)
    off = filled.compute(scheduler="synchronous")[..., 1] - whole
    assert np.sqrt(np.mean(np.square(off[missing]))) < 0.05 * image.std()  # chunks of 30 to 70


def test_nothing_to_fill_and_wrong_masks_are_refused(tmp_path: Path) -> None:
    image, missing = picture()
    with pytest.raises(InputError, match="there is nothing to fill"):
        Inpainter().fill_to_file(image, tmp_path / "x.npy")
    with pytest.raises(InputError, match="mask must have the shape of the grid"):
        Inpainter().fill_to_file(image, tmp_path / "x.npy", missing[:9])
    for options in ({"boundary": "wrap"}, {"period": 360.0}, {"bounds": "data"}):
        with pytest.raises(InputError, match="where an image is filled in tiles"):
            Inpainter(**options).fill_to_file(image, tmp_path / "x.npy", missing)


@pytest.mark.slow
def test_numbers_that_mean_missing(tmp_path: Path) -> None:
    image, missing = picture()
    holed = np.where(missing, -9999, np.round(100 * image)).astype(np.int16)
    inpainter = Inpainter(NETWORK, missing_values=-9999)
    inpainter.fill_to_file(holed, tmp_path / "x.npy", tile=100)
    filled = np.load(tmp_path / "x.npy")
    assert filled.dtype == np.int16
    assert abs(filled / 100 - image).mean() < 0.05
    da = pytest.importorskip("dask.array")
    lazy = inpaint(da.from_array(holed, chunks=110), network=NETWORK, missing_values=-9999)
    assert abs(lazy.compute(scheduler="synchronous") - filled.astype(float)).mean() < 1.0
