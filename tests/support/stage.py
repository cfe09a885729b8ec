"""Accounts, channels and campaigns in a test's own database, and the questions tests ask of it."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from vestnik.db.engine import open_session
from vestnik.db.leases import Lease
from vestnik.db.ledger import CampaignClaim, ClaimedJob, Ledger
from vestnik.db.transitions import cancel_campaign, pause_campaign, resume_campaign, start_campaign
from vestnik.domain.ids import AccountId, CampaignId, ChannelId
from vestnik.domain.outcomes import JobResult
from vestnik.domain.states import JobStatus

LONG = timedelta(minutes=10)
NOW = timedelta()


class Stage:
    """What a test plays on. Channels are named first_00001, … and begin in the order in which they are made."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.ledger = Ledger(engine)
        self._numbers = count(1)

    # -- making -------------------------------------------------------------------------------------------

    async def execute(self, statement: str, **parameters: object) -> list[Any]:
        """Any statement, committed; its rows."""
        async with open_session(self.engine) as session:
            result = await session.execute(text(statement), parameters)
            return list(result.all()) if result.returns_rows else []  # type: ignore[attr-defined]

    async def one(self, statement: str, **parameters: object) -> Any:
        """The only row."""
        (row,) = await self.execute(statement, **parameters)
        return row

    async def add_account(self, *, rate: float = 20) -> AccountId:
        """A simulated account of its own."""
        row = await self.one(
            "INSERT INTO accounts (name, kind, rate) VALUES (:name, 'SIMULATED', :rate) RETURNING id",
            name=f"account {next(self._numbers)}",
            rate=rate,
        )
        return AccountId(row.id)

    async def add_channels(self, number: int, prefix: str = "first") -> list[ChannelId]:
        """New channels, with a batch of the same name that holds them."""
        await self.execute(
            "INSERT INTO channels (username)"
            " SELECT :prefix || '_' || to_char(i, 'FM00000') FROM generate_series(1, :number) i",
            prefix=prefix,
            number=number,
        )
        await self.execute("INSERT INTO batches (name) VALUES (:prefix)", prefix=prefix)
        rows = await self.execute(
            "INSERT INTO batch_channels (batch_id, channel_id)"
            " SELECT b.id, c.id FROM batches b, channels c WHERE b.name = :prefix AND c.username LIKE :like"
            " ORDER BY c.username RETURNING channel_id",
            prefix=prefix,
            like=f"{prefix}\\_%",
        )
        return [ChannelId(row.channel_id) for row in rows]

    async def add_campaign(
        self,
        account_id: AccountId,
        *,
        batch: str = "first",
        rate: float = 20,
        retry_limit: int = 3,
        words: str | None = None,
        max_error_rate: float = 1,
        mode: str = "TEST",
        start: bool = True,
    ) -> CampaignId:
        """A campaign that posts `words` (or its own name) to a batch."""
        name = f"campaign {next(self._numbers)}"
        await self.execute(
            "INSERT INTO templates (name, content) VALUES (:name, :words)", name=name, words=words or name
        )
        row = await self.one(
            "INSERT INTO campaigns"
            " (name, account_id, account_kind, batch_id, template_id, delivery_rate, retry_limit, max_error_rate, mode)"
            " SELECT :name, a.id, a.kind, b.id, t.id, :rate, :retry_limit, :max_error_rate, :mode"
            " FROM accounts a, batches b, templates t"
            " WHERE a.id = :account_id AND b.name = :batch AND t.name = :name RETURNING id",
            name=name,
            account_id=account_id,
            batch=batch,
            rate=rate,
            retry_limit=retry_limit,
            max_error_rate=max_error_rate,
            mode=mode,
        )
        campaign_id = CampaignId(row.id)
        if start:
            await self.start(campaign_id)
        return campaign_id

    async def give_peers(self, account_id: AccountId, channel_ids: Sequence[ChannelId]) -> None:
        """Let the account know how to address the channels."""
        await self.execute(
            "INSERT INTO channel_peers (account_id, channel_id, tg_id, access_hash, can_post, resolved_at)"
            " SELECT :account_id, id, 999 + place, place - 1, true, clock_timestamp()"
            " FROM unnest(CAST(:channel_ids AS uuid[])) WITH ORDINALITY AS c (id, place)",
            account_id=account_id,
            channel_ids=list(channel_ids),
        )

    # -- doing --------------------------------------------------------------------------------------------

    async def start(self, campaign_id: CampaignId) -> int:
        async with open_session(self.engine) as session:
            return await start_campaign(session, campaign_id)

    async def pause(self, campaign_id: CampaignId) -> None:
        async with open_session(self.engine) as session:
            await pause_campaign(session, campaign_id)

    async def resume(self, campaign_id: CampaignId) -> None:
        async with open_session(self.engine) as session:
            await resume_campaign(session, campaign_id)

    async def cancel(self, campaign_id: CampaignId) -> None:
        async with open_session(self.engine) as session:
            await cancel_campaign(session, campaign_id)

    async def acquire(self, account_id: AccountId, holder: str = "test") -> Lease:
        lease = await self.ledger.acquire_lease(account_id, holder, LONG)
        assert lease is not None
        return lease

    async def claim(
        self, lease: Lease, campaign_id: CampaignId, number: int = 1, *, cursor: int = 0
    ) -> list[ClaimedJob]:
        wanted = CampaignClaim(campaign_id=campaign_id, count=number, cursor=cursor, next_slot_in=NOW)
        return (await self.ledger.claim(lease, [wanted], NOW)).jobs

    # -- asking -------------------------------------------------------------------------------------------

    async def count_jobs(self, campaign_id: CampaignId) -> dict[str, int]:
        """Jobs by status, counted one by one."""
        rows = await self.execute("SELECT status FROM jobs WHERE campaign_id = :id", id=campaign_id)
        return dict(Counter(row.status for row in rows))

    async def read_progress(self, campaign_id: CampaignId) -> dict[str, int]:
        """The counters, without those that are 0."""
        row = await self.one("SELECT * FROM campaign_progress WHERE campaign_id = :id", id=campaign_id)
        counters = {status: getattr(row, status.value.lower()) for status in JobStatus}
        return {str(status): number for status, number in counters.items() if number}

    async def recount(self) -> None:
        """Have the counters say what the jobs do that were changed past the ledger."""
        await self.execute(
            "UPDATE campaign_progress p SET (queued, sending, sent, failed, cancelled) = (SELECT"
            " count(*) FILTER (WHERE status = 'QUEUED'), count(*) FILTER (WHERE status = 'SENDING'),"
            " count(*) FILTER (WHERE status = 'SENT'), count(*) FILTER (WHERE status = 'FAILED'),"
            " count(*) FILTER (WHERE status = 'CANCELLED') FROM jobs j WHERE j.campaign_id = p.campaign_id)"
        )

    async def read_status(self, campaign_id: CampaignId) -> str:
        row = await self.one("SELECT status FROM campaigns WHERE id = :id", id=campaign_id)
        return str(row.status)

    async def read_campaign(self, campaign_id: CampaignId) -> Any:
        return await self.one("SELECT * FROM campaigns WHERE id = :id", id=campaign_id)

    async def read_job(self, job_id: int) -> Any:
        return await self.one("SELECT * FROM jobs WHERE id = :id", id=job_id)

    async def read_peer(self, account_id: AccountId, channel_id: UUID) -> Any:
        return await self.one(
            "SELECT * FROM channel_peers WHERE account_id = :account_id AND channel_id = :channel_id",
            account_id=account_id,
            channel_id=channel_id,
        )


def make_result(job: ClaimedJob, status: JobStatus, **fields: Any) -> JobResult:
    """What became of a claimed job."""
    return JobResult(
        job_id=job.job_id, claim_epoch=job.claim_epoch, claims=job.claims, status=status, **fields
    )
