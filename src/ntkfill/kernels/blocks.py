"""A kernel of many small blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..runtime.resources import single_blas_thread
from .table import Array, Coordinates, check_vector


@dataclass(frozen=True, eq=False)
class Blocks:
    """A block-diagonal kernel: coordinates of different blocks are uncorrelated.

    Parameters
    ----------
    values : array of shape (blocks, n, n)

    Examples
    --------
    >>> import numpy as np
    >>> Blocks(np.array([[[2.0]], [[3.0]]])).block(np.arange(2), np.arange(2))
    array([[2., 0.],
           [0., 3.]])
    """

    values: Array

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or self.values.shape[1] != self.values.shape[2]:
            raise InputError(
                "values of Blocks cannot be used",
                expected="shape (blocks, n, n)",
                got=f"shape {self.values.shape}",
            )

    def __repr__(self) -> str:
        return f"Blocks(shape={self.shape}, dtype={self.values.dtype})"

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape[:2]

    def diagonal(self) -> Array:
        return np.diagonal(self.values, axis1=1, axis2=2)

    def block(self, rows: Coordinates, cols: Coordinates) -> Array:
        (of_row, row), (of_col, col) = (np.divmod(at, self.shape[1]) for at in (rows, cols))
        values = self.values[of_row[:, None], row[:, None], col]
        return np.where(of_row[:, None] == of_col, values, values.dtype.type(0))

    def matvec(self, x: Array) -> Array:
        check_vector(x, self.shape)
        with single_blas_thread():
            return np.asarray((self.values @ x[..., None])[..., 0])
