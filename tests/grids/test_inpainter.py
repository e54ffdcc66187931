"""One mask, many images: fits, the same values as `inpaint`, kernel rows and weights."""

import inspect

import numpy as np
import pytest
from sklearn.base import clone

from ntkfill import Inpainter, InputError, MemoryLimitError, inpaint
from ntkfill.nn import hourglass
from ntkfill.priors import IID, Features, MeshGrid

NET = hourglass(2)
RNG = np.random.default_rng(0)
WRAPPED = {"boundary": "wrap", "shift_average": False}
OPTIONS = {
    "as it comes": {},
    "exact": {"shift_average": False, "network": NET},
    "wrap": {"boundary": "wrap"},
    "mesh grid": {"prior": MeshGrid(), "network": NET, **WRAPPED},
    "features": {"prior": Features(RNG.normal(size=(3, 16, 12))), "network": NET, **WRAPPED},
    "own numbers": {"network": NET, "prior": IID(0.0, 2.0), "ridge": 0.1, "rtol": 1e-6},
    "little memory": {"memory_limit": 10**6, "network": NET},
}
every = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)

IMAGE = np.add.outer(np.sin(np.linspace(0, 3, 16)), np.linspace(0, 1, 12))
HOLES = RNG.random(IMAGE.shape) < 0.3
MISSING = [tuple(map(int, at)) for at in np.argwhere(HOLES)[[0, 20, -1]]]


@pytest.mark.sampled
@every
@pytest.mark.parametrize("dtype", ["f8", "f4", "u1"])
def test_the_same_as_inpaint(options, dtype):
    inpainter = Inpainter(**options).fit(mask=HOLES)
    for image in (IMAGE, 1 - IMAGE, RNG.random(IMAGE.shape)):
        given = (100 * image).astype(dtype)
        filled = inpainter.transform(given)
        assert filled.dtype == given.dtype
        # Without an image nothing is selected.
        expected = inpaint(given, HOLES, **{"network": inpainter.network_, **options})
        np.testing.assert_array_equal(filled, expected)


def test_channels_and_nan_where_missing():
    inpainter = Inpainter(network=NET, channel_axis=0).fit(mask=HOLES.astype(np.uint8) * 255)
    colour = np.stack([IMAGE, IMAGE**2])
    expected = inpaint(colour, HOLES, channel_axis=0, network=NET)
    np.testing.assert_array_equal(inpainter.transform(colour), expected)
    holed = np.where(HOLES, np.nan, colour)
    np.testing.assert_array_equal(inpainter.transform(holed), expected)


def test_one_factor_for_many_images(monkeypatch):
    inpainter = Inpainter(**OPTIONS["mesh grid"]).fit(mask=HOLES)
    first = inpainter.transform(IMAGE)

    def again(*_):
        raise AssertionError("factored again")

    monkeypatch.setattr("ntkfill.solvers.linalg.cholesky", again)
    monkeypatch.setattr("ntkfill.grids.plan.Plan.kernel", again)
    np.testing.assert_array_equal(inpainter.transform(IMAGE), first)
    with pytest.raises(AssertionError, match="factored again"):
        Inpainter(**OPTIONS["mesh grid"]).fit(mask=HOLES)


def test_fitting_again_forgets_the_first_mask():
    inpainter = Inpainter(network=NET).fit(mask=HOLES).fit(mask=HOLES.T)
    np.testing.assert_array_equal(
        inpainter.transform(IMAGE.T), inpaint(IMAGE.T, HOLES.T, network=NET)
    )
    assert inpainter.kernel_row((0, 0)).shape == (12, 16)


@pytest.mark.slow
@every
def test_fill_is_what_inpaint_does(options):
    """Each image with a mask of its own; one factor as long as the mask stays the same."""
    inpainter = Inpainter(**options)
    holed = np.where(HOLES, np.nan, IMAGE)
    for image, mask in ((IMAGE, HOLES), (1 - IMAGE, HOLES), (holed, None), (IMAGE, HOLES[::-1])):
        before = getattr(inpainter, "model_", None)
        done = inpainter.fill(image, mask)
        other = Inpainter(**options).fill(image, mask)
        np.testing.assert_array_equal(done.values, inpaint(image, mask, **options))
        np.testing.assert_array_equal(done.values, other.values)
        assert (done.info.missing, done.info.reports) == (other.info.missing, other.info.reports)
        assert repr(done.info.plan) == repr(other.info.plan)
        again = before is None or (mask is not None and not np.array_equal(mask, HOLES))
        assert (inpainter.model_ is before) is not again
    channels = np.stack([holed, np.where(HOLES[::-1], np.nan, IMAGE)])
    done = inpainter.set_params(channel_axis=0).fill(channels)
    np.testing.assert_array_equal(done.values, inpaint(channels, channel_axis=0, **options))


def test_parameters_as_in_scikit_learn():
    params = {"network": NET, "ridge": 0.1, "channel_axis": -1, "cache": None}
    inpainter = Inpainter(**params)
    assert list(inpainter.get_params()) == list(inspect.signature(Inpainter).parameters)
    assert params.items() <= inpainter.get_params().items()
    copied = clone(inpainter.fit(np.stack([IMAGE, IMAGE], axis=-1), HOLES))
    assert copied.get_params() == inpainter.get_params()
    assert not hasattr(copied, "model_")
    assert copied.set_params(ridge=0.2) is copied
    assert (copied.ridge, inpainter.ridge) == (0.2, 0.1)
    assert repr(copied) == f"Inpainter(network={NET!r}, channel_axis=-1, ridge=0.2, cache=None)"
    with pytest.raises(ValueError, match="'rigde' is not a parameter"):
        copied.set_params(rigde=1.0)


def test_fit_of_channels_that_miss_different_pixels(tmp_path):
    colour = np.stack([np.where(HOLES, np.nan, IMAGE), IMAGE], axis=-1)
    inpainter = Inpainter(NET, channel_axis=-1).fit(colour)
    assert inpainter.missing_.shape == colour.shape
    np.testing.assert_array_equal(
        inpainter.transform(colour), Inpainter(NET, channel_axis=-1).fill(colour).values
    )
    with pytest.raises(InputError, match="shape of the mask; expected"):
        inpainter.transform(colour[..., :1])
    with pytest.raises(InputError, match="cannot be saved"):
        inpainter.save(tmp_path / "inpainter.npz")


def test_fit_needs_an_image_or_a_mask():
    with pytest.raises(InputError, match="fit needs an image or a mask"):
        Inpainter(NET).fit()
    holed = Inpainter(NET).fit(np.where(HOLES, np.nan, IMAGE))
    np.testing.assert_array_equal(holed.missing_, HOLES)


@pytest.mark.parametrize("fitted", [False, True])
def test_an_interrupted_fit_leaves_no_trace(fitted, monkeypatch):
    inpainter = Inpainter(network=NET)
    if fitted:
        inpainter.fit(mask=HOLES)

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("ntkfill.grids.plan.Plan.kernel", stop)
        with pytest.raises(KeyboardInterrupt):
            inpainter.fit(mask=HOLES[::-1])
    expected = inpaint(IMAGE, HOLES[::-1], network=NET)
    np.testing.assert_array_equal(inpainter.fill(IMAGE, HOLES[::-1]).values, expected)


BEFORE_FIT = {
    "transform": lambda inpainter: inpainter.transform(IMAGE),
    "kernel_row": lambda inpainter: inpainter.kernel_row((0, 0)),
    "weights": lambda inpainter: inpainter.weights((0, 0)),
    "save": lambda inpainter: inpainter.save("never-written.npz"),
}


@pytest.mark.parametrize("name", BEFORE_FIT)
def test_before_fit(name):
    with pytest.raises(InputError, match=r"not fitted yet.*fit\(mask=mask\)"):
        BEFORE_FIT[name](Inpainter())


NAN = np.where(np.arange(192).reshape(16, 12) == np.flatnonzero(~HOLES)[9], np.nan, IMAGE)


@pytest.mark.parametrize(
    ("image", "axis", "message"),
    [
        (IMAGE.T, None, r"expected \(16, 12\); got \(12, 16\)"),
        (IMAGE[None], None, r"got \(1, 16, 12\)"),
        (IMAGE, -1, r"got \(16,\)"),
        (NAN, None, "NaN where the mask says known.*fill"),
        (np.stack([IMAGE, NAN]), 0, "NaN where the mask says known"),
        (IMAGE + 0j, None, "complex128"),
    ],
)
def test_images_that_do_not_fit_are_refused(image, axis, message):
    with pytest.raises(InputError, match=message):
        Inpainter(network=NET, channel_axis=axis).fit(mask=HOLES).transform(image)


@pytest.mark.parametrize(
    ("options", "mask", "error"),
    [
        ({}, np.ones((4, 4)), InputError),
        ({}, np.zeros((0, 4)), InputError),
        ({}, np.full((4, 4), np.nan), InputError),
        ({"ridge": -1}, HOLES, InputError),
        ({"boundary": "reflect"}, HOLES, InputError),
        ({"network": "resnet"}, HOLES, InputError),
        ({"memory_limit": 100}, HOLES, MemoryLimitError),
    ],
)
def test_fit_refuses(options, mask, error):
    with pytest.raises(error):
        Inpainter(**options).fit(mask=mask)


def test_nothing_missing():
    inpainter = Inpainter(network=NET).fit(mask=np.zeros((5, 4)))
    np.testing.assert_array_equal(inpainter.transform(IMAGE[:5, :4]), IMAGE[:5, :4])


@every
@pytest.mark.parametrize("at", [(0, 0), (15, 11), (7, 3)])
def test_kernel_row(options, at):
    inpainter = Inpainter(**options).fit(mask=HOLES)
    row = inpainter.kernel_row(at)
    assert row.shape == IMAGE.shape
    for other in ((0, 0), (3, 9), (15, 11)):
        assert row[other] == pytest.approx(inpainter.kernel_row(other)[at], rel=1e-6)
        # A covariance is at most the geometric mean of the variances.
        bound = row[at] * inpainter.kernel_row(other)[other]
        assert row[other] ** 2 <= bound * (1 + 1e-6)
    assert row[at] > 0
    if "prior" not in options or isinstance(options["prior"], IID):
        assert np.unravel_index(row.argmax(), row.shape) == at
    np.testing.assert_array_equal(row, inpainter.kernel_row((at[0] - 16, at[1] - 12)))


@every
@pytest.mark.parametrize("at", MISSING)
def test_weights_make_the_value(options, at):
    inpainter = Inpainter(**{"rtol": 1e-7} | options).fit(mask=HOLES)
    weights = inpainter.weights(at)
    assert weights.shape == IMAGE.shape
    assert not weights[HOLES].any()
    assert weights[~HOLES].all()
    if options.get("shift_average", True):  # only then the mean is taken out first
        assert weights.sum() == pytest.approx(1, abs=1e-9)
    for image in (IMAGE, RNG.random(IMAGE.shape)):
        value = inpainter.transform(image)[at]
        assert np.vdot(weights, image) == pytest.approx(value, abs=1e-4)


def test_changed_options_are_heeded():
    inpainter = Inpainter(network=NET)
    before = inpainter.fill(IMAGE, HOLES).values
    inpainter.ridge = 10.0
    for method in (inpainter.transform, inpainter.save):
        with pytest.raises(InputError, match="changed after the fit"):
            method(IMAGE)
    expected = inpaint(IMAGE, HOLES, network=NET, ridge=10.0)
    np.testing.assert_array_equal(inpainter.fill(IMAGE, HOLES).values, expected)
    assert not np.array_equal(before, expected)


@pytest.mark.parametrize("cache", ["no", "/tmp", 3])
def test_what_is_no_cache_is_refused(cache):
    with pytest.raises(InputError, match="cache must be a Cache, 'user' or None"):
        inpaint(IMAGE, HOLES, network=NET, cache=cache)


def test_weights_in_one_dimension():
    holes = np.arange(20) % 4 == 1
    inpainter = Inpainter().fit(mask=holes)
    np.testing.assert_array_equal(inpainter.weights(5), inpainter.weights((5,)))
    assert set(np.argsort(inpainter.weights(5))[-2:]) == {4, 6}  # the nearest count most


@pytest.mark.parametrize("at", [(16, 0), (0, -13), (1,), (1, 2, 3), (), 5, None, (np.nan, 1)])
@pytest.mark.parametrize("method", ["kernel_row", "weights"])
def test_no_such_pixel(at, method):
    with pytest.raises(
        InputError, match=r"pixel of the image; expected 2 integers within \(16, 12\)"
    ):
        getattr(Inpainter(network=NET).fit(mask=HOLES), method)(at)


@pytest.mark.parametrize("at", [(1.5, 2), ("a", "b")])
def test_no_such_pixel_of_another_type(at):
    with pytest.raises(InputError):
        Inpainter(network=NET).fit(mask=HOLES).kernel_row(at)
