"""The kernel of a network between objects that are made of items: sequences and graphs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy.linalg import eigh, hadamard

from ..errors import InputError
from ..kernels.table import Array
from ..runtime.resources import require
from .branches import Branches
from .covariance import Covariance, run
from .evaluate import Kind
from .items import Graph, Items, Recurrent, Side, mapped
from .resampling import GlobalAveragePool
from .structure import OF_ITEMS, Layer, needs_grid

# Items of a tile of pairs, on each side.
TILE = 1024


def of_objects(
    layers: Sequence[Layer], left: Sequence[Any], right: Sequence[Any] | None, kind: Kind
) -> Array:
    """The kernel between sequences or graphs: (n, m); or between all nodes of single graphs, where
    there is no GlobalAveragePool."""
    alone = isinstance(left, Graph)
    one = _read([left] if alone else left)
    two = one if right is None else _read([right] if alone else right)
    _check(layers, one, two, alone)
    if isinstance(layers[0], Recurrent):
        state = run(layers[1:], layers[0](*_padded(one, two)))
        return np.broadcast_to(getattr(state, kind), (len(one), len(two))).copy()
    sizes = [sum(map(len, _arrays(side))) for side in (one, two)]
    require("the kernel between objects", 8 * (sizes[0] * sizes[1] if alone else len(one) * len(two)))
    if alone:
        return _tile(layers, one, two, kind)
    result = np.empty((len(one), len(two)))
    for rows in _tiles(one):
        for columns in _tiles(two):
            if right is not None or rows.start <= columns.start:
                part = _tile(layers, one[rows], two[columns], kind)
                result[rows, columns] = part
                if right is None:
                    result[columns, rows] = part.T
    return result
