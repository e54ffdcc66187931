"""Completed screens: measured profiles bit for bit, predicted ones near the truth, intervals."""

import numpy as np
import pytest

from ntkfill import InputError, screens
from ntkfill.errors import PatternWarning
from ntkfill.result import Filled
from ntkfill.screens import CellMean, Screen, complete, simulate
from ntkfill.uncertainty import Uncertainty

MADE = simulate(cells=5, drugs=9, genes=12, random_state=3)


def rows_in(screen, labels):
    place = {tuple(row): k for k, row in enumerate(screen.labels.tolist())}
    return [place[tuple(row)] for row in labels.tolist()]


def test_measured_profiles_are_kept_bit_for_bit_and_predictions_are_near_the_truth():
    filled = complete(MADE.screen)
    measured, at = filled.info.measured, rows_in(MADE.truth, filled.values.labels)
    assert isinstance(filled, Filled)
    assert len(filled.values) == 45
    np.testing.assert_array_equal(
        filled.values.profiles[measured], MADE.screen.profiles[at][measured]
    )
    error = (filled.values.profiles - MADE.truth.profiles[at])[~measured]
    assert np.mean(error**2) < 0.5 * np.var(MADE.truth.profiles)


@pytest.mark.slow
def test_intervals_hold_their_level(noise):
    screen, truth, _ = noise(1)
    filled = complete(screen, CellMean(), return_std=True, interval=0.8)
    missing = ~filled.info.measured
    assert not filled.std[~missing].any()
    assert (filled.std[missing] > 0).all()
    true = truth[rows_in(screen, filled.values.labels)]
    lower, upper = filled.interval.lower, filled.interval.upper
    inside = (lower <= true) & (true <= upper)
    assert 0.72 < inside[missing].mean() < 0.88
    np.testing.assert_array_equal(lower[~missing], true[~missing])


@pytest.mark.slow
def test_values_do_not_depend_on_what_else_is_returned(noise):
    screen = noise(1)[0]
    full = complete(screen, CellMean(), return_std=True, interval=0.8)
    values, with_std = complete(screen, CellMean()), complete(screen, CellMean(), return_std=True)
    assert (values.std, values.interval, with_std.interval) == (None, None, None)
    np.testing.assert_array_equal(values.values.profiles, full.values.profiles)
    np.testing.assert_array_equal(with_std.std, full.std)


@pytest.mark.slow
def test_the_random_state_chooses_the_folds(noise):
    screen = noise(1)[0]
    stds = [
        complete(
            screen, CellMean(), return_std=True, uncertainty=Uncertainty(random_state=seed)
        ).std
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(stds[0], stds[1])
    assert not np.array_equal(stds[0], stds[2])


@pytest.mark.slow
def test_the_default_method_has_intervals():
    made = simulate(cells=6, drugs=12, genes=8)
    assert np.isfinite(complete(made.screen, interval=0.9).std).all()


ALONE = Screen([[1.0, 2.0]], [["A", "x"]], ["g", "h"])


@pytest.mark.parametrize(
    ("screen", "options", "message"),
    [
        (ALONE, {"return_std": True, "conditions": np.array([["A", "y"]])}, "can be held out"),
        (MADE.screen, {"interval": 2}, "interval must be a number|interval"),
        (MADE.screen, {"conditions": np.array([["A"]])}, "other labels"),
        (MADE.screen, {"conditions": MADE.screen.labels[[0, 0]]}, "duplicate condition"),
    ],
)
def test_errors(screen, options, message):
    with pytest.raises(InputError, match=message):
        screens.complete(screen, CellMean(), **options)


@pytest.mark.slow
def test_conditions_of_a_new_cell_line_are_flagged_and_their_bounds_cover_it():
    made = simulate(cells=12, drugs=10, genes=40, random_state=5)
    cell, drug = made.truth.cells[0], made.truth.drugs[0]
    known = made.screen.known
    train = known.take((known.cells != cell) & (known.drugs != drug))
    labels = np.array([(cell, name) for name in np.unique(made.truth.drugs)])
    filled = complete(train, conditions=labels, interval=0.9)
    assert set(filled.info.novelty.tolist()) == {"new cell", "new drug and cell"}
    true = made.truth.profiles[rows_in(made.truth, labels)]
    inside = (filled.interval.lower <= true) & (true <= filled.interval.upper)
    assert inside.mean() > 0.7
    found = {(c.novelty, c.stratum): c for c in filled.info.covers}
    assert 0.8 < found["new cell", "all"].cover <= 1
    # What is calibrated on errors in the grid is too narrow by far.
    grid = complete(train, interval=0.9)
    narrow = grid.std[~grid.info.measured].mean()
    assert filled.std.mean() > 1.5 * narrow


@pytest.mark.slow
def test_where_nothing_alike_can_be_hidden_there_is_a_warning():
    made = simulate(cells=3, drugs=12, genes=10, random_state=1)
    labels = np.array([["other", made.screen.drugs[0]]])
    with pytest.warns(PatternWarning, match="'new cell': 3 could be hidden"):
        complete(made.screen, CellMean(), labels, interval=0.9)
    one = made.screen.known
    one = one.take(one.cells == one.cells[0])
    with pytest.warns(PatternWarning, match="errors of other conditions"):
        filled = complete(one, CellMean(), labels, interval=0.9)
    assert np.isfinite(filled.interval.upper).all()


def test_partly_known_profiles_are_completed_from_the_known_genes():
    """Errors have two factors that all genes share: half of the genes tell of the others."""
    random = np.random.default_rng(2)
    labels = [(f"c{c}", f"d{d}") for c in range(6) for d in range(14)]
    loadings = random.normal(size=(2, 30))
    truth = random.normal(size=(len(labels), 2)) @ loadings + 0.1 * random.normal(size=(84, 30))
    profiles = truth.copy()
    profiles[:8, 15:] = np.nan
    screen = Screen(profiles, labels, [f"g{k}" for k in range(30)])
    filled = complete(screen, CellMean(), return_std=True)
    assert filled.info.partly.tolist() == [True] * 8 + [False] * 76
    np.testing.assert_array_equal(filled.values.profiles[:8, :15], truth[:8, :15])
    without = CellMean().predict(screen.known, screen.labels[:8])
    error = filled.values.profiles[:8, 15:] - truth[:8, 15:]
    assert np.mean(error**2) < 0.1 * np.mean((without - truth[:8])[:, 15:] ** 2)
    # The shrunk covariance is on the safe side, and far below what it is without the known genes.
    std, prior = filled.std[:8, 15:].mean(), np.std((without - truth[:8])[:, 15:])
    assert np.sqrt(np.mean(error**2)) < std < 0.4 * prior
    assert not filled.std[:8, :15].any()


def with_constants(screen):
    """The same with genes of one value first and last."""
    ones = np.where(screen.measured, 1.0, np.nan)[:, None]
    profiles = np.hstack([3 * ones, screen.profiles, 0 * ones])
    return Screen(profiles, screen.labels, ["c", *screen.genes, "z"], screen.fields)


SAID = "the same value in every condition, predicted ones too: gene 'c', 'z'"


@pytest.mark.parametrize("options", [{}, {"return_std": True}, {"interval": 0.8}])
def test_a_gene_of_one_value_keeps_it(options):
    expected = complete(MADE.screen, CellMean(), **options)
    with pytest.warns(UserWarning, match=SAID):
        found = complete(with_constants(MADE.screen), CellMean(), **options)
    arrays = [(found.values.profiles, expected.values.profiles, (3.0, 0.0))]
    if options:
        arrays.append((found.std, expected.std, (0.0, 0.0)))
    if "interval" in options:
        arrays.append((found.interval.lower, expected.interval.lower, (3.0, 0.0)))
        arrays.append((found.interval.upper, expected.interval.upper, (3.0, 0.0)))
        assert found.interval.level == 0.8
    for whole, others, (first, last) in arrays:
        np.testing.assert_array_equal(whole[:, 1:-1], others)
        assert (whole[:, 0] == first).all()
        assert (whole[:, -1] == last).all()
    np.testing.assert_array_equal(found.info.measured, expected.info.measured)
    assert found.values.labels.tolist() == expected.values.labels.tolist()
    ranked = screens.rank(found, {gene: k - 4.0 for k, gene in enumerate(found.values.genes)})
    assert len(ranked.drugs) == 9


def test_a_gene_of_one_value_keeps_it_in_a_file(tmp_path):
    with pytest.warns(UserWarning, match=SAID):
        screens.complete_to_file(with_constants(MADE.screen), tmp_path / "all.npy")
    screens.complete_to_file(MADE.screen, tmp_path / "others.npy")
    found = np.load(tmp_path / "all.npy")
    np.testing.assert_array_equal(found[..., 1:-1], np.load(tmp_path / "others.npy"))
    assert np.unique(found[..., 0]).tolist() == [3]
    assert np.unique(found[..., -1]).tolist() == [0]


def test_a_gene_that_varies_in_conditions_measured_in_part_is_no_constant():
    screen = with_constants(MADE.screen)
    profiles = screen.profiles.copy()
    row = np.flatnonzero(~screen.measured)[0]
    profiles[row, 0] = 4.0
    partly = Screen(profiles, screen.labels, screen.genes, screen.fields)
    with pytest.warns(UserWarning, match="gene 'z'"), pytest.raises(InputError, match="gene 'c'"):
        complete(partly, CellMean())
