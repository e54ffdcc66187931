"""The prior of a patch: the feature prior of the paper, with one feature per similar patch.

The rows of that table are patches, its columns the entries of a patch; one row is known in part.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...kernels import Blocks
from ...kernels.table import Array, Index

# Bytes of the neighbours of patches that are worked on together, so that they stay in cache.
BATCH_BYTES = 1 << 19


@dataclass(frozen=True, eq=False)
class PatchPrior:
    """Mean and kernel of each of m patches, from its neighbours.

    Parameters
    ----------
    neighbours : float array of shape (m, n_neighbours, entries)
        Complete patches similar to each one, all from one part of the grid.

    Examples
    --------
    >>> prior = PatchPrior(np.array([[[1.0, 2.0], [3.0, 6.0]]]))
    >>> prior.mean, prior.kernel().values
    (array([[2., 4.]]), array([[[1., 2.],
            [2., 4.]]]))
    """

    neighbours: Array

    @cached_property
    def mean(self) -> Array:
        """The mean of the neighbours: shape (m, entries)."""
        count = self.neighbours.shape[1]
        return np.full(count, 1 / count, self.neighbours.dtype) @ self.neighbours

    def kernel(self, shrinkage: float = 0.0) -> Blocks:
        """The covariance of the neighbours, shrunk towards its mean over all m patches: a few
        neighbours estimate a covariance badly."""
        m, count, n = self.neighbours.shape
        kernels = np.empty((m, n, n), self.neighbours.dtype)
        half = n // 2
        size = max(1, BATCH_BYTES // (count * n * self.neighbours.itemsize))
        for first in range(0, m, size):
            some = slice(first, first + size)
            features = self.neighbours[some] - self.mean[some, None]
            # In halves, since NumPy takes the product of features with themselves to `syrk`, which
            # is slower than the general product for small matrices.
            for part in (slice(half), slice(half, None)):
                np.matmul(features.transpose(0, 2, 1)[:, part], features, out=kernels[some, part])
        mean = kernels.mean(axis=0) if shrinkage else None
        kernels *= kernels.dtype.type((1 - shrinkage) / count)
        if mean is not None:
            kernels += mean * kernels.dtype.type(shrinkage / count)
        return Blocks(kernels)


def distance_factors(patches: Array, weight: Array, candidates: Array) -> tuple[Array, Array]:
    """Two matrices (m, 2 n + 1) and (2 n + 1, k) whose product is the squared distance of each
    candidate (k, n) to each patch (m, n), with a weight (m, n) for each squared difference."""
    k, n = candidates.shape
    right = np.empty((2 * n + 1, k), candidates.dtype)  # values, their squares, and ones
    right[:n] = candidates.T
    np.square(right[:n], out=right[n:-1])
    right[-1] = 1
    weighted = weight * patches
    own = np.einsum("mn,mn->m", weighted, patches)[:, None]
    return np.concatenate([-2 * weighted, weight, own], axis=1), right


def nearest(left: Array, right: Array, count: int) -> Index:
    """The `count` candidates nearest to each patch, in no order, from factors of their distances in
    single precision.

    >>> line = np.arange(5, dtype=np.float32)[:, None]
    >>> factors = distance_factors(line[2:3], np.ones((1, 1), np.float32), line)
    >>> sorted(nearest(*factors, 3)[0].tolist())
    [1, 2, 3]
    """
    distance, k = left @ right, right.shape[1]
    if count >= k:
        return np.broadcast_to(np.arange(k), distance.shape)
    # Floats above zero sort as their bits do, and those below, made by rounding, come first. With
    # the index of the candidate in the lowest bits, partitioning integers takes half as long as
    # argpartition of the distances.
    low_bits = (1 << (k - 1).bit_length()) - 1
    keys = distance.view(np.int32)
    keys &= ~np.int32(low_bits)
    keys |= np.arange(k, dtype=np.int32)
    keys.partition(count - 1, axis=1)
    return keys[:, :count] & low_bits
