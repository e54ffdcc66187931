"""The old name of `ntkfill.screens`, for one release."""

import sys
import warnings

from . import screens

warnings.warn(
    "ntkfill.screening is deprecated; use ntkfill.screens", DeprecationWarning, stacklevel=2
)
sys.modules[__name__] = screens
