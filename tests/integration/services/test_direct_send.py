"""Asking for direct sends: what is stored, what is refused, what is never readable."""

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from tests.support.sends import Sender
from tests.support.stage import Stage
from vestnik.content import content_from_json
from vestnik.db.commands import CommandLedger
from vestnik.db.engine import open_session
from vestnik.db.models import Account, Channel
from vestnik.db.secrets import identify_secret
from vestnik.domain.actors import Actor
from vestnik.domain.commands import CommandStatus, finish_command
from vestnik.domain.errors import (
    AccountHeldError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    NoWorkerError,
    VestnikError,
)
from vestnik.domain.ids import AccountId, ChannelId, CommandId
from vestnik.domain.states import AccountState, HoldScope
from vestnik.domain.transport import Content
from vestnik.services.direct_send import get_results
from vestnik.services.templates import create_template

FIRST = "@first_00001"
CANARY = "canary-of-a-secret-announcement"


@pytest.fixture
def stage(engine: AsyncEngine) -> Stage:
    return Stage(engine)


@pytest.fixture
async def account_id(stage: Stage) -> AccountId:
    """An account that a process speaks for."""
    account_id = await stage.add_account()
    await stage.acquire(account_id)
    return account_id


@pytest.fixture
async def channels(stage: Stage) -> list[ChannelId]:
    return await stage.add_channels(3)


@pytest.fixture
def sender(stage: Stage, account_id: AccountId, channels: list[ChannelId]) -> Sender:
    return Sender(stage.engine, account_id)


async def read_commands(stage: Stage) -> list[Any]:
    return await stage.execute("SELECT * FROM account_commands ORDER BY created_at")


async def read_audit(stage: Stage) -> list[Any]:
    return await stage.execute("SELECT * FROM audit_logs WHERE action LIKE 'direct_send%' ORDER BY id")


async def test_each_channel_becomes_one_command_that_only_a_key_opens(stage: Stage, sender: Sender) -> None:
    requested = await sender.request("@first_00002", "https://t.me/FIRST_00001", text=CANARY)
    rows = await read_commands(stage)
    assert tuple(row.id for row in rows) == requested.ids
    assert len({row.random_id for row in rows}) == 2
    for row in rows:
        assert (row.kind, row.status, row.maybe_sent) == ("SEND", "PENDING", False)
        assert (row.expires_at - row.created_at).total_seconds() == pytest.approx(30, abs=0.1)
        opened = sender.ring.decrypt(
            row.payload_ciphertext, identify_secret("account_commands", row.id, "payload")
        )
        assert content_from_json(json.loads(opened)) == Content(text=CANARY)
    with pytest.raises(VestnikError, match="moved here"):
        sender.ring.decrypt(
            rows[0].payload_ciphertext, identify_secret("account_commands", rows[1].id, "payload")
        )
    results = await sender.wait(*requested.ids, timeout=timedelta())
    assert [result.channel for result in results] == ["@first_00002", "@first_00001"]
    assert {result.status for result in results} == {CommandStatus.PENDING}


async def test_the_content_is_nowhere_in_plain(stage: Stage, sender: Sender) -> None:
    await sender.request(FIRST, text=CANARY, idempotency_key="morning")
    for table in ("account_commands", "audit_logs", "jobs", "templates"):
        rows = await stage.execute(f"SELECT t::text AS all FROM {table} t")
        assert not [row for row in rows if CANARY in row.all]
    (entry,) = await read_audit(stage)
    assert (entry.action, entry.entity_type, entry.actor) == (
        "direct_send.requested",
        "account_command",
        "tester",
    )
    assert entry.after["channel"] == "@first_00001"
    assert entry.after["length"] == len(CANARY)


async def test_a_template_and_a_channel_id_do_as_well(
    stage: Stage, sender: Sender, session: AsyncSession, actor: Actor, channels: list[ChannelId]
) -> None:
    async with open_session(stage.engine) as other:
        await create_template(other, actor, "Greeting", "Hello")
    requested = await sender.request(str(channels[0]), FIRST, text=None, template="Greeting")
    assert len(requested.ids) == 1


async def test_a_repeated_key_is_the_same_request_in_whatever_order(stage: Stage, sender: Sender) -> None:
    first = await sender.request(FIRST, "first_00002", idempotency_key="morning")
    again = await sender.request("first_00002", "@FIRST_00001", idempotency_key="morning")
    assert (again.ids, again.is_repeat) == (first.ids, True)
    assert len(await read_audit(stage)) == 2
    other = await sender.request(FIRST, "first_00002", idempotency_key="evening")
    assert set(other.ids).isdisjoint(first.ids)


async def test_a_key_gives_the_same_random_id_on_any_day(stage: Stage, sender: Sender) -> None:
    await sender.request(FIRST, idempotency_key="morning")
    (before,) = await read_commands(stage)
    await stage.execute("DELETE FROM account_commands")
    await sender.request(FIRST, idempotency_key="morning")
    (after,) = await read_commands(stage)
    assert before.random_id == after.random_id
    assert before.id != after.id


@pytest.mark.parametrize(
    "changes", [{"text": "Another"}, {"link_preview": False}, {"channels": ["first_00002"]}, {"more": True}]
)
async def test_a_key_with_another_request_is_refused_and_stores_nothing(
    stage: Stage, sender: Sender, changes: dict[str, Any]
) -> None:
    await sender.request(FIRST, idempotency_key="morning")
    channels = changes.pop("channels", [FIRST, "first_00003"] if changes.pop("more", False) else [FIRST])
    with pytest.raises(InvalidInputError, match="another request") as caught:
        await sender.request(*channels, idempotency_key="morning", **changes)
    assert caught.value.field == "idempotency_key"
    assert len(await read_commands(stage)) == 1


async def test_a_repeat_is_answered_although_nothing_could_be_sent_now(stage: Stage, sender: Sender) -> None:
    first = await sender.request(FIRST, idempotency_key="morning")
    await stage.ledger.hold(sender.account_id, HoldScope.SEND, timedelta(minutes=1), "FLOOD_WAIT")
    await stage.execute("UPDATE account_leases SET lease_until = '-infinity'")
    assert (await sender.request(FIRST, idempotency_key="morning")).ids == first.ids


@pytest.mark.parametrize(
    ("named", "changes", "error", "words"),
    [
        ([], {}, InvalidInputError, "no channel"),
        (["nonsense!"], {}, InvalidInputError, "'nonsense!': not a username"),
        (["https://t.me/+abcdef"], {}, InvalidInputError, "private invitation"),
        (["@unknown_one"], {}, NotFoundError, "no channel @unknown_one"),
        ([FIRST, "@unknown_one"], {}, NotFoundError, "no channel @unknown_one"),
        ([str(uuid4())], {}, NotFoundError, "no channel"),
        (["-1001234567890"], {}, NotFoundError, "no channel -1001234567890"),
        ([f"name_{number}" for number in range(51)], {}, InvalidInputError, "50 is the most"),
        ([FIRST], {"text": ""}, InvalidInputError, "text is empty"),
        ([FIRST], {"text": " \n\u200b"}, InvalidInputError, "text is empty"),
        ([FIRST], {"text": "x" * 4097}, InvalidInputError, "1 too many"),
        ([FIRST], {"text": "👋" * 2049}, InvalidInputError, "2 too many"),
        ([FIRST], {"text": "a\0b"}, InvalidInputError, r"U\+0000"),
        ([FIRST], {"text": "caf\udce9"}, InvalidInputError, "UTF-8"),
        ([FIRST], {"text": None}, InvalidInputError, "both missing"),
        ([FIRST], {"template": "T"}, InvalidInputError, "both given"),
        ([FIRST], {"text": None, "template": "T"}, NotFoundError, "no template 'T'"),
        ([FIRST], {"mode": "LIVE"}, InvalidInputError, "is simulated"),
        ([FIRST], {"mode": "DRY"}, InvalidInputError, "TEST"),
        ([FIRST], {"account": "nobody"}, NotFoundError, "no account 'nobody'"),
        ([FIRST], {"account": None, "mode": "LIVE"}, InvalidInputError, "vestnik account add"),
        ([FIRST], {"seconds": 0}, InvalidInputError, "from 1 to 600"),
        ([FIRST], {"seconds": 601}, InvalidInputError, "from 1 to 600"),
        ([FIRST], {"idempotency_key": ""}, InvalidInputError, "printable"),
        ([FIRST], {"idempotency_key": "a\nb"}, InvalidInputError, "printable"),
        ([FIRST], {"idempotency_key": "k" * 201}, InvalidInputError, "1 to 200"),
    ],
)
async def test_what_makes_no_sense_is_refused_and_stores_nothing(
    stage: Stage,
    sender: Sender,
    named: list[str],
    changes: dict[str, Any],
    error: type[VestnikError],
    words: str,
) -> None:
    with pytest.raises(error, match=words):
        await sender.request(*named, **changes)
    assert await read_commands(stage) == []
    assert await read_audit(stage) == []


async def test_a_real_account_does_not_rehearse(stage: Stage, sender: Sender) -> None:
    await stage.execute("INSERT INTO accounts (name, kind) VALUES ('real', 'USER')")
    with pytest.raises(InvalidInputError, match="is real"):
        await sender.request(FIRST, account="real")
    with pytest.raises(NoWorkerError, match="'real'"):
        await sender.request(FIRST, account="real", mode="LIVE")


class TestWhatStandsInTheWay:
    @pytest.mark.parametrize("state", [state for state in AccountState if state is not AccountState.ACTIVE])
    async def test_a_stopped_account(self, stage: Stage, sender: Sender, state: AccountState) -> None:
        async with open_session(stage.engine) as session:
            await session.execute(update(Account).values(state=state, state_reason="the reason"))
        with pytest.raises(ConflictError, match=f"{state}: the reason"):
            await sender.request(FIRST)

    async def test_a_held_account(self, stage: Stage, sender: Sender) -> None:
        await stage.ledger.hold(sender.account_id, HoldScope.RESOLVE, timedelta(days=1), "FLOOD_WAIT")
        await sender.request(FIRST)
        await stage.ledger.hold(sender.account_id, HoldScope.SEND, timedelta(minutes=1), "FLOOD_WAIT")
        row = await stage.one("SELECT until FROM account_holds WHERE scope = 'SEND'")
        with pytest.raises(AccountHeldError, match=f"{row.until:%Y-%m-%d %H:%M:%S} UTC") as caught:
            await sender.request(FIRST)
        assert (caught.value.until, caught.value.code) == (row.until, "ACCOUNT_HELD")

    async def test_no_worker(self, stage: Stage, sender: Sender) -> None:
        await stage.execute("UPDATE account_leases SET lease_until = clock_timestamp()")
        with pytest.raises(NoWorkerError) as caught:
            await sender.request(FIRST)
        assert caught.value.code == "NO_WORKER"

    async def test_an_inactive_channel(self, stage: Stage, sender: Sender) -> None:
        async with open_session(stage.engine) as session:
            await session.execute(update(Channel).values(is_active=False, inactive_reason="USERNAME_INVALID"))
        with pytest.raises(ConflictError, match=r"@first_00001 is inactive \(USERNAME_INVALID\)"):
            await sender.request(FIRST)

    async def test_a_pair_that_refused(self, stage: Stage, sender: Sender, channels: list[ChannelId]) -> None:
        await stage.ledger.deactivate_peer(sender.account_id, channels[0], "CHANNEL_PRIVATE")
        with pytest.raises(ConflictError, match=r"inactive for account .*CHANNEL_PRIVATE"):
            await sender.request(FIRST)
        await sender.request("@first_00002")

    async def test_slow_mode(self, stage: Stage, sender: Sender, channels: list[ChannelId]) -> None:
        await stage.give_peers(sender.account_id, channels)
        await stage.execute("UPDATE channel_peers SET hold_until = clock_timestamp() + interval '1 minute'")
        with pytest.raises(ConflictError, match="slow mode until"):
            await sender.request(FIRST)
        await stage.execute("UPDATE channel_peers SET hold_until = clock_timestamp()")
        await sender.request(FIRST)

    async def test_a_deleted_channel(self, stage: Stage, sender: Sender) -> None:
        await stage.execute("UPDATE channels SET deleted_at = now()")
        with pytest.raises(NotFoundError):
            await sender.request(FIRST)


class TestResults:
    async def test_waiting_ends_with_the_answer(
        self, stage: Stage, sender: Sender, channels: list[ChannelId]
    ) -> None:
        await stage.give_peers(sender.account_id, channels)
        requested = await sender.request(FIRST)
        ledger = CommandLedger(stage.ledger)
        (command,) = await ledger.claim(await stage.acquire(sender.account_id), 1)
        await ledger.record(finish_command(command, (12,)))
        (result,) = await sender.wait(*requested.ids)
        assert (result.status, result.message_ids) == (CommandStatus.DONE, (12,))
        assert result.link is None  # a rehearsal: nothing is there

    async def test_waiting_gives_up_after_its_time_and_can_be_taken_up_again(self, sender: Sender) -> None:
        requested = await sender.request(FIRST)
        (result,) = await sender.wait(*requested.ids, timeout=timedelta(seconds=0.1))
        assert result.status is CommandStatus.PENDING
        assert (await sender.read(requested.ids[0])).id == result.id

    async def test_who_asks_ends_what_nobody_else_would(self, stage: Stage, sender: Sender) -> None:
        requested = await sender.request(FIRST)
        await stage.execute("UPDATE account_leases SET lease_until = '-infinity'")
        await stage.execute("UPDATE account_commands SET expires_at = clock_timestamp()")
        result = await sender.read(requested.ids[0])
        assert (result.status, result.error_code) == (CommandStatus.EXPIRED, "NO_WORKER")
        assert "nothing was posted" in (result.error_message or "")
        (row,) = await read_commands(stage)
        assert row.payload_ciphertext is None

    async def test_an_unknown_id_is_said_so(self, session: AsyncSession) -> None:
        with pytest.raises(NotFoundError, match="no direct send"):
            await get_results(session, [CommandId(uuid4())])


async def test_a_request_wakes_the_accounts_lane(stage: Stage, sender: Sender) -> None:
    async with stage.engine.connect() as connection:
        raw = (await connection.get_raw_connection()).driver_connection
        assert raw is not None
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("LISTEN vestnik_wake"))
        await sender.request(FIRST)
        async for notify in raw.notifies(timeout=5, stop_after=1):
            assert notify.payload == str(sender.account_id)
