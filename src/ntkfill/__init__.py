"""Fill in what is missing, with infinitely wide neural networks: exactly, without training."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import (
        explanation,
        grids,
        kernels,
        nn,
        plots,
        priors,
        ratings,
        screens,
        selection,
        solvers,
        tables,
        uncertainty,
    )
    from .completion import Completion, complete
    from .errors import (
        ConvergenceWarning,
        InputError,
        InvertedMaskWarning,
        MemoryLimitError,
        PatternWarning,
    )
    from .explanation import Explanation
    from .grids.inpainter import Info, Inpainter, inpaint
    from .io.cache import Cache
    from .observed import Observed
    from .ratings import Recommender
    from .result import Filled
    from .tables import NTKImputer
    from .uncertainty import Uncertainty

__version__ = "0.1.0"

__all__ = [
    "Cache",
    "Completion",
    "ConvergenceWarning",
    "Explanation",
    "Filled",
    "Info",
    "Inpainter",
    "InputError",
    "InvertedMaskWarning",
    "MemoryLimitError",
    "NTKImputer",
    "Observed",
    "PatternWarning",
    "Recommender",
    "Uncertainty",
    "complete",
    "explanation",
    "grids",
    "inpaint",
    "kernels",
    "nn",
    "plots",
    "priors",
    "ratings",
    "screens",
    "selection",
    "solvers",
    "tables",
    "uncertainty",
]

# Loaded when first used, so that `ntkfill --help` does not wait for NumPy and SciPy. Names that are
# not listed here are modules.
_HOMES = {
    "Cache": "io.cache",
    "Completion": "completion",
    "ConvergenceWarning": "errors",
    "Explanation": "explanation",
    "Filled": "result",
    "Info": "grids.inpainter",
    "Inpainter": "grids.inpainter",
    "InputError": "errors",
    "InvertedMaskWarning": "errors",
    "MemoryLimitError": "errors",
    "NTKImputer": "tables",
    "Observed": "observed",
    "PatternWarning": "errors",
    "Recommender": "ratings",
    "Uncertainty": "uncertainty",
    "complete": "completion",
    "inpaint": "grids.inpainter",
}
# Old names, which work for one release.
_RENAMED = {
    "Confidence": "Uncertainty",
    "conditions": "screens.features",
    "posterior": "uncertainty",
    "screening": "screens",
}


def __getattr__(name: str) -> Any:
    if name in _RENAMED:
        new = _RENAMED[name]
        message = f"ntkfill.{name} is deprecated; use ntkfill.{new}"
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        return __getattr__(new) if new in __all__ else import_module(f".{new}", __name__)
    if name in _HOMES:
        value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
        globals()[name] = value  # found without this function from now on
        return value
    if name in __all__:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
