"""Kernel ridge regression of profiles with the NTK, given a prior of the conditions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_solve, lapack

from ...errors import InputError, check_finite
from ...kernels import product
from ...kernels.table import Array
from ...nn import Sequential, fully_connected
from ...runtime.resources import parallel_for, require, single_blas_thread
from ...solvers.linalg import cholesky, inverse, solve
from ...solvers.spectral import Spectrum
from ..features import ConditionPrior, encode, group_means
from ..screen import Conditions, Screen, contexts, label_columns
from .matrix_normal import MatrixNormal, noise_scales

# Rows of the kernel that are predicted together, and columns of the inverse factor in one product.
BLOCK = 4096
PANEL = 1024
# For features, where no noise is learned.
DEFAULT_RIDGE = 0.05


class Ridge(NamedTuple):
    """Noise variance over the kernel's mean diagonal, and the scale of each condition's noise."""

    size: float
    scales: Array  # (n,)


@dataclass(frozen=True)
class NTK:
    """Kernel ridge regression of profiles on a prior of the conditions.

    Parameters
    ----------
    prior : MatrixNormal or ConditionPrior
        `MatrixNormal` gives each training profile a noise variance of its own; with features all
        have the same.
    network : Sequential
        Dense layers and activations; the default is `nn.fully_connected()`.
    ridge : float or "loo", optional
        Added to the kernel's diagonal, relative to its mean. The default is the noise that
        `MatrixNormal` learned, and 0.05 for features. "loo" chooses it by closed-form leave-one-out
        under the prior of all training conditions.
    centre : {"screen", "context"} or None
        Subtract the mean of all training profiles, or of those of each context, before the fit, and
        add it to the predictions.

    Raises
    ------
    InputError
        If network, ridge or centre cannot be used.

    Examples
    --------
    >>> train = Screen([[1.0, 0.0], [3.0, 1.0], [8.0, 2.0]],
    ...                [["A", "x"], ["A", "y"], ["B", "x"]], ["g", "h"])
    >>> NTK().predict(train, np.array([["B", "y"]])).round(1)
    array([[5. , 1.3]])
    """

    prior: MatrixNormal | ConditionPrior = field(default_factory=MatrixNormal)
    network: Sequential = field(default_factory=fully_connected)
    ridge: float | Literal["loo"] | None = None
    centre: Literal["screen", "context"] | None = "screen"

    def __post_init__(self) -> None:
        if not isinstance(self.network, Sequential):
            hint = "ntkfill.nn.parse(text)" if isinstance(self.network, str) else ""
            raise InputError("network must be a Sequential", got=repr(self.network), hint=hint)
        if self.centre not in ("screen", "context", None):
            raise InputError(
                "centre cannot be used",
                expected="'screen', 'context' or None",
                got=repr(self.centre),
            )
        number = isinstance(self.ridge, float | int) and self.ridge >= 0
        if not number and self.ridge not in ("loo", None):
            raise InputError("ridge must be >= 0, 'loo' or None", got=repr(self.ridge))

    @property
    def fixed(self) -> bool:
        """Whether the kernel is the same whatever was measured."""
        return self.prior.fixed and self.ridge != "loo"

    @single_blas_thread()
    def predict(self, train: Screen, conditions: Conditions) -> Array:
        labels, known = np.vstack([train.labels, conditions]), slice(0, len(train))
        residuals, predicted = train.profiles, np.zeros((len(conditions), len(train.genes)))
        if self.centre:
            groups = self.groups(labels)
            means = group_means(train.profiles, groups[known], groups)
            residuals, predicted = residuals - means[known], means[len(train) :]
        kernel, ridge = self._kernel(train, residuals, labels)
        lower = self._factor(kernel(known, known), ridge, residuals)
        coefficients = solve(lower, residuals)
        for first in range(0, len(conditions), BLOCK):
            rows = slice(len(train) + first, min(len(train) + first + BLOCK, len(labels)))
            predicted[first : first + BLOCK] += product(kernel(rows, known), coefficients)
        check_finite("the prediction", predicted)
        return predicted

    @single_blas_thread()
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
        predictor = HeldOutPredictor.fit(self, screen)
        predicted = np.stack([predictor.predict(column) for column in folds.T])
        check_finite("the prediction", predicted)
        return predicted

    @single_blas_thread()
    def features(self, train: Screen, conditions: Conditions) -> Array:
        """The prior's features of these conditions, one row each."""
        if isinstance(self.prior, MatrixNormal):
            raise InputError("a learned covariance has no features", got=repr(self.prior))
        labels = label_columns(conditions, train.fields)
        features = np.ascontiguousarray(self.prior.features(train.profiles, train.columns, labels))
        for row in np.flatnonzero(np.abs(features).sum(axis=1) == 0)[:1]:
            raise InputError(
                f"all features of condition {', '.join(conditions[row])} are zero",
                hint="stack the prior with OneHot('cell')",
            )
        return features

    def groups(self, labels: Conditions) -> NDArray[np.str_]:
        """The names of the groups of conditions whose means are subtracted."""
        return contexts(labels) if self.centre == "context" else np.full(len(labels), "all")

    def _kernel(
        self, train: Screen, residuals: Array, labels: Conditions
    ) -> tuple[Callable[[slice, slice], Array], Ridge]:
        """The kernel between slices of the conditions, and the default ridge."""
        require("the dense solve", 3 * 8 * len(train) ** 2, hint="screens.LowRank()")
        if isinstance(self.prior, MatrixNormal):
            covariance = self.prior.fit(residuals, labels)
            variance = float(covariance.variance(slice(0, len(train))).mean())
            ridge = Ridge(covariance.noise / variance, noise_scales(residuals))
            return partial(covariance.ntk, self.network), ridge
        features = self.features(train, labels)

        def between(rows: slice, columns: slice) -> Array:
            other = None if rows == columns else features[columns]
            return self.network.between(features[rows], other)

        return between, Ridge(DEFAULT_RIDGE, np.ones(len(train)))

    def _factor(self, kernel: Array, ridge: Ridge, y: Array) -> Array:
        """The lower Cholesky factor of a kernel and its ridge; overwrites the kernel."""
        size = ridge.size if self.ridge is None else self.ridge
        if size == "loo":
            size = loo_ridge(kernel, y, ridge.scales)
        size *= float(np.mean(np.diagonal(kernel)))
        kernel[np.diag_indices(len(kernel))] += size * ridge.scales
        try:
            return cholesky(kernel)
        except LinAlgError:
            raise InputError(
                "two conditions have the same features", hint="a larger ridge"
            ) from None


def loo_ridge(kernel: Array, y: Array, scales: Array) -> float:
    """The ridge, over the kernel's mean diagonal, with the smallest leave-one-out error.

    Squared errors are divided by the noise scales (n,) of the conditions.

    >>> near = np.exp(-np.subtract.outer(np.arange(6.0), np.arange(6.0)) ** 2 / 20)
    >>> smooth, rough = np.arange(6.0)[:, None], np.array([[1.0, -1] * 3]).T
    >>> loo_ridge(near, smooth, np.ones(6)) < loo_ridge(near, rough, np.ones(6))
    True
    """
    root = np.sqrt(scales)[:, None]
    spectrum = Spectrum.of(kernel / root / root.T)
    return spectrum.choose(y / root) * spectrum.scale / float(np.mean(np.diagonal(kernel)))


@dataclass(frozen=True, eq=False)
class HeldOutPredictor:
    """Predictions of any held-out fold under a fixed kernel K, from one factorisation.

    With A = K + ridge, the predictions of fold f for values y are y_f - (A^-1_ff)^-1 (A^-1 y)_f.
    With the means b over the training conditions of each context Z subtracted, A^-1 (y - Z b) takes
    the place of A^-1 y: only b depends on the fold.

    Of A^-1 = L^-T L^-1 only the blocks of the folds are computed, from columns of L^-1: for five
    rounds of ten folds half the work of all of A^-1.
    """

    method: NTK
    screen: Screen
    inverse: Array  # (n, n): L^-T, upper triangular
    coefficients: Array  # (n, genes): A^-1 y
    context_coefficients: Array  # (n, contexts): A^-1 Z
    member: Array  # (n, contexts): Z, one where a condition is in a context
    sums: Array  # (contexts, genes): of the profiles of each context

    @classmethod
    def fit(cls, method: NTK, screen: Screen) -> HeldOutPredictor:
        """Factor, solve and invert the factor, once."""
        features = method.features(screen, screen.labels)
        require("the dense solve", 3 * 8 * len(features) ** 2, hint="fewer conditions")
        ridge = Ridge(DEFAULT_RIDGE, np.ones(len(features)))
        lower = method._factor(method.network.between(features), ridge, screen.profiles)
        codes, _, count = encode(method.groups(screen.labels), ())
        member = np.eye(count)[codes]
        return cls(
            method,
            screen,
            coefficients=solve(lower, screen.profiles),
            context_coefficients=solve(lower, member),
            member=member,
            sums=product(member.T, screen.profiles),
            inverse=inverse(lower),
        )

    def predict(self, folds: NDArray[np.integer]) -> Array:
        """Predictions of every condition (n, genes); `folds` (n,) are held out together."""
        profiles, counts = self.screen.profiles, self.member.sum(axis=0)
        result = np.empty_like(profiles)

        def predict_fold(fold: int) -> None:
            rows = np.flatnonzero(folds == fold)
            coefficients = self.coefficients[rows]
            if self.method.centre:
                member = self.member[rows]
                left = counts - member.sum(axis=0)
                means = self.sums - member.T @ profiles[rows]
                overall = means.sum(axis=0) / max(left.sum(), 1.0)
                means = np.where(left[:, None] > 0, means / np.maximum(left, 1.0)[:, None], overall)
                coefficients -= self.context_coefficients[rows] @ means
            lower, _ = lapack.dpotrf(self._inverse_block(rows), lower=1, overwrite_a=1, clean=0)
            result[rows] = profiles[rows] - cho_solve((lower, True), coefficients)

        parallel_for(predict_fold, np.unique(folds).tolist())
        return result

    def _inverse_block(self, rows: NDArray[np.intp]) -> Array:
        """A^-1_ff for ascending rows f."""
        block = np.zeros((len(rows), len(rows)))
        for first in range(0, len(self.inverse), PANEL):
            # L^-T is zero below the diagonal: rows past these columns contribute nothing.
            stop = int(np.searchsorted(rows, first + PANEL))
            part = self.inverse[rows[:stop], first : first + PANEL]
            block[:stop, :stop] += part @ part.T
        return block.T
