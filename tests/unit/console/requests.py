"""Requests as a browser sends them, without a server."""

from starlette.requests import Request


def make_request(path: str = "/", query: str = "", **headers: str) -> Request:
    """A GET; `accept_language` becomes Accept-Language."""
    return Request({
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()],
        "server": ("testserver", 80),
        "scheme": "http",
    })  # fmt: skip
