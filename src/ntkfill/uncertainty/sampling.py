"""Draw functions from a Gaussian process on a grid: white noise through a root of its kernel."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import InputError
from ..kernels import DenseKernel, Kernel, Kronecker, Periodic, Stationary, convolve
from ..kernels.periodic import fourier
from ..kernels.table import Array
from ..runtime.threads import single_blas_thread

Root = Callable[[Array], Array]


def root(kernel: Kernel) -> Root:
    """The symmetric square root of a kernel, as an operator on arrays of shape (..., *shape).

    On a torus by Fourier transforms; of dense kernels and of their products by eigenvalues.

    Raises
    ------
    InputError
        If the kernel is of a kind whose root is not known.
    MemoryLimitError
        If the blocks of a periodic kernel do not fit into memory.

    Examples
    --------
    >>> half = root(DenseKernel(np.diag([4.0, 9.0]), (2,)))
    >>> half(np.ones((1, 2))).round(6)
    array([[2., 3.]])
    """
    if isinstance(kernel, Stationary):
        spectrum = np.sqrt(kernel.spectrum)
        return lambda x: convolve(x, spectrum.astype(x.dtype))
    if isinstance(kernel, Periodic):
        return fourier(kernel.table, kernel.axes, kernel.shape, root=True)
    if isinstance(kernel, DenseKernel):
        return DenseKernel(_root(*kernel.eigen), kernel.shape).matvec
    if isinstance(kernel, Kronecker) and not any(kernel.effects):
        sides = zip((kernel.left, kernel.right), kernel.eigen, strict=True)
        left, right = (DenseKernel(_root(*eigen), side.shape) for side, eigen in sides)
        return Kronecker(left, right).matvec
    raise InputError("functions cannot be drawn from this kernel", got=repr(kernel))


def _root(values: Array, vectors: Array) -> Array:  # (n,), (n, n)
    with single_blas_thread():
        return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)
