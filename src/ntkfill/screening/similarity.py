"""How alike cell lines are, and drugs, learned from the profiles that were measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr
from threadpoolctl import threadpool_limits

from ..errors import InputError
from ..grid import Array
from ..memory import require
from ..nn import Sequential
from ..nn.pairs import of_gram
from .screen import Conditions, contexts

# A profile of nearly zeros is not measured any better than this share of the others.
FLOOR = 0.1


@dataclass(frozen=True)
class Learned:
    """A prior whose similarities of contexts and of drugs are learned from the training profiles.

    Every gene is taken for a draw of one Gaussian field over the conditions, whose covariance is
    that of two contexts times that of two drugs, plus noise in proportion to each profile's own
    mean square. Both covariances are those of the greatest likelihood, by expectation and
    maximisation with gaps (the matrix normal model of Dutilleul 1999,
    doi:10.1080/00949659908811970), stopped early, so that little is learned from little. To their
    product, the same context and the same drug add what one-hots would.

    Parameters
    ----------
    steps : int
        Of expectation and maximisation; a context or drug without a profile stays at the start.
    start : float
        The correlation of two contexts, and of two drugs, to begin with.
    noise : float
        Over the mean square of the profiles.
    context, drug : float
        What two conditions of the same context, or of the same drug, have in common besides; 1 is
        the mean variance of the product.
    most : int
        Learn from no more conditions than this, taken at random; all of them enter the regression.

    Examples
    --------
    >>> labels = np.array([["A", "x"], ["A", "y"], ["B", "x"], ["B", "y"], ["C", "x"]])
    >>> profiles = np.outer([1.0, 2.0, 1.0, 2.0, 1.0], [1.0, -1.0])
    >>> found = Learned().fit(profiles, labels)
    >>> bool(found.drugs[0, 1] > found.drugs[0, 0])  # y does what x does, and more of it
    True
    """

    steps: int = 10
    start: float = 0.5
    noise: float = 0.05
    context: float = 1.0
    drug: float = 0.1
    most: int = 2000

    @property
    def fixed(self) -> bool:
        return False

    def fit(self, profiles: Array, labels: Conditions) -> Similarity:
        """Learn from profiles of the first of these conditions.

        Parameters
        ----------
        profiles : array of shape (n, genes)
            Centred.
        labels : str array of shape (n or more, fields)

        Raises
        ------
        InputError
            If steps, start, noise or a weight are out of range.
        MemoryLimitError
            If the similarities do not fit into memory.
        """
        if not (self.steps >= 0 <= self.start < 1 and self.noise > 0 <= self.context + self.drug):
            raise InputError(
                "similarities cannot be learned like this",
                expected="steps >= 0, 0 <= start < 1, noise > 0, weights >= 0",
                got=repr(self),
            )
        context, drug = (
            np.unique(of, return_inverse=True)[1] for of in (contexts(labels), labels[:, 1])
        )
        sides = int(context.max()) + 1, int(drug.max()) + 1
        require("similarities", 8 * 6 * sum(n**2 for n in sides), hint="fewer drugs or cell lines")
        known = np.arange(len(profiles))
        if len(known) > self.most:
            known = np.random.default_rng(0).permutation(known)[: self.most]
        with threadpool_limits(1):
            among = self._maximised(profiles[known], (context[known], drug[known]), sides)
        own = among[0].diagonal()[context[known]] * among[1].diagonal()[drug[known]]
        weights = self.context, self.drug
        return Similarity(context, drug, among[0] / own.mean(), among[1], weights)

    def _maximised(
        self, profiles: Array, at: tuple[NDArray[np.intp], ...], sides: tuple[int, ...]
    ) -> tuple[Array, Array]:
        """The covariances of contexts and of drugs, of profiles of mean square 1."""
        first, second = (np.full((n, n), self.start) for n in sides)
        for side in (first, second):
            np.fill_diagonal(side, 1.0)
        # Only inner products count: as few columns as rows will do.
        size = float(np.mean(profiles**2)) or 1.0
        (triangle,) = qr(profiles.T, mode="r", check_finite=False)
        draws = triangle[: len(profiles)].T / np.sqrt(profiles.shape[1] * size)
        noise = self.noise * sizes(profiles)
        one, other = (np.eye(n)[codes] for n, codes in zip(sides, at, strict=True))
        for _ in range(self.steps):
            left, right = first[np.ix_(at[0], at[0])], second[np.ix_(at[1], at[1])]
            inverse = np.linalg.inv(left * right + np.diag(noise))
            solved = inverse @ draws
            # The slope of the likelihood in the covariance of every pair of conditions.
            slope = solved @ solved.T - inverse
            first = first + first @ (one.T @ (slope * right) @ one) @ first / sides[1]
            second = second + second @ (other.T @ (slope * left) @ other) @ second / sides[0]
            # Both steps would correct the scale, which is one for the two.
            second /= second.diagonal().mean()
        return (first + first.T) / 2, (second + second.T) / 2


@dataclass(frozen=True, eq=False)
class Similarity:
    """Covariances of conditions: context by context times drug by drug, and what labels add.

    Parameters
    ----------
    context, drug : int array of shape (n,)
        Of every condition, its row in the matrices.
    contexts, drugs : array of shape (contexts, contexts) and (drugs, drugs)
    weights : tuple of float
        What the same context and the same drug add.
    """

    context: NDArray[np.intp]
    drug: NDArray[np.intp]
    contexts: Array
    drugs: Array
    weights: tuple[float, float]

    def kernel(self, network: Sequential, rows: slice, columns: slice) -> Array:
        """The network's kernel between some conditions and others."""
        here, there = self._variances(rows), self._variances(columns)
        context, drug = self.context, self.drug
        between = self.contexts[np.ix_(context[rows], context[columns])]
        between *= self.drugs[np.ix_(drug[rows], drug[columns])]
        between += self.weights[0] * (context[rows][:, None] == context[columns])
        between += self.weights[1] * (drug[rows][:, None] == drug[columns])
        return of_gram(network.layers, between, here, there, overwrite=True)

    def _variances(self, rows: slice) -> Array:
        own = self.contexts.diagonal()[self.context[rows]] * self.drugs.diagonal()[self.drug[rows]]
        # In the order of `kernel`, or rounding makes a condition differ from itself.
        return own + self.weights[0] + self.weights[1]


def sizes(profiles: Array) -> Array:
    """The mean square of every profile over that of all, and no less than a tenth.

    Examples
    --------
    >>> sizes(np.array([[1.0, 1.0], [0.0, 2.0], [0.0, 0.0]]))
    array([1. , 2. , 0.1])
    """
    squares = np.einsum("ij,ij->i", profiles, profiles)
    mean = float(squares.mean())
    return np.maximum(squares / mean, FLOOR) if mean > 0 else np.ones(len(profiles))
