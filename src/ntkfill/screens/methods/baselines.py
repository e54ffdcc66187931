"""Baselines: estimators of profiles that use no network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError, finite
from ...kernels import product
from ...kernels.table import Array
from ...nn import fully_connected
from ...runtime.resources import require, single_blas_thread
from ...solvers.spectral import RIDGES, Spectrum
from ..features import SideFeatures, encode, group_means, group_sums, unit_rows
from ..screen import Conditions, Screen, contexts, log_numbers

# Of features; three hidden layers where learned covariances, which are features already, have one.
NETWORK = fully_connected(3)


@runtime_checkable
class Method(Protocol):
    """Predicts profiles of conditions from a screen of measured ones."""

    def predict(self, train: Screen, conditions: Conditions) -> Array:
        """Profiles of shape (conditions, genes)."""


def check_method(method: object) -> None:
    """Refuse a name or a class where a method is needed."""
    if isinstance(method, type) or not isinstance(method, Method):
        got = method.__name__ if isinstance(method, type) else repr(method)
        raise InputError(
            "method must be an instance with a method predict",
            got=got,
            hint="ntkfill.screens.NTK()",
        )


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
        means = group_means(train.profiles, train.contexts, contexts(conditions))
        return finite("the prediction", means)


@dataclass(frozen=True)
class Additive:
    """Context effect plus drug effect, by least squares (alternating means).

    A new context or drug has the mean effect of the known ones or, with features, the effect that
    they tell of: ridge regression with the NTK of the centred features. Every principal component
    of the effects has a ridge of its own, chosen by closed-form leave-one-out over the known drugs
    or contexts, or stays at its mean.

    Parameters
    ----------
    max_iter : int
        Two-way means without gaps need one iteration.
    features : tuple of SideFeatures
        Of drugs (``by="drug"``) or cell lines (``by="cell"``).

    Examples
    --------
    >>> train = Screen([[1.0], [3.0], [8.0]], [["A", "x"], ["A", "y"], ["B", "x"]], ["g"])
    >>> Additive().predict(train, np.array([["B", "y"]])).round(3).tolist()
    [[10.0]]
    """

    max_iter: int = 200
    features: tuple[SideFeatures, ...] = ()

    def predict(self, train: Screen, conditions: Conditions) -> Array:
        cell, at_cell, cells = encode(train.contexts, contexts(conditions))
        drug, at_drug, drugs = encode(train.drugs, conditions[:, 1])
        cell_effect = np.zeros((cells, len(train.genes)))
        drug_effect = np.zeros((drugs, len(train.genes)))
        scale = np.abs(train.profiles).max()
        for _ in range(self.max_iter):
            before = drug_effect
            cell_effect = _group_means(train.profiles - drug_effect[drug], cell, cells)
            drug_effect = _group_means(train.profiles - cell_effect[cell], drug, drugs)
            if np.abs(drug_effect - before).max() <= 1e-10 * scale:
                break
        result = np.zeros((len(conditions), len(train.genes)))
        for field, code, at, effect in (
            (0, cell, at_cell, cell_effect),
            (1, drug, at_drug, drug_effect),
        ):
            known = train.labels[np.unique(code, return_index=True)[1], field]
            result += np.where((at >= 0)[:, None], effect[at], effect.mean(axis=0))
            new = at < 0
            if new.any():
                result[new] += self._beyond_mean(field, known, conditions[new, field], effect)
        return finite("the prediction", result)

    def _beyond_mean(
        self, field: int, known: NDArray[np.str_], new: NDArray[np.str_], effect: Array
    ) -> Array:
        """What features tell of the effects of new labels, less the mean effect: (new, genes)."""
        by, names = ("cell", "drug")[field], np.concatenate([known, new])
        sides = [side for side in self.features if side.by == by]
        if not sides or len(known) < 2:
            return np.zeros((len(new), effect.shape[1]))
        rows = np.hstack([side.features(np.empty((0, 1)), {}, {by: names}) for side in sides])
        rows -= rows[: len(known)].mean(axis=0)
        here, there = rows[: len(known)], rows[len(known) :]
        spectrum = Spectrum.of(NETWORK.between(here))
        left, sizes, axes = np.linalg.svd(effect - effect.mean(axis=0), full_matrices=False)
        parts, coefficients = left * sizes, np.zeros(left.shape)  # (known, components)
        # What the mean of the others errs by; where no ridge is better, it stays.
        least = np.square(sizes * len(known) / (len(known) - 1))
        for ridge in RIDGES:
            solved, left_out = spectrum.solve(parts, ridge)
            errors = np.square(left_out).sum(axis=0)
            better = errors < least
            least[better], coefficients[:, better] = errors[better], solved[:, better]
        return product(NETWORK.between(there, here), product(coefficients, axes))


@dataclass(frozen=True)
class Interpolation:
    """The same drug in the same cell line at other doses and times.

    Linear in the logarithm between the nearest doses (times), beyond them the nearest, and the mean
    of both where both are there. Where doses are not numbers it is the mean over them; for a drug
    that the cell line has not seen it is `Additive`.

    Examples
    --------
    >>> labels = [["A", "x", dose] for dose in ("1 uM", "100 uM")]
    >>> train = Screen([[1.0], [3.0]], labels, ["g"], ("cell", "drug", "dose"))
    >>> Interpolation().predict(train, np.array([["A", "x", "10 uM"]])).round(9).tolist()
    [[2.0]]
    """

    @single_blas_thread()
    def predict(self, train: Screen, conditions: Conditions) -> Array:
        result, total = Additive().predict(train, conditions), np.zeros((len(conditions), 1))
        sums = np.zeros(result.shape)
        for field in range(2, conditions.shape[1]):
            places = log_numbers(np.concatenate([train.labels[:, field], conditions[:, field]]))
            rest = [np.delete(of, field, axis=1).tolist() for of in (train.labels, conditions)]
            code, at, _ = encode(*(map(tuple, of) for of in rest))
            order = np.argsort(code, kind="stable")
            starts = np.searchsorted(code[order], np.arange(code.max() + 2))
            for row in np.flatnonzero(at >= 0):
                profiles = train.profiles[order[starts[at[row]] : starts[at[row] + 1]]]
                weights = np.full(len(profiles), 1 / len(profiles))
                if len(places):
                    known = places[order[starts[at[row]] : starts[at[row] + 1]]]
                    weights = _weights_between(known, places[len(code) + row])
                sums[row] += weights @ profiles
                total[row] += 1
        found = np.where(total > 0, sums / np.maximum(total, 1), result)
        return finite("the prediction", found)


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

    def __post_init__(self) -> None:
        if self.neighbours < 1:
            raise InputError("neighbours must be >= 1", got=repr(self.neighbours))

    def predict(self, train: Screen, conditions: Conditions) -> Array:
        drug, query_drug, drugs = encode(train.drugs, conditions[:, 1])
        query_context = contexts(conditions)
        correlation = drug_correlations(train.profiles, train.contexts, drug, drugs)
        result = CellMean().predict(train, conditions)
        for context in np.unique(query_context):
            rows = np.flatnonzero(train.contexts == context)
            at = np.flatnonzero((query_context == context) & (query_drug >= 0))
            if not len(rows) or not len(at):
                continue
            weights = np.maximum(correlation[np.ix_(query_drug[at], drug[rows])], 0.0)
            weights[query_drug[at][:, None] == drug[rows]] = 0.0  # a drug is not its own neighbour
            weights = _largest(weights, self.neighbours)
            total = weights.sum(axis=1, keepdims=True)
            some = total[:, 0] > 0
            result[at[some]] = product(weights[some] / total[some], train.profiles[rows])
        return finite("the prediction", result)


def drug_correlations(
    profiles: Array, groups: NDArray[np.str_], drug: NDArray[np.intp], drugs: int
) -> Array:
    """Mean correlation of the profiles of two drugs, over the groups that both are in."""
    require("the correlation of all drugs", 24 * drugs**2, hint="fewer drugs")
    total, shared = np.zeros((drugs, drugs)), np.zeros((drugs, drugs))
    centred = unit_rows(profiles - profiles.mean(axis=1, keepdims=True))
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        both = np.ix_(drug[rows], drug[rows])
        total[both] += product(centred[rows], centred[rows].T)
        shared[both] += 1
    return np.where(shared > 0, total / np.maximum(shared, 1), 0.0)


def _weights_between(places: Array, at: float) -> Array:
    """The weights of linear interpolation at a place, (n,); beyond the places, of the nearest."""
    order = np.argsort(places, kind="stable")
    weights = np.empty(len(places))
    weights[order] = [np.interp(at, places[order], unit) for unit in np.eye(len(places))]
    return weights


def _group_means(values: Array, codes: NDArray[np.intp], count: int) -> Array:
    sums, sizes = group_sums(values, codes, count)
    return sums / sizes[:, None]


def _largest(weights: Array, count: int) -> Array:
    """Zero all but the largest of every row; the first of equals are kept."""
    if weights.shape[1] <= count:
        return weights
    order = np.argsort(-weights, axis=1, kind="stable")[:, :count]
    result = np.zeros_like(weights)
    np.put_along_axis(result, order, np.take_along_axis(weights, order, axis=1), axis=1)
    return result
