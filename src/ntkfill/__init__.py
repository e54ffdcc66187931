"""Fill in what is missing, with infinitely wide neural networks: exactly, without training."""

from __future__ import annotations

import importlib
import warnings
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
    from .grids.inpainter import Info, Inpainter, inpaint
    from .io.cache import Cache
    from .observed import Observed
    from .result import Filled
    from .tables import NTKImputer
    from .uncertainty import Uncertainty

__version__ = "0.1.0"

# Loaded when first used, so that `ntkfill --help` does not wait for NumPy and SciPy.
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
    "Uncertainty": "uncertainty",
    "complete": "completion",
    "inpaint": "grids.inpainter",
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
    "Uncertainty",
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
    if name == "Confidence":
        warnings.warn(
            "ntkfill.Confidence is now ntkfill.Uncertainty", DeprecationWarning, stacklevel=2
        )
        return importlib.import_module(".uncertainty", __name__).Uncertainty
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
