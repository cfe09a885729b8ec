"""A connection is nobody's to use before it is known to belong to the right user."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest

from vestnik.delivery.link import Link
from vestnik.domain.errors import DatabaseUnavailableError
from vestnik.domain.ids import AccountId
from vestnik.domain.states import AccountKind
from vestnik.domain.transport import Identity, TransportError

ALICE = Identity(tg_id=1, name="Alice", is_bot=False)


class Connection:
    """Connects at once."""

    def __init__(self) -> None:
        self.is_connected = False

    async def connect(self, may_speak: Callable[[], bool]) -> Identity:
        self.is_connected = True
        return ALICE

    async def disconnect(self) -> None:
        self.is_connected = False


class Factory:
    def __init__(self) -> None:
        self.made: list[Connection] = []

    def serves(self, kind: AccountKind) -> bool:
        return True

    async def make(self, account_id: AccountId, kind: AccountKind) -> Connection:
        self.made.append(Connection())
        return self.made[-1]


def refuse_errors(error: TransportError) -> None:
    raise error


def make_link(factory: Factory, accept: Callable[[Identity], Awaitable[bool]], log: list[str]) -> Link:
    return Link(
        factory,  # type: ignore[arg-type]  # only what a link calls
        AccountId(uuid4()),
        AccountKind.USER,
        may_connect=lambda: True,
        may_speak=lambda: True,
        on_change=lambda: None,
        on_error=refuse_errors,
        accept=accept,
        on_closed=lambda: log.append("closed"),
    )


async def end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_connection_is_used_only_once_its_user_is_accepted() -> None:
    factory, log = Factory(), list[str]()
    asked, answer = asyncio.Event(), asyncio.Event()

    async def accept(identity: Identity) -> bool:
        asked.set()
        await answer.wait()
        return identity == ALICE

    link = make_link(factory, accept, log)
    running = asyncio.create_task(link.run())
    async with asyncio.timeout(10):
        await asked.wait()
        assert [factory.made[0].is_connected, link.transport] == [True, None]
        answer.set()
        while link.transport is None:  # noqa: ASYNC110 - a link has no event for it
            await asyncio.sleep(0)
    assert [id(made) for made in factory.made] == [id(link.transport)]
    await end(running)
    assert log == ["closed"]


@pytest.mark.parametrize("is_database_away", [True, False])
async def test_a_connection_that_is_not_accepted_is_closed_and_made_anew(is_database_away: bool) -> None:
    factory, log = Factory(), list[str]()
    again = asyncio.Event()

    async def accept(_identity: Identity) -> bool:
        assert link.transport is None
        if len(factory.made) > 1:
            again.set()
        if is_database_away:
            raise DatabaseUnavailableError("away")
        return False

    link = make_link(factory, accept, log)
    running = asyncio.create_task(link.run())
    async with asyncio.timeout(10):
        await again.wait()
    assert not factory.made[0].is_connected
    await end(running)
    assert not factory.made[-1].is_connected
    assert log == []
