import asyncio
import time
from uuid import RFC_4122

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from vestnik.db.engine import open_session
from vestnik.db.models import AuditLog, Channel
from vestnik.domain.actors import Actor
from vestnik.domain.errors import InvalidInputError
from vestnik.services.channels import ImportResult, import_channels


async def read_names(session: AsyncSession) -> list[str]:
    query = select(func.coalesce(Channel.username, func.cast(Channel.tg_id, Channel.username.type)))
    return sorted(await session.scalars(query.where(Channel.deleted_at.is_(None))))


async def test_an_import_counts_what_it_did(session: AsyncSession, actor: Actor) -> None:
    first = await import_channels(session, actor, b"@one_news\nt.me/two_news\n-1001234567890\n")
    assert (first.imported, first.existing, first.duplicates, first.invalid) == (3, 0, 0, ())
    again = await import_channels(session, actor, b"three_news\nTWO_news\n1234567890\ntwo_NEWS\nt.me/+x\n")
    assert (again.imported, again.existing, again.duplicates) == (1, 2, 1)
    assert [bad.line for bad in again.invalid] == [5]
    assert again.channels[1:] == first.channels[1:]
    assert await read_names(session) == ["1234567890", "one_news", "three_news", "two_news"]


async def test_ids_of_new_channels_ascend_with_time(session: AsyncSession, actor: Actor) -> None:
    """As RFC 9562 has it for version 7; so those of one list are neighbours in every index of the ledger."""
    before = time.time()
    await import_channels(session, actor, "\n".join(f"first_{n}" for n in range(2_000)).encode())
    await import_channels(session, actor, b"later_one\nlater_two\n")
    after = time.time()
    rows = (await session.execute(select(Channel.id, Channel.username))).all()
    assert {(row.id.version, row.id.variant) for row in rows} == {(7, RFC_4122)}
    assert {name for _, name in sorted(rows)[2_000:]} == {"later_one", "later_two"}
    made = sorted((row.id.int >> 80) / 1000 for row in rows)
    # The server's clock may have been set while this ran.
    assert before - 60 < made[0] <= made[-1] < after + 60
    ticks = {row.id.int >> 64 for row in rows}
    assert len(ticks) > len(set(made)), "more finely than by the millisecond"


async def test_a_deleted_channel_comes_back_active(session: AsyncSession, actor: Actor) -> None:
    (channel,) = (await import_channels(session, actor, b"@one_news")).channels
    for _ in range(2):
        values = {"deleted_at": func.now(), "is_active": False, "inactive_reason": "USERNAME_INVALID"}
        await session.execute(update(Channel).values(values))
        again = await import_channels(session, actor, b"@One_News")
        assert (again.channels, again.imported, again.existing) == ((channel,), 1, 0)
        row = await session.get_one(Channel, channel, populate_existing=True)
        assert (row.deleted_at, row.is_active, row.inactive_reason) == (None, True, None)


async def test_of_several_deleted_rows_of_one_name_one_comes_back(
    session: AsyncSession, actor: Actor
) -> None:
    for _ in range(2):
        session.add(Channel(username="one_news", deleted_at=func.clock_timestamp()))
        session.add(Channel(tg_id=1234567890, deleted_at=func.clock_timestamp()))
        await session.flush()
    again = await import_channels(session, actor, b"@one_news\n1234567890")
    assert again.imported == 2
    assert await read_names(session) == ["1234567890", "one_news"]


async def test_an_inactive_channel_stays_inactive(session: AsyncSession, actor: Actor) -> None:
    await import_channels(session, actor, b"@one_news")
    await session.execute(update(Channel).values(is_active=False))
    assert (await import_channels(session, actor, b"@one_news")).existing == 1
    assert await session.scalar(select(Channel.is_active)) is False


@pytest.mark.parametrize(
    "data", [b"", b"# only\n\n", b"t.me/+x\n", b"@good_one\n\x00\xff\n", b"@good_one\n\xff"]
)
async def test_nothing_is_imported_from_a_hopeless_list(
    session: AsyncSession, actor: Actor, data: bytes
) -> None:
    with pytest.raises(InvalidInputError):
        await import_channels(session, actor, data)
    assert await read_names(session) == []


async def test_an_import_is_audited_once(session: AsyncSession, actor: Actor) -> None:
    await import_channels(session, actor, b"@one_news\nbad line\n")
    await import_channels(session, actor, b"@one_news")
    (entry,) = await session.scalars(select(AuditLog))
    assert (entry.action, entry.actor_kind, entry.actor) == ("channels.imported", "CLI", "tester")
    assert entry.after == {
        "imported": 1,
        "existing": 0,
        "invalid": 1,
        "channel_names": ["@one_news"],
        "more_channels": 0,
    }


async def test_fifty_thousand_lines_are_one_import(engine: AsyncEngine, actor: Actor) -> None:
    data = "\n".join(f"https://t.me/channel_{number}" for number in range(50_000)).encode()
    async with open_session(engine) as session:
        result = await import_channels(session, actor, data)
    assert result.imported == 50_000
    async with open_session(engine) as session:
        again = await import_channels(session, actor, data)
        assert again.existing == 50_000
        assert again.channels == result.channels


async def test_imports_in_opposite_orders_at_once_both_succeed(engine: AsyncEngine, actor: Actor) -> None:
    names = [f"channel_{number}" for number in range(6000)]

    async def run(lines: list[str]) -> ImportResult:
        async with open_session(engine) as session:
            return await import_channels(session, actor, "\n".join(lines).encode())

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run(lines)) for lines in (names, names[::-1])]
    results = [task.result() for task in tasks]
    assert sorted(result.imported for result in results) == [0, 6000]
    assert results[0].channels == results[1].channels[::-1]
