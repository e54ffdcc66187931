"""The kernel of a network between objects that are made of items: sequences and graphs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from ..kernels.table import Array
from ..runtime.resources import require
from .branches import Branches, joined
from .covariance import Covariance, run
from .evaluate import Kind
from .items import Attention, Graph, GraphConvolution, Items, Recurrent, Side, mapped
from .layers import GlobalAveragePool
from .structure import GRID, OF_ITEMS, TO_VECTOR, Layer, contains

# Items of one tile of pairs, on each side.
TILE = 1024


def of_objects(
    layers: Sequence[Layer], left: Any, right: Any | None = None, kind: Kind = "ntk"
) -> Array:
    """The kernel between sequences or graphs, (n, m); between the nodes of one graph and those of
    another, where the network does not pool them."""
    one = _objects(left)
    two = one if right is None else _objects(right)
    _check(layers)
    first: Any = layers[0] if layers else None
    if isinstance(first, Recurrent):
        state = run(layers[1:], first(*_padded(one, two)))
        return np.broadcast_to(getattr(state, kind), (len(one), len(two))).copy()
    nodes = isinstance(left, Graph)
    if nodes == contains(layers, GlobalAveragePool):
        raise InputError(
            "a network of several objects must have GlobalAveragePool, one of the nodes of a "
            "single graph not",
            got=repr(layers),
        )
    each = Items.of(one), Items.of(two)
    counts = [len(side.features if nodes else side.sizes) for side in each]
    require("the kernel between objects", 8 * counts[0] * counts[1])
    result = np.empty(counts)
    if nodes:
        result[:] = _pairs(layers, *each, kind)
        return result
    for rows in _tiles(each[0].sizes):
        for columns in _tiles(each[1].sizes):
            if right is not None or rows.start <= columns.start:
                part = _pairs(layers, Items.of(one[rows]), Items.of(two[columns]), kind)
                result[rows, columns] = part
                if right is None:
                    result[columns, rows] = part.T
    return result


def _check(layers: Sequence[Layer]) -> None:
    """Refuse layers that have no meaning for objects, and those after which there are none."""
    if contains(layers, GRID):
        raise InputError("a network of sequences or graphs must not need a grid", got=repr(layers))
    vectors = False
    for k, layer in enumerate(layers):
        recurrent = contains([layer], Recurrent)
        if (vectors and contains([layer], (*OF_ITEMS, *TO_VECTOR))) or (recurrent and k > 0):
            raise InputError(
                "Recurrent must come first, and after it or GlobalAveragePool there are vectors, "
                "without items that could be mixed",
                got=repr(layers),
            )
        vectors = vectors or recurrent or contains([layer], GlobalAveragePool)


def _objects(given: Any) -> list[Any]:
    """Graphs, or float arrays of shape (items, k)."""
    listed = [given] if isinstance(given, Graph) else list(given)
    graphs = [isinstance(x, Graph) for x in listed]
    arrays = [x.nodes if isinstance(x, Graph) else np.asarray(x, np.float64) for x in listed]
    shapes = {x.shape[1:] for x in arrays}
    if any(x.ndim != 2 or 0 in x.shape for x in arrays) or len(shapes) != 1:
        raise InputError(
            "objects must be graphs, or arrays of shape (items, features), with as many features "
            "in all",
            got=", ".join(sorted({str(x.shape) for x in arrays}))[:200] or "none",
            hint="nn.kernel_features(network, objects), where features of rows are asked for",
        )
    if not all(graphs) and any(graphs):
        raise InputError("objects must be all graphs or all arrays", got=repr(listed)[:200])
    if not all(np.isfinite(x).all() for x in arrays):
        raise InputError("features of objects must be finite", got="NaN or infinity")
    return listed if all(graphs) else arrays


def _padded(left: list[Any], right: list[Any]) -> tuple[Array, Array]:
    """Zeros before the start of the shorter sequences: a state of zeros stays zero."""
    if isinstance(left[0], Graph) or isinstance(right[0], Graph):
        raise InputError("Recurrent needs sequences, arrays of shape (steps, features)")
    steps = max(map(len, [*left, *right]))
    first, second = (
        np.stack([np.pad(x, ((steps - len(x), 0), (0, 0))) for x in side]) for side in (left, right)
    )
    return first, second


def _tiles(sizes: Sequence[int]) -> Iterator[slice]:
    """Consecutive objects that have about as many items as a tile."""
    start = total = 0
    for k, size in enumerate(sizes):
        if k > start and total + size > TILE:
            yield slice(start, k)
            start, total = k, 0
        total += size
    yield slice(start, len(sizes))


def _pairs(layers: Sequence[Layer], one: Items, two: Items, kind: Kind) -> Array:
    """The kernel of all pairs of a tile."""
    grams = [x.features @ y.features.T for x, y in ((one, one), (two, two), (one, two))]
    first, second = (_own(gram, np.zeros_like(gram)) for gram in grams[:2])
    both = Covariance(grams[2], np.zeros_like(grams[2]), first.left, second.right)
    return np.asarray(getattr(_run(layers, (first, second, both), one, two)[2], kind))


States = tuple[Covariance, Covariance, Covariance]


def _run(layers: Sequence[Layer], states: States, one: Items, two: Items) -> States:
    """The layers on the states of the first objects, of the second and of the pairs."""
    for layer in layers:
        if isinstance(layer, Branches):
            each = [_run(branch, states, one, two) for branch in layer.branches]
            first, second, both = (joined(layer, part, ()) for part in zip(*each, strict=True))
        elif isinstance(layer, GraphConvolution | Attention | GlobalAveragePool):
            sides = Side(one, states[0].nngp), Side(two, states[1].nngp)
            ends = (sides[0], sides[0]), (sides[1], sides[1]), sides
            mixed = [_mixed(layer, *pair) for pair in zip(states, ends, strict=True)]
            first, second = (_own(*tables) for tables in mixed[:2])
            both = Covariance(*mixed[2], first.left, second.right)
        else:
            first, second, both = map(layer, states)
        states = first, second, Covariance(both.nngp, both.ntk, first.left, second.right)
    return states


def _mixed(layer: Layer, state: Covariance, sides: tuple[Side, Side]) -> tuple[Array, Array]:
    """The nngp and ntk after a layer that mixes the items of each object."""
    if isinstance(layer, GraphConvolution | Attention):
        return layer(state, *sides)
    rows, columns = (side.items.mean for side in sides)
    return mapped(rows, state.nngp, columns), mapped(rows, state.ntk, columns)


def _own(nngp: Array, ntk: Array) -> Covariance:
    """The state between the items of some objects, with their variances."""
    variances = np.diagonal(nngp)
    return Covariance(nngp, ntk, variances[:, None], variances[None])
