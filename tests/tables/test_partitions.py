"""Arrays and data frames of dask, on threads and on a cluster of two processes."""

import os
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ntkfill import NTKImputer
from ntkfill.errors import InputError
from ntkfill.tables import chained, partitions, stack

da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")


def table(rows: int, columns: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(rows, 2))
    whole = np.tanh(hidden @ rng.normal(size=(2, columns))) + 0.1 * rng.normal(size=(rows, columns))
    return whole, np.where(rng.random(whole.shape) < 0.2, np.nan, whole)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of more than 150 rows are long."""
    monkeypatch.setattr(stack, "EXACT", 80)
    for module in (chained, stack):
        monkeypatch.setattr(module, "LANDMARKS", 60)
    monkeypatch.setattr(chained, "SETTLING", 150)
    for module in (chained, partitions):
        monkeypatch.setattr(module, "SUMMED", 300)


@pytest.mark.slow
def test_short_arrays_are_filled_as_in_memory() -> None:
    _, values = table(60)
    filled = NTKImputer().fit_transform(da.from_array(values, chunks=(25, 3)))
    np.testing.assert_allclose(filled.compute(), NTKImputer().fit_transform(values), atol=1e-12)


@pytest.mark.slow
def test_frames_keep_labels_types_and_empty_partitions() -> None:
    _, values = table(60)
    frame = pd.DataFrame(values, columns=list("abcd"), index=np.arange(100, 160))
    frame["d"] = frame["d"].round().astype("Int64")
    parts = dd.concat([dd.from_pandas(frame, npartitions=3), dd.from_pandas(frame[:0], 1)])
    filled = NTKImputer().fit_transform(parts)
    expected = NTKImputer().fit_transform(frame)
    pd.testing.assert_frame_equal(filled.compute(), expected, check_exact=False)
    assert list(filled.dtypes) == list(expected.dtypes)


@pytest.mark.slow
def test_regressions_are_fitted_to_all_partitions(short: None) -> None:
    whole, values = table(2000)
    missing = np.isnan(values)
    predicted = missing & ~missing.all(axis=1, keepdims=True)  # other rows get means

    def error(imputer: NTKImputer) -> float:
        filled = imputer.transform(da.from_array(values, chunks=(300, 4))).compute()
        np.testing.assert_array_equal(filled[~missing], values[~missing])
        return float(np.sqrt(np.mean(np.square(filled - whole)[predicted])))

    every = error(NTKImputer().fit(da.from_array(values, chunks=(300, 4))))
    some = error(NTKImputer().fit(values[np.linspace(0, 1999, 150).astype(int)]))
    in_memory = NTKImputer().fit_transform(values)
    assert every < 0.97 * some
    assert every < 1.06 * float(np.sqrt(np.mean(np.square(in_memory - whole)[predicted])))


@pytest.mark.slow
def test_partitions_do_not_matter(short: None) -> None:
    _, values = table(500)
    first, second = (
        NTKImputer().fit_transform(da.from_array(values, chunks=chunks)).compute()
        for chunks in ((120, 4), (499, 2))
    )
    np.testing.assert_allclose(first, second, atol=1e-4)  # kernels in single precision


@pytest.mark.slow
def test_what_needs_all_rows_is_refused_by_name(short: None) -> None:
    _, values = table(400)
    parts = da.from_array(values, chunks=(100, 4))
    with pytest.raises(InputError, match="row_features cannot be used with a table in partitions"):
        NTKImputer(row_features=np.ones((400, 1))).fit(parts)
    with pytest.raises(InputError, match="uncertainty is estimated of tables in memory"):
        NTKImputer().impute(parts, return_std=True)
    with pytest.raises(InputError, match="set_output cannot be used with a dask array"):
        NTKImputer().set_output(transform="pandas").fit_transform(parts)
    for given in (None, parts):
        with pytest.raises(InputError, match="looked up in one of them"):
            NTKImputer(max_iter=1, tol=1.0).fit(parts).explain(0, 0, given)


@pytest.mark.slow
def test_values_are_explained_by_rows_of_the_whole_table(short: None) -> None:
    _, values = table(900)
    parts = da.from_array(values, chunks=(250, 4))
    imputer = NTKImputer().fit(parts)
    filled = imputer.transform(parts).compute()
    fitted = 0
    for row in np.flatnonzero(np.isnan(values[:, 2]))[:8]:
        told = imputer.explain(row - row // 250 * 250, 2, parts.blocks[row // 250].compute())
        assert told.value == pytest.approx(filled[row, 2], rel=1e-6)
        np.testing.assert_array_equal(told.values, values[told.rows, 2])
        assert len(told.rows) < 300  # of those that the regressions are fitted to
        fitted += row in np.linspace(0, 899, 300).astype(int)
    assert 0 < fitted < 8


@pytest.mark.slow
def test_workers_that_are_killed_change_nothing(short: None, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    _, values = table(600)
    expected = NTKImputer().fit_transform(da.from_array(values, chunks=(100, 4))).compute()

    def deadly(part: np.ndarray) -> np.ndarray:
        """Kills its worker when it is read for the sums, and for the result."""
        if part[0].tobytes() == values[300].tobytes():
            count = len(list(tmp_path.iterdir()))
            (tmp_path / str(count)).touch()
            if count in (1, 3):  # after the number of rows, and after those that are fitted to
                os.kill(os.getpid(), signal.SIGKILL)
        return part

    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as two,
        distributed.Client(two),
    ):
        parts = da.from_array(values, chunks=(100, 4)).map_blocks(deadly, dtype=float)
        filled = NTKImputer().fit_transform(parts).compute()
    assert len(list(tmp_path.iterdir())) == 5
    np.testing.assert_array_equal(filled, expected)
