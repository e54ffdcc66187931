"""Networks and feature scales chosen by entries left out or hidden."""

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from ntkfill import NTKImputer
from ntkfill.errors import InputError
from ntkfill.tables import featured as sided
from ntkfill.tables.features import Side
from ntkfill.tables.selection import by_leaving_out

RNG = np.random.default_rng(3)
FEATURES = RNG.standard_normal((60, 3))
WAVES = np.sin(4 * FEATURES @ RNG.standard_normal((3, 5)))
LINES = FEATURES @ RNG.standard_normal((3, 5)) + 0.1 * RNG.standard_normal((60, 5))
GAPS = RNG.random(WAVES.shape) < 0.2
SIDES = {
    "rows": {"row_features": FEATURES},
    "columns": {"column_features": RNG.standard_normal((5, 2))},
    "both": {"row_features": FEATURES, "column_features": RNG.standard_normal((5, 2))},
    "none": {},
}


def holed(table):
    return np.where(GAPS, np.nan, table)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_errors_are_those_of_leaving_out_one_by_one(scale):
    by_leaving = by_leaving_out(WAVES, FEATURES, 1.0, 0.1)
    tried = next(t for t in by_leaving.tried if t.feature_scale == scale)
    kernel = Side.of(FEATURES, tried.network, scale).kernel()
    y = (WAVES - WAVES.mean(axis=0)) / WAVES.std(axis=0)
    model = KernelRidge(alpha=0.1 * np.mean(np.diag(kernel)), kernel="precomputed")
    predicted = cross_val_predict(model, kernel, y, cv=LeaveOneOut())
    assert tried.error == pytest.approx(np.sqrt(np.square(predicted - y).mean()), rel=1e-6)
    # Another ridge has another error.
    assert sided.left_out(WAVES, kernel, 10.0)[0] != pytest.approx(tried.error**2, rel=1e-3)


@pytest.mark.parametrize("options", SIDES.values(), ids=SIDES)
def test_what_was_chosen_does_the_same_again(options):
    auto = NTKImputer(network="auto", **options)
    filled = auto.fit_transform(holed(WAVES))
    choice = auto.choice_
    fixed = NTKImputer(network=choice.network, feature_scale=choice.feature_scale, **options)
    np.testing.assert_array_equal(fixed.fit_transform(holed(WAVES)), filled)
    assert fixed.choice_ is None
    assert len(choice.tried) == (3 if not options else 9)
    best = min(tried.error for tried in choice.tried)
    assert best >= 0.99 * next(
        t.error
        for t in choice.tried
        if (t.network, t.feature_scale) == (choice.network, choice.feature_scale)
    )


def test_waves_ask_for_more_of_the_features_than_lines():
    chosen = {
        name: NTKImputer(network="auto", row_features=FEATURES).fit(holed(table)).choice_
        for name, table in {"waves": WAVES, "lines": LINES}.items()
    }
    errors = {name: [tried.error for tried in choice.tried] for name, choice in chosen.items()}
    assert np.argsort(errors["waves"]).tolist() != np.argsort(errors["lines"]).tolist()
    assert repr(chosen["waves"].network) != repr(chosen["lines"].network) or (
        chosen["waves"].feature_scale != chosen["lines"].feature_scale
    )


def test_what_is_missing_is_not_read():
    first = NTKImputer(network="auto", row_features=FEATURES).fit(holed(WAVES)).choice_
    other = np.where(GAPS, np.nan, np.where(GAPS, 99.0, WAVES))
    assert NTKImputer(network="auto", row_features=FEATURES).fit(other).choice_ == first
    # A negative control: what is known is read.
    assert NTKImputer(network="auto", row_features=FEATURES).fit(holed(LINES)).choice_ != first


@pytest.mark.parametrize(
    "options", [{"network": "best"}, {"feature_scale": 0}, {"feature_scale": np.nan}], ids=repr
)
def test_bad_options(options):
    with pytest.raises(InputError, match=r"cannot be used|no such network"):
        NTKImputer(**options).fit(holed(WAVES))


def test_too_little_to_choose_by():
    table = np.array([[1.0, np.nan], [2.0, 3.0]])
    with pytest.raises(InputError, match="too little is known"):
        NTKImputer(network="auto").fit(table)
