"""How far an installation has come."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.models import Batch, BatchChannel, Campaign, Channel, Template
from vestnik.domain.states import CampaignStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class SetupFacts:
    """What there is; ids are those of the newest, None without any."""

    has_channels: bool
    batch_id: UUID | None
    """Of a batch with channels."""
    template_id: UUID | None
    draft_id: UUID | None
    has_started: bool
    """Some campaign was started once, be it deleted since."""


async def read_setup_facts(session: AsyncSession) -> SetupFacts:
    """In one query that stops at the first row of each kind."""
    filled = select(BatchChannel.batch_id).where(BatchChannel.batch_id == Batch.id).exists()
    newest_batch = select(Batch.id).where(filled).order_by(Batch.created_at.desc()).limit(1)
    newest_template = select(Template.id).order_by(Template.created_at.desc()).limit(1)
    newest_draft = (
        select(Campaign.id)
        .where(Campaign.deleted_at.is_(None), Campaign.status == CampaignStatus.DRAFT)
        .order_by(Campaign.created_at.desc())
        .limit(1)
    )
    query = select(
        select(Channel.id).where(Channel.deleted_at.is_(None)).exists().label("has_channels"),
        newest_batch.scalar_subquery().label("batch_id"),
        newest_template.scalar_subquery().label("template_id"),
        newest_draft.scalar_subquery().label("draft_id"),
        select(Campaign.id).where(Campaign.started_at.is_not(None)).exists().label("has_started"),
    )
    row = (await session.execute(query)).one()
    return SetupFacts(
        has_channels=row.has_channels,
        batch_id=row.batch_id,
        template_id=row.template_id,
        draft_id=row.draft_id,
        has_started=row.has_started,
    )
