"""Accounts by session string: stored encrypted, each session at one account, nothing half-written."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.keys import lend
from tests.support.session_strings import make_key, make_session
from vestnik.bootstrap import read_given_session_key, read_session_key
from vestnik.db.engine import open_session
from vestnik.db.models import Account
from vestnik.db.secrets import KeyRing, identify_secret
from vestnik.domain.actors import Actor
from vestnik.domain.errors import ConflictError, InvalidInputError
from vestnik.services.account_edits import (
    AccountChanges,
    change_account,
    disable_account,
    enable_account,
)
from vestnik.services.account_sessions import (
    AccountSetup,
    NewAccount,
    NewSession,
    add_account,
    replace_session,
)
from vestnik.services.accounts import (
    AccountView,
    EnvironmentAccount,
    ensure_default_account,
    list_accounts,
)
from vestnik.telegram.sessions import SessionLayout, parse_session

OLD_KEY, NEW_KEY = bytes(32), bytes([1] * 32)
HASH = "0123456789abcdef"


def make_setup(*keys: bytes, api_id: int | None = 7, api_hash: str | None = HASH) -> AccountSetup:
    ring = KeyRing(keys or [OLD_KEY])
    return AccountSetup(
        open_keys=lend(ring),
        read_key=read_session_key,
        read_given_key=read_given_session_key,
        api_id=api_id,
        api_hash=api_hash,
        rate=Decimal(20),
    )


SETUP = make_setup()


class Office:
    """Adds and changes accounts, each in a transaction of its own."""

    def __init__(self, engine: AsyncEngine, actor: Actor) -> None:
        self.engine = engine
        self.actor = actor

    async def add(self, name: str, session_text: str | None = None, **options: Any) -> AccountView:
        setup = options.pop("setup", SETUP)
        async with open_session(self.engine) as session:
            new = NewAccount(name=name, session=session_text, **options)
            return await add_account(session, self.actor, new, setup=setup)

    async def replace(self, name: str, session_text: str, *, setup: AccountSetup = SETUP) -> AccountView:
        async with open_session(self.engine) as session:
            new = NewSession(session=session_text)
            return await replace_session(session, self.actor, name, new, setup=setup)

    async def change(self, reference: str, **changes: str) -> AccountView:
        async with open_session(self.engine) as session:
            return await change_account(session, self.actor, reference, AccountChanges(**changes))

    async def disable(self, name: str) -> AccountView:
        async with open_session(self.engine) as session:
            return await disable_account(session, self.actor, name)

    async def take_over(self, session_text: str, actor: Actor) -> None:
        environment = EnvironmentAccount(
            session=session_text, api_id=7, api_hash=HASH, read_key=read_session_key
        )
        async with open_session(self.engine) as session:
            await ensure_default_account(
                session, actor, environment, rate=Decimal(20), open_keys=SETUP.open_keys
            )

    async def enable(self, name: str) -> AccountView:
        async with open_session(self.engine) as session:
            return await enable_account(session, self.actor, name)

    async def read(self, name: str) -> Account:
        async with open_session(self.engine) as session:
            account = await session.scalar(select(Account).where(Account.name == name))
            assert account is not None
            return account

    async def execute(self, statement: str, **parameters: object) -> list[Any]:
        async with open_session(self.engine) as session:
            result = await session.execute(text(statement), parameters)
            return list(result.all()) if result.returns_rows else []  # type: ignore[attr-defined]

    async def list_names(self) -> list[str]:
        async with open_session(self.engine) as session:
            return [view.name for view in await list_accounts(session)]


@pytest.fixture
def office(engine: AsyncEngine, actor: Actor) -> Office:
    return Office(engine, actor)


@pytest.mark.parametrize("layout", SessionLayout)
async def test_an_account_by_session_string_is_active_and_its_secrets_are_encrypted(
    office: Office, layout: SessionLayout
) -> None:
    given = make_session(layout=layout)
    view = await office.add("newsroom", f"  {given}\n")
    assert (view.name, view.kind, view.state, view.rate) == ("newsroom", "USER", "ACTIVE", Decimal(20))
    account = await office.read("newsroom")
    assert account.session_ciphertext is not None
    assert account.api_hash_ciphertext is not None
    ring = KeyRing([OLD_KEY])
    assert (
        ring.decrypt(account.session_ciphertext, identify_secret("accounts", account.id, "session")) == given
    )
    hash_identity = identify_secret("accounts", account.id, "api_hash")
    assert (account.api_id, ring.decrypt(account.api_hash_ciphertext, hash_identity)) == (7, HASH)
    (entry,) = await office.execute("SELECT action, after FROM audit_logs")
    assert (entry.action, entry.after["session"]) == ("account.created", "given")
    assert given not in repr((entry, view, NewAccount(name="x", session=given), NewSession(session=given)))


async def test_an_account_without_a_session_waits_for_a_login(office: Office) -> None:
    assert (await office.add("later")).state == "NEEDS_LOGIN"


async def test_a_session_that_leads_elsewhere_than_to_telegram_is_refused_and_stored_nowhere(
    office: Office,
) -> None:
    await office.add("newsroom", make_session())
    before = await office.read("newsroom")
    elsewhere = make_session(host="10.0.0.5")
    with pytest.raises(InvalidInputError, match=r"10\.0\.0\.5.*none of Telegram's servers") as caught:
        await office.add("second", elsewhere)
    assert caught.value.field == "session"
    with pytest.raises(InvalidInputError, match="none of Telegram's servers"):
        await office.replace("newsroom", elsewhere)
    assert await office.list_names() == ["newsroom", "rehearsal"]
    assert (await office.read("newsroom")).session_ciphertext == before.session_ciphertext


async def test_the_session_of_the_environment_may_lead_anywhere(office: Office, actor: Actor) -> None:
    given = make_session(host="10.0.0.5")
    await office.take_over(given, actor)
    key = parse_session(given).auth_key
    with pytest.raises(ConflictError, match="'default' has this session already"):
        await office.add("second", make_session(key))


async def test_names_are_unique(office: Office) -> None:
    await office.add("newsroom", make_session())
    with pytest.raises(ConflictError, match="already") as caught:
        await office.add("newsroom", make_session())
    assert caught.value.field == "name"


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x", "session_text": "nonsense"}, "session"),
        ({"name": "x", "session_text": "1" + "A" * 3_000}, "session"),
        ({"name": "x", "api_id": 5}, "api_hash"),
        ({"name": "x", "api_hash": HASH}, "api_id"),
        ({"name": "x", "api_id": 5, "api_hash": "no hash!"}, "api_hash"),
        ({"name": "x", "api_id": 2**31, "api_hash": HASH}, "api_id"),
        ({"name": "x", "setup": make_setup(api_id=None, api_hash=None)}, "api_id"),
        ({"name": "x", "rate": "0"}, "rate"),
    ],
)
async def test_bad_input_names_its_field_and_stores_nothing(
    office: Office, options: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        await office.add(**options)
    assert caught.value.field == field
    assert await office.list_names() == ["rehearsal"]
    assert await office.execute("SELECT 1 FROM audit_logs") == []


async def test_one_session_is_never_at_two_accounts_whichever_library_wrote_it(office: Office) -> None:
    key = make_key()
    await office.add("first", make_session(key))
    await office.add("second", make_session())
    other_layout = make_session(key, layout=SessionLayout.GRAMJS)
    with pytest.raises(ConflictError, match="'first' has this session already") as caught:
        await office.add("third", other_layout)
    assert caught.value.field == "session"
    with pytest.raises(ConflictError, match="'first'"):
        await office.replace("second", other_layout)
    assert await office.list_names() == ["first", "rehearsal", "second"]
    assert (await office.replace("first", other_layout)).state == "ACTIVE"


async def test_of_two_at_once_with_one_session_one_is_refused(office: Office) -> None:
    given = make_session()
    outcomes = await asyncio.gather(
        *(office.add(name, given) for name in ("first", "second")), return_exceptions=True
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["AccountView", "ConflictError"]


async def test_a_session_is_recognised_after_the_key_was_changed(office: Office) -> None:
    given = make_session()
    await office.add("first", given)
    rotated = make_setup(NEW_KEY, OLD_KEY)
    with pytest.raises(ConflictError, match="'first'"):
        await office.add("second", given, setup=rotated)


async def test_a_session_from_before_digests_is_recognised(office: Office) -> None:
    given = make_session()
    await office.add("first", given)
    await office.execute("UPDATE accounts SET session_digest = NULL")
    with pytest.raises(ConflictError, match="'first'"):
        await office.add("second", given)


async def test_the_session_of_the_environment_is_compared_too(office: Office, actor: Actor) -> None:
    given = make_session()
    await office.add("newsroom", given)
    environment = EnvironmentAccount(session=given, api_id=7, api_hash=HASH, read_key=read_session_key)
    with pytest.raises(ConflictError, match="'newsroom'") as caught:
        async with open_session(office.engine) as session:
            await ensure_default_account(
                session, actor, environment, rate=Decimal(20), open_keys=SETUP.open_keys
            )
    assert caught.value.field == "TELEGRAM_SESSION"
    assert await office.list_names() == ["newsroom", "rehearsal"]


async def test_a_new_session_frees_an_account_that_needed_one_and_no_other(office: Office) -> None:
    await office.add("newsroom", make_session())
    for state, after in [
        ("NEEDS_LOGIN", "ACTIVE"),
        ("ACTIVE", "ACTIVE"),
        ("LIMITED", "LIMITED"),
        ("DISABLED", "DISABLED"),
    ]:
        await office.execute("UPDATE accounts SET state = :s WHERE name = 'newsroom'", s=state)
        before = await office.read("newsroom")
        assert (await office.replace("newsroom", make_session())).state == after
        assert (await office.read("newsroom")).session_version == before.session_version + 1


async def test_a_simulated_account_takes_no_session(office: Office) -> None:
    with pytest.raises(ConflictError, match="simulated"):
        await office.replace("rehearsal", make_session())


async def test_renaming_keeps_names_unique_and_those_that_are_known_by_theirs(office: Office) -> None:
    await office.add("first")
    await office.add("second")
    assert (await office.change("first", name=" third ")).name == "third"
    with pytest.raises(ConflictError, match="already") as caught:
        await office.change("third", name="second")
    assert caught.value.field == "name"
    with pytest.raises(ConflictError, match="rehearses"):
        await office.change("rehearsal", name="other")
    await office.execute("UPDATE accounts SET environment_digest = '' WHERE name = 'second'")
    with pytest.raises(ConflictError, match="TELEGRAM_SESSION"):
        await office.change("second", name="other")
    assert await office.list_names() == ["rehearsal", "second", "third"]
    (entry,) = await office.execute("SELECT before, after FROM audit_logs WHERE action = 'account.renamed'")
    assert (entry.before, entry.after) == ({"name": "first"}, {"name": "third"})


async def test_name_and_rate_change_together_as_one_edit(office: Office) -> None:
    before = await office.add("first")
    after = await office.change("first", name="second", rate="5")
    assert (after.name, after.rate, after.revision) == ("second", Decimal(5), before.revision + 1)


@pytest.mark.parametrize(
    ("state", "has_session", "after"),
    [
        ("ACTIVE", True, "ACTIVE"),
        ("NEEDS_LOGIN", False, "NEEDS_LOGIN"),
        ("NEEDS_LOGIN", True, "ACTIVE"),
        ("LIMITED", True, "LIMITED"),
    ],
)
async def test_switching_an_account_off_and_on_lifts_no_restriction(
    office: Office, state: str, has_session: bool, after: str
) -> None:
    await office.add("newsroom", make_session() if has_session else None)
    await office.execute("UPDATE accounts SET state = :state WHERE name = 'newsroom'", state=state)
    assert (await office.disable("newsroom")).state == "DISABLED"
    with pytest.raises(ConflictError, match="already"):
        await office.disable("newsroom")
    assert (await office.enable("newsroom")).state == after
    with pytest.raises(ConflictError, match=f"is {after}"):
        await office.enable("newsroom")


async def test_an_account_that_is_off_stays_off_when_the_environment_renews_its_session(
    office: Office, actor: Actor
) -> None:
    await office.take_over(make_session(), actor)
    await office.disable("default")
    await office.take_over(make_session(), actor)
    assert (await office.read("default")).state == "DISABLED"
    assert (await office.enable("default")).state == "ACTIVE"


@pytest.mark.parametrize(("state", "before"), [("LIMITED", None), ("DISABLED", "LIMITED")])
async def test_a_restriction_outlasts_a_new_session_in_the_environment(
    office: Office, actor: Actor, state: str, before: str | None
) -> None:
    await office.take_over(make_session(), actor)
    await office.execute(
        "UPDATE accounts SET state = :state, state_before = :before", state=state, before=before
    )
    await office.take_over(make_session(), actor)
    if state == "DISABLED":
        await office.enable("default")
    assert (await office.read("default")).state == "LIMITED"


async def test_nothing_about_a_login_is_changed_while_one_is_under_way(office: Office) -> None:
    await office.add("newsroom")
    await office.execute(
        "INSERT INTO account_logins (account_id, login_id, method, expires_at)"
        " SELECT id, gen_random_uuid(), 'PHONE', now() FROM accounts WHERE name = 'newsroom'"
    )
    with pytest.raises(ConflictError, match="under way"):
        await office.replace("newsroom", make_session())
    with pytest.raises(ConflictError, match="under way"):
        await office.disable("newsroom")


async def test_an_account_is_not_switched_on_while_it_is_being_logged_out(office: Office) -> None:
    await office.add("newsroom", make_session())
    await office.disable("newsroom")
    await office.execute(
        "INSERT INTO account_logins (account_id, login_id, method, expires_at)"
        " SELECT id, gen_random_uuid(), 'LOG_OUT', now() FROM accounts WHERE name = 'newsroom'"
    )
    with pytest.raises(ConflictError, match="under way"):
        await office.enable("newsroom")
    assert (await office.read("newsroom")).state == "DISABLED"


async def test_an_id_means_the_account_that_has_it_and_none_that_is_called_so(office: Office) -> None:
    mine, other = await office.add("mine", make_session()), await office.add("other", make_session())
    await office.change("other", name=str(mine.id))
    assert (await office.change(str(mine.id), rate="5")).id == mine.id
    assert (await office.change(str(other.id), name="other")).name == "other"


async def test_a_login_that_nobody_carries_out_any_more_stands_in_nobodys_way(office: Office) -> None:
    await office.add("newsroom")
    await office.execute(
        "INSERT INTO account_logins (account_id, login_id, method, epoch, expires_at)"
        " SELECT id, gen_random_uuid(), 'PHONE', 3, now() FROM accounts WHERE name = 'newsroom'"
    )
    assert (await office.replace("newsroom", make_session())).state == "ACTIVE"
    (row,) = await office.execute("SELECT step, error_code FROM account_logins")
    assert tuple(row) == ("FAILED", "BROKEN_OFF")
