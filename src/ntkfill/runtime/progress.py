"""Progress of a call: callbacks for the stages of the work, and a progress bar."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float], None]
"""Called now and then with the share of the work that is done, 0 to 1."""


def reporter(
    progress: bool | Progress | None, label: str, start: float = 0.0, stop: float = 1.0
) -> Progress | None:
    """The callback of one stage: a progress bar on stderr, the caller's function (for which the
    stage is the part from `start` to `stop` of the whole), or None."""
    if progress is None or progress is False:
        return None
    if callable(progress):
        return lambda share: progress(start + (stop - start) * share)
    return _bar(label)


def stage(progress: Progress, number: int, count: int) -> Progress:
    """The callback of the `number`-th (from 0) of `count` equal stages.

    >>> shares = []
    >>> stage(shares.append, 1, 2)(0.5)
    >>> shares
    [0.75]
    """
    return lambda share: progress((number + share) / count)


def _bar(label: str) -> Progress:
    """A progress bar on stderr, for work that lasts longer than a second."""
    from tqdm import tqdm

    layout = "{desc} {bar} {n:.0f} % [{elapsed}<{remaining}]"
    bar = tqdm(total=100, desc=label, leave=False, delay=1.0, bar_format=layout)

    def show(share: float) -> None:
        bar.update(100 * share - bar.n)
        if share >= 1.0:
            bar.close()

    return show
