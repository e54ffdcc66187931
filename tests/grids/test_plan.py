"""What is chosen for a mask: network, torus, solver, and the memory it will take."""

import math
import time
from dataclasses import replace

import numpy as np
import pytest

from ntkfill import Inpainter, InputError, MemoryLimitError
from ntkfill.grids.options import GridOptions
from ntkfill.grids.plan import (
    MIN_LEVELS,
    Request,
    make_plan,
    make_plans,
    outside_receptive_field,
    padded,
)
from ntkfill.grids.spline import costs
from ntkfill.nn import Abs, Conv, Downsample, Member, Mixture, Spline, Upsample, hourglass
from ntkfill.priors import MeshGrid
from ntkfill.solvers import CG, Cholesky


def plan(missing, channels=1, **options):
    (made,) = make_plans(GridOptions(**options), missing, missing.shape, Request(channels))
    return made


def hole(shape, width):
    """A cube of missing pixels in the middle."""
    missing = np.zeros(shape, bool)
    missing[tuple(slice((s - width) // 2, (s - width) // 2 + width) for s in shape)] = True
    return missing


def levels(network):
    return sum(isinstance(layer, Downsample) for layer in network.layers)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("width", [0, 1, 2, 7, 16, 17, 30, 31, 32])
def test_no_fewer_levels_than_the_largest_hole_needs(n, width):
    missing = hole((40,) * n, width)
    network = plan(missing).network
    assert levels(network) >= MIN_LEVELS[n] >= 4
    # The middle of the hole is (width + 1) // 2 from what is known: the reach is twice that.
    assert network.receptive_radius >= 2 * ((width + 1) // 2)
    assert not outside_receptive_field(missing, network.receptive_radius, n).any()


@pytest.mark.parametrize("width", [129, 255, 256, 257, 400, 512, 513])
def test_one_level_more_than_the_largest_hole_needs(width):
    reach = plan(hole((600,), width)).network.receptive_radius
    assert reach / 4 < 2 * ((width + 1) // 2) <= reach / 2


def test_levels_grow_with_the_hole():
    found = [levels(plan(hole((300,), width)).network) for width in range(0, 300, 7)]
    assert found == sorted(found)
    assert (found[0], found[-1]) == (MIN_LEVELS[1], 10)


def test_one_large_hole_decides():
    missing = np.random.default_rng(0).random((90, 90)) < 0.5
    assert levels(plan(missing).network) == MIN_LEVELS[2]
    assert plan(missing | hole((90, 90), 66)).network.receptive_radius >= 128


def test_holes_at_borders_count_from_their_far_side():
    missing = np.zeros((64, 64), bool)
    missing[:, :20] = True
    assert plan(missing).network.receptive_radius >= 2 * 20
    assert (
        plan(missing).network.receptive_radius
        > plan(np.roll(missing, 20, axis=1)).network.receptive_radius
    )


@pytest.mark.parametrize(("width", "beyond"), [(9, 1), (10, 4), (8, 0), (31, 23**2)])
def test_outside_receptive_field(width, beyond):
    missing = hole((40, 40), width)
    assert outside_receptive_field(missing, 5, 2).sum() == beyond
    assert not outside_receptive_field(missing, 100, 2).any()


DEEP = [(1, 100_000, 90_000), (2, 520, 500), (3, 130, 100), (4, 24, 20)]


@pytest.mark.parametrize(("n", "side", "width"), DEEP)
def test_never_so_deep_that_the_kernel_is_slow(n, side, width):
    """The pairs of the last level with an activation, which take the time, stay below 4**14."""
    network = plan(hole((side,) * n, width), memory_limit=10**12).network
    last_up = max(k for k, layer in enumerate(network.layers) if isinstance(layer, Upsample))
    linear = all(isinstance(layer, Conv) for layer in network.layers[last_up:][1:])
    assert 4 ** ((levels(network) - linear) * n) <= 4**14
    assert network.receptive_radius < width  # or the cap was not what decided


@pytest.mark.slow
@pytest.mark.parametrize(("n", "side", "width"), DEEP)
def test_the_kernel_is_made_in_seconds(n, side, width):
    started = time.perf_counter()
    plan(hole((side,) * n, width), memory_limit=10**12).kernel()
    assert time.perf_counter() - started < 60


NETWORKS = {
    "two levels": hourglass(2),
    "four levels": hourglass(4),
    "flat": hourglass(0),
    "bilinear": hourglass(2, upsample="bilinear"),
}


@pytest.mark.sampled
@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("shift_average", [True, False])
@pytest.mark.parametrize("shape", [(1,), (7,), (100,), (1, 1), (33, 64), (5, 2, 9)], ids=str)
def test_padded_torus(network, shift_average, shape):
    torus = padded(shape, network, shift_average)
    assert len(torus) == len(shape)
    for side, whole in zip(shape, torus, strict=True):
        # Around the torus the image's ends are so far apart that they share the far field only.
        assert whole - (side - 1) > network.receptive_radius or network.receptive_radius == 1
        assert whole >= side + network.receptive_radius
        assert whole >= 2 * network.receptive_radius
        assert whole % network.stride == 0 or (shift_average and network.axis.tail_period == 1)
        # And no larger than Fourier transforms ask for.
        assert (
            whole
            <= 1.5 * max(side + network.receptive_radius, 2 * network.receptive_radius)
            + 2 * network.stride
        )
        rest = whole
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        assert rest == 1
    kernel = network.kernel(torus, shift_average=shift_average)
    assert kernel.shape == torus


@pytest.mark.parametrize("shift_average", [True, False])
def test_embed_and_window(shift_average):
    made = plan(hole((7, 9), 2), shift_average=shift_average)
    image = np.random.default_rng(0).random((7, 9, 3))
    whole = made.embed(image)
    assert whole.shape == (*made.shape, 3)
    np.testing.assert_array_equal(made.window(whole), image)
    assert whole.sum() == pytest.approx(image.sum())
    assert made.embed(np.ones((7, 9), bool)).dtype == bool


@pytest.mark.parametrize(
    ("shape", "shift_average", "most"),
    [
        ((64, 64), False, 5),
        ((64, 48), False, 4),
        ((24, 40), False, 3),
        ((6, 100), False, 1),
        ((37,), True, 4),
        ((33, 16), True, 3),
        ((64,), True, 5),
        ((7, 9), True, 1),
    ],
)
def test_wrap_takes_what_the_sides_allow(shape, shift_average, most):
    missing = np.ones(shape, bool)
    missing.flat[0] = False  # so large a hole that the sides decide
    options = {"boundary": "wrap", "shift_average": shift_average}
    made = plan(missing, **options)
    assert made.torus == shape
    assert levels(made.network) == most
    assert made.kernel().shape == shape
    small = plan(~missing, **options)
    assert levels(small.network) == min(most, MIN_LEVELS[len(shape)])


@pytest.mark.parametrize(
    ("shape", "shift_average"), [((7,), False), ((8, 9), False), ((1, 64), True), ((3,), True)]
)
def test_wrap_refuses_where_no_level_fits(shape, shift_average):
    missing = np.arange(math.prod(shape)).reshape(shape) == 1
    with pytest.raises(InputError, match="boundary='pad'"):
        plan(missing, boundary="wrap", shift_average=shift_average)


def test_a_prior_of_its_own_grid_is_solved_directly():
    made = plan(
        hole((16, 16), 3), prior=MeshGrid(), boundary="wrap", shift_average=False, ridge=0.1
    )
    assert made.solver == Cholesky(ridge=0.1)
    assert isinstance(plan(hole((16, 16), 3)).solver, CG)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(4096,), (60, 90), (16, 16, 16)], ids=str)
def test_memory_grows_with_the_torus_and_the_channels(shape, channels):
    made = [plan(hole(shape, 2), network=hourglass(2), channels=channels + k) for k in range(3)]
    each = made[1].memory - made[0].memory
    assert made[2].memory - made[1].memory == each >= 9 * 4 * math.prod(made[0].torus)
    assert made[0].memory >= channels * each


@pytest.mark.parametrize("prior", [None, MeshGrid()], ids=repr)
def test_memory_limit(prior):
    options = {"prior": prior, "boundary": "wrap", "shift_average": False, "channels": 3}
    missing = hole((32, 32), 3)
    needed = plan(missing, **options).memory
    with pytest.raises(MemoryLimitError, match="smaller image") as refused:
        plan(missing, memory_limit=0, **options)
    one = refused.value.needed  # channel at a time
    assert plan(missing, memory_limit=one, **options).memory == needed >= one
    with pytest.raises(MemoryLimitError) as refused:
        plan(missing, memory_limit=one - 1, **options)
    assert (refused.value.needed, refused.value.limit) == (one, one - 1)
    if prior is not None:
        assert needed >= 3 * 8 * missing.size**2


def test_memory_of_double_precision():
    missing = hole((32, 32), 3)
    rough, fine = (plan(missing, rtol=rtol, network=hourglass(1)) for rtol in (1e-3, 1e-8))
    assert fine.memory > 1.3 * rough.memory


def test_memory_of_an_exact_volume():
    missing = hole((16, 16, 16), 3)
    made = plan(missing, shift_average=False)
    block = math.prod(made.network.period for _ in range(3)) ** 2
    assert made.memory > 4 * block
    with pytest.raises(MemoryLimitError):
        plan(missing, shift_average=False, memory_limit=4 * block)


def test_a_plan_counts_what_is_asked_for():
    missing = np.random.default_rng(0).random((96, 96)) < 0.3

    def needed(missing=missing, grid=missing.shape, options=None, **asked):
        made = make_plans(
            GridOptions(**({"network": hourglass(2)} | (options or {}))),
            missing,
            grid,
            Request(**asked),
        )[0]
        return made.near(missing).memory

    whole = needed()
    assert needed(samples=32) > 5 * whole
    assert needed(samples=32, interval=True) > needed(samples=32) > needed(samples=2)
    assert needed(refine="auto") > whole
    # Of patches no samples are taken for standard deviations, but in holes that they do not reach.
    exact = {"options": {"shift_average": False}}
    patches, auto = (needed(refine=each, samples=32, **exact) for each in ("patches", "auto"))
    assert patches == needed(refine="patches", **exact)
    assert auto == needed(samples=32, **exact) > patches
    hollow = hole((96, 96), 30)
    without = needed(hollow, refine="patches", **exact)
    assert needed(hollow, refine="patches", samples=32, **exact) > without
    assert needed(itemsize=1) < whole
    deep = hole((400, 400), 240)
    shallow = hole((400, 400), 20)
    assert needed(deep, deep.shape) > 1.5 * needed(shallow, shallow.shape)
    # A kernel of many levels takes more to be made than to be used.
    assert needed(options={"network": hourglass(7)}) > 20 * whole


@pytest.mark.slow
def test_gaps_of_large_grids_are_counted_as_they_are_filled():
    """From what is near them, which takes less than a solve on all of it, and may fit alone."""
    scattered = np.zeros((2048, 2048), bool)
    scattered[::16, ::16] = True
    options = {"network": hourglass(3), "cache": None}
    image = np.zeros(scattered.shape, np.float32)
    near = Inpainter(**options).plan(image, scattered)
    assert near.request.near
    whole = replace(near, request=replace(near.request, near=False))
    assert near.memory < 0.9 * whole.memory
    with_std = Inpainter(**options).plan(image, scattered, return_std=True)
    assert with_std.request.near  # what all windows share takes more, their samples nothing
    at_once = replace(with_std, request=replace(with_std.request, near=False))
    assert near.memory < with_std.memory < 0.5 * at_once.memory
    assert at_once.memory > 3 * whole.memory
    tight = Inpainter(**options, memory_limit=(near.memory + whole.memory) // 2)
    assert tight.plan(image, scattered).request.near
    with pytest.raises(MemoryLimitError, match="return_std=False"):
        tight.plan(image, scattered, return_std=True)
    with pytest.raises(MemoryLimitError, match="return_std=False"):
        tight.fill(image, scattered, return_std=True)


@pytest.mark.parametrize(
    ("networks", "channels", "limit", "at_once"),
    [(3, 3, None, 2), (3, 40, None, 1), (1, 3, None, 1), (3, 1, 1 << 20, 1)],
)
def test_networks_are_solved_at_once_where_that_is_little_memory(
    networks, channels, limit, at_once, monkeypatch
):
    monkeypatch.setattr("ntkfill.grids.plan.workers", lambda: 2)
    request = Request(channels=channels, networks=networks)
    options = GridOptions(memory_limit=limit)
    one = make_plan(options, (300, 300), hourglass(5), request=request)
    together = one._memory(channels)
    assert one.at_once == at_once
    monkeypatch.setattr("ntkfill.grids.plan.AT_ONCE", 0)
    alone = one._memory(channels)
    assert (together - alone >= channels * one.solver.column_bytes(one.torus)) == (at_once > 1)


def test_splines_that_may_fill_are_counted():
    """A fill of few pixels by a network takes less than the coefficients of a spline."""
    rng = np.random.default_rng(0)
    image, holes = rng.random((256, 256)), rng.random((256, 256)) < 0.3
    needed = costs(Spline(2), holes).memory
    assert 15e6 < needed < 25e6
    asked = {"cache": None, "memory_limit": 10**9}
    plan, one = (Inpainter(net, **asked).plan(image, holes) for net in ("auto", hourglass(3)))
    assert one.memory < needed < plan.memory
    with_intervals = Inpainter(**asked).plan(image, holes, interval=0.9)  # of two models at once
    assert with_intervals.memory > plan.memory
    mixture = Mixture((Member(hourglass(3), weight=0), Member(Spline(2), weight=1)))
    assert Inpainter(mixture, **asked).plan(image, holes).memory > needed


@pytest.mark.slow
@pytest.mark.parametrize(("short", "long"), [((1 << 16,), (500_000,)), ((2, 1000), (2, 20_000))])
def test_long_signals_take_as_few_steps_as_short_ones(short, long):
    steps = []
    for shape in (short, long):
        rng = np.random.default_rng(0)
        signal = np.sin(np.arange(shape[-1]) / 9) + 0.02 * rng.normal(size=shape)
        missing = rng.random(shape) < 0.3
        network = hourglass(2, upsample="bilinear", activation=Abs())
        filled = Inpainter(network=network, ridge=3e-3, cache=None).fill(signal, missing)
        steps.append(filled.info.reports[0].steps)
    assert steps[1] < 2 * steps[0]


@pytest.mark.parametrize(
    ("grid", "precision"),
    [((200_000,), np.float64), ((20_000,), np.float32), ((2, 20_000), np.float64)],
)
def test_crops_of_long_grids_are_solved_as_precisely_as_the_grids(grid, precision):
    whole = make_plan(GridOptions(), grid, hourglass(2))
    assert whole.solver.precision is whole.crop(grid, 1e-2).solver.precision is precision
    assert whole.crop((2,) * len(grid), 1e-2).solver.precision is np.float32


@pytest.mark.parametrize("side", [280, pytest.param(552, marks=pytest.mark.slow)])
def test_single_precision_takes_few_more_steps_than_double(side):
    rng = np.random.default_rng(0)
    kernel = hourglass(2, upsample="bilinear", activation=Abs()).kernel(
        (side, side), shift_average=True
    )
    known, steps = rng.random(side**2) < 0.9, []
    y = rng.normal(size=(int(known.sum()), 1)) + np.arange(side**2)[known, None] / side**2
    for dtype in (np.float32, np.float64):
        factor = CG(3e-3, 1e-3, dtype=dtype).factor(kernel, known)
        steps.append(factor.solve(y - y.mean()).report.steps)
    assert steps[0] < 1.5 * steps[1]
