"""The picture as its own feature prior: a fill refined by patches like each other."""

from .refining import refine
from .setting import Patches, offered

__all__ = ["Patches", "offered", "refine"]
