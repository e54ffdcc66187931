"""DataArrays and time series in, the same out."""

from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import xarray

from ntkfill import Inpainter, InputError, inpaint
from ntkfill.nn import hourglass

TIMES = pd.date_range("2024-01-01", periods=120, freq="h")
WAVE = np.sin(np.arange(120) / 6.0)
GAPS = np.zeros(120, bool)
GAPS[[7, 30, 31, 32, 77]] = True


def field(lon=None):
    lon = np.arange(0, 360, 10.0) if lon is None else lon
    lat = np.linspace(-50, 50, 20)
    values = np.cos(np.radians(lon)) + np.sin(np.radians(lat))[:, None]
    coords = {"lat": lat, "lon": ("lon", lon, {"units": "degrees_east"}), "height": 2.0}
    return xarray.DataArray(values, coords, ("lat", "lon"), "t2m", {"units": "K"})


def test_a_data_array_keeps_its_labels():
    truth = field()
    holes = xarray.zeros_like(truth, dtype=bool)
    holes[5:8, 10:13] = True
    truth.encoding["scale_factor"] = 0.5
    done = Inpainter().fill(truth.where(~holes).assign_attrs(truth.attrs), interval=0.9)
    xarray.testing.assert_allclose(done.values, truth, atol=0.1)
    assert done.values.attrs == truth.attrs
    assert done.values.name == "t2m"
    assert done.std.dims == done.interval.upper.dims == truth.dims
    given = inpaint(truth, holes.transpose())
    np.testing.assert_allclose(given, done.values, atol=1e-3)
    assert given.encoding == truth.encoding


def test_longitudes_that_go_round_wrap():
    truth = field()
    holes = np.zeros(truth.shape, bool)
    holes[:, :2] = holes[:, -2:] = True
    inpainter = Inpainter(hourglass(3, convs_up=2))
    wrapped = inpainter.fill(truth, holes)
    assert wrapped.info.plan.torus[1] == 36
    assert wrapped.info.plan.torus[0] > 20
    plain = inpainter.fill(truth.values, holes)
    error = [
        np.abs(np.asarray(done.values) - truth.values)[holes].mean() for done in (wrapped, plain)
    ]
    assert error[0] < 0.7 * error[1]
    half = field(np.arange(0, 180, 5.0))
    assert inpainter.fill(half, holes).info.plan.torus[1] > 36


def test_uneven_coordinates_are_said_and_other_masks_refused():
    lon = np.arange(0, 360, 10.0)
    lon[3] += 4
    with pytest.warns(UserWarning, match="'lon' are not evenly spaced"):
        inpaint(field(lon), field().values > 1.6)
    with pytest.raises(InputError, match="coordinates of the image"):
        inpaint(field(), field(lon) > 1.6)
    with pytest.raises(InputError, match=r"holds labels.*a channel for each class"):
        inpaint(field().assign_attrs(flag_values=[1, 2], flag_meanings="sea land"))
    with pytest.raises(InputError, match="one DataArray"):
        inpaint(field().to_dataset())


@pytest.mark.sampled
@pytest.mark.parametrize("how", ["chunked", "dataset", "accessor", "zarr", "bands"])
def test_chunks_of_dask_stay_chunks_of_dask(how, tmp_path):
    import ntkfill.grids.accessor  # noqa: F401

    dask = pytest.importorskip("dask.array")
    truth = field(np.arange(0, 180, 5.0))
    holes = np.zeros(truth.shape, bool)
    holes[5:7, 10:13] = True
    options, network = {}, hourglass(2, convs_up=2)
    if how == "bands":
        truth = xarray.concat([truth, 2 * truth], "band").assign_attrs(truth.attrs)
        options = {"channel_axis": 0}
    damaged = truth.where(xarray.DataArray(~holes, dims=("lat", "lon")))
    given = damaged.chunk({"lat": 10, "lon": 18})
    if how == "dataset":
        given = damaged.to_dataset().chunk({"lat": 10})["t2m"]
    elif how == "zarr":
        pytest.importorskip("zarr")
        given.to_dataset(name="t2m").to_zarr(tmp_path / "a.zarr", consolidated=False)
        given = xarray.open_zarr(tmp_path / "a.zarr", consolidated=False)["t2m"]
    fill = given.ntkfill.inpaint if how == "accessor" else partial(inpaint, given)
    filled = fill(network=network, **options)
    assert isinstance(filled.data, dask.Array)
    assert filled.data.chunksize[-2:] == given.data.chunksize[-2:]
    assert filled.attrs == given.attrs
    xarray.testing.assert_allclose(filled.compute(scheduler="synchronous"), truth, atol=0.1)


@pytest.mark.sampled
@pytest.mark.parametrize("chunks", [(1, 32, 40), (2, 16, 40), (4, 16, 20)])
@pytest.mark.parametrize("lost", [False, True])
def test_axes_that_are_shorter_than_what_the_network_sees(lost, chunks):
    dask = pytest.importorskip("dask.array")
    truth = np.add.outer(np.arange(4.0), np.add.outer(np.arange(32.0), np.arange(40.0)))
    damaged = truth.copy()
    damaged[:, 4:8, 6:10] = np.nan
    if lost:
        damaged[2] = np.nan
    filled = inpaint(dask.from_array(damaged, chunks=chunks), network=hourglass(3))
    found = filled.compute(scheduler="synchronous")
    assert np.abs(found - truth).max() < 4
    np.testing.assert_array_equal(found[~np.isnan(damaged)], truth[~np.isnan(damaged)])


def test_what_chunks_of_dask_cannot_do_is_said():
    pytest.importorskip("dask.array")
    truth = field()
    given = truth.where(np.arange(720).reshape(20, 36) % 50 > 0).chunk({"lon": 18})
    with pytest.warns(UserWarning, match=r"do not go round.*compute"):
        inpaint(given, network=hourglass(2))
    with pytest.warns(UserWarning, match="read and filled now, as a whole, because of exclude="):
        inpaint(given, exclude=truth.values > 1.9, network=hourglass(2))


@pytest.mark.slow
def test_the_accessor_is_inpaint():
    import ntkfill.grids.accessor  # noqa: F401

    truth = field()
    damaged = truth.where(truth < 1.5)
    xarray.testing.assert_identical(damaged.ntkfill.inpaint(), inpaint(damaged))
    assert damaged.ntkfill.fill(return_std=True).std.name == "t2m"


@pytest.mark.parametrize("kind", ["series", "frame"])
def test_series_and_frames_over_time_keep_index_names_and_freq(kind):
    frame = pd.DataFrame({"a": WAVE, "b": 100 + WAVE}, TIMES)
    frame.loc[GAPS, "a"] = np.nan
    frame.loc[np.roll(GAPS, 9), "b"] = np.nan
    given = frame["a"] if kind == "series" else frame
    done = Inpainter().fill(given, return_std=True)
    assert type(done.values) is type(given)
    assert done.values.index.equals(given.index)
    assert done.values.index.freq == TIMES.freq
    known = given.notna()
    assert done.values[known].equals(given[known])
    assert (done.std.where(known, 0) == 0).all(axis=None)
    filled = done.values if kind == "series" else done.values["a"]
    assert filled.name == "a"
    assert np.abs(filled - WAVE).max() < 0.1


def test_evenly_spaced_times_are_an_array():
    """No point is added: what is told of the fill is of the signal."""
    series = pd.Series(np.where(GAPS, np.nan, WAVE), TIMES)
    done, plain = Inpainter().fill(series), Inpainter().fill(series.to_numpy())
    np.testing.assert_allclose(done.values, plain.values, atol=1e-9)
    assert done.info.missing == plain.info.missing == GAPS.sum()
    assert done.info.outside_receptive_field.shape == (120,)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("spread", [False, True])
def test_uneven_times_are_honoured(seed, spread):
    rng = np.random.default_rng(seed)
    seconds = np.arange(150) * 4 + rng.uniform(-1.5, 1.5, 150)
    if spread:
        seconds = np.sort(rng.uniform(0, 600, 150))
    truth = np.sin(seconds / 20)
    gaps = rng.random(150) < 0.3
    series = pd.Series(np.where(gaps, np.nan, truth), pd.to_timedelta(seconds, unit="s"))
    filled = inpaint(series)
    straight = np.interp(seconds[gaps], seconds[~gaps], truth[~gaps])
    error = [np.sqrt(np.mean((each - truth[gaps]) ** 2)) for each in (filled[gaps], straight)]
    assert error[0] < error[1]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (pd.DataFrame(np.eye(4)), "NTKImputer"),
        (
            pd.Series([1.0, np.nan, 3.0]),
            r"take a series, and only with times; got an index of int64. Try: .*to_numpy\(\)",
        ),
        (pd.Series(1.0, TIMES[::-1]), "times must increase"),
        (
            pd.DataFrame({"a": list("abcd")}, TIMES[:4]),
            "signals must be numbers; got object in .* 'a'",
        ),
        (pd.DataFrame({"a": 1.0, "b": 1j}, TIMES[:4]), "got complex128 in column 'b'"),
        (
            pd.Series(pd.Categorical(list("abca")), TIMES[:4], name="c"),
            "got category in column 'c'",
        ),
        (type("Mine", (pd.DataFrame,), {})(np.eye(4)), "NTKImputer"),
        (pa.table({"a": [1.0, None, 3.0]}), "NTKImputer"),
        (pl.DataFrame({"t": TIMES[:4], "a": [1.0, None, 3.0, 4.0]}), "NTKImputer"),
        (pl.Series([1.0, None, 3.0]), "and only with times"),
    ],
)
def test_other_frames_are_refused(given, said):
    with pytest.raises(InputError, match=said):
        inpaint(given)


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
def test_a_fitted_inpainter_takes_no_tables(library):
    table = library(field().values)
    inpainter = Inpainter(hourglass(2)).fit(mask=field().values > 1.5)
    for call in (
        inpainter.transform,
        inpainter.std,
        lambda x: inpainter.explain(x, (1, 1)),
        inpainter.fit,
    ):
        with pytest.raises(InputError, match="is a table, not a picture"):
            call(table)


def test_a_fitted_inpainter_gives_data_arrays_back():
    truth = field()
    inpainter = Inpainter(hourglass(2)).fit(mask=truth.values > 1.5)
    filled = inpainter.transform(truth.where(truth <= 1.5).assign_attrs(truth.attrs))
    xarray.testing.assert_identical(filled, truth.copy(data=inpainter.transform(truth.values)))


def test_a_frame_over_time_keeps_its_types_and_attributes():
    frame = pd.DataFrame({"a": WAVE.astype("f4"), "b": 9 * WAVE, "c": 9 * WAVE}, TIMES)
    frame.loc[GAPS] = np.nan
    frame = frame.round().astype({"b": "Int64", "c": "Int8"})
    frame["d"] = 2**53 + 1 + np.arange(len(frame))
    frame.attrs["source"] = "here"
    mask = frame.isna()
    mask["d"] = GAPS
    filled = inpaint(frame, mask)
    assert filled.dtypes.equals(frame.dtypes)
    assert filled.attrs == frame.attrs
    assert not filled.isna().any(axis=None)
    assert filled[~GAPS].equals(frame[~GAPS])
    assert np.abs(filled["b"].astype(float) - 9 * WAVE).max() < 3


def test_marks_masks_and_what_is_excluded_are_those_of_the_signals():
    series = pd.Series(WAVE, TIMES)
    expected = inpaint(series.mask(GAPS))
    assert inpaint(series.mask(GAPS, -9999.0), missing_values=-9999).equals(expected)
    single = series.mask(GAPS, -99.9).astype("f4")
    assert inpaint(single, missing_values=-99.9).min() > -2
    out = np.arange(len(WAVE)) < 20
    done = Inpainter().fill(series.mask(out, 1e6).mask(GAPS), exclude=out, return_std=True)
    assert (done.values[out & ~GAPS] == 1e6).all()
    assert done.values[~out].max() < 2
    assert done.std[out].isna().all()
    assert done.values.isna().equals(pd.Series(out & GAPS, TIMES))
    for other in (pd.Series(GAPS, TIMES[::-1]), pd.Series(GAPS)):
        with pytest.raises(InputError, match="mask must have the index of the signals"):
            inpaint(series, other)
    with pytest.raises(InputError, match="mask must have the shape of the signals"):
        inpaint(series, GAPS[:-1])


def test_periods_are_times():
    series = pd.Series(WAVE, TIMES).mask(GAPS)
    months = series.set_axis(pd.period_range("2000", periods=len(WAVE), freq="D"))
    filled = inpaint(months)
    assert filled.index.equals(months.index)
    assert np.abs(filled - WAVE).max() < 0.1


def test_what_is_excluded_has_the_dimensions_of_the_image():
    truth = field()
    out = xarray.zeros_like(truth, dtype=bool)
    out[:3] = True
    damaged = truth.where(~out, 1e6).where(truth < 1.5)
    network = hourglass(2)
    expected = Inpainter(network).fill(damaged, exclude=out.values).values
    turned = Inpainter(network).fill(damaged, exclude=out.transpose()).values
    xarray.testing.assert_identical(turned, expected)


@pytest.mark.parametrize("dead", ["gaps", "marks", "mask", "exclude"])
def test_a_column_of_which_nothing_is_known_is_named(dead):
    times = pd.date_range("2024", periods=40, freq="h")
    frame = pd.DataFrame({"a": np.sin(np.arange(40) / 5), "probe 7": 1.0, "c": 2.0}, index=times)
    marked = np.broadcast_to(np.arange(3) == 1, frame.shape)
    given = frame.mask(marked) if dead == "gaps" else frame
    options = {"marks": {"missing_values": 1.0}, "mask": {"mask": marked}}.get(dead, {})
    options |= {"exclude": marked} if dead == "exclude" else {}
    with pytest.raises(
        InputError, match=r"none in 'probe 7'\. Try: df.drop\(columns=\['probe 7'\]"
    ):
        inpaint(given, **options)
