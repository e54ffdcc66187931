"""Samples of a Gaussian process on a grid: white noise times a square root of its kernel."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import InputError
from ..kernels import (
    Coregionalised,
    DenseKernel,
    Kernel,
    Kronecker,
    Periodic,
    Stationary,
    across,
    convolve,
)
from ..kernels.periodic import fourier
from ..kernels.table import Array
from ..runtime.resources import single_blas_thread

SquareRoot = Callable[[Array], Array]


def square_root(kernel: Kernel) -> SquareRoot:
    """The product with a kernel's symmetric square root, for arrays of shape (..., *shape).

    >>> square_root(DenseKernel(np.diag([4.0, 9.0]), (2,)))(np.ones((1, 2))).round(6)
    array([[2., 3.]])
    """
    if isinstance(kernel, Stationary):
        spectrum = np.sqrt(kernel.spectrum)
        return lambda x: convolve(x, spectrum.astype(x.dtype))
    if isinstance(kernel, Coregionalised):
        channels = _root(*np.linalg.eigh(kernel.covariance))
        space = square_root(kernel.space)
        return lambda x: across(channels, space(x), len(kernel.space.shape))
    if isinstance(kernel, Periodic):
        return fourier(kernel.table, kernel.axes, kernel.shape, root=True)
    if isinstance(kernel, DenseKernel):
        return DenseKernel(_root(*kernel.eigen), kernel.shape).matvec
    if isinstance(kernel, Kronecker) and not any(kernel.effects):
        sides = zip((kernel.left, kernel.right), kernel.eigen, strict=True)
        left, right = (DenseKernel(_root(*eigen), side.shape) for side, eigen in sides)
        return Kronecker(left, right).matvec
    kinds = "Stationary, Coregionalised, Periodic, DenseKernel, or Kronecker without effects"
    raise InputError(f"a kernel to sample from must be {kinds}", got=repr(kernel))


def _root(values: Array, vectors: Array) -> Array:  # (n,), (n, n)
    with single_blas_thread():
        return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)
