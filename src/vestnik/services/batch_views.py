"""What is shown around a batch: who can post in it, who uses it, and what could still come into it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import batch_members as rows
from vestnik.db.campaigns import CampaignFilter
from vestnik.db.channel_records import Place
from vestnik.domain.actors import Actor
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.ids import BatchId, ChannelId
from vestnik.domain.states import AccountKind
from vestnik.services.batches import MembershipChange, add_channels, require_batch
from vestnik.services.campaign_views import CampaignView
from vestnik.services.campaigns import list_campaigns
from vestnik.services.channel_views import ChannelQuery, ChannelView, find_channels, list_channels

MOST_FOUND: Final = 100_000
"""Channels that are put into a batch by one search."""
_PART: Final = 2_000


@dataclass(frozen=True, kw_only=True, slots=True)
class ReachView:
    """To how many of a batch's channels a campaign of an account would post."""

    account_id: UUID
    account_name: str
    account_kind: AccountKind
    sendable: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A channel that may come into a batch, unless it is in it."""

    channel: ChannelView
    is_member: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class CandidatePage:
    """Some channels; there may be more beyond `next_before`, none if it is None."""

    items: Sequence[Candidate]
    next_before: Place | None


async def list_reach(session: AsyncSession, batch_id: BatchId) -> list[ReachView]:
    """Of every account, by name."""
    return [
        ReachView(
            account_id=found.account_id,
            account_name=found.account_name,
            account_kind=AccountKind(found.account_kind),
            sendable=found.sendable,
        )
        for found in await rows.list_reach(session, batch_id)
    ]


async def list_campaigns_of(session: AsyncSession, batch_id: BatchId, *, limit: int) -> list[CampaignView]:
    """The newest campaigns that post in a batch."""
    return await list_campaigns(session, limit=limit, wanted=CampaignFilter(batch_id=batch_id))


async def list_candidates(
    session: AsyncSession,
    batch_id: BatchId,
    wanted: ChannelQuery,
    *,
    limit: int,
    before: Place | None = None,
) -> CandidatePage:
    """Channels that are searched for, the newest first, and whether they are in the batch."""
    page = await list_channels(session, wanted, limit=limit, before=before)
    members = await rows.find_members(session, batch_id, [channel.id for channel in page.items])
    items = [Candidate(channel=channel, is_member=channel.id in members) for channel in page.items]
    return CandidatePage(items=items, next_before=page.next_before)


async def list_chosen(
    session: AsyncSession, batch_id: BatchId, channel_ids: Sequence[ChannelId]
) -> list[ChannelView]:
    """Those of the channels that can still come into the batch, the newest first."""
    members = await rows.find_members(session, batch_id, channel_ids)
    return await find_channels(
        session, [channel_id for channel_id in channel_ids if channel_id not in members]
    )


async def find_all_channels(session: AsyncSession, wanted: ChannelQuery) -> list[ChannelId]:
    """Every channel that a search finds, the newest first. Raises InvalidInputError beyond `MOST_FOUND`."""
    found: list[ChannelId] = []
    before: Place | None = None
    while True:
        page = await list_channels(session, wanted, limit=_PART, before=before)
        found += [ChannelId(channel.id) for channel in page.items]
        if len(found) > MOST_FOUND:
            raise InvalidInputError(
                f"more than {MOST_FOUND:,} channels are found; search for fewer", field="search"
            )
        if page.next_before is None:
            return found
        before = page.next_before


async def add_found(
    session: AsyncSession, actor: Actor, batch_id: BatchId, wanted: ChannelQuery
) -> MembershipChange:
    """Put everything that a search finds at the end of a batch.

    Raises NotFoundError, InvalidInputError, and ConflictError as `services.batches.add_channels` does.
    """
    await require_batch(session, batch_id)
    return await add_channels(session, actor, batch_id, await find_all_channels(session, wanted))
