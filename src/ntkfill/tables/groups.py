"""Columns with the same gaps, regressed on the other columns of a table without any."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..kernels.table import Array
from ..nn.networks import Sequential
from ..nn.pairs import of_gram
from ..observed import Mask
from ..solvers import linalg
from ..solvers import spectral as loo

# The first sweep, which starts from the means and chooses the ridges, takes so many rows at most.
SAMPLE = 600


@dataclass(frozen=True, eq=False)
class Group:
    """Columns with the same gaps, and what predicts them.

    Parameters
    ----------
    columns : int array of shape (g,)
    known : bool array of shape (n,)
    ridge : float
        Relative to the mean diagonal.
    coefficients : array of shape (n_known, g)
    lower : array of shape (n_known, n_known), optional
        The Cholesky factor of the last sweep.
    """

    columns: NDArray[np.intp]
    known: Mask
    ridge: float
    coefficients: Array
    lower: Array | None = None


def products(left: Array, right: Array) -> Array:
    """Inner products of rows with the constant appended."""
    return left @ right.T + 1.0


def lengths(rows: Array) -> Array:
    """Squared lengths of rows with the constant appended."""
    return np.einsum("ij,ij->i", rows, rows) + 1.0


def between(
    network: Sequential,
    fill: Array,
    group: Group,
    left: Array,
    gram: Array,
    own: Array,
    dtype: type = np.float64,
) -> Array:
    """The kernel of some rows with those where the group is known, without its own columns, from
    the products `gram` of these rows with all, and the squared lengths `own` of all."""
    known = np.flatnonzero(group.known)
    mine, theirs = left[:, group.columns], fill[np.ix_(known, group.columns)]
    rest = gram.take(known, axis=1)
    rest -= mine @ theirs.T
    lone = lengths(left) - np.einsum("ij,ij->i", mine, mine)
    others = own[known] - np.einsum("ij,ij->i", theirs, theirs)
    rest, lone, others = (x.astype(dtype, copy=False) for x in (rest, lone, others))
    return of_gram(network.layers, rest, lone, others, overwrite=True)


def among(
    network: Sequential, fill: Array, group: Group, gram: Array, dtype: type = np.float64
) -> Array:
    """The same of the rows where the group is known, from the products of all rows."""
    known = np.flatnonzero(group.known)
    theirs = fill[np.ix_(known, group.columns)]
    rest = gram.take(known, axis=0).take(known, axis=1)  # twice as fast as gram[np.ix_(...)]
    rest -= theirs @ theirs.T
    rest = rest.astype(dtype, copy=False)
    own = np.diagonal(rest).copy()
    return of_gram(network.layers, rest, own, own, overwrite=True, symmetric=True)


def thinned(known: Mask) -> Mask:
    """At most `SAMPLE` of these rows, evenly spread."""
    rows = np.flatnonzero(known)
    kept = np.zeros_like(known)
    kept[rows[np.linspace(0, len(rows) - 1, min(len(rows), SAMPLE)).astype(np.intp)]] = True
    return kept


def solved(group: Group, block: Array, fill: Array, *, keep: bool = False) -> Group:
    """With its coefficients, in the precision of the block, and its ridge, if it has none."""
    y = fill[np.ix_(group.known, group.columns)].astype(block.dtype, copy=False)
    if np.isnan(group.ridge):
        spectrum = loo.Spectrum.of(block)
        ridge = spectrum.choose(y)
        return replace(group, ridge=ridge, coefficients=spectrum.solve(y, ridge)[0])
    lower = loo.cholesky(block, group.ridge)
    return replace(group, coefficients=linalg.solve(lower, y), lower=lower if keep else None)
