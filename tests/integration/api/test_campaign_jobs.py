"""What became of each message: pages in every filter, links, the report."""

import csv
import io
import json
from typing import Any

import httpx
import pytest
from sqlalchemy import Select
from sqlalchemy.dialects import postgresql

from tests.integration.api.conftest import ClientAs
from tests.support.stage import Stage
from vestnik.db import campaign_jobs as rows
from vestnik.db.campaign_jobs import BEFORE_ALL, JobFilter
from vestnik.domain.ids import AccountId, CampaignId
from vestnik.domain.states import JobStatus
from vestnik.domain.users import Role

CHANNELS = 60


@pytest.fixture
async def viewer(client_as: ClientAs) -> httpx.AsyncClient:
    return await client_as(Role.VIEWER)


@pytest.fixture
async def account_id(stage: Stage) -> AccountId:
    return await stage.add_account()


@pytest.fixture
async def campaign_id(stage: Stage, account_id: AccountId) -> CampaignId:
    """60 messages: ten each SENT, FAILED (two codes), CANCELLED, SENDING, returned and fresh, in turn."""
    await stage.give_peers(account_id, await stage.add_channels(CHANNELS))
    campaign_id = await stage.add_campaign(account_id)
    await stage.add_campaign(account_id)  # of which nothing must be shown
    await set_statuses(stage, campaign_id)
    return campaign_id


async def set_statuses(stage: Stage, campaign_id: CampaignId) -> None:
    await stage.execute(
        "UPDATE jobs j SET claims = CASE WHEN n % 6 = 5 THEN 0 ELSE 1 END,"
        " status = (ARRAY['SENT', 'FAILED', 'CANCELLED', 'SENDING', 'QUEUED', 'QUEUED'])[n % 6 + 1],"
        " message_ids = CASE WHEN n % 6 = 0 THEN ARRAY[n + 1] END,"
        " error_code = CASE WHEN n % 6 = 1 THEN CASE WHEN n % 12 = 1 THEN 'TIMEOUT' ELSE '=EVIL' END END"
        " FROM (SELECT id, row_number() OVER (ORDER BY id) - 1 AS n FROM jobs WHERE campaign_id = :id) x"
        " WHERE x.id = j.id",
        id=campaign_id,
    )
    await stage.recount()


async def read_pages(client: httpx.AsyncClient, campaign_id: object, **query: Any) -> list[dict[str, Any]]:
    """All pages of a list, one after the other."""
    items: list[dict[str, Any]] = []
    cursor = None
    while True:
        wanted = query | ({"cursor": cursor} if cursor else {})
        answer = await client.get(f"/api/campaigns/{campaign_id}/jobs", params=wanted)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        items += page["items"]
        cursor = page["nextCursor"]
        if cursor is None:
            return items


@pytest.mark.parametrize("limit", [3, 10, 500])
@pytest.mark.parametrize(
    ("query", "number"),
    [
        ({}, 60),
        ({"status": "SENT"}, 10),
        ({"status": "FAILED"}, 10),
        ({"status": "CANCELLED"}, 10),
        ({"status": "SENDING"}, 10),
        ({"status": "QUEUED"}, 20),
        ({"errorCode": "TIMEOUT"}, 5),
        ({"errorCode": "TIMEOUT", "status": "FAILED"}, 5),
        ({"errorCode": "TIMEOUT", "status": "SENT"}, 0),
        ({"errorCode": "NONE"}, 0),
        ({"search": "first_0001"}, 10),
        ({"search": "FIRST_0001", "status": "QUEUED"}, 4),
        ({"search": "@first_00007"}, 1),
        ({"search": "https://t.me/first_00007"}, 1),
        ({"search": "100%"}, 0),
    ],
)
async def test_every_filter_gives_each_message_once_and_in_order(
    viewer: httpx.AsyncClient, campaign_id: CampaignId, query: dict[str, str], number: int, limit: int
) -> None:
    items = await read_pages(viewer, campaign_id, limit=str(limit), **query)
    ids = [item["id"] for item in items]
    assert len(ids) == number
    assert ids == sorted(set(ids))
    for item in items:
        assert item["status"] == query.get("status", item["status"])
        assert item["errorCode"] == query.get("errorCode", item["errorCode"])


async def test_pages_that_stop_looking_early_leave_nothing_out(
    viewer: httpx.AsyncClient, campaign_id: CampaignId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "WINDOW", 4)
    monkeypatch.setattr(rows, "SEARCH_WINDOW", 4)
    monkeypatch.setattr(rows, "LOOK_FOR_SECONDS", -1.0)
    first = (await viewer.get(f"/api/campaigns/{campaign_id}/jobs?status=CANCELLED&limit=5")).json()
    assert (len(first["items"]), first["nextCursor"] is None) == (1, False)
    assert len(await read_pages(viewer, campaign_id, status="CANCELLED", limit="5")) == 10
    assert len(await read_pages(viewer, campaign_id, search="first_0004", limit="5")) == 10


async def test_many_returned_messages_are_looked_for_among_all(
    viewer: httpx.AsyncClient, campaign_id: CampaignId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "FEW_RETURNED", 3)
    assert len(await read_pages(viewer, campaign_id, status="QUEUED", limit="7")) == 20


async def test_a_live_post_has_a_link_and_a_rehearsed_one_has_none(
    viewer: httpx.AsyncClient, campaign_id: CampaignId, stage: Stage
) -> None:
    (rehearsed, *_) = await read_pages(viewer, campaign_id, status="SENT")
    assert (rehearsed["channel"], rehearsed["messageIds"], rehearsed["link"]) == ("@first_00001", [1], None)
    real = await stage.one("INSERT INTO accounts (name, kind) VALUES ('real', 'USER') RETURNING id")
    await stage.execute("INSERT INTO channels (tg_id) VALUES (777)")
    await stage.execute(
        "INSERT INTO batch_channels (batch_id, channel_id)"
        " SELECT b.id, c.id FROM batches b, channels c WHERE b.name = 'first' AND c.tg_id = 777"
    )
    row = await stage.one(
        "INSERT INTO campaigns (name, account_id, account_kind, batch_id, template_id, mode, delivery_rate)"
        " SELECT 'live', :account_id, 'USER', batch_id, template_id, 'LIVE', 20 FROM campaigns WHERE id = :id"
        " RETURNING id",
        account_id=real.id,
        id=campaign_id,
    )
    await stage.start(row.id)
    await stage.execute("UPDATE jobs SET message_ids = ARRAY[9, 10] WHERE campaign_id = :id", id=row.id)
    live = {item["channel"]: item["link"] for item in await read_pages(viewer, row.id)}
    assert live["@first_00001"] == "https://t.me/first_00001/9"
    assert live["-1000000000777"] == "https://t.me/c/777/9"


async def test_after_a_purge_the_page_is_empty_and_says_since_when(
    viewer: httpx.AsyncClient, campaign_id: CampaignId, stage: Stage
) -> None:
    await stage.execute("DELETE FROM jobs")
    await stage.execute("UPDATE campaigns SET purged_at = now()")
    page = (await viewer.get(f"/api/campaigns/{campaign_id}/jobs")).json()
    assert (page["items"], page["nextCursor"]) == ([], None)
    assert page["purgedAt"] is not None
    assert (await viewer.get(f"/api/campaigns/{campaign_id}")).json()["purgedAt"] == page["purgedAt"]


async def test_the_report_has_a_line_for_each_message_and_no_formula(
    viewer: httpx.AsyncClient, stage: Stage, campaign_id: CampaignId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vestnik.api.campaign_jobs._REPORT_PAGE", 7)
    await stage.execute("UPDATE jobs SET sent_at = clock_timestamp() WHERE status = 'SENT'")
    answer = await viewer.get(f"/api/campaigns/{campaign_id}/report.csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.content.startswith("\ufeff".encode())
    lines = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert len(lines) == CHANNELS
    assert [int(line["id"]) for line in lines] == sorted(int(line["id"]) for line in lines)
    assert {line["errorCode"] for line in lines} == {"", "TIMEOUT", "'=EVIL"}
    assert (lines[0]["channel"], lines[0]["messageIds"]) == ("'@first_00001", "1")
    page = (await viewer.get(f"/api/campaigns/{campaign_id}/jobs")).json()["items"]
    assert lines[0]["sentAt"] == page[0]["sentAt"]
    assert lines[0]["sentAt"].endswith("Z")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=ODD", "status"),
        ("limit=0", "limit"),
        ("cursor=%C3%A4", "cursor"),
        ("cursor=WzFd!", "cursor"),
        ("order=id", "order"),
    ],
)
async def test_a_bad_query_is_refused(
    viewer: httpx.AsyncClient, campaign_id: CampaignId, query: str, field: str
) -> None:
    answer = await viewer.get(f"/api/campaigns/{campaign_id}/jobs?{query}")
    assert (answer.status_code, answer.json()["field"]) == (422, field)


# ---- plans --------------------------------------------------------------------------------------------------


async def explain(stage: Stage, query: Select[Any]) -> set[tuple[str, str | None]]:
    """The scans of the jobs in a plan."""
    text = str(query.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}))  # type: ignore[no-untyped-call]
    row = await stage.one(f"EXPLAIN (FORMAT JSON) {text.replace(':', chr(92) + ':')}")
    plan = row[0] if isinstance(row[0], list) else json.loads(row[0])

    def walk(node: dict[str, Any]) -> list[dict[str, Any]]:
        return [node, *(found for child in node.get("Plans", []) for found in walk(child))]

    return {
        (node["Node Type"], node.get("Index Name"))
        for node in walk(plan[0]["Plan"])
        if node.get("Relation Name") == "jobs" or "Index Name" in node
    }


async def test_each_filter_reads_the_index_that_holds_what_it_asks_for(stage: Stage) -> None:
    account_id = await stage.add_account()
    await stage.add_channels(4_000)
    campaigns = [await stage.add_campaign(account_id) for _ in range(4)]
    await stage.execute(
        "UPDATE jobs SET claims = CASE WHEN id % 50 = 3 THEN 0 ELSE 1 END, status = CASE"
        " WHEN id % 50 IN (2, 3) THEN 'QUEUED' WHEN id % 50 = 0 THEN 'FAILED'"
        " WHEN id % 400 = 1 THEN 'SENDING' ELSE 'SENT' END"
    )
    await stage.recount()
    await stage.execute("ANALYZE jobs, campaign_progress")
    campaign_id = campaigns[1]
    everything = {
        "jobs_campaign_id_id_idx": rows.select_all(campaign_id, BEFORE_ALL, 51),
        "jobs_failed_idx": rows.select_failed(campaign_id, BEFORE_ALL, 51),
        "jobs_open_idx": rows.select_fresh(campaign_id, BEFORE_ALL, 51),
        "jobs_returned_idx": rows.select_returned(campaign_id, BEFORE_ALL, 51),
    }
    for index, query in everything.items():
        scans = await explain(stage, query)
        assert {name for _, name in scans if name is not None} == {index}, (index, scans)
        assert "Seq Scan" not in {kind for kind, _ in scans}
    scans = await explain(stage, rows.select_being_sent(campaign_id, BEFORE_ALL, 51))
    assert ("Index Scan", "jobs_open_idx") in scans
    assert {name for _, name in scans} <= {"jobs_open_idx", "campaign_progress_pkey"}
    first = (await stage.one("SELECT min(id) AS id FROM jobs WHERE campaign_id = :id", id=campaign_id)).id
    for wanted in (JobFilter(status=JobStatus.SENT), JobFilter(error_code="X")):
        for query in (
            rows.select_next(campaign_id, wanted, BEFORE_ALL),
            rows.select_window(campaign_id, wanted, first, first + 999, 51),
        ):
            assert "Seq Scan" not in {kind for kind, _ in await explain(stage, query)}
