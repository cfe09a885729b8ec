"""Text with formatting: which entities Telegram keeps together, and in which order."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from vestnik.domain.entities import EntityType, MessageEntity

__all__ = [
    "ATOMS",
    "LITERALS",
    "QUOTES",
    "STYLES",
    "EntityType",
    "FormattedText",
    "MessageEntity",
    "may_contain",
    "sort_entities",
]

QUOTES: Final = frozenset({EntityType.BLOCKQUOTE, EntityType.EXPANDABLE_BLOCKQUOTE})
STYLES: Final = frozenset({
    EntityType.BOLD, EntityType.ITALIC, EntityType.UNDERLINE, EntityType.STRIKETHROUGH, EntityType.SPOILER,
})  # fmt: skip
LITERALS: Final = frozenset({EntityType.CODE, EntityType.PRE})
ATOMS: Final = LITERALS | {EntityType.TEXT_LINK, EntityType.TEXT_MENTION, EntityType.CUSTOM_EMOJI}
"""What is never split and never holds another of its kind."""

_RANK: Final = {kind: rank for rank, kind in enumerate(EntityType)}


@dataclass(frozen=True, kw_only=True, slots=True)
class FormattedText:
    """A text and its entities, outer ones first."""

    text: str
    entities: tuple[MessageEntity, ...] = ()


def sort_entities(entities: Iterable[MessageEntity]) -> list[MessageEntity]:
    """By offset; of those that begin together the longest first, then quotes, links and the like, styles."""
    return sorted(entities, key=lambda entity: (entity.offset, -entity.length, _RANK[entity.type]))


def may_contain(outer: EntityType, inner: EntityType) -> bool:
    """Whether Telegram keeps both.

    core.telegram.org/bots/api#formatting-options: styles can contain and be part of anything but pre and code;
    quotes cannot be nested; the others cannot contain each other. That a quote may hold links, code and custom
    emoji is TDLib's reading (td/telegram/MessageEntity.cpp, fix_entities), the one that the Bot API runs on.
    """
    if outer in LITERALS:
        return False
    if outer in QUOTES:
        return inner not in QUOTES
    if outer in STYLES:
        return inner not in LITERALS
    return inner in STYLES
