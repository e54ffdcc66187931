"""Shared by the tests of screens: profiles of nothing but noise, of planted scales."""

import numpy as np
import pytest

from ntkfill.screens import Screen

CELLS = {f"c{k}": [0.5, 1.0, 1.0, 2.0][k % 4] for k in range(20)}
DRUGS = {f"d{k}": 0.5 if k < 10 else 1.5 for k in range(20)}
GENES = np.linspace(0.5, 3.0, 60)


@pytest.fixture
def noise():
    """A function from a seed to a screen, its true profiles and their standard deviations."""

    def make(seed=0, measured=0.8):
        rng = np.random.default_rng(seed)
        labels = np.array([(cell, drug) for cell in CELLS for drug in DRUGS])
        scale = np.array([CELLS[cell] * DRUGS[drug] for cell, drug in labels])[:, None] * GENES
        truth = scale * rng.normal(size=scale.shape)
        known = rng.random(len(labels)) < measured
        profiles = np.where(known[:, None], truth, np.nan)
        return Screen(profiles, labels, [f"g{k}" for k in range(len(GENES))]), truth, scale

    return make
