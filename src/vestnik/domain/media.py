"""Media that go with a text: what they are, and how a template refers to them."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from vestnik.domain.errors import InvalidInputError
from vestnik.domain.ids import MediaId

LONGEST_URL: Final = 2048
LONGEST_FILE_NAME: Final = 255
MIB: Final = 1024 * 1024
LARGEST_PHOTO: Final = 10 * MIB
"""Bytes (https://core.telegram.org/bots/api#sendphoto)."""
LARGEST_UPLOAD: Final = 200 * MIB
"""Bytes of any other file. Telegram itself takes 4,000 parts of 512 KiB."""
_NO_URL: Final = re.compile(r"[^\x21-\x7e\u00a1-\U0010ffff]")
_NO_NAME: Final = re.compile(r"[\x00-\x1f\x7f/\\\ud800-\udfff]")


class MediaType(StrEnum):
    """As what Telegram shows a file."""

    PHOTO = "photo"
    VIDEO = "video"
    DOCUMENT = "document"
    ANIMATION = "animation"
    AUDIO = "audio"
    VOICE = "voice"

    @property
    def largest(self) -> int:
        """How many bytes such a file may have."""
        return LARGEST_PHOTO if self is MediaType.PHOTO else LARGEST_UPLOAD


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaFacts:
    """What the bytes of a file say of themselves; `duration` is in seconds."""

    mime_type: str
    width: int | None = None
    height: int | None = None
    duration: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaFile:
    """A stored file as it is posted; `sha256` (hexadecimal) is also where its bytes are found."""

    media_id: MediaId
    kind: MediaType
    sha256: str
    size: int
    mime_type: str
    name: str
    width: int | None = None
    height: int | None = None
    duration: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaReference:
    """How a template names its file: by the id of a stored one, or by an address to fetch it from."""

    kind: MediaType | None
    """None: as what it was stored."""
    media_id: MediaId | None = None
    url: str | None = None


def check_media(
    media_type: str | None, media_url: str | None = None, media_id: UUID | None = None
) -> MediaReference | None:
    """The file that a template names; None for none. Raises InvalidInputError."""
    if media_url is not None and media_id is not None:
        raise InvalidInputError(
            "a stored file and an address are both given; give one of them", field="media_id"
        )
    kind = None if media_type is None else read_media_type(media_type, field="media_type")
    if media_id is not None:
        return MediaReference(kind=kind, media_id=MediaId(media_id))
    if media_url is None:
        if kind is None:
            return None
        raise InvalidInputError(f"a {kind} needs a stored file or an address", field="media_id")
    if kind is None:
        raise InvalidInputError("a media address is given without its type", field="media_type")
    problem = find_address_problem(media_url)
    if problem is not None:
        raise InvalidInputError(f"the media address {problem}", field="media_url")
    return MediaReference(kind=kind, url=media_url)


def read_media_type(value: str, *, field: str = "kind") -> MediaType:
    """Raises InvalidInputError that lists the types there are."""
    try:
        return MediaType(value)
    except ValueError:
        kinds = ", ".join(MediaType)
        raise InvalidInputError(f"the media type is one of {kinds}", field=field) from None


def check_file_name(name: str, *, field: str = "name") -> str:
    """The last part of the name that a file came under, which readers of a document see.

    Raises InvalidInputError for one that is empty, too long or holds what no name may hold.
    """
    last = re.split(r"[/\\]", name)[-1].strip()
    if not last or last in {".", ".."} or _NO_NAME.search(last):
        raise InvalidInputError("the file needs a name such as photo.jpg", field=field)
    if len(last.encode()) > LONGEST_FILE_NAME:
        raise InvalidInputError(
            f"the file's name has {len(last.encode()):,} bytes; {LONGEST_FILE_NAME} is the most", field=field
        )
    return last


def describe_size(size: int) -> str:
    """`9.5 MiB`, `312 bytes`."""
    return f"{size:,} bytes" if size < MIB // 10 else f"{size / MIB:.1f} MiB"


def find_address_problem(url: str) -> str | None:
    """Why nothing can be asked of an address of the web; None if something can."""
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
