"""Kernels: positive semi-definite functions of two coordinates of a grid.

`DenseKernel` holds every entry, `Blocks` many small kernels, `Kronecker` the product of a kernel of
rows and one of columns, `Periodic` a table ``T[r, d]`` that repeats with the network's period,
`Stationary` one number per offset. All have ``shape``, ``diagonal()``, ``block(rows, cols)`` and
``matvec(x)``.
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
