"""Scores of predicted profiles, and paired tests of two methods."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from ...kernels.table import Array
from ..features import unit_rows

# First what a mean over the drugs of a cell line cannot score in.
SCORES = ("rank", "r_centred", "r2_centred", "cosine_centred", "r", "r2", "cosine")
LABELS = {
    "rank": "rank of the true drug (0 best, 0.5 chance)",
    "r_centred": "r, cell mean removed",
    "r2_centred": "R², cell mean removed",
    "cosine_centred": "cosine, cell mean removed",
    "r": "Pearson r, pooled",
    "r2": "R², mean",
    "cosine": "cosine, mean",
}


def pearson(predicted: Array, truth: Array) -> float:
    """Pearson's r over all entries together; NaN where either does not vary.

    Examples
    --------
    >>> pearson(np.array([[1.0, 2.0]]), np.array([[2.0, 4.0]]))
    1.0
    """
    left, right = predicted - predicted.mean(), truth - truth.mean()
    scale = np.sqrt(np.vdot(left, left) * np.vdot(right, right))
    return float(np.clip(np.vdot(left, right) / scale, -1, 1)) if scale > 0 else np.nan


def r2(predicted: Array, truth: Array) -> float:
    """The mean over conditions of the fraction of variance over genes that is explained; NaN where
    no condition varies.

    Examples
    --------
    >>> r2(np.array([[1.0, 3.0], [2.0, 2.0]]), np.array([[1.0, 3.0], [1.0, 3.0]]))
    0.5
    """
    residual = np.sum((predicted - truth) ** 2, axis=1)
    spread = np.sum((truth - truth.mean(axis=1, keepdims=True)) ** 2, axis=1)
    varied = spread > 0
    return float(np.mean(1 - residual[varied] / spread[varied])) if varied.any() else np.nan


def cosine(predicted: Array, truth: Array) -> float:
    """The mean over conditions that are not zero of the cosine with their prediction, 0 where that
    is zero; NaN where all conditions or all predictions are.

    Examples
    --------
    >>> cosine(np.array([[2.0, 0.0], [0.0, 0.0]]), np.array([[1.0, 0.0], [1.0, 0.0]]))
    0.5
    """
    some = truth.any(axis=1)
    if not (some.any() and predicted[some].any()):
        return np.nan
    return float(np.mean(np.einsum("ij,ij->i", unit_rows(predicted), unit_rows(truth))[some]))


def rank_among(cosines: Array, true: int) -> float:
    """The fraction of other candidates with a larger cosine than the true one; ties count half.

    0 if the true one is the nearest, 1 if it is the farthest; 0.5 is chance.

    Examples
    --------
    >>> rank_among(np.array([0.9, 0.1, 0.5]), 2)
    0.5
    """
    others = np.delete(cosines, true)
    return float(np.mean((others > cosines[true]) + 0.5 * (others == cosines[true])))


@dataclass(frozen=True)
class PairedTest:
    """One method against another over the same folds.

    Parameters
    ----------
    difference : float
        The mean of first minus second, over the folds in which both are defined; NaN if there are
        none.
    wins, folds : int
        In how many of these folds the first was better.
    p : float
        Two-sided, of the paired t test, corrected for the overlap of training sets.
    """

    difference: float
    wins: int
    folds: int
    p: float


def paired_test(
    first: Array, second: Array, overlap: float = 0.0, lower: bool = False
) -> PairedTest:
    """Compare two methods fold by fold.

    Parameters
    ----------
    first, second : array of shape (folds,)
        NaN where a score is undefined.
    overlap : float
        Test over training size: folds of cross-validation share training data, so their
        differences are not independent (Nadeau & Bengio 2003, doi:10.1023/A:1024068626366).
        0 is the ordinary paired t test.
    lower : bool
        Whether lower is better.

    Examples
    --------
    >>> result = paired_test(np.array([3.0, 5.0, 4.0]), np.array([2.0, 2.0, 2.0]))
    >>> result.difference, result.wins, round(result.p, 4)
    (2.0, 3, 0.0742)
    """
    differences = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    differences = differences[~np.isnan(differences)]
    count = len(differences)
    if not count:
        return PairedTest(np.nan, 0, 0, np.nan)
    better = differences < 0 if lower else differences > 0
    variance = float(np.var(differences, ddof=1)) if count > 1 else 0.0
    p = 1.0
    if variance > 0:
        t = float(np.mean(differences)) / np.sqrt(variance * (1 / count + overlap))
        p = float(2 * stats.t.sf(abs(t), count - 1))
    return PairedTest(float(np.mean(differences)), int(better.sum()), count, p)


def mean_interval(values: Array, overlap: float = 0.0, level: float = 0.95) -> tuple[float, float]:
    """A t interval for the mean over the folds that are not NaN, corrected for the overlap of
    training sets.

    Examples
    --------
    >>> [round(end, 3) for end in mean_interval(np.array([1.0, 2.0, 3.0]))]
    [-0.484, 4.484]
    """
    values = values[~np.isnan(values)]
    count = len(values)
    mean = float(np.mean(values)) if count else np.nan
    if count < 2:
        return mean, mean
    half = stats.t.ppf((1 + level) / 2, count - 1) * np.sqrt(
        np.var(values, ddof=1) * (1 / count + overlap)
    )
    return mean - float(half), mean + float(half)
