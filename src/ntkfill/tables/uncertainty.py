"""How sure a filled table is: the posterior of every regression, and its scale by entry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..completion import fit
from ..errors import InputError
from ..kernels import DenseKernel
from ..kernels.table import Array, Index
from ..nn.evaluate import Kind
from ..observed import Mask
from ..solvers.base import absolute_ridge
from ..solvers.cholesky import Cholesky
from ..solvers.spectral import mean_diagonal
from ..uncertainty import Posterior, two_way_scale
from ..uncertainty.posterior import MODELS, PosteriorModel
from ..uncertainty.sampling import root
from . import product
from .models import Both, Columns, Model, Plain, Rows

# Draws from the prior where both sides have features: 1 / sqrt(2 * 32) is an error of 12.5 %.
SAMPLES = 32
RTOL = 1e-3


@dataclass(frozen=True, eq=False)
class Spread:
    """What regressions say of their errors, in units of their kernels.

    Parameters
    ----------
    variance : array of shape (n, m)
        Of entries that are missing; zero where known.
    squares : array of shape (n, m)
        Of the coefficients of known entries; NaN where missing.
    expected : array of shape (n, m)
        Means of those over draws from the prior.
    """

    variance: Array
    squares: Array
    expected: Array

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


def deviations(model: Model, values: Array, under: PosteriorModel = "ntk", seed: int = 0) -> Array:
    """The standard deviation of every missing entry of the table that a model was fitted to.

    Parameters
    ----------
    model : Model
    values : array of shape (n, m)
        The table, NaN where missing.
    under : {"ntk", "nngp", "ensemble"}
        See `ntkfill.Confidence`.
    seed : int
        Of the draws where rows and columns have features; elsewhere nothing is drawn.

    Returns
    -------
    array of shape (n, m), 0 where known
    """
    if isinstance(model, Plain):
        return _plain(model, values, under)
    if isinstance(model, Rows):
        # Columns of different units tell nothing of each other's scale.
        spread = np.nanstd(values, axis=0)
        units = np.where(spread > 0, spread, 1.0)
        return _sided(model, values / units, under).std * units
    if isinstance(model, Columns):
        result = np.zeros(values.shape)
        result[model.index] = _sided(model, values[model.index].T, under).std.T
        # A row without any entry got the mean of each column: as far off as rows are apart.
        lost = np.setdiff1d(np.arange(len(values)), model.index)
        result[lost] = np.nanstd(values, axis=0, where=~np.isnan(values))
        return result
    if isinstance(model, Both):
        return _both(model.fitted, under, seed)
    raise InputError("no posterior is known of this model", got=type(model).__name__)


def _plain(model: Plain, values: Array, under: PosteriorModel) -> Array:
    """Each column given the others as they were filled in.

    Those fills saw the very entries that are regressed on them, so coefficients do not tell how
    large errors are, only in which rows: the mean variance of a column is put to one, for hidden
    entries to correct (`ntkfill.tables.calibration`).
    """
    chain, known = model.chain, ~np.isnan(values)
    spread, y = Spread.empty(known), (values - model.level) / model.scale
    for group in chain.groups:
        if not group.known.all():
            others = np.delete(chain.fill, group.columns, axis=1)
            vectors = np.hstack([others, np.ones((len(others), 1))])
            kernels = {kind: chain.network.between(vectors, kind=kind) for kind in MODELS[under]}
            _regress(spread, y, group.columns, group.known, kernels, group.ridge, under)
    missing = ~known
    usual = spread.variance.sum(axis=0) / np.maximum(missing.sum(axis=0), 1)
    relative = np.sqrt(spread.variance / np.where(usual > 0, usual, 1.0))
    rows = two_way_scale(spread.squares, spread.expected)[0]
    return relative * rows[:, None] * model.scale


def _sided(model: Rows | Columns, values: Array, under: PosteriorModel) -> Spread:
    """Columns on the features of rows; a pattern of gaps at a time."""
    side, fitted, known = model.side, model.fitted, ~np.isnan(values)
    kernels = {kind: side.network.between(side.vectors, kind=kind) for kind in MODELS[under]}
    spread = Spread.empty(known)
    for k, pattern in enumerate(fitted.patterns):
        columns = np.flatnonzero(fitted.which == k)
        _regress(spread, values, columns, pattern.known, kernels, pattern.ridge, under)
    return spread


def _regress(
    spread: Spread,
    values: Array,
    columns: Index,
    rows: Mask,
    kernels: dict[Kind, Array],
    ridge: float,
    under: PosteriorModel,
) -> None:
    """The posterior of columns that are known in the same rows, written into `spread`; the ridge
    is relative to the mean diagonal over those rows."""
    drawn, fitted = (DenseKernel(kernels[kind], (len(rows),)) for kind in MODELS[under])
    share = mean_diagonal(fitted.values[np.ix_(rows, rows)]) / mean_diagonal(fitted.values)
    noise = absolute_ridge(share * ridge, drawn) if drawn.values is fitted.values else 0.0
    factor = Cholesky(share * ridge).factor(fitted, rows)
    posterior = Posterior(drawn, factor, noise, centred=True)
    found = fit(factor, values[np.ix_(rows, columns)], centre=True)
    missing = np.flatnonzero(~rows)
    spread.variance[np.ix_(missing, columns)] = posterior.variances(missing)[:, None]
    spread.squares[np.ix_(rows, columns)] = np.square(found.coefficients * found.scale)
    spread.expected[np.ix_(rows, columns)] = posterior.expected_squares()[:, None]


def _both(fitted: product.Product, under: PosteriorModel, seed: int) -> Array:
    """A kernel of entries, by draws: there are too many entries for anything else."""
    if under != "ntk":
        raise InputError(
            "with features of rows and columns there is one posterior", expected='under="ntk"'
        )
    known, rng = fitted.known, np.random.default_rng(seed)
    system = product.System(fitted.rows, fitted.columns, fitted.own, known)
    sides = zip((fitted.rows, fitted.columns), fitted.own, strict=True)
    left, right = (DenseKernel(side + own * np.eye(len(side)), (len(side),)) for side, own in sides)
    half_left, half_right = root(left), root(right)
    errors, expected = np.zeros(known.shape), np.zeros(known.shape)
    for _ in range(SAMPLES):
        truth = half_right(half_left(rng.standard_normal(known.shape).T).T)
        y = truth + np.sqrt(fitted.ridge) * rng.standard_normal(known.shape)
        level = y[known].mean()
        a = system.solve(np.where(known, y - level, 0.0), fitted.ridge, RTOL)[0]
        errors += np.square(left.matvec(right.matvec(a).T).T + level - truth)
        expected += np.square(a)
    variance = np.where(known, 0.0, errors / SAMPLES + fitted.ridge)
    squares = np.where(known, np.square(fitted.coefficients), np.nan)
    return Spread(variance, squares, expected / SAMPLES).std
