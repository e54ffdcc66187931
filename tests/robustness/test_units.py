"""Values and features in any unit: the same fill, or a sentence."""

import numpy as np
import pytest

from ntkfill import (
    Explanation,
    Inpainter,
    InputError,
    NTKImputer,
    Observed,
    Uncertainty,
    complete,
    nn,
    screens,
)
from ntkfill.kernels import DenseKernel
from ntkfill.solvers import Cholesky

RNG = np.random.default_rng(0)
SIDES = {"row_features": RNG.normal(size=(12, 2)), "column_features": RNG.normal(size=(7, 2))}
TABLE = SIDES["row_features"] @ SIDES["column_features"].T + 0.1 * RNG.normal(size=(12, 7))
TABLE[RNG.random(TABLE.shape) < 0.3] = np.nan
IMAGE = np.sin(np.add.outer(np.arange(24), np.arange(20)) / 4) + 0.1 * RNG.normal(size=(24, 20))
MASK = RNG.random(IMAGE.shape) < 0.3
NET = nn.hourglass(2)
SURE = {"interval": 0.9, "uncertainty": Uncertainty(samples=4)}


def amounts(done, unit):
    """Values, standard deviations and bounds, in this unit."""
    values = done.values.profiles if isinstance(done.values, screens.Screen) else done.values
    return [part / unit for part in (values, done.std, done.interval.lower, done.interval.upper)]


def same(found, expected):
    for a, b in zip(found, expected, strict=True):
        # Networks are selected in single precision.
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("sides", [["row_features"], ["column_features"], list(SIDES)])
def test_features(sides):
    def filled(unit):
        scaled = {side: unit * SIDES[side] for side in sides}
        return amounts(NTKImputer(**scaled).impute(TABLE, **SURE), 1.0)

    right = filled(1.0)
    for unit in (1e-300, 1e-39, 1e30, 1e300):
        same(filled(unit), right)


@pytest.mark.slow
@pytest.mark.parametrize("sides", [[], ["row_features"], ["column_features"], list(SIDES)])
def test_tables(sides):
    imputer = NTKImputer(**{side: SIDES[side] for side in sides})
    right = amounts(imputer.impute(TABLE, **SURE), 1.0)
    for unit in (1e-120, 1e149):
        same(amounts(imputer.impute(unit * TABLE, **SURE), unit), right)
    for unit, said in ((1e-140, "tiny numbers"), (1e160, "too large a number")):
        with pytest.raises(InputError, match=said):
            imputer.fit(unit * TABLE)


@pytest.mark.slow
@pytest.mark.parametrize("refine", [None, "patches"])
def test_images(refine):
    inpainter = Inpainter(NET, refine=refine, cache=None)
    right = amounts(inpainter.fill(IMAGE, MASK, **SURE), 1.0)
    at = tuple(np.argwhere(MASK)[7])
    explained = inpainter.fit(mask=MASK).explain(IMAGE, at)
    for unit in (1e-300, 1e-39, 1e39, 1e300, 1e307):
        same(amounts(inpainter.fill(unit * IMAGE, MASK, **SURE), unit), right)
        found = inpainter.fit(mask=MASK).explain(unit * IMAGE, at)
        assert found.value / unit == pytest.approx(explained.value, rel=1e-6)
        assert found.weights @ (found.values / unit) == pytest.approx(explained.value, rel=1e-6)


@pytest.mark.slow
def test_screens():
    known = screens.simulate(cells=4, drugs=6, genes=8, random_state=1).screen

    def scaled(unit):
        return screens.Screen(unit * known.profiles, known.labels, known.genes, known.fields)

    for method in (screens.NTK(), screens.Additive()):
        right = amounts(screens.complete(known, method, interval=0.9), 1.0)
        for unit in (1e-120, 1e-39, 1e30, 1e149):
            same(amounts(screens.complete(scaled(unit), method, interval=0.9), unit), right)
    for unit in (1e-140, 1e160):
        with pytest.raises(InputError, match="another unit"):
            scaled(unit)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_what_is_not_finite_is_not_returned(monkeypatch):
    kernel = DenseKernel(np.array([[1.0, np.inf], [np.inf, 1.0]]), (2,))
    seen = Observed(np.array([[1.0], [np.nan]]), np.array([True, False]))
    with pytest.raises(InputError, match=r"completion is not finite. Try: a larger ridge"):
        complete(seen, kernel, Cholesky(1.0))
    with pytest.raises(InputError, match="explanation is not finite"):
        Explanation((0,), np.array([[1]]), np.ones(1), np.array([np.nan]), 1.0)
    broken = Inpainter(NET, cache=None).fit(mask=MASK)
    monkeypatch.setattr("ntkfill.completion.Fit.predict", lambda *_: np.full((1, 1), np.nan))
    with pytest.raises(InputError, match="fill is not finite"):
        broken.transform(IMAGE)
    monkeypatch.setattr("ntkfill.tables.models.Rows.filled", TABLE)
    with pytest.raises(InputError, match="fill is not finite"):
        NTKImputer(row_features=SIDES["row_features"]).fit_transform(TABLE)
