"""Large matrices in blocks: what SciPy says, and the same bytes for any number of threads."""

import os
import subprocess
import sys

import numpy as np
import pytest
from scipy.linalg import LinAlgError, cho_solve
from scipy.spatial.distance import cdist

from ntkfill.kernels import product
from ntkfill.solvers import linalg as matrices

RNG = np.random.default_rng(0)
SIZES = [1, 7, matrices.SMALL, matrices.SMALL + 1, matrices.SMALL + matrices.BLOCK + 30]


def positive(count):
    points = RNG.normal(size=(count, 20))
    return np.exp(-cdist(points, points, "sqeuclidean") / 20) + 0.1 * np.eye(count)


@pytest.mark.slow
@pytest.mark.parametrize("count", SIZES)
def test_as_scipy(count):
    matrix, y = positive(count), RNG.normal(size=(count, 131))
    expected = np.linalg.cholesky(matrix)
    left, right = matrix[: count // 2 + 1], y
    np.testing.assert_allclose(product(left, right), left @ right, rtol=0, atol=1e-11)
    found = matrix.copy()
    found[np.tril_indices(count, -1)] = np.nan  # one triangle is enough, and stays as it is
    factor = matrices.cholesky(found)
    assert np.shares_memory(factor, found)
    lower = np.where(np.tri(count, dtype=bool), factor, np.nan)
    np.testing.assert_allclose(np.tril(factor), expected, rtol=0, atol=1e-13)
    wanted = cho_solve((expected, True), y)
    before = y.copy()
    np.testing.assert_allclose(matrices.solve(lower, y), wanted, rtol=0, atol=1e-11)
    np.testing.assert_array_equal(y, before)
    np.testing.assert_allclose(
        matrices.inverse(lower), np.linalg.inv(expected).T, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("count", SIZES)
def test_the_factor_still_multiplies_by_the_matrix(count):
    matrix, y = positive(count), RNG.normal(size=(count, 3))
    lower = matrices.cholesky(matrix.copy())
    found = matrices.multiply(lower, np.diagonal(matrix) + 2.0, y)
    np.testing.assert_allclose(found, matrix @ y + 2.0 * y, rtol=0, atol=1e-11)


@pytest.mark.parametrize("count", [20, matrices.SMALL + 20])
def test_single_precision_stays(count):
    matrix, y = positive(count), RNG.normal(size=(count, 3))
    lower = matrices.cholesky(matrix.astype(np.float32))
    found = matrices.solve(lower, y)
    assert lower.dtype == found.dtype == np.float32
    expected = np.linalg.solve(matrix, y)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3 * np.abs(expected).max())


def test_nearly_singular_loses_no_more_than_scipy():
    x = np.linspace(0, 1, matrices.SMALL + 50)[:, None]
    matrix = np.exp(-((x - x.T) ** 2) / 0.02) + 1e-10 * np.eye(len(x))
    lower = np.tril(matrices.cholesky(matrix.copy()))
    assert np.abs(lower @ lower.T - matrix).max() < 1e-14


@pytest.mark.parametrize("at", [3, matrices.BLOCK + 2])
def test_what_is_not_positive_is_refused(at):
    matrix = positive(matrices.SMALL + 9)
    matrix[at, at] = -1.0
    with pytest.raises(LinAlgError, match="not positive definite"):
        matrices.cholesky(matrix)


PROGRAM = """
import hashlib
import numpy as np
from ntkfill import NTKImputer
from ntkfill.screens.features import OneHot, Stack
from ntkfill.screens import DNPP, NTK, FaLRTC, KFold, complete, evaluate, rank, simulate

def told(name, values):
    print(name, hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest())

rng = np.random.default_rng(0)
left, right = rng.normal(size=(330, 30)), rng.normal(size=(90, 20))
told("control", left @ left.T @ left)
made = simulate(cells=8, drugs=50, genes=151, random_state=3)
known, folds = made.screen.known, KFold(2, 1, random_state=0)
wanted = made.screen.labels[~made.screen.measured]
fixed = NTK(Stack(OneHot("cell"), OneHot("drug")), ridge=0.1)
methods = {"ntk": NTK(), "ntk of features": fixed, "ntk, ridge chosen": NTK(ridge="loo")}
methods |= {"dnpp": DNPP(), "falrtc": FaLRTC(max_iter=2)}
for name, method in methods.items():
    told(name, method.predict(known, wanted))
told("evaluate", evaluate(known, {"fixed": fixed, "dnpp": DNPP()}, folds).scores)
done = complete(made.screen)
told("rank", [drug.cosine for drug in rank(done, made.signature).drugs])
table = left[:, :5] @ rng.normal(size=(5, 5)) @ right[:, :5].T + 0.1 * rng.normal(size=(330, 90))
holed = np.where(rng.random(table.shape) < 0.2, np.nan, table)
whole_rows = np.where(np.arange(330)[:, None] % 5, table, np.nan)
whole_columns = np.where(np.arange(90) % 5, table, np.nan)
cases = {
    "plain": (holed[:, :9], {}, {}),
    "row features": (whole_rows, {"row_features": left}, {"row_features": left[:80]}),
    "column features": (whole_columns, {"column_features": right}, {}),
    "both": (holed, {"row_features": left, "column_features": right}, {"row_features": left[:80]}),
}
for name, (given, sides, new) in cases.items():
    imputer = NTKImputer(ridge=0.1, **sides)
    told(name, imputer.fit_transform(given))
    told(f"{name}, new", imputer.transform(given[:80], **new))
"""


@pytest.mark.slow
def test_same_bytes_for_any_number_of_threads():
    found = []
    for threads in ("1", "2"):
        many = {f"{name}_NUM_THREADS": threads for name in ("OMP", "OPENBLAS", "MKL")}
        command = [sys.executable, "-c", PROGRAM]
        done = subprocess.run(command, env=os.environ | many, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found.append(dict(line.rsplit(" ", 1) for line in done.stdout.splitlines()))
    one, two = found
    if one.pop("control") == two.pop("control"):
        pytest.skip("here products are the same anyway")
    assert len(one) == 15
    assert one == two
