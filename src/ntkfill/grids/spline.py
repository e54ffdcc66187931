"""Splines over the known pixels: members of a mixture beside networks, for what is smooth.

A spline makes the sum of squared differences between neighbouring pixels as small as the known ones
allow. What is missing then solves a sparse system, exactly and from what is near. A spline goes on
with the slopes and curvatures at the rim of a hole. Two things keep it from going far astray where
an edge or noise meets the rim: at the border of the grid, where nothing is known beyond, slopes
fade out; and the fill of a deep hole stays near the range of what is known around it.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from scipy import ndimage, sparse
from scipy.linalg import cho_solve_banded, cholesky_banded
from scipy.sparse import csgraph, linalg

from ..kernels.table import Array, Index
from ..nn import Spline
from ..observed import Mask
from ..runtime.resources import require
from ..solvers.base import Report
from .holdout import eroded, opened
from .windows import widened

# Squared differences across a spline's axis count this much, where no pixel along it is known, and
# first differences of splines of order 2 this, so that a single known pixel determines all.
ACROSS, FIRST = 1e-6, 1e-8
# The tolerance of the solve: a smooth field is predicted to many digits.
RTOL, MAX_STEPS = 1e-7, 2000
# In a hole at the border, slopes fade over this share of its length, curvatures over half of it.
FADING = 0.5
# Holes at least this deep fade there, and have limits: the range of what is known as near to them
# as they are deep, and half as much again on both sides, as a dome needs.
LIMITED, MARGIN = 3, 0.5
TRIAL = (1e-5, 500)
# Systems of up to so many unknowns, by number of axes, are factored where gaps are deeper than
# this: there conjugate gradients take as many steps as the square of the depth.
MAX_FACTORED, DEEP = {1: 1 << 22, 2: 1 << 17}, 8
# Bytes at the peak: for each coefficient of a difference, which is held as parts, as all of them by
# row and as all of them by column; for each pixel and coefficient of a term, while it is made.
BYTES, TERM_BYTES = 36, 9
# Entries of the factor for each unknown of a system in the plane: so many times the square of the
# order and the logarithm of the number of unknowns. And bytes for each, besides.
FILL_IN, FACTOR_BYTES = 2.8, 300


@dataclass(frozen=True, eq=False)
class SplineFit:
    """A spline on a mask.

    Parameters
    ----------
    spline : Spline
    missing : bool array of shape (*grid)
    at_missing, at_known : sparse arrays of shape (differences, n_missing) and (.., n_known)
        The differences that a missing pixel takes part in.
    alone : sparse array of shape (n_missing, n_missing) or None
        Of a spline along one axis, the system without differences across it.
    """

    spline: Spline
    missing: Mask
    at_missing: sparse.csr_array
    at_known: sparse.csr_array
    alone: sparse.csc_array | None

    @classmethod
    def of(
        cls,
        spline: Spline,
        missing: Mask,
        wrapped: tuple[int, ...] = (),
        steps: tuple[float, ...] | None = None,
    ) -> SplineFit:
        """Of these missing pixels (*grid), which are `steps` apart along each axis; along wrapped
        axes the last pixel is beside the first. Raises MemoryLimitError."""
        require("the spline", memory(spline, missing), hint="network=ntkfill.nn.hourglass(5)")
        gaps = missing.ravel()
        along: list[sparse.csr_array] = []
        across: list[sparse.csr_array] = []
        for term, weight in _terms(spline, missing.ndim):
            apart = math.prod(steps[axis] for axis in term) if steps else 1.0
            fading = None
            if weight == FIRST and term[0] not in wrapped and spline.axis in (None, term[0]):
                fading = _fading(missing, term[0], spline.order)
            part = _differences(missing, term, math.sqrt(weight) / apart, wrapped, fading)
            (along if weight >= 1 else across).append(part)
        alone = None
        if spline.axis is not None:
            first = sparse.vstack(along, format="csc")[:, gaps].tocsr()
            alone = (first.T @ first).tocsc()
        every = sparse.vstack(along + across, format="csc")
        del along, across
        return cls(spline, missing, every[:, gaps].tocsr(), every[:, ~gaps].tocsr(), alone)

    def __call__(self, y: Array, trial: bool = False) -> tuple[Array, Report]:
        """What is missing, (n_missing, m), from known pixels (n_known, m); in a trial to fewer
        digits."""
        level = y.mean(axis=0, dtype=np.float64)
        unit = float(np.abs(y - level).max(initial=0.0)) or 1.0
        right = -(self.at_missing.T @ (self.at_known @ ((y - level) / unit)))
        found, report = self._solve(right, *(TRIAL if trial else (RTOL, MAX_STEPS)))
        for inside, around in self._deep_holes:
            known = (y[around] - level) / unit
            low, high = known.min(axis=0), known.max(axis=0)
            more = MARGIN * (high - low)
            found[inside] = np.clip(found[inside], low - more, high + more)
        return (found * unit + level).astype(y.dtype), report

    def adjoint(self, gradient: Array) -> Array:
        """Weights of the known pixels, (n_known, m), in sum(gradient * what is missing), as it is
        before its limits."""
        return np.asarray(-(self.at_known.T @ (self.at_missing @ self._solve(gradient)[0])))

    @cached_property
    def _deep_holes(self) -> list[tuple[Index, Index]]:
        """For every deep hole, which of the missing pixels it has, and which of the known ones are
        around it."""
        missing = self.missing
        deep = opened(missing, LIMITED - 1)
        if not deep.any():
            return []
        labels, count = ndimage.label(deep)
        depth = ndimage.distance_transform_cdt(missing, "chessboard")
        depths = ndimage.maximum(depth, labels, np.arange(1, count + 1)).astype(int)
        flat = missing.ravel()
        place = (np.where(flat, np.cumsum(flat), np.cumsum(~flat)) - 1).reshape(missing.shape)
        found = []
        for number, box in enumerate(ndimage.find_objects(labels)):
            wide = widened(box, int(depths[number]), missing.shape)
            inside = place[box][labels[box] == number + 1]
            found.append((inside, place[wide][~missing[wide]]))
        return found

    @cached_property
    def _system(self) -> sparse.csr_array:
        return (self.at_missing.T @ self.at_missing).tocsr()

    @cached_property
    def _factor(self) -> Factor | None:
        """The factor of the system, where that takes less time than conjugate gradients."""
        if not _is_factored(self.missing):
            return None
        return _factored(self._system, fill_in(self.spline, self.missing))

    @cached_property
    def _guess(self) -> Callable[[Array], Array]:
        """The preconditioner: the inverse along the axis of the spline, or of the diagonal."""
        diagonal = self._system.diagonal()
        if self.alone is None:
            return lambda column: column / diagonal
        rest = sparse.diags_array(diagonal - self.alone.diagonal())
        return _factored(self.alone + rest, fill_in(self.spline, self.missing)).solve

    def _solve(
        self, right: Array, rtol: float = RTOL, max_steps: int = MAX_STEPS
    ) -> tuple[Array, Report]:
        """Solve for (n_missing, m)."""
        if self._factor is not None:
            return self._factor.solve(right.astype(np.float64)), Report(0.0, 0, True)
        size = self._system.shape[0]
        guess = linalg.LinearOperator((size, size), matvec=self._guess, dtype=np.float64)
        found, reports = np.zeros(right.shape), []
        for k, column in enumerate(right.T):
            steps: list[None] = []
            found[:, k], _ = linalg.cg(
                self._system,
                column,
                rtol=rtol,
                maxiter=max_steps,
                M=guess,
                callback=lambda _, steps=steps: steps.append(None),
            )
            rest = float(np.linalg.norm(column - self._system @ found[:, k]))
            rest /= float(np.linalg.norm(column)) or 1.0
            reports.append(Report(rest, len(steps), rest <= 10 * rtol))
        return found, Report.worst(reports)


@dataclass(frozen=True, eq=False)
class BandFactor:
    """The Cholesky factor of a positive definite system, reordered to a narrow band."""

    order: Index  # (n,)
    band: Array  # (width, n), lower

    def solve(self, right: Array) -> Array:  # (n,) or (n, m)
        found = np.empty_like(right)
        found[self.order] = cho_solve_banded((self.band, True), right[self.order])
        return found


Factor: TypeAlias = "BandFactor | linalg.SuperLU"


def _factored(system: sparse.sparray, entries: float) -> Factor:
    """The factor of a positive definite system: within its band (Cuthill and McKee 1969,
    doi:10.1145/800195.805928), which BLAS factors several times faster, where that holds no more
    than so many entries for each unknown."""
    n = system.shape[0]
    order = csgraph.reverse_cuthill_mckee(system.tocsr(), symmetric_mode=True)
    place = np.empty_like(order)
    place[order] = np.arange(n, dtype=order.dtype)
    every = system.tocoo()
    rows, columns = (place[each] for each in every.coords)
    width = int((rows - columns).max()) + 1
    if width <= entries:
        lower = rows >= columns
        band = np.zeros((width, n))
        band[(rows - columns)[lower], columns[lower]] = every.data[lower]
        with contextlib.suppress(np.linalg.LinAlgError):  # positive definite up to rounding
            return BandFactor(order, cholesky_banded(band, overwrite_ab=True, lower=True))
    options = {"SymmetricMode": True}
    return linalg.splu(system.tocsc(), "MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)


def fill_in(spline: Spline, missing: Mask) -> float:
    """Entries of the factor for each unknown, about."""
    if missing.ndim == 1:
        return 2.0 * spline.order + 1
    return FILL_IN * spline.order**2 * math.log2(max(int(np.count_nonzero(missing)), 2))


def coefficients(spline: Spline, missing: Mask) -> int:
    """The number of coefficients of all differences that a missing pixel takes part in, about."""
    near = int(ndimage.maximum_filter(missing, 2 * spline.order - 1).sum())
    return near * sum(2 ** len(steps) for steps, _ in _terms(spline, missing.ndim))


def memory(spline: Spline, missing: Mask, count: int | None = None) -> int:
    """Bytes to fit a spline on a mask, about; `count` its coefficients, where they are known."""
    count = coefficients(spline, missing) if count is None else count
    making = TERM_BYTES * 2**spline.order * missing.size
    needed = max(BYTES * count, BYTES // 3 * count + making)
    if not _is_factored(missing):
        return needed
    factor = int((12 * fill_in(spline, missing) + FACTOR_BYTES) * np.count_nonzero(missing))
    return max(needed, BYTES * count * 2 // 3 + factor)


def _is_factored(missing: Mask) -> bool:
    """Whether the system is factored: where conjugate gradients would take many steps."""
    few = np.count_nonzero(missing) <= MAX_FACTORED.get(missing.ndim, 0)
    return bool(few and eroded(np.pad(missing, 1), DEEP).any())


def _terms(spline: Spline, n: int) -> Iterator[tuple[tuple[int, ...], float]]:
    """The axes along which differences are taken, one after the other, and the weight of their
    squares."""
    for steps in itertools.combinations_with_replacement(range(n), spline.order):
        counts = [math.factorial(steps.count(axis)) for axis in set(steps)]
        along = spline.axis is None or set(steps) == {spline.axis % n}
        weight = math.factorial(spline.order) / math.prod(counts)
        yield steps, weight if along else ACROSS * weight
    if spline.order > 1:
        yield from (((axis,), FIRST) for axis in range(n))


def _fading(missing: Mask, axis: int, order: int) -> Array:
    """How many times more first differences along an axis count (size,): in runs of missing pixels
    that reach one end of the grid, so that slopes fade over `FADING` of them; 1 elsewhere."""
    weights = np.ones(missing.shape)
    for along in (missing, np.flip(missing, axis)):
        run = np.logical_and.accumulate(along, axis=axis)
        length = run.sum(axis=axis, keepdims=True)
        # Where a line is missing whole, there is no slope that could go on.
        run &= (length >= LIMITED) & (length < missing.shape[axis])
        fading = FADING / (order - 1) * np.maximum(length, 1)
        side = weights if along is missing else np.flip(weights, axis)
        np.copyto(side, fading ** (2.0 - 2 * order) / FIRST, where=run)
    return weights.ravel()


def _differences(
    missing: Mask,
    steps: tuple[int, ...],
    factor: float,
    wrapped: tuple[int, ...],
    weights: Array | None = None,
) -> sparse.csr_array:
    """Differences along these axes of neighbours of which one is missing, weighted as the pixel
    (size,) that counts most: (differences, size)."""
    dtype = np.int32 if missing.size < 2**31 else np.int64
    parts = [(np.arange(missing.size, dtype=dtype).reshape(missing.shape), factor)]
    for axis in steps:
        shifted = []
        for places, sign in parts:
            if axis in wrapped:
                after, before = np.roll(places, -1, axis), places
            else:
                after, before = np.delete(places, 0, axis), np.delete(places, -1, axis)
            shifted += [(after, sign), (before, -sign)]
        parts = shifted
    gaps, flat = missing.ravel(), [part.ravel() for part, _ in parts]
    touched = np.logical_or.reduce([gaps[part] for part in flat])
    places = np.stack([part[touched] for part in flat], axis=-1)
    count, terms = len(places), len(flat)
    signs = np.tile([sign for _, sign in parts], count)
    if weights is not None:
        signs *= np.repeat(np.sqrt(weights[places].max(axis=1)), terms)
    starts = np.arange(0, count * terms + 1, terms)
    return sparse.csr_array((signs, places.ravel(), starts), shape=(count, missing.size))
