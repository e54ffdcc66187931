"""`inpaint(..., refine=...)`, and the same on the command line."""

import json

import numpy as np
import pytest
from oracles import rmse
from PIL import Image

from ntkfill import Inpainter, InputError, inpaint
from ntkfill.cli import main
from ntkfill.grids.patches import selection
from ntkfill.nn import hourglass


def fill(image, mask=None, **options):
    """Values and how the fill went."""
    done = Inpainter(**options).fill(image, mask)
    return done.values, done.info


TEXTURE = 100 + 100 * np.sin(1.9 * sum(np.indices((48, 48)))) * np.cos(np.arange(48) / 9)
MISSING = np.random.default_rng(0).random((48, 48)) < 0.5


@pytest.mark.parametrize(
    "dtype",
    [np.uint8, *(pytest.param(x, marks=pytest.mark.slow) for x in (np.float32, np.float64))],
)
def test_a_texture_is_refined(dtype):
    image = TEXTURE.astype(dtype)
    plain = inpaint(image, MISSING)
    filled, info = fill(image, MISSING, refine="auto")
    assert filled.dtype == dtype
    assert (filled[~MISSING] == image[~MISSING]).all()
    assert rmse(filled, TEXTURE, MISSING) < 0.5 * rmse(plain, TEXTURE, MISSING)
    assert info.refinement.patches is not None
    assert info.refinement.after < info.refinement.before
    # The guess of the error is about the error.
    assert 0.5 < info.refinement.before / rmse(plain, TEXTURE, MISSING) < 2


@pytest.mark.slow
def test_noise_is_left_alone_unless_asked():
    noise = np.random.default_rng(1).standard_normal((48, 48))
    # With a ridge this large the fill is the mean, and there is nothing better.
    plain = inpaint(noise, MISSING, ridge=1e3)
    left, info = fill(noise, MISSING, ridge=1e3, refine="auto")
    assert info.refinement.patches is None
    assert left.tobytes() == plain.tobytes()
    asked, info = fill(noise, MISSING, ridge=1e3, refine="patches")
    assert info.refinement.patches is not None
    assert asked.tobytes() != plain.tobytes()


@pytest.mark.slow
def test_unrefined_is_the_default():
    filled, info = fill(TEXTURE, MISSING)
    assert info.refinement is None
    assert filled.tobytes() == inpaint(TEXTURE, MISSING, refine=None).tobytes()


ROWS = np.indices((48, 48))[0] % 2 == 1


@pytest.mark.slow
@pytest.mark.parametrize("gaps", [ROWS, ROWS | ROWS.T])
def test_gaps_that_repeat_are_judged_by_the_known_pixels_alone(gaps):
    slow = 100 + 100 * np.sin(0.5 * sum(np.indices((48, 48)))) * np.cos(np.arange(48) / 9)
    plain, chosen = fill(slow, gaps)
    filled, info = fill(slow, gaps, refine="auto")
    assert chosen.choice.n_held_out == 0  # no known pixel is like a missing one
    assert info.refinement.patches is not None
    assert rmse(filled, slow, gaps) < rmse(plain, slow, gaps)
    assert "which repeat every 2 pixels" in info.refinement.report()
    noise = np.random.default_rng(1).standard_normal((48, 48))
    plain, _ = fill(noise, gaps, ridge=1e3)
    assert rmse(fill(noise, gaps, ridge=1e3, refine="auto")[0], noise, gaps) < 1.03 * rmse(
        plain, noise, gaps
    )


@pytest.mark.slow
def test_where_gaps_repeat_what_is_as_fine_as_they_are_is_refined_least():
    smooth = 100 + 100 * np.sin(0.5 * sum(np.indices((48, 48))))
    fine = smooth + 20 * np.random.default_rng(0).normal(size=smooth.shape)
    every_second = sum(np.indices((48, 48)) % 2) > 0  # no line is known completely
    coarse, mixed = (fill(x, every_second, refine="auto")[1].refinement for x in (smooth, fine))
    assert mixed.share + 0.02 < coarse.share < 1
    inpainter = Inpainter(refine="auto", rtol=1e-6).fit(smooth, ROWS)
    told = inpainter.explain(smooth, (21, 30))
    assert told.value == pytest.approx(inpainter.transform(smooth)[21, 30], rel=1e-4)


@pytest.mark.slow
def test_along_complete_lines_gaps_as_wide_as_the_missing_ones_are_held_out():
    """They show what known rows alone, one octave coarser, cannot: waves finer than the gaps."""
    along = sum(np.indices((48, 48)))
    slow, fast = 100 + 100 * np.sin(0.5 * along), 40 * np.sin(2.4 * along)
    refined = fill(slow, ROWS, refine="auto")[1].refinement
    assert (refined.patches is not None, refined.share) == (True, 1.0)
    assert refined.after < refined.before / 4
    left = fill(slow + fast, ROWS, refine="auto")[1].refinement
    assert left.patches is None
    partly = fill(slow + 40 * np.sin(2.8 * along), ROWS, refine="auto")[1].refinement
    assert 0.3 < partly.share < 0.7
    with pytest.MonkeyPatch.context() as patch:  # negative control
        patch.setattr(selection, "gaps_along_lines", lambda *_: None)
        assert fill(slow + fast, ROWS, refine="auto")[1].refinement.patches is not None


def test_a_checkerboard_is_left_alone():
    board = sum(np.indices((48, 48))) % 2 == 1
    refinement = fill(TEXTURE, board, refine="auto")[1].refinement
    assert (refinement.patches, refinement.period) == (None, 2)
    assert "gaps repeat every 2 pixels, so that" in refinement.report()


def test_too_little_to_hide():
    few, gap = np.sin(np.arange(12.0)), np.arange(12) == 5
    filled, info = fill(few, gap, refine="auto")
    assert info.refinement is None
    assert filled.tobytes() == inpaint(few, gap).tobytes()
    _, info = fill(few, gap, refine="patches")
    assert info.refinement.n_held_out == 0
    assert "too few known pixels" in info.refinement.report()


@pytest.mark.slow
def test_channels_may_miss_different_pixels():
    image = np.stack([TEXTURE, 200 - TEXTURE], axis=0)
    image[0][MISSING] = np.nan
    filled = inpaint(image, channel_axis=0, refine="patches")
    truth = np.stack([TEXTURE, 200 - TEXTURE], axis=0)
    where = np.isnan(image)
    assert (filled[~where] == image[~where]).all()
    assert rmse(filled, truth, where) < 0.5 * rmse(inpaint(image, channel_axis=0), truth, where)


@pytest.mark.slow
def test_one_mask_many_images(tmp_path):
    inpainter = Inpainter(refine="patches").fit(TEXTURE, MISSING)
    filled = inpaint(TEXTURE, MISSING, refine="patches")
    np.testing.assert_allclose(inpainter.transform(TEXTURE), filled, atol=0.1)
    inpainter.save(tmp_path / "one.npz")
    again = Inpainter.load(tmp_path / "one.npz")
    assert again.refine == "patches"
    assert again.transform(TEXTURE).tobytes() == inpainter.transform(TEXTURE).tobytes()


def test_no_other_word():
    with pytest.raises(InputError, match="'patches' or 'auto'"):
        inpaint(TEXTURE, MISSING, refine="patch")
    with pytest.raises(InputError, match="'patches' or 'auto'"):
        Inpainter(refine="patch").fit(mask=MISSING)


@pytest.mark.slow
def test_progress_rises_to_one():
    shares = []
    inpaint(TEXTURE, MISSING, refine="auto", progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1


@pytest.mark.slow
def test_command_line(tmp_path, capsys):
    image = TEXTURE.astype(np.uint8)
    source, mask, target = (str(tmp_path / name) for name in ("in.png", "mask.png", "out.png"))
    Image.fromarray(image).save(source)
    Image.fromarray(MISSING).save(mask)
    arguments = ["inpaint", source, "--mask", mask, "-o", target, "--refine", "auto", "--json"]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    figures = json.loads(out)["files"][0]["refinement"]
    assert figures["after"] < figures["before"]
    assert figures["patches"]["width"] in (6, 8)
    assert "held-out known pixels" in err
    np.testing.assert_array_equal(
        np.asarray(Image.open(target)), inpaint(image, MISSING, refine="auto")
    )


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1e-250, 1e250])
def test_any_range_of_values(scale):
    filled, info = fill(scale * TEXTURE, MISSING, refine="patches")
    assert rmse(filled / scale, TEXTURE, MISSING) < 20
    assert 0 < info.refinement.after < info.refinement.before


@pytest.mark.slow
def test_standard_deviations_are_those_of_the_patches():
    rng = np.random.default_rng(0)
    image = TEXTURE + rng.normal(0, 1, TEXTURE.shape) * np.where(np.arange(48) < 24, 1.0, 20.0)
    plain = Inpainter().fill(image, MISSING, return_std=True)
    done = Inpainter(refine="patches").fill(image, MISSING, interval=0.9)
    assert (done.std[MISSING] > 0).all()
    assert not done.std[~MISSING].any()
    assert done.info.relative_error == 0
    # Narrower, since the texture is understood, and still as large as the errors.
    assert done.std[MISSING].mean() < 0.5 * plain.std[MISSING].mean()
    z = (done.values - image)[MISSING] / done.std[MISSING]
    assert 0.7 < np.sqrt(np.mean(z**2)) < 1.4
    left, right = (done.std[:, part][MISSING[:, part]] for part in (np.s_[:12], np.s_[36:]))
    assert right.mean() > 1.5 * left.mean()
    inpainter = Inpainter(refine="patches").fit(image, MISSING)
    np.testing.assert_array_equal(inpainter.std(image), done.std)
    np.testing.assert_array_equal(
        inpainter.std(image, at=[(0, 0), (3, 4)]), done.std[[0, 3], [0, 4]]
    )


@pytest.mark.slow
def test_std_deep_in_a_hole_is_that_of_the_network():
    holes = MISSING.copy()
    holes[12:36, 12:36] = True
    plain = Inpainter().fill(TEXTURE, holes, return_std=True)
    done = Inpainter(refine="patches").fill(TEXTURE, holes, return_std=True)
    deep = (slice(22, 26),) * 2
    np.testing.assert_array_equal(done.values[deep], plain.values[deep])
    np.testing.assert_array_equal(done.std[deep], plain.std[deep])
    assert done.info.relative_error == plain.info.relative_error > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "refine"),
    [
        (hourglass(3), "patches"),
        pytest.param(hourglass(3), "auto", marks=pytest.mark.slow),
        pytest.param("auto", "patches", marks=pytest.mark.slow),
        pytest.param("auto", "auto", marks=pytest.mark.slow),
    ],
)
def test_a_refined_pixel_is_explained(network, refine):
    inpainter = Inpainter(network, refine=refine, rtol=1e-6).fit(TEXTURE, MISSING)
    filled = inpainter.transform(TEXTURE)
    for at in [tuple(map(int, at)) for at in np.argwhere(MISSING)[::400]]:
        explained = inpainter.explain(TEXTURE, at)
        assert explained.value == pytest.approx(filled[at], abs=0.02)
        assert explained.weights.sum() == pytest.approx(1, abs=1e-3)
        np.testing.assert_array_equal(explained.values, TEXTURE[~MISSING])
    # It is not what the network alone makes of it.
    plain = Inpainter(network, rtol=1e-6).fit(TEXTURE, MISSING).explain(TEXTURE, at)
    assert abs(plain.weights - explained.weights).max() > 0.01
    assert abs(plain.weights @ explained.values - filled[at]) > 0.05
    with pytest.raises(InputError, match="depend on the image"):
        inpainter.weights(at)


@pytest.mark.slow
def test_a_pixel_refined_by_a_share_is_explained():
    missing = np.zeros((48, 48), bool)
    missing[20:30, 20:30] = True
    noisy = TEXTURE + np.random.default_rng(0).normal(0, 30, TEXTURE.shape)
    inpainter = Inpainter(hourglass(3), refine="auto", rtol=1e-6)
    done = inpainter.fill(noisy, missing)
    assert 0 < done.info.refinement.share < 1
    explained = inpainter.explain(noisy, (24, 25))
    assert explained.value == pytest.approx(done.values[24, 25], abs=0.02)
    assert explained.weights.sum() == pytest.approx(1, abs=1e-3)


@pytest.mark.slow
def test_a_refined_colour_is_made_of_all_channels():
    rng = np.random.default_rng(0)
    colour = np.stack([TEXTURE, 200 - TEXTURE + rng.normal(0, 1, TEXTURE.shape)], axis=-1)
    inpainter = Inpainter(refine="patches", channel_axis=-1, rtol=1e-6).fit(colour, MISSING)
    filled, at = inpainter.transform(colour), tuple(np.argwhere(MISSING)[300])
    for channel in (0, 1):
        explained = inpainter.explain(colour, at, channel)
        assert explained.value == pytest.approx(filled[(*at, channel)], abs=0.02)
        np.testing.assert_array_equal(
            explained.values, colour[(*explained.coordinates.T, explained.channels)]
        )
        shares = [abs(explained.weights[explained.channels == c]).sum() for c in (0, 1)]
        assert min(shares) > 0.01
        assert set(explained.largest(20).channels) <= {0, 1}
        spread = explained.as_array(colour.shape)
        assert np.vdot(spread, colour) == pytest.approx(explained.value)
    with pytest.raises(InputError, match="channel must be below 2"):
        inpainter.explain(colour, at, 2)
