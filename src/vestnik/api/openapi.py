"""The description of the API: OpenAPI 3.1 at /api/openapi.json, and a page that shows it without foreign hosts."""

from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse

from vestnik.api.examples import Schemas, make_example
from vestnik.web.identity import allow_anyone
from vestnik.web.problems import MEDIA_TYPE

DESCRIPTION: Final = """
Broadcasts posts to Telegram channels in which the account may post.

* JSON in camelCase; snake_case is accepted in requests, unknown fields are refused by name.
* HEAD works wherever GET does; query parameters that are unknown are refused by name too.
* Every error is a problem document (RFC 9457) with a stable `code`; `field` names the input at fault.
* Lists come in pages: hand `nextCursor` back as `cursor`.
* `Idempotency-Key` on a POST makes a repeated request the same request for 24 hours.
* Edits take the `ETag` of what they were made on as `If-Match`; a change that came between is a 412.
* Times are ISO 8601 in UTC.
"""

PROBLEM_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string", "description": "The status in words."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong and what to do, for people."},
        "code": {"type": "string", "description": "Stable, for programs.", "examples": ["INVALID_INPUT"]},
        "field": {"type": "string", "description": "The input at fault."},
        "errors": {
            "type": "array",
            "description": "All fields at fault.",
            "items": {
                "type": "object",
                "required": ["field", "detail"],
                "properties": {"field": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
        "resumesAt": {
            "type": "string",
            "format": "date-time",
            "description": "When a hold of Telegram ends.",
        },
    },
    "examples": [
        {
            "type": "about:blank",
            "title": "Conflict",
            "status": 409,
            "detail": "campaign 'Morning news' is RUNNING; only DRAFT or SCHEDULED can be started",
            "code": "CONFLICT",
            "field": "status",
        }
    ],
}

_ALWAYS: Final = (400, 422, 503)
_GUARDED: Final = (401, 403, 429)
_WITH_INPUT: Final = (404,)
_WITH_BODY: Final = (413, 415)
_WRITING: Final = (409,)
_EDITING: Final = (412,)


def describe_api(app: FastAPI, *, prefix: str) -> None:
    """Make the description complete: the problem documents of every route, and where both are served."""

    @app.get(f"{prefix}/openapi.json", include_in_schema=False, **allow_anyone())
    async def show_openapi() -> JSONResponse:
        return JSONResponse(app.openapi())

    def build() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                summary="Broadcast to Telegram channels",
                description=DESCRIPTION,
                routes=app.routes,
            )
            schema["components"].setdefault("schemas", {})["Problem"] = PROBLEM_SCHEMA
            for name in ("HTTPValidationError", "ValidationError"):
                schema["components"]["schemas"].pop(name, None)
            for operations in schema["paths"].values():
                for method, operation in operations.items():
                    _add_problems(method.upper(), operation)
                    _add_examples(operation, schema["components"]["schemas"])
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = build  # type: ignore[method-assign]


def _add_problems(method: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    for status in _list_problems(method, operation):
        responses.setdefault(
            str(status),
            {
                "description": HTTPStatus(status).phrase,
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        )


def _add_examples(operation: dict[str, Any], schemas: Schemas) -> None:
    for status, response in operation["responses"].items():
        content = response.get("content", {}).get("application/json")
        if status.startswith("2") and content is not None:
            content.setdefault("example", make_example(content["schema"], schemas))


def _list_problems(method: str, operation: dict[str, Any]) -> list[int]:
    found = [*_ALWAYS]
    if operation.get("x-role") != "ANYONE":
        found += _GUARDED
    if operation.get("parameters") or "requestBody" in operation:
        found += _WITH_INPUT
    if "requestBody" in operation:
        found += _WITH_BODY
    if method != "GET":
        found += _WRITING
    if any(parameter["name"] == "If-Match" for parameter in operation.get("parameters", ())):
        found += _EDITING
    return sorted(found)
