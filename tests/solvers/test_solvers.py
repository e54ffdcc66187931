"""Both solvers against other people's, on every way to hold a kernel."""

import os
import subprocess
import sys
from collections import Counter
from typing import ClassVar

import numpy as np
import pytest
import scipy.linalg
from sklearn.kernel_ridge import KernelRidge

from ntkfill.completion import fit
from ntkfill.errors import InputError, MemoryLimitError
from ntkfill.kernels import Blocks, DenseKernel
from ntkfill.nn import hourglass
from ntkfill.solvers import CG, Blockwise, Cholesky
from ntkfill.solvers.blockwise import eliminate
from ntkfill.uncertainty import Posterior

SHAPES = {1: (24,), 2: (8, 12), 3: (4, 4, 8)}
KINDS = ["dense", "periodic", "stationary"]
SOLVERS = {
    "cholesky": Cholesky(ridge=1e-3),
    "cg": CG(ridge=1e-3, rtol=1e-9),
    "cg in single precision": CG(ridge=1e-3, rtol=1e-3),
}
ORACLES = {
    "numpy": lambda gram, ridge, y: np.linalg.solve(gram + ridge * np.eye(len(gram)), y),
    "scipy": lambda gram, ridge, y: scipy.linalg.solve(
        gram + ridge * np.eye(len(gram)), y, assume_a="pos"
    ),
    "sklearn": lambda gram, ridge, y: (
        KernelRidge(alpha=ridge, kernel="precomputed").fit(gram, y).dual_coef_
    ),
}
solvers = pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS)
exact = pytest.mark.parametrize(
    "solver", [SOLVERS["cholesky"], SOLVERS["cg"]], ids=["cholesky", "cg"]
)


def make(kind, n=2):
    shape = SHAPES[n]
    if kind == "dense":
        root = np.random.default_rng(n).normal(size=(np.prod(shape),) * 2)
        # Of very different variances, so that it matters which diagonal a ridge is relative to.
        root *= np.linspace(0.2, 2.0, len(root))[:, None]
        return DenseKernel(root @ root.T / len(root), shape)
    return hourglass(1).kernel(shape, shift_average=kind == "stationary", dtype=np.float64)


def system(kernel, known, ridge=1e-3):
    """K[known, known] and the ridge in its units, without asking the kernel for a product."""
    every = np.arange(known.size)
    full = kernel.block(every, every).astype(float)
    return full[np.ix_(known, known)], ridge * np.diag(full).mean()


def some(kernel, columns=3, share=0.6, seed=0):
    """Known coordinates, and values for them."""
    rng = np.random.default_rng(seed)
    known = rng.random(np.prod(kernel.shape)) < share
    return known, rng.normal(size=(known.sum(), columns))


def close(a, b, solver):
    """Coefficients of a solve to `rtol` differ by that, times how ill-posed the system is."""
    tolerance = 0.02 if solver is SOLVERS["cg in single precision"] else 1e-6
    return np.allclose(a, b, rtol=0, atol=tolerance * np.abs(b).max())


@pytest.mark.sampled
@solvers
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("oracle", ORACLES)
def test_as_others_solve(solver, kind, n, oracle):
    kernel = make(kind, n)
    known, y = some(kernel)
    solution = solver.factor(kernel, known).solve(y)
    expected = ORACLES[oracle](*system(kernel, known), y)
    assert solution.report.converged
    assert close(solution.coefficients, expected, solver)


@pytest.mark.sampled
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "solver",
    [Cholesky(1e-3), CG(1e-3, 1e-2), CG(1e-3, 1e-3), CG(1e-1, 1e-4), CG(1e-3, 1e-9)],
    ids=repr,
)
@pytest.mark.parametrize("steps", [2, 3000])
def test_reported_residual_is_the_true_one(solver, kind, steps):
    if isinstance(solver, CG):
        solver = CG(solver.ridge, solver.rtol, max_steps=steps)
    kernel = make(kind)
    known, y = some(kernel)
    solution = solver.factor(kernel, known).solve(y)
    gram, ridge = system(kernel, known, solver.ridge)
    rest = y - gram @ solution.coefficients - ridge * solution.coefficients
    true = np.max(np.linalg.norm(rest, axis=0) / np.linalg.norm(y, axis=0))
    assert solution.report.residual == pytest.approx(true, rel=0.05, abs=1e-6)
    assert solution.report.converged == (steps == 3000 or isinstance(solver, Cholesky))


@pytest.mark.parametrize("rtol", [1e-3, 1e-4])
def test_rounding_does_not_hide_the_true_residual(rtol):
    """Over hundreds of steps on noise, the residual carried along in single precision drifts."""
    kernel = hourglass(4).kernel((96, 96), shift_average=True)
    known, y = some(kernel, columns=1, share=0.9)
    solution = CG(rtol=rtol, dtype=np.float32).factor(kernel, known).solve(y)
    spread = np.zeros(known.size)
    spread[known] = solution.coefficients[:, 0]
    product = kernel.matvec(spread.reshape(96, 96)).ravel()  # in double precision
    rest = y[:, 0] - product[known] - 1e-3 * kernel.diagonal().mean() * spread[known]
    true = np.linalg.norm(rest) / np.linalg.norm(y)
    assert true <= 1.2 * solution.report.residual
    assert true <= 1.1 * rtol or not solution.report.converged


@pytest.mark.parametrize(
    ("max_steps", "converged"), [(0, False), (1, False), (2, False), (3000, True)]
)
def test_too_few_steps_are_told(max_steps, converged):
    kernel = make("stationary")
    report = CG(max_steps=max_steps).factor(kernel, some(kernel)[0]).solve(some(kernel)[1]).report
    assert report.converged is converged
    assert report.steps <= max_steps
    assert (report.residual <= 1.5e-3) is converged


@pytest.mark.parametrize(
    ("values", "jittered"), [(np.ones((3, 3)), True), (np.eye(3), False), (np.eye(3) + 1, False)]
)
def test_jitter_is_told(values, jittered):
    y = np.ones((3, 1))
    solution = Cholesky().factor(DenseKernel(values, (3,)), np.ones(3, bool)).solve(y)
    assert (solution.report.jitter > 0) is jittered
    np.testing.assert_allclose(values @ solution.coefficients, y, rtol=1e-6)


@pytest.mark.parametrize("values", [np.diag([1.0, -1.0, 1.0]), np.zeros((3, 3))])
def test_no_jitter_mends_what_is_no_kernel(values):
    with pytest.raises(InputError, match="larger ridge"):
        Cholesky().factor(DenseKernel(values, (3,)), np.ones(3, bool))


@pytest.mark.sampled
@exact
@pytest.mark.parametrize("kind", KINDS)
def test_columns_jointly_as_singly(solver, kind):
    kernel = make(kind)
    known, y = some(kernel)
    y *= [1.0, 1e3, 1e-3]
    factor = solver.factor(kernel, known)
    joint = factor.solve(y).coefficients
    for k in range(3):
        alone = factor.solve(y[:, [k]]).coefficients
        assert np.allclose(joint[:, [k]], alone, rtol=0, atol=1e-6 * np.abs(alone).max())


@exact
def test_linear_in_values(solver):
    kernel = make("periodic")
    known, y = some(kernel, columns=2)
    factor = solver.factor(kernel, known)
    combined = factor.solve(y @ np.array([[2.0], [-3.0]])).coefficients
    assert close(factor.solve(y).coefficients @ [[2.0], [-3.0]], combined, solver)


@solvers
@pytest.mark.parametrize("columns", [(0.0,), (0.0, 1.0), (1.0, 0.0, 0.0)])
def test_zero_stays_zero(solver, columns):
    kernel = make("stationary")
    known, y = some(kernel, columns=len(columns))
    solution = solver.factor(kernel, known).solve(y * columns)
    assert solution.report.converged
    zero = np.array(columns) == 0
    assert not solution.coefficients[:, zero].any()
    assert solution.coefficients[:, ~zero].all()


@solvers
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 96])
def test_one_known_and_all_known(solver, kind, count):
    kernel = make(kind)
    known = np.arange(96) >= 96 - count
    y = np.random.default_rng(0).normal(size=(count, 1))
    solution = solver.factor(kernel, known).solve(y)
    assert solution.report.converged
    assert close(solution.coefficients, ORACLES["numpy"](*system(kernel, known), y), solver)


@exact
@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_ridge_is_relative(solver, factor):
    kernel = make("dense")
    known, y = some(kernel)
    scaled = solver.factor(DenseKernel(factor * kernel.values, kernel.shape), known).solve(y)
    plain = solver.factor(kernel, known).solve(y)
    assert close(factor * scaled.coefficients, plain.coefficients, solver)


def test_memory_limit_makes_groups():
    kernel = make("stationary")
    known, y = some(kernel, columns=7)
    roomy = CG(rtol=1e-9).factor(kernel, known)
    tight = CG(rtol=1e-9, memory_limit=20 * 8 * 96).factor(kernel, known)
    assert roomy.group >= 7 > tight.group >= 1
    assert close(tight.solve(y).coefficients, roomy.solve(y).coefficients, SOLVERS["cg"])


@pytest.mark.parametrize("limit", [0, 1000])
def test_memory_limit_refuses(limit, monkeypatch):
    kernel = make("stationary")
    with pytest.raises(MemoryLimitError, match="right-hand side"):
        CG(memory_limit=limit).factor(kernel, np.ones(96, bool))
    monkeypatch.setattr("ntkfill.runtime.resources.available", lambda: limit)
    with pytest.raises(MemoryLimitError, match="CG") as refused:
        Cholesky().factor(kernel, np.ones(96, bool))
    assert refused.value.limit == limit < refused.value.needed


@pytest.mark.parametrize("kind", ["rank one", "periodic", "stationary"])
@pytest.mark.parametrize("rtol", [1e-3, 1e-8])
def test_singular_kernel_without_ridge_is_told(kind, rtol):
    kernel = DenseKernel(np.ones((96, 96)), SHAPES[2]) if kind == "rank one" else make(kind)
    y = np.random.default_rng(0).normal(size=(96, 2))
    solution = CG(ridge=0.0, rtol=rtol).factor(kernel, np.ones(96, bool)).solve(y)
    gram, _ = system(kernel, np.ones(96, bool), 0.0)
    assert np.linalg.matrix_rank(gram) < 96
    assert np.isfinite(solution.coefficients).all()
    assert not solution.report.converged
    true = np.linalg.norm(y - gram @ solution.coefficients, axis=0) / np.linalg.norm(y, axis=0)
    assert true.max() <= 1.01
    assert solution.report.residual == pytest.approx(true.max(), rel=0.05)


class Counted(DenseKernel):
    """A kernel that counts its products by precision."""

    counts: ClassVar[Counter] = Counter()

    def matvec(self, x):
        self.counts[x.dtype.name] += 1
        return super().matvec(x)


def test_single_precision_gives_way_where_it_stalls():
    """A smooth kernel without ridge: no step after the first sixty halves the residual, and double
    precision follows; five hundred more in single precision were wasted before."""
    steps = np.subtract.outer(np.arange(200), np.arange(200))
    kernel = Counted(np.exp(-np.square(steps / 5.0) / 2), (200,))
    Counted.counts.clear()
    y = np.random.default_rng(0).normal(size=(200, 1))
    CG(ridge=0.0, rtol=1e-4).factor(kernel, np.ones(200, bool)).solve(y)
    assert 60 <= Counted.counts["float32"] < 100
    assert Counted.counts["float64"] > 0


def test_inputs_are_left_alone():
    kernel = make("dense")
    known, y = some(kernel)
    before = known.copy(), y.copy(), kernel.values.copy()
    for solver in SOLVERS.values():
        solver.factor(kernel, known).solve(y)
    for was, now in zip(before, (known, y, kernel.values), strict=True):
        np.testing.assert_array_equal(was, now)


PROGRAM = """
import hashlib, os, sys
if sys.argv[1] == "1" and hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
import numpy as np
from ntkfill.completion import fit
from ntkfill.kernels import Blocks, DenseKernel
from ntkfill.nn import hourglass
from ntkfill.uncertainty import Posterior
from ntkfill.solvers import CG, Blockwise, Cholesky
rng = np.random.default_rng(0)
known, y = rng.random(48 * 48) < 0.4, rng.normal(size=(48 * 48, 3))
root = rng.normal(size=(700, 700))
gram = np.round(root @ root.T / 700, 3)  # or it would depend on the number of threads itself
kernels = {
    "stationary": hourglass(3).kernel((48, 48), shift_average=True),
    "periodic": hourglass(3).kernel((48, 48)),
    "dense": DenseKernel(gram.astype(np.float32), (700,)),
}
for name, kernel in kernels.items():
    some = known[: np.prod(kernel.shape)]
    for solver in (CG(1e-2), Cholesky(1e-2)):
        a = solver.factor(kernel, some).solve(y[: some.sum()]).coefficients
        print(name, type(solver).__name__, hashlib.sha256(a.tobytes()).hexdigest())
"""


@pytest.fixture(scope="module")
def hashes():
    found = []
    for threads in ("1", "2"):
        many = {f"{name}_NUM_THREADS": threads for name in ("OMP", "OPENBLAS", "MKL")}
        command = [sys.executable, "-c", PROGRAM, threads]
        done = subprocess.run(command, env=os.environ | many, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        lines = (line.split() for line in done.stdout.splitlines())
        found.append({(kernel, solver): digest for kernel, solver, digest in lines})
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "solver"),
    [
        ("stationary", "CG"),
        ("stationary", "Cholesky"),
        ("periodic", "CG"),
        ("periodic", "Cholesky"),
        ("dense", "CG"),
        ("dense", "Cholesky"),
    ],
)
def test_same_bytes_for_any_number_of_threads(kind, solver, hashes):
    assert hashes[0][kind, solver] == hashes[1][kind, solver]


def small_blocks(dtype=float, count=6, size=9, seed=0):
    """Blocks of which some know much, some little, one all and one nothing."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(count, size, 3))
    known = rng.random((count, size)) < np.linspace(0.2, 0.8, count)[:, None]
    known[0], known[-1] = False, True
    return Blocks((root @ root.transpose(0, 2, 1)).astype(dtype)), known


@pytest.mark.parametrize("uneven", [False, True])
def test_blocks_are_solved_as_one_matrix(uneven):
    kernel, known = small_blocks()
    rng = np.random.default_rng(1)
    noise = rng.uniform(0.1, 0.5, known.shape) if uneven else 0.3
    factor = Blockwise(noise).factor(kernel, known.ravel())
    every, at = np.arange(known.size), np.flatnonzero(known)
    gram = kernel.block(every, every) + np.diag(np.broadcast_to(noise, known.shape).ravel())
    y = rng.normal(size=(len(at), 2))
    oracle = Cholesky().factor(DenseKernel(gram, (len(gram),)), known.ravel())
    solution = factor.solve(y)
    assert solution.report.residual < 1e-12
    np.testing.assert_allclose(solution.coefficients, oracle.solve(y).coefficients, atol=1e-9)
    # The method of all kernels, and the short cut through the shares of each block.
    spread = np.where(known, 0, np.nan)
    spread[known] = y[:, 0]
    short, variance = factor.posterior(spread)
    plain = fit(factor, y, centre=False).predict(np.arange(known.size))[:, 0]
    np.testing.assert_allclose(short[~known], plain[~known.ravel()], atol=1e-9)
    np.testing.assert_array_equal(short[known], y[:, 0])
    if not uneven:
        left = Posterior(kernel, factor, 0.3).variances(np.flatnonzero(~known)) - 0.3
        np.testing.assert_allclose(variance[~known], left, atol=1e-9)
    assert not variance[known].any()
    # Transposed.
    gradient = rng.normal(size=known.shape)
    told = factor.adjoint(gradient)
    assert not told[~known].any()
    assert np.vdot(told[known], y[:, 0]) == pytest.approx(np.vdot(gradient[~known], short[~known]))


def test_elimination_is_that_of_cholesky():
    rng = np.random.default_rng(0)
    root, right = rng.normal(size=(3, 21, 30)), rng.normal(size=(3, 21, 4))
    gram = root @ root.transpose(0, 2, 1)
    rows = np.concatenate([gram, right], axis=2)
    eliminate(rows, 1e-12)
    expected = np.linalg.solve(np.linalg.cholesky(gram), right)
    np.testing.assert_allclose(rows[:, :, 21:], expected, atol=1e-9)


def test_rounding_leaves_no_pivot_below_the_noise():
    # All entries of a block are the same, which without noise leaves nothing of the second pivot.
    kernel = Blocks(np.full((1, 12, 12), 64.0, np.float32))
    known = np.arange(12) < 10
    mean, variance = Blockwise(1e-6).factor(kernel, known).posterior(np.ones((1, 12), np.float32))
    np.testing.assert_allclose(mean, 1, atol=1e-3)
    assert variance.max() < 1e-3


def test_blocks_alone():
    with pytest.raises(InputError, match="Blocks kernel"):
        Blockwise().factor(DenseKernel(np.eye(2), (2,)), np.ones(2, bool))
    with pytest.raises(InputError, match="values of Blocks"):
        Blocks(np.ones((2, 3, 4)))


def test_blocks_keep_single_precision():
    kernel, known = small_blocks(np.float32)
    factor = Blockwise(0.3).factor(kernel, known.ravel())
    report = factor.solve(np.ones((known.sum(), 1), np.float32)).report
    mean, variance = factor.posterior(np.ones(known.shape, np.float32))
    assert factor.weights.dtype == mean.dtype == variance.dtype == np.float32
    assert report.converged
    assert report.residual > 1e-9
