"""What every request passes: an id for the log, limits of size, and addresses that are text."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import unquote_to_bytes
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vestnik.web.problems import list_methods, make_problem, refuse_method

STRANGERS_LIMIT: Final = 64 * 1024
"""Bytes of a body for which nobody has signed in."""
REQUEST_ID_HEADER: Final = "X-Request-Id"
_REQUEST_ID: Final = re.compile(r"[\x21-\x7e]{1,100}")
_CAMPAIGN: Final = re.compile(
    r"/campaigns/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:/|$)", re.IGNORECASE
)
_SAFE_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class RequestIdentifier:
    """Gives each request an id, or takes the caller's: it is in the answer and in every line of the log.

    So is the campaign that the address is about.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
        request_id = given if _REQUEST_ID.fullmatch(given) else str(uuid4())

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID_HEADER] = request_id
                for name, value in _SAFE_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        facts = {"request_id": request_id}
        if (found := _CAMPAIGN.search(scope["path"])) is not None:
            facts["campaign_id"] = found[1].lower()
        with structlog.contextvars.bound_contextvars(**facts):
            await self._app(scope, receive, send_with_headers)


class HeadAnswerer:
    """Answers HEAD as GET and leaves the body out; an answer that would go on and on ends after its headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        is_enough = asyncio.Event()

        async def send_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
            elif message.get("more_body", False):
                is_enough.set()

        answering: asyncio.Future[Any] = asyncio.ensure_future(
            self._app({**scope, "method": "GET"}, receive, send_headers)
        )
        enough: asyncio.Future[Any] = asyncio.ensure_future(is_enough.wait())
        try:
            await asyncio.wait({answering, enough}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            enough.cancel()
            if not answering.done():
                answering.cancel()
                await asyncio.wait({answering})
        if not answering.cancelled():
            answering.result()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class FailureAnswerer:
    """Answers errors that nobody expected, inside of all other middleware.

    Starlette answers them outside of it: without the request's id, in the answer and in the log, and without the
    headers that protect a page. An answer that has begun is broken off.
    """

    def __init__(self, app: ASGIApp, *, answer: Callable[[Request, Exception], Awaitable[ASGIApp]]) -> None:
        self._app = app
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def note_begin(message: Message) -> None:
            nonlocal has_begun
            has_begun = has_begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, note_begin)
        except Exception as error:
            response = await self._answer(Request(scope, receive), error)
            if has_begun:
                raise
            await response(scope, receive, send)


Refuse = Callable[[Scope, HTTPStatus, str, str], ASGIApp]
"""What answers a request with a status, in words, under a code."""


def refuse_with_problem(_scope: Scope, status: HTTPStatus, detail: str, code: str) -> ASGIApp:
    """A problem document, as programs want it."""
    return make_problem(status, detail, code=code)


class InputGuard:
    """Refuses bodies that are too large, and paths and queries that are no text PostgreSQL could hold."""

    def __init__(
        self, app: ASGIApp, *, limit: int, limits: dict[str, int], refuse: Refuse = refuse_with_problem
    ) -> None:
        """`limits` are bytes for paths that begin so and take more than `limit`; the first that fits counts."""
        self._app = app
        self._refuse = refuse
        self._limit = limit
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        problem = _find_problem(scope)
        if problem is not None:
            refusal = self._refuse(scope, HTTPStatus.BAD_REQUEST, problem, "MALFORMED_ADDRESS")
            await refusal(scope, receive, send)
            return
        path = str(scope["path"])
        limit = next((size for start, size in self._limits.items() if path.startswith(start)), self._limit)
        headers = Headers(scope=scope)
        if "authorization" not in headers and "cookie" not in headers:
            limit = min(limit, STRANGERS_LIMIT)  # a body is read before it is asked who sends it
        length = headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length[:18]) > limit:
            status, text = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _describe_size(limit)
            await self._refuse(scope, status, text, "BODY_TOO_LARGE")(scope, receive, send)
            return
        await self._app(scope, _Counter(receive, limit), send)


class MethodGuard:
    """Answers 405 where a fixed path has other methods than the one asked with.

    Without it `/batches/combine` would fall through to `/batches/{batch_id}`, whose complaint is about an id.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on, or answer it."""
        if scope["type"] == "http":
            methods = list_methods(scope["app"], scope["path"], fixed_only=True)
            if methods and scope["method"] not in methods:
                await refuse_method(methods)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class _Counter:
    """Counts a body whose length was not stated."""

    def __init__(self, receive: Callable[[], Awaitable[Message]], limit: int) -> None:
        self._receive = receive
        self._limit = self._left = limit

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _describe_size(self._limit))
        return message


def _find_problem(scope: Scope) -> str | None:
    for name, raw in (("path", scope.get("raw_path") or b""), ("query", scope["query_string"])):
        plain = unquote_to_bytes(bytes(raw).replace(b"+", b" "))
        if b"\0" in plain:
            return f"The {name} of the address holds a NUL character."
        try:
            plain.decode()
        except UnicodeDecodeError:
            return f"The {name} of the address is not UTF-8."
    return None


def _describe_size(limit: int) -> str:
    return f"The body is larger than {limit:,} bytes."
