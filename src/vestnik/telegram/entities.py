"""Formatting as Telethon's types write it; the offsets are UTF-16 units in both."""

from collections.abc import Callable, Sequence
from typing import Final

from telethon.tl import TLObject, types

from vestnik.domain.entities import EntityType, MessageEntity

_PLAIN: Final[dict[EntityType, Callable[[int, int], TLObject]]] = {
    EntityType.BOLD: types.MessageEntityBold,
    EntityType.ITALIC: types.MessageEntityItalic,
    EntityType.UNDERLINE: types.MessageEntityUnderline,
    EntityType.STRIKETHROUGH: types.MessageEntityStrike,
    EntityType.SPOILER: types.MessageEntitySpoiler,
    EntityType.CODE: types.MessageEntityCode,
}


def make_entities(entities: Sequence[MessageEntity]) -> list[TLObject] | None:
    """What a request to post carries; None for a text without formatting.

    Telethon's client would read markup itself, and drop what it does not know; raw requests carry these unchanged.
    """
    return [_make_entity(entity) for entity in entities] or None


def _make_entity(entity: MessageEntity) -> TLObject:
    offset, length = entity.offset, entity.length
    match entity.type:
        case EntityType.PRE:
            return types.MessageEntityPre(offset, length, language=entity.language or "")
        case EntityType.TEXT_LINK:
            return types.MessageEntityTextUrl(offset, length, url=entity.url)
        case EntityType.BLOCKQUOTE | EntityType.EXPANDABLE_BLOCKQUOTE:
            return types.MessageEntityBlockquote(offset, length, collapsed=entity.collapsed or None)
        case EntityType.CUSTOM_EMOJI:
            return types.MessageEntityCustomEmoji(offset, length, document_id=entity.custom_emoji_id)
        case EntityType.TEXT_MENTION:
            # Needs the access hash of the person; no template with one is ever saved (content.check_template).
            raise ValueError("people cannot be mentioned by their number")
        case plain:
            return _PLAIN[plain](offset, length)
