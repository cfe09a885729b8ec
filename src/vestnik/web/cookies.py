"""The cookie of a signed-in browser."""

import ipaddress
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from vestnik.db.sessions import ABSOLUTE_LIMIT
from vestnik.web.identity import SESSION_COOKIE

_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-forwarded-proto")


def put_session_cookie(request: Request, response: Response, cookie: str) -> None:
    """Give it to the browser; pages cannot read it, and other sites cannot make the browser send it along."""
    response.set_cookie(
        SESSION_COOKIE,
        cookie,
        max_age=int(ABSOLUTE_LIMIT.total_seconds()),
        path="/",
        httponly=True,
        samesite="lax",
        secure=not _is_local_http(request),
    )


def clear_session_cookie(request: Request, response: Response) -> None:
    """Take it away."""
    response.delete_cookie(
        SESSION_COOKIE, path="/", httponly=True, samesite="lax", secure=not _is_local_http(request)
    )


def _is_local_http(request: Request) -> bool:
    """Whether the browser itself is on this machine and speaks plain HTTP, where Secure cookies may not work.

    What a proxy passed on may have come over anything, even if it calls us localhost.
    """
    if request.url.scheme != "http" or any(name in request.headers for name in _FORWARDED):
        return False
    host = request.url.hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
