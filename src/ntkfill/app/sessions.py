"""What is open in the page: documents, their files, and what happens to them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from ..errors import InputError
from ..io.files import scratch_folder, suffix_of
from .jobs import Figures, JobError, Workers, report_fault

Kind = Literal["image", "table", "screen"]
Work = Callable[[], Coroutine[Any, Any, None]]


@dataclass(eq=False)
class Document:
    """One file that is open, and what has been done with it.

    Parameters
    ----------
    id : str
    kind : {"image", "table", "screen"}
    name : str
        Of the file, for people.
    source : Path
        The file itself.
    folder : Path
        What belongs to this document; nobody else may read it.
    info : dict
        What was found when it was opened.
    result : dict
        Figures of the last fill; empty before.
    explained : dict
        What the value that was clicked on is made of.
    stage : str
        What is running: "opening", "filling", ...; empty where nothing is.
    """

    id: str
    kind: Kind
    name: str
    source: Path
    folder: Path
    info: Figures = field(default_factory=dict)
    result: Figures = field(default_factory=dict)
    explained: Figures = field(default_factory=dict)
    recipe: Figures = field(default_factory=dict)
    stage: str = ""
    progress: float = 0.0
    error: str = ""
    mask: int = 0
    """How often the mask has changed."""
    task: asyncio.Task[None] | None = None
    in_use: int = 0
    """How many requests and tasks need its files."""

    def state(self) -> Figures:
        """All that the page shows of it, for JSON."""
        hidden = ("source", "folder", "task", "in_use")
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in hidden}

    def named(self, text: str) -> str:
        """What a worker says, with the name of the file in place of paths that nobody knows."""
        return text.replace(str(self.source), self.name).replace(f"{self.folder}{os.sep}", "")


class Session:
    """The documents of one server, the processes that work on them, and who listens.

    Parameters
    ----------
    workers : Workers
        Started and stopped with the session.
    """

    def __init__(self, workers: Workers) -> None:
        self.workers = workers
        self.documents: dict[str, Document] = {}
        self.listeners: set[Listener] = set()
        self.folder, self._lock = scratch_folder("ntkfill-app-")

    def close(self) -> None:
        """End what is running and remove all files."""
        self.workers.stop()
        self._lock.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def add(self, kind: Kind, name: str, source: Path | None = None) -> Document:
        """A document of a file; without `source` it will be written to its folder."""
        key = secrets.token_hex(8)
        folder = self.folder / key
        folder.mkdir()
        place = folder / f"source{suffix_of(Path(name))}" if source is None else source
        document = Document(key, kind, name, place, folder, stage="opening")
        self.documents[key] = document
        return document

    def remove(self, document: Document) -> None:
        """Close a document; what was uploaded or made is deleted once nothing needs it."""
        self.cancel(document)
        self.documents.pop(document.id, None)
        self._delete_if_closed(document)
        self.changed(document)

    @contextlib.contextmanager
    def using(self, document: Document) -> Iterator[None]:
        """While this lasts the files of a document stay, even if it is closed."""
        document.in_use += 1
        try:
            yield
        finally:
            document.in_use -= 1
            self._delete_if_closed(document)

    def _delete_if_closed(self, document: Document) -> None:
        if not document.in_use and document.id not in self.documents:
            shutil.rmtree(document.folder, ignore_errors=True)

    def changed(self, document: Document) -> None:
        """Tell all pages about a document."""
        for listener in self.listeners:
            listener.tell(document.id)

    def begin(self, document: Document, stage: str, work: Work) -> None:
        """Let a document do something that takes long, in place of what it does now."""
        if document.id not in self.documents:  # closed while the request was read
            return
        self.cancel(document)
        document.stage, document.progress, document.error = stage, 0.0, ""
        document.task = asyncio.create_task(self._work(document, work))
        self.changed(document)

    def cancel(self, document: Document) -> None:
        """End what a document does; its process ends with it."""
        if document.task is not None:
            document.task.cancel()
        document.task, document.stage, document.progress = None, "", 0.0
        self.changed(document)

    async def step(
        self, document: Document, stage: str, function: Any, *arguments: Any, **options: Any
    ) -> Figures:
        """One job of a document, whose progress is shown."""
        document.stage, document.progress = stage, 0.0
        self.changed(document)

        def report(figures: Figures) -> None:
            document.progress = figures.get("progress", document.progress)
            self.changed(document)

        return await self.workers.run(
            function, *arguments, document=document.id, report=report, **options
        )

    async def _work(self, document: Document, work: Work) -> None:
        try:
            with self.using(document):
                await work()
        except (JobError, InputError) as error:
            document.error = document.named(str(error))
        except Exception as error:
            document.error = document.named(report_fault(error))
        if document.task is asyncio.current_task():
            document.task, document.stage, document.progress = None, "", 0.0
            self.changed(document)


class Listener:
    """Which documents have changed since the last look."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.changed = dict.fromkeys(session.documents)
        self.event = asyncio.Event()
        self.event.set()

    def __enter__(self) -> Listener:
        self.session.listeners.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.session.listeners.discard(self)

    def tell(self, key: str) -> None:
        self.changed[key] = None
        self.event.set()

    def take(self) -> list[Figures]:
        """Their states; of one that was closed only its id."""
        keys, self.changed = list(self.changed), {}
        self.event.clear()
        documents = self.session.documents
        return [documents[key].state() if key in documents else {"id": key} for key in keys]
