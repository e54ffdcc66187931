"""Priors of features for screens: means, the paper's, and any method's imputation."""

from __future__ import annotations

import numpy as np

from ...kernels.table import Array
from .. import features as priors
from ..features import ConditionPrior
from ..features.labels import Labels
from ..screen import Conditions, Screen
from .baselines import Method


def means(fields: tuple[str, ...]) -> priors.Stack:
    """Context mean and drug mean over the other contexts; one-hots of every label, less heavy.

    Where dose or time are labelled too, a drug's contexts differ from another's, so its mean is of
    what is left of the context means, and the labels count for more.

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
    more = len(context) > 1
    hot = (*(0.5 if more else 0.3 for _ in context), 0.5 if more else 0.1)
    return priors.Stack(
        priors.GroupMean(context),
        priors.MeanOverOthers("drug", excluding=context, residual=context if more else None),
        *(priors.OneHot(name) for name in (*context, "drug")),
        weights=(1.0, 1.0, *hot),
    )


def sparse(reference: str, field: str = "cell") -> ConditionPrior:
    """The paper's prior for few drugs per cell line.

    The drug's profile in a reference cell line with many drugs, beside the mean of the cell line.
    """
    return priors.Stack(priors.Reference((field, reference)), priors.GroupMean(field))


def imputed(method: Method, fields: tuple[str, ...] = ("cell", "drug")) -> ConditionPrior:
    """Another method's imputation as features: measured profiles, and predicted ones elsewhere.

    With `FaLRTC()` it is the paper's prior for many drugs per cell line.
    """

    def impute(profiles: Array, seen: Labels, wanted: Labels) -> Array:
        genes = np.arange(profiles.shape[1]).astype(str)
        train = Screen(profiles, _rows(seen, fields), genes, fields)
        labels = _rows(wanted, fields)
        place = {tuple(row): k for k, row in enumerate(train.labels.tolist())}
        at = np.array([place.get(tuple(row), -1) for row in labels.tolist()])
        result = np.where((at >= 0)[:, None], profiles[at], 0.0)
        if (at < 0).any():
            result[at < 0] = method.predict(train, labels[at < 0])
        return result

    return priors.Imputation(impute)


def _rows(labels: Labels, fields: tuple[str, ...]) -> Conditions:
    return np.stack([np.asarray(labels[name], dtype=str) for name in fields], axis=1)
