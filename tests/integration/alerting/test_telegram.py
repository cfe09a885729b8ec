"""A chat is told by one of our accounts, as any direct send is: at its pace, and not twice."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.integration.alerting.conftest import Watching, add_destination, until
from tests.integration.delivery.rig import Rig
from tests.support.stage import Stage
from vestnik.alerting.trial import AlertTrial
from vestnik.alerting.watch import AlertParts
from vestnik.db.engine import open_session
from vestnik.domain.alerts import DestinationKind
from vestnik.domain.ids import AccountId
from vestnik.services.alert_destinations import read_for_test
from vestnik.services.alert_routes import RouteInput
from vestnik.simulator.server import serve


@pytest.fixture
async def rig(engine: AsyncEngine) -> AsyncIterator[Rig]:
    async with serve() as server:
        rig = Rig(engine, server)
        try:
            yield rig
        finally:
            await rig.close()


@pytest.fixture
async def chat(rig: Rig, parts: AlertParts) -> UUID:
    """A destination: the first of two channels that an account of ours posts in."""
    account_id = await rig.stage.add_account(rate=50)
    channels = await rig.stage.add_channels(2)
    await rig.stage.give_peers(account_id, channels)
    return await add_destination(
        parts,
        RouteInput(account=str(account_id), channel="@first_00001"),
        kind=DestinationKind.TELEGRAM,
    )


async def restrict_another(stage: Stage) -> AccountId:
    account_id = await stage.add_account()
    await stage.execute("UPDATE accounts SET state = 'LIMITED' WHERE id = :id", id=account_id)
    return account_id


async def test_a_chat_is_told_once(rig: Rig, chat: UUID, parts: AlertParts, watching: Watching) -> None:
    await rig.start_worker(data_dir=parts.data_dir)
    other = await restrict_another(rig.stage)
    async with watching(), watching():
        await rig.wait_for_posts(1)
        await rig.stage.execute("UPDATE accounts SET state = 'ACTIVE' WHERE id = :id", id=other)
        await rig.wait_for_posts(2)
        await until(lambda: is_told(rig.stage, 2))
    first, second = rig.posts
    assert first.text.startswith("[Vestnik] Telegram has restricted the account “account 2”.")
    assert second.text.startswith("[Vestnik] It is over: Telegram has restricted")


async def is_told(stage: Stage, number: int) -> bool:
    rows = await stage.execute("SELECT FROM alert_notifications WHERE status = 'SENT'")
    return len(rows) == number


async def test_a_chat_waits_for_a_worker_and_shows_why(
    rig: Rig, chat: UUID, parts: AlertParts, watching: Watching
) -> None:
    await restrict_another(rig.stage)
    await rig.stage.execute(
        "INSERT INTO workers (holder, host, pid, seen_at) VALUES ('w', 'h', 1, now() + interval '1 hour')"
    )
    async with watching():

        async def is_failing() -> bool:
            row = await rig.stage.one("SELECT last_error FROM alert_destinations WHERE id = :id", id=chat)
            return row.last_error is not None and "no worker delivers for account" in row.last_error

        await until(is_failing)
        await rig.start_worker(data_dir=parts.data_dir)
        await rig.stage.execute("UPDATE alert_destinations SET not_before = now()")
        await rig.wait_for_posts(1)
        await until(lambda: is_told(rig.stage, 1))
    assert len(rig.posts) == 1


@pytest.mark.usefixtures("chat")
async def test_a_process_that_dies_while_a_post_is_on_its_way_leaves_no_second_one(
    rig: Rig, parts: AlertParts, watching: Watching
) -> None:
    worker = await rig.start_worker(data_dir=parts.data_dir)
    await restrict_another(rig.stage)
    async with watching():
        await until(lambda: rig.stage.execute("SELECT FROM account_commands"))
    # It asked, and died before it knew. The post goes out all the same, and the next process finds it by its key.
    await rig.wait_for_posts(1)
    await rig.stage.execute("UPDATE alert_destinations SET claimed_until = now()")
    async with watching():
        await until(lambda: is_told(rig.stage, 1))
    assert len(rig.posts) == 1
    assert not worker.task.done()


async def test_a_chat_can_be_tried(rig: Rig, chat: UUID, parts: AlertParts, tmp_path: Path) -> None:
    trial = AlertTrial(replace(parts, allows_private=False))
    async with open_session(parts.engine) as session:
        destination = await read_for_test(session, chat, parts.read_keys())
    result = await trial.run(destination)
    assert not result.is_delivered
    assert "no worker delivers" in result.answer
    await rig.start_worker(data_dir=tmp_path)

    async def is_delivered() -> bool:
        return (await trial.run(destination)).is_delivered

    await until(is_delivered)
    assert rig.posts[-1].text.startswith("[Vestnik] This is a test.")
