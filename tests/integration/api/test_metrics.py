"""/metrics of the API: the installation in figures, for those who may read, with a database and without."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import URL, event
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.integration.api.conftest import HOST, ClientAs, add_token, add_user, make_state
from tests.support.keys import lend
from tests.support.proxy import DatabaseProxy
from tests.support.stage import Stage, make_result
from vestnik import __version__
from vestnik.api.app import create_app
from vestnik.api.health import Readiness
from vestnik.db.engine import make_engine, open_session
from vestnik.db.secrets import KeyRing
from vestnik.domain.ids import AccountId, CampaignId
from vestnik.domain.states import JobStatus
from vestnik.domain.users import Role
from vestnik.metrics.catalogue import BUILD_INFO, METRICS, Process
from vestnik.services.metrics import read_installation_figures
from vestnik.web.database import Limits

Find = Callable[..., float]


async def scrape(client: httpx.AsyncClient) -> httpx.Response:
    answer = await client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return answer


def read(text: str) -> Find:
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def find(name: str, **labels: str) -> float:
        (found,) = [
            sample.value
            for sample in samples
            if sample.name == name and labels.items() == sample.labels.items()
        ]
        return float(found)

    return find


@pytest.fixture
async def account_id(stage: Stage) -> AccountId:
    return await stage.add_account()


async def play(stage: Stage, account_id: AccountId) -> CampaignId:
    """Of five messages one is out, one failed, one is on its way, and one comes again tomorrow."""
    await stage.give_peers(account_id, await stage.add_channels(5))
    campaign_id = await stage.add_campaign(account_id)
    lease = await stage.acquire(account_id, "w1")
    sent, failed, returned, _ = await stage.claim(lease, campaign_id, 4)
    await stage.ledger.record(
        [
            make_result(sent, JobStatus.SENT, message_ids=(1,)),
            make_result(failed, JobStatus.FAILED, error_code="CHAT_SEND_PLAIN_FORBIDDEN"),
            make_result(returned, JobStatus.QUEUED),
        ]
    )
    await stage.execute(
        "UPDATE jobs SET not_before = clock_timestamp() + interval '1 day' WHERE id = :id",
        id=returned.job_id,
    )
    return campaign_id


async def test_the_figures_are_those_of_the_database(
    stage: Stage, account_id: AccountId, client_as: ClientAs
) -> None:
    await play(stage, account_id)
    paused = await stage.add_campaign(account_id)
    await stage.pause(paused)
    await stage.execute("INSERT INTO workers (holder, host, pid) VALUES ('w1', 'host', 7)")
    await stage.execute(
        "INSERT INTO workers (holder, host, pid, seen_at)"
        " VALUES ('w2', 'host', 8, clock_timestamp() - interval '1 hour')"
    )
    await stage.execute(
        "INSERT INTO account_holds (account_id, scope, until, reason)"
        " VALUES (:id, 'RESOLVE', clock_timestamp() + interval '1 hour', 'FLOOD_WAIT')",
        id=account_id,
    )
    real = await stage.one(
        "INSERT INTO accounts (name, kind, state) VALUES ('desk', 'USER', 'LIMITED') RETURNING id"
    )
    channels = [row.id for row in await stage.execute("SELECT id FROM channels ORDER BY username")]
    await stage.execute(
        "UPDATE channels SET is_active = false, inactive_reason = 'OPERATOR' WHERE id = :id", id=channels[0]
    )
    await stage.execute(
        "INSERT INTO channel_peers (account_id, channel_id, is_active, inactive_reason)"
        " SELECT :account, id, false, reason"
        " FROM unnest(CAST(:ids AS uuid[]), CAST(:reasons AS text[])) c (id, reason)",
        account=real.id,
        ids=channels[1:3],
        reasons=["CHANNEL_PRIVATE", "TIMEOUT"],
    )
    await stage.execute(
        "INSERT INTO alerts (key, kind, state, is_urgent, name, title, since, resolved_at)"
        " SELECT kind || n, kind, state, true, 'secret name', '', now(), ended"
        " FROM (VALUES (1, 'STALLED', 'FIRING', NULL), (2, 'STALLED', 'FIRING', NULL),"
        " (3, 'STALLED', 'RESOLVED', now()), (4, 'ERROR_RATE', 'RESOLVED', now())) a (n, kind, state, ended)"
    )
    find = read((await scrape(await client_as(Role.VIEWER))).text)
    assert find("vestnik_alerts", kind="STALLED") == 2
    assert find("vestnik_alerts", kind="ERROR_RATE") == 0
    jobs = {status: find("vestnik_jobs", mode="TEST", status=status) for status in JobStatus}
    assert jobs == {"QUEUED": 2 + 5, "SENDING": 1, "SENT": 1, "FAILED": 1, "CANCELLED": 0}
    assert find("vestnik_jobs", mode="LIVE", status="SENT") == 0
    assert find("vestnik_campaigns", mode="TEST", status="RUNNING") == 1
    assert find("vestnik_campaigns", mode="TEST", status="PAUSED") == 1
    assert find("vestnik_campaigns_paused", mode="TEST", reason="OPERATOR") == 1
    assert find("vestnik_campaigns_paused", mode="TEST", reason="ERROR_RATE") == 0
    assert find("vestnik_campaigns_due", mode="TEST") == 1
    assert 0 <= find("vestnik_queue_age_seconds", mode="TEST") < 600
    assert 0 < find("vestnik_oldest_sending_seconds") < 600
    assert find("vestnik_accounts", kind="USER", state="LIMITED") == 1
    assert find("vestnik_accounts_held", mode="TEST", scope="RESOLVE") == 1
    assert find("vestnik_accounts_held", mode="TEST", scope="SEND") == 0
    assert 3000 < find("vestnik_account_hold_remaining_seconds", mode="TEST", scope="RESOLVE") <= 3600
    assert find("vestnik_workers") == 1
    assert find("vestnik_channels", state="ACTIVE") == 2
    assert find("vestnik_channels", state="INACTIVE") == 3
    assert find("vestnik_channel_stops", scope="ALL", reason="OPERATOR") == 1
    assert find("vestnik_channel_stops", scope="ACCOUNT", reason="CHANNEL_PRIVATE") == 1
    assert find("vestnik_channel_stops", scope="ACCOUNT", reason="OTHER") == 1
    assert find("vestnik_database_up") == 1
    assert find("vestnik_database_pool_size") == 5
    assert find("vestnik_sse_listeners") == 0
    assert find("vestnik_build_info", version=__version__, process="API") == 1


async def test_it_exports_each_metric_of_the_catalogue_and_no_label_that_is_not_listed(
    stage: Stage, account_id: AccountId, client_as: ClientAs
) -> None:
    await play(stage, account_id)
    await stage.execute("UPDATE channels SET is_active = false WHERE username = 'first_00005'")
    of_api = {metric.name: metric for metric in METRICS if Process.API in metric.processes}
    seen = set()
    for family in text_string_to_metric_families((await scrape(await client_as(Role.VIEWER))).text):
        if not family.name.startswith("vestnik_"):
            continue
        seen.add(family.name)
        metric = of_api[family.name]
        assert (family.type, family.documentation) == (metric.kind, metric.help)
        for sample in family.samples:
            assert set(sample.labels) == set(metric.labels)
            if metric is not BUILD_INFO:
                assert all(value in metric.labels[key] for key, value in sample.labels.items()), sample
    assert seen == set(of_api)


async def read_figures(stage: Stage) -> tuple[float, float]:
    """(campaigns that are due, how far one is behind)."""
    async with open_session(stage.engine) as session:
        figures = await read_installation_figures(session)
    return figures.campaigns_due["TEST",], figures.queue_age["TEST",]


async def set_slot(stage: Stage, campaign_id: CampaignId, seconds: int) -> None:
    """Of a campaign that began yesterday, from now on."""
    await stage.execute(
        "UPDATE campaigns SET started_at = clock_timestamp() - interval '1 day',"
        " next_slot_at = clock_timestamp() + make_interval(secs => :seconds) WHERE id = :id",
        id=campaign_id,
        seconds=seconds,
    )


async def test_a_campaign_is_behind_since_the_moment_from_which_it_could_have_gone_on(
    stage: Stage, account_id: AccountId
) -> None:
    campaign_id = await play(stage, account_id)
    await set_slot(stage, campaign_id, -300)
    await stage.execute("UPDATE account_leases SET next_slot_at = NULL")
    due, age = await read_figures(stage)
    assert (due, 300 <= age < 500) == (1, True)
    await stage.execute("UPDATE account_leases SET next_slot_at = now() - interval '100 s'")
    due, age = await read_figures(stage)
    assert (due, 100 <= age < 300) == (1, True), "the account's turn came later"
    await set_slot(stage, campaign_id, 300)
    assert await read_figures(stage) == (1, 0), "its turn is still to come"


async def test_nothing_is_due_while_only_messages_wait_that_come_later_or_the_account_may_not_post(
    stage: Stage, account_id: AccountId
) -> None:
    campaign_id = await play(stage, account_id)
    assert (await read_figures(stage))[0] == 1
    hold = (
        "INSERT INTO account_holds (account_id, scope, until, reason)"
        " VALUES (:id, 'SEND', clock_timestamp() + interval '1 hour', 'FLOOD_WAIT')"
    )
    await stage.execute(hold, id=account_id)
    assert await read_figures(stage) == (0, 0)
    await stage.execute("DELETE FROM account_holds")
    await stage.execute("UPDATE accounts SET state = 'LIMITED' WHERE id = :id", id=account_id)
    assert await read_figures(stage) == (0, 0)
    await stage.execute("UPDATE accounts SET state = 'ACTIVE' WHERE id = :id", id=account_id)
    assert (await read_figures(stage))[0] == 1
    lease = await stage.one("SELECT * FROM account_leases WHERE account_id = :id", id=account_id)
    assert lease.holder == "w1"
    await stage.execute(
        "UPDATE jobs SET claims = 1, not_before = clock_timestamp() + interval '1 day' WHERE status = 'QUEUED'"
    )
    assert await read_figures(stage) == (0, 0)
    await stage.execute(
        "UPDATE jobs SET not_before = clock_timestamp() - interval '200 s' WHERE status = 'QUEUED'"
        " AND campaign_id = :id",
        id=campaign_id,
    )
    await stage.execute("UPDATE campaigns SET started_at = now() - interval '1 day', next_slot_at = NULL")
    await stage.execute("UPDATE account_leases SET next_slot_at = NULL")
    due, age = await read_figures(stage)
    assert (due, 200 <= age < 400) == (1, True)


async def test_a_token_that_may_only_read_is_enough_and_a_revoked_one_is_refused_at_once(
    stage: Stage, client_as: ClientAs
) -> None:
    client = await client_as(Role.ADMIN, scope="READ")
    await scrape(client)
    await stage.execute("UPDATE api_tokens SET revoked_at = clock_timestamp()")
    assert (await client.get("/metrics")).status_code == 401
    assert (await client.get("/metrics", headers={"Authorization": "Bearer wrong"})).status_code == 401
    assert (await client.get("/metrics", headers={"Authorization": "odd"})).status_code == 401


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, figures do not grow old during a test."""
    monkeypatch.setattr("vestnik.api.metrics.FRESH_SECONDS", 3600.0)


@pytest.mark.usefixtures("patience")
async def test_any_number_of_scrapers_cost_the_database_one_look(
    engine: AsyncEngine, client_as: ClientAs
) -> None:
    client = await client_as(Role.VIEWER)
    statements: list[str] = []
    event.listen(
        engine.sync_engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2])
    )
    for _ in range(2):
        for answer in await asyncio.gather(*(client.get("/metrics") for _ in range(10))):
            assert answer.status_code == 200
    assert sum("FROM workers" in statement for statement in statements) == 1


async def test_listeners_are_counted(app: FastAPI, client_as: ClientAs) -> None:
    client = await client_as(Role.VIEWER)
    hub = app.state.web.hub
    with hub.watch({}), hub.watch({}):
        assert read((await scrape(client)).text)("vestnik_sse_listeners") == 2
    assert read((await scrape(client)).text)("vestnik_sse_listeners") == 0


async def test_without_a_database_who_was_let_in_before_sees_that_it_is_away(
    stage: Stage, database_url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vestnik.api.metrics.FRESH_SECONDS", 0.0)
    monkeypatch.setattr("vestnik.api.metrics.CHANNELS_FRESH_SECONDS", 0.0)
    user_id = await add_user(stage, "prometheus@news.example", Role.VIEWER)
    token, other = await add_token(stage, user_id), await add_token(stage, user_id)
    async with DatabaseProxy(database_url).serve() as proxy:
        engine = make_engine(proxy.url, name="test")
        app = create_app(
            Readiness(lambda: None), make_state(engine, lend(KeyRing([b"k" * 32])), tmp_path, Limits())
        )
        transport = httpx.ASGITransport(app=app)
        headers = {"Authorization": f"Bearer {token}"}
        try:
            async with httpx.AsyncClient(transport=transport, base_url=HOST, headers=headers) as client:
                assert read((await scrape(client)).text)("vestnik_database_up") == 1
                proxy.stall()
                away = (await scrape(client)).text
                assert read(away)("vestnik_database_up") == 0
                assert read(away)("vestnik_database_pool_size") == 5
                assert "vestnik_jobs" not in away
                assert "vestnik_channels" not in away
                assert token not in away
                refused = await client.get("/metrics", headers={"Authorization": f"Bearer {other}"})
                assert (refused.status_code, refused.json()["code"]) == (503, "DATABASE_UNAVAILABLE")
                assert "retry-after" in refused.headers
        finally:
            proxy.cut()
            await engine.dispose()
