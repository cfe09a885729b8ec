"""Channels: adding, correcting, deactivating and deleting them, and taking lists of them over."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import channels as rows
from vestnik.db.accounts import get_account
from vestnik.db.audit import record_audit
from vestnik.db.models import Channel
from vestnik.domain.actors import Actor
from vestnik.domain.audit import name_channels
from vestnik.domain.channel_lists import InvalidLine, ListForm, parse_channel_list
from vestnik.domain.channels import ChannelName, check_title, mark_id, parse_channel_name
from vestnik.domain.errors import ConflictError, InvalidInputError, NotFoundError, StaleRevisionError
from vestnik.domain.ids import AccountId, ChannelId
from vestnik.services.accounts import quote_names
from vestnik.services.channel_views import ChannelDetail, get_channel

OPERATOR_REASON: Final = "OPERATOR"
"""Why a channel is inactive that a person deactivated."""
_QUOTED_LINES = 3
_NAMED = 3


# -- one channel --------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class NewChannel:
    """A channel to add: `username` in any spelling that names one, `tg_id` with or without its mark, or both."""

    username: str | None = None
    tg_id: int | str | None = None
    title: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelChanges:
    """What is to be different; `given` names the fields that count, None in one of them empties it."""

    username: str | None = None
    tg_id: int | str | None = None
    title: str | None = None
    active: bool = True
    given: frozenset[str] = field(default=frozenset())


async def create_channel(session: AsyncSession, actor: Actor, new: NewChannel) -> ChannelDetail:
    """Add a channel; one that was deleted comes back, active.

    Raises InvalidInputError, and ConflictError for one that is there, with its id.
    """
    name = _read_name(new)
    title = check_title(new.title or "")
    stored = await rows.store_channels(session, [_make_name(name.username, name.tg_id)])
    (channel_id,) = stored.ids
    if stored.existing:
        raise _make_conflict(name, channel_id)
    channel = await _lock(session, channel_id, None)
    if name.tg_id is not None:
        channel.tg_id = name.tg_id
    if title is not None:
        channel.title = title
    await session.flush()
    await record_audit(
        session,
        actor,
        "channel.revived" if stored.revived else "channel.created",
        "channel",
        channel_id,
        after=_describe(channel),
    )
    return await get_channel(session, channel_id)


def _read_name(new: NewChannel) -> ChannelName:
    if new.username is None and new.tg_id is None:
        raise InvalidInputError("name the channel: @name, https://t.me/name or its id", field="username")
    tg_id = None if new.tg_id is None else _read_id(new.tg_id)
    if new.username is None:
        return ChannelName(tg_id=tg_id)
    name = _parse(new.username, field="username")
    if tg_id is not None and name.tg_id not in {None, tg_id}:
        raise InvalidInputError("username and tgId are ids of two channels", field="tg_id")
    return name if tg_id is None else ChannelName(username=name.username, tg_id=tg_id)


def _make_name(username: str | None, tg_id: int | None) -> ChannelName:
    """What identifies a channel that may have both."""
    return ChannelName(tg_id=tg_id) if username is None else ChannelName(username=username)


def _read_id(value: int | str) -> int:
    name = _parse(str(value), field="tg_id")
    if name.tg_id is None:
        raise InvalidInputError("not a channel's id, which is like -1001234567890", field="tg_id")
    return name.tg_id


def _parse(text: str, *, field: str) -> ChannelName:
    try:
        return parse_channel_name(text)
    except InvalidInputError as exc:
        raise InvalidInputError(exc.message, field=field) from None


def _make_conflict(name: ChannelName, channel_id: ChannelId) -> ConflictError:
    field = "username" if name.username is not None else "tg_id"
    return ConflictError(f"the channel {name} is there already: its id is {channel_id}", field=field)


async def change_channel(
    session: AsyncSession,
    actor: Actor,
    channel_id: ChannelId,
    changes: ChannelChanges,
    *,
    expected_revision: int | None = None,
) -> ChannelDetail:
    """Correct a channel, deactivate it for all accounts, or activate it again.

    With another name or id all that was known of the old one is forgotten: addresses, failures, and that errors
    had stopped it. Raises NotFoundError, StaleRevisionError, InvalidInputError, and ConflictError for a taken
    name.
    """
    is_renaming = bool(changes.given & {"username", "tg_id"})
    if is_renaming:
        await rows.lock_names(session)
    channel = await _lock(session, channel_id, expected_revision)
    before = _describe(channel)
    if "title" in changes.given:
        channel.title = check_title(changes.title or "")
    if is_renaming:
        await _rename(session, channel, changes)
    if "active" in changes.given:
        await _switch(session, channel, active=changes.active)
    after = _describe(channel)
    changed = {key for key in after if after[key] != before[key]}
    if changed:
        channel.revision += 1
        channel.updated_at = func.now()
        await session.flush()
        await record_audit(
            session,
            actor,
            "channel.changed",
            "channel",
            channel_id,
            before={key: before[key] for key in sorted(changed)},
            after={key: after[key] for key in sorted(changed)},
        )
    return await get_channel(session, channel_id)


async def _rename(session: AsyncSession, channel: Channel, changes: ChannelChanges) -> None:
    username, tg_id = channel.username, channel.tg_id
    if "tg_id" in changes.given:
        tg_id = None if changes.tg_id is None else _read_id(changes.tg_id)
    if "username" in changes.given:
        username = None
        if changes.username is not None:
            given = _parse(changes.username, field="username")
            username, tg_id = given.username, tg_id if given.tg_id is None else given.tg_id
    if username is None and tg_id is None:
        raise InvalidInputError("a channel needs a username or an id", field="username")
    old, new = _make_name(channel.username, channel.tg_id), _make_name(username, tg_id)
    if new.key != old.key:
        known = await rows.find_known(session, [new])
        if known:
            raise _make_conflict(new, known[new.key])
    is_other = new.key != old.key or tg_id != channel.tg_id
    channel.username, channel.tg_id = username, tg_id
    if is_other:
        await session.flush()
        await rows.forget_addresses(session, ChannelId(channel.id))
        if channel.inactive_reason != OPERATOR_REASON:
            _activate(channel)


async def _switch(session: AsyncSession, channel: Channel, *, active: bool) -> None:
    if active:
        _activate(channel)
        await session.flush()
        await rows.reset_peers(session, [channel.id])
    elif channel.is_active or channel.inactive_reason != OPERATOR_REASON:
        channel.is_active = False
        channel.inactive_reason = OPERATOR_REASON
        channel.inactive_since = func.now()
        channel.inactive_campaign_id = None


def _activate(channel: Channel) -> None:
    channel.is_active = True
    channel.inactive_reason = channel.inactive_since = channel.inactive_campaign_id = None


async def reactivate_channel(
    session: AsyncSession, actor: Actor, channel_id: ChannelId, account_id: AccountId | None = None
) -> ChannelDetail:
    """Post to a channel again, with all accounts or with one that had been stopped there.

    Raises NotFoundError for either.
    """
    channel = await _lock(session, channel_id, None)
    if account_id is not None and await get_account(session, account_id) is None:
        raise NotFoundError(f"there is no account {account_id}", field="account_id")
    was_active = channel.is_active
    if account_id is None:
        _activate(channel)
    pairs = await rows.reset_peers(session, [channel_id], account_id)
    if pairs or channel.is_active != was_active:
        channel.revision += 1
        channel.updated_at = func.now()
        await session.flush()
        after: dict[str, Any] = {"active": channel.is_active, "accounts": pairs}
        if account_id is not None:
            after["account_id"] = str(account_id)
        await record_audit(
            session,
            actor,
            "channel.reactivated",
            "channel",
            channel_id,
            before={"active": was_active},
            after=after,
        )
    return await get_channel(session, channel_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reactivation:
    """How many channels post again, and how many did all along."""

    reactivated: int
    unchanged: int


async def reactivate_channels(
    session: AsyncSession, actor: Actor, channel_ids: Sequence[ChannelId]
) -> Reactivation:
    """Post to channels again with all accounts. Raises InvalidInputError naming unknown ids."""
    wanted = list(dict.fromkeys(channel_ids))
    await require_channels(session, wanted)
    changed = await rows.reactivate_channels(session, wanted)
    if changed:
        names = await rows.read_names(session, changed)
        after = {"reactivated": len(changed)} | name_channels(names, len(changed))
        await record_audit(session, actor, "channels.reactivated", "channels", "selection", after=after)
    return Reactivation(reactivated=len(changed), unchanged=len(wanted) - len(changed))


async def delete_channel(
    session: AsyncSession, actor: Actor, channel_id: ChannelId, *, expected_revision: int | None = None
) -> None:
    """Delete a channel softly: what was posted stays readable.

    Raises NotFoundError, StaleRevisionError, and ConflictError while a batch holds it or an unfinished campaign
    has still to post to it.
    """
    channel = await rows.lock_for_deletion(session, channel_id)
    channel = _check(channel, channel_id, expected_revision)
    use = await rows.find_use(session, channel_id, _NAMED + 1)
    if use.batches:
        where = _name_some(use.batches, "batch", "batches")
        raise ConflictError(f"the channel is in the {where}; take it out first", field="channel_id")
    if use.campaigns:
        where = _name_some(use.campaigns, "campaign", "campaigns")
        raise ConflictError(
            f"the unfinished {where} still has to post to the channel; wait or cancel first",
            field="channel_id",
        )
    channel.deleted_at = func.now()
    channel.revision += 1
    await session.flush()
    await record_audit(session, actor, "channel.deleted", "channel", channel_id, before=_describe(channel))


def _name_some(names: Sequence[str], one: str, more: str) -> str:
    shown = quote_names(names[:_NAMED])
    return f"{one if len(names) == 1 else more} {shown}{' and others' if len(names) > _NAMED else ''}"


async def require_channels(session: AsyncSession, channel_ids: Sequence[ChannelId]) -> None:
    """Raise InvalidInputError, naming the first few, if not all ids are channels'."""
    missing = await rows.find_missing(session, channel_ids, _NAMED + 1)
    if missing:
        more = " and others" if len(missing) > _NAMED else ""
        raise InvalidInputError(
            f"no channels have these ids: {', '.join(map(str, missing[:_NAMED]))}{more}", field="channel_ids"
        )


async def _lock(session: AsyncSession, channel_id: ChannelId, expected_revision: int | None) -> Channel:
    return _check(await rows.lock_channel(session, channel_id), channel_id, expected_revision)


def _check(channel: Channel | None, channel_id: UUID, expected_revision: int | None) -> Channel:
    if channel is None:
        raise NotFoundError(f"there is no channel {channel_id}", field="channel_id")
    if expected_revision not in {None, channel.revision}:
        raise StaleRevisionError(
            f"the channel was changed since revision {expected_revision}: it is at {channel.revision} now; "
            "read it again"
        )
    return channel


def _describe(channel: Channel) -> dict[str, Any]:
    """For the audit log."""
    return {
        "username": channel.username,
        "tg_id": None if channel.tg_id is None else mark_id(channel.tg_id),
        "title": channel.title,
        "active": channel.is_active,
        "reason": channel.inactive_reason,
    }


# -- lists --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportResult:
    """What became of a list. `channels` are all it names, in its order; imported ones are new or were deleted."""

    channels: tuple[ChannelId, ...]
    imported: int
    existing: int
    duplicates: int
    """Lines that name a channel a second time."""
    invalid: tuple[InvalidLine, ...]
    repeated: tuple[InvalidLine, ...] = ()
    """Those lines."""
    column: int | None = None
    """Of a table: where the addresses stood, counted from 1."""


async def import_channels(
    session: AsyncSession,
    actor: Actor,
    data: bytes,
    form: ListForm = ListForm.ANY,
    *,
    encoding: str | None = None,
    dry_run: bool = False,
) -> ImportResult:
    """Take over a list of channels (see domain.channel_lists); bad lines are left out and reported.

    A dry run counts the same and stores nothing; `channels` are then only those that exist. Raises
    InvalidInputError, nothing being stored, when it is no text, too long or names no channel at all.
    """
    # Beside the event loop: 50,000 lines take a while, and others are answered meanwhile.
    channels = await asyncio.to_thread(parse_channel_list, data, form, encoding=encoding)
    if not channels.names:
        raise InvalidInputError(_describe_empty(channels.invalid), field="channels")
    if dry_run:
        known = await rows.find_known(session, channels.names)
        ids = tuple(known[name.key] for name in channels.names if name.key in known)
        imported = len(channels.names) - len(ids)
    else:
        stored = await rows.store_channels(session, channels.names, channels.titles)
        ids, imported = stored.ids, stored.inserted + stored.revived
        if imported:
            counts = {
                "imported": imported,
                "existing": stored.existing,
                "invalid": len(channels.invalid),
            }
            after = counts | name_channels(stored.first_new, imported)
            await record_audit(session, actor, "channels.imported", "channels", "import", after=after)
    return ImportResult(
        channels=ids,
        imported=imported,
        existing=len(channels.names) - imported,
        duplicates=channels.duplicates,
        invalid=channels.invalid,
        repeated=channels.repeated,
        column=channels.column,
    )


def _describe_empty(invalid: tuple[InvalidLine, ...]) -> str:
    if not invalid:
        return "the list names no channel; give one a line, such as @name or https://t.me/name"
    first = "; ".join(f"line {bad.line} '{bad.text}': {bad.reason}" for bad in invalid[:_QUOTED_LINES])
    more = f"; and {len(invalid) - _QUOTED_LINES} more" if len(invalid) > _QUOTED_LINES else ""
    return f"the list names no channel: {first}{more}"
