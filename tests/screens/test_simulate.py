"""Simulated screens: what is measured, and labels that say that nothing of it is real."""

import numpy as np
import pytest

from ntkfill import InputError
from ntkfill.screens import simulate


@pytest.mark.parametrize("seed", range(3))
def test_every_cell_line_and_every_drug_is_measured(seed):
    made = simulate(cells=6, drugs=10, genes=5, measured=0.1, random_state=seed)
    known = made.screen.known
    assert (np.unique(known.cells, return_counts=True)[1] >= 2).all()
    assert len(np.unique(known.cells)) == 6
    assert len(np.unique(known.drugs)) == 10
    assert made.truth.measured.all()
    for names in (known.cells, known.drugs, known.genes):
        assert np.char.startswith(names, "simulated-").all()


def test_cures_reverse_the_signature():
    made = simulate(noise=0.0)
    signature = np.array([made.signature[gene] for gene in made.truth.genes])
    effects = made.truth.profiles - made.truth.profiles.mean(axis=0)
    scores = {drug: (effects[made.truth.drugs == drug] @ signature).mean() for drug in made.cures}
    assert max(scores.values()) < 0


@pytest.mark.parametrize(
    "options", [{"cells": 1}, {"drugs": 3}, {"genes": 1}, {"measured": 0.0}, {"noise": -1.0}]
)
def test_errors(options):
    with pytest.raises(InputError, match="cannot be simulated"):
        simulate(**options)
