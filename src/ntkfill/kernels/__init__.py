"""Kernels: positive semi-definite functions of two coordinates of a grid, held compactly.

Four ways to hold one: every entry (`DenseKernel`), many small ones side by side (`Blocks`), a table
``T[r, d]`` that repeats with the network's period (`Periodic`), or one number per offset
(`Stationary`). All answer the same questions: ``shape``, ``diagonal()``, ``block(rows, cols)``,
``matvec(x)``.
"""

from .base import Coordinates, Kernel
from .blocks import Blocks
from .dense import DenseKernel
from .periodic import Periodic
from .stationary import Stationary, convolve

__all__ = ["Blocks", "Coordinates", "DenseKernel", "Kernel", "Periodic", "Stationary", "convolve"]
