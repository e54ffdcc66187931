"""One pass over the patches of a fill: each completed from patches like it, all averaged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ...kernels import Blocks
from ...kernels.table import Array, Index
from ...observed import Mask
from ...runtime.progress import Progress
from ...runtime.threads import parallel_for
from ...solvers.blockwise import Blockwise, BlockwiseFactor
from .neighbours import Alike, similar
from .options import Patches
from .tiling import Tile, corners, entries, places, rows, sums_by_place, tiles

# Along one side of a tile on 1, 2 and 3 axes: so long that tiles share little of what they see.
SIDE = {1: 512, 2: 32, 3: 8}
# Bytes of the groups that are worked on at once, so that they stay in cache.
BATCH = 1 << 19
# Of a patch that is completed inward, at least this share is known, and its ridge is at least this
# share of the square by which the patch most like it is off.
LEAST, UNLIKE = 0.25, 0.1
# Values count alike whose variances are well below this share of the fill's error.
ALIKE = 0.1


def side(axes: int) -> int:
    """How long tiles are on a grid of so many axes."""
    return SIDE.get(axes, min(SIDE.values()))


@dataclass(frozen=True, eq=False)
class Layer:
    """A fill after a pass.

    Parameters
    ----------
    values : float32 array of shape (*grid, channels)
    weights : float array of shape (*grid, channels)
        Of what patches said of each entry, summed; zero where none said anything.
    variance : float array of shape (*grid, channels)
        Mean posterior variance of what they said; zero where there is nothing.
    """

    values: Array
    weights: Array
    variance: Array


@dataclass(frozen=True, eq=False)
class Batch:
    """Some patches of a tile, ready to be completed.

    Parameters
    ----------
    values, known, asked : arrays of shape (m, entries)
        What stands there, what is known of it, and what is to be said.
    corners : int array of shape (m,)
        Where they begin in the flat box of the tile.
    alike : int array of shape (m, count)
        Where the patches like each of them begin.
    inside : int array of shape (entries,)
        Where the entries of a patch stand, from its corner.
    mean : array of shape (m, entries)
        Of the patches like each of them.
    factor : BlockwiseFactor
        Of the kernel of their prior, on the known entries.
    """

    values: Array
    known: Mask
    asked: Mask
    corners: Index
    alike: Index
    inside: Index
    mean: Array
    factor: BlockwiseFactor

    @property
    def where(self) -> Index:
        """Where the entries stand in the flat box: shape (m, entries)."""
        return self.corners[:, None] + self.inside

    def completed(self) -> Array:
        """The patches filled in from what is known of them: shape (m, entries)."""
        found = self.factor.predict(self.values - self.mean) + self.mean
        return np.where(self.known, self.values, found)

    def votes(self, variance: Array, floor: float) -> Array:
        """What each value counts in the mean over patches; nothing where none is asked for."""
        return np.where(self.asked, 1 / (variance + variance.dtype.type(floor)), 0)

    def adjoint(self, gradient: Array, total: Array) -> None:
        """Add what the entries of the flat box count where the completed ones count `gradient`."""
        told = self.factor.adjoint(gradient)
        total += sums_by_place(told, self.where, total.size)
        # What is not regressed is the mean over the patches alike.
        rest = (gradient - told)[:, None] / self.alike.shape[1]
        stand = self.alike[:, :, None] + self.inside
        total += sums_by_place(np.broadcast_to(rest, stand.shape), stand, total.size)


@dataclass(frozen=True, eq=False)
class Pass:
    """How one pass goes over a grid.

    Parameters
    ----------
    patches : Patches
    known : bool array of shape (*grid, channels)
    number : int
        The lattice of patches lies elsewhere in each pass.
    ridge : float
        Added to the diagonal of every kernel, in squared units of the values.
    square : float
        The mean square error of the first fill, in the same units.
    asked : bool array of shape (*grid, channels), optional
        Complete these alone, by patches of which a good part is known, from patches like them of
        which all is known. The default is to complete whatever is missing, from anything.
    """

    patches: Patches
    known: Mask
    number: int
    ridge: float
    square: float
    asked: Mask | None = None

    def over(self, values: Array, told: Progress | None = None) -> Layer:
        """Complete every patch of values (*grid, channels), and average what they say."""
        sums = np.zeros((3, *values.shape))

        def work(tile: Tile) -> Array:
            part = np.zeros((3, *values[tile.box].shape))
            flat = part.reshape(3, -1)
            for batch in self._batches(values, tile):
                variance = batch.factor.variance
                votes = batch.votes(variance, ALIKE * self.square)
                each = votes * batch.completed(), votes, votes * variance
                for total, numbers in zip(flat, each, strict=True):
                    total += sums_by_place(numbers, batch.where, total.size)
            return part

        self._spread(work, sums, told)
        weights = sums[1]
        mean = np.divide(sums[::2], weights, out=np.zeros_like(sums[::2]), where=weights > 0)
        filled = np.where(weights > 0, mean[0], values).astype(np.float32)
        return Layer(filled, weights.copy(), mean[1])  # without the other sums

    def back(self, values: Array, weights: Array, gradient: Array) -> Array:
        """What the fill before counts in a sum over the fill after.

        The pass is linear, the kernels held: its transpose.

        Parameters
        ----------
        values, weights : arrays of shape (*grid, channels)
            The fill before, and the weights that `over` found.
        gradient : float array of shape (*grid, channels)
            What each entry after the pass counts in the sum.

        Returns
        -------
        float array of shape (*grid, channels)
        """
        reached = weights > 0
        share = np.divide(gradient, weights, out=np.zeros(values.shape), where=reached)
        sums = np.zeros((1, *values.shape))

        def work(tile: Tile) -> Array:
            part = np.zeros(values[tile.box].size)
            wanted = share[tile.box].ravel()
            if wanted.any():
                for batch in self._batches(values, tile):
                    votes = batch.votes(batch.factor.variance, ALIKE * self.square)
                    batch.adjoint(votes * wanted[batch.where], part)
            return part.reshape(1, *values[tile.box].shape)

        self._spread(work, sums, None)
        return np.asarray(sums[0] + np.where(reached, 0, gradient))

    def _spread(self, work: Callable[[Tile], Array], sums: Array, told: Progress | None) -> None:
        """Do the work on every tile, and add up what it gives, always in the same order."""
        grid, patches = self.known.shape[:-1], self.patches
        offset = self.number * (2 * np.arange(len(grid)) + 1) % patches.step
        long = side(len(grid))
        bands = list(tiles(grid, self._width, patches.step, offset, long, patches.reach))
        for k, band in enumerate(bands):
            done: list[Array] = [sums] * len(band)

            def put(t: int, band: list[Tile] = band, done: list[Array] = done) -> None:
                done[t] = work(band[t])

            parallel_for(put, range(len(band)))
            for tile, part in zip(band, done, strict=True):
                sums[:, *tile.box] += part
            if told is not None:
                told((k + 1) / len(bands))

    def _batches(self, values: Array, tile: Tile) -> Iterator[Batch]:
        """The patches of a tile that have something to complete and something to go by."""
        part, width, patches = values[tile.box], self._width, self.patches
        wanted = ~self.known[tile.box] if self.asked is None else self.asked[tile.box]
        if not wanted[tile.covered(width)].any():
            return
        at = places(tile, part.shape, width)
        seen, asked = rows(self.known[tile.box], width), rows(wanted, width)
        counts = seen.sum(axis=1)
        least = 1 if self.asked is None else LEAST * seen.shape[1]
        at = at[(counts[at] >= least) & asked[at].any(axis=1)]
        if not len(at):
            return
        # Those that know about as much are solved together.
        at = at[np.argsort(counts[at], kind="stable")]
        candidates = rows(part, width)
        alike = self._alike(candidates, seen, at)
        starts, inside = corners(part.shape, width), entries(part.shape, width)
        prior = Alike(candidates[alike])
        kernel = prior.kernel(patches.common).values
        batch = max(1, BATCH // (candidates.itemsize * patches.count * candidates.shape[1]))
        for first in range(0, len(at), batch):
            some = slice(first, first + batch)
            values, known = candidates[at[some]], seen[at[some]]
            noise = self._noise(prior.groups[some], values, known)
            factor = Blockwise(noise).factor(Blocks(kernel[some]), known.ravel())
            yield Batch(
                values,
                known,
                asked[at[some]],
                starts[at[some]],
                starts[alike[some]],
                inside,
                prior.mean[some],
                factor,
            )

    def _alike(self, candidates: Array, seen: Mask, at: Index) -> Index:
        """Which candidates are most like some of them."""
        count = self.patches.count
        trust = np.where(seen[at], np.float32(1), np.float32(self.patches.trust))
        if self.asked is None:
            return similar(candidates[at], trust, candidates, count)
        # Those of which all is known, or the fullest where these are too few.
        known = seen.sum(axis=1)
        whole = max(count, np.count_nonzero(known == seen.shape[1]))
        fullest = np.argsort(-known, kind="stable")[:whole]
        return fullest[similar(candidates[at], trust, candidates[fullest], count)]

    def _noise(self, groups: Array, values: Array, known: Mask) -> Array | float:
        """The ridge of some patches, or of every entry of them."""
        if self.asked is None:
            return self.ridge
        # Flat patches would fit one that is not by making much of how little they differ, and what
        # comes of it is known to the next ring.
        off = np.square(groups - values[:, None]) * known[:, None]
        least = off.sum(axis=2).min(axis=1) / known.sum(axis=1)
        noise = np.maximum(values.dtype.type(self.ridge), values.dtype.type(UNLIKE) * least)
        return np.broadcast_to(noise[:, None], values.shape)

    @property
    def _width(self) -> tuple[int, ...]:
        return tuple(min(self.patches.width, side) for side in self.known.shape[:-1])
