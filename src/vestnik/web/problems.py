"""Errors as RFC 9457 problem documents: one place knows which error is which HTTP status."""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import iter_route_contexts
from pydantic.alias_generators import to_camel
from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from vestnik.domain.errors import (
    AccountHeldError,
    ConflictError,
    DatabaseUnavailableError,
    ForbiddenError,
    InvalidInputError,
    MediaStoreError,
    NotFoundError,
    NoWorkerError,
    SchemaVersionError,
    StaleRevisionError,
    TooManyRequestsError,
    UnauthorizedError,
    VestnikError,
)
from vestnik.web.idempotency import ReplayedAnswer
from vestnik.web.patterns import COMPLAINTS

log = structlog.get_logger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = 5
_UNPARSABLE: Final = "There was an error parsing the body"
"""What FastAPI says of a body that its JSON parser cannot take at all."""
MOST_FIELD_ERRORS: Final = 20
_INNER_PART: Final = re.compile(r"(constrained|function|nullable|lax|is)-|.*\[")
"""How Pydantic calls the branches of a field that may be of several types."""
_DECIMAL: Final = re.compile(r"Decimal\('([^']*)'\)")
_REFERENCES: Final = frozenset({"account", "batch", "campaign", "template", "token", "user"})
"""What services and the command line call by names, and the API by ids: its keys and paths say `batchId`."""

_STATUS: Final[Mapping[type[VestnikError], HTTPStatus]] = {
    InvalidInputError: HTTPStatus.UNPROCESSABLE_ENTITY,
    NotFoundError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    StaleRevisionError: HTTPStatus.PRECONDITION_FAILED,
    UnauthorizedError: HTTPStatus.UNAUTHORIZED,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    TooManyRequestsError: HTTPStatus.TOO_MANY_REQUESTS,
    DatabaseUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    NoWorkerError: HTTPStatus.SERVICE_UNAVAILABLE,
    MediaStoreError: HTTPStatus.INSUFFICIENT_STORAGE,
    SchemaVersionError: HTTPStatus.SERVICE_UNAVAILABLE,
}
_CODES: Final[Mapping[HTTPStatus, str]] = {
    # Of errors that the framework raises; http.HTTPStatus renames some from one Python to the next.
    HTTPStatus.BAD_REQUEST: "BAD_REQUEST",
    HTTPStatus.NOT_FOUND: NotFoundError.code,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "BODY_TOO_LARGE",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "UNSUPPORTED_MEDIA_TYPE",
}
_PUBLIC_DETAIL: Final[Mapping[type[VestnikError], str]] = {
    # The driver's words name hosts and roles; they belong into the log.
    DatabaseUnavailableError: "The database cannot be reached; the operator finds the reason in the log.",
    MediaStoreError: "The file cannot be kept or read here; the operator finds the reason in the log.",
}


def make_problem(
    status: HTTPStatus | int,
    detail: str,
    *,
    code: str,
    headers: Mapping[str, str] | None = None,
    **members: object,
) -> JSONResponse:
    """A problem document, with those further members that are not None; a 503 says when to come again."""
    status = HTTPStatus(status)
    body: dict[str, object] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
        "code": code,
    }
    body |= {name: value for name, value in members.items() if value is not None}
    headers = dict(headers or {})
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
    if status is HTTPStatus.UNAUTHORIZED:
        headers.setdefault("WWW-Authenticate", "Bearer")
    return JSONResponse(body, status_code=status.value, headers=headers, media_type=MEDIA_TYPE)


def find_status(error: VestnikError) -> HTTPStatus:
    """The HTTP status of one of our own errors; 500 for those that no caller can have caused."""
    kind = next((kind for kind in type(error).__mro__ if kind in _STATUS), None)
    return HTTPStatus.INTERNAL_SERVER_ERROR if kind is None else _STATUS[kind]


def render_error(error: VestnikError) -> JSONResponse:
    """The problem document of one of our own errors; what has no status of its own is a 500."""
    kind = next((kind for kind in type(error).__mro__ if kind in _STATUS), None)
    if kind is None:
        log.error("api.error", code=error.code, exc_info=error)
        return make_problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong.", code=error.code)
    if kind in _PUBLIC_DETAIL:
        log.warning("api.unavailable", code=error.code, reason=error.message)
    headers: dict[str, str] = {}
    if isinstance(error, TooManyRequestsError):
        headers["Retry-After"] = str(math.ceil(error.retry_after))
    return make_problem(
        _STATUS[kind],
        _PUBLIC_DETAIL.get(kind, error.message),
        code=error.code,
        headers=headers,
        field=_name_field(error),
        resumesAt=_write_time(error.until) if isinstance(error, AccountHeldError) else None,
    )


def _name_field(error: VestnikError) -> str | None:
    """As the caller writes it: fields in camelCase, headers as they are."""
    field = error.field
    if field == "token" and isinstance(error, InvalidInputError):
        return field  # a bot's token, and not the id of one of ours
    if field in _REFERENCES:
        return f"{field}Id"
    return to_camel(field) if field is not None and field.islower() else field


def _write_time(moment: datetime) -> str:
    """As Pydantic writes all other times."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def install_problem_handlers(app: FastAPI) -> None:
    """Make every answer that is an error a problem document."""
    app.add_exception_handler(VestnikError, _handle_vestnik_error)
    app.add_exception_handler(HTTPException, _handle_http_exception)
    app.add_exception_handler(RequestValidationError, _handle_validation_error)
    app.add_exception_handler(ReplayedAnswer, _handle_replayed_answer)
    app.add_exception_handler(Exception, answer_unexpected)


async def _handle_vestnik_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, VestnikError)
    return render_error(error)


async def _handle_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        # The framework names only the methods of the first route that fits.
        return refuse_method(list_methods(request.app, request.url.path))
    if error.detail == _UNPARSABLE:
        return make_problem(status, "The body is not JSON, or not in UTF-8.", code="MALFORMED_JSON")
    return make_problem(
        status, str(error.detail), code=_CODES.get(status, f"HTTP_{status.value}"), headers=error.headers
    )


def refuse_method(methods: Sequence[str]) -> JSONResponse:
    """A 405 that says which methods there are."""
    allowed = ", ".join(methods)
    return make_problem(
        HTTPStatus.METHOD_NOT_ALLOWED,
        f"This address takes {allowed}.",
        code="METHOD_NOT_ALLOWED",
        headers={"Allow": allowed},
    )


def list_methods(app: Starlette, path: str, *, fixed_only: bool = False) -> list[str]:
    """The methods of all routes that a path leads to; of those without placeholders if there are any.

    HEAD is wherever GET is, see `HeadAnswerer`.
    """
    fixed: set[str] = set()
    filled: set[str] = set()
    for route in iter_route_contexts(app.routes):
        if route.path == path:
            fixed |= route.methods or set()
        elif not fixed_only and route.path_regex.match(path):
            filled |= route.methods or set()
    methods = fixed or filled
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)


async def _handle_validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    if tuple(error.errors()[0]["loc"]) == ("body",) and not _is_json(request):
        return make_problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "The body has to be JSON: send the header Content-Type: application/json.",
            code="UNSUPPORTED_MEDIA_TYPE",
            field="Content-Type",
        )
    items = error.errors()[:MOST_FIELD_ERRORS]
    twice = _list_second_spellings(items, {"body": error.body, "query": request.query_params})
    found = [_describe_field_error(item, twice.get(tuple(item["loc"]))) for item in items]
    if error.errors()[0]["type"] == "json_invalid":
        return make_problem(
            HTTPStatus.BAD_REQUEST, "The body is not JSON: " + found[0]["detail"], code="MALFORMED_JSON"
        )
    field, detail = found[0]["field"], found[0]["detail"]
    return make_problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        f"{field}: {detail}" if field else detail,
        code=InvalidInputError.code,
        field=field or None,
        errors=found,
    )


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def _list_second_spellings(
    items: Sequence[Mapping[str, Any]], given: Mapping[str, object]
) -> dict[tuple[str | int, ...], str]:
    """Of fields that are given as `batchId` and as `batch_id`: where the unused one is, and the used one."""
    unknown = {tuple(item["loc"]) for item in items if item["type"] == "extra_forbidden"}
    found = {}
    for where in unknown:
        *above, name = where
        other = to_camel(str(name))
        if other != name and (*above, other) not in unknown and other in _dig(given, above):
            found[where] = other
    return found


def _dig(given: object, path: Sequence[str | int]) -> Mapping[str, Any]:
    """The object at a path of names and places; an empty one where Pydantic's path is made of more than these."""
    try:
        for part in path:
            given = given[part]  # type: ignore[index]  # what else it may be is told by the error
    except (LookupError, TypeError):
        return {}
    return given if isinstance(given, Mapping) else {}


def _describe_field_error(item: dict[str, Any], other_spelling: str | None) -> dict[str, str]:
    """The field as the caller wrote it (`items.0.name`), and what is wrong with it; never the value."""
    source, *rest = item["loc"] or ("body",)
    inside = rest if source in {"body", "query", "path", "header", "cookie"} else item["loc"]
    where = [str(part) for part in inside if not _INNER_PART.match(str(part))]
    if source == "path":
        where = [to_camel(part) for part in where]
    if item["type"] == "json_invalid":
        return {"field": "", "detail": str(item.get("ctx", {}).get("error", item["msg"]))}
    if item["type"] == "missing" and not where:
        detail = "the body is missing"
    elif other_spelling is not None:
        detail = f"this field is given twice, also as {other_spelling}; leave one of them out"
    else:
        detail = _explain(item)
    return {"field": ".".join(where), "detail": detail}


def _explain(item: dict[str, Any]) -> str:
    """Pydantic's words where they are plain, and ours where they are not."""
    detail = _DECIMAL.sub(r"\1", str(item["msg"]).removeprefix("Value error, "))
    if item["type"] == "string_pattern_mismatch":
        return COMPLAINTS.get(item["ctx"]["pattern"], detail)
    if item["type"] == "string_unicode":
        return "holds half of a surrogate pair, which is no character"
    if item["type"] == "extra_forbidden":
        return "this field is unknown; leave it out"
    return detail


async def _handle_replayed_answer(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ReplayedAnswer)
    return Response(
        error.body,
        status_code=error.status,
        headers={**error.headers, "Idempotency-Replayed": "true"},
        media_type="application/json",
    )


async def answer_unexpected(request: Request, error: Exception) -> JSONResponse:
    """Log what went wrong, and say no more than that something did."""
    log.error("api.unexpected_error", method=request.method, route=request.url.path, exc_info=error)
    return make_problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong.", code="UNEXPECTED")
