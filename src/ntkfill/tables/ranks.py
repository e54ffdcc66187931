"""Features once more by their ranks: what is far apart for a skewed column need not be for others.

Distances along a column with a heavy tail, or with levels that grow like powers, are those of its
few large values. Its normal scores (quantiles of a normal distribution at its ranks) spread them
evenly. Both are features, and a learned metric weighs them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from ..kernels.table import Array
from ..nn.vectors import Vectors

# Scores that are linear in the values tell nothing new.
LINEAR = 0.999


@dataclass(frozen=True, eq=False)
class Ranks:
    """Normal scores of columns as functions of their values."""

    knots: tuple[tuple[Array, Array] | None, ...]  # by column: sorted values and their scores

    @classmethod
    def of(cls, values: Array) -> Ranks:
        """Of the known entries of every column (n, m), NaN where missing.

        Examples
        --------
        >>> ranks = Ranks.of(np.array([[1.0, 0.0], [10.0, 1.0], [100.0, 1.0], [1000.0, 0.0]]))
        >>> new = ranks.appended(Vectors(np.array([[10.0, 0.0]]), np.zeros((1, 2))), np.arange(2))
        >>> new.mean.round(2)
        array([[10.  ,  0.  , -0.32]])
        """
        knots: list[tuple[Array, Array] | None] = []
        for column in values.T:
            known = column[~np.isnan(column)]
            levels, place, count = np.unique(known, return_inverse=True, return_counts=True)
            scores = norm.ppf((np.cumsum(count) - count / 2) / len(known))
            # Two levels are always linear in the values.
            linear = len(levels) <= 2 or np.corrcoef(known, scores[place])[0, 1] > LINEAR
            knots.append(None if linear else (levels, scores))
        return cls(tuple(knots))

    def appended(self, vectors: Vectors, columns: NDArray[np.intp]) -> Vectors:
        """Vectors (n, k) of values of these columns (k,), and after them their scores, which are
        as uncertain as their slope says."""
        mean, variance = [vectors.mean], [vectors.variance]
        for k, column in enumerate(columns):
            knots = self.knots[column]
            if knots is None:
                continue
            middle, std = vectors.mean[:, k], np.sqrt(vectors.variance[:, k])
            below, above = (np.interp(middle + step, *knots) for step in (-std, std))
            mean.append((below + above)[:, None] / 2)
            variance.append(np.square((above - below) / 2)[:, None])
        return Vectors(np.hstack(mean), np.hstack(variance))
