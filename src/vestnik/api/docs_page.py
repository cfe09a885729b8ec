"""The description of the API as a page: made on the server from the OpenAPI document, without scripts."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, PlainTextResponse, Response

from vestnik.web.identity import allow_anyone

STYLE: Final = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 22%, transparent); }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 62rem; padding: 1rem; }
h2 { border-bottom: 1px solid var(--line); margin-top: 2.5rem; text-transform: capitalize; }
details { border: 1px solid var(--line); border-radius: .4rem; margin: .5rem 0; padding: .4rem .8rem; }
summary { cursor: pointer; overflow-wrap: anywhere; }
summary b { display: inline-block; min-width: 4.2rem; }
summary i { float: right; font-size: .8rem; opacity: .75; }
table { border-collapse: collapse; display: block; overflow-x: auto; width: 100%; }
td, th { border-top: 1px solid var(--line); padding: .25rem .6rem .25rem 0; text-align: left; vertical-align: top; }
pre { overflow-x: auto; }
code { overflow-wrap: anywhere; }
"""
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def add_docs_page(app: FastAPI, *, prefix: str) -> None:
    """Serve the page at /docs below the prefix."""

    @app.get(f"{prefix}/docs", include_in_schema=False, **allow_anyone())
    async def show_docs() -> Response:
        page = "".join(_render(app.openapi(), prefix))
        return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY})

    @app.get(f"{prefix}/docs.css", include_in_schema=False, **allow_anyone())
    async def show_style() -> Response:
        return PlainTextResponse(STYLE, media_type="text/css")


def _render(schema: Mapping[str, Any], prefix: str) -> Iterator[str]:
    title = escape(f"{schema['info']['title']} {schema['info']['version']}")
    yield (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{title}: API</title><link rel="stylesheet" href="{prefix}/docs.css"></head><body><h1>{title}</h1>'
    )
    for block in schema["info"]["description"].strip().split("\n\n"):
        yield from _render_block(block)
    yield f'<p><a href="{prefix}/openapi.json">OpenAPI document</a></p>'
    by_tag: dict[str, list[tuple[str, str, Mapping[str, Any]]]] = defaultdict(list)
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            by_tag[(operation.get("tags") or ["other"])[0]].append((path, method, operation))
    for tag, found in by_tag.items():
        yield f'<h2 id="{escape(tag)}">{escape(tag)}</h2>'
        for path, method, operation in found:
            yield from _render_operation(schema, path, method, operation)
    yield "</body></html>"


def _render_block(block: str) -> Iterator[str]:
    if block.startswith("* "):
        items = block.removeprefix("* ").split("\n* ")
        yield "<ul>" + "".join(f"<li>{_mark_code(item)}</li>" for item in items) + "</ul>"
    else:
        yield f"<p>{_mark_code(block)}</p>"


def _mark_code(text: str) -> str:
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))


def _render_operation(
    schema: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]
) -> Iterator[str]:
    role = escape(str(operation.get("x-role", "")).lower())
    yield f"<details><summary><b>{method.upper()}</b> <code>{escape(path)}</code><i>{role}</i></summary>"
    yield f"<p>{_mark_code(operation.get('description') or operation.get('summary', ''))}</p>"
    if parameters := operation.get("parameters"):
        rows = [
            (item["name"], item["in"], item.get("schema", {}), item.get("required"), item.get("description"))
            for item in parameters
        ]
        yield "<table><tr><th>parameter</th><th>in</th><th>what</th></tr>"
        yield "".join(
            f"<tr><td><code>{escape(name)}</code>{' *' if required else ''}</td><td>{escape(where)}</td>"
            f"<td>{escape(_describe(what))}{'. ' + _mark_code(text) if text else ''}</td></tr>"
            for name, where, what, required, text in rows
        )
        yield "</table>"
    for content_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Body, <code>{escape(content_type)}</code>:</p>"
        yield from _render_schema(schema, content.get("schema", {}))
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            yield f"<p>{escape(status)}: {escape(response.get('description', ''))}</p>"
            for content in response.get("content", {}).values():
                yield from _render_schema(schema, content.get("schema", {}), content.get("example"))
    refusals = ", ".join(status for status in operation["responses"] if not status.startswith("2"))
    yield f"<p>Errors: {escape(refusals)}</p></details>"


def _render_schema(
    schema: Mapping[str, Any], part: Mapping[str, Any], example: object = None
) -> Iterator[str]:
    if "$ref" in part:
        part = schema["components"]["schemas"][part["$ref"].rpartition("/")[2]]
    if example is None and part.get("examples"):
        example = part["examples"][0]
    if example is not None:
        yield f"<pre><code>{escape(json.dumps(example, indent=2, ensure_ascii=False))}</code></pre>"
    if not part.get("properties"):
        return
    yield "<table><tr><th>field</th><th>what</th></tr>"
    required = set(part.get("required", ()))
    for name, what in part["properties"].items():
        text = f". {_mark_code(what['description'])}" if what.get("description") else ""
        star = " *" if name in required else ""
        yield (f"<tr><td><code>{escape(name)}</code>{star}</td><td>{escape(_describe(what))}{text}</td></tr>")
    yield "</table>"


def _describe(what: Mapping[str, Any]) -> str:
    """A type in a few words."""
    if "$ref" in what:
        return str(what["$ref"]).rpartition("/")[2]
    if "enum" in what:
        return " | ".join(str(value) for value in what["enum"])
    if options := what.get("anyOf") or what.get("oneOf"):
        return " or ".join(_describe(option) for option in options)
    if what.get("type") == "array":
        return f"list of {_describe(what.get('items', {}))}"
    words = [str(what.get("format") or what.get("type") or "anything")]
    limits = {"minimum": "from", "maximum": "to", "minLength": "at least", "maxLength": "at most"}
    words += [f"{word} {what[key]}" for key, word in limits.items() if key in what]
    return " ".join(words)
