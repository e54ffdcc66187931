"""Ways to hold out conditions of a screen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError, check_integer
from ...observed import Mask
from ..screen import Screen


@dataclass(frozen=True, eq=False)
class Split:
    """One fold: what is held out of a screen of measured conditions.

    Parameters
    ----------
    name : str
    test : bool array of shape (conditions,)
        Held out.
    train : bool array of shape (conditions,)
        Conditions that are neither are not used.
    round : int
    """

    name: str
    test: Mask
    train: Mask
    round: int = 0


class Splitting(Protocol):
    """A way to hold out conditions."""

    def splits(self, screen: Screen) -> Iterator[Split]:
        """The folds, one after the other."""


@dataclass(frozen=True)
class KFold:
    """Repeated k-fold within each context: every fold holds a k-th of the drugs of each.

    Examples
    --------
    >>> screen = Screen(np.eye(4), [["A", d] for d in "wxyz"], list("abcd"))
    >>> [split.test.sum() for split in KFold(2, rounds=1).splits(screen)]
    [np.int64(2), np.int64(2)]
    """

    folds: int = 10
    rounds: int = 5
    random_state: int = 0

    def __post_init__(self) -> None:
        check_integer("folds", self.folds, 2, 10**6)
        check_integer("rounds", self.rounds, 1, 10**6)

    def assigned(self, screen: Screen) -> NDArray[np.integer]:
        """The fold of each condition, shape (conditions, rounds); -1 if it is always trained on."""
        names, sizes = np.unique(screen.contexts, return_counts=True)
        drugs = len(np.unique(screen.drugs))
        if self.folds > drugs:
            raise InputError(
                "more folds than drugs", expected=f"2 to {drugs} folds", got=str(self.folds)
            )
        if self.folds > sizes.sum() or sizes.max() < 2:
            raise InputError("no context has two drugs, so none can be held out")
        result = np.empty((len(screen), self.rounds), dtype=np.intp)
        random = np.random.default_rng(self.random_state)
        for column in result.T:
            for name in names:
                rows = np.flatnonzero(screen.contexts == name)
                column[rows] = (
                    random.permutation(len(rows)) + random.integers(self.folds)
                ) % self.folds
            # The only profile of a context is never held out: nothing else is known there.
            column[np.isin(screen.contexts, names[sizes == 1])] = -1
        return result

    def splits(self, screen: Screen) -> Iterator[Split]:
        for number, column in enumerate(self.assigned(screen).T):
            for fold in range(self.folds):
                test = column == fold
                if test.any():
                    yield Split(f"round {number + 1}, fold {fold + 1}", test, ~test, number)


@dataclass(frozen=True)
class Sparse:
    """A few training drugs in every context, all others held out.

    Parameters
    ----------
    drugs : int
        Per context; contexts with no more than that are trained on whole.
    rounds, random_state : int

    Examples
    --------
    >>> screen = Screen(np.eye(4), [["A", d] for d in "wxyz"], list("abcd"))
    >>> [split.train.sum() for split in Sparse(1, rounds=2).splits(screen)]
    [np.int64(1), np.int64(1)]
    """

    drugs: int = 3
    rounds: int = 10
    random_state: int = 0

    def __post_init__(self) -> None:
        check_integer("drugs", self.drugs, 1, 10**6)
        check_integer("rounds", self.rounds, 1, 10**6)

    def splits(self, screen: Screen) -> Iterator[Split]:
        names, sizes = np.unique(screen.contexts, return_counts=True)
        if self.drugs >= sizes.max():
            raise InputError(
                "nothing would be held out",
                expected=f"1 to {sizes.max() - 1} training drugs in each cell line",
                got=str(self.drugs),
            )
        random = np.random.default_rng(self.random_state)
        for number in range(self.rounds):
            train = np.zeros(len(screen), dtype=bool)
            for name in names:
                train[random.permutation(np.flatnonzero(screen.contexts == name))[: self.drugs]] = 1
            yield Split(f"round {number + 1}", ~train, train)


@dataclass(frozen=True)
class LeaveOneOut:
    """All conditions of one drug, cell line, dose, ... held out at a time, or of a group of them.

    Parameters
    ----------
    of : {"drug", "cell", "context", "dose", "time"}
        A context is everything of a condition but its drug: with dose or time, one of their values
        in one cell line.
    folds : int, optional
        Hold out this many random groups, each of several, instead of one at a time.
    random_state : int
        Of the groups.

    Examples
    --------
    >>> screen = Screen(np.eye(4), [["A", d] for d in "wxyz"], list("abcd"))
    >>> [split.name for split in LeaveOneOut("drug").splits(screen)]
    ['without w', 'without x', 'without y', 'without z']
    >>> [int(split.test.sum()) for split in LeaveOneOut("drug", folds=2).splits(screen)]
    [2, 2]
    """

    of: str = "drug"
    folds: int | None = None
    random_state: int = 0

    def __post_init__(self) -> None:
        if self.of not in ("drug", "cell", "context", "dose", "time"):
            expected = "of must be 'drug', 'cell', 'context', 'dose' or 'time'"
            raise InputError(expected, got=repr(self.of))
        if self.folds is not None:
            check_integer("folds", self.folds, 2, 10**6)

    def splits(self, screen: Screen) -> Iterator[Split]:
        labels = {**screen.columns, "context": screen.contexts}
        if self.of not in labels:
            raise InputError(
                f"no {self.of} of this screen can be left out",
                expected=f"one of {', '.join(labels)}",
            )
        names, code = np.unique(labels[self.of], return_inverse=True)
        if len(names) < 2:
            raise InputError(
                f"there is only one {self.of}, so none can be left out", got=repr(str(names[0]))
            )
        if self.folds is None or self.folds >= len(names):
            group = np.arange(len(names))
            titles = [f"without {name}" for name in names]
        else:
            group = np.random.default_rng(self.random_state).permutation(len(names)) % self.folds
            titles = [f"{self.of}s, fold {k + 1}" for k in range(self.folds)]
        for k, title in enumerate(titles):
            yield Split(title, group[code] == k, group[code] != k)
