"""Ids of the predecessor in what is asked: `/api/campaigns/clx2a…` is what was taken over under that id.

So is `clx2a…` where a body or a query names a batch, campaign, channel, person or template by its id.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vestnik.db.legacy_ids import KINDS, MAX_LENGTH, find_by_legacy_id, find_by_legacy_ids
from vestnik.domain.errors import VestnikError
from vestnik.web.problems import list_methods, render_error
from vestnik.web.state import read_state

_ROOTS: Final = {kind: f"/api/{kind}/" for kind in KINDS}
_NOUNS: Final = {
    "batch": "batches",
    "campaign": "campaigns",
    "channel": "channels",
    "template": "templates",
    "user": "users",
}
_FIELDS: Final = {
    f"{noun}{ending}": kind for noun, kind in _NOUNS.items() for ending in ("Id", "Ids", "_id", "_ids")
}
"""What is named by fields of bodies and queries."""
_MENTION: Final = re.compile(rb'"(?:%s)"' % "|".join(_FIELDS).encode())

Known = Mapping[str, Mapping[str, UUID]]
"""Our ids by those of the predecessor, of each kind."""


class LegacyIdTranslator:
    """Puts our id in the place of one of the predecessor's before a route is chosen and its input is read.

    Ids that were UUIDs there are the same here. What is neither goes on as it is, and the route complains.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on."""
        if scope["type"] != "http" or not str(scope["path"]).startswith("/api/"):
            await self._app(scope, receive, send)
            return
        try:
            scope = await _translate_query(await _translate_path(scope))
            if _has_json(scope):
                scope, receive = await _translate_body(scope, receive)
        except VestnikError as exc:
            await render_error(exc)(scope, receive, send)
            return
        await self._app(scope, receive, send)


# -- the path -----------------------------------------------------------------------------------------------------


async def _translate_path(scope: Scope) -> Scope:
    found = _find_legacy_id(scope)
    if found is None:
        return scope
    kind, legacy_id = found
    ours = await read_state(scope["app"]).database.look(
        lambda session: find_by_legacy_id(session, kind, legacy_id)
    )
    if ours is None:
        return scope
    root = _ROOTS[kind]
    path = f"{root}{ours}{scope['path'][len(root) + len(legacy_id) :]}"
    return {**scope, "path": path, "raw_path": path.encode()}


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


# -- the query ----------------------------------------------------------------------------------------------------


async def _translate_query(scope: Scope) -> Scope:
    if b"Id" not in scope["query_string"] and b"_id" not in scope["query_string"]:
        return scope
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    known = await _look_up(scope, [pair for pair in pairs if pair[0] in _FIELDS])
    if not known:
        return scope
    translated = [(name, _translate_value(known, name, value)) for name, value in pairs]
    return {**scope, "query_string": urlencode(translated).encode()}


# -- the body -----------------------------------------------------------------------------------------------------


def _has_json(scope: Scope) -> bool:
    kind = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


async def _translate_body(scope: Scope, receive: Receive) -> tuple[Scope, Receive]:
    """The same request when nothing in it is to be translated; its body has been read by then."""
    replay = _Replay(receive)
    raw = await replay.read()
    if raw is None or not _MENTION.search(raw):
        return scope, replay
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return scope, replay
    mentions = list(_list_mentions(body))
    known = await _look_up(
        scope, [(name, value) for owner, name in mentions for value in _list_values(owner[name])]
    )
    if not known:
        return scope, replay
    for owner, name in mentions:
        owner[name] = _translate_field(known, name, owner[name])
    try:
        translated = json.dumps(body).encode()  # whoever reads it does so with json.loads as well
    except RecursionError:
        return scope, replay
    replay.replace(translated)
    headers = MutableHeaders(raw=list(scope["headers"]))
    if "content-length" in headers:
        headers["content-length"] = str(len(translated))
    return {**scope, "headers": headers.raw}, replay


class _Replay:
    """Reads a body, and gives it to whoever asks next as it came or as it was replaced."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._messages: list[Message] = []
        self._failure: HTTPException | None = None

    async def read(self) -> bytes | None:
        """All of it; None where it broke off, which is told again to whoever asks next."""
        parts: list[bytes] = []
        more = True
        while more:
            try:
                message = await self._receive()
            except HTTPException as exc:  # it is too long, which is answered further inside
                self._failure = exc
                return None
            self._messages.append(message)
            if message["type"] != "http.request":
                return None
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)
        return b"".join(parts)

    def replace(self, body: bytes) -> None:
        """Give this instead."""
        self._messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def __call__(self) -> Message:
        """The next message."""
        if self._messages:
            return self._messages.pop(0)
        if self._failure is not None:
            raise self._failure
        return await self._receive()


def _list_mentions(body: object) -> Iterator[tuple[dict[str, object], str]]:
    """Each field that names something by its id, and the object that it is in; without recursion, however deep."""
    waiting: list[object] = [body]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            yield from ((found, name) for name in found if name in _FIELDS)
        waiting += _list_parts(found)


def _list_parts(found: object) -> list[object]:
    parts = found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
    return [part for part in parts if isinstance(part, dict | list)]


def _list_values(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _translate_field(known: Known, name: str, value: object) -> object:
    if isinstance(value, list):
        return [_translate_value(known, name, part) for part in value]
    return _translate_value(known, name, value)


def _translate_value(known: Known, name: str, value: object) -> object:
    legacy_id = _read_legacy_id(value)
    if name not in _FIELDS or legacy_id is None:
        return value
    ours = known.get(_FIELDS[name], {}).get(legacy_id)
    return value if ours is None else str(ours)


# -- looking up ---------------------------------------------------------------------------------------------------


async def _look_up(scope: Scope, named: list[tuple[str, object]]) -> Known:
    """What is known of the values of these fields; empty when nothing is."""
    wanted: dict[str, set[str]] = {}
    for name, value in named:
        if (legacy_id := _read_legacy_id(value)) is not None:
            wanted.setdefault(_FIELDS[name], set()).add(legacy_id)
    known: dict[str, Mapping[str, UUID]] = {}
    for kind, legacy_ids in wanted.items():
        look = partial(find_by_legacy_ids, kind=kind, legacy_ids=legacy_ids)
        if found := await read_state(scope["app"]).database.look(look):
            known[kind] = found
    return known


def _read_legacy_id(value: object) -> str | None:
    """What can only be one of the predecessor's ids; those may be numbers, and no text that PostgreSQL refuses."""
    text = str(value) if type(value) is int and abs(value) < 2**63 else value
    if isinstance(text, str) and 0 < len(text) <= MAX_LENGTH and text.isprintable() and not _is_ours(text):
        return text
    return None


def _is_ours(text: str) -> bool:
    """Whether it is a UUID as we write them; the predecessor may have had others, without hyphens say."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
