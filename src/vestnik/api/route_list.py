"""The list of all routes with the role that each needs, as docs/reference/api.md has it."""

from collections.abc import Iterator

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

HEADING = """# The API

Every route, and the role that it is open to: a VIEWER reads, an OPERATOR may also do what a VIEWER may, an ADMIN
everything. The running API describes itself at `/api/docs` (a page) and `/api/openapi.json` (OpenAPI 3.1).

| method | path | role | what |
|---|---|---|---|
"""


def list_routes(app: FastAPI) -> Iterator[tuple[str, str, str, str]]:
    """Method, path, role and first sentence of each route, in the order of the paths.

    Raises KeyError for a route that declares no role.
    """
    routes = [route for route in iter_route_contexts(app.routes) if route.include_in_schema]
    for route in sorted(routes, key=lambda route: (route.path or "", sorted(route.methods or ()))):
        role = (route.openapi_extra or {})["x-role"]
        sentence = route.description.split("\n\n")[0].replace("\n", " ")
        for method in sorted(route.methods or ()):
            yield method, route.path or "", role, sentence


def render_route_list(app: FastAPI) -> str:
    """The page."""
    rows = (
        f"| {method} | `{path}` | {role} | {text.replace('|', chr(92) + '|')} |"
        for method, path, role, text in list_routes(app)
    )
    return HEADING + "\n".join(rows) + "\n"
