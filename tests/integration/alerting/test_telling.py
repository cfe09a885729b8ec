"""Each thing is told once, again after a while, and when it is over; to real receivers, whoever dies."""

import asyncio
import hashlib
import hmac
import time
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from tests.integration.alerting.conftest import (
    KEY,
    Watching,
    add_destination,
    add_webhook,
    look,
    release,
    restrict,
    until,
)
from tests.support.alert_receivers import WebhookReceiver, receive_webhooks, wait_until
from tests.support.stage import Stage
from vestnik.alerting.delivery import Deliverer
from vestnik.alerting.watch import AlertParts
from vestnik.db.alerts import MessageLedger
from vestnik.db.engine import open_session
from vestnik.domain.errors import DatabaseUnavailableError
from vestnik.services import alert_records
from vestnik.services.alert_records import OwnFindings, judge_alerts
from vestnik.services.alert_routes import RouteInput


async def wait_for_status(stage: Stage, *statuses: str) -> None:
    """Until the messages have become this, in their order."""

    async def is_so() -> bool:
        rows = await stage.execute("SELECT status FROM alert_notifications ORDER BY id")
        return [row.status for row in rows] == list(statuses)

    await until(is_so)


async def test_a_webhook_is_told_what_is_wrong_and_that_it_is_over(
    stage: Stage, parts: AlertParts, receiver: WebhookReceiver, watching: Watching
) -> None:
    await add_webhook(parts, receiver)
    account_id = await restrict(stage)
    async with watching():
        await receiver.wait_for(1)
        await release(stage)
        await receiver.wait_for(2)
        await wait_for_status(stage, "SENT", "SENT")
    first, second = receiver.requests
    assert first.line == "POST /hooks/secret-path?token=secret-token HTTP/1.1"
    assert first.json["event"] == "alert.firing"
    assert first.json["alert"]["kind"] == "ACCOUNT_LIMITED"
    assert first.json["alert"]["subject"]["id"] == str(account_id)
    assert first.json["alert"]["resolvedAt"] is None
    assert first.json["title"].startswith("Telegram has restricted the account “account 1”")
    assert "@SpamBot" in first.json["cure"]
    assert second.json["event"] == "alert.resolved"
    assert second.json["alert"]["resolvedAt"] is not None
    assert second.json["cure"] is None
    row = await stage.one("SELECT state, notified_at, resolved_at FROM alerts")
    assert row.state == "RESOLVED"
    assert row.notified_at is not None


async def test_the_signature_is_of_the_body_and_its_time(
    stage: Stage, parts: AlertParts, receiver: WebhookReceiver, watching: Watching
) -> None:
    await add_webhook(parts, receiver)
    await restrict(stage)
    async with watching():
        await receiver.wait_for(1)
    (request,) = receiver.requests
    timestamp = request.headers["x-vestnik-timestamp"]
    assert abs(int(timestamp) - time.time()) < 300
    expected = hmac.new(KEY.encode(), f"{timestamp}.".encode() + request.body, hashlib.sha256).hexdigest()
    assert request.headers["x-vestnik-signature"] == f"v1={expected}"
    assert request.headers["x-vestnik-delivery"] == request.json["id"]


async def test_several_processes_tell_it_once(
    stage: Stage, parts: AlertParts, receiver: WebhookReceiver, watching: Watching
) -> None:
    await add_webhook(parts, receiver)
    async with watching(), watching(), watching():
        await restrict(stage)
        await receiver.wait_for(1)
        await release(stage)
        await receiver.wait_for(2)
        await wait_for_status(stage, "SENT", "SENT")
    assert receiver.events == [("alert.firing", "ACCOUNT_LIMITED"), ("alert.resolved", "ACCOUNT_LIMITED")]


async def test_a_process_that_freezes_while_it_judges_keeps_no_other_from_it(
    stage: Stage, parts: AlertParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alert_records, "LONGEST_IDLE", 0.5)
    await restrict(stage)

    async def another_has_judged() -> bool:
        await look(parts)
        return bool(await stage.execute("SELECT FROM alerts"))

    async def judge_and_freeze() -> None:
        async with open_session(parts.engine) as session:
            own = OwnFindings(host="h")
            await judge_alerts(session, parts.rules, own, write=parts.write, holds_back=lambda _: False)
            await until(another_has_judged)

    with pytest.raises(DatabaseUnavailableError):
        await judge_and_freeze()
    assert len(await stage.execute("SELECT FROM alerts")) == 1


async def test_what_goes_on_is_told_again_after_its_time(
    stage: Stage, parts: AlertParts, receiver: WebhookReceiver, watching: Watching
) -> None:
    await add_webhook(parts, receiver)
    await restrict(stage)
    await look(parts, repeat_every=timedelta(hours=1))
    await look(parts, repeat_every=timedelta(hours=1))
    assert len(await stage.execute("SELECT id FROM alert_notifications")) == 1
    await stage.execute("UPDATE alerts SET announced_at = announced_at - interval '61 minutes'")
    await look(parts, repeat_every=timedelta())
    assert len(await stage.execute("SELECT id FROM alert_notifications")) == 1
    await look(parts, repeat_every=timedelta(hours=1))
    async with watching():
        await receiver.wait_for(2)
    assert [event for event, _ in receiver.events] == ["alert.firing", "alert.repeat"]


async def test_what_comes_back_soon_was_never_over(
    stage: Stage, parts: AlertParts, receiver: WebhookReceiver
) -> None:
    await add_webhook(parts, receiver)
    await restrict(stage)
    patient = {"settles_after": timedelta(minutes=1)}
    await look(parts, **patient)
    await release(stage)
    await look(parts, **patient)
    row = await stage.one("SELECT state, clear_since FROM alerts")
    assert (row.state, row.clear_since is None) == ("FIRING", False)
    await stage.execute("UPDATE accounts SET state = 'LIMITED' WHERE name = 'account 1'")
    await look(parts, **patient)
    row = await stage.one("SELECT state, clear_since FROM alerts")
    assert (row.state, row.clear_since) == ("FIRING", None)
    await release(stage)
    await look(parts, **patient)
    await stage.execute("UPDATE alerts SET clear_since = clear_since - interval '61 seconds'")
    await look(parts, **patient)
    assert (await stage.one("SELECT state FROM alerts")).state == "RESOLVED"


async def test_what_was_over_before_anybody_was_told_is_not_told(
    stage: Stage, parts: AlertParts, receiver: WebhookReceiver
) -> None:
    await add_webhook(parts, receiver)
    await restrict(stage)
    await look(parts)
    await release(stage)
    await look(parts)
    rows = await stage.execute("SELECT occasion, status FROM alert_notifications")
    assert [(row.occasion, row.status) for row in rows] == [("FIRING", "DROPPED")]


async def test_a_new_destination_is_told_what_goes_on_already(
    stage: Stage, parts: AlertParts, receiver: WebhookReceiver, watching: Watching
) -> None:
    await restrict(stage)
    await look(parts)
    await add_webhook(parts, receiver)
    async with watching():
        await receiver.wait_for(1)
    assert receiver.events == [("alert.firing", "ACCOUNT_LIMITED")]


async def test_what_is_kept_is_delivered_by_another_process_if_the_first_dies(
    stage: Stage, parts: AlertParts, receiver: WebhookReceiver, watching: Watching
) -> None:
    await add_webhook(parts, receiver)
    await restrict(stage)
    await look(parts)  # and nothing more: it dies between state and message
    ledger = MessageLedger(parts.engine)
    (claimed,) = await ledger.claim(4, timedelta(seconds=1))  # so does another, in mid-delivery
    assert await ledger.claim(4, timedelta(seconds=1)) == []
    async with watching():
        await receiver.wait_for(1)
        await wait_for_status(stage, "SENT")
    assert receiver.events == [("alert.firing", "ACCOUNT_LIMITED")]
    # One that was only frozen cannot take back what was delivered.
    await ledger.record(claimed, "frozen")
    assert (await stage.one("SELECT status FROM alert_notifications")).status == "SENT"
    assert (await stage.one("SELECT failures FROM alert_destinations")).failures == 0


async def test_a_slow_delivery_keeps_its_claim(
    stage: Stage, parts: AlertParts, receiver: WebhookReceiver, watching: Watching
) -> None:
    receiver.may_answer.clear()
    await add_webhook(parts, receiver)
    await restrict(stage)
    async with watching(), watching():
        await receiver.wait_for(1)
        before = await stage.one("SELECT claimed_until FROM alert_destinations")

        async def is_renewed() -> bool:
            row = await stage.one("SELECT claimed_until FROM alert_destinations")
            return bool(row.claimed_until > before.claimed_until)

        await until(is_renewed)
        receiver.may_answer.set()
        await wait_for_status(stage, "SENT")
    assert len(receiver.requests) == 1


async def test_a_failing_destination_is_tried_again_and_shown_and_keeps_no_other_waiting(
    stage: Stage, parts: AlertParts, receiver: WebhookReceiver, watching: Watching
) -> None:
    async with receive_webhooks() as broken:
        broken.status = 500
        await add_webhook(parts, broken, name="broken")
        await add_webhook(parts, receiver, name="good")
        await restrict(stage)
        async with watching():
            await receiver.wait_for(1)
            await broken.wait_for(1)

            async def is_noted(failures: int) -> bool:
                rows = await stage.execute(
                    "SELECT FROM alert_destinations WHERE name = 'broken' AND failures >= :failures"
                    " AND failing_since IS NOT NULL AND last_error LIKE '%500%' AND not_before > now()",
                    failures=failures,
                )
                return bool(rows)

            await until(partial(is_noted, 1))
            # Time passes.
            await stage.execute("UPDATE alert_destinations SET failures = 2, not_before = now()")
            await until(partial(is_noted, 3))
            # The other destination hears that this one is broken, and this one does not.
            await receiver.wait_for(2)
            broken.status = 200
            await stage.execute("UPDATE alert_destinations SET not_before = now()")
            await receiver.wait_for(3)
            tried = len(broken.requests)
    assert receiver.events == [
        ("alert.firing", "ACCOUNT_LIMITED"),
        ("alert.firing", "DESTINATION_FAILING"),
        ("alert.resolved", "DESTINATION_FAILING"),
    ]
    assert {request.json["id"] for request in broken.requests} == {broken.requests[0].json["id"]}
    assert tried == 3


async def test_a_message_that_is_refused_keeps_no_other_waiting_but_that_it_is_over(
    stage: Stage, parts: AlertParts, receiver: WebhookReceiver
) -> None:
    destination_id = await add_webhook(parts, receiver)
    await restrict(stage)
    await look(parts)
    ledger = MessageLedger(stage.engine)
    at_once = "UPDATE alert_destinations SET not_before = now()"

    async def take_next() -> tuple[str, str]:
        await stage.execute(at_once)
        (message,) = await ledger.claim(1, timedelta(minutes=1))
        assert message.destination.id == destination_id
        is_refused = message.alert.kind == "ACCOUNT_LIMITED"
        await ledger.record(message, "refused" if is_refused else None)
        return message.alert.kind, message.occasion

    assert await take_next() == ("ACCOUNT_LIMITED", "FIRING")
    await stage.execute("UPDATE accounts SET state = 'ACTIVE'")
    await look(parts)
    await stage.execute(
        "INSERT INTO alerts (key, kind, is_urgent, name, title, since)"
        " VALUES ('WORKER_GONE:h', 'WORKER_GONE', false, 'h', '', now())"
    )
    await stage.execute(
        "INSERT INTO alert_notifications (alert_id, destination_id, occasion)"
        " SELECT id, :to, 'FIRING' FROM alerts WHERE kind = 'WORKER_GONE'",
        to=destination_id,
    )
    assert await take_next() == ("WORKER_GONE", "FIRING")
    assert await take_next() == ("ACCOUNT_LIMITED", "FIRING")
    rows = await stage.execute("SELECT occasion, status, attempts FROM alert_notifications ORDER BY id")
    assert [tuple(row) for row in rows] == [
        ("FIRING", "PENDING", 2),
        ("RESOLVED", "PENDING", 0),
        ("FIRING", "SENT", 0),
    ]


async def test_a_message_that_some_got_is_not_repeated_and_shows_who_did_not(
    stage: Stage, parts: AlertParts, receiver: WebhookReceiver
) -> None:
    await add_webhook(parts, receiver)
    await restrict(stage)
    await look(parts)
    ledger = MessageLedger(stage.engine)
    (message,) = await ledger.claim(1, timedelta(minutes=1))
    await ledger.record(message, "1 of 2 is refused", is_partial=True)
    row = await stage.one("SELECT status, error, sent_at IS NOT NULL AS is_sent FROM alert_notifications")
    assert (row.status, row.error, row.is_sent) == ("SENT", "1 of 2 is refused", True)
    row = await stage.one(
        "SELECT failures, last_error, not_before <= clock_timestamp() AS goes_on FROM alert_destinations"
    )
    assert (row.failures, row.last_error, row.goes_on) == (1, "1 of 2 is refused", True)


async def test_a_message_that_cannot_be_delivered_for_a_day_is_given_up(
    stage: Stage, parts: AlertParts, receiver: WebhookReceiver
) -> None:
    await add_webhook(parts, receiver)
    await restrict(stage)
    await look(parts)
    await stage.execute("UPDATE alert_notifications SET created_at = now() - interval '25 hours'")
    await MessageLedger(parts.engine).give_up_old()
    assert (await stage.one("SELECT status FROM alert_notifications")).status == "FAILED"


async def test_webhooks_within_need_a_setting_and_redirects_are_not_followed(
    stage: Stage, parts: AlertParts, receiver: WebhookReceiver
) -> None:
    await add_webhook(parts, receiver)
    await restrict(stage)
    await look(parts)
    await deliver_once(stage, replace(parts, allows_private=False))
    row = await stage.one("SELECT last_error FROM alert_destinations")
    assert "VESTNIK_ALERT_PRIVATE_WEBHOOKS" in row.last_error
    assert receiver.requests == []
    receiver.status = 302
    await stage.execute("UPDATE alert_destinations SET not_before = now()")
    await deliver_once(stage, parts)
    assert [request.line.split(" ")[1] for request in receiver.requests] == [
        "/hooks/secret-path?token=secret-token"
    ]
    row = await stage.one("SELECT last_error FROM alert_destinations")
    assert "302" in row.last_error
    assert "secret" not in row.last_error


async def deliver_once(stage: Stage, parts: AlertParts) -> None:
    """Until the first attempt is recorded."""
    before = await stage.one("SELECT failures FROM alert_destinations")

    async def is_recorded() -> bool:
        row = await stage.one("SELECT failures FROM alert_destinations")
        return bool(row.failures > before.failures)

    deliverer = Deliverer(parts)
    running = asyncio.create_task(deliverer.run())
    try:
        await until(is_recorded)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_secrets_are_stored_encrypted_and_bound_to_their_row(
    stage: Stage, parts: AlertParts, receiver: WebhookReceiver, watching: Watching
) -> None:
    await add_webhook(parts, receiver)
    stored = str(await stage.execute("SELECT * FROM alert_destinations"))
    stored += str(await stage.execute("SELECT * FROM audit_logs"))
    for secret in (KEY, "secret-path", "secret-token"):
        assert secret not in stored
    other = await add_destination(parts, RouteInput(url="http://127.0.0.1:1/", signing_key=KEY), name="other")
    await stage.execute(
        "UPDATE alert_destinations SET secret_ciphertext = d.secret_ciphertext FROM alert_destinations d"
        " WHERE d.name = 'desk' AND alert_destinations.id = :id",
        id=other,
    )
    await restrict(stage)
    async with watching():
        await receiver.wait_for(1)

        async def is_refused() -> bool:
            row = await stage.one("SELECT last_error FROM alert_destinations WHERE id = :id", id=other)
            return row.last_error is not None and "moved here from another row" in row.last_error

        await until(is_refused)
    assert len(receiver.requests) == 1


async def test_messages_are_written_in_the_language_of_the_destination(
    stage: Stage, parts: AlertParts, receiver: WebhookReceiver, watching: Watching
) -> None:
    await add_destination(parts, RouteInput(url=receiver.url, signing_key=KEY), language="ru")
    await restrict(stage)
    async with watching():
        await receiver.wait_for(1)
    assert receiver.requests[0].json["title"] == "Telegram ограничил аккаунт «account 1»."
    assert (await stage.one("SELECT title FROM alerts")).title.startswith("Telegram has restricted")


async def test_nothing_is_told_of_what_somebody_did_on_purpose(
    stage: Stage, parts: AlertParts, receiver: WebhookReceiver
) -> None:
    await add_webhook(parts, receiver)
    account_id = await restrict(stage)
    await stage.execute("UPDATE accounts SET state = 'DISABLED' WHERE id = :id", id=account_id)
    await stage.execute(
        "INSERT INTO accounts (name, kind, state) VALUES ('still to be logged in', 'USER', 'NEEDS_LOGIN')"
    )
    await look(parts)
    assert len(await stage.execute("SELECT FROM alerts")) == 2
    assert await stage.execute("SELECT FROM alert_notifications") == []


async def test_no_message_says_that_an_aged_failure_is_over(
    stage: Stage, parts: AlertParts, receiver: WebhookReceiver, watching: Watching
) -> None:
    await add_webhook(parts, receiver)
    account_id = await restrict(stage)
    await stage.execute("UPDATE accounts SET state = 'ACTIVE' WHERE id = :id", id=account_id)
    await stage.add_channels(1)
    campaign_id = await stage.add_campaign(account_id, start=False)
    await stage.execute(
        "UPDATE campaigns SET status = 'FAILED', updated_at = now() WHERE id = :id", id=campaign_id
    )
    async with watching():
        await receiver.wait_for(1)
        await wait_for_status(stage, "SENT")
    await stage.execute("UPDATE campaigns SET updated_at = now() - interval '2 days'")
    await look(parts)
    assert (await stage.one("SELECT state FROM alerts")).state == "RESOLVED"
    assert len(await stage.execute("SELECT FROM alert_notifications")) == 1
    await wait_until(lambda: receiver.events == [("alert.firing", "CAMPAIGN_FAILED")])
