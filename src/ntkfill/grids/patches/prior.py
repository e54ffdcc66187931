"""The prior of a patch: the feature prior of the paper, with one feature per similar patch.

The rows of that table are patches, its columns the entries of a patch; one row is known in part.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...kernels import Blocks
from ...kernels.table import Array, Index


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
        return np.asarray(self.neighbours.mean(axis=1))

    def kernel(self, shrinkage: float = 0.0) -> Blocks:
        """The covariance of the neighbours, shrunk towards its mean over all m patches: a few
        neighbours estimate a covariance badly."""
        features = self.neighbours - self.mean[:, None]
        features *= self.neighbours.shape[1] ** -0.5
        kernels = features.transpose(0, 2, 1) @ features  # (m, entries, entries)
        mean = kernels.mean(axis=0)
        kernels *= 1 - shrinkage
        kernels += shrinkage * mean
        return Blocks(kernels)


def nearest_patches(patches: Array, weight: Array, candidates: Array, count: int) -> Index:
    """The `count` candidates (k, entries) nearest to each patch (m, entries), in no order, with a
    weight (m, entries) for each squared difference; all in single precision.

    >>> line = np.arange(5, dtype=np.float32)[:, None]
    >>> sorted(nearest_patches(line[2:3], np.ones((1, 1), np.float32), line, 3)[0].tolist())
    [1, 2, 3]
    """
    k = len(candidates)
    distance = weight @ np.square(candidates).T  # (m, k)
    distance -= 2 * ((weight * patches) @ candidates.T)
    distance += (weight * np.square(patches)).sum(axis=1)[:, None]
    if count >= k:
        return np.broadcast_to(np.arange(k), distance.shape)
    # Floats above zero sort as their bits do. With the index of the candidate in the lowest bits,
    # partitioning integers takes half as long as argpartition of the distances.
    low_bits = (1 << (k - 1).bit_length()) - 1
    keys = np.maximum(distance, 0).view(np.int32) & ~np.int32(low_bits)
    keys |= np.arange(k, dtype=np.int32)
    keys.partition(count - 1, axis=1)
    return keys[:, :count] & low_bits
