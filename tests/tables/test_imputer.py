"""The imputer: scikit-learn's own checks, dense solves as oracles, and every way a table comes."""

import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.impute import KNNImputer
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator

from ntkfill import InputError, NTKImputer
from ntkfill.nn import Conv, Dense, ReLU, Sequential
from ntkfill.tables.features import Features

RNG = np.random.default_rng(0)
NET = Sequential(Dense(), ReLU(), Dense())


def gaps(shape, share=0.3, seed=0):
    """True where missing; no row or column is missing whole."""
    missing = np.random.default_rng(seed).random(shape) < share
    missing[np.arange(shape[0]), np.arange(shape[0]) % shape[1]] = False
    return missing


def low_rank(n=40, m=6, rank=2, seed=1):
    rng = np.random.default_rng(seed)
    left, right = rng.normal(size=(n, rank)), rng.normal(size=(m, rank))
    return left @ right.T, left, right


TABLE, LEFT, RIGHT = low_rank()
MISSING = gaps(TABLE.shape)
HOLED = np.where(MISSING, np.nan, TABLE)
SIDES = {
    "plain": {},
    "rows": {"row_features": LEFT},
    "columns": {"column_features": RIGHT},
    "both": {"row_features": LEFT, "column_features": RIGHT},
}


@pytest.mark.parametrize(
    ("estimator", "check"),
    list(estimator_checks_generator(NTKImputer())),
    ids=lambda x: getattr(getattr(x, "func", x), "__name__", ""),
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.sampled
@pytest.mark.parametrize("sides", SIDES)
def test_fills_gaps_and_keeps_the_rest(sides):
    before = HOLED.copy()
    imputer = NTKImputer(**SIDES[sides])
    filled = imputer.fit_transform(HOLED)
    np.testing.assert_array_equal(HOLED, before)
    np.testing.assert_array_equal(filled[~MISSING], TABLE[~MISSING])
    mean = np.where(MISSING, np.nanmean(HOLED, axis=0), TABLE)
    ours, theirs = (np.mean((x - TABLE)[MISSING] ** 2) for x in (filled, mean))
    assert ours < 0.5 * theirs
    np.testing.assert_allclose(imputer.transform(HOLED), filled, atol=0.2 * TABLE.std())
    np.testing.assert_array_equal(clone(imputer).fit_transform(HOLED), filled)


@pytest.mark.sampled
@pytest.mark.parametrize("sides", SIDES)
def test_explanations_sum_to_the_value(sides):
    imputer = NTKImputer(**SIDES[sides])
    filled = imputer.fit_transform(HOLED)
    for i, j in np.argwhere(MISSING)[::7]:
        told = imputer.explain(i, j)
        assert not MISSING[told.rows, told.columns].any()
        np.testing.assert_array_equal(told.values, TABLE[told.rows, told.columns])
        assert told.value == pytest.approx(told.weights @ told.values)
        assert told.value == pytest.approx(filled[i, j], rel=1e-5, abs=1e-4)
    i, j = np.argwhere(~MISSING)[0]
    assert imputer.explain(i, j).value == TABLE[i, j]


def test_row_features_are_kernel_ridge_regression():
    imputer = NTKImputer(row_features=LEFT, ridge=0.1)
    filled = imputer.fit_transform(HOLED)
    kernel = Features.of(LEFT, NET).kernel().values
    for j in range(TABLE.shape[1]):
        known = ~MISSING[:, j]
        level = TABLE[known, j].mean()
        oracle = KernelRidge(alpha=0.1 * np.diagonal(kernel)[known].mean(), kernel="precomputed")
        oracle.fit(kernel[np.ix_(known, known)], TABLE[known, j] - level)
        expected = oracle.predict(kernel[np.ix_(~known, known)]) + level
        np.testing.assert_allclose(filled[~known, j], expected, rtol=1e-9, atol=1e-12)


def test_column_features_are_row_features_of_the_transpose():
    ours = NTKImputer(column_features=RIGHT).fit_transform(HOLED)
    theirs = NTKImputer(row_features=RIGHT).fit_transform(HOLED.T).T
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.parametrize("complete", [True, False])
def test_both_sides_are_the_kronecker_kernel(complete):
    missing = np.zeros_like(MISSING) if complete else MISSING.copy()
    missing[30:] = True  # whole rows
    missing[:, 5] = True  # and a whole column
    values = np.where(missing, np.nan, TABLE)
    filled = NTKImputer(**SIDES["both"], ridge=0.2).fit_transform(values)
    rows, columns = (Features.of(x, NET).kernel().values for x in (LEFT, RIGHT))
    rows, columns = (k / np.diagonal(k).mean() + 0.1 * np.eye(len(k)) for k in (rows, columns))
    kernel, known = np.kron(rows, columns), ~missing.ravel()
    y = TABLE.ravel()[known]
    block = kernel[np.ix_(known, known)] + 0.2 * np.eye(known.sum())
    expected = kernel[:, known] @ np.linalg.solve(block, y - y.mean()) + y.mean()
    np.testing.assert_allclose(filled.ravel()[~known], expected[~known], rtol=0, atol=1e-4)


def test_whole_rows_come_from_their_features_alone():
    train, new = slice(0, 30), slice(30, 40)
    imputer = NTKImputer(row_features=LEFT[train]).fit(HOLED[train])
    empty = np.full((10, 6), np.nan)
    filled = imputer.transform(empty, row_features=LEFT[new])
    other = imputer.transform(empty, row_features=LEFT[new][::-1])
    np.testing.assert_allclose(filled, other[::-1], rtol=1e-12)
    assert np.mean((filled - TABLE[new]) ** 2) < 0.2 * TABLE.var()
    both = np.vstack([HOLED[train], empty])
    joint = NTKImputer(row_features=LEFT, ridge=0.01).fit_transform(both)
    assert np.isfinite(joint).all()
    with pytest.raises(InputError, match="row_features are needed"):
        imputer.transform(empty)


@pytest.mark.slow
def test_new_rows_without_features():
    imputer = NTKImputer().fit(HOLED[:30])
    filled = imputer.transform(HOLED[30:])
    missing = MISSING[30:]
    assert np.mean((filled - TABLE[30:])[missing] ** 2) < 0.6 * TABLE.var()
    one_by_one = np.vstack([imputer.transform(HOLED[k : k + 1]) for k in range(30, 40)])
    np.testing.assert_allclose(one_by_one, filled, atol=0.1)


@pytest.mark.slow
def test_features_of_rows_that_were_not_fitted_are_refused():
    imputer = NTKImputer().fit(HOLED)
    with pytest.raises(InputError, match=r"of no use.*NTKImputer\(row_features"):
        imputer.transform(HOLED, row_features=np.ones((len(HOLED), 1)))


def test_a_gap_that_fit_never_saw():
    imputer = NTKImputer().fit(TABLE)
    value = TABLE[3, 2]
    row = TABLE[3:4].copy()
    row[0, 2] = np.nan
    assert imputer.transform(row)[0, 2] == pytest.approx(value, abs=0.5 * TABLE[:, 2].std())
    np.testing.assert_array_equal(imputer.transform(row), imputer.transform(row))


@pytest.mark.slow
@pytest.mark.parametrize("load", [load_wine, load_breast_cancer])
def test_ahead_of_neighbours_on_real_tables(load):
    data = load().data[:150]
    data = (data - data.mean(axis=0)) / data.std(axis=0)
    missing = gaps(data.shape)
    holed = np.where(missing, np.nan, data)
    ours, theirs = (
        np.sqrt(np.mean((x.fit_transform(holed) - data)[missing] ** 2))
        for x in (NTKImputer(), KNNImputer())
    )
    assert ours < theirs


# The ways in which a table comes.


@pytest.mark.slow
def test_pandas_in_and_out():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(HOLED, columns=list("abcdef"), index=[f"r{k}" for k in range(40)])
    frame["a"] = frame["a"].astype("float32")
    frame["n"] = pandas.array([1, None, 3, 4] * 10, dtype="Int64")
    frame["t"] = pandas.array([True, None, False, True] * 10, dtype="boolean")
    frame["whole"] = np.arange(40)
    imputer = NTKImputer()
    filled = imputer.fit_transform(frame)
    assert filled.dtypes.tolist() == frame.dtypes.tolist()
    assert filled.index.equals(frame.index)
    assert filled.columns.equals(frame.columns)
    assert not filled.isna().any().any()
    assert filled["whole"].equals(frame["whole"])
    assert imputer.feature_names_in_.tolist() == frame.columns.tolist()
    array = NTKImputer().set_output(transform="default").fit_transform(frame.to_numpy(float))
    np.testing.assert_allclose(filled["b"], array[:, 1])
    wrapped = make_pipeline(NTKImputer(), NTKImputer()).set_output(transform="pandas")
    assert wrapped.fit_transform(HOLED).shape == HOLED.shape
    told = imputer.explain("r0", "b")
    assert told.value == pytest.approx(filled.loc["r0", "b"])


def test_polars_in_and_out():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"a": HOLED[:, 0], "b": HOLED[:, 1], "n": [1, None, 3, 4] * 10})
    filled = NTKImputer().fit_transform(frame)
    assert filled.schema == frame.schema
    assert filled.null_count().sum_horizontal().item() == 0
    assert not np.isnan(filled.to_numpy()).any()
    numbers = [*map(str, range(9))]
    with pytest.raises(InputError, match=r"column 'n' .* 'x' in row 9"):
        NTKImputer().fit(polars.DataFrame({"a": range(10), "n": [*numbers, "x"]}))


def test_features_are_matched_by_label():
    pandas = pytest.importorskip("pandas")
    labels = [f"r{k}" for k in range(40)]
    table = pandas.DataFrame(HOLED, index=labels, columns=list("abcdef"))
    features = pandas.DataFrame(LEFT, index=labels)
    shuffled = features.sample(frac=1, random_state=0)
    expected = NTKImputer(row_features=LEFT).fit_transform(HOLED)
    ours = NTKImputer(row_features=shuffled).fit_transform(table)
    np.testing.assert_allclose(ours, expected, rtol=1e-9)
    imputer = NTKImputer(row_features=shuffled).fit(table[:30])
    new = imputer.transform(table[30:] * np.nan)
    by_hand = NTKImputer(row_features=LEFT[:30]).fit(HOLED[:30])
    wanted = by_hand.transform(np.full((10, 6), np.nan), row_features=LEFT[30:])
    np.testing.assert_allclose(new, wanted, rtol=1e-9)
    columns = pandas.DataFrame(RIGHT, index=list("abcdef"))[::-1]
    ours = NTKImputer(column_features=columns).fit_transform(table)
    np.testing.assert_allclose(ours, NTKImputer(column_features=RIGHT).fit_transform(HOLED))
    with pytest.raises(InputError, match=r"2 of 40 rows; got r38, r39"):
        NTKImputer(row_features=features[:38]).fit(table)
    with pytest.raises(InputError, match="two row feature labels are called 'r0'"):
        NTKImputer(row_features=pandas.concat([features, features[:1]])).fit(table)


@pytest.mark.slow
def test_sparse_stored_zero_is_a_value():
    values = np.where(np.abs(TABLE) < 0.3, 0.0, TABLE)
    rows, columns = np.nonzero(~MISSING)
    stored = sparse.csr_matrix((values[~MISSING], (rows, columns)), shape=values.shape)
    ours = NTKImputer().fit_transform(stored)
    theirs = NTKImputer().fit_transform(np.where(MISSING, np.nan, values))
    np.testing.assert_array_equal(ours, theirs)
    assert (ours[~MISSING] == 0).any()


@pytest.mark.slow
def test_missing_values_may_be_a_number():
    ours = NTKImputer(missing_values=-99).fit_transform(np.where(MISSING, -99, TABLE))
    np.testing.assert_array_equal(ours, NTKImputer().fit_transform(HOLED))


def test_indicator_and_names():
    values = HOLED.copy()
    values[:, 0] = TABLE[:, 0]
    imputer = NTKImputer(add_indicator=True)
    filled = imputer.fit_transform(values)
    np.testing.assert_array_equal(filled[:, 6:], np.isnan(values)[:, 1:])
    names = imputer.get_feature_names_out().tolist()
    assert names[5:7] == ["x5", "missingindicator_x1"]
    assert len(names) == filled.shape[1]


@pytest.mark.slow
def test_columns_without_anything():
    values = HOLED.copy()
    values[:, 2] = np.nan
    with pytest.warns(UserWarning, match="in 1 column, filled with zeros: 2"):
        filled = NTKImputer().fit_transform(values)
    assert (filled[:, 2] == 0).all()
    with pytest.warns(UserWarning, match="in 1 column, left out: 2"):
        imputer = NTKImputer(keep_empty_features=False).fit(values)
    assert imputer.transform(values).shape == (40, 5)
    assert imputer.get_feature_names_out().tolist() == ["x0", "x1", "x3", "x4", "x5"]
    whole = NTKImputer(column_features=RIGHT).fit_transform(values)
    assert np.corrcoef(whole[:, 2], TABLE[:, 2])[0, 1] > 0.7
    with pytest.warns(UserWarning, match="no known entry"):
        nothing = NTKImputer().fit_transform(np.full((3, 2), np.nan))
    np.testing.assert_array_equal(nothing, np.zeros((3, 2)))


@pytest.mark.slow
def test_constant_columns_stay_constant():
    values = np.column_stack([HOLED, np.where(MISSING[:, 0], np.nan, 7.0)])
    assert (NTKImputer().fit_transform(values)[:, 6] == 7.0).all()


def test_leave_one_out_is_what_refitting_says():
    from ntkfill.solvers.spectral import Spectrum

    kernel, y = NET.between(LEFT), TABLE[:, :1]
    spectrum = Spectrum.of(kernel)
    _, errors = spectrum.solve(y, 0.1)
    scale = 0.1 * np.diagonal(kernel).mean()
    for k in range(0, 40, 9):
        rest = np.delete(np.arange(40), k)
        a = np.linalg.solve(kernel[np.ix_(rest, rest)] + scale * np.eye(39), y[rest])
        assert errors[k, 0] == pytest.approx((y[k] - kernel[k, rest] @ a)[0])
    linear = Spectrum.of(LEFT @ LEFT.T).solve(y, 0.5)[0]
    scale = 0.5 * np.square(LEFT).sum(axis=1).mean()
    oracle = Ridge(alpha=scale, fit_intercept=False).fit(LEFT, y.ravel())
    np.testing.assert_allclose(LEFT.T @ linear.ravel(), oracle.coef_, rtol=1e-8)


@pytest.mark.slow
def test_bad_input_is_named():
    bad = HOLED.copy()
    bad[4, 2] = np.inf
    with pytest.raises(InputError, match="inf in row 4, column 2"):
        NTKImputer().fit(bad)
    with pytest.raises(InputError, match="expected 40 rows of features; got 39"):
        NTKImputer(row_features=LEFT[:39]).fit(HOLED)
    holed = LEFT.copy()
    holed[3, 1] = np.nan
    with pytest.raises(InputError, match="row 3, feature 1"):
        NTKImputer(row_features=holed).fit(HOLED)
    for ridge in (-1, "best", np.nan):
        with pytest.raises(InputError, match="ridge must be >= 0 or 'loo'"):
            NTKImputer(ridge=ridge).fit(HOLED)
    with pytest.raises(InputError, match="depth must be"):
        NTKImputer(depth=0).fit(HOLED)
    with pytest.raises(InputError, match="no column 9"):
        NTKImputer().fit(HOLED).explain(0, 9)
    with pytest.raises(InputError, match=r"too large a number.*row 4, column 2"):
        NTKImputer().fit(np.where(np.isinf(bad), -1e200, bad))
    with pytest.raises(InputError, match="got 'much' in row 0, column 1"):
        NTKImputer().fit(np.array([[1.0, "much"], [None, 2.0]], dtype=object))
    for sweeps in (0, 1.5, "many"):
        with pytest.raises(InputError, match="max_iter"):
            NTKImputer(max_iter=sweeps).fit(HOLED)
    with pytest.raises(InputError, match="tol must be"):
        NTKImputer(tol=-1).fit(HOLED)
    with pytest.raises(InputError, match="layers that need a grid"):
        NTKImputer(network=Sequential(Conv(3))).fit(HOLED)
    pandas = pytest.importorskip("pandas")
    with pytest.raises(InputError, match="two columns are called 'a'"):
        NTKImputer().fit(pandas.DataFrame(HOLED[:, :3], columns=list("aba")))
    with pytest.raises(InputError, match=r"column 'b' .* 'much' in row 1"):
        NTKImputer().fit(pandas.DataFrame({"a": [1.0, 2.0], "b": [3.0, "much"]}))
    with pytest.raises(InputError, match="must have rows and columns"):
        NTKImputer().fit(pandas.DataFrame({"a": []}))


@pytest.mark.slow
def test_frames_are_not_needed():
    code = (
        "import sys; sys.modules['pandas'] = sys.modules['polars'] = None\n"
        "import numpy as np, ntkfill\n"
        "ntkfill.NTKImputer().fit_transform(np.array([[1., 2.], [2., np.nan], [3., 5.]]))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_draws_are_tables_of_the_same_form_with_known_entries_as_they_were():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    x = rng.normal(size=80)
    values = np.c_[x, x + 0.5 * rng.normal(size=80), rng.poisson(np.exp(x))]
    values[::3, 1] = values[::4, 2] = np.nan
    table = pandas.DataFrame(values, columns=list("abc")).astype({"c": "Int64"})
    done = NTKImputer(bounds={"c": (0, None)}).impute(table, draws=3)
    assert len(done.draws) == 3
    for drawn in done.draws:
        assert drawn.dtypes.equals(table.dtypes)
        assert not drawn.isna().any(axis=None)
        pandas.testing.assert_frame_equal(drawn.where(table.notna()), table)
    one, two = (drawn["b"].to_numpy()[::3] for drawn in done.draws[:2])
    assert (one != two).all()
    spread = np.std([drawn["b"].to_numpy() for drawn in done.draws], axis=0)
    assert spread[1::3].max() < 1e-12
    ratio = np.sqrt(np.mean((one - two) ** 2) / 2) / done.std["b"].to_numpy()[::3].mean()
    assert 0.6 < ratio < 1.4
    again = NTKImputer(bounds={"c": (0, None)}).impute(table, draws=1).draws[0]
    pandas.testing.assert_frame_equal(again, done.draws[0])
    assert NTKImputer().impute(values).draws is None


def test_draws_need_a_table_without_features():
    with pytest.raises(InputError, match="draws are of tables without features"):
        NTKImputer(row_features=np.eye(4)).impute([[1.0], [2.0], [np.nan], [4.0]], draws=2)
    with pytest.raises(InputError, match="draws must be an integer"):
        NTKImputer().impute([[1.0, 2.0], [np.nan, 1.0]], draws=-1)
