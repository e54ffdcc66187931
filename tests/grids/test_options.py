"""Options that cannot be, memory, progress, and how it went."""

import itertools
import tracemalloc

import numpy as np
import pytest

from ntkfill import ConvergenceWarning, Inpainter, InputError, MemoryLimitError, inpaint
from ntkfill.grids.options import GridOptions
from ntkfill.grids.plan import Plan
from ntkfill.nn import Conv, Downsample, Sequential, Upsample, hourglass
from ntkfill.priors import Features, MeshGrid
from ntkfill.runtime.progress import reporter


def fill(image, mask=None, **options):
    """Values and how the fill went."""
    done = Inpainter(**options).fill(image, mask)
    return done.values, done.info


RNG = np.random.default_rng(0)
IMAGE = np.add.outer(np.sin(np.linspace(0, 3, 16)), np.linspace(0, 1, 12))
COLOUR = np.stack([IMAGE, IMAGE**2, 1 - IMAGE], axis=-1)
NOISE = RNG.normal(size=(40, 40))
HOLES = RNG.random(IMAGE.shape) < 0.3
NET = hourglass(2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ridge": -1e-9}, "ridge must be a finite number >= 0 or None; got -1e-09"),
        ({"ridge": np.nan}, "ridge.*got nan"),
        ({"ridge": np.inf}, "ridge.*got inf"),
        ({"rtol": 0}, "rtol must be between 0 and 1; got 0"),
        ({"rtol": 1.0}, "rtol"),
        ({"rtol": -1e-3}, "rtol"),
        ({"rtol": np.nan}, "rtol.*nan"),
        ({"network": "resnet"}, "network must be 'auto', a Sequential or a Mixture; got 'resnet'"),
        ({"network": ""}, "network must be"),
        ({"network": Sequential(Conv(3), Downsample())}, "as many Upsample as"),
        ({"network": Sequential(Upsample(), Conv(3))}, "as many Upsample as"),
        (
            {"boundary": "reflect"},
            "boundary must be 'pad' or 'wrap', or one of them for each axis; got 'reflect'",
        ),
        ({"boundary": None}, "boundary must be"),
        ({"spacing": ("auto", "auto")}, "'auto' for one of them"),
        ({"spacing": ("auto", 1), "network": NET}, "selected together with a network"),
        ({"channel_axis": 2}, "channel_axis must be an axis.*-2 to 1"),
        ({"channel_axis": -3}, "channel_axis must be an axis"),
        ({"prior": MeshGrid()}, "boundary='wrap', shift_average=False"),
        ({"prior": MeshGrid(), "boundary": "wrap"}, "shift_average=False"),
        ({"prior": MeshGrid(), "shift_average": False}, "boundary='wrap'"),
        (
            {"prior": Features(COLOUR), "boundary": "wrap", "shift_average": False},
            r"features must have shape \(channels, 16, 12\)",
        ),
        (
            {"network": hourglass(3), "boundary": "wrap", "shift_average": False},
            r"divisible by 8; got \(16, 12\)",
        ),
    ],
    ids=repr,
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        inpaint(IMAGE, HOLES, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"ridge": "small"},
        {"rtol": "small"},
        {"network": None},
        {"network": 3},
        {"prior": "iid"},
        {"channel_axis": "last"},
        {"memory_limit": "1 GB"},
    ],
    ids=repr,
)
def test_options_of_another_type_are_refused(options):
    with pytest.raises(InputError):
        inpaint(IMAGE, HOLES, **options)


@pytest.mark.parametrize("name", ["ridge", "rtol", "bounds", "missing_values", "period", "spacing"])
def test_integers_too_large_for_floats_are_refused(name):
    """float() of them raises an error of its own."""
    given = {"bounds": (0, 10**400), "spacing": (10**400, 1)}.get(name, 10**400)
    with pytest.raises(InputError, match=f"{name} must be"):
        Inpainter(**{name: given}).fit(mask=HOLES)


@pytest.mark.parametrize("options", [{}, {"network": hourglass(2)}, {"spacing": (2.0, 1.0)}])
def test_options_are_validated_once(options, monkeypatch):
    validate, calls = GridOptions.__post_init__, []

    def counted(self):
        calls.append(self)
        validate(self)

    monkeypatch.setattr(GridOptions, "__post_init__", counted)
    inpainter = Inpainter(**options)
    inpainter.fill(np.ones((12, 14)), np.eye(12, 14, dtype=bool))
    assert len(calls) == 1
    with pytest.raises(InputError, match="ridge must be"):
        inpainter.set_params(ridge=-1.0).fill(np.ones((12, 14)), np.eye(12, 14, dtype=bool))
    assert len(calls) == 2


def test_memory_limit_may_be_a_float():
    expected = inpaint(IMAGE, HOLES, memory_limit=10**9)
    np.testing.assert_array_equal(inpaint(IMAGE, HOLES, memory_limit=1e9), expected)


def test_bad_options_are_refused_though_nothing_is_missing():
    with pytest.raises(InputError):
        inpaint(IMAGE, np.zeros(IMAGE.shape), boundary="reflect")


@pytest.mark.parametrize("limit", [0, 1000, -5])
@pytest.mark.parametrize("prior", [None, MeshGrid()], ids=repr)
def test_memory_limit_refuses_before_anything_is_allocated(limit, prior):
    image, holes = np.zeros((1024, 1024)), np.zeros((1024, 1024), bool)
    holes[5, 5] = True
    options = {"boundary": "wrap", "shift_average": False, "network": NET, "cache": None}
    tracemalloc.start()
    try:
        with pytest.raises(MemoryLimitError) as refused:
            inpaint(image, holes, memory_limit=limit, prior=prior, **options)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert refused.value.limit == limit < refused.value.needed
    assert refused.value.needed > 4 * image.size
    assert peak < 3 * image.size  # bytes: masks, but no grid of floats


def test_channels_are_filled_in_groups_that_fit():
    image = np.stack([IMAGE + k for k in range(9)])
    options = {"channel_axis": 0, "network": NET, "rtol": 1e-8}
    filled, _ = fill(image, HOLES, **options)
    with pytest.raises(MemoryLimitError) as refused:
        fill(image, HOLES, memory_limit=0, **options)
    tight, _ = fill(image, HOLES, memory_limit=refused.value.needed, **options)
    np.testing.assert_allclose(tight, filled, atol=1e-5)


def shares(image, holes, **options):
    seen = []
    inpaint(image, holes, progress=seen.append, network=NET, **options)
    return seen


@pytest.mark.parametrize(
    ("image", "options"),
    [(NOISE, {}), (NOISE, {"shift_average": False}), (NOISE, {"ridge": 1e-6})],
    ids=["averaged", "exact", "small ridge"],
)
def test_progress_only_grows(image, options):
    seen = shares(image, np.random.default_rng(1).random(image.shape) < 0.5, **options)
    assert seen[-1] == 1.0
    assert all(0 <= a <= b <= 1 for a, b in itertools.pairwise(seen))


@pytest.mark.parametrize("shift_average", [True, False])
def test_progress_ends_at_one(shift_average):
    seen = shares(np.tile(IMAGE, (3, 3)), np.tile(HOLES, (3, 3)), shift_average=shift_average)
    assert seen[-1] == 1.0
    assert len(seen) > 3
    assert all(0 <= share <= 1 for share in seen)
    assert seen[:-1].count(1.0) == 0


@pytest.mark.slow
def test_progress_over_several_patterns():
    image = COLOUR.copy()
    image[RNG.random(image.shape) < 0.3] = np.nan
    seen = shares(image, None, channel_axis=-1)
    assert seen.count(1.0) == 1


def test_progress_of_a_direct_solve():
    options = {"prior": MeshGrid(), "boundary": "wrap", "shift_average": False}
    assert shares(IMAGE, HOLES, **options)[-1:] == [1.0]


@pytest.mark.parametrize("progress", [True, False, None])
def test_progress_is_quiet_when_quick(progress, capfd):
    inpaint(IMAGE, HOLES, progress=progress)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("progress", [False, None])
def test_no_progress_means_no_bar(progress):
    assert reporter(progress, "filling") is None
    assert reporter(True, "filling") is not None


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError("stop")])
def test_what_progress_raises_goes_through(error):
    image, holes = IMAGE.copy(), HOLES.copy()

    def stop(share):
        raise error

    with pytest.raises(error if isinstance(error, type) else type(error)):
        inpaint(image, holes, progress=stop)
    np.testing.assert_array_equal(image, IMAGE)
    np.testing.assert_array_equal(holes, HOLES)
    assert np.isfinite(inpaint(image, holes)).all()


@pytest.mark.parametrize("channels", [None, -1])
def test_info(channels):
    image = IMAGE if channels is None else COLOUR
    filled, info = fill(image, HOLES, channel_axis=channels, network=NET)
    np.testing.assert_array_equal(filled, inpaint(image, HOLES, channel_axis=channels, network=NET))
    assert info.missing == HOLES.sum()
    assert info.n_outside_receptive_field == 0
    assert 0 < info.seconds < 60
    assert isinstance(info.plan, Plan)
    assert info.plan.grid == IMAGE.shape
    assert info.converged
    assert len(info.reports) == 1
    assert 0 < info.reports[0].residual <= 1.5e-3
    assert info.reports[0].steps > 0
    assert info.reports[0].jitter == 0


@pytest.mark.slow
def test_info_counts_pixels_and_solves():
    image = COLOUR.copy()
    image[3, 3, 0] = image[3, 3, 1] = image[5, 5, 2] = np.nan
    info = fill(image, channel_axis=-1, network=NET)[1]
    assert info.missing == 2
    # One solve for each pattern, or one for all channels together.
    assert len(info.reports) == (2 if info.channel_covariance is None else 1)


def test_every_channel_gets_the_reach_that_its_holes_need():
    """Two channels that miss opposite halves: together they miss every pixel."""
    image = np.ones((128, 2))
    image[:64, 0] = image[64:, 1] = np.nan
    alone = fill(image[:, 0])[1]
    both = fill(image, channel_axis=-1)[1]
    assert both.plan.network.receptive_radius == alone.plan.network.receptive_radius > 128


@pytest.mark.parametrize(("levels", "beyond"), [(1, 23**2 - 4 * 22), (2, 17**2), (3, 9**2), (4, 0)])
def test_pixels_outside_the_receptive_field_are_counted_and_alike(levels, beyond):
    """A hole of 23 x 23 pixels: those at least 2**levels from everything known."""
    image, holes = NOISE[:36, :36], np.zeros((36, 36), bool)
    holes[6:29, 6:29] = True
    options = {"network": hourglass(levels), "rtol": 1e-8, "centre": False}
    filled, info = fill(image, holes, **options)
    assert info.n_outside_receptive_field == beyond
    deep = filled[6:29, 6:29][2**levels - 1 : 24 - 2**levels, 2**levels - 1 : 24 - 2**levels]
    assert deep.size == beyond
    assert not beyond or np.ptp(deep) < 1e-4 < np.ptp(filled[6:29, 6:29])


def test_a_solve_that_stops_early_warns():
    singular = {"ridge": 0.0, "network": hourglass(1), "boundary": "wrap", "shift_average": False}
    image, holes = NOISE[:8, :8], np.zeros((8, 8), bool)
    holes[0, 0] = True
    with pytest.warns(ConvergenceWarning, match=r"residual of \d.*larger ridge"):
        filled, info = fill(image, holes, **singular)
    assert not info.converged
    assert np.isfinite(filled).all()


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("size", "share", "options"),
    [
        (96, 0.1, {}),
        (96, 0.5, {"shift_average": False}),
        (40, 0.5, {"rtol": 1e-5, "network": NET, "shift_average": False}),
    ],
)
def test_noise_is_solved_to_what_was_asked(size, share, options):
    """Values without any structure are the hardest right-hand side."""
    rng = np.random.default_rng(1)
    inpaint(rng.random((size, size)), rng.random((size, size)) < share, **options)


@pytest.mark.slow
def test_the_spacing_of_time_is_selected_by_held_out_pixels(tmp_path):
    """Of a pattern that moves by three pixels a frame neighbouring frames tell nothing; of one that
    stays they tell all."""
    rows = np.add.outer(np.arange(24.0), np.zeros(24))
    gaps = RNG.random((6, 24, 24)) < 0.5
    for speed, wanted in ((3, 64.0), (0, 1.0)):
        film = np.array([np.sin(0.9 * (rows + speed * frame)) for frame in range(6)])
        inpainter = Inpainter(spacing=("auto", 2, 2))
        done = inpainter.fill(film, gaps)
        assert inpainter.spacing_ == (2 * wanted, 2.0, 2.0)
        each = [Inpainter(spacing=(apart, 1, 1)).fill(film, gaps) for apart in (1, 3, 64)]
        best = min(each, key=lambda one: one.info.choice.error)
        np.testing.assert_array_equal(done.values, best.values)
    inpainter.save(tmp_path / "film.npz")
    again = Inpainter.load(tmp_path / "film.npz")
    assert again.spacing == [2.0, 2.0, 2.0]
    with pytest.raises(InputError, match="selected by an image"):
        inpainter.fit(mask=gaps)
    assert inpainter.plan(film, gaps).memory > 0
