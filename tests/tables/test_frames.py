"""Every container comes back as it was, with its gaps filled: types, labels, units, marks."""

import datetime
import itertools
import re
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from scipy import sparse

from ntkfill import InputError, NTKImputer
from ntkfill.observed import sentinel_of

pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")
arrow = pytest.importorskip("pyarrow")

N = 40
RNG = np.random.default_rng(0)
LEFT, RIGHT = RNG.normal(size=(N, 2)), RNG.normal(size=(2, 4))
TABLE = LEFT @ RIGHT
LINE = np.arange(N, dtype=float)
GAPS = np.isin(np.arange(N), [5, 17, 30])
HOLED = TABLE.copy()
HOLED[GAPS, 1] = np.nan
DAYS = np.datetime64("2024-01-01", "us") + (LINE * 86400e6).astype("m8[us]")


def beside(column, **more):
    """A frame of a column with gaps, that follows a whole one exactly."""
    library = polars if isinstance(column, polars.Series) else pandas
    return library.DataFrame({"x": LINE, "y": column, **more})


def holed(series):
    return series.where(~pandas.Series(GAPS))


def filled(frame, **options):
    return NTKImputer(ridge=1e-4, **options).fit_transform(frame)


# Dates.

STAMPS = pandas.Series(DAYS)
NAIVE = {
    f"datetime64[{unit}]": holed(STAMPS.astype(f"datetime64[{unit}]")) for unit in ("s", "us", "ns")
}
DATES = {
    **NAIVE,
    "zone": holed(STAMPS.dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin")),
    "arrow": holed(STAMPS.astype("timestamp[us][pyarrow]")),
    "arrow zone": holed(STAMPS.dt.tz_localize("UTC").astype("timestamp[ms, tz=UTC][pyarrow]")),
    "arrow date": holed(STAMPS.astype("date32[day][pyarrow]")),
    "duration": holed(STAMPS - STAMPS[0]),
    "arrow duration": holed((STAMPS - STAMPS[0]).astype("duration[us][pyarrow]")),
}


@pytest.mark.parametrize("name", DATES)
def test_dates_of_pandas(name):
    column = DATES[name]
    result = filled(beside(column))["y"]
    assert result.dtype == column.dtype
    pandas.testing.assert_series_equal(result[~GAPS], column[~GAPS], check_names=False)
    zero = column.dropna().iloc[0]
    days = [(x - zero) / pandas.Timedelta(days=1) for x in result[GAPS]]
    np.testing.assert_allclose(days, LINE[GAPS], atol=1.0)


POLARS_DATES = {
    "date": polars.Date,
    "ms": polars.Datetime("ms"),
    "ns, zone": polars.Datetime("ns", "Asia/Tokyo"),
    "duration": polars.Duration("us"),
}


@pytest.mark.parametrize("name", POLARS_DATES)
def test_dates_of_polars(name):
    dtype = POLARS_DATES[name]
    whole = polars.Series((LINE * 86400e6).astype(np.int64))
    step = polars.Datetime("us", getattr(dtype, "time_zone", None))
    whole = whole.cast(polars.Duration("us") if name == "duration" else step).cast(dtype)
    column = whole.to_frame("y").with_columns(
        polars.when(polars.Series(~GAPS)).then(polars.col("y")).alias("y")
    )["y"]
    assert column.null_count() == 3
    result = filled(beside(column))["y"]
    assert result.dtype == dtype
    assert result.filter(~GAPS).equals(whole.filter(~GAPS))
    off = (result - whole).cast(polars.Duration("us")).to_physical().abs().max()
    assert off <= 86400e6


@pytest.mark.parametrize("dtype", ["datetime64[D]", "datetime64[s]", "timedelta64[h]"])
def test_dates_of_arrays(dtype):
    zero = np.datetime64("2024-01-01") if dtype.startswith("date") else np.timedelta64(0, "D")
    whole = np.stack([zero + LINE.astype("m8[D]")] * 2, axis=1).astype(dtype)
    holes = whole.copy()
    holes[GAPS, 1] = "NaT"
    result = filled(holes)
    assert result.dtype == whole.dtype
    np.testing.assert_array_equal(result[~GAPS], whole[~GAPS])
    assert (np.abs(result - whole) <= np.timedelta64(1, "D")).all()


@pytest.mark.parametrize(
    "column",
    [
        [datetime.date(2024, 1, 1), None] * 20,
        STAMPS.dt.to_period("D"),
        STAMPS.astype("category"),
        [datetime.datetime(2024, 1, 1)] * 40,
    ],
    ids=["objects", "periods", "categories", "datetimes"],
)
def test_other_dates_are_refused_by_name(column):
    column = pandas.Series(column, dtype=object) if isinstance(column, list) else column
    with pytest.raises(InputError, match="column 'y'"):
        NTKImputer().fit(beside(column))


def test_dates_in_objects_and_times_of_day_are_refused():
    with pytest.raises(InputError, match="row 1, column 1"):
        NTKImputer().fit(np.array([[1, 2], [3, np.datetime64("2024-01-01")]], dtype=object))
    with pytest.raises(InputError, match="column 'y'"):
        NTKImputer().fit(beside(polars.Series([datetime.time(1)] * N)))


@pytest.mark.parametrize("library", ["pandas", "polars", "array"])
def test_whole_days_are_those_of_the_fit_whatever_the_batch(library):
    column = NAIVE["datetime64[us]"]
    frame = {"pandas": beside(column), "polars": polars.from_pandas(beside(column))}.get(library)
    if frame is None:
        frame = np.stack([column.to_numpy()] * 2, axis=1)
        frame[::2, 0] = "NaT"
    imputer = NTKImputer().fit(frame[:20])
    every = imputer.transform(frame)
    for k in np.flatnonzero(GAPS):
        alone = imputer.transform(frame[k : k + 1])
        both = [each if library == "array" else each["y"].to_numpy() for each in (alone, every)]
        stamp = np.ravel(both[0])[-1]
        assert stamp == np.ravel(both[1][k])[-1] == stamp.astype("datetime64[D]")


# Midnights of this zone from this day on, summer time or a skipped or doubled midnight among them.
ZONES = {
    "Europe/Berlin": "2024-06-01",
    "Europe/Paris": "2024-03-15",
    "America/New_York": "2024-10-20",
    "Asia/Kolkata": "2024-01-01",
    "America/Sao_Paulo": "2018-10-20",  # no midnight on 2018-11-04
    "America/Havana": "2024-10-20",  # two on 2024-11-03
}


@pytest.mark.slow
@pytest.mark.parametrize("form", ["ns", "us", "s", "arrow", "polars"])
@pytest.mark.parametrize("zone", ZONES)
def test_midnights_of_a_time_zone_are_whole_days(zone, form):
    days = (2 * LINE + np.sin(7 * LINE)).round()
    start = pandas.Timestamp(ZONES[zone])
    naive = pandas.Series(start + pandas.to_timedelta(days, unit="D")).astype("datetime64[us]")
    whole = naive.dt.tz_localize(zone, ambiguous=np.ones(N, bool), nonexistent="shift_forward")
    column = holed(whole)
    if form == "arrow":
        column = column.astype(pandas.ArrowDtype(arrow.timestamp("us", zone)))
    elif form == "polars":
        column = polars.Series(column)
    else:
        column = column.astype(f"datetime64[{form}, {zone}]")
    frame = beside(column)
    imputer = NTKImputer(max_iter=1, tol=9)
    drawn = imputer.impute(frame, draws=1).draws[0]["y"]
    for result in (imputer.fit_transform(frame)["y"], drawn, imputer.transform(frame)["y"]):
        assert result.dtype == column.dtype
        stamps = pandas.DatetimeIndex(result.to_list())
        assert stamps.tz_localize("UTC" if stamps.tz is None else None).size == N
        clock = stamps.tz_convert(zone).tz_localize(None)
        late = clock != clock.normalize()
        assert set(clock[late].astype(str)) <= {"2018-11-04 01:00:00"}
        known = stamps.tz_convert("UTC")[~GAPS]
        assert (known == pandas.DatetimeIndex(whole[~GAPS]).tz_convert("UTC")).all()


@pytest.mark.parametrize("zone", ["America/Sao_Paulo", "America/Havana", "Pacific/Apia"])
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_midnights_that_are_skipped_or_doubled_are_filled_in(zone, library):
    """The mean of the days around them."""
    day = {"America/Sao_Paulo": "2018-11-04", "America/Havana": "2024-11-03"}.get(zone)
    middle = pandas.Timestamp(day or "2011-12-30")
    days = pandas.Series(middle + pandas.to_timedelta([-4.0, -4, 4, 4, 0], unit="D"))
    column = days.dt.tz_localize(zone, ambiguous=np.ones(5, bool), nonexistent="shift_forward")
    column = column.where(np.arange(5) < 4)
    frame = pandas.DataFrame({"x": [0.0, 1, 0, 1, 0.5], "y": column})
    frame = polars.from_pandas(frame) if library == "polars" else frame
    result = NTKImputer(max_iter=1, tol=9).fit_transform(frame)["y"]
    assert abs(pandas.Timestamp(result[4]) - middle.tz_localize("UTC")) < pandas.Timedelta("2D")


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_bounds_of_midnights_are_midnights_within(library):
    days = pandas.Series(pandas.Timestamp("2024-03-01") + pandas.to_timedelta(LINE, unit="D"))
    frame = beside(holed(days.dt.tz_localize("Europe/Berlin")))
    frame = polars.from_pandas(frame) if library == "polars" else frame
    low, high = (pandas.Timestamp(f"2024-03-{day} 18:00", tz="Europe/Berlin") for day in (9, 12))
    for gap in np.flatnonzero(GAPS):
        stamp = NTKImputer(bounds={"y": (low, high)}).fit_transform(frame)["y"][int(gap)]
        assert low < stamp < high
        assert pandas.Timestamp(stamp).hour == 0


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_uncertainty_of_dates_is_durations_and_dates(library):
    frame = beside(NAIVE["datetime64[us]"], z=np.sin(LINE))
    frame = polars.from_pandas(frame) if library == "polars" else frame
    done = NTKImputer(ridge=1e-3).impute(frame, return_std=True, interval=0.8)
    low, high, std = done.interval.lower["y"], done.interval.upper["y"], done.std["y"]
    assert low.dtype == high.dtype == done.values["y"].dtype
    at = int(np.flatnonzero(GAPS)[0])
    rounding = datetime.timedelta(hours=12)  # values are whole days, as the known ones
    assert low[at] - rounding <= done.values["y"][at] <= high[at] + rounding
    assert low[0] == high[0] == frame["y"][0]
    assert std[0] == datetime.timedelta(0) < std[at] < datetime.timedelta(days=60)


@pytest.mark.parametrize("library", ["pandas", "polars", "array"])
def test_dates_without_any_entry_stay_missing(library):
    empty = pandas.Series([pandas.NaT] * N, dtype="datetime64[us]").dt.tz_localize("Asia/Tokyo")
    frame = beside(empty, z=empty - empty)
    frame = polars.from_pandas(frame) if library == "polars" else frame
    if library == "array":
        frame = np.stack([DAYS, np.full(N, np.datetime64("NaT"))], axis=1)
    with pytest.warns(UserWarning, match="dates stay missing"):
        done = NTKImputer().impute(frame)
    missing = done.values["y"] if library != "array" else done.values[:, 1]
    assert missing.dtype == (frame.dtype if library == "array" else frame["y"].dtype)
    assert (missing.is_null() if library == "polars" else pandas.isna(missing)).all()


# What stands for a missing entry.

MARKS = [
    -99, -99.0, np.int64(-99), np.int8(-99), np.float32(-99), np.float16(-99), [-99], (-99, -9),
    {-99}, np.array(-99), np.array([-99.0, -9.0]), [np.nan, -99], [None, pandas.NA, -99], "-99",
    Fraction(-99), [-99, 10**400],
]  # fmt: skip


@pytest.mark.sampled
@pytest.mark.parametrize("mark", MARKS, ids=repr)
def test_marks_are_gaps(mark):
    given = np.where(np.isnan(HOLED), -99, HOLED)
    expected = NTKImputer().fit_transform(HOLED)
    for table in (given, pandas.DataFrame(given), polars.DataFrame(given)):
        result = NTKImputer(missing_values=mark).fit_transform(table)
        np.testing.assert_array_equal(np.asarray(result), expected)


LISTED = {
    "decimal": Decimal(-99),
    "range": range(-99, -90),
    "series": pandas.Series([-9, -99], index=["x", "y"]),
    "index": pandas.Index([-99.0]),
    "polars": polars.Series([-99, None]),
}


@pytest.mark.parametrize("name", LISTED)
def test_marks_in_whatever_list(name):
    given = pandas.DataFrame(np.where(np.isnan(HOLED), -99, HOLED))
    result = NTKImputer(missing_values=LISTED[name]).fit_transform(given)
    np.testing.assert_array_equal(result, NTKImputer().fit_transform(HOLED))


@pytest.mark.filterwarnings("ignore:the column 0 holds -99.875")
@pytest.mark.parametrize("mark", [-99.9, np.float32(-99.9)], ids=repr)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_marks_of_another_precision(mark, dtype):
    given = np.where(np.isnan(HOLED), -99.9, HOLED).astype(dtype)
    given[0, 0] = -99.875  # which is -99.9 in half precision alone
    for table in (given, pandas.DataFrame(given)):
        result = np.asarray(NTKImputer(missing_values=mark).fit_transform(table))
        assert result.dtype == dtype
        assert (result[0, 0] == given[0, 0]) == (dtype != np.float16)
        assert np.abs(result.ravel()[1:]).max() < 20


@pytest.mark.parametrize("value", [300.0, -4321.0, 1e6])
def test_a_number_far_from_all_others_draws_a_warning(value, recwarn):
    table = np.random.default_rng(0).normal(size=(60, 3))
    table[::7, 1], table[5, 2] = np.nan, value
    with pytest.warns(
        UserWarning, match=re.escape(f"the column 2 holds {value:g}, far from all others")
    ):
        NTKImputer(max_iter=1).fit(table)
    skewed = np.exp(1.5 * table[:, [0, 1]])
    NTKImputer(max_iter=1).fit(skewed)
    assert not recwarn.list


STAMPED = [
    np.datetime64("1900-01-01"),
    datetime.date(1900, 1, 1),
    datetime.datetime(1900, 1, 1),
    [-99, np.datetime64("1900-01-01"), datetime.date(9999, 12, 31)],
    pandas.Timestamp("1900-01-01", tz="UTC"),
]


@pytest.mark.parametrize("mark", STAMPED, ids=repr)
@pytest.mark.parametrize("zone", [None, "UTC"])
def test_dates_that_stand_for_missing_ones(mark, zone):
    column = STAMPS.astype("datetime64[us]").where(~GAPS, np.datetime64("1900-01-01"))
    column = column.dt.tz_localize(zone)
    for frame in (beside(column), polars.from_pandas(beside(column))):
        result = NTKImputer(missing_values=mark, ridge=1e-4).fit_transform(frame)["y"]
        years = result.dt.year() if isinstance(result, polars.Series) else result.dt.year
        assert result.dtype == frame["y"].dtype
        assert set(years.to_list()) == {2024}


@pytest.mark.parametrize("mark", [True, [-99, np.bool_(False)], 1j, b"NA"], ids=repr)
def test_marks_that_are_no_numbers_are_refused(mark):
    with pytest.raises(InputError, match=r"missing_values must be a number, text or .*replace"):
        NTKImputer(missing_values=mark).fit(HOLED)


def test_nothing_stands_for_a_missing_truth_value_or_date():
    truth = np.arange(N) % 2 == 0
    known = {"b": truth, "n": pandas.array(truth, dtype="boolean"), "o": truth.astype(object)}
    known["t"] = pandas.to_datetime(LINE, unit="D")  # the first is the day 0
    frame = pandas.DataFrame({"x": np.where(GAPS, 0, LINE + 1), **known})
    for given in (frame, polars.from_pandas(frame)):
        result = NTKImputer(missing_values=0).fit_transform(given)
        for name in known:
            assert result[name].equals(given[name])
        assert float(result["x"].min()) > 0
    assert not NTKImputer(missing_values=0).fit_transform(truth[:, None]).all()
    mixed = np.array([[True, 1.0], [False, 0.0], [True, 3.0]], dtype=object)
    result = NTKImputer(missing_values=0, ridge=1.0).fit_transform(mixed)
    assert result[1, 0] == 0
    assert result[1, 1] != 0


@pytest.mark.parametrize(
    "mark",
    [-9999.0, -99.0, -99.99, 999.0, 999.9, -999.25, -(2.0**31), 1e20, -1e30, 1e36, 65535.0, 5e40]
    + [float(np.float32(9.96921e36)), -float(np.finfo(np.float32).max)],
)
def test_a_suspicious_mark_draws_a_warning_that_says_how_to_mark_it(mark):
    given = HOLED.copy()
    given[3, 2] = mark
    frame = pandas.DataFrame(given, columns=list("abcd"))
    for table, name in ((given, "2"), (frame, "'c'")):
        pattern = rf"in column {name} looks like.*missing_values="
        with pytest.warns(UserWarning, match=pattern) as warned:
            NTKImputer().fit(table)
    hint = str(warned[0].message).rpartition("missing_values=")[2].rstrip(".")
    result = NTKImputer(missing_values=float(hint)).fit_transform(given)
    assert np.abs(result).max() < 20


SPANS = np.datetime64("2024-01-01", "us") + (LINE * 86400e6).astype("m8[us]")


@pytest.mark.parametrize("library", ["pandas", "polars", "array"])
@pytest.mark.parametrize("day", ["1900-01-01", "9999-12-31", "1970-01-01"])
def test_dates_that_stand_for_none_draw_the_warning(day, library):
    column = np.where(GAPS, np.datetime64(day, "us"), SPANS)
    frame = {"pandas": beside(column), "polars": polars.from_pandas(beside(column))}.get(library)
    table = np.stack([SPANS, column], axis=1) if frame is None else frame
    name = "1" if frame is None else "'y'"
    with pytest.warns(UserWarning, match=rf"{day} in column {name} looks .*datetime.date"):
        NTKImputer().fit(table)
    mark = datetime.date.fromisoformat(day)
    NTKImputer(missing_values=mark).fit(table)  # warnings are errors


@pytest.mark.parametrize("text", ["null", "NA", "None", "<NA>", "N/A"])
@pytest.mark.parametrize("library", ["pandas", "polars", "array"])
def test_text_that_stands_for_none_draws_the_warning(text, library):
    entries = [text if gap else "ab"[k % 2] for k, gap in enumerate(GAPS)]
    table = beside((polars if library == "polars" else pandas).Series(entries))
    table = table.to_numpy() if library == "array" else table
    with pytest.warns(UserWarning, match=rf"'{text}' in column .*missing_values='{text}'"):
        NTKImputer().fit(table)
    result = np.asarray(NTKImputer(missing_values=text).fit_transform(table))
    assert set(result[:, 1]) == {"a", "b"}


@pytest.mark.parametrize(
    "column",
    [
        np.datetime64("1900-01-01") + np.arange(N) * np.timedelta64(900, "D"),
        np.datetime64("1970-01-01") + np.arange(N) * np.timedelta64(1, "h"),
        np.array(["nay", "anna", "nano", "b"] * 10, object),
    ],
    ids=["years", "hours", "words"],
)
def test_dates_and_text_that_are_no_marks(column):
    NTKImputer().fit(beside(column))  # warnings are errors


@pytest.mark.parametrize(
    "values", [[90, 95, 99], [1, 2, -98], [0, 0, 999], [-99, -50, 0, 60], [0, 1, 2, 9], []]
)
def test_values_that_are_no_marks(values):
    assert sentinel_of(np.array(values, float)) is None


# Units.


@pytest.mark.sampled
@pytest.mark.parametrize("sides", ["", "r", "c", "rc"])
@pytest.mark.parametrize("scale", [1e-100, 1e-13, 1e13, 1e100])
def test_units_do_not_matter(scale, sides):
    features = {"r": ("row_features", LEFT), "c": ("column_features", RIGHT.T)}
    options = dict(features[side] for side in sides)
    expected = NTKImputer(**options).fit_transform(HOLED)
    result = NTKImputer(**options).fit_transform(HOLED * scale) / scale
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-6)
    mixed = np.array([1.0, scale, 1.0, scale])
    if not sides:
        result = NTKImputer().fit_transform(HOLED * mixed) / mixed
        np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-6)
    scaled = {name: values * scale for name, values in options.items()}
    result = NTKImputer(**scaled).fit_transform(HOLED)
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-6)


# Labels.

LABELS = {
    "strings": list("abcd"),
    "integers": [30, 10, 20, 40],
    "dates": list(pandas.date_range("2024-01-01", periods=4)),
    "tuples": pandas.MultiIndex.from_product([["a", "b"], [1, 2]], names=["l", "k"]),
    "mixed": ["a", 1, 2.5, ("b", 2)],
}


@pytest.mark.sampled
@pytest.mark.parametrize("name", LABELS)
def test_labels_of_any_kind_are_kept_and_matched(name):
    columns = pandas.Index(LABELS[name], tupleize_cols=name == "tuples")
    columns = LABELS[name] if name == "tuples" else columns.set_names("columns")
    rows = (columns if name == "tuples" else columns.rename("rows")).repeat(10)
    frame = pandas.DataFrame(HOLED, rows, columns)
    frame.attrs["source"] = "here"
    result = NTKImputer().fit_transform(frame)
    pandas.testing.assert_index_equal(result.columns, columns, exact=True)
    pandas.testing.assert_index_equal(result.index, rows, exact=True)
    assert result.attrs == frame.attrs
    same = NTKImputer().set_output(transform="pandas").fit_transform(frame)
    pandas.testing.assert_frame_equal(same, result)
    features = pandas.DataFrame(RIGHT.T, index=columns)[::-1]
    result = NTKImputer(column_features=features).fit_transform(frame)
    expected = NTKImputer(column_features=RIGHT.T).fit_transform(HOLED)
    np.testing.assert_allclose(result, expected, rtol=1e-9)
    frame = frame.iloc[::10].copy()
    frame.iloc[1, 1] = np.nan
    imputer = NTKImputer(row_features=pandas.DataFrame(LEFT[::10], frame.index)[::-1])
    result = imputer.fit_transform(frame)
    expected = NTKImputer(row_features=LEFT[::10]).fit_transform(frame.to_numpy())
    np.testing.assert_allclose(result, expected, rtol=1e-9)
    assert imputer.explain(columns[1], columns[1]).at == (1, 1)
    new = imputer.transform(frame.iloc[[1]] * np.nan)
    np.testing.assert_allclose(new.iloc[0, 1], expected[1, 1])
    if name != "strings":  # scikit-learn says so of names
        with pytest.raises(InputError, match="must be those that were fitted"):
            imputer.transform(frame.iloc[:, ::-1])


@pytest.mark.parametrize(
    ("columns", "index"),
    [([1, 2, 3, 4], list("1234")), (list("abcd"), None), ([10, 20, 30, 40], [1, 2, 3, 4])],
)
def test_features_none_of_whose_labels_match_are_refused(columns, index):
    frame = pandas.DataFrame(HOLED, columns=columns)
    with pytest.raises(InputError, match=r"no column features for 4 of 4 columns.* Try: labels"):
        NTKImputer(column_features=pandas.DataFrame(RIGHT.T, index)).fit(frame)


def test_integers_are_labels_where_there_are_such():
    frame = pandas.DataFrame(HOLED, index=np.arange(100, 100 + N))
    imputer = NTKImputer().fit(frame)
    assert imputer.explain(105, 1).at == (5, 1)
    with pytest.raises(InputError, match="no row 5; expected a label such as 100"):
        imputer.explain(5, 1)
    assert NTKImputer().fit(HOLED).explain(-1, 1).at == (39, 1)


# Types.

WHOLE = ("UInt8", "Int8", "int16[pyarrow]", "Int64")


@pytest.mark.parametrize("dtype", WHOLE)
def test_fills_stay_within_the_range_of_whole_numbers(dtype):
    top = 127 if dtype == "Int8" else 255
    counts = np.minimum(60 + 8 * LINE, top)
    frame = beside(pandas.Series(counts).astype(dtype).where(LINE < 38))
    result = NTKImputer(ridge=1e-4).fit_transform(frame)["y"]
    assert result.dtype == frame["y"].dtype
    assert result[:38].equals(frame["y"][:38])
    assert not result.isna().any()
    frame = beside(
        pandas.Series(np.where(LINE < 38, LINE * 6, None)).astype(dtype if 0 else "UInt8")
    )
    assert filled(frame)["y"].max() <= 255


def test_a_fill_beyond_the_range_is_clipped():
    counts = polars.Series([None if k > 30 else 8 * k for k in range(N)], dtype=polars.UInt8)
    for frame in (beside(counts), beside(counts).to_pandas().astype({"y": "UInt8"})):
        result = filled(frame, row_features=LINE[:, None])["y"]
        assert result[39] == 255
        assert result[30] == 240


@pytest.mark.parametrize(
    "dtype", ["Int64", "UInt64", "int64[pyarrow]", "object", "float64", "float32", "Sparse[float]"]
)
def test_known_entries_stay_equal_in_pandas(dtype):
    big = 2**53 + 1 + 2 * np.arange(N)
    frame = beside(
        pandas.Series(big)
        .astype(dtype)
        .where(~GAPS, None if dtype == "object" else pandas.NA if "nt64" in dtype else np.nan)
    )
    frame["y"] = frame["y"].astype(dtype)
    result = NTKImputer().fit_transform(frame)["y"]
    assert result.dtype == frame["y"].dtype
    assert result[~GAPS].tolist() == frame["y"][~GAPS].tolist()
    assert not result.isna().any()


@pytest.mark.parametrize("dtype", ["Int64", "UInt64", "Float32", "Decimal"])
def test_known_entries_stay_equal_in_polars(dtype):
    big = [None if gap else 2**53 + 1 + 2 * k for k, gap in enumerate(GAPS)]
    dtype = polars.Decimal(20, 2) if dtype == "Decimal" else getattr(polars, dtype)
    column = polars.Series(big).cast(dtype)
    result = NTKImputer().fit_transform(beside(column))["y"]
    assert result.dtype == dtype
    assert result.filter(~GAPS).equals(column.filter(~GAPS))
    assert result.null_count() == 0


@pytest.mark.parametrize("number", [Fraction(1, 3), np.float32(1 / 3), 2**80 + 1], ids=repr)
def test_known_objects_stay_what_they_are(number):
    given = pandas.Series([None if gap else number * k for k, gap in enumerate(GAPS)], dtype=object)
    result = filled(beside(given))["y"]
    assert result.dtype == object
    for k in np.flatnonzero(~GAPS):
        assert result[k] == given[k]
        assert type(result[k]) is type(given[k])
    assert float(result[17]) == pytest.approx(17 * float(number), rel=0.05)


@pytest.mark.parametrize("power", [60, 70, 126])
def test_whole_numbers_of_128_bits(power):
    column = [None if gap else 2**power + k * 2 ** (power - 10) for k, gap in enumerate(GAPS)]
    given = polars.Series(column, dtype=polars.Int128)
    result = filled(beside(given))["y"]
    assert result.dtype == polars.Int128
    assert result.filter(~GAPS).equals(given.filter(~GAPS))
    for k in np.flatnonzero(GAPS):
        assert result[int(k)] == pytest.approx(2**power + int(k) * 2 ** (power - 10), rel=1e-3)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_known_entries_stay_equal_in_arrays(dtype):
    given = np.where(np.isnan(HOLED), np.nan, HOLED).astype(dtype) / dtype(3)
    result = NTKImputer().fit_transform(given)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result[~np.isnan(given)], given[~np.isnan(given)])


def test_integers_that_arrays_would_change_are_refused():
    given = np.arange(12).reshape(4, 3)
    assert NTKImputer(missing_values=3).fit_transform(given).dtype == np.float64
    for big in (2**53 + 1, -(2**60)):
        with pytest.raises(InputError, match=f"got {big} in row 1. Try: a data frame"):
            NTKImputer().fit(np.where(given == 4, big, given))


@pytest.mark.parametrize("categories", [[1, 2, 5], [0.5, 1.5, 8.0], [True, False]], ids=repr)
@pytest.mark.parametrize("ordered", [True, False])
def test_numeric_categories_get_the_nearest(categories, ordered):
    values = np.array(categories)[np.arange(N) % len(categories)]
    column = pandas.Series(values.astype(object)).where(~GAPS, None)
    frame = beside(column.astype(pandas.CategoricalDtype(categories, ordered)))
    frame["x"] = values.astype(float)
    result = filled(frame)["y"]
    assert result.dtype == frame["y"].dtype
    assert result.tolist() == values.tolist()


@pytest.mark.parametrize(
    "table",
    [
        beside(pandas.Series(LINE + 1j)),
        beside(pandas.Series([1j, None] * 20, dtype=object)),
        beside(pandas.Series([1, np.complex64(2)] * 20, dtype=object)),
        beside(pandas.Series([b"a", b"b"] * 20)),
        beside(pandas.Series([b"1", None] * 20)),
        beside(
            pandas.Series(
                arrow.array([1, 2, None, 4] * 10).dictionary_encode(),
                dtype=pandas.ArrowDtype(arrow.dictionary(arrow.int32(), arrow.int64())),
            )
        ),
        beside(polars.Series([[1], [2]] * 20)),
        np.array([[1, 2j], [3, 4]], dtype=object),
        TABLE + 1j,
    ],
    ids=[
        "complex",
        "complex and nothing",
        "complex among numbers",
        "bytes",
        "bytes of digits",
        "categories of Arrow",
        "polars lists",
        "complex object",
        "complex array",
    ],
)
def test_what_is_no_number_is_refused(table):
    with pytest.raises(ValueError, match=r"(column '?(y|1)'?|[cC]omplex)"):
        NTKImputer().fit(table)


@pytest.mark.parametrize(
    ("features", "said"),
    [
        (RIGHT.T + 1j, "Complex data not supported; got dtype complex128"),
        ({"a": [1, 2]}, "column features must be an array or a data frame; got dict"),
        (RIGHT.T.astype("S"), "no number; got dtype .S"),
        (pandas.DataFrame(RIGHT.T + 1j), "column 0 holds something that is no number"),
    ],
    ids=["complex", "dict", "bytes", "complex frame"],
)
def test_features_that_are_no_numbers_are_refused(features, said):
    with pytest.raises(InputError, match=said):
        NTKImputer(column_features=features).fit(HOLED)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int64"])
def test_tensors_are_arrays(dtype):
    torch = pytest.importorskip("torch")
    table = np.where(np.isnan(HOLED), -99, 9 * HOLED).astype(dtype)
    tensor = torch.tensor(table)
    imputer = NTKImputer(missing_values=-99, max_iter=1, tol=9)
    result = imputer.fit_transform(tensor)
    assert isinstance(result, np.ndarray)
    assert result.dtype == (dtype if dtype != "int64" else float)
    np.testing.assert_array_equal(result, imputer.fit_transform(table))
    np.testing.assert_array_equal(imputer.fit(tensor).transform(tensor[:9]), result[:9])
    np.testing.assert_array_equal(imputer.impute(tensor, return_std=True).values, result)
    told = imputer.explain(5, 1, tensor)
    assert told.value == imputer.explain(5, 1, table).value


UNREAD = {
    "lazy frame": (polars.LazyFrame({"a": LINE, "b": LINE}), r"got LazyFrame.*table.collect\(\)"),
    "lazy query": (polars.DataFrame({"a": LINE, "b": LINE}).lazy().head(3), "got LazyFrame"),
    "dict": ({"a": LINE, "b": LINE}, r"a data frame or an array; got dict. Try: .*DataFrame"),
    "empty dict": ({}, "a data frame or an array; got dict"),
    "mapping": (MappingProxyType({"a": LINE}), "a data frame or an array; got mappingproxy"),
}


@pytest.mark.parametrize("name", UNREAD)
def test_what_is_no_table_is_refused_with_a_hint(name):
    table, said = UNREAD[name]
    imputer = NTKImputer(max_iter=1, tol=9).fit(np.c_[LINE, LINE])
    ways = (imputer.transform, imputer.fit, imputer.fit_transform, imputer.impute)
    for way in (lambda given: imputer.explain(0, 0, given), *ways):
        with pytest.raises(InputError, match=said):
            way(table)


def test_arrays_of_records_are_refused_with_a_hint():
    records = beside(holed(STAMPS)).to_records(index=False)
    for table in (records, np.array([(1.0, 2.0)], dtype=[("a", "f8"), ("b", "f4")])):
        with pytest.raises(InputError, match=r"array of records.*pandas.DataFrame\(table\)"):
            NTKImputer().fit(table)


@pytest.mark.parametrize("dtype", ["object", "arrow"])
def test_decimal_numbers_stay_decimal(dtype):
    known = [None if gap else Decimal(k) / 4 for k, gap in enumerate(GAPS)]
    column = pandas.Series(known, dtype=object)
    if dtype == "arrow":
        column = column.astype(pandas.ArrowDtype(arrow.decimal128(20, 2)))
    result = filled(beside(column))["y"]
    assert result.dtype == column.dtype
    assert result[~GAPS].equals(column[~GAPS])
    for k in np.flatnonzero(GAPS):
        assert isinstance(result[k], Decimal)
        assert abs(result[k] - Decimal(int(k)) / 4) < Decimal("0.1")


def test_masked_arrays_and_sparse_ones():
    expected = NTKImputer().fit_transform(HOLED)
    masked = np.ma.masked_invalid(HOLED)
    masked.data[np.isnan(HOLED)] = -1e6
    np.testing.assert_array_equal(NTKImputer().fit_transform(masked), expected)
    stored = sparse.csr_array((HOLED[~np.isnan(HOLED)], np.nonzero(~np.isnan(HOLED))), HOLED.shape)
    np.testing.assert_array_equal(NTKImputer().fit_transform(stored), expected)


CONTAINERS = {
    "pandas": pandas.DataFrame(HOLED, columns=list("abcd"), index=np.arange(N) + 7),
    "polars": polars.DataFrame(HOLED, schema=list("abcd")),
    "array": HOLED,
}


@pytest.mark.parametrize(
    ("given", "asked"), list(itertools.product(CONTAINERS, ["default", "pandas", "polars"]))
)
def test_output_in_any_library(given, asked):
    table = CONTAINERS[given]
    imputer = NTKImputer().set_output(transform=asked)
    done = imputer.impute(table, return_std=True, interval=0.9)
    expected = NTKImputer().fit_transform(HOLED)
    for result in (done.values, imputer.fit_transform(table), imputer.transform(table)):
        np.testing.assert_allclose(np.asarray(result), expected, atol=0.3)
    kinds = {"pandas": pandas.DataFrame, "polars": polars.DataFrame, "array": np.ndarray}
    kind = kinds[given if asked == "default" else asked]
    for part in (done.values, done.std, done.interval.lower, done.interval.upper):
        assert isinstance(part, kind)
        assert part.shape == HOLED.shape
        if kind is not np.ndarray:
            names = [f"x{k}" for k in range(4)] if given == "array" else list("abcd")
            assert list(part.columns) == names
    if kind is pandas.DataFrame and given == "pandas":
        assert done.std.index.equals(table.index)
    assert (np.asarray(done.std) > 0).sum() == 3


def test_an_indicator_has_columns_of_its_own():
    for given in ("pandas", "polars"):
        result = NTKImputer(add_indicator=True).fit_transform(CONTAINERS[given])
        assert list(result.columns) == [*"abcd", "missingindicator_b"]
        assert np.asarray(result)[:, 4].tolist() == GAPS.tolist()
    assert NTKImputer(add_indicator=True).fit_transform(HOLED).shape == (N, 5)
    frame = pandas.DataFrame(HOLED, columns=LABELS["tuples"])
    result = NTKImputer(add_indicator=True).fit_transform(frame)
    assert list(result.columns)[4] == ("missingindicator_a", 2)
    assert list(result.columns.names) == ["l", "k"]


# Signatures.


def test_unknown_keywords_are_refused():
    for method in ("fit", "fit_transform", "impute", "transform"):
        with pytest.raises(TypeError, match="unexpected keyword"):
            getattr(NTKImputer().fit(HOLED), method)(HOLED, row_feature=LEFT)
    with pytest.raises(TypeError, match="unexpected keyword"):
        NTKImputer().fit_transform(HOLED, row_features=LEFT)


def test_forgotten_features_are_asked_for():
    features = pandas.DataFrame(LEFT)
    for index in (None, np.arange(10), pandas.RangeIndex(10)):
        imputer = NTKImputer(row_features=features).fit(pandas.DataFrame(HOLED))
        new = pandas.DataFrame(np.full((10, 4), np.nan), index=index)
        with pytest.raises(InputError, match="row_features are needed"):
            imputer.transform(new)
        with pytest.raises(InputError, match="row_features are needed"):
            imputer.explain(0, 1, new)
        assert imputer.transform(new, row_features=features[10:20].set_axis(range(10))).shape
    np.testing.assert_allclose(
        imputer.transform(pandas.DataFrame(HOLED)), imputer.fit_transform(pandas.DataFrame(HOLED))
    )
    assert imputer.transform(new.set_axis(range(20, 30))).shape == (10, 4)


# Bounds.

RAIN = np.stack([LINE, LINE - 3.0], axis=1)
RAIN[[0, 1, 39], 1] = np.nan


@pytest.mark.parametrize(
    ("bounds", "low", "high"),
    [
        ((0, 15), 0, 15),
        ((0, None), 0, np.inf),
        ((None, 15.5), -np.inf, 15.5),
        ({"y": (0, 15)}, 0, 15),
        (pandas.DataFrame({"low": [0], "high": [15]}, index=["y"]), 0, 15),
        ([[None, None], [0, 15]], 0, 15),
        ("data", -1, 35),
    ],
    ids=str,
)
def test_bounds(bounds, low, high):
    frame = pandas.DataFrame(RAIN, columns=["x", "y"])
    free = NTKImputer(ridge=1e-3).fit_transform(frame)
    assert (free["y"] < 0).any()
    imputer = NTKImputer(ridge=1e-3, bounds=bounds)
    result = imputer.fit_transform(frame)
    gaps = frame["y"].isna()
    np.testing.assert_array_equal(result["y"][gaps], np.clip(free["y"][gaps], low, high))
    np.testing.assert_array_equal(result["y"][~gaps], RAIN[~gaps, 1])
    assert imputer.transform(frame)["y"][gaps].between(low, high).all()
    done = imputer.impute(frame, interval=0.9)
    assert (done.interval.lower["y"] >= low).all()
    assert (done.interval.upper["y"][gaps] <= high).all()


def test_bounds_of_dates():
    frame = beside(NAIVE["datetime64[us]"])
    top = pandas.Timestamp("2024-01-10")
    result = filled(frame, bounds={"y": (None, top)})["y"]
    assert (result[GAPS] <= top).all()
    assert result[17] == top
    top = top.tz_localize("Europe/Berlin")
    result = filled(beside(DATES["zone"]), bounds={"y": (None, top)})["y"]
    assert result[17] <= top < result[18]


@pytest.mark.parametrize("dtype", ["Int64", "UInt8", "int32[pyarrow]"])
def test_bounds_between_whole_numbers(dtype):
    frame = beside(pandas.Series(LINE).astype(dtype).where(LINE < 20))
    for given in (frame, polars.from_pandas(frame)):
        imputer = NTKImputer(bounds={"y": (None, 20.7)}, row_features=LINE[:, None])
        assert max(imputer.fit_transform(given)["y"][20:]) == 20


@pytest.mark.parametrize(
    "bounds", [(2, 1), (0,), "range", {"z": (0, 1)}, {"y": 3}, {"y": ("a", "b")}, [[0, 1]] * 3]
)
def test_bounds_that_cannot_be_used(bounds):
    with pytest.raises(InputError, match="bound"):
        NTKImputer(bounds=bounds).fit(pandas.DataFrame(RAIN, columns=["x", "y"]))


# A row by itself.


@pytest.mark.parametrize(
    ("sides", "columns"),
    [("", 6), pytest.param("", 20, marks=pytest.mark.slow), ("r", 6), ("c", 6), ("rc", 6)],
)
def test_a_row_does_not_depend_on_its_batch(sides, columns):
    rng = np.random.default_rng(3)
    left, right = rng.normal(size=(60, 3)), rng.normal(size=(3, columns))
    table = left @ right + 0.3 * rng.normal(size=(60, columns))
    missing = rng.random(table.shape) < 0.3
    missing[np.arange(60), np.arange(60) % columns] = False
    given = np.where(missing, np.nan, table)
    options = {"r": ("row_features", left[:40]), "c": ("column_features", right.T)}
    imputer = NTKImputer(**dict(options[side] for side in sides), max_iter=50).fit(given[:40])
    rows = {"row_features": left[40:]} if "r" in sides else {}
    whole = imputer.transform(given[40:], **rows)
    for i in range(20):
        row = {name: features[[i]] for name, features in rows.items()}
        alone = imputer.transform(given[[40 + i]], **row)
        np.testing.assert_allclose(alone[0], whole[i], rtol=1e-9, atol=1e-9)


@pytest.mark.slow
def test_a_row_of_a_long_table_does_not_depend_on_its_batch(monkeypatch):
    monkeypatch.setattr("ntkfill.tables.stack.EXACT", 100)
    monkeypatch.setattr("ntkfill.tables.stack.LANDMARKS", 60)
    rng = np.random.default_rng(0)
    table = np.tanh(rng.normal(size=(220, 2)) @ rng.normal(size=(2, 4)))
    table += 0.1 * rng.normal(size=table.shape)
    missing = rng.random(table.shape) < 0.3
    missing[np.arange(220), np.arange(220) % 4] = False
    given = np.where(missing, np.nan, table)
    imputer = NTKImputer().fit(given[:200])
    whole = imputer.transform(given[200:])
    for i in range(20):
        alone = imputer.transform(given[[200 + i]])
        np.testing.assert_allclose(alone[0], whole[i], rtol=1e-9, atol=1e-9)


@pytest.mark.sampled
@pytest.mark.parametrize("seed", range(3))
def test_the_table_that_was_fitted_is_filled_as_it_was(seed):
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(80, 2)) @ rng.normal(size=(2, 6)) + 0.2 * rng.normal(size=(80, 6))
    missing = rng.random(table.shape) < 0.2
    given = np.where(missing, np.nan, table)
    imputer = NTKImputer(max_iter=50)
    off = (imputer.fit_transform(given) - imputer.transform(given)) / np.nanstd(given, axis=0)
    assert imputer.converged_
    assert np.abs(off).max() < 0.05


@pytest.mark.sampled
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    "rounded",
    [
        lambda table: table * (1 + 1e-12),
        lambda table: np.array([[float(f"{x:.12g}") for x in row] for row in table]),
        lambda table: table.astype(np.float32).astype(np.float64),
        lambda table: (table * 2.54) / 2.54,
    ],
    ids=["noise", "csv", "float32", "units"],
)
def test_rows_that_were_rounded_are_filled_as_those_that_were_fitted(rounded, seed):
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(80, 2)) @ rng.normal(size=(2, 6)) + 0.2 * rng.normal(size=(80, 6))
    given = np.where(rng.random(table.shape) < 0.3, np.nan, table)
    imputer = NTKImputer()
    filled, again = imputer.fit_transform(given), rounded(given)
    off = (filled - imputer.transform(again)) / np.nanstd(given, axis=0)
    assert np.abs(off).max() < 1e-3


@pytest.mark.sampled
@pytest.mark.parametrize("sides", ["r", "c", "rc"])
def test_rounded_rows_with_features_are_filled_as_those_that_were_fitted(sides):
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(60, 3)), rng.normal(size=(3, 8))
    table = left @ right + 0.3 * rng.normal(size=(60, 8))
    given = np.where(rng.random(table.shape) < 0.3, np.nan, table)
    options = {"r": ("row_features", left), "c": ("column_features", right.T)}
    imputer = NTKImputer(**dict(options[side] for side in sides))
    filled, rows = imputer.fit_transform(given), {"row_features": left} if "r" in sides else {}
    off = (filled - imputer.transform(given * (1 + 1e-12), **rows)) / np.nanstd(given, axis=0)
    assert np.abs(off).max() < 0.05


# The table in the documentation says what every column comes back as.

WEEK = pandas.Series(pandas.date_range("2024-01-01", periods=5)).astype("datetime64[ns]")
STEPS = pandas.Series([1, 2, 3, 4, 5])
SHOWN = {
    "pandas `float32`": STEPS.astype("float32"),
    "pandas `Int64`, `UInt8`, ...": STEPS.astype("UInt8"),
    "pandas `int64[pyarrow]`": STEPS.astype("int64[pyarrow]"),
    "pandas `boolean`": pandas.Series([True, False, False, False, False], dtype="boolean"),
    "pandas `category` of numbers": pandas.Series([1, 1, 3, 5, 5], dtype="category"),
    "pandas `object` of numbers": STEPS.astype(object),
    "pandas `object` of `Decimal`": pandas.Series([Decimal(k) for k in range(1, 6)]),
    "pandas `decimal128[pyarrow]`": STEPS.map(Decimal).astype(
        pandas.ArrowDtype(arrow.decimal128(20, 2))
    ),
    "pandas text of numbers": pandas.Series(["1", "2", "3", "4", "5"], dtype="string"),
    "pandas `datetime64`": WEEK,
    "pandas `datetime64`, time zone": WEEK.dt.tz_localize("Europe/Paris"),
    "pandas `date32[day][pyarrow]`": WEEK.astype("date32[day][pyarrow]"),
    "pandas `timedelta64`": WEEK - WEEK[0],
    "polars `UInt8`, `Int64`, ...": polars.Series([1, 2, 3, 4, 5], dtype=polars.UInt8),
    "polars `Decimal`": polars.Series([1, 2, 3, 4, 5]).cast(polars.Decimal(10, 2)),
    "polars `Boolean`": polars.Series([True, False, False, False, False]),
    "polars `Date`": polars.Series(WEEK.dt.date),
    "polars `Datetime`, time zone": polars.Series(WEEK.dt.tz_localize("Europe/Paris")),
    "NumPy `float32`": np.arange(1, 6).astype("f4"),
    "NumPy `int64`": np.array([1, 2, -99, 4, 5]),
    "NumPy `datetime64`": WEEK.to_numpy().astype("M8[s]"),
    "NumPy masked": np.ma.array([1.0, 2, 0, 4, 5], mask=[0, 0, 1, 0, 0]),
    "scipy sparse": sparse.csr_array(([1.0, 2, 4, 5], ([0, 1, 3, 4], [0] * 4)), (5, 1)),
    "pandas text, `string`": pandas.Series(list("bbbab"), dtype="string"),
    "pandas `category` of text": pandas.Series(list("bbbab"), dtype="category"),
    "pandas `dictionary` of text": pandas.Series(list("bbbab")).astype(
        pandas.ArrowDtype(arrow.dictionary(arrow.int8(), arrow.string()))
    ),
    "polars `String`": polars.Series(list("bbbab")),
    "polars `Categorical`": polars.Series(list("bbbab"), dtype=polars.Categorical),
    "pandas text, no two alike": pandas.Series(list("abcde")),
    "pandas `object` of dates": pandas.Series(WEEK.dt.date),
    "pandas `complex128`": STEPS + 1j,
    "polars `Time`, `List`": polars.Series([[1]] * 5),
}


def shown(name):
    column, x = SHOWN[name], np.arange(5.0)
    if isinstance(column, pandas.Series):
        column = column.where(np.arange(5) != 2) if column.dtype != object else column.mask(x == 2)
        table = pandas.DataFrame({"x": x, "y": column})
    elif isinstance(column, polars.Series):
        gap = polars.when(polars.col("x") != 2).then(polars.col("y")).alias("y")
        table = polars.DataFrame({"x": x, "y": column}).with_columns(gap)
    elif sparse.issparse(column):
        table = sparse.hstack([sparse.csr_array(([0.0, 1, 2, 3, 4], (range(5), [0] * 5))), column])
    elif column.dtype.kind == "M":
        table = np.stack([column, np.where(x == 2, np.datetime64("NaT"), column)], axis=1)
    else:
        table = np.ma.stack([column, column], axis=1) if np.ma.isMA(column) else None
        column = np.where(x == 2, np.nan if column.dtype.kind == "f" else column, column)
        table = np.stack([x, column], axis=1).astype(column.dtype) if table is None else table
    try:
        result = NTKImputer(ridge=1e-4, missing_values=-99).fit_transform(table)
    except InputError as error:
        return "refused, by name" if "column 'y'" in str(error) else str(error)
    y = result["y"] if isinstance(result, pandas.DataFrame | polars.DataFrame) else result[:, 1]
    value = f"{y[2]:.2g}" if isinstance(y[2], float | np.floating) else str(y[2])
    return f"`{y.dtype}`, {value}"


@pytest.mark.sampled
@pytest.mark.parametrize("name", SHOWN)
def test_the_documentation_says_what_comes_back(name):
    guide = Path(__file__).parents[2] / "docs" / "guide" / "tables.md"
    line = f"| {name} | {shown(name)} |"
    assert line in guide.read_text().splitlines(), line
