"""Formatting of a text, as Telegram keeps it: what applies where.

Offsets and lengths count UTF-16 units (core.telegram.org/api/entities).
"""

from dataclasses import dataclass
from enum import StrEnum


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
