"""Pictures with captions: uploaded once by an account, posted everywhere, renewed when they run out."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.integration.delivery.rig import SEND, Rig
from tests.support.bucket import name_bucket, run_bucket
from tests.support.media import add_media, as_chunks, put_into_template
from tests.support.pictures import make_gif, make_jpeg
from tests.support.recordings import make_mp3, make_mp4, make_opus
from tests.support.sends import SECRET_KEY, Sender
from vestnik.db.engine import open_session
from vestnik.db.media_files import LocalMediaStore
from vestnik.db.media_stores import make_media_store
from vestnik.domain.actors import Actor
from vestnik.domain.commands import CommandStatus
from vestnik.domain.ids import AccountId, CampaignId
from vestnik.services.content_corrections import correct_content
from vestnik.services.media import MediaView, receive_media, store_media
from vestnik.settings import load_settings
from vestnik.simulator.channels import ChannelSpec, Forbidden
from vestnik.simulator.faults import Fault, FaultKind
from vestnik.simulator.options import Options, RandomIdAnswer

MIB = 1024 * 1024
SEND_MEDIA = "messages.sendMedia"
PART = "upload.saveFilePart"
UPLOAD = "messages.uploadMedia"


async def add_campaign(
    rig: Rig, account_id: AccountId, media: MediaView, *, start: bool = True, **fields: Any
) -> CampaignId:
    """A campaign that posts a picture."""
    words = fields.pop("words", "Look")
    campaign_id = await rig.stage.add_campaign(account_id, words=words, start=False, **fields)
    await put_into_template(rig.stage.engine, words, media.id)
    if start:
        await rig.stage.start(campaign_id)
    return campaign_id


def count_calls(rig: Rig, method: str) -> int:
    return rig.server.simulator.posts.calls[method]


@pytest.fixture
async def photo(rig: Rig, tmp_path: Path) -> MediaView:
    return await add_media(rig.stage.engine, tmp_path, make_jpeg(size=300_000))


async def test_a_picture_goes_out_with_its_formatted_caption(
    rig: Rig, account_id: AccountId, tmp_path: Path, photo: MediaView
) -> None:
    await rig.stage.add_channels(3)
    campaign_id = await add_campaign(rig, account_id, photo, words="<b>{channel_title}</b> 👋🏽", start=False)
    await rig.stage.execute("UPDATE templates SET parse_mode = 'HTML'")
    await rig.stage.start(campaign_id)
    await rig.start_worker(data_dir=tmp_path)
    await rig.finish(campaign_id)
    assert {post.text for post in rig.posts} == {f"first_{number:05} 👋🏽" for number in (1, 2, 3)}
    for post in rig.posts:
        assert post.media is not None
        assert (post.media["kind"], post.media["sha256"]) == ("photo", photo.sha256)
        assert post.entities[0]["_"] == "MessageEntityBold"
    rows = await rig.stage.execute("SELECT message_ids FROM jobs")
    assert all(len(row.message_ids) == 1 for row in rows)
    assert count_calls(rig, SEND) == 0


async def test_a_picture_needs_no_caption(
    rig: Rig, account_id: AccountId, tmp_path: Path, photo: MediaView
) -> None:
    await rig.stage.add_channels(2)
    campaign_id = await add_campaign(rig, account_id, photo, start=False)
    await rig.stage.execute("UPDATE templates SET content = ''")
    await rig.stage.start(campaign_id)
    await rig.start_worker(data_dir=tmp_path)
    await rig.finish(campaign_id)
    assert [post.text for post in rig.posts] == ["", ""]


@pytest.mark.parametrize(
    ("kind", "name", "data", "mime_type", "attributes"),
    [
        ("video", "a.mp4", make_mp4(), "video/mp4", {"DocumentAttributeVideo"}),
        (
            "animation",
            "a.gif",
            make_gif(),
            "image/gif",
            {"DocumentAttributeAnimated", "DocumentAttributeImageSize"},
        ),
        (
            "animation",
            "a.mp4",
            make_mp4(sound=False),
            "video/mp4",
            {"DocumentAttributeAnimated", "DocumentAttributeVideo"},
        ),
        ("audio", "a.mp3", make_mp3(), "audio/mpeg", {"DocumentAttributeAudio"}),
        ("voice", "a.ogg", make_opus(), "audio/ogg", {"DocumentAttributeAudio"}),
        ("document", "a.pdf", b"%PDF-1.7 and more", "application/pdf", set()),
        ("document", "big.bin", bytes(11 * MIB), "application/octet-stream", set()),
    ],
    ids=["video", "gif", "animation", "audio", "voice", "document", "large"],
)
async def test_every_kind_of_file_goes_out_as_what_it_is(
    rig: Rig,
    account_id: AccountId,
    tmp_path: Path,
    kind: str,
    name: str,
    data: bytes,
    mime_type: str,
    attributes: set[str],
) -> None:
    await rig.stage.add_channels(2)
    media = await add_media(rig.stage.engine, tmp_path, data, kind=kind, name=name)
    campaign_id = await add_campaign(rig, account_id, media)
    await rig.start_worker(data_dir=tmp_path)
    await rig.finish(campaign_id)
    rig.check_each_once(2)
    for post in rig.posts:
        assert post.media is not None
        assert (post.media["kind"], post.media["mime_type"]) == ("document", mime_type)
        assert post.media["sha256"] == media.sha256
        found = {item["_"]: item for item in post.media["attributes"]}
        assert found.keys() == attributes | {"DocumentAttributeFilename"}
        assert found["DocumentAttributeFilename"]["file_name"] == name
    assert rig.server.simulator.summarize().uploaded_bytes == len(data)


@pytest.mark.timed
async def test_a_thousand_channels_get_a_picture_that_was_uploaded_once(rig: Rig, tmp_path: Path) -> None:
    account_id = await rig.stage.add_account(rate=200)
    await rig.stage.add_channels(1000)
    data = make_jpeg(size=5 * MIB)
    media = await add_media(rig.stage.engine, tmp_path, data)
    campaign_id = await add_campaign(rig, account_id, media, rate=200)
    await rig.start_worker(data_dir=tmp_path, call_timeout_seconds=5.0)
    await rig.finish(campaign_id)
    rig.check_each_once(1000)
    assert {post.media["sha256"] for post in rig.posts if post.media} == {hashlib.sha256(data).hexdigest()}
    summary = rig.server.simulator.summarize()
    assert summary.uploaded_bytes == len(data) == 5 * MIB
    assert (summary.calls[UPLOAD], summary.calls[SEND_MEDIA]) == (1, 1000)
    rig.check_pace(999 / 200, late=0.5)


async def test_the_next_campaign_and_the_next_worker_upload_nothing(
    rig: Rig, account_id: AccountId, tmp_path: Path, photo: MediaView
) -> None:
    await rig.stage.add_channels(2)
    first = await add_campaign(rig, account_id, photo)
    worker = await rig.start_worker(data_dir=tmp_path)
    await rig.finish(first)
    second = await add_campaign(rig, account_id, photo, words="Again")
    await rig.finish(second)
    await worker.stop()
    third = await add_campaign(rig, account_id, photo, words="Once more")
    await rig.start_worker(data_dir=tmp_path)
    await rig.finish(third)
    rig.check_each_once(6)
    assert rig.server.simulator.summarize().uploaded_bytes == photo.size


async def test_each_account_uploads_for_itself(rig: Rig, tmp_path: Path, photo: MediaView) -> None:
    accounts = [await rig.stage.add_account(rate=50) for _ in range(2)]
    await rig.stage.add_channels(2)
    campaigns = [
        await add_campaign(rig, account, photo, words=f"From {number}")
        for number, account in enumerate(accounts)
    ]
    await rig.start_worker(data_dir=tmp_path)
    await rig.finish(*campaigns)
    rig.check_each_once(4)
    assert count_calls(rig, UPLOAD) == 2


async def test_a_reference_that_runs_out_in_the_middle_is_renewed_once(
    rig: Rig, account_id: AccountId, tmp_path: Path, photo: MediaView
) -> None:
    await rig.stage.add_channels(60)
    campaign_id = await add_campaign(rig, account_id, photo, rate=50)
    await rig.start_worker(data_dir=tmp_path)
    for posts in (15, 40):
        await rig.wait_for_posts(posts)
        rig.server.simulator.expire_file_references()
    await rig.finish(campaign_id)
    rig.check_each_once(60)
    assert count_calls(rig, UPLOAD) == 3
    failed = await rig.stage.one("SELECT count(*) AS n FROM jobs WHERE attempts > 0")
    assert failed.n == 0


async def test_a_reference_kept_from_long_ago_is_renewed(
    rig: Rig, account_id: AccountId, tmp_path: Path, photo: MediaView
) -> None:
    await rig.stage.add_channels(3)
    first = await add_campaign(rig, account_id, photo)
    worker = await rig.start_worker(data_dir=tmp_path)
    await rig.finish(first)
    await worker.stop()
    rig.server.simulator.reset()  # as a simulator that was started anew: it knows nothing of the file
    second = await add_campaign(rig, account_id, photo, words="Again")
    await rig.start_worker(data_dir=tmp_path)
    await rig.finish(second)
    rig.check_each_once(3)


async def test_a_file_that_is_refused_after_its_renewal_too_pauses_the_campaign_and_loses_no_message(
    rig: Rig, account_id: AccountId, tmp_path: Path, photo: MediaView
) -> None:
    await rig.stage.add_channels(5)
    campaign_id = await add_campaign(rig, account_id, photo)
    broken = Fault(method=SEND_MEDIA, kind=FaultKind.ERROR, code=400, name="FILE_REFERENCE_EXPIRED")
    rig.set_faults(broken)
    await rig.start_worker(data_dir=tmp_path)
    await rig.until_status("PAUSED", campaign_id)
    campaign = await rig.stage.read_campaign(campaign_id)
    assert campaign.pause_reason == "CONTENT_ERROR"
    assert "FILE_REFERENCE_EXPIRED" in campaign.status_detail
    assert count_calls(rig, UPLOAD) == 2
    await rig.until_counts(campaign_id, QUEUED=5)
    rig.set_faults()
    await rig.stage.resume(campaign_id)
    await rig.finish(campaign_id)
    rig.check_each_once(5)


async def test_a_lost_answer_to_a_picture_is_settled_by_its_random_id(
    rig: Rig, account_id: AccountId, tmp_path: Path, photo: MediaView
) -> None:
    rig.server.simulator.options = Options(random_id=RandomIdAnswer.DUPLICATE)
    await rig.stage.add_channels(3)
    campaign_id = await add_campaign(rig, account_id, photo, start=False)
    await rig.stage.execute("UPDATE templates SET content = ''")
    await rig.stage.start(campaign_id)
    rig.set_faults(
        Fault(method=SEND_MEDIA, kind=FaultKind.ERROR_AFTER, code=500, name="RPC_CALL_FAIL", count=1)
    )
    await rig.start_worker(data_dir=tmp_path)
    await rig.finish(campaign_id)
    assert len(rig.posts) == 3
    rows = await rig.stage.execute("SELECT message_ids FROM jobs")
    assert all(row.message_ids for row in rows)


@pytest.mark.parametrize("name", ["PHOTO_INVALID_DIMENSIONS", "PHOTO_EXT_INVALID", "SOMETHING_NEW"])
async def test_a_file_that_telegram_does_not_take_pauses_the_campaign_before_any_post(
    rig: Rig, account_id: AccountId, tmp_path: Path, photo: MediaView, name: str
) -> None:
    await rig.stage.add_channels(5)
    campaign_id = await add_campaign(rig, account_id, photo)
    rig.set_faults(Fault(method=UPLOAD, kind=FaultKind.ERROR, code=400, name=name))
    await rig.start_worker(data_dir=tmp_path)
    await rig.until_status("PAUSED", campaign_id)
    campaign = await rig.stage.read_campaign(campaign_id)
    assert (campaign.pause_reason, name in campaign.status_detail) == ("CONTENT_ERROR", True)
    assert await rig.stage.count_jobs(campaign_id) == {"QUEUED": 5}
    assert rig.posts == []


async def test_the_file_of_a_paused_campaign_is_replaced_or_taken_away(
    rig: Rig, account_id: AccountId, tmp_path: Path, photo: MediaView, actor: Actor
) -> None:
    await rig.stage.add_channels(4)
    campaign_id = await add_campaign(rig, account_id, photo)
    rig.set_faults(Fault(method=UPLOAD, kind=FaultKind.ERROR, code=400, name="PHOTO_EXT_INVALID"))
    await rig.start_worker(data_dir=tmp_path)
    await rig.until_status("PAUSED", campaign_id)
    rig.set_faults()
    other = await add_media(rig.stage.engine, tmp_path, make_jpeg(size=50_000), name="other.jpg")
    async with open_session(rig.stage.engine) as session:
        corrected = await correct_content(session, actor, campaign_id, "Better", media_id=other.id)
    assert (corrected.media_id, corrected.limit) == (other.id, 1024)
    await rig.stage.resume(campaign_id)
    await rig.finish(campaign_id)
    assert {(post.text, post.media["sha256"]) for post in rig.posts if post.media} == {
        ("Better", other.sha256)
    }


async def test_a_worker_that_has_not_got_the_file_says_where_it_looked(
    rig: Rig, account_id: AccountId, tmp_path: Path, photo: MediaView
) -> None:
    await rig.stage.add_channels(2)
    campaign_id = await add_campaign(rig, account_id, photo)
    elsewhere = tmp_path / "elsewhere"
    worker = await rig.start_worker(data_dir=elsewhere)
    await rig.until_status("PAUSED", campaign_id)
    detail = (await rig.stage.read_campaign(campaign_id)).status_detail
    assert "MEDIA_MISSING" in detail
    assert "'photo.jpg'" in detail
    assert str(elsewhere / "media") in detail
    await worker.stop()
    await rig.stage.resume(campaign_id)
    await rig.start_worker(data_dir=tmp_path)
    await rig.finish(campaign_id)
    rig.check_each_once(2)


async def test_a_flood_wait_during_the_upload_holds_the_account_and_the_upload_goes_on_where_it_was(
    rig: Rig, account_id: AccountId, tmp_path: Path, photo: MediaView
) -> None:
    await rig.stage.add_channels(2)
    campaign_id = await add_campaign(rig, account_id, photo)
    rig.set_faults(Fault(method=PART, kind=FaultKind.ERROR, code=420, name="FLOOD_WAIT_1", skip=1, count=1))
    await rig.start_worker(data_dir=tmp_path)
    await rig.finish(campaign_id)
    hold = await rig.stage.one("SELECT * FROM account_holds WHERE account_id = :id", id=account_id)
    assert (hold.scope, hold.reason) == ("SEND", "FLOOD_WAIT")
    assert rig.server.simulator.summarize().uploaded_bytes == photo.size
    assert count_calls(rig, PART) == -(-photo.size // (128 * 1024)) + 1


async def test_uploads_that_telegram_slows_down_hold_no_posts(
    rig: Rig, account_id: AccountId, tmp_path: Path, photo: MediaView
) -> None:
    await rig.stage.add_channels(10)
    with_picture = await add_campaign(rig, account_id, photo)
    rig.set_faults(
        Fault(method=PART, kind=FaultKind.ERROR, code=420, name="FLOOD_PREMIUM_WAIT_2", skip=1, count=1)
    )
    text = await rig.stage.add_campaign(account_id, words="Text", rate=50)
    await rig.start_worker(data_dir=tmp_path)
    await rig.finish(text)
    assert rig.count_posts("Look") == 0
    await rig.finish(with_picture)
    assert await rig.stage.execute("SELECT 1 FROM account_holds") == []


@pytest.mark.timed
async def test_a_slow_upload_does_not_disturb_the_pace_of_another_campaign(rig: Rig, tmp_path: Path) -> None:
    account_id = await rig.stage.add_account(rate=50)
    await rig.stage.add_channels(60)
    text = await rig.stage.add_campaign(account_id, words="Text", rate=20)
    media = await add_media(rig.stage.engine, tmp_path, make_jpeg(size=3 * MIB))
    await rig.start_worker(data_dir=tmp_path, call_timeout_seconds=5.0)
    await rig.wait_for_posts(1)
    rig.set_faults(Fault(method=PART, kind=FaultKind.DELAY, delay=0.1))
    with_picture = await add_campaign(rig, account_id, media, rate=20)
    await rig.finish(text, with_picture)
    rig.check_pace(59 / 20, [post.arrived_monotonic for post in rig.posts if post.text == "Text"], slack=0.05)
    lease = await rig.stage.one("SELECT epoch FROM account_leases WHERE account_id = :id", id=account_id)
    assert lease.epoch == 1, "never lost"


async def test_a_connection_lost_during_the_upload_costs_one_part(
    rig: Rig, account_id: AccountId, tmp_path: Path
) -> None:
    await rig.stage.add_channels(2)
    media = await add_media(rig.stage.engine, tmp_path, make_jpeg(size=MIB))
    campaign_id = await add_campaign(rig, account_id, media)
    rig.set_faults(Fault(method=PART, kind=FaultKind.DROP_AFTER, skip=3, count=1))
    await rig.start_worker(data_dir=tmp_path, lease_seconds=6.0)
    await rig.finish(campaign_id)
    assert rig.server.simulator.summarize().uploaded_bytes == media.size + 128 * 1024
    assert {post.media["sha256"] for post in rig.posts if post.media} == {media.sha256}


async def test_parts_that_telegram_lost_are_uploaded_anew(
    rig: Rig, account_id: AccountId, tmp_path: Path, photo: MediaView
) -> None:
    await rig.stage.add_channels(2)
    campaign_id = await add_campaign(rig, account_id, photo)
    rig.set_faults(Fault(method=UPLOAD, kind=FaultKind.ERROR, code=400, name="FILE_PART_1_MISSING", count=1))
    await rig.start_worker(data_dir=tmp_path)
    await rig.finish(campaign_id)
    rig.check_each_once(2)
    assert rig.server.simulator.summarize().uploaded_bytes == 2 * photo.size


async def test_a_pause_during_the_upload_keeps_everything_unsent(
    rig: Rig, account_id: AccountId, tmp_path: Path, photo: MediaView
) -> None:
    await rig.stage.add_channels(5)
    campaign_id = await add_campaign(rig, account_id, photo)
    rig.set_faults(Fault(method=PART, kind=FaultKind.DELAY, delay=0.2))
    await rig.start_worker(data_dir=tmp_path)

    async def has_begun() -> bool:
        return count_calls(rig, PART) > 0

    await rig.until(has_begun)
    await rig.stage.pause(campaign_id)
    await rig.stay_silent(0.8)
    assert rig.posts == []
    await rig.stage.resume(campaign_id)
    await rig.finish(campaign_id)
    rig.check_each_once(5)


async def test_a_worker_killed_after_the_upload_leaves_no_double(
    rig: Rig, account_id: AccountId, tmp_path: Path, photo: MediaView
) -> None:
    await rig.stage.add_channels(20)
    campaign_id = await add_campaign(rig, account_id, photo, rate=20)
    worker = await rig.start_worker(data_dir=tmp_path)
    await rig.wait_for_posts(6)
    await worker.kill()
    await rig.start_worker(data_dir=tmp_path)
    await rig.finish(campaign_id)
    rig.check_each_once(20)
    assert count_calls(rig, UPLOAD) == 1


async def test_channels_that_take_no_pictures_fail_alone_and_stay_active(
    rig: Rig, account_id: AccountId, tmp_path: Path, photo: MediaView
) -> None:
    await rig.stage.add_channels(30)
    rig.server.simulator.add_account(str(account_id))
    specs = [
        ChannelSpec(username="first_00003", forbidden=[Forbidden.PHOTOS]),
        ChannelSpec(username="first_00007", forbidden=[Forbidden.MEDIA]),
        ChannelSpec(username="first_00009", forbidden=[Forbidden.VIDEOS]),
    ]
    rig.server.simulator.ensure_channels(specs, str(account_id))
    campaign_id = await add_campaign(rig, account_id, photo, rate=50)
    await rig.start_worker(data_dir=tmp_path)
    await rig.finish(campaign_id)
    rig.check_each_once(28)
    assert sorted(await rig.read_errors(campaign_id)) == [
        "CHAT_SEND_MEDIA_FORBIDDEN",
        "CHAT_SEND_PHOTOS_FORBIDDEN",
    ]
    inactive = await rig.stage.execute("SELECT 1 FROM channel_peers WHERE NOT is_active")
    assert inactive == []


async def test_a_caption_too_long_for_one_channel_fails_there_alone(
    rig: Rig, account_id: AccountId, tmp_path: Path, photo: MediaView
) -> None:
    await rig.stage.add_channels(25)
    await rig.stage.execute(
        "UPDATE channels SET title = :title WHERE username = 'first_00001'", title="x" * 200
    )
    campaign_id = await add_campaign(rig, account_id, photo, words="{channel_title}" + "y" * 900, rate=50)
    await rig.start_worker(data_dir=tmp_path)
    await rig.finish(campaign_id)
    rig.check_each_once(24)
    job = await rig.stage.one("SELECT * FROM jobs WHERE status = 'FAILED'")
    assert job.error_code == "CONTENT_UNRENDERABLE"
    assert "the caption is too long" in job.error_message


async def test_a_direct_send_uploads_its_picture_and_posts_it(
    rig: Rig, account_id: AccountId, tmp_path: Path, photo: MediaView
) -> None:
    await rig.stage.add_channels(2)
    await rig.stage.execute("INSERT INTO templates (name, content) VALUES ('Picture', 'Look')")
    await put_into_template(rig.stage.engine, "Look", photo.id)
    sender = Sender(rig.stage.engine, account_id)
    await rig.start_worker(data_dir=tmp_path, secret_key=SECRET_KEY)

    async def is_leased() -> bool:
        query = "SELECT 1 FROM account_leases WHERE lease_until > clock_timestamp()"
        return bool(await rig.stage.execute(query))

    await rig.until(is_leased)
    for name in ("first_00001", "first_00002"):
        result = await sender.send(name, None, template="Picture")  # type: ignore[arg-type]
        assert (result.status, len(result.message_ids)) == (CommandStatus.DONE, 1)
    assert [(post.text, post.media is not None) for post in rig.posts] == [("Look", True)] * 2
    assert count_calls(rig, UPLOAD) == 1
    rig.server.simulator.expire_file_references()
    result = await sender.send("first_00001", None, template="Picture")  # type: ignore[arg-type]
    assert result.status is CommandStatus.DONE
    assert count_calls(rig, UPLOAD) == 2


async def test_a_direct_send_whose_picture_is_not_here_ends_with_the_reason(
    rig: Rig, account_id: AccountId, tmp_path: Path, photo: MediaView
) -> None:
    await rig.stage.add_channels(1)
    await rig.stage.execute("INSERT INTO templates (name, content) VALUES ('Picture', 'Look')")
    await put_into_template(rig.stage.engine, "Look", photo.id)
    await LocalMediaStore(tmp_path).remove(photo.sha256)
    sender = Sender(rig.stage.engine, account_id)
    await rig.start_worker(data_dir=tmp_path, secret_key=SECRET_KEY)

    async def is_leased() -> bool:
        query = "SELECT 1 FROM account_leases WHERE lease_until > clock_timestamp()"
        return bool(await rig.stage.execute(query))

    await rig.until(is_leased)
    async with asyncio.timeout(10):
        result = await sender.send("first_00001", None, template="Picture")  # type: ignore[arg-type]
    assert (result.status, result.error_code) == (CommandStatus.FAILED, "MEDIA_MISSING")
    assert rig.posts == []


async def test_workers_of_another_machine_post_a_file_from_a_bucket(
    rig: Rig, account_id: AccountId, tmp_path: Path
) -> None:
    data = make_jpeg(size=5 * MIB)
    await rig.stage.add_channels(5)
    with run_bucket() as endpoint:
        here = load_settings(data_dir=tmp_path / "api", **name_bucket(endpoint))
        received = await receive_media(make_media_store(here), as_chunks(data), kind="photo", name="a.jpg")
        async with open_session(rig.stage.engine) as session:
            media = await store_media(session, Actor.system("test"), received)
        campaign_id = await add_campaign(rig, account_id, media)
        await rig.start_worker(
            data_dir=tmp_path / "worker", call_timeout_seconds=5.0, **name_bucket(endpoint)
        )
        await rig.finish(campaign_id)
    rig.check_each_once(5)
    assert {post.media["sha256"] for post in rig.posts if post.media} == {hashlib.sha256(data).hexdigest()}
    assert rig.server.simulator.summarize().uploaded_bytes == len(data)


async def test_a_storage_that_does_not_answer_pauses_the_campaign_with_its_name(
    rig: Rig, account_id: AccountId, tmp_path: Path, photo: MediaView
) -> None:
    await rig.stage.add_channels(2)
    campaign_id = await add_campaign(rig, account_id, photo)
    worker = await rig.start_worker(data_dir=tmp_path, **name_bucket("http://127.0.0.1:9"))
    await rig.until_status("PAUSED", campaign_id, patience=60)
    detail = (await rig.stage.read_campaign(campaign_id)).status_detail
    assert "MEDIA_STORE" in detail
    assert "bucket 'vestnik-media' at http://127.0.0.1:9 cannot be reached" in detail
    assert await rig.stage.count_jobs(campaign_id) == {"QUEUED": 2}
    await worker.stop()
    await rig.stage.resume(campaign_id)
    await rig.start_worker(data_dir=tmp_path)
    await rig.finish(campaign_id)
    rig.check_each_once(2)
