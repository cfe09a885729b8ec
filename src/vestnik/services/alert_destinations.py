"""Who is told of alerts: make, look at, change and delete destinations. Their secrets never come out again."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import alert_destinations as rows
from vestnik.db.alert_destinations import SECRET, DestinationRow
from vestnik.db.alerts import StoredDestination
from vestnik.db.audit import record_audit
from vestnik.db.commands import list_targets
from vestnik.db.models import AlertDestination
from vestnik.db.secrets import KeyRing, OpenKeys, identify_secret
from vestnik.domain.actors import Actor
from vestnik.domain.alert_routes import (
    PORTS,
    check_mail_address,
    check_mail_host,
    check_mail_password,
    check_port,
    check_recipients,
    check_signing_key,
    check_username,
    check_webhook_url,
    describe_url,
    read_language,
    read_security,
    require_private_way,
)
from vestnik.domain.alerts import (
    LANGUAGES,
    DestinationKind,
    MailRoute,
    MailSecurity,
    OpenDestination,
    Route,
    TelegramRoute,
    WebhookRoute,
)
from vestnik.domain.channels import ChannelName, parse_channel_name
from vestnik.domain.errors import ConflictError, InvalidInputError, NotFoundError, StaleRevisionError
from vestnik.domain.ids import AccountId
from vestnik.domain.names import check_name
from vestnik.domain.sealing import Unsealer
from vestnik.services.accounts import find_account, parse_id

_FIELDS: Final = {
    DestinationKind.WEBHOOK: ("url", "signing_key"),
    DestinationKind.EMAIL: (
        "host", "port", "security", "username", "password", "sender", "recipients",
    ),
    DestinationKind.TELEGRAM: ("account", "channel"),
}  # fmt: skip
"""What is said of each kind."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RouteInput:
    """How messages get to a destination; None says nothing. An empty password takes it away."""

    url: str | None = field(default=None, repr=False)
    signing_key: str | None = field(default=None, repr=False)
    host: str | None = None
    port: int | None = None
    security: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sender: str | None = None
    recipients: Sequence[str] | None = None
    account: str | None = None
    channel: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said."""
        return self == RouteInput()


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
    route = await _read_route(session, new.kind, new.route, None)
    row = await rows.insert_destination(
        session,
        {
            "id": destination_id,
            "name": name,
            "kind": new.kind.value,
            "language": read_language(new.language),
            "is_active": new.is_active,
            **_store_route(destination_id, route, await open_keys(session)),
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
        route = await _read_route(session, DestinationKind(row.kind), change.route, old)
        values |= _store_route(destination_id, route, ring)
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


# ---- routes -------------------------------------------------------------------------------------------------


def open_destination(stored: StoredDestination, unsealer: Unsealer) -> OpenDestination:
    """The destination with its secrets. Raises SecretError, ConfigurationError."""
    kind = DestinationKind(stored.kind)
    return OpenDestination(
        id=stored.id,
        name=stored.name,
        kind=kind,
        language=stored.language,
        route=_open_route(stored, kind, unsealer),
    )


def _open_route(stored: StoredDestination, kind: DestinationKind, unsealer: Unsealer) -> Route:
    secret: dict[str, str] = {}
    if stored.secret is not None:
        identity = identify_secret("alert_destinations", stored.id, SECRET)
        secret = json.loads(unsealer.decrypt(stored.secret, identity))
    match kind:
        case DestinationKind.WEBHOOK:
            return WebhookRoute(url=secret["url"], signing_key=secret["signing_key"])
        case DestinationKind.EMAIL:
            config = stored.config
            return MailRoute(
                host=config["host"],
                port=config["port"],
                security=MailSecurity(config["security"]),
                sender=config["sender"],
                recipients=tuple(config["recipients"]),
                username=config["username"],
                password=secret.get("password"),
            )
        case DestinationKind.TELEGRAM:
            assert stored.account_id is not None
            assert stored.channel_id is not None
            return TelegramRoute(account_id=stored.account_id, channel_id=stored.channel_id)


def _store_route(destination_id: UUID, route: Route, ring: KeyRing) -> dict[str, Any]:
    """The columns of a route."""
    secret: dict[str, str] = {}
    config: dict[str, Any] = {}
    account_id = channel_id = None
    match route:
        case WebhookRoute():
            config = {"address": describe_url(route.url)}
            secret = {"url": route.url, "signing_key": route.signing_key}
        case MailRoute():
            config = {
                "host": route.host,
                "port": route.port,
                "security": route.security.value,
                "sender": route.sender,
                "recipients": list(route.recipients),
                "username": route.username,
            }
            secret = {} if route.password is None else {"password": route.password}
        case TelegramRoute():
            account_id, channel_id = route.account_id, route.channel_id
    identity = identify_secret("alert_destinations", destination_id, SECRET)
    return {
        "config": config,
        "secret_ciphertext": ring.encrypt(json.dumps(secret), identity) if secret else None,
        "account_id": account_id,
        "channel_id": channel_id,
    }


async def _read_route(
    session: AsyncSession, kind: DestinationKind, given: RouteInput, old: Route | None
) -> Route:
    """What is given, and what was there before for the rest. Raises InvalidInputError, NotFoundError."""
    own = _FIELDS[kind]
    for name in RouteInput.__dataclass_fields__:
        if name not in own and getattr(given, name) is not None:
            raise InvalidInputError(f"a destination of kind {kind} has no {name}; leave it out", field=name)
    match kind:
        case DestinationKind.WEBHOOK:
            return _read_webhook(given, old if isinstance(old, WebhookRoute) else None)
        case DestinationKind.EMAIL:
            return _read_mail(given, old if isinstance(old, MailRoute) else None)
        case DestinationKind.TELEGRAM:
            return await _read_chat(session, given, old if isinstance(old, TelegramRoute) else None)


def _read_webhook(given: RouteInput, old: WebhookRoute | None) -> WebhookRoute:
    url = old.url if given.url is None and old else check_webhook_url(_require(given.url, "url"))
    key = (
        old.signing_key
        if given.signing_key is None and old
        else check_signing_key(_require(given.signing_key, "signing_key"))
    )
    return WebhookRoute(url=url, signing_key=key)


def _read_mail(given: RouteInput, old: MailRoute | None) -> MailRoute:
    base = old or _start_mail(given)
    security = base.security if given.security is None else read_security(given.security)
    port = base.port
    if given.port is not None:
        port = check_port(given.port)
    elif security is not base.security and base.port == PORTS[base.security]:
        port = PORTS[security]
    route = replace(
        base,
        security=security,
        port=port,
        host=base.host if given.host is None else check_mail_host(given.host),
        sender=base.sender if given.sender is None else check_mail_address(given.sender, field="sender"),
        recipients=base.recipients if given.recipients is None else check_recipients(given.recipients),
        username=base.username if given.username is None else check_username(given.username),
        password=base.password if given.password is None else _read_password(given.password),
    )
    if route.password is not None and route.username is None:
        raise InvalidInputError("a password needs a user name", field="username")
    # What was stored for one server is not for another, whoever names that.
    if old is not None and route.host != old.host and old.password is not None and given.password is None:
        raise InvalidInputError("for another mail server type the password anew", field="password")
    require_private_way(route.security, route.password)
    return route


def _start_mail(given: RouteInput) -> MailRoute:
    security = MailSecurity.STARTTLS if given.security is None else read_security(given.security)
    return MailRoute(
        host=_require(given.host, "host"),
        port=PORTS[security],
        security=security,
        sender=_require(given.sender, "sender"),
        recipients=check_recipients(given.recipients or ()),
    )


def _read_password(value: str) -> str | None:
    return check_mail_password(value) if value else None


async def _read_chat(session: AsyncSession, given: RouteInput, old: TelegramRoute | None) -> TelegramRoute:
    account_id = old.account_id if given.account is None and old else None
    if account_id is None:
        account_id = (await find_account(session, _require(given.account, "account"))).id
    if given.channel is None and old is not None:
        return TelegramRoute(account_id=account_id, channel_id=old.channel_id)
    reference = _require(given.channel, "channel").strip()
    channel_id = parse_id(reference)
    names = [] if channel_id is not None else [parse_channel_name(reference)]
    targets = await list_targets(
        session, AccountId(account_id), names, [] if channel_id is None else [channel_id]
    )
    if not targets:
        raise NotFoundError(
            "there is no such channel; add it first, as one of the channels that the account posts in",
            field="channel",
        )
    return TelegramRoute(account_id=account_id, channel_id=targets[0].channel.id)


def _require(value: str | None, name: str) -> str:
    if value is None or not value.strip():
        raise InvalidInputError("this is missing; a destination of this kind needs it", field=name)
    return value


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
