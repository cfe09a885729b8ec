"""What a campaign would do before it is made: for the last step of the wizard, and to be asked before a start."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.campaigns import CampaignFilter
from vestnik.domain.ids import AccountId
from vestnik.domain.progress import estimate_seconds_left
from vestnik.domain.states import CampaignStatus
from vestnik.services.accounts import AccountView, choose_account, is_worker_alive, list_accounts
from vestnik.services.batches import BatchDetail, get_batch
from vestnik.services.campaign_edits import CampaignDraft
from vestnik.services.campaign_views import CampaignView
from vestnik.services.campaigns import list_campaigns
from vestnik.services.templates import TemplateView, get_template

MOST_RIVALS: Final = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A campaign with what surrounds it."""

    draft: CampaignDraft
    batch: BatchDetail
    """`sendable` is for the account of the campaign."""
    template: TemplateView
    account: AccountView
    rivals: Sequence[CampaignView]
    """Campaigns of the account that are running now."""
    seconds: float
    """How long it would take beside them."""
    has_worker: bool

    @property
    def is_account_slower(self) -> bool:
        """Whether the account's rate decides, not the campaign's."""
        return self.account.rate < self.draft.delivery_rate

    @property
    def is_rate_shared(self) -> bool:
        """Whether the running campaigns leave less than its own rate."""
        wanted = self.draft.delivery_rate + sum(rival.delivery_rate for rival in self.rivals)
        return bool(self.rivals) and wanted > self.account.rate

    @property
    def expected_rate(self) -> Decimal:
        """Posts a second that are left for it beside them."""
        wanted = self.draft.delivery_rate + sum(rival.delivery_rate for rival in self.rivals)
        share = min(self.account.rate / wanted, Decimal(1))
        return round(min(self.draft.delivery_rate * share, self.account.rate), 2)

    @property
    def is_late(self) -> bool:
        """Whether the time to start at has passed."""
        return self.draft.scheduled_at is not None and self.draft.scheduled_at <= datetime.now(UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Slowing:
    """Why a running campaign goes slower than its own rate."""

    account_rate: Decimal
    rivals: int
    """Other running campaigns of the account, which share its rate."""


async def read_slowing(session: AsyncSession, campaign: CampaignView) -> Slowing | None:
    """None while the account's rate is enough for all that runs, and for what does not run."""
    if campaign.stored_status is not CampaignStatus.RUNNING:
        return None
    account = next(view for view in await list_accounts(session) if view.id == campaign.account_id)
    running = await _list_running(session, AccountId(campaign.account_id))
    if sum(view.delivery_rate for view in running) <= account.rate:
        return None
    return Slowing(account_rate=account.rate, rivals=len(running) - 1)


async def make_plan(session: AsyncSession, draft: CampaignDraft) -> Plan:
    """Raises NotFoundError, InvalidInputError as making the campaign would."""
    batch_id, template_id = draft.batch_id, draft.template_id
    template = await get_template(session, template_id)
    reference = None if draft.account_id is None else str(draft.account_id)
    chosen = await choose_account(session, draft.mode, reference)
    account = next(view for view in await list_accounts(session) if view.id == chosen.id)
    account_id = AccountId(account.id)
    batch = await get_batch(session, batch_id, account_id=account_id)
    rivals = await _list_running(session, account_id)
    demand = draft.delivery_rate + sum(rival.delivery_rate for rival in rivals)
    return Plan(
        draft=draft,
        batch=batch,
        template=template,
        account=account,
        rivals=rivals,
        seconds=estimate_seconds_left(
            now=datetime.now(UTC),
            remaining=batch.sendable * max(len(template.media_ids), 1),
            rate=float(draft.delivery_rate),
            account_rate=float(account.rate),
            account_demand=float(demand),
            hold_until=None if draft.scheduled_at is not None else account.hold_until,
            last_return_at=None,
        ),
        has_worker=await is_worker_alive(session),
    )


async def _list_running(session: AsyncSession, account_id: AccountId) -> list[CampaignView]:
    """Those that hold back for Telegram are shown as PAUSED, and run all the same."""
    wanted = CampaignFilter(statuses=[CampaignStatus.RUNNING, CampaignStatus.PAUSED], account_id=account_id)
    found = await list_campaigns(session, limit=MOST_RIVALS, wanted=wanted)
    return [view for view in found if view.stored_status is CampaignStatus.RUNNING]
