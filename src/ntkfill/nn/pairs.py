"""A network of Dense layers between feature vectors, from their inner products.

The layers act on every pair alone, so the pairs are taken a tile at a time: everything that an
activation needs in between stays in a core's cache, and the tiles go to all cores.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from threadpoolctl import threadpool_limits

from ..grid import Array
from ..threads import spread
from .covariance import of_pairs
from .evaluate import Kind, Layer, run

# Sides of a tile: wide enough that the variances, which every tile makes anew, do not count.
TILE = 128
# Where the products are made tile by tile too, they want larger ones.
PRODUCT = 256


def of_gram(
    layers: Sequence[Layer],
    gram: Array,
    left: Array,
    right: Array,
    kind: Kind = "ntk",
    *,
    overwrite: bool = False,
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

    def work(corner: tuple[int, int]) -> None:
        rows, columns = (
            slice(k, k + side) for k, side in zip(corner, (TILE, 2 * TILE), strict=True)
        )
        tile = np.ascontiguousarray(gram[rows, columns])
        result[rows, columns] = _mapped(layers, tile, left[rows], right[columns], kind)

    n, m = gram.shape
    for i in range(0, n, TILE):
        for j in range(0, m, 2 * TILE):
            work((i, j))
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
    own, others = _lengths(left), _lengths(other)

    def work(corner: tuple[int, int]) -> None:
        rows, columns = (slice(k, k + PRODUCT) for k in corner)
        tile = left[rows] @ other[columns].T
        if right is None and rows == columns:
            # The very numbers of the variances: correlations with itself are then exactly 1.
            np.fill_diagonal(tile, own[rows])
        result[rows, columns] = value = _mapped(layers, tile, own[rows], others[columns], kind)
        if right is None and rows != columns:
            result[columns, rows] = value.T

    starts = [range(0, len(x), PRODUCT) for x in (left, other)]
    with threadpool_limits(1):
        spread(work, [(i, j) for i in starts[0] for j in starts[1] if right is not None or i <= j])
    return result


def _mapped(layers: Sequence[Layer], tile: Array, left: Array, right: Array, kind: Kind) -> Array:
    state = run(layers, of_pairs(tile, left[:, None], right[None]))
    return state.ntk if kind == "ntk" else state.nngp


def _lengths(rows: Array) -> Array:
    return np.einsum("ij,ij->i", rows, rows)
