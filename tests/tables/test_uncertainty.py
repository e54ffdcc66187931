"""How sure filled tables are: against closed forms, simulated truth, and at the doors."""

import csv
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from ntkfill import InputError, NTKImputer
from ntkfill.cli import main
from ntkfill.nn import Dense, ReLU, Sequential
from ntkfill.tables import holdout, imputer
from ntkfill.tables.holdout import calibrate, hold_out_rows
from ntkfill.tables.uncertainty import standard_deviations, uncertainties
from ntkfill.uncertainty import Uncertainty, two_way_scale

NET = Sequential(Dense(), ReLU(), Dense())


def simulated(seed, rows=120, columns=6, share=0.25, noise=0.3):
    """Columns that depend on two hidden numbers of each row, of very different units."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(rows, 2))
    truth = np.tanh(hidden @ rng.normal(size=(2, columns)))
    truth = (truth + noise * rng.normal(size=truth.shape)) * 10.0 ** np.arange(columns)
    gaps = rng.random(truth.shape) < share
    gaps[gaps.all(axis=1), 0] = False
    return truth, gaps, hidden


# --- Columns on features of rows: an ordinary Gaussian process regression.


def of_rows(posterior, seed=0):
    truth, gaps, features = simulated(seed, columns=3)
    table = np.where(gaps, np.nan, truth)
    fitted = NTKImputer(row_features=features, ridge=0.1).fit(table)
    std = standard_deviations(fitted.model_, table, Uncertainty(posterior))
    return fitted.model_, table, std


@pytest.mark.parametrize("posterior", ["ntk", "nngp", "ensemble"])
def test_unit_variance_is_the_closed_form(posterior):
    """Up to the scale of rows and columns: the matrices of the papers for the first column."""
    model, table, std = of_rows(posterior)
    theta, sigma = (NET.between(model.features.vectors, kind=kind) for kind in ("ntk", "nngp"))
    drawn, fits = {"ntk": (theta, theta), "nngp": (sigma, sigma), "ensemble": (sigma, theta)}[
        posterior
    ]
    known, squares, expected, variance = ~np.isnan(table), [], [], []
    for j in range(3):
        k = known[:, j]
        ridge = 0.1 * np.diag(fits)[k].mean()
        noise = ridge if posterior != "ensemble" else 0.0
        inverse = np.linalg.inv(fits[np.ix_(k, k)] + ridge * np.eye(k.sum()))
        w = inverse @ fits[k]
        w += (1 - w.sum(axis=0)) / k.sum()  # the mean is taken out
        prior = drawn[np.ix_(k, k)] + noise * np.eye(k.sum())
        error = np.diag(drawn) + np.sum(w * (prior @ w - 2 * drawn[k]), axis=0) + noise
        y = (table[k, j] - table[k, j].mean()) / table[k, j].std()
        spread = np.full(len(table), np.nan), np.zeros(len(table))
        spread[0][k], spread[1][k] = (inverse @ y) ** 2, np.diag(inverse @ prior @ inverse)
        squares.append(spread[0])
        expected.append(spread[1])
        variance.append(np.where(k, 0.0, error))
    of_row, of_column = two_way_scale(np.transpose(squares), np.transpose(expected))
    scale = of_row[:, None] * of_column
    wanted = np.sqrt(np.transpose(variance)) * scale * np.nanstd(table, axis=0)
    np.testing.assert_allclose(std, wanted, rtol=1e-6)
    other = of_rows("nngp" if posterior != "nngp" else "ntk")[2]
    assert abs(other / np.where(std > 0, std, 1.0) - 1)[std > 0].max() > 0.05


@pytest.mark.slow
def test_features_on_both_sides():
    """Draws against the dense kernel of all entries."""
    rng = np.random.default_rng(0)
    rows, columns = rng.normal(size=(14, 2)), rng.normal(size=(9, 2))
    table = np.tanh(rows @ columns.T)
    table[rng.random(table.shape) < 0.3] = np.nan
    fitted = NTKImputer(row_features=rows, column_features=columns, ridge=0.1).fit(table)
    std = standard_deviations(fitted.model_, table, Uncertainty())
    gram, k = np.kron(*fitted.model_.kernel.factors), ~np.isnan(table).ravel()
    inverse = np.linalg.inv(gram[np.ix_(k, k)] + 0.1 * np.eye(k.sum()))
    w = inverse @ gram[k]
    w += (1 - w.sum(axis=0)) / k.sum()
    prior = gram[np.ix_(k, k)] + 0.1 * np.eye(k.sum())
    error = np.diag(gram) + np.sum(w * (prior @ w - 2 * gram[k]), axis=0) + 0.1
    squares, expected = np.full(table.size, np.nan), np.zeros(table.size)
    squares[k] = (inverse @ (table.ravel()[k] - table.ravel()[k].mean())) ** 2
    expected[k] = np.diag(inverse)
    factors = two_way_scale(squares.reshape(table.shape), expected.reshape(table.shape))
    scale = np.outer(*factors).ravel()
    off = (std.ravel()[~k] / (scale * np.sqrt(error))[~k] - 1) * np.sqrt(2 * 32)
    assert 0.5 < np.sqrt(np.mean(off**2)) < 1.6
    with pytest.raises(InputError, match="posterior must be 'ntk'"):
        standard_deviations(fitted.model_, table, Uncertainty("ensemble"))


def test_the_scale_of_rows_and_columns_is_found():
    rng = np.random.default_rng(1)
    of_row, of_column = 1.5 ** rng.normal(size=(400, 1)), 1.5 ** rng.normal(size=300)
    squares = (of_row * of_column * rng.normal(size=(400, 300))) ** 2
    squares[rng.random(squares.shape) < 0.3] = np.nan
    scale = np.outer(*two_way_scale(squares, np.ones(squares.shape)))
    ratio = scale / (of_row * of_column)
    assert np.std(np.log(ratio)) < 0.15
    assert np.std(np.log(1 / (of_row * of_column))) > 0.5


# --- Calibration on hidden entries.


@pytest.mark.slow
def test_wrong_deviations_are_set_right():
    """Deviations of one column are a third, of another three times what they should be."""
    rng = np.random.default_rng(2)
    truth = rng.normal(size=(4000, 3)) * [1.0, 10.0, 100.0]
    table = np.where(rng.random(truth.shape) < 0.2, np.nan, truth)

    def completed(given):
        std = np.full(given.shape, [1 / 3, 30.0, 100.0])
        return np.where(np.isnan(given), 0.0, given), std, ~np.isnan(given)

    found = calibrate(completed, table, Uncertainty(), whole_rows=True)
    np.testing.assert_allclose(found.factor, [3, 1 / 3, 1], rtol=0.15)
    # The 90 % quantile of |normal| is 1.64; of uncorrected scores it would be 4.
    assert found.scores.quantile(0.9) == pytest.approx(1.645, rel=0.1)


def test_exact_predictions_are_certain():
    rng = np.random.default_rng(2)
    table = np.where(rng.random((50, 3)) < 0.2, np.nan, 1.0)

    def completed(given):
        return np.ones(given.shape), np.zeros(given.shape), ~np.isnan(given)

    found = calibrate(completed, table, Uncertainty(), whole_rows=True)
    assert found.scores.quantile(0.9) == 0.0
    assert np.isfinite(found.factor).all()


BLOCK = np.zeros((800, 6), bool)
BLOCK[:200, 2:5] = True
WHOLE = np.zeros((800, 6), bool)
WHOLE[:120] = True
SCATTERED = np.random.default_rng(3).random((800, 6)) < 0.3
PATTERNS = {"block": BLOCK, "whole rows": WHOLE, "scattered": SCATTERED}


@pytest.mark.parametrize("missing", PATTERNS.values(), ids=PATTERNS)
def test_what_is_hidden_looks_like_what_is_missing(missing):
    hidden = hold_out_rows(missing, 0.1, np.random.default_rng(0), whole_rows=True)
    assert not (hidden & missing).any()
    assert 0.05 < hidden.sum() / (~missing).sum() < 0.15
    rows = hidden.any(axis=1)
    # Rows that lost something lack about as much as rows that lack something lacked before ...
    before = missing[missing.any(axis=1)].sum(axis=1).mean()
    assert (missing | hidden)[rows].sum(axis=1).mean() == pytest.approx(before, rel=0.35)
    # ... and in the same columns.
    shares = [x.sum(axis=0) / x.sum() for x in (hidden, missing)]
    assert abs(shares[0] - shares[1]).max() < 0.08
    assert ((missing | hidden).sum(axis=0) < 0.75 * len(missing)).all()


@pytest.mark.slow
def test_selection_sees_nothing_that_calibrates(monkeypatch):
    """With "auto", every round of the calibration selects again, without the held-out entries."""
    seen, select = [], imputer.select_network

    def watched(values, *rest):
        seen.append(np.isnan(values))
        return select(values, *rest)

    monkeypatch.setattr(imputer, "select_network", watched)
    held_out, hold_out = [], holdout.hold_out_rows

    def chosen(*given, **options):
        held_out.append(hold_out(*given, **options))
        return held_out[-1]

    monkeypatch.setattr(holdout, "hold_out_rows", chosen)
    imputer.NTKImputer(network="auto").impute(TABLE, interval=0.9)
    assert len(held_out) == 5
    assert len(seen) == 6
    for hidden, missing in zip(held_out, seen[1:], strict=True):
        assert hidden.any()
        assert not (hidden & ~missing).any()


def test_no_row_is_emptied_without_features():
    hidden = hold_out_rows(WHOLE | SCATTERED, 0.1, np.random.default_rng(0), whole_rows=False)
    lost = hidden.any(axis=1)
    assert lost.any()
    assert not (WHOLE | SCATTERED | hidden)[lost].all(axis=1).any()


# --- At the door.


@pytest.mark.slow
@pytest.mark.parametrize("sided", [False, True])
def test_cover(sided):
    inside, width = [], []
    for seed in range(4):
        truth, gaps, features = simulated(seed)
        imputer = NTKImputer(row_features=features if sided else None)
        done = imputer.impute(np.where(gaps, np.nan, truth), interval=0.8)
        units = 10.0 ** np.arange(6)
        inside.append(((done.interval.lower <= truth) & (truth <= done.interval.upper))[gaps])
        width.append(((done.interval.upper - done.interval.lower) / units)[gaps].mean())
        z = ((done.values - truth) / np.where(gaps, done.std, 1.0))[gaps]
        assert 0.75 < np.sqrt(np.mean(z**2)) < 1.3
    assert 0.75 < np.concatenate(inside).mean() < 0.87
    # No wider than intervals of one width per column, were the truth known.
    assert np.mean(width) < 2 * 1.28 * 0.75


@pytest.mark.slow
def test_as_sure_as_scikit_learn():
    """A Gaussian process with a kernel of its own, fitted by likelihood, on the same features."""
    truth, gaps, features = simulated(5, columns=2)
    done = NTKImputer(row_features=features).impute(np.where(gaps, np.nan, truth), return_std=True)
    k = ~gaps[:, 1]
    kernel = ConstantKernel() * RBF() + WhiteKernel()
    peer = GaussianProcessRegressor(kernel, normalize_y=True).fit(features[k], truth[k, 1])
    std = peer.predict(features[~k], return_std=True)[1]
    assert done.std[~k, 1].mean() == pytest.approx(std.mean(), rel=0.25)


TRUTH, GAPS, FEATURES = simulated(6, rows=60, columns=4)
TABLE = np.where(GAPS, np.nan, TRUTH)


@pytest.mark.slow
def test_values_are_those_of_fit_transform():
    done = NTKImputer().impute(TABLE, return_std=True, interval=0.9)
    np.testing.assert_array_equal(done.values, NTKImputer().fit_transform(TABLE))
    assert not done.std[~GAPS].any()
    assert (done.std[GAPS] > 0).all()
    np.testing.assert_array_equal(done.interval.lower[~GAPS], TRUTH[~GAPS])
    middle = (done.interval.lower + done.interval.upper) / 2
    np.testing.assert_allclose(middle[GAPS], done.values[GAPS])
    again = NTKImputer().impute(TABLE, return_std=True)
    np.testing.assert_array_equal(again.std, done.std)
    assert again.interval is None
    bare = NTKImputer().impute(TABLE)
    assert (bare.std, bare.interval) == (None, None)


@pytest.mark.slow
def test_units_do_not_matter():
    first = NTKImputer().impute(TABLE, return_std=True).std
    other = NTKImputer().impute(TABLE * [1, 100, 0.01, 1] + 5, return_std=True).std
    # Networks are selected in single precision.
    np.testing.assert_allclose(other, first * [1, 100, 0.01, 1], rtol=1e-5)


@pytest.mark.slow
def test_frames():
    frame = pd.DataFrame(TABLE, columns=list("abcd"), index=[f"r{k}" for k in range(60)])
    frame["d"] = np.rint(frame["d"]).astype("Int64")
    done = NTKImputer().impute(frame, return_std=True, interval=0.9)
    assert done.values["d"].dtype == "Int64"
    for part in (done.std, done.interval.lower):
        assert list(part.columns) == list("abcd")
        assert list(part.index) == list(frame.index)
        assert (part.dtypes == np.float64).all()
    polars = NTKImputer().impute(pl.DataFrame(TABLE, schema=list("abcd")), return_std=True)
    assert isinstance(polars.std, pl.DataFrame)
    assert polars.std.columns == list("abcd")


@pytest.mark.slow
def test_columns_of_which_nothing_is_known():
    holed = TABLE.copy()
    holed[:, 1] = np.nan
    with pytest.warns(UserWarning, match="no known entry"):
        done = NTKImputer().impute(holed, return_std=True, interval=0.9)
    far = np.sqrt(np.nanmean(np.square(holed)))
    np.testing.assert_allclose(done.std[:, 1], far)
    assert np.isfinite(done.std[:, [0, 2, 3]]).all()
    with pytest.warns(UserWarning, match="in 1 column, left out: 1"):
        dropped = NTKImputer(keep_empty_features=False).impute(holed, return_std=True)
    assert dropped.std.shape == dropped.values.shape == (60, 3)


@pytest.mark.slow
def test_features_of_columns():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(12, 2))
    truth = np.tanh(rng.normal(size=(30, 2)) @ features.T)
    table = np.where(rng.random(truth.shape) < 0.3, np.nan, truth)
    table[7] = np.nan
    done = NTKImputer(column_features=features).impute(table, return_std=True)
    assert (done.std[np.isnan(table)] > 0).all()
    # A row of which nothing is known holds the means of the columns.
    others = np.isnan(table) & (np.arange(30) != 7)[:, None]
    assert done.std[7].mean() > 2 * done.std[others].mean()


@pytest.mark.sampled
@pytest.mark.parametrize("known", [0, 1])
@pytest.mark.parametrize("sides", [("row",), ("column",), ("row", "column")])
@pytest.mark.filterwarnings("ignore:.*known entr")
@pytest.mark.filterwarnings("ignore::ntkfill.PatternWarning")
def test_a_row_and_a_column_of_which_next_to_nothing_is_known(sides, known):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(12, 4))
    values[known:, 2] = values[3, 0] = values[5] = np.nan
    features = {"row": rng.normal(size=(12, 2)), "column": rng.normal(size=(4, 2))}
    imputer = NTKImputer(**{f"{side}_features": features[side] for side in sides})
    std = imputer.impute(values, return_std=True).std
    assert (std[np.isnan(values)] > 0).all()


def test_nothing_missing():
    done = NTKImputer().impute(TRUTH, return_std=True, interval=0.9)
    assert not done.std.any()
    np.testing.assert_array_equal(done.interval.upper, TRUTH)


@pytest.mark.parametrize("level", [0, 1, 90, "high"])
def test_levels_that_make_no_sense(level):
    with pytest.raises(InputError, match="interval must be a number"):
        NTKImputer().impute(TABLE, interval=level)


def test_too_little_to_hide_any():
    with pytest.raises(InputError, match="too few known entries"):
        NTKImputer().impute([[1.0, np.nan], [2.0, 3.0]], interval=0.9)


@pytest.mark.slow
def test_the_command(tmp_path):
    given, out, std = (tmp_path / name for name in ("t.csv", "o.csv", "s.csv"))
    with given.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", *"abcd"])
        for k, row in enumerate(TABLE):
            writer.writerow([f"r{k}", *("" if np.isnan(x) else repr(float(x)) for x in row)])
    call = ["impute", str(given), "--index", "id", "-o", str(out), "--quiet"]
    assert main([*call, "--std", str(std), "--interval", "0.9"]) == 0
    read = pd.read_csv(std, index_col="id")
    assert list(read.columns)[:6] == ["a", "b", "c", "d", "a lower", "b lower"]
    filled = pd.read_csv(out, index_col="id")
    lower, upper = (read[[f"{x} {side}" for x in "abcd"]] for side in ("lower", "upper"))
    assert (lower.to_numpy() <= filled.to_numpy() + 1e-5).all()
    assert (upper.to_numpy() >= filled.to_numpy() - 1e-5).all()
    assert ((read[list("abcd")].to_numpy() > 0) == GAPS).all()
    assert main([*call, "--interval", "0.9"]) == 1
    assert main([*call, "--std", str(out)]) == 1
    assert main([*call, "--std", str(tmp_path / "s.png")]) == 1


@pytest.mark.parametrize("wrong", [{"uncertainty": "ntk"}, {"interval": 2}])
@pytest.mark.parametrize("return_std", [False, True])
def test_what_makes_no_sense_is_refused_before_the_fit(wrong, return_std):
    imputer = NTKImputer()
    with pytest.raises(InputError):
        imputer.impute(TABLE, return_std=return_std, **wrong)
    assert not hasattr(imputer, "model_")


def test_endless_quantiles_of_what_is_certain():
    def completed(table):
        std = np.where(np.arange(table.shape[1]) == 0, 0.0, 1.0) + 0 * known
        return np.nan_to_num(table), std, ~np.isnan(table)

    known = np.random.default_rng(0).normal(size=(6, 3))
    values = known.copy()
    values[0, 0] = values[1, 1] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        std, interval = uncertainties(completed, values, Uncertainty(), 0.999, whole_rows=True)
    width = interval.upper - interval.lower
    assert std[0, 0] == width[0, 0] == 0
    assert np.isinf(width[1, 1])
