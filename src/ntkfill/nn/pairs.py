"""A network of Dense layers between feature vectors, from their inner products."""

from __future__ import annotations

from collections.abc import Sequence

from ..grid import Array
from .covariance import of_pairs
from .evaluate import Kind, Layer, run


def of_gram(
    layers: Sequence[Layer], gram: Array, left: Array, right: Array, kind: Kind = "ntk"
) -> Array:
    """The kernel for inner products (n, m) and squared lengths (n,) and (m,).

    Examples
    --------
    >>> import numpy as np
    >>> from ntkfill.nn import Dense, ReLU
    >>> of_gram([Dense(), ReLU(), Dense()], np.zeros((1, 1)), np.ones(1), np.ones(1)).round(4)
    array([[0.3183]])
    """
    state = run(layers, of_pairs(gram, left[:, None], right[None]))
    return state.ntk if kind == "ntk" else state.nngp
