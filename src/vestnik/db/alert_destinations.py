"""Where messages about alerts go."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.alerts import StoredDestination
from vestnik.db.models import Account, AlertDestination, AlertNotification, Channel
from vestnik.db.statements import clean_text
from vestnik.domain.alerts import DestinationKind, NotificationStatus

FAILS_AFTER: Final = 3
"""Failures in a row after which a destination is taken for broken."""
SECRET: Final = "secret"  # noqa: S105 - the column's name in the identity that it is bound to


@dataclass(frozen=True, kw_only=True, slots=True)
class DestinationRow:
    """A destination with the names of what it refers to, and how many messages wait for it."""

    destination: AlertDestination
    account: str | None
    channel: Channel | None
    waiting: int


async def list_destinations(
    session: AsyncSession, destination_id: UUID | None = None
) -> list[DestinationRow]:
    """All by name, or the one of an id; there are few."""
    waiting = (
        select(func.count())
        .where(
            AlertNotification.destination_id == AlertDestination.id,
            AlertNotification.status == NotificationStatus.PENDING,
        )
        .scalar_subquery()
    )
    query = (
        select(AlertDestination, Account.name, Channel, waiting)
        .outerjoin(Account, Account.id == AlertDestination.account_id)
        .outerjoin(Channel, Channel.id == AlertDestination.channel_id)
        .order_by(AlertDestination.name)
        .execution_options(populate_existing=True)
    )
    if destination_id is not None:
        query = query.where(AlertDestination.id == destination_id)
    return [
        DestinationRow(destination=destination, account=account, channel=channel, waiting=count)
        for destination, account, channel, count in await session.execute(query)
    ]


async def list_failing(session: AsyncSession) -> Sequence[AlertDestination]:
    """Those that could not be reached several times in a row."""
    query = (
        select(AlertDestination)
        .where(AlertDestination.is_active, AlertDestination.failures >= FAILS_AFTER)
        .order_by(AlertDestination.name)
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(query)).all()


async def list_stored(session: AsyncSession, kinds: Sequence[DestinationKind]) -> list[StoredDestination]:
    """The active ones of some kinds, still encrypted."""
    query = select(AlertDestination).where(AlertDestination.is_active, AlertDestination.kind.in_(kinds))
    return [store(row) for row in await session.scalars(query.order_by(AlertDestination.name))]


def store(row: AlertDestination) -> StoredDestination:
    """As a delivery needs it."""
    return StoredDestination(
        id=row.id,
        name=row.name,
        kind=row.kind,
        language=row.language,
        config=row.config,
        secret=row.secret_ciphertext,
        account_id=row.account_id,
        channel_id=row.channel_id,
    )


async def get_destination(
    session: AsyncSession, destination_id: UUID, *, for_update: bool = False
) -> AlertDestination | None:
    """The destination, or None; `for_update` locks the row."""
    query = (
        select(AlertDestination)
        .where(AlertDestination.id == destination_id)
        .execution_options(populate_existing=True)
    )
    return await session.scalar(query.with_for_update() if for_update else query)


async def find_destination(session: AsyncSession, name: str) -> AlertDestination | None:
    """The destination of that name, or None."""
    return await session.scalar(select(AlertDestination).where(AlertDestination.name == name))


async def insert_destination(session: AsyncSession, values: dict[str, Any]) -> AlertDestination | None:
    """Store a new one; None when the name is taken."""
    return await session.scalar(
        insert(AlertDestination)
        .values(**values)
        .on_conflict_do_nothing(index_elements=[AlertDestination.name])
        .returning(AlertDestination)
    )


async def change_destination(session: AsyncSession, destination_id: UUID, values: dict[str, Any]) -> bool:
    """Change one whose row is locked; False when the name is taken."""
    try:
        async with session.begin_nested():
            await session.execute(
                update(AlertDestination)
                .where(AlertDestination.id == destination_id)
                .values(**values, revision=AlertDestination.revision + 1, updated_at=func.now())
            )
    except IntegrityError:
        return False
    return True


async def drop_waiting(session: AsyncSession, destination_id: UUID) -> None:
    """Let go of messages that wait for a destination which is switched off."""
    await session.execute(
        update(AlertNotification)
        .where(
            AlertNotification.destination_id == destination_id,
            AlertNotification.status == NotificationStatus.PENDING,
        )
        .values(status=NotificationStatus.DROPPED.value)
    )


async def note_test(session: AsyncSession, destination_id: UUID, error: str | None) -> None:
    """A test came through, or not. One that did lets waiting messages go out at once."""
    now = func.clock_timestamp()
    values: dict[str, Any] = (
        {"last_success_at": now, "failures": 0, "failing_since": None, "not_before": now}
        if error is None
        else {"last_error": clean_text(error), "last_error_at": now}
    )
    await session.execute(
        update(AlertDestination).where(AlertDestination.id == destination_id).values(**values)
    )
