"""Preconditioned conjugate gradients: products with the kernel only, all channels at once."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..kernels import Coregionalised, Kernel, Kronecker, Periodic, Stationary
from ..kernels.table import Array
from ..observed import Mask
from ..runtime.progress import Progress, stage
from ..runtime.resources import available, require
from .base import Report, Solution, absolute_ridge, scattered
from .preconditioner import Preconditioner, preconditioner

# Arrays of the size of the grid that one right-hand side needs at the peak of an iteration.
ARRAYS = 12

# On a singular kernel the residual may stop falling, or grow. Give up after so many steps in which
# it was not halved (in single precision, which double follows, after fewer), or when it is so much
# larger than the values. Once a solve takes more than COPYING steps, the best iterate is kept.
PATIENCE, PATIENCE_SINGLE, LOST, COPYING = 500, 60, 1e3, 40

# The smallest ridge that the preconditioner works with, relative to the mean diagonal.
MIN_RIDGE = 1e-6


@dataclass(frozen=True)
class CG:
    """Conjugate gradients on the known entries.

    They are preconditioned (`ntkfill.solvers.preconditioner`) on a torus by Fourier transforms,
    where a kernel that is not stationary is replaced by its shift average, and for a Kronecker
    product in the basis of its eigenvectors.

    Parameters
    ----------
    ridge : float
        Added to the diagonal, relative to its mean.
    rtol : float
        Stop when |y - (K + ridge) a| is at most this share of |y|, for every right-hand side.
    max_steps : int
    dtype : numpy dtype, optional
        The default is float32 for `rtol` of 1e-5 and more, float64 below.
    memory_limit : int, optional
        Bytes; right-hand sides are solved in groups that fit.

    Raises
    ------
    MemoryLimitError
        If not even one right-hand side fits.

    Examples
    --------
    >>> import numpy as np
    >>> from ntkfill.kernels import DenseKernel
    >>> factor = CG(ridge=0.0).factor(DenseKernel(2 * np.eye(3), (3,)), np.array([1, 0, 1], bool))
    >>> factor.solve(np.array([[4.0], [6.0]])).coefficients.ravel()
    array([2., 3.], dtype=float32)
    """

    ridge: float = 1e-3
    rtol: float = 1e-3
    max_steps: int = 3000
    dtype: type | None = None
    memory_limit: int | None = None

    @property
    def precision(self) -> type:
        """The type that the solve works in."""
        return self.dtype or (np.float32 if self.rtol >= 1e-5 else np.float64)

    def column_bytes(self, shape: tuple[int, ...]) -> int:
        """Working memory of one right-hand side on a grid, in bytes."""
        return ARRAYS * np.dtype(self.precision).itemsize * math.prod(shape)

    def factor(self, kernel: Kernel, known: Mask) -> CGFactor:
        dtype = self.precision
        mean = absolute_ridge(1.0, kernel)
        ridge = self.ridge * mean
        mask = known.reshape(kernel.shape)
        solved: Kernel = kernel
        if isinstance(kernel, Kronecker):  # whole rows and columns without known entries drop out
            rows, columns = (np.asarray(mask.any(axis=axis)) for axis in (1, 0))
            solved, mask = kernel.restricted(rows, columns), mask[np.ix_(rows, columns)]
        per_column = self.column_bytes(solved.shape)
        limit = available() if self.memory_limit is None else self.memory_limit
        require("one right-hand side", per_column, limit, hint="a smaller image or crop")
        invertible = solved.shift_averaged() if isinstance(solved, Periodic) else solved
        guess: Preconditioner | None = None
        if isinstance(invertible, Stationary | Kronecker | Coregionalised):
            guess = preconditioner(invertible, mask, max(ridge, MIN_RIDGE * mean), dtype)
        group = max(1, limit // per_column)
        return CGFactor(kernel, known, self, ridge, solved, mask, guess, dtype, group)


@dataclass(frozen=True, eq=False)
class CGFactor:
    """A kernel and the known coordinates; what is solved, on which mask, and the preconditioner
    where there is one; how many right-hand sides at once."""

    kernel: Kernel
    known: Mask
    solver: CG
    ridge: float
    solved: Kernel
    mask: Mask
    preconditioner: Preconditioner | None
    dtype: type
    group: int

    def solve(self, y: Array, progress: Progress | None = None) -> Solution:
        """Solve for y of shape (n_known, m)."""
        y = np.asarray(y)
        groups = [y[:, k : k + self.group] for k in range(0, y.shape[1], self.group)]
        parts: list[Array] = [np.empty((len(y), 0), dtype=self.dtype)]
        reports: list[Report] = []
        for part in groups:
            share = progress and stage(progress, len(reports), len(groups))
            coefficients, report = self._solve(part, share)
            parts.append(coefficients)
            reports.append(report)
        return Solution(np.concatenate(parts, axis=1), Report.worst(reports))

    def _solve(self, y: Array, progress: Progress | None) -> tuple[Array, Report]:
        """Descend, look at the true residual, and descend again from there until it is small.

        Rounding lets the residual that an iteration carries along drift away from the true one.
        A kernel with eigenvalues over many decades may need more digits than single precision has.
        They are kept: rounded back, the coefficients would not have the residual that is reported.
        """
        system, steps, residual, known = self, 0, math.inf, np.flatnonzero(self.mask)
        solution = candidate = np.zeros((y.shape[1], *self.mask.shape), dtype=self.dtype)
        while True:
            values = y.astype(candidate.dtype, copy=False)
            rest = scattered(values, known, self.mask.size).reshape(candidate.shape)
            size = np.sqrt(_dots(rest, rest))
            size[size == 0] = 1.0
            if steps:
                rest -= system._product(candidate)
            reached = _worst(rest, size)
            improved = reached < 0.9 * residual
            if improved:
                solution, residual = candidate, reached
            if residual <= self.solver.rtol or steps >= self.solver.max_steps:
                break
            if improved:
                left = self.solver.max_steps - steps
                shown = None if steps else progress  # later descents are short
                candidate, taken = system._descend(rest, size, reached, left, shown)
                candidate += solution
                steps += taken
            elif system.dtype is np.float32:
                guess = self.preconditioner and self.preconditioner.as_type(np.float64)
                system = replace(self, preconditioner=guess, dtype=np.float64)
                candidate, residual = solution.astype(np.float64), math.inf
            else:
                break
        if progress is not None:
            progress(1.0)
        converged = residual <= self.solver.rtol
        found = np.take(solution.reshape(len(solution), -1), known, axis=1).T
        return found, Report(residual, steps, converged)

    def _descend(
        self,
        rest: Array,
        size: NDArray[np.float64],
        residual: float,
        max_steps: int,
        progress: Progress | None,
    ) -> tuple[Array, int]:
        """Conjugate gradients from zero, where the largest residual over `size` is this: the best
        iterate and the steps; overwrites `rest`."""
        goal = 0.9 * self.solver.rtol
        solution = np.zeros_like(rest)
        best, smallest, halved = solution, residual, 0
        guess = np.copy if self.preconditioner is None else self.preconditioner
        direction, power = np.zeros_like(rest), np.zeros(len(rest))
        steps, lowest = 0, 1.0
        patience = PATIENCE_SINGLE if self.dtype is np.float32 else PATIENCE
        while residual > goal and steps < max_steps and steps - halved < patience:
            z = guess(rest)
            before, power = power, _dots(rest, z)
            direction *= _ratio(power, before, rest)
            direction += z
            product = self._product(direction)
            rate = _ratio(power, _dots(direction, product), rest)
            solution += rate * direction
            product *= rate
            rest -= product
            steps += 1
            residual = _worst(rest, size)
            if not residual < LOST:
                break
            if residual < smallest / 2:
                # Few solves get so far without ending: only they are worth a copy.
                best = solution.copy() if steps > COPYING else solution
                smallest, halved = residual, steps
            if progress is not None and residual < lowest:  # it falls about geometrically
                lowest = residual
                progress(min(math.log(max(lowest, 1e-300)) / math.log(goal), 0.99))
        return (best if residual > smallest else solution), steps

    def _product(self, x: Array) -> Array:
        """(K[known, known] + ridge) x, zero where unknown."""
        product = self.solved.matvec(x)
        product *= self.mask
        product += self.dtype(self.ridge) * x
        return product


def _dots(a: Array, b: Array) -> NDArray[np.float64]:
    """Inner product per channel; not BLAS, whose sums depend on the number of threads."""
    product = (a * b).reshape(len(a), -1)
    sums: NDArray[np.float64] = np.add.reduce(product, axis=1, dtype=np.float64)
    return sums


def _worst(rest: Array, size: NDArray[np.float64]) -> float:
    """The largest residual, over channels, relative to the values."""
    return float(np.max(np.sqrt(_dots(rest, rest)) / size))


def _ratio(a: NDArray[np.float64], b: NDArray[np.float64], like: Array) -> Array:
    """a / b per channel, and 0 for channels that are solved exactly; to multiply `like` with."""
    ratio = np.divide(a, b, out=np.zeros_like(a), where=b > 0)
    return ratio.astype(like.dtype).reshape([-1] + [1] * (like.ndim - 1))
