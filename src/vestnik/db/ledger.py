"""The delivery engine's statements: each is one round trip and commits by itself.

All of them live in `sql/`, with the reasons beside them. Durations go in and out as `timedelta`s, measured by the
database's clock, so that no host's wall clock matters.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from vestnik.content import FrozenContent, Values, frozen_from_json
from vestnik.db.audit import record_audit
from vestnik.db.engine import open_session, wrap_database_error
from vestnik.db.leases import Lease, LeaseLedger
from vestnik.db.models import Campaign
from vestnik.db.peers import PeerLedger
from vestnik.db.statements import clean_text, read_seconds
from vestnik.db.transitions import expand_running_campaign, fail_campaign
from vestnik.domain.account_logins import KnownIdentity, Refusal, judge_identity
from vestnik.domain.actors import Actor
from vestnik.domain.errors import ConflictError, DatabaseUnavailableError, NotFoundError
from vestnik.domain.ids import AccountId, CampaignId, ChannelId, JobId
from vestnik.domain.outcomes import JobResult
from vestnik.domain.states import AccountKind, AccountState, CampaignStatus, HoldScope, JobStatus, PauseReason
from vestnik.domain.transport import Identity, Peer

BRAKE_RESULTS = 20
"""Results since the last start or resume below which the error-rate brake judges nothing."""
KEPT_WAITS = 50
"""Times that Telegram made an account wait which stay on record."""
LOOKED_AT = 1_000
"""Fresh jobs of a campaign that one claim looks at, at most: some 10 ms."""
FAILURES_TO_DEACTIVATE = 5
"""Failed deliveries in a row after which an account stops posting to a channel."""


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
    """Negative when that slot has passed."""
    next_return_in: timedelta | None
    """When the first returned job is due; None when there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneState:
    """What an account's lane has to do now. `send_hold` and `resolve_hold` are times left, None without a hold."""

    state: AccountState
    rate: float
    session_version: int
    """Changes with the session: whoever speaks with an older one has to start over."""
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
    values: Values
    """What the content's variables stand for. The time, in UTC, is that of the claim; of a post that may be out
    already it is that of the job's first claim, so that the text is the one that may be there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """What a claim took, and up to which id it looked in campaigns with too little until there but more behind."""

    jobs: list[ClaimedJob]
    looked_to: Mapping[CampaignId, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedJob:
    """A result that changed a row; repeated and outdated ones change none."""

    job_id: JobId
    campaign_id: CampaignId
    status: JobStatus
    campaign_status: CampaignStatus | None
    """What the results recorded together made of the campaign: COMPLETED, or PAUSED by the error-rate brake."""

    @property
    def campaign_finished(self) -> bool:
        """Whether nothing is left of the campaign."""
        return self.campaign_status is CampaignStatus.COMPLETED


class Ledger(LeaseLedger, PeerLedger):
    """The engine's view of PostgreSQL. Every method raises DatabaseUnavailableError when it cannot be reached."""

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
                session_version=0,
                send_hold=None,
                resolve_hold=None,
                has_commands=False,
                campaigns=(),
            )
        first = rows[0]
        return LaneState(
            state=AccountState(first.state),
            rate=first.account_rate,
            session_version=first.session_version,
            send_hold=read_seconds(first.send_hold),
            resolve_hold=read_seconds(first.resolve_hold),
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
                    next_slot_in=read_seconds(row.next_slot_in) or timedelta(),
                    next_return_in=read_seconds(row.next_return_in),
                )
                for row in rows
                if row.campaign_id is not None
            ),
        )

    async def read_content(self, campaign_id: CampaignId) -> FrozenContent | None:
        """What a campaign posts, None of one that is gone.

        Raises InvalidInputError for what another version or hand has stored.
        """
        async with self.connection() as connection:
            frozen = await connection.scalar(select(Campaign.content).where(Campaign.id == campaign_id))
        return None if frozen is None else frozen_from_json(frozen)

    async def claim(
        self, lease: Lease, wanted: Sequence[CampaignClaim], account_next_slot_in: timedelta
    ) -> Claim:
        """Claim due jobs, the returned ones first; fewer than wanted when fewer are due where it looked.

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
            span=LOOKED_AT,
        )
        jobs: list[ClaimedJob] = []
        looked_to: dict[CampaignId, int] = {}
        for (
            job_id, campaign_id, channel_id, random_id, attempts, claims, error_code, was_maybe_sent,
            tg_id, access_hash, username, title, at, up_to,
        ) in map(tuple, rows):  # fmt: skip
            if up_to is not None:
                looked_to[campaign_id] = int(up_to)
                continue
            jobs.append(
                ClaimedJob(
                    job_id=job_id,
                    campaign_id=campaign_id,
                    channel_id=channel_id,
                    random_id=random_id,
                    peer=Peer(tg_id=tg_id, access_hash=access_hash),
                    attempts=attempts,
                    claims=claims,
                    claim_epoch=lease.epoch,
                    was_maybe_sent=was_maybe_sent,
                    error_code=error_code,
                    is_fresh=claims == 1,
                    values=Values(
                        channel_title=title or username or str(tg_id), channel_username=username, at=at
                    ),
                )
            )
        return Claim(jobs=jobs, looked_to=looked_to)

    async def record(self, results: Sequence[JobResult]) -> list[RecordedJob]:
        """Write what became of jobs; at most one result per job. Safe to repeat."""
        recorded = await self._record_posts([result for result in results if _is_plain_post(result)])
        written = {job.job_id for job in recorded}
        rest = [result for result in results if result.job_id not in written]
        if not rest:
            return recorded
        recorded += await self._record_results(rest)
        became = {item.campaign_id: item.campaign_status for item in recorded if item.campaign_status}
        return [replace(item, campaign_status=became.get(item.campaign_id)) for item in recorded]

    async def _record_posts(self, results: Sequence[JobResult]) -> list[RecordedJob]:
        """The usual case, for half the cost; those whose claim does not stand any more are left out."""
        if not results:
            return []
        results = sorted(results, key=lambda result: result.job_id)  # the order in which others lock jobs
        rows = await self.fetch(
            "record_posts",
            job_ids=_write_array(result.job_id for result in results),
            epochs=_write_array(result.claim_epoch for result in results),
            claims=_write_array(result.claims for result in results),
            message_ids=_write_array(result.message_ids[0] for result in results),
            brake_results=BRAKE_RESULTS,
        )
        recorded = []
        for campaign_id, job_ids, new_status, may_be_done in map(tuple, rows):
            campaign_status = None if new_status is None else CampaignStatus(new_status)
            if may_be_done:
                with suppress(DatabaseUnavailableError):  # a lane's next look does it as well
                    if await self.complete(campaign_id):
                        campaign_status = CampaignStatus.COMPLETED
            recorded += [
                RecordedJob(
                    job_id=job_id,
                    campaign_id=campaign_id,
                    status=JobStatus.SENT,
                    campaign_status=campaign_status,
                )
                for job_id in job_ids
            ]
        return recorded

    async def _record_results(self, results: Sequence[JobResult]) -> list[RecordedJob]:
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

    async def fail_unsendable(self, campaign_id: CampaignId) -> tuple[int, bool]:
        """End queued jobs that no claim would take: how many, and whether that completed the campaign."""
        rows = await self.fetch("fail_unsendable", campaign_id=campaign_id)
        return (rows[0].n, rows[0].campaign_finished) if rows else (0, False)

    async def complete(self, campaign_id: CampaignId) -> bool:
        """Complete a campaign that has nothing left; whether it had nothing left."""
        return bool(await self.fetch("complete_campaign", campaign_id=campaign_id))

    async def expand(self, campaign_id: CampaignId) -> None:
        """Turn the next part of a large batch into jobs.

        Raises DatabaseUnavailableError; whatever else the database says leaves the campaign FAILED.
        """
        try:
            async with open_session(self.engine) as session:
                await expand_running_campaign(session, campaign_id)
        except SQLAlchemyError as exc:
            await self._fail_campaign(campaign_id, wrap_database_error(exc).message)

    async def _fail_campaign(self, campaign_id: CampaignId, reason: str) -> None:
        detail = f"The rest of the batch could not be turned into messages. {reason}"
        with suppress(ConflictError, NotFoundError):  # it has ended meanwhile
            async with open_session(self.engine) as session:
                await fail_campaign(session, campaign_id, detail)
                await record_audit(
                    session,
                    Actor.system("engine"),
                    "campaign.failed",
                    "campaign",
                    campaign_id,
                    after={"status": CampaignStatus.FAILED, "detail": detail},
                )

    async def hold(self, account_id: AccountId, scope: HoldScope, duration: timedelta, reason: str) -> None:
        """Hold an account from now on for `duration`."""
        await self.fetch(
            "hold_account",
            account_id=account_id,
            scope=scope.value,
            duration=duration,
            reason=clean_text(reason),
            kept=KEPT_WAITS,
        )

    async def note_identity(self, lease: Lease, identity: Identity) -> Refusal | None:
        """Keep who Telegram says the account is, if it may be that user; why not, otherwise.

        The first identity is adopted. A simulated account may be anybody: its simulator may have started anew.
        """
        parameters = {
            "account_id": lease.account_id,
            "epoch": lease.epoch,
            "tg_user_id": identity.tg_id,
            "tg_name": clean_text(identity.name),
            "is_bot": identity.is_bot,
        }
        try:
            (row,) = await self.fetch("note_identity", **parameters)
        except IntegrityError:
            # Another account of ours became this user at the same moment; now it can be seen.
            (row,) = await self.fetch("note_identity", **parameters)
        if AccountKind(row.kind) is AccountKind.SIMULATED:
            return None
        known = KnownIdentity(
            account=row.name, tg_id=row.tg_user_id, tg_name=row.tg_name, namesake=row.namesake
        )
        return judge_identity(known, identity)

    async def note_disconnected(self, lease: Lease) -> None:
        """The holder is not connected to Telegram any more."""
        await self.fetch("note_disconnected", account_id=lease.account_id, epoch=lease.epoch)

    async def refuse_session(self, lease: Lease, session_version: int, reason: str) -> None:
        """Stop an account and forget its session, which is that of somebody else."""
        await self.fetch(
            "refuse_session",
            account_id=lease.account_id,
            epoch=lease.epoch,
            session_version=session_version,
            reason=clean_text(reason),
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


def _is_plain_post(result: JobResult) -> bool:
    """Whether it says no more than that the post is out, as one message."""
    return result.status is JobStatus.SENT and len(result.message_ids) == 1


def _write_array(numbers: Iterable[int]) -> str:
    """A literal of PostgreSQL; psycopg (3.3) writes a list of numbers thirty times as slowly."""
    return f"{{{','.join(map(str, numbers))}}}"


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
