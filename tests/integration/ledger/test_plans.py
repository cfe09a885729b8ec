"""The hot statements stay on their indexes: none of them reads the ledger from end to end."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from tests.integration.ledger.conftest import Scene, make_scene
from tests.support.stage import Stage
from vestnik.db.ledger import LOOKED_AT
from vestnik.db.statements import load_statement
from vestnik.domain.ids import CampaignId

JOBS = 4_000
ENDED = 15


@pytest.fixture
async def crowd(stage: Stage) -> Scene:
    return await _make_crowd(stage, ENDED)


async def _make_crowd(stage: Stage, ended: int) -> Scene:
    """A campaign of many jobs among others that have long ended."""
    account_id = await stage.add_account()
    channels = await stage.add_channels(JOBS)
    await stage.give_peers(account_id, channels)
    for _ in range(ended):
        await stage.add_campaign(account_id)
    await stage.execute("UPDATE jobs SET status = 'SENT', claims = 1")
    await stage.execute("UPDATE campaigns SET status = 'COMPLETED'")
    campaign_id = await stage.add_campaign(account_id)
    await stage.execute("ANALYZE jobs, channels, channel_peers, campaigns, campaign_progress")
    return Scene(
        stage=stage,
        account_id=account_id,
        channels=channels,
        campaign_id=campaign_id,
        lease=await stage.acquire(account_id),
    )


def _walk(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [node, *(found for child in node.get("Plans", []) for found in _walk(child))]


async def _explain(
    stage: Stage, statement: str, parameters: dict[str, object], *, options: str = "FORMAT JSON"
) -> list[dict[str, Any]]:
    async with stage.engine.connect() as connection:
        explained = text(f"EXPLAIN ({options}) {load_statement(statement).text}")
        plan = (await connection.execute(explained, parameters)).scalar_one()
        await connection.rollback()
    parsed = json.loads(plan) if isinstance(plan, str) else plan
    return _walk(parsed[0]["Plan"])


def _scans_of_jobs(nodes: list[dict[str, Any]]) -> set[tuple[str, str | None]]:
    return {
        (node["Node Type"], node.get("Index Name")) for node in nodes if node.get("Relation Name") == "jobs"
    }


def _claim_parameters(scene: Scene, campaign_id: CampaignId) -> dict[str, object]:
    return {
        "account_id": scene.account_id,
        "epoch": scene.lease.epoch,
        "campaign_ids": [campaign_id],
        "counts": [50],
        "cursors": [0],
        "next_slots": [0.0],
        "account_next_slot": 0.0,
        "span": LOOKED_AT,
    }


async def test_no_hot_statement_reads_the_ledger_from_end_to_end(crowd: Scene) -> None:
    scans = _scans_of_jobs(
        await _explain(crowd.stage, "claim_jobs", _claim_parameters(crowd, crowd.campaign_id))
    )
    assert scans == {
        ("Index Scan", "jobs_open_idx"),
        ("Index Scan", "jobs_returned_idx"),
        ("Index Scan", "jobs_pkey"),  # the update itself
        ("ModifyTable", None),
    }
    jobs = await crowd.claim(50)
    for status in ("SENT", "QUEUED", "FAILED"):
        results = [
            {
                "job_id": job.job_id,
                "claim_epoch": job.claim_epoch,
                "claims": job.claims,
                "outcome": status,
                "delay": 0,
            }
            for job in jobs
        ]
        scans = _scans_of_jobs(
            await _explain(
                crowd.stage,
                "record_results",
                {"results": json.dumps(results), "failures_to_deactivate": 5, "brake_results": 20},
            )
        )
        assert scans == {("Index Scan", "jobs_pkey"), ("ModifyTable", None)}, (status, scans)
    watched: dict[str, dict[str, object]] = {
        "return_orphans": {"account_id": crowd.account_id, "epoch": crowd.lease.epoch},
        "read_lane": {"account_id": crowd.account_id},
        "read_due": {},
    }
    for statement, parameters in watched.items():
        scans = _scans_of_jobs(await _explain(crowd.stage, statement, parameters))
        assert "Seq Scan" not in {kind for kind, _ in scans}, (statement, scans)


async def test_a_claim_from_a_campaign_that_is_the_whole_ledger_stays_on_indexes(stage: Stage) -> None:
    """Regression: the planner takes a tenth of the campaign for what is claimed; of a million jobs it read all."""
    scene = await make_scene(stage, 20_000)
    await stage.execute("ANALYZE jobs, channels, channel_peers, campaigns, campaign_progress")
    nodes = await _explain(stage, "claim_jobs", _claim_parameters(scene, scene.campaign_id))
    read_whole = {
        node["Relation Name"]
        for node in nodes
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in {"jobs", "channels", "channel_peers"}
    }
    assert read_whole == set()


async def test_what_a_former_holder_left_is_found_without_reading_the_queue(crowd: Scene) -> None:
    """Behind some that cannot be claimed, as their accounts know no address."""
    blocked = 30
    await crowd.stage.execute(
        "UPDATE channel_peers SET access_hash = NULL WHERE channel_id IN (SELECT channel_id FROM jobs"
        " WHERE campaign_id = :id ORDER BY id LIMIT :n)",
        id=crowd.campaign_id,
        n=blocked,
    )
    taken = await crowd.claim(20)
    await crowd.stage.execute("UPDATE account_leases SET epoch = epoch + 1")
    parameters: dict[str, object] = {"account_id": crowd.account_id, "epoch": crowd.lease.epoch + 1}
    nodes = await _explain(crowd.stage, "return_orphans", parameters, options="ANALYZE, FORMAT JSON")
    # Each is found, locked, looked up and changed.
    assert blocked + len(taken) <= _count_rows(nodes, "jobs") <= blocked + 4 * len(taken)


async def test_no_search_among_open_jobs_sorts_them_all(stage: Stage) -> None:
    """Regression: to the planner, hardly any job was both queued and open, as few of the ledger are either."""
    # Among 15 that ended both plans of list_stalled cost as much, and the sample that ANALYZE took chose one.
    crowd = await _make_crowd(stage, 5)
    await stage.execute("UPDATE channel_peers SET access_hash = NULL")
    await stage.execute("ANALYZE channel_peers")
    parameters = _claim_parameters(crowd, crowd.campaign_id)
    nodes = await _explain(stage, "claim_jobs", parameters, options="ANALYZE, FORMAT JSON")
    nodes += await _explain(stage, "list_stalled", {"after": timedelta(0), "most": 100, "limit": 9})
    found = [node["Node Type"] for node in nodes if node.get("Index Name") == "jobs_open_idx"]
    assert len(found) == 5
    assert set(found) <= {"Index Scan", "Index Only Scan"}


async def test_a_claim_of_fresh_jobs_writes_to_no_index(stage: Stage) -> None:
    """Half of each page is free for what a claim writes, and nothing that it changes is in an index."""
    scene = await make_scene(stage, 100)
    async with stage.engine.connect() as connection:
        parameters = _claim_parameters(scene, scene.campaign_id)
        claimed = (await connection.execute(load_statement("claim_jobs"), parameters)).all()
        count = "SELECT pg_stat_get_xact_tuples_updated(j), pg_stat_get_xact_tuples_hot_updated(j)"
        counted = (await connection.execute(text(f"{count} FROM (SELECT 'jobs'::regclass) AS t (j)"))).one()
        await connection.rollback()
    assert len(claimed) == 50
    updated, without_index = counted
    assert updated == 50
    assert without_index >= 45, "but for the last of a page: with its time and epoch a row is a little longer"


@pytest.fixture
async def unfound(stage: Stage) -> Scene:
    """A campaign of many channels of which not one has an address, and no look-up is left for today."""
    account_id = await stage.add_account()
    channels = await stage.add_channels(30_000)
    await stage.give_peers(account_id, channels)
    await stage.execute("UPDATE channel_peers SET access_hash = NULL")
    campaign_id = await stage.add_campaign(account_id)
    await stage.execute(
        "INSERT INTO account_lookups (account_id, day, used, daily_limit)"
        " VALUES (:id, (clock_timestamp() AT TIME ZONE 'UTC')::date, 200, 200)",
        id=account_id,
    )
    await stage.execute("ANALYZE jobs, channels, channel_peers, campaigns, campaign_progress")
    lease = await stage.acquire(account_id)
    return Scene(stage=stage, account_id=account_id, channels=channels, campaign_id=campaign_id, lease=lease)


def _count_rows(nodes: list[dict[str, Any]], relation: str) -> int:
    return sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in nodes
        if node.get("Relation Name") == relation
    )


async def test_a_claim_reads_a_part_of_a_queue_in_which_nothing_can_be_claimed(unfound: Scene) -> None:
    """Regression: it read all of it, once a second, and other campaigns of the account waited for it."""
    parameters = _claim_parameters(unfound, unfound.campaign_id)
    nodes = await _explain(unfound.stage, "claim_jobs", parameters, options="ANALYZE, FORMAT JSON")
    for relation in ("jobs", "channels", "channel_peers"):
        assert _count_rows(nodes, relation) <= LOOKED_AT + 10, relation
    assert await unfound.claim(1) == []


async def test_a_page_that_tells_of_used_up_look_ups_reads_a_part_of_the_queue(unfound: Scene) -> None:
    """Regression: with all but a few channels found it read all that was queued, for each open page."""
    await unfound.stage.execute("UPDATE channel_peers SET access_hash = 1")
    await unfound.stage.execute("ANALYZE channel_peers")
    parameters = {"campaign_id": unfound.campaign_id, "most": 1_001, "looked_at": 2_000}
    nodes = await _explain(unfound.stage, "find_lookup_wait", parameters, options="ANALYZE, FORMAT JSON")
    assert 2_000 <= _count_rows(nodes, "jobs") <= 2_010


async def test_a_start_reads_the_channels_of_its_batch_and_no_others(stage: Stage) -> None:
    """Regression: for 10,000 channels of an installation with a million it read all, twice."""
    account_id = await stage.add_account()
    channels = [*await stage.add_channels(20_000, "others"), *await stage.add_channels(1_000)]
    await stage.give_peers(account_id, channels)
    campaign_id = await stage.add_campaign(account_id)
    await stage.execute("DELETE FROM jobs")
    await stage.execute("ANALYZE channels, channel_peers, batch_channels, jobs")
    batch_id = (await stage.one("SELECT batch_id FROM campaigns")).batch_id
    parameters = {
        "campaign_id": campaign_id,
        "account_id": account_id,
        "batch_id": batch_id,
        "preflight_id": None,
        "after": 0,
        "chunk": 50_000,
    }
    nodes = await _explain(stage, "expand_campaign", parameters, options="ANALYZE, FORMAT JSON")
    assert _count_rows(nodes, "channels") == 1_000
    # Each one's own address, and with it in the search for another channel that leads to the same place.
    assert _count_rows(nodes, "channel_peers") == 2_000


async def test_looking_for_missing_addresses_does_not_read_the_jobs_for_each_channel_of_others(
    stage: Stage,
) -> None:
    """Regression: a minute, at every takeover, for 10,000 channels of four accounts."""
    accounts = [await stage.add_account() for _ in range(4)]
    for number, account_id in enumerate(accounts):
        await stage.add_channels(JOBS // 4, f"part{number}")
        await stage.add_campaign(account_id, batch=f"part{number}")
    await stage.execute("UPDATE jobs SET status = 'SENT', claims = 1")
    await stage.execute("UPDATE campaigns SET status = 'COMPLETED'")
    await stage.execute(
        "INSERT INTO channel_peers (account_id, channel_id, tg_id, access_hash)"
        " SELECT account_id, channel_id, id, 1 FROM jobs"
    )
    for number, account_id in enumerate(accounts):
        await stage.add_campaign(account_id, batch=f"part{number}")
    await stage.execute("ANALYZE jobs, channels, channel_peers, campaigns, batch_channels")
    nodes = await _explain(
        stage,
        "list_unresolved",
        {"account_id": accounts[0], "listed_at": None, "page": 100},
        options="ANALYZE, FORMAT JSON",
    )
    rows = sum(
        (
            node["Actual Rows"]
            + node.get("Rows Removed by Filter", 0)
            + node.get("Rows Removed by Join Filter", 0)
        )
        * node["Actual Loops"]
        for node in nodes
    )
    assert rows < 20 * JOBS


async def test_a_purge_reads_the_jobs_of_its_campaign_and_no_others(stage: Stage) -> None:
    account_id = await stage.add_account()
    await stage.add_channels(2_500)
    campaigns = [await stage.add_campaign(account_id) for _ in range(8)]
    await stage.execute("UPDATE jobs SET status = 'SENT', claims = 1")
    await stage.execute("UPDATE campaign_progress SET queued = 0, sent = total")
    await stage.execute(
        "UPDATE campaigns SET status = 'COMPLETED', ended_at = now() - interval '8 days', purged_at = now()"
    )
    await stage.execute("DELETE FROM jobs WHERE campaign_id = :id", id=campaigns[0])
    await stage.execute("ANALYZE jobs, campaigns, campaign_progress")
    week = timedelta(days=7)
    scans = _scans_of_jobs(
        await _explain(
            stage,
            "purge_jobs",
            {"campaign_id": campaigns[1], "keep_for": week, "after": 0, "batch": 20},
        )
    )
    assert scans == {
        ("Index Only Scan", "jobs_campaign_id_id_idx"),
        ("Index Scan", "jobs_pkey"),  # the deletion itself
        ("ModifyTable", None),
    }
    nodes = await _explain(
        stage, "list_purgeable", {"keep_for": week, "batch": 100}, options="ANALYZE, FORMAT JSON"
    )
    scanned = [node for node in nodes if node.get("Relation Name") == "jobs"]
    assert {node["Node Type"] for node in scanned} <= {"Index Scan", "Index Only Scan"}
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in scanned) < len(campaigns) + 1
