"""Progress, to whoever asked for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def reporter(
    progress: bool | Callable[[float], None] | None,
    label: str,
    start: float = 0.0,
    stop: float = 1.0,
) -> Callable[[float], None] | None:
    """A function of the share of one stage that is done: a bar of its own on stderr, the caller's
    function (for which the stage is the part from `start` to `stop` of the whole), or none."""
    if progress is None or progress is False:
        return None
    if callable(progress):
        return lambda share: progress(start + (stop - start) * share)
    return Bar(label)


def stage(
    told: Callable[[float], None] | None, number: int, count: int
) -> Callable[[float], None] | None:
    """A function of the share of one stage, the `number`-th (from 0) of `count` equal ones.

    >>> shares = []
    >>> stage(shares.append, 1, 2)(0.5)
    >>> shares
    [0.75]
    """
    return None if told is None else lambda share: told((number + share) / count)


class Bar:
    """A bar on stderr, for work that lasts longer than a second."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.started = time.monotonic()
        self.bar: Any = None

    def __call__(self, share: float) -> None:
        if self.bar is None:
            if time.monotonic() - self.started < 1.0 or share >= 1.0:
                return
            from tqdm import tqdm

            self.bar = tqdm(
                total=100,
                desc=self.label,
                leave=False,
                bar_format="{desc} {bar} {n:.0f} % [{elapsed}<{remaining}]",
            )
        self.bar.n = 100 * share
        self.bar.refresh()
        if share >= 1.0:
            self.bar.close()
            self.bar, self.started = None, time.monotonic()
