"""What is simple and hard to beat: estimators of profiles that use no network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ...errors import InputError
from ...kernels.table import Array
from ...runtime.memory import require
from ...solvers.linalg import product
from ..screen import Conditions, Screen, contexts


@runtime_checkable
class Method(Protocol):
    """Predicts profiles of conditions from a screen of measured ones."""

    def predict(self, train: Screen, conditions: Conditions) -> Array:
        """Profiles of shape (conditions, genes)."""


@dataclass(frozen=True)
class CellMean:
    """The mean over the training drugs of the same context (the mean over all for a new one).

    Examples
    --------
    >>> train = Screen([[1.0], [3.0], [8.0]], [["A", "x"], ["A", "y"], ["B", "x"]], ["g"])
    >>> CellMean().predict(train, np.array([["A", "z"], ["C", "x"]])).tolist()
    [[2.0], [4.0]]
    """

    def predict(self, train: Screen, conditions: Conditions) -> Array:
        return group_means(train.profiles, train.contexts, contexts(conditions))


@dataclass(frozen=True)
class Additive:
    """Context effect plus drug effect, by least squares (alternating means).

    Parameters
    ----------
    sweeps : int
        At most this many; two-way means without gaps need one.

    Examples
    --------
    >>> train = Screen([[1.0], [3.0], [8.0]], [["A", "x"], ["A", "y"], ["B", "x"]], ["g"])
    >>> Additive().predict(train, np.array([["B", "y"]])).round(3).tolist()
    [[10.0]]
    """

    sweeps: int = 200

    def predict(self, train: Screen, conditions: Conditions) -> Array:
        cells, cell, at_cell = _coded(train.contexts, contexts(conditions))
        drugs, drug, at_drug = _coded(train.drugs, conditions[:, 1])
        on_cells = np.zeros((cells, len(train.genes)))
        on_drugs = np.zeros((drugs, len(train.genes)))
        scale = np.abs(train.profiles).max()
        for _ in range(self.sweeps):
            before = on_drugs
            on_cells = _means(train.profiles - on_drugs[drug], cell, cells)
            on_drugs = _means(train.profiles - on_cells[cell], drug, drugs)
            if np.abs(on_drugs - before).max() <= 1e-10 * scale:
                break
        # A new context is the mean of the known ones, a new drug has no effect.
        result = np.where(
            (at_cell >= 0)[:, None], on_cells[at_cell], on_cells.mean(axis=0, keepdims=True)
        )
        mean_drug = on_drugs.mean(axis=0, keepdims=True)
        return result + np.where((at_drug >= 0)[:, None], on_drugs[at_drug], mean_drug)


@dataclass(frozen=True)
class DNPP:
    """Drug neighbour profile prediction: the weighted mean over the most similar drugs.

    Two drugs are as similar as the mean over the contexts in which both were measured of the
    correlation of their profiles. Negative weights are clipped; where no drug is similar, the
    context's mean stands in (Hodos et al. 2018, doi:10.1142/9789813235533_0004).

    Parameters
    ----------
    neighbours : int

    Examples
    --------
    >>> labels = [["A", "x"], ["A", "y"], ["B", "x"]]
    >>> train = Screen([[1.0, 2.0], [2.0, 4.0], [5.0, 9.0]], labels, ["g", "h"])
    >>> DNPP().predict(train, np.array([["B", "y"]])).tolist()
    [[5.0, 9.0]]
    """

    neighbours: int = 10

    def predict(self, train: Screen, conditions: Conditions) -> Array:
        if self.neighbours < 1:
            raise InputError("DNPP needs a neighbour", got=str(self.neighbours))
        wanted = contexts(conditions)
        names, drug = np.unique(train.drugs, return_inverse=True)
        place = {name: k for k, name in enumerate(names.tolist())}
        near = similarities(train.profiles, train.contexts, drug, len(names))
        result = CellMean().predict(train, conditions)
        for context in np.unique(wanted):
            rows = np.flatnonzero(train.contexts == context)
            at = np.flatnonzero(wanted == context)
            at = at[[name in place for name in conditions[at, 1].tolist()]]
            if not len(rows) or not len(at):
                continue
            asked = np.array([place[name] for name in conditions[at, 1].tolist()])
            weights = np.maximum(near[np.ix_(asked, drug[rows])], 0.0)
            weights[asked[:, None] == drug[rows]] = 0.0  # itself is no neighbour
            weights = _largest(weights, self.neighbours)
            total = weights.sum(axis=1, keepdims=True)
            some = total[:, 0] > 0
            result[at[some]] = product(weights[some] / total[some], train.profiles[rows])
        return result


def similarities(
    profiles: Array, groups: NDArray[np.str_], drug: NDArray[np.intp], drugs: int
) -> Array:
    """Mean over the groups that two drugs share of the correlation of their profiles there."""
    require("the similarity of all drugs", 24 * drugs**2, hint="fewer drugs")
    total, shared = np.zeros((drugs, drugs)), np.zeros((drugs, drugs))
    apart = profiles - profiles.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(apart, axis=1, keepdims=True)
    apart /= np.where(lengths > 0, lengths, 1.0)
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        both = np.ix_(drug[rows], drug[rows])
        total[both] += product(apart[rows], apart[rows].T)
        shared[both] += 1
    return np.where(shared > 0, total / np.maximum(shared, 1), 0.0)


def group_means(profiles: Array, groups: NDArray[np.str_], wanted: NDArray[np.str_]) -> Array:
    """The mean profile of each group that is asked for; of an unknown one, the mean over all."""
    count, codes, at = _coded(groups, wanted)
    means = _means(profiles, codes, count)
    return np.where((at >= 0)[:, None], means[at], profiles.mean(axis=0, keepdims=True))


def _coded(
    known: NDArray[np.str_], wanted: NDArray[np.str_]
) -> tuple[int, NDArray[np.intp], NDArray[np.intp]]:
    """How many names, the number of each known one, and of each wanted one (-1: unknown)."""
    names, codes = np.unique(known, return_inverse=True)
    place = {name: k for k, name in enumerate(names.tolist())}
    return len(names), codes, np.array([place.get(x, -1) for x in wanted.tolist()], dtype=np.intp)


def _means(values: Array, codes: NDArray[np.intp], count: int) -> Array:
    rows = np.arange(len(codes))
    member = csr_array((np.ones(len(codes)), (codes, rows)), shape=(count, len(codes)))
    return (member @ values) / np.bincount(codes, minlength=count)[:, None]


def _largest(weights: Array, count: int) -> Array:
    """Zero all but the largest of every row; the first of equals are kept."""
    if weights.shape[1] <= count:
        return weights
    order = np.argsort(-weights, axis=1, kind="stable")[:, :count]
    result = np.zeros_like(weights)
    np.put_along_axis(result, order, np.take_along_axis(weights, order, axis=1), axis=1)
    return result
