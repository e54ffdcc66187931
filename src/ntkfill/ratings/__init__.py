"""Ratings: predict them, recommend items, score recommenders.

Reading order: frames, covariance, features, models, recommender, propensity, simulate, evaluation,
serialization.
"""

from .evaluation import Evaluation, evaluate
from .propensity import propensities
from .recommender import RatingExplanation, Recommender
from .simulate import SimulatedRatings, simulate

__all__ = [
    "Evaluation",
    "RatingExplanation",
    "Recommender",
    "SimulatedRatings",
    "evaluate",
    "propensities",
    "simulate",
]
