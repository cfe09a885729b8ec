"""Stored files, who uses them, and where accounts have uploaded them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, any_, func, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.content.frozen import FILES
from vestnik.db.leases import Lease
from vestnik.db.models import AccountMedia, Campaign, Media, Template
from vestnik.db.statements import StatementRunner
from vestnik.domain.ids import AccountId, MediaId
from vestnik.domain.media import MediaFile, MediaType
from vestnik.domain.transport import UploadedMedia


async def insert_media(session: AsyncSession, values: Mapping[str, Any]) -> tuple[MediaId, bool]:
    """Keep a file's row; the same file again is the row that is there. Its id, and whether it is new."""
    await lock_file(session, values["sha256"])
    media_id = await session.scalar(
        insert(Media).values(**values).on_conflict_do_nothing().returning(Media.id)
    )
    if media_id is not None:
        return MediaId(media_id), True
    key = tuple_(Media.sha256, Media.kind, Media.name)
    wanted = tuple_(*(values[name] for name in ("sha256", "kind", "name")))
    again = update(Media).where(key == wanted).values(used_at=func.clock_timestamp()).returning(Media.id)
    return MediaId((await session.scalars(again)).one()), False


async def lock_file(session: AsyncSession, sha256: bytes) -> None:
    """Let those who store and those who delete the same bytes take turns until the transaction ends."""
    await session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"),
        {"key": f"vestnik media {sha256.hex()}"},
    )


async def get_media(session: AsyncSession, media_id: MediaId) -> Media | None:
    """The stored file's row."""
    return await session.get(Media, media_id)


async def share_media(session: AsyncSession, media_id: MediaId) -> Media | None:
    """As `get_media`; nobody deletes the row until this transaction ends."""
    return await session.scalar(
        select(Media).where(Media.id == media_id).with_for_update(read=True, key_share=True)
    )


async def list_media(
    session: AsyncSession, *, limit: int, kind: MediaType | None, after: tuple[datetime, MediaId] | None
) -> Sequence[Media]:
    """The newest first, from behind (created_at, id)."""
    query = select(Media).order_by(Media.created_at.desc(), Media.id.desc()).limit(limit)
    if kind is not None:
        query = query.where(Media.kind == kind)
    if after is not None:
        query = query.where(tuple_(Media.created_at, Media.id) < tuple_(*after))
    return (await session.scalars(query)).all()


async def list_users(session: AsyncSession, media_id: MediaId, *, limit: int) -> list[str]:
    """What needs the file still: templates, and campaigns whose messages are kept. Locks the row."""
    await session.execute(select(Media.id).where(Media.id == media_id).with_for_update())
    templates = await session.scalars(
        select(Template.name)
        .where(or_(Template.media_id == media_id, Template.media_ids.contains([media_id])))
        .order_by(Template.name)
        .limit(limit)
    )
    names = [f"template '{name}'" for name in templates]
    wanted = {FILES: [{"id": str(media_id)}]}
    kept = Campaign.purged_at.is_(None)  # until then failed ones may be sent again
    campaigns = await session.scalars(
        select(Campaign.name)
        .where(Campaign.content.contains(wanted), kept)
        .order_by(Campaign.name)
        .limit(limit)
    )
    return names + [f"campaign '{name}'" for name in campaigns]


async def note_use(session: AsyncSession, media_ids: Sequence[UUID]) -> None:
    """Keep files that nothing names any more, or never will, for another while."""
    if media_ids:
        used = update(Media).where(Media.id.in_(sorted(media_ids)))
        await session.execute(used.values(used_at=func.clock_timestamp()))


async def list_unused(
    session: AsyncSession, unused_for: timedelta, *, after: MediaId | None, limit: int
) -> list[MediaId]:
    """The next ids of files that no template names and nobody used for that long."""
    named = select(Template.id).where(
        or_(Template.media_id == Media.id, Media.id == any_(Template.media_ids))
    )
    query = (
        select(Media.id).where(_is_unused_for(unused_for), ~named.exists()).order_by(Media.id).limit(limit)
    )
    if after is not None:
        query = query.where(Media.id > after)
    return [MediaId(media_id) for media_id in await session.scalars(query)]


async def is_unused(session: AsyncSession, media_id: MediaId, unused_for: timedelta) -> bool:
    """Whether nobody used the file for that long."""
    query = select(Media.id).where(Media.id == media_id, _is_unused_for(unused_for))
    return await session.scalar(query) is not None


async def is_stored(session: AsyncSession, sha256: bytes) -> bool:
    """Whether some row names the bytes."""
    return await session.scalar(select(Media.id).where(Media.sha256 == sha256).limit(1)) is not None


def _is_unused_for(unused_for: timedelta) -> ColumnElement[bool]:
    return Media.used_at < func.clock_timestamp() - unused_for


async def delete_media(session: AsyncSession, media: Media) -> bool:
    """Remove a row, and where accounts have uploaded it; whether that was the last one of these bytes."""
    await lock_file(session, media.sha256)
    await session.delete(media)
    await session.flush()
    left = select(func.count()).select_from(Media).where(Media.sha256 == media.sha256)
    return await session.scalar(left) == 0


def describe_file(media: Media) -> MediaFile:
    """The file as content keeps it and a transport posts it."""
    return MediaFile(
        media_id=MediaId(media.id),
        kind=MediaType(media.kind),
        sha256=media.sha256.hex(),
        size=media.size,
        mime_type=media.mime_type,
        name=media.name,
        width=media.width,
        height=media.height,
        duration=media.duration,
    )


class UploadLedger:
    """What accounts have uploaded: the statements of the lease holder. Raises DatabaseUnavailableError."""

    def __init__(self, runner: StatementRunner) -> None:
        self._runner = runner

    async def list_uploads(
        self, account_id: AccountId, media_ids: Sequence[MediaId]
    ) -> dict[MediaId, UploadedMedia]:
        """Those of the files that the account has uploaded at some time; they may have run out."""
        query = select(AccountMedia.__table__).where(
            AccountMedia.account_id == account_id, AccountMedia.media_id.in_(media_ids)
        )
        async with self._runner.connection() as connection:
            rows = (await connection.execute(query)).all()
        return {
            MediaId(row.media_id): UploadedMedia(
                is_photo=row.is_photo,
                file_id=row.file_id,
                access_hash=row.access_hash,
                file_reference=row.file_reference,
            )
            for row in rows
        }

    async def store_upload(self, lease: Lease, media_id: MediaId, uploaded: UploadedMedia) -> None:
        """Keep how the account posts a file, as long as the lease lasts; of no use once the file is deleted."""
        await self._runner.fetch(
            "store_upload",
            account_id=lease.account_id,
            epoch=lease.epoch,
            media_id=media_id,
            is_photo=uploaded.is_photo,
            file_id=uploaded.file_id,
            access_hash=uploaded.access_hash,
            file_reference=uploaded.file_reference,
        )
