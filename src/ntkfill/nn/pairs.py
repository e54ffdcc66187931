"""The kernel of a network of Dense layers between feature vectors, from their inner products.

Each pair goes through the layers independently. The inner products are computed in strips, large
enough for full speed, and each strip goes through the layers in tiles that stay in a core's cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..errors import InputError
from ..kernels.table import Array
from ..runtime.resources import parallel_for, single_blas_thread
from .covariance import Covariance, run
from .evaluate import Kind
from .structure import GRID, Layer, contains

# Rows and columns of a strip, and of a tile.
STRIP = 512, 4096
TILE = 64, 512


def of_gram(
    layers: Sequence[Layer],
    gram: Array,
    left: Array,
    right: Array,
    kind: Kind = "ntk",
    *,
    overwrite: bool = False,
    symmetric: bool = False,
) -> Array:
    """The kernel for inner products (n, m) and squared lengths (n,) and (m,), on one core.

    With `symmetric` (gram is, and left is right) half is mirrored; with `overwrite` the result may
    take the place of gram.

    >>> from ntkfill.nn import Dense, ReLU
    >>> of_gram([Dense(), ReLU(), Dense()], np.zeros((1, 1)), np.ones(1), np.ones(1)).round(4)
    array([[0.3183]])
    """
    result = gram if overwrite else np.empty_like(gram)
    size: tuple[int, int] | None = None
    if symmetric:  # squares along the diagonal, all of about one size: about that of a tile
        side = -(-len(left) // max(1, round(len(left) / (TILE[0] * TILE[1]) ** 0.5)))
        size = max(1, side), max(1, side)
    every = slice(0, len(left)), slice(0, len(right))
    for rows, columns in _tiles(*every, size, triangle=symmetric):
        result[rows, columns] = _tile(layers, gram[rows, columns], left[rows], right[columns], kind)
        if symmetric and rows != columns:
            result[columns, rows] = result[rows, columns].T
    return result


def of_vectors(
    layers: Sequence[Layer], left: Array, right: Array | None = None, kind: Kind = "ntk"
) -> Array:
    """The kernel between rows of features, (n, k) and (m, k), on all cores; of one set, half is
    mirrored."""
    if contains(layers, GRID):
        raise InputError(
            "a network of feature vectors must not have layers that need a grid",
            got=repr(layers),
            hint="Dense layers and activations",
        )
    other = left if right is None else right
    result = np.empty((len(left), len(other)), dtype=np.result_type(left, other))
    lengths = np.einsum("ij,ij->i", left, left)
    others = lengths if right is None else np.einsum("ij,ij->i", right, right)

    def work(strip: tuple[slice, slice]) -> None:
        rows, columns = strip
        np.matmul(left[rows], other[columns].T, out=result[strip])
        if right is None and rows == columns:
            # The same numbers as the variances: the correlation with itself is then exactly 1.
            np.fill_diagonal(result[strip], lengths[rows])
        for place in _tiles(rows, columns):
            first, second = lengths[place[0]], others[place[1]]
            result[place] = _tile(layers, result[place], first, second, kind)
            if right is None and rows != columns:
                result[place[::-1]] = result[place].T

    every = slice(0, len(left)), slice(0, len(other))
    with single_blas_thread():
        parallel_for(work, _tiles(*every, STRIP, triangle=right is None))
    return result


def _tiles(
    rows: slice, columns: slice, size: tuple[int, int] | None = None, *, triangle: bool = False
) -> Iterator[tuple[slice, slice]]:
    """Rectangles of at most this size; the default is that of a tile, with the more rows the fewer
    columns there are. Of the upper triangle squares along the diagonal, and the rest."""
    if size is None:
        width = max(1, min(TILE[1], columns.stop - columns.start))
        size = max(1, TILE[0] * TILE[1] // width), width
    for i in range(rows.start, rows.stop, size[0]):
        here = slice(i, min(i + size[0], rows.stop))
        if triangle:
            yield here, here
        for j in range(here.stop if triangle else columns.start, columns.stop, size[1]):
            yield here, slice(j, min(j + size[1], columns.stop))


def _tile(layers: Sequence[Layer], gram: Array, left: Array, right: Array, kind: Kind) -> Array:
    """The kernel for inner products (n, m) and squared lengths (n,) and (m,), all at once."""
    state = run(layers, Covariance.of_pairs(gram, left[:, None], right[None, :]))
    return state.nngp if kind == "nngp" else state.ntk
