"""Patches as rows, and tiles of them."""

import itertools

import numpy as np
import pytest

from ntkfill.grids.patches.tiling import extract_patches, flat_index, tiles


@pytest.mark.parametrize(
    ("grid", "width"), [((30,), (4,)), ((20, 31), (4, 3)), ((9, 8, 7), (3, 3, 3))]
)
@pytest.mark.parametrize("offset", [0, 2])
def test_tiles_hold_every_patch_once(grid, width, offset):
    values = np.arange(2 * np.prod(grid)).reshape(*grid, 2)
    starts, covered = [], np.zeros(values.size, int)
    for band in tiles(grid, width, 3, np.full(len(grid), offset), 6, 2):
        for tile in band:
            part = values[tile.box]
            patches = extract_patches(part, width)[tile.patches]
            corners, offsets = flat_index(part.shape, width)
            assert (patches == part.ravel()[corners[tile.patches, None] + offsets]).all()
            if offset == 0:  # without gaps
                assert np.isin(part[tile.covered], patches).all()
            assert np.isin(patches, part[tile.covered]).all()
            starts += patches[:, 0].tolist()
            covered[patches] = 1
    each = [sorted({0, n - w, *range(offset, n - w, 3)}) for n, w in zip(grid, width, strict=True)]
    assert sorted(starts) == sorted(int(values[(*c, 0)]) for c in itertools.product(*each))
    assert covered.all()
