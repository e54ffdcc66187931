"""The picture as its own feature prior: a fill refined by windows like each other."""

from .refining import refine
from .setting import Patches, default_patches

__all__ = ["Patches", "default_patches", "refine"]
