"""Profiles by kernel regression with the NTK, given a prior of the conditions."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, lapack

from ..conditions import ConditionPrior
from ..errors import InputError
from ..grid import Array
from ..memory import require
from ..nn import Dense, ReLU, Sequential
from .baselines import CellMean
from .presets import proposed
from .screen import Conditions, Screen, by_name

BLOCK = 4096


def network(depth: int = 1) -> Sequential:
    """The fully connected ReLU network with this many hidden layers.

    Examples
    --------
    >>> network(1)
    Sequential(Dense(), TwoSlope(slope=0.0), Dense())
    """
    if depth < 1:
        raise InputError("a network needs a hidden layer", got=f"depth {depth}")
    return Sequential(*(layer for _ in range(depth) for layer in (Dense(), ReLU())), Dense())


@dataclass(frozen=True)
class NTK:
    """Kernel regression of profiles on the features that a prior gives to conditions.

    Parameters
    ----------
    prior : ConditionPrior, optional
        The default is `proposed` for the labels that the screen has.
    network : Sequential
        Dense layers and activations.
    ridge : float
        Added to the kernel's diagonal, relative to its mean.
    centre : bool
        Fit what is left of the training mean of each context, and add that mean again.

    Examples
    --------
    >>> train = Screen([[1.0, 0.0], [3.0, 1.0], [8.0, 2.0]],
    ...                [["A", "x"], ["A", "y"], ["B", "x"]], ["g", "h"])
    >>> NTK(ridge=0.1).predict(train, np.array([["B", "y"]])).round(2)
    array([[8.09, 2.04]])
    """

    prior: ConditionPrior | None = None
    network: Sequential = field(default_factory=lambda: network(3))
    ridge: float = 0.05
    centre: bool = True

    def predict(self, train: Screen, conditions: Conditions) -> Array:
        known = len(train)
        features = self.features(train, np.vstack([train.labels, conditions]))
        lower, _ = self._factor(features[:known])
        rest, wanted = train.profiles, np.zeros((len(conditions), len(train.genes)))
        if self.centre:
            wanted = CellMean().predict(train, conditions)
            rest = rest - CellMean().predict(train, train.labels)
        coefficients = cho_solve((lower, True), rest)
        for first in range(0, len(conditions), BLOCK):
            rows = slice(known + first, min(known + first + BLOCK, len(features)))
            kernel = self.network.between(features[rows], features[:known])
            wanted[first : first + BLOCK] += kernel @ coefficients
        return wanted

    def features(self, train: Screen, conditions: Conditions) -> Array:
        """What the prior says of these conditions, one row each."""
        prior = proposed(train.fields) if self.prior is None else self.prior
        table = by_name(conditions, train.fields)
        found = np.ascontiguousarray(prior.features(train.profiles, train.table, table))
        if (np.abs(found).sum(axis=1) == 0).any():
            row = int(np.flatnonzero(np.abs(found).sum(axis=1) == 0)[0])
            raise InputError(
                f"the prior gives condition {', '.join(conditions[row])} no features but zeros",
                hint="stack it with OneHot('cell')",
            )
        return found

    @property
    def fixed(self) -> bool:
        """Whether the kernel is the same whatever was measured."""
        return self.prior is not None and self.prior.fixed

    def predict_folds(self, screen: Screen, folds: NDArray[np.integer]) -> Array:
        """Every condition's profile, predicted from the other folds: one factorisation in all.

        Parameters
        ----------
        screen : Screen
        folds : int array of shape (conditions, rounds)
            The fold of each condition, from 0, round by round.

        Returns
        -------
        array of shape (rounds, conditions, genes)

        Raises
        ------
        InputError
            If the prior depends on the training profiles.
        """
        if not self.fixed:
            raise InputError("the prior depends on the training profiles", got=repr(self.prior))
        held = HeldOut.of(self, screen)
        return np.stack([held.predict(column) for column in folds.T])

    def _factor(self, features: Array) -> tuple[Array, float]:
        require("the dense solve", 3 * 8 * len(features) ** 2, hint="fewer conditions")
        kernel = self.network.between(features)
        ridge = self.ridge * float(np.mean(np.diagonal(kernel)))
        kernel[np.diag_indices(len(kernel))] += ridge
        # Symmetric, so that its transpose is the same matrix in LAPACK's order: no copy.
        lower, failed = lapack.dpotrf(kernel.T, lower=1, overwrite_a=1, clean=0)
        if failed:
            raise InputError("two conditions look the same to the prior", hint="a larger ridge")
        return lower, ridge


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What any fold's held-out predictions of a fixed kernel K follow from.

    With A = K + ridge, those of fold f for values y are y_f - (A^-1_ff)^-1 (A^-1 y)_f. Fitting
    what is left of means b over the training conditions of each context Z, and adding them again,
    puts A^-1 (y - Z b) in the place of A^-1 y: only b depends on the fold.

    Parameters
    ----------
    method : NTK
    screen : Screen
    inverse : array of shape (conditions, conditions)
        A^-1.
    coefficients : array of shape (conditions, genes)
        A^-1 y.
    by_context : array of shape (conditions, contexts)
        A^-1 Z.
    """

    method: NTK
    screen: Screen
    inverse: Array
    coefficients: Array
    by_context: Array

    @classmethod
    def of(cls, method: NTK, screen: Screen) -> HeldOut:
        """Factor and invert, once."""
        lower, _ = method._factor(method.features(screen, screen.labels))
        coefficients = cho_solve((lower, True), screen.profiles)
        inverse, _ = lapack.dpotri(lower, lower=1, overwrite_c=1)
        for first in range(0, len(inverse), BLOCK):  # LAPACK fills the lower triangle only
            rows = slice(first, first + BLOCK)
            square = inverse[rows, rows]
            inverse[rows, rows] = np.tril(square) + np.tril(square, -1).T
            inverse[rows, first + BLOCK :] = inverse[first + BLOCK :, rows].T
        member = _member(screen.contexts)
        by_context = inverse @ member if method.centre else member
        return cls(method, screen, inverse, coefficients, by_context)

    def predict(self, folds: NDArray[np.integer]) -> Array:
        """Held-out predictions of every condition; `folds` says which are held out together."""
        profiles = self.screen.profiles
        result = np.empty_like(profiles)
        member = _member(self.screen.contexts)
        sums, counts = member.T @ profiles, member.sum(axis=0)
        for fold in np.unique(folds):
            rows = np.flatnonzero(folds == fold)
            own = self.inverse[np.ix_(rows, rows)]
            rest = self.coefficients[rows]
            if self.method.centre:
                left = counts - member[rows].sum(axis=0)
                means = sums - member[rows].T @ profiles[rows]
                whole = means.sum(axis=0) / max(left.sum(), 1.0)
                means = np.where(left[:, None] > 0, means / np.maximum(left, 1.0)[:, None], whole)
                rest = rest - self.by_context[rows] @ means
            lower, _ = lapack.dpotrf(own.T, lower=1, overwrite_a=1, clean=0)
            result[rows] = profiles[rows] - cho_solve((lower, True), rest)
        return result


def _member(names: NDArray[np.str_]) -> Array:
    unique, codes = np.unique(names, return_inverse=True)
    return np.eye(len(unique))[codes]
