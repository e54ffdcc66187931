"""Feature vectors of objects, whose inner products are the kernel between them."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import hadamard

from ..errors import finite
from ..kernels.table import Array
from ..runtime.resources import single_blas_thread
from .evaluate import Kind
from .networks import Sequential

# Eigenvalues of a kernel below this share of the largest are rounding errors.
SMALL = 1e-10


@single_blas_thread()
def kernel_features(
    network: Sequential, objects: Any, others: Any | None = None, *, kind: Kind = "ntk"
) -> Array:
    """Feature vectors whose inner products are a network's kernel between objects.

    They serve wherever features of rows, columns, drugs or cell lines do. They are rotated so that
    all columns have the same variance: to standardise them scales the kernel, and nothing else.

    Parameters
    ----------
    network : Sequential
    objects, others
        As `Sequential.between` takes them.
    kind : {"ntk", "nngp"}

    Returns
    -------
    array of shape (n, r)
        The features of the objects or, where they are given, of the others: in the same
        coordinates, projected on what the objects span. r is a power of two.

    Examples
    --------
    >>> from ntkfill.nn import Attention, Dense, GlobalAveragePool, ReLU
    >>> network = Sequential(Attention(), ReLU(), GlobalAveragePool(), Dense())
    >>> sentences = [np.eye(3)[words] for words in ([0, 1], [1, 2], [0, 2, 2])]
    >>> features = kernel_features(network, sentences)
    >>> bool(np.allclose(features @ features.T, network.between(sentences)))
    True
    """
    kernel = network.between(objects, kind=kind)
    level = kernel.mean(axis=0)
    values, vectors = np.linalg.eigh(kernel)
    kept = values > SMALL * values[-1]
    root = vectors[:, kept] / np.sqrt(values[kept])  # (n, r): features are kernel @ root
    own = kernel @ root
    # First the axes of largest variance, of which a Hadamard matrix makes equal mixtures.
    axes = np.linalg.eigh((own - level @ root).T @ (own - level @ root))[1]
    size = 1 << max(0, axes.shape[1] - 1).bit_length()
    mixed = axes @ hadamard(size)[: axes.shape[1]] / np.sqrt(size)
    cross = kernel if others is None else network.between(others, objects, kind=kind)
    return finite("the feature", np.asarray(cross @ root @ mixed))
