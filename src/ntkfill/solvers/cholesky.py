"""The direct solver: one Cholesky factor of the known block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..kernels import Kernel
from ..kernels.table import Array
from ..observed import Mask
from ..runtime.progress import Progress
from ..runtime.resources import require, single_blas_thread
from . import linalg
from .base import Report, Solution, absolute_ridge, norms

# Relative to the mean diagonal: the first jitter that is tried, and the largest.
FIRST_JITTER, MAX_JITTER = 1e-12, 1e-4


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
    >>> from ntkfill.kernels import DenseKernel
    >>> kernel, known = DenseKernel(2 * np.eye(3), (3,)), np.array([True, False, True])
    >>> factor = Cholesky(ridge=0.0).factor(kernel, known)
    >>> factor.solve(np.array([[4.0], [6.0]])).coefficients.ravel()
    array([2., 3.])
    """

    ridge: float = 0.0

    def factor(self, kernel: Kernel, known: Mask) -> CholeskyFactor:
        rows = np.flatnonzero(known)
        require("the dense solve", 2 * 8 * len(rows) ** 2, hint="the solver CG")
        mean = absolute_ridge(1.0, kernel)
        jitter = 0.0
        while jitter <= MAX_JITTER:
            block = kernel.block(rows, rows).astype(np.float64, order="C")
            block[np.diag_indices(len(rows))] += (self.ridge + jitter) * mean
            try:
                lower = linalg.cholesky(block)
                return CholeskyFactor(kernel, known, lower, self.ridge * mean, jitter * mean)
            except np.linalg.LinAlgError:
                jitter = max(10 * jitter, FIRST_JITTER)
        raise InputError(
            "the kernel is not positive semi-definite on the known entries", hint="a larger ridge"
        )


@dataclass(frozen=True, eq=False)
class CholeskyFactor:
    """The factor of K[known, known] + ridge + jitter, as `linalg.cholesky` makes it; ridge and
    jitter in units of the kernel."""

    kernel: Kernel
    known: Mask
    lower: Array
    ridge: float
    jitter: float = 0.0

    def solve(self, y: Array, progress: Progress | None = None) -> Solution:
        """Solve for y of shape (n_known, m), with one step of iterative refinement."""
        y = np.asarray(y, dtype=np.float64)
        diagonal = self.kernel.diagonal().ravel()[self.known] + (self.ridge + self.jitter)
        with single_blas_thread():
            a = linalg.solve(self.lower, y)
            a += linalg.solve(self.lower, y - linalg.multiply(self.lower, diagonal, a))
            # The jitter belongs to the solve, not to the problem.
            rest = norms(y - linalg.multiply(self.lower, diagonal - self.jitter, a))
        if progress is not None:
            progress(1.0)
        size = norms(y)
        residual = float(np.max(rest / np.where(size > 0, size, 1.0), initial=0.0))
        relative = self.jitter / absolute_ridge(1.0, self.kernel) if self.jitter else 0.0
        return Solution(a, Report(residual, 0, residual < 1e-6, relative))
