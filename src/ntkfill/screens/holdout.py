"""Hide conditions of a screen that are like those that are asked for.

The drug of a condition that is asked for, its cell line, its dose or its time may be new to the
training screen, or the combination of the last three. The less is known, the larger are the errors,
so whatever is learned from hidden conditions is learned for each novelty on its own.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from .evaluation.splits import KFold, LeaveOneOut, Split
from .screen import Conditions, Screen, contexts

FOLDS = 10
# Where drug and cell line are both new: groups of each, and a fold for every pair of groups.
GROUPS = 4
GRID = "in the grid"
# What is hidden together: all conditions of a drug, and all of a cell line or of a context.
NOVELTIES: dict[str, tuple[str, ...]] = {
    GRID: (),
    "new drug": ("drug",),
    "new context": ("context",),
    "new drug and context": ("drug", "context"),
    "new cell": ("cell",),
    "new drug and cell": ("drug", "cell"),
    "new dose": ("dose",),
    "new time": ("time",),
}


def novelty(train: Screen, conditions: Conditions) -> NDArray[np.str_]:
    """Which of `NOVELTIES` each condition is to the training screen, shape (n,).

    >>> train = Screen([[1.0], [2.0]], [["A", "x"], ["B", "y"]], ["g"])
    >>> novelty(train, np.array([["A", "y"], ["A", "z"], ["C", "z"]])).tolist()
    ['in the grid', 'new drug', 'new drug and cell']
    """
    drug = ~np.isin(conditions[:, 1], train.drugs)
    context = ~np.isin(contexts(conditions), train.contexts)
    cell = ~np.isin(conditions[:, 0], train.cells)
    found = np.array(list(NOVELTIES))[drug + 2 * context + 2 * cell]
    for of in ("time", "dose"):
        if of in train.fields:
            unseen = ~np.isin(conditions[:, train.fields.index(of)], train.columns[of])
            found[unseen & np.isin(found, ("new context", "new time"))] = f"new {of}"
    return found


def hidden(train: Screen, kind: str, random_state: int = 0) -> list[Split]:
    """Folds in which conditions of this novelty are hidden; none where that is not possible.

    Outside of the grid, what is newer than that once it is hidden is kept too: of a cell line with
    one other profile, a new drug is asked for, but hiding that profile makes the cell line new.
    Without these, nothing hidden would be like what is asked for of such cell lines.
    """
    parts = NOVELTIES[kind]
    names = {**train.columns, "context": train.contexts}
    if min(len(set(names[of].tolist())) if of in names else 0 for of in parts or ("drug",)) < 2:
        return []
    if kind == GRID:
        if len(train) == len(set(train.contexts.tolist())):
            return []
        folds = KFold(min(FOLDS, len(set(train.drugs.tolist()))), 1, random_state).splits(train)
    elif len(parts) == 1:
        folds = LeaveOneOut(parts[0], FOLDS, random_state).splits(train)
    else:
        folds = (
            Split(f"{one.name}, {other.name}", one.test & other.test, one.train & other.train)
            for one, other in product(
                *(LeaveOneOut(of, GROUPS, random_state).splits(train) for of in parts)
            )
            if (one.train & other.train).any()
        )
    wanted = {kind} if kind == GRID else {k for k in NOVELTIES if set(parts) <= set(NOVELTIES[k])}
    result, alike = [], False
    for fold in folds:
        test = fold.test.copy()
        found = novelty(train.take(fold.train), train.labels[fold.test])
        alike |= bool((found == kind).any())
        test[test] = np.isin(found, list(wanted))
        if test.any():
            result.append(Split(fold.name, test, fold.train, fold.round))
    return result if alike else []
