"""Parallel work: every task runs once, and an exception cancels the rest."""

import threading

import pytest

from ntkfill.runtime.resources import parallel_for, workers


@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_every_task_runs_once(count):
    done, shares = [], []
    parallel_for(done.append, range(count), shares.append)
    assert sorted(done) == list(range(count))
    assert shares == ([k / count for k in range(1, count + 1)] if count > 1 else [])


def test_an_exception_cancels_what_has_not_begun():
    begun, stop = [], threading.Event()

    def task(k):
        begun.append(k)
        if k == 0:
            raise KeyError("first")
        stop.wait(0.05)

    with pytest.raises(KeyError, match="first"):
        parallel_for(task, range(1000))
    assert len(begun) < 100 * workers()
