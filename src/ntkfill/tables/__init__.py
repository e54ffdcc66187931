"""Tables with gaps: the imputer, and how columns are regressed."""

from .imputer import NTKImputer

__all__ = ["NTKImputer"]
