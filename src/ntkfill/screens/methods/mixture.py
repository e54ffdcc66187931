"""One method for cell lines with few drugs, another for those with many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...kernels.table import Array
from ..screen import Conditions, Screen, contexts
from .baselines import Method
from .ntk import NTK, network
from .presets import imputed, sparse


@dataclass(frozen=True)
class Mixture:
    """One method for contexts with few training drugs, another for the rest.

    Parameters
    ----------
    sparse, dense : Method
    threshold : int
        Contexts with fewer training drugs than this are sparse.

    Examples
    --------
    >>> from ntkfill.screens import CellMean
    >>> train = Screen([[1.0], [3.0], [8.0]], [["A", "x"], ["A", "y"], ["B", "x"]], ["g"])
    >>> Mixture(CellMean(), NTK(), threshold=2).predict(train, np.array([["B", "y"]])).tolist()
    [[8.0]]
    """

    sparse: Method
    dense: Method
    threshold: int = 150

    def predict(self, train: Screen, conditions: Conditions) -> Array:
        names, counts = np.unique(train.contexts, return_counts=True)
        size = dict(zip(names.tolist(), counts.tolist(), strict=True))
        few = np.array([size.get(x, 0) < self.threshold for x in contexts(conditions).tolist()])
        result = np.empty((len(conditions), len(train.genes)))
        for method, rows in ((self.sparse, few), (self.dense, ~few)):
            if rows.any():
                result[rows] = method.predict(train, conditions[rows])
        return result


def paper_mixture(reference: str, dense: Method, threshold: int = 150) -> Mixture:
    """The paper's mixture: its sparse prior, and an imputation as prior for the other cell lines.

    Its networks have one hidden layer; the identity that it appends to the features, 1.5 I, is
    the explicit ridge here (see `ntkfill.screens.features.nugget`).
    """
    shallow = network(1)
    few = NTK(sparse(reference), shallow, ridge=0.1, centre=None)
    many = NTK(imputed(dense), shallow, ridge=0.1, centre=None)
    return Mixture(few, many, threshold)
