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
    (array([1. , 0.5, 1. , 0.5]), (array([[4., 2.],
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
        # padded with missing ones.
        counts = in_block.sum(axis=1)
        at = np.argsort(~in_block, axis=1, kind="stable")[:, : counts.max(initial=0)]
        valid = np.arange(at.shape[1]) < counts[:, None]
        noise = np.asarray(self.noise, kernel.values.dtype)
        each = np.take_along_axis(noise, at, axis=1) if noise.ndim else np.full(at.shape, noise)
        # No pivot is less than the noise, nor than what rounding makes of it.
        rounding = np.finfo(each.dtype).eps * float(kernel.diagonal().max(initial=0.0))
        least = max(float(noise.min(initial=np.inf)), rounding, np.finfo(each.dtype).tiny)
        return BlockwiseFactor(kernel, known, at, valid, each, least)


@dataclass(frozen=True, eq=False)
class BlockwiseFactor:
    """A `Blocks` kernel prepared for the known entries of each block."""

    kernel: Blocks  # (blocks, n)
    known: Mask  # (blocks * n,)
    at: Index  # (blocks, k): known entries of each block, padded
    valid: Mask  # (blocks, k): False where padded
    noise: Array  # (blocks, k)
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
    def inner(self) -> Array:
        """K[known, known] + noise of every block: shape (blocks, k, k); where padded, noise that
        leaves no weight."""
        inner = np.take_along_axis(self._rows(), self.at[:, None], axis=2)
        diagonal = np.arange(self.at.shape[1])
        inner[:, diagonal, diagonal] += np.where(self.valid, self.noise, PADDING)
        return inner

    @cached_property
    def weights(self) -> Array:
        """(K[known, known] + noise)^-1 K[known, every] of every block: shape (blocks, k, n)."""
        return np.linalg.solve(self.inner, self._rows())

    def _rows(self) -> Array:
        """K[known, every] of every block: shape (blocks, k, n)."""
        return np.take_along_axis(self.kernel.values, self.at[:, :, None], axis=1)

    def posterior(self, y: Array) -> tuple[Array, Array]:
        """Mean and variance of every entry given values (blocks, n), read where known: there the
        mean is the value, and the variance 0."""
        m, n = self.kernel.shape
        first = np.arange(m)[:, None] * n
        # Known rows, with the values and a column of zeros. Where padded, rows are zero and stay
        # so, since they have that column for their own.
        rows = np.zeros((m, self.at.shape[1], n + 2), self.kernel.values.dtype)
        rows[:, :, :n] = self.kernel.values.reshape(-1, n).take(first + self.at, axis=0)
        rows[:, :, n] = y.take(first + self.at)
        rows[~self.valid] = 0
        flat = rows.reshape(m, -1)
        own = np.where(self.valid, self.at, n + 1)
        at_diagonal = own + np.arange(rows.shape[1]) * rows.shape[2]
        flat[np.arange(m)[:, None], at_diagonal] += self.noise * self.valid
        eliminate(rows, self.least, own)
        half, y_half = rows[:, :, :n], rows[:, None, :, n]
        mean = (y_half @ half)[:, 0]
        left = self.kernel.diagonal() - np.einsum("mkn,mkn->mn", half, half)
        known = self.known.reshape(m, n)
        return np.where(known, y, mean), np.where(known, 0, np.maximum(left, 0))

    def adjoint(self, gradient: Array) -> Array:
        """The transpose of the mean of `posterior`: from the gradient (blocks, n) of a sum over
        means, read where missing, to that with respect to known values, zero where missing."""
        missing = np.where(self.known.reshape(gradient.shape), 0, gradient)
        result = np.zeros(gradient.shape)
        known = np.einsum("mkn,mn->mk", self.weights, missing) * self.valid
        np.put_along_axis(result, self.at, known, axis=1)
        return result


def eliminate(rows: Array, least: float, columns: Index | None = None) -> None:
    """Cholesky's method, in place, for many positive definite matrices A = L L^T (m, k, k): rows
    (m, k, width) = [A | B] become [. | L^-1 B]. No pivot is less than the `least`. The columns of A
    are the first ones, or `columns` (m, k) in their order.

    >>> rows = np.array([[[4.0, 2.0, 8.0], [2.0, 5.0, 12.0]]])
    >>> eliminate(rows, 1e-9)
    >>> rows[0, :, 2]
    array([4., 4.])
    """
    m, k, width = rows.shape
    columns = np.broadcast_to(np.arange(k), (m, k)) if columns is None else columns
    starts = np.arange(m * k).reshape(m, k, 1) * width  # of every row
    for start in range(0, k, PIVOTS):
        stop = min(start + PIVOTS, k)
        own, block = columns[:, None, start:stop], rows[:, start:stop]
        if start:
            left = rows.take(starts[:, :start] + own)
            block -= left.transpose(0, 2, 1) @ rows[:, :start]
        corner = rows.take(starts[:, start:stop] + own)
        block[...] = _inverse_factors(corner, least) @ block


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
