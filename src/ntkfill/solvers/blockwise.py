"""The direct solver of a kernel of many small blocks: all blocks at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..errors import InputError
from ..kernels import Blocks, Kernel
from ..kernels.table import Array, Index
from ..observed import Mask
from ..runtime.progress import Progress
from ..runtime.resources import single_blas_thread
from .base import Report, Solution, norms

# A direct solve in single precision ends with a residual below this.
SMALL = 1e-3
# Rows that are eliminated together: small enough for loops over them to take little of the time.
PIVOTS = 8
# Noise of the entries that blocks are padded with, in units of the kernel.
PADDING = 1e20


@dataclass(frozen=True, eq=False)
class Blockwise:
    """Solve every block of a `Blocks` kernel separately, in the precision of the kernel.

    Parameters
    ----------
    noise : float, or array of the kernel's shape
        Added to the diagonal, in units of the kernel.

    Raises
    ------
    InputError
        If the kernel is not a `Blocks` kernel.

    Examples
    --------
    >>> import numpy as np
    >>> kernel = Blocks(np.array([[[2.0, 1.0], [1.0, 2.0]], [[4.0, 2.0], [2.0, 4.0]]]))
    >>> factor = Blockwise().factor(kernel, np.array([1, 0, 1, 0], bool))
    >>> factor.solve(np.array([[4.0], [6.0]])).coefficients.ravel()
    array([2. , 1.5])
    >>> factor.weights.ravel(), factor.posterior(np.array([[4.0, 0.0], [6.0, 0.0]]))
    (array([0.5, 0.5]), (array([[4., 2.],
           [6., 3.]]), array([[0. , 1.5],
           [0. , 3. ]])))
    """

    noise: float | Array = 0.0

    def factor(self, kernel: Kernel, known: Mask) -> BlockwiseFactor:
        if not isinstance(kernel, Blocks):
            raise InputError(
                "Blockwise cannot solve this kernel",
                expected="a Blocks kernel",
                got=repr(kernel),
                hint="the solver Cholesky",
            )
        in_block = known.reshape(kernel.shape)
        # In each block, known entries come first. Blocks with fewer known entries than others are
        # padded with missing ones, whose noise leaves them no weight.
        counts = in_block.sum(axis=1)
        order = np.argsort(~in_block, axis=1, kind="stable")
        at = order[:, : counts.max(initial=0)]
        to = order[:, counts.min(initial=in_block.shape[1]) :]
        valid = np.arange(at.shape[1]) < counts[:, None]
        inner = _submatrices(kernel.values, at, at)
        noise = np.asarray(self.noise, kernel.values.dtype)
        each = np.take_along_axis(np.broadcast_to(noise, kernel.shape), at, axis=1)
        diagonal = np.arange(at.shape[1])
        inner[:, diagonal, diagonal] += np.where(valid, each, PADDING)
        # No pivot is less than the noise, nor than what rounding makes of it.
        rounding = np.finfo(inner.dtype).eps * float(kernel.diagonal().max(initial=0.0))
        least = max(float(noise.min(initial=np.inf)), rounding, np.finfo(inner.dtype).tiny)
        return BlockwiseFactor(kernel, known, at, to, valid, inner, least)


@dataclass(frozen=True, eq=False)
class BlockwiseFactor:
    """A `Blocks` kernel prepared for the known entries of each block."""

    kernel: Blocks  # (blocks, n)
    known: Mask  # (blocks * n,)
    at: Index  # (blocks, k): known entries of each block, padded
    to: Index  # (blocks, t): all entries that are missing in a block, and others
    valid: Mask  # (blocks, k): False where padded
    inner: Array  # (blocks, k, k): K[known, known] + noise
    least: float  # pivot

    @single_blas_thread()
    def solve(self, y: Array, progress: Progress | None = None) -> Solution:
        """Solve for y of shape (n_known, m)."""
        entries = np.zeros((self.known.size, y.shape[1]), dtype=np.result_type(y, self.inner))
        entries[self.known] = y
        entries = entries.reshape(*self.kernel.shape, -1)
        padded = np.take_along_axis(entries, self.at[..., None], axis=1) * self.valid[..., None]
        solved = np.linalg.solve(self.inner, padded)
        solved *= self.valid[..., None]
        rest = (padded - self.inner @ solved * self.valid[..., None]).reshape(-1, y.shape[1])
        np.put_along_axis(entries, self.at[..., None], solved, axis=1)
        size = norms(y)
        residual = float(np.max(norms(rest) / np.where(size > 0, size, 1.0), initial=0.0))
        if progress is not None:
            progress(1.0)
        report = Report(residual, 0, residual < SMALL)
        return Solution(entries.reshape(-1, y.shape[1])[self.known], report)

    @cached_property
    def weights(self) -> Array:
        """(K[known, known] + noise)^-1 K[known, missing] of every block: shape (blocks, k, t)."""
        return np.linalg.solve(self.inner, self._cross)

    def posterior(self, y: Array) -> tuple[Array, Array]:
        """Mean and variance of every entry given values (blocks, n), read where known: there the
        mean is the value, and the variance 0."""
        known = np.where(self.valid, np.take_along_axis(y, self.at, axis=1), 0)
        k = known.shape[1]
        rows = np.concatenate([self.inner, self._cross, known[:, :, None]], axis=2)
        eliminate(rows, self.least)
        half, y_half = rows[:, :, k:-1], rows[:, :, -1]
        mean = (y_half[:, None] @ half)[:, 0]
        prior = np.take_along_axis(self.kernel.diagonal(), self.to, axis=1)
        left = prior - np.einsum("mkt,mkt->mt", half, half)
        zero = np.zeros(self.kernel.shape, left.dtype)
        return self._where_missing(mean, y), self._where_missing(np.maximum(left, 0), zero)

    def adjoint(self, gradient: Array) -> Array:
        """The transpose of the mean of `posterior`: from the gradient (blocks, n) of a sum over
        means, read where missing, to that with respect to known values, zero where missing."""
        missing = np.where(self.known.reshape(gradient.shape), 0, gradient)
        missing = np.take_along_axis(missing, self.to, axis=1)
        result = np.zeros(gradient.shape)
        known = np.einsum("mkt,mt->mk", self.weights, missing) * self.valid
        np.put_along_axis(result, self.at, known, axis=1)
        return result

    @cached_property
    def _cross(self) -> Array:
        return _submatrices(self.kernel.values, self.at, self.to)

    def _where_missing(self, values: Array, others: Array) -> Array:
        """Values (blocks, t) at the missing entries, others (blocks, n) at the known ones."""
        result = others.copy()
        np.put_along_axis(result, self.to, values, axis=1)
        return np.where(self.known.reshape(result.shape), others, result)


def eliminate(rows: Array, least: float) -> None:
    """Cholesky's method, in place, for many positive definite matrices A = L L^T (m, k, k): rows
    (m, k, columns) = [A | B] become [. | L^-1 B]. No pivot is less than the `least`.

    >>> rows = np.array([[[4.0, 2.0, 8.0], [2.0, 5.0, 12.0]]])
    >>> eliminate(rows, 1e-9)
    >>> rows[0, :, 2]
    array([4., 4.])
    """
    k = rows.shape[1]
    for start in range(0, k, PIVOTS):
        stop = min(start + PIVOTS, k)
        corner = _inverse_factors(rows[:, start:stop, start:stop], least)
        done = rows[:, start:stop, start:] = corner @ rows[:, start:stop, start:]
        left, right = done[:, :, stop - start : k - start], done[:, :, stop - start :]
        rows[:, stop:, stop:] -= left.transpose(0, 2, 1) @ right


def _inverse_factors(matrices: Array, least: float) -> Array:
    """L^-1 of matrices (m, b, b), no pivot below the least one; one loop for all matrices."""
    b = matrices.shape[1]
    both = np.zeros((b, 2 * b, len(matrices)), matrices.dtype)  # [A | I], ends as [L^T | L^-1]
    both[:, :b] = matrices.transpose(1, 2, 0)
    both[np.arange(b), b + np.arange(b)] = 1
    for j in range(b):
        row = both[j, j : b + j + 1]
        row /= np.sqrt(np.maximum(row[0], least))
        both[j + 1 :, j + 1 : b + j + 1] -= row[1 : b - j, None] * row[1:]
    return np.ascontiguousarray(both[:, b:].transpose(2, 0, 1))


def _submatrices(values: Array, rows: Index, cols: Index) -> Array:
    """values[m, rows[m], cols[m]] for every m."""
    m, size, _ = values.shape
    first = np.arange(m)[:, None] * size + rows
    return np.take(values, first[:, :, None] * size + cols[:, None, :])
