"""Columns of text are filled with categories, and say what they can of other columns."""

import numpy as np
import pytest

from ntkfill import InputError, NTKImputer
from ntkfill.tables.categories import MOST, Indicators

pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")
arrow = pytest.importorskip("pyarrow")

N = 120
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(2, N))
SIZE = np.where(X > 0.5, "high", np.where(X < -0.5, "low", "middle")).astype(object)
GAPS = RNG.random(N) < 0.2
HOLED = pandas.Series(np.where(GAPS, None, SIZE))
FRAME = pandas.DataFrame({"x": X, "y": Y, "size": HOLED})
NAMES = ["low", "middle", "high", "never"]

COLUMNS = {
    "object": HOLED,
    "object, NaN": HOLED.where(~GAPS, np.nan),
    "string": HOLED.astype("string"),
    "string[pyarrow]": HOLED.astype("string[pyarrow]"),
    "arrow string": HOLED.astype(pandas.ArrowDtype(arrow.string())),
    "dictionary": HOLED.astype(pandas.ArrowDtype(arrow.dictionary(arrow.int8(), arrow.string()))),
    "dictionary, large": HOLED.astype(
        pandas.ArrowDtype(arrow.dictionary(arrow.int32(), arrow.large_string()))
    ),
    "dictionary, ordered": HOLED.astype(
        pandas.ArrowDtype(arrow.dictionary(arrow.int8(), arrow.string(), ordered=True))
    ),
    "category": HOLED.astype("category"),
    "ordered": HOLED.astype(pandas.CategoricalDtype(NAMES, ordered=True)),
    "polars String": polars.Series(HOLED.tolist()),
    "polars Categorical": polars.Series(HOLED.tolist(), dtype=polars.Categorical),
    "polars Enum": polars.Series(HOLED.tolist(), dtype=polars.Enum(NAMES)),
}


@pytest.mark.sampled
@pytest.mark.parametrize("name", COLUMNS)
def test_categories_come_back_as_they_were(name):
    column = COLUMNS[name]
    library = polars if name.startswith("polars") else pandas
    frame = library.DataFrame({"x": X, "y": Y, "size": column})
    imputer = NTKImputer()
    result = imputer.fit_transform(frame)["size"]
    assert result.dtype == column.dtype
    found = np.array(result.to_list(), dtype=object)
    np.testing.assert_array_equal(found[~GAPS], SIZE[~GAPS])
    assert np.mean(found[GAPS] == SIZE[GAPS]) > 0.8
    np.testing.assert_array_equal(imputer.transform(frame)["size"].to_list(), found)
    other = NTKImputer().set_output(transform="polars" if library is pandas else "pandas")
    assert list(other.fit_transform(frame)["size"]) == found.tolist()


def test_arrays_of_objects():
    table = FRAME.to_numpy()
    result = NTKImputer().fit_transform(table)
    assert result.dtype == object
    np.testing.assert_array_equal(result, NTKImputer().fit_transform(FRAME).to_numpy())
    assert table[GAPS, 2].tolist() == [None] * GAPS.sum()


def test_what_a_category_says_of_numbers():
    """Levels of a number by category: far better than without, and no worse than their means."""
    rng = np.random.default_rng(1)
    kinds = rng.choice(list("abcd"), 200)
    level = pandas.Series(kinds).map({"a": 0.0, "b": 3.0, "c": -2.0, "d": 10.0}).to_numpy()
    value = level + 0.3 * rng.normal(size=200)
    frame = pandas.DataFrame({"kind": kinds, "value": value, "x": rng.normal(size=200)})
    gaps = rng.random(200) < 0.3
    holed = frame.assign(value=np.where(gaps, np.nan, value))
    means = holed.groupby("kind")["value"].transform("mean")
    errors = [
        np.sqrt(np.mean((guess - value)[gaps] ** 2))
        for guess in (NTKImputer().fit_transform(holed)["value"], means)
    ]
    assert errors[0] < 1.1 * errors[1]


def test_what_nothing_predicts_is_the_most_frequent():
    rng = np.random.default_rng(2)
    kinds = rng.choice(list("aaab"), 150).astype(object)
    kinds[rng.random(150) < 0.2] = None
    frame = pandas.DataFrame({"kind": kinds, "x": rng.normal(size=150)})
    result = NTKImputer().fit_transform(frame)["kind"]
    assert (result[frame["kind"].isna()] == "a").all()


def test_rare_categories_are_kept_and_not_filled_in():
    rng = np.random.default_rng(3)
    kinds = np.array([f"k{k:02}" for k in np.arange(300) % 30], dtype=object)
    kinds[:290:4] = "k01"
    kinds[297] = None
    result = NTKImputer(max_iter=1, tol=9).fit_transform(
        pandas.DataFrame({"kind": kinds, "x": rng.normal(size=300)})
    )["kind"]
    assert result.drop(index=297).tolist() == np.delete(kinds, 297).tolist()
    assert result[297] == "k01"
    indicators = Indicators(np.array([30]))
    coded = indicators.of(np.array([[0.0], [MOST - 1], [MOST], [29], [30], [np.nan]]))
    assert coded.shape == (6, MOST)
    assert coded.sum(axis=1).tolist()[:4] == [1, 1, 0, 0]
    assert np.isnan(coded[4:]).all()


def test_new_rows():
    imputer = NTKImputer(max_iter=50).fit(FRAME.assign(side=np.where(Y > 0, "up", "down")))
    new = pandas.DataFrame(
        {"x": [2.0, -2.0, 0.0], "y": [1.0, -1.0, 1.5], "size": None, "side": [None, None, "up"]}
    )
    result = imputer.transform(new)
    assert result["size"].tolist() == ["high", "low", "middle"]
    assert result["side"].tolist() == ["up", "down", "up"]  # without a gap in what was fitted
    for k in range(3):
        pandas.testing.assert_frame_equal(imputer.transform(new[k : k + 1]), result[k : k + 1])
    new.loc[0, "side"] = "left"
    with pytest.warns(UserWarning, match="column 'side' holds categories that were not fitted"):
        again = imputer.transform(new)
    assert again["side"][0] == "left"
    with pytest.raises(InputError, match=r"column 'side' was of text.*got 3.0 in row 1"):
        imputer.transform(new.assign(side=[None, 3.0, "up"]))


def test_columns_with_features_of_the_rows():
    frame = pandas.DataFrame({"size": HOLED, "twice": 2 * X})
    result = NTKImputer(row_features=np.c_[X, Y]).fit_transform(frame)["size"]
    assert np.mean(result[GAPS] == SIZE[GAPS]) > 0.8
    with pytest.raises(InputError, match="column 'size' holds text, which features of columns"):
        NTKImputer(column_features=np.eye(2)).fit(frame)


NOTHING = {
    "category": pandas.Series([None] * N, dtype="category"),
    "category, NaN": pandas.Series(pandas.Categorical([np.nan] * N)),
    "category with names": pandas.Series(pandas.Categorical([None] * N, categories=NAMES)),
    "string": pandas.Series([None] * N, dtype="string"),
    "string, marks": pandas.Series(["?"] * N, dtype="string"),
    "string[pyarrow]": pandas.Series([None] * N, dtype="string[pyarrow]"),
    "arrow string": pandas.Series([None] * N, dtype=pandas.ArrowDtype(arrow.string())),
    "polars String": polars.Series([None] * N, dtype=polars.String),
    "polars Categorical": polars.Series([None] * N, dtype=polars.Categorical),
    "polars Enum": polars.Series([None] * N, dtype=polars.Enum(NAMES)),
}


@pytest.mark.parametrize("name", NOTHING)
def test_text_without_any_entry_stays_missing(name):
    column = NOTHING[name]
    library = polars if name.startswith("polars") else pandas
    frame = library.DataFrame({"x": X, "size": column, "y": np.where(GAPS, np.nan, Y)})
    said = r"no known entry in 1 column, filled with zeros \(categories stay missing\): size"
    with pytest.warns(UserWarning, match=said):
        imputer = NTKImputer(max_iter=1, tol=9, missing_values="?").fit(frame)
    for result in (imputer.transform(frame), imputer.transform(frame[:1])):
        assert result["size"].dtype == column.dtype
        assert pandas.isna(np.array(result["size"].to_list(), dtype=object)).all()
    assert not np.isnan(imputer.transform(frame)["y"].to_numpy()).any()
    with pytest.raises(InputError, match="nothing is known of the column 'size'"):
        imputer.explain(0, "size")
    short = NTKImputer(max_iter=1, tol=9, missing_values="?", keep_empty_features=False)
    with pytest.warns(UserWarning, match="left out: size"):
        result = short.fit_transform(frame)
    assert list(result.columns) == ["x", "y"]
    with pytest.raises(InputError, match=r"column 'size' was of text .* expected text; got 0.0"):
        imputer.transform(library.DataFrame({"x": X, "size": 0.0 * X, "y": Y}))
    if library is pandas:
        with pytest.warns(UserWarning, match="'size' holds categories that were not fitted"):
            again = imputer.transform(frame.assign(size=SIZE))
        assert again["size"].tolist() == SIZE.tolist()


def test_uncertainty_beside_text_without_any_entry():
    frame = pandas.DataFrame({"x": X, "y": np.where(GAPS, np.nan, Y), "e": NOTHING["category"]})
    with pytest.warns(UserWarning, match="no known entry|have no order"):
        done = NTKImputer(max_iter=1, tol=9).impute(frame, interval=0.9, draws=2)
    assert done.draws[0]["e"].isna().all()
    assert done.std["e"].isna().all()
    assert (done.std["y"][GAPS] > 0).all()


REFUSED = {
    "no two alike": [f"id {k}" for k in range(N)],
    "a text among numbers": [*map(str, range(N - 1)), "low"],
    "numbers and text": ["low", 1.5] * (N // 2),
    "truth values and text": ["low", True] * (N // 2),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_category_is_refused_by_name(name):
    hint = "leave the column out|missing_values='low', if that is a gap; astype.*category"
    with pytest.raises(InputError, match=rf"the column 'id' holds .* Try: ({hint})"):
        NTKImputer().fit(FRAME.assign(id=pandas.Series(REFUSED[name], dtype=object)))
    with pytest.raises(InputError, match="column 'size' holds text, which has no bounds"):
        NTKImputer(bounds={"size": (0, 1)}).fit(FRAME)


MIXED = {  # by name: entries some of which are numbers, and whether that draws a warning
    "a number": (["2", *["x", "y"] * 9], False),
    "stages": (["1", "2", "3a", "3b"] * 4, False),
    "more numbers": (["1", "2", "3", "3a"] * 4, True),
    "infinity": (["inf", *["x", "y"] * 9], False),
}


@pytest.mark.parametrize("library", [pandas, polars])
@pytest.mark.parametrize("name", MIXED)
def test_numbers_among_text_are_labels(name, library, recwarn):
    entries, warned = MIXED[name]
    column = (entries * N)[: N - 1] + [None]
    frame = library.DataFrame({"x": X, "stage": column, "y": Y})
    result = NTKImputer(max_iter=1, tol=9).fit_transform(frame)["stage"].to_list()
    assert result[:-1] == column[:-1]
    assert result[-1] in entries
    said = "the column 'stage' holds numbers and '3a', and is taken for categories"
    assert any(said in str(one.message) for one in recwarn) == warned


def test_marks_are_no_text_among_numbers():
    frame = FRAME.assign(a=["1", "2", "?", "3"] * (N // 4))
    result = NTKImputer(max_iter=1, tol=9, missing_values="?").fit_transform(frame)["a"]
    assert result.dtype == np.float64
    assert result[:2].tolist() == [1, 2]


def test_bounds_of_all_columns_are_of_numbers():
    for bounds in ("data", (-1.0, 0.1)):
        result = NTKImputer(bounds=bounds).fit_transform(FRAME)
        assert set(result["size"][GAPS]) == {"low", "middle", "high"}


@pytest.mark.sampled
@pytest.mark.parametrize("mark", ["NA", ["?", "NA"], ["NA", -99], {"NA"}], ids=str)
def test_text_that_stands_for_missing_entries(mark):
    for series in (HOLED.fillna("NA"), HOLED.fillna("NA").astype("category")):
        result = NTKImputer(missing_values=mark).fit_transform(FRAME.assign(size=series))
        assert "NA" not in result["size"].tolist()
        assert result["size"].dtype == series.dtype
    numbers = pandas.Series([*(2 * X[:-3]), "NA", None, "NA"], dtype=object)
    result = NTKImputer(missing_values=mark, ridge=1e-4).fit_transform(FRAME.assign(y=numbers))
    np.testing.assert_allclose(result["y"][-3:].astype(float), 2 * X[-3:], atol=1e-6)
    array = FRAME.assign(y=numbers, size=HOLED.fillna("NA")).to_numpy()
    assert "NA" not in NTKImputer(missing_values=mark).fit_transform(array)


@pytest.mark.slow
def test_draws_have_the_shares_of_the_known():
    rng = np.random.default_rng(4)
    kinds = pandas.Series(rng.choice(list("aab"), 300)).where(rng.random(300) > 0.4)
    frame = pandas.DataFrame({"kind": kinds, "x": rng.normal(size=300)})
    with pytest.warns(UserWarning, match=r"interval of categories.*is NaN: kind\. Try: draws"):
        done = NTKImputer().impute(frame, interval=0.9, draws=4)
    gaps = kinds.isna()
    for drawn in done.draws:
        assert drawn["kind"][~gaps].equals(kinds[~gaps])
    share = np.mean([(drawn["kind"][gaps] == "a").mean() for drawn in done.draws])
    assert share == pytest.approx((kinds[~gaps] == "a").mean(), abs=0.1)
    assert done.draws[0]["kind"].tolist() != done.draws[1]["kind"].tolist()
    assert (done.std["kind"][~gaps] == 0).all()
    assert done.std["kind"][gaps].between(0.4, 0.5).all()  # of an indicator of two in three
    assert done.interval.lower["kind"].isna().all()
    assert done.interval.lower["x"].tolist() == frame["x"].tolist()


def test_a_category_is_explained_by_its_indicator():
    imputer = NTKImputer()
    filled = imputer.fit_transform(FRAME)
    row = int(np.flatnonzero(GAPS)[0])
    told = imputer.explain(row, "size")
    assert set(told.columns) == {2}
    assert not GAPS[told.rows].any()
    np.testing.assert_array_equal(told.values, SIZE[told.rows] == filled["size"][row])
    assert told.value == pytest.approx(told.weights @ told.values)
    assert 0.3 < told.value <= 1.0
    assert imputer.explain(int(np.flatnonzero(~GAPS)[0]), "size").value == 1.0
    new = imputer.explain(row, "size", FRAME[row : row + 1].assign(y=0.0))
    assert set(new.columns) == {2}


@pytest.mark.slow
def test_categories_that_others_determine():
    """Two columns of the same categories by other names, and one that is a code of them."""
    rng = np.random.default_rng(5)
    code = rng.integers(0, 3, 100)
    frame = pandas.DataFrame({"a": np.array(list("xyz"))[code], "b": np.array(list("pqr"))[code]})
    frame["price"] = np.array([1.0, 5.0, 2.0])[code]
    frame["x"] = rng.normal(size=100)
    holed = frame.mask(rng.random(frame.shape) < 0.1)
    filled = NTKImputer().fit_transform(holed)
    either = holed["a"].notna() | holed["b"].notna()
    pandas.testing.assert_frame_equal(filled[either][["a", "b"]], frame[either][["a", "b"]])
    np.testing.assert_allclose(filled[either]["price"], frame[either]["price"], atol=1e-9)
