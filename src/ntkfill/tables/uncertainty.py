"""Standard deviations and intervals of a filled table: the posterior of every regression, from the
factor that filled it, its scale by row and column, and a calibration on held-out entries."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import norm

from ..completion import fit
from ..errors import InputError
from ..kernels import DenseKernel
from ..kernels.table import Array
from ..nn.evaluate import Kind
from ..observed import Mask
from ..uncertainty import Interval, Posterior, Scores, Uncertainty, two_way_scale
from ..uncertainty.posterior import MODELS, PosteriorModel
from .chained import Chained
from .holdout import Completed, calibrate
from .models import Columns, Group, Regression, Rows, TableModel, TwoSided

# Of the solves of draws from the prior, with features of both sides.
RTOL = 1e-3


@dataclass(frozen=True, eq=False)
class Spread:
    """The errors that regressions expect, (n, m) each, in units of their kernels."""

    variance: Array  # of missing entries, zero where known
    squares: Array  # of the coefficients of known entries, NaN where missing
    expected: Array  # means of those over draws from the prior

    @classmethod
    def empty(cls, known: Mask) -> Spread:
        """To be written into, column by column."""
        zero = np.zeros(known.shape)
        return cls(zero, np.where(known, 0.0, np.nan), zero.copy())

    @property
    def std(self) -> Array:
        """In units of the values."""
        rows, columns = two_way_scale(self.squares, self.expected)
        return np.sqrt(self.variance) * rows[:, None] * columns


def uncertainties(
    completed: Completed,
    values: Array,  # (n, m), NaN where missing
    uncertainty: Uncertainty,
    level: float | None,
    *,
    whole_rows: bool,
) -> tuple[Array, Interval | None]:
    """Calibrated standard deviations of a table, zero where known, and intervals of this level."""
    missing = np.isnan(values)
    if not missing.any():
        exact = None if level is None else Interval(values.copy(), values.copy(), level, 0)
        return np.zeros(values.shape), exact
    filled, std, sure = completed(values)
    std, scores = np.where(missing, std, 0.0), Scores(np.zeros(0))
    if (missing & ~sure).any():
        calibration = calibrate(completed, values, uncertainty, whole_rows=whole_rows)
        std, scores = np.where(sure, std, std * calibration.factor), calibration.scores
    if level is None:
        return std, None
    # Where std is 0 the half-width is 0, also where the quantile is infinite.
    wide = np.where(sure, norm.ppf((1 + level) / 2), scores.quantile(level))
    half = np.where(std > 0, wide, 0.0) * std
    middle = np.where(missing, filled, values)
    return std, Interval(middle - half, middle + half, level, len(scores.values))


def standard_deviations(model: TableModel, values: Array, uncertainty: Uncertainty) -> Array:
    """Before calibration, for the table (n, m) that a model was fitted to; zero where known."""
    posterior = uncertainty.posterior or "ntk"
    if isinstance(model, TwoSided):
        return _two_sided(model, posterior, uncertainty)
    if isinstance(model, Columns):
        result = np.zeros(values.shape)
        result[model.rows] = _featured(model, values[model.rows].T, posterior).std.T
        # A row without any entry got the mean of each column: as far off as rows are apart.
        lost = np.setdiff1d(np.arange(len(values)), model.rows)
        known = ~np.isnan(values)
        # Of fewer than two entries of a column nothing is known but what the table says.
        few = np.count_nonzero(known, axis=0) < 2
        spread = np.std(values, axis=0, where=known | few)
        result[lost] = np.where(few, np.nanstd(values), spread)
        return result
    if isinstance(model, Rows):
        # Columns of different units tell nothing of each other's scale.
        spread = np.nanstd(values, axis=0)
        units = np.where(spread > 0, spread, 1.0)
        return _featured(model, values / units, posterior, units).std * units
    assert isinstance(model, Chained)
    if posterior != "ntk":
        raise InputError(
            "posterior must be 'ntk' without features of rows or columns", got=repr(posterior)
        )
    return model.std


def _featured(
    model: Rows | Columns, values: Array, posterior: PosteriorModel, units: Array | None = None
) -> Spread:
    """Columns on the features of rows, their values and coefficients over these units."""
    regression: Regression = model.regression
    kernels: dict[Kind, DenseKernel] = {"ntk": regression.kernel}
    if "nngp" in MODELS[posterior]:
        kernels["nngp"] = model.features.kernel("nngp")
    units = np.ones(values.shape[1]) if units is None else units
    return _spread(regression.groups, values, lambda _, kind: kernels[kind], posterior, units)


def _spread(
    groups: Iterable[Group],
    values: Array,
    kernel: Callable[[Group, Kind], DenseKernel],
    posterior: PosteriorModel,
    units: Array,
) -> Spread:
    """The posterior of groups of columns, each from the factor that filled it; the values are those
    of the regressions over these units."""
    spread = Spread.empty(~np.isnan(values))
    for group in groups:
        columns, rows, missing = group.columns, group.known, np.flatnonzero(~group.known)
        kinds = MODELS[posterior]
        fitted = kernel(group, kinds[1])
        prior = fitted if kinds[0] == kinds[1] else kernel(group, kinds[0])
        coefficients = group.coefficients / units[columns]
        factor = group.factor(fitted)
        if kinds[1] != "ntk":  # another kernel than the one that filled the columns
            factor = replace(group, lower=None).factor(fitted)
            found = fit(factor, values[np.ix_(rows, columns)], centre=True)
            coefficients = found.coefficients * found.scale
        noise = factor.ridge if prior is fitted else 0.0
        errors = Posterior(prior, factor, noise, centred=True)
        spread.variance[np.ix_(missing, columns)] = errors.variances(missing)[:, None]
        spread.squares[np.ix_(rows, columns)] = np.square(coefficients)
        spread.expected[np.ix_(rows, columns)] = errors.expected_squares()[:, None]
    return spread


def _two_sided(model: TwoSided, posterior: PosteriorModel, uncertainty: Uncertainty) -> Array:
    """A kernel of entries, by draws: there are too many entries for anything else."""
    if posterior != "ntk":
        raise InputError(
            "posterior must be 'ntk' with features of rows and columns", got=repr(posterior)
        )
    factor, shape = model.factor(RTOL), model.coefficients.shape
    known = factor.known
    missing = np.flatnonzero(~known)
    errors = Posterior(model.kernel, factor, factor.ridge, centred=True)
    sampled = errors.sample(missing, uncertainty.samples, uncertainty.random_state)
    spread = Spread.empty(known)
    spread.variance[missing] = sampled.variance
    spread.squares[known] = np.square(model.coefficients.ravel()[known])
    spread.expected[known] = sampled.expected_squares
    return Spread(*(part.reshape(shape) for part in vars(spread).values())).std
