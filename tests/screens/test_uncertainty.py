"""The error model of predicted profiles, on noise of planted scales."""

import numpy as np
import pytest

from ntkfill.screens import CellMean
from ntkfill.screens.uncertainty import fit_error_model, held_out_errors


def test_the_scales_of_the_errors_are_recovered(noise):
    screen, truth, scale = noise()
    model = fit_error_model(CellMean(), screen.known)
    std = model.std(screen.labels)
    # Errors of the mean of a few others, on top of the noise.
    error = CellMean().predict(screen.known, screen.labels) - truth
    new = ~screen.measured
    assert np.sqrt(np.mean((error / std)[new] ** 2)) == pytest.approx(1.0, rel=0.12)
    # The factors of drugs with few conditions are shrunk.
    assert np.std(np.log(std / scale)) < 0.25
    assert np.std(np.log(scale)) > 0.6
    assert model.scores.quantile(0.9) == pytest.approx(1.64, rel=0.12)


def test_new_labels_have_the_scale_of_the_genes(noise):
    model = fit_error_model(CellMean(), noise()[0].known)
    np.testing.assert_allclose(model.std(np.array([["new", "new"]]))[0], model.gene_scale)


def test_held_out_profiles_are_not_seen(noise):
    """Errors of the mean of the others, not of a mean that holds the condition itself."""
    screen = noise()[0].known
    squares, rows = held_out_errors(CellMean(), screen, random_state=0)
    residuals = CellMean().predict(screen, screen.labels) - screen.profiles
    assert len(rows) == len(screen)
    assert squares.mean() > 1.05 * np.square(residuals).mean()
