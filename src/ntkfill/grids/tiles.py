"""Images larger than memory: filled tile by tile, each with what networks see around it.

The network is chosen once, on the tile with a typical share of gaps. A tile is filled together with
a margin of the receptive field, and of several depths of its holes, so that it comes out as it
would in the whole image, to the tolerance; the order of the tiles does not matter.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..errors import InputError, check_integer
from ..io.parts import in_parts
from ..observed import Mask
from ..runtime.progress import Progress
from ..runtime.resources import require
from .image import read_image
from .options import GridOptions
from .windows import DEPTHS, Box, relative, widened

# An `Inpainter`, whose module imports this one.
Inpainter = Any

# The side of a tile, by number of axes, and how many are looked at to choose the network.
TILE, LOOKED_AT = {1: 1 << 20, 2: 1024, 3: 96}, 25


@dataclass(frozen=True, eq=False)
class Source:
    """Anything with a shape that can be cut into boxes, and its mask, if there is one."""

    image: Any
    mask: Any
    axis: int | None  # of the channels
    inpainter: Inpainter

    @property
    def grid(self) -> tuple[int, ...]:
        shape = list(self.image.shape)
        if self.axis is not None:
            del shape[self.axis % len(shape)]
        return tuple(shape)

    def whole(self, box: Box) -> Box:
        """The box of a grid in the image, with all channels."""
        if self.axis is None:
            return box
        at = self.axis % len(self.image.shape)
        return (*box[:at], slice(None), *box[at:])

    def tiles(self, side: int | None) -> tuple[int, list[Box]]:
        """The side of the tiles, the usual one for None, and the box of each."""
        side = side or TILE.get(len(self.grid), TILE[3])
        starts = itertools.product(*(range(0, n, side) for n in self.grid))
        boxes = [
            tuple(slice(a, min(a + side, n)) for a, n in zip(at, self.grid, strict=True))
            for at in starts
        ]
        return side, boxes

    def read(self, box: Box) -> tuple[NDArray[Any], Mask | None, Mask]:
        """The pixels of a box, its mask, and where a channel is missing (*grid)."""
        pixels = np.asarray(self.image[self.whole(box)])
        mask = None if self.mask is None else np.asarray(self.mask[box]).astype(bool)
        missing = np.zeros([s.stop - s.start for s in box], bool) if mask is None else mask
        gaps = read_image(pixels, GridOptions(**self.inpainter.get_params())).nan
        if gaps is not None:
            missing = missing | gaps.any(axis=-1)
        return pixels, mask, missing

    def digest(self, boxes: list[Box]) -> str:
        """Of all pixels and the mask: what is resumed must be of the same."""
        found = hashlib.sha256()
        for box in boxes:
            found.update(np.asarray(self.image[self.whole(box)]).tobytes())
            if self.mask is not None:
                found.update(np.asarray(self.mask[box]).tobytes())
        return found.hexdigest()

    def gaps(self) -> Mask:
        """Where a channel is missing, of all (*grid)."""
        return self.read(tuple(slice(0, n) for n in self.grid))[2]

    def memory(self, core: Box, reach: int) -> int:
        """Bytes that a box takes while it is filled, about (benchmarks/memory.py)."""
        pixels, mask, _ = self.read(widened(core, reach, self.grid))
        # Beside its fill, what was read, twice, and what waits to be written.
        return int(self.inpainter.plan(pixels, mask).memory) + 4 * pixels.nbytes

    def filled(self, core: Box, reach: int) -> NDArray[Any]:
        """The pixels of a box, filled from what is around it."""
        pixels, mask, missing = self.read(core)
        if not missing.any():
            return pixels
        margin = reach
        while True:
            box = widened(core, margin, self.grid)
            pixels, mask, missing = self.read(box)
            within = relative(core, box)
            if box == tuple(slice(0, n) for n in self.grid):
                break
            depth = math.inf
            if not missing.all():
                depth = float(ndimage.distance_transform_cdt(missing, "chessboard")[within].max())
            if margin >= DEPTHS * depth:
                break
            margin = int(min(max(DEPTHS * depth, 2 * margin), 4 * margin))
        done = again(self.inpainter).fill(pixels, mask)
        return np.asarray(done.values[self.whole(within)])


def fill_to_file(
    inpainter: Inpainter,
    image: Any,
    path: Path,
    mask: Any,
    *,
    tile: int | None,
    workers: int,
    resume: bool,
    progress: Progress | None,
) -> None:
    """Fill tile by tile into a file; see `Inpainter.fill_to_file`."""
    check_integer("workers", workers, 1, 1024)
    source, reach, typical = _prepared(inpainter, image, mask, tile)
    side, cores = source.tiles(tile)
    if workers > 1:  # one tile is checked when it is filled, and takes its channels in turns
        needed = workers * source.memory(typical, reach)
        hint = "a smaller tile, or fewer workers"
        require(f"filling {workers} tiles at once", needed, hint=hint)
    box = source.whole((slice(0, side),) * len(source.grid))
    chunks = tuple(min(s.stop or n, n) for s, n in zip(box, image.shape, strict=True))
    job = {"tile": side, "options": repr(source.inpainter), "input": source.digest(cores)}
    with in_parts(path, tuple(image.shape), image.dtype, chunks, job, {}, resume=resume) as parts:
        left = [k for k in range(len(cores)) if k not in parts.done]
        with ThreadPoolExecutor(workers) as pool:
            # A few more than are worked on: what is done is in memory until it is written.
            for first in range(0, len(left), 2 * workers):
                some = left[first : first + 2 * workers]
                found = pool.map(lambda k: source.filled(cores[k], reach), some)
                for k, pixels in zip(some, found, strict=True):
                    parts.write(k, source.whole(cores[k]), pixels)
                if progress is not None:
                    progress((first + len(some)) / len(left))


def fill_lazily(inpainter: Inpainter, image: Any, mask: Any) -> Any:
    """A dask array that is filled chunk by chunk when it is computed; the network is chosen now.

    A chunk is filled with a margin of what the network sees: holes should be smaller than chunks.
    """
    import dask.array as da

    source, reach, _ = _prepared(inpainter, image, mask, max(image.chunksize))
    depth = dict.fromkeys(range(image.ndim), reach)
    if source.axis is not None:
        depth[source.axis % image.ndim] = 0
        image = image.rechunk({source.axis: -1})
    for axis, side in enumerate(image.shape):
        if side <= depth[axis]:  # less than what the network sees
            depth[axis], image = 0, image.rechunk({axis: -1})
    if mask is None:
        mask = da.zeros_like(image, bool)
    else:
        mask = da.asarray(mask).astype(bool)
        if source.axis is not None:
            mask = da.expand_dims(mask, source.axis)

    def filled(pixels: NDArray[Any], missing: Mask) -> NDArray[Any]:
        if source.axis is not None:
            missing = np.asarray(missing.all(axis=source.axis))
        if not Source(pixels, missing, source.axis, inpainter).gaps().any():
            return pixels
        done = again(source.inpainter).fill(pixels, missing)
        return np.asarray(done.values)

    meta = np.empty((0,) * image.ndim, image.dtype)
    return da.map_overlap(filled, image, mask, depth=depth, boundary="none", meta=meta)


def again(inpainter: Inpainter) -> Inpainter:
    """Another with the same parameters, for another thread."""
    return type(inpainter)(**inpainter.get_params())


def _prepared(
    inpainter: Inpainter, image: Any, mask: Any, tile: int | None
) -> tuple[Source, int, Box]:
    """The image with an inpainter whose network is chosen, what that network sees, and the tile
    that it was chosen on."""
    for name, usual in (("boundary", "pad"), ("period", None)):
        if getattr(inpainter, name) != usual:
            raise InputError(
                f"{name} must be {usual!r} where an image is filled in tiles",
                got=repr(getattr(inpainter, name)),
            )
    if inpainter.bounds == "data":
        raise InputError("bounds must be a pair where an image is filled in tiles", got="'data'")
    axis = inpainter.channel_axis
    source = Source(image, mask, axis, inpainter)
    grid = source.grid
    if mask is not None and tuple(mask.shape) != grid:
        raise InputError(
            "mask must have the shape of the grid", expected=str(grid), got=str(mask.shape)
        )
    _, boxes = source.tiles(tile)
    spread = np.linspace(0, len(boxes) - 1, min(len(boxes), LOOKED_AT)).astype(int)
    shares: list[tuple[float, Box]] = []
    for k in spread.tolist():
        missing = source.read(boxes[k])[2]
        if missing.any() and not missing.all():
            shares.append((float(missing.mean()), boxes[k]))
    if not shares:
        raise InputError("there is nothing to fill", hint="mask=, True where missing")
    typical = sorted(shares, key=lambda pair: pair[0])[len(shares) // 2][1]
    pixels, given, _ = source.read(typical)
    chosen = again(inpainter).fit(pixels, given)
    reach = chosen.model_.reach
    fixed = again(inpainter).set_params(network=chosen.network_, spacing=chosen.spacing_)
    return Source(image, mask, axis, fixed), reach, typical
