"""Direct send: post in a few channels now, past the campaign queue, and learn what came of it."""

import asyncio
import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from vestnik.content import content_to_json, count_units
from vestnik.db import commands as rows
from vestnik.db.accounts import AccountStanding, list_accounts, list_simulated
from vestnik.db.audit import record_audit
from vestnik.db.engine import open_session
from vestnik.db.media import note_use
from vestnik.db.models import Account, AccountCommand, Channel
from vestnik.db.notifications import notify_account
from vestnik.db.secrets import KeyRing, OpenKeys, identify_secret
from vestnik.domain.actors import Actor
from vestnik.domain.albums import choose_media_ids
from vestnik.domain.campaigns import parse_mode
from vestnik.domain.channels import ChannelName, parse_channel_name
from vestnik.domain.commands import EXPIRES_AFTER, CommandStatus, explain_error
from vestnik.domain.errors import (
    AccountHeldError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    NoWorkerError,
)
from vestnik.domain.ids import AccountId, ChannelId, CommandId
from vestnik.domain.posting import PreviewPosition, pick_options, require_means
from vestnik.domain.states import AccountKind, AccountState, Mode
from vestnik.domain.transport import Content
from vestnik.services.accounts import choose_account, parse_id
from vestnik.services.send_contents import SendBody, read_body, render_for

MOST_CHANNELS: Final = 50
LONGEST_KEY: Final = 200
LONGEST_EXPIRY: Final = timedelta(minutes=10)
WAIT: Final = EXPIRES_AFTER
"""How long a caller waits for Telegram's answer before it is told to ask again."""
_FIRST_POLL = 0.02
_LONGEST_POLL = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class NewSend:
    """What to post, and where. Channels are names, links or ids; either a text or a template is given.

    `template` is a name or an id, `template_id` an id and nothing else. A post that has not started after
    `expires_in` never does. `idempotency_key` makes a repeated request of `key_owner` the same request. Variables
    are filled in when the request is made, with the time in `zone`.
    """

    channels: Sequence[str]
    text: str | None = field(default=None, repr=False)
    template: str | None = None
    template_id: UUID | None = None
    parse_mode: str | None = None
    link_preview: bool = True
    link_preview_position: str = PreviewPosition.BELOW.value
    link_preview_size: str | None = None
    silent: bool = False
    protect_content: bool = False
    media_ids: Sequence[UUID] = ()
    """Stored files that go with the text, which is their caption then."""
    mode: str = Mode.TEST.value
    account: str | None = None
    expires_in: timedelta = EXPIRES_AFTER
    idempotency_key: str | None = None
    key_owner: str = ""
    zone: tzinfo = UTC


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestedSend:
    """The posts asked for, one per channel, by the ids with which their results can be asked for."""

    ids: tuple[CommandId, ...]
    account_id: UUID
    account_name: str
    is_repeat: bool
    """The key had been used before: nothing new was asked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SendResult:
    """What became of one post so far. With `maybe_sent` it may be in the channel although it is not DONE."""

    id: UUID
    channel: str
    channel_id: UUID
    status: CommandStatus
    message_ids: tuple[int, ...]
    link: str | None
    """Of the first message, where the channel has a username; a rehearsal's would lead to somebody else's post."""
    error_code: str | None
    error_message: str | None
    maybe_sent: bool
    requested_at: datetime
    expires_at: datetime
    finished_at: datetime | None


async def request_send(
    session: AsyncSession, actor: Actor, new: NewSend, *, open_keys: OpenKeys
) -> RequestedSend:
    """Ask for a post in each channel; the process that speaks for the account is woken by the commit.

    Raises InvalidInputError, NotFoundError; ConflictError for a channel or account that cannot post,
    AccountHeldError with the time it frees; NoWorkerError when no process speaks for the account. Nothing is
    stored then.
    """
    mode = parse_mode(new.mode)
    references = _read_channels(new.channels)
    key = _check_key(new)
    _check_expiry(new.expires_in)
    account = await choose_account(session, mode, new.account)
    account_id = AccountId(account.id)
    body = await read_body(
        session,
        text=new.text,
        template=new.template,
        template_id=new.template_id,
        parse_mode=new.parse_mode,
        options=pick_options(new),
        media_ids=choose_media_ids(None, new.media_ids),
    )
    require_means(
        AccountKind(account.kind),
        account.name,
        has_buttons=bool(body.content.buttons),
        is_protected=body.content.options.protect_content,
    )
    digest = _digest_request(references, body, mode, account_id)
    if key is not None:
        await rows.lock_idempotency_key(session, key)
        earlier = await rows.list_commands_of_key(session, key)
        if earlier:
            return _repeat(account, earlier, digest)
    await require_ready(session, account)
    channels = await _find_channels(session, account, references)
    ring = await open_keys(session)
    contents = render_for(body.content, channels, datetime.now(new.zone))
    commands = [
        _make_command(account_id, channel, content, key, ring)
        for channel, content in zip(channels, contents, strict=True)
    ]
    await rows.insert_commands(
        session,
        account_id,
        commands,
        expires_in=new.expires_in,
        idempotency_key=key,
        request_digest=digest,
    )
    template = new.template or (str(new.template_id) if new.template_id else None)
    for command, channel, content in zip(commands, channels, contents, strict=True):
        after = {
            "account": account.name,
            "channel": _name(channel),
            "mode": mode,
            "template": template,
            "length": count_units(content.text),
        }
        await record_audit(
            session, actor, "direct_send.requested", "account_command", command.command_id, after=after
        )
    await note_use(session, [file.media_id for file in body.content.files])
    await notify_account(session, account_id)
    return RequestedSend(
        ids=tuple(command.command_id for command in commands),
        account_id=account_id,
        account_name=account.name,
        is_repeat=False,
    )


# ---- what is asked for --------------------------------------------------------------------------------------


def _read_channels(references: Sequence[str]) -> list[ChannelName | UUID]:
    if not references:
        raise InvalidInputError("no channel is given; name at least one", field="channel")
    read: dict[str, ChannelName | UUID] = {}
    for reference in references:
        if (channel_id := parse_id(reference.strip())) is not None:
            read[str(channel_id)] = channel_id
            continue
        try:
            name = parse_channel_name(reference)
        except InvalidInputError as exc:
            raise InvalidInputError(f"channel {reference[:60]!r}: {exc.message}", field="channel") from exc
        read[name.key] = name
    if len(read) > MOST_CHANNELS:
        raise InvalidInputError(
            f"{len(read)} channels are too many for a direct send; {MOST_CHANNELS} is the most, and a campaign "
            "takes any number",
            field="channel",
        )
    return list(read.values())


def _check_key(new: NewSend) -> str | None:
    """The key as it is stored: two owners' keys never meet."""
    key = new.idempotency_key
    if key is None:
        return None
    if not key or len(key) > LONGEST_KEY or not key.isprintable():
        raise InvalidInputError(
            f"an idempotency key has 1 to {LONGEST_KEY} printable characters", field="idempotency_key"
        )
    return f"{new.key_owner}:{key}" if new.key_owner else key


def _check_expiry(expires_in: timedelta) -> None:
    if not timedelta(seconds=1) <= expires_in <= LONGEST_EXPIRY:
        raise InvalidInputError(
            f"a direct send lasts from 1 to {LONGEST_EXPIRY.total_seconds():g} seconds", field="timeout"
        )


def _digest_request(
    references: Sequence[ChannelName | UUID], body: SendBody, mode: Mode, account_id: AccountId
) -> bytes:
    """Two requests are the same if they post the same in the same channels, in whatever order those are named."""
    keys = sorted(item.key if isinstance(item, ChannelName) else str(item) for item in references)
    parts = [keys, body.identity, mode, str(account_id)]
    return hashlib.sha256(json.dumps(parts).encode()).digest()


def _repeat(account: Account, earlier: Sequence[tuple[CommandId, bytes]], digest: bytes) -> RequestedSend:
    if any(known != digest for _, known in earlier):
        raise InvalidInputError(
            "this idempotency key was used for another request; a new request needs a new key",
            field="idempotency_key",
        )
    return RequestedSend(
        ids=tuple(command_id for command_id, _ in earlier),
        account_id=account.id,
        account_name=account.name,
        is_repeat=True,
    )


# ---- whether it can be done now -----------------------------------------------------------------------------


async def require_ready(session: AsyncSession, account: Account) -> None:
    """Raise ConflictError, AccountHeldError or NoWorkerError unless the account can be used at this moment."""
    standing = next(item for item in await list_accounts(session) if item.account.id == account.id)
    if account.state != AccountState.ACTIVE:
        reason = f": {account.state_reason}" if account.state_reason else ""
        raise ConflictError(
            f"account '{account.name}' is {account.state}{reason}; nothing can be sent", field="account"
        )
    _require_free(standing)
    if not standing.is_leased:
        raise NoWorkerError(
            f"no worker delivers for account '{account.name}' now; run 'vestnik up', or look whether a worker that "
            "serves it is running",
            field="account",
        )


def _require_free(standing: AccountStanding) -> None:
    if standing.hold_until is not None:
        raise AccountHeldError(
            f"Telegram makes account '{standing.account.name}' wait ({standing.hold_reason}) until "
            f"{_utc(standing.hold_until)}; nothing is sent before",
            until=standing.hold_until,
            field="account",
        )


async def _find_channels(
    session: AsyncSession, account: Account, references: Sequence[ChannelName | UUID]
) -> list[Channel]:
    """The channels in the order in which they were named, each once."""
    names = [item for item in references if isinstance(item, ChannelName)]
    ids = [item for item in references if isinstance(item, UUID)]
    targets = await rows.list_targets(session, AccountId(account.id), names, ids)
    by_key = {_key(target.channel): target for target in targets}
    by_key |= {str(target.channel.id): target for target in targets}
    found: dict[UUID, Channel] = {}
    for item in references:
        target = by_key.get(item.key if isinstance(item, ChannelName) else str(item))
        if target is None:
            raise NotFoundError(
                f"there is no channel {item}; add it first: vestnik channels import", field="channel"
            )
        _require_sendable(target, account)
        found[target.channel.id] = target.channel
    return list(found.values())


def _require_sendable(target: rows.Target, account: Account) -> None:
    channel = target.channel
    if not channel.is_active:
        raise ConflictError(
            f"channel {_name(channel)} is inactive ({channel.inactive_reason or 'by an operator'}); reactivate it "
            "first",
            field="channel",
        )
    if not target.is_pair_active:
        raise ConflictError(
            f"channel {_name(channel)} is inactive for account '{account.name}' "
            f"({target.pair_reason or 'by an operator'}); reactivate it first",
            field="channel",
        )
    if target.hold_until is not None:
        raise ConflictError(
            f"channel {_name(channel)} is in slow mode until {_utc(target.hold_until)}", field="channel"
        )


def _make_command(
    account_id: AccountId, channel: Channel, content: Content, key: str | None, ring: KeyRing
) -> rows.NewCommand:
    command_id = CommandId(uuid4())
    payload = json.dumps(content_to_json(content), ensure_ascii=False)
    return rows.NewCommand(
        command_id=command_id,
        channel_id=ChannelId(channel.id),
        payload=ring.encrypt(payload, identify_secret("account_commands", command_id, rows.PAYLOAD)),
        random_id=_choose_random_id(account_id, channel.id, key),
    )


def _choose_random_id(account_id: UUID, channel_id: UUID, key: str | None) -> int:
    """64 bits with a sign; the same for the same key, so that even a restored backup does not post twice."""
    if key is None:
        drawn = secrets.token_bytes(8)
    else:
        drawn = hashlib.sha256(f"direct send:{account_id}:{channel_id}:{key}".encode()).digest()[:8]
    return int.from_bytes(drawn, "big", signed=True) or 1


# ---- what came of it ----------------------------------------------------------------------------------------


async def get_results(session: AsyncSession, ids: Sequence[CommandId]) -> list[SendResult]:
    """What became of posts so far, in the order of the ids. Raises NotFoundError for an unknown id.

    Those that nobody started in time end here, should no process be left that would end them.
    """
    found = await rows.list_commands(session, ids)
    late = {command.account_id for command, _, is_late in found if is_late and not _status(command).is_final}
    for account_id in sorted(late):
        await rows.settle_commands(session, AccountId(account_id))
    if late:
        found = await rows.list_commands(session, ids)
    rehearsing = await list_simulated(session, {command.account_id for command, _, _ in found})
    by_id = {
        command.id: _view(command, channel, is_rehearsal=command.account_id in rehearsing)
        for command, channel, _ in found
    }
    unknown = next((command_id for command_id in ids if command_id not in by_id), None)
    if unknown is not None:
        raise NotFoundError(f"there is no direct send {unknown}", field="id")
    return [by_id[command_id] for command_id in ids]


async def wait_for_results(
    engine: AsyncEngine, ids: Sequence[CommandId], *, timeout: timedelta = WAIT
) -> list[SendResult]:
    """As `get_results`, once all have ended or after `timeout`; holds no connection in between."""

    async def read() -> list[SendResult]:
        async with open_session(engine) as session:
            return await get_results(session, ids)

    return await poll_results(read, timeout=timeout)


async def poll_results(
    read: Callable[[], Awaitable[list[SendResult]]], *, timeout: timedelta = WAIT
) -> list[SendResult]:
    """Read results again and again until all have ended or `timeout` is over; the newest ones."""
    pause = _FIRST_POLL
    deadline = asyncio.get_running_loop().time() + timeout.total_seconds()
    while True:
        results = await read()
        left = deadline - asyncio.get_running_loop().time()
        if left <= 0 or all(result.status.is_final for result in results):
            return results
        await asyncio.sleep(min(pause, left))
        pause = min(pause * 1.5, _LONGEST_POLL)


def _view(command: AccountCommand, channel: Channel, *, is_rehearsal: bool) -> SendResult:
    result: dict[str, Any] = command.result or {}
    status = _status(command)
    message_ids = tuple(int(item) for item in result.get("message_ids") or ())
    code = None if status is CommandStatus.DONE else result.get("error_code")
    message = result.get("error_message") or (explain_error(code) if code else None)
    return SendResult(
        id=command.id,
        channel=_name(channel),
        channel_id=channel.id,
        status=status,
        message_ids=message_ids,
        link=f"https://t.me/{channel.username}/{message_ids[0]}"
        if channel.username and message_ids and not is_rehearsal
        else None,
        error_code=code,
        error_message=message if code else None,
        maybe_sent=command.maybe_sent,
        requested_at=command.created_at,
        expires_at=command.expires_at,
        finished_at=command.finished_at,
    )


def _status(command: AccountCommand) -> CommandStatus:
    return CommandStatus(command.status)


def _name(channel: Channel) -> str:
    return str(ChannelName(username=channel.username, tg_id=channel.tg_id))


def _key(channel: Channel) -> str:
    return ChannelName(username=channel.username, tg_id=channel.tg_id).key


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
