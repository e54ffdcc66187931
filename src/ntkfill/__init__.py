"""Fill in what is missing, with infinitely wide neural networks: exactly, without training."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .completion import Completion, complete
    from .errors import (
        ConvergenceWarning,
        InputError,
        InvertedMaskWarning,
        MemoryLimitError,
        PatternWarning,
    )
    from .explanation import Explanation
    from .grids.inpainter import Inpainter
    from .grids.inpainting import inpaint
    from .grids.result import Info
    from .grids.uncertainty import Confidence, Filled
    from .io.cache import Cache
    from .observed import Observed
    from .tables import NTKImputer

__version__ = "0.1.0"

# Loaded when first used, so that `ntkfill --help` does not wait for NumPy and SciPy.
_HOMES = {
    "Cache": "io.cache",
    "Completion": "completion",
    "Confidence": "grids.uncertainty",
    "ConvergenceWarning": "errors",
    "Explanation": "explanation",
    "Filled": "grids.uncertainty",
    "Info": "grids.result",
    "Inpainter": "grids.inpainter",
    "InputError": "errors",
    "InvertedMaskWarning": "errors",
    "MemoryLimitError": "errors",
    "NTKImputer": "tables",
    "Observed": "observed",
    "PatternWarning": "errors",
    "complete": "completion",
    "inpaint": "grids.inpainting",
}
_MODULES = (
    "explanation",
    "grids",
    "kernels",
    "nn",
    "plots",
    "priors",
    "screens",
    "selection",
    "solvers",
    "tables",
    "uncertainty",
)

__all__ = [
    "Cache",
    "Completion",
    "Confidence",
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
    "complete",
    "inpaint",
    "kernels",
    "nn",
    "priors",
    "screens",
    "solvers",
    "tables",
    "uncertainty",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
