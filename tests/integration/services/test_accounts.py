from decimal import Decimal

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from tests.support.keys import lend
from vestnik.db.engine import make_engine, open_session
from vestnik.db.models import Account, AccountLease, AuditLog
from vestnik.db.secrets import KeyRing, OpenKeys, identify_secret
from vestnik.domain.actors import Actor
from vestnik.domain.errors import ConflictError, InvalidInputError
from vestnik.services.accounts import (
    EnvironmentAccount,
    apply_account_rate,
    ensure_default_account,
    is_worker_alive,
    list_accounts,
)

RING = KeyRing([bytes(32)])
KEYS = lend(RING)


def read_key(text: str) -> bytes:
    return text.encode()


def give(
    session_string: str = "1canary-session", *, api_id: int = 7, api_hash: str = "canary-hash"
) -> EnvironmentAccount:
    return EnvironmentAccount(session=session_string, api_id=api_id, api_hash=api_hash, read_key=read_key)


async def refuse_keys(_session: AsyncSession) -> KeyRing:
    raise AssertionError("the keys were opened")


async def ensure(engine: AsyncEngine, given: EnvironmentAccount, *, keys: OpenKeys = KEYS) -> Account:
    async with open_session(engine) as session:
        actor = Actor.system("settings")
        await ensure_default_account(session, actor, given, rate=Decimal(5), open_keys=keys)
    async with open_session(engine) as session:
        account = await session.scalar(select(Account).where(Account.name == "default"))
        assert account is not None
        return account


def open_session_string(account: Account) -> str:
    assert account.session_ciphertext is not None
    return RING.decrypt(account.session_ciphertext, identify_secret("accounts", account.id, "session"))


async def test_a_session_in_the_environment_makes_the_account(engine: AsyncEngine) -> None:
    account = await ensure(engine, give())
    assert (account.kind, account.state, account.rate, account.api_id) == ("USER", "ACTIVE", Decimal(5), 7)
    assert open_session_string(account) == "1canary-session"
    assert account.api_hash_ciphertext is not None
    identity = identify_secret("accounts", account.id, "api_hash")
    assert RING.decrypt(account.api_hash_ciphertext, identity) == "canary-hash"


async def test_an_unchanged_session_needs_no_key_and_changes_nothing(engine: AsyncEngine) -> None:
    before = await ensure(engine, give())
    after = await ensure(engine, give(), keys=refuse_keys)
    assert after.session_ciphertext == before.session_ciphertext
    assert after.updated_at == before.updated_at


async def test_a_session_renewed_in_the_database_stays(engine: AsyncEngine) -> None:
    account = await ensure(engine, give())
    renewed = RING.encrypt("1renewed", identify_secret("accounts", account.id, "session"))
    async with open_session(engine) as session:
        await session.execute(
            update(Account).where(Account.name == "default").values(session_ciphertext=renewed)
        )
    assert open_session_string(await ensure(engine, give())) == "1renewed"
    after = await ensure(engine, give(api_id=8))
    assert (after.api_id, open_session_string(after)) == (8, "1renewed")


async def test_a_changed_session_replaces_the_stored_one_and_frees_the_account(engine: AsyncEngine) -> None:
    before = await ensure(engine, give())
    async with open_session(engine) as session:
        await session.execute(update(Account).values(state="NEEDS_LOGIN", state_reason="revoked"))
    after = await ensure(engine, give("1another"))
    assert after.id == before.id
    assert (after.state, after.state_reason, open_session_string(after)) == ("ACTIVE", None, "1another")


async def test_an_unusable_session_stores_nothing(engine: AsyncEngine) -> None:
    def refuse(_text: str) -> bytes:
        raise InvalidInputError("The session string is empty.", field="session")

    given = EnvironmentAccount(session="canary", api_id=1, api_hash="h", read_key=refuse)
    with pytest.raises(InvalidInputError):
        await ensure(engine, given)
    async with open_session(engine) as session:
        assert [view.name for view in await list_accounts(session)] == ["rehearsal"]


async def test_a_simulated_account_of_that_name_is_not_overwritten(engine: AsyncEngine) -> None:
    async with open_session(engine) as session:
        await session.execute(update(Account).values(name="default"))
    with pytest.raises(ConflictError, match="simulated"):
        await ensure(engine, give())


async def test_no_secret_is_in_a_plain_column_the_audit_log_or_a_representation(engine: AsyncEngine) -> None:
    await ensure(engine, give())
    await ensure(engine, give("1canary-other"))
    async with open_session(engine) as session:
        stored = (await session.execute(select(Account.__table__))).all()
        entries = (await session.execute(select(AuditLog.__table__))).all()
        views = await list_accounts(session)
    assert len(entries) == 2
    assert "canary" not in f"{stored}{entries}{views}{give()}"


async def test_the_rate_of_the_environment_reaches_default_and_rehearsal(
    engine: AsyncEngine, actor: Actor
) -> None:
    await ensure(engine, give())
    async with open_session(engine) as session:
        session.add(Account(name="other", kind="BOT"))
    for _ in range(2):
        async with open_session(engine) as session:
            await apply_account_rate(session, actor, Decimal("0.5"))
    async with open_session(engine) as session:
        rates = {view.name: view.rate for view in await list_accounts(session)}
        entries = select(func.count()).where(AuditLog.action == "account.rate_changed")
        assert rates == {"default": Decimal("0.5"), "other": Decimal(20), "rehearsal": Decimal("0.5")}
        assert await session.scalar(entries) == 2


async def test_a_worker_shows_by_its_lease_or_its_connection(engine: AsyncEngine) -> None:
    async with open_session(engine) as session:
        assert not await is_worker_alive(session)
    worker = make_engine(engine.url, name="worker", pool_size=1)
    try:
        async with open_session(worker) as other, open_session(engine) as session:
            await other.execute(select(1))
            assert await is_worker_alive(session)
    finally:
        await worker.dispose()
    async with open_session(engine) as session:
        (account,) = await list_accounts(session)
        until = func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, 60)
        session.add(AccountLease(account_id=account.id, holder="w", epoch=1, lease_until=until))
        await session.flush()
        assert await is_worker_alive(session)
        assert [view.is_delivering for view in await list_accounts(session)] == [True]
        await session.execute(update(AccountLease).values(lease_until=func.clock_timestamp()))
        assert [view.is_delivering for view in await list_accounts(session)] == [False]
