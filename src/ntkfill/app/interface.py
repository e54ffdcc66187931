"""The JSON interface: endpoints, what they take, and its description (OpenAPI 3.1)."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from .. import __version__
from ..errors import InputError
from ..io.files import json_text
from .jobs import JobError
from .sessions import Document, Session

MAX_JSON = 1_000_000  # bytes
ERROR = {"$ref": "#/components/schemas/Error"}


class Required:
    """The default of what must be given."""


@dataclass(frozen=True)
class Value:
    """One value of a path, a query or a JSON object.

    Parameters
    ----------
    kind : {"integer", "number", "boolean", "string", "array"}
    default : object
    minimum, maximum : float
        Of numbers, and of the length of text.
    choices : tuple of str
    nullable : bool
    """

    kind: str
    default: Any = Required
    minimum: float = 0
    maximum: float = 2**31
    choices: tuple[str, ...] = ()
    nullable: bool = False

    def read(self, name: str, given: Any, *, text: bool = False) -> Any:
        """The value, checked; `text` where it comes from a path or a query."""
        if given is Required:
            if self.default is Required:
                raise InputError(f"{name} is required")
            return self.default
        if text and self.kind != "string":
            try:
                given = json.loads(given)
            except (ValueError, RecursionError):
                raise InputError(f"{name} must be {self.expected}", got=repr(given)) from None
        if given is None and self.nullable:
            return None
        if not self._fits(given):
            raise InputError(f"{name} must be {self.expected}", got=repr(given))
        return given

    @property
    def expected(self) -> str:
        """What is valid, in words."""
        if self.choices:
            return " or ".join(map(repr, self.choices))
        article = "an" if self.kind[0] in "ia" else "a"
        what = {"string": "text", "boolean": "true or false"}.get(
            self.kind, f"{article} {self.kind}"
        )
        if self.kind in ("integer", "number"):
            what += f" from {self.minimum:g} to {self.maximum:g}"
        return what

    def schema(self) -> dict[str, Any]:
        """Its description."""
        result: dict[str, Any] = {"type": [self.kind, "null"] if self.nullable else self.kind}
        if self.choices:
            result["enum"] = [*self.choices, *([None] if self.nullable else [])]
        if self.kind in ("integer", "number"):
            result |= {"minimum": self.minimum, "maximum": self.maximum}
        if self.kind == "array":
            result["items"] = {}
        if self.default is not Required:
            result["default"] = self.default
        return result

    def _fits(self, given: Any) -> bool:
        if self.kind == "string":
            valid = isinstance(given, str) and len(given) <= min(self.maximum, 10_000)
            return valid and (not self.choices or given in self.choices)
        if self.kind == "array":
            return isinstance(given, list) and len(given) <= self.maximum
        if self.kind == "boolean":
            return isinstance(given, bool)
        if isinstance(given, bool) or not isinstance(given, int | float):
            return False
        if self.kind == "integer" and not isinstance(given, int):
            return False
        return math.isfinite(given) and self.minimum <= given <= self.maximum


@dataclass(frozen=True)
class Endpoint:
    """One thing that can be asked for.

    Parameters
    ----------
    method : str
    path : str
        Below /api/v1; {id} is a document.
    answer : callable
        Takes the session (or the document, where the path has one too), the request, and the values
        by name; its first line of documentation is the summary. A dict that it returns is JSON.
    query, body : mapping of name to Value
        Besides the integers of the path. A body that is not JSON is read by `answer`.
    """

    method: str
    path: str
    answer: Callable[..., Awaitable[Response | dict[str, Any] | None]]
    query: Mapping[str, Value] = field(default_factory=dict)
    body: Mapping[str, Value] | None = None
    kind: str = ""

    @property
    def in_path(self) -> dict[str, Value]:
        """The values of the path besides the document."""
        names = [part[1:-1] for part in self.path.split("/") if part.startswith("{")]
        text = Value("string", maximum=40)
        return {n: text if n in ("layer", "example", "what") else Value("integer")
                for n in names if n != "id"}  # fmt: skip

    def route(self, session: Session) -> Route:
        """The route that answers."""
        return Route(f"/api/v1{self.path}", _EndpointApp(self, session), methods=[self.method])

    async def respond(self, request: Request, session: Session, *document: Document) -> Response:
        """The response to a request; of a document, where the path has one."""
        try:
            values = self._read(request) | await self._read_body(request)
            answer = await self.answer(session, *document, request, **values)
        except InputError as error:
            return failure(400, str(error))
        except JobError as error:
            return failure(422, str(error))
        except MemoryError as error:
            return failure(413, str(error))
        return answer if isinstance(answer, Response) else as_response(answer or {})

    def document(self, session: Session, key: str) -> Document:
        """The document that a path names."""
        document = session.documents.get(key)
        if document is None:
            raise HTTPException(404, "this document is not open (any more).")
        if self.kind and document.kind != self.kind:
            raise HTTPException(400, f"this needs a {self.kind}; got a {document.kind}.")
        return document

    def _read(self, request: Request) -> dict[str, Any]:
        values = {}
        for name, value in self.in_path.items():
            values[name] = value.read(name, request.path_params[name], text=True)
        for name, value in self.query.items():
            given = request.query_params.get(name, Required)
            values[name] = value.read(name, given, text=True)
        return values

    async def _read_body(self, request: Request) -> dict[str, Any]:
        if self.body is None:
            return {}
        data = b""
        async for chunk in request.stream():
            data += chunk
            if len(data) > MAX_JSON:
                raise HTTPException(413, "the request is too long.")
        try:
            given = json.loads(data or b"{}")
        except (ValueError, RecursionError):
            given = None
        if not isinstance(given, dict):
            raise InputError("the body must be a JSON object")
        for name in given.keys() - self.body.keys():
            raise InputError(f"unknown field {name!r}", expected=", ".join(self.body) or "none")
        return {n: value.read(n, given.get(n, Required)) for n, value in self.body.items()}


@dataclass(frozen=True)
class _EndpointApp:
    """The ASGI application of an endpoint: the files of its document stay until the response is
    sent."""

    endpoint: Endpoint
    session: Session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        key = request.path_params.get("id")
        if key is None:
            response = await self.endpoint.respond(request, self.session)
            return await response(scope, receive, send)
        document = self.endpoint.document(self.session, key)
        with self.session.using(document):
            response = await self.endpoint.respond(request, self.session, document)
            await response(scope, receive, send)


def as_response(figures: Any, status: int = 200) -> Response:
    """Figures as JSON, whatever numbers are in them."""
    return Response(json_text(figures), status, media_type="application/json")


def failure(status: int, text: str) -> Response:
    """An error as a sentence."""
    return as_response({"error": text}, status)


def describe(endpoints: tuple[Endpoint, ...]) -> dict[str, Any]:
    """The description of all endpoints."""
    paths: dict[str, Any] = {}
    for endpoint in endpoints:
        text = inspect.getdoc(endpoint.answer) or ""
        summary, _, rest = text.partition("\n\n")
        operation: dict[str, Any] = {
            "summary": " ".join(summary.split()),
            "operationId": endpoint.answer.__name__,
            "responses": {
                "200": {"description": "done"},
                "400": {
                    "description": "what is wrong, in a sentence",
                    "content": {"application/json": {"schema": ERROR}},
                },
            },
        }  # fmt: skip
        if rest:
            operation["description"] = " ".join(rest.split())
        parameters = [
            {"name": name, "in": "path", "required": True, "schema": value.schema()}
            for name, value in endpoint.in_path.items()
        ]
        if "{id}" in endpoint.path:
            of_id = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
            parameters.insert(0, of_id)
        parameters += [
            {"name": n, "in": "query", "required": v.default is Required, "schema": v.schema()}
            for n, v in endpoint.query.items()
        ]
        if parameters:
            operation["parameters"] = parameters
        if endpoint.body is not None:
            schema = {
                "type": "object",
                "additionalProperties": False,
                "properties": {name: value.schema() for name, value in endpoint.body.items()},
            }
            operation["requestBody"] = {"content": {"application/json": {"schema": schema}}}
        elif endpoint.method in ("POST", "PUT"):
            octets = {"schema": {"type": "string", "format": "binary"}}
            operation["requestBody"] = {"content": {"application/octet-stream": octets}}
        paths.setdefault(f"/api/v1{endpoint.path}", {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ntkfill app",
            "version": "1",
            "summary": "What the page of `ntkfill app` asks its server for.",
            "description": f"Served by ntkfill {__version__} on this machine, below a secret path.",
        },
        "paths": paths,
        "components": {
            "schemas": {
                "Error": {
                    "type": "object",
                    "properties": {"error": {"type": "string"}},
                    "required": ["error"],
                }
            }
        },
    }
