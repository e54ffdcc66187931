"""Passes over a fill: every patch is completed from its neighbours, and all patches are averaged.

Ring-wise passes do so in deep holes, ring by ring from the rim ("onion peel").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import ModuleType

import numpy as np
from scipy import ndimage

from ...kernels import Blocks
from ...kernels.table import Array, Index
from ...observed import Mask
from ...runtime.progress import Progress
from ...runtime.resources import import_compiled, parallel_for
from ...solvers.blockwise import Blockwise, BlockwiseFactor
from ..holdout import holes
from .options import PatchOptions
from .prior import PatchPrior, distance_factors, nearest
from .tiling import Tile, extract_patches, flat_index, patches_at, sum_at, tiles

# Length of a tile by number of axes: so long that the parts that tiles look at overlap little.
TILE_LENGTH = {1: 512, 2: 32, 3: 8}
# At most so many entries of kernels are solved together: enough for calls of NumPy to take little
# of the time, and few enough for the cache.
BATCH = 1 << 19
# In a ring, a patch is completed if at least this share of it is known, with a ridge of at least
# this share of its mean square difference from the nearest neighbour.
MIN_KNOWN, MISFIT_RIDGE = 0.25, 0.1
# Grids with fewer values are completed before Numba is imported.
COMPILED_SIZE = 1 << 14
# Aggregation weights are 1 / (variance + this share of the fill's mean square error).
VARIANCE_FLOOR = 0.1


def tile_length(axes: int) -> int:
    """Length of the tiles of a grid with so many axes."""
    return TILE_LENGTH.get(axes, min(TILE_LENGTH.values()))


def hole_depths(known: Mask, width: int) -> Index:
    """Chessboard distance of every pixel (*grid) to the rim of a hole whose middle no patch of this
    width reaches from the rim; 0 outside of such holes.

    >>> known = np.ones((40, 40, 1), bool)
    >>> known[2:6], known[10:18, 10:18] = False, False
    >>> depth = hole_depths(known, 4)
    >>> int(depth[4].max()), depth[14, 9:18].tolist()
    (0, [0, 1, 2, 3, 4, 4, 3, 2, 1])
    """
    deep = holes(np.asarray(~known.any(axis=-1)), min_depth=width)
    depth: Index = ndimage.distance_transform_cdt(deep, "chessboard")
    return np.maximum(depth, 0)  # a hole without a rim has no depth


def all_passes(
    options: PatchOptions, known: Mask, depth: Index, mse: float, min_ridge: float
) -> tuple[Pass, ...]:
    """The passes over a fill with this mean square error: `options.passes` over all patches, then
    ring-wise ones where holes are deep (*grid)."""
    passes = [
        Pass(one, known, number, max(ridge, min_ridge), mse)
        for number, (one, ridge) in enumerate(options.schedule(mse))
    ]
    ridge, rings, depth = passes[-1].ridge, options.ringwise(), depth[..., None]
    starts = range(0, int(depth.max(initial=0)), rings.step)
    for repeat in range(options.ring_passes):
        # In the first round, pixels that are not completed yet have no weight, since a first fill
        # is far too smooth there; in later rounds they are those of the round before.
        one = rings if repeat else replace(rings, imputed_weight=0)
        for number, start in enumerate(starts, repeat * len(starts)):
            reached = np.broadcast_to(depth <= start, known.shape)
            targets = (depth > start) & (depth <= start + rings.step) & ~known
            passes.append(Pass(one, reached, number, ridge, mse, targets))
    return tuple(passes)


@dataclass(frozen=True, eq=False)
class PassResult:
    """A fill after a pass."""

    values: Array  # float32 (*grid, channels)
    weight: Array  # (*grid, channels): sum of the aggregation weights; 0 where unchanged
    variance: Array  # (*grid, channels): mean posterior variance of the patches; 0 where unchanged


@dataclass(frozen=True, eq=False)
class Pass:
    """One pass over a grid.

    Parameters
    ----------
    options : PatchOptions
    known : bool array of shape (*grid, channels)
    number : int
        Patches have other positions in each pass.
    ridge : float
        Added to the diagonal of every kernel, in squared units of the values.
    mse : float
        Mean square error of the first fill, in the same units.
    targets : bool array of shape (*grid, channels), optional
        Ring-wise: complete these alone, by patches of which enough is known, from neighbours that
        are known completely. The default is to complete all missing entries, from any neighbours.
    """

    options: PatchOptions
    known: Mask
    number: int
    ridge: float
    mse: float
    targets: Mask | None = None

    def apply(self, values: Array, progress: Progress | None = None) -> PassResult:
        """Complete every patch of values (*grid, channels), and average them."""
        compiled = self._compiled

        def work(job: tuple[Tile, Array]) -> None:
            tile, sums = job
            patches = self._patches(values, tile)
            if patches is None:
                return
            if compiled is not None:
                compiled.add_completed(
                    patches.part.ravel(),
                    patches.places,
                    patches.neighbours,
                    patches.offsets,
                    patches.known,
                    patches.targets,
                    self.ridge,
                    0.0 if self.targets is None else MISFIT_RIDGE,
                    self.options.shrinkage,
                    VARIANCE_FLOOR * self.mse,
                    sums.reshape(3, -1),
                )
                return
            for batch in self._batches(patches):
                weight, variance = batch.weight, batch.variance
                terms = weight * batch.completed, weight, weight * variance
                for total, term in zip(sums.reshape(3, -1), terms, strict=True):
                    total += sum_at(term, batch.places, total.size)

        sums = self._sum_over_tiles(work, np.zeros((3, *values.shape)), progress)
        weight = sums[1]
        means = np.divide(sums[::2], weight, out=np.zeros_like(sums[::2]), where=weight > 0)
        filled = np.where(weight > 0, means[0], values).astype(np.float32)
        return PassResult(filled, weight.copy(), means[1])  # copied to free the other sums

    def adjoint(self, values: Array, weight: Array, gradient: Array) -> Array:
        """The gradient of a sum over the result with respect to `values`, the kernels held fixed:
        the transpose of `apply`, given the aggregation weights that it found."""
        reached = weight > 0
        share = np.divide(gradient, weight, out=np.zeros(values.shape), where=reached)

        def work(job: tuple[Tile, Array]) -> None:
            tile, sums = job
            share_of_tile = share[tile.box].ravel()
            patches = self._patches(values, tile) if share_of_tile.any() else None
            if patches is not None:
                total = sums.reshape(-1)
                for batch in self._batches(patches):
                    batch.add_adjoint(batch.weight * share_of_tile[batch.places], total)

        sums = self._sum_over_tiles(work, np.zeros((1, *values.shape)), None)
        return np.asarray(sums[0] + np.where(reached, 0, gradient))

    def _sum_over_tiles(
        self,
        work: Callable[[tuple[Tile, Array]], None],
        sums: Array,
        progress: Progress | None,
    ) -> Array:
        """What the work adds to the part (..., *grid, channels) of each tile, always added to the
        sums in the same order, whatever the number of threads."""
        grid, options = self.known.shape[:-1], self.options
        offset = self.number * (2 * np.arange(len(grid)) + 1) % options.step
        length = tile_length(len(grid))
        bands = list(tiles(grid, self._width, options.step, offset, length, options.search_radius))
        for number, band in enumerate(bands):
            jobs = [(tile, np.zeros_like(sums[:, *tile.box], order="C")) for tile in band]
            parallel_for(work, jobs)
            for tile, part in jobs:
                sums[:, *tile.box] += part
            if progress is not None:
                progress((number + 1) / len(bands))
        return sums

    def _patches(self, values: Array, tile: Tile) -> Patches | None:
        """The patches of a tile that have targets and enough known entries, with their neighbours;
        None where there are none."""
        compiled = self._compiled  # in an adjoint too, for the same neighbours
        known, width = self.known[tile.box], self._width
        targets = ~known if self.targets is None else self.targets[tile.box]
        if not targets[tile.covered].any():
            return None
        part = np.ascontiguousarray(values[tile.box])  # copied once, not with every `ravel`
        corners, offsets = flat_index(part.shape, width)
        min_known = 1 if self.targets is None else MIN_KNOWN * len(offsets)
        usable = usable_patches if compiled is None else compiled.usable_patches
        own = usable(corners[tile.patches], offsets, known.ravel(), targets.ravel(), min_known)
        if not len(own[0]):
            return None
        candidates: slice | Index = slice(None)
        count = self.options.n_neighbours
        if self.targets is not None:
            # Only patches that are known completely, or those that are known best where these are
            # too few.
            n_known = extract_patches(known, width).sum(axis=1)
            n_candidates = max(count, np.count_nonzero(n_known == len(offsets)))
            candidates = np.argsort(-n_known, kind="stable")[:n_candidates]
        (places, inside, _), imputed = own, self.options.imputed_weight
        corners = corners[candidates]
        if compiled is None:
            weight = np.where(inside, np.float32(1), np.float32(imputed))
            patches = extract_patches(part, width)[candidates]
            factors = distance_factors(part.ravel()[places], weight, patches)
        else:
            factors = compiled.distance_factors(
                part.ravel(), places, inside, imputed, corners, offsets
            )
        neighbours = corners[nearest(*factors, count)]
        return Patches(part, neighbours, offsets, *own)

    def _batches(self, patches: Patches) -> Iterator[Batch]:
        """Some patches at a time, completed."""
        prior = PatchPrior(patches_at(patches.part, patches.neighbours, self._width))
        kernel = prior.kernel(self.options.shrinkage).values
        incomplete = patches.part.ravel()[patches.places]
        size = max(1, BATCH // len(patches.offsets) ** 2)
        for first in range(0, len(incomplete), size):
            some = slice(first, first + size)
            known = patches.known[some]
            ridge = self._ridge(prior.neighbours[some], incomplete[some], known)
            factor = Blockwise(ridge).factor(Blocks(kernel[some]), known.ravel())
            mean = prior.mean[some]
            predicted, variance = factor.posterior(incomplete[some] - mean)
            floor = variance.dtype.type(VARIANCE_FLOOR * self.mse)
            yield Batch(
                np.where(known, incomplete[some], predicted + mean),
                patches.places[some],
                patches.neighbours[some],
                patches.offsets,
                factor,
                variance,
                np.where(patches.targets[some], 1 / (variance + floor), 0),
            )

    def _ridge(self, neighbours: Array, patches: Array, known: Mask) -> Array | float:
        """The ridge of some patches (m, entries): ring-wise, larger for those unlike all their
        neighbours (m, n_neighbours, entries).

        Nearly flat neighbours would fit a textured patch by amplifying their small variance, and
        the next ring would treat the result as known.
        """
        if self.targets is None:
            return self.ridge
        squares = np.square(neighbours - patches[:, None]) * known[:, None]
        misfit = squares.sum(axis=2).min(axis=1) / known.sum(axis=1)
        number = patches.dtype.type
        ridge = np.maximum(number(self.ridge), number(MISFIT_RIDGE) * misfit)
        return np.broadcast_to(ridge[:, None], patches.shape)

    @property
    def _compiled(self) -> ModuleType | None:
        return import_compiled(__package__) if self.known.size >= COMPILED_SIZE else None

    @property
    def _width(self) -> tuple[int, ...]:
        return tuple(min(self.options.width, side) for side in self.known.shape[:-1])


def usable_patches(
    corners: Index, offsets: Index, known: Mask, targets: Mask, min_known: float
) -> tuple[Index, Mask, Mask]:
    """The places in a flat box of patches that begin at these corners and have targets and enough
    known entries, known entries, targets: (m, entries); by number of known entries."""
    places = corners[:, None] + offsets
    n_known = known[places].sum(axis=1)
    used = (n_known >= min_known) & targets[places].any(axis=1)
    # Those with similar numbers of known entries are solved together.
    places = places[np.flatnonzero(used)[np.argsort(n_known[used], kind="stable")]]
    return places, known[places], targets[places]


@dataclass(frozen=True, eq=False)
class Patches:
    """Patches of a tile, and their neighbours."""

    part: Array  # (*box, channels): the part of the grid that the tile looks at
    neighbours: Index  # (m, n_neighbours): where each begins in the flat box
    offsets: Index  # (entries,): from the first entry of a patch
    places: Index  # (m, entries): in the flat box
    known: Mask  # (m, entries)
    targets: Mask  # (m, entries)


@dataclass(frozen=True, eq=False)
class Batch:
    """Patches of a tile that are completed together."""

    completed: Array  # (m, entries): with missing entries predicted
    places: Index  # (m, entries): in the flat box of the tile
    neighbours: Index  # (m, n_neighbours): where each begins in the flat box
    offsets: Index  # (entries,): from the first entry of a patch
    factor: BlockwiseFactor
    variance: Array  # (m, entries): posterior
    weight: Array  # (m, entries): aggregation weights, 0 where no target

    def add_adjoint(self, gradient: Array, total: Array) -> None:
        """Add the gradient in the flat box, for one of the completed patches (m, entries)."""
        regressed = self.factor.adjoint(gradient)
        total += sum_at(regressed, self.places, total.size)
        # The rest is the mean over the neighbours.
        rest = (gradient - regressed)[:, None] / self.neighbours.shape[1]
        places = self.neighbours[:, :, None] + self.offsets
        total += sum_at(np.broadcast_to(rest, places.shape), places, total.size)
