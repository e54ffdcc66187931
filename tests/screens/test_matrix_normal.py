"""Learned covariances, against textbook expectation maximisation, dense algebra, planted truths."""

from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from ntkfill.nn import fully_connected
from ntkfill.screens import (
    NTK,
    Additive,
    CellMean,
    KFold,
    LeaveOneOut,
    MatrixNormal,
    Screen,
    evaluate,
)
from ntkfill.screens.features import SideFeatures
from ntkfill.screens.methods.matrix_normal import _similarity, noise_scales
from ntkfill.screens.methods.ntk import loo_ridge

CELLS, DRUGS, GENES = 6, 9, 400


def planted(seed=0, genes=GENES):
    """Profiles of a matrix normal field, a third of the conditions missing; and its covariances."""
    random = np.random.default_rng(seed)
    cells, drugs = (
        np.cov(random.normal(size=(n, 2 * n))) + 0.1 * np.eye(n) for n in (CELLS, DRUGS)
    )
    roots = (np.linalg.cholesky(side) for side in (cells, drugs))
    field = np.einsum("ab,cd,bdg->acg", *roots, random.normal(size=(CELLS, DRUGS, genes)))
    field += 0.1 * random.normal(size=field.shape)
    seen = np.flatnonzero(random.random(CELLS * DRUGS) < 0.7)
    labels = np.array([[f"c{c}", f"d{d}"] for c in range(CELLS) for d in range(DRUGS)])
    profiles = field.reshape(-1, genes)
    rest = np.setdiff1d(np.arange(len(labels)), seen)
    order = np.concatenate([seen, rest])
    return profiles[order], labels[order], len(seen), (cells, drugs)


PROFILES, LABELS, KNOWN, TRUTH = planted()
ROWS = np.arange(KNOWN)
SEEN = PROFILES[:KNOWN] / np.sqrt(np.mean(PROFILES[:KNOWN] ** 2))
START = MatrixNormal(max_iter=0).fit(PROFILES[:KNOWN], LABELS)


def likelihood(found, scales):
    """Of the seen profiles, per gene."""
    covariance = found.between(ROWS, ROWS) + found.noise * np.diag(scales)
    observed = SEEN @ SEEN.T / GENES
    return -np.linalg.slogdet(covariance)[1] - np.trace(np.linalg.solve(covariance, observed))


def textbook(found, scales):
    """Expectation over all conditions, seen or not, then maximisation, one variance at a time."""
    observed = SEEN @ SEEN.T / GENES
    solved = np.linalg.inv(found.between(ROWS, ROWS) + found.noise * np.diag(scales))

    def posterior(prior):
        """The mean square of a variable with this prior covariance."""
        prior, across = prior
        gain = across @ solved
        return prior + gain @ observed @ gain.T - gain @ across.T

    product = np.kron(found.contexts, found.drugs)
    field = posterior((product, product[:, found.entries[ROWS]])).reshape(
        CELLS, DRUGS, CELLS, DRUGS
    )
    contexts = np.einsum("adbe,de->ab", field, np.linalg.inv(found.drugs)) / DRUGS
    drugs = np.einsum("adbe,ab->de", field, np.linalg.inv(found.contexts)) / CELLS
    member = np.eye(CELLS)[found.entries[ROWS] // DRUGS]
    effect = found.kernel.effects[0]
    effect = posterior((effect * np.eye(CELLS), effect * member.T))
    noise = np.diag(found.noise * scales)
    left = np.diagonal(posterior((noise, noise))) / scales
    return contexts, drugs, np.trace(effect) / CELLS, left.mean()


def test_an_iteration_is_that_of_the_textbook():
    scales = noise_scales(SEEN)
    found = START
    for _ in range(3):
        contexts, drugs, effect, noise = textbook(found, scales)
        found = found.em_step(ROWS, SEEN / np.sqrt(GENES), scales)
        np.testing.assert_allclose(found.contexts, contexts, atol=1e-9)
        np.testing.assert_allclose(found.drugs, drugs / np.diag(drugs).mean(), atol=1e-9)
        np.testing.assert_allclose(
            [found.kernel.effects[0], found.noise], [effect, noise], atol=1e-9
        )
    swapped = np.abs(found.contexts - drugs[:CELLS, :CELLS]).max()
    assert swapped > 0.05  # the sides are not alike, so the test would notice


def test_every_step_increases_the_likelihood():
    scales = noise_scales(SEEN)
    steps = [MatrixNormal(max_iter=k).fit(PROFILES[:KNOWN], LABELS) for k in range(8)]
    values = [likelihood(found, scales) for found in steps]
    assert (np.diff(values) > 0).all()
    assert likelihood(replace(steps[-1], kernel=START.kernel), scales) < values[-1]


def correlations(covariance):
    scale = np.sqrt(np.diag(covariance))
    return (covariance / np.outer(scale, scale))[np.triu_indices(len(scale), 1)]


def test_planted_covariances_are_recovered():
    found = MatrixNormal(drug_effect=0.0).fit(PROFILES[:KNOWN], LABELS)
    for learned, truth in zip((found.contexts, found.drugs), TRUTH, strict=True):
        assert np.corrcoef(correlations(learned), correlations(truth))[0, 1] > 0.9
    shuffled = LABELS.copy()
    np.random.default_rng(0).shuffle(shuffled[:KNOWN])
    wrong = MatrixNormal(drug_effect=0.0).fit(PROFILES[:KNOWN], shuffled)
    assert np.corrcoef(correlations(wrong.drugs), correlations(TRUTH[1]))[0, 1] < 0.5


def test_predictions_are_kernel_regression_on_features_with_these_inner_products():
    train = Screen(PROFILES[:KNOWN], LABELS[:KNOWN], np.arange(GENES))
    rest = train.profiles - train.profiles.mean(axis=0)
    found = MatrixNormal().fit(rest, LABELS)
    every = np.arange(len(LABELS))
    features = np.linalg.cholesky(found.between(every, every))
    kernel = fully_connected(1).between(features)
    known = kernel[:KNOWN, :KNOWN]
    ridge = found.noise / found.variance(ROWS).mean() * np.diag(known).mean()
    solved = np.linalg.solve(known + ridge * np.diag(noise_scales(rest)), rest)
    oracle = train.profiles.mean(axis=0) + kernel[KNOWN:, :KNOWN] @ solved
    np.testing.assert_allclose(NTK().predict(train, LABELS[KNOWN:]), oracle, atol=1e-8)


def test_planted_profiles_are_predicted_better_than_by_sums():
    screen = Screen(PROFILES[:KNOWN], LABELS[:KNOWN], np.arange(GENES))
    methods = {"ntk": NTK(), "cell mean": CellMean(), "additive": Additive()}
    result = evaluate(screen, methods, KFold(5, rounds=1))
    for other in ("cell mean", "additive"):
        assert result.against("ntk", other)["r2"].wins == 5


def test_scale_origin_and_order_do_not_matter():
    train = Screen(PROFILES[:KNOWN], LABELS[:KNOWN], np.arange(GENES))
    wanted = LABELS[KNOWN:]
    usual = NTK().predict(train, wanted)
    moved = Screen(3 * train.profiles + np.arange(GENES), train.labels, train.genes)
    np.testing.assert_allclose(NTK().predict(moved, wanted), 3 * usual + np.arange(GENES))
    turned = train.take(np.arange(KNOWN)[::-1])
    np.testing.assert_allclose(NTK().predict(turned, wanted[::-1]), usual[::-1], atol=1e-8)
    few = NTK(MatrixNormal(max_conditions=10)).predict(train, wanted)
    assert np.abs(few - usual).max() > 0.01
    assert np.isfinite(few).all()


def test_the_fit_is_the_same_for_any_number_of_threads():
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(MatrixNormal().fit(PROFILES[:KNOWN], LABELS))
    np.testing.assert_array_equal(found[0].drugs, found[1].drugs)


@pytest.mark.parametrize("even", [True, False])
def test_leave_one_out_in_closed_form_is_leaving_one_out(even):
    random = np.random.default_rng(1)
    points = random.normal(size=(12, 3))
    kernel, y = fully_connected(1).between(points), points @ random.normal(size=(3, 4))
    y += 0.5 * random.normal(size=y.shape)
    scales = np.ones(12) if even else random.uniform(0.2, 3.0, size=12)
    ridges = 10.0 ** np.arange(-4.0, 2.25, 0.25)
    scale = np.mean(np.diag(kernel / np.sqrt(np.outer(scales, scales))))
    errors = []
    for ridge in ridges * scale:
        total = 0.0
        for k in range(12):
            rest = np.arange(12) != k
            inside = kernel[np.ix_(rest, rest)] + ridge * np.diag(scales[rest])
            guess = kernel[k, rest] @ np.linalg.solve(inside, y[rest])
            total += np.sum((guess - y[k]) ** 2) / scales[k]
        errors.append(total)
    best = ridges[int(np.argmin(errors))] * scale / np.mean(np.diag(kernel))
    assert loo_ridge(kernel.copy(), y, scales) == pytest.approx(best)
    assert 0 < np.argmin(errors) < len(ridges) - 1


def featured(informative, seed=0):
    """A screen whose drugs have latent positions, and features that tell of them, or shuffled."""
    random = np.random.default_rng(seed)
    places = random.normal(size=(30, 4))
    effect = places @ random.normal(size=(4, 60)) / 2
    truth = random.normal(size=(8, 1, 60)) + effect + 0.5 * random.normal(size=(8, 30, 60))
    truth[random.random((8, 30)) < 0.4] = np.nan
    names = [f"c{k}" for k in range(8)], [f"d{k}" for k in range(30)], np.arange(60)
    rows = places @ random.normal(size=(4, 20)) + 0.3 * random.normal(size=(30, 20))
    order = np.arange(30) if informative else random.permutation(30)
    features = SideFeatures(dict(zip(names[1], rows[order], strict=True)), "drug")
    return Screen.from_tensor(truth, *names).known, MatrixNormal(features=(features,))


@pytest.mark.slow
@pytest.mark.sampled
@pytest.mark.parametrize("informative", [True, False])
def test_features_serve_new_drugs_where_they_are_informative_and_have_no_weight_where_not(
    informative,
):
    screen, prior = featured(informative)
    result = evaluate(screen, {"with": NTK(prior), "without": NTK()}, LeaveOneOut("drug", 5))
    gain = result.mean("with")["r2_centred"] - result.mean("without")["r2_centred"]
    assert gain > 0.3 if informative else abs(gain) < 0.02


def test_similarity_is_half_a_cosine_and_half_a_gaussian_of_distances():
    from scipy.spatial.distance import pdist, squareform

    rows = np.random.default_rng(0).normal(size=(9, 5))
    unit = rows - rows.mean(axis=0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    squares = squareform(pdist(unit, "sqeuclidean"))
    gaussian = np.exp(-squares / np.median(pdist(unit, "sqeuclidean")))
    expected = (unit @ unit.T + (gaussian - 1 / np.e) / (1 - 1 / np.e)) / 2
    np.testing.assert_allclose(_similarity(rows), expected, atol=1e-12)
    # The strongest weight on it leaves a covariance.
    start = 0.5 + 0.9 * 0.5 * _similarity(rows) + 0.05 * np.eye(9)
    assert np.linalg.eigvalsh(start).min() > 0
    # Features that do not differ say nothing.
    np.testing.assert_array_equal(_similarity(np.ones((3, 2))), np.eye(3))


def test_a_dose_between_two_others_is_predicted_from_them():
    random = np.random.default_rng(0)
    doses = [1, 3, 10, 30, 100]
    start, end = random.normal(size=(2, 12, 80))
    labels, profiles = [], []
    for d in range(12):
        for k, dose in enumerate(doses):
            labels.append(["A", f"d{d}", f"{dose} uM"])
            mixed = np.cos(0.6 * k) * start[d] + np.sin(0.6 * k) * end[d]
            profiles.append(mixed + 0.2 * random.normal(size=80))
    screen = Screen(profiles, labels, np.arange(80))
    middle = np.char.endswith(screen.contexts, " 10 uM")
    train, truth = screen.take(~middle), screen.profiles[middle]
    errors = [
        np.mean((NTK(prior).predict(train, screen.labels[middle]) - truth) ** 2)
        for prior in (MatrixNormal(numeric=False), MatrixNormal())
    ]
    assert errors[1] < 0.7 * errors[0]
