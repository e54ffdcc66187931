"""How alike cell lines are, and drugs, learned from the profiles that were measured."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr
from threadpoolctl import threadpool_limits

from ...errors import InputError
from ...kernels.table import Array
from ...nn import Sequential
from ...nn.pairs import of_gram
from ...runtime.memory import require
from ..screen import Conditions, contexts

# A profile of nearly zeros is not measured any better than this share of the others.
FLOOR = 0.1
Rows = slice | NDArray[np.intp]


@dataclass(frozen=True)
class Learned:
    """A prior whose similarities of contexts and of drugs are learned from the training profiles.

    Every gene is taken for a draw of one Gaussian field over the conditions. Its covariance is that
    of two contexts times that of two drugs, and what the same context or the same drug add, as
    one-hots would; the noise of a profile is in proportion to its mean square. Expectation and
    maximisation makes the likelihood of the measured profiles greater (the matrix normal model of
    Dutilleul 1999, doi:10.1080/00949659908811970, with gaps), and stops early, so that little is
    learned from little.

    Parameters
    ----------
    steps : int
        Of expectation and maximisation.
    start : float
        The correlation of two contexts, and of two drugs, to begin with.
    noise, context : float
        The variance of the noise, and of what a context has of its own, to begin with, over the
        mean square of the profiles.
    drug : float
        The variance of what a drug has of its own; it stays, since the likelihood would rather give
        it to the similarities, and predictions would tell drugs apart less well.
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
    noise: float = 0.1
    context: float = 0.3
    drug: float = 0.1
    most: int = 1000

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
            If steps, start, noise or a variance are out of range.
        MemoryLimitError
            If the similarities do not fit into memory.
        """
        if min(self.steps, self.start, self.context, self.drug) < 0 or not (
            self.start < 1 and self.noise > 0 and self.most > 0
        ):
            raise InputError(
                "similarities cannot be learned like this",
                expected="steps, context and drug >= 0, 0 <= start < 1, noise and most > 0",
                got=repr(self),
            )
        context, drug = (
            np.unique(of, return_inverse=True)[1] for of in (contexts(labels), labels[:, 1])
        )
        shape = int(context.max()) + 1, int(drug.max()) + 1
        require("similarities", 8 * 6 * sum(n**2 for n in shape), hint="fewer drugs or cell lines")
        known = np.arange(len(profiles))
        if len(known) > self.most:
            known = np.random.default_rng(0).permutation(known)[: self.most]
        first, second = (np.where(np.eye(n, dtype=bool), 1.0, self.start) for n in shape)
        found = Similarity(context, drug, first, second, (self.context, self.drug), self.noise)
        size = float(np.mean(profiles[known] ** 2)) or 1.0
        # Only inner products count: as few columns as rows will do.
        with threadpool_limits(1):
            (triangle,) = qr(profiles[known].T, mode="r", check_finite=False)
            draws = triangle[: len(known)].T / np.sqrt(profiles.shape[1] * size)
            for _ in range(self.steps):
                found = found.em_step(known, draws, sizes(profiles[known]))
        return found


@dataclass(frozen=True, eq=False)
class Similarity:
    """Covariances of conditions: context by context times drug by drug, and what is their own.

    Parameters
    ----------
    context, drug : int array of shape (n,)
        Of every condition, its row in the matrices.
    contexts, drugs : array of shape (contexts, contexts) and (drugs, drugs)
    own : tuple of float
        What the same context and the same drug add.
    noise : float
        The variance of the noise of a profile of mean square 1.
    """

    context: NDArray[np.intp]
    drug: NDArray[np.intp]
    contexts: Array
    drugs: Array
    own: tuple[float, float]
    noise: float

    def covariance(self, rows: Rows, columns: Rows) -> Array:
        """Between some conditions and others."""
        here, there = self.context[rows][:, None], self.context[columns]
        drug, other = self.drug[rows][:, None], self.drug[columns]
        result = self.contexts[here, there] * self.drugs[drug, other]
        result += self.own[0] * (here == there)
        result += self.own[1] * (drug == other)
        return result

    def variance(self, rows: Rows) -> Array:
        """Of some conditions; to the last bit what `covariance` says of each and itself."""
        between = self.contexts.diagonal()[self.context[rows]]
        return between * self.drugs.diagonal()[self.drug[rows]] + self.own[0] + self.own[1]

    def em_step(self, rows: Rows, draws: Array, sizes: Array) -> Similarity:
        """After a step of expectation and maximisation.

        Parameters
        ----------
        rows : int array of shape (n,)
            The conditions that were measured.
        draws : array of shape (n, m)
            Their inner products are the covariance that was observed.
        sizes : array of shape (n,)
            The noise of each over `noise`.
        """
        of_context = np.eye(len(self.contexts))[self.context[rows]]
        of_drug = np.eye(len(self.drugs))[self.drug[rows]]
        inverse = np.linalg.inv(self.covariance(rows, rows) + self.noise * np.diag(sizes))
        solved = inverse @ draws
        # How the likelihood grows with the covariance of every two conditions.
        slope = solved @ solved.T - inverse
        by_context = of_context.T @ (slope * (of_drug @ self.drugs @ of_drug.T)) @ of_context
        by_drug = of_drug.T @ (slope * (of_context @ self.contexts @ of_context.T)) @ of_drug
        contexts = self.contexts + self.contexts @ by_context @ self.contexts / len(self.drugs)
        drugs = self.drugs + self.drugs @ by_drug @ self.drugs / len(self.contexts)
        shared = float(np.einsum("ij,ik,jk->", slope, of_context, of_context, optimize=True))
        shared /= np.count_nonzero(of_context.any(axis=0))
        return replace(
            self,
            contexts=(contexts + contexts.T) / 2,
            # Both steps would correct the scale, which is one for the two.
            drugs=(drugs + drugs.T) / (2 * drugs.diagonal().mean()),
            own=(self.own[0] + self.own[0] ** 2 * shared, self.own[1]),
            noise=self.noise + self.noise**2 * float(np.mean(slope.diagonal() * sizes)),
        )

    def kernel(self, network: Sequential, rows: slice, columns: slice) -> Array:
        """The network's kernel between some conditions and others."""
        between = self.covariance(rows, columns)
        here, there = self.variance(rows), self.variance(columns)
        return of_gram(network.layers, between, here, there, overwrite=True)

    def ridge(self, rows: slice) -> float:
        """The noise over the mean variance of some conditions."""
        return self.noise / float(self.variance(rows).mean())


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
