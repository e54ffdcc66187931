"""Selection of networks by held-out pixels, and fills with a mixture of them."""

import itertools

import numpy as np
import pytest
from scipy import ndimage

from ntkfill import Inpainter, MemoryLimitError, inpaint
from ntkfill.errors import InputError
from ntkfill.grids.holdout import depth, hold_out_like
from ntkfill.grids.options import GridOptions
from ntkfill.grids.plan import default_architecture
from ntkfill.grids.selection import _holdouts, family, offered_splines, select
from ntkfill.nn import Member, Mixture, Spline, hourglass, parse


def fill(image, mask=None, **options):
    """Values and how the fill went."""
    done = Inpainter(**options).fill(image, mask)
    return done.values, done.info


RNG = np.random.default_rng(5)
GAPS = RNG.random((96, 96)) < 0.5
NOISE = RNG.standard_normal(GAPS.shape)
SMOOTH = ndimage.gaussian_filter(NOISE, 3)
ROUGH = np.where(ndimage.gaussian_filter(NOISE, 3) > 0, 1.0, 0.0)
PAIR = Mixture((Member(hourglass(3), 1e-2, 1.5), Member(hourglass(4, convs_up=2), 1e-3, -0.5)))


def choose(values, missing, **options):
    """The choice for one channel."""
    found = select(values[..., None], missing, GridOptions(**options))
    return found and found[0]


def alone(candidate):
    """A candidate as a network for `inpaint`."""
    if isinstance(candidate.network, Spline):
        return Mixture((Member(hourglass(2), weight=0.0), Member(candidate.network)))
    return Mixture((Member(candidate.network, candidate.ridge),))


def hole(shape, corner, side):
    missing = np.zeros(shape, bool)
    missing[tuple(slice(c, c + side) for c in corner)] = True
    return missing


@pytest.mark.parametrize("shape", [(900,), (64, 64), (20, 20, 20)])
@pytest.mark.parametrize("deepest", [1, 3, 9])
@pytest.mark.parametrize("boundary", ["pad", "wrap"])
def test_family_starts_with_the_default_and_sees_across_the_hole(shape, deepest, boundary):
    members = family(shape, deepest, boundary)
    assert members[0].network == default_architecture(shape, deepest, boundary, True)
    assert len(set(members)) == len(members)
    assert all(member.network.receptive_radius > deepest for member in members[1:])
    assert {member.ridge for member in family(shape, deepest, boundary, 0.5)} == {0.5}
    if boundary == "wrap":
        for member in members[1:]:
            assert all(side >= 2 * member.network.receptive_radius for side in shape)


@pytest.mark.slow
def test_what_is_missing_is_never_read():
    expected = choose(SMOOTH, GAPS)
    for garbage in (0.0, np.nan, 1e30):
        assert choose(np.where(GAPS, garbage, SMOOTH), GAPS) == expected
    # A negative control: what is known is read.
    assert choose(np.where(GAPS, SMOOTH, NOISE), GAPS) != expected


@pytest.mark.slow
def test_the_choice_does_not_depend_on_threads(monkeypatch):
    expected = choose(SMOOTH, GAPS)
    monkeypatch.setattr("ntkfill.runtime.resources.workers", lambda: 1)
    monkeypatch.setattr("ntkfill.kernels.stationary.workers", lambda: 1)
    assert choose(SMOOTH, GAPS) == expected


@pytest.mark.slow
def test_the_unit_of_the_values_does_not_matter():
    here, there = choose(SMOOTH, GAPS), choose(1000 * SMOOTH + 7000, GAPS)
    assert [member.network for member in here.network.members] == [
        member.network for member in there.network.members
    ]
    assert there.error == pytest.approx(1000 * here.error, rel=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("image", [SMOOTH, ROUGH, SMOOTH + ROUGH], ids=["smooth", "rough", "both"])
def test_the_choice_is_no_worse_than_the_default(image):
    chosen, info = fill(image, GAPS)
    by_default = inpaint(image, GAPS, network=default_architecture(GAPS.shape, 3, "pad", True))
    better = np.square(chosen - image).sum() / np.square(by_default - image).sum()
    assert better < 1.02
    # The error that was seen on held-out pixels is about the one on those that are missing.
    seen = np.sqrt(np.square(chosen - image)[GAPS].mean())
    assert 0.7 * seen < info.choice.error < 2 * seen


@pytest.mark.slow
def test_a_smooth_image_takes_a_smooth_network():
    chosen = choose(SMOOTH, GAPS)
    default = chosen.candidates[0]
    assert chosen.error < 0.5 * default.error
    assert "bilinear" in repr(chosen.network)
    assert len(chosen.candidates) >= 5
    assert chosen.n_held_out == np.ceil(0.2 * (~GAPS).sum())


@pytest.mark.parametrize(
    ("image", "missing"),
    [
        (np.ones((40, 40)), RNG.random((40, 40)) < 0.5),
        (SMOOTH, np.zeros_like(GAPS)),
        (SMOOTH, np.ones_like(GAPS)),
        (np.full((40, 40), np.inf), RNG.random((40, 40)) < 0.5),
        (np.where(RNG.random((40, 40)) < 0.5, 1e308, -1e308), RNG.random((40, 40)) < 0.5),
        (np.arange(6.0), np.arange(6) % 3 == 0),
    ],
    ids=["constant", "nothing missing", "nothing known", "infinite", "too large", "too few"],
)
def test_where_there_is_nothing_to_choose_by(image, missing):
    assert choose(image, missing) is None


@pytest.mark.slow
def test_what_was_chosen_can_be_read_back_and_does_the_same():
    filled, info = fill(SMOOTH, GAPS)
    assert info.network == info.choice.network == parse(repr(info.network))
    again, fixed = fill(SMOOTH, GAPS, network=parse(repr(info.network)))
    assert again.tobytes() == filled.tobytes()
    assert fixed.choice is None


@pytest.mark.sampled
@pytest.mark.parametrize("separate", [False, True], ids=["one mask", "one mask a channel"])
def test_a_mixture_adds_up_what_its_members_fill_in(separate):
    image = np.stack([SMOOTH, ROUGH], axis=-1)[:40, :40]
    gaps = np.stack([GAPS, GAPS.T if separate else GAPS], axis=-1)[:40, :40]
    holed = np.where(gaps, np.nan, image)
    filled, info = fill(holed, channel_axis=-1, network=PAIR)
    parts = [
        inpaint(holed, channel_axis=-1, network=member.network, ridge=member.ridge)
        for member in PAIR.members
    ]
    np.testing.assert_allclose(filled, 1.5 * parts[0] - 0.5 * parts[1], atol=1e-5)
    assert len(info.reports) == (4 if separate else 2)
    # A ridge that was asked for is the ridge of all members.
    smoothed = inpaint(holed, channel_axis=-1, network=PAIR, ridge=0.1)
    assert np.abs(smoothed - filled).max() > 1e-3


def test_weights_of_a_mixture_make_up_the_filled_value():
    inpainter = Inpainter(PAIR, rtol=1e-6).fit(mask=GAPS)
    at = tuple(map(int, np.argwhere(GAPS)[40]))
    made = inpainter.weights(at)
    assert not made[GAPS].any()
    assert np.sum(made * SMOOTH) == pytest.approx(inpainter.transform(SMOOTH)[at], abs=1e-4)


@pytest.mark.slow
def test_fit_chooses_by_an_image_and_transform_keeps_the_choice(tmp_path):
    inpainter = Inpainter().fit(SMOOTH, GAPS)
    assert inpainter.network_ == inpainter.choice_.network
    np.testing.assert_array_equal(inpainter.transform(SMOOTH), inpaint(SMOOTH, GAPS))
    inpainter.save(tmp_path / "saved.npz")
    loaded = Inpainter.load(tmp_path / "saved.npz")
    assert loaded.transform(ROUGH).tobytes() == inpainter.transform(ROUGH).tobytes()
    assert Inpainter().fit(mask=GAPS).choice_ is None


@pytest.mark.parametrize(
    "members", [(), [Member(hourglass(2))], (hourglass(2),), (Member(hourglass(2), weight=0.4),)]
)
def test_mixtures_that_are_none(members):
    with pytest.raises(InputError, match="mixture"):
        Mixture(members)


@pytest.mark.parametrize(
    "fields", [{"network": "auto"}, {"ridge": -1.0}, {"weight": "half"}, {"ridge": np.nan}]
)
def test_members_that_are_none(fields):
    with pytest.raises(InputError):
        Member(**{"network": hourglass(2)} | fields)


@pytest.mark.slow
def test_a_prior_or_kernel_that_has_no_choice_goes_by_the_mask():
    for options in ({"shift_average": False, "boundary": "wrap"}, {"network": hourglass(3)}):
        assert fill(SMOOTH, GAPS, **options)[1].choice is None


@pytest.mark.slow
def test_members_that_do_not_fit_into_memory_are_left_out():
    missing = hole((48, 48), (20, 20), 6) | (np.random.default_rng(0).random((48, 48)) < 0.2)
    with pytest.raises(MemoryLimitError) as refused:
        fill(SMOOTH[:48, :48], missing, memory_limit=0)
    limit = int(1.05 * refused.value.needed)
    filled, info = fill(SMOOTH[:48, :48], missing, memory_limit=limit)
    assert len(info.choice.candidates) < len(choose(SMOOTH[:48, :48], missing).candidates)
    assert np.isfinite(filled).all()


@pytest.mark.parametrize("shape", [(16,), (64,), (256,), (8, 8), (16, 48)])
@pytest.mark.parametrize("shift_average", [True, False])
def test_wrapped_networks_do_not_end_in_one_coordinate(shape, shift_average):
    missing = np.random.default_rng(0).random(shape) < 0.15
    options = {"boundary": "wrap", "shift_average": shift_average}
    row = Inpainter(**options).fit(mask=missing).kernel_row((0,) * len(shape))
    for axis in range(row.ndim):
        along = row[tuple(slice(None) if k == axis else 0 for k in range(row.ndim))]
        assert np.ptp(along) > 1e-3 * along.max()


def test_numbers_of_numpy_can_be_saved_and_read_back(tmp_path):
    members = (
        Member(hourglass(2), np.float64(0.01), np.float64(0.7)),
        Member(hourglass(3), 1, 0.3),
    )
    pair = Mixture(members)
    assert parse(repr(pair)) == pair
    made = Inpainter(pair, rtol=np.float32(1e-2), memory_limit=np.int64(10**9)).fit(mask=GAPS)
    made.save(tmp_path / "saved.npz")
    loaded = Inpainter.load(tmp_path / "saved.npz")
    assert loaded.transform(SMOOTH).tobytes() == made.transform(SMOOTH).tobytes()


def test_errors_of_one_hole_count_as_few():
    one = hole((96, 96), (20, 20), 24)
    held = hold_out_like(one)
    assert held.independent(one, (slice(None),) * 2) < 6
    # Single pixels count one by one where gaps are thin.
    thin = RNG.random((96, 96)) < 0.1
    held = hold_out_like(thin)
    assert held.independent(thin, (slice(None),) * 2) > 0.7 * len(held)


@pytest.mark.slow
@pytest.mark.parametrize("side", [96, 128])
def test_a_hole_beside_an_edge_is_filled_from_its_surroundings(side):
    """Weights were 2.06, -1.60 and .54 here, and values up to 221 between 200s."""
    image = np.full((side, side), 200.0) + np.random.default_rng(0).normal(0, 2, (side, side))
    image[:, : side // 3] -= 180
    missing = hole(image.shape, (side // 3, side // 3 + 10), 40)
    filled, info = fill(image, missing)
    assert all(member.weight >= 0 for member in info.network.members)
    assert filled[missing].min() > 180
    assert filled[missing].max() < 200 + 18
    best = min(
        np.sqrt(np.mean((inpaint(image, missing, network=alone(x)) - image)[missing] ** 2))
        for x in info.choice.candidates
    )
    assert np.sqrt(np.mean((filled - image)[missing] ** 2)) < 2 * best


def test_a_volume_of_which_half_is_missing_is_offered_the_smoothest_spline():
    gaps = RNG.random((40, 40, 40)) < 0.5
    assert Spline(3) in offered_splines(gaps, GridOptions())
    most = RNG.random((256, 256)) < 0.9  # hundreds of steps on as many unknowns
    assert list(offered_splines(most, GridOptions())) == [Spline(2)]


STRIPS = np.arange(300000.0), np.indices((64, 64)).sum(axis=0) / 9.0


@pytest.mark.parametrize(
    ("values", "gaps"),
    [
        (np.sin(np.arange(2000) / 7), [slice(1000, 1010)]),
        (np.sin(np.arange(240) / 7), [slice(100, 104), slice(180, 183)]),
        (np.arange(100.0), [slice(40, 50)]),
        (np.arange(30.0), [slice(10, 14)]),
        (np.arange(12.0), [slice(5, 6)]),
        (np.sin(STRIPS[0] / 7), [slice(100000, 100010)]),
        (np.sin(STRIPS[1]), [(slice(20, 23), slice(30, 33))]),
        (np.sin(STRIPS[1]), [(slice(20, 26), slice(30, 36))]),
    ],
    ids=["sine", "two gaps", "ramp", "short", "twelve", "long", "3 x 3", "6 x 6"],
)
def test_a_few_missing_samples_are_filled_by_what_fits_them(values, gaps):
    """The default network misses by more than linear interpolation."""
    missing = np.zeros(values.shape, bool)
    for gap in gaps:
        missing[gap] = True
    network = default_architecture(values.shape, depth(missing), "pad", shift_average=True)
    filled, fixed = (inpaint(values, missing, network=name) for name in ("auto", network))
    error, before = (np.abs(each - values)[missing].max() for each in (filled, fixed))
    assert error < before / 3
    if values.ndim == 1:
        known = np.flatnonzero(~missing)
        linear = np.interp(np.flatnonzero(missing), known, values[known])
        assert error < max(np.abs(linear - values[missing]).max() / 3, 0.01)


@pytest.mark.parametrize("end", [slice(None), slice(None, None, -1)], ids=["last", "first"])
@pytest.mark.parametrize(
    ("kind", "length"),
    [*itertools.product(["ramp"], [1, 2, 5, 10, 19]), *itertools.product(["sine"], [2, 5, 10])],
)
def test_missing_ends_are_no_worse_than_the_last_value(kind, end, length):
    """They went to the mean of all samples."""
    t = np.arange(300.0)
    values = (0.1 * t if kind == "ramp" else np.sin(2 * np.pi * t / 64))[end].copy()
    missing = np.zeros(300, bool)[end]
    missing[-length:] = True
    values = np.ascontiguousarray(values[end])
    missing = np.ascontiguousarray(missing[end])
    filled = inpaint(values, missing)
    known = np.flatnonzero(~missing)
    last = values[known[-1] if missing[-1] else known[0]]
    assert np.abs(filled - values)[missing].max() < 1.01 * np.abs(last - values)[missing].max()


def test_a_missing_corner_is_no_worse_than_beside_it():
    image, missing = np.indices((60, 60)).sum(axis=0) / 9.0, np.zeros((60, 60), bool)
    missing[-2:, -2:] = True
    assert np.abs(inpaint(image, missing) - image).max() < 1e-3


@pytest.mark.filterwarnings("ignore:the mask marks")
@pytest.mark.parametrize("strip", [np.s_[5], np.s_[5:7], np.s_[:, 9], np.s_[7, 5:30]], ids=str)
def test_a_thin_strip_alone_is_known(strip):
    rows, columns = np.mgrid[:40, :50]
    image, missing = np.sin(rows / 6.0) + np.cos(columns / 9.0), np.ones((40, 50), bool)
    missing[strip] = False
    assert np.isfinite(inpaint(image, missing)).all()


@pytest.mark.parametrize(("shape", "ends"), [((60,), False), ((60,), True), ((20, 24), False)])
def test_nothing_is_held_out_at_ends_where_nothing_is_missing(shape, ends):
    inner = np.zeros(shape, bool)
    inner[(slice(1, -1),) * len(shape)] = True
    for seed in range(8):
        missing = (np.random.default_rng(seed).random(shape) < 0.2) & inner
        missing[(-1,) * len(shape)] = ends
        held_out = [hold_out_like(missing, share=0.5, random_state=k).mask for k in range(4)]
        assert (np.any(held_out, axis=0) & ~inner).any() == ends


def test_a_channel_without_gaps_beside_one_whose_end_is_missing():
    values = np.stack([0.1 * np.arange(300.0), -0.1 * np.arange(300.0)], axis=-1)
    holed = values.copy()
    holed[-5:, 0] = np.nan
    assert np.abs(inpaint(holed, channel_axis=-1) - values).max() < 0.5


@pytest.mark.slow
def test_splines_are_offered_on_very_long_lines():
    values = np.sin(2 * np.pi * np.arange(float(1 << 20)) / 600)
    missing = np.zeros(len(values), bool)
    for start in range(1000, len(values), 200_000):
        missing[start : start + 5] = True
    assert np.abs(inpaint(values, missing) - values).max() < 1e-5  # linear: 5e-4


@pytest.mark.parametrize(("side", "rounds", "copies"), [(48, 3, 1), (64, 1, 4)])
def test_a_hole_in_a_large_volume_is_tried_once(side, rounds, copies):
    gaps = np.zeros((side,) * 3, bool)
    gaps[(slice(side // 2 - 6, side // 2 + 6),) * 3] = True
    found = _holdouts(gaps, 3)
    assert len(found) == rounds
    assert found[0].in_holes.sum() > (copies - 0.5) * gaps.sum()


@pytest.mark.slow
def test_order_three_competes_on_equal_terms_where_gaps_are_thin():
    """Better than the thin plate, but not three times."""
    x = np.linspace(0, 9, 96)
    image, letters = np.sin(x)[:, None] * np.cos(x), np.zeros((96, 96), bool)
    for row, column in itertools.product(range(8, 90, 16), repeat=2):
        letters[row : row + 4, column : column + 4] = True
    choice, _ = select(image[..., None], letters, GridOptions())
    errors = {candidate.network: candidate.error for candidate in choice.candidates}
    assert 1 / 3 < (errors[Spline(3)] / errors[Spline(2)]) ** 2 < 1
    assert Spline(3) in [member.network for member in choice.network.members]
