"""The cores and the memory of this machine: parallel work, with results that do not depend on the
number of cores, and memory limits, checked before anything is allocated."""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any, TypeVar

import psutil
from threadpoolctl import OpenBLASController, ThreadpoolController

from ..errors import MemoryLimitError
from .progress import Progress

T = TypeVar("T")

# The share of the available memory that one call may use.
SHARE = 0.8

_lock = threading.Lock()
_limit: dict[str, Any] = {"users": 0}
_thread = threading.local()
# Lets any thread set the limit: threadpoolctl 3.8 ignores all but the first that did.
_release_blas = getattr(OpenBLASController, "clear_controlling_thread", lambda **_: None)


@cache
def import_compiled(package: str) -> ModuleType | None:
    """The module `compiled` of a package, the same arithmetic in less time; None without Numba."""
    try:
        return importlib.import_module(".compiled", package)
    except ImportError:
        return None


def workers() -> int:
    """The number of cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


def parallel_for(
    task: Callable[[T], None], items: Iterable[T], progress: Progress | None = None
) -> None:
    """Run independent tasks on all cores; an exception cancels those not yet started."""
    items = list(items)
    if len(items) < 2 or getattr(_thread, "alone", False):  # not worth a thread
        for done, item in enumerate(items, start=1):
            task(item)
            if progress is not None and len(items) > 1:
                progress(done / len(items))
        return
    pool = ThreadPoolExecutor(min(workers(), len(items)))
    try:
        for done, future in enumerate([pool.submit(task, item) for item in items], start=1):
            future.result()
            if progress is not None:
                progress(done / len(items))
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def alone() -> Iterator[None]:
    """Keep `parallel_for` to this thread, beside which others do work of the same kind."""
    before, _thread.alone = getattr(_thread, "alone", False), True
    try:
        yield
    finally:
        _thread.alone = before


@contextmanager
def single_blas_thread() -> Iterator[None]:
    """Let BLAS use one thread: with several, the order of its sums depends on their number.

    The limit belongs to the whole process: it is set when the first block is entered, from any
    thread, and lifted after the last.
    """
    with _lock:
        if not _limit["users"]:
            _release_blas(force=True)
            _limit["setting"] = _blas_libraries().limit(limits=1, user_api="blas")
        _limit["users"] += 1
    try:
        yield
    finally:
        with _lock:
            _limit["users"] -= 1
            if not _limit["users"]:
                _release_blas(force=True)
                _limit["setting"].restore_original_limits()
                _release_blas(force=True)


@cache
def _blas_libraries() -> ThreadpoolController:
    """Those of NumPy and SciPy; to look for them takes as long as to factor a small matrix."""
    importlib.import_module("scipy.linalg")
    return ThreadpoolController()


def available() -> int:
    """Bytes that one call may use."""
    return int(SHARE * psutil.virtual_memory().available)


def require(what: str, needed: int, limit: int | None = None, hint: str = "") -> None:
    """Refuse work that needs more bytes than `limit` (default: `available()`)."""
    limit = available() if limit is None else limit
    if needed > limit:
        raise MemoryLimitError(what, needed=needed, limit=limit, hint=hint)
