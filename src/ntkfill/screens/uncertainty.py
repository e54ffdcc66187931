"""The uncertainty of predicted profiles, from the errors of the same method on measured ones.

Works for any method. Measured conditions are held out by cross-validation and predicted. The scale
of an error is modelled as the product of a gene, a context and a drug effect; the errors over these
scales calibrate intervals (`ntkfill.uncertainty.intervals`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..kernels.table import Array
from ..uncertainty import Scores
from .evaluation.splits import KFold
from .methods.baselines import Method
from .methods.ntk import NTK
from .screen import Conditions, Screen, contexts

FOLDS = 10
# The overall mean has the weight of this many conditions in the effect of a gene, context or drug.
PRIOR_COUNT = 2.0


@dataclass(frozen=True, eq=False)
class ErrorModel:
    """Scales of the errors of a method: gene scale x context factor x drug factor."""

    gene_scale: Array  # (genes,)
    context_factor: dict[str, float]
    drug_factor: dict[str, float]
    scores: Scores  # |error| / scale of all genes of the held-out conditions

    def std(self, conditions: Conditions) -> Array:
        """Standard deviations of predicted profiles, shape (conditions, genes)."""
        labels = zip(contexts(conditions).tolist(), conditions[:, 1].tolist(), strict=True)
        factors = [
            self.context_factor.get(c, 1.0) * self.drug_factor.get(d, 1.0) for c, d in labels
        ]
        return np.array(factors).reshape(-1, 1) * self.gene_scale


def fit_error_model(method: Method, known: Screen, random_state: int = 0) -> ErrorModel:
    """Hold out conditions of a measured screen, predict them and model the errors."""
    squares, rows = held_out_errors(method, known, random_state)  # (k, genes), (k,)
    gene_scale = np.sqrt(_shrunk(squares.mean(axis=0), len(squares), float(squares.mean())))
    ratio = (squares / np.where(gene_scale > 0, gene_scale, 1.0) ** 2).mean(axis=1)
    context_factor, by_context = _effects(ratio, known.contexts[rows])
    drug_factor, by_drug = _effects(ratio / by_context, known.drugs[rows])
    scale = np.sqrt(by_context * by_drug)[:, None] * gene_scale
    scores = np.sqrt(squares) / np.where(scale > 0, scale, 1.0)
    return ErrorModel(gene_scale, context_factor, drug_factor, Scores(scores.ravel()))


def held_out_errors(
    method: Method, known: Screen, random_state: int
) -> tuple[Array, NDArray[np.intp]]:
    """Squared errors of held-out conditions, (k, genes), and which conditions they are."""
    folds = min(FOLDS, len(np.unique(known.drugs)))
    splitting = KFold(folds, rounds=1, random_state=random_state)
    assigned = splitting.assigned(known)
    rows = np.flatnonzero(assigned[:, 0] >= 0)
    if isinstance(method, NTK) and method.fixed and len(rows) == len(known):
        predicted = method.predict_folds(known, assigned)[0]
    else:
        predicted = np.array(known.profiles)
        for split in splitting.splits(known):
            train, labels = known.take(split.train), known.labels[split.test]
            predicted[split.test] = method.predict(train, labels)
    squares = np.square(predicted - known.profiles)[rows]
    if not np.isfinite(squares).all():
        raise InputError("the method gave a prediction of a held-out condition that is not finite")
    return squares, rows


def _effects(ratio: Array, names: NDArray[np.str_]) -> tuple[dict[str, float], Array]:
    """A factor for the standard deviation of each name, and its square for every condition."""
    unique, codes = np.unique(names, return_inverse=True)
    count = np.bincount(codes)
    mean = float(ratio.mean())
    effect = _shrunk(np.bincount(codes, ratio) / count, count, mean)
    effect = effect / max(mean, np.finfo(float).tiny)
    return dict(zip(unique.tolist(), np.sqrt(effect).tolist(), strict=True)), effect[codes]


def _shrunk(mean: Array, count: Array | int, overall: float) -> Array:
    """Means of `count` values, shrunk towards the overall mean."""
    return np.asarray((mean * count + PRIOR_COUNT * overall) / (np.asarray(count) + PRIOR_COUNT))
