"""Errors as RFC 9457 problem documents: one place knows which error is which HTTP status."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from vestnik.domain.errors import (
    ConflictError,
    DatabaseUnavailableError,
    InvalidInputError,
    NotFoundError,
    NoWorkerError,
    SchemaVersionError,
    VestnikError,
)

log = structlog.get_logger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = 5

_STATUS: Final[Mapping[type[VestnikError], HTTPStatus]] = {
    InvalidInputError: HTTPStatus.UNPROCESSABLE_ENTITY,
    NotFoundError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    DatabaseUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    NoWorkerError: HTTPStatus.SERVICE_UNAVAILABLE,
    SchemaVersionError: HTTPStatus.SERVICE_UNAVAILABLE,
}
_PUBLIC_DETAIL: Final[Mapping[type[VestnikError], str]] = {
    # The driver's words name hosts and roles; they belong into the log.
    DatabaseUnavailableError: "The database cannot be reached; the operator finds the reason in the log.",
}


def make_problem(
    status: HTTPStatus | int,
    detail: str,
    *,
    code: str,
    field: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """A problem document; a 503 says when to come again."""
    status = HTTPStatus(status)
    body: dict[str, object] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
        "code": code,
    }
    if field is not None:
        body["field"] = field
    headers = dict(headers or {})
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
    return JSONResponse(body, status_code=status.value, headers=headers, media_type=MEDIA_TYPE)


def render_error(error: VestnikError) -> JSONResponse:
    """The problem document of one of our own errors; what has no status of its own is a 500."""
    kind = next((kind for kind in type(error).__mro__ if kind in _STATUS), None)
    if kind is None:
        log.error("api.error", code=error.code, exc_info=error)
        return make_problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong.", code=error.code)
    return make_problem(
        _STATUS[kind], _PUBLIC_DETAIL.get(kind, error.message), code=error.code, field=error.field
    )


def install_problem_handlers(app: FastAPI) -> None:
    """Make every answer that is an error a problem document."""
    app.add_exception_handler(VestnikError, _handle_vestnik_error)
    app.add_exception_handler(HTTPException, _handle_http_exception)
    app.add_exception_handler(RequestValidationError, _handle_validation_error)
    app.add_exception_handler(Exception, _handle_unexpected)


async def _handle_vestnik_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, VestnikError)
    return render_error(error)


async def _handle_http_exception(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    return make_problem(status, str(error.detail), code=status.name, headers=error.headers)


async def _handle_validation_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    return make_problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, str(first["msg"]), code=InvalidInputError.code, field=field
    )


async def _handle_unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("api.unexpected_error", method=request.method, route=request.url.path, exc_info=error)
    return make_problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong.", code="UNEXPECTED")
