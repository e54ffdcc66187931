"""The direct solver: one Cholesky factor of the known block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from threadpoolctl import threadpool_limits

from ..errors import InputError
from ..kernels import Kernel
from ..kernels.table import Array
from ..observed import Mask
from ..runtime.memory import require
from .base import Progress, Report, Solution, norms


@dataclass(frozen=True)
class Cholesky:
    """Solve exactly, in double precision; for up to some ten thousand known entries.

    Parameters
    ----------
    ridge : float
        Added to the diagonal, relative to its mean.

    Raises
    ------
    MemoryLimitError
        If the known block does not fit into memory.
    InputError
        If the block is too far from positive definite for any reasonable jitter.

    Examples
    --------
    >>> import numpy as np
    >>> from ntkfill.kernels import Dense
    >>> factor = Cholesky(ridge=0.0).factor(Dense(2 * np.eye(3), (3,)), np.array([1, 0, 1], bool))
    >>> factor.solve(np.array([[4.0], [6.0]])).coefficients.ravel()
    array([2., 3.])
    """

    ridge: float = 0.0

    def factor(self, kernel: Kernel, known: Mask) -> CholeskyFactor:
        rows = np.flatnonzero(known)
        require("the dense solve", 3 * 8 * len(rows) ** 2, hint="the solver CG")
        block = kernel.block(rows, rows).astype(np.float64)
        mean = float(np.mean(kernel.diagonal(), dtype=np.float64))
        block[np.diag_indices(len(rows))] += self.ridge * mean
        jitter = 0.0
        while True:
            try:
                # One thread: with several, the order of the sums depends on their number.
                with threadpool_limits(1):
                    lower = cho_factor(block, lower=True)[0]
                return CholeskyFactor(kernel, known, block, lower, jitter, jitter * mean)
            except np.linalg.LinAlgError:
                grown = max(10 * jitter, 1e-12)
                if grown > 1e-4:
                    raise InputError(
                        "the kernel is not positive semi-definite on the known entries",
                        hint="a larger ridge",
                    ) from None
                block[np.diag_indices(len(rows))] += (grown - jitter) * mean
                jitter = grown


@dataclass(frozen=True, eq=False)
class CholeskyFactor:
    """The factor of K[known, known] + ridge; `block` is the matrix itself, with the jitter `added`
    (and relative to the mean diagonal, `jitter`)."""

    kernel: Kernel
    known: Mask
    block: Array
    lower: Array
    jitter: float
    added: float

    def solve(self, y: Array, progress: Progress | None = None) -> Solution:
        """Solve for y of shape (n_known, m), with one step of iterative refinement."""
        y = np.asarray(y, dtype=np.float64)
        with threadpool_limits(1):
            a = cho_solve((self.lower, True), y)
            a += cho_solve((self.lower, True), y - self.block @ a)
            # The jitter belongs to the solve, not to the problem.
            rest = norms(y - self.block @ a + self.added * a)
        if progress is not None:
            progress(1.0)
        size = norms(y)
        residual = float(np.max(rest / np.where(size > 0, size, 1.0), initial=0.0))
        return Solution(a, Report(residual, 0, residual < 1e-6, self.jitter))
