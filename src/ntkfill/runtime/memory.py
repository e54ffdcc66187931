"""Memory limits, checked before anything is allocated."""

from __future__ import annotations

import psutil

from ..errors import MemoryLimitError

# The share of the available memory that one call may use.
SHARE = 0.8


def available() -> int:
    """Bytes that one call may use."""
    return int(SHARE * psutil.virtual_memory().available)


def require(what: str, needed: int, limit: int | None = None, hint: str = "") -> None:
    """Refuse work that needs more bytes than `limit` (default: `available()`)."""
    limit = available() if limit is None else limit
    if needed > limit:
        raise MemoryLimitError(what, needed=needed, limit=limit, hint=hint)
