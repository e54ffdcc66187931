"""The models of tables: convergence, single precision, and what values of new rows are made of."""

import numpy as np
import pytest

from ntkfill import InputError, NTKImputer
from ntkfill.errors import ConvergenceWarning
from ntkfill.kernels import kronecker
from ntkfill.tables import models

RNG = np.random.default_rng(0)
LEFT, RIGHT = RNG.normal(size=(60, 3)), RNG.normal(size=(30, 3))
TABLE = np.tanh(LEFT @ RIGHT.T) + 0.1 * RNG.normal(size=(60, 30))
MISSING = RNG.random(TABLE.shape) < 0.6
MISSING[np.arange(60), np.arange(60) % 30] = False
HOLED = np.where(MISSING, np.nan, TABLE)


@pytest.mark.slow
def test_blocks_of_rows_on_any_number_of_cores_give_the_same_bytes(monkeypatch):
    monkeypatch.setattr(kronecker, "BLOCK", 16)
    imputer = NTKImputer(row_features=LEFT, column_features=RIGHT, ridge=0.1)
    ours = imputer.fit_transform(HOLED)
    parts = kronecker.two_sided(LEFT.T, TABLE, RIGHT)
    np.testing.assert_allclose(parts, LEFT.T @ TABLE @ RIGHT, rtol=1e-12)
    monkeypatch.setattr(
        kronecker, "parallel_for", lambda task, items: [task(item) for item in items]
    )
    np.testing.assert_array_equal(imputer.fit_transform(HOLED), ours)


def test_a_solve_that_stops_early_is_told(monkeypatch):
    imputer = NTKImputer(row_features=LEFT, column_features=RIGHT, ridge=1e-3)
    assert imputer.fit(HOLED).converged_
    monkeypatch.setattr(models, "MAX_STEPS", 2)
    with pytest.warns(ConvergenceWarning, match=r"residual of .* a larger ridge"):
        imputer.fit(HOLED)
    assert not imputer.converged_
    assert np.isfinite(imputer.transform(HOLED)).all()


@pytest.mark.slow
def test_iterations_that_stop_early_warn():
    whole = NTKImputer(max_iter=30).fit(HOLED)  # warnings are errors: this one is silent
    assert whole.converged_
    early = NTKImputer(max_iter=whole.n_iter_ - 1)
    for call in (early.fit, early.fit_transform, early.impute):
        with pytest.warns(ConvergenceWarning, match=r"less than 0.001.* more than max_iter="):
            call(HOLED)
        assert not early.converged_
    assert early.n_iter_ == whole.n_iter_ - 1
    with pytest.warns(ConvergenceWarning, match="last iteration still changed"):
        NTKImputer(max_iter=1).fit(TABLE).transform(HOLED)


@pytest.mark.slow
def test_hidden_entries_do_not_warn_of_their_own():
    few = NTKImputer(max_iter=1)
    with pytest.warns(ConvergenceWarning) as told:
        few.impute(HOLED[:, :8], return_std=True)
    assert len(told) == 1


def test_a_singular_kernel_is_solved_with_jitter_that_the_result_holds():
    twice, features = np.vstack([HOLED[:20]] * 2), np.vstack([LEFT[:20]] * 2)
    singular = NTKImputer(row_features=features, ridge=0.0).impute(twice)
    assert 0 < singular.info.jitter < 1e-4
    assert np.isfinite(singular.values).all()
    assert NTKImputer(row_features=features, ridge=0.1).impute(twice).info.jitter == 0


SIDES = {
    "plain": (),
    "rows": ("row_features",),
    "columns": ("column_features",),
    "both": ("row_features", "column_features"),
}


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "known"), [((8, 5), 9), ((20, 30), 200), ((30, 40), 700)])
@pytest.mark.parametrize("seed", range(3))
def test_reordered_rows_of_both_sides_are_filled_alike(shape, known, seed):
    """The ridge does not hang on which entries chance holds out."""
    rng = np.random.default_rng(seed)
    left, right = (rng.normal(size=(side, 2)) for side in shape)
    truth = left @ right.T + 0.3 * rng.normal(size=shape)
    table = np.full(shape, np.nan)
    kept = rng.permutation(truth.size)[:known]
    table.flat[kept] = truth.flat[kept]
    filled = NTKImputer(row_features=left, column_features=right).fit_transform(table)
    order = rng.permutation(shape[0])
    imputer = NTKImputer(row_features=left[order], column_features=right)
    moved = np.abs(imputer.fit_transform(table[order]) - filled[order]).max() / np.nanstd(table)
    assert moved < (1e-3 if known <= 300 else 0.3)


@pytest.mark.parametrize("sides", [[], ["row_features"], ["column_features"], ["both"]])
def test_rows_that_were_fitted_are_transformed_as_they_were_filled(sides):
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(20, 2)), rng.normal(size=(6, 2))
    table = left @ right.T + 0.3 * rng.normal(size=(20, 6))
    table[rng.random(table.shape) < 0.2] = np.nan
    every = {"row_features": left, "column_features": right}
    options = every if sides == ["both"] else {side: every[side] for side in sides}
    imputer = NTKImputer(**options)
    filled = imputer.fit_transform(table)
    np.testing.assert_array_equal(imputer.transform(table), filled)
    some = {"row_features": left[5:9]} if "row_features" in options else {}
    np.testing.assert_array_equal(imputer.transform(table[5:9], **some), filled[5:9])
