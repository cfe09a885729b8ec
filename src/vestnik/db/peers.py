"""How accounts address channels: what is missing, what was found, and what has to be given up."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from vestnik.db.channels import lock_names
from vestnik.db.engine import open_session
from vestnik.db.leases import Lease
from vestnik.db.statements import StatementRunner, clean_text, load_statement
from vestnik.db.transitions import settle_twins
from vestnik.domain.ids import AccountId, ChannelId
from vestnik.domain.rights import PostKind
from vestnik.domain.transport import Peer


@dataclass(frozen=True, kw_only=True, slots=True)
class UnresolvedChannel:
    """A channel that waits for its Telegram address."""

    channel_id: ChannelId
    username: str | None
    tg_id: int | None
    is_listed: bool
    """It was there when the account's dialogs were last read."""
    read_at: datetime
    """When the database said so, by its clock."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundPeer:
    """The address of a channel as the account sees it.

    Without `channel_id` it is kept for the channel of ours that has this username or Telegram id, if there is one.
    """

    channel_id: ChannelId | None = None
    username: str | None = None
    names: tuple[str, ...] | None = None
    """All its usernames; None: not told."""
    title: str | None = None
    peer: Peer
    can_post: bool
    slow_mode: timedelta | None
    forbidden: frozenset[PostKind] = frozenset()
    member_count: int | None = None
    is_listed: bool = False
    """It is among the account's dialogs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LookupTurn:
    """Whether a name may be looked up now; it is counted then. Otherwise the budget begins anew after so long."""

    is_taken: bool
    next_day_in: timedelta


class PeerLedger(StatementRunner):
    """The statements about addresses."""

    async def list_unresolved(
        self, account_id: AccountId, listed_at: datetime | None, page: int
    ) -> list[UnresolvedChannel]:
        """At most `page` channels that commands (first) and running campaigns of the account cannot send to yet.

        Those made after `listed_at`, when the dialogs were last read, come before the others.
        """
        return [
            UnresolvedChannel(
                channel_id=ChannelId(row.channel_id),
                username=row.username,
                tg_id=row.tg_id,
                is_listed=row.is_listed,
                read_at=row.read_at,
            )
            for row in await self.fetch(
                "list_unresolved", account_id=account_id, listed_at=listed_at, page=page
            )
        ]

    async def store_peers(self, lease: Lease, peers: Sequence[FoundPeer]) -> int:
        """Keep the addresses of channels, as long as the lease lasts; of how many of our channels.

        Where two channels turn out to be one on Telegram, the second job of every campaign ends with that.
        """
        await self.correct_names(lease, peers)
        parameters = {"account_id": lease.account_id, "epoch": lease.epoch}
        given = json.dumps([_encode_peer(found) for found in peers])
        rows = await self.fetch("store_peers", **parameters, peers=given, settle=False)
        doubtful = [dict(row._mapping) for row in rows if not row.is_kept]
        if doubtful:
            async with open_session(self.engine) as session:
                await settle_twins(session, lease.account_id, lease.epoch, doubtful)
        if rows:
            await self._store_titles(lease.account_id, peers)
        return len(rows)

    async def correct_names(self, lease: Lease, peers: Sequence[FoundPeer]) -> None:
        """Give channels that the account knows by their ids the names that Telegram shows for these now."""
        told = [
            {"tg_id": found.peer.tg_id, "username": found.username, "names": list(found.names)}
            for found in peers
            if found.names is not None
        ]
        if not told:
            return
        parameters = {"account_id": lease.account_id, "peers": json.dumps(told)}
        if not await self.fetch("find_renamed", **parameters):
            return
        async with open_session(self.engine) as session:
            await lock_names(session)  # nobody else gives one of these names away meanwhile
            for row in (await session.execute(load_statement("find_renamed"), parameters)).all():
                await session.execute(load_statement("rename_channel"), dict(row._mapping))

    async def take_lookup(self, lease: Lease, daily_limit: int) -> LookupTurn:
        """Count one look-up of a name, if the account may still make one today."""
        (row,) = await self.fetch(
            "take_lookup", account_id=lease.account_id, epoch=lease.epoch, daily_limit=daily_limit
        )
        return LookupTurn(is_taken=row.is_taken, next_day_in=timedelta(seconds=row.next_day_in))

    async def note_lookup_limit(self, lease: Lease, daily_limit: int) -> None:
        """Let those who show the budget know how large it is for this process."""
        await self.fetch(
            "note_lookup_limit", account_id=lease.account_id, epoch=lease.epoch, daily_limit=daily_limit
        )

    async def _store_titles(self, account_id: AccountId, peers: Sequence[FoundPeer]) -> None:
        titles = [
            {"tg_id": found.peer.tg_id, "title": clean_text(found.title)} for found in peers if found.title
        ]
        if titles:
            await self.fetch("store_titles", account_id=account_id, titles=json.dumps(titles))

    async def deactivate_channel(self, channel_id: ChannelId, reason: str) -> None:
        """Deactivate a channel for every account."""
        await self.fetch("deactivate_channel", channel_id=channel_id, reason=clean_text(reason))

    async def deactivate_peer(self, account_id: AccountId, channel_id: ChannelId, reason: str) -> None:
        """Deactivate a channel for one account."""
        await self.fetch(
            "deactivate_peer", account_id=account_id, channel_id=channel_id, reason=clean_text(reason)
        )


def _encode_peer(found: FoundPeer) -> dict[str, Any]:
    return {
        "channel_id": None if found.channel_id is None else str(found.channel_id),
        "names": _list_names(found),
        "tg_id": found.peer.tg_id,
        "access_hash": found.peer.access_hash,
        "can_post": found.can_post,
        "slow_mode_seconds": None if found.slow_mode is None else int(found.slow_mode.total_seconds()),
        "forbidden": sorted(found.forbidden),
        "member_count": found.member_count,
        "is_listed": found.is_listed,
    }


def _list_names(found: FoundPeer) -> list[str]:
    if found.names is not None:
        return list(found.names)
    return [] if found.username is None else [found.username]
