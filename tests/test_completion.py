"""`complete` against the formula, and what `Observed` refuses."""

import numpy as np
import pytest
from oracles import matrix, regression

from ntkfill import InputError, Observed, complete
from ntkfill.kernels import DenseKernel
from ntkfill.nn import hourglass
from ntkfill.solvers import CG, Cholesky

RIDGE = 1e-3
SOLVERS = {"cholesky": Cholesky(RIDGE), "cg": CG(RIDGE, rtol=1e-10)}
KERNELS = {
    "periodic": hourglass(1).kernel((6, 8), dtype=np.float64),
    "stationary": hourglass(1).kernel((6, 8), shift_average=True),
    "dense": DenseKernel(np.exp(-0.1 * np.abs(np.subtract.outer(range(48), range(48)))), (48,)),
}
solvers = pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS)
kernels = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
centres = pytest.mark.parametrize("centre", [False, True], ids=["plain", "centred"])


def masks(kind):
    """Known entries of 48 coordinates and 5 columns."""
    rng = np.random.default_rng(1)
    one, other = rng.random(48) < 0.5, rng.random(48) < 0.7
    return {
        "shared": one,
        "shared, written out": np.stack([one] * 5, axis=1),
        "two patterns": np.stack([one, other, one, one, other], axis=1),
        "all differ": rng.random((48, 5)) < 0.6,
        "one column complete": np.stack([one, one | True, one, one, one], axis=1),
        "nothing missing": np.ones((48, 5), bool),
        "one known each": np.arange(48)[:, None] == [0, 3, 3, 47, 20],
    }[kind]


PATTERNS = {
    "shared": [[0, 1, 2, 3, 4]],
    "shared, written out": [[0, 1, 2, 3, 4]],
    "two patterns": [[0, 2, 3], [1, 4]],
    "all differ": [[0], [1], [2], [3], [4]],
    "one column complete": [[0, 2, 3, 4], [1]],
    "nothing missing": [[0, 1, 2, 3, 4]],
    "one known each": [[0], [1, 2], [3], [4]],
}


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(size=(48, 5)) * [1, 1e-3, 1e3, 1, 1] + [0, 0, 0, 100, 1]


@pytest.mark.sampled
@solvers
@kernels
@centres
@pytest.mark.parametrize("kind", PATTERNS)
def test_formula(values, kind, kernel, solver, centre):
    known = masks(kind)
    done = complete(Observed(values, known), kernel, solver, centre=centre)
    assert all(report.converged for report in done.reports)
    expected = regression(values, known, matrix(kernel), RIDGE, centre=centre)
    for column in range(5):
        scale = np.ptp(values[:, column])
        np.testing.assert_allclose(done.values[:, column], expected[:, column], atol=1e-5 * scale)


@pytest.mark.parametrize("kind", PATTERNS)
def test_patterns(values, kind):
    known = masks(kind)
    found = list(Observed(values, known).patterns())
    assert [columns.tolist() for columns, _ in found] == PATTERNS[kind]
    for columns, rows in found:
        for column in columns:
            np.testing.assert_array_equal(rows, known if known.ndim == 1 else known[:, column])
    done = complete(Observed(values, known), KERNELS["dense"], SOLVERS["cholesky"])
    assert len(done.factors) == len(done.reports) == len(PATTERNS[kind])


@solvers
@centres
def test_known_entries_are_untouched(values, solver, centre):
    known = masks("all differ")
    seen = np.where(known, values, np.nan)
    before, mask = seen.copy(), known.copy()
    done = complete(Observed(seen, known), KERNELS["stationary"], solver, centre=centre)
    assert done.values[known].tobytes() == values[known].tobytes()
    assert np.isfinite(done.values).all()
    np.testing.assert_array_equal(seen, before)
    np.testing.assert_array_equal(known, mask)


def test_unknown_entries_are_not_read(values):
    known = masks("two patterns")
    filled = [
        complete(Observed(np.where(known, values, x), known), KERNELS["dense"], Cholesky(RIDGE))
        for x in (0.0, 1e300, np.nan, np.inf)
    ]
    assert len({done.values.tobytes() for done in filled}) == 1


@pytest.mark.sampled
@solvers
@kernels
@centres
@pytest.mark.parametrize("at", [0, 17, 47])
def test_weights_sum_to_the_value(values, at, kernel, solver, centre):
    known = masks("two patterns")
    known[at] = False
    done = complete(Observed(values, known), kernel, solver, centre=centre)
    for pattern, columns in enumerate(PATTERNS["two patterns"]):
        weights = done.weights(at, pattern)
        assert weights.shape == (48,)
        assert not weights[~known[:, columns[0]]].any()
        assert not centre or weights.sum() == pytest.approx(1, abs=1e-9)
        expected = done.values[at, columns]
        np.testing.assert_allclose(weights @ values[:, columns], expected, rtol=1e-5, atol=1e-5)


ONE = np.ones((3, 2))
WHERE_1 = np.array([[False, True, True], [True, False, True]]).T


@pytest.mark.parametrize(
    ("values", "known", "message"),
    [
        (np.ones(3), np.ones(3, bool), "values must have shape"),
        (np.ones((3, 2, 1)), np.ones(3, bool), "values must have shape"),
        (ONE, np.ones(2, bool), "values must have shape"),
        (ONE, np.ones((2, 3), bool), "values must have shape"),
        (ONE, np.ones((3, 1), bool), "values must have shape"),
        (ONE, np.ones((3, 2, 1), bool), "values must have shape"),
        (ONE, np.zeros(3, bool), "must have a known entry; got none"),
        (ONE, np.array([[1, 0]] * 3, bool), "must have a known entry; got none"),
        (np.where(WHERE_1, np.nan, 1.0), np.ones(3, bool), "must be finite"),
        (np.where(WHERE_1, np.inf, 1.0), WHERE_1, "must be finite"),
        (np.where(WHERE_1, -np.inf, 1.0), WHERE_1, "must be finite"),
    ],
)
def test_observed_refuses(values, known, message):
    with pytest.raises(InputError, match=message):
        Observed(values, known)


def test_observed_takes_nan_where_unknown():
    assert Observed(np.where(WHERE_1, np.nan, 1.0), ~WHERE_1).known.sum() == 2


def test_integers_are_filled_in_whole():
    values = np.array([[0, 10, 0, 30, 0, 50, 0, 9]]).T
    known = values.ravel() > 0
    kernel = DenseKernel(np.exp(-0.1 * np.abs(np.subtract.outer(range(8), range(8)))), (8,))
    as_float = complete(Observed(values.astype(float), known), kernel, Cholesky(RIDGE)).values
    as_int = complete(Observed(values, known), kernel, Cholesky(RIDGE)).values
    np.testing.assert_allclose(as_int, as_float)


def test_known_as_zero_and_one(values):
    """Whole numbers would be taken for indices."""
    with pytest.raises(InputError, match="known must be a bool array"):
        Observed(values, np.ones(48, int))


@solvers
@pytest.mark.parametrize("rows", [47, 49])
def test_kernel_of_another_size_is_refused(solver, rows):
    seen = Observed(np.ones((rows, 1)), np.arange(rows) > 3)
    with pytest.raises(InputError, match="kernel"):
        complete(seen, KERNELS["dense"], solver)
