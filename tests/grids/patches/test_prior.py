"""The prior of a patch, and the regression on it."""

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import DotProduct

from ntkfill.grids.patches.prior import PatchPrior, distance_factors, nearest
from ntkfill.priors import Features
from ntkfill.solvers import Blockwise


def regress(patches, known, groups, ridge, shrinkage=0.2):
    """Prior, kernel, factor, solve."""
    prior = PatchPrior(groups)
    factor = Blockwise(ridge).factor(prior.kernel(shrinkage), known.ravel())
    found, variance = factor.posterior(patches - prior.mean)
    return np.where(known, patches, found + prior.mean), variance


def groups_of(m=5, count=12, size=9, seed=0):
    rng = np.random.default_rng(seed)
    known = rng.random((m, size)) < np.linspace(0.2, 0.8, m)[:, None]
    known[:, 0], known[:, 1] = True, False
    return rng.standard_normal((m, size)), known, rng.standard_normal((m, count, size)) + 3


def features_of(group, groups, shrinkage=0.2):
    """Features of one group and, at a share, of all groups: (entries, features)."""
    own, others = (g - g.mean(axis=-2, keepdims=True) for g in (group, groups))
    others = others.reshape(-1, group.shape[1])
    own = np.sqrt((1 - shrinkage) / len(own)) * own
    return np.concatenate([own, np.sqrt(shrinkage / len(others)) * others]).T


@pytest.mark.parametrize("ridge", [1e-3, 1.0])
def test_regression_is_a_gaussian_process_on_the_features(ridge):
    patches, known, groups = groups_of()
    values, variance = regress(patches, known, groups, ridge)
    for k, (patch, seen, group) in enumerate(zip(patches, known, groups, strict=True)):
        mean = group.mean(axis=0)
        features = features_of(group, groups)
        process = GaussianProcessRegressor(DotProduct(0.0, "fixed"), alpha=ridge, optimizer=None)
        process.fit(features[seen], (patch - mean)[seen])
        expected, spread = process.predict(features[~seen], return_std=True)
        np.testing.assert_allclose(values[k, ~seen], expected + mean[~seen], atol=1e-9)
        np.testing.assert_allclose(variance[k, ~seen], spread**2, atol=1e-9)
        assert (values[k, seen] == patch[seen]).all()
        assert (variance[k, seen] == 0).all()
        # Negative control: the features of the other groups count.
        process.fit(features_of(group, groups, 0)[seen], (patch - mean)[seen])
        alone = process.predict(features_of(group, groups, 0)[~seen])
        assert abs(alone - expected).max() > 1e-3


def test_the_kernel_is_the_feature_priors():
    patches, known, groups = groups_of(m=1)
    ridge, seen = 0.1, known[0]
    mean = groups[0].mean(axis=0)
    table, _ = Features((groups[0] - mean) / np.sqrt(len(groups[0]))).table((9,), 1)
    at = np.arange(9)
    kernel = table[at[:, None], (at - at[:, None]) % 9]
    inner = kernel[np.ix_(seen, seen)] + ridge * np.eye(seen.sum())
    weights = np.linalg.solve(inner, (patches[0] - mean)[seen])
    expected = mean[~seen] + kernel[np.ix_(~seen, seen)] @ weights
    values, _ = regress(patches, known, groups, ridge)
    np.testing.assert_allclose(values[0, ~seen], expected, atol=1e-9)
    # Negative control: neither the mean nor the ridge may be left out.
    for wrong in (
        regress(patches, known, groups - mean, ridge),
        regress(patches, known, groups, 0),
    ):
        assert abs(wrong[0][0, ~seen] - expected).max() > 0.01


def test_missing_values_are_never_read():
    patches, known, groups = groups_of()
    other = np.where(known, patches, 1e6)
    for a, b in zip(
        regress(patches, known, groups, 0.1), regress(other, known, groups, 0.1), strict=True
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("count", [1, 7, 40, 50])
def test_similar_patches_are_the_nearest(count):
    rng = np.random.default_rng(0)
    patches, candidates = rng.standard_normal((2, 40, 6)).astype(np.float32)
    weight = rng.random((40, 6)).astype(np.float32)
    distance = (weight[:, None] * (patches[:, None] - candidates) ** 2).sum(axis=-1)
    places = nearest(*distance_factors(patches, weight, candidates), count)
    found = np.sort(np.take_along_axis(distance, places, 1), 1)
    # Few bits of a distance are kept, so neighbours that are equally near may change places.
    np.testing.assert_allclose(found, np.sort(distance, axis=1)[:, : min(count, 40)], rtol=1e-3)
    assert len(set(places[0].tolist())) == min(count, 40)
