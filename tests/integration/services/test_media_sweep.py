"""Files that nothing needs go after a while; none goes that something needs or is about to."""

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.media import add_media, as_chunks
from tests.support.pictures import make_jpeg
from tests.support.stage import Stage
from vestnik.db.engine import open_session
from vestnik.db.media_files import LocalMediaStore
from vestnik.domain.actors import Actor
from vestnik.domain.errors import ConflictError, InvalidInputError, MediaMissingError
from vestnik.domain.ids import MediaId, TemplateId
from vestnik.services import media_sweep
from vestnik.services.media import MediaView, receive_media, store_media
from vestnik.services.templates import TemplateDraft, delete_template, save_template
from vestnik.worker.media_sweep import UNUSED_FOR, sweep_media

AGE = "UPDATE media SET used_at = used_at - interval '8 days'"


@pytest.fixture
def stage(engine: AsyncEngine) -> Stage:
    return Stage(engine)


@pytest.fixture
def store(tmp_path: Path) -> LocalMediaStore:
    return LocalMediaStore(tmp_path)


async def add_photo(stage: Stage, tmp_path: Path, size: int) -> MediaView:
    return await add_media(stage.engine, tmp_path, make_jpeg(size=size), name=f"{size}.jpg")


async def list_left(stage: Stage) -> set[UUID]:
    return {row.id for row in await stage.execute("SELECT id FROM media")}


async def is_kept(store: LocalMediaStore, media: MediaView) -> bool:
    try:
        async with store.open(media.sha256):
            return True
    except MediaMissingError:
        return False


async def save(engine: AsyncEngine, actor: Actor, *media: MediaView, name: str = "T") -> TemplateId:
    async with open_session(engine) as session:
        draft = TemplateDraft(name=name, content="", media_ids=[item.id for item in media])
        return TemplateId((await save_template(session, actor, draft)).id)


async def test_what_nothing_has_used_for_a_week_goes_with_its_bytes(
    stage: Stage, tmp_path: Path, store: LocalMediaStore
) -> None:
    old = [await add_photo(stage, tmp_path, 20_000 + number) for number in range(3)]
    again = make_jpeg(size=40_000)
    old.append(await add_media(stage.engine, tmp_path, again))
    await stage.execute(AGE)
    fresh = await add_photo(stage, tmp_path, 30_000)
    assert (await add_media(stage.engine, tmp_path, again)).id == old[3].id  # somebody wants it once more
    assert await sweep_media(stage.engine, store) == 3
    assert await list_left(stage) == {fresh.id, old[3].id}
    assert [await is_kept(store, media) for media in (*old, fresh)] == [False, False, False, True, True]
    entries = await stage.execute("SELECT actor FROM audit_logs WHERE action = 'media.deleted'")
    assert [entry.actor for entry in entries] == ["retention"] * 3
    assert await sweep_media(stage.engine, store) == 0


async def test_what_a_template_an_album_or_a_campaign_needs_stays(
    stage: Stage, tmp_path: Path, store: LocalMediaStore, actor: Actor
) -> None:
    photos = [await add_photo(stage, tmp_path, 20_000 + number) for number in range(4)]
    await save(stage.engine, actor, photos[0], name="single")
    await save(stage.engine, actor, photos[1], photos[2], name="album")
    await stage.add_channels(1)
    campaign_id = await stage.add_campaign(await stage.add_account(), words="Look", start=False)
    put = "UPDATE templates SET media_id = :id, media_type = 'photo' WHERE content = 'Look'"
    await stage.execute(put, id=photos[3].id)
    await stage.start(campaign_id)
    await stage.execute("UPDATE templates SET media_id = NULL, media_type = NULL WHERE content = 'Look'")
    await stage.execute(AGE)
    assert await sweep_media(stage.engine, store) == 0
    assert len(await list_left(stage)) == 4
    await stage.execute("UPDATE campaigns SET purged_at = now()")
    assert await sweep_media(stage.engine, store) == 1
    assert await list_left(stage) == {media.id for media in photos[:3]}


async def test_a_file_that_a_template_let_go_of_stays_for_another_week(
    stage: Stage, tmp_path: Path, store: LocalMediaStore, actor: Actor
) -> None:
    photo = await add_photo(stage, tmp_path, 20_000)
    template_id = await save(stage.engine, actor, photo)
    await stage.execute(AGE)
    async with open_session(stage.engine) as session:
        await delete_template(session, actor, template_id)
    assert await sweep_media(stage.engine, store) == 0
    await stage.execute(AGE)
    assert await sweep_media(stage.engine, store) == 1


async def test_a_template_saved_at_this_moment_keeps_its_file_or_is_told_that_it_is_gone(
    stage: Stage, tmp_path: Path, store: LocalMediaStore, actor: Actor
) -> None:
    """Whoever has locked the file first is the one who gets it."""
    first, second = [await add_photo(stage, tmp_path, size) for size in (20_000, 20_001)]
    await stage.execute(AGE)

    async def remove(media: MediaView) -> bool:
        async with open_session(stage.engine) as session:
            return await media_sweep.remove_unused(session, store, MediaId(media.id), UNUSED_FOR)

    async with open_session(stage.engine) as session:
        draft = TemplateDraft(name="T", content="", media_ids=[first.id])
        await save_template(session, actor, draft)
        removing = asyncio.create_task(remove(first))
        await wait_until_blocked(stage)
    assert await removing is False
    assert await is_kept(store, first)

    async with open_session(stage.engine) as session:
        assert await media_sweep.remove_unused(session, store, MediaId(second.id), UNUSED_FOR)
        saving = asyncio.create_task(save(stage.engine, actor, second, name="U"))
        await wait_until_blocked(stage)
    with pytest.raises(InvalidInputError, match="no stored file"):
        await saving
    assert await list_left(stage) == {first.id}


async def test_an_upload_at_this_moment_keeps_its_bytes_or_is_told_to_repeat_it(
    stage: Stage, tmp_path: Path, store: LocalMediaStore, actor: Actor
) -> None:
    data = make_jpeg(size=20_000)
    photo = await add_media(stage.engine, tmp_path, data, name="20000.jpg")
    await stage.execute(AGE)
    received = await receive_media(store, as_chunks(data), kind="photo", name="20000.jpg")
    async with open_session(stage.engine) as session:
        stored = await store_media(session, actor, received)
        sweeping = asyncio.create_task(sweep_media(stage.engine, store))
        await wait_until_blocked(stage)
    assert (stored.id, await sweeping) == (photo.id, 0)
    await stage.execute(AGE)
    received = await receive_media(store, as_chunks(data), kind="photo", name="20000.jpg")
    async with open_session(stage.engine) as session:
        assert await media_sweep.remove_unused(session, store, MediaId(photo.id), UNUSED_FOR)

        async def store_again() -> None:
            async with open_session(stage.engine) as other:
                await store_media(other, actor, received)

        storing = asyncio.create_task(store_again())
        await wait_until_blocked(stage)
    with pytest.raises(ConflictError, match="send it again"):
        await storing
    assert await list_left(stage) == set()


async def test_bytes_that_no_row_names_go_once_they_are_old(
    stage: Stage, tmp_path: Path, store: LocalMediaStore
) -> None:
    kept = await add_photo(stage, tmp_path, 20_000)
    received = [
        await receive_media(store, as_chunks(make_jpeg(size=size)), kind="photo", name="x.jpg")
        for size in (20_001, 20_002)
    ]
    paths = {path.name: path for path in (tmp_path / "media").rglob("*") if path.is_file()}
    for sha256 in (kept.sha256, received[0].sha256):
        os.utime(paths[sha256], (0, 0))
    (paths[kept.sha256].parent / "notes.txt").write_text("of somebody else")
    os.utime(paths[kept.sha256].parent / "notes.txt", (0, 0))
    assert await sweep_media(stage.engine, store) == 1
    left = {path.name for path in (tmp_path / "media").rglob("*") if path.is_file()}
    assert left == {kept.sha256, received[1].sha256, "notes.txt"}
    assert await sweep_media(stage.engine, store, nameless_for=timedelta(0)) == 1


async def wait_until_blocked(stage: Stage) -> None:
    """Returns when somebody waits for a lock in this database."""
    async with asyncio.timeout(30):
        query = (
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        while not await stage.execute(query):  # noqa: ASYNC110 - what is awaited is a fact of the database
            await asyncio.sleep(0.02)
