"""Parallel work: every task runs once, and an exception cancels the rest."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import scipy.linalg  # noqa: F401, which has a BLAS of its own
from threadpoolctl import ThreadpoolController, threadpool_limits

from ntkfill.runtime.resources import alone, parallel_for, single_blas_thread, workers


@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_every_task_runs_once(count):
    done, shares = [], []
    parallel_for(done.append, range(count), shares.append)
    assert sorted(done) == list(range(count))
    assert shares == ([k / count for k in range(1, count + 1)] if count > 1 else [])


def test_alone_keeps_to_the_thread():
    places, shares = [], []

    def task(k):
        places.append(threading.get_ident())

    with alone():
        parallel_for(task, range(5), shares.append)
        with alone():
            pass
        parallel_for(task, range(5))
    assert set(places) == {threading.get_ident()}
    assert shares == [0.2, 0.4, 0.6, 0.8, 1.0]
    parallel_for(task, range(5))
    assert set(places) != {threading.get_ident()}


@pytest.mark.slow
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


def blas_threads():
    libraries = ThreadpoolController().select(user_api="blas").lib_controllers
    return {one.num_threads for one in libraries}


def test_blas_has_one_thread_in_every_thread():
    """Also in another than the first, and if the last to leave is not the one that entered."""
    first, second = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
    with first, second, threadpool_limits(2):
        for thread in (first, second, first):
            with_limit = single_blas_thread()
            thread.submit(with_limit.__enter__).result()
            assert blas_threads() == {1}
            thread.submit(with_limit.__exit__, None, None, None).result()
            assert blas_threads() == {2}
        limits = [single_blas_thread(), single_blas_thread()]
        for thread, limit in zip((first, second), limits, strict=True):
            thread.submit(limit.__enter__).result()
        first.submit(limits[0].__exit__, None, None, None).result()
        assert blas_threads() == {1}
        second.submit(limits[1].__exit__, None, None, None).result()
        assert blas_threads() == {2}
