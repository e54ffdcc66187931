"""Fill in what is missing, with infinitely wide neural networks: exactly, without training."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cache import Cache
    from .completion import Completion, complete
    from .confidence import Confidence, Filled
    from .errors import (
        ConvergenceWarning,
        InputError,
        InvertedMaskWarning,
        MemoryLimitError,
        PatternWarning,
    )
    from .explanation import Explanation
    from .filling import Info
    from .inpainter import Inpainter
    from .inpainting import inpaint
    from .observed import Observed
    from .tables import NTKImputer

__version__ = "0.1.0"

# Loaded when first used, so that `ntkfill --help` does not wait for NumPy and SciPy.
_HOMES = {
    "Cache": "cache",
    "Completion": "completion",
    "Confidence": "confidence",
    "ConvergenceWarning": "errors",
    "Explanation": "explanation",
    "Filled": "confidence",
    "Info": "filling",
    "Inpainter": "inpainter",
    "InputError": "errors",
    "InvertedMaskWarning": "errors",
    "MemoryLimitError": "errors",
    "NTKImputer": "tables",
    "Observed": "observed",
    "PatternWarning": "errors",
    "complete": "completion",
    "inpaint": "inpainting",
}
_MODULES = ("conditions", "kernels", "nn", "posterior", "priors", "screening", "solvers", "tables")

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
    "conditions",
    "inpaint",
    "kernels",
    "nn",
    "posterior",
    "priors",
    "screening",
    "solvers",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
