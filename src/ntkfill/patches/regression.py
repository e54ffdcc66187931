"""Patches completed by patches like them: one small kernel regression each, many at once.

The kernel between two entries of a patch is the inner product of what stands at these places in
similar patches. That is the feature prior of the paper, with one feature per similar patch: a
table whose rows are patches, and of which one row is known in part.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..grid import Array, Index
from ..observed import Mask


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


def regress(patches: Array, known: Mask, groups: Array, ridge: float) -> tuple[Array, Array]:
    """Complete patches from groups of similar ones.

    Parameters
    ----------
    patches : float array of shape (m, entries)
        What stands where it is not known is never read.
    known : bool array of shape (m, entries)
    groups : float array of shape (m, count, entries)
        Patches like each of them, complete.
    ridge : float
        Added to the diagonal of the kernel, in squared units of the values.

    Returns
    -------
    values : float array of shape (m, entries)
        Means given what is known; at known entries what was given.
    variance : float array of shape (m, entries)
        Of the values given what is known; zero at known entries.

    Examples
    --------
    >>> line = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0, 0.0, 0.0]])
    >>> seen = np.array([[True, True, False]])
    >>> values, variance = regress(np.array([[3.0, 6.0, 0.0]]), seen, line[None], 1e-9)
    >>> values.round(3), bool(variance[0, 2] < 1e-6)
    (array([[3., 6., 9.]]), True)
    """
    mean = groups.mean(axis=1)
    features = groups - mean[:, None]
    features *= groups.shape[1] ** -0.5
    kernel = features.transpose(0, 2, 1) @ features
    # Patches know different numbers of entries: the known ones come first, those of patches that
    # know less than the fullest are followed by some without a say.
    counts, order = known.sum(axis=1), np.argsort(~known, axis=1, kind="stable")
    at, to = order[:, : counts.max()], order[:, counts.min() :]
    real = np.arange(at.shape[1]) < counts[:, None]
    inner = _block(kernel, at, at) * (real[:, :, None] & real[:, None, :])
    inner[:, *np.diag_indices(at.shape[1])] += np.where(real, kernel.dtype.type(ridge), 1)
    cross = _block(kernel, at, to) * real[:, :, None]
    residual = np.take_along_axis(patches - mean, at, axis=1) * real
    solved = np.linalg.solve(inner, np.concatenate([residual[..., None], cross], axis=2))
    found = np.einsum("mkt,mk->mt", cross, solved[..., 0])
    told = np.einsum("mkt,mkt->mt", cross, solved[..., 1:])
    values, variance = mean, np.diagonal(kernel, axis1=1, axis2=2).copy()
    _add(values, to, found)
    _add(variance, to, -told)
    return np.where(known, patches, values), np.where(known, 0, np.maximum(variance, 0))


def _block(kernel: Array, at: Index, to: Index) -> Array:
    """kernel[m, at[m], to[m]] for every m."""
    m, size, _ = kernel.shape
    first = np.arange(m)[:, None] * size + at
    return np.take(kernel, first[:, :, None] * size + to[:, None, :])


def _add(values: Array, to: Index, more: Array) -> None:
    """values[m, to[m]] += more[m]; no place twice."""
    np.put_along_axis(values, to, np.take_along_axis(values, to, axis=1) + more, axis=1)


def precision(variance: Array, known: Mask, floor: float) -> NDArray[np.floating]:
    """What each value counts in a mean over patches: nothing at known entries."""
    return np.where(known, 0, 1 / (variance + variance.dtype.type(floor)))
