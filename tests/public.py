"""What is public and returns numbers, found by looking: nothing new can be forgotten.

Kernels, solvers, priors and layers are parts; what is made of them is checked at its end.
"""

from types import FunctionType

import ntkfill
from ntkfill import grids, nn, ratings, screens, tables, uncertainty

# Types of results that hold numbers, as annotations name them.
NUMBERS = {
    *("Array", "NDArray", "Filled", "Completion", "Explanation", "RatingExplanation", "Any"),
    *("Evaluation", "Ranking", "Cover", "SampledVariance", "float"),
}
PARTS = {nn: {"kernel_features", "Sequential"}}  # of `nn`: all else makes or names a network


def results() -> dict[str, FunctionType]:
    """Every public function and method that returns numbers, by name."""
    found = {}
    for package in (ntkfill, grids, tables, ratings, screens, uncertainty, nn):
        for name in PARTS.get(package, package.__all__):
            thing = getattr(package, name)
            if isinstance(thing, FunctionType):
                found[f"{thing.__module__.split('.')[1]}.{name}"] = thing
            elif isinstance(thing, type) and not getattr(thing, "_is_protocol", False):
                for of, method in vars(thing).items():
                    if isinstance(method, FunctionType) and not of.startswith("_"):
                        found[f"{name}.{of}"] = method
    return {name: each for name, each in found.items() if words(each) & NUMBERS}


def words(function: FunctionType) -> set[str]:
    """The names in the annotation of what it returns."""
    text = str(function.__annotations__.get("return", ""))
    return set("".join(c if c.isalnum() or c == "_" else " " for c in text).split())
