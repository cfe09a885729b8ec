"""Commands that only look at channels, carried out beside the posting: nothing here takes a slot."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

import structlog

from vestnik.db.leases import Lease
from vestnik.db.ledger import Ledger
from vestnik.db.surveys import ClaimedSurvey, SurveyLedger
from vestnik.delivery.clock import read_clock
from vestnik.delivery.options import LaneOptions
from vestnik.delivery.peers import PeerFinder
from vestnik.delivery.waiting import wait_for_event
from vestnik.domain.commands import CommandKind, CommandStatus
from vestnik.domain.errors import DatabaseUnavailableError
from vestnik.domain.transport import ErrorClass, Transport, TransportError

log = structlog.get_logger()

TRY_AGAIN_AFTER: Final = timedelta(seconds=2)
"""When an interrupted one begins anew; ten interruptions are the end of it."""
FOR_EVER: Final = 86_400.0


class Interrupted(Exception):  # noqa: N818 - no error: it begins anew later
    """Nothing may be asked of Telegram any more for the moment, or the command is somebody else's."""


class Survey:
    """One command on its way: what it may use, and how it says how far it has come."""

    def __init__(
        self,
        claimed: ClaimedSurvey,
        *,
        ledger: Ledger,
        surveys: SurveyLedger,
        lease: Lease,
        finder: PeerFinder,
        options: LaneOptions,
        transport: Callable[[], Transport | None],
    ) -> None:
        self.claimed = claimed
        self.ledger = ledger
        self.surveys = surveys
        self.lease = lease
        self.finder = finder
        self.options = options
        self._transport = transport

    def require_transport(self) -> Transport:
        """The connection, if anything may be asked on it now; raises Interrupted."""
        transport = self._transport()
        if transport is None:
            raise Interrupted
        return transport

    async def note(self, result: dict[str, Any]) -> None:
        """Store how far it has come; raises Interrupted once it is somebody else's."""
        if not await self.surveys.record(self.lease, self.claimed.command_id, result):
            raise Interrupted

    @asynccontextmanager
    async def reading_dialogs(self) -> AsyncIterator[Transport]:
        """The connection, while nobody else reads the dialogs."""
        async with self.finder.listing:
            yield self.require_transport()


Carry = Callable[[Survey], Awaitable[dict[str, Any]]]
"""Carries a command out; what it has found, for storing."""


class Surveyor:
    """Takes the account's commands of these kinds one after the other."""

    def __init__(
        self,
        ledger: Ledger,
        lease: Lease,
        options: LaneOptions,
        *,
        finder: PeerFinder,
        transport: Callable[[], Transport | None],
        kinds: Mapping[CommandKind, Carry],
    ) -> None:
        self._ledger = ledger
        self._surveys = SurveyLedger(ledger)
        self._lease = lease
        self._options = options
        self._finder = finder
        self._transport = transport
        self._kinds = kinds
        self._asked = asyncio.Event()
        self.is_busy = False
        """Whether one is being carried out."""

    def ask(self) -> None:
        """There may be one."""
        self._asked.set()

    async def run(self) -> None:
        """Carry out what is asked for, until cancelled: the next holder of the lease begins it anew then."""
        while True:
            await wait_for_event(self._asked, FOR_EVER)
            try:
                await self._carry_out_next()
            except DatabaseUnavailableError as exc:
                log.info("survey.database_away", reason=exc.message)

    async def _carry_out_next(self) -> None:
        if self._transport() is None:
            return  # the lane asks again within a second
        claimed = await self._surveys.claim(self._lease)
        if claimed is None:
            return
        self._asked.set()  # there may be more
        self.is_busy = True
        try:
            await self._carry_out(claimed)
        finally:
            self.is_busy = False

    async def _carry_out(self, claimed: ClaimedSurvey) -> None:
        survey = Survey(
            claimed,
            ledger=self._ledger,
            surveys=self._surveys,
            lease=self._lease,
            finder=self._finder,
            options=self._options,
            transport=self._transport,
        )
        began_at = read_clock()
        try:
            result = await self._kinds[claimed.kind](survey)
        except (Interrupted, DatabaseUnavailableError):
            await self._give_back(claimed)
            return
        except TransportError as error:
            self._finder.report(error)
            await self._end_by_error(claimed, error)
            return
        await self._surveys.record(self._lease, claimed.command_id, result, status=CommandStatus.DONE)
        log.info(
            "survey.done",
            command_id=str(claimed.command_id),
            kind=claimed.kind.value,
            seconds=round(read_clock() - began_at, 1),
        )

    async def _give_back(self, claimed: ClaimedSurvey) -> None:
        log.info("survey.interrupted", command_id=str(claimed.command_id), kind=claimed.kind.value)
        await self._surveys.record(self._lease, claimed.command_id, {}, give_back_for=TRY_AGAIN_AFTER)

    async def _end_by_error(self, claimed: ClaimedSurvey, error: TransportError) -> None:
        """Trouble on the way is worth another try, and what concerns the whole account ends it."""
        if error.error_class is ErrorClass.TRANSIENT:
            await self._give_back(claimed)
            return
        result = {"error_code": error.name, "error_message": error.message}
        await self._surveys.record(self._lease, claimed.command_id, result, status=CommandStatus.FAILED)
