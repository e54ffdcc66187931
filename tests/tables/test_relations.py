"""Columns that others determine are filled exactly; what only looks determined is not."""

import numpy as np
import pytest
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer

from ntkfill import NTKImputer
from ntkfill.tables import chained, relations


def shares(seed, *, decimals=15, shape=0.7):
    """Percentages that sum to 100; one is missing in half of the rows."""
    rng = np.random.default_rng(seed)
    parts = rng.gamma(shape, size=(200, 5))
    table = np.round(100 * parts / parts.sum(axis=1, keepdims=True), decimals)
    missing = np.zeros(table.shape, bool)
    missing[::2][np.arange(100), rng.integers(0, 5, 100)] = True
    return table, missing


def error(filled, table, missing):
    return np.sqrt(np.mean(np.square((filled - table) / table.std(axis=0))[missing]))


@pytest.mark.sampled
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("decimals", [15, 1])
def test_percentages_are_filled_as_well_as_by_linear_regression(seed, decimals):
    table, missing = shares(seed, decimals=decimals)
    holed = np.where(missing, np.nan, table)
    linear = IterativeImputer(random_state=0).fit_transform(holed)
    imputer = NTKImputer()
    filled = imputer.fit_transform(holed)
    assert error(filled, table, missing) < 1.2 * error(linear, table, missing)
    if decimals == 15:
        np.testing.assert_allclose(filled, table, rtol=1e-9)
    new, gaps = shares(seed + 10, decimals=decimals)
    filled = imputer.transform(np.where(gaps, np.nan, new))
    assert error(filled, new, gaps) < (1e-9 if decimals == 15 else 0.01)


@pytest.mark.slow
def test_why_ridges_chosen_by_leaving_one_out_are_not_enough(monkeypatch):
    """Without relations: no ridge is below 1e-4, since smaller ones read what leaks into fills, and
    no fill leaves the range of what is known, where the largest share is missing."""
    table, missing = shares(1)
    missing[np.argmax(table[:, 0])] = np.arange(5) == 0
    holed = np.where(missing, np.nan, table)
    known = (np.nanmin(holed, axis=0), np.nanmax(holed, axis=0))
    monkeypatch.setattr(chained, "find", lambda values, groups: ())
    without = NTKImputer().fit_transform(holed)
    inside = missing & (table >= known[0]) & (table <= known[1])
    assert (without[missing] <= np.broadcast_to(known[1], table.shape)[missing]).all()
    assert error(without, table, inside) > 0.005
    assert error(without, table, missing & ~inside) > 10 * error(without, table, inside)


@pytest.mark.slow
@pytest.mark.parametrize("lacking", [0.05, 0.2])
def test_units_totals_and_differences(lacking):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 4))
    flags = rng.random((400, 2)) < 0.02
    table = np.c_[x, 1.8 * x[:, 0] + 32, x[:, 1] - x[:, 2], flags, np.tanh(2 * x[:, 3])]
    missing = rng.random(table.shape) < lacking
    values = np.where(missing, np.nan, table)
    standard = (values - np.nanmean(values, axis=0)) / np.nanstd(values, axis=0)
    found = {each.column: each.features.tolist() for each in relations.find(standard, np.arange(8))}
    assert found == {0: [4], 4: [0], 1: [2, 5], 2: [1, 5], 5: [1, 2]}
    filled = NTKImputer(tol=1.0).fit_transform(values)
    for column, features in found.items():
        follows = missing[:, column] & ~missing[:, features].any(axis=1)
        np.testing.assert_allclose(filled[follows, column], table[follows, column], atol=1e-12)


def test_one_relation_after_another():
    """A total follows from its parts, one of which follows from another unit."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 60))
    table = np.c_[a, 10 * a, b, a + b]
    values = table.copy()
    values[:10, [0, 3]] = np.nan
    np.testing.assert_allclose(NTKImputer().fit_transform(values), table, atol=1e-9)


def coincident(rng):
    """Two flags that agree wherever the row holds everything."""
    flags = rng.random((200, 2)) < 0.1
    flags[::2] = False
    return np.c_[rng.normal(size=(200, 2)), flags], ~np.isin(np.arange(200), range(0, 200, 2))


def one_row(rng):
    """Two flags that are set in one row alone, which holds everything."""
    flags = np.zeros((200, 2))
    flags[4] = 1.0
    return np.c_[rng.normal(size=(200, 2)), flags], np.isin(np.arange(200), range(100, 150))


def nearly(rng):
    x = rng.normal(size=(200, 2))
    return np.c_[x, x.sum(axis=1) + 0.03 * rng.normal(size=200)], np.arange(200) < 50


def few(rng):
    """As many columns as rows: anything is a sum of the others."""
    return rng.normal(size=(24, 12)), np.arange(24) < 9


@pytest.mark.parametrize("make", [coincident, one_row, nearly, few])
def test_what_is_no_relation(make):
    table, rows = make(np.random.default_rng(1))
    standard = (table - table.mean(axis=0)) / table.std(axis=0)
    standard[rows, 0] = np.nan
    assert relations.find(standard, np.arange(table.shape[1])) == ()


@pytest.mark.slow
def test_a_relation_is_explained_drawn_and_has_a_small_deviation():
    table, missing = shares(0, decimals=1)
    holed = np.where(missing, np.nan, table)
    holed[:3] = np.nan
    holed[:3, :2] = 20.0  # nothing determines these
    imputer = NTKImputer()
    done = imputer.impute(holed, interval=0.9, draws=2)
    row, column = np.argwhere(missing[3:])[0] + [3, 0]
    told = imputer.explain(row, column)
    assert told.kernel is None
    assert not np.isnan(holed[told.rows, told.columns]).any()
    assert told.weights.sum() == pytest.approx(1.0)
    assert told.value == pytest.approx(done.values[row, column])
    new = imputer.explain(0, column, holed[[row]])
    assert new.value == pytest.approx(done.values[row, column])
    inside = np.abs(done.values - table) <= done.interval.upper - done.values + 1e-9
    assert 0.75 < inside[3:][missing[3:]].mean() <= 1.0
    assert done.std[row, column] < 0.05 * table[:, column].std() < done.std[0, 3]
    assert done.draws[0][row, column] == done.draws[1][row, column]
    assert done.draws[0][0, 3] != done.draws[1][0, 3]
