"""Taking files in: checked by their bytes and kept first, made known in a transaction afterwards."""

from collections.abc import AsyncIterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.content.media import check_file, check_size
from vestnik.db.audit import record_audit
from vestnik.db.media import get_media, insert_media
from vestnik.db.models import Media
from vestnik.domain.actors import Actor
from vestnik.domain.errors import ConflictError, MediaMissingError
from vestnik.domain.media import MediaFacts, MediaType, check_file_name, read_media_type
from vestnik.domain.media_store import MediaStore


@dataclass(frozen=True, kw_only=True, slots=True)
class ReceivedMedia:
    """A file whose bytes are kept and fit its kind; nothing names it before `keep_media`."""

    kind: MediaType
    name: str
    sha256: str
    size: int
    facts: MediaFacts
    store: MediaStore = field(repr=False, compare=False)
    """Where its bytes are."""


async def receive_media(
    store: MediaStore, chunks: AsyncIterable[bytes], *, kind: str, name: str
) -> ReceivedMedia:
    """Take a file in and check by its bytes that Telegram takes it as `kind`; no transaction is open meanwhile.

    Raises InvalidInputError (field file, kind or name), MediaStoreError.
    """
    wanted = read_media_type(kind)
    name = check_file_name(name)
    async with store.stage(chunks, limit=wanted.largest) as staged:
        check_size(None if staged is None else staged.size, wanted)
        assert staged is not None
        size = staged.size
        facts = await staged.inspect(lambda file: check_file(file, size, wanted, name))
        await staged.keep()
        return ReceivedMedia(
            kind=wanted, name=name, sha256=staged.sha256, size=size, facts=facts, store=store
        )


async def keep_media(session: AsyncSession, actor: Actor, received: ReceivedMedia) -> tuple[Media, bool]:
    """Make a received file known: its row, and whether it is new. Raises ConflictError when somebody deleted the
    same file in this moment.
    """
    facts = received.facts
    columns: dict[str, Any] = {
        "kind": received.kind,
        "name": received.name,
        "size": received.size,
        "mime_type": facts.mime_type,
        "width": facts.width,
        "height": facts.height,
        "duration": facts.duration,
    }
    values = columns | {"sha256": bytes.fromhex(received.sha256), "created_by": actor.name}
    media_id, is_new = await insert_media(session, values)
    try:
        async with received.store.open(received.sha256):
            pass
    except MediaMissingError as exc:
        raise ConflictError("the same file was deleted in this moment; send it again", field="file") from exc
    if is_new:
        after = columns | {"sha256": received.sha256}
        await record_audit(session, actor, "media.stored", "media", media_id, after=after)
    media = await get_media(session, media_id)
    assert media is not None, "made, or locked by its digest"
    return media, is_new
