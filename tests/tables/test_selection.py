"""Networks and feature scales chosen by entries left out or hidden."""

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from ntkfill import NTKImputer
from ntkfill.errors import InputError
from ntkfill.tables.features import Features
from ntkfill.tables.selection import left_out

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


@pytest.mark.sampled
@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_errors_are_those_of_leaving_out_one_by_one(scale):
    choice = NTKImputer(row_features=FEATURES, network="auto", ridge=0.1).fit(WAVES).choice_
    assert choice.held_out is None
    tried = next(t for t in choice.candidates if t.feature_scale == scale)
    kernel = Features.of(FEATURES, tried.network, scale).kernel()
    y = (WAVES - WAVES.mean(axis=0)) / WAVES.std(axis=0)
    model = KernelRidge(alpha=0.1 * np.mean(kernel.diagonal()), kernel="precomputed")
    predicted = cross_val_predict(model, kernel.values, y, cv=LeaveOneOut())
    assert tried.error == pytest.approx(np.sqrt(np.square(predicted - y).mean()), rel=1e-6)
    # Another ridge has another error.
    assert left_out(WAVES, kernel, (10.0,))[0] != pytest.approx(tried.error**2, rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("options", SIDES.values(), ids=SIDES)
def test_what_was_chosen_does_the_same_again(options):
    auto = NTKImputer(network="auto", **options)
    filled = auto.fit_transform(holed(WAVES))
    choice = auto.choice_
    fixed = NTKImputer(network=choice.network, feature_scale=choice.feature_scale, **options)
    np.testing.assert_array_equal(fixed.fit_transform(holed(WAVES)), filled)
    assert fixed.choice_ is None
    assert len(choice.candidates) == (3 if not options else 9)
    best = min(tried.error for tried in choice.candidates)
    assert best >= 0.99 * next(
        t.error
        for t in choice.candidates
        if (t.network, t.feature_scale) == (choice.network, choice.feature_scale)
    )


@pytest.mark.slow
def test_waves_ask_for_more_of_the_features_than_lines():
    chosen = {
        name: NTKImputer(network="auto", row_features=FEATURES).fit(holed(table)).choice_
        for name, table in {"waves": WAVES, "lines": LINES}.items()
    }
    errors = {name: [tried.error for tried in choice.candidates] for name, choice in chosen.items()}
    assert np.argsort(errors["waves"]).tolist() != np.argsort(errors["lines"]).tolist()
    assert repr(chosen["waves"].network) != repr(chosen["lines"].network) or (
        chosen["waves"].feature_scale != chosen["lines"].feature_scale
    )


@pytest.mark.slow
def test_what_is_missing_is_not_read():
    first = NTKImputer(network="auto", row_features=FEATURES).fit(holed(WAVES)).choice_
    other = np.where(GAPS, np.nan, np.where(GAPS, 99.0, WAVES))
    second = NTKImputer(network="auto", row_features=FEATURES).fit(other).choice_
    assert second.candidates == first.candidates
    # A negative control: what is known is read.
    third = NTKImputer(network="auto", row_features=FEATURES).fit(holed(LINES)).choice_
    assert third.candidates != first.candidates


@pytest.mark.slow
@pytest.mark.parametrize("sides", ["none", "both"])
def test_held_out_entries_are_known_and_handed_on(sides):
    choice = NTKImputer(network="auto", **SIDES[sides]).fit(holed(WAVES)).choice_
    assert choice.held_out.any()
    assert not (choice.held_out & GAPS).any()


@pytest.mark.parametrize(
    "options", [{"network": "best"}, {"feature_scale": 0}, {"feature_scale": np.nan}], ids=repr
)
def test_bad_options(options):
    with pytest.raises(InputError, match=r"(network|feature_scale) must be"):
        NTKImputer(**options).fit(holed(WAVES))


def test_too_little_to_choose_by():
    table = np.array([[1.0, np.nan], [2.0, 3.0]])
    with pytest.raises(InputError, match="too few entries are known"):
        NTKImputer(network="auto").fit(table)
