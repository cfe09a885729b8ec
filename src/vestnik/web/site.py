"""One address for both: what is below /api is the API's, the checks of health too, and everything else a page."""

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

API_PATHS: Final = frozenset({"/api", "/healthz", "/readyz", "/metrics"})


class Site:
    """Hands each request to the application whose it is; the API's starts and ends the process."""

    def __init__(self, api: ASGIApp, console: ASGIApp) -> None:
        self._api = api
        self._console = console

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on."""
        is_page = scope["type"] == "http" and not _is_of_api(scope["path"])
        await (self._console if is_page else self._api)(scope, receive, send)


def _is_of_api(path: str) -> bool:
    return path in API_PATHS or path.startswith("/api/")
