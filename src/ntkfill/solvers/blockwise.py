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
from .base import Report, Solution, norms

# A direct solve in single precision ends with a residual below this.
SMALL = 1e-3


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
    >>> factor.weights.ravel(), factor.variance[:, 1]
    (array([0.5, 0.5]), array([1.5, 3. ]))
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
        # padded with missing ones of zero weight.
        counts = in_block.sum(axis=1)
        order = np.argsort(~in_block, axis=1, kind="stable")
        at = order[:, : counts.max(initial=0)]
        to = order[:, counts.min(initial=in_block.shape[1]) :]
        valid = np.arange(at.shape[1]) < counts[:, None]
        inner = _submatrices(kernel.values, at, at) * (valid[:, :, None] & valid[:, None, :])
        noise = np.broadcast_to(np.asarray(self.noise, kernel.values.dtype), kernel.shape)
        inner[:, *np.diag_indices(at.shape[1])] += np.where(
            valid, np.take_along_axis(noise, at, axis=1), 1
        )
        return BlockwiseFactor(kernel, known, at, to, valid, inner)


@dataclass(frozen=True, eq=False)
class BlockwiseFactor:
    """A `Blocks` kernel prepared for the known entries of each block."""

    kernel: Blocks  # (blocks, n)
    known: Mask  # (blocks * n,)
    at: Index  # (blocks, k): known entries of each block, padded
    to: Index  # (blocks, t): all entries that are missing in a block, and others
    valid: Mask  # (blocks, k): False where padded
    inner: Array  # (blocks, k, k): K[known, known] + noise, the identity where padded

    def solve(self, y: Array, progress: Progress | None = None) -> Solution:
        """Solve for y of shape (n_known, m)."""
        entries = np.zeros((self.known.size, y.shape[1]), dtype=np.result_type(y, self.inner))
        entries[self.known] = y
        entries = entries.reshape(*self.kernel.shape, -1)
        padded = np.take_along_axis(entries, self.at[..., None], axis=1) * self.valid[..., None]
        solved = np.linalg.solve(self.inner, padded)
        rest = (padded - self.inner @ solved).reshape(-1, y.shape[1])
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

    def predict(self, y: Array) -> Array:
        """From values (blocks, n), read where known, to all: known ones stay as they are."""
        known = np.where(self.valid, np.take_along_axis(y, self.at, axis=1), 0)
        return self._where_missing(np.einsum("mkt,mk->mt", self.weights, known), y)

    def adjoint(self, gradient: Array) -> Array:
        """The transpose of `predict`: from the gradient (blocks, n) of a sum over predictions, read
        where missing, to that with respect to known values, zero where missing."""
        missing = np.where(self.known.reshape(gradient.shape), 0, gradient)
        missing = np.take_along_axis(missing, self.to, axis=1)
        result = np.zeros(gradient.shape)
        known = np.einsum("mkt,mt->mk", self.weights, missing)
        np.put_along_axis(result, self.at, known, axis=1)
        return result

    @property
    def variance(self) -> Array:
        """The posterior variance of every entry, 0 where known: shape (blocks, n)."""
        prior = np.take_along_axis(self.kernel.diagonal(), self.to, axis=1)
        left = prior - np.einsum("mkt,mkt->mt", self._cross, self.weights)
        return self._where_missing(np.maximum(left, 0), np.zeros(self.kernel.shape, left.dtype))

    @cached_property
    def _cross(self) -> Array:
        return _submatrices(self.kernel.values, self.at, self.to) * self.valid[:, :, None]

    def _where_missing(self, values: Array, others: Array) -> Array:
        """Values (blocks, t) at the missing entries, others (blocks, n) at the known ones."""
        result = others.copy()
        np.put_along_axis(result, self.to, values, axis=1)
        return np.where(self.known.reshape(result.shape), others, result)


def _submatrices(values: Array, rows: Index, cols: Index) -> Array:
    """values[m, rows[m], cols[m]] for every m."""
    m, size, _ = values.shape
    first = np.arange(m)[:, None] * size + rows
    return np.take(values, first[:, :, None] * size + cols[:, None, :])
