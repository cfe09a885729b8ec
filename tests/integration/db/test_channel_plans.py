"""Lists of channels follow their indexes, however many channels there are."""

import json
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.stage import Stage
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
            page = await list_channels(session, ChannelFilter(active=False), limit=7, before=before)
            if not page:
                break
            assert all(record.inactivity is not None for record in page)
            pages += [record.channel.username for record in page]
            before = (page[-1].channel.created_at, page[-1].channel.id)
    expected = sorted(
        [n for n in range(1, CHANNELS + 1) if n % 1000 == 700 or n % 1000 == 500],
    )
    assert pages == [f"news_{number}" for number in expected]
