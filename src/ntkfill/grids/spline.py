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
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from operator import sub
from typing import NamedTuple, TypeAlias

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
# An offset from a pixel; the axes of a difference, its coefficients by offset from its first pixel,
# its weight, and that of each pixel it begins at.
Offset = tuple[int, ...]
Term = tuple[tuple[int, ...], dict[Offset, float], float, Array | None]
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
# Coefficients that are made together. Bytes at the peak: for each of those, for each coefficient,
# while parts are put together, and for each pixel; and for each coefficient that is kept.
CHUNK = 1 << 17
CHUNK_BYTES, BYTES, PIXEL_BYTES, KEPT_BYTES = 64, 36, 16, 12
# Entries of the factor for each unknown of a system in the plane: so many times the square of the
# order and the logarithm of the number of unknowns. And bytes for each, besides.
FILL_IN, FACTOR_BYTES = 2.8, 300


class Costs(NamedTuple):
    """What a spline costs on a mask, about."""

    coefficients: int
    memory: int  # bytes
    factored: bool  # where conjugate gradients would take many steps
    fill_in: float  # entries of the factor for each unknown


@dataclass(frozen=True, eq=False)
class SplineFit:
    """A spline on a mask.

    Parameters
    ----------
    missing : bool array of shape (*grid)
    system, beside : sparse arrays of shape (n_missing, n_missing) and (n_missing, n_known)
        The missing rows of D^T D, for the differences D: at missing and at known pixels.
    alone : sparse array of shape (n_missing, n_missing) or None
        Of a spline along one axis, the system without differences across it.
    """

    missing: Mask
    cost: Costs
    system: sparse.csr_array
    beside: sparse.csr_array
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
        cost = costs(spline, missing)
        require("the spline", cost.memory, hint="network=ntkfill.nn.hourglass(5)")
        along: list[Term] = []
        across: list[Term] = []
        for axes, corners, weight, fading in _terms(spline, missing.ndim):
            apart = math.prod(steps[axis] for axis in axes) if steps else 1.0
            if weight == FIRST and axes[0] not in wrapped and spline.axis in (None, axes[0]):
                fading = _fading(missing, axes[0], spline.order)
            (along if weight >= 1 else across).append((axes, corners, weight / apart**2, fading))
        system, beside = _rows(missing, along + across, wrapped)
        alone = None if spline.axis is None else _rows(missing, along, wrapped)[0].tocsc()
        return cls(missing, cost, system, beside, alone)

    def __call__(self, y: Array, trial: bool = False) -> tuple[Array, Report]:
        """What is missing, (n_missing, m), from known pixels (n_known, m); in a trial to fewer
        digits."""
        level = y.mean(axis=0, dtype=np.float64)
        unit = float(np.abs(y - level).max(initial=0.0)) or 1.0
        right = -(self.beside @ ((y - level) / unit))
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
        return np.asarray(-(self.beside.T @ self._solve(gradient)[0]))

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
    def _inverse(self) -> Callable[[Array], Array]:
        """The inverse of the system where that is factored; else a preconditioner, the inverse
        along the axis of the spline or of the diagonal."""
        if self.cost.factored:
            return _factored(self.system, self.cost.fill_in).solve
        diagonal = self.system.diagonal()
        if self.alone is None:
            return lambda column: column / diagonal
        rest = sparse.diags_array(diagonal - self.alone.diagonal())
        return _factored(self.alone + rest, self.cost.fill_in).solve

    def _solve(
        self, right: Array, rtol: float = RTOL, max_steps: int = MAX_STEPS
    ) -> tuple[Array, Report]:
        """Solve for (n_missing, m)."""
        if self.cost.factored:
            return self._inverse(right.astype(np.float64)), Report(0.0, 0, True)
        guess = linalg.LinearOperator(self.system.shape, matvec=self._inverse, dtype=np.float64)
        found, reports = np.zeros(right.shape), []
        for k, column in enumerate(right.T):
            steps: list[None] = []
            found[:, k], _ = linalg.cg(
                self.system,
                column,
                rtol=rtol,
                maxiter=max_steps,
                M=guess,
                callback=lambda _, steps=steps: steps.append(None),  # no iterate is kept
            )
            rest = float(np.linalg.norm(column - self.system @ found[:, k]))
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


def costs(spline: Spline, missing: Mask) -> Costs:
    """Of a spline on a mask (*grid)."""
    n, unknowns = missing.ndim, int(np.count_nonzero(missing))
    count = unknowns * len(_offsets(_terms(spline, n)))
    few = unknowns <= MAX_FACTORED.get(n, 0)
    factored = bool(few and eroded(np.pad(missing, 1), DEEP).any())
    fill_in = 2.0 * spline.order + 1
    if n > 1:
        fill_in = FILL_IN * spline.order**2 * math.log2(max(unknowns, 2))
    memory = BYTES * count + CHUNK_BYTES * min(count, CHUNK) + PIXEL_BYTES * missing.size
    if factored:
        each = KEPT_BYTES * fill_in + FACTOR_BYTES
        memory = max(memory, 2 * KEPT_BYTES * count + int(each * unknowns))
    return Costs(count, memory, factored, fill_in)


def _terms(spline: Spline, n: int) -> list[Term]:
    """The differences along n axes, and the weight of their squares.

    >>> _terms(Spline(2), 1)[0]
    ((0, 0), {(0,): 1.0, (1,): -2.0, (2,): 1.0}, 1.0, None)
    """
    weights = {}
    for axes in itertools.combinations_with_replacement(range(n), spline.order):
        counts = [math.factorial(axes.count(axis)) for axis in set(axes)]
        along = spline.axis is None or set(axes) == {spline.axis % n}
        weight = math.factorial(spline.order) / math.prod(counts)
        weights[axes] = weight if along else ACROSS * weight
    if spline.order > 1:
        weights |= {(axis,): FIRST for axis in range(n)}
    terms: list[Term] = []
    for axes, weight in weights.items():
        corners: dict[Offset, float] = {(0,) * n: (-1.0) ** len(axes)}
        for axis in axes:  # one after the other
            further: dict[Offset, float] = {}
            for offset, sign in corners.items():
                after = (*offset[:axis], offset[axis] + 1, *offset[axis + 1 :])
                further[offset] = further.get(offset, 0.0) + sign
                further[after] = further.get(after, 0.0) - sign
            corners = further
        terms.append((axes, corners, weight, None))
    return terms


def _fading(missing: Mask, axis: int, order: int) -> Array:
    """How many times more the first difference from each pixel to the next along an axis counts: in
    runs of missing pixels that reach one end of the grid, so that slopes fade over `FADING` of
    them; 1 elsewhere."""
    weights = np.ones(missing.shape)
    for along in (missing, np.flip(missing, axis)):
        run = np.logical_and.accumulate(along, axis=axis)
        length = run.sum(axis=axis, keepdims=True)
        # Where a line is missing whole, there is no slope that could go on.
        run &= (length >= LIMITED) & (length < missing.shape[axis])
        fading = FADING / (order - 1) * np.maximum(length, 1)
        side = weights if along is missing else np.flip(weights, axis)
        np.copyto(side, fading ** (2.0 - 2 * order) / FIRST, where=run)
    return np.maximum(weights, np.roll(weights, -1, axis))


def _offsets(terms: list[Term]) -> list[Offset]:
    """From a pixel to all that any difference has together with it."""
    pairs = (pair for _, corners, *_ in terms for pair in itertools.product(corners, repeat=2))
    return sorted({tuple(map(sub, last, first)) for first, last in pairs})


def _rows(
    missing: Mask, terms: list[Term], wrapped: tuple[int, ...]
) -> tuple[sparse.csr_array, sparse.csr_array]:
    """The rows of missing pixels of D^T D, for the differences along these axes, each with its
    weight: at the missing pixels and at the known ones."""
    shape = missing.shape
    offsets = _offsets(terms)
    row_of = {offset: k for k, offset in enumerate(offsets)}
    gaps = missing.ravel()
    column = np.where(gaps, np.cumsum(gaps, dtype=np.int32), np.cumsum(~gaps, dtype=np.int32)) - 1
    places = np.flatnonzero(gaps)
    at_missing: list[sparse.csr_array] = []
    at_known: list[sparse.csr_array] = []
    size = max(CHUNK // len(offsets), 1)
    for start in range(0, len(places), size):
        here = np.array(np.unravel_index(places[start : start + size], shape))
        values = np.zeros((len(offsets), here.shape[1]))
        for axes, corners, weight, fading in terms:
            reach = [axes.count(axis) for axis in range(missing.ndim)]
            for first, sign in corners.items():
                begins = here - np.array(first)[:, None]
                counts: Array | float = np.full(here.shape[1], weight * sign)
                for axis, side in enumerate(shape):
                    if axis in wrapped:
                        begins[axis] %= side
                    else:
                        counts *= (begins[axis] >= 0) & (begins[axis] < side - reach[axis])
                if fading is not None:
                    counts *= fading[tuple(np.clip(begins, 0, np.array(shape)[:, None] - 1))]
                for last, other in corners.items():
                    values[row_of[tuple(map(sub, last, first))]] += other * counts
        others = np.array(offsets).T[:, :, None] + here[:, None]
        # Places beyond the grid have no coefficients.
        flat: Index = np.zeros(others.shape[1:], np.intp)
        for axis, side in enumerate(shape):
            flat = flat * side + (others[axis] % side)
        used, at_gaps = values.T != 0, gaps[flat].T
        for part, where, count in (
            (at_missing, used & at_gaps, len(places)),
            (at_known, used & ~at_gaps, gaps.size - len(places)),
        ):
            ends = np.append(0, np.cumsum(where.sum(axis=1)))
            found = (values.T[where], column[flat.T[where]], ends)
            part.append(sparse.csr_array(found, shape=(len(where), count)))
            part[-1].sum_duplicates()  # on a torus smaller than a difference
    missing_part, known_part = (
        parts[0] if len(parts) == 1 else sparse.vstack(parts, format="csr")
        for parts in (at_missing, at_known)
    )
    return missing_part, known_part
