"""Single passes over a fill, over all patches and ring by ring."""

from dataclasses import replace

import numpy as np
import pytest

from ntkfill.grids.patches import PatchOptions, passes
from ntkfill.grids.patches.passes import Pass, all_passes, hole_depths
from ntkfill.grids.patches.tiling import tiles

QUICK = PatchOptions(width=6, step=3, search_radius=6, n_neighbours=30, passes=2)


def scattered(shape, share=0.5, seed=0):
    return np.random.default_rng(seed).random(shape) < share


def stripes(*shape):
    """Waves along the diagonal, (*shape, 1): patches repeat, neighbours differ."""
    return np.sin(2.1 * sum(np.indices(shape)))[..., None]


@pytest.mark.sampled
@pytest.mark.parametrize("number", [0, 3])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    "compiled_size", [1 << 14, pytest.param(0, marks=pytest.mark.slow)], ids=["numpy", "numba"]
)
def test_a_pass_is_linear_and_has_an_adjoint(channels, number, compiled_size, monkeypatch):
    """A sum over what it gives is a sum over what is known and the fill before."""
    monkeypatch.setattr(passes, "COMPILED_SIZE", compiled_size)
    rng = np.random.default_rng(0)
    missing = scattered((30, 34, channels))
    missing[10:22, 12:24] = True  # in the middle no patch shows anything known
    known, values = ~missing, rng.standard_normal(missing.shape).astype(np.float32)
    one = Pass(QUICK, known, number, ridge=0.1, mse=0.5)
    result = one.apply(values)
    assert (result.weight[13:20, 15:22] == 0).any()
    gradient = rng.standard_normal(missing.shape) * missing
    check_adjoint(one, values, result, gradient)
    # Negative control: what is known is not all that counts.
    before = one.adjoint(values, result.weight, gradient)
    assert abs(np.vdot(before * known, values) - np.vdot(gradient, result.values)) > 0.1


def check_adjoint(one, values, result, gradient):
    before = one.adjoint(values, result.weight, gradient)
    wanted = np.vdot(gradient, result.values)
    assert np.vdot(before, values) == pytest.approx(wanted, rel=1e-4)
    assert before.sum() == pytest.approx(gradient.sum(), abs=1e-3)
    # Negative control: the weights of the patches count.
    wrong = one.adjoint(values, np.where(result.weight > 0, 1, 0), gradient)
    assert abs(np.vdot(wrong, values) - wanted) > 0.1


def rings(known):
    """The ring-wise passes of two rounds, with a ridge of 0.1."""
    depth = hole_depths(known, QUICK.width)
    return all_passes(replace(QUICK, ring_passes=2), known, depth, 0.5, 0.1)[QUICK.passes :]


@pytest.mark.parametrize("again", [0, 1])
def test_a_ring_is_linear_and_has_an_adjoint(again):
    rng = np.random.default_rng(0)
    known = np.ones((40, 44, 1), bool)
    known[10:28, 12:34] = False
    values = rng.standard_normal(known.shape).astype(np.float32)
    every = rings(known)
    one = every[again * len(every) // 2 + 1]
    gradient = rng.standard_normal(known.shape) * ~known
    check_adjoint(one, values, one.apply(values), gradient)


@pytest.mark.slow
def test_only_the_second_round_of_rings_reads_what_is_not_completed():
    known = np.ones((60, 60, 1), bool)
    known[15:45, 15:45] = False
    values = np.where(known, stripes(60, 60), 0).astype(np.float32)
    other = np.where(known, values, np.random.default_rng(0).standard_normal(known.shape))
    other = other.astype(np.float32)
    every = rings(known)
    for ring, same in ((0, True), (len(every) // 2, False)):
        targets = every[ring].targets
        one, two = (every[ring].apply(v).values[targets] for v in (values, other))
        assert np.array_equal(one, two) is same


@pytest.mark.parametrize("side", [9, 11, 12, 30])
def test_each_round_of_rings_covers_a_deep_hole_once(side):
    known = np.ones((60, 50, 2), bool)
    known[3:9, 2:48] = known[14 : 14 + side, 9 : 9 + side] = False
    every = rings(known)
    # Patches of 6 that know something reach 5 pixels, to the middle of a hole of 10.
    deep = np.zeros_like(known)
    deep[14 : 14 + side, 9 : 9 + side] = side > 10
    np.testing.assert_array_equal(
        sum((one.targets.astype(int) for one in every), 0 * known), 2 * deep
    )
    assert len(every) == (2 * -(-side // 4) if side > 10 else 0)
    for one in every:
        assert not (one.targets & one.known).any()


def test_only_ringwise_a_patch_unlike_its_neighbours_has_a_larger_ridge():
    """A tenth of the mean square difference from the nearest neighbour, where it is known."""
    known = np.array([[True, True, False], [True, False, False]])
    values = np.array([[1.0, 2.0, 99.0], [5.0, 99.0, 99.0]])
    groups = np.array([[[1.0, 2.0, 0.0], [9, 9, 9]], [[1.0, 0.0, 0.0], [2.0, 0.0, 0.0]]])
    wanted = np.array([[0.01] * 3, [0.1 * 3**2] * 3])
    for targets, ridge in ((~known, wanted), (None, np.full((2, 3), 0.01))):
        one = Pass(QUICK, known, 0, 0.01, 1.0, targets)
        np.testing.assert_allclose(one._ridge(groups, values, known), ridge)


def test_patches_of_every_pass_lie_elsewhere(monkeypatch):
    """Over as many passes as the step is long, patches begin at every pixel along every axis."""
    offsets = []

    def look(grid, width, step, offset, *rest):
        offsets.append(tuple(map(int, offset)))
        return tiles(grid, width, step, offset, *rest)

    monkeypatch.setattr("ntkfill.grids.patches.passes.tiles", look)
    known, values = ~scattered((20, 20, 1)), stripes(20, 20).astype(np.float32)
    for number in range(4):
        Pass(replace(QUICK, step=4), known, number, ridge=0.1, mse=0.5).apply(values)
    assert [sorted(along) for along in zip(*offsets, strict=True)] == [[0, 1, 2, 3]] * 2
    assert any(down != right for down, right in offsets)
