"""Tables with gaps: the imputer, what it returns, and what it fits."""

from .imputer import Info, NTKImputer

__all__ = ["Info", "NTKImputer"]
