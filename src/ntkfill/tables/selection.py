"""The network that a table asks for: by entries left out in closed form, or by hidden ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..kernels.table import Array
from ..nn.networks import Sequential
from . import featured as sided
from .checks import relu
from .features import Side
from .models import Model

DEPTHS = (1, 2, 3)
# How much features count beside the constant: less is smoother.
SCALES = (0.5, 1.0, 2.0)
# Another than the first candidate must be better by this share of the mean square.
GAIN = 0.01
# Where nothing can be left out in closed form, so many of the known entries are hidden, once.
HIDDEN = 0.1


@dataclass(frozen=True)
class Tried:
    """One network and how it did.

    Parameters
    ----------
    network : Sequential
    feature_scale : float
    error : float
        Root mean square error of entries left out or hidden, in standard deviations of their
        column.
    """

    network: Sequential
    feature_scale: float
    error: float


@dataclass(frozen=True)
class Choice:
    """What was chosen, and from what.

    Parameters
    ----------
    network : Sequential
    feature_scale : float
        Together what `NTKImputer` takes to do the same again.
    tried : tuple of Tried
    """

    network: Sequential
    feature_scale: float
    tried: tuple[Tried, ...]


def chosen(
    values: Array,
    rows: Array | None,
    columns: Array | None,
    feature_scale: float,
    ridge: float | None,
    seed: int,
    fit: Callable[[Array, Sequential, float], Model],
) -> Choice:
    """What "auto" chooses for a table with features (n, k) and (m, l) of its sides, or of none."""
    if rows is not None and columns is None:
        return by_leaving_out(values, rows, feature_scale, ridge)
    if columns is not None and rows is None:
        some = ~np.isnan(values).all(axis=1)
        return by_leaving_out(values[some].T, columns, feature_scale, ridge)
    scales = (feature_scale,) if rows is None else tuple(feature_scale * x for x in SCALES)
    return by_hiding(values, lambda *given: fit(*given).filled, scales, seed)


def by_leaving_out(
    values: Array, features: Array, feature_scale: float, ridge: float | None
) -> Choice:
    """Choose for columns regressed on features of the rows: one factorisation a candidate.

    Parameters
    ----------
    values : array of shape (n, m)
        NaN where missing.
    features : array of shape (n, k)
    feature_scale : float
        What the candidates' scales are relative to.
    ridge : float, optional
        None takes each candidate's best.

    Returns
    -------
    Choice
    """

    def error(network: Sequential, scale: float) -> float:
        kernel = Side.of(features, network, scale).kernel()
        return float(sided.left_out(values, kernel, ridge).min())

    return _best(error, [feature_scale * scale for scale in SCALES])


def by_hiding(
    values: Array,
    fill: Callable[[Array, Sequential, float], Array],
    scales: tuple[float, ...],
    seed: int = 0,
) -> Choice:
    """Choose for any model: a tenth of the known entries is hidden, and every candidate fills in.

    Parameters
    ----------
    values : array of shape (n, m)
        NaN where missing.
    fill : callable
        From a table with gaps, a network and a scale of features to a table without.
    scales : tuple of float
    seed : int

    Returns
    -------
    Choice

    Raises
    ------
    InputError
        If too little is known to hide any of it.
    """
    known = ~np.isnan(values)
    hidden = known & (np.random.default_rng(seed).random(values.shape) < HIDDEN)
    # Every column keeps what the means and spreads need.
    hidden &= (known & ~hidden).sum(axis=0) >= 2
    if not hidden.any():
        raise InputError(
            "too little is known to choose a network by", hint="network=None, which takes one"
        )
    spread = np.nanstd(values, axis=0)
    unit = np.where(spread > 0, spread, 1.0)
    left = np.where(hidden, np.nan, values)

    def error(network: Sequential, scale: float) -> float:
        return float(np.mean(np.square((fill(left, network, scale) - values) / unit)[hidden]))

    return _best(error, list(scales))


def _best(error: Callable[[Sequential, float], float], scales: list[float]) -> Choice:
    """The candidate with the least mean square error; the usual one unless another gains."""
    candidates = [(relu(depth), scale) for depth in DEPTHS for scale in scales]
    usual = len(scales) // 2
    candidates.insert(0, candidates.pop(usual))
    squares = [error(*candidate) for candidate in candidates]
    best = int(np.argmin(squares))
    if squares[best] > (1 - GAIN) * squares[0]:
        best = 0
    tried = tuple(
        Tried(network, scale, float(np.sqrt(square)))
        for (network, scale), square in zip(candidates, squares, strict=True)
    )
    return Choice(*candidates[best], tried)
