"""Finding out how an account addresses the channels of its campaigns and commands."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog

from vestnik.db.leases import Lease
from vestnik.db.ledger import Ledger
from vestnik.db.peers import FoundPeer, UnresolvedChannel
from vestnik.delivery.clock import read_clock
from vestnik.delivery.gate import Gate
from vestnik.delivery.options import LaneOptions
from vestnik.delivery.waiting import wait_for_event
from vestnik.domain.errors import DatabaseUnavailableError
from vestnik.domain.ids import ChannelId
from vestnik.domain.outcomes import HOLD_MARGIN
from vestnik.domain.transport import ErrorClass, KnownChannel, Transport, TransportError

log = structlog.get_logger()

RELIST_AFTER = 600.0
"""Seconds after which the account's dialogs are read again for a channel that was not among them."""
RELIST_REFUSED_AFTER = 10.0
"""The same after Telegram refused an address; within it the channel is looked up by name."""
REST_AFTER_PAGE = 0.1
"""Seconds between two pages of dialogs, each of which takes some 10 ms of computing: posts go out meanwhile, and
still more channels become known in a second than any account may post to."""
PAGE = 100
"""Channels whose address is looked for at a time."""
FOR_EVER = 86_400.0
NOT_AMONG_DIALOGS = "PEER_NOT_FOUND"
LOOKUPS_USED_UP = "LOOKUPS_USED_UP"
LOOKUPS_HELD = "LOOKUPS_HELD"


class PeerFinder:
    """Takes peers first from the account's own dialogs and looks only the rest up by name.

    Every page of the dialogs is kept as it comes, so that posting begins with the first. Look-ups are
    flood-limited on their own: a wait there holds look-ups, not posting. `on_found` is called when something
    became claimable or came to its end.
    """

    def __init__(
        self,
        ledger: Ledger,
        lease: Lease,
        options: LaneOptions,
        *,
        gate: Gate,
        transport: Callable[[], Transport | None],
        on_found: Callable[[], None],
        on_error: Callable[[TransportError], None],
        on_hold: Callable[[timedelta, str], None],
    ) -> None:
        self._ledger = ledger
        self._lease = lease
        self._options = options
        self._gate = gate
        self._transport = transport
        self._on_found = on_found
        self._on_error = on_error
        self._on_hold = on_hold
        self._listed_at: datetime | None = None
        """When the dialogs were last read, by the database's clock; `_listed_from` by ours."""
        self._listed_from = 0.0
        self._was_refused = False
        self._wants_others = False
        self._resolve_from = 0.0
        self._held_until = 0.0
        self._budget_from = 0.0
        """Before this instant the look-ups of the day are used up."""
        self._asked = asyncio.Event()
        self.listing = asyncio.Lock()
        """Held by whoever reads the account's dialogs: one page at a time is enough."""

    @property
    def obstacle(self) -> str | None:
        """Why no name is looked up now, though one may have to be; None when nothing stands in the way."""
        now = read_clock()
        if now < self._budget_from:
            return LOOKUPS_USED_UP
        return LOOKUPS_HELD if now < self._held_until else None

    async def keep(self, channels: Sequence[KnownChannel]) -> int:
        """Store the addresses and rights of those of the listed channels that are ours; how many."""
        stored = await self._ledger.store_peers(self._lease, [as_peer(channel) for channel in channels])
        if stored:
            self._on_found()
        return stored

    async def read_dialogs(self, read_at: datetime) -> bool:
        """Keep the addresses and rights of our channels among the dialogs; `read_at` is the database's now."""
        return await self._list_dialogs(read_at)

    def ask(self) -> None:
        """Look for missing peers soon."""
        self._asked.set()

    def ask_anew(self) -> None:
        """Look for missing peers soon, and among the dialogs first: others are wanted than before."""
        self._wants_others = True
        self._asked.set()

    def note_refused(self) -> None:
        """Telegram refused an address: the dialogs may have another one by now."""
        self._was_refused = True

    def hold_until(self, instant: float) -> None:
        """Nothing is looked up before `instant`."""
        self._held_until = max(self._held_until, instant)
        self._resolve_from = max(self._resolve_from, instant)

    async def run(self) -> None:
        """Find what is missing when asked to, and again while something stands in the way, until cancelled."""
        is_done = True
        while True:
            await wait_for_event(self._asked, FOR_EVER if is_done else self._compute_pause())
            try:
                is_done = await self._find_missing()
            except DatabaseUnavailableError:
                is_done = False

    def _compute_pause(self) -> float:
        """Seconds until it is worth trying again; a new connection and whoever asks shorten them."""
        now = read_clock()
        held_until = max(self._held_until, self._gate.held_until)
        if held_until > now:
            return held_until - now
        if self._transport() is None:
            return self._options.poll.total_seconds()
        if self._budget_from > now:
            return self._budget_from - now
        return self._options.resolve_interval.total_seconds()

    async def _find_missing(self) -> bool:
        """One page of what is missing; False if it has to be asked again because something stood in the way."""
        missing = await self._list_missing()
        if missing and self._must_list(missing):
            if not await self._list_dialogs(missing[0].read_at):
                return False
            missing = await self._list_missing()
        for item in missing:
            if not item.is_listed:
                return True  # it came meanwhile, and its coming was told
            if item.username is None:
                # A private channel can only be found where the account is a member.
                await self._ledger.deactivate_peer(self._lease.account_id, item.channel_id, NOT_AMONG_DIALOGS)
                self._on_found()
                continue
            if not await self._take_turn():
                return False
            transport = self._transport() if read_clock() >= self._held_until else None
            if transport is None or not await self._resolve(transport, item.channel_id, item.username):
                return False
            if self._asked.is_set():
                return True  # a command may have come, and its channel goes first
        if len(missing) == PAGE:
            self._asked.set()
        return True

    async def _list_missing(self) -> list[UnresolvedChannel]:
        return await self._ledger.list_unresolved(self._lease.account_id, self._listed_at, PAGE)

    def _must_list(self, missing: Sequence[UnresolvedChannel]) -> bool:
        age = read_clock() - self._listed_from
        return (
            self._wants_others
            or not missing[0].is_listed
            or age >= (RELIST_REFUSED_AFTER if self._was_refused else RELIST_AFTER)
        )

    async def _list_dialogs(self, read_at: datetime) -> bool:
        """Keep the addresses of our channels among the dialogs; False if that was not possible."""
        transport = self._transport() if read_clock() >= self._held_until else None
        if transport is None:
            return False
        listed_from = read_clock()
        self._wants_others = False
        try:
            async with self.listing:
                async for page in transport.list_channels():
                    came_at = read_clock()
                    if await self.keep(page):
                        # With a far database keeping them is rest enough.
                        await asyncio.sleep(max(came_at + REST_AFTER_PAGE - read_clock(), 0.0))
        except TransportError as error:
            self._wants_others = True
            self.report(error)
            return False
        self._listed_at = read_at
        self._listed_from = listed_from
        self._was_refused = False
        return True

    async def _take_turn(self) -> bool:
        """Wait until the next name may be looked up, and count it; False when it is not to be today."""
        if read_clock() < self._budget_from:
            return False
        await asyncio.sleep(max(self._resolve_from - read_clock(), 0.0))
        if read_clock() < self._held_until or self._transport() is None:
            return False
        self._resolve_from = read_clock() + self._options.resolve_interval.total_seconds()
        turn = await self._ledger.take_lookup(self._lease, self._options.resolves_per_day)
        if not turn.is_taken:
            seconds = turn.next_day_in.total_seconds()
            self._budget_from = read_clock() + seconds
            log.warning("peers.lookups_used_up", account_id=str(self._lease.account_id), seconds=seconds)
        return turn.is_taken

    async def _resolve(self, transport: Transport, channel_id: ChannelId, username: str) -> bool:
        """Look one name up; False when the rest has to wait."""
        account_id = self._lease.account_id
        try:
            channel = await transport.resolve(username)
        except TransportError as error:
            match error.error_class:
                case ErrorClass.CHANNEL_FOR_ALL:
                    await self._ledger.deactivate_channel(channel_id, error.name)
                case ErrorClass.CHANNEL | ErrorClass.CHANNEL_BANNED | ErrorClass.REJECTED:
                    await self._ledger.deactivate_peer(account_id, channel_id, error.name)
                case _:
                    self.report(error)
                    return False
            log.info("peers.unresolvable", username=username, error=error.name)
        else:
            await self._ledger.store_peers(self._lease, [as_peer(channel, channel_id)])
        self._on_found()
        return True

    def report(self, error: TransportError) -> None:
        """Do what an answer to a look-up or a list demands of the account."""
        if error.error_class is not ErrorClass.WAIT_ACCOUNT:
            self._on_error(error)
            return
        wait = (error.wait or timedelta(seconds=60)) + HOLD_MARGIN
        self.hold_until(read_clock() + wait.total_seconds())
        log.warning("peers.held", account_id=str(self._lease.account_id), seconds=wait.total_seconds())
        self._on_hold(wait, error.name)


def as_peer(channel: KnownChannel, channel_id: ChannelId | None = None) -> FoundPeer:
    """A channel as it is stored; one that was looked up is ours, others are matched by their names."""
    return FoundPeer(
        channel_id=channel_id,
        username=channel.username,
        names=channel.names,
        title=channel.title,
        peer=channel.peer,
        can_post=channel.can_post,
        slow_mode=channel.slow_mode,
        forbidden=channel.forbidden,
        member_count=channel.member_count,
        is_listed=channel_id is None,
    )
