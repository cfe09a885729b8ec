"""Alerts as they are kept: what goes on, what was, and the messages about it that are to be delivered."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from vestnik.db.models import AlertDestination, AlertNotification, AlertRecord, Campaign
from vestnik.db.statements import StatementRunner, clean_text, load_statement
from vestnik.domain.alerts import (
    FIRST_RETRY,
    GIVES_UP_AFTER,
    LONGEST_RETRY,
    Alert,
    AlertKind,
    AlertState,
    Occasion,
)
from vestnik.domain.states import CampaignStatus

KEPT_FOR: Final = timedelta(days=90)
"""How long the history goes back."""
_PURGED_AT_ONCE: Final = 1000


async def try_lock_alerts(session: AsyncSession) -> bool:
    """Whether this transaction is the only one that judges alerts now.

    A lock of the transaction, since those of a session do not survive a transaction pooler.
    """
    statement = text("SELECT pg_try_advisory_xact_lock(hashtextextended('vestnik alerts', 0))")
    return bool(await session.scalar(statement))


async def read_clock(session: AsyncSession) -> datetime:
    """The database's, which is the same for all hosts."""
    moment: datetime | None = await session.scalar(select(func.clock_timestamp()))
    assert moment is not None
    return moment


async def list_firing(
    session: AsyncSession, kinds: Collection[AlertKind] | None = None
) -> Sequence[AlertRecord]:
    """Those that go on, the urgent and then the newest first; of some kinds only, if those are given."""
    query = (
        select(AlertRecord)
        .where(AlertRecord.state == text("'FIRING'"))
        .order_by(AlertRecord.is_urgent.desc(), AlertRecord.id.desc())
        .execution_options(populate_existing=True)
    )
    if kinds is not None:
        query = query.where(AlertRecord.kind.in_(kinds))
    return (await session.scalars(query)).all()


async def insert_alert(
    session: AsyncSession, alert: Alert, *, title: str, since: datetime
) -> AlertRecord | None:
    """Keep a new one; None when it goes on already."""
    return await session.scalar(
        insert(AlertRecord)
        .values(
            key=alert.key,
            kind=alert.kind,
            is_urgent=alert.is_urgent,
            subject_id=alert.id,
            name=alert.name,
            title=title,
            detail=alert.detail,
            since=since,
        )
        .on_conflict_do_nothing()
        .returning(AlertRecord)
    )


async def change_alert(session: AsyncSession, alert_id: int, values: Mapping[str, Any]) -> None:
    """Note how it goes on."""
    await session.execute(update(AlertRecord).where(AlertRecord.id == alert_id).values(**values))


async def announce_alert(session: AsyncSession, alert_id: int, occasion: Occasion) -> int:
    """Put a message in line for each destination that it concerns; how many."""
    rows = await session.execute(
        load_statement("announce_alert"), {"alert_id": alert_id, "occasion": occasion.value}
    )
    return len(rows.all())


async def drop_messages(session: AsyncSession, alert_id: int) -> None:
    """Let go of messages that were not tried yet."""
    await session.execute(load_statement("drop_alert_messages"), {"alert_id": alert_id})


async def list_past_campaigns(session: AsyncSession, ids: Collection[UUID]) -> set[UUID]:
    """Those that are deleted, or ended so long ago that nothing about them is news."""
    if not ids:
        return set()
    found = await session.scalars(
        select(Campaign.id).where(
            Campaign.id.in_(ids),
            Campaign.deleted_at.is_(None),
            (Campaign.status.not_in((CampaignStatus.COMPLETED, CampaignStatus.FAILED)))
            | (
                func.coalesce(Campaign.ended_at, Campaign.updated_at)
                > func.clock_timestamp() - timedelta(days=1)
            ),
        )
    )
    return set(ids) - set(found)


async def purge_alerts(session: AsyncSession) -> int:
    """Delete the oldest part of the history; how many."""
    old = (
        select(AlertRecord.id)
        .where(AlertRecord.resolved_at < func.clock_timestamp() - KEPT_FOR)
        .limit(_PURGED_AT_ONCE)
    )
    rows = await session.execute(delete(AlertRecord).where(AlertRecord.id.in_(old)).returning(AlertRecord.id))
    return len(rows.all())


# ---- to be looked at ----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertFilter:
    """Which alerts; None asks for any."""

    state: AlertState | None = None
    kind: AlertKind | None = None
    is_urgent: bool | None = None


async def list_alerts(
    session: AsyncSession, wanted: AlertFilter, *, limit: int, before_id: int | None = None
) -> Sequence[AlertRecord]:
    """The newest first, beyond the one with `before_id`."""
    query = select(AlertRecord).order_by(AlertRecord.id.desc()).limit(limit)
    if wanted.state is not None:
        query = query.where(AlertRecord.state == wanted.state)
    if wanted.kind is not None:
        query = query.where(AlertRecord.kind == wanted.kind)
    if wanted.is_urgent is not None:
        query = query.where(AlertRecord.is_urgent.is_(wanted.is_urgent))
    if before_id is not None:
        query = query.where(AlertRecord.id < before_id)
    return (await session.scalars(query)).all()


async def get_alert(session: AsyncSession, alert_id: int) -> AlertRecord | None:
    """The alert, or None."""
    return await session.get(AlertRecord, alert_id)


async def list_messages(
    session: AsyncSession, alert_id: int
) -> Sequence[tuple[AlertNotification, AlertDestination]]:
    """All messages about an alert with their destinations, as they were put in line."""
    rows = await session.execute(
        select(AlertNotification, AlertDestination)
        .join(AlertDestination, AlertDestination.id == AlertNotification.destination_id)
        .where(AlertNotification.alert_id == alert_id)
        .order_by(AlertNotification.id)
    )
    return [(message, destination) for message, destination in rows]


# ---- to be delivered ----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredDestination:
    """A destination as a delivery needs it; what is secret is still encrypted."""

    id: UUID
    name: str
    kind: str
    language: str
    config: Mapping[str, Any]
    secret: bytes | None = field(repr=False)
    account_id: UUID | None
    channel_id: UUID | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimedMessage:
    """A message whose destination is ours until `claim_for` has passed, or the next renewal."""

    id: int
    epoch: int
    occasion: Occasion
    attempts: int
    destination: StoredDestination
    alert: Alert
    since: datetime
    resolved_at: datetime | None


class MessageLedger:
    """The statements of those who deliver. Every method raises DatabaseUnavailableError."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._runner = StatementRunner(engine)

    async def claim(self, most: int, claim_for: timedelta) -> list[ClaimedMessage]:
        """The next message of at most so many destinations, each of which nobody else delivers to."""
        rows = await self._runner.fetch("claim_alert_messages", most=most, claim_for=claim_for)
        return [_read_claimed(row) for row in rows]

    async def renew(self, message: ClaimedMessage, claim_for: timedelta) -> None:
        """The delivery takes longer."""
        await self._runner.fetch(
            "renew_alert_claim",
            destination_id=message.destination.id,
            epoch=message.epoch,
            claim_for=claim_for,
        )

    async def record(
        self, message: ClaimedMessage, error: str | None, *, is_open: bool = False, is_partial: bool = False
    ) -> None:
        """It was delivered, or why not; the flags are those of a DeliveryError. Safe to repeat."""
        await self._runner.fetch(
            "record_alert_message",
            id=message.id,
            destination_id=message.destination.id,
            epoch=message.epoch,
            error=clean_text(error),
            is_told=error is None or is_partial,
            is_failure=error is not None and not is_open,
            first_retry=FIRST_RETRY.total_seconds(),
            longest_retry=LONGEST_RETRY.total_seconds(),
        )

    async def give_up_old(self) -> None:
        """End what could not be delivered for too long."""
        await self._runner.fetch("give_up_alert_messages", after=GIVES_UP_AFTER)


def _read_claimed(row: Any) -> ClaimedMessage:  # noqa: ANN401 - a row of columns named below
    return ClaimedMessage(
        id=row.id,
        epoch=row.claim_epoch,
        occasion=Occasion(row.occasion),
        attempts=row.attempts,
        destination=StoredDestination(
            id=row.destination_id,
            name=row.destination_name,
            kind=row.destination_kind,
            language=row.language,
            config=row.config,
            secret=None if row.secret_ciphertext is None else bytes(row.secret_ciphertext),
            account_id=row.account_id,
            channel_id=row.channel_id,
        ),
        alert=Alert(
            kind=AlertKind(row.kind),
            is_urgent=row.is_urgent,
            id=row.subject_id,
            name=row.name,
            detail=row.detail,
        ),
        since=row.since,
        resolved_at=row.resolved_at,
    )
