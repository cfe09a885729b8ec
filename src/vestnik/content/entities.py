"""Text with formatting, as Telegram keeps it: the bare text, and entities that say what applies where.

Offsets and lengths count UTF-16 units (core.telegram.org/api/entities).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class EntityType(StrEnum):
    """The Bot API's names (core.telegram.org/bots/api#messageentity).

    Addresses, mentions and hashtags that stand in the text are found by Telegram itself and are not ours to give.
    """

    BLOCKQUOTE = "blockquote"
    EXPANDABLE_BLOCKQUOTE = "expandable_blockquote"
    PRE = "pre"
    CODE = "code"
    TEXT_LINK = "text_link"
    TEXT_MENTION = "text_mention"
    CUSTOM_EMOJI = "custom_emoji"
    BOLD = "bold"
    ITALIC = "italic"
    UNDERLINE = "underline"
    STRIKETHROUGH = "strikethrough"
    SPOILER = "spoiler"


QUOTES: Final = frozenset({EntityType.BLOCKQUOTE, EntityType.EXPANDABLE_BLOCKQUOTE})
STYLES: Final = frozenset({
    EntityType.BOLD, EntityType.ITALIC, EntityType.UNDERLINE, EntityType.STRIKETHROUGH, EntityType.SPOILER,
})  # fmt: skip
LITERALS: Final = frozenset({EntityType.CODE, EntityType.PRE})
ATOMS: Final = LITERALS | {EntityType.TEXT_LINK, EntityType.TEXT_MENTION, EntityType.CUSTOM_EMOJI}
"""What is never split and never holds another of its kind."""

_RANK: Final = {kind: rank for rank, kind in enumerate(EntityType)}


@dataclass(frozen=True, kw_only=True, slots=True)
class MessageEntity:
    """One piece of formatting.

    `url` goes with TEXT_LINK, `language` may go with PRE, `user_id` goes with TEXT_MENTION, `custom_emoji_id`
    with CUSTOM_EMOJI.
    """

    type: EntityType
    offset: int
    length: int
    url: str | None = None
    language: str | None = None
    user_id: int | None = None
    custom_emoji_id: int | None = None

    @property
    def end(self) -> int:
        """The first unit that it does not cover."""
        return self.offset + self.length

    @property
    def collapsed(self) -> bool:
        """Whether it is a quote that the reader unfolds."""
        return self.type is EntityType.EXPANDABLE_BLOCKQUOTE


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
