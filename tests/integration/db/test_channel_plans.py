"""Lists of channels follow their indexes, however many channels there are."""

import json
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.stage import Stage
from vestnik.db import channel_records
from vestnik.db.channel_records import ChannelFilter, list_channels, select_page
from vestnik.db.engine import open_session

CHANNELS = 20_000


@pytest.fixture
async def crowd(engine: AsyncEngine) -> Stage:
    """Many channels that an account posts to; 30 that it may not, 30 that nobody may."""
    stage = Stage(engine)
    await stage.execute(
        "INSERT INTO channels (username, created_at)"
        " SELECT 'news_' || i, now() - i * interval '1 second' FROM generate_series(1, :n) i",
        n=CHANNELS,
    )
    await stage.execute("INSERT INTO accounts (name, kind) VALUES ('press', 'USER')")
    await stage.execute(
        "INSERT INTO channel_peers (account_id, channel_id) SELECT a.id, c.id FROM accounts a, channels c"
        " WHERE a.name = 'press'"
    )
    await stage.execute(
        "UPDATE channel_peers SET is_active = false, inactive_reason = 'CHAT_WRITE_FORBIDDEN' FROM channels c"
        " WHERE c.id = channel_id AND right(c.username, 3) = '500'"
    )
    await stage.execute("UPDATE channels SET is_active = false WHERE right(username, 3) = '700'")
    await stage.execute("ANALYZE channels, channel_peers, accounts")
    return stage


async def explain(stage: Stage, wanted: ChannelFilter, before: Any = None) -> set[tuple[str, str | None]]:
    """How the tables are read, over all queries of the page."""
    found: set[tuple[str, str | None]] = set()
    async with stage.engine.connect() as connection:
        for query in select_page(wanted, limit=51, before=before):
            compiled = query.compile(dialect=stage.engine.dialect, compile_kwargs={"literal_binds": True})
            sql = str(compiled).replace("%%", "%").replace(":", r"\:")
            plan = (await connection.execute(text(f"EXPLAIN (FORMAT JSON) {sql}"))).scalar_one()
            parsed = json.loads(plan) if isinstance(plan, str) else plan
            found |= {
                (node["Node Type"], node.get("Relation Name"))
                for node in walk(parsed[0]["Plan"])
                if node.get("Relation Name") in {"channels", "channel_peers"}
            }
    return found


def walk(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [node, *(found for child in node.get("Plans", []) for found in walk(child))]


@pytest.mark.parametrize(
    "wanted",
    [
        ChannelFilter(),
        ChannelFilter(active=True),
        ChannelFilter(active=False),
        ChannelFilter(error="CHAT_WRITE_FORBIDDEN"),
    ],
    ids=["all", "active", "inactive", "error"],
)
async def test_no_page_reads_a_table_from_end_to_end(crowd: Stage, wanted: ChannelFilter) -> None:
    row = await crowd.one("SELECT created_at, id FROM channels WHERE username = 'news_10000'")
    for before in (None, (row.created_at, UUID(str(row.id)))):
        scans = await explain(crowd, wanted, before)
        assert scans
        assert "Seq Scan" not in {kind for kind, _ in scans}, scans


async def test_the_sides_of_a_filter_come_together_in_order(crowd: Stage) -> None:
    pages: list[str | None] = []
    before = None
    async with open_session(crowd.engine) as session:
        while True:
            part = await list_channels(session, ChannelFilter(active=False), limit=7, before=before)
            assert all(record.inactivity is not None for record in part.records)
            pages += [record.channel.username for record in part.records]
            before = part.next_before
            if before is None:
                break
    expected = sorted(
        [n for n in range(1, CHANNELS + 1) if n % 1000 == 700 or n % 1000 == 500],
    )
    assert pages == [f"news_{number}" for number in expected]


async def _give_almost_all_up(crowd: Stage) -> list[str]:
    """Let nobody post to any channel but 20; the names of those."""
    await crowd.execute("UPDATE channels SET is_active = true")
    await crowd.execute(
        "UPDATE channel_peers p SET is_active = right(c.username, 3) = '123' FROM channels c WHERE c.id = channel_id"
    )
    await crowd.execute("ANALYZE channels, channel_peers")
    return [f"news_{number}" for number in range(1, CHANNELS + 1) if number % 1000 == 123]


async def test_few_active_ones_of_very_many_are_found_in_parts_that_are_bounded(
    crowd: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_records, "LOOK_FOR_SECONDS", 0)
    expected = await _give_almost_all_up(crowd)
    found: list[str | None] = []
    parts = 0
    before = None
    async with open_session(crowd.engine) as session:
        while True:
            part = await list_channels(session, ChannelFilter(active=True), limit=50, before=before)
            found += [record.channel.username for record in part.records]
            parts += 1
            before = part.next_before
            if before is None:
                break
    assert found == expected
    assert CHANNELS // channel_records.WINDOW <= parts <= CHANNELS // channel_records.WINDOW + 1


async def test_a_page_of_active_ones_is_full_while_there_are_enough(crowd: Stage) -> None:
    async with open_session(crowd.engine) as session:
        part = await list_channels(session, ChannelFilter(active=True), limit=50)
    assert len(part.records) == 50
    assert part.next_before == (part.records[-1].channel.created_at, part.records[-1].channel.id)


async def test_an_active_one_that_is_searched_for_is_found_however_old_it_is(
    crowd: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_records, "LOOK_FOR_SECONDS", 0)
    await _give_almost_all_up(crowd)
    wanted = ChannelFilter(active=True, search="news_19123")
    async with open_session(crowd.engine) as session:
        part = await list_channels(session, wanted, limit=50)
    assert [record.channel.username for record in part.records] == ["news_19123"]
    assert part.next_before is None


async def test_channels_that_are_inactive_themselves_are_not_looked_at_for_active_ones(crowd: Stage) -> None:
    await crowd.execute("UPDATE channels SET is_active = username = 'news_19999'")
    await crowd.execute("ANALYZE channels")
    query = channel_records.select_window_end(None)
    async with crowd.engine.connect() as connection:
        compiled = query.compile(dialect=crowd.engine.dialect, compile_kwargs={"literal_binds": True})
        plan = "\n".join(await connection.scalars(text(f"EXPLAIN {compiled}")))
    assert "channels_active_idx" in plan
    async with open_session(crowd.engine) as session:
        part = await list_channels(session, ChannelFilter(active=True), limit=50)
    assert [record.channel.username for record in part.records] == ["news_19999"]
    assert part.next_before is None
