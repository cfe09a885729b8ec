"""A rig for each test; whatever the test leaves running is ended, and no lane may have crashed."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.processors import format_exc_info
from structlog.testing import capture_logs

from tests.integration.delivery.rig import Rig
from vestnik.domain.ids import AccountId
from vestnik.simulator.server import serve
from vestnik.worker import LANE_CRASHED


@pytest.fixture
async def rig(engine: AsyncEngine) -> AsyncIterator[Rig]:
    with capture_logs(processors=[format_exc_info]) as logs:
        async with serve() as server:
            rig = Rig(engine, server)
            try:
                yield rig
            finally:
                await rig.close()
                # pytest shows it if the test fails; a dictionary would show a traceback in one line
                tracebacks = [entry.pop("exception") for entry in logs if "exception" in entry]
                print(*logs, *tracebacks, sep="\n")  # noqa: T201
    crashes = [entry for entry in logs if entry["event"] == LANE_CRASHED]
    assert rig.may_crash or not crashes, "\n".join(tracebacks)


@pytest.fixture
async def account_id(rig: Rig) -> AccountId:
    return await rig.stage.add_account(rate=50)
