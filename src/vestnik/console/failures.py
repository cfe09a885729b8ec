"""Errors as pages, in the language of the reader."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Scope

from vestnik.console.visitors import SignInNeeded, read_request
from vestnik.domain.errors import VestnikError
from vestnik.web.identity import SAFE_METHODS
from vestnik.web.problems import RETRY_AFTER_SECONDS, find_status

log = structlog.get_logger(__name__)

_WORTH_KEEPING: Final = 20
"""Characters; what is shorter is typed again."""
_NOT_TYPED: Final = re.compile("password|token|key|seen|cursor|digest|question|look")
"""Fields whose texts are secret, or were put there by a page."""


def install_failure_pages(app: FastAPI) -> None:
    """Make every answer that is an error a page."""
    app.add_exception_handler(SignInNeeded, _lead_to_sign_in)
    app.add_exception_handler(VestnikError, _show_vestnik_error)
    app.add_exception_handler(HTTPException, _show_http_exception)
    app.add_exception_handler(RequestValidationError, _show_validation_error)
    app.add_exception_handler(Exception, show_unexpected)


async def _lead_to_sign_in(request: Request, error: Exception) -> Response:
    assert isinstance(error, SignInNeeded)
    if "hx-request" not in request.headers and await _list_typed(request):
        # A redirect would throw away what somebody has written.
        return await _show(request, HTTPStatus.UNAUTHORIZED, None, kind="SESSION_ENDED")
    if "hx-request" in request.headers:
        return Response(status_code=HTTPStatus.NO_CONTENT, headers={"HX-Redirect": error.path})
    return RedirectResponse(error.path, status_code=HTTPStatus.SEE_OTHER)


async def _show_vestnik_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, VestnikError)
    status = find_status(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("console.error", code=error.code, reason=error.message)
    message = None if status >= HTTPStatus.INTERNAL_SERVER_ERROR else error.message
    return await _show(request, status, message, kind=error.code)


async def _show_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return await _show(request, error.status_code, None)


async def _show_validation_error(request: Request, _error: Exception) -> Response:
    # Forms are read by `forms`; what is left are addresses that nobody typed, such as an id that is none.
    return await _show(request, HTTPStatus.NOT_FOUND, None)


async def show_unexpected(request: Request, error: Exception) -> Response:
    """Log what went wrong, and say no more than that something did."""
    log.error("console.unexpected_error", method=request.method, route=request.url.path, exc_info=error)
    return await _show(request, HTTPStatus.INTERNAL_SERVER_ERROR, None)


def refuse_with_page(scope: Scope, status: HTTPStatus, _detail: str, code: str) -> ASGIApp:
    """A page for what is refused before any route is found."""
    return _render(Request(scope), status, None, kind=code)


async def _show(request: Request, status: int, message: str | None, *, kind: str = "") -> HTMLResponse:
    return _render(request, status, message, kind=kind, typed=await _list_typed(request))


async def _list_typed(request: Request) -> list[str]:
    """What somebody has written into a form that was not taken, so that it can be copied; nothing secret."""
    if request.method in SAFE_METHODS:
        return []
    try:
        form = await request.form()
    except (HTTPException, RuntimeError, ClientDisconnect):
        return []  # too large, or gone
    return [
        value
        for name, value in form.multi_items()
        if isinstance(value, str) and len(value) >= _WORTH_KEEPING and not _NOT_TYPED.search(name)
    ]


def _render(
    request: Request, status: int, message: str | None, *, kind: str, typed: Sequence[str] = ()
) -> HTMLResponse:
    reader = read_request(request)
    headers = {}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    is_part = "hx-request" in request.headers
    return reader.render(
        "failure_part.html" if is_part else "failure.html",
        status=status,
        headers=headers,
        code=int(status),
        kind=kind,
        message=None if message is None else reader.say(message),
        retry_after=RETRY_AFTER_SECONDS,
        typed=typed,
    )
