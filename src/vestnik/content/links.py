"""Addresses within a text, of which Telegram may show a preview."""

import re
from collections.abc import Sequence
from typing import Final

from vestnik.content.entities import EntityType, MessageEntity
from vestnik.content.limits import count_units

_LINK: Final = re.compile(r"https?://[^\s<>\"']+", re.IGNORECASE)


def find_first_link(text: str, entities: Sequence[MessageEntity]) -> str | None:
    """The first address that begins with http:// or https://, in the text or behind it."""
    links = [
        (entity.offset, entity.url)
        for entity in entities
        if entity.type is EntityType.TEXT_LINK and entity.url and _LINK.match(entity.url)
    ]
    written = _LINK.search(text)
    if written is not None:
        links.append((count_units(text[: written.start()]), written[0].rstrip(".,;:!?)")))
    return min(links)[1] if links else None
