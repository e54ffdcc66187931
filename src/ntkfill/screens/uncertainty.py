"""How sure predicted profiles are: what the same method missed of measured ones.

Any method will do. Measured conditions are held out by cross-validation and predicted; the sizes of
the errors are taken for the product of an effect of the gene, one of the context and one of the
drug, and scores of errors over these sizes calibrate intervals (`ntkfill.uncertainty.conformal`).
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
# What is known of a gene, a context or a drug before, worth so many conditions.
PRIOR = 2.0


@dataclass(frozen=True, eq=False)
class Doubt:
    """Sizes of the errors of a method.

    Parameters
    ----------
    of_gene : array of shape (genes,)
    of_context, of_drug : mapping from name to factor
    scores : Scores
        |error| over its size, of all genes of the conditions that were held out.
    """

    of_gene: Array
    of_context: dict[str, float]
    of_drug: dict[str, float]
    scores: Scores

    def std(self, conditions: Conditions) -> Array:
        """Standard deviations of predicted profiles, shape (conditions, genes)."""
        rows = [
            self.of_context.get(context, 1.0) * self.of_drug.get(drug, 1.0)
            for context, drug in zip(
                contexts(conditions).tolist(), conditions[:, 1].tolist(), strict=True
            )
        ]
        return np.array(rows).reshape(-1, 1) * self.of_gene


def doubt(method: Method, known: Screen, seed: int = 0) -> Doubt:
    """Hold out measured conditions, predict them and look at the errors.

    Parameters
    ----------
    method : Method
    known : Screen
        Of measured conditions.
    seed : int
        Says which conditions are held out together.

    Returns
    -------
    Doubt

    Raises
    ------
    InputError
        If no condition can be held out.

    Examples
    --------
    >>> from ntkfill.screens import CellMean, simulate
    >>> found = doubt(CellMean(), simulate(cells=6, drugs=12, genes=8).screen.known)
    >>> found.std(np.array([["cell 1", "drug 1"]])).shape
    (1, 8)
    """
    squares, rows = held_out(method, known, seed)
    of_gene = np.sqrt(_shrunk(squares.mean(axis=0), len(squares), float(squares.mean())))
    rest = (squares / np.where(of_gene > 0, of_gene, 1.0) ** 2).mean(axis=1)
    of_context, by_context = _effects(rest, known.contexts[rows])
    of_drug, by_drug = _effects(rest / by_context, known.drugs[rows])
    size = np.sqrt(by_context * by_drug)[:, None] * of_gene
    scores = np.sqrt(squares) / np.where(size > 0, size, 1.0)
    return Doubt(of_gene, of_context, of_drug, Scores(scores.ravel()))


def held_out(method: Method, known: Screen, seed: int) -> tuple[Array, NDArray[np.intp]]:
    """Squared errors of held-out conditions, (k, genes), and which conditions they are."""
    folds = min(FOLDS, len(np.unique(known.drugs)))
    assigned = KFold(folds, rounds=1, seed=seed).assigned(known)
    column = assigned[:, 0]
    rows = np.flatnonzero(column >= 0)
    if isinstance(method, NTK) and method.fixed and len(rows) == len(known):
        predicted = method.predict_folds(known, assigned)[0]
    else:
        predicted = np.array(known.profiles)
        for fold in np.unique(column[rows]):
            test = column == fold
            predicted[test] = method.predict(known.take(~test), known.labels[test])
    squares = np.square(predicted - known.profiles)[rows]
    if not np.isfinite(squares).all():
        raise InputError("the method gave no finite prediction of a held-out condition")
    return squares, rows


def _effects(ratio: Array, names: NDArray[np.str_]) -> tuple[dict[str, float], Array]:
    """A factor for the standard deviation under each name; its square for every condition."""
    unique, code = np.unique(names, return_inverse=True)
    count = np.bincount(code)
    effect = _shrunk(np.bincount(code, ratio) / count, count, float(ratio.mean()))
    effect = effect / max(float(ratio.mean()), np.finfo(float).tiny)
    roots = dict(zip(unique.tolist(), np.sqrt(effect).tolist(), strict=True))
    return roots, effect[code]


def _shrunk(mean: Array, count: Array | int, usual: float) -> Array:
    """Means of so many, with `PRIOR` of the usual one added."""
    return np.asarray((mean * count + PRIOR * usual) / (np.asarray(count) + PRIOR))
