"""Buttons with links: posted below each post, and never by an account whose posts cannot have them."""

import pytest

from tests.integration.delivery.rig import Rig
from vestnik.db.engine import open_session
from vestnik.domain.actors import Actor
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.ids import AccountId
from vestnik.services.content_corrections import correct_content
from vestnik.simulator.faults import Fault, FaultKind

ROWS = [
    [{"text": "Read", "url": "https://news.example/1"}, {"text": "Share", "url": "tg://msg_url?url=x"}],
    [{"text": "Subscribe", "url": "http://news.example/"}],
]
STORED = (
    '[[{"text": "Read", "url": "https://news.example/1"}, {"text": "Share", "url": "tg://msg_url?url=x"}],'
    ' [{"text": "Subscribe", "url": "http://news.example/"}]]'
)
PUT = "UPDATE templates SET buttons = CAST(:buttons AS jsonb)"


async def test_buttons_arrive_below_every_post_and_are_corrected(
    rig: Rig, account_id: AccountId, actor: Actor
) -> None:
    await rig.stage.add_channels(4)
    campaign_id = await rig.stage.add_campaign(account_id, start=False)
    await rig.stage.execute(PUT, buttons=STORED)
    await rig.stage.start(campaign_id)
    rig.set_faults(
        Fault(
            method="messages.sendMessage",
            kind=FaultKind.ERROR,
            code=400,
            name="BUTTON_URL_INVALID",
            skip=1,
            count=1,
        )
    )
    await rig.start_worker()
    await rig.until_status("PAUSED", campaign_id)
    campaign = await rig.stage.read_campaign(campaign_id)
    assert (campaign.pause_reason, "BUTTON_URL_INVALID" in campaign.status_detail) == ("CONTENT_ERROR", True)
    async with open_session(rig.stage.engine) as session:
        kept = await correct_content(session, actor, campaign_id, "Better")
    assert len(kept.buttons) == 2
    await rig.stage.resume(campaign_id)
    await rig.finish(campaign_id)
    rig.check_each_once(4)
    assert all(post.buttons == ROWS for post in rig.posts)


async def test_a_persons_account_starts_no_campaign_with_buttons(
    rig: Rig, account_id: AccountId, actor: Actor
) -> None:
    await rig.stage.add_channels(1)
    campaign_id = await rig.stage.add_campaign(account_id, start=False)
    await rig.stage.execute(PUT, buttons=STORED)
    await rig.stage.execute(
        "INSERT INTO accounts (name, kind, rate) VALUES ('editor', 'USER', 20), ('news bot', 'BOT', 20)"
    )
    change = (
        "UPDATE campaigns SET mode = 'LIVE', account_kind = :kind,"
        " account_id = (SELECT id FROM accounts WHERE kind = :kind)"
    )
    await rig.stage.execute(change, kind="USER")
    with pytest.raises(InvalidInputError, match="'editor' is a person's") as caught:
        await rig.stage.start(campaign_id)
    assert caught.value.field == "account"
    assert (await rig.stage.read_campaign(campaign_id)).status == "DRAFT"
    assert await rig.stage.count_jobs(campaign_id) == {}
    await rig.stage.execute("UPDATE templates SET buttons = '[]'")
    await rig.stage.start(campaign_id)
    await rig.stage.pause(campaign_id)
    async with open_session(rig.stage.engine) as session:
        with pytest.raises(InvalidInputError, match="'editor' is a person's"):
            await correct_content(session, actor, campaign_id, "x", buttons=ROWS)
    second = await rig.stage.add_campaign(account_id, words="Another", start=False)
    await rig.stage.execute(PUT, buttons=STORED)
    await rig.stage.execute(change + " WHERE id = :id", kind="BOT", id=second)
    assert await rig.stage.start(second) == 1
