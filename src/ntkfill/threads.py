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


def spread(task: Callable[[T], None], items: Iterable[T]) -> None:
    """Run independent tasks on all cores; each writes to a place of its own."""
    todo = list(items)
    if len(todo) <= 1 or workers() == 1:
        for item in todo:
            task(item)
        return
    with ThreadPoolExecutor(min(workers(), len(todo))) as pool:
        for future in [pool.submit(task, item) for item in todo]:
            future.result()
