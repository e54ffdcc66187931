"""A network of Dense layers between feature vectors, from their inner products.

The layers act on every pair alone. The products are made in strips, large enough for them to run
at full speed, and each strip goes through the layers in pieces: everything that an activation needs
in between stays in a core's cache. The variances go through the layers once, not once a piece.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np
from threadpoolctl import threadpool_limits

from ..kernels.table import Array
from ..runtime.threads import parallel_for
from .activations import Activation
from .evaluate import Kind, Layer
from .layers import Dense

# Rows and columns of a strip, and of a piece.
STRIP = 512, 4096
PIECE = 64, 512


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

    Parameters
    ----------
    layers : sequence of Dense and activations
    gram : float array of shape (n, m)
    left, right : float array of shape (n,) and (m,)
    kind : {"ntk", "nngp"}
    overwrite : bool
        Whether the result may take the place of `gram`.
    symmetric : bool
        Whether `gram` is, and `left` is `right`: half is mirrored.

    Returns
    -------
    array of shape (n, m)

    Examples
    --------
    >>> import numpy as np
    >>> from ntkfill.nn import Dense, ReLU
    >>> of_gram([Dense(), ReLU(), Dense()], np.zeros((1, 1)), np.ones(1), np.ones(1)).round(4)
    array([[0.3183]])
    """
    result = gram if overwrite else np.empty_like(gram)
    first = _variances(layers, left)
    sides = (first, first if symmetric else _variances(layers, right))
    every = slice(0, len(left)), slice(0, len(right))
    piece = _piece(len(right))
    for place in _triangle(len(left), piece) if symmetric else _pieces(*every, piece):
        result[place] = _through(layers, gram[place], sides, place, kind)
        if symmetric and place[0] != place[1]:
            result[place[::-1]] = result[place].T
    return result


def of_vectors(
    layers: Sequence[Layer], left: Array, right: Array | None = None, kind: Kind = "ntk"
) -> Array:
    """The kernel between rows of features, (n, k) and (m, k); of one set, half is mirrored.

    Examples
    --------
    >>> import numpy as np
    >>> from ntkfill.nn import Dense, ReLU
    >>> of_vectors([Dense(), ReLU(), Dense()], np.eye(2)).round(4)
    array([[2.    , 0.3183],
           [0.3183, 2.    ]])
    """
    other = left if right is None else right
    result = np.empty((len(left), len(other)), dtype=np.result_type(left, other))
    own = _lengths(left)
    first = _variances(layers, own)
    sides = (first, first if right is None else _variances(layers, _lengths(other)))

    def work(strip: tuple[slice, slice]) -> None:
        rows, columns = strip
        np.matmul(left[rows], other[columns].T, out=result[strip])
        if right is None and rows == columns:
            # The very numbers of the variances: correlations with itself are then exactly 1.
            np.fill_diagonal(result[strip], own[rows])
        for place in _pieces(rows, columns, _piece(columns.stop - columns.start)):
            result[place] = _through(layers, result[place], sides, place, kind)
            if right is None and rows != columns:
                result[place[::-1]] = result[place].T

    every = slice(0, len(left)), slice(0, len(other))
    with threadpool_limits(1):
        parallel_for(work, _triangle(len(left), STRIP) if right is None else _pieces(*every, STRIP))
    return result


def _piece(columns: int) -> tuple[int, int]:
    """As many rows as fit, the fewer columns there are the more."""
    wide = max(1, min(PIECE[1], columns))
    return max(1, PIECE[0] * PIECE[1] // wide), wide


def _pieces(rows: slice, columns: slice, sides: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """Rectangles of at most these sides."""
    for i in range(rows.start, rows.stop, sides[0]):
        for j in range(columns.start, columns.stop, sides[1]):
            yield slice(i, min(i + sides[0], rows.stop)), slice(j, min(j + sides[1], columns.stop))


def _triangle(count: int, sides: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """The diagonal in squares, and what is right of it in strips."""
    for i in range(0, count, sides[0]):
        rows = slice(i, min(i + sides[0], count))
        yield rows, rows
        yield from _pieces(rows, slice(rows.stop, count), sides)


def _through(
    layers: Sequence[Layer],
    tile: Array,
    sides: tuple[list[Array], list[Array]],
    place: tuple[slice, slice],
    kind: Kind,
) -> Array:
    """One piece through the layers, with the variances before each of them."""
    nngp, ntk = tile, None
    for layer, left, right in zip(layers, *sides, strict=True):
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
    """Before every layer, as far as an activation needs them."""
    last = max((k for k, layer in enumerate(layers) if not isinstance(layer, Dense)), default=0)
    found = [lengths]
    for layer in layers[:last]:
        before = found[-1]
        same = isinstance(layer, Dense)
        found.append(before if same else cast(Activation, layer).dual(before, before, before)[0])
    return (found + found[-1:] * len(layers))[: len(layers)]


def _lengths(rows: Array) -> Array:
    return np.einsum("ij,ij->i", rows, rows)
