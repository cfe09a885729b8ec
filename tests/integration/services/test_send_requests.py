"""What came of the posts that were asked for together."""

from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from tests.support.stage import Stage
from vestnik.domain.errors import NotFoundError
from vestnik.domain.ids import AccountId, CommandId
from vestnik.services.send_requests import get_request


@pytest.fixture
def stage(session: AsyncSession) -> Stage:
    engine = session.bind
    assert engine is not None
    return Stage(engine)  # type: ignore[arg-type]  # the fixture's session has an engine


async def ask(
    stage: Stage, account_id: AccountId, key: str | None, prefix: str, number: int
) -> list[CommandId]:
    """Commands of one request, in the order of their channels' names backwards."""
    channels = await stage.add_channels(number, prefix)
    ids = []
    for channel_id in reversed(channels):
        row = await stage.one(
            "INSERT INTO account_commands (account_id, kind, channel_id, random_id, payload_ciphertext,"
            " idempotency_key, created_at, expires_at) VALUES (:account, 'SEND', :channel, 1, 'x', :key,"
            " clock_timestamp(), clock_timestamp() + interval '30 s') RETURNING id",
            account=account_id,
            channel=channel_id,
            key=key,
        )
        ids.append(CommandId(row.id))
    return ids


async def test_each_post_leads_to_all_that_were_asked_for_with_it(
    stage: Stage, session: AsyncSession
) -> None:
    account_id, other_id = await stage.add_account(), await stage.add_account()
    ids = await ask(stage, account_id, "key", "first", 3)
    await ask(stage, other_id, "key", "second", 2)
    await ask(stage, account_id, "another", "third", 1)
    for asked in ids:
        found = await get_request(session, asked)
        assert [result.id for result in found.results] == ids
        assert [result.channel for result in found.results] == [
            "@first_00003",
            "@first_00002",
            "@first_00001",
        ]
    assert found.is_rehearsal
    assert not found.is_over
    assert found.account_name == "account 1"


async def test_a_post_without_a_key_stands_alone(stage: Stage, session: AsyncSession) -> None:
    account_id = await stage.add_account()
    ids = await ask(stage, account_id, None, "first", 2)
    found = await get_request(session, ids[0])
    assert [result.id for result in found.results] == ids[:1]


async def test_a_request_is_over_when_its_last_post_is(stage: Stage, session: AsyncSession) -> None:
    ids = await ask(stage, await stage.add_account(), "key", "first", 2)
    end = "UPDATE account_commands SET status = 'DONE', payload_ciphertext = NULL, finished_at = now() WHERE id = :id"
    await stage.execute(end, id=ids[0])
    assert not (await get_request(session, ids[1])).is_over
    await stage.execute(end, id=ids[1])
    session.expire_all()
    assert (await get_request(session, ids[0])).is_over


async def test_an_unknown_post_is_said_to_be_none(session: AsyncSession) -> None:
    with pytest.raises(NotFoundError):
        await get_request(session, CommandId(uuid4()))
