"""What a worker tells Prometheus is what happened."""

import asyncio
import socket
from collections.abc import Mapping
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from tests.integration.delivery.rig import PATIENCE, Rig
from tests.support.proxy import DatabaseProxy
from tests.support.sends import SECRET_KEY, Sender
from vestnik.domain.ids import AccountId
from vestnik.simulator.faults import Fault, FaultKind
from vestnik.worker.metrics import HOST

Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


async def scrape(port: int) -> "Scrape":
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()
    assert head.startswith(b"HTTP/1.1 200 OK")
    return Scrape(body.decode())


class Scrape:
    """The samples of one moment."""

    def __init__(self, text: str) -> None:
        self._samples = [
            sample for family in text_string_to_metric_families(text) for sample in family.samples
        ]

    def __call__(self, name: str, **labels: str) -> float:
        """The sum of all series with these labels; there must be one."""
        found = [
            sample.value
            for sample in self._samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        assert found, (name, labels)
        return sum(found)

    def split(self, name: str, by: str, **labels: str) -> dict[str, float]:
        """By the values of a label, those that are not 0."""
        found: dict[str, float] = {}
        for sample in self._samples:
            if sample.name == name and labels.items() <= sample.labels.items() and sample.value:
                found[sample.labels[by]] = found.get(sample.labels[by], 0) + sample.value
        return found


async def test_a_campaign_is_counted_as_it_went(
    rig: Rig, account_id: AccountId, unused_tcp_port: int
) -> None:
    """A wait of the account, a refusal, a retry: each once, and the rest arrives."""
    await rig.stage.add_channels(12)
    send = "messages.sendMessage"
    rig.set_faults(
        Fault(method=send, kind=FaultKind.ERROR, code=420, name="FLOOD_WAIT_1", skip=4, count=1),
        Fault(method=send, kind=FaultKind.ERROR, code=400, name="CHANNEL_PRIVATE", channel="first_00009"),
        Fault(
            method=send, kind=FaultKind.ERROR, code=500, name="RPC_CALL_FAIL", channel="first_00011", count=1
        ),
    )
    await rig.start_worker(metrics_port=unused_tcp_port)
    before = await scrape(unused_tcp_port)
    assert before.split("vestnik_sends_total", "result") == {}
    assert before("vestnik_database_up") == 1
    campaign_id = await rig.stage.add_campaign(account_id, rate=20)
    await rig.finish(campaign_id)
    now = await scrape(unused_tcp_port)

    sent = now.split("vestnik_sends_total", "result", mode="TEST", origin="CAMPAIGN")
    waits = sent.pop("WAIT_ACCOUNT")
    assert sent == {"SENT": 11, "CHANNEL": 1, "TRANSIENT": 1}
    assert waits >= 1, "what was on its way when the wait began is told to wait as well"
    assert sum(now.split("vestnik_sends_total", "result").values()) == rig.send_calls
    assert now("vestnik_send_duration_seconds_count", origin="CAMPAIGN") == rig.send_calls
    assert now("vestnik_sends_in_flight") == 0
    became = now.split("vestnik_recorded_jobs_total", "status", mode="TEST")
    assert (became["SENT"], became["FAILED"]) == (11, 1)
    assert became["QUEUED"] >= waits + 1, "those that had to wait, and the retry"
    assert now("vestnik_claimed_jobs_total") == sum(became.values())
    assert now("vestnik_slot_lateness_seconds_count") == rig.send_calls
    assert now("vestnik_results_waiting") == 0
    assert now("vestnik_claim_duration_seconds_count") > 0
    assert now("vestnik_record_duration_seconds_count") > 0
    assert now("vestnik_account_holds_total", scope="SEND", reason="FLOOD_WAIT") == 1
    assert now("vestnik_account_holds_total") == 1
    assert now("vestnik_account_hold_seconds_total", scope="SEND") == 2, "Telegram's second and one more"
    assert now("vestnik_campaigns_completed_total", mode="TEST") == 1
    assert now("vestnik_campaigns_completed_total", mode="LIVE") == 0
    assert now("vestnik_lease_changes_total", change="ACQUIRED") == now("vestnik_lanes") >= 1
    assert now("vestnik_database_pool_size") >= now("vestnik_database_pool_connections") >= 1


async def test_direct_sends_pauses_and_leases_are_counted_too(
    rig: Rig, account_id: AccountId, unused_tcp_port: int
) -> None:
    await rig.stage.add_channels(30)
    worker = await rig.start_worker(metrics_port=unused_tcp_port, secret_key=SECRET_KEY)
    await Sender(rig.stage.engine, account_id).send("@first_00001", "direct")
    rig.break_sending("MESSAGE_TOO_LONG")
    stopped = await rig.stage.add_campaign(account_id, rate=20)
    await rig.until_status("PAUSED", stopped)
    rig.break_sending("CHAT_SEND_PLAIN_FORBIDDEN", code=403)
    braked = await rig.stage.add_campaign(account_id, rate=40, max_error_rate=0.1)
    await rig.until_status("PAUSED", braked)

    async def are_told() -> bool:
        found = await scrape(unused_tcp_port)
        return (
            found("vestnik_sends_total", origin="DIRECT", result="SENT") == 1
            and found("vestnik_campaign_pauses_total", reason="CONTENT_ERROR") == 1
            and found("vestnik_campaign_pauses_total", reason="ERROR_RATE") == 1
        )

    await rig.until(are_told)
    assert (await scrape(unused_tcp_port))("vestnik_campaigns_completed_total") == 0
    await worker.stop()
    successor = await rig.start_worker(metrics_port=unused_tcp_port)

    async def is_taken_over() -> bool:
        return (await scrape(unused_tcp_port))("vestnik_lease_changes_total", change="ACQUIRED") >= 1

    await rig.until(is_taken_over)
    await rig.stage.execute("UPDATE account_leases SET epoch = epoch + 1")

    async def is_lost() -> bool:
        return (await scrape(unused_tcp_port))("vestnik_lease_changes_total", change="LOST") >= 1

    await rig.until(is_lost)
    await successor.stop()


async def test_without_a_database_a_worker_still_tells_what_it_knows(
    rig: Rig, account_id: AccountId, unused_tcp_port: int
) -> None:
    await rig.stage.add_channels(40)
    async with DatabaseProxy(rig.url).serve() as proxy:
        worker = await rig.start_worker(proxy.url, metrics_port=unused_tcp_port)
        campaign_id = await rig.stage.add_campaign(account_id, rate=20)
        await rig.wait_for_posts(5)

        async def is_up(expected: float) -> bool:
            return (await scrape(unused_tcp_port))("vestnik_database_up") == expected

        assert await is_up(1)
        proxy.cut()
        await rig.until(lambda: is_up(0))
        assert (await scrape(unused_tcp_port))("vestnik_sends_total", result="SENT") >= 5
        proxy.resume()
        await rig.until(lambda: is_up(1))
        await rig.finish(campaign_id)
        assert (await scrape(unused_tcp_port))("vestnik_sends_total", result="SENT") >= len(rig.posts) == 40
        await worker.stop()


async def test_a_port_that_somebody_else_has_costs_the_metrics_and_nothing_else(
    rig: Rig, account_id: AccountId, unused_tcp_port: int
) -> None:
    await rig.stage.add_channels(5)
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    with socket.create_server((HOST, unused_tcp_port)):
        with capture_logs() as logs:
            await rig.start_worker(metrics_port=unused_tcp_port)
            await rig.finish(campaign_id)
        told: list[Any] = [entry for entry in logs if entry["event"] == "metrics.port_not_available"]
        assert [(entry["log_level"], entry["port"]) for entry in told] == [("warning", unused_tcp_port)]
    rig.check_each_once(5)
