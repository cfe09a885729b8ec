"""Carries out a drill's interruptions: the database killed or cut off, a worker frozen, a campaign paused."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vestnik.cli.drill_analysis import GRACE, Span
from vestnik.cli.drill_fleet import Fleet, Life
from vestnik.cli.drill_narrator import Narrator
from vestnik.cli.drill_plan import Interruption, PlannedInterruption
from vestnik.cli.drill_sample import ACTOR, Part
from vestnik.cli.drill_watcher import Watcher
from vestnik.domain.errors import ConflictError, DatabaseUnavailableError

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy.ext.asyncio import AsyncSession

    from vestnik.cli.stack import Stack
    from vestnik.domain.actors import Actor
    from vestnik.domain.ids import CampaignId

    Action = Callable[[AsyncSession, Actor, CampaignId], Awaitable[object]]

_PATIENCE: Final = 60.0
"""How long to wait for the moment that an interruption needs."""
_MUSTER: Final = 10.0
"""How long to wait until all workers live."""
_LISTEN_BACK: Final = 2.0
"""So long after the database is back a worker may not be listening yet."""
_GRACE_WITHOUT_LISTEN: Final = 1.0
_CONNECT_EVERY: Final = 0.02
_CUT_EVERY: Final = 0.05


class Interrupter:
    """Does what the plan says, one after the other, each as soon as there are enough posts.

    `outages` and `pauses` are what was really done; the begin of a pause has its grace added.
    """

    def __init__(
        self, stack: "Stack", fleet: Fleet, watcher: Watcher, narrator: Narrator, parts: Sequence[Part]
    ) -> None:
        self._stack = stack
        self._fleet = fleet
        self._watcher = watcher
        self._narrator = narrator
        self._parts = parts
        self.done: list[Interruption] = []
        self.outages: list[Span] = []
        self.survived_outages: list[Span] = []
        """Those with a worker that lived from before to after: it shows how soon work goes on."""
        self.pauses: list[Span] = []
        self._is_late = False

    def hurry(self) -> None:
        """The posts have run out: finish what has begun, and begin nothing more."""
        self._is_late = True

    async def run(self, plan: Sequence[PlannedInterruption]) -> None:
        """Returns when everything was done, or cannot be done any more."""
        for planned in plan:
            while self._watcher.posts < planned.at_posts and not self._is_late:  # noqa: ASYNC110 - polls
                await asyncio.sleep(_CUT_EVERY)
            if not self._is_late and await self._carry_out(planned):
                self.done.append(planned.kind)
            else:
                self._narrator.say(f"not done: {planned.kind}; there was no occasion for it any more")

    async def _carry_out(self, planned: PlannedInterruption) -> bool:
        match planned.kind:
            case Interruption.DB_KILL:
                return await self._kill_database()
            case Interruption.DB_OUTAGE:
                return await self._cut_database(planned.seconds)
            case Interruption.FREEZE:
                return await self._freeze(planned.seconds)
            case Interruption.PAUSE:
                return await self._pause(planned)

    # -- the database -----------------------------------------------------------------------------------------

    async def _kill_database(self) -> bool:
        from vestnik.db.embedded.layout import Layout
        from vestnik.db.embedded.pidfile import read_pid_file

        cluster = Layout.of(self._stack.settings.data_dir).cluster
        found = read_pid_file(cluster)
        if found is None:
            return False
        before = await self._muster()
        begin = time.monotonic()
        os.kill(found.pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
        self._narrator.say("the database server killed", event="db_kill")
        while (new := read_pid_file(cluster)) is None or new.pid == found.pid or not new.is_ready:  # noqa: ASYNC110
            await asyncio.sleep(_CONNECT_EVERY)
        await self._wait_for_database()
        self._note_outage(begin, before)
        return True

    async def _cut_database(self, seconds: float) -> bool:
        """Hide the server's socket and end every session, so that nobody is connected and nobody can connect."""
        from vestnik.db.embedded.layout import Layout

        socket_file = Layout.of(self._stack.settings.data_dir).socket_dir / ".s.PGSQL.5432"
        before = await self._muster()
        async with await self._connect() as connection:
            with _hidden(socket_file):
                begin = time.monotonic()
                self._narrator.say(
                    f"the database cut off for {seconds:g} s", event="db_outage", duration=seconds
                )
                while time.monotonic() < begin + seconds:
                    # Again and again: who was about to connect has a session only a moment later.
                    await connection.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
                    )
                    left = begin + seconds - time.monotonic()
                    await asyncio.sleep(max(min(_CUT_EVERY, left), 0))
        await self._wait_for_database()
        self._note_outage(begin, before)
        return True

    async def _muster(self) -> list[Life]:
        """Wait a while for all workers, and hold fire; who lives then."""
        await self._watcher.wait_until(lambda: self._fleet.is_complete or self._is_late, _MUSTER)
        self._fleet.holds_fire = True
        return self._fleet.lives

    async def _connect(self) -> "psycopg.AsyncConnection[tuple[object, ...]]":
        import psycopg

        url = self._stack.database.url.set(drivername="postgresql")
        return await psycopg.AsyncConnection.connect(
            url.render_as_string(hide_password=False), autocommit=True, connect_timeout=5
        )

    async def _wait_for_database(self) -> None:
        import psycopg

        while True:
            try:
                async with await self._connect():
                    return
            except psycopg.OperationalError:
                await asyncio.sleep(_CONNECT_EVERY)

    def _note_outage(self, begin: float, before: Sequence[Life]) -> None:
        self._fleet.holds_fire = False
        span = Span(begin, time.monotonic())
        self.outages.append(span)
        if any(not life.is_over for life in before):
            self.survived_outages.append(span)
        self._narrator.say("the database is back", event="db_back")

    # -- a worker -----------------------------------------------------------------------------------------------

    async def _freeze(self, seconds: float) -> bool:
        """Stop the worker that speaks for most accounts, and let it go on when others have long taken over."""
        await self._watcher.wait_until(lambda: self._is_late or self._choose_victim() is not None, _PATIENCE)
        life = self._choose_victim()
        if life is None:
            return False
        self._fleet.freeze(life)
        try:
            self._narrator.say(
                f"{life.worker} frozen for {seconds:g} s, longer than its leases last",
                event="freeze",
                process=life.worker,
            )
            await asyncio.sleep(seconds)
        finally:
            self._fleet.thaw(life)
        self._narrator.say(f"{life.worker} thawed; it must not send for what it lost", event="thaw")
        return True

    def _choose_victim(self) -> Life | None:
        """Whoever sends for most accounts right now; where there are several workers, another one must live."""
        watcher, lives = self._watcher, self._fleet.lives
        if not self._fleet.is_complete:
            return None
        now = time.monotonic()
        active = {account for account, at in watcher.last_at.items() if now - at < 0.5}
        counts = {
            life: sum(
                holder == life.holder and str(account_id) in active
                for account_id, holder in watcher.holders.items()
            )
            for life in lives
        }
        life = max(counts, key=lambda life: counts[life])
        return life if counts[life] else None

    # -- a campaign -------------------------------------------------------------------------------------------

    async def _pause(self, planned: PlannedInterruption) -> bool:
        """Pause one campaign in full flight, and resume it."""
        from vestnik.services.campaigns import pause_campaign, resume_campaign

        await self._watcher.wait_until(lambda: self._is_active(planned.account), 5.0)
        order = [*self._parts[planned.account :], *self._parts[: planned.account]]
        for part in order:
            paused_at = await self._change(part, pause_campaign)
            if paused_at is not None:
                break
        else:
            return False
        name = f"the campaign of account {self._parts.index(part) + 1}"
        self._narrator.say(f"{name} paused for {planned.seconds:g} s", event="pause")
        await asyncio.sleep(planned.seconds)
        resuming_at = time.monotonic()
        if await self._change(part, resume_campaign) is None:
            return False
        self._narrator.say(f"{name} resumed", event="resume")
        is_deaf = any(outage.end > paused_at - _LISTEN_BACK for outage in self.outages)
        grace = _GRACE_WITHOUT_LISTEN if is_deaf else GRACE
        self.pauses.append(Span(paused_at + grace, resuming_at, str(part.account_id)))
        return True

    def _is_active(self, account: int) -> bool:
        last = self._watcher.last_at.get(str(self._parts[account].account_id), 0.0)
        return time.monotonic() - last < 0.3

    async def _change(self, part: Part, action: "Action") -> float | None:
        """The instant after the commit; None when the campaign's status does not allow it (any more)."""
        from vestnik.db.engine import open_session

        while True:
            try:
                async with open_session(self._stack.engine) as session:
                    await action(session, ACTOR, part.campaign_id)
            except DatabaseUnavailableError:
                await asyncio.sleep(_CUT_EVERY)  # a connection from before an outage
            except ConflictError:
                return None
            else:
                return time.monotonic()


@contextmanager
def _hidden(file: Path) -> Iterator[None]:
    """A file has another name while the block runs."""
    aside = file.with_name(f"{file.name}.hidden")
    file.rename(aside)
    try:
        yield
    finally:
        aside.rename(file)
