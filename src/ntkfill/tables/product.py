"""Tables whose rows and columns both carry features: a product kernel that is never formed.

Entries (i, j) and (k, l) share R[i, k] C[j, l]. Both factors get a little identity ("own"), so that
an entry also speaks for its row and its column beyond what their features say. Where the known
entries are whole rows by whole columns, two eigendecompositions solve the system; elsewhere
conjugate gradients do, preconditioned with the solve of the whole table, to which values are
extended by inverse distances first (the missing entries of `docs/decisions/0002-preconditioner.md`,
with the kernels' distances for those of a grid).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh
from threadpoolctl import threadpool_limits

from ..errors import InputError
from ..kernels.table import Array
from ..observed import Mask
from ..runtime.memory import require
from ..runtime.threads import parallel_for
from ..solvers import linalg as matrices
from ..solvers.spectral import mean_diagonal
from .preconditioner import Extension, nearness, two_sided

RIDGES = tuple(float(10.0**k) for k in np.arange(-4.0, 1.5, 0.5))
OWN = (0.0, 0.03, 0.1, 0.3, 1.0)
HIDDEN = 0.1
# The ridge and the identities are chosen on at most so many rows and columns.
SAMPLE = 300
STEPS = 2000
RTOL = 1e-5


@dataclass(frozen=True, eq=False)
class Product:
    """A table solved with a product kernel.

    Parameters
    ----------
    rows, columns : array of shape (n, n) and (m, m)
        Mean diagonal 1, without the identities.
    own : tuple of float
        How much identity the rows and the columns got.
    ridge : float
    known : bool array of shape (n, m)
    values : array of shape (n, m)
        Zero where missing.
    level : float
        The mean of the known entries.
    coefficients : array of shape (n, m)
    residual : float
    scale : float
        What the kernel of new rows has to be divided by.
    """

    rows: Array
    columns: Array
    own: tuple[float, float]
    ridge: float
    known: Mask
    values: Array
    level: float
    coefficients: Array
    residual: float
    scale: float

    @property
    def converged(self) -> bool:
        """Whether the residual is what was asked for."""
        return self.residual <= RTOL

    @property
    def filled(self) -> Array:
        left = matrices.product(self.rows, self.coefficients) + self.own[0] * self.coefficients
        return matrices.product(left, self.columns) + self.own[1] * left + self.level

    def predict(self, kernel: Array) -> Array:
        """New rows with this kernel (k, n) to those that were fitted: (k, m)."""
        left = matrices.product(kernel, self.coefficients) / self.scale
        return matrices.product(left, self.columns) + self.own[1] * left + self.level

    def between(self, row: int) -> Array:
        """The kernel of one row with all, with the identity in it."""
        left = self.rows[row].copy()
        left[row] += self.own[0]
        return left

    def weights(self, left: Array, column: int) -> tuple[Array, Array]:
        """Flat positions of all known entries, and what each weighs in one entry of a row with this
        kernel (n,) to those that were fitted."""
        right = self.columns[column].copy()
        right[column] += self.own[1]
        with threadpool_limits(1):
            system = System(self.rows, self.columns, self.own, self.known)
            share = system.solve(np.outer(left, right) * self.known, self.ridge, 1e-8)[0]
        share = share[self.known]
        return np.flatnonzero(self.known), share + (1.0 - share.sum()) / len(share)


class System:
    """(P (R x C) P + ridge) a = y on the known entries P."""

    def __init__(self, rows: Array, columns: Array, own: tuple[float, float], known: Mask) -> None:
        self.shape = known.shape
        self.inside = np.ix_(known.any(axis=1), known.any(axis=0))
        self.known = known[self.inside]
        self.left = _own(rows[np.ix_(*[known.any(axis=1)] * 2)], own[0])
        self.right = _own(columns[np.ix_(*[known.any(axis=0)] * 2)], own[1])
        self.a, self.left_vectors = eigh(self.left)
        self.b, self.right_vectors = eigh(self.right)
        self.spectrum = np.outer(np.maximum(self.a, 0.0), np.maximum(self.b, 0.0))
        if not self.complete:
            near = nearness(self.left, own[0]), nearness(self.right, own[1])
            vectors = self.left_vectors, self.right_vectors
            self.extension = Extension.of(self.known, near, vectors, self.spectrum)

    @property
    def complete(self) -> bool:
        """Whether the known entries are whole rows by whole columns."""
        return bool(self.known.all())

    def whole(self, y: Array, ridge: float) -> Array:
        """The solve as if all entries were known."""
        turned = two_sided(self.left_vectors.T, y, self.right_vectors)
        turned /= self.spectrum + ridge
        return two_sided(self.left_vectors, turned, self.right_vectors.T)

    def left_out(self, a: Array, ridge: float) -> Array:
        """Of a complete table: the error of each entry when left out."""
        inverse = 1.0 / (self.spectrum + ridge)
        own = np.square(self.left_vectors) @ inverse @ np.square(self.right_vectors).T
        return a / own

    def solve(self, y: Array, ridge: float, rtol: float) -> tuple[Array, float]:
        """Coefficients of the shape of the table, zero where missing, and the residual."""
        result, residual = np.zeros(self.shape), 0.0
        if self.complete:
            result[self.inside] = self.whole(y[self.inside], ridge)
        else:
            result[self.inside], residual = self._gradients(y[self.inside], ridge, rtol)
        return result, residual

    def _gradients(self, y: Array, ridge: float, rtol: float) -> tuple[Array, float]:
        a, rest = np.zeros_like(y), y.copy()
        size = float(np.linalg.norm(y)) or 1.0
        step, fall = None, 0.0
        for _ in range(STEPS):
            if np.linalg.norm(rest) <= rtol * size:
                break
            guess = self.extension.solve(rest, ridge)
            before, fall = fall, float(np.vdot(rest, guess))
            step = guess if step is None else guess + (fall / before) * step
            moved = np.where(self.known, two_sided(self.left, step, self.right), 0.0) + ridge * step
            length = fall / float(np.vdot(step, moved))
            a += length * step
            rest -= length * moved
        return a, float(np.linalg.norm(rest)) / size


def fit(values: Array, rows: Array, columns: Array, ridge: float | None, seed: int) -> Product:
    """Solve for a table of shape (n, m), NaN where missing.

    Parameters
    ----------
    values : array
    rows, columns : array of shape (n, n) and (m, m)
    ridge : float, optional
        Relative to the mean diagonal. None chooses it, and the identities: by leave-one-out where
        the known entries are whole rows by whole columns, otherwise by hiding a tenth of them.
    seed : int
        Says which tenth.

    Returns
    -------
    Product
    """
    known = ~np.isnan(values)
    if not known.any():
        raise InputError("nothing is known, so there is nothing to fill in from")
    require("the product kernel", 8 * (6 * known.size + 4 * sum(k * k for k in known.shape)))
    scale = mean_diagonal(rows)
    rows, columns = rows / scale, columns / mean_diagonal(columns)
    level = float(values[known].mean())
    y = np.where(known, values - level, 0.0)
    with threadpool_limits(1):
        own = (0.1, 0.1)
        if ridge is None:
            own, ridge = _chosen(y, rows, columns, known, seed)
        a, residual = System(rows, columns, own, known).solve(y, ridge, RTOL)
    return Product(rows, columns, own, ridge, known, y, level, a, residual, scale)


def _chosen(
    y: Array, rows: Array, columns: Array, known: Mask, seed: int
) -> tuple[tuple[float, float], float]:
    """Identities and ridge: one number after the other, twice around."""
    rng = np.random.default_rng(seed)
    chosen = [np.sort(rng.permutation(side)[:SAMPLE]) for side in known.shape]
    if known[np.ix_(*chosen)].any():
        y, known = y[np.ix_(*chosen)], known[np.ix_(*chosen)]
        rows, columns = (k[np.ix_(c, c)] for k, c in zip((rows, columns), chosen, strict=True))
    hidden = known & (rng.random(known.shape) < HIDDEN)
    if not hidden.any() or not (known & ~hidden).any():
        hidden = known
    scores: dict[tuple[float, float, float], float] = {}
    systems: dict[tuple[float, float], System] = {}
    whole = System(rows, columns, (0.1, 0.1), known).complete
    train = known if whole or hidden is known else known & ~hidden

    def prepare(own: tuple[float, float]) -> None:
        systems[own] = System(rows, columns, own, train)

    def score(choice: tuple[float, float, float]) -> None:
        own, system = choice[:2], systems[choice[:2]]
        if system.complete:
            inner = y[system.inside]
            errors = system.left_out(system.whole(inner, choice[2]), choice[2])
        else:
            a = system.solve(np.where(train, y, 0.0), choice[2], 1e-2)[0]
            errors = (_own(rows, own[0]) @ a @ _own(columns, own[1]) - y)[hidden]
        scores[choice] = float(np.mean(np.square(errors)))

    best = (0.1, 0.1, 10**-1.0)
    for _, place in itertools.product(range(2), (2, 0, 1)):
        options = RIDGES if place == 2 else OWN
        near = [k for k in options if place != 2 or 0.03 < k / best[2] < 30]
        trials = [best, *(_replaced(best, place, option) for option in near)]
        parallel_for(prepare, {trial[:2] for trial in trials} - systems.keys())
        parallel_for(score, dict.fromkeys(trial for trial in trials if trial not in scores))
        best = min(trials, key=scores.__getitem__)
    return best[:2], best[2]


def _replaced(
    choice: tuple[float, float, float], place: int, option: float
) -> tuple[float, float, float]:
    first, second, third = (option if k == place else old for k, old in enumerate(choice))
    return first, second, third


def _own(kernel: Array, size: float) -> Array:
    result = kernel.copy()
    result[np.diag_indices(len(result))] += size
    return result
