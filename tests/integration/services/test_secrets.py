"""A new key for everything that is stored: nothing is lost on the way, whoever writes or dies meanwhile."""

import asyncio
import os
import time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.keys import keep_keys, lend
from tests.support.session_strings import make_session
from vestnik.bootstrap import read_given_session_key, read_session_key
from vestnik.db.engine import open_session
from vestnik.db.secret_rows import PLACES, SESSIONS, hold_keys, list_secrets, replace_ciphertext
from vestnik.db.secrets import (
    KEY_FILE,
    KeyRing,
    StoredKeys,
    generate_key,
    identify_secret,
    open_key_ring,
    parse_keys,
    read_key_ring,
)
from vestnik.domain.actors import Actor
from vestnik.domain.errors import BusyError, ConfigurationError, ConflictError
from vestnik.services import secrets
from vestnik.services.account_sessions import AccountSetup, NewAccount, add_account
from vestnik.services.secrets import Rotation, SecretsStatus

HASH = "0123456789abcdef"
PATIENCE = 60.0


class Vault:
    """An installation's secrets and the file of its keys."""

    def __init__(self, engine: AsyncEngine, actor: Actor, data_dir: Path) -> None:
        self.engine = engine
        self.actor = actor
        self.data_dir = data_dir
        self.keys = StoredKeys(None, data_dir)
        self.last_id = UUID(int=0)
        self.stored: dict[str, str] = {}
        """What has to come out again, by its identity."""

    def open_keys(self) -> KeyRing:
        return open_key_ring(None, self.data_dir, announce=lambda _text: None)

    @property
    def key_ids(self) -> tuple[str, ...]:
        ring = read_key_ring(None, self.data_dir)
        assert ring is not None
        return ring.key_ids

    def read_keys(self) -> list[bytes]:
        return parse_keys((self.data_dir / KEY_FILE).read_text(), source="the key file")

    async def add_account(self, name: str, *, ring: KeyRing | None = None) -> UUID:
        """With a session and an API hash; `ring` is what a process read before."""
        setup = AccountSetup(
            open_keys=keep_keys(self.data_dir) if ring is None else lend(ring),
            read_key=read_session_key,
            read_given_key=read_given_session_key,
            api_id=7,
            api_hash=HASH,
            rate=Decimal(20),
        )
        given = make_session()
        async with open_session(self.engine) as session:
            new = NewAccount(name=name, session=given)
            account_id = UUID(str((await add_account(session, self.actor, new, setup=setup)).id))
        self.last_id = account_id
        self.stored[identify_secret("accounts", account_id, "session")] = given
        self.stored[identify_secret("accounts", account_id, "api_hash")] = HASH
        return account_id

    async def add_login(self, account_id: UUID) -> None:
        """A QR code that is shown, and a password on its way to the worker."""
        login_id, command_id = uuid4(), uuid4()
        ring = self.open_keys()
        qr = identify_secret("account_logins", login_id, "qr_url")
        await self.execute(
            "INSERT INTO account_logins (account_id, login_id, method, step, qr_ciphertext, expires_at)"
            " VALUES (:a, :l, 'QR', 'QR', :c, now() + interval '1 hour')",
            a=account_id,
            l=login_id,
            c=ring.encrypt("tg://login?token=canary", qr),
        )
        payload = identify_secret("account_commands", command_id, "payload")
        await self.execute(
            "INSERT INTO account_commands (id, account_id, kind, payload_ciphertext, expires_at)"
            " VALUES (:i, :a, 'PASSWORD', :c, now() + interval '1 hour')",
            i=command_id,
            a=account_id,
            c=ring.encrypt("correct horse", payload),
        )
        self.stored |= {qr: "tg://login?token=canary", payload: "correct horse"}

    async def fill(self, accounts: int = 3) -> None:
        for number in range(accounts):
            account_id = await self.add_account(f"account {number}")
        await self.add_login(account_id)

    async def rotate(self, keys: StoredKeys | None = None) -> Rotation:
        return await secrets.rotate_secrets(
            self.engine, self.actor, keys or self.keys, read_key=read_session_key
        )

    async def prune(self, keys: StoredKeys | None = None) -> Rotation:
        return await secrets.prune_keys(self.engine, self.actor, keys or self.keys, read_key=read_session_key)

    async def look(self, keys: StoredKeys | None = None) -> SecretsStatus:
        return await secrets.get_secrets_status(self.engine, keys or self.keys)

    async def until_waiting(self) -> None:
        """Until somebody waits to change the keys."""
        deadline = time.monotonic() + PATIENCE
        while not await self.execute(
            "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        ):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)

    def let_a_minute_pass(self) -> None:
        """As the key file sees it."""
        then = time.time() - secrets.SETTLES_AFTER - 1
        os.utime(self.data_dir / KEY_FILE, (then, then))

    async def read(self, keys: StoredKeys | None = None) -> dict[str, str]:
        """Every secret in the clear."""
        found = {}
        async with open_session(self.engine) as session:
            for place in PLACES:
                for secret in await list_secrets(session, place, after=None, limit=10_000):
                    found[secret.identity] = (keys or self.keys).decrypt(secret.ciphertext, secret.identity)
        return found

    async def count_by_key(self) -> dict[str, int]:
        return {key.key_id: key.secrets for key in (await self.look()).keys}

    async def execute(self, statement: str, **parameters: object) -> list[Any]:
        async with open_session(self.engine) as session:
            result = await session.execute(text(statement), parameters)
            return list(result.all()) if result.returns_rows else []  # type: ignore[attr-defined]


@pytest.fixture
def vault(engine: AsyncEngine, actor: Actor, tmp_path: Path) -> Vault:
    return Vault(engine, actor, tmp_path)


async def test_everything_is_encrypted_with_a_new_key_and_reads_as_before(vault: Vault) -> None:
    await vault.fill()
    (old,) = vault.key_ids
    versions = "SELECT id, session_version, revision FROM accounts ORDER BY id"
    before = await vault.execute(versions)
    done = await vault.rotate()
    new, kept = vault.key_ids
    assert (kept, done.first_key, done.is_new, done.is_resumed) == (old, new, True, False)
    assert (done.reencrypted, done.no_longer_needed, done.unreadable) == (8, (old,), ())
    assert await vault.read() == vault.stored
    assert await vault.count_by_key() == {new: 8, old: 0}
    assert await vault.execute(versions) == before  # no connection of an account is made anew for it


async def test_sessions_are_still_told_apart_after_it(vault: Vault) -> None:
    await vault.fill()
    await vault.rotate()
    ring = vault.open_keys()
    rows = await vault.execute("SELECT session_digest FROM accounts WHERE session_ciphertext IS NOT NULL")
    assert len(rows) == 3
    assert all(ring.is_current_digest(bytes(row.session_digest)) for row in rows)


async def test_the_audit_log_tells_of_it_and_holds_no_key(vault: Vault) -> None:
    await vault.fill()
    done = await vault.rotate()
    (entry,) = await vault.execute("SELECT * FROM audit_logs WHERE action LIKE 'secrets.%'")
    assert (entry.action, entry.actor) == ("secrets.rotated", "tester")
    assert entry.after == {
        "key": done.first_key, "new": True, "reencrypted": 8, "dropped": [], "unreadable": 0
    }  # fmt: skip
    said = repr((entry, done, await vault.look()))
    for key in vault.read_keys():
        assert key.hex() not in said
    for line in (vault.data_dir / KEY_FILE).read_text().splitlines():
        assert line not in said
    assert not any(secret in said for secret in vault.stored.values())


async def test_the_first_rotation_of_an_empty_installation_makes_one_key(vault: Vault) -> None:
    done = await vault.rotate()
    assert (done.is_new, done.reencrypted, done.no_longer_needed) == (True, 0, ())
    assert vault.key_ids == (done.first_key,)


async def test_each_rotation_makes_another_key(vault: Vault) -> None:
    await vault.fill()
    first, second = await vault.rotate(), await vault.rotate()
    assert first.first_key != second.first_key
    assert len(vault.key_ids) == 3
    assert await vault.count_by_key() == dict(zip(vault.key_ids, (8, 0, 0), strict=True))
    assert await vault.read() == vault.stored


async def test_more_secrets_than_fit_into_a_transaction(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "BATCH", 2)
    await vault.fill(accounts=5)
    assert (await vault.rotate()).reencrypted == 12
    assert await vault.read() == vault.stored
    assert list((await vault.count_by_key()).values()) == [12, 0]


@pytest.mark.parametrize("after", range(0, 8, 3))
async def test_a_rotation_that_was_cut_off_is_finished_with_the_same_key(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    await vault.fill()
    left = after

    async def replace_some(*arguments: Any, **options: Any) -> bool:
        nonlocal left
        if left == 0:
            raise asyncio.CancelledError
        left -= 1
        return await replace_ciphertext(*arguments, **options)

    monkeypatch.setattr(secrets, "BATCH", 2)
    monkeypatch.setattr(secrets, "replace_ciphertext", replace_some)
    with pytest.raises(asyncio.CancelledError):
        await vault.rotate()
    monkeypatch.undo()
    keys = vault.key_ids
    assert await vault.read() == vault.stored
    done = await vault.rotate()
    assert (done.is_resumed, done.is_new, vault.key_ids) == (True, False, keys)
    assert await vault.count_by_key() == {keys[0]: 8, keys[1]: 0}
    assert await vault.read() == vault.stored


class TestPruning:
    async def test_old_keys_are_dropped_when_nothing_needs_them(self, vault: Vault) -> None:
        await vault.fill()
        old = (await vault.rotate()).no_longer_needed
        vault.let_a_minute_pass()
        done = await vault.prune()
        assert (done.dropped, done.no_longer_needed, done.is_new) == (old, (), False)
        assert vault.key_ids == (done.first_key,)
        assert await vault.read() == vault.stored
        entries = await vault.execute("SELECT after FROM audit_logs WHERE action = 'secrets.rotated'")
        assert sorted(entry.after["dropped"] for entry in entries) == [[], list(old)]

    async def test_what_is_under_the_old_key_is_encrypted_anew_before_that_is_dropped(
        self, vault: Vault
    ) -> None:
        await vault.fill()
        read_before = vault.open_keys()
        await vault.rotate()
        await vault.add_account("late", ring=read_before)
        vault.let_a_minute_pass()
        done = await vault.prune()
        assert (done.reencrypted, done.dropped, len(done.no_longer_needed)) == (2, (), 1)
        with pytest.raises(ConflictError, match="repeat this in"):
            await vault.prune()  # somebody may be about to open what was just encrypted anew
        vault.let_a_minute_pass()
        assert len((await vault.prune()).dropped) == 1
        assert await vault.read() == vault.stored

    async def test_a_process_that_read_the_keys_a_moment_ago_is_waited_for(self, vault: Vault) -> None:
        await vault.fill()
        await vault.rotate()
        with pytest.raises(ConflictError, match=r"repeat this in \d+ s"):
            await vault.prune()
        assert len(vault.key_ids) == 2

    async def test_a_key_of_something_damaged_stays(self, vault: Vault) -> None:
        await vault.fill()
        await vault.execute(
            "UPDATE accounts SET api_hash_ciphertext ="
            " set_byte(api_hash_ciphertext, 20, get_byte(api_hash_ciphertext, 20) # 1)"
            " WHERE name = 'account 0'"
        )
        done = await vault.rotate()
        assert (done.reencrypted, len(done.unreadable), done.no_longer_needed) == (7, 1, ())
        vault.let_a_minute_pass()
        assert (await vault.prune()).dropped == ()
        assert len(vault.key_ids) == 2
        assert (await vault.rotate()).is_new  # what nobody can open keeps nobody from the next key

    async def test_where_there_is_no_key_file_nothing_is_made(self, vault: Vault) -> None:
        with pytest.raises(ConfigurationError, match="no key to drop"):
            await vault.prune()
        assert list(vault.data_dir.iterdir()) == []


class TestKeysInTheEnvironment:
    async def test_a_key_to_put_there_is_given_and_nothing_changed(self, vault: Vault) -> None:
        await vault.fill()
        (old,) = vault.read_keys()
        keys = StoredKeys(SecretStr(old.hex()), vault.data_dir)
        done = await vault.rotate(keys)
        assert (done.source, done.is_new, done.reencrypted) == ("VESTNIK_SECRET_KEY", False, 0)
        assert done.new_key is not None
        assert read_key_ring(SecretStr(f"{done.new_key},{old.hex()}"), vault.data_dir) is not None
        assert vault.read_keys() == [old]
        assert await vault.execute("SELECT 1 FROM audit_logs WHERE action = 'secrets.rotated'") == []

    async def test_all_is_encrypted_with_the_first_and_the_others_are_named(self, vault: Vault) -> None:
        await vault.fill()
        (old,) = vault.key_ids
        new = generate_key()
        both = StoredKeys(SecretStr(f"{new},{vault.read_keys()[0].hex()}"), vault.data_dir)
        done = await vault.rotate(both)
        assert (done.reencrypted, done.no_longer_needed, done.new_key) == (8, (old,), None)
        assert await vault.read(StoredKeys(SecretStr(new), vault.data_dir)) == vault.stored
        again = await vault.prune(both)
        assert (again.reencrypted, again.dropped, again.no_longer_needed) == (0, (), (old,))


class TestWhoStoresASecretMeanwhile:
    async def test_is_waited_for_so_that_nothing_stays_under_the_old_key(self, vault: Vault) -> None:
        await vault.fill()
        (old,) = vault.key_ids
        async with open_session(vault.engine) as session:
            ring = await hold_keys(session, vault.keys)
            rotation = asyncio.create_task(vault.rotate())
            await vault.until_waiting()
            assert vault.key_ids == (old,)
            identity = identify_secret("accounts", vault.last_id, "api_hash")
            await session.execute(
                text("UPDATE accounts SET api_hash_ciphertext = :c WHERE id = :i"),
                {"c": ring.encrypt("late", identity), "i": vault.last_id},
            )
            vault.stored[identity] = "late"
        assert (await rotation).no_longer_needed == (old,)
        assert await vault.read() == vault.stored

    async def test_is_not_waited_for_without_end(self, vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(secrets, "LONGEST_LOCK_WAIT", 0.1)
        await vault.fill()
        keys = vault.key_ids
        async with open_session(vault.engine) as session:
            await hold_keys(session, vault.keys)
            with pytest.raises(BusyError):
                await vault.rotate()
        assert vault.key_ids == keys
        assert await vault.count_by_key() == {keys[0]: 8}


class TestALostKeyFile:
    async def test_no_other_one_is_made_beside_stored_secrets(self, vault: Vault) -> None:
        await vault.fill()
        (lost,) = vault.key_ids
        (vault.data_dir / KEY_FILE).unlink()
        for attempt in (vault.rotate, lambda: vault.add_account("another")):
            with pytest.raises(ConfigurationError, match=rf"another key \({lost}\): put that file there"):
                await attempt()
        assert list(vault.data_dir.iterdir()) == []

    async def test_one_that_somebody_puts_there_takes_its_place(self, vault: Vault) -> None:
        await vault.fill(accounts=1)
        open_key_ring(None, vault.data_dir / "new", announce=lambda _text: None)
        os.replace(vault.data_dir / "new" / KEY_FILE, vault.data_dir / KEY_FILE)
        await vault.add_account("another")
        status = await vault.look()
        assert ([key.secrets for key in status.keys], len(status.unreadable)) == ([2], 4)


async def test_rotations_at_the_same_time_lose_no_key(vault: Vault) -> None:
    await vault.fill()
    await asyncio.gather(vault.rotate(), vault.rotate(), vault.rotate())
    assert len(set(vault.key_ids)) == len(vault.read_keys()) >= 2
    assert await vault.read() == vault.stored


async def test_accounts_can_be_added_all_the_time(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "BATCH", 2)
    await vault.fill()

    async def add_some() -> None:
        for number in range(8):
            await vault.add_account(f"new {number}")

    await asyncio.gather(add_some(), vault.rotate())
    assert await vault.read() == vault.stored
    vault.let_a_minute_pass()
    await vault.prune()
    assert await vault.read() == vault.stored
    assert list((await vault.count_by_key()).values()) == [24]


async def test_what_was_wiped_meanwhile_stays_wiped(vault: Vault) -> None:
    await vault.fill()
    async with open_session(vault.engine) as session:
        secret, *_ = await list_secrets(session, SESSIONS, after=None, limit=1)
    await vault.execute("UPDATE accounts SET session_ciphertext = NULL, session_digest = NULL")
    sealed = vault.open_keys().encrypt("old", secret.identity)
    async with open_session(vault.engine) as session:
        assert not await replace_ciphertext(session, secret, sealed, digest=None)
    assert await vault.execute("SELECT 1 FROM accounts WHERE session_ciphertext IS NOT NULL") == []


async def test_two_accounts_with_one_session_from_before_digests_are_both_kept(vault: Vault) -> None:
    first, second = await vault.add_account("first"), await vault.add_account("second")
    same = vault.stored[identify_secret("accounts", first, "session")]
    identity = identify_secret("accounts", second, "session")
    await vault.execute(
        "UPDATE accounts SET session_ciphertext = :c, session_digest = NULL WHERE id = :i",
        c=vault.open_keys().encrypt(same, identity),
        i=second,
    )
    vault.stored[identity] = same
    assert (await vault.rotate()).reencrypted == 4
    assert await vault.read() == vault.stored
    await vault.add_account("third")  # which compares its session with all others
    assert await vault.read() == vault.stored


class TestStatus:
    async def test_each_key_and_what_it_opens(self, vault: Vault) -> None:
        await vault.fill()
        read_before = vault.open_keys()
        await vault.rotate()
        await vault.add_account("late", ring=read_before)
        status = await vault.look()
        assert status.source == str(vault.data_dir / KEY_FILE)
        assert [(key.is_first, key.secrets, key.is_needed) for key in status.keys] == [
            (True, 8, True),
            (False, 2, True),
        ]
        assert status.unreadable == ()

    async def test_what_no_key_opens_is_named(self, vault: Vault) -> None:
        await vault.fill(accounts=1)
        (old,) = vault.key_ids
        other = StoredKeys(SecretStr(generate_key()), vault.data_dir)
        status = await vault.look(other)
        assert [key.secrets for key in status.keys] == [0]
        assert {secret.secret for secret in status.unreadable} == set(vault.stored)
        assert {secret.key_id for secret in status.unreadable} == {old}

    async def test_without_any_key_and_with_what_is_no_ciphertext(self, vault: Vault) -> None:
        account_id = await vault.add_account("only")
        await vault.execute("UPDATE accounts SET session_ciphertext = 'cut' WHERE id = :i", i=account_id)
        (vault.data_dir / KEY_FILE).unlink()
        status = await vault.look()
        assert (status.keys, len(status.unreadable)) == ((), 2)
        assert list(vault.data_dir.iterdir()) == []
