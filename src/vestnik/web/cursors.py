"""Where a page of a list ended, as text that a caller hands back unread."""

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from vestnik.domain.errors import InvalidInputError

Key = Sequence[datetime | UUID | str | int]


def encode_cursor(key: Key) -> str:
    """The key of the last row of a page."""
    parts = [part if isinstance(part, int) else str(part) for part in key]
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, kinds: Sequence[type]) -> tuple[object, ...]:
    """The key again; `kinds` are datetime, UUID, str or int, one for each part.

    Raises InvalidInputError for anything that `encode_cursor` did not write.
    """
    try:
        return _read_parts(cursor, kinds)
    except (ValueError, binascii.Error, RecursionError):
        raise InvalidInputError(
            "the cursor is not one that a list gave out; take nextCursor of the page before, or leave it out",
            field="cursor",
        ) from None


def _read_parts(cursor: str, kinds: Sequence[type]) -> tuple[object, ...]:
    parts = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    if not isinstance(parts, list) or len(parts) != len(kinds):
        raise ValueError(parts)
    return tuple(_read(part, kind) for part, kind in zip(parts, kinds, strict=True))


def _read(part: object, kind: type) -> object:
    if kind is int:
        if not isinstance(part, int) or isinstance(part, bool) or not -(2**63) <= part < 2**63:
            raise ValueError(part)
        return part
    if not isinstance(part, str) or "\0" in part:
        raise ValueError(part)
    if kind is datetime:
        at = datetime.fromisoformat(part)
        if at.tzinfo is None:
            raise ValueError(part)
        return at
    return UUID(part) if kind is UUID else part.encode().decode()
