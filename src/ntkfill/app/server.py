"""The server of the page: on this machine only, below a secret path, for this page only."""

from __future__ import annotations

import asyncio
import contextlib
import mimetypes
import os
import secrets
import shutil
import socket
import tempfile
import threading
import webbrowser
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .. import __version__
from ..errors import InputError, format_bytes
from ..io import images as image_files
from ..io import text_tables
from ..io.files import check_source, json_text, suffix_of
from ..runtime import resources
from . import images, screens, tables
from .interface import Endpoint, Value, as_response, describe, failure
from .jobs import LATER, NOW, JobError, Workers
from .sessions import Document, Kind, Listener, Session

STATIC = Path(__file__).parent / "static"
UPLOAD_SHARE = 4  # an upload may have one part in so many of the memory that is free
# Of the path of the folder for temporary files; a socket in a folder in it takes at most 107.
MAX_FOLDER = 74
PIXEL = {name: Value("integer") for name in ("page", "row", "column")}
FILL = {
    "refine": Value("string", None, choices=("auto", "patches"), nullable=True),
    "interval": Value("number", 0.9, 0.01, 0.999),
    "network": Value("string", "auto"),
    "bounds": Value("array", None, maximum=2, nullable=True),
}
FORMATS: dict[Kind, tuple[str, ...]] = {
    # Without folders, which browsers do not upload.
    "image": tuple(one for one in image_files.SUFFIXES if one != ".zarr"),
    "table": text_tables.SUFFIXES,
    "screen": (*text_tables.SUFFIXES, ".npz", ".gct", ".gctx", ".h5ad"),
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


# --- documents -----------------------------------------------------------------------------------


async def get_session(session: Session, request: Request) -> dict[str, Any]:
    """The documents that are open, and what can be opened."""
    return {
        "version": __version__,
        "documents": [document.state() for document in session.documents.values()],
        "formats": FORMATS,
        "limit": upload_limit(session),
    }


async def get_events(session: Session, request: Request) -> Response:
    """Server-sent events: the state of each document whenever it changes.

    One stream tells of all documents; the data of an event are as of `/documents/{id}`, and hold no
    more than an `id` where a document was closed.
    """

    async def events() -> AsyncIterator[str]:
        with Listener(session) as listener:
            quiet = 0
            while not request.app.state.stopping():
                try:
                    await asyncio.wait_for(listener.event.wait(), 0.5)
                except TimeoutError:
                    quiet += 1
                    if quiet % 20 == 0:
                        yield ": still here\n\n"
                    continue
                for state in listener.take():
                    yield f"data: {json_text(state)}\n\n"
                await asyncio.sleep(0.02)  # what changes at once is told at once

    return StreamingResponse(events(), media_type="text/event-stream")


async def open_upload(session: Session, request: Request, name: str, kind: str) -> Response:
    """Open the file that is the body."""
    document = session.add(kind_of(name, kind), Path(name).name)
    try:
        with session.using(document):
            await receive(session, request, document.source)
    except BaseException:
        session.remove(document)
        raise
    start_opening(session, document, guess=kind == "auto")
    return as_response(document.state(), 201)


async def open_example(session: Session, request: Request, example: str) -> Response:
    """Open one of the examples: "image", "table" or "screen"."""
    names: dict[Any, str] = {"image": "china.png", "table": "wine.csv", "screen": "simulated.csv"}
    if example not in names:
        raise InputError("there is no such example", expected=", ".join(names), got=example)
    kind: Kind = example  # type: ignore[assignment]
    document = session.add(kind, names[kind])
    session.begin(document, "opening", lambda: _open_example(session, document))
    return as_response(document.state(), 201)


async def _open_example(session: Session, document: Document) -> None:
    makers: dict[str, Any] = {"image": images, "table": tables, "screen": screens}
    write = makers[document.kind].write_example
    await session.workers.run(write, document.source, document=document.id)
    if document.kind == "image":  # what is marked comes first, so that it is there at once
        await _open(session, document, document.source.with_name("example-mask.png"))
    else:
        await _open(session, document)


async def get_document(session: Session, document: Document, request: Request) -> dict[str, Any]:
    """The state of a document."""
    return document.state()


async def close_document(session: Session, document: Document, request: Request) -> None:
    """Close a document; what was uploaded is deleted."""
    session.remove(document)


async def cancel(session: Session, document: Document, request: Request) -> dict[str, Any]:
    """End what a document does; what is done already stays."""
    session.cancel(document)
    return document.state()


async def set_kind(
    session: Session, document: Document, request: Request, kind: str
) -> dict[str, Any]:
    """Read a file again as a "table" or a "screen", where it was taken for the other."""
    document.kind = kind_of(document.name, kind)
    document.info, document.result, document.explained, document.recipe = {}, {}, {}, {}
    start_opening(session, document, guess=False)
    return document.state()


def start_opening(session: Session, document: Document, *, guess: bool) -> None:
    """Read the file of a document; `guess` whether a table is a screen."""
    session.begin(document, "opening", lambda: _open(session, document, guess=guess))


async def _open(
    session: Session, document: Document, mask: Path | None = None, *, guess: bool = False
) -> None:
    if guess and document.kind == "table":
        look = session.workers.run(screens.is_screen, document.source, document=document.id)
        if (await look)["screen"]:
            document.kind = "screen"
    place: tuple[Any, ...] = (document.folder, document.source)
    reader, more = {
        "image": (images.open_image, ()),
        "table": (tables.open_table, (None,)),
        "screen": (screens.open_screen, ()),
    }[document.kind]
    info = await session.step(document, "opening", reader, *place, *more)
    if mask is not None:
        arguments = (document.folder, info, document.source, mask, False)
        await session.workers.run(images.import_mask, *arguments, document=document.id)
        os.replace(document.folder / "imported.npy", document.folder / "mask.npy")
    document.info = info
    document.mask += 1


def kind_of(name: str, kind: str = "auto") -> Kind:
    """What a file is, by the end of its name."""
    suffix = suffix_of(Path(name))
    if not name.isprintable():
        raise InputError("the name of a file must be printable", got=repr(name))
    for possible, suffixes in FORMATS.items():
        if suffix in suffixes and kind in ("auto", possible):
            return possible
    expected = " ".join(dict.fromkeys(one for suffixes in FORMATS.values() for one in suffixes))
    raise InputError(f"{Path(name).name} cannot be opened", expected=expected, got=suffix or name)


def upload_limit(session: Session) -> int:
    """How many bytes an upload may have."""
    return min(resources.available() // UPLOAD_SHARE, shutil.disk_usage(session.folder).free // 2)


async def receive(session: Session, request: Request, target: Path) -> None:
    """Write the body of a request to a file, as long as it is not too large."""
    limit, count = upload_limit(session), 0
    declared = request.headers.get("content-length", "0")
    too_large = HTTPException(413, f"the file is larger than {format_bytes(limit)}, the limit.")
    if not declared.isdigit() or int(declared) > limit:
        raise too_large
    with target.open("wb") as file:
        async for chunk in request.stream():
            count += len(chunk)
            if count > limit:
                raise too_large
            file.write(chunk)


# --- images --------------------------------------------------------------------------------------


async def get_tile(
    session: Session, document: Document, request: Request, layer: str, page: int, level: int,
    row: int, column: int,
) -> Response:  # fmt: skip
    """A tile of a layer: image, fill, std, outside, weights or kernel.

    Tiles have 512 x 512 pixels; at level n each is the mean of 2^n x 2^n pixels of the image.
    """
    check_ready(document)
    of_result = layer in ("fill", "std", "outside") and not document.result
    of_explained = layer in ("weights", "kernel") and not document.explained
    if layer not in images.LAYERS or of_result or of_explained:
        raise InputError("there is no such layer", got=layer)
    info, side = document.info, images.TILE << min(level, 30)
    if page >= info["pages"] or row * side >= info["height"] or column * side >= info["width"]:
        raise InputError("there is no such tile", got=f"{page}, {row}, {column} at level {level}")
    scales = {
        "std": document.result.get("std_max"),
        "weights": document.explained.get("weight_max"),
        "kernel": document.explained.get("kernel"),
    }
    arguments = (document.folder, info | {"scales": scales}, layer, page, level, row, column)
    try:
        body, kind = await asyncio.to_thread(images.tile, *arguments)
    except FileNotFoundError:
        raise InputError("there is no such layer yet", got=layer) from None
    return Response(body, media_type=kind)


async def get_pixel(
    session: Session, document: Document, request: Request, page: int, row: int, column: int
) -> dict[str, Any]:
    """Value, standard deviation and interval of a pixel."""
    at = check_pixel(document, page, row, column)
    return await asyncio.to_thread(
        images.pixel, document.folder, document.info, bool(document.result), at
    )


async def get_mask(
    session: Session, document: Document, request: Request, page: int, filled: bool
) -> Response:
    """The mask of a page, or that of the last fill, as bits: eight pixels a byte, row after row."""
    if filled and not document.result:
        raise InputError("nothing is filled yet")
    return bits(read_mask_page(document, page, name="filled-mask" if filled else "mask"))


async def put_mask(
    session: Session, document: Document, request: Request, page: int, row: int, rows: int
) -> dict[str, Any]:
    """Set so many rows of the mask of a page, from `row` on, given as bits; 0 means to the last."""
    mask = read_mask_page(document, page, "r+")
    target = mask[row : row + rows] if rows else mask[row:]
    size = -(-target.size // 8)
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > size:
            break
    if not size or len(data) != size or (rows and len(target) != rows):
        raise InputError("the mask has another size than the page", expected=f"{size} bytes")
    new = np.unpackbits(np.frombuffer(data, np.uint8), count=target.size)
    target[...] = new.reshape(target.shape)
    document.mask += 1
    session.changed(document)
    return {"mask": document.mask}


async def select_pixels(
    session: Session, document: Document, request: Request, page: int, row: int, column: int,
    tolerance: float, contiguous: bool,
) -> Response:  # fmt: skip
    """The pixels whose values are like those of one of them, as bits."""
    at = check_pixel(document, page, row, column)
    arguments = (document.folder, document.info, at, tolerance, contiguous)
    return bits(await asyncio.to_thread(images.select, *arguments))


async def grow_mask(
    session: Session, document: Document, request: Request, page: int, pixels: int
) -> Response:
    """The mask of a page grown by so many pixels, or shrunk by less than zero, as bits."""
    mask = np.array(read_mask_page(document, page))
    return bits(await asyncio.to_thread(images.grow, mask, pixels))


async def import_mask(
    session: Session, document: Document, request: Request, name: str, invert: bool
) -> dict[str, Any]:
    """Read a mask from the file that is the body, and replace the document's by it."""
    check_ready(document)
    suffix = suffix_of(Path(name))
    if suffix not in image_files.SUFFIXES:
        expected = " ".join(image_files.SUFFIXES)
        raise InputError(f"{Path(name).name} is not a mask", expected=expected)
    source = document.folder / f"mask-{secrets.token_hex(4)}{suffix}"
    try:
        await receive(session, request, source)
        figures = await session.workers.run(
            images.import_mask, document.folder, document.info, document.source, source, invert,
            document=document.id, priority=NOW,
        )  # fmt: skip
    except JobError as error:
        raise JobError(str(error).replace(str(source), Path(name).name)) from None
    finally:
        source.unlink(missing_ok=True)
    os.replace(document.folder / "imported.npy", document.folder / "mask.npy")
    document.mask += 1
    session.changed(document)
    return figures


async def fill_image(
    session: Session, document: Document, request: Request, **options: Any
) -> Response:
    """Fill: the exact fill first, then its standard deviations and intervals, then the refined
    one."""
    check_ready(document)
    bounds = options["bounds"]
    if bounds is not None:
        if len(bounds) != 2 or not all(
            end is None or (isinstance(end, int | float) and abs(end) < 1e300) for end in bounds
        ):
            raise InputError("bounds must be two numbers, or null", got=repr(bounds))
        options["bounds"] = tuple(bounds)
    mask = document.folder / "mask.npy"
    if not np.load(mask, mmap_mode="r").any():
        raise InputError("nothing is marked as missing", hint="the brush")
    await asyncio.to_thread(shutil.copyfile, mask, document.folder / "next-mask.npy")
    options |= {"version": secrets.token_hex(4)}
    session.begin(document, "filling", lambda: _fill_image(session, document, options))
    return as_response(document.state(), 202)


async def _fill_image(session: Session, document: Document, options: dict[str, Any]) -> None:
    document.explained = {}
    document.recipe = images.recipe(document.name, document.info, options)
    for stage, said, priority in (
        ("filled", "filling", 1),
        ("uncertain", "error bars", LATER),
        ("refined", "refining", LATER),
    ):
        if stage == "refined" and options["refine"] is None:
            break
        arguments = (images.fill, document.folder, document.info, options, stage)
        result = await session.step(document, said, *arguments, priority=priority)
        document.result = result | {"options": options}


async def explain_pixel(
    session: Session, document: Document, request: Request, page: int, row: int, column: int,
    traced: bool,
) -> dict[str, Any]:  # fmt: skip
    """What a filled pixel is made of: weights and kernel row become layers."""
    at, result = check_pixel(document, page, row, column), document.result
    if not result:
        raise InputError("nothing is filled yet")
    mask = np.load(document.folder / "filled-mask.npy", mmap_mode="r")
    if not mask[at]:
        raise InputError("this pixel is known", hint="a pixel that was filled in")
    figures = await session.workers.run(
        images.explain, document.folder, document.info, result["options"], result["network"], at,
        traced, document=document.id, priority=NOW,
    )  # fmt: skip
    document.explained = figures | {"version": secrets.token_hex(4)}
    session.changed(document)
    return document.explained


async def download(
    session: Session, document: Document, request: Request, what: str, suffix: str
) -> Response:
    """Download "filled", "std", "mask", "completed" or "ranked" as a file; a header says what its
    format cannot keep."""
    check_ready(document)
    folder, own = document.folder, document.info["suffix"]
    stem = document.name[: -len(own)]
    if document.kind == "screen":
        if what not in ("completed", "ranked") or not (folder / f"{what}.csv").exists():
            raise InputError("there is no such file yet", got=what)
        return FileResponse(folder / f"{what}.csv", filename=f"{stem}-{what}.csv")
    if what not in (("filled", "std", "mask") if document.kind == "image" else ("filled", "std")):
        raise InputError("there is no such download", expected="filled, std or mask", got=what)
    if what == "filled" and not document.result:
        raise InputError("nothing is filled yet")
    if what == "std" and document.result.get("level") is None:
        raise InputError("there are no error bars yet")
    usual = {"filled": own, "std": own if document.kind == "table" else ".npy",
             "mask": ".png" if document.info.get("pages") == 1 else ".tif"}[what]  # fmt: skip
    suffix = suffix or usual
    if suffix not in FORMATS[document.kind]:
        expected = " ".join(FORMATS[document.kind])
        raise InputError("no such format can be written", expected=expected, got=repr(suffix))
    target = folder / f"{secrets.token_hex(4)}{suffix}"
    save, more = (images.save, ()) if document.kind == "image" else (
        tables.save, (document.info["marks"],))  # fmt: skip
    figures = await session.workers.run(
        save, folder, document.source, target, what, *more, document=document.id, priority=NOW
    )
    return FileResponse(
        target, filename=f"{stem}-{what}{suffix}",
        headers={"X-Not-Kept": quote(", ".join(figures["lost"]))},
        background=BackgroundTask(target.unlink, missing_ok=True),  # it may be closed by now
    )  # fmt: skip


def check_ready(document: Document) -> None:
    """Refuse what needs a document that has been read."""
    if not document.info:
        raise InputError(document.error.rstrip(".") or "the file is still being read")


def check_pixel(document: Document, page: int, row: int, column: int) -> tuple[int, int, int]:
    """A pixel of an image."""
    check_ready(document)
    info = document.info
    if page >= info["pages"] or row >= info["height"] or column >= info["width"]:
        raise InputError("there is no such pixel", got=f"{page}, {row}, {column}")
    return page, row, column


def read_mask_page(document: Document, page: int, mode: Any = "r", name: str = "mask") -> Any:
    """A page of the mask of an image, on disk."""
    check_ready(document)
    if page >= document.info["pages"]:
        raise InputError("there is no such page", got=str(page))
    return np.load(document.folder / f"{name}.npy", mmap_mode=mode)[page]


def bits(mask: Any) -> Response:
    """A mask as bits."""
    return Response(np.packbits(mask).tobytes(), media_type="application/octet-stream")


# --- tables --------------------------------------------------------------------------------------


async def get_rows(
    session: Session, document: Document, request: Request, start: int, count: int
) -> dict[str, Any]:
    """Rows of a table: its cells, and what was filled into the gaps."""
    check_ready(document)
    if start >= document.info["rows"]:
        raise InputError("there is no such row", got=str(start))
    arguments = (document.folder, document.info, start, count)
    return await asyncio.to_thread(tables.read_rows, *arguments)


async def set_marks(
    session: Session, document: Document, request: Request, marks: list[Any]
) -> dict[str, Any]:
    """Say what stands for missing entries, besides empty cells."""
    check_ready(document)
    if not all(isinstance(mark, str) and len(mark) < 100 for mark in marks):
        raise InputError("marks must be texts", got=repr(marks))
    document.result = document.explained = {}
    for name in tables.ARRAYS:
        (document.folder / f"{name}.npy").unlink(missing_ok=True)
    arguments = (tables.open_table, document.folder, document.source, marks)

    async def work() -> None:
        document.info = await session.step(document, "opening", *arguments)

    session.begin(document, "opening", work)
    return document.state()


async def impute(
    session: Session, document: Document, request: Request, interval: float
) -> Response:
    """Fill the gaps of a table, then estimate how far off each may be."""
    check_ready(document)
    options = {"interval": interval, "version": secrets.token_hex(4)}

    async def work() -> None:
        document.explained = {}
        document.recipe = tables.recipe(document.name, document.info, options)
        for stage, said, priority in (("filled", "filling", 1), ("uncertain", "error bars", LATER)):
            arguments = (tables.fill, document.folder, options, stage)
            document.result = await session.step(document, said, *arguments, priority=priority)

    session.begin(document, "filling", work)
    return as_response(document.state(), 202)


async def explain_cell(
    session: Session, document: Document, request: Request, row: int, column: int
) -> dict[str, Any]:
    """The five known entries that weigh most in a filled one."""
    check_ready(document)
    if not document.result:
        raise InputError("nothing is filled yet")
    numbers = np.load(document.folder / "numbers.npy", mmap_mode="r")
    if row >= numbers.shape[0] or column >= numbers.shape[1] or not np.isnan(numbers[row, column]):
        raise InputError("there is no such gap", got=f"row {row}, column {column}")
    arguments = (tables.explain, document.folder, document.result["version"], row, column)
    return await session.workers.run(*arguments, document=document.id, priority=NOW)


async def score(session: Session, document: Document, request: Request) -> Response:
    """Hide a tenth of what is known, and tell how well it is filled."""
    check_ready(document)

    async def work() -> None:
        figures = await session.step(document, "scoring", tables.score, document.folder)
        document.explained = {"score": figures}

    session.begin(document, "scoring", work)
    return as_response(document.state(), 202)


# --- screens -------------------------------------------------------------------------------------


async def get_availability(session: Session, document: Document, request: Request) -> Response:
    """Which pairs of cell and drug were measured."""
    check_ready(document)
    return FileResponse(document.folder / "availability.json", media_type="application/json")


async def evaluate(session: Session, document: Document, request: Request) -> Response:
    """Cross-validate methods on a screen."""
    return _start(session, document, "evaluating", "evaluation", screens.evaluate)


async def complete(session: Session, document: Document, request: Request) -> Response:
    """Predict every pair that was not measured."""
    return _start(session, document, "completing", "completion", screens.complete)


async def rank_drugs(session: Session, document: Document, request: Request, name: str) -> Response:
    """Rank drugs for the signature that is the body, or for that of the example."""
    check_ready(document)
    place = document.folder / "signature.csv"
    if name:
        suffix = Path(name).suffix.lower()
        if suffix not in text_tables.SUFFIXES:
            expected = " ".join(text_tables.SUFFIXES)
            raise InputError(f"{Path(name).name} is not a signature", expected=expected)
        place = document.folder / f"given{suffix}"
        await receive(session, request, place)
    given = Path(name).name
    return _start(session, document, "ranking", "ranking", screens.rank, place, given=given)


async def get_report(session: Session, document: Document, request: Request) -> Response:
    """The report of an evaluation, a page by itself."""
    place = document.folder / "report.html"
    if not place.exists():
        raise InputError("there is no report yet")
    styled = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
    return FileResponse(place, headers={"Content-Security-Policy": styled})


def _start(
    session: Session, document: Document, stage: str, key: str, function: Any, *more: Path,
    given: str = "",
) -> Response:  # fmt: skip
    """Begin a job on a screen, whose figures become part of the result; `more` is a file that
    people call `given`."""
    check_ready(document)

    async def work() -> None:
        document.recipe = screens.recipe(document.name, document.info)
        arguments = (function, document.folder, document.source, *more)
        try:
            figures = await session.step(document, stage, *arguments)
        except JobError as error:
            text = str(error)
            for path in more:
                text = text.replace(str(path), given)
            raise JobError(text) from None
        document.result = document.result | {key: figures}

    session.begin(document, stage, work)
    return as_response(document.state(), 202)


async def get_description(session: Session, request: Request) -> dict[str, Any]:
    """This description."""
    return describe(ENDPOINTS)


DOCUMENT = "/documents/{id}"
SUFFIX = Value("string", "", maximum=12)
ENDPOINTS = (
    Endpoint("GET", "/openapi.json", get_description),
    Endpoint("GET", "/session", get_session),
    Endpoint("GET", "/events", get_events),
    Endpoint(
        "POST", "/documents", open_upload,
        query={
            "name": Value("string", maximum=300),
            "kind": Value("string", "auto", choices=("auto", "image", "table", "screen")),
        },
    ),
    Endpoint("POST", "/examples/{example}", open_example),
    Endpoint("GET", DOCUMENT, get_document),
    Endpoint("DELETE", DOCUMENT, close_document),
    Endpoint("DELETE", f"{DOCUMENT}/work", cancel),
    Endpoint("PUT", f"{DOCUMENT}/kind", set_kind,
             body={"kind": Value("string", choices=("table", "screen"))}),
    Endpoint("GET", f"{DOCUMENT}/tiles/{{layer}}/{{page}}/{{level}}/{{row}}/{{column}}", get_tile,
             kind="image"),
    Endpoint("GET", f"{DOCUMENT}/pixel", get_pixel, query=PIXEL, kind="image"),
    Endpoint("GET", f"{DOCUMENT}/mask/{{page}}", get_mask, kind="image",
             query={"filled": Value("boolean", False)}),
    Endpoint("PUT", f"{DOCUMENT}/mask/{{page}}", put_mask, kind="image",
             query={"row": Value("integer", 0), "rows": Value("integer", 0)}),
    Endpoint("POST", f"{DOCUMENT}/mask/{{page}}/select", select_pixels, kind="image",
             body={"row": Value("integer"), "column": Value("integer"),
                   "tolerance": Value("number", 0.1, 0, 1), "contiguous": Value("boolean", True)}),
    Endpoint("POST", f"{DOCUMENT}/mask/{{page}}/grow", grow_mask, kind="image",
             body={"pixels": Value("integer", minimum=-500, maximum=500)}),
    Endpoint("POST", f"{DOCUMENT}/mask", import_mask, kind="image",
             query={"name": Value("string", maximum=300), "invert": Value("boolean", False)}),
    Endpoint("POST", f"{DOCUMENT}/fill", fill_image, body=FILL, kind="image"),
    Endpoint("POST", f"{DOCUMENT}/explain", explain_pixel, kind="image",
             body=PIXEL | {"traced": Value("boolean", False)}),
    Endpoint("GET", f"{DOCUMENT}/rows", get_rows, kind="table",
             query={"start": Value("integer", 0), "count": Value("integer", 100, 1, 500)}),
    Endpoint("PUT", f"{DOCUMENT}/marks", set_marks, kind="table",
             body={"marks": Value("array", maximum=20)}),
    Endpoint("POST", f"{DOCUMENT}/impute", impute, kind="table",
             body={"interval": FILL["interval"]}),
    Endpoint("POST", f"{DOCUMENT}/cell", explain_cell, kind="table",
             body={"row": Value("integer"), "column": Value("integer")}),
    Endpoint("POST", f"{DOCUMENT}/score", score, kind="table", body={}),
    Endpoint("GET", f"{DOCUMENT}/availability", get_availability, kind="screen"),
    Endpoint("POST", f"{DOCUMENT}/evaluate", evaluate, kind="screen", body={}),
    Endpoint("POST", f"{DOCUMENT}/complete", complete, kind="screen", body={}),
    Endpoint("POST", f"{DOCUMENT}/rank", rank_drugs, kind="screen",
             query={"name": Value("string", "", maximum=300)}),
    Endpoint("GET", f"{DOCUMENT}/report", get_report, kind="screen"),
    Endpoint("GET", f"{DOCUMENT}/files/{{what}}", download, query={"suffix": SUFFIX}),
)  # fmt: skip


# --- the server ----------------------------------------------------------------------------------


class Guard:
    """Lets requests through that come from the page, and from nowhere else.

    The path begins with a secret that no other page knows; `Host` is this machine's, so that a
    name that was made to point here (DNS rebinding) does not help; `Origin` and `Sec-Fetch-Site`,
    which pages cannot choose, are this page's.
    """

    def __init__(self, app: ASGIApp, token: str, port: int, key: str) -> None:
        self.app, self.token, self.key = app, token, key
        self.hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refused = self._refused(scope)
        if refused is None:
            first = scope["path"].split("/")[1]
            await self.app({**scope, "root_path": f"/{first}"}, receive, _with_headers(send))
        else:
            await refused(scope, receive, _with_headers(send))

    def _refused(self, scope: Scope) -> Response | None:
        headers = {name.decode("latin-1"): value.decode("latin-1")
                   for name, value in scope["headers"]}  # fmt: skip
        if headers.get("host") not in self.hosts:
            return failure(403, "this address is not served here.")
        origin = headers.get("origin")
        if origin is not None and urlsplit_host(origin) not in self.hosts:
            return failure(403, "other pages may not use this one.")
        visit = headers.get("sec-fetch-mode") == "navigate" and scope["method"] == "GET"
        site = headers.get("sec-fetch-site", "none")
        if site not in ("same-origin", "none") and not visit:
            return failure(403, "other pages may not use this one.")
        path = scope["path"]
        first = path.split("/")[1] if path.startswith("/") else ""
        if self.key and secrets.compare_digest(path.encode(), f"/open/{self.key}".encode()):
            self.key = ""  # for the browser that was started, once
            return RedirectResponse(f"/{self.token}/", 303)
        if len(path) > 1000 or not secrets.compare_digest(first.encode(), self.token.encode()):
            return failure(403, "open the address that `ntkfill app` has printed.")
        return None


def urlsplit_host(origin: str) -> str:
    """Host and port of an origin of plain http."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return ""
    return parts.netloc if parts.scheme == "http" else ""


def _with_headers(send: Send) -> Send:
    headers = {
        "Content-Security-Policy": POLICY,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _ in message["headers"]}
            message["headers"] += [
                (name.lower().encode(), value.encode())
                for name, value in headers.items()
                if name.lower().encode() not in given
            ]
        await send(message)

    return sending


def make_app(session: Session, files: Sequence[Path], token: str, port: int, key: str) -> Starlette:
    """The application; `files` are open when the page comes."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await asyncio.to_thread(session.workers.start)
        for path in files:
            start_opening(session, session.add(kind_of(path.name), path.name, path), guess=True)
        try:
            yield
        finally:
            session.close()

    async def page(request: Request) -> Response:
        return FileResponse(STATIC / "index.html")

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return failure(error.status_code, error.detail)

    mimetypes.add_type("text/javascript", ".js")  # where a registry says otherwise
    app = Starlette(
        routes=[
            Route("/", page),
            Mount("/static", StaticFiles(directory=STATIC)),
            *(endpoint.route(session) for endpoint in ENDPOINTS),
        ],
        lifespan=lifespan,
        exception_handlers={HTTPException: refused},
    )
    app.state.stopping = lambda: False
    app.add_middleware(Guard, token=token, port=port, key=key)
    return app


def run(files: Sequence[Path], port: int = 0, *, browser: bool = True) -> None:
    """Serve the page until it is interrupted; prints its address."""
    for path in files:
        check_source(path, FORMATS[kind_of(path.name)])
    scratch = tempfile.gettempdir()
    if os.name == "posix" and len(os.fsencode(scratch)) > MAX_FOLDER:
        raise InputError(
            "the folder for temporary files has too long a path for the sockets of the workers",
            expected=f"at most {MAX_FOLDER} bytes",
            got=scratch,
            hint="TMPDIR=/tmp ntkfill app",
        )
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with listening:
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", port))
        except OSError as error:
            raise InputError(
                f"the port {port} cannot be used", got=str(error.strerror), hint="another --port"
            ) from None
        listening.listen(128)
        port = listening.getsockname()[1]
        token, key = secrets.token_urlsafe(24), secrets.token_urlsafe(24) if browser else ""
        session = Session(Workers(max(2, min(4, resources.workers()))))
        app = make_app(session, [path.resolve() for path in files], token, port, key)
        server = uvicorn.Server(
            uvicorn.Config(
                app, log_level="warning", access_log=False, ws="none", server_header=False,
                timeout_graceful_shutdown=2,
            )
        )  # fmt: skip
        app.state.stopping = lambda: server.should_exit
        print(f"http://127.0.0.1:{port}/{token}/", flush=True)
        if browser:
            address = f"http://127.0.0.1:{port}/open/{key}"
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        try:
            with contextlib.suppress(KeyboardInterrupt):  # how it is meant to be ended
                server.run(sockets=[listening])
        finally:
            session.close()
