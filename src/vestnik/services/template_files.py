"""The files that a template names: stored ones, alone or as an album, or one at an address."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.media import share_media
from vestnik.db.models import Media
from vestnik.domain.albums import check_album
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.ids import MediaId
from vestnik.domain.media import MediaReference, MediaType
from vestnik.domain.posting import LinkButton


class TemplateChanges(TypedDict, total=False):
    """Those fields of a draft that change."""

    name: str
    content: str
    parse_mode: str | None
    link_preview: bool
    link_preview_position: str
    link_preview_size: str | None
    silent: bool
    protect_content: bool
    buttons: Sequence[Sequence[LinkButton | Mapping[str, Any]]]
    media_type: str | None
    media_url: str | None
    media_id: UUID | None
    media_ids: Sequence[UUID]


async def find_kind(session: AsyncSession, media: MediaReference) -> MediaType:
    """As what a file is posted; a stored one cannot be deleted any more before the transaction ends.

    Raises InvalidInputError for a file that is not there or was stored as something else.
    """
    if media.media_id is None:
        assert media.kind is not None
        return media.kind
    stored = await share_media(session, media.media_id)
    if stored is None:
        raise InvalidInputError(f"there is no stored file {media.media_id}", field="media_id")
    kind = MediaType(stored.kind)
    if media.kind not in {None, kind}:
        raise InvalidInputError(
            f"'{stored.name}' was stored as a {kind}; leave the type out, or store the file as a {media.kind}",
            field="media_type",
        )
    return kind


async def check_files(session: AsyncSession, media_ids: Sequence[UUID]) -> list[Media]:
    """The stored files of one post, which go together and cannot be deleted before the transaction ends.

    Raises InvalidInputError.
    """
    files = []
    for media_id in media_ids:
        media = await share_media(session, MediaId(media_id))
        if media is None:
            raise InvalidInputError(f"there is no stored file {media_id}", field="media_ids")
        files.append(media)
    check_album([MediaType(media.kind) for media in files])
    return files


def settle_media(changes: TemplateChanges) -> TemplateChanges:
    """What follows from naming one of the two sources of a file, or from taking it away."""
    settled = changes.copy()
    if changes.get("media_ids"):
        settled.setdefault("media_id", None)
        settled.setdefault("media_url", None)
        settled.setdefault("media_type", None)
    elif changes.get("media_id") is not None:
        settled.setdefault("media_ids", ())
        settled.setdefault("media_url", None)
        settled.setdefault("media_type", None)
    elif changes.get("media_url") is not None:
        settled.setdefault("media_id", None)
        settled.setdefault("media_ids", ())
    elif changes.keys() & {"media_id", "media_ids", "media_url"}:
        settled.setdefault("media_ids", ())
        settled.setdefault("media_id", None)
        settled.setdefault("media_url", None)
        settled.setdefault("media_type", None)
    return settled
