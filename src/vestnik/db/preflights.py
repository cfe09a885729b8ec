"""Preflights: what a campaign's lane reads and writes for one, and the reports that people read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.content import FrozenContent
from vestnik.db.campaign_content import read_template
from vestnik.db.engine import open_session
from vestnik.db.models import (
    Account,
    Batch,
    Campaign,
    Channel,
    Preflight,
    PreflightChannel,
    Template,
)
from vestnik.db.statements import StatementRunner, clean_text
from vestnik.domain.ids import AccountId, BatchId, CampaignId, ChannelId, CommandId
from vestnik.domain.preflights import ChannelFacts, Finding
from vestnik.domain.states import PreflightVerdict

PAGE: Final = 200
"""Channels judged at a time: a few milliseconds, in which nothing else of the process happens."""


# ---- the engine's side --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class PreflightPlan:
    """The campaign as it would start now."""

    campaign_id: CampaignId
    account_id: AccountId
    batch_id: BatchId
    mode: str
    content: FrozenContent
    rate: float
    """Posts a second: the campaign's or the account's, whichever is less."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MemberFacts:
    """A channel of the batch; `read_at` is when it was looked at."""

    channel_id: ChannelId
    position: int
    username: str | None
    title: str
    facts: ChannelFacts
    read_at: datetime


class PreflightLedger:
    """The statements of the lease holder. Every method raises DatabaseUnavailableError."""

    def __init__(self, runner: StatementRunner) -> None:
        self._runner = runner

    async def read_plan(self, preflight_id: CommandId) -> PreflightPlan | None:
        """None when campaign or preflight are gone. Raises InvalidInputError for content that cannot be posted."""
        async with open_session(self._runner.engine) as session:
            row = (
                await session.execute(
                    select(Campaign, Template, Account.rate)
                    .join(Preflight, Preflight.campaign_id == Campaign.id)
                    .join(Template, Template.id == Campaign.template_id)
                    .join(Account, Account.id == Campaign.account_id)
                    .where(Preflight.id == preflight_id, Campaign.deleted_at.is_(None))
                )
            ).one_or_none()
            if row is None:
                return None
            campaign, template, account_rate = row
            content = await read_template(session, template, field="template")
            return PreflightPlan(
                campaign_id=CampaignId(campaign.id),
                account_id=AccountId(campaign.account_id),
                batch_id=BatchId(campaign.batch_id),
                mode=campaign.mode,
                content=content,
                rate=float(min(campaign.delivery_rate, account_rate)) / content.message_count,
            )

    async def count_unresolved(self, preflight_id: CommandId) -> int:
        """Channels whose address may still be found."""
        (row,) = await self._runner.fetch("count_preflight_unresolved", preflight_id=preflight_id)
        return int(row.missing)

    async def list_same_content(self, plan: PreflightPlan) -> list[UUID]:
        """Campaigns that posted the same."""
        content = plan.content
        files = None if content.address else json.dumps([file.sha256 for file in content.files])
        rows = await self._runner.fetch(
            "list_same_content",
            campaign_id=plan.campaign_id,
            mode=plan.mode,
            source=content.source,
            parse_mode=None if content.parse_mode is None else content.parse_mode.value,
            files=files,
        )
        return [row.id for row in rows]

    async def list_page(
        self, plan: PreflightPlan, after: int, same_content: Sequence[UUID]
    ) -> list[MemberFacts]:
        """The next channels behind a position."""
        rows = await self._runner.fetch(
            "list_preflight_page",
            batch_id=plan.batch_id,
            account_id=plan.account_id,
            after=after,
            page=PAGE,
            same_content=list(same_content),
        )
        return [
            MemberFacts(
                channel_id=ChannelId(row.channel_id),
                position=row.position,
                username=row.username,
                title=row.title or row.username or str(row.tg_id),
                facts=_read_facts(row),
                read_at=row.read_at,
            )
            for row in rows
        ]

    async def store_findings(
        self, preflight_id: CommandId, findings: Mapping[tuple[ChannelId, int], Finding]
    ) -> None:
        """Keep what was found; by channel and position."""
        given = [
            {
                "channel_id": str(channel_id),
                "position": position,
                "verdict": finding.verdict.value,
                "code": clean_text(finding.code),
                "detail": clean_text(finding.detail),
                "at": None if finding.at is None else finding.at.isoformat(),
            }
            for (channel_id, position), finding in findings.items()
        ]
        if given:
            await self._runner.fetch("store_findings", preflight_id=preflight_id, findings=json.dumps(given))

    async def finish(
        self, preflight_id: CommandId, total: int, counts: Mapping[PreflightVerdict, int]
    ) -> None:
        """The report is whole."""
        await self._runner.fetch(
            "finish_preflight",
            preflight_id=preflight_id,
            total=total,
            failing=counts.get(PreflightVerdict.FAILS, 0),
            waiting=counts.get(PreflightVerdict.WAITS, 0),
            warned=counts.get(PreflightVerdict.WARNS, 0),
        )


def _read_facts(row: Any) -> ChannelFacts:  # noqa: ANN401 - a row of list_preflight_page
    slow = row.slow_mode_seconds
    return ChannelFacts(
        is_active=row.is_active,
        inactive_reason=row.inactive_reason,
        is_twin=row.is_twin,
        is_found=row.is_found,
        can_post=row.can_post,
        forbidden=row.forbidden or (),
        gone_since=row.gone_since,
        hold_until=row.hold_until,
        slow_mode=None if slow is None else timedelta(seconds=slow),
        last_post_at=row.last_post_at,
        same_content_at=row.same_content_at,
        same_content_campaign=row.same_content_campaign,
    )


# ---- the side of those who ask ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class FindingRow:
    """A finding with its channel."""

    finding: PreflightChannel
    username: str | None
    tg_id: int | None
    title: str | None


async def describe_basis(session: AsyncSession, campaign_id: CampaignId) -> str | None:
    """Another text once campaign, template or batch were changed; None when there is no such campaign."""
    row = (
        await session.execute(
            select(Campaign.revision, Template.revision, Batch.revision, Campaign.account_id)
            .join(Template, Template.id == Campaign.template_id)
            .join(Batch, Batch.id == Campaign.batch_id)
            .where(Campaign.id == campaign_id, Campaign.deleted_at.is_(None))
        )
    ).one_or_none()
    return None if row is None else ".".join(map(str, row))


async def replace_preflight(
    session: AsyncSession, preflight_id: CommandId, campaign_id: CampaignId, basis: str
) -> None:
    """Begin a new report; the one before goes."""
    await session.execute(delete(Preflight).where(Preflight.campaign_id == campaign_id))
    await session.execute(
        insert(Preflight).values(
            id=preflight_id, campaign_id=campaign_id, basis=basis, requested_at=func.clock_timestamp()
        )
    )


async def find_preflight(session: AsyncSession, campaign_id: CampaignId) -> Preflight | None:
    """The report on a campaign, whole or not."""
    query = select(Preflight).where(Preflight.campaign_id == campaign_id)
    return await session.scalar(query.execution_options(populate_existing=True))


async def count_codes(session: AsyncSession, preflight_id: UUID) -> list[tuple[PreflightVerdict, str, int]]:
    """How many channels each finding concerns, the most frequent first."""
    number = func.count()
    rows = await session.execute(
        select(PreflightChannel.verdict, PreflightChannel.code, number)
        .where(PreflightChannel.preflight_id == preflight_id)
        .group_by(PreflightChannel.verdict, PreflightChannel.code)
        .order_by(number.desc(), PreflightChannel.code)
    )
    return [(PreflightVerdict(verdict), code, count) for verdict, code, count in rows]


async def list_findings(
    session: AsyncSession,
    preflight_id: UUID,
    *,
    verdict: PreflightVerdict | None,
    code: str | None,
    after: int,
    limit: int,
) -> list[FindingRow]:
    """In the order of the batch, behind a position."""
    found = PreflightChannel
    query = (
        select(found, Channel.username, Channel.tg_id, Channel.title)
        .join(Channel, Channel.id == found.channel_id)
        .where(found.preflight_id == preflight_id, found.position > after)
        .order_by(found.position)
        .limit(limit)
    )
    wanted: list[ColumnElement[bool]] = []
    if verdict is not None:
        wanted.append(found.verdict == verdict)
    if code is not None:
        wanted.append(found.code == code)
    rows = await session.execute(query.where(*wanted))
    return [
        FindingRow(finding=finding, username=username, tg_id=tg_id, title=title)
        for finding, username, tg_id, title in rows
    ]
