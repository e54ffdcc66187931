"""Scores of reversal by hand, and rankings of a simulated screen."""

from dataclasses import replace

import numpy as np
import pytest

from ntkfill import InputError
from ntkfill.screens import complete, rank, simulate
from ntkfill.screens.ranking import connectivity, enrichment

PROFILES = np.random.default_rng(0).normal(size=(6, 9))


def walk(profile, genes):
    """The running sum, gene by gene."""
    order = sorted(range(len(profile)), key=lambda k: -profile[k])
    total = sum(abs(profile[k]) for k in genes)
    sums, value = [], 0.0
    for k in order:
        value += abs(profile[k]) / total if k in genes else -1 / (len(profile) - len(genes))
        sums.append(value)
    return max(sums, key=lambda value: (round(abs(value), 9), value))


def test_connectivity_by_hand():
    profile = np.array([[5.0, 3.0, 1.0, -1.0, -2.0, -4.0]])
    # Raised {1, 2}: -1/4, then +3/4 and +1/4: greatest 3/4. Lowered {5}: down to -1, then up to 0.
    assert enrichment(profile, np.array([1, 2]))[0] == pytest.approx(0.75)
    assert enrichment(profile, np.array([5]))[0] == pytest.approx(-1.0)
    assert connectivity(profile, np.array([1, 2]), np.array([5]))[0] == pytest.approx(0.875)
    assert connectivity(-profile, np.array([1, 2]), np.array([5]))[0] == pytest.approx(-0.875)
    # Both sets above: no connection.
    assert connectivity(profile, np.array([0]), np.array([1]))[0] == 0.0


def test_enrichment_against_a_walk():
    for genes in ([0], [3, 4], [1, 5, 8], list(range(8))):
        oracle = [walk(profile, genes) for profile in PROFILES]
        np.testing.assert_allclose(enrichment(PROFILES, np.array(genes)), oracle, atol=1e-12)


@pytest.mark.parametrize("decimals", [0, 1], ids=["many ties", "few"])
def test_the_order_of_genes_does_not_count_where_values_are_equal(decimals):
    rng = np.random.default_rng(0)
    profiles = np.vstack([rng.normal(size=(6, 12)).round(decimals), np.zeros((1, 12))])
    sets = np.arange(3), np.arange(9, 12)
    expected = connectivity(profiles, *sets)
    assert expected[-1] == 0.0
    assert np.abs(expected).max() > 0.3
    for _ in range(5):
        order = rng.permutation(12)
        places = [np.flatnonzero(np.isin(order, part)) for part in sets]
        np.testing.assert_array_equal(connectivity(profiles[:, order], *places), expected)


def test_of_equal_changes_the_first_genes_by_name_count():
    made = simulate()
    filled, genes = complete(made.screen), np.sort(made.screen.genes)
    equal = dict.fromkeys(genes, 1.0) | dict.fromkeys(genes[30:], -1.0)
    few = {gene: equal[gene] for gene in (*genes[:5], *genes[30:35])}
    found, expected = (rank(filled, part, top=5).drugs for part in (equal, few))
    score = {each.drug: each.connectivity for each in expected}
    assert {each.drug: each.connectivity for each in found} == score


def test_ranking_finds_the_cures_and_marks_what_was_measured():
    made = simulate()
    filled = complete(made.screen)
    for by in ("cosine", "connectivity"):
        found = rank(filled, made.signature, by=by).drugs
        assert {entry.drug for entry in found[:6]} == set(made.cures)
        assert [getattr(entry, by) for entry in found] == sorted(getattr(e, by) for e in found)
    one = rank(filled, made.signature | {"unheard of": 1.0}, cells=["simulated-cell-8"])
    assert (one.genes, one.absent) == (60, 1)
    labels = filled.values.labels[filled.info.measured].tolist()
    for entry in one.drugs:
        seen = ["simulated-cell-8", entry.drug] in labels
        assert entry.source == ("measured" if seen else "predicted")
    assert {entry.source for entry in rank(filled, made.signature).drugs} >= {"mixed"}


@pytest.mark.slow
def test_intervals_hold_the_scores_of_what_would_be_measured():
    held, narrower = [], []
    for seed in range(3):
        made = simulate(random_state=seed)
        filled = complete(made.screen, return_std=True)
        noise = 0.4 * np.random.default_rng(100 + seed).normal(size=made.truth.profiles.shape)
        place = {tuple(row): k for k, row in enumerate(made.truth.labels.tolist())}
        order = [place[tuple(row)] for row in filled.values.labels.tolist()]
        known = filled.info.measured[:, None]
        profiles = np.where(known, filled.values.profiles, (made.truth.profiles + noise)[order])
        measured = replace(filled, values=replace(filled.values, profiles=profiles), std=None)
        truth = {drug.drug: drug for drug in rank(measured, made.signature).drugs}
        assert all(drug.low is None for drug in truth.values())
        for drug in rank(filled, made.signature).drugs:
            held.append(drug.low <= truth[drug.drug].cosine <= drug.high)
        # Less certain profiles have wider intervals.
        wide = rank(replace(filled, std=3 * filled.std), made.signature).drugs
        width = {drug.drug: drug.high - drug.low for drug in wide}
        narrow = rank(filled, made.signature).drugs
        narrower += [drug.high - drug.low < width[drug.drug] for drug in narrow]
    assert 0.8 <= np.mean(held) <= 0.98
    assert np.mean(narrower) > 0.9


SCREEN = simulate(cells=5, drugs=9, genes=12, random_state=3).screen.known
COMPLETE = complete(SCREEN, conditions=SCREEN.labels)
GENE = SCREEN.genes[0]


@pytest.mark.parametrize(
    ("signature", "options", "message"),
    [
        ({"TP53": 1.0}, {}, "share no gene"),
        ({GENE: 0.0}, {}, "not all 0"),
        ({GENE: np.nan}, {}, "finite"),
        ({GENE: 1.0}, {"cells": ["X"]}, "no cell line X"),
        ({GENE: 1.0}, {"by": "distance"}, "'cosine' or 'connectivity'"),
        ({GENE: 1.0}, {"top": 0}, "top"),
    ],
)
def test_errors(signature, options, message):
    with pytest.raises(InputError, match=message):
        rank(COMPLETE, signature, **options)


def test_p_is_small_for_cures_and_uniform_for_other_signatures():
    made = simulate(cells=5, drugs=9, genes=40, random_state=3)
    filled = complete(made.screen)
    ranked = rank(filled, made.signature, permutations=99).drugs
    assert max(entry.p for entry in ranked if entry.drug in made.cures) <= 0.02
    assert rank(filled, made.signature).drugs[0].p is None
    random = np.random.default_rng(0)
    noise = dict(zip(made.screen.genes.tolist(), random.normal(size=40), strict=True))
    others = [entry.p for entry in rank(filled, noise, permutations=99, by="connectivity").drugs]
    assert 0.2 < np.mean(others) < 0.8
