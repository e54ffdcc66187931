"""Feature priors for screens, and the mixture of two methods from the paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...kernels.table import Array
from ..features import (
    GroupMean,
    Labels,
    MeanOverOthers,
    OneHot,
    Reference,
    Stack,
    column,
    encode,
)
from ..screen import Conditions, Screen, contexts
from .baselines import Method
from .ntk import NTK


def means(fields: tuple[str, ...]) -> Stack:
    """Context mean and drug mean over the other contexts; one-hots of every label, less heavy.

    Where dose or time are labelled too, drugs differ in their contexts, so a drug's mean is that of
    the residuals of the context means, and the labels have larger weights.

    Parameters
    ----------
    fields : tuple of str
        The labels that the screen has.

    Examples
    --------
    >>> means(("cell", "drug")).weights
    (1.0, 1.0, 0.3, 0.1)
    """
    context = tuple(name for name in fields if name != "drug")
    labelled = len(context) > 1
    return Stack(
        GroupMean(context),
        MeanOverOthers("drug", excluding=context, residual=context if labelled else None),
        *(OneHot(name) for name in (*context, "drug")),
        weights=(1.0, 1.0, *(0.5 if labelled else 0.3 for _ in context), 0.5 if labelled else 0.1),
    )


@dataclass(frozen=True)
class Imputation:
    """Another method's imputation as features: measured profiles, and predicted ones elsewhere.

    With `FaLRTC()` it is the paper's prior for many drugs per cell line.

    Parameters
    ----------
    method : Method
    fields : tuple of str
        The labels that the screen has.

    Examples
    --------
    >>> from ntkfill.screens import CellMean
    >>> train = {"cell": ["A", "A"], "drug": ["x", "y"]}
    >>> labels = {"cell": ["A", "A"], "drug": ["y", "z"]}
    >>> Imputation(CellMean()).features(np.array([[1.0], [3.0]]), train, labels)
    array([[3.],
           [2.]])
    """

    fixed: ClassVar[bool] = False
    method: Method
    fields: tuple[str, ...] = ("cell", "drug")

    def features(self, train_profiles: Array, train_labels: Labels, labels: Labels) -> Array:
        known, query = (
            np.stack([column(of, name).astype(str) for name in self.fields], axis=1)
            for of in (train_labels, labels)
        )
        _, at, _ = encode(map(tuple, known.tolist()), map(tuple, query.tolist()))
        result = train_profiles[at]
        if (at < 0).any():
            genes = np.arange(train_profiles.shape[1]).astype(str)
            train = Screen(train_profiles, known, genes, self.fields)
            result[at < 0] = self.method.predict(train, query[at < 0])
        return result


@dataclass(frozen=True)
class ByDrugCount:
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
    >>> method = ByDrugCount(CellMean(), NTK(), threshold=2)
    >>> method.predict(train, np.array([["B", "y"]])).tolist()
    [[8.0]]
    """

    sparse: Method
    dense: Method
    threshold: int = 150

    def predict(self, train: Screen, conditions: Conditions) -> Array:
        codes, at, _ = encode(train.contexts, contexts(conditions))
        drugs = np.append(np.bincount(codes), 0)  # the last one, -1, is an unknown context
        few = drugs[at] < self.threshold
        result = np.empty((len(conditions), len(train.genes)))
        for method, rows in ((self.sparse, few), (self.dense, ~few)):
            if rows.any():
                result[rows] = method.predict(train, conditions[rows])
        return result


def paper_mixture(reference: str, dense: Method, threshold: int = 150) -> ByDrugCount:
    """The mixture of Radhakrishnan et al., PNAS 2022, doi:10.1073/pnas.2115064119.

    For cell lines with few training drugs, the features are the drug's profile in a reference cell
    line and the cell line's mean; for the others, an imputation. The identity that the paper
    appends to the features, 1.5 I, is an explicit ridge.

    Parameters
    ----------
    reference : str
        A cell line with many drugs.
    dense : Method
        Makes the imputation, `FaLRTC()` in the paper.
    threshold : int
        Contexts with fewer training drugs than this are sparse.

    Examples
    --------
    >>> from ntkfill.screens import FaLRTC
    >>> paper_mixture("MCF7", FaLRTC()).threshold
    150
    """
    sparse = Stack(Reference(("cell", reference)), GroupMean("cell"))
    return ByDrugCount(
        NTK(sparse, ridge=0.1, centre=None),
        NTK(Imputation(dense), ridge=0.1, centre=None),
        threshold,
    )
