"""How tables are solved: the preconditioner of product kernels, sweeps in single precision, and
what values of new rows are made of."""

import numpy as np
import pytest

from ntkfill import InputError, NTKImputer
from ntkfill.errors import ConvergenceWarning
from ntkfill.nn import Dense, ReLU, Sequential
from ntkfill.tables import chained, groups, product
from ntkfill.tables import preconditioner as extension
from ntkfill.tables.features import Side
from ntkfill.tables.preconditioner import Extension, nearness

NET = Sequential(Dense(), ReLU(), Dense())
RNG = np.random.default_rng(0)
LEFT, RIGHT = RNG.normal(size=(60, 3)), RNG.normal(size=(30, 3))
TABLE = np.tanh(LEFT @ RIGHT.T) + 0.1 * RNG.normal(size=(60, 30))
MISSING = RNG.random(TABLE.shape) < 0.6
MISSING[np.arange(60), np.arange(60) % 30] = False
HOLED = np.where(MISSING, np.nan, TABLE)


def system(own=(0.1, 0.1)):
    kernels = (Side.of(x, NET).kernel() for x in (LEFT, RIGHT))
    rows, columns = (k / np.diagonal(k).mean() for k in kernels)
    return product.System(rows, columns, own, ~MISSING)


def dense(linear, known):
    """The matrix of a linear map, on the known entries."""
    at = np.flatnonzero(known)
    columns = []
    for k in at:
        one = np.zeros(known.size)
        one[k] = 1.0
        columns.append(linear(one.reshape(known.shape)).ravel()[at])
    return np.stack(columns, axis=1)


def test_the_preconditioner_is_extend_invert_and_back():
    table, ridge = system(), 0.05
    near, known = [nearness(k, 0.1) for k in (table.left, table.right)], table.known.ravel()
    weights = np.kron(*near)
    extend = np.where(known[:, None], np.eye(known.size), weights * known)
    extend[~known] /= weights[~known][:, known].sum(axis=1, keepdims=True)
    inverse = np.linalg.inv(np.kron(table.left, table.right) + ridge * np.eye(known.size))
    expected = (extend.T @ inverse @ extend)[np.ix_(known, known)]
    ours = dense(lambda y: table.extension.solve(y, ridge), table.known)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_extending_makes_the_system_easier_than_masking():
    table, ridge = system(), 0.05
    known = table.known.ravel()
    block = np.kron(table.left, table.right)[np.ix_(known, known)] + ridge * np.eye(known.sum())

    def condition(guess):
        values = np.linalg.eigvals(dense(guess, table.known) @ block).real
        return values.max() / values.min()

    masked = condition(lambda y: table.whole(y, ridge))
    extended = condition(lambda y: table.extension.solve(y, ridge))
    assert extended < 0.3 * masked


def steps(table, ridge, monkeypatch, guess=None):
    count, solve = [0], Extension.solve if guess is None else guess

    def counted(self, y, ridge):
        count[0] += 1
        return solve(self, y, ridge)

    with monkeypatch.context() as patch:
        patch.setattr(Extension, "solve", counted)
        a, residual = table.solve(np.where(MISSING, 0.0, TABLE), ridge, 1e-6)
    assert residual <= 1e-6
    return count[0], a


@pytest.mark.parametrize(("own", "ridge"), [((0.1, 0.1), 0.1), ((0.0, 0.3), 0.01)])
def test_fewer_steps_to_the_dense_solution(own, ridge, monkeypatch):
    table = system(own)
    count, a = steps(table, ridge, monkeypatch)
    masked, _ = steps(
        table, ridge, monkeypatch, lambda self, y, r: np.where(self.known, table.whole(y, r), 0.0)
    )
    assert count < 0.7 * masked
    known = table.known.ravel()
    block = np.kron(table.left, table.right)[np.ix_(known, known)] + ridge * np.eye(known.sum())
    expected = np.linalg.solve(block, TABLE.ravel()[known])
    size = np.linalg.norm(expected)
    assert np.linalg.norm(a.ravel()[known] - expected) < 1e-3 * size


def test_blocks_of_rows_on_any_number_of_cores_give_the_same_bytes(monkeypatch):
    monkeypatch.setattr(extension, "BLOCK", 16)
    imputer = NTKImputer(row_features=LEFT, column_features=RIGHT, ridge=0.1)
    ours = imputer.fit_transform(HOLED)
    parts = extension.two_sided(LEFT.T, TABLE, RIGHT)
    np.testing.assert_allclose(parts, LEFT.T @ TABLE @ RIGHT, rtol=1e-12)
    monkeypatch.setattr(
        extension, "parallel_for", lambda task, items: [task(item) for item in items]
    )
    np.testing.assert_array_equal(imputer.fit_transform(HOLED), ours)


def test_a_solve_that_stops_early_is_told(monkeypatch):
    imputer = NTKImputer(row_features=LEFT, column_features=RIGHT, ridge=1e-3)
    assert imputer.fit(HOLED).converged_
    monkeypatch.setattr(product, "STEPS", 2)
    with pytest.warns(ConvergenceWarning, match=r"residual of .* a larger ridge"):
        imputer.fit(HOLED)
    assert not imputer.converged_
    assert np.isfinite(imputer.transform(HOLED)).all()


def test_sweeps_that_stop_early_are_told():
    whole = NTKImputer(max_iter=30).fit(HOLED)  # warnings are errors: this one is silent
    assert whole.converged_
    early = NTKImputer(max_iter=whole.n_iter_ - 1)
    for call in (early.fit, early.fit_transform, early.impute):
        with pytest.warns(ConvergenceWarning, match=r"less than 0.001.* more than max_iter="):
            call(HOLED)
        assert not early.converged_
    assert early.n_iter_ == whole.n_iter_ - 1
    with pytest.warns(ConvergenceWarning, match="last sweep still changed"):
        NTKImputer(max_iter=1).fit(TABLE).transform(HOLED)


def test_hidden_entries_do_not_warn_of_their_own():
    few = NTKImputer(max_iter=1)
    with pytest.warns(ConvergenceWarning) as told:
        few.impute(HOLED, return_std=True)
    assert len(told) == 1


def test_sweeps_in_single_precision_are_those_in_double(monkeypatch):
    single = NTKImputer(ridge=0.1).fit_transform(HOLED)
    monkeypatch.setattr(chained, "SINGLE", np.inf)
    double = NTKImputer(ridge=0.1).fit_transform(HOLED)
    np.testing.assert_allclose(single, double, rtol=0, atol=1e-4 * TABLE.std())
    assert (single != double).any()


def test_a_small_ridge_keeps_sweeps_in_double_precision(monkeypatch):
    twice = np.vstack([HOLED, HOLED])  # rows that are alike: single precision would be singular
    first = NTKImputer(ridge=1e-6).fit_transform(twice)
    np.testing.assert_allclose(first[:60], first[60:], atol=1e-5)
    monkeypatch.setattr(chained, "SINGLE", 0.0)
    with pytest.raises(InputError, match="singular"):
        NTKImputer(ridge=1e-9).fit_transform(twice)


def test_the_first_sweep_takes_rows_evenly_and_the_last_takes_all(monkeypatch):
    monkeypatch.setattr(groups, "SAMPLE", 10)
    known = ~MISSING[:, 0]
    kept = groups.thinned(known)
    assert kept.sum() == 10
    assert not kept[~known].any()
    rows = np.flatnonzero(known)
    assert kept[rows[[0, -1]]].all()
    imputer = NTKImputer()
    filled = imputer.fit_transform(HOLED)
    for group in imputer.model_.chain.groups:
        assert len(group.coefficients) == group.known.sum()
    mean = np.where(MISSING, np.nanmean(HOLED, axis=0), TABLE)
    assert np.mean((filled - TABLE)[MISSING] ** 2) < 0.8 * np.mean((mean - TABLE)[MISSING] ** 2)


SIDES = {
    "plain": (),
    "rows": ("row_features",),
    "columns": ("column_features",),
    "both": ("row_features", "column_features"),
}


@pytest.mark.parametrize("sides", SIDES)
def test_values_of_new_rows_are_explained(sides):
    features = {"row_features": LEFT[:50], "column_features": RIGHT}
    imputer = NTKImputer(**{name: features[name] for name in SIDES[sides]}).fit(HOLED[:50])
    given = {"row_features": LEFT[50:]} if "row_features" in SIDES[sides] else {}
    filled = imputer.transform(HOLED[50:], **given)
    for i, j in np.argwhere(MISSING[50:])[::41]:
        told = imputer.explain(i, j, HOLED[50:], **given)
        assert told.value == pytest.approx(filled[i, j], rel=1e-4, abs=1e-4)
        assert told.value == pytest.approx(told.weights @ told.values)
        source = TABLE[50:] if sides == "columns" else TABLE[:50]
        np.testing.assert_array_equal(told.values, source[told.rows, told.columns])
        if sides == "columns":
            assert (told.rows == i).all()
    i, j = np.argwhere(~MISSING[50:])[0]
    assert imputer.explain(i, j, HOLED[50:], **given).value == TABLE[50 + i, j]
    with pytest.raises(InputError, match="no row 10"):
        imputer.explain(10, 0, HOLED[50:], **given)


def test_new_rows_are_explained_by_label():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(HOLED, index=[f"r{k}" for k in range(60)]).rename(columns=str)
    features = pandas.DataFrame(LEFT, index=frame.index)
    imputer = NTKImputer(row_features=features).fit(frame[:50])
    new = frame[50:] * np.nan
    told = imputer.explain("r57", "3", new)
    assert told.value == pytest.approx(imputer.transform(new).loc["r57", "3"])
    with pytest.raises(InputError, match="no row 'r3'"):
        imputer.explain("r3", "3", new)
    columns = NTKImputer(column_features=RIGHT).fit(frame[:50])
    with pytest.raises(InputError, match="row 7 has no known entry"):
        columns.explain("r57", "3", new)
