"""Work that takes long, in processes that can be ended: the page is never blocked by a fill."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import importlib
import itertools
import multiprocessing
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from ..errors import InputError

Figures = dict[str, Any]
"""What a job returns, or reports while it runs: numbers and text, for JSON."""

# Jobs that somebody waits for and that take a second; fills; what follows a fill by itself.
NOW, SOON, LATER = 0, 1, 2

# Imported once, before any process is needed.
PRELOADED = ["ntkfill.grids.inpainter", "ntkfill.io.images", "ntkfill.tables", "ntkfill.screens"]
REPORTS = 0.1  # seconds between two reports of progress
LAST_WORDS = 1.0  # seconds that are waited at most for what an ended process has still said
# A browser that draws and the server come first; nothing is lost where they rest. Of the whole
# process: threads of Fourier transforms are those of its first fill, and would not give way.
NICENESS = 10


class JobError(Exception):
    """Why a job has failed, in a sentence."""


@dataclass(eq=False)
class Worker:
    """A process that runs one job after another, and this end of a pipe to it."""

    process: Any
    connection: Connection
    document: str = ""  # of the last job, whose model it still holds
    busy: bool = False
    reading: Future[Any] | None = None  # of what it says next

    def end(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        self.process.join()
        if self.reading is not None:
            # Until it has seen the end: else it would go on with what is opened under this number.
            with contextlib.suppress(Exception, CancelledError):
                self.reading.exception(timeout=LAST_WORDS)
        self.connection.close()


@dataclass(eq=False)
class Workers:
    """A few processes, and the jobs that wait for one, the most urgent first.

    Parameters
    ----------
    count : int
        At least 2: jobs of priority LATER never take the last one.
    """

    count: int
    workers: list[Worker] = field(default_factory=list)
    waiting: list[tuple[int, int, str, asyncio.Future[Worker]]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def start(self) -> None:
        """Start the processes."""
        linux = sys.platform == "linux"
        self.context: Any = multiprocessing.get_context("forkserver" if linux else "spawn")
        if linux:  # copies of one process that has imported everything: there at once
            self.context.set_forkserver_preload(PRELOADED)
        self.threads = ThreadPoolExecutor(self.count, thread_name_prefix="jobs")
        self.workers = [self._new() for _ in range(self.count)]

    def stop(self) -> None:
        """End the processes."""
        for worker in self.workers:
            worker.end()
        self.threads.shutdown()

    async def run(
        self,
        function: Callable[..., Figures],
        *arguments: Any,
        document: str = "",
        priority: int = SOON,
        report: Callable[[Figures], None] | None = None,
    ) -> Figures:
        """The result of `function(*arguments, report)`, called in one of the processes.

        Cancelling the task that waits for it ends the process; a new one takes its place.

        Raises
        ------
        JobError
            If the function raises anything, or its process ends.
        """
        worker = await self._take(document, priority)
        try:
            worker.connection.send((function, arguments))
            while True:
                worker.reading = self.threads.submit(worker.connection.recv)
                kind, value = await asyncio.wrap_future(worker.reading)
                if kind == "done":
                    return value
                if kind == "failed":
                    raise JobError(value)
                if report is not None:
                    report(value)
        except (EOFError, OSError):
            worker = self._replace(worker)
            raise JobError(
                "the process that did this has ended. Try: less data, if memory is scarce."
            ) from None
        except asyncio.CancelledError:
            worker = self._replace(worker)
            raise
        finally:
            worker.document, worker.busy = document, False
            self._serve()

    async def _take(self, document: str, priority: int) -> Worker:
        """A process for a job, once it is its turn."""
        turn: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
        heapq.heappush(self.waiting, (priority, next(self.numbers), document, turn))
        self._serve()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # its turn came just before
                turn.result().busy = False
                self._serve()
            raise

    def _serve(self) -> None:
        """Give free processes to those that wait, as long as there are both."""
        while self.waiting:
            priority, _, document, turn = self.waiting[0]
            if not turn.done():
                free = [worker for worker in self.workers if not worker.busy]
                if len(free) <= (priority >= LATER):
                    return
                holding = [worker for worker in free if worker.document == document]
                worker = (holding or free)[0]
                worker.busy = True
                turn.set_result(worker)
            heapq.heappop(self.waiting)

    def _new(self) -> Worker:
        here, there = self.context.Pipe()
        process = self.context.Process(target=_run_jobs, args=(there,), daemon=True)
        process.start()
        there.close()
        return Worker(process, here)

    def _replace(self, worker: Worker) -> Worker:
        worker.end()
        new = self.workers[self.workers.index(worker)] = self._new()
        return new


def report_fault(fault: Exception) -> str:
    """Print where this package failed, and return the sentence that the page shows."""
    traceback.print_exception(fault)
    return f"a fault of ntkfill: {type(fault).__name__}: {fault}."


def _run_jobs(connection: Connection) -> None:
    """What a process does until the server ends it or goes away."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # from a keyboard: it is for the server
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    for module in PRELOADED:
        importlib.import_module(module)
    with contextlib.suppress(EOFError, OSError):
        while True:
            function, arguments = connection.recv()
            connection.send(_answer(connection, function, arguments))


def _answer(
    connection: Connection, function: Callable[..., Figures], arguments: tuple[Any, ...]
) -> tuple[str, Any]:
    last = 0.0

    def report(figures: Figures) -> None:
        nonlocal last
        now = time.monotonic()
        if set(figures) != {"progress"} or now - last > REPORTS:
            last = now
            connection.send(("report", figures))

    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            figures = function(*arguments, report)
    except (InputError, MemoryError) as error:
        return "failed", str(error) or "there is not enough memory."
    except Exception as error:
        return "failed", report_fault(error)
    said = (str(one.message) for one in caught if issubclass(one.category, UserWarning))
    return "done", figures | {"warnings": list(dict.fromkeys(said))}
