"""Plots: what is drawn is what was computed, into the axes that were given."""

import subprocess
import sys

import numpy as np
import pytest

from ntkfill import Inpainter, InputError, NTKImputer, plots
from ntkfill.explanation import Explanation
from ntkfill.nn import hourglass
from ntkfill.priors import IID, Features

plt = pytest.importorskip("matplotlib.pyplot")

RNG = np.random.default_rng(0)
HOLES = RNG.random((24, 20)) < 0.4
IMAGE = RNG.normal(size=HOLES.shape)
AT = tuple(map(int, np.argwhere(HOLES)[60]))


@pytest.fixture(autouse=True)
def no_open_figures():
    plt.close("all")
    yield
    plt.close("all")


def shown(ax):
    """What one image in the axes shows, NaN where blank."""
    (image,) = ax.images
    return np.ma.filled(image.get_array().astype(float), np.nan)


@pytest.mark.parametrize("signed", [False, True])
def test_a_heatmap_shows_its_values(signed):
    _, (first, second) = plt.subplots(ncols=2)
    values = np.where(HOLES, np.nan, IMAGE)
    assert plots.heatmap(values, second, at=AT, signed=signed) is second
    np.testing.assert_array_equal(shown(second), values)
    assert not first.images
    (marker,) = second.collections
    assert marker.get_offsets().tolist() == [[AT[1], AT[0]]]
    norm = second.images[0].norm
    if signed:  # zero is in the middle of the colours, and the scale is a square root
        bound = np.nanmax(abs(values))
        assert norm([-bound, -bound / 4, 0, bound / 4, bound]).tolist() == pytest.approx(
            [0, 0.25, 0.5, 0.75, 1]
        )
    else:
        assert (norm.vmin, norm.vmax) == (np.nanmin(values), np.nanmax(values))


def test_a_heatmap_takes_the_current_axes():
    ax = plt.gca()
    assert plots.heatmap(np.zeros((3, 4)), signed=True, colorbar=False) is ax
    assert len(ax.figure.axes) == 1


@pytest.mark.parametrize("shape", [(3,), (3, 4, 3), ()])
def test_only_two_axes_are_drawn(shape):
    with pytest.raises(InputError, match="values must have two axes"):
        plots.heatmap(np.ones(shape))


def test_an_explanation_of_a_pixel():
    inpainter = Inpainter(hourglass(2)).fit(mask=HOLES)
    explained = inpainter.explain(IMAGE, AT)
    _, axes = plt.subplots(ncols=2)
    weights = shown(plots.explanation(explained, HOLES.shape, axes[0]))
    kernel = shown(plots.explanation(explained, HOLES.shape, axes[1], kernel=True))
    np.testing.assert_array_equal(weights, np.where(HOLES, np.nan, inpainter.weights(AT)))
    np.testing.assert_array_equal(kernel, np.where(HOLES, np.nan, inpainter.kernel_row(AT)))
    assert f"({AT[0]}, {AT[1]})" in axes[0].get_title()


def test_an_explanation_of_channels_sums_their_weights():
    places = np.array([[0, 1], [0, 1], [2, 2]])
    explained = Explanation(
        (1, 1), places, np.ones(3), np.array([0.5, 0.2, 0.3]), 1.0, channels=np.array([0, 1, 1])
    )
    weights = shown(plots.explanation(explained, (3, 4)))
    assert weights[0, 1] == pytest.approx(0.7)
    assert weights[2, 2] == pytest.approx(0.3)
    assert np.isnan(weights).sum() == 10


def test_an_explanation_of_a_table():
    table = RNG.normal(size=(20, 4))
    table[3, 1] = np.nan
    imputer = NTKImputer(row_features=RNG.normal(size=(20, 2))).fit(table)
    explained = imputer.explain(3, 1)
    drawn = shown(plots.explanation(explained, table.shape))
    assert np.nansum(drawn) == pytest.approx(explained.weights.sum())


def test_explanations_that_cannot_be_drawn():
    line = Explanation((1,), np.array([[0]]), np.ones(1), np.ones(1), 1.0)
    with pytest.raises(InputError, match="two axes"):
        plots.explanation(line, (3,))
    flat = Explanation((1, 1), np.array([[0, 1]]), np.ones(1), np.ones(1), 1.0)
    with pytest.raises(InputError, match="explanation with a kernel"):
        plots.explanation(flat, (3, 3), kernel=True)


@pytest.mark.slow
def test_figure_4_in_one_call():
    priors = {"i.i.d.": IID(), "identity": Features(np.eye(16)[None])}
    axes = plots.kernel_rows((1, 2), priors, side=16, at=(5, 7))
    assert axes.shape == (2, 2)
    rows = [shown(ax) for ax in axes.flat]
    for k, row in enumerate(rows):  # priors and depths make different rows
        assert row.shape == (16, 16)
        assert all(not np.array_equal(row, other) for other in rows[:k])
    kernel = hourglass(2).kernel((16, 16), IID())
    expected = kernel.block(np.array([5 * 16 + 7]), np.arange(256)).reshape(16, 16)
    np.testing.assert_array_equal(rows[1], expected)
    assert axes[1, 1].get_title() == "identity, 2 levels"
    assert plots.kernel_rows((1,), side=16).shape == (3, 1)


def test_kernel_rows_draw_into_given_axes():
    _, axes = plt.subplots(1, 2, squeeze=False)
    drawn = plots.kernel_rows((1, 2), {"i.i.d.": IID()}, axes, side=8)
    assert [ax is other for ax, other in zip(drawn.flat, axes.flat, strict=True)] == [True, True]
    with pytest.raises(InputError, match=r"axes cannot be used; expected shape \(1, 3\)"):
        plots.kernel_rows((1, 2, 3), {"i.i.d.": IID()}, axes, side=8)


@pytest.mark.slow
def test_without_matplotlib_what_to_install_is_said():
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from ntkfill import InputError, plots\n"
        "try:\n    plots.heatmap([[1.0]])\n"
        "except InputError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'ntkfill[plots]'" in done.stdout
