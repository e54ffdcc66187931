"""Profiles by kernel regression with the NTK, given a prior of the conditions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_solve, lapack
from threadpoolctl import threadpool_limits

from ...errors import InputError
from ...kernels.table import Array
from ...nn import Dense, ReLU, Sequential
from ...runtime.memory import require
from ...runtime.threads import parallel_for
from ...solvers.linalg import cholesky, inverse, product, solve
from ..features import ConditionPrior
from ..screen import Conditions, Screen, by_name, contexts
from .baselines import group_means
from .covariance import Learned, sizes

BLOCK = 4096
PANEL = 1024


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


class Ridge(NamedTuple):
    """Over the kernel's mean diagonal, and how each condition's compares."""

    size: float
    shares: Array

    @classmethod
    def even(cls, count: int) -> Ridge:
        """The same for all, of the usual size."""
        return cls(0.05, np.ones(count))


@dataclass(frozen=True)
class NTK:
    """Kernel regression of profiles, on what a prior says of the conditions.

    Parameters
    ----------
    prior : Learned or ConditionPrior
        `Learned` weighs each training profile by what its noise is taken to be; features of any
        other prior weigh all alike.
    network : Sequential
        Dense layers and activations.
    ridge : float or "loo", optional
        Added to the kernel's diagonal, relative to its mean. The default is the noise that
        `Learned` found, and 0.05 for features. "loo" chooses the one with the smallest error of
        training conditions left out, in closed form, under the prior that was made with all of
        them.
    centre : {"screen", "context"} or None
        Fit what is left of the mean of all training profiles, or of those of each context, and add
        that mean again.

    Examples
    --------
    >>> train = Screen([[1.0, 0.0], [3.0, 1.0], [8.0, 2.0]],
    ...                [["A", "x"], ["A", "y"], ["B", "x"]], ["g", "h"])
    >>> NTK().predict(train, np.array([["B", "y"]])).round(1)
    array([[5. , 1.3]])
    """

    prior: Learned | ConditionPrior = field(default_factory=Learned)
    network: Sequential = field(default_factory=network)
    ridge: float | Literal["loo"] | None = None
    centre: Literal["screen", "context"] | None = "screen"

    def __post_init__(self) -> None:
        if self.centre not in ("screen", "context", None):
            raise InputError(
                "which means to take out",
                expected="'screen', 'context' or None",
                got=repr(self.centre),
            )
        number = isinstance(self.ridge, float | int) and self.ridge >= 0
        if not number and self.ridge not in ("loo", None):
            raise InputError("no ridge", expected="0 or more, or 'loo'", got=repr(self.ridge))

    def predict(self, train: Screen, conditions: Conditions) -> Array:
        labels, known = np.vstack([train.labels, conditions]), len(train)
        rest, wanted = train.profiles, np.zeros((len(conditions), len(train.genes)))
        if self.centre:
            groups = self.groups(labels)
            means = group_means(train.profiles, groups[:known], groups)
            rest, wanted = rest - means[:known], means[known:]
        kernel, noise = self._kernel(train, rest, labels)
        lower = self._factor(kernel(slice(0, known), slice(0, known)), noise, rest)
        coefficients = solve(lower, rest)
        for first in range(0, len(conditions), BLOCK):
            rows = slice(known + first, min(known + first + BLOCK, len(labels)))
            wanted[first : first + BLOCK] += product(kernel(rows, slice(0, known)), coefficients)
        return wanted

    def groups(self, labels: Conditions) -> NDArray[np.str_]:
        """The names of those conditions that share a mean."""
        return contexts(labels) if self.centre == "context" else np.full(len(labels), "all")

    def features(self, train: Screen, conditions: Conditions) -> Array:
        """What the prior says of these conditions, one row each."""
        if isinstance(self.prior, Learned):
            raise InputError("a learned similarity has no features", got=repr(self.prior))
        table = by_name(conditions, train.fields)
        found = np.ascontiguousarray(self.prior.features(train.profiles, train.table, table))
        if (np.abs(found).sum(axis=1) == 0).any():
            row = int(np.flatnonzero(np.abs(found).sum(axis=1) == 0)[0])
            raise InputError(
                f"the prior gives condition {', '.join(conditions[row])} no features but zeros",
                hint="stack it with OneHot('cell')",
            )
        return found

    def _kernel(
        self, train: Screen, rest: Array, labels: Conditions
    ) -> tuple[Callable[[slice, slice], Array], Ridge]:
        """The kernel between some of these conditions and others; what ridge goes with it."""
        require("the dense solve", 3 * 8 * len(train) ** 2, hint="fewer conditions")
        if isinstance(self.prior, Learned):
            similarity = self.prior.fit(rest, labels)
            usual = similarity.ridge(slice(0, len(train)))
            return partial(similarity.kernel, self.network), Ridge(usual, sizes(rest))
        features = self.features(train, labels)

        def between(rows: slice, columns: slice) -> Array:
            other = None if rows == columns else features[columns]
            return self.network.between(features[rows], other)

        return between, Ridge.even(len(train))

    @property
    def fixed(self) -> bool:
        """Whether the kernel is the same whatever was measured."""
        return self.prior.fixed and self.ridge != "loo"

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
            If the prior or the ridge depends on the training profiles.
        """
        if not self.fixed:
            raise InputError("the kernel depends on the training profiles", got=repr(self))
        held = HeldOut.of(self, screen)
        return np.stack([held.predict(column) for column in folds.T])

    def _factor(self, kernel: Array, noise: Ridge, y: Array) -> Array:
        """The lower factor of a kernel and its ridge; spends the kernel."""
        size = noise.size if self.ridge is None else self.ridge
        if size == "loo":
            size = chosen(kernel, y, noise.shares)
        scale = size * float(np.mean(np.diagonal(kernel)))
        kernel[np.diag_indices(len(kernel))] += scale * noise.shares
        try:
            return cholesky(kernel)
        except LinAlgError:
            told = "two conditions look the same to the prior"
            raise InputError(told, hint="a larger ridge") from None


def chosen(kernel: Array, y: Array, shares: Array) -> float:
    """The ridge, over the kernel's mean diagonal, that predicts what is left out best.

    Errors are squared and divided by each condition's share of the ridge.

    Examples
    --------
    >>> near = np.exp(-np.subtract.outer(np.arange(6.0), np.arange(6.0)) ** 2 / 20)
    >>> smooth, rough = np.arange(6.0)[:, None], np.array([[1.0, -1] * 3]).T
    >>> chosen(near, smooth, np.ones(6)) < chosen(near, rough, np.ones(6))
    True
    """
    from ...solvers.spectral import Spectrum

    scale = float(np.mean(np.diagonal(kernel)))
    root = np.sqrt(shares)[:, None]
    with threadpool_limits(1):
        spectrum = Spectrum.of(kernel / root / root.T)
        return spectrum.choose(y / root) * spectrum.scale / scale


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What any fold's held-out predictions of a fixed kernel K follow from.

    With A = K + ridge, those of fold f for values y are y_f - (A^-1_ff)^-1 (A^-1 y)_f. Fitting
    what is left of means b over the training conditions of each context Z, and adding them again,
    puts A^-1 (y - Z b) in the place of A^-1 y: only b depends on the fold.

    Of A^-1 = L^-T L^-1 only the blocks of the folds are ever made, from columns of L^-1: for five
    rounds of ten folds half the work of all of A^-1.

    Parameters
    ----------
    method : NTK
    screen : Screen
    inverse : array of shape (conditions, conditions)
        L^-T, upper triangular.
    coefficients : array of shape (conditions, genes)
        A^-1 y.
    by_context : array of shape (conditions, contexts)
        A^-1 Z.
    member : array of shape (conditions, contexts)
        Z: one where a condition is of a context.
    sums : array of shape (contexts, genes)
        Of the profiles of each context.
    """

    method: NTK
    screen: Screen
    inverse: Array
    coefficients: Array
    by_context: Array
    member: Array
    sums: Array

    @classmethod
    def of(cls, method: NTK, screen: Screen) -> HeldOut:
        """Factor, solve and invert the factor, once."""
        features = method.features(screen, screen.labels)
        require("the dense solve", 3 * 8 * len(features) ** 2, hint="fewer conditions")
        kernel = method.network.between(features)
        lower = method._factor(kernel, Ridge.even(len(features)), screen.profiles)
        profiles, member = screen.profiles, _member(method.groups(screen.labels))
        by_context, sums = solve(lower, member), product(member.T, profiles)
        solved = solve(lower, profiles)
        return cls(method, screen, inverse(lower), solved, by_context, member, sums)

    def predict(self, folds: NDArray[np.integer]) -> Array:
        """Held-out predictions of every condition; `folds` says which are held out together."""
        profiles, counts = self.screen.profiles, self.member.sum(axis=0)
        result = np.empty_like(profiles)

        def work(fold: int) -> None:
            rows = np.flatnonzero(folds == fold)
            rest = self.coefficients[rows]
            if self.method.centre:
                member = self.member[rows]
                left = counts - member.sum(axis=0)
                means = self.sums - member.T @ profiles[rows]
                whole = means.sum(axis=0) / max(left.sum(), 1.0)
                means = np.where(left[:, None] > 0, means / np.maximum(left, 1.0)[:, None], whole)
                rest -= self.by_context[rows] @ means
            lower, _ = lapack.dpotrf(self._own(rows), lower=1, overwrite_a=1, clean=0)
            result[rows] = profiles[rows] - cho_solve((lower, True), rest)

        with threadpool_limits(1):
            parallel_for(work, np.unique(folds).tolist())
        return result

    def _own(self, rows: NDArray[np.intp]) -> Array:
        """A^-1_ff for ascending rows f."""
        own = np.zeros((len(rows), len(rows)))
        for first in range(0, len(self.inverse), PANEL):
            # Columns of L^-1 begin at their own place.
            begun = int(np.searchsorted(rows, first + PANEL))
            part = self.inverse[rows[:begun], first : first + PANEL]
            own[:begun, :begun] += part @ part.T
        return own.T


def _member(names: NDArray[np.str_]) -> Array:
    unique, codes = np.unique(names, return_inverse=True)
    return np.eye(len(unique))[codes]
