"""How sure a completion is: posteriors, their scale, heavy tails, calibrated intervals."""

from .conformal import Interval, Scores, likelihood_ratio_weights
from .options import Uncertainty
from .posterior import Posterior, Sampled
from .scale import local_scale, overall_scale, two_way_scale
from .student import StudentT, scale_mixture

__all__ = [
    "Interval",
    "Posterior",
    "Sampled",
    "Scores",
    "StudentT",
    "Uncertainty",
    "likelihood_ratio_weights",
    "local_scale",
    "overall_scale",
    "scale_mixture",
    "two_way_scale",
]
