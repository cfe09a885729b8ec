"""Campaigns and direct sends post silently, protected and with the chosen preview."""

from tests.integration.delivery.rig import Rig
from tests.support.sends import SECRET_KEY, Sender
from vestnik.db.engine import open_session
from vestnik.domain.actors import Actor
from vestnik.domain.ids import AccountId
from vestnik.services.content_corrections import correct_content
from vestnik.simulator.faults import Fault, FaultKind
from vestnik.simulator.options import Options, RandomIdAnswer

WORDS = "Read https://news.example/{channel_username}"
SHAPE = (
    "UPDATE templates SET silent = true, protect_content = true, link_preview_position = 'above',"
    " link_preview_size = 'large'"
)


async def test_a_campaign_posts_as_its_template_said_when_it_started(
    rig: Rig, account_id: AccountId, actor: Actor
) -> None:
    await rig.stage.add_channels(4)
    campaign_id = await rig.stage.add_campaign(account_id, words=WORDS, start=False)
    await rig.stage.execute(SHAPE)
    await rig.stage.start(campaign_id)
    await rig.stage.execute("UPDATE templates SET silent = false, link_preview_size = NULL")
    rig.server.simulator.options = Options(random_id=RandomIdAnswer.DUPLICATE)
    lost = Fault(
        method="messages.sendMedia", kind=FaultKind.ERROR_AFTER, code=500, name="RPC_CALL_FAIL", count=1
    )
    rig.set_faults(lost)
    await rig.start_worker()
    await rig.finish(campaign_id)
    rig.check_each_once(4)
    for post in rig.posts:
        assert (post.silent, post.protected, post.link_preview_above) == (True, True, True)
        assert (post.link_preview_size, post.link_preview_url) == (
            "large",
            f"https://news.example/{post.username}",
        )
    rows = await rig.stage.execute("SELECT message_ids FROM jobs")
    assert all(row.message_ids for row in rows), "the lost answer was looked up in the channel"


async def test_a_correction_keeps_what_it_does_not_name(
    rig: Rig, account_id: AccountId, actor: Actor
) -> None:
    await rig.stage.add_channels(2)
    campaign_id = await rig.stage.add_campaign(account_id, words=WORDS, start=False)
    await rig.stage.execute(SHAPE)
    await rig.stage.start(campaign_id)
    await rig.stage.pause(campaign_id)
    async with open_session(rig.stage.engine) as session:
        view = await correct_content(
            session, actor, campaign_id, "New https://b.example", options={"link_preview_size": None}
        )
    assert (view.silent, view.protect_content, view.link_preview_size) == (True, True, None)
    await rig.stage.resume(campaign_id)
    await rig.start_worker()
    await rig.finish(campaign_id)
    assert {(post.silent, post.protected, post.link_preview_size) for post in rig.posts} == {
        (True, True, None)
    }


async def test_a_direct_send_says_itself_how_it_is_posted(rig: Rig, account_id: AccountId) -> None:
    await rig.stage.add_channels(1)
    sender = Sender(rig.stage.engine, account_id)
    await rig.start_worker(secret_key=SECRET_KEY)

    async def is_leased() -> bool:
        query = "SELECT 1 FROM account_leases WHERE lease_until > clock_timestamp()"
        return bool(await rig.stage.execute(query))

    await rig.until(is_leased)
    await sender.send("first_00001", "Quiet", silent=True, protect_content=True)
    (post,) = rig.posts
    assert (post.text, post.silent, post.protected) == ("Quiet", True, True)
