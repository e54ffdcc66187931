"""How much memory there is, asked before any is taken."""

from __future__ import annotations

import psutil

from ..errors import MemoryLimitError

# The share of the free memory that one call may plan with.
SHARE = 0.8


def available() -> int:
    """Bytes that a call may plan with."""
    return int(SHARE * psutil.virtual_memory().available)


def require(what: str, needed: int, limit: int | None = None, hint: str = "") -> None:
    """Refuse work that needs more than `limit` (default: what is free) before it starts."""
    limit = available() if limit is None else limit
    if needed > limit:
        raise MemoryLimitError(what, needed=needed, limit=limit, hint=hint)
