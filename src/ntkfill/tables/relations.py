"""Columns that others determine: shares of a whole, totals of parts, one quantity in two units.

Ridges that are safe where features were filled in are too large for exact relations, and the known
range of a column may be left where a relation says so. Relations are found on rows that hold
everything, so that no fill can leak into them; what follows from them is known like other entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..kernels.table import Array

# A relation holds where its errors are at most this share of the standard deviation of its column.
EXACT = 0.01
# Less is lost in rounding.
ROUNDING = 1e-8
# Rows that hold everything: at least so many for each column, and of more than so many, some.
ENOUGH, SAMPLE = 2, 1000


@dataclass(frozen=True, eq=False)
class Relation:
    """A column as a linear function of a few others."""

    column: int
    features: NDArray[np.intp]  # (k,)
    rows: NDArray[np.intp]  # (c,), on which it was found
    centre: Array  # (k,), the means of the features there
    inverse: Array  # (k, c), of the features about their centre
    level: float  # the mean of the column there
    slopes: Array  # (k,)
    error: float  # root mean square, standardised

    def __call__(self, x: Array) -> Array:
        """The column (n,) for features (n, k)."""
        return self.level + (x - self.centre) @ self.slopes

    def weights(self, x: Array) -> Array:
        """Of the values in `rows` (c,) for features (k,); they sum to one."""
        weights = (x - self.centre) @ self.inverse
        return weights + (1.0 - weights.sum()) / len(self.rows)


def find(values: Array, groups: NDArray[np.intp]) -> tuple[Relation, ...]:
    """The relations among standardised columns (n, m), NaN where missing, of different groups (m,):
    those that hold for values left out, and in rows that lack something else."""
    known, count = ~np.isnan(values), values.shape[1]
    rows = np.flatnonzero(known.all(axis=1))
    if len(rows) < ENOUGH * (count + 1):
        return ()
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), SAMPLE)).astype(np.intp)]
    table = values[rows] - values[rows].mean(axis=0)
    sizes, directions = np.linalg.svd(table, full_matrices=False)[1:]
    bound = directions[sizes <= EXACT * np.sqrt(len(rows) * count)]
    found = []
    for column in np.flatnonzero(np.abs(bound).max(axis=0, initial=0.0) > EXACT).tolist():
        y = table[:, column]
        others = np.flatnonzero(groups != groups[column])
        features = others[_features(table[:, others], y)]
        x = table[:, features]
        inverse = np.linalg.pinv(x, rcond=ROUNDING)
        slopes = inverse @ y
        rest = 1.0 - np.einsum("ij,ji->i", x, inverse) - 1.0 / len(y)
        # A row that alone says what a feature does is not predicted when it is left out.
        left_out = np.where(rest > ROUNDING, (y - x @ slopes) / np.maximum(rest, ROUNDING), y)
        error = float(np.sqrt(np.mean(np.square(left_out))))
        level, centre = values[rows, column].mean(), values[np.ix_(rows, features)].mean(axis=0)
        relation = Relation(column, features, rows, centre, inverse, float(level), slopes, error)
        whole = known[:, [column, *features]].all(axis=1)
        off = relation(values[np.ix_(whole, features)]) - values[whole, column]
        error = max(error, float(np.sqrt(np.mean(np.square(off)))), ROUNDING)
        if error <= EXACT:
            found.append(replace(relation, error=error))
    return tuple(found)


def _features(x: Array, y: Array) -> NDArray[np.intp]:
    """As few columns of x (c, k) as y (c,) is a linear function of, nearly as closely as of all:
    orthogonal matching pursuit."""
    least = 1.5 * np.linalg.norm(y - x @ np.linalg.lstsq(x, y, ROUNDING)[0])
    least += ROUNDING * np.linalg.norm(y)
    chosen: list[int] = []
    residual = y
    while np.linalg.norm(residual) > least and len(chosen) < x.shape[1]:
        fit = np.abs(residual @ x)
        fit[chosen] = -1.0
        chosen.append(int(np.argmax(fit)))
        some = x[:, chosen]
        residual = y - some @ np.linalg.lstsq(some, y, ROUNDING)[0]
    return np.sort(np.array(chosen, dtype=np.intp))


def determined(relations: Sequence[Relation], values: Array) -> tuple[Array, Array]:
    """Standardised values (n, m), NaN where missing, with all that follows from others; and the
    variance of that, zero elsewhere."""
    values, variance = values.copy(), np.zeros(values.shape)
    more = True
    while more:
        more = False
        for relation in relations:
            missing = np.isnan(values[:, relation.column])
            x = values[np.ix_(missing, relation.features)]
            follows = ~np.isnan(x).any(axis=1)
            rows = np.flatnonzero(missing)[follows]
            values[rows, relation.column] = relation(x[follows])
            variance[rows, relation.column] = relation.error**2
            more |= len(rows) > 0
    return values, variance
