"""Priors for conditions: feature vectors of (cell, drug, ...) for a network of Dense layers.

A prior is a function of the *training* profiles, their labels, and the labels of all conditions.
The profile of a condition that is to be predicted is no argument of it, so it cannot leak.

Labels are anything that gives a column by its name: a data frame, a dict of arrays, a structured
array. Conditions are rows.
"""

from .base import ConditionPrior, Stack, of_training, unit
from .fixed import OneHot, OwnNugget, Random, SideFeatures
from .measured import GroupMean, Imputation, MeanOverOthers, Reference

__all__ = [
    "ConditionPrior",
    "GroupMean",
    "Imputation",
    "MeanOverOthers",
    "OneHot",
    "OwnNugget",
    "Random",
    "Reference",
    "SideFeatures",
    "Stack",
    "of_training",
    "unit",
]
