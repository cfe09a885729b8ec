from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from vestnik.db import transitions
from vestnik.db.engine import open_session
from vestnik.db.models import (
    Account,
    AccountHold,
    AuditLog,
    Batch,
    BatchChannel,
    Campaign,
    Channel,
    Job,
    Template,
)
from vestnik.domain.actors import Actor
from vestnik.domain.errors import ConflictError, InvalidInputError, NotFoundError, VestnikError
from vestnik.domain.ids import CampaignId
from vestnik.domain.states import CampaignStatus, DerivedPause, PauseReason
from vestnik.services import campaigns
from vestnik.services.batches import create_batch
from vestnik.services.campaign_views import CampaignView
from vestnik.services.campaigns import NewCampaign
from vestnik.services.channels import import_channels
from vestnik.services.templates import create_template

LIST = b"@one_news\n@two_news\n@three_news\n"


def describe(**changes: Any) -> NewCampaign:
    values: dict[str, Any] = {"name": "Launch", "channels_file": LIST, "text": "Hello", "rate": "20"}
    return NewCampaign(**{**values, **changes})


async def make(session: AsyncSession, actor: Actor, **changes: Any) -> CampaignView:
    return (await campaigns.create_campaign(session, actor, describe(**changes))).campaign


async def count(session: AsyncSession, model: type[Any]) -> int:
    return await session.scalar(select(func.count()).select_from(model)) or 0


async def test_a_list_and_a_text_become_a_batch_and_a_template_of_the_same_name(
    session: AsyncSession, actor: Actor
) -> None:
    created = await campaigns.create_campaign(session, actor, describe())
    view = created.campaign
    assert (view.batch_name, view.template_name, created.channels) == ("Launch", "Launch", 3)
    assert (view.status, view.mode, view.account_name) == (CampaignStatus.DRAFT, "TEST", "rehearsal")
    assert (view.delivery_rate, view.retry_limit, view.progress.total) == (Decimal(20), 3, 0)
    assert created.imported is not None
    assert created.imported.imported == 3


async def test_names_that_are_taken_get_a_number(session: AsyncSession, actor: Actor) -> None:
    views = [await make(session, actor) for _ in range(3)]
    assert [view.name for view in views] == ["Launch"] * 3
    assert [view.batch_name for view in views] == ["Launch", "Launch (2)", "Launch (3)"]
    assert [view.template_name for view in views] == ["Launch", "Launch (2)", "Launch (3)"]


async def test_a_batch_and_a_template_are_found_by_name_or_id(session: AsyncSession, actor: Actor) -> None:
    imported = await import_channels(session, actor, LIST)
    batch = await create_batch(session, actor, "Morning", imported.channels)
    template = await create_template(session, actor, "Greeting", "Hello")
    for batch_reference, template_reference in (("Morning", "Greeting"), (str(batch.id), str(template.id))):
        view = await make(
            session,
            actor,
            channels_file=None,
            text=None,
            batch=batch_reference,
            template=template_reference,
        )
        assert (view.batch_id, view.template_id) == (batch.id, template.id)


async def test_a_batch_keeps_the_order_of_its_list(session: AsyncSession, actor: Actor) -> None:
    names = [f"channel_{number * 7919 % 10_000}" for number in range(10_000)]
    await make(session, actor, channels_file="\n".join(names).encode())
    query = select(Channel.username).join(BatchChannel, BatchChannel.channel_id == Channel.id)
    assert list(await session.scalars(query.order_by(BatchChannel.position))) == names


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"name": " "}, InvalidInputError, "name is empty"),
        ({"rate": "0"}, InvalidInputError, "from 0.001 to 1000"),
        ({"rate": "5000"}, InvalidInputError, "from 0.001 to 1000"),
        ({"retry_limit": 99}, InvalidInputError, "from 0 to 20"),
        ({"mode": "REAL"}, InvalidInputError, "TEST"),
        ({"text": "x" * 4097}, InvalidInputError, "1 too many"),
        ({"text": None}, InvalidInputError, "template and text are both missing"),
        ({"template": "T"}, InvalidInputError, "template and text are both given"),
        ({"batch": "B"}, InvalidInputError, "batch and channels_file are both given"),
        ({"channels_file": b"nonsense!"}, InvalidInputError, "names no channel"),
        ({"channels_file": None, "batch": "B"}, NotFoundError, "no batch 'B'; there is none yet"),
        ({"text": None, "template": "T"}, NotFoundError, "no template 'T'; there is none yet"),
        ({"account": "nobody"}, NotFoundError, "no account 'nobody'; the accounts are 'rehearsal'"),
        ({"mode": "LIVE"}, InvalidInputError, "vestnik account add"),
        ({"mode": "LIVE", "account": "rehearsal"}, InvalidInputError, "is simulated"),
    ],
)
async def test_a_refused_campaign_leaves_nothing(
    engine: AsyncEngine, actor: Actor, changes: dict[str, Any], error: type[VestnikError], words: str
) -> None:
    with pytest.raises(error, match=words):
        async with open_session(engine) as session:
            await make(session, actor, **changes)
    async with open_session(engine) as session:
        for model in (Campaign, Batch, Template, Channel, AuditLog):
            assert await count(session, model) == 0


class TestChoiceOfAccount:
    async def add(self, session: AsyncSession, name: str, kind: str = "USER") -> None:
        session.add(Account(name=name, kind=kind))
        await session.flush()

    async def test_live_takes_the_only_real_account(self, session: AsyncSession, actor: Actor) -> None:
        await self.add(session, "newsroom", "BOT")
        for mode in ("LIVE", "production"):
            view = await make(session, actor, mode=mode)
            assert (view.mode, view.account_name) == ("LIVE", "newsroom")

    async def test_live_prefers_default(self, session: AsyncSession, actor: Actor) -> None:
        await self.add(session, "another")
        await self.add(session, "default")
        assert (await make(session, actor, mode="LIVE")).account_name == "default"

    async def test_live_with_several_accounts_wants_a_name(self, session: AsyncSession, actor: Actor) -> None:
        await self.add(session, "east")
        await self.add(session, "west")
        with pytest.raises(InvalidInputError, match="'east', 'west'"):
            await make(session, actor, mode="LIVE")
        assert (await make(session, actor, mode="LIVE", account="west")).account_name == "west"

    async def test_test_with_a_real_account_is_refused(self, session: AsyncSession, actor: Actor) -> None:
        await self.add(session, "default")
        with pytest.raises(InvalidInputError, match="is real"):
            await make(session, actor, account="default")
        assert (await make(session, actor)).account_name == "rehearsal"


async def test_the_life_of_a_campaign_is_audited(session: AsyncSession, actor: Actor) -> None:
    campaign_id = CampaignId((await make(session, actor)).id)
    started = await campaigns.start_campaign(session, actor, campaign_id)
    assert (started.status, started.progress.total, started.progress.queued) == ("RUNNING", 3, 3)
    paused = await campaigns.pause_campaign(session, actor, campaign_id)
    assert (paused.status, paused.pause_reason) == ("PAUSED", PauseReason.OPERATOR)
    assert (await campaigns.resume_campaign(session, actor, campaign_id)).status == "RUNNING"
    cancelled = await campaigns.cancel_campaign(session, actor, campaign_id)
    assert (cancelled.status, cancelled.progress.cancelled) == ("CANCELLED", 3)
    query = select(AuditLog).where(AuditLog.entity_type == "campaign").order_by(AuditLog.id)
    entries = list(await session.scalars(query))
    assert [(entry.action, (entry.after or {}).get("status")) for entry in entries] == [
        ("campaign.created", None),
        ("campaign.started", "RUNNING"),
        ("campaign.paused", "PAUSED"),
        ("campaign.resumed", "RUNNING"),
        ("campaign.cancelled", "CANCELLED"),
    ]
    assert [(entry.before or {}).get("status") for entry in entries] == [
        None,
        "DRAFT",
        "RUNNING",
        "PAUSED",
        "RUNNING",
    ]
    assert {entry.entity_id for entry in entries} == {str(campaign_id)}


async def test_starting_without_a_sendable_channel_changes_nothing(engine: AsyncEngine, actor: Actor) -> None:
    async with open_session(engine) as session:
        campaign_id = CampaignId((await make(session, actor)).id)
        await session.execute(update(Channel).values(is_active=False))
    with pytest.raises(InvalidInputError, match="no channel that can be sent to"):
        async with open_session(engine) as session:
            await campaigns.start_campaign(session, actor, campaign_id)
    async with open_session(engine) as session:
        view = await campaigns.get_campaign(session, campaign_id)
        assert (view.status, view.started_at, await count(session, Job)) == ("DRAFT", None, 0)


async def test_a_hold_is_shown_as_a_pause_with_its_end(session: AsyncSession, actor: Actor) -> None:
    view = await make(session, actor)
    campaign_id = CampaignId(view.id)
    await campaigns.start_campaign(session, actor, campaign_id)
    hold = AccountHold(
        account_id=view.account_id,
        scope="SEND",
        until=func.clock_timestamp() + timedelta(minutes=5),
        reason="FLOOD_WAIT",
    )
    session.add(hold)
    await session.flush()
    shown = await campaigns.get_campaign(session, campaign_id)
    assert (shown.status, shown.stored_status) == (CampaignStatus.PAUSED, CampaignStatus.RUNNING)
    assert shown.pause_reason is DerivedPause.FLOOD_WAIT
    await session.refresh(hold)
    assert shown.resumes_at == hold.until
    with pytest.raises(ConflictError, match="goes on by itself"):
        await campaigns.resume_campaign(session, actor, campaign_id)
    paused = await campaigns.pause_campaign(session, actor, campaign_id)
    assert (paused.pause_reason, paused.resumes_at) == (PauseReason.OPERATOR, None)
    resumed = await campaigns.resume_campaign(session, actor, campaign_id)
    assert resumed.pause_reason is DerivedPause.FLOOD_WAIT


async def test_holds_that_are_over_or_of_look_ups_are_not_shown(session: AsyncSession, actor: Actor) -> None:
    view = await make(session, actor)
    await campaigns.start_campaign(session, actor, CampaignId(view.id))
    now = func.clock_timestamp()
    for scope, until in (("SEND", now - timedelta(seconds=1)), ("RESOLVE", now + timedelta(days=1))):
        session.add(AccountHold(account_id=view.account_id, scope=scope, until=until, reason="x"))
    await session.flush()
    assert (await campaigns.get_campaign(session, CampaignId(view.id))).status is CampaignStatus.RUNNING


async def test_a_blocked_account_is_shown_with_its_reason(session: AsyncSession, actor: Actor) -> None:
    view = await make(session, actor)
    await campaigns.start_campaign(session, actor, CampaignId(view.id))
    await session.execute(update(Account).values(state="NEEDS_LOGIN", state_reason="the session was revoked"))
    shown = await campaigns.get_campaign(session, CampaignId(view.id))
    assert (shown.status, shown.pause_reason) == ("PAUSED", DerivedPause.ACCOUNT_BLOCKED)
    assert shown.status_detail == "account 'rehearsal' is NEEDS_LOGIN: the session was revoked"


async def test_references_are_names_or_ids(session: AsyncSession, actor: Actor) -> None:
    view = await make(session, actor)
    assert await campaigns.find_campaign(session, "Launch") == view.id
    assert await campaigns.find_campaign(session, str(view.id)) == view.id
    with pytest.raises(NotFoundError, match="the newest are 'Launch'"):
        await campaigns.find_campaign(session, "lunch")
    other = await make(session, actor)
    with pytest.raises(ConflictError) as caught:
        await campaigns.find_campaign(session, "Launch")
    assert str(view.id) in caught.value.message
    assert str(other.id) in caught.value.message


async def test_lists_go_on_after_the_last_one_seen(engine: AsyncEngine, actor: Actor) -> None:
    for number in range(5):
        async with open_session(engine) as session:
            await make(session, actor, name=f"c{number}")
    async with open_session(engine) as session:
        first = await campaigns.list_campaigns(session, limit=3)
        last = first[-1]
        rest = await campaigns.list_campaigns(session, limit=3, before=(last.created_at, CampaignId(last.id)))
    assert [view.name for view in (*first, *rest)] == ["c4", "c3", "c2", "c1", "c0"]


async def test_failures_are_counted_by_code(session: AsyncSession, actor: Actor) -> None:
    view = await make(session, actor)
    await campaigns.start_campaign(session, actor, CampaignId(view.id))
    await session.execute(update(Job).values(status="FAILED", error_code="CHANNEL_PRIVATE"))
    assert await campaigns.count_failures(session, CampaignId(view.id)) == {"CHANNEL_PRIVATE": 3}


async def test_taken_names_are_refused_for_batches_and_templates(session: AsyncSession, actor: Actor) -> None:
    imported = await import_channels(session, actor, LIST)
    await create_batch(session, actor, "A", imported.channels)
    await create_template(session, actor, "A", "x")
    with pytest.raises(ConflictError, match="batch 'A'"):
        await create_batch(session, actor, " A ", imported.channels)
    with pytest.raises(ConflictError, match="template 'A'"):
        await create_template(session, actor, "A", "x")
    with pytest.raises(InvalidInputError, match="at least one channel"):
        await create_batch(session, actor, "B", ())


async def test_a_large_campaign_says_that_it_is_still_expanding(
    session: AsyncSession, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise its total, and the time left, would be taken for those of the whole batch."""
    monkeypatch.setattr(transitions, "EXPANSION_CHUNK", 2)
    campaign_id = CampaignId((await make(session, actor)).id)
    started = await campaigns.start_campaign(session, actor, campaign_id)
    assert (started.progress.total, started.progress.is_expanding) == (2, True)
    assert started.progress.seconds_left is None
    await transitions.expand_running_campaign(session, campaign_id)
    whole = (await campaigns.get_campaign(session, campaign_id)).progress
    assert (whole.total, whole.is_expanding) == (3, False)
    assert whole.seconds_left is not None
