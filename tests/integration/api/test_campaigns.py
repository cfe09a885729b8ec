"""Campaigns over HTTP: what an operator does to them, and what is refused."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.integration.api.conftest import ClientAs
from tests.support.stage import Stage
from vestnik.domain.ids import CampaignId
from vestnik.domain.users import Role
from vestnik.worker import deletions, retention

CHANNELS = 5
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def operator(client_as: ClientAs) -> httpx.AsyncClient:
    return await client_as(Role.OPERATOR)


@pytest.fixture
async def parts(stage: Stage) -> dict[str, str]:
    """A batch and a template, as a campaign names them."""
    await stage.add_channels(CHANNELS)
    batch = await stage.one("SELECT id FROM batches WHERE name = 'first'")
    template = await stage.one("INSERT INTO templates (name, content) VALUES ('t', 'Hello') RETURNING id")
    return {"batchId": str(batch.id), "templateId": str(template.id)}


def describe(parts: dict[str, str], **changes: Any) -> dict[str, Any]:
    """The body of quickstart.md 4.2."""
    return {"name": "Test Campaign", **parts, "mode": "TEST", "deliveryRate": 20} | changes


async def create(client: httpx.AsyncClient, parts: dict[str, str], **changes: Any) -> dict[str, Any]:
    answer = await client.post("/api/campaigns", json=describe(parts, **changes))
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


async def act(client: httpx.AsyncClient, campaign_id: str, action: str, **more: Any) -> httpx.Response:
    return await client.post(f"/api/campaigns/{campaign_id}/action", json={"action": action, **more})


async def hold(stage: Stage, campaign_id: str) -> datetime:
    row = await stage.one(
        "INSERT INTO account_holds (account_id, scope, until, reason)"
        " SELECT account_id, 'SEND', clock_timestamp() + interval '1 hour', 'FLOOD_WAIT_3600'"
        " FROM campaigns WHERE id = :id RETURNING until",
        id=campaign_id,
    )
    until: datetime = row.until
    return until


async def test_the_predecessors_calls_create_and_start_a_campaign(
    operator: httpx.AsyncClient, parts: dict[str, str], stage: Stage
) -> None:
    answer = await operator.post("/api/campaigns", json=describe(parts))
    assert answer.status_code == 201
    created = answer.json()
    assert answer.headers["Location"] == f"/api/campaigns/{created['id']}"
    assert answer.headers["ETag"] == f'"{created["revision"]}"'
    shown = {
        key: created[key] for key in ("name", "status", "mode", "deliveryRate", "retryLimit", "accountName")
    }
    assert shown == {
        "name": "Test Campaign",
        "status": "DRAFT",
        "mode": "TEST",
        "deliveryRate": 20,
        "retryLimit": 3,
        "accountName": "rehearsal",
    }
    started = await act(operator, created["id"], "start")
    assert started.status_code == 200
    body = started.json()
    assert body["success"] is True
    assert (body["campaign"]["status"], body["campaign"]["progress"]["total"]) == ("RUNNING", CHANNELS)
    assert await stage.count_jobs(created["id"]) == {"QUEUED": CHANNELS}


async def test_of_parallel_starts_one_makes_the_jobs_and_the_others_conflict(
    operator: httpx.AsyncClient, parts: dict[str, str], stage: Stage
) -> None:
    campaign = await create(operator, parts)
    answers = await asyncio.gather(*(act(operator, campaign["id"], "start") for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200, *[409] * 7]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"CONFLICT"}
    assert await stage.count_jobs(campaign["id"]) == {"QUEUED": CHANNELS}


async def test_a_repeated_start_with_one_key_gives_the_first_answer(
    operator: httpx.AsyncClient, parts: dict[str, str]
) -> None:
    campaign = await create(operator, parts)
    address, body = f"/api/campaigns/{campaign['id']}/action", {"action": "start"}
    headers = {"Idempotency-Key": "k1"}
    first, again = [await operator.post(address, json=body, headers=headers) for _ in range(2)]
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()


async def test_snake_case_decimal_text_and_production_are_accepted(
    operator: httpx.AsyncClient, parts: dict[str, str], stage: Stage
) -> None:
    await stage.execute("INSERT INTO accounts (name, kind) VALUES ('real', 'USER')")
    body = {
        "name": "n",
        "batch_id": parts["batchId"],
        "template_id": parts["templateId"],
        "mode": "PRODUCTION",
        "delivery_rate": "0.33",
        "max_error_rate": 0.5,
    }
    answer = await operator.post("/api/campaigns", json=body)
    assert answer.status_code == 201, answer.text
    created = answer.json()
    assert (created["mode"], created["deliveryRate"], created["maxErrorRate"]) == ("LIVE", 0.33, 0.5)
    assert created["accountName"] == "real"


async def test_with_several_real_accounts_live_needs_the_account(
    operator: httpx.AsyncClient, parts: dict[str, str], stage: Stage
) -> None:
    for name in ("red", "blue"):
        await stage.execute("INSERT INTO accounts (name, kind) VALUES (:name, 'USER')", name=name)
    refused = await operator.post("/api/campaigns", json=describe(parts, mode="LIVE"))
    assert (refused.status_code, refused.json()["field"]) == (422, "accountId")
    red = await stage.one("SELECT id FROM accounts WHERE name = 'red'")
    created = await create(operator, parts, mode="LIVE", accountId=str(red.id))
    assert created["accountName"] == "red"


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"deliveryRate": 0}, 422, "deliveryRate"),
        ({"deliveryRate": True}, 422, "deliveryRate"),
        ({"deliveryRate": "1e9999999"}, 422, "deliveryRate"),
        ({"deliveryRate": "NaN"}, 422, "deliveryRate"),
        ({"retryLimit": 21}, 422, "retryLimit"),
        ({"retryLimit": "3"}, 422, "retryLimit"),
        ({"maxErrorRate": 1.5}, 422, "maxErrorRate"),
        ({"mode": "DEMO"}, 422, "mode"),
        ({"name": ""}, 422, "name"),
        ({"name": "a\0b"}, 422, "name"),
        ({"name": "line\nbreak"}, 422, "name"),
        ({"name": "x" * 201}, 422, "name"),
        ({"batchId": "7"}, 422, "batchId"),
        ({"batchId": NOBODY}, 404, "batchId"),
        ({"templateId": NOBODY}, 404, "templateId"),
        ({"accountId": NOBODY}, 404, "accountId"),
        ({"scheduledAt": "2020-01-01T00:00:00Z"}, 422, "scheduledAt"),
        ({"scheduledAt": "2030-01-01T00:00:00"}, 422, "scheduledAt"),
        ({"colour": "red"}, 422, "colour"),
    ],
)
async def test_bad_input_names_the_field_and_stores_nothing(
    operator: httpx.AsyncClient,
    parts: dict[str, str],
    stage: Stage,
    change: dict[str, Any],
    status: int,
    field: str,
) -> None:
    answer = await operator.post("/api/campaigns", json=describe(parts, **change))
    assert (answer.status_code, answer.json()["field"]) == (status, field), answer.text
    assert (await stage.one("SELECT count(*) AS n FROM campaigns")).n == 0


async def test_an_unknown_action_names_the_known_ones(
    operator: httpx.AsyncClient, parts: dict[str, str]
) -> None:
    campaign = await create(operator, parts)
    answer = await act(operator, campaign["id"], "stop")
    assert (answer.status_code, answer.json()["field"]) == (422, "action")
    for known in ("start", "pause", "resume", "cancel", "retry-failed", "schedule", "unschedule"):
        assert f"'{known}'" in answer.json()["detail"]


async def test_the_way_through_pause_resume_and_cancel(
    operator: httpx.AsyncClient, parts: dict[str, str]
) -> None:
    campaign_id = (await create(operator, parts))["id"]
    refused = await act(operator, campaign_id, "pause")
    assert refused.status_code == 409
    assert "is DRAFT" in refused.json()["detail"]
    seen = []
    for action in ("start", "pause", "resume", "cancel"):
        answer = await act(operator, campaign_id, action)
        assert answer.status_code == 200, answer.text
        seen.append(answer.json()["campaign"]["status"])
    assert seen == ["RUNNING", "PAUSED", "RUNNING", "CANCELLED"]


async def test_resuming_during_a_hold_conflicts_and_says_when_it_ends(
    operator: httpx.AsyncClient, parts: dict[str, str], stage: Stage
) -> None:
    campaign_id = (await create(operator, parts))["id"]
    await act(operator, campaign_id, "start")
    until = await hold(stage, campaign_id)
    shown = (await operator.get(f"/api/campaigns/{campaign_id}")).json()
    assert (shown["status"], shown["storedStatus"], shown["pauseReason"]) == (
        "PAUSED",
        "RUNNING",
        "FLOOD_WAIT",
    )
    refused = await act(operator, campaign_id, "resume")
    assert refused.status_code == 409
    assert datetime.fromisoformat(refused.json()["resumesAt"]) == until
    assert (await act(operator, campaign_id, "pause")).status_code == 200
    assert (await act(operator, campaign_id, "resume")).status_code == 200


async def test_scheduling_needs_a_time_and_only_scheduling_takes_one(
    operator: httpx.AsyncClient, parts: dict[str, str]
) -> None:
    campaign_id = (await create(operator, parts))["id"]
    at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    missing = await act(operator, campaign_id, "schedule")
    assert (missing.status_code, missing.json()["field"]) == (422, "scheduledAt")
    superfluous = await act(operator, campaign_id, "start", scheduledAt=at)
    assert (superfluous.status_code, superfluous.json()["field"]) == (422, "scheduledAt")
    codes = await act(operator, campaign_id, "start", errorCodes=["X"])
    assert (codes.status_code, codes.json()["field"]) == (422, "errorCodes")
    scheduled = (await act(operator, campaign_id, "schedule", scheduledAt=at)).json()["campaign"]
    assert scheduled["status"] == "SCHEDULED"
    assert datetime.fromisoformat(scheduled["scheduledAt"]) == datetime.fromisoformat(at)
    assert (await act(operator, campaign_id, "unschedule")).json()["campaign"]["status"] == "DRAFT"


async def test_a_campaign_can_be_scheduled_as_it_is_made(
    operator: httpx.AsyncClient, parts: dict[str, str]
) -> None:
    at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert (await create(operator, parts, scheduledAt=at))["status"] == "SCHEDULED"


async def test_retrying_says_how_many_were_queued_again(
    operator: httpx.AsyncClient, parts: dict[str, str], stage: Stage
) -> None:
    campaign_id = (await create(operator, parts))["id"]
    await act(operator, campaign_id, "start")
    await fail(stage, campaign_id, 2, "TIMEOUT")
    failures = (await operator.get(f"/api/campaigns/{campaign_id}/failures")).json()
    assert failures == {"total": 2, "codes": {"TIMEOUT": 2}}
    other = await act(operator, campaign_id, "retry-failed", errorCodes=["OTHER"])
    assert other.status_code == 409
    answer = await act(operator, campaign_id, "retry-failed", errorCodes=["TIMEOUT"])
    assert (answer.json()["reopened"], answer.json()["skipped"]) == (2, 0)
    assert (await operator.get(f"/api/campaigns/{campaign_id}/failures")).json()["total"] == 0


async def fail(stage: Stage, campaign_id: str, number: int, code: str) -> None:
    await stage.execute(
        "UPDATE jobs SET status = 'FAILED', claims = 1, error_code = :code, failed_at = now() WHERE id IN"
        " (SELECT id FROM jobs WHERE campaign_id = :id AND status = 'QUEUED' ORDER BY id LIMIT :number)",
        id=campaign_id,
        code=code,
        number=number,
    )
    await stage.execute(
        "UPDATE campaign_progress SET queued = queued - :number, failed = failed + :number,"
        " version = version + 1 WHERE campaign_id = :id",
        id=campaign_id,
        number=number,
    )


# ---- editing ------------------------------------------------------------------------------------------------


async def test_a_draft_can_be_changed_altogether(
    operator: httpx.AsyncClient, parts: dict[str, str], stage: Stage
) -> None:
    campaign = await create(operator, parts)
    await stage.execute("INSERT INTO accounts (name, kind) VALUES ('real', 'USER')")
    await stage.execute("INSERT INTO batches (name) VALUES ('other')")
    other = await stage.one("SELECT id FROM batches WHERE name = 'other'")
    body = {
        "name": "New",
        "mode": "LIVE",
        "batchId": str(other.id),
        "deliveryRate": 1.5,
        "maxErrorRate": 0.25,
    }
    answer = await operator.patch(f"/api/campaigns/{campaign['id']}", json=body)
    assert answer.status_code == 200, answer.text
    changed = answer.json()
    assert {key: changed[key] for key in body} == body
    assert (changed["accountName"], changed["revision"]) == ("real", campaign["revision"] + 1)
    entry = await stage.one("SELECT * FROM audit_logs WHERE action = 'campaign.changed'")
    assert entry.before == {
        "name": "Test Campaign",
        "mode": "TEST",
        "batch_id": campaign["batchId"],
        "delivery_rate": 20.0,
        "max_error_rate": 0.1,
    }
    assert entry.after["name"] == "New"


async def test_while_it_runs_only_name_and_pace_can_be_changed(
    operator: httpx.AsyncClient, parts: dict[str, str]
) -> None:
    campaign = await create(operator, parts)
    address = f"/api/campaigns/{campaign['id']}"
    await act(operator, campaign["id"], "start")
    pace = {"name": "Renamed", "deliveryRate": 3, "retryLimit": 1, "maxErrorRate": 0.9}
    changed = await operator.patch(address, json=pace)
    assert changed.status_code == 200
    assert {key: changed.json()[key] for key in pace} == pace
    for field, value in (("batchId", str(uuid4())), ("templateId", str(uuid4())), ("mode", "LIVE")):
        refused = await operator.patch(address, json={field: value})
        assert (refused.status_code, refused.json()["field"]) == (409, field)
    same = await operator.patch(address, json={"mode": "TEST", "batchId": campaign["batchId"]})
    assert same.status_code == 200
    await act(operator, campaign["id"], "cancel")
    assert (await operator.patch(address, json={"name": "Ended"})).status_code == 200
    assert (await operator.patch(address, json={"deliveryRate": 9})).status_code == 409


async def test_a_lost_update_is_refused(operator: httpx.AsyncClient, parts: dict[str, str]) -> None:
    campaign = await create(operator, parts)
    address = f"/api/campaigns/{campaign['id']}"
    etag = (await operator.get(address)).headers["ETag"]
    first = await operator.patch(address, json={"name": "A"}, headers={"If-Match": etag})
    assert first.status_code == 200
    second = await operator.patch(address, json={"name": "B"}, headers={"If-Match": etag})
    assert (second.status_code, second.json()["code"]) == (412, "STALE_REVISION")
    assert (await operator.delete(address, headers={"If-Match": etag})).status_code == 412
    assert (await operator.get(address)).json()["name"] == "A"


async def test_null_is_no_change(operator: httpx.AsyncClient, parts: dict[str, str]) -> None:
    campaign = await create(operator, parts)
    refused = await operator.patch(f"/api/campaigns/{campaign['id']}", json={"batchId": None})
    assert (refused.status_code, refused.json()["field"]) == (422, "batchId")
    assert "cannot be null" in refused.json()["detail"]


async def test_a_copy_is_a_draft_with_the_same_parts(
    operator: httpx.AsyncClient, parts: dict[str, str]
) -> None:
    campaign = await create(operator, parts, deliveryRate=7, retryLimit=5, maxErrorRate=0.2)
    await act(operator, campaign["id"], "start")
    answer = await operator.post(f"/api/campaigns/{campaign['id']}/duplicate")
    assert answer.status_code == 201, answer.text
    copy = answer.json()
    assert (copy["name"], copy["status"], copy["progress"]["total"]) == ("Test Campaign (copy)", "DRAFT", 0)
    for field in ("batchId", "templateId", "accountId", "deliveryRate", "retryLimit", "maxErrorRate", "mode"):
        assert copy[field] == campaign[field]
    named = await operator.post(f"/api/campaigns/{campaign['id']}/duplicate", json={"name": "Mine"})
    assert named.json()["name"] == "Mine"


# ---- deleting -----------------------------------------------------------------------------------------------


async def test_only_what_has_not_started_or_has_ended_can_be_deleted(
    operator: httpx.AsyncClient, parts: dict[str, str], stage: Stage
) -> None:
    draft, started = await create(operator, parts), await create(operator, parts)
    assert (await operator.delete(f"/api/campaigns/{draft['id']}")).status_code == 204
    address = f"/api/campaigns/{started['id']}"
    await act(operator, started["id"], "start")
    for action in (None, "pause"):
        if action:
            await act(operator, started["id"], action)
        refused = await operator.delete(address)
        assert (refused.status_code, refused.json()["field"]) == (409, "status")
    await act(operator, started["id"], "cancel")
    assert (await operator.delete(address)).status_code == 204
    assert (await operator.get(address)).status_code == 404
    for table in ("jobs", "campaign_progress", "campaigns"):
        assert (await stage.one(f"SELECT count(*) AS n FROM {table}")).n == 0
    entries = await stage.execute("SELECT * FROM audit_logs WHERE action = 'campaign.deleted' ORDER BY id")
    assert [entry.before["status"] for entry in entries] == ["DRAFT", "CANCELLED"]


async def add_ended_campaign(stage: Stage, messages: int) -> CampaignId:
    await stage.add_channels(messages)
    campaign_id = await stage.add_campaign(await stage.add_account())
    await stage.execute("UPDATE jobs SET status = 'SENT'")
    await stage.execute("UPDATE campaign_progress SET queued = 0, sent = total")
    await stage.execute("UPDATE campaigns SET status = 'COMPLETED', ended_at = now()")
    return campaign_id


async def count_rows(stage: Stage) -> tuple[int, int]:
    """Messages and campaigns."""
    row = await stage.one("SELECT (SELECT count(*) FROM jobs), (SELECT count(*) FROM campaigns)")
    return row[0], row[1]


async def test_a_campaign_of_many_messages_is_gone_at_once_and_deleted_in_parts_by_a_worker(
    operator: httpx.AsyncClient, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletions, "REST", 0.0)
    campaign_id = await add_ended_campaign(stage, 5_000)
    address = f"/api/campaigns/{campaign_id}"
    assert (await operator.delete(address)).status_code == 204
    assert await count_rows(stage) == (3_000, 1)  # 2,000 messages a transaction
    for path in ("", "/jobs", "/progress", "/failures", "/report.csv", "/events"):
        assert (await operator.get(address + path)).status_code == 404, path
    assert (await operator.delete(address)).status_code == 404
    assert (await operator.patch(address, json={"name": "x"})).status_code == 404
    assert (await operator.post(f"{address}/duplicate")).status_code == 404
    assert (await act(operator, str(campaign_id), "retry-failed")).status_code == 404
    assert (await operator.get("/api/campaigns")).json()["items"] == []
    stats = (await operator.get("/api/queue/stats")).json()
    assert '"sent":0' in json.dumps(stats["jobs"], separators=(",", ":"))
    before = (await stage.one("SELECT pg_current_xact_id()::text::bigint AS n")).n
    await deletions.erase_deleted_campaigns(stage.engine)
    after = (await stage.one("SELECT pg_current_xact_id()::text::bigint AS n")).n
    assert after - before > 2
    assert await count_rows(stage) == (0, 0)


async def test_batch_and_template_of_a_deleted_campaign_are_free_once_its_messages_are_gone(
    operator: httpx.AsyncClient, stage: Stage
) -> None:
    campaign_id = await add_ended_campaign(stage, 2_500)
    row = await stage.one("SELECT batch_id, template_id FROM campaigns")
    await operator.delete(f"/api/campaigns/{campaign_id}")
    for address in (f"/api/batches/{row.batch_id}", f"/api/templates/{row.template_id}"):
        refused = await operator.delete(address)
        assert refused.status_code == 409
        assert "still being removed; try again in a moment" in refused.json()["detail"]
    await deletions.erase_deleted_campaigns(stage.engine)
    for address in (f"/api/batches/{row.batch_id}", f"/api/templates/{row.template_id}"):
        assert (await operator.delete(address)).status_code == 204


async def test_retention_leaves_deleted_campaigns_to_their_deletion(
    operator: httpx.AsyncClient, stage: Stage
) -> None:
    campaign_id = await add_ended_campaign(stage, 2_500)
    await operator.delete(f"/api/campaigns/{campaign_id}")
    await retention.purge_everything_due(stage.engine, timedelta(microseconds=1))
    assert await count_rows(stage) == (500, 1)
    assert await stage.execute("SELECT FROM audit_logs WHERE action = 'campaign.purged'") == []


async def test_the_audit_log_keeps_what_a_campaign_was(
    operator: httpx.AsyncClient, parts: dict[str, str], stage: Stage
) -> None:
    campaign = await create(operator, parts, maxErrorRate=0.25, retryLimit=2)
    copy = (await operator.post(f"/api/campaigns/{campaign['id']}/duplicate")).json()
    await operator.delete(f"/api/campaigns/{campaign['id']}")
    created, copied, deleted = await stage.execute(
        "SELECT action, entity_id, before, after FROM audit_logs WHERE entity_type = 'campaign' ORDER BY id"
    )
    expected = {
        "name": "Test Campaign",
        "mode": "TEST",
        "account": "rehearsal",
        "account_id": campaign["accountId"],
        "batch": "first",
        "batch_id": parts["batchId"],
        "template": "t",
        "template_id": parts["templateId"],
        "delivery_rate": 20.0,
        "retry_limit": 2,
        "max_error_rate": 0.25,
        "scheduled_at": None,
    }
    assert created.after == expected
    assert copied.entity_id == copy["id"]
    assert copied.after == expected | {"name": "Test Campaign (copy)", "copied_from": campaign["id"]}
    assert deleted.before == expected | {
        "status": "DRAFT",
        "total": 0,
        "sent": 0,
        "failed": 0,
        "cancelled": 0,
    }


async def test_messages_on_their_way_keep_a_cancelled_campaign(
    operator: httpx.AsyncClient, stage: Stage
) -> None:
    account_id = await stage.add_account()
    await stage.give_peers(account_id, await stage.add_channels(3))
    campaign_id = await stage.add_campaign(account_id)
    await stage.claim(await stage.acquire(account_id), campaign_id, 1)
    await stage.cancel(campaign_id)
    refused = await operator.delete(f"/api/campaigns/{campaign_id}")
    assert refused.status_code == 409
    assert "on their way" in refused.json()["detail"]


# ---- lists --------------------------------------------------------------------------------------------------


async def test_the_list_comes_in_pages_without_gaps_or_doubles(
    operator: httpx.AsyncClient, parts: dict[str, str]
) -> None:
    made = [(await create(operator, parts, name=f"c{number}"))["id"] for number in range(5)]
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await operator.get("/api/campaigns", params=query)).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert seen == made[::-1]


async def test_lists_are_filtered_by_what_is_shown(
    operator: httpx.AsyncClient, parts: dict[str, str], stage: Stage
) -> None:
    held, draft = await create(operator, parts, name="100% held"), await create(operator, parts, name="Draft")
    await act(operator, held["id"], "start")

    async def names(**query: Any) -> list[str]:
        answer = await operator.get("/api/campaigns", params=query)
        assert answer.status_code == 200, answer.text
        return [item["name"] for item in answer.json()["items"]]

    assert await names(status="RUNNING") == ["100% held"]
    await hold(stage, held["id"])
    assert await names(status="RUNNING") == []
    assert await names(status="PAUSED") == ["100% held"]
    assert await names(status=["PAUSED", "DRAFT"]) == ["Draft", "100% held"]
    assert await names(search="100%") == ["100% held"]
    assert await names(search="dRAF") == ["Draft"]
    assert await names(mode="LIVE") == []
    assert await names(accountId=draft["accountId"]) == ["Draft", "100% held"]
    assert await names(accountId=str(uuid4())) == []


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=501", "cursor=x", "cursor=W10", "status=ODD", "mode=PRODUCTION", "colour=red"],
)
async def test_a_bad_query_is_refused(operator: httpx.AsyncClient, query: str) -> None:
    answer = await operator.get(f"/api/campaigns?{query}")
    assert answer.status_code == 422
    assert answer.json()["field"].split(".")[0] == query.split("=", maxsplit=1)[0]


@pytest.mark.parametrize("path", ["", "/progress", "/failures", "/jobs", "/report.csv", "/events"])
async def test_an_unknown_campaign_is_not_found(operator: httpx.AsyncClient, path: str) -> None:
    assert (await operator.get(f"/api/campaigns/{uuid4()}{path}")).status_code == 404
    assert (await operator.get(f"/api/campaigns/7{path}")).status_code == 422


async def test_progress_has_the_counters_and_the_shown_status(
    operator: httpx.AsyncClient, parts: dict[str, str], stage: Stage
) -> None:
    campaign = await create(operator, parts)
    address = f"/api/campaigns/{campaign['id']}/progress"
    unstarted = (await operator.get(address)).json()
    assert (unstarted["status"], unstarted["total"], unstarted["version"]) == ("DRAFT", 0, 0)
    await act(operator, campaign["id"], "start")
    await fail(stage, campaign["id"], 1, "TIMEOUT")
    until = await hold(stage, campaign["id"])
    shown = (await operator.get(address)).json()
    whole = (await operator.get(f"/api/campaigns/{campaign['id']}")).json()
    timed = {"secondsLeft", "ratePerMinute"}
    assert {key: shown[key] for key in whole["progress"].keys() - timed} == {
        key: value for key, value in whole["progress"].items() if key not in timed
    }
    assert (shown["status"], shown["pauseReason"]) == ("PAUSED", "FLOOD_WAIT")
    assert (shown["total"], shown["queued"], shown["failed"]) == (CHANNELS, CHANNELS - 1, 1)
    assert datetime.fromisoformat(shown["resumesAt"]) == until
    assert shown["secondsLeft"] > 3_500


async def test_viewers_read_and_do_not_change(
    client_as: ClientAs, operator: httpx.AsyncClient, parts: dict[str, str]
) -> None:
    campaign = await create(operator, parts)
    viewer = await client_as(Role.VIEWER)
    assert (await viewer.get(f"/api/campaigns/{campaign['id']}")).status_code == 200
    assert (await viewer.post("/api/campaigns", json=describe(parts))).status_code == 403
    assert (await act(viewer, campaign["id"], "start")).status_code == 403
    assert (await viewer.delete(f"/api/campaigns/{campaign['id']}")).status_code == 403
