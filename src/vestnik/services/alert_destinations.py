"""Who is told of alerts: make, look at, change and delete destinations. Their secrets never come out again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import alert_destinations as rows
from vestnik.db.alert_destinations import DestinationRow
from vestnik.db.audit import record_audit
from vestnik.db.models import AlertDestination
from vestnik.db.secrets import OpenKeys
from vestnik.domain.actors import Actor
from vestnik.domain.alert_routes import read_language
from vestnik.domain.alerts import LANGUAGES, DestinationKind, MailSecurity, OpenDestination
from vestnik.domain.channels import ChannelName
from vestnik.domain.errors import ConflictError, NotFoundError, StaleRevisionError
from vestnik.domain.names import check_name
from vestnik.domain.sealing import Unsealer
from vestnik.services.accounts import parse_id
from vestnik.services.alert_routes import RouteInput, open_destination, read_route, store_route


@dataclass(frozen=True, kw_only=True, slots=True)
class NewDestination:
    """A destination to be made."""

    name: str
    kind: DestinationKind
    route: RouteInput
    language: str = LANGUAGES[0]
    is_active: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class DestinationChange:
    """What is to be changed; None leaves it."""

    name: str | None = None
    language: str | None = None
    is_active: bool | None = None
    route: RouteInput = field(default_factory=RouteInput)


@dataclass(frozen=True, kw_only=True, slots=True)
class DestinationView:
    """A destination as it is shown, without its secrets."""

    id: UUID
    name: str
    kind: DestinationKind
    is_active: bool
    language: str
    target: str
    """Where it leads, in short."""
    host: str | None
    port: int | None
    security: MailSecurity | None
    username: str | None
    has_password: bool
    sender: str | None
    recipients: Sequence[str]
    account_id: UUID | None
    account: str | None
    channel_id: UUID | None
    channel: str | None
    waiting: int
    """Messages that are still to be delivered."""
    failures: int
    """In a row."""
    failing_since: datetime | None
    last_error: str | None
    last_error_at: datetime | None
    last_success_at: datetime | None
    revision: int
    created_at: datetime
    updated_at: datetime

    @property
    def is_failing(self) -> bool:
        """Whether the last message, or the last test, could not be delivered."""
        if self.failures or self.last_error_at is None:
            return bool(self.failures)
        return self.last_success_at is None or self.last_error_at > self.last_success_at


async def list_destinations(session: AsyncSession) -> list[DestinationView]:
    """All of them by name."""
    return [_view(row) for row in await rows.list_destinations(session)]


async def get_destination(session: AsyncSession, destination_id: UUID) -> DestinationView:
    """The destination of this id. Raises NotFoundError."""
    found = await rows.list_destinations(session, destination_id)
    if not found:
        raise _describe_missing(destination_id)
    return _view(found[0])


async def find_destination(session: AsyncSession, reference: str) -> DestinationView:
    """The destination of this name or id. Raises NotFoundError."""
    row = await rows.find_destination(session, reference.strip())
    destination_id = row.id if row is not None else parse_id(reference.strip())
    if destination_id is None:
        raise NotFoundError(
            f"there is no destination '{reference}'; 'vestnik alerts destinations' shows those there are",
            field="destination",
        )
    return await get_destination(session, destination_id)


async def create_destination(
    session: AsyncSession, actor: Actor, new: NewDestination, *, open_keys: OpenKeys
) -> DestinationView:
    """Make one. Raises InvalidInputError, NotFoundError; ConflictError when the name is taken."""
    name = check_name(new.name)
    destination_id = uuid4()
    route = await read_route(session, new.kind, new.route, None)
    row = await rows.insert_destination(
        session,
        {
            "id": destination_id,
            "name": name,
            "kind": new.kind.value,
            "language": read_language(new.language),
            "is_active": new.is_active,
            **store_route(destination_id, route, await open_keys(session)),
        },
    )
    if row is None:
        raise _describe_taken(name)
    view = await get_destination(session, destination_id)
    await record_audit(
        session, actor, "alert_destination.created", "alert_destination", row.id, after=_describe(view)
    )
    return view


async def change_destination(
    session: AsyncSession,
    actor: Actor,
    destination_id: UUID,
    change: DestinationChange,
    *,
    open_keys: OpenKeys,
    expected_revision: int | None = None,
) -> DestinationView:
    """Change one; secrets that are not given stay. Messages that wait for one that is switched off are dropped.

    Raises NotFoundError, StaleRevisionError, InvalidInputError, SecretError; ConflictError when the name is taken.
    """
    row = await _lock(session, destination_id, expected_revision)
    before = _describe(await get_destination(session, destination_id))
    values: dict[str, Any] = {}
    if change.name is not None:
        values["name"] = check_name(change.name)
    if change.language is not None:
        values["language"] = read_language(change.language)
    if change.is_active is not None:
        values["is_active"] = change.is_active
    if not change.route.is_empty:
        ring = await open_keys(session)
        old = open_destination(rows.store(row), ring).route
        route = await read_route(session, DestinationKind(row.kind), change.route, old)
        values |= store_route(destination_id, route, ring)
    if values and not await rows.change_destination(session, destination_id, values):
        raise _describe_taken(str(values["name"]))
    if change.is_active is False:
        await rows.drop_waiting(session, destination_id)
    view = await get_destination(session, destination_id)
    await _record_change(session, actor, before, view, has_new_route=not change.route.is_empty)
    return view


async def _record_change(
    session: AsyncSession,
    actor: Actor,
    before: dict[str, Any],
    view: DestinationView,
    *,
    has_new_route: bool,
) -> None:
    changed = {name: value for name, value in _describe(view).items() if value != before[name]}
    if changed or has_new_route:
        await record_audit(
            session,
            actor,
            "alert_destination.changed",
            "alert_destination",
            view.id,
            before={name: before[name] for name in changed},
            after=changed,
        )


async def delete_destination(
    session: AsyncSession, actor: Actor, destination_id: UUID, *, expected_revision: int | None = None
) -> None:
    """Delete one with its messages. Raises NotFoundError, StaleRevisionError."""
    row = await _lock(session, destination_id, expected_revision)
    before = _describe(await get_destination(session, destination_id))
    await session.delete(row)
    await session.flush()
    await record_audit(
        session, actor, "alert_destination.deleted", "alert_destination", destination_id, before=before
    )


async def read_for_test(session: AsyncSession, destination_id: UUID, unsealer: Unsealer) -> OpenDestination:
    """A destination with its secrets, for one delivery. Raises NotFoundError, SecretError."""
    row = await rows.get_destination(session, destination_id)
    if row is None:
        raise _describe_missing(destination_id)
    return open_destination(rows.store(row), unsealer)


async def record_test(
    session: AsyncSession, actor: Actor, destination_id: UUID, error: str | None
) -> DestinationView:
    """Note what came of a test. Raises NotFoundError for a destination that is no more."""
    await rows.note_test(session, destination_id, error)
    view = await get_destination(session, destination_id)
    await record_audit(
        session,
        actor,
        "alert_destination.tested",
        "alert_destination",
        destination_id,
        after={"name": view.name, "is_delivered": error is None},
    )
    return view


# ---- rows ---------------------------------------------------------------------------------------------------


async def _lock(
    session: AsyncSession, destination_id: UUID, expected_revision: int | None
) -> AlertDestination:
    row = await rows.get_destination(session, destination_id, for_update=True)
    if row is None:
        raise _describe_missing(destination_id)
    if expected_revision is not None and row.revision != expected_revision:
        raise StaleRevisionError(
            f"destination '{row.name}' has been changed since; read it again and repeat the change",
            field="If-Match",
        )
    return row


def _describe_missing(destination_id: UUID) -> NotFoundError:
    return NotFoundError(f"there is no destination {destination_id}", field="destination")


def _describe_taken(name: str) -> ConflictError:
    return ConflictError(f"there is a destination '{name}' already", field="name")


def _describe(view: DestinationView) -> dict[str, Any]:
    """For the audit log."""
    shown: dict[str, Any] = {
        "name": view.name,
        "kind": view.kind.value,
        "is_active": view.is_active,
        "language": view.language,
        "target": view.target,
    }
    if view.kind is DestinationKind.EMAIL:
        shown |= {"host": view.host, "port": view.port, "security": view.security, "username": view.username}
    return shown


def _view(row: DestinationRow) -> DestinationView:
    stored, config = row.destination, row.destination.config
    is_mail = stored.kind == DestinationKind.EMAIL
    channel = (
        None
        if row.channel is None
        else str(ChannelName(username=row.channel.username, tg_id=row.channel.tg_id))
    )
    return DestinationView(
        id=stored.id,
        name=stored.name,
        kind=DestinationKind(stored.kind),
        is_active=stored.is_active,
        language=stored.language,
        target=_describe_target(row, channel),
        host=config.get("host"),
        port=config.get("port"),
        security=MailSecurity(config["security"]) if is_mail else None,
        username=config.get("username"),
        has_password=is_mail and stored.secret_ciphertext is not None,
        sender=config.get("sender"),
        recipients=config.get("recipients", ()),
        account_id=stored.account_id,
        account=row.account,
        channel_id=stored.channel_id,
        channel=channel,
        waiting=row.waiting,
        failures=stored.failures,
        failing_since=stored.failing_since,
        last_error=stored.last_error,
        last_error_at=stored.last_error_at,
        last_success_at=stored.last_success_at,
        revision=stored.revision,
        created_at=stored.created_at,
        updated_at=stored.updated_at,
    )


def _describe_target(row: DestinationRow, channel: str | None) -> str:
    config = row.destination.config
    match DestinationKind(row.destination.kind):
        case DestinationKind.WEBHOOK:
            return str(config["address"])
        case DestinationKind.EMAIL:
            return ", ".join(config["recipients"])
        case DestinationKind.TELEGRAM:
            return f"{channel} ({row.account})"
