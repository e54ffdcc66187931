"""The covariance of conditions, learned from the training profiles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr

from ...errors import InputError
from ...kernels import DenseKernel, Kronecker
from ...kernels.table import Array
from ...nn import Sequential
from ...nn.pairs import of_gram
from ...runtime.resources import require
from ..features import SideFeatures, unit_rows
from ..screen import Conditions, contexts, log_numbers

# The smallest noise scale: profiles of nearly zeros are measured no better than this.
MIN_NOISE_SCALE = 0.1
Rows = slice | NDArray[np.intp]
# Of features, doses and times in the initial correlation: the likelihood chooses one.
WEIGHTS = (0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9)


@dataclass(frozen=True)
class MatrixNormal:
    """A prior whose covariances of contexts and of drugs are learned from the training profiles.

    Every gene is a sample of one Gaussian field over the conditions. The covariance of two
    conditions is that of their contexts times that of their drugs, plus the variance of an effect
    of the context and of one of the drug (`kernels.Kronecker`); the noise variance of a profile is
    in proportion to its mean square. The parameters are fitted by expectation maximisation (the
    matrix normal model of Dutilleul 1999, doi:10.1080/00949659908811970, with missing conditions),
    stopped early, which regularises them.

    Parameters
    ----------
    max_iter : int
        Iterations of expectation maximisation.
    correlation : float
        Initial correlation of two contexts, and of two drugs.
    noise, context_effect : float
        Initial variances, relative to the mean square of the profiles.
    drug_effect : float
        A variance that is not fitted: the likelihood would move it into the covariance of the
        drugs, and predictions would distinguish drugs less well.
    max_conditions : int
        Fit on a random subset of at most this many conditions; all of them enter the regression.
    features : tuple of SideFeatures
        Fingerprints of drugs (``by="drug"``) or basal profiles of cell lines (``by="cell"``): the
        cosines of the centred features and a Gaussian kernel of their distances, half of each, are
        a part of the initial correlation.
    numeric : bool
        Whether doses and times that are numbers are a part of the initial correlation of contexts:
        a Gaussian kernel of their logarithms.
        How large each part is, 0 to 0.9, is chosen by the likelihood of the training profiles, so
        that features that say nothing have no weight.

    Raises
    ------
    InputError
        If a parameter is out of range.

    Examples
    --------
    >>> labels = np.array([["A", "x"], ["A", "y"], ["B", "x"], ["B", "y"], ["C", "x"]])
    >>> profiles = np.outer([1.0, 2.0, 1.0, 2.0, 1.0], [1.0, -1.0])
    >>> drugs = MatrixNormal().fit(profiles, labels).drugs
    >>> bool(drugs[0, 1] > drugs[0, 0])  # y has twice the effect of x
    True
    """

    fixed: ClassVar[bool] = False
    max_iter: int = 10
    correlation: float = 0.5
    noise: float = 0.1
    context_effect: float = 0.3
    drug_effect: float = 0.1
    max_conditions: int = 1000
    features: tuple[SideFeatures, ...] = ()
    numeric: bool = True

    def __post_init__(self) -> None:
        least = min(self.max_iter, self.correlation, self.context_effect, self.drug_effect)
        if least < 0 or not (self.correlation < 1 and self.noise > 0 and self.max_conditions > 0):
            raise InputError(
                "the covariance cannot be learned with these parameters",
                expected="max_iter and effects >= 0, 0 <= correlation < 1, noise > 0, "
                "max_conditions > 0",
                got=repr(self),
            )
        for side in self.features:
            if side.by not in ("drug", "cell"):
                raise InputError("features must be by 'drug' or 'cell'", got=repr(side.by))

    def fit(self, profiles: Array, labels: Conditions) -> ConditionCovariance:
        """Fit the covariance of all conditions to the profiles of the first of them.

        Parameters
        ----------
        profiles : array of shape (n, genes)
            Centred.
        labels : str array of shape (n or more, fields)

        Raises
        ------
        MemoryLimitError
            If the covariances do not fit into memory.
        """
        context, drug = (
            np.unique(of, return_inverse=True)[1] for of in (contexts(labels), labels[:, 1])
        )
        sizes = int(context.max()) + 1, int(drug.max()) + 1
        require("covariances", 8 * 6 * sum(n**2 for n in sizes), hint="fewer drugs or cell lines")
        rows = np.arange(len(profiles))
        if len(rows) > self.max_conditions:
            rows = np.random.default_rng(0).permutation(rows)[: self.max_conditions]
        entries = context * sizes[1] + drug
        start = [np.where(np.eye(n, dtype=bool), 1.0, self.correlation) for n in sizes]
        fitted = self._initial(entries, start)
        mean_square = float(np.mean(profiles[rows] ** 2)) or 1.0
        # Only inner products of profiles are needed: n columns instead of one per gene.
        (triangle,) = qr(profiles[rows].T, mode="r", check_finite=False)
        samples = triangle[: len(rows)].T / np.sqrt(profiles.shape[1] * mean_square)
        scales = noise_scales(profiles[rows])
        for side, part in self._parts(labels, context, drug):
            # What two labels share beyond what all share is similar, by so much.
            weighed = []
            for weight in WEIGHTS:
                moved = list(start)
                own = weight * (1 - self.correlation)
                moved[side] = start[side] + own * (part - np.eye(len(part)))
                fitted = self._initial(entries, moved)
                weighed.append((fitted.log_likelihood(rows, samples, scales), moved))
            start = max(weighed, key=lambda pair: pair[0])[1]
        fitted = self._initial(entries, start)
        for _ in range(self.max_iter):
            fitted = fitted.em_step(rows, samples, scales)
        return fitted

    def _initial(self, entries: NDArray[np.intp], start: Sequence[Array]) -> ConditionCovariance:
        """The covariance before any step, for the correlations of contexts and of drugs."""
        left, right = (DenseKernel(side, (len(side),)) for side in start)
        kernel = Kronecker(left, right, effects=(self.context_effect, self.drug_effect))
        return ConditionCovariance(entries, kernel, self.noise)

    def _parts(
        self, labels: Conditions, context: NDArray[np.intp], drug: NDArray[np.intp]
    ) -> Iterator[tuple[int, Array]]:
        """Correlations of contexts (side 0) or drugs (side 1) that labels or features tell of."""
        first = tuple(np.unique(code, return_index=True)[1] for code in (context, drug))
        for side in self.features:
            at = int(side.by == "drug")
            column = {side.by: labels[first[at], at]}
            rows = side.features(np.empty((0, 1)), {}, column)
            yield at, _similarity(rows)
        if self.numeric and labels.shape[1] > 2:
            places = labels[first[0]]
            similar = np.where(places[:, :1] == places[:, 0], 1.0, self.correlation)
            for numbers in filter(len, map(log_numbers, places[:, 2:].T)):
                spread = float(np.std(np.unique(numbers))) or 1.0
                distance = np.subtract.outer(numbers, numbers) / spread
                similar = similar * np.exp(-(distance**2) / 2)
            yield 0, similar


@dataclass(frozen=True, eq=False)
class ConditionCovariance:
    """The covariance of conditions, each an entry of the table of contexts by drugs.

    Parameters
    ----------
    entries : int array of shape (n,)
        The flat coordinate of every condition in the table.
    kernel : Kronecker
        The covariance of contexts times that of drugs, plus the variances of their effects.
    noise : float
        The noise variance of a profile of mean square 1.
    """

    entries: NDArray[np.intp]
    kernel: Kronecker
    noise: float

    @property
    def contexts(self) -> Array:
        """The covariance of the contexts."""
        return self.kernel.left.values

    @property
    def drugs(self) -> Array:
        """The covariance of the drugs."""
        return self.kernel.right.values

    def between(self, rows: Rows, columns: Rows) -> Array:
        """The covariance of some conditions with others."""
        return self.kernel.block(self.entries[rows], self.entries[columns])

    def variance(self, rows: Rows) -> Array:
        """The diagonal of `between(rows, rows)`, to the last bit."""
        return self.kernel.diagonal().ravel()[self.entries[rows]]

    def log_likelihood(self, rows: Rows, samples: Array, scales: Array) -> float:
        """Twice that of the profiles `samples` of `rows`, for every gene, without a constant."""
        covariance = self.between(rows, rows) + self.noise * np.diag(scales)
        root = np.linalg.cholesky(covariance)
        solved = np.linalg.solve(root, samples)
        return float(-2 * np.log(np.diagonal(root)).sum() - np.vdot(solved, solved))

    def em_step(self, rows: Rows, samples: Array, scales: Array) -> ConditionCovariance:
        """One iteration of expectation maximisation.

        `samples` (n, m) are the profiles of `rows`: their inner products are the observed
        covariance. `scales` (n,) are the noise variances over `noise`.
        """
        contexts, drugs = self.contexts, self.drugs
        context, drug = np.divmod(self.entries[rows], len(drugs))
        of_context, of_drug = np.eye(len(contexts))[context], np.eye(len(drugs))[drug]
        inverse = np.linalg.inv(self.between(rows, rows) + self.noise * np.diag(scales))
        solved = inverse @ samples
        # Twice the gradient of the log-likelihood with respect to the covariance, (n, n).
        gradient = solved @ solved.T - inverse
        by_context = of_context.T @ (gradient * (of_drug @ drugs @ of_drug.T)) @ of_context
        by_drug = of_drug.T @ (gradient * (of_context @ contexts @ of_context.T)) @ of_drug
        new_contexts = contexts + contexts @ by_context @ contexts / len(drugs)
        new_drugs = drugs + drugs @ by_drug @ drugs / len(contexts)
        shared = float(np.einsum("ij,ik,jk->", gradient, of_context, of_context, optimize=True))
        shared /= np.count_nonzero(of_context.any(axis=0))
        effect, drug_effect = self.kernel.effects
        kernel = Kronecker(
            DenseKernel((new_contexts + new_contexts.T) / 2, self.kernel.left.shape),
            # Only the product has a scale; it is that of the contexts.
            DenseKernel(
                (new_drugs + new_drugs.T) / (2 * new_drugs.diagonal().mean()),
                self.kernel.right.shape,
            ),
            effects=(effect + effect**2 * shared, drug_effect),
        )
        noise = self.noise + self.noise**2 * float(np.mean(gradient.diagonal() * scales))
        return ConditionCovariance(self.entries, kernel, noise)

    def ntk(self, network: Sequential, rows: slice, columns: slice) -> Array:
        """The network's NTK for features with this covariance as inner products."""
        variances = self.variance(rows), self.variance(columns)
        return of_gram(network.layers, self.between(rows, columns), *variances, overwrite=True)


def _similarity(features: Array) -> Array:
    """Half the cosine of the centred features, and half a Gaussian kernel of their distances.

    The features have unit length, and the median distance is the kernel's width. What two labels
    share at that distance, all do: it is taken out.
    """
    unit = unit_rows(features - features.mean(axis=0))
    cosine = unit @ unit.T  # (n, n)
    squares = np.maximum(cosine.diagonal()[:, None] + cosine.diagonal() - 2 * cosine, 0.0)
    apart = squares[np.triu_indices(len(squares), 1)]
    apart = apart[apart > 1e-9]
    if not len(apart):
        return np.eye(len(features))
    gaussian = np.exp(-squares / np.median(apart))
    similar = (cosine + (gaussian - np.exp(-1)) / (1 - np.exp(-1))) / 2
    np.fill_diagonal(similar, 1.0)
    return np.asarray((similar + similar.T) / 2)


def noise_scales(profiles: Array) -> Array:
    """The mean square of every profile over that of all, at least a tenth.

    >>> noise_scales(np.array([[1.0, 1.0], [0.0, 2.0], [0.0, 0.0]]))
    array([1. , 2. , 0.1])
    """
    squares = np.einsum("ij,ij->i", profiles, profiles)
    mean = float(squares.mean())
    return np.maximum(squares / mean, MIN_NOISE_SCALE) if mean > 0 else np.ones(len(profiles))
