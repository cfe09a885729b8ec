"""Our own files for browsers, which may keep them for ever: each address carries a hash of the content."""

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOR_EVER = "public, max-age=31536000, immutable"


class HashedFiles(StaticFiles):
    """Serves a folder; an address without a hash is good, but not kept."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file."""
        response = await super().get_response(path, scope)
        if scope.get("query_string", b"").startswith(b"v="):
            response.headers["Cache-Control"] = FOR_EVER
        else:
            response.headers["Cache-Control"] = "no-cache"
        return response
