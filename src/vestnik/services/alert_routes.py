"""How messages get to a destination: read from what people say, and stored with what is secret in it encrypted."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.alert_destinations import SECRET
from vestnik.db.alerts import StoredDestination
from vestnik.db.commands import list_targets
from vestnik.db.secrets import KeyRing, identify_secret
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
    read_security,
    require_private_way,
)
from vestnik.domain.alerts import (
    DestinationKind,
    MailRoute,
    MailSecurity,
    OpenDestination,
    Route,
    TelegramRoute,
    WebhookRoute,
)
from vestnik.domain.channels import parse_channel_name
from vestnik.domain.errors import InvalidInputError, NotFoundError
from vestnik.domain.ids import AccountId
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


def store_route(destination_id: UUID, route: Route, ring: KeyRing) -> dict[str, Any]:
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


async def read_route(
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
