"""A database that is away is told of all the same, once on each machine; so is a disk that is nearly full."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from uuid import uuid4

import pytest

from tests.integration.alerting.conftest import KEY, add_webhook, look, restrict, until
from tests.support.alert_receivers import WebhookReceiver
from tests.support.proxy import DatabaseProxy
from tests.support.stage import Stage
from vestnik.alerting import outage, watch
from vestnik.alerting.doubts import Doubts
from vestnik.alerting.machine import look_at_machine
from vestnik.alerting.outage import OutageWatch
from vestnik.alerting.watch import AlertParts
from vestnik.alerting.webhook import post_message
from vestnik.console.alert_words import make_writer
from vestnik.db.engine import make_engine
from vestnik.domain.alerts import (
    AlertKind,
    AlertRules,
    DestinationKind,
    Message,
    OpenDestination,
    WebhookRoute,
)

MIB = 1024**2
GIB = 1024 * MIB


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Looks come many times a second."""
    monkeypatch.setattr(outage, "LOOK_EVERY", 0.02)
    yield
    monkeypatch.undo()


async def deliver(destination: OpenDestination, message: Message) -> str:
    if destination.name == "broken":
        raise ValueError("nobody foresaw this")
    assert isinstance(destination.route, WebhookRoute)
    return await post_message(destination.route, message, allows_private=True)


def make_watch(folder: Path, receiver: WebhookReceiver, *names: str) -> OutageWatch:
    """Of a process that last knew these destinations."""
    made = OutageWatch(data_dir=folder, host="host-17", write=make_writer(UTC), deliver=deliver)
    known = [
        OpenDestination(
            id=uuid4(),
            name=name,
            kind=DestinationKind.WEBHOOK,
            language="en",
            route=WebhookRoute(url=receiver.url, signing_key=KEY),
        )
        for name in names or ("desk",)
    ]
    made.note_alive(known)
    made.note_away("PostgreSQL cannot be used: the server is gone")
    return made


@pytest.mark.usefixtures("hasty")
async def test_processes_of_one_machine_tell_once_that_it_is_away_and_that_it_is_back(
    tmp_path: Path, receiver: WebhookReceiver
) -> None:
    watches = [make_watch(tmp_path, receiver) for _ in range(3)]
    running = [asyncio.create_task(each.run()) for each in watches]
    await receiver.wait_for(1)
    assert receiver.requests[0].json["detail"] == "PostgreSQL cannot be used: the server is gone"
    assert receiver.requests[0].json["alert"]["subject"]["name"] == "host-17"

    async def answer() -> None:
        while True:
            for each in watches:
                each.note_alive()
            await asyncio.sleep(0.01)

    answering = asyncio.create_task(answer())
    await receiver.wait_for(2)
    (ended,) = [found for each in watches for found in each.take_ended()]
    assert ended.reason == "PostgreSQL cannot be used: the server is gone"
    assert ended.since < ended.until
    for task in (*running, answering):
        task.cancel()
    await asyncio.gather(*running, answering, return_exceptions=True)
    assert receiver.events == [("alert.firing", "DATABASE_AWAY"), ("alert.resolved", "DATABASE_AWAY")]


@pytest.mark.usefixtures("hasty")
async def test_a_destination_that_cannot_be_reached_is_tried_while_the_outage_goes_on(
    tmp_path: Path, receiver: WebhookReceiver
) -> None:
    receiver.status = 500
    running = asyncio.create_task(make_watch(tmp_path, receiver).run())
    await receiver.wait_for(2)
    receiver.status = 200
    tried = len(receiver.requests)
    await receiver.wait_for(tried + 1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert {request.json["event"] for request in receiver.requests} == {"alert.firing"}
    assert len({request.json["id"] for request in receiver.requests}) == 1


@pytest.mark.usefixtures("hasty")
async def test_a_destination_of_which_nobody_foresaw_how_it_fails_keeps_no_other_from_being_told(
    tmp_path: Path, receiver: WebhookReceiver
) -> None:
    told = make_watch(tmp_path, receiver, "broken", "desk")
    running = asyncio.create_task(told.run())
    await receiver.wait_for(1)
    told.note_alive()
    await receiver.wait_for(2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert receiver.events == [("alert.firing", "DATABASE_AWAY"), ("alert.resolved", "DATABASE_AWAY")]


@pytest.mark.parametrize("how", ["cut", "stall"])
async def test_an_outage_is_told_by_those_who_watch_and_ends_up_in_the_history(
    stage: Stage, parts: AlertParts, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(outage, "LOOK_EVERY", 0.3)
    monkeypatch.setattr(watch, "LOOK_EVERY", 0.2)
    monkeypatch.setattr(watch, "REMEMBER_EVERY", 0.2)
    await add_webhook(parts, receiver)
    await restrict(stage)
    async with DatabaseProxy(stage.engine.url).serve() as proxy:
        engine = make_engine(proxy.url, name="test")
        running = asyncio.create_task(watch.run_alerts(replace(parts, engine=engine)))
        await receiver.wait_for(1)
        getattr(proxy, how)()
        await receiver.wait_for(2)
        proxy.resume()
        await receiver.wait_for(3)
        await until(lambda: stage.execute("SELECT FROM alerts WHERE kind = 'DATABASE_AWAY'"))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await engine.dispose()
    assert receiver.events == [
        ("alert.firing", "ACCOUNT_LIMITED"),
        ("alert.firing", "DATABASE_AWAY"),
        ("alert.resolved", "DATABASE_AWAY"),
    ]
    row = await stage.one(
        "SELECT state, since < resolved_at AS is_past FROM alerts WHERE kind = 'DATABASE_AWAY'"
    )
    assert (row.state, row.is_past) == ("RESOLVED", True)


async def test_workers_that_have_been_without_the_database_are_not_taken_for_dead(
    stage: Stage, parts: AlertParts, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(watch, "Doubts", lambda: Doubts(lambda: now))
    monkeypatch.setattr(outage, "LOOK_EVERY", 0.3)
    monkeypatch.setattr(watch, "LOOK_EVERY", 0.2)
    monkeypatch.setattr(watch, "REMEMBER_EVERY", 0.2)
    await add_webhook(parts, receiver)
    account_id = await restrict(stage)
    async with DatabaseProxy(stage.engine.url).serve() as proxy:
        engine = make_engine(proxy.url, name="test")
        running = asyncio.create_task(watch.run_alerts(replace(parts, engine=engine)))
        await receiver.wait_for(1)
        now = 3600.0
        proxy.cut()
        await receiver.wait_for(2)
        await stage.execute("UPDATE workers SET seen_at = now() - interval '1 minute'")
        await stage.execute(
            "UPDATE accounts SET state = 'NEEDS_LOGIN', tg_user_id = 1 WHERE id = :id", id=account_id
        )
        proxy.resume()
        await until(lambda: stage.execute("SELECT FROM alerts WHERE kind = 'ACCOUNT_NEEDS_LOGIN'"))
        assert await stage.execute("SELECT FROM alerts WHERE kind = 'NO_WORKER'") == []
        now = 7200.0
        await until(lambda: stage.execute("SELECT FROM alerts WHERE kind = 'NO_WORKER'"))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await engine.dispose()


def test_a_disk_with_little_room_left_is_found(tmp_path: Path) -> None:
    rules = AlertRules(least_free=GIB)
    assert look_at_machine(tmp_path, rules, read_free=lambda _: GIB).alerts == ()
    (alert,) = look_at_machine(tmp_path, rules, read_free=lambda _: 300 * MIB).alerts
    assert (alert.kind, alert.is_urgent) == (AlertKind.DISK_NEARLY_FULL, True)
    assert alert.detail is not None
    assert alert.detail.endswith("there are 256 MiB left.")
    assert look_at_machine(tmp_path, AlertRules(least_free=0)).alerts == ()
    assert look_at_machine(tmp_path / "none", rules).alerts == ()


async def test_a_full_disk_is_kept_and_ended_by_processes_of_that_machine_alone(
    stage: Stage, parts: AlertParts, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_webhook(parts, receiver)
    await stage.execute(
        "INSERT INTO workers (holder, host, pid, seen_at) VALUES ('w', 'h', 1, now() + '1 hour')"
    )
    await look(parts, least_free=2**62)
    monkeypatch.setattr("platform.node", lambda: "another machine")
    await look(parts)
    row = await stage.one("SELECT kind, state FROM alerts")
    assert (row.kind, row.state) == ("DISK_NEARLY_FULL", "FIRING")
    monkeypatch.undo()
    await look(parts)
    assert (await stage.one("SELECT state FROM alerts")).state == "RESOLVED"
    assert len(await stage.execute("SELECT FROM alert_notifications")) == 1
