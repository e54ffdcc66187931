"""Layers of objects that are made of items: the steps of a sequence, the nodes of a graph.

The items of several objects are held one after another, so that all pairs of objects go through a
layer at once: the state is between all items of some objects and all items of others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import block_diag
from scipy.sparse import csr_array
from scipy.special import softmax

from ..errors import InputError, check_number
from ..kernels.table import Array
from .activations import Activation, ReLU
from .covariance import Covariance


@dataclass(frozen=True, eq=False)
class Graph:
    """Features of nodes, and the weights of the edges between them.

    Parameters
    ----------
    nodes : array of shape (nodes, k)
    weights : array of shape (nodes, nodes)
        Symmetric, at least 0; 0 where there is no edge.

    Raises
    ------
    InputError
        If the shapes do not match, or weights are negative, not finite or not symmetric.

    Examples
    --------
    >>> Graph(np.eye(3), np.ones((3, 3)) - np.eye(3))
    Graph(3 nodes, 3 edges, 3 features)
    """

    nodes: Array
    weights: Array

    def __init__(self, nodes: ArrayLike, weights: ArrayLike) -> None:
        features, edges = (np.array(x, dtype=np.float64) for x in (nodes, weights))
        if features.ndim != 2 or edges.shape != (len(features),) * 2 or features.size == 0:
            raise InputError(
                "a graph must have nodes of shape (n, k) and weights of shape (n, n)",
                got=f"shapes {features.shape} and {edges.shape}",
            )
        if not (np.isfinite(edges).all() and (edges >= 0).all() and (edges == edges.T).all()):
            raise InputError("weights of a graph must be symmetric, finite and >= 0")
        if not np.isfinite(features).all():
            raise InputError("features of nodes must be finite", got="NaN or infinity")
        object.__setattr__(self, "nodes", features)
        object.__setattr__(self, "weights", edges)

    def __repr__(self) -> str:
        edges = np.count_nonzero(np.triu(self.weights, 1))
        return f"Graph({len(self.nodes)} nodes, {edges} edges, {self.nodes.shape[1]} features)"


@dataclass(frozen=True, eq=False)
class Items:
    """The items of several objects, one after another."""

    features: Array  # (items, k)
    sizes: list[int]  # of each object
    weights: list[Array]  # of the edges of each; empty for sequences

    @classmethod
    def of(cls, objects: list[Graph] | list[Array]) -> Items:
        features = [x.nodes if isinstance(x, Graph) else x for x in objects]
        weights = [x.weights for x in objects if isinstance(x, Graph)]
        return cls(np.concatenate(features), [len(x) for x in features], weights)

    @cached_property
    def members(self) -> csr_array:
        """(objects, items), one where an item is of an object."""
        items = np.arange(len(self.features))
        rows = np.repeat(np.arange(len(self.sizes)), self.sizes)
        return csr_array((np.ones(len(items)), (rows, items)))

    @cached_property
    def mean(self) -> csr_array:
        """(objects, items), the mean over the items of each object."""
        return csr_array(self.members / np.array(self.sizes)[:, None])

    @cached_property
    def neighbours(self) -> csr_array:
        """(items, items), the mean over each node and its neighbours."""
        if not self.weights:
            raise InputError("GraphConvolution needs graphs", hint="nn.Graph(nodes, weights)")
        loops = [weights + np.eye(len(weights)) for weights in self.weights]
        return csr_array(block_diag(*[x / x.sum(axis=1, keepdims=True) for x in loops]))


class Side(NamedTuple):
    """The objects of one side of all pairs: their items, and the nngp between these."""

    items: Items
    nngp: Array  # (items, items); only the blocks of single objects are used


def mapped(rows: csr_array, table: Array, columns: csr_array) -> Array:
    """A table after linear maps of the items of both sides."""
    return np.asarray((columns @ (rows @ table).T).T)


@dataclass(frozen=True)
class GraphConvolution:
    """Weights on the mean over each node and its neighbours, as in the graph NTK.

    Du, Hou, Salakhutdinov, Poczos, Wang and Xu, NeurIPS 2019, arXiv:1905.13192.

    Examples
    --------
    >>> from ntkfill.nn import GlobalAveragePool, Sequential
    >>> path = Graph(np.eye(2), [[0, 1], [1, 0]])
    >>> Sequential(GraphConvolution(), GlobalAveragePool()).between([path])
    array([[0.5]])
    """

    def __call__(self, state: Covariance, rows: Side, columns: Side) -> tuple[Array, Array]:
        """The nngp and ntk of the outputs."""
        nngp, ntk = (
            mapped(rows.items.neighbours, table, columns.items.neighbours)
            for table in (state.nngp, state.ntk)
        )
        return nngp, ntk + nngp


@dataclass(frozen=True)
class Attention:
    """Self-attention of the items of each object, with infinitely many heads.

    Hron, Bahri, Sohl-Dickstein and Novak, ICML 2020, arXiv:2006.10540. Without positions: append
    them to the features of the items.

    Parameters
    ----------
    scores : {"softmax", "linear"}
        "softmax": keys are the queries, and their products are divided by the number of channels,
        so that the weights of the values tend to ``softmax(scale * nngp)``. "linear": keys and
        queries are independent, and their products, divided by the root of the number of channels,
        are the weights without a softmax, divided by the number of items. With random scores the
        softmax has no closed form.
    scale : float
        Of the scores; above 0.

    Raises
    ------
    InputError
        If the scores are unknown, or the scale not above zero.

    Examples
    --------
    >>> from ntkfill.nn import GlobalAveragePool, Sequential
    >>> words = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> Sequential(Attention(), GlobalAveragePool()).between([words])
    array([[1.]])
    """

    scores: Literal["softmax", "linear"] = "softmax"
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.scores not in ("softmax", "linear"):
            raise InputError("scores must be 'softmax' or 'linear'", got=repr(self.scores))
        object.__setattr__(self, "scale", check_number("the scale of scores", self.scale, above=0))

    def __call__(self, state: Covariance, rows: Side, columns: Side) -> tuple[Array, Array]:
        """The nngp and ntk of the outputs."""
        if self.scores == "softmax":
            one, two = map(self._weights, (rows, columns))
            nngp, ntk = (mapped(one, table, two) for table in (state.nngp, state.ntk))
            return nngp, ntk + 2 * nngp  # by the weights of values and of outputs

        squares = self.scale**2 * _means(state.nngp**2, rows, columns)
        products = self.scale**2 * _means(state.nngp * state.ntk, rows, columns)
        nngp = state.nngp * squares
        # By four weights; through the query; through the key and the value, which are alike.
        return nngp, 4 * nngp + state.ntk * squares + 2 * state.nngp * products

    def _weights(self, side: Side) -> csr_array:
        """What each item takes of the others of its object: (items, items)."""
        ends = np.cumsum(side.items.sizes)
        places = [slice(end - size, end) for end, size in zip(ends, side.items.sizes, strict=True)]
        blocks = [softmax(self.scale * side.nngp[own, own], axis=1) for own in places]
        return csr_array(block_diag(*blocks))


def _means(table: Array, rows: Side, columns: Side) -> Array:
    """The mean over all pairs of items of two objects, for each of these pairs."""
    one, two = rows.items, columns.items
    of_objects = mapped(one.mean, table, two.mean)
    return mapped(csr_array(one.members.T), of_objects, csr_array(two.members.T))


@dataclass(frozen=True)
class Recurrent:
    """A recurrent layer with the same weights at every step; its outputs are those of the last.

    The recurrent NTK (Alemohammad, Wang, Balestriero and Baraniuk, ICLR 2021, arXiv:2006.10246),
    without biases. It is the first layer of a network. Sequences of different lengths start late.

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

    Examples
    --------
    >>> from ntkfill.nn import Dense, Sequential
    >>> short, long = np.ones((1, 2)), np.ones((3, 2))
    >>> Sequential(Recurrent(), ReLU(), Dense()).between([short, long]).round(1)
    array([[ 4. ,  3.7],
           [ 3.7, 18. ]])
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
