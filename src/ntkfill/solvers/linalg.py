"""Large matrices on all cores, in blocks whose size does not depend on how many cores there are.

The threads of a BLAS divide the work by their number, so that sums come out differently in the last
bit. Here every block is the work of one thread, and results are the same bytes for any number of
them. Only NumPy's products run beside each other (SciPy keeps the interpreter's lock), so blocks
are small enough for nearly all of the work to be products. Products with inverses of the triangles
on the diagonal would leave none of it, but lose digits where the matrix is nearly singular.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import LinAlgError, blas, lapack

from ..kernels.table import Array
from ..runtime.resources import parallel_for, single_blas_thread

BLOCK = 256
# Up to this size LAPACK alone is faster than blocks on two cores.
SMALL = 1024
# Fewer right-hand sides than this are not worth blocks.
FEW = 64


def add_gram(gram: Array, rows: Array) -> None:
    """Add rows.T @ rows, for rows of shape (n, m), to the upper triangle of gram (m, m).

    Examples
    --------
    >>> gram = np.ones((2, 2))
    >>> add_gram(gram, np.array([[1.0, 2.0]]))
    >>> np.triu(gram)
    array([[2., 3.],
           [0., 5.]])
    """

    def work(columns: slice) -> None:
        right = slice(columns.start, None)
        gram[columns, right] += rows[:, columns].T @ rows[:, right]

    with single_blas_thread():
        parallel_for(work, _blocks(len(gram), 1))


def cholesky(matrix: Array) -> Array:
    """The lower factor L of a symmetric, positive definite matrix of shape (n, n).

    It takes the place of the matrix, which is float32 or float64 and in C order, and is returned in
    Fortran order. Above the diagonal it holds what the matrix does there (see `multiply`).

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrix is not positive definite.

    Examples
    --------
    >>> np.tril(cholesky(np.array([[4.0, 2.0], [2.0, 5.0]])))
    array([[2., 0.],
           [1., 2.]])
    """
    potrf = lapack.spotrf if matrix.dtype == np.float32 else lapack.dpotrf
    blocks = _blocks(len(matrix))
    with single_blas_thread():
        for k, here in enumerate(blocks):

            def work(columns: slice, here: slice = here) -> None:
                past = slice(0, here.start)
                matrix[here, columns] -= matrix[past, here].T @ matrix[past, columns]

            corner = matrix[here, here].T
            if len(blocks) > 1:
                above = np.triu(corner, 1)  # `work` writes there too
            if k:
                parallel_for(work, blocks[k:])
            factor, failed = potrf(corner, lower=1, overwrite_a=1, clean=0)
            if failed:
                raise LinAlgError("the matrix is not positive definite")
            if len(blocks) > 1:
                corner[:] = np.tril(factor) + above
                right = slice(here.stop, None)
                matrix[here, right] = _divided(corner, matrix[here, right])
    return matrix.T


def solve(lower: Array, y: Array) -> Array:
    """(L L^T)^-1 y, of shapes (n, n) and (n, m), in the precision of L.

    Examples
    --------
    >>> solve(np.array([[2.0, 0.0], [1.0, 2.0]]), np.array([[8.0], [12.0]]))
    array([[1.],
           [2.]])
    """
    y = _forward(lower, y.astype(lower.dtype))
    blocks = _blocks(len(lower), columns=y.shape[1])
    with single_blas_thread():
        for k, here in reversed(list(enumerate(blocks))):
            found = y[here] = _divided(lower[here, here], y[here], transposed=True)

            def above(rows: slice, here: slice = here, found: Array = found) -> None:
                y[rows] -= lower[here, rows].T @ found

            parallel_for(above, blocks[:k])
    return y


def explained(lower: Array, y: Array) -> Array:
    """The diagonal of Y^T (L L^T)^-1 Y for Y of shape (n, m): (m,).

    Examples
    --------
    >>> explained(np.array([[2.0, 0.0], [1.0, 2.0]]), np.array([[8.0], [12.0]]))
    array([32.])
    """
    half = _forward(lower, y.astype(lower.dtype))
    return np.asarray(np.einsum("ij,ij->j", half, half))


def multiply(lower: Array, diagonal: Array, y: Array) -> Array:
    """The matrix that `cholesky` factored, with this diagonal (n,), times y of shape (n, m), in
    double precision: all of it but the diagonal is still above that of the factor.

    Examples
    --------
    >>> matrix = np.array([[4.0, 2.0], [2.0, 5.0]])
    >>> multiply(cholesky(matrix.copy()), np.diagonal(matrix), np.eye(2))
    array([[4., 2.],
           [2., 5.]])
    """
    with single_blas_thread():
        result = blas.dsymm(1.0, lower, y, lower=0)
    result += (diagonal - np.diagonal(lower))[:, None] * y
    return np.asarray(result)


def inverse(lower: Array) -> Array:
    """L^-T, upper triangular.

    Examples
    --------
    >>> inverse(np.array([[2.0, 0.0], [1.0, 2.0]]))
    array([[ 0.5 , -0.25],
           [ 0.  ,  0.5 ]])
    """
    result, blocks = np.eye(len(lower)), _blocks(len(lower), 1)

    def work(k: int) -> None:
        here = blocks[k]
        for at in blocks[k:]:
            past = slice(here.start, at.start)
            result[here, at] -= result[here, past] @ lower[at, past].T
            result[here, at] = _divided(lower[at, at], result[here, at].T).T

    with single_blas_thread():
        parallel_for(work, range(len(blocks)))
    return result


def _forward(lower: Array, y: Array) -> Array:
    """L^-1 y, in place of y (n, m)."""
    blocks = _blocks(len(lower), columns=y.shape[1])
    with single_blas_thread():
        for k, here in enumerate(blocks):
            found = y[here] = _divided(lower[here, here], y[here])

            def below(rows: slice, here: slice = here, found: Array = found) -> None:
                y[rows] -= lower[rows, here] @ found

            parallel_for(below, blocks[k + 1 :])
    return y


def _divided(lower: Array, y: Array, *, transposed: bool = False) -> Array:
    trsm = blas.strsm if lower.dtype == np.float32 else blas.dtrsm
    return np.asarray(trsm(1.0, lower, y, lower=1, trans_a=transposed))


def _blocks(count: int, small: int = SMALL, columns: int | None = None) -> list[slice]:
    """One block where there are few rows, or few columns to solve for; else blocks of `BLOCK`."""
    few = count <= small or (columns is not None and columns <= FEW)
    size = max(count, 1) if few else BLOCK
    return [slice(first, min(first + size, count)) for first in range(0, count, size)]
