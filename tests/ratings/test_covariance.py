"""The covariance of items, learned by expectation maximisation."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from ntkfill.ratings.covariance import ItemCovariance, Profile, learn

RNG = np.random.default_rng(0)
ROOT = RNG.normal(size=(8, 2))
TRUE = ROOT @ ROOT.T + 0.1 * np.eye(8)


def made(count, share=0.6, timed=False):
    profiles = []
    for draw in RNG.multivariate_normal(np.zeros(8), TRUE, size=count):
        items = np.flatnonzero(RNG.random(8) < share)
        values = draw[items] + 0.3 * RNG.normal(size=len(items))
        times = RNG.random(len(items)) if timed else None
        scales = np.ones(len(items), np.float32)
        profiles.append(Profile(items, values.astype(np.float32), scales, times))
    return profiles


def start():
    return ItemCovariance((np.eye(8) + 0.2).astype(np.float32), 0.09)


def log_likelihood(covariance, profiles):
    return sum(
        multivariate_normal.logpdf(p.residuals, cov=covariance.system(p).astype(float))
        for p in profiles
        if len(p.items)
    )


@pytest.mark.parametrize("timed", [False, True])
def test_the_likelihood_rises(timed):
    profiles = made(50, timed=timed)
    covariance = replace(start(), session=0.2 * timed, duration=0.1)
    values = []
    for _ in range(6):
        values.append(log_likelihood(covariance, profiles))
        covariance = covariance.em_step(profiles)
    assert (np.diff(values) > 0).all()


@pytest.mark.slow
def test_many_users_show_the_true_covariance():
    learned = learn(start(), made(1000), 20, np.arange(8)).values
    assert np.abs(learned - TRUE).max() < 0.2 * np.abs(TRUE).max()


def test_the_order_of_the_landmarks_does_not_matter():
    profiles = made(100)
    one = learn(start(), profiles, 5, np.arange(8)).values
    other = learn(start(), profiles, 5, np.array([3, 1, 7, 0, 2, 4, 6, 5])).values
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_landmarks_carry_over_to_what_nobody_rated():
    """Items without ratings change with the others as if they were learned."""
    profiles = [p for p in made(200) if (p.items < 6).any()]
    profiles = [p.part(p.items < 6) for p in profiles]
    every = learn(start(), profiles, 5, np.arange(8)).values
    np.testing.assert_allclose(learn(start(), profiles, 5, np.arange(6)).values, every, atol=1e-4)


def test_sessions_end():
    covariance = replace(start(), session=0.5, duration=10.0)
    profile = Profile(np.array([0]), np.ones(1), np.ones(1), np.array([0.0]))
    asked = np.array([1, 1, 1, 1])
    shared = covariance.between(asked, np.array([0.0, 10.0, 1e9, np.nan]), profile)[:, 0] - 0.2
    np.testing.assert_allclose(shared, [0.5, 0.5 / np.sqrt(2), 0, 0], atol=1e-4)
