"""A worker process that dies by kill -9 while it posts for somebody who waits: its successor settles it."""

import asyncio
import os
import sys

import pytest

from tests.integration.delivery.rig import PATIENCE, Rig
from tests.support.sends import SECRET_KEY, Sender
from vestnik.cli.child import SIMULATOR_VARIABLE
from vestnik.delivery.failpoints import Failpoint
from vestnik.domain.commands import CommandStatus
from vestnik.domain.ids import AccountId


async def start_doomed_worker(rig: Rig, failpoint: Failpoint) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "vestnik",
        "worker",
        env={
            **os.environ,
            "DATABASE_URL": rig.url.render_as_string(hide_password=False),
            "VESTNIK_SECRET_KEY": SECRET_KEY,
            "VESTNIK_LEASE_SECONDS": "2",
            "VESTNIK_FAILPOINTS": failpoint.value,
            SIMULATOR_VARIABLE: rig.server.endpoint.to_json(),
        },
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )


@pytest.mark.parametrize(
    "failpoint",
    [
        Failpoint.AFTER_CLAIM,
        Failpoint.BEFORE_SEND,
        Failpoint.AFTER_SEND,
        Failpoint.BEFORE_RECORD,
        Failpoint.AFTER_RECORD,
    ],
)
async def test_the_post_is_out_once_wherever_its_sender_dies(
    rig: Rig, account_id: AccountId, failpoint: Failpoint
) -> None:
    await rig.stage.add_channels(1)
    sender = Sender(rig.stage.engine, account_id)
    doomed = await start_doomed_worker(rig, failpoint)

    async def is_served() -> bool:
        query = "SELECT FROM account_leases WHERE account_id = :id AND lease_until > clock_timestamp()"
        return bool(await rig.stage.execute(query, id=account_id))

    await rig.until(is_served)
    requested = await sender.request("@first_00001")
    async with asyncio.timeout(PATIENCE):
        assert await doomed.wait() != 0
    result = await sender.read(requested.ids[0])
    recorded = failpoint is Failpoint.AFTER_RECORD
    assert result.status is (CommandStatus.DONE if recorded else CommandStatus.STARTED)
    await rig.start_worker(secret_key=SECRET_KEY)
    (result,) = await sender.wait(*requested.ids)
    assert (result.status, len(result.message_ids)) == (CommandStatus.DONE, 1)
    rig.check_each_once(1)
