"""Samples of a Gaussian process on a grid: white noise times a square root of its kernel."""

from __future__ import annotations

import math
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
from ..runtime.resources import require, single_blas_thread

# The eigenvectors of the blocks of a periodic kernel cost their size squared for each coordinate.
# Where that is more than this (a picture of 256 x 256 under blocks of 32 x 32: minutes, and 2.7 GB,
# in one call that answers no signal), Lanczos steps do instead.
MAX_PRODUCTS, STEPS = 1 << 28, 24

SquareRoot = Callable[[Array], Array]


@single_blas_thread()
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
        if math.prod(kernel.shape) * math.prod(kernel.period) ** 2 > MAX_PRODUCTS:
            return lambda x: krylov_root(kernel, x)
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
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)


def krylov_root(kernel: Kernel, x: Array) -> Array:  # (channels, *shape)
    """The square root of a kernel times x, by products with the kernel alone: Lanczos (Saad 1992,
    doi:10.1137/0729014)."""
    count, size = len(x), x[0].size
    require("samples of the prior", 4 * STEPS * count * size, hint="a crop, or fewer samples")
    basis = np.zeros((STEPS, count, size), np.float32)
    diagonal, beside = np.zeros((STEPS, count)), np.zeros((STEPS, count))
    vector = x.reshape(count, -1).astype(np.float64)
    length = norm = np.sqrt(np.square(vector).sum(axis=1))
    with single_blas_thread():
        for k in range(min(STEPS, size)):
            vector = vector / np.where(norm > 0, norm, 1.0)[:, None]
            basis[k] = vector
            vector = kernel.matvec(basis[k].reshape(x.shape)).reshape(count, -1).astype(np.float64)
            diagonal[k] = (vector * basis[k]).sum(axis=1)
            for _ in range(2):  # rounding makes the vectors lose their right angles
                for other in basis[: k + 1]:
                    vector -= (vector * other).sum(axis=1)[:, None] * other
            norm = np.sqrt(np.square(vector).sum(axis=1))
            norm[norm < 1e-6 * length * np.abs(diagonal[0])] = 0.0
            beside[k] = norm
        result = np.empty((count, size))
        for c in range(count):
            lanczos = np.diag(diagonal[:, c])
            lanczos += np.diag(beside[:-1, c], 1) + np.diag(beside[:-1, c], -1)
            values, vectors = np.linalg.eigh(lanczos)
            weights = vectors @ (np.sqrt(np.maximum(values, 0.0)) * vectors[0])
            result[c] = length[c] * (weights @ basis[:, c])
    return result.reshape(x.shape).astype(x.dtype)
