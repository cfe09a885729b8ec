"""Albums: several messages in one post, each exactly once, whatever gets lost on the way."""

import asyncio
from collections import defaultdict
from pathlib import Path
from uuid import UUID

import pytest

from tests.integration.delivery.rig import PATIENCE, Rig
from tests.integration.delivery.test_worker_processes import run_process
from tests.support.media import add_media
from tests.support.pictures import make_jpeg
from tests.support.recordings import make_mp3, make_mp4
from tests.support.sends import SECRET_KEY, Sender
from vestnik.db.engine import open_session
from vestnik.delivery.failpoints import Failpoint
from vestnik.domain.actors import Actor
from vestnik.domain.albums import derive_random_ids
from vestnik.domain.commands import CommandStatus
from vestnik.domain.errors import ConflictError
from vestnik.domain.ids import AccountId, CampaignId
from vestnik.services.content_corrections import correct_content
from vestnik.services.media import MediaView
from vestnik.simulator.faults import Fault, FaultKind
from vestnik.simulator.options import Options, RandomIdAnswer
from vestnik.simulator.posts import Post

SEND_ALBUM = "messages.sendMultiMedia"
UPLOAD = "messages.uploadMedia"


async def put_album(rig: Rig, words: str, album: list[MediaView]) -> None:
    await rig.stage.execute(
        "UPDATE templates SET media_id = :first, media_ids = :all, media_type = :kind WHERE content = :words",
        first=album[0].id,
        all=[media.id for media in album],
        kind=album[0].kind,
        words=words,
    )


async def add_campaign(
    rig: Rig, account_id: AccountId, album: list[MediaView], words: str = "Look", rate: float = 20
) -> CampaignId:
    """A running campaign that posts an album."""
    campaign_id = await rig.stage.add_campaign(account_id, words=words, start=False, rate=rate)
    await put_album(rig, words, album)
    await rig.stage.start(campaign_id)
    return campaign_id


@pytest.fixture
async def album(rig: Rig, tmp_path: Path) -> list[MediaView]:
    """Two photos with a video between them."""
    files = [("photo", "1.jpg", make_jpeg(size=40_000)), ("video", "2.mp4", make_mp4())]
    files.append(("photo", "3.jpg", make_jpeg(size=30_000)))
    return [
        await add_media(rig.stage.engine, tmp_path, data, kind=kind, name=name) for kind, name, data in files
    ]


def read_albums(rig: Rig) -> dict[int, list[Post]]:
    """The posts of each channel in their order."""
    found = defaultdict(list)
    for post in rig.posts:
        found[post.channel_id].append(post)
    return found


async def check_albums(
    rig: Rig, campaign_id: CampaignId, album: list[MediaView], channels: int, words: str = "Look"
) -> None:
    """Every channel has every item once, in the order of the album, and the ledger knows the messages."""
    found = read_albums(rig)
    assert len(found) == channels
    jobs = await rig.stage.execute("SELECT * FROM jobs WHERE campaign_id = :id", id=campaign_id)
    by_random_id = {job.random_id: job for job in jobs}
    for posts in found.values():
        assert [post.media and post.media["sha256"] for post in posts] == [media.sha256 for media in album]
        assert [post.text for post in posts] == [words] + [""] * (len(album) - 1)
        assert len({post.grouped_id for post in posts}) == 1
        assert posts[0].grouped_id is not None
        job = by_random_id[posts[0].random_id]
        assert tuple(post.random_id for post in posts) == derive_random_ids(job.random_id, len(album))
        assert job.message_ids == [post.message_id for post in posts]


async def test_an_album_arrives_whole_and_in_order_and_is_uploaded_once(
    rig: Rig, account_id: AccountId, tmp_path: Path, album: list[MediaView]
) -> None:
    await rig.stage.add_channels(5)
    campaign_id = await rig.stage.add_campaign(account_id, words="<b>Look</b> 👋", start=False)
    await put_album(rig, "<b>Look</b> 👋", album)
    await rig.stage.execute("UPDATE templates SET parse_mode = 'HTML', silent = true, protect_content = true")
    await rig.stage.start(campaign_id)
    await rig.start_worker(data_dir=tmp_path)
    await rig.finish(campaign_id)
    await check_albums(rig, campaign_id, album, 5, words="Look 👋")
    assert all(post.silent and post.protected for post in rig.posts)
    first = [posts[0] for posts in read_albums(rig).values()]
    assert all(post.entities[0]["_"] == "MessageEntityBold" for post in first)
    summary = rig.server.simulator.summarize()
    assert summary.uploaded_bytes == sum(media.size for media in album)
    assert (summary.calls[UPLOAD], summary.calls[SEND_ALBUM]) == (3, 5)


@pytest.mark.timed
async def test_an_album_takes_the_time_of_its_messages(
    rig: Rig, account_id: AccountId, tmp_path: Path, album: list[MediaView]
) -> None:
    """The rates of campaigns and accounts are messages a second."""
    await rig.stage.add_channels(11)
    campaign_id = await add_campaign(rig, account_id, album, rate=12)
    await rig.start_worker(data_dir=tmp_path)
    await rig.finish(campaign_id)
    await check_albums(rig, campaign_id, album, 11)
    rig.check_pace(10 * 3 / 12, slack=0.1)


@pytest.mark.parametrize(
    ("kind", "name", "count"), [("document", "a.pdf", 2), ("audio", "a.mp3", 3), ("photo", "a.jpg", 10)]
)
async def test_documents_audio_and_ten_photos_are_albums_too(
    rig: Rig, account_id: AccountId, tmp_path: Path, kind: str, name: str, count: int
) -> None:
    await rig.stage.add_channels(2)
    made = {"audio": make_mp3(), "photo": make_jpeg(), "document": b"%PDF-1.7"}[kind]
    album = [
        await add_media(rig.stage.engine, tmp_path, made, kind=kind, name=f"{number}-{name}")
        for number in range(count)
    ]
    campaign_id = await add_campaign(rig, account_id, album)
    await rig.start_worker(data_dir=tmp_path)
    await rig.finish(campaign_id)
    await check_albums(rig, campaign_id, album, 2)


@pytest.mark.parametrize("answer", [RandomIdAnswer.ORIGINAL, RandomIdAnswer.DUPLICATE])
async def test_a_lost_answer_to_an_album_doubles_no_item_and_loses_no_message_id(
    rig: Rig, account_id: AccountId, tmp_path: Path, album: list[MediaView], answer: RandomIdAnswer
) -> None:
    rig.server.simulator.options = Options(random_id=answer)
    await rig.stage.add_channels(4)
    campaign_id = await add_campaign(rig, account_id, album)
    lost = Fault(method=SEND_ALBUM, kind=FaultKind.ERROR_AFTER, code=500, name="RPC_CALL_FAIL", count=2)
    rig.set_faults(lost)
    await rig.start_worker(data_dir=tmp_path)
    await rig.finish(campaign_id)
    await check_albums(rig, campaign_id, album, 4)
    assert rig.server.simulator.posts.absorbed_repeats > 0


async def test_a_connection_lost_behind_an_album_doubles_no_item(
    rig: Rig, account_id: AccountId, tmp_path: Path, album: list[MediaView]
) -> None:
    await rig.stage.add_channels(4)
    campaign_id = await add_campaign(rig, account_id, album)
    rig.set_faults(Fault(method=SEND_ALBUM, kind=FaultKind.DROP_AFTER, skip=1, count=1))
    await rig.start_worker(data_dir=tmp_path)
    await rig.finish(campaign_id)
    await check_albums(rig, campaign_id, album, 4)


@pytest.mark.parametrize(
    "failpoint",
    [Failpoint.BEFORE_SEND, Failpoint.AFTER_SEND, Failpoint.BEFORE_RECORD, Failpoint.AFTER_RECORD],
)
async def test_the_successor_of_a_killed_worker_doubles_no_item(
    rig: Rig, account_id: AccountId, tmp_path: Path, album: list[MediaView], failpoint: Failpoint
) -> None:
    await rig.stage.add_channels(6)
    campaign_id = await add_campaign(rig, account_id, album)
    settings = {"VESTNIK_DATA_DIR": str(tmp_path), "VESTNIK_FAILPOINTS": f"{failpoint}:3"}
    async with run_process(rig, **settings) as doomed, asyncio.timeout(PATIENCE):
        assert await doomed.wait() != 0
    await rig.start_worker(data_dir=tmp_path)
    await rig.finish(campaign_id)
    await check_albums(rig, campaign_id, album, 6)


async def test_the_reference_of_one_item_runs_out_and_that_one_alone_is_renewed(
    rig: Rig, account_id: AccountId, tmp_path: Path, album: list[MediaView]
) -> None:
    await rig.stage.add_channels(30)
    campaign_id = await add_campaign(rig, account_id, album, rate=20)
    await rig.start_worker(data_dir=tmp_path)
    await rig.wait_for_posts(15)
    (middle,) = {
        post.media["id"] for post in rig.posts if post.media and post.media["sha256"] == album[1].sha256
    }
    rig.server.simulator.expire_file_references(middle)
    await rig.finish(campaign_id)
    await check_albums(rig, campaign_id, album, 30)
    uploaded = rig.server.simulator.summarize().uploaded_bytes
    assert uploaded == sum(media.size for media in album) + album[1].size
    failed = await rig.stage.one("SELECT count(*) AS n FROM jobs WHERE attempts > 0")
    assert failed.n == 0


async def test_all_references_run_out_in_the_middle_of_a_campaign(
    rig: Rig, account_id: AccountId, tmp_path: Path, album: list[MediaView]
) -> None:
    await rig.stage.add_channels(20)
    campaign_id = await add_campaign(rig, account_id, album, rate=20)
    await rig.start_worker(data_dir=tmp_path)
    await rig.wait_for_posts(15)
    rig.server.simulator.expire_file_references()
    await rig.finish(campaign_id)
    await check_albums(rig, campaign_id, album, 20)
    assert rig.server.simulator.posts.calls[UPLOAD] == 6


async def test_an_album_does_not_grow_while_some_of_it_may_be_out(
    rig: Rig, account_id: AccountId, tmp_path: Path, album: list[MediaView], actor: Actor
) -> None:
    """Telegram would know the random_ids of the messages that it has, and post the further ones behind them."""
    await rig.stage.add_channels(2)
    campaign_id = await add_campaign(rig, account_id, album[:2])
    await rig.stage.pause(campaign_id)
    ids: list[UUID] = [media.id for media in album]
    await rig.stage.execute(
        "UPDATE jobs SET claims = 1, maybe_sent = true WHERE id = (SELECT min(id) FROM jobs)"
    )
    async with open_session(rig.stage.engine) as session:
        with pytest.raises(ConflictError, match="2 files at most"):
            await correct_content(session, actor, campaign_id, "Better", media_ids=ids)
        await correct_content(session, actor, campaign_id, "Better", media_ids=ids[1:])
    await rig.stage.execute("UPDATE jobs SET maybe_sent = false")
    async with open_session(rig.stage.engine) as session:
        view = await correct_content(session, actor, campaign_id, "Best", media_ids=ids)
    assert view.media_ids == tuple(ids)
    await rig.stage.resume(campaign_id)
    await rig.start_worker(data_dir=tmp_path)
    await rig.finish(campaign_id)
    await check_albums(rig, campaign_id, album, 2, words="Best")


async def test_a_direct_send_posts_an_album(
    rig: Rig, account_id: AccountId, tmp_path: Path, album: list[MediaView]
) -> None:
    await rig.stage.add_channels(1)
    await rig.stage.execute("INSERT INTO templates (name, content) VALUES ('Album', 'Look')")
    await put_album(rig, "Look", album)
    sender = Sender(rig.stage.engine, account_id)
    await rig.start_worker(data_dir=tmp_path, secret_key=SECRET_KEY)

    async def is_leased() -> bool:
        query = "SELECT 1 FROM account_leases WHERE lease_until > clock_timestamp()"
        return bool(await rig.stage.execute(query))

    await rig.until(is_leased)
    result = await sender.send("first_00001", None, template="Album")  # type: ignore[arg-type]
    assert result.status is CommandStatus.DONE
    assert list(result.message_ids) == [post.message_id for post in rig.posts]
    assert len(rig.posts) == 3
