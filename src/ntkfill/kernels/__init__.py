"""Kernels: positive semi-definite functions of two coordinates of a grid, held compactly.

Five ways to hold one: every entry (`DenseKernel`), many small ones side by side (`Blocks`), the
product of one of rows and one of columns (`Kronecker`), a table ``T[r, d]`` that repeats with the
network's period (`Periodic`), or one number per offset (`Stationary`). All answer the same
questions: ``shape``, ``diagonal()``, ``block(rows, cols)``, ``matvec(x)``.
"""

from .base import Coordinates, Kernel
from .blocks import Blocks
from .dense import DenseKernel
from .kronecker import Kronecker, two_sided
from .periodic import Periodic
from .stationary import Stationary, convolve

__all__ = [
    "Blocks",
    "Coordinates",
    "DenseKernel",
    "Kernel",
    "Kronecker",
    "Periodic",
    "Stationary",
    "convolve",
    "two_sided",
]
