"""Ids of the predecessor in addresses: `/api/campaigns/clx2a…` is what was taken over under that id."""

from typing import Final
from uuid import UUID

from starlette.types import ASGIApp, Receive, Scope, Send

from vestnik.db.legacy_ids import KINDS, MAX_LENGTH, find_by_legacy_id
from vestnik.domain.errors import VestnikError
from vestnik.web.problems import list_methods, render_error
from vestnik.web.state import read_state

_ROOTS: Final = {kind: f"/api/{kind}/" for kind in KINDS}


class LegacyIdTranslator:
    """Puts our id in the place of one of the predecessor's before a route is chosen.

    Ids that were UUIDs there are the same here. What is neither goes on as it is, and the route complains.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on."""
        found = _find_legacy_id(scope) if scope["type"] == "http" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        kind, legacy_id = found
        try:
            ours = await read_state(scope["app"]).database.look(
                lambda session: find_by_legacy_id(session, kind, legacy_id)
            )
        except VestnikError as exc:
            await render_error(exc)(scope, receive, send)
            return
        if ours is not None:
            root = _ROOTS[kind]
            path = f"{root}{ours}{scope['path'][len(root) + len(legacy_id) :]}"
            scope = {**scope, "path": path, "raw_path": path.encode()}
        await self._app(scope, receive, send)


def _find_legacy_id(scope: Scope) -> tuple[str, str] | None:
    """The kind of thing and the id in an address that only one of the predecessor's can be meant by."""
    path = str(scope["path"])
    for kind, root in _ROOTS.items():
        if path.startswith(root):
            candidate = path[len(root) :].partition("/")[0]
            if not candidate or len(candidate) > MAX_LENGTH or _is_ours(candidate):
                return None
            is_fixed = bool(list_methods(scope["app"], path, fixed_only=True))
            return None if is_fixed else (kind, candidate)
    return None


def _is_ours(text: str) -> bool:
    """Whether it is a UUID as we write them; the predecessor may have had others, without hyphens say."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
