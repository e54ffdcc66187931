"""A kernel of pairs, the product of a kernel of the rows of a table and one of its columns."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..runtime.resources import parallel_for, single_blas_thread
from .dense import DenseKernel
from .table import Array, Coordinates, check_vector

# Rows of a product that one task makes; smaller products are the work of one core.
BLOCK = 320

Eigen = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Kronecker:
    """A kernel of the entries (i, j) of a table with n rows and m columns, never formed whole.

    K[(i, j), (k, l)] = (left[i, k] + nuggets[0] [i = k]) (right[j, l] + nuggets[1] [j = l])
    + effects[0] [i = k] + effects[1] [j = l]. A *nugget* on the diagonal of a factor lets an entry
    inform its row (or column) beyond what the features of the row say; an *effect* is the variance
    of a constant that all entries of a row (or column) share.

    The same kernel serves tables with features of both sides and covariances that are learned
    (contexts by drugs, users by items): entry (i, j) has the flat coordinate ``i * m + j``, so the
    covariance of some entries with others is ``block`` at their flat coordinates, their variances
    are ``diagonal().ravel()`` there (to the last bit the diagonal of ``block``), and a product on
    known entries scatters into an array of shape (n, m), calls ``matvec`` and gathers.

    Parameters
    ----------
    left : DenseKernel
        Of the n rows.
    right : DenseKernel
        Of the m columns.
    nuggets, effects : tuple of two floats
        Of the rows and of the columns.

    Raises
    ------
    InputError
        If a factor has several axes, or a nugget or an effect is negative.

    Examples
    --------
    >>> import numpy as np
    >>> left, right = DenseKernel(np.eye(2), (2,)), DenseKernel(np.full((2, 2), 3.0), (2,))
    >>> kernel = Kronecker(left, right, nuggets=(1.0, 0.0), effects=(0.0, 0.5))
    >>> kernel.block(np.arange(4), np.arange(4))
    array([[6.5, 6. , 0.5, 0. ],
           [6. , 6.5, 0. , 0.5],
           [0.5, 0. , 6.5, 6. ],
           [0. , 0.5, 6. , 6.5]])
    """

    left: DenseKernel
    right: DenseKernel
    nuggets: tuple[float, float] = (0.0, 0.0)
    effects: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if len(self.left.shape) != 1 or len(self.right.shape) != 1:
            raise InputError(
                "the factors must be kernels of one axis each",
                got=f"shapes {self.left.shape} and {self.right.shape}",
            )
        if not all(size >= 0 for size in self.nuggets + self.effects):
            raise InputError("nuggets and effects must be >= 0", got=repr(self))

    def __repr__(self) -> str:
        return f"Kronecker(shape={self.shape}, nuggets={self.nuggets}, effects={self.effects})"

    @property
    def shape(self) -> tuple[int, ...]:
        return self.left.shape + self.right.shape

    @cached_property
    def factors(self) -> tuple[Array, Array]:
        """Both matrices with their nuggets, (n, n) and (m, m)."""
        matrices = []
        for kernel, nugget in zip((self.left, self.right), self.nuggets, strict=True):
            values = kernel.values.copy() if nugget else kernel.values
            if nugget:
                values[np.diag_indices(len(values))] += nugget
            matrices.append(values)
        return matrices[0], matrices[1]

    @property
    def eigen(self) -> tuple[Eigen, Eigen]:
        """Eigenvalues and eigenvectors of both factors with their nuggets."""
        (a, first), (b, second) = self.left.eigen, self.right.eigen
        return (a + self.nuggets[0], first), (b + self.nuggets[1], second)

    def diagonal(self) -> Array:
        left, right = (np.diagonal(values) for values in self.factors)
        return left[:, None] * right + self.effects[0] + self.effects[1]

    def block(self, rows: Coordinates, cols: Coordinates) -> Array:
        (row, column), (other_row, other_column) = (
            np.divmod(at, self.shape[1]) for at in (rows[:, None], cols)
        )
        left, right = self.factors
        result = left[row, other_row] * right[column, other_column]
        result += self.effects[0] * (row == other_row)
        result += self.effects[1] * (column == other_column)
        return np.asarray(result)

    def matvec(self, x: Array) -> Array:
        check_vector(x, self.shape)
        left, right = self.factors
        result = two_sided(left, x, right)
        if any(self.effects):
            result += self.effects[0] * x.sum(axis=-1, keepdims=True)
            result += self.effects[1] * x.sum(axis=-2, keepdims=True)
        return result

    def restricted(self, rows: NDArray[np.bool_], columns: NDArray[np.bool_]) -> Kronecker:
        """The kernel of some rows (n,) and columns (m,) of the table; itself if of all."""
        if rows.all() and columns.all():
            return self
        left, right = (
            DenseKernel(kernel.values[np.ix_(kept, kept)], (int(kept.sum()),))
            for kernel, kept in ((self.left, rows), (self.right, columns))
        )
        return Kronecker(left, right, self.nuggets, self.effects)


def two_sided(left: Array, middle: Array, right: Array) -> Array:
    """left @ middle @ right, of shapes (n, k), (..., k, l) and (l, m), on all cores.

    Examples
    --------
    >>> import numpy as np
    >>> two_sided(np.ones((1, 2)), np.ones((2, 3)), np.ones((3, 1)))
    array([[6.]])
    """
    tables = middle.reshape(-1, *middle.shape[-2:])
    dtype = np.result_type(left, middle, right)
    result = np.empty((len(tables), len(left), right.shape[1]), dtype=dtype)

    def work(task: tuple[int, int]) -> None:
        k, rows = task[0], slice(task[1], task[1] + BLOCK)
        np.matmul(left[rows] @ tables[k], right, out=result[k, rows])

    with single_blas_thread():
        parallel_for(work, itertools.product(range(len(tables)), range(0, len(left), BLOCK)))
    return result.reshape(*middle.shape[:-2], *result.shape[1:])
