"""The delivery engine's statements: each is one round trip and commits by itself.

All of them live in `sql/`, with the reasons beside them. Durations go in and out as `timedelta`s, measured by the
database's clock, so that no host's wall clock matters.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from vestnik.db.engine import open_session
from vestnik.db.models import Account, AccountLease, Campaign
from vestnik.db.statements import StatementRunner
from vestnik.db.transitions import expand_campaign
from vestnik.domain.ids import AccountId, CampaignId, ChannelId, JobId
from vestnik.domain.outcomes import JobResult
from vestnik.domain.states import AccountKind, AccountState, CampaignStatus, HoldScope, JobStatus, PauseReason
from vestnik.domain.transport import Content, Identity, Peer

BRAKE_RESULTS = 20
"""Results since the last start or resume below which the error-rate brake judges nothing."""
FAILURES_TO_DEACTIVATE = 5
"""Failed deliveries in a row after which an account stops posting to a channel."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lease:
    """The right to speak for an account; `epoch` fences everyone who held it before."""

    account_id: AccountId
    holder: str
    epoch: int
    next_slot_in: timedelta


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningCampaign:
    """A campaign stored as RUNNING, as its lane needs it."""

    campaign_id: CampaignId
    rate: float
    retry_limit: int
    revision: int
    is_expanded: bool
    queued: int
    sending: int
    next_slot_in: timedelta
    next_return_in: timedelta | None
    """When the first returned job is due; None when there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneState:
    """What an account's lane has to do now. `send_hold` and `resolve_hold` are times left, None without a hold."""

    state: AccountState
    rate: float
    send_hold: timedelta | None
    resolve_hold: timedelta | None
    has_commands: bool
    """Whether a command waits or is under way."""
    campaigns: tuple[RunningCampaign, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class CampaignClaim:
    """How many jobs of one campaign are wanted, beyond which id fresh ones begin, and its slot after them."""

    campaign_id: CampaignId
    count: int
    cursor: int
    next_slot_in: timedelta


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimedJob:
    """A job in SENDING under our epoch. `error_code` is what its previous attempt ended with."""

    job_id: JobId
    campaign_id: CampaignId
    channel_id: ChannelId
    random_id: int
    peer: Peer
    attempts: int
    claims: int
    claim_epoch: int
    was_maybe_sent: bool
    error_code: str | None
    is_fresh: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedJob:
    """A result that changed a row; repeated and outdated ones change none."""

    job_id: JobId
    campaign_id: CampaignId
    status: JobStatus
    campaign_status: CampaignStatus | None
    """What these results made of the campaign: COMPLETED, or PAUSED by the error-rate brake."""

    @property
    def campaign_finished(self) -> bool:
        """Whether nothing is left of the campaign."""
        return self.campaign_status is CampaignStatus.COMPLETED


@dataclass(frozen=True, kw_only=True, slots=True)
class UnresolvedChannel:
    """A channel that waits for its Telegram address."""

    channel_id: ChannelId
    username: str | None
    tg_id: int | None
    is_of_campaign: bool
    """A running campaign waits for it; otherwise only a command does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundPeer:
    """The address of one of our channels as the account sees it."""

    channel_id: ChannelId
    peer: Peer
    can_post: bool
    slow_mode: timedelta | None


def _seconds(value: float | None) -> timedelta | None:
    return None if value is None else timedelta(seconds=value)


class Ledger(StatementRunner):
    """The engine's view of PostgreSQL. Every method raises DatabaseUnavailableError when it cannot be reached."""

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__(engine)
        self._transactional = engine

    async def list_leasable_accounts(self, holder: str) -> list[tuple[AccountId, AccountKind]]:
        """Active accounts whose lease nobody but `holder` holds."""
        async with self.connection() as connection:
            rows = await connection.execute(
                select(Account.id, Account.kind)
                .outerjoin(AccountLease, AccountLease.account_id == Account.id)
                .where(Account.state == AccountState.ACTIVE)
                .where(
                    AccountLease.lease_until.is_(None)
                    | (AccountLease.lease_until < func.clock_timestamp())
                    | (AccountLease.holder == holder)
                )
                .order_by(Account.id)
            )
            return [(AccountId(row.id), AccountKind(row.kind)) for row in rows]

    async def acquire_lease(self, account_id: AccountId, holder: str, duration: timedelta) -> Lease | None:
        """Take the lease for `duration`; None when another process holds it."""
        rows = await self.fetch("acquire_lease", account_id=account_id, holder=holder, duration=duration)
        if not rows:
            return None
        return Lease(
            account_id=account_id,
            holder=holder,
            epoch=rows[0].epoch,
            next_slot_in=_seconds(rows[0].next_slot_in) or timedelta(),
        )

    async def renew_lease(self, lease: Lease, duration: timedelta) -> bool:
        """Prolong the lease to `duration` from now; False when it is lost."""
        return bool(
            await self.fetch(
                "renew_lease",
                account_id=lease.account_id,
                holder=lease.holder,
                epoch=lease.epoch,
                duration=duration,
            )
        )

    async def release_lease(self, lease: Lease) -> None:
        """Give the lease back at once."""
        await self.fetch("release_lease", account_id=lease.account_id, holder=lease.holder, epoch=lease.epoch)

    async def expire_holder(self, holder: str) -> None:
        """End all leases of a process known to be dead."""
        await self.fetch("expire_holder", holder=holder)

    async def send_heartbeat(self, holder: str, host: str, pid: int, alive_for: timedelta) -> tuple[int, int]:
        """Say that a worker lives; how many workers (seen within `alive_for`) and active accounts there are."""
        rows = await self.fetch("heartbeat", holder=holder, host=host, pid=pid, alive_for=alive_for)
        return rows[0].workers, rows[0].accounts

    async def forget_worker(self, holder: str) -> None:
        """Take a worker that stops off the list."""
        await self.fetch("forget_worker", holder=holder)

    async def return_orphans(self, lease: Lease) -> int:
        """Put jobs that earlier holders left in SENDING back into the queue; how many."""
        rows = await self.fetch("return_orphans", account_id=lease.account_id, epoch=lease.epoch)
        return sum(row.n for row in rows)

    async def read_lane(self, account_id: AccountId) -> LaneState:
        """Everything that decides what the lane may do."""
        rows = await self.fetch("read_lane", account_id=account_id)
        if not rows:  # the account was deleted
            return LaneState(
                state=AccountState.DISABLED,
                rate=1.0,
                send_hold=None,
                resolve_hold=None,
                has_commands=False,
                campaigns=(),
            )
        first = rows[0]
        return LaneState(
            state=AccountState(first.state),
            rate=first.account_rate,
            send_hold=_seconds(first.send_hold),
            resolve_hold=_seconds(first.resolve_hold),
            has_commands=first.has_commands,
            campaigns=tuple(
                RunningCampaign(
                    campaign_id=CampaignId(row.campaign_id),
                    rate=row.campaign_rate,
                    retry_limit=row.retry_limit,
                    revision=row.revision,
                    is_expanded=row.is_expanded,
                    queued=row.queued or 0,
                    sending=row.sending or 0,
                    next_slot_in=_seconds(row.next_slot_in) or timedelta(),
                    next_return_in=_seconds(row.next_return_in),
                )
                for row in rows
                if row.campaign_id is not None
            ),
        )

    async def read_content(self, campaign_id: CampaignId) -> Content:
        """What a campaign posts."""
        async with self.connection() as connection:
            frozen = await connection.scalar(select(Campaign.content).where(Campaign.id == campaign_id))
        assert frozen is not None
        return Content(text=frozen["text"], link_preview=frozen["link_preview"])

    async def claim(
        self, lease: Lease, wanted: Sequence[CampaignClaim], account_next_slot_in: timedelta
    ) -> list[ClaimedJob]:
        """Claim due jobs, the returned ones first; fewer than wanted when fewer are due.

        Nothing is claimed once the lease is lost, the account is held or blocked, or the campaign not RUNNING.
        """
        rows = await self.fetch(
            "claim_jobs",
            account_id=lease.account_id,
            epoch=lease.epoch,
            campaign_ids=[want.campaign_id for want in wanted],
            counts=[want.count for want in wanted],
            cursors=[want.cursor for want in wanted],
            next_slots=[want.next_slot_in.total_seconds() for want in wanted],
            account_next_slot=account_next_slot_in.total_seconds(),
        )
        return [
            ClaimedJob(
                job_id=JobId(row.id),
                campaign_id=CampaignId(row.campaign_id),
                channel_id=ChannelId(row.channel_id),
                random_id=row.random_id,
                peer=Peer(tg_id=row.tg_id, access_hash=row.access_hash),
                attempts=row.attempts,
                claims=row.claims,
                claim_epoch=lease.epoch,
                was_maybe_sent=row.was_maybe_sent,
                error_code=row.error_code,
                is_fresh=row.is_fresh,
            )
            for row in rows
        ]

    async def record(self, results: Sequence[JobResult]) -> list[RecordedJob]:
        """Write what became of jobs; at most one result per job. Safe to repeat."""
        rows = await self.fetch(
            "record_results",
            results=json.dumps([_encode(result) for result in results]),
            failures_to_deactivate=FAILURES_TO_DEACTIVATE,
            brake_results=BRAKE_RESULTS,
        )
        return [
            RecordedJob(
                job_id=JobId(row.id),
                campaign_id=CampaignId(row.campaign_id),
                status=JobStatus(row.new_status),
                campaign_status=None if row.campaign_status is None else CampaignStatus(row.campaign_status),
            )
            for row in rows
        ]

    async def fail_unsendable(self, campaign_id: CampaignId, *, check_twins: bool) -> tuple[int, bool]:
        """End queued jobs that no claim would take: how many, and whether that completed the campaign.

        `check_twins` also looks for entries that are the same Telegram channel, which reads the whole campaign.
        """
        rows = await self.fetch("fail_unsendable", campaign_id=campaign_id, check_twins=check_twins)
        return (rows[0].n, rows[0].campaign_finished) if rows else (0, False)

    async def complete(self, campaign_id: CampaignId) -> bool:
        """Complete a campaign that has nothing left; whether it had nothing left."""
        return bool(await self.fetch("complete_campaign", campaign_id=campaign_id))

    async def expand(self, campaign_id: CampaignId) -> None:
        """Turn the next part of a large batch into jobs."""
        async with open_session(self._transactional) as session:
            campaign = await session.scalar(
                select(Campaign)
                .where(Campaign.id == campaign_id, Campaign.expanded_at.is_(None))
                .where(Campaign.status == CampaignStatus.RUNNING)
                .with_for_update(key_share=True)
            )
            if campaign is not None:
                await expand_campaign(session, campaign)

    async def list_unresolved(self, account_id: AccountId) -> list[UnresolvedChannel]:
        """Channels that commands (first) and running campaigns of the account cannot send to yet."""
        return [
            UnresolvedChannel(
                channel_id=ChannelId(row.channel_id),
                username=row.username,
                tg_id=row.tg_id,
                is_of_campaign=row.is_of_campaign,
            )
            for row in await self.fetch("list_unresolved", account_id=account_id)
        ]

    async def store_peers(self, account_id: AccountId, peers: Sequence[FoundPeer]) -> None:
        """Keep the addresses of channels."""
        rows = [
            {
                "channel_id": str(found.channel_id),
                "tg_id": found.peer.tg_id,
                "access_hash": found.peer.access_hash,
                "can_post": found.can_post,
                "slow_mode_seconds": None
                if found.slow_mode is None
                else int(found.slow_mode.total_seconds()),
            }
            for found in peers
        ]
        await self.fetch("store_peers", account_id=account_id, peers=json.dumps(rows))

    async def deactivate_channel(self, channel_id: ChannelId, reason: str) -> None:
        """Deactivate a channel for every account."""
        await self.fetch("deactivate_channel", channel_id=channel_id, reason=clean_text(reason))

    async def deactivate_peer(self, account_id: AccountId, channel_id: ChannelId, reason: str) -> None:
        """Deactivate a channel for one account."""
        await self.fetch(
            "deactivate_peer", account_id=account_id, channel_id=channel_id, reason=clean_text(reason)
        )

    async def hold(self, account_id: AccountId, scope: HoldScope, duration: timedelta, reason: str) -> None:
        """Hold an account from now on for `duration`."""
        await self.fetch(
            "hold_account",
            account_id=account_id,
            scope=scope.value,
            duration=duration,
            reason=clean_text(reason),
        )

    async def note_identity(self, account_id: AccountId, identity: Identity) -> None:
        """Keep who Telegram says the account is, for the operator to see."""
        await self.fetch(
            "note_identity", account_id=account_id, tg_user_id=identity.tg_id, tg_name=identity.name
        )

    async def block_account(self, account_id: AccountId, state: AccountState, reason: str) -> None:
        """Stop an account until a person acts."""
        await self.fetch("block_account", account_id=account_id, state=state.value, reason=clean_text(reason))

    async def pause(self, campaign_id: CampaignId, reason: PauseReason, detail: str) -> bool:
        """Pause a running campaign for the operator to look at; whether it was still running."""
        return bool(
            await self.fetch(
                "pause_by_engine", campaign_id=campaign_id, reason=reason.value, detail=clean_text(detail)
            )
        )


def clean_text(text: str | None) -> str | None:
    """PostgreSQL's text has no zero byte and no half of a surrogate pair; an error message may have."""
    return None if text is None else text.encode(errors="replace").decode().replace("\0", "?")


def _encode(result: JobResult) -> dict[str, Any]:
    return {
        "job_id": result.job_id,
        "claim_epoch": result.claim_epoch,
        "claims": result.claims,
        "outcome": result.status.value,
        "message_ids": list(result.message_ids) if result.message_ids else None,
        "error_code": clean_text(result.error_code),
        "error_message": clean_text(result.error_message),
        "delay": result.delay.total_seconds(),
        "attempted": result.attempted,
        "maybe_sent": result.maybe_sent,
        "counts_against_channel": result.counts_against_channel,
        "deactivate": None if result.deactivate is None else result.deactivate.value,
        "channel_hold": None if result.channel_hold is None else result.channel_hold.total_seconds(),
        "forget_peer": result.forget_peer,
    }
