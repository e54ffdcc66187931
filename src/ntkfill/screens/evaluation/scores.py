"""How good predicted profiles are, and whether one method is better than another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from ...kernels.table import Array

SCORES = ("r", "r2", "cosine", "r_centred", "r2_centred", "cosine_centred", "rank")
LABELS = {
    "r": "Pearson r, pooled",
    "r2": "R², mean",
    "cosine": "cosine, mean",
    "r_centred": "r, cell mean removed",
    "r2_centred": "R², cell mean removed",
    "cosine_centred": "cosine, cell mean removed",
    "rank": "rank of the true drug (0 best, 0.5 chance)",
}


def pearson(predicted: Array, truth: Array) -> float:
    """Pearson's r over all entries together; 0 where either does not vary.

    Examples
    --------
    >>> pearson(np.array([[1.0, 2.0]]), np.array([[2.0, 4.0]]))
    1.0
    """
    left, right = predicted - predicted.mean(), truth - truth.mean()
    scale = np.sqrt(np.vdot(left, left) * np.vdot(right, right))
    return float(np.clip(np.vdot(left, right) / scale, -1, 1)) if scale > 0 else 0.0


def r2(predicted: Array, truth: Array) -> float:
    """The mean over conditions of the share of variance over genes that is explained.

    Examples
    --------
    >>> r2(np.array([[1.0, 3.0], [2.0, 2.0]]), np.array([[1.0, 3.0], [1.0, 3.0]]))
    0.5
    """
    rest = np.sum((predicted - truth) ** 2, axis=1)
    spread = np.sum((truth - truth.mean(axis=1, keepdims=True)) ** 2, axis=1)
    varied = spread > 0
    return float(np.mean(1 - rest[varied] / spread[varied])) if varied.any() else 0.0


def cosine(predicted: Array, truth: Array) -> float:
    """The mean over conditions of the cosine; 0 for a profile of zeros.

    Examples
    --------
    >>> cosine(np.array([[2.0, 0.0], [0.0, 0.0]]), np.array([[1.0, 0.0], [1.0, 0.0]]))
    0.5
    """
    return float(np.mean(np.einsum("ij,ij->i", unit(predicted), unit(truth))))


def true_rank(predicted: Array, candidates: Array, true: int) -> float:
    """Where the true profile stands among candidates ordered by their cosine with the prediction.

    Parameters
    ----------
    predicted : array of shape (genes,)
    candidates : array of shape (drugs, genes)
        Measured profiles of one cell line, the true one among them.
    true : int
        Its row.

    Returns
    -------
    float
        0 if it is the nearest, 1 if it is the farthest, halves for ties; 0.5 is chance.

    Examples
    --------
    >>> true_rank(np.array([1.0, 0.1]), np.eye(2), 0)
    0.0
    """
    if len(candidates) < 2:
        return 0.5
    near = cosines(candidates, predicted)
    return ranked(near, true)


def ranked(near: Array, true: int) -> float:
    """The share of the other candidates that are nearer than the true one; ties count half."""
    others = np.delete(near, true)
    return float(np.mean((others > near[true]) + 0.5 * (others == near[true])))


def cosines(profiles: Array, other: Array) -> Array:
    """Of every row with one profile; each is a sum of its own, whatever the number of threads."""
    return np.einsum("ij,j->i", unit(profiles), unit(other[None])[0])


def unit(profiles: Array) -> Array:
    """Rows of length one; rows of zeros stay."""
    lengths = np.linalg.norm(profiles, axis=1, keepdims=True)
    return profiles / np.where(lengths > 0, lengths, 1.0)


@dataclass(frozen=True)
class Paired:
    """One method against another over the same folds.

    Parameters
    ----------
    difference : float
        The mean of first minus second.
    wins, folds : int
        In how many of the folds the first was better.
    p : float
        Two-sided, of the paired t test, corrected for the overlap of training sets.
    """

    difference: float
    wins: int
    folds: int
    p: float


def paired(first: Array, second: Array, overlap: float = 0.0, lower: bool = False) -> Paired:
    """Compare two methods fold by fold.

    Parameters
    ----------
    first, second : array of shape (folds,)
    overlap : float
        Test over training size: folds of cross-validation share training data, so their
        differences are not independent (Nadeau & Bengio 2003, doi:10.1023/A:1024068626366).
        0 is the ordinary paired t test.
    lower : bool
        Whether lower is better.

    Examples
    --------
    >>> result = paired(np.array([3.0, 5.0, 4.0]), np.array([2.0, 2.0, 2.0]))
    >>> result.difference, result.wins, round(result.p, 4)
    (2.0, 3, 0.0742)
    """
    apart = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    count = len(apart)
    better = apart < 0 if lower else apart > 0
    variance = float(np.var(apart, ddof=1)) if count > 1 else 0.0
    p = 1.0
    if variance > 0:
        t = float(np.mean(apart)) / np.sqrt(variance * (1 / count + overlap))
        p = float(2 * stats.t.sf(abs(t), count - 1))
    return Paired(float(np.mean(apart)), int(better.sum()), count, p)


def interval(values: Array, overlap: float = 0.0, level: float = 0.95) -> tuple[float, float]:
    """A t interval for the mean over folds, corrected for the overlap of training sets.

    Examples
    --------
    >>> [round(end, 3) for end in interval(np.array([1.0, 2.0, 3.0]))]
    [-0.484, 4.484]
    """
    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return mean, mean
    half = stats.t.ppf((1 + level) / 2, count - 1) * np.sqrt(
        np.var(values, ddof=1) * (1 / count + overlap)
    )
    return mean - float(half), mean + float(half)
