"""Networks: what must hold for the kernel of any of them, each with a control that breaks it."""

import itertools
import sys
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import matrix, relative

import ntkfill
from ntkfill import InputError, MemoryLimitError, kernels
from ntkfill.nn import (
    Abs,
    AveragePool,
    BatchNorm,
    Branches,
    Conv,
    ConvTranspose,
    Dense,
    Downsample,
    Dropout,
    Erf,
    Flatten,
    LayerNorm,
    LeakyReLU,
    ReLU,
    Residual,
    Sequential,
    TwoSlope,
    Upsample,
    evaluate,
    hourglass,
    parse,
    slabs,
)
from ntkfill.nn.parsing import shorten
from ntkfill.priors import IID, Features, MeshGrid

QUICK = settings(max_examples=25, deadline=None, derandomize=True)
PHI = LeakyReLU(0.1)
MODES = ("nearest", "bilinear")


def set_slab(monkeypatch, entries):
    for module in (evaluate, slabs):
        monkeypatch.setattr(module, "SLAB", entries)


@st.composite
def networks(draw, depth=2):
    """Down and up again, with any convolutions and activations, or none, in between."""

    def some(minimum=0):
        weights = st.sampled_from([Conv(1), Conv(3), Conv(5), Dense()])
        phi = st.sampled_from([[], [ReLU()], [TwoSlope(0.3)], [Abs()], [Erf()]])
        pairs = draw(st.lists(st.tuples(weights, phi), min_size=minimum, max_size=2))
        return [layer for weight, phi in pairs for layer in (weight, *phi)]

    levels = draw(st.integers(0, depth))
    finer = st.sampled_from([*map(Upsample, MODES), ConvTranspose(2), ConvTranspose(4)])
    layers = some(1)
    for _ in range(levels):
        coarser = draw(st.sampled_from([Downsample(), AveragePool()]))
        layers = [*some(), coarser, *layers, draw(finer), *some()]
        skip = draw(st.sampled_from([None, (), (Conv(1), ReLU())]))
        if skip is not None:
            layers = [Branches(skip, layers), Conv(1)]
    return Sequential(*layers, Conv(3))


def on_torus(net, shape, prior=None, kind="ntk"):
    """The kernel computed on the torus itself, never on the endless grid."""
    start, axes = (prior or IID()).table(shape, len(shape))
    table, axes = evaluate.exact(net.layers, start, axes, kind, np.float64)
    return kernels.of_table(table, axes, shape)


def moved(values, shape, offset):
    """A matrix over the grid, both coordinates shifted by the same offset along every axis."""
    n = len(shape)
    rolled = np.roll(values.reshape(shape + shape), (offset,) * 2 * n, axis=tuple(range(2 * n)))
    return rolled.reshape(values.shape)


def roomy(net):
    """A side that the endless grid's table fits with room to spare, not a power of two."""
    period = net.period * net.stride
    return period * (2 * net.receptive_radius // period + 3)


# Symmetry, positive semi-definiteness, period.


@pytest.mark.slow
@QUICK
@given(networks(), st.sampled_from(["iid", "features"]), st.sampled_from(["ntk", "nngp"]))
def test_symmetric_and_positive(net, prior, kind):
    shape = (4 * net.stride,)
    noise = np.random.default_rng(0).normal(size=(3, *shape))
    prior = Features(noise) if prior == "features" else IID()
    values = matrix(net.kernel(shape, prior, kind=kind, dtype=np.float64))
    assert relative(values, values.T) < 1e-14
    lowest, *_, highest = np.linalg.eigvalsh(values)
    assert lowest > -1e-13 * highest


def test_symmetry_and_positivity_can_fail():
    kernel = hourglass(2).kernel((16,), dtype=np.float64)
    table = kernel.table.copy()
    table[0, 1] *= 1.01
    values = matrix(replace(kernel, table=table))
    assert relative(values, values.T) > 1e-3
    table = kernel.table.copy()
    table[:, 2:] = 0.0  # a cut window
    assert np.linalg.eigvalsh(matrix(replace(kernel, table=table)))[0] < -1e-4


@pytest.mark.slow
@QUICK
@given(networks())
def test_shifted_by_the_period_is_the_same_to_the_last_bit(net):
    shape = (roomy(net),)
    values = matrix(net.kernel(shape))
    np.testing.assert_array_equal(moved(values, shape, net.period), values)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_shifted_by_less_than_the_period_differs(levels, mode):
    net = hourglass(levels, upsample=mode)
    for n in (1, 2) if levels < 3 else (1,):
        shape = (2 * net.stride,) * n
        values = matrix(net.kernel(shape))
        np.testing.assert_array_equal(moved(values, shape, net.period), values)
        for shift in (1, net.period // 2):
            assert relative(moved(values, shape, shift), values) > 1e-4


# The endless grid.

DERIVED = [
    (Sequential(Conv(5), ReLU(), Conv(3)), 1, 1, 1),
    (hourglass(1), 2, 2, 2),
    (hourglass(3), 8, 8, 8),
    (hourglass(1, 2, 2, size=5), 2, 2, 2),
    (hourglass(1, upsample="bilinear"), 2, 2, 4),
    (hourglass(2, upsample="bilinear"), 4, 4, 10),
    (hourglass(3, upsample="bilinear"), 8, 8, 22),
    (Sequential(*hourglass(1).layers, PHI, *hourglass(1).layers), 2, 2, 2),
    (hourglass(3, skips=0.1), 8, 8, 8),
    (Sequential(Downsample(), PHI, Upsample("bilinear"), Upsample(), Downsample()), 2, 2, 4),
    (Sequential(Conv(3), PHI, AveragePool(), PHI, ConvTranspose(4), Conv(3)), 2, 2, 2),
]


@pytest.mark.parametrize(("net", "stride", "period", "radius"), DERIVED)
def test_stride_period_and_radius(net, stride, period, radius):
    assert (net.stride, net.period, net.receptive_radius) == (stride, period, radius)


@pytest.mark.parametrize(("net", "stride", "period", "radius"), DERIVED[:-2])
def test_period_and_radius_are_the_smallest(net, stride, period, radius):
    """Seen in the kernel itself, on a torus."""
    side = roomy(net)
    full = matrix(on_torus(net, (side,)))
    table = np.array([np.roll(row, -i) for i, row in enumerate(full)])  # (coordinate, offset)
    repeats = [p for p in range(1, side + 1) if relative(np.roll(table, p, axis=0), table) < 1e-12]
    assert repeats[0] == period
    tail = net.axis.tail_period
    offsets = np.arange(side // 2 - tail)
    far = np.max(np.abs(table[:, offsets] - table[:, offsets + tail]), axis=0) < 1e-12 * table.max()
    assert np.flatnonzero(~far)[-1] == radius - 1


ENDLESS = (
    [(hourglass(1, upsample=mode, activation=PHI), n) for n in (1, 2, 3) for mode in MODES]
    + [(hourglass(2, upsample=mode, convs_up=2), n) for n in (1, 2) for mode in MODES]
    + [
        (hourglass(3, upsample="bilinear"), 1),
        (hourglass(2, skips=0.1), 2),
        (hourglass(2, upsample="bilinear", skips=0.5), 1),
        (Sequential(Conv(3), Residual(PHI, AveragePool(), PHI, ConvTranspose(4)), PHI, Conv(3)), 2),
        (Sequential(Downsample(), Conv(3), PHI, Upsample(), Conv(3), PHI, Dropout(0.1)), 2),
        (Sequential(Downsample(), PHI, Upsample("bilinear"), Conv(3), PHI, Conv(5), Dense()), 2),
        (Sequential(Downsample(), Downsample(), PHI, Upsample("bilinear"), Conv(3), Upsample()), 2),
    ]
)


@pytest.mark.sampled
@pytest.mark.parametrize("kind", ["ntk", "nngp"])
@pytest.mark.parametrize(("net", "n"), ENDLESS)
def test_endless_grid_equals_the_torus(net, n, kind):
    sides = [2 * net.receptive_radius + (-2 * net.receptive_radius) % net.stride, roomy(net)]
    for side in sides[: 2 if n == 1 else 1]:
        shape = (side,) * n
        assert net.table_grid(shape, IID()) is None  # the endless grid is what is under test
        endless = net.kernel(shape, kind=kind, dtype=np.float64)
        torus = on_torus(net, shape, kind=kind)
        rng = np.random.default_rng(0)
        rows, cols = rng.integers(0, side**n, size=(2, 300))
        assert relative(endless.block(rows, cols), torus.block(rows, cols)) < 1e-14


@pytest.mark.parametrize("net", [net for net, n in ENDLESS if n == 1], ids=repr)
def test_table_does_not_depend_on_the_side(net):
    small, large = (net.table((roomy(net) * k,) * 2, IID())[0] for k in (1, 5))
    np.testing.assert_array_equal(small, large)


def expanded(net, side, large):
    """The kernel of a large circle from one of this side, far offsets read half way around."""
    small = matrix(on_torus(net, (side,)))
    i, j = np.indices((large, large))
    offset = (j - i + large // 2) % large - large // 2
    offset = np.clip(offset, -(side // 2), side // 2)
    return small[i % side, (i + offset) % side]


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_expansion_from_a_small_torus(levels):
    net, period = hourglass(levels), 2**levels
    exact = matrix(net.kernel((6 * period,), dtype=np.float64))
    assert relative(expanded(net, 2 * period, 6 * period), exact) < 1e-14
    assert relative(expanded(net, period, 6 * period), exact) > 0.3


def test_layers_of_an_hourglass():
    net = hourglass(1, convs_down=2, convs_up=3, size=5, upsample="bilinear", activation=Abs())
    conv, phi = Conv(5), TwoSlope(-1.0)
    down = (conv, phi, conv, phi, Downsample(), conv, phi, conv, phi)
    assert net.layers == (*down, Upsample("bilinear"), conv, phi, conv, phi, conv)
    assert hourglass(2).layers.count(TwoSlope(0.01)) == 4


def normalised(values):
    """Batch normalisation of Gaussian fields with this covariance, over their coordinates."""
    centre = np.eye(len(values)) - 1 / len(values)
    scale = np.trace(centre @ values) / len(values)
    return centre @ values @ centre / scale, scale


@pytest.mark.parametrize("up", [Upsample(), Upsample("bilinear"), ConvTranspose(4)], ids=repr)
def test_batch_normalisation_is_the_limit_of_large_grids(up):
    before = Sequential(Conv(3), PHI, Downsample(), Conv(3), PHI, up, Conv(3))
    net = Sequential(*before.layers, BatchNorm(), PHI, Conv(3))
    errors = {}
    for side in (64, 256):
        nngp, scale = normalised(before.nngp((side,)))
        centre = np.eye(side) - 1 / side
        theta = centre @ before.ntk((side,)) @ centre / scale
        own = np.diag(nngp)
        dual, derivative = PHI.dual(nngp, own[:, None], own[None])
        theta = theta * derivative
        expected = sum(np.roll(dual + theta, (s, s), (0, 1)) for s in (-1, 0, 1)) / 3
        errors[side] = relative(net.ntk((side,)), expected)
    assert errors[256] < 0.02
    assert errors[256] < errors[64] / 3  # 1 / side


# The mean over all placements of the sampling grid.

# Keeping the even coordinates of a finer grid tells left from right.
ONE_SIDED = (
    *(Downsample(), Conv(3), PHI, Upsample(), Conv(3), PHI),
    *(Upsample("bilinear"), Conv(3), PHI, Downsample(), Conv(3)),
)
AVERAGED = [
    (hourglass(2), (16,)),
    (hourglass(2, upsample="bilinear", activation=PHI), (32,)),
    (hourglass(1), (8, 8)),
    (hourglass(1, 1, 2, activation=ReLU()), (4, 6)),
    (hourglass(2, upsample="bilinear"), (4, 8)),
    (hourglass(1, upsample="bilinear"), (8, 8)),
    (hourglass(2), (8, 8)),
    (hourglass(1), (4, 4, 4)),
    (hourglass(2, 1, 2, upsample="bilinear"), (32,)),  # the tail is not constant
    (hourglass(2, 1, 2, upsample="bilinear"), (20, 24)),
    (Sequential(Conv(3), PHI, Downsample(), Conv(3), Upsample("bilinear"), Conv(3)), (8, 8)),
    (Sequential(Downsample(), PHI, Conv(3), Upsample(), Conv(3), PHI), (8, 8)),
    (Sequential(*[Downsample()] * 2, Conv(3), PHI, Upsample("bilinear"), Upsample()), (16,)),
    (Sequential(Conv(3), PHI, Upsample("bilinear"), Downsample(), Conv(3)), (6,)),
    (Sequential(*ONE_SIDED, PHI, Downsample(), Upsample("bilinear"), Conv(3)), (8,)),
    (Sequential(Conv(3), ReLU(), Conv(3)), (5, 4)),
    (hourglass(2, skips=0.2), (8, 8)),
    (hourglass(2, upsample="bilinear", skips=0.2), (32,)),
    (Sequential(*[AveragePool()] * 2, Upsample(), Conv(3), PHI, ConvTranspose(2), Conv(3)), (16,)),
    (Sequential(Upsample(), Conv(3), PHI, AveragePool(), Conv(3)), (8,)),
]


@pytest.mark.sampled
@pytest.mark.parametrize("kind", ["ntk", "nngp"])
@pytest.mark.parametrize(("net", "shape"), AVERAGED)
def test_shift_average_is_the_mean_over_shifts(net, shape, kind):
    exact = net.kernel(shape, kind=kind, dtype=np.float64)
    n, full = len(shape), matrix(exact).reshape(shape + shape)
    shifts = itertools.product(range(net.period), repeat=n)
    mean = np.mean([np.roll(full, o + o, axis=tuple(range(2 * n))) for o in shifts], axis=0)
    averaged = net.kernel(shape, kind=kind, shift_average=True)
    assert isinstance(averaged, kernels.Stationary)
    assert relative(matrix(averaged), mean.reshape(matrix(exact).shape)) < 1e-14
    if isinstance(exact, kernels.Periodic):
        assert relative(matrix(exact.shift_averaged()), matrix(averaged)) < 1e-14
    if net.period > 1:
        assert relative(full, mean) > 1e-4


@pytest.mark.parametrize("shape", [(13,), (21,), (9, 14)])
def test_shift_average_on_a_side_that_the_stride_does_not_divide(shape):
    """Allowed where there is room, and the same function of the offset as on other sides."""
    net = hourglass(2)
    odd, even = (
        net.kernel(shape, shift_average=True),
        net.kernel((16,) * len(shape), shift_average=True),
    )
    np.testing.assert_array_equal(odd.values, even.values)


@pytest.mark.parametrize(("mean", "variance"), [(0, 0.5), (1, 0.25), (0.5, 1), (-1, 2), (0, 1e-9)])
def test_integers_are_numbers(mean, variance):
    table = IID(mean, variance).table((3, 2), 2)[0]
    expected = np.full((1, 1, 3, 2), float(mean) ** 2)
    expected[..., 0, 0] += variance
    np.testing.assert_array_equal(table, expected)


# Cores and slabs.


def everything():
    """Bytes of tables of all kinds and of products with them."""
    x = np.random.default_rng(0).normal(size=(2, 32, 32))
    out = []
    for net in (hourglass(2), hourglass(1, upsample="bilinear", activation=ReLU())):
        for average in (False, True):
            kernel = net.kernel((32, 32), shift_average=average)
            out += [matrix(kernel)[:64], kernel.matvec(x), kernel.matvec(x.astype(np.float32))]
    start, axes = IID().table(None, 2)
    linear_end = Sequential(Downsample(), PHI, Conv(3), Upsample(), Conv(3))
    out.append(evaluate.exact(linear_end.layers, start, axes, "ntk", np.float64)[0])
    return [array.tobytes() for array in out]


@pytest.mark.slow
def test_same_bytes_for_any_number_of_cores(monkeypatch):
    set_slab(monkeypatch, 64)  # so that there is work for all of them
    results = []
    for count in (1, 2, 5):
        for name, module in list(sys.modules.items()):
            if name.startswith("ntkfill") and hasattr(module, "workers"):
                monkeypatch.setattr(module, "workers", lambda count=count: count)
        results.append(everything())
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("slab", [pytest.param(1, marks=pytest.mark.slow), 50, 1000])
@pytest.mark.parametrize(("net", "n"), ENDLESS)
def test_slabs_change_nothing(net, n, slab, monkeypatch):
    def tables():
        options = {"dtype": np.float64}
        shape = (roomy(net),) * n
        return [net.table(shape, IID(), shift_average=a, **options)[0] for a in (False, True)]

    whole = tables()
    set_slab(monkeypatch, slab)
    for table, again in zip(whole, tables(), strict=True):
        assert relative(again, table) < 1e-14


@pytest.mark.sampled
@pytest.mark.parametrize("moved", [0, 1], ids=["as they are", "by one: rejected"])
@pytest.mark.parametrize(
    ("net", "n"), [(hourglass(5), 1), (hourglass(5, convs_up=2), 1), (hourglass(4), 2)]
)
def test_half_of_the_remainders_tell_the_mean(net, n, moved, monkeypatch):
    """Of a pair that is swapped and reflected nothing new is learned; others are not left out."""
    distinct, seen = evaluate.LastLevel.distinct, []

    def spied(self, offsets):
        if (few := distinct(self, offsets)) is None:
            return None
        remainders, share = few
        seen.append(np.count_nonzero(share) / (2 * self.coarse.axes[0].period))
        assert share.sum() == pytest.approx(1, abs=1e-12)
        return (remainders + moved) % (2 * self.coarse.axes[0].period), share

    def table():
        return net.table((roomy(net),) * n, IID(), shift_average=True)[0]

    whole = table()
    set_slab(monkeypatch, 1)
    monkeypatch.setattr(evaluate.LastLevel, "distinct", spied)
    assert (relative(table(), whole) < 1e-14) == (not moved)
    assert max(seen, default=1) < 0.7


@pytest.mark.parametrize(("net", "n"), ENDLESS)
def test_single_precision_is_enough(net, n):
    shape = (roomy(net),) * n
    exact = net.table(shape, IID(), dtype=np.float64)[0]
    assert relative(net.table(shape, IID())[0], exact) < 1e-6


@pytest.mark.slow
@QUICK
@given(networks(), st.sampled_from(["endless", "torus", "features"]), st.booleans())
def test_nothing_is_written_to_the_prior(net, grid, average):
    side = 2 * net.stride
    noise = np.random.default_rng(1).normal(size=(2, side))
    prior = Features(noise) if grid == "features" else IID()
    start, axes = prior.table(None if grid == "endless" else (side,), 1)
    start.flags.writeable = False
    for kind in ("ntk", "nngp"):
        table, _ = evaluate.exact(net.layers, start, axes, kind, np.float64)
        assert np.isfinite(table).all()
        if average and grid != "features":
            assert np.isfinite(evaluate.shift_averaged(net.layers, start, axes, kind)[0]).all()


# Refusals.


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Conv(2), "odd"),
        (lambda: Conv(0), "odd"),
        (lambda: Conv(-3), "odd"),
        (lambda: Conv(3.0), "odd"),
        (lambda: hourglass(2, size=4), "odd"),
        (lambda: Upsample("cubic"), "'nearest' or 'bilinear'; got 'cubic'"),
        (lambda: hourglass(1, upsample="lanczos"), "'nearest' or 'bilinear'"),
        (lambda: hourglass(-1), "levels"),
        (lambda: hourglass(1, convs_up=0), "convs_up"),
        (lambda: Sequential("Conv"), "layers must be of .*got 'Conv'"),
        (lambda: hourglass(3).kernel((12,)), r"divisible by 8; got \(12,\)"),
        (lambda: hourglass(2).ntk((8, 6)), r"divisible by 4; got \(8, 6\)"),
        (lambda: hourglass(2).kernel((21,)), "multiple of 4|divisible by 4"),
        (lambda: Sequential(Conv(3), Upsample()).kernel((8,)), "as many Upsample as Downsample"),
        (lambda: Sequential(Conv(3), Downsample()).ntk((8,)), "got 1 Downsample too many"),
        (lambda: hourglass(1).kernel((8,), MeshGrid(), shift_average=True), "shift_average=False"),
        (lambda: hourglass(1, skips=1), "share below 1"),
        (lambda: ConvTranspose(3), "even"),
        (lambda: Dropout(1), "below 1"),
        (lambda: Branches(), "at least one"),
        (lambda: Branches(Conv(3)), "tuple of layers"),
        (lambda: Branches((), (), shares=(0.5, 0.4)), "sum to 1"),
        (lambda: Branches((), (), shares=()), "sum to 1"),
        (lambda: Branches((), (), join="add", shares=(0.5, 0.5)), "shares"),
        (lambda: Branches((), join="multiply"), "'concatenate' or 'add'"),
        (lambda: Sequential(Branches((), ("Conv",))), "layers must be of .*got 'Conv'"),
        (lambda: Sequential(Branches((), (Downsample(),))).ntk((8,)), "same resolution"),
        (lambda: Sequential(Conv(3), ReLU(), LayerNorm()), "must follow a layer with weights"),
        (lambda: Sequential(BatchNorm()), "must follow a layer with weights"),
        (lambda: Sequential(Branches((Conv(3),), (Conv(1),)), ReLU()), "weights in between"),
        (lambda: Sequential(Conv(3), ReLU(), Residual(ReLU(), Conv(3)), ReLU()), "in between"),
        (lambda: Sequential(Conv(3), Residual(Conv(3), ReLU())), "but one must have weights"),
        (lambda: Sequential(Conv(3), Flatten()).ntk((8,)), "must not be of pictures"),
        (lambda: Sequential(Conv(3), Flatten()).between(np.eye(3)), "of vectors not"),
        (lambda: Sequential(Conv(3)).between(np.ones((2, 1, 4, 4))), "must have GlobalAverage"),
        (lambda: Sequential(Dense(), Dropout(0.1)).between(np.eye(3)), "need a grid"),
        (lambda: Sequential(Conv(3), BatchNorm()).ntk((4,), MeshGrid()), "are random.*LayerNorm"),
        (lambda: hourglass(1).kernel((8,), Features(np.ones((2, 6)))), r"shape \(channels, 8\)"),
    ],
)
def test_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: hourglass(2).ntk((48, 48)),
        lambda: hourglass(2).kernel((48, 48), MeshGrid()),
        lambda: hourglass(2).kernel((48, 48), Features(np.ones((2, 48, 48)))),
        lambda: hourglass(6).kernel((128, 128)),
        lambda: hourglass(6).kernel((128, 128), shift_average=True),
    ],
    ids=["ntk", "mesh", "features", "exact", "averaged"],
)
def test_memory_limit_is_checked_before_anything_is_allocated(make, monkeypatch):
    monkeypatch.setattr(ntkfill.runtime.resources, "available", lambda: 100_000)
    tracemalloc.start()
    try:
        with pytest.raises(MemoryLimitError, match=r"needs .*B; expected .*100 kB.*Try") as e:
            make()
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    assert e.value.needed > e.value.limit == 100_000


@pytest.mark.slow
@QUICK
@given(networks())
def test_repr_parses_back(net):
    assert parse(repr(net)) == net
    assert parse(shorten(net)) == net
    assert parse(f"  {net!r}\n") == net
