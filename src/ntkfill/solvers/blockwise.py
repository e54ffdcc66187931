"""The direct solver of many small kernels side by side: all blocks at once."""

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
    """Solve every block of a `Blocks` kernel by itself, in the precision of the kernel.

    Parameters
    ----------
    noise : float, or array of the kernel's shape
        Added to the diagonal, in units of the kernel.

    Raises
    ------
    InputError
        If the kernel is not made of blocks.

    Examples
    --------
    >>> import numpy as np
    >>> kernel = Blocks(np.array([[[2.0, 1.0], [1.0, 2.0]], [[4.0, 2.0], [2.0, 4.0]]]))
    >>> factor = Blockwise().factor(kernel, np.array([1, 0, 1, 0], bool))
    >>> factor.solve(np.array([[4.0], [6.0]])).coefficients.ravel()
    array([2. , 1.5])
    >>> factor.shares.ravel(), factor.variance[:, 1]
    (array([0.5, 0.5]), array([1.5, 3. ]))
    """

    noise: float | Array = 0.0

    def factor(self, kernel: Kernel, known: Mask) -> BlockwiseFactor:
        if not isinstance(kernel, Blocks):
            raise InputError(
                "this kernel is not made of blocks",
                expected="Blocks",
                got=repr(kernel),
                hint="the solver Cholesky",
            )
        seen = known.reshape(kernel.shape)
        # Blocks know different numbers of entries: the known ones come first, those of blocks that
        # know less than the fullest are followed by some without a say.
        counts, order = seen.sum(axis=1), np.argsort(~seen, axis=1, kind="stable")
        at, to = order[:, : counts.max(initial=0)], order[:, counts.min(initial=seen.shape[1]) :]
        real = np.arange(at.shape[1]) < counts[:, None]
        inner = _pick(kernel.values, at, at) * (real[:, :, None] & real[:, None, :])
        noise = np.broadcast_to(np.asarray(self.noise, kernel.values.dtype), kernel.shape)
        inner[:, *np.diag_indices(at.shape[1])] += np.where(
            real, np.take_along_axis(noise, at, axis=1), 1
        )
        return BlockwiseFactor(kernel, known, at, to, real, inner)


@dataclass(frozen=True, eq=False)
class BlockwiseFactor:
    """Blocks made ready for the known entries of each.

    Parameters
    ----------
    kernel : Blocks
    known : bool array of shape (blocks * n,)
    at, to : int arrays of shape (blocks, k), (blocks, t)
        Entries of each block: the known ones, and all that are missing.
    real : bool array of shape (blocks, k)
        Where `at` names a known entry; blocks that know less are filled up.
    inner : array of shape (blocks, k, k)
        K[known, known] + noise, and the identity where filled up.
    """

    kernel: Blocks
    known: Mask
    at: Index
    to: Index
    real: Mask
    inner: Array

    def solve(self, y: Array, progress: Progress | None = None) -> Solution:
        """Solve for y of shape (n_known, m)."""
        spread = np.zeros((self.known.size, y.shape[1]), dtype=np.result_type(y, self.inner))
        spread[self.known] = y
        spread = spread.reshape(*self.kernel.shape, -1)
        padded = np.take_along_axis(spread, self.at[..., None], axis=1) * self.real[..., None]
        found = np.linalg.solve(self.inner, padded)
        rest = (padded - self.inner @ found).reshape(-1, y.shape[1])
        np.put_along_axis(spread, self.at[..., None], found, axis=1)
        size = norms(y)
        residual = float(np.max(norms(rest) / np.where(size > 0, size, 1.0), initial=0.0))
        if progress is not None:
            progress(1.0)
        report = Report(residual, 0, residual < SMALL)
        return Solution(spread.reshape(-1, y.shape[1])[self.known], report)

    @cached_property
    def shares(self) -> Array:
        """(K[known, known] + noise)^-1 K[known, missing] of every block: shape (blocks, k, t)."""
        return np.linalg.solve(self.inner, self._cross)

    def predict(self, y: Array) -> Array:
        """From values (blocks, n), read where known, to all: known ones stay as they are."""
        told = np.where(self.real, np.take_along_axis(y, self.at, axis=1), 0)
        return self._where_missing(np.einsum("mkt,mk->mt", self.shares, told), y)

    def adjoint(self, gradient: Array) -> Array:
        """What known values count in a sum over predicted ones: the transpose of `predict`.

        Parameters
        ----------
        gradient : array of shape (blocks, n)
            What each prediction counts; read where missing.

        Returns
        -------
        array of shape (blocks, n), zero where missing
        """
        missing = np.where(self.known.reshape(gradient.shape), 0, gradient)
        told = np.einsum("mkt,mt->mk", self.shares, np.take_along_axis(missing, self.to, axis=1))
        result = np.zeros(gradient.shape)
        np.put_along_axis(result, self.at, told, axis=1)
        return result

    @property
    def variance(self) -> Array:
        """Of every entry given the known ones, the posterior variance: shape (blocks, n)."""
        prior = np.take_along_axis(self.kernel.diagonal(), self.to, axis=1)
        left = prior - np.einsum("mkt,mkt->mt", self._cross, self.shares)
        return self._where_missing(np.maximum(left, 0), np.zeros(self.kernel.shape, left.dtype))

    @cached_property
    def _cross(self) -> Array:
        return _pick(self.kernel.values, self.at, self.to) * self.real[:, :, None]

    def _where_missing(self, values: Array, others: Array) -> Array:
        """Values (blocks, t) at the missing entries, others (blocks, n) at the known ones."""
        result = others.copy()
        np.put_along_axis(result, self.to, values, axis=1)
        return np.where(self.known.reshape(result.shape), others, result)


def _pick(values: Array, rows: Index, cols: Index) -> Array:
    """values[m, rows[m], cols[m]] for every m."""
    m, size, _ = values.shape
    first = np.arange(m)[:, None] * size + rows
    return np.take(values, first[:, :, None] * size + cols[:, None, :])
