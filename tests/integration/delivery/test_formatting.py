"""Formatted texts with variables, as they arrive through Telethon: each channel gets its own, whole."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.integration.delivery.rig import Rig
from tests.support.sends import SECRET_KEY, Sender
from vestnik.db.engine import open_session
from vestnik.domain.actors import Actor
from vestnik.domain.commands import CommandStatus
from vestnik.domain.errors import ConflictError
from vestnik.domain.ids import AccountId, CampaignId
from vestnik.services.content_corrections import correct_content
from vestnik.simulator.faults import Fault, FaultKind
from vestnik.simulator.options import Options, RandomIdAnswer
from vestnik.simulator.posts import Post

HTML = '👋🏽 <b>{channel_title}</b> <a href="https://x.example/?c={channel_username}"><i>more</i></a> {{!}}'
MARKDOWN = "👋🏽 *{channel_title}* [_more_](https://x.example/?c={channel_username}) {{\\!}}"


async def add_campaign(rig: Rig, account_id: AccountId, source: str, **fields: Any) -> CampaignId:
    """A campaign of a formatted template, not started."""
    mode, preview = fields.pop("parse_mode", "HTML"), fields.pop("link_preview", True)
    campaign_id = await rig.stage.add_campaign(account_id, words=source, start=False, **fields)
    await rig.stage.execute(
        "UPDATE templates SET parse_mode = :mode, link_preview = :preview WHERE content = :source",
        mode=mode,
        preview=preview,
        source=source,
    )
    return campaign_id


async def name_channels(rig: Rig, *titles: str) -> None:
    for number, title in enumerate(titles, 1):
        await rig.stage.execute(
            "UPDATE channels SET title = :title WHERE username = :name",
            title=title,
            name=f"first_{number:05}",
        )


def find_pieces(post: Post) -> set[tuple[str, str]]:
    """What applies to which words."""
    units = post.text.encode("utf-16-le")
    return {
        (
            entity["_"],
            units[2 * entity["offset"] : 2 * (entity["offset"] + entity["length"])].decode("utf-16-le"),
        )
        for entity in post.entities
    }


@pytest.mark.parametrize(("mode", "source"), [("HTML", HTML), ("MARKDOWN", MARKDOWN)])
async def test_formatting_and_variables_arrive_whole_in_every_channel(
    rig: Rig, account_id: AccountId, mode: str, source: str
) -> None:
    await rig.stage.add_channels(3)
    titles = ["Plain", "<b>𝔘𝔫𝔦</b> & 😀", "*stars* {date}"]
    await name_channels(rig, *titles)
    campaign_id = await add_campaign(rig, account_id, source, parse_mode=mode, link_preview=False)
    await rig.stage.start(campaign_id)
    await rig.start_worker()
    await rig.finish(campaign_id)
    posts = {post.username: post for post in rig.posts}
    assert len(posts) == 3
    for number, title in enumerate(titles, 1):
        post = posts[f"first_{number:05}"]
        assert post.text == f"👋🏽 {title} more {{!}}"
        assert find_pieces(post) == {
            ("MessageEntityBold", title),
            ("MessageEntityTextUrl", "more"),
            ("MessageEntityItalic", "more"),
        }
        (link,) = [entity for entity in post.entities if "url" in entity]
        assert link["url"] == f"https://x.example/?c={post.username}"
        assert post.link_preview is False


async def test_plain_texts_arrive_without_formatting_and_with_their_preview(
    rig: Rig, account_id: AccountId
) -> None:
    await rig.stage.add_channels(1)
    campaign_id = await rig.stage.add_campaign(account_id, words="<b>5 < 6</b> https://x.example/")
    await rig.start_worker()
    await rig.finish(campaign_id)
    (post,) = rig.posts
    assert (post.text, post.entities, post.link_preview) == ("<b>5 < 6</b> https://x.example/", [], True)


async def test_the_time_is_that_of_the_post_in_the_operators_zone(rig: Rig, account_id: AccountId) -> None:
    await rig.stage.add_channels(1)
    campaign_id = await rig.stage.add_campaign(account_id, words="{date} {time}")
    await rig.start_worker(time_zone="Asia/Kathmandu")
    await rig.finish(campaign_id)
    (post,) = rig.posts
    shown = datetime.strptime(post.text + "+0545", "%d.%m.%Y %H:%M%z")
    assert abs((datetime.now(UTC) - shown).total_seconds()) < 120


async def test_a_post_that_does_not_fit_one_channel_fails_there_alone_and_is_not_sent(
    rig: Rig, account_id: AccountId
) -> None:
    await rig.stage.add_channels(25)
    await name_channels(rig, "x" * 300)
    campaign_id = await add_campaign(rig, account_id, "{channel_title}" + "y" * 4000, rate=100)
    await rig.stage.start(campaign_id)
    await rig.start_worker()
    await rig.finish(campaign_id)
    assert len(rig.posts) == rig.send_calls == 24
    job = await rig.stage.one("SELECT * FROM jobs WHERE status = 'FAILED'")
    assert (job.error_code, job.attempts, job.maybe_sent) == ("CONTENT_UNRENDERABLE", 0, False)
    assert "204 too many" in job.error_message
    peer = await rig.stage.read_peer(account_id, job.channel_id)
    assert (peer.is_active, peer.consecutive_failures) == (True, 0)


async def test_posts_that_fit_nowhere_let_the_error_brake_pause_the_campaign(
    rig: Rig, account_id: AccountId
) -> None:
    await rig.stage.add_channels(200)
    campaign_id = await add_campaign(
        rig, account_id, "{channel_title}" + "y" * 4090, rate=50, max_error_rate=0.1
    )
    await rig.stage.start(campaign_id)
    await rig.start_worker()
    await rig.until_status("PAUSED", campaign_id)
    assert (await rig.stage.read_campaign(campaign_id)).pause_reason == "ERROR_RATE"
    assert rig.posts == []


async def test_a_personal_post_whose_answer_got_lost_is_found_by_its_own_text(
    rig: Rig, account_id: AccountId
) -> None:
    rig.server.simulator.options = Options(random_id=RandomIdAnswer.DUPLICATE)
    await rig.stage.add_channels(3)
    await name_channels(rig, "One", "Two", "Three")
    campaign_id = await add_campaign(rig, account_id, "<b>{channel_title}</b> {time}", rate=50)
    await rig.stage.start(campaign_id)
    rig.set_faults(
        Fault(
            method="messages.sendMessage", kind=FaultKind.ERROR_AFTER, code=500, name="RPC_CALL_FAIL", count=1
        )
    )
    await rig.start_worker()
    await rig.finish(campaign_id)
    rig.check_each_once(3)
    rows = await rig.stage.execute("SELECT message_ids FROM jobs")
    assert all(row.message_ids for row in rows)


async def test_a_content_that_cannot_be_read_pauses_its_campaign_and_no_other(
    rig: Rig, account_id: AccountId
) -> None:
    await rig.stage.add_channels(5)
    damaged = await rig.stage.add_campaign(account_id)
    await rig.stage.execute("UPDATE campaigns SET content = '{\"version\": 99}' WHERE id = :id", id=damaged)
    healthy = await rig.stage.add_campaign(account_id, rate=50)
    await rig.start_worker()
    await rig.finish(healthy)
    await rig.until_status("PAUSED", damaged)
    assert (await rig.stage.read_campaign(damaged)).pause_reason == "CONTENT_ERROR"
    rig.check_each_once(5)


async def test_a_correction_reaches_those_who_have_not_had_the_post(
    rig: Rig, account_id: AccountId, actor: Actor
) -> None:
    await rig.stage.add_channels(30)
    campaign_id = await rig.stage.add_campaign(account_id, rate=20, words="wrong")
    await rig.start_worker()
    await rig.wait_for_posts(5)
    with pytest.raises(ConflictError, match="only while it is PAUSED"):
        async with open_session(rig.stage.engine) as session:
            await correct_content(session, actor, campaign_id, "right")
    await rig.stage.pause(campaign_id)
    await asyncio.sleep(0.2)
    before = len(rig.posts)
    async with open_session(rig.stage.engine) as session:
        await correct_content(session, actor, campaign_id, "<b>right</b>", parse_mode="HTML")
    await rig.stage.resume(campaign_id)
    await rig.finish(campaign_id)
    rig.check_each_once(30)
    assert [post.text for post in rig.posts] == ["wrong"] * before + ["right"] * (30 - before)
    assert find_pieces(rig.posts[-1]) == {("MessageEntityBold", "right")}


async def test_a_direct_send_is_formatted_and_filled_in_as_well(rig: Rig, account_id: AccountId) -> None:
    await rig.stage.add_channels(2)
    await name_channels(rig, "𝔘𝔫𝔦")
    sender = Sender(rig.stage.engine, account_id)
    await rig.start_worker(secret_key=SECRET_KEY)
    await rig.until(lambda: is_leased(rig))
    result = await sender.send("first_00001", HTML, parse_mode="HTML", link_preview=False)
    assert result.status is CommandStatus.DONE
    (post,) = rig.posts
    assert (post.text, post.link_preview) == ("👋🏽 𝔘𝔫𝔦 more {!}", False)
    assert ("MessageEntityBold", "𝔘𝔫𝔦") in find_pieces(post)


async def is_leased(rig: Rig) -> bool:
    return bool(await rig.stage.execute("SELECT 1 FROM account_leases WHERE lease_until > clock_timestamp()"))
