"""Work in processes that can be ended, without a browser."""

import asyncio
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("starlette")

from starlette.requests import Request
from starlette.responses import FileResponse

from ntkfill.app.interface import Endpoint
from ntkfill.app.jobs import JobError, Worker, Workers
from ntkfill.app.server import open_upload
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


async def _answer_in_a_thread(session, document, request):
    """What is read after a wait, as by a job."""
    session.remove(document)
    await asyncio.sleep(0.01)
    return {"length": await asyncio.to_thread(lambda: len(document.source.read_bytes()))}


async def _answer_by_file(session, document, request):
    """What is read while it is sent."""
    session.remove(document)
    return FileResponse(document.source)


async def _answer_by_task(session, document, request):
    """What goes on after the request, and is read before it sees that it was cancelled."""
    heard = asyncio.Event()

    async def work():
        try:
            heard.set()
            await asyncio.sleep(60)
        finally:
            document.info["read"] = document.source.read_bytes()

    session.begin(document, "filling", work)
    await heard.wait()
    session.remove(document)
    session.begin(document, "filling", work)
    assert document.task is None


@pytest.mark.parametrize("answer", [_answer_in_a_thread, _answer_by_file, _answer_by_task])
def test_files_of_a_closed_document_stay_until_nothing_needs_them(answer):
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        await asyncio.sleep(60)

    async def work():
        session = Session(Workers(2))
        document = session.add("table", "t.csv")
        document.source.write_bytes(b"a,b")
        scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
        route = Endpoint("GET", "/{id}", answer).route(session)
        await route.app(scope | {"path_params": {"id": document.id}}, receive, send)
        await asyncio.sleep(0.01)
        assert not document.folder.exists()
        session._lock.close()
        shutil.rmtree(session.folder)
        return document

    document = run(work())
    assert sent[0]["status"] == 200
    if answer is _answer_by_task:
        assert document.info["read"] == b"a,b"


def test_an_upload_that_is_closed_before_its_end_leaves_nothing():
    async def work():
        session = Session(Workers(2))
        parts = [b"a,b\n", b"1,2\n", b""]

        async def receive():
            if len(parts) == 2:
                document = next(iter(session.documents.values()))
                session.remove(document)
                assert document.source.exists()  # it is still written to
            part = parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(parts)}

        scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []}
        response = await open_upload(session, Request(scope, receive), "t.csv", "auto")
        assert response.status_code == 201
        assert [path.name for path in session.folder.iterdir() if path.is_dir()] == []
        session._lock.close()
        shutil.rmtree(session.folder)

    run(work())
