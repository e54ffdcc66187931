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
from threadpoolctl import threadpool_limits

from ..kernels.table import Array
from ..runtime.threads import parallel_for

BLOCK = 256


def product(left: Array, right: Array) -> Array:
    """left @ right, of shapes (n, k) and (k, m).

    Examples
    --------
    >>> product(np.ones((2, 3)), np.ones((3, 1)))
    array([[3.],
           [3.]])
    """
    result = np.empty((len(left), right.shape[1]), dtype=np.result_type(left, right))

    def work(rows: slice) -> None:
        np.matmul(left[rows], right, out=result[rows])

    with threadpool_limits(1):
        parallel_for(work, _blocks(len(left)))
    return result


def cholesky(matrix: Array) -> Array:
    """The lower factor L of a positive definite matrix of shape (n, n), in its place.

    Nothing above the diagonal is read; what is left there is no part of the factor.

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
    blocks = _blocks(len(matrix))
    with threadpool_limits(1):
        for k, here in enumerate(blocks):

            def work(rows: slice, here: slice = here) -> None:
                past = slice(0, here.start)
                matrix[rows, here] -= matrix[rows, past] @ matrix[here, past].T

            if k:
                parallel_for(work, blocks[k:])
            corner, failed = lapack.dpotrf(matrix[here, here], lower=1)
            if failed:
                raise LinAlgError("the matrix is not positive definite")
            matrix[here, here] = corner
            below = slice(here.stop, None)
            matrix[below, here] = _divided(matrix[here, here], matrix[below, here].T).T
    return matrix


def solve(lower: Array, y: Array) -> Array:
    """(L L^T)^-1 y, of shapes (n, n) and (n, m).

    Examples
    --------
    >>> solve(np.array([[2.0, 0.0], [1.0, 2.0]]), np.array([[8.0], [12.0]]))
    array([[1.],
           [2.]])
    """
    y, blocks = y.astype(np.float64), _blocks(len(lower))
    with threadpool_limits(1):
        for k, here in enumerate(blocks):
            found = y[here] = _divided(lower[here, here], y[here])

            def below(rows: slice, here: slice = here, found: Array = found) -> None:
                y[rows] -= lower[rows, here] @ found

            parallel_for(below, blocks[k + 1 :])
        for k, here in reversed(list(enumerate(blocks))):
            found = y[here] = _divided(lower[here, here], y[here], transposed=True)

            def above(rows: slice, here: slice = here, found: Array = found) -> None:
                y[rows] -= lower[here, rows].T @ found

            parallel_for(above, blocks[:k])
    return y


def inverse(lower: Array) -> Array:
    """L^-T, upper triangular.

    Examples
    --------
    >>> inverse(np.array([[2.0, 0.0], [1.0, 2.0]]))
    array([[ 0.5 , -0.25],
           [ 0.  ,  0.5 ]])
    """
    result, blocks = np.eye(len(lower)), _blocks(len(lower))

    def work(k: int) -> None:
        here = blocks[k]
        for at in blocks[k:]:
            past = slice(here.start, at.start)
            result[here, at] -= result[here, past] @ lower[at, past].T
            result[here, at] = _divided(lower[at, at], result[here, at].T).T

    with threadpool_limits(1):
        parallel_for(work, range(len(blocks)))
    return result


def _divided(lower: Array, y: Array, *, transposed: bool = False) -> Array:
    return blas.dtrsm(1.0, lower, y, lower=1, trans_a=transposed)


def _blocks(count: int) -> list[slice]:
    return [slice(first, min(first + BLOCK, count)) for first in range(0, count, BLOCK)]
