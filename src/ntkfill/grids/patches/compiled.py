"""A pass over the patches of a tile, compiled by Numba: the arithmetic of `passes`, `prior` and
`solvers.Blockwise`, to rounding, in a third of their time."""

from __future__ import annotations

import numpy as np
from numba import njit

from ...kernels.table import Array, Index
from ...observed import Mask

# Loops over entries are written out with all indices, and four terms at a time: that is what the
# compiler makes vector instructions of. It may join products and sums, but not reorder sums.
OPTIONS = {"nogil": True, "cache": True, "error_model": "numpy", "fastmath": {"contract", "nsz"}}


@njit(**OPTIONS)
def usable_patches(
    corners: Index,  # (k,): where patches begin in the box
    offsets: Index,  # (n,)
    known: Mask,  # (box,)
    targets: Mask,  # (box,)
    min_known: float,
) -> tuple[Index, Mask, Mask]:
    """The places of patches with targets and enough known entries; which entries are known, which
    are targets: (m, n)."""
    n = len(offsets)
    places = np.empty((len(corners), n), np.intp)
    m = 0
    for corner in corners:
        n_known, n_targets = 0, 0
        for j in range(n):
            place = corner + offsets[j]
            places[m, j] = place
            n_known += known[place]
            n_targets += targets[place]
        m += n_known >= min_known and n_targets > 0
    places = places[:m].copy()
    inside, wanted = np.empty((m, n), np.bool_), np.empty((m, n), np.bool_)
    for a in range(m):
        for j in range(n):
            inside[a, j], wanted[a, j] = known[places[a, j]], targets[places[a, j]]
    return places, inside, wanted


@njit(**OPTIONS)
def distance_factors(
    part: Array,  # float32 (box,)
    places: Index,  # (m, n)
    known: Mask,  # (m, n)
    imputed_weight: float,
    candidates: Index,  # (k,): where each begins in the box
    offsets: Index,  # (n,)
) -> tuple[Array, Array]:
    """Two matrices whose product is the distances: those of `prior.distance_factors`."""
    (m, n), k = places.shape, len(candidates)
    right = np.empty((2 * n + 1, k), np.float32)
    for j in range(n):
        for a in range(k):
            value = part[candidates[a] + offsets[j]]
            right[j, a] = value
            right[n + j, a] = value * value
    right[2 * n] = 1
    left = np.empty((m, 2 * n + 1), np.float32)
    for a in range(m):
        own = np.float32(0)
        for j in range(n):
            value = part[places[a, j]]
            weight = np.float32(1) if known[a, j] else np.float32(imputed_weight)
            left[a, j] = -2 * weight * value
            left[a, n + j] = weight
            own += weight * value * value
        left[a, 2 * n] = own
    return left, right


@njit(**OPTIONS)
def add_completed(
    part: Array,  # float32 (box,): the part of the grid that the patches lie in
    places: Index,  # (m, n): in the box
    neighbours: Index,  # (m, count): where each begins in the box
    offsets: Index,  # (n,)
    known: Mask,  # (m, n)
    targets: Mask,  # (m, n)
    ridge: float,
    misfit_ridge: float,  # the ridge is at least this share of the square error of the nearest
    shrinkage: float,
    floor: float,  # of the variance
    sums: Array,  # float64 (3, box)
) -> None:
    """Complete patches from their neighbours, and add weight * value, weight, weight * variance."""
    m, n = places.shape
    kernels, means, ridges = _kernels(
        part, places, neighbours, offsets, known, np.float32(ridge), np.float32(misfit_ridge)
    )
    count = neighbours.shape[1]
    common = np.zeros((n, n), np.float32)  # of all patches
    if shrinkage > 0:
        for a in range(m):
            for i in range(n):
                for j in range(n):
                    common[i, j] += kernels[a, i, j]
    own_share = np.float32((1 - shrinkage) / count)
    common_share = np.float32(shrinkage / (count * m))
    largest = np.float32(0)
    for a in range(m):
        for i in range(n):
            for j in range(n):
                kernels[a, i, j] = kernels[a, i, j] * own_share + common[i, j] * common_share
            largest = max(largest, kernels[a, i, i])
    info = np.finfo(np.float32)
    least = max(np.float32(ridge), info.eps * largest, info.tiny)
    rows = np.empty((n, n), np.float32)  # of the factor: L^-1 K[known, every]
    solved = np.empty(n, np.float32)  # L^-1 (y - mean)
    predicted = np.empty(n, np.float32)
    variance = np.empty(n, np.float32)
    for a in range(m):
        for j in range(n):
            predicted[j] = 0
            variance[j] = kernels[a, j, j]
        k = 0
        for at in range(n):
            if not known[a, at]:
                continue
            for j in range(n):
                rows[k, j] = kernels[a, at, j]
            rows[k, at] += ridges[a]
            y = part[places[a, at]] - means[a, at]
            p = 0
            while p + 4 <= k:
                b, c = rows[p, at], rows[p + 1, at]
                d, e = rows[p + 2, at], rows[p + 3, at]
                y -= b * solved[p] + c * solved[p + 1] + d * solved[p + 2] + e * solved[p + 3]
                for j in range(n):
                    rows[k, j] -= (
                        b * rows[p, j]
                        + c * rows[p + 1, j]
                        + d * rows[p + 2, j]
                        + e * rows[p + 3, j]
                    )
                p += 4
            while p < k:
                b = rows[p, at]
                y -= b * solved[p]
                for j in range(n):
                    rows[k, j] -= b * rows[p, j]
                p += 1
            scale = np.float32(1) / np.sqrt(max(rows[k, at], least))
            y *= scale
            solved[k] = y
            for j in range(n):
                entry = rows[k, j] * scale
                rows[k, j] = entry
                predicted[j] += y * entry
                variance[j] -= entry * entry
            k += 1
        for j in range(n):
            if targets[a, j]:
                place = places[a, j]
                value, left = predicted[j] + means[a, j], max(variance[j], np.float32(0))
                if known[a, j]:
                    value, left = part[place], np.float32(0)
                weight = np.float32(1) / (left + np.float32(floor))
                sums[0, place] += weight * value
                sums[1, place] += weight
                sums[2, place] += weight * left


@njit(**OPTIONS)
def _kernels(
    part: Array,
    places: Index,
    neighbours: Index,
    offsets: Index,
    known: Mask,
    ridge: float,
    misfit_ridge: float,
) -> tuple[Array, Array, Array]:
    """Sums of products of the neighbours about their mean (m, n, n), means (m, n), ridges (m,)."""
    m, n = places.shape
    count = neighbours.shape[1]
    kernels = np.empty((m, n, n), np.float32)
    means = np.empty((m, n), np.float32)
    ridges = np.full(m, ridge, np.float32)
    features = np.empty((count, n), np.float32)
    mean = np.empty(n, np.float32)
    kernel = np.empty((n, n), np.float32)
    for a in range(m):
        for j in range(n):
            mean[j] = 0
        for i in range(count):
            first = neighbours[a, i]
            for j in range(n):
                value = part[first + offsets[j]]
                features[i, j] = value
                mean[j] += value
        if misfit_ridge > 0:
            nearest, n_known = np.float32(np.inf), np.float32(0)
            for i in range(count):
                square, n_known = np.float32(0), np.float32(0)
                for j in range(n):
                    if known[a, j]:
                        square += (features[i, j] - part[places[a, j]]) ** 2
                        n_known += 1
                nearest = min(nearest, square)
            if misfit_ridge * (nearest / n_known) > ridge:
                ridges[a] = misfit_ridge * (nearest / n_known)
        for j in range(n):
            mean[j] /= count
            means[a, j] = mean[j]
        for i in range(count):
            for j in range(n):
                features[i, j] -= mean[j]
        for i in range(n):
            for j in range(n):
                kernel[i, j] = 0
        c = 0
        while c + 4 <= count:
            for i in range(n):
                b, d = features[c, i], features[c + 1, i]
                e, f = features[c + 2, i], features[c + 3, i]
                for j in range(n):
                    kernel[i, j] += (
                        b * features[c, j]
                        + d * features[c + 1, j]
                        + e * features[c + 2, j]
                        + f * features[c + 3, j]
                    )
            c += 4
        while c < count:
            for i in range(n):
                b = features[c, i]
                for j in range(n):
                    kernel[i, j] += b * features[c, j]
            c += 1
        for i in range(n):
            for j in range(n):
                kernels[a, i, j] = kernel[i, j]
    return kernels, means, ridges
