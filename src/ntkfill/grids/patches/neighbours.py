"""The feature prior of patches: what patches like each one show at every place of it.

That is the feature prior of the paper with one feature for each similar patch: a table whose rows
are patches, and of which one row is known in part.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...kernels import Blocks
from ...kernels.table import Array, Index


@dataclass(frozen=True, eq=False)
class Alike:
    """Features for the places of patches, one table for each patch.

    Parameters
    ----------
    groups : float array of shape (m, count, entries)
        Patches like each of m patches of one neighbourhood, complete.

    Examples
    --------
    >>> prior = Alike(np.array([[[1.0, 2.0], [3.0, 6.0]]]))
    >>> prior.mean, prior.kernel().values
    (array([[2., 4.]]), array([[[1., 2.],
            [2., 4.]]]))
    """

    groups: Array

    @cached_property
    def mean(self) -> Array:
        """Of each group, shape (m, entries): what the values are regressed about."""
        return np.asarray(self.groups.mean(axis=1))

    def kernel(self, common: float = 0.0) -> Blocks:
        """Inner products of the features of any two places of a patch: a block for each patch.

        The mean over all groups is this share of each: few patches alike tell few of the ways in
        which places go together.
        """
        features = self.groups - self.mean[:, None]
        features *= self.groups.shape[1] ** -0.5
        kernels = features.transpose(0, 2, 1) @ features
        mean = kernels.mean(axis=0)
        kernels *= 1 - common
        kernels += common * mean
        return Blocks(kernels)


def similar(patches: Array, trust: Array, candidates: Array, count: int) -> Index:
    """The candidates nearest to each patch, in no order.

    Parameters
    ----------
    patches : float32 array of shape (m, entries)
    trust : float32 array of shape (m, entries)
        What the squared difference counts at each entry.
    candidates : float32 array of shape (k, entries)
    count : int

    Returns
    -------
    int array of shape (m, min(count, k))

    Examples
    --------
    >>> line = np.arange(5, dtype=np.float32)[:, None]
    >>> sorted(similar(line[2:3], np.ones((1, 1), np.float32), line, 3)[0].tolist())
    [1, 2, 3]
    """
    many = len(candidates)
    distance = trust @ np.square(candidates).T
    distance -= 2 * ((trust * patches) @ candidates.T)
    distance += (trust * np.square(patches)).sum(axis=1)[:, None]
    if count >= many:
        return np.broadcast_to(np.arange(many), distance.shape)
    # Floats above zero sort as their bits do. With the number of the candidate in the last ones,
    # integers are sorted, which takes half as long as to sort the numbers by the distances.
    last = (1 << (many - 1).bit_length()) - 1
    keys = np.maximum(distance, 0).view(np.int32) & ~np.int32(last)
    keys |= np.arange(many, dtype=np.int32)
    keys.partition(count - 1, axis=1)
    return keys[:, :count] & last
