"""Work in processes that can be ended, without a browser."""

import asyncio
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ntkfill.app.jobs import JobError, Worker, Workers
from ntkfill.app.sessions import Session


def run(coroutine):
    """In a thread of its own: Playwright leaves a loop running in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def test_a_process_is_not_closed_while_it_is_read():
    """What an ended process has said is read to its end before its number is free again."""
    reads = []

    class Ended:
        def kill(self):
            pass

        join = kill

    class Slow:
        def recv(self):
            time.sleep(0.2)
            reads.append("read")

        def close(self):
            reads.append("closed")

    with ThreadPoolExecutor(1) as threads:
        worker = Worker(Ended(), Slow())
        worker.reading = threads.submit(worker.connection.recv)
        worker.end()
    assert reads == ["read", "closed"]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (ValueError("odd"), "a fault of ntkfill: ValueError: odd."),
        (JobError("no memory."), "no memory."),
    ],
)
def test_whatever_is_raised_the_document_is_free_again(fault, said, capsys):
    async def work():
        session = Session(Workers(2))
        document = session.add("table", "t.csv")

        async def broken():
            raise fault

        session.begin(document, "filling", broken)
        await asyncio.wait({document.task})
        assert (document.stage, document.task, document.error) == ("", None, said)
        session._lock.close()
        shutil.rmtree(session.folder)

    run(work())
    assert ("Traceback" in capsys.readouterr().err) == isinstance(fault, ValueError)
