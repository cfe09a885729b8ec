"""Albums: two to ten files in one post, each a message of its own for Telegram."""

import hashlib
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from vestnik.domain.errors import InvalidInputError
from vestnik.domain.media import MediaType

LARGEST_ALBUM: Final = 10
"""Files (https://core.telegram.org/method/messages.sendMultiMedia)."""
_TOGETHER: Final = (
    frozenset({MediaType.PHOTO, MediaType.VIDEO}),
    frozenset({MediaType.DOCUMENT}),
    frozenset({MediaType.AUDIO}),
)
"""What may stand in one album (https://core.telegram.org/bots/api#sendmediagroup)."""


def derive_random_ids(random_id: int, count: int) -> tuple[int, ...]:
    """The random_id of each message of a post; the first has the post's own.

    The others are the first 64 bits, with a sign, of SHA-256 over "album:RANDOM_ID:POSITION" with positions from
    1: whoever sends the post again, from whatever backup, sends each message under the same one.
    """
    return (random_id, *(_derive(random_id, position) for position in range(1, count)))


def _derive(random_id: int, position: int) -> int:
    digest = hashlib.sha256(f"album:{random_id}:{position}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True) or 1


def choose_media_ids(media_id: UUID | None, media_ids: Sequence[UUID]) -> tuple[UUID, ...]:
    """The stored files of a post in their order, named as one or as several. Raises InvalidInputError."""
    if not media_ids:
        return () if media_id is None else (media_id,)
    if media_id not in {None, media_ids[0]}:
        raise InvalidInputError(
            "the single file is another than the first of the album; give one of the two", field="media_ids"
        )
    if len(media_ids) > LARGEST_ALBUM:
        raise InvalidInputError(
            f"an album has at most {LARGEST_ALBUM} files; these are {len(media_ids)}", field="media_ids"
        )
    if len(set(media_ids)) < len(media_ids):
        raise InvalidInputError("a file is in the album twice; take it out once", field="media_ids")
    return tuple(media_ids)


def check_album(kinds: Sequence[MediaType]) -> None:
    """Raises InvalidInputError for files that Telegram does not show together; one alone is always right."""
    if len(kinds) < 2 or any(set(kinds) <= together for together in _TOGETHER):
        return
    alone = next((kind for kind in kinds if not any(kind in together for together in _TOGETHER)), None)
    if alone is not None:
        raise InvalidInputError(f"a file of the kind {alone} goes alone, not in an album", field="media_ids")
    raise InvalidInputError(
        "these files do not go together in an album: photos and videos may be mixed, documents and audio go with "
        "their like only",
        field="media_ids",
    )
