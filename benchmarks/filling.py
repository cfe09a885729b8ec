"""Rows by the thousand, made in the database itself; each function in the caller's transaction."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from benchmarks.rehearsal import ACCOUNT
from vestnik.db.accounts import find_account_by_name
from vestnik.db.engine import open_session
from vestnik.domain.ids import AccountId, CampaignId


async def find_rehearsal_account(session: AsyncSession) -> AccountId:
    """The simulated account that every database has."""
    account = await find_account_by_name(session, ACCOUNT)
    assert account is not None, "a migration makes it"
    return AccountId(account.id)


async def add_channels(session: AsyncSession, count: int, *, prefix: str = "bench") -> None:
    """Named `prefix_1` and so on."""
    await session.execute(
        text(
            "INSERT INTO channels (username) SELECT CAST(:p AS text) || '_' || i FROM generate_series(1, :n) i"
        ),
        {"p": prefix, "n": count},
    )


async def make_known(session: AsyncSession, account_id: AccountId) -> None:
    """Give the account an address of each channel that it has none of; nothing can really be posted there."""
    await session.execute(
        text(
            """
            INSERT INTO channel_peers (account_id, channel_id, tg_id, access_hash)
            SELECT CAST(:account_id AS uuid), id, row_number() OVER (), 1 FROM channels c
            WHERE NOT EXISTS (SELECT FROM channel_peers p WHERE p.account_id = :account_id AND p.channel_id = c.id)
            """
        ),
        {"account_id": account_id},
    )


async def add_batch(
    session: AsyncSession, name: str, prefixes: Sequence[str] = ("bench",), limit: int | None = None
) -> UUID:
    """All channels of the first prefix in the order in which they were made, then those of the next."""
    batch_id = await session.scalar(
        text("INSERT INTO batches (name) VALUES (:name) RETURNING id"), {"name": name}
    )
    statement = text(
        """
        INSERT INTO batch_channels (batch_id, channel_id)
        SELECT :batch_id, c.id FROM unnest(CAST(:prefixes AS text[])) WITH ORDINALITY AS p (name, place)
        JOIN channels c ON starts_with(c.username, p.name || '_')
        ORDER BY p.place, length(c.username), c.username
        LIMIT :limit
        """
    )
    await session.execute(statement, {"batch_id": batch_id, "prefixes": list(prefixes), "limit": limit})
    assert isinstance(batch_id, UUID)
    return batch_id


async def add_campaign(
    session: AsyncSession, name: str, account_id: AccountId, batch_id: UUID, *, rate: float
) -> CampaignId:
    """A draft with a template of its own, of 300 bytes."""
    parameters = {"name": name, "account_id": account_id, "batch_id": batch_id, "rate": rate}
    await session.execute(
        text("INSERT INTO templates (name, content) VALUES (:name, :content)"),
        {"name": name, "content": f"{name} ".ljust(300, "x")},
    )
    statement = text(
        """
        INSERT INTO campaigns (name, account_id, account_kind, batch_id, template_id, delivery_rate)
        SELECT t.name, a.id, a.kind, :batch_id, t.id, :rate FROM accounts a, templates t
        WHERE a.id = :account_id AND t.name = :name RETURNING id
        """
    )
    return CampaignId((await session.execute(statement, parameters)).scalar_one())


async def forget_campaigns(engine: AsyncEngine) -> None:
    """Empty the ledger, so that the next run finds it as the first one did."""
    async with engine.connect() as connection:
        direct = await connection.execution_options(isolation_level="AUTOCOMMIT")
        for statement in (
            "TRUNCATE campaigns, jobs, campaign_progress CASCADE",
            "DELETE FROM templates",
            "CHECKPOINT",
        ):
            await direct.execute(text(statement))


async def vacuum(engine: AsyncEngine) -> None:
    """As autovacuum would have done by the time that anybody starts a campaign."""
    async with engine.connect() as connection:
        direct = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await direct.execute(text("VACUUM ANALYZE"))


async def prepare_channels(engine: AsyncEngine, sizes: Sequence[int]) -> tuple[AccountId, dict[int, UUID]]:
    """The rehearsal account and a batch of each size, all of whose channels it knows the addresses of."""
    async with open_session(engine) as session:
        account_id = await find_rehearsal_account(session)
        await add_channels(session, max(sizes))
        await make_known(session, account_id)
        batch_ids = {size: await add_batch(session, f"{size}", limit=size) for size in set(sizes)}
    await vacuum(engine)
    return account_id, batch_ids
