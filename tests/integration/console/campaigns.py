"""Campaigns for tests of their pages."""

from dataclasses import dataclass
from uuid import UUID

from tests.support.stage import LONG, Stage, make_result
from vestnik.domain.ids import AccountId, CampaignId, ChannelId
from vestnik.domain.outcomes import judge_success
from vestnik.domain.states import JobStatus

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


@dataclass(frozen=True, kw_only=True)
class World:
    """A batch of channels, a template and the account that rehearses."""

    stage: Stage
    account_id: AccountId
    channels: list[ChannelId]
    batch_id: UUID
    template_id: UUID

    async def add_campaign(
        self, *, start: bool = False, name: str | None = None, rate: float = 20
    ) -> CampaignId:
        """A campaign of them."""
        campaign_id = await self.stage.add_campaign(self.account_id, start=start, rate=rate)
        if name is not None:
            await self.stage.execute(
                "UPDATE campaigns SET name = :name WHERE id = :id", name=name, id=campaign_id
            )
        return campaign_id

    async def post(
        self, campaign_id: CampaignId, *, sent: int = 0, failed: dict[str, int] | None = None
    ) -> None:
        """Let posts arrive or fail with these codes."""
        lease = await self.stage.ledger.acquire_lease(self.account_id, "test", LONG)
        assert lease is not None
        codes = [code for code, number in (failed or {}).items() for _ in range(number)]
        jobs = await self.stage.claim(lease, campaign_id, sent + len(codes))
        results = [judge_success(job, (17,)) for job in jobs[:sent]]
        results += [
            make_result(
                job, JobStatus.FAILED, error_code=code, error_message="as Telegram says it", attempted=True
            )
            for job, code in zip(jobs[sent:], codes, strict=True)
        ]
        await self.stage.ledger.record(results)

    async def add_live_account(self) -> AccountId:
        """A real account, as far as the database knows."""
        row = await self.stage.one(
            "INSERT INTO accounts (name, kind, rate) VALUES ('newsroom', 'USER', 20) RETURNING id"
        )
        return AccountId(row.id)

    async def make_live(self, campaign_id: CampaignId) -> None:
        """Let it post for real."""
        await self.stage.execute(
            "UPDATE campaigns SET mode = 'LIVE', account_kind = 'USER', account_id = :account WHERE id = :id",
            account=await self.add_live_account(),
            id=campaign_id,
        )
