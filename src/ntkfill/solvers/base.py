"""What every solver does: factor a kernel on the known coordinates, then solve for values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..kernels import Kernel
from ..kernels.table import Array, Index
from ..observed import Mask
from ..runtime.progress import Progress


@dataclass(frozen=True)
class Report:
    """How a solve ended.

    Parameters
    ----------
    residual : float
        The largest, over right-hand sides, of |y - (K + ridge) a| / |y|.
    steps : int
        Iterations; 0 for a direct solve.
    converged : bool
        Whether the residual is what was asked for.
    jitter : float
        What had to be added to the diagonal besides the ridge, relative to its mean.
    """

    residual: float
    steps: int
    converged: bool
    jitter: float = 0.0

    @classmethod
    def worst(cls, reports: Iterable[Report]) -> Report:
        """The largest residual and most steps of several solves, and whether all converged."""
        every = list(reports)
        return cls(
            max((r.residual for r in every), default=0.0),
            max((r.steps for r in every), default=0),
            all(r.converged for r in every),
        )


@dataclass(frozen=True, eq=False)
class Solution:
    """a in (K[known, known] + ridge) a = y.

    Parameters
    ----------
    coefficients : array of shape (n_known, m)
    report : Report
    """

    coefficients: Array
    report: Report


class Factor(Protocol):
    """A kernel made ready to be solved on some known coordinates, many times."""

    @property
    def kernel(self) -> Kernel:
        """The kernel that was factored."""

    @property
    def known(self) -> Mask:
        """The known coordinates, bool of shape (n,)."""

    def solve(self, y: Array, progress: Progress | None = None) -> Solution:
        """Solve for y of shape (n_known, m)."""


class Solver(Protocol):
    """A way to solve kernel systems; it carries its own numbers."""

    def factor(self, kernel: Kernel, known: Mask) -> Factor:
        """Make ready for these known coordinates: bool of shape (n,), flat over the grid."""


def absolute_ridge(ridge: float, kernel: Kernel) -> float:
    """A ridge relative to the mean diagonal, in units of the kernel."""
    return ridge * float(np.mean(kernel.diagonal(), dtype=np.float64))


def scattered(values: Array, at: Index, size: int) -> Array:
    """Values (n, m) as rows (m, size), at these n coordinates; zero elsewhere."""
    rows = np.zeros((values.shape[1], size), values.dtype)
    # One row after the other: several times faster than all at once.
    for row, column in zip(rows, np.ascontiguousarray(values.T), strict=True):
        row[at] = column
    return rows


def norms(columns: Array) -> NDArray[np.float64]:
    """Euclidean norm of every column (..., m), summed in double precision and in a fixed order."""
    squares = np.square(columns, dtype=np.float64)
    sums: NDArray[np.float64] = np.add.reduce(squares.reshape(-1, columns.shape[-1]), axis=0)
    return np.sqrt(sums)
