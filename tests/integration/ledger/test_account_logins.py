"""The statements of logins: one process carries one out, what is typed is wiped as it is taken up."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.support.keys import lend
from tests.support.stage import Stage
from vestnik.db import account_logins as rows
from vestnik.db.account_logins import LoginLedger
from vestnik.db.engine import open_session
from vestnik.db.leases import LeasableAccount
from vestnik.db.secrets import KeyRing
from vestnik.domain.account_logins import LoginChange, LoginMethod, LoginStep
from vestnik.domain.commands import LOGIN_KINDS, CommandKind
from vestnik.domain.errors import ConflictError
from vestnik.domain.ids import AccountId
from vestnik.domain.transport import Identity

RING = KeyRing([bytes(32)])
ALICE = Identity(tg_id=7, name="Alice", is_bot=False)


@pytest.fixture
def ledger(stage: Stage) -> LoginLedger:
    return LoginLedger(stage.engine)


@pytest.fixture
async def account_id(stage: Stage) -> AccountId:
    row = await stage.one(
        "INSERT INTO accounts (name, kind, state) VALUES ('newsroom', 'USER', 'NEEDS_LOGIN') RETURNING id"
    )
    return AccountId(row.id)


async def begin(stage: Stage, account_id: AccountId, typed: str | None = "phone") -> UUID:
    async with open_session(stage.engine) as session:
        login = await rows.replace_login(session, account_id, LoginMethod.PHONE)
        await rows.insert_login_command(session, account_id, CommandKind.LOGIN, typed, RING)
        return login.login_id


async def list_leasable(stage: Stage) -> dict[AccountId, LeasableAccount]:
    found = await stage.ledger.list_leasable_accounts("me", within=timedelta())
    return {account.account_id: account for account in found}


async def read_login(stage: Stage, account_id: AccountId) -> tuple[str, str | None]:
    row = await stage.one("SELECT step, error_code FROM account_logins WHERE account_id = :id", id=account_id)
    return row.step, row.error_code


async def test_an_account_is_spoken_for_while_a_login_waits(stage: Stage, account_id: AccountId) -> None:
    assert account_id not in await list_leasable(stage)
    await begin(stage, account_id)
    assert (await list_leasable(stage))[account_id].has_login


async def test_a_login_is_taken_up_once_with_what_was_typed(
    stage: Stage, ledger: LoginLedger, account_id: AccountId
) -> None:
    login_id = await begin(stage, account_id)
    lease = await stage.acquire(account_id)
    login = await ledger.claim(lease, None)
    assert login is not None
    (command,) = login.commands
    assert (login.login_id, login.method, login.step) == (login_id, LoginMethod.PHONE, LoginStep.STARTING)
    assert command.payload is not None
    text = RING.decrypt(command.payload, f"account_commands:{command.command_id}:payload")
    assert (command.kind, text) == (CommandKind.LOGIN, "phone")
    row = await stage.one("SELECT status, payload_ciphertext FROM account_commands")
    assert tuple(row) == ("DONE", None)
    again = await ledger.claim(lease, login_id)
    assert again is not None
    assert again.commands == []
    assert account_id not in await list_leasable(stage)


@pytest.mark.parametrize("kind", sorted(set(CommandKind) - set(LOGIN_KINDS) - {CommandKind.SEND}))
async def test_what_belongs_to_no_login_is_left_alone(
    stage: Stage, ledger: LoginLedger, account_id: AccountId, kind: CommandKind
) -> None:
    await stage.execute(
        "INSERT INTO account_commands (id, account_id, kind, expires_at)"
        " VALUES (gen_random_uuid(), :id, :kind, now() + interval '1 minute')",
        id=account_id,
        kind=kind.value,
    )
    await begin(stage, account_id)
    login = await ledger.claim(await stage.acquire(account_id), None)
    assert login is not None
    assert [command.kind for command in login.commands] == [CommandKind.LOGIN]
    async with open_session(stage.engine) as session:
        await rows.wipe_login_commands(session, account_id)
    await stage.execute("UPDATE account_commands SET expires_at = now() - interval '1 minute'")
    await ledger.end_stale()
    row = await stage.one("SELECT status FROM account_commands WHERE kind = :kind", kind=kind.value)
    assert row.status == "PENDING"


async def test_who_lost_the_lease_takes_up_and_writes_nothing(
    stage: Stage, ledger: LoginLedger, account_id: AccountId
) -> None:
    login_id = await begin(stage, account_id)
    old = await stage.acquire(account_id)
    await ledger.claim(old, None)
    new = await stage.acquire(account_id)
    assert await ledger.claim(old, login_id) is None
    assert not await ledger.put(old, login_id, LoginChange(step=LoginStep.CODE))
    assert await ledger.claim(new, None) is None
    assert (await read_login(stage, account_id))[0] == "STARTING"


async def test_another_login_is_not_mistaken_for_ours(
    stage: Stage, ledger: LoginLedger, account_id: AccountId
) -> None:
    first = await begin(stage, account_id)
    lease = await stage.acquire(account_id)
    await ledger.claim(lease, None)
    await begin(stage, account_id, "another phone")
    assert await ledger.claim(lease, first) is None
    assert not await ledger.put(lease, first, LoginChange(step=LoginStep.CODE))
    row = await stage.one("SELECT count(*) AS n FROM account_commands WHERE payload_ciphertext IS NOT NULL")
    assert row.n == 1


async def test_what_was_typed_for_a_login_that_has_ended_is_wiped_when_the_next_begins(
    stage: Stage, ledger: LoginLedger, account_id: AccountId
) -> None:
    first = await begin(stage, account_id)
    lease = await stage.acquire(account_id)
    await ledger.claim(lease, None)
    await ledger.put(lease, first, LoginChange(step=LoginStep.CODE))
    async with open_session(stage.engine) as session:
        await rows.insert_login_command(session, account_id, CommandKind.CODE, "12345", RING)
    await ledger.put(lease, first, LoginChange(step=LoginStep.FAILED, error_code="BROKEN_OFF"))
    second = await begin(stage, account_id, "another phone")
    row = await stage.one("SELECT status, payload_ciphertext FROM account_commands WHERE kind = 'CODE'")
    assert tuple(row) == ("EXPIRED", None)
    login = await ledger.claim(await stage.acquire(account_id), None)
    assert login is not None
    assert login.login_id == second
    assert [command.kind for command in login.commands] == [CommandKind.LOGIN]


@pytest.mark.parametrize("step", [LoginStep.FAILED, LoginStep.CANCELLED, LoginStep.CODE])
async def test_a_wait_that_telegram_asked_for_outlasts_what_comes_after_it(
    stage: Stage, ledger: LoginLedger, account_id: AccountId, step: LoginStep
) -> None:
    login_id = await begin(stage, account_id)
    lease = await stage.acquire(account_id)
    await ledger.claim(lease, None)
    waiting = LoginChange(step=LoginStep.CODE, error_code="FLOOD_WAIT", retry_after=timedelta(minutes=4))
    await ledger.put(lease, login_id, waiting)
    told = (await stage.one("SELECT retry_at FROM account_logins")).retry_at
    await ledger.put(lease, login_id, LoginChange(step=step))
    assert (await stage.one("SELECT retry_at FROM account_logins")).retry_at == told
    async with open_session(stage.engine) as session:
        await rows.replace_login(session, account_id, LoginMethod.LOG_OUT)
    assert (await stage.one("SELECT retry_at FROM account_logins")).retry_at == told


async def test_a_wait_that_is_over_is_forgotten(
    stage: Stage, ledger: LoginLedger, account_id: AccountId
) -> None:
    login_id = await begin(stage, account_id)
    lease = await stage.acquire(account_id)
    await ledger.claim(lease, None)
    await ledger.put(lease, login_id, LoginChange(step=LoginStep.CODE, retry_after=timedelta(minutes=4)))
    await stage.execute("UPDATE account_logins SET retry_at = now() - interval '1 second'")
    await ledger.put(lease, login_id, LoginChange(step=LoginStep.FAILED))
    assert (await stage.one("SELECT retry_at FROM account_logins")).retry_at is None


async def test_a_step_replaces_everything_of_the_one_before(
    stage: Stage, ledger: LoginLedger, account_id: AccountId
) -> None:
    login_id = await begin(stage, account_id)
    lease = await stage.acquire(account_id)
    await ledger.claim(lease, None)
    first = LoginChange(
        step=LoginStep.CODE, code_kind="SMS", resend_after=timedelta(minutes=1), error_code="X", attempts=2
    )
    assert await ledger.put(lease, login_id, first)
    row = await stage.one("SELECT *, resend_at > now() AS is_later FROM account_logins")
    assert (row.step, row.code_kind, row.error_code, row.attempts, row.is_later) == (
        "CODE",
        "SMS",
        "X",
        2,
        True,
    )
    assert await ledger.put(lease, login_id, LoginChange(step=LoginStep.PASSWORD, hint="h", attempts=2))
    row = await stage.one("SELECT * FROM account_logins")
    assert (row.code_kind, row.resend_at, row.error_code, row.hint) == (None, None, None, "h")
    assert await ledger.put(lease, login_id, LoginChange(step=LoginStep.FAILED, error_code="Y"))
    row = await stage.one("SELECT * FROM account_logins")
    assert (row.hint, bool(row.finished_at)) == (None, True)
    assert not await ledger.put(lease, login_id, LoginChange(step=LoginStep.CODE))
    (entry,) = await stage.execute("SELECT after FROM audit_logs WHERE action = 'account.login_failed'")
    assert entry.after == {"method": "PHONE", "error": "Y"}


async def test_a_login_ends_with_the_lease_of_who_carried_it_out(
    stage: Stage, ledger: LoginLedger, account_id: AccountId
) -> None:
    await begin(stage, account_id)
    lease = await stage.acquire(account_id)
    await ledger.claim(lease, None)
    await ledger.end_stale()
    assert await read_login(stage, account_id) == ("STARTING", None)
    await stage.ledger.expire_holder(lease.holder)
    await ledger.end_stale()
    assert await read_login(stage, account_id) == ("FAILED", "BROKEN_OFF")


async def test_what_nobody_took_up_in_time_is_wiped_and_its_login_ended(
    stage: Stage, ledger: LoginLedger, account_id: AccountId
) -> None:
    await begin(stage, account_id)
    await ledger.end_stale()
    assert await read_login(stage, account_id) == ("STARTING", None)
    await stage.execute("UPDATE account_logins SET started_at = now() - interval '61 seconds'")
    await ledger.end_stale()
    assert await read_login(stage, account_id) == ("FAILED", "NOT_TAKEN_UP")
    row = await stage.one("SELECT status, payload_ciphertext FROM account_commands")
    assert tuple(row) == ("EXPIRED", None)


async def test_a_session_is_stored_for_the_login_that_is_ours_and_no_other(
    stage: Stage, ledger: LoginLedger, account_id: AccountId
) -> None:
    login_id = await begin(stage, account_id)
    old = await stage.acquire(account_id)
    await ledger.claim(old, None)

    async def succeed() -> None:
        refusal = await ledger.succeed(
            old, login_id, identity=ALICE, session_text="1x", open_keys=lend(RING), read_key=str.encode
        )
        assert refusal is None

    await stage.acquire(account_id)
    with pytest.raises(ConflictError):
        await succeed()
    row = await stage.one("SELECT state, session_ciphertext FROM accounts WHERE id = :id", id=account_id)
    assert tuple(row) == ("NEEDS_LOGIN", None)


async def test_a_success_stores_session_and_user_together(
    stage: Stage, ledger: LoginLedger, account_id: AccountId
) -> None:
    login_id = await begin(stage, account_id)
    lease = await stage.acquire(account_id)
    await ledger.claim(lease, None)
    refusal = await ledger.succeed(
        lease, login_id, identity=ALICE, session_text="1x", open_keys=lend(RING), read_key=str.encode
    )
    assert refusal is None
    row = await stage.one("SELECT * FROM accounts WHERE id = :id", id=account_id)
    assert (row.state, row.tg_user_id, row.tg_name, row.session_version) == ("ACTIVE", 7, "Alice", 1)
    assert RING.decrypt(row.session_ciphertext, f"accounts:{account_id}:session") == "1x"
    assert await read_login(stage, account_id) == ("DONE", None)


async def test_of_two_accounts_that_become_the_same_user_at_once_one_is_refused(
    stage: Stage, ledger: LoginLedger, account_id: AccountId
) -> None:
    login_id = await begin(stage, account_id)
    lease = await stage.acquire(account_id)
    await ledger.claim(lease, None)
    async with open_session(stage.engine) as session:
        # Another process has written it and not committed yet: nobody can see it, and the index waits for it.
        await session.execute(
            text("INSERT INTO accounts (name, kind, tg_user_id) VALUES ('faster', 'USER', :id)"), {"id": 7}
        )
        storing = asyncio.create_task(
            ledger.succeed(
                lease, login_id, identity=ALICE, session_text="1x", open_keys=lend(RING), read_key=str.encode
            )
        )
        await wait_until_blocked(stage)
    refusal = await storing
    assert refusal is not None
    assert refusal.code == "USER_TAKEN"
    assert "'faster'" in refusal.message
    row = await stage.one("SELECT state, session_ciphertext FROM accounts WHERE id = :id", id=account_id)
    assert tuple(row) == ("NEEDS_LOGIN", None)


async def wait_until_blocked(stage: Stage) -> None:
    """Until a statement waits for another transaction."""
    async with asyncio.timeout(30):
        while not await stage.execute(  # noqa: ASYNC110 - PostgreSQL tells nobody of waits
            "SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
        ):
            await asyncio.sleep(0.02)
