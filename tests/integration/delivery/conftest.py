"""A rig for each test; whatever the test leaves running is ended, and no lane may have crashed."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from tests.integration.delivery.rig import Rig
from vestnik.domain.ids import AccountId
from vestnik.simulator.server import serve

CRASHES = {"lane.crashed"}


@pytest.fixture
async def rig(engine: AsyncEngine) -> AsyncIterator[Rig]:
    with capture_logs() as logs:
        async with serve() as server:
            rig = Rig(engine, server)
            try:
                yield rig
            finally:
                await rig.close()
                print(*logs, sep="\n")  # noqa: T201 - pytest shows it if the test fails
    assert rig.may_crash or [entry for entry in logs if entry["event"] in CRASHES] == []


@pytest.fixture
async def account_id(rig: Rig) -> AccountId:
    return await rig.stage.add_account(rate=50)
