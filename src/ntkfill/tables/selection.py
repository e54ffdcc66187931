"""Ridges, networks and nuggets, selected by entries left out in closed form or held out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..kernels import DenseKernel, Kronecker
from ..kernels.table import Array
from ..nn import Sequential, fully_connected
from ..observed import Mask, Pattern, column_patterns
from ..runtime.resources import parallel_for
from ..selection import Candidate, Choice, hold_out
from ..solvers import CG
from ..solvers.spectral import RIDGES, Spectrum, kronecker_left_out
from .features import Features
from .options import TableOptions

DEPTHS = (1, 2, 3)
# Factors of the feature scale: less is smoother.
SCALES = (0.5, 1.0, 2.0)
# Another candidate than the default must lower the mean square by this share.
GAIN = 0.01
# The share of the known entries that is held out where nothing can be left out in closed form.
HELD_OUT = 0.1
# A pattern selects its ridge by its own entries and as many as this of all patterns' together: few
# entries alone select badly.
SHRINKAGE = 100
# For Kronecker kernels: on at most so many rows and columns. Of so FEW entries each is left out in
# closed form; of more, tenths are held out until there are ENOUGH errors.
SAMPLE, FEW, ENOUGH = 300, 300, 2000
MAX_STEPS = 2000
PRODUCT_RIDGES = tuple(float(10.0**k) for k in np.arange(-4.0, 1.5, 0.5))
NUGGETS = (0.0, 0.03, 0.1, 0.3, 1.0)


def select_network(
    values: Array,  # (n, m), NaN where missing
    rows: Array | None,  # (n, k)
    columns: Array | None,  # (m, l)
    options: TableOptions,
    fill: Callable[[Array, Sequential, float], Array],
) -> Choice:
    """What "auto" stands for: by leaving entries out where one side has features, else by holding
    some out and filling them with every candidate."""
    scales = [options.feature_scale * scale for scale in SCALES]
    if (rows is None) != (columns is None):
        features = rows
        if rows is None:
            features, values = columns, values[~np.isnan(values).all(axis=1)].T
        ridges = RIDGES if options.ridge == "loo" else (float(options.ridge),)

        def error(network: Sequential, scale: float) -> float:
            kernel = Features.of(np.asarray(features), network, scale).kernel()
            return float(left_out(values, kernel, ridges).min())

        return _best(error, scales, None)
    known = ~np.isnan(values)
    held_out = hold_out(known, HELD_OUT, np.random.default_rng(options.random_state))
    # Every column keeps what the means and spreads need.
    held_out &= (known & ~held_out).sum(axis=0) >= 2
    if not held_out.any():
        raise InputError(
            "too few entries are known to select a network", hint="network=None, the default one"
        )
    spread = np.nanstd(values, axis=0)
    unit = np.where(spread > 0, spread, 1.0)
    left = np.where(held_out, np.nan, values)

    def held_out_error(network: Sequential, scale: float) -> float:
        errors = (fill(left, network, scale) - values) / unit
        return float(np.mean(np.square(errors)[held_out]))

    return _best(held_out_error, scales if rows is not None else scales[1:2], held_out)


def _best(
    error: Callable[[Sequential, float], float], scales: list[float], held_out: Mask | None
) -> Choice:
    """The candidate with the smallest mean square error; the default unless another gains."""
    tried = [(fully_connected(depth), scale) for depth in DEPTHS for scale in scales]
    tried.insert(0, tried.pop(len(scales) // 2))
    squares = [error(*candidate) for candidate in tried]
    best = int(np.argmin(squares))
    best = best if squares[best] <= (1 - GAIN) * squares[0] else 0
    candidates = tuple(
        Candidate(network, float(np.sqrt(square)), feature_scale=scale)
        for (network, scale), square in zip(tried, squares, strict=True)
    )
    chosen = candidates[best]
    network, scale = tried[best]
    return Choice(network, chosen.error, candidates, held_out, scale)


def select_ridges(
    kernel: DenseKernel, centred: Array, patterns: list[Pattern], curve: Array | None
) -> tuple[list[float], Array]:
    """For every pattern the ridge with the smallest error of entries left out, and the curve of
    errors over all patterns (or that of an earlier fit, if given)."""
    errors, counts = _left_out(kernel, centred, patterns, RIDGES)
    if curve is None:
        curve = counts @ errors / counts.sum()
    best = np.argmin(counts[:, None] * errors + SHRINKAGE * curve, axis=1)
    return [RIDGES[k] for k in best], curve


def left_out(values: Array, kernel: DenseKernel, ridges: tuple[float, ...]) -> Array:
    """Mean squared errors of entries left out, in units of each column's variance, by ridge."""
    observed = ~np.isnan(values)
    centred = np.where(observed, values - np.nanmean(values, axis=0), 0.0)
    patterns = list(column_patterns(observed))
    errors, counts = _left_out(kernel, centred, patterns, ridges)
    return np.asarray(counts @ errors / counts.sum())


def _left_out(
    kernel: DenseKernel, centred: Array, patterns: list[Pattern], ridges: tuple[float, ...]
) -> tuple[Array, Array]:
    """The same by pattern, (patterns, ridges), and how many entries each has; all columns have the
    same weight."""
    errors, counts = np.zeros((len(patterns), len(ridges))), np.zeros(len(patterns))

    def work(k: int) -> None:
        columns, rows = patterns[k]
        y = centred[np.ix_(rows, columns)]
        size = np.sqrt(np.mean(np.square(y), axis=0))
        block = kernel.values[np.ix_(rows, rows)].astype(np.float64)
        errors[k] = Spectrum.of(block).errors(y / np.where(size > 0, size, 1.0), ridges)
        counts[k] = y.size

    parallel_for(work, range(len(patterns)))
    return errors, counts


Trial = tuple[float, float, float]
"""Nuggets of rows and columns, and the ridge."""


def select_nuggets(y: Array, kernel: Kronecker, known: Mask, random_state: int) -> Trial:
    """The nuggets and the ridge (absolute) of a Kronecker kernel: one after the other, twice.

    By leaving entries out in closed form where few are known, or whole rows by whole columns;
    otherwise in folds. `y` (n, m) is centred and zero where missing.
    """
    rng = np.random.default_rng(random_state)
    kept = [np.sort(rng.permutation(side)[:SAMPLE]) for side in known.shape]
    masks = [np.isin(np.arange(side), at) for side, at in zip(known.shape, kept, strict=True)]
    if known[np.ix_(*masks)].any():
        y, known, kernel = y[np.ix_(*masks)], known[np.ix_(*masks)], kernel.restricted(*masks)
    rows, columns = (np.asarray(known.any(axis=axis)) for axis in (1, 0))
    inner = np.ix_(rows, columns)
    y, known, kernel = y[inner], known[inner], kernel.restricted(rows, columns)
    places = np.flatnonzero(known)
    tenth = math.ceil(HELD_OUT * len(places))
    number = min(math.ceil(ENOUGH / tenth), int(1 / HELD_OUT))
    folds = rng.choice(places, min(number * tenth, len(places)), replace=False)
    scores: dict[Trial, float] = {}

    def score(trial: Trial) -> None:
        product = replace(kernel, nuggets=trial[:2])
        if known.all():
            errors = kronecker_left_out(product, y, trial[2])
        elif len(places) <= FEW:
            block = product.block(places, places)
            inverse = np.linalg.inv(block + trial[2] * np.eye(len(places)))
            errors = inverse @ y[known] / np.diagonal(inverse)
        else:
            solver = CG(trial[2] / float(product.diagonal().mean()), 1e-2, MAX_STEPS, np.float64)
            parts = [
                _held_out_errors(y, product, known, fold, solver)
                for fold in np.array_split(folds, number)
            ]
            errors = np.concatenate(parts)
        scores[trial] = float(np.mean(np.square(errors)))

    # All trials share the eigenvectors.
    parallel_for(lambda side: side.eigen and None, (kernel.left, kernel.right))
    best: Trial = (0.1, 0.1, 10**-1.0)
    for _, place in itertools.product(range(2), (2, 0, 1)):
        near = [ridge for ridge in PRODUCT_RIDGES if 0.03 < ridge / best[2] < 30]
        trials = [best]
        for option in near if place == 2 else NUGGETS:
            trials.append((*best[:place], option, *best[place + 1 :]))  # type: ignore[arg-type]
        parallel_for(score, dict.fromkeys(trial for trial in trials if trial not in scores))
        best = min(trials, key=scores.__getitem__)
    return best


def _held_out_errors(
    y: Array, kernel: Kronecker, known: Mask, places: NDArray[np.intp], solver: CG
) -> Array:
    """The errors of entries that are held out; not of those without which a row or a column would
    be empty."""
    train = known.copy()
    train.flat[places] = False
    kept = np.logical_and.outer(train.any(axis=1), train.any(axis=0))
    train |= known & ~kept
    coefficients = np.zeros(known.shape)
    factor = solver.factor(kernel, train.ravel())
    coefficients[train] = factor.solve(y[train][:, None]).coefficients[:, 0]
    return np.asarray((kernel.matvec(coefficients) - y)[known & ~train])
