"""Uncertainty of a completion: posteriors, their scale and calibrated intervals."""

from .intervals import Interval, Scores, likelihood_ratio_weights
from .options import Uncertainty
from .posterior import Posterior, SampledVariance
from .scale import local_scale, two_way_scale

__all__ = [
    "Interval",
    "Posterior",
    "SampledVariance",
    "Scores",
    "Uncertainty",
    "likelihood_ratio_weights",
    "local_scale",
    "two_way_scale",
]
