"""The picture as its own feature prior: a fill refined by patches like each other."""

from .judging import Refinement, refined
from .refining import refine
from .setting import Patches

__all__ = ["Patches", "Refinement", "refine", "refined"]
