"""Distances along each feature, compiled by Numba: the same bytes in a fifth of the time."""

from __future__ import annotations

import numpy as np
from numba import njit

from ..kernels.table import Array


@njit(nogil=True, cache=True, error_model="numpy")
def add_distances(
    left: Array,  # (n, k)
    left_variance: Array,  # (n, k)
    right: Array,  # (k, m)
    right_variance: Array,  # (k, m)
    roots: Array,  # (metrics, k)
    totals: Array,  # (metrics, n, m)
) -> None:
    """Add how far apart vectors are along each feature, times the root of each metric."""
    count = right.shape[1]
    apart = np.empty(count, left.dtype)
    for i in range(len(left)):
        for k in range(len(right)):
            value, variance = left[i, k], left_variance[i, k]
            for j in range(count):
                difference = value - right[k, j]
                apart[j] = np.sqrt(difference * difference + variance + right_variance[k, j])
            for metric in range(len(roots)):
                root = roots[metric, k]
                for j in range(count):
                    totals[metric, i, j] += apart[j] * root
