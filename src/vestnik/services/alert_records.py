"""What goes on, compared with what is kept: each thing is told once, again after a while, and when it is over."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import alerts as rows
from vestnik.db.alerts import AlertFilter
from vestnik.db.engine import limit_idling
from vestnik.db.models import AlertDestination, AlertNotification, AlertRecord
from vestnik.domain.alerts import (
    MACHINES,
    SUBJECTS,
    Alert,
    AlertKind,
    AlertRules,
    AlertState,
    AlertSubject,
    AlertWriter,
    DestinationKind,
    NotificationStatus,
    Occasion,
)
from vestnik.domain.errors import NotFoundError
from vestnik.services.alerts import MOST_FOUND, SEEN_BY_PROCESSES, find_alerts

__all__ = [
    "AlertFilter",
    "AlertView",
    "Judgement",
    "MessageView",
    "get_alert",
    "judge_alerts",
    "list_records",
]

SOURCE_LANGUAGE: Final = "en"
LONGEST_IDLE: Final = 5.0
"""Seconds for which a process may keep silent while it judges: then it is frozen or gone, and others judge."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """What one look has changed, by kind."""

    began: Sequence[AlertKind] = ()
    ended: Sequence[AlertKind] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnFindings:
    """What this process sees of its own machine, whose name no other's findings have."""

    host: str
    alerts: Sequence[Alert] = ()


async def judge_alerts(
    session: AsyncSession,
    rules: AlertRules,
    own: OwnFindings,
    *,
    write: AlertWriter,
    holds_back: Callable[[Alert], bool],
) -> Judgement | None:
    """Look at everything and put in line what is to be told; None when another process does it right now.

    `holds_back` says of what is found for the first time whether it may be over in a moment.

    Messages are put in line in the transaction that keeps the alert, so that neither is ever without the other.
    """
    if not await rows.try_lock_alerts(session):
        return None
    await limit_idling(session, LONGEST_IDLE)
    return await _Judge(session, rules, own, write, holds_back).judge()


async def keep_outage(
    session: AsyncSession,
    host: str,
    since: datetime,
    until: datetime,
    reason: str | None,
    *,
    write: AlertWriter,
) -> None:
    """Put a time without the database into the history; those who could be told of it were told then."""
    alert = Alert(kind=AlertKind.DATABASE_AWAY, is_urgent=True, name=host, detail=reason)
    text = await asyncio.to_thread(write, alert, SOURCE_LANGUAGE)
    record = await rows.insert_alert(session, alert, title=text.title, since=since)
    if record is not None:
        values = {"state": AlertState.RESOLVED.value, "resolved_at": until}
        await rows.change_alert(session, record.id, values)


class _Judge:
    def __init__(
        self,
        session: AsyncSession,
        rules: AlertRules,
        own: OwnFindings,
        write: AlertWriter,
        holds_back: Callable[[Alert], bool],
    ) -> None:
        self._session = session
        self._rules = rules
        self._own = own
        self._write = write
        self._holds_back = holds_back
        self._began: list[AlertKind] = []
        self._ended: list[AlertKind] = []

    async def judge(self) -> Judgement:
        found = [*await find_alerts(self._session, self._rules), *self._own.alerts]
        now = await rows.read_clock(self._session)
        firing = {record.key: record for record in await rows.list_firing(self._session)}
        for alert in {alert.key: alert for alert in found}.values():
            record = firing.pop(alert.key, None)
            if record is not None:
                await self._go_on(record, alert, now)
            elif not self._holds_back(alert):
                await self._begin(alert, now)
        over = [record for record in firing.values() if self._knows_about(record, found)]
        past = await rows.list_past_campaigns(self._session, _list_campaigns(over))
        for record in over:
            await self._end(record, now, is_past=record.subject_id in past)
        return Judgement(began=self._began, ended=self._ended)

    def _knows_about(self, record: AlertRecord, found: Sequence[Alert]) -> bool:
        """Whether it would have been found if it still were so."""
        if record.kind in SEEN_BY_PROCESSES:
            return record.name == self._own.host
        return sum(alert.kind == record.kind for alert in found) < MOST_FOUND

    async def _begin(self, alert: Alert, now: datetime) -> None:
        text = await asyncio.to_thread(self._write, alert, SOURCE_LANGUAGE)
        record = await rows.insert_alert(self._session, alert, title=text.title, since=now)
        if record is not None:
            self._began.append(alert.kind)
            if alert.is_news:
                await self._announce(record, Occasion.FIRING, now)

    async def _go_on(self, record: AlertRecord, alert: Alert, now: datetime) -> None:
        changed: dict[str, Any] = {}
        if record.clear_since is not None:
            changed["clear_since"] = None
        if record.is_urgent != alert.is_urgent:
            changed["is_urgent"] = alert.is_urgent
        if record.detail != alert.detail:
            changed["detail"] = alert.detail
        if changed:
            await rows.change_alert(self._session, record.id, changed)
        if alert.is_news:
            await self._tell_again(record, now)

    async def _tell_again(self, record: AlertRecord, now: datetime) -> None:
        """For the first time, if nobody could be told before; else when it was quiet for long enough."""
        if record.announced_at is None:
            await self._announce(record, Occasion.FIRING, now)
        elif self._rules.repeat_every and now - record.announced_at >= self._rules.repeat_every:
            await self._announce(record, Occasion.REPEAT, now)

    async def _announce(self, record: AlertRecord, occasion: Occasion, now: datetime) -> None:
        if await rows.announce_alert(self._session, record.id, occasion):
            await rows.change_alert(self._session, record.id, {"announced_at": now})

    async def _end(self, record: AlertRecord, now: datetime, *, is_past: bool) -> None:
        """What comes back soon has not ended. Of what is past nobody is told that it is over."""
        if record.clear_since is None and self._rules.settles_after:
            await rows.change_alert(self._session, record.id, {"clear_since": now})
            return
        if record.clear_since is not None and now - record.clear_since < self._rules.settles_after:
            return
        values = {"state": AlertState.RESOLVED.value, "resolved_at": now, "clear_since": None}
        await rows.change_alert(self._session, record.id, values)
        await rows.drop_messages(self._session, record.id)
        self._ended.append(AlertKind(record.kind))
        if not is_past:
            await rows.announce_alert(self._session, record.id, Occasion.RESOLVED)


def _list_campaigns(records: Sequence[AlertRecord]) -> list[UUID]:
    return [
        record.subject_id
        for record in records
        if record.subject_id is not None and SUBJECTS.get(AlertKind(record.kind)) is AlertSubject.CAMPAIGN
    ]


# ---- what there is and was ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertView:
    """An alert as it is shown; `title` is in English."""

    id: int
    key: str
    kind: AlertKind
    state: AlertState
    is_urgent: bool
    subject: AlertSubject
    subject_id: UUID | None
    name: str
    title: str
    detail: str | None
    since: datetime
    resolved_at: datetime | None
    notified_at: datetime | None
    """When somebody was last told."""

    @property
    def alert(self) -> Alert:
        """What it is or was about."""
        return Alert(
            kind=self.kind,
            is_urgent=self.is_urgent,
            id=self.subject_id,
            name=self.name,
            detail=self.detail,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class MessageView:
    """A message to one destination, and what became of it."""

    id: int
    destination_id: UUID
    destination_name: str
    destination_kind: DestinationKind
    occasion: Occasion
    status: NotificationStatus
    attempts: int
    """Those that failed."""
    error: str | None
    created_at: datetime
    sent_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertDetails:
    """An alert with all messages about it."""

    view: AlertView
    messages: Sequence[MessageView] = field(default=())


async def list_records(
    session: AsyncSession,
    wanted: AlertFilter,
    *,
    limit: int,
    before_id: int | None = None,
    shows_machines: bool,
) -> list[AlertView]:
    """The newest first. Only some may see on which machines Vestnik runs."""
    found = await rows.list_alerts(session, wanted, limit=limit, before_id=before_id)
    return [_view(record, shows_machines=shows_machines) for record in found]


async def get_alert(session: AsyncSession, alert_id: int, *, shows_machines: bool) -> AlertDetails:
    """The alert of this number. Raises NotFoundError."""
    record = await rows.get_alert(session, alert_id)
    if record is None:
        raise NotFoundError(f"there is no alert {alert_id}", field="id")
    messages = await rows.list_messages(session, alert_id)
    return AlertDetails(
        view=_view(record, shows_machines=shows_machines),
        messages=[_view_message(message, destination) for message, destination in messages],
    )


def _view(record: AlertRecord, *, shows_machines: bool) -> AlertView:
    kind = AlertKind(record.kind)
    subject = SUBJECTS[kind]
    is_hidden = not shows_machines and subject in MACHINES
    return AlertView(
        id=record.id,
        key=kind.value if is_hidden else record.key,
        kind=kind,
        state=AlertState(record.state),
        is_urgent=record.is_urgent,
        subject=subject,
        subject_id=record.subject_id,
        name="" if is_hidden else record.name,
        title=record.title,
        detail=None if is_hidden else record.detail,
        since=record.since,
        resolved_at=record.resolved_at,
        notified_at=record.notified_at,
    )


def _view_message(message: AlertNotification, destination: AlertDestination) -> MessageView:
    return MessageView(
        id=message.id,
        destination_id=destination.id,
        destination_name=destination.name,
        destination_kind=DestinationKind(destination.kind),
        occasion=Occasion(message.occasion),
        status=NotificationStatus(message.status),
        attempts=message.attempts,
        error=message.error,
        created_at=message.created_at,
        sent_at=message.sent_at,
    )
