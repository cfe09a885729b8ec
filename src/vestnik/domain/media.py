"""References to media that go with a text."""

import re
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from vestnik.domain.errors import InvalidInputError

LONGEST_URL: Final = 2048
_NO_URL: Final = re.compile(r"[^\x21-\x7e\u00a1-\U0010ffff]")


class MediaType(StrEnum):
    """As what Telegram shows a file."""

    PHOTO = "photo"
    VIDEO = "video"
    DOCUMENT = "document"
    ANIMATION = "animation"
    AUDIO = "audio"


def check_media(media_type: str | None, media_url: str | None) -> tuple[MediaType, str] | None:
    """The kind and address of a file; None for none. Raises InvalidInputError."""
    if media_type is None and media_url is None:
        return None
    if media_type is None:
        raise InvalidInputError("a media address is given without its type", field="media_type")
    if media_type not in set(MediaType):
        kinds = ", ".join(MediaType)
        raise InvalidInputError(f"the media type is one of {kinds}", field="media_type")
    if media_url is None:
        raise InvalidInputError(f"a {media_type} needs its address", field="media_url")
    problem = _find_problem(media_url)
    if problem is not None:
        raise InvalidInputError(f"the media address {problem}", field="media_url")
    return MediaType(media_type), media_url


def _find_problem(url: str) -> str | None:
    if len(url) > LONGEST_URL:
        return f"has {len(url):,} characters; {LONGEST_URL:,} is the most"
    if _NO_URL.search(url):
        return "holds a blank or a character that cannot be shown"
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname)
        _ = parts.port
    except ValueError:
        return "cannot be read"
    if parts.scheme not in {"http", "https"} or not has_host:
        return "must begin with https:// or http:// and name a host"
    if "@" in parts.netloc:
        return "must not hold a user name or password"
    return None
