"""The picture as its own feature prior: a fill refined by patches like each other."""

from .judging import Refinement, refined
from .refining import Refined, refine, trace
from .setting import Patches

__all__ = ["Patches", "Refined", "Refinement", "refine", "refined", "trace"]
