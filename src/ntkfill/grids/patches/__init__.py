"""Refinement of a fill by its own patches: the last fill is the feature prior."""

from .options import PatchOptions
from .refinement import Refined, attribution, refine
from .selection import Refinement, refine_if_better

__all__ = ["PatchOptions", "Refined", "Refinement", "attribution", "refine", "refine_if_better"]
