"""Predictions for drugs, cell lines and contexts of which nothing was measured."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import nnls

from ...errors import finite
from ...kernels.table import Array
from ...runtime.resources import single_blas_thread
from ..evaluation.splits import Split
from ..holdout import GRID, hidden, novelty
from ..screen import Conditions, Screen
from .baselines import Additive, CellMean, Interpolation, Method
from .matrix_normal import MatrixNormal
from .ntk import NTK

# The least variance of a profile that errors are relative to, over the mean one.
LEAST = 1e-3


@dataclass(frozen=True)
class ColdStart:
    """One method in the grid; for what is new, a weighted sum of several methods.

    Weights are not negative and minimise the squared error of conditions of the same novelty that
    are hidden from the training screen (whole cell lines for a new one, whole drugs for a new one).
    Errors are relative to the variance of the profile with the context's mean removed, as in R2
    with the cell mean removed, so that a mean that is known well is not shrunk. The weights sum
    to 1 at most: what cannot be predicted well is shrunk towards 0. Stacking, Breiman 1996,
    doi:10.1007/BF00117832.

    Parameters
    ----------
    method : Method
        Predicts conditions whose drug and context were both measured. The default is `NTK()`.
    others : tuple of Method, optional
        What else has a weight where something is new. The default is `CellMean()` and
        `Additive()`; with features of `MatrixNormal` also `Additive` with these, and with doses or
        times `Interpolation()`.
    random_state : int
        Of the folds.

    Examples
    --------
    >>> from ntkfill.screens import simulate
    >>> screen = simulate(cells=6, drugs=8, genes=10).screen.known
    >>> old = screen.cells != "simulated-cell-1"
    >>> weights, _, _ = ColdStart().weigh(screen.take(old), "new cell")
    >>> bool(0 < weights.sum() <= 1.2)
    True
    """

    method: Method = field(default_factory=NTK)
    others: tuple[Method, ...] | None = None
    random_state: int = 0

    @single_blas_thread()
    def predict(self, train: Screen, conditions: Conditions) -> Array:
        kinds, result = novelty(train, conditions), np.empty((len(conditions), len(train.genes)))
        for kind in np.unique(kinds).tolist():
            rows = kinds == kind
            if kind == GRID:
                result[rows] = self.method.predict(train, conditions[rows])
            else:
                weights = self.weigh(train, kind)[0]
                parts = self._parts(train, conditions[rows])
                result[rows] = np.einsum("m,mij->ij", weights, parts)
        return finite("the prediction", result)

    @single_blas_thread()
    def weigh(self, train: Screen, kind: str) -> tuple[Array, Array, list[Split]]:
        """The weights for a novelty, and the weighted predictions (k, genes) of the hidden folds.

        Where nothing of this novelty can be hidden, `method` alone has weight. Hidden conditions
        that are newer than that are predicted, and do not enter the weights.
        """
        folds = hidden(train, kind, self.random_state)
        count = 1 + len(self._others(train))
        if not folds:
            return np.eye(count)[0], np.empty((0, len(train.genes))), []
        rows = np.concatenate([np.flatnonzero(fold.test) for fold in folds])
        left = [(train.take(fold.train), train.labels[fold.test]) for fold in folds]
        parts = np.concatenate([self._parts(*of) for of in left], axis=1)
        alike = np.concatenate([novelty(*of) == kind for of in left])
        means = np.concatenate([CellMean().predict(*of) for of in left])
        truth = train.profiles[rows]
        spread = np.var(truth - means, axis=1)
        # A profile that is nearly its context's mean does not decide alone.
        spread = np.maximum(spread, LEAST * spread.mean())
        relative = alike / np.where(spread > 0, spread, np.inf)
        scaled = (parts * relative[:, None]).reshape(count, -1)
        gram, target = scaled @ parts.reshape(count, -1).T, scaled @ truth.ravel()
        # The same minimum as of all errors, from products of the methods alone.
        gram[np.diag_indices(count)] += 1e-9 * np.trace(gram) + np.finfo(float).tiny
        root = np.linalg.cholesky(gram)
        right = np.linalg.solve(root, target)
        weights = nnls(root.T, right)[0]
        if weights.sum() > 1:
            # The same minimum where they sum to 1, by a row that outweighs all others.
            much = 1e4 * np.sqrt(np.trace(gram))
            rows = np.vstack([root.T, np.full(count, much)])
            weights = nnls(rows, np.append(right, much))[0]
        return weights, np.einsum("m,mij->ij", weights, parts), folds

    def _parts(self, train: Screen, conditions: Conditions) -> Array:
        """The predictions of every method, (methods, n, genes)."""
        methods = self.method, *self._others(train)
        return np.stack([method.predict(train, conditions) for method in methods])

    def _others(self, train: Screen) -> tuple[Method, ...]:
        if self.others is not None:
            return self.others
        found: list[Method] = [CellMean(), Additive()]
        prior = self.method.prior if isinstance(self.method, NTK) else None
        if isinstance(prior, MatrixNormal) and prior.features:
            found.append(Additive(features=prior.features))
        if len(train.fields) > 2:
            found.append(Interpolation())
        return tuple(found)
