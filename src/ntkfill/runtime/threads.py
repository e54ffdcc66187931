"""Work on several cores, with results that do not depend on how many there are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def workers() -> int:
    """The number of cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


def parallel_for(
    task: Callable[[T], None], items: Iterable[T], told: Callable[[float], None] | None = None
) -> None:
    """Run independent tasks on all cores; each writes to a place of its own.

    Whatever one of them raises, and an interruption, cancels those that have not begun.
    """
    todo = list(items)
    if len(todo) < 2:  # not worth a thread
        for item in todo:
            task(item)
        return
    pool = ThreadPoolExecutor(min(workers(), len(todo)))
    try:
        for done, future in enumerate([pool.submit(task, item) for item in todo], start=1):
            future.result()
            if told is not None:
                told(done / len(todo))
    finally:
        pool.shutdown(cancel_futures=True)
