"""Kernels between sequences and between graphs, for priors of rows and columns.

A network of objects begins with `Recurrent`, or has `GraphConvolution` layers and ends them with
`GlobalAveragePool`. Its kernel is computed pair by pair; the result serves wherever a matrix of
similarities does: its root is a table of features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import InputError, check_number
from ..kernels.table import Array
from .activations import Activation, ReLU
from .covariance import Covariance, run
from .evaluate import Kind
from .resampling import GlobalAveragePool
from .structure import Layer, needs_grid


@dataclass(frozen=True)
class Recurrent:
    """A recurrent layer with the same weights at every step; its outputs are those of the last.

    The recurrent NTK (Alemohammad, Wang, Balestriero and Baraniuk, ICLR 2021, arXiv:2006.10246),
    without biases. Sequences of different lengths start late.

    Parameters
    ----------
    activation : activation
        Of the state; the default is `ReLU()`.
    recurrent, inputs : float
        Variances of the weights of the state and of the inputs; above 0.

    Raises
    ------
    InputError
        If a variance is not above zero.
    """

    activation: Activation = field(default_factory=ReLU)
    recurrent: float = 1.0
    inputs: float = 1.0

    def __post_init__(self) -> None:
        for name in ("recurrent", "inputs"):
            value = check_number(f"{name} of Recurrent", getattr(self, name), above=0)
            object.__setattr__(self, name, value)

    def __call__(self, left: Array, right: Array) -> Covariance:
        """The state after the last step, for sequences (n, steps, k) and (m, steps, k)."""
        state = Covariance.of_pairs(*(np.zeros(shape) for shape in ((1, 1),) * 3))
        for x, y in zip(np.moveaxis(left, 1, 0), np.moveaxis(right, 1, 0), strict=True):
            before = self.activation(state).each(lambda array: array * self.recurrent)
            nngp = before.nngp + self.inputs * (x @ y.T)
            own = before.left + self.inputs * np.sum(x**2, axis=1)[:, None]
            other = before.right + self.inputs * np.sum(y**2, axis=1)[None]
            state = Covariance(nngp, before.ntk + nngp, own, other)
        return state


@dataclass(frozen=True)
class GraphConvolution:
    """Weights on the mean over each node and its neighbours, as in the graph NTK.

    Du, Hou, Salakhutdinov, Poczos, Wang and Xu, NeurIPS 2019, arXiv:1905.13192.

    Examples
    --------
    >>> from ntkfill.nn import GlobalAveragePool
    >>> path = np.array([[0, 1.0], [1, 0]])
    >>> between_objects([GraphConvolution(), GlobalAveragePool()], [(np.eye(2), path)])
    array([[0.5]])
    """

    def __call__(self, state: Covariance, first: Array, second: Array) -> Covariance:
        """For states between the nodes of two graphs, with these averages over neighbours."""
        nngp, ntk = (first @ table @ second.T for table in (state.nngp, state.ntk))
        return Covariance(nngp, ntk + nngp, state.left, state.right)


def between_objects(
    layers: Sequence[Any],
    left: Sequence[Any],
    right: Sequence[Any] | None = None,
    kind: Kind = "ntk",
) -> Array:
    """The kernel between sequences or graphs: (n, m).

    Parameters
    ----------
    layers : sequence of layers
        `Recurrent` first, for sequences; otherwise of graphs.
    left, right : sequences of objects
        Arrays (steps, k); or pairs of features (nodes, k) and symmetric adjacency (nodes, nodes).
        The default of `right` is `left`.
    kind : {"ntk", "nngp"}

    Returns
    -------
    array of shape (n, m)

    Raises
    ------
    InputError
        If the network does not fit the objects.

    Examples
    --------
    >>> from ntkfill.nn import Dense, ReLU
    >>> between_objects([Recurrent(), ReLU(), Dense()], [np.ones((1, 2)), np.ones((3, 2))]).shape
    (2, 2)
    """
    right = left if right is None else right
    if layers and isinstance(layers[0], Recurrent):
        after = layers[1:]
        if any(map(needs_grid, after)):
            raise InputError("after Recurrent there are vectors only", got=repr(after))
        state = run(after, layers[0](*_padded(left, right)))
        return np.broadcast_to(getattr(state, kind), (len(left), len(right))).copy()
    pools = [isinstance(layer, GlobalAveragePool) for layer in layers]
    if pools.count(True) != 1:
        raise InputError("a network of graphs must have one GlobalAveragePool", got=repr(layers))
    end = pools.index(True)
    return np.array([[_graphs(layers, end, one, two, kind) for two in right] for one in left])


def _padded(left: Sequence[Any], right: Sequence[Any]) -> tuple[Array, Array]:
    """Zeros before the start of the shorter sequences: a state of zeros stays zero."""
    arrays = [[np.asarray(x, dtype=np.float64) for x in side] for side in (left, right)]
    every = [*arrays[0], *arrays[1]]
    if any(x.ndim != 2 or x.shape[1:] != every[0].shape[1:] for x in every):
        raise InputError(
            "sequences must be arrays of shape (steps, features), with as many features in all",
            got=", ".join(sorted({str(x.shape) for x in every}))[:200],
        )
    steps = max(len(x) for x in every)
    first, second = (
        np.stack([np.pad(x, ((steps - len(x), 0), (0, 0))) for x in side]) for side in arrays
    )
    return first, second


def _graphs(layers: Sequence[Layer], end: int, one: Any, two: Any, kind: Kind) -> float:
    """The kernel between two graphs: the states of each with itself, and of both."""
    x, y = (np.asarray(graph[0], dtype=np.float64) for graph in (one, two))
    a, b = (_means(np.asarray(graph[1], dtype=np.float64)) for graph in (one, two))
    sides = (a, a), (b, b), (a, b)
    states = _with_variances([(g, np.zeros_like(g)) for g in (x @ x.T, y @ y.T, x @ y.T)])
    for layer in layers[:end]:
        if isinstance(layer, GraphConvolution):
            after = [layer(state, *side) for state, side in zip(states, sides, strict=True)]
            states = _with_variances([(state.nngp, state.ntk) for state in after])
        else:
            states = [layer(state) for state in states]
    pooled = [(state.nngp.mean(keepdims=True), state.ntk.mean(keepdims=True)) for state in states]
    both = _with_variances(pooled)[2]
    return float(getattr(run(layers[end + 1 :], both), kind).item())


def _with_variances(tables: Sequence[tuple[Array, Array]]) -> list[Covariance]:
    """The states of two graphs and of their pair, with the variances of the nodes."""
    first, second = (np.diagonal(nngp) for nngp, _ in tables[:2])
    own = (first, first), (second, second), (first, second)
    return [
        Covariance(nngp, ntk, left[:, None], right[None])
        for (nngp, ntk), (left, right) in zip(tables, own, strict=True)
    ]


def _means(adjacency: Array) -> Array:
    """The mean over each node and its neighbours, as a matrix."""
    if adjacency.ndim != 2 or adjacency.shape[0] != adjacency.shape[1]:
        raise InputError("an adjacency must be a square array", got=f"shape {adjacency.shape}")
    loops = adjacency + np.eye(len(adjacency))
    return loops / loops.sum(axis=1, keepdims=True)
