"""The kernel of a network of Dense layers between feature vectors, from their inner products.

Each pair goes through the layers independently. The inner products are computed in strips, large
enough for full speed, and each strip goes through the layers in tiles that stay in a core's cache.
The variances go through the layers once, not once per tile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np

from ..kernels.table import Array
from ..runtime.resources import parallel_for, single_blas_thread
from .activations import Activation
from .evaluate import Kind, Layer
from .layers import Dense

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
    first = _variances(layers, left)
    variances = (first, first if symmetric else _variances(layers, right))
    every = slice(0, len(left)), slice(0, len(right))
    size = _tile_size(len(right))
    for place in _triangle(len(left), size) if symmetric else _tiles(*every, size):
        result[place] = _propagate(layers, gram[place], variances, place, kind)
        if symmetric and place[0] != place[1]:
            result[place[::-1]] = result[place].T
    return result


def of_lengths(layers: Sequence[Layer], lengths: Array, kind: Kind = "ntk") -> Array:
    """The kernel of vectors (n,) with themselves, from their squared lengths."""
    nngp, ntk = lengths, np.zeros_like(lengths)
    for layer in layers:
        if isinstance(layer, Dense):
            ntk = ntk + nngp
        else:
            nngp, derivative = cast(Activation, layer).dual(nngp, nngp, nngp)
            ntk = derivative * ntk
    return nngp if kind == "nngp" else ntk


def of_vectors(
    layers: Sequence[Layer], left: Array, right: Array | None = None, kind: Kind = "ntk"
) -> Array:
    """The kernel between rows of features, (n, k) and (m, k), on all cores; of one set, half is
    mirrored."""
    other = left if right is None else right
    result = np.empty((len(left), len(other)), dtype=np.result_type(left, other))
    lengths = np.einsum("ij,ij->i", left, left)
    first = _variances(layers, lengths)
    variances = (
        first,
        first if right is None else _variances(layers, np.einsum("ij,ij->i", right, right)),
    )

    def work(strip: tuple[slice, slice]) -> None:
        rows, columns = strip
        np.matmul(left[rows], other[columns].T, out=result[strip])
        if right is None and rows == columns:
            # The same numbers as the variances: the correlation with itself is then exactly 1.
            np.fill_diagonal(result[strip], lengths[rows])
        for place in _tiles(rows, columns, _tile_size(columns.stop - columns.start)):
            result[place] = _propagate(layers, result[place], variances, place, kind)
            if right is None and rows != columns:
                result[place[::-1]] = result[place].T

    every = slice(0, len(left)), slice(0, len(other))
    with single_blas_thread():
        parallel_for(work, _triangle(len(left), STRIP) if right is None else _tiles(*every, STRIP))
    return result


def _tile_size(columns: int) -> tuple[int, int]:
    """Rows and columns of a tile; the fewer columns there are, the more rows."""
    width = max(1, min(TILE[1], columns))
    return max(1, TILE[0] * TILE[1] // width), width


def _tiles(rows: slice, columns: slice, size: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """Rectangles of at most this size."""
    for i in range(rows.start, rows.stop, size[0]):
        for j in range(columns.start, columns.stop, size[1]):
            yield slice(i, min(i + size[0], rows.stop)), slice(j, min(j + size[1], columns.stop))


def _triangle(count: int, size: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """Squares along the diagonal, and rectangles of the rest of the upper triangle."""
    for i in range(0, count, size[0]):
        rows = slice(i, min(i + size[0], count))
        yield rows, rows
        yield from _tiles(rows, slice(rows.stop, count), size)


def _propagate(
    layers: Sequence[Layer],
    tile: Array,
    variances: tuple[list[Array], list[Array]],
    place: tuple[slice, slice],
    kind: Kind,
) -> Array:
    """One tile through the layers, given the variances before each of them."""
    nngp, ntk = tile, None
    for layer, left, right in zip(layers, *variances, strict=True):
        if isinstance(layer, Dense):
            ntk = nngp if ntk is None else ntk + nngp
        else:
            dual = cast(Activation, layer).dual
            nngp, derivative = dual(nngp, left[place[0], None], right[None, place[1]])
            ntk = None if ntk is None else np.multiply(derivative, ntk, out=derivative)
    if kind == "nngp":
        return nngp
    return np.zeros_like(tile) if ntk is None else ntk


def _variances(layers: Sequence[Layer], lengths: Array) -> list[Array]:
    """The variances before every layer, as far as an activation needs them."""
    last = max((k for k, layer in enumerate(layers) if not isinstance(layer, Dense)), default=0)
    found = [lengths]
    for layer in layers[:last]:
        before = found[-1]
        dense = isinstance(layer, Dense)
        found.append(before if dense else cast(Activation, layer).dual(before, before, before)[0])
    return (found + found[-1:] * len(layers))[: len(layers)]
