"""What Telegram accepts as a text or caption, counted in UTF-16 units."""

from typing import Final

from telethon.tl import TLObject

from vestnik.domain.limits import MAX_CAPTION_UTF16, MAX_TEXT_UTF16, count_utf16
from vestnik.simulator.failures import RpcFailure

MAX_ENTITIES: Final = 100


def check_text(text: str) -> str:
    """The text as it is stored, without white space at its end; MESSAGE_EMPTY, MESSAGE_TOO_LONG."""
    text = text.rstrip()
    if not text:
        raise RpcFailure(400, "MESSAGE_EMPTY")
    if _is_longer(text, MAX_TEXT_UTF16):
        raise RpcFailure(400, "MESSAGE_TOO_LONG")
    return text


def check_caption(text: str) -> str:
    """A caption, which may be empty; MEDIA_CAPTION_TOO_LONG."""
    text = text.rstrip()
    if _is_longer(text, MAX_CAPTION_UTF16):
        raise RpcFailure(400, "MEDIA_CAPTION_TOO_LONG")
    return text


def check_entities(entities: list[TLObject] | None, text: str) -> list[TLObject] | None:
    """Those that lie within the text, at most 100 as Telegram keeps; ENTITY_BOUNDS_INVALID."""
    if not entities:
        return None
    size = count_utf16(text)
    kept = []
    for entity in entities[:MAX_ENTITIES]:
        if entity.offset < 0 or entity.length <= 0:
            raise RpcFailure(400, "ENTITY_BOUNDS_INVALID")
        if entity.offset < size:
            entity.length = min(entity.length, size - entity.offset)
            kept.append(entity)
    return kept or None


def _is_longer(text: str, limit: int) -> bool:
    if len(text) > limit:
        return True
    return len(text) * 2 > limit and count_utf16(text) > limit
