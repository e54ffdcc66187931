"""The picture as its own feature prior: a fill refined by patches like each other."""

from .options import Patches
from .refinement import Refined, refine, trace
from .selection import Refinement, refined

__all__ = ["Patches", "Refined", "Refinement", "refine", "refined", "trace"]
