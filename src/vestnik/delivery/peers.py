"""Finding out how an account addresses the channels of its campaigns and commands."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import structlog

from vestnik.db.ledger import FoundPeer, Ledger, UnresolvedChannel
from vestnik.delivery.clock import read_clock
from vestnik.delivery.options import LaneOptions
from vestnik.domain.errors import DatabaseUnavailableError
from vestnik.domain.ids import AccountId, ChannelId
from vestnik.domain.outcomes import HOLD_MARGIN
from vestnik.domain.transport import ErrorClass, KnownChannel, Transport, TransportError

log = structlog.get_logger()

RELIST_AFTER = 600.0
"""Seconds after which the account's dialogs are read again for a channel that was not among them."""
NOT_AMONG_DIALOGS = "PEER_NOT_FOUND"


class PeerFinder:
    """Takes peers first from the account's own dialogs and looks only the rest up by name.

    Look-ups are flood-limited on their own: a wait there holds look-ups, not posting. `before_storing` is called
    before peers of campaigns change; `on_found` is told whether those changed, or only what commands wait for.
    """

    def __init__(
        self,
        ledger: Ledger,
        account_id: AccountId,
        options: LaneOptions,
        *,
        transport: Callable[[], Transport | None],
        before_storing: Callable[[], Awaitable[None]],
        on_found: Callable[[bool], None],
        on_error: Callable[[TransportError], None],
        on_hold: Callable[[timedelta, str], None],
    ) -> None:
        self._ledger = ledger
        self._account_id = account_id
        self._options = options
        self._transport = transport
        self._before_storing = before_storing
        self._on_found = on_found
        self._on_error = on_error
        self._on_hold = on_hold
        self._listed: dict[ChannelId, float] = {}
        self._resolve_from = 0.0
        self._held_until = 0.0
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Look for missing peers soon."""
        self._asked.set()

    def forget(self, channel_id: ChannelId) -> None:
        """Telegram refused the peer: look for the channel among the dialogs again."""
        self._listed.pop(channel_id, None)

    def hold_until(self, instant: float) -> None:
        """Nothing is looked up before `instant`."""
        self._held_until = max(self._held_until, instant)
        self._resolve_from = max(self._resolve_from, instant)

    async def run(self) -> None:
        """Resolve by name, one at a time, what the dialogs did not have; ended by cancellation."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            try:
                await self._resolve_missing()
            except DatabaseUnavailableError:
                await asyncio.sleep(1)
                self._asked.set()

    async def take_from_dialogs(self) -> bool:
        """Store the peers of all missing channels that are among the account's dialogs.

        Returns False when that has to be repeated because there was no connection.
        """
        missing = await self._ledger.list_unresolved(self._account_id)
        recent = read_clock() - RELIST_AFTER
        unlisted = [item for item in missing if self._listed.get(item.channel_id, -RELIST_AFTER) <= recent]
        if not unlisted or read_clock() < self._held_until:
            return True
        transport = self._transport()
        if transport is None:
            return False
        try:
            known = await transport.list_channels([item.username for item in unlisted if item.username])
        except TransportError as error:
            self._report(error)
            return not error.disconnected
        listed_at = read_clock()
        found = await self._store(missing, known)
        # Only what is still missing is remembered, however many channels were found.
        self._listed = {item.channel_id: listed_at for item in missing if item.channel_id not in found}
        return True

    async def _store(
        self, missing: Sequence[UnresolvedChannel], known: Sequence[KnownChannel]
    ) -> set[ChannelId]:
        by_name = {channel.username.lower(): channel for channel in known if channel.username}
        by_id = {channel.peer.tg_id: channel for channel in known}
        found: list[FoundPeer] = []
        for_campaigns = False
        for item in missing:
            channel = by_name.get(item.username.lower()) if item.username else by_id.get(item.tg_id or 0)
            if channel is not None:
                found.append(_as_peer(item.channel_id, channel))
                for_campaigns |= item.is_of_campaign
        if found:
            if for_campaigns:
                await self._before_storing()
            await self._ledger.store_peers(self._account_id, found)
            self._on_found(for_campaigns)
        return {peer.channel_id for peer in found}

    async def _resolve_missing(self) -> None:
        for item in await self._ledger.list_unresolved(self._account_id):
            if item.channel_id not in self._listed:
                continue  # its turn comes after the dialogs have been read for it
            if item.username is None:
                # A private channel can only be found where the account is a member.
                await self._ledger.deactivate_peer(self._account_id, item.channel_id, NOT_AMONG_DIALOGS)
                self._on_found(item.is_of_campaign)
                continue
            await self._wait_for_turn()
            transport = self._transport() if read_clock() >= self._held_until else None
            if transport is None or not await self._resolve(transport, item, item.username):
                await asyncio.sleep(self._options.resolve_interval.total_seconds())
                self._asked.set()
                return
            if self._asked.is_set():
                return  # a command may have come, and its channel goes first

    async def _wait_for_turn(self) -> None:
        await asyncio.sleep(max(self._resolve_from - read_clock(), 0.0))
        self._resolve_from = read_clock() + self._options.resolve_interval.total_seconds()

    async def _resolve(self, transport: Transport, item: UnresolvedChannel, username: str) -> bool:
        """Look one name up; False when the rest has to wait."""
        channel_id = item.channel_id
        try:
            channel = await transport.resolve(username)
        except TransportError as error:
            match error.error_class:
                case ErrorClass.CHANNEL_FOR_ALL:
                    await self._ledger.deactivate_channel(channel_id, error.name)
                case ErrorClass.CHANNEL | ErrorClass.CHANNEL_BANNED | ErrorClass.REJECTED:
                    await self._ledger.deactivate_peer(self._account_id, channel_id, error.name)
                case _:
                    self._report(error)
                    return False
            log.info("peers.unresolvable", username=username, error=error.name)
        else:
            if item.is_of_campaign:
                await self._before_storing()
            await self._ledger.store_peers(self._account_id, [_as_peer(channel_id, channel)])
        self._on_found(item.is_of_campaign)
        return True

    def _report(self, error: TransportError) -> None:
        if error.error_class is not ErrorClass.WAIT_ACCOUNT:
            self._on_error(error)
            return
        wait = (error.wait or timedelta(seconds=60)) + HOLD_MARGIN
        self.hold_until(read_clock() + wait.total_seconds())
        log.warning("peers.held", account_id=str(self._account_id), seconds=wait.total_seconds())
        self._on_hold(wait, error.name)


def _as_peer(channel_id: ChannelId, channel: KnownChannel) -> FoundPeer:
    return FoundPeer(
        channel_id=channel_id, peer=channel.peer, can_post=channel.can_post, slow_mode=channel.slow_mode
    )
