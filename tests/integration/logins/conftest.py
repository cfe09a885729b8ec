"""A desk for each test, and the surfaces on the same database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from tests.integration.logins.desk import Desk, open_desk
from tests.support.logins import CODE, PHONE
from vestnik.domain.ids import AccountId
from vestnik.worker import LANE_CRASHED


@pytest.fixture
async def desk(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Desk]:
    with capture_logs() as logs:
        async with open_desk(engine, monkeypatch, tmp_path) as desk:
            yield desk
        print(*logs, sep="\n")  # noqa: T201 - pytest shows it if the test fails
    assert [entry for entry in logs if entry["event"] == LANE_CRASHED] == []
    assert PHONE not in repr(logs)


@pytest.fixture
async def account_id(desk: Desk) -> AccountId:
    """An account that alice's phone logs in, and a worker that carries logins out."""
    desk.rig.server.simulator.add_phone(PHONE, "alice", code=CODE)
    await desk.real.start_worker()
    return await desk.add()
