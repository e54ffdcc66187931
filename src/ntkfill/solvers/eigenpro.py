"""EigenPro: stochastic gradient descent, preconditioned with eigenvectors of a part of the kernel.

The gradient of a batch is a row block of the kernel times the residual. Its step is limited by the
largest eigenvalues of the kernel; EigenPro takes these down to one that lets batches of the given
size be as useful as they can, with eigenvectors of a subsample (Ma and Belkin 2017,
arXiv:1703.10622; Ma and Belkin 2019, arXiv:1806.06144, whose step size is used).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from ..kernels import Kernel, product
from ..kernels.table import Array, Index
from ..observed import Mask
from ..runtime.progress import Progress
from ..runtime.resources import available, require, single_blas_thread
from .base import Report, Solution, absolute_ridge, norms

# The rows of a batch take this share of the memory, and are so many at most.
SHARE, MOST = 0.1, 4096
# More eigenvectors than this share of the subsample are not those of the kernel.
EIGENVECTORS = 0.3


@dataclass(frozen=True)
class EigenPro:
    """EigenPro 2.0, for dense kernels too large to be factored.

    An epoch costs as much as one product with the kernel, of which one block of rows is in memory
    at a time. A residual falls fast along large eigenvalues and slowly along those near the ridge:
    for a small residual with a small ridge `Cholesky` or `CG` take less time where they fit.

    Parameters
    ----------
    ridge : float
        Added to the diagonal, relative to its mean.
    rtol : float
        Stop when |y - (K + ridge) a| is at most this share of |y|, for every right-hand side.
    max_epochs : int
    batch : int, optional
        Rows of a batch; the default is what a tenth of the memory holds, 4096 at most.
    subsample : int
        Known coordinates whose eigenvectors precondition.

    Raises
    ------
    MemoryLimitError
        If the subsample or one batch does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from ntkfill.kernels import DenseKernel
    >>> kernel, known = DenseKernel(2 * np.eye(3), (3,)), np.array([1, 0, 1], bool)
    >>> factor = EigenPro(ridge=0.0).factor(kernel, known)
    >>> factor.solve(np.array([[4.0], [6.0]])).coefficients.round(2).ravel()
    array([2., 3.])
    """

    ridge: float = 1e-3
    rtol: float = 1e-3
    max_epochs: int = 200
    batch: int | None = None
    subsample: int = 2000

    def factor(self, kernel: Kernel, known: Mask) -> EigenProFactor:
        rows, rng = np.flatnonzero(known), np.random.default_rng(0)
        some = np.sort(rng.permutation(len(rows))[: self.subsample])
        require("EigenPro's subsample", 8 * 4 * len(some) ** 2, hint="a smaller subsample")
        ridge = absolute_ridge(self.ridge, kernel)
        block = kernel.block(rows[some], rows[some]).astype(np.float64)
        block[np.diag_indices(len(some))] += ridge
        top = float(np.max(np.diagonal(block), initial=0.0)) or 1.0
        with single_blas_thread():
            values, vectors = eigh(block, driver="evd", overwrite_a=True, check_finite=False)
        values, vectors = values[::-1], vectors[:, ::-1]
        fits = int(SHARE * available()) // (8 * max(len(rows), 1))
        require("a batch", 8 * len(rows), int(SHARE * available()), hint="fewer known entries")
        batch = min(self.batch or min(fits, MOST), max(len(rows), 1))
        # Down to the eigenvalue at which a batch of this size is no larger than is useful.
        few = math.ceil(EIGENVECTORS * len(some))
        count = min(int(np.sum(values / max(len(some), 1) > top / batch)), few, len(values) - 1)
        count = max(count, 0)
        last = max(float(values[count]), 0.0) if len(values) else 0.0
        kept = np.maximum(values[:count], np.finfo(float).tiny)
        weights = (1.0 - last / kept) / kept
        step = 1.0 / (top + (batch - 1) * last / max(len(some), 1))
        return EigenProFactor(
            kernel, known, self, ridge, rows, some, vectors[:, :count] * weights,
            vectors[:, :count], batch, step,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class EigenProFactor:
    """A kernel and the eigenvectors that precondition it."""

    kernel: Kernel
    known: Mask
    solver: EigenPro
    ridge: float
    rows: Index  # (n,), the flat coordinates of what is known
    some: Index  # (s,), places of the subsample in `rows`
    weighted: Array  # (s, q), eigenvectors over their eigenvalues
    vectors: Array  # (s, q)
    batch: int
    step: float

    @single_blas_thread()
    def solve(self, y: Array, progress: Progress | None = None) -> Solution:
        """Solve for y of shape (n_known, m)."""
        y = np.asarray(y, dtype=np.float64)
        size = norms(y)
        size[size == 0] = 1.0
        best, smallest, true = np.zeros_like(y), 1.0, float(y.any())
        step, epochs, rtol = self.step, 0, self.solver.rtol
        while true > rtol and epochs < self.solver.max_epochs:
            found, rest = self._epoch(best.copy(), y, step, epochs)
            residual, epochs = float(np.max(rest / size)), epochs + 1
            if residual > 2 * smallest:  # the eigenvalues of the subsample were too small
                step /= 2
            else:
                best, smallest = found, residual
            if residual <= rtol or epochs == self.solver.max_epochs:
                true = float(np.max(norms(y - self._product(best)) / size))
            if progress is not None:
                progress(min(max(math.log(max(smallest, 1e-300)) / math.log(rtol), 0.0), 0.99))
        if progress is not None:
            progress(1.0)
        return Solution(best, Report(true, epochs, true <= rtol))

    def _epoch(self, a: Array, y: Array, step: float, number: int) -> tuple[Array, Array]:
        """One pass over all batches, in place; the norms of the residuals that it met."""
        squares = np.zeros(y.shape[1])
        order = np.random.default_rng(number).permutation(len(y))
        for first in range(0, len(y), self.batch):
            rows = np.sort(order[first : first + self.batch])
            block = self._block(rows)
            off = product(block, a) - y[rows]
            squares += np.square(off).sum(axis=0)
            a[rows] -= step * off
            along = self.vectors.T @ (block[:, self.some].T @ off)
            a[self.some] += step * (self.weighted @ along)
        return a, np.sqrt(squares)

    def _product(self, a: Array) -> Array:
        parts = [np.arange(k, min(k + self.batch, len(a))) for k in range(0, len(a), self.batch)]
        return np.concatenate([product(self._block(rows), a) for rows in parts])

    def _block(self, rows: Index) -> Array:
        """The rows of the kernel, with the ridge, (batch, n)."""
        block = self.kernel.block(self.rows[rows], self.rows).astype(np.float64)
        block[np.arange(len(rows)), rows] += self.ridge
        return block
