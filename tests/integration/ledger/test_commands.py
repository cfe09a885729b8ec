"""Commands in the database: what a claim takes, what is recorded, what ends by itself."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.exc import IntegrityError

from tests.integration.ledger.conftest import Scene
from vestnik.db.commands import ClaimedCommand, CommandLedger, NewCommand, insert_commands
from vestnik.db.engine import open_session
from vestnik.domain.commands import (
    CommandStatus,
    finish_command,
    give_command_back,
    judge_command,
    refuse_command,
)
from vestnik.domain.ids import ChannelId, CommandId
from vestnik.domain.outcomes import Deactivation
from vestnik.domain.states import AccountState, HoldScope
from vestnik.domain.transport import ErrorClass, TransportError

HALF_A_MINUTE = timedelta(seconds=30)
HOLD_ALL = (
    "INSERT INTO account_holds (account_id, scope, until, reason)"
    " SELECT id, 'SEND', clock_timestamp() + interval '1 h', 'FLOOD_WAIT' FROM accounts"
)


class Desk:
    """The scene's account as its lease holder and as those who ask see it."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.ledger = CommandLedger(scene.stage.ledger)

    async def ask(self, *channels: ChannelId, key: str | None = None) -> list[CommandId]:
        commands = [
            NewCommand(
                command_id=CommandId(uuid4()),
                channel_id=channel_id,
                payload=b"sealed",
                random_id=100 + number,
            )
            for number, channel_id in enumerate(channels or self.scene.channels[:1])
        ]
        async with open_session(self.scene.stage.engine) as session:
            await insert_commands(
                session,
                self.scene.account_id,
                commands,
                expires_in=HALF_A_MINUTE,
                idempotency_key=key,
                request_digest=b"digest",
            )
        return [command.command_id for command in commands]

    async def claim(self, count: int = 10) -> list[ClaimedCommand]:
        return await self.ledger.claim(self.scene.lease, count)

    async def claim_one(self) -> ClaimedCommand:
        (command,) = await self.claim()
        return command

    async def settle(self) -> bool:
        return await self.ledger.settle(self.scene.account_id)

    async def read(self, command_id: CommandId) -> Any:
        return await self.scene.stage.one("SELECT * FROM account_commands WHERE id = :id", id=command_id)

    async def change(self, assignment: str) -> None:
        await self.scene.stage.execute(f"UPDATE account_commands SET {assignment}")

    async def take_over(self) -> None:
        """Another epoch of the lease."""
        self.scene.lease = await self.scene.stage.acquire(self.scene.account_id)


@pytest.fixture
def desk(scene: Scene) -> Desk:
    return Desk(scene)


def fail(error_class: ErrorClass, name: str, **fields: Any) -> TransportError:
    return TransportError(name, error_class, f"Telegram said {name}", **fields)


class TestClaiming:
    async def test_the_oldest_come_first_and_are_started(self, desk: Desk) -> None:
        ids = await desk.ask(*desk.scene.channels[:3])
        claimed = await desk.claim(2)
        assert [command.command_id for command in claimed] == ids[:2]
        assert [command.random_id for command in claimed] == [100, 101]
        assert {(command.claims, command.was_maybe_sent, command.payload) for command in claimed} == {
            (1, False, b"sealed")
        }
        row = await desk.read(ids[0])
        assert (row.status, row.claim_epoch, row.maybe_sent) == ("STARTED", desk.scene.lease.epoch, True)
        assert [command.command_id for command in await desk.claim()] == ids[2:]

    async def test_two_claimers_never_get_the_same(self, desk: Desk) -> None:
        ids = await desk.ask(*desk.scene.channels)
        taken = await asyncio.gather(*(desk.claim(3) for _ in range(6)))
        assert sorted(command.command_id for part in taken for command in part) == sorted(ids)

    async def test_nothing_is_claimed_under_an_old_epoch_or_an_ended_lease(self, desk: Desk) -> None:
        await desk.ask()
        old = desk.scene.lease
        await desk.take_over()
        assert await desk.ledger.claim(old, 1) == []
        await desk.scene.stage.execute("UPDATE account_leases SET lease_until = clock_timestamp()")
        assert await desk.claim() == []

    async def test_nothing_is_claimed_during_a_hold_or_of_a_blocked_account(self, desk: Desk) -> None:
        await desk.ask()
        ledger = desk.scene.stage.ledger
        await ledger.hold(desk.scene.account_id, HoldScope.SEND, timedelta(minutes=1), "FLOOD_WAIT")
        assert await desk.claim() == []
        await desk.scene.stage.execute("UPDATE account_holds SET until = clock_timestamp()")
        await ledger.block_account(desk.scene.account_id, AccountState.LIMITED, "PEER_FLOOD")
        assert await desk.claim() == []
        await desk.scene.stage.execute("UPDATE accounts SET state = 'ACTIVE'")
        assert len(await desk.claim()) == 1

    @pytest.mark.parametrize(
        "change",
        [
            "UPDATE channel_peers SET access_hash = NULL",
            "UPDATE channel_peers SET is_active = false",
            "UPDATE channel_peers SET hold_until = clock_timestamp() + interval '1 minute'",
            "UPDATE channels SET is_active = false",
            "DELETE FROM channel_peers",
        ],
    )
    async def test_channels_that_cannot_be_posted_to_are_passed_over(self, desk: Desk, change: str) -> None:
        await desk.ask()
        await desk.scene.stage.execute(change)
        assert await desk.claim() == []

    async def test_an_expired_one_never_starts(self, desk: Desk) -> None:
        (command_id,) = await desk.ask()
        await desk.change("expires_at = clock_timestamp()")
        assert await desk.claim() == []
        await desk.settle()
        row = await desk.read(command_id)
        assert (row.status, row.result["error_code"], row.payload_ciphertext) == ("EXPIRED", "EXPIRED", None)
        assert row.finished_at is not None

    async def test_each_moves_the_accounts_stored_slot_by_one_interval(self, desk: Desk) -> None:
        await desk.ask(*desk.scene.channels[:4])
        await desk.claim()
        successor = await desk.scene.stage.acquire(desk.scene.account_id)
        assert successor.next_slot_in.total_seconds() == pytest.approx(4 / 20, abs=0.15)

    async def test_a_claim_that_finds_nothing_moves_no_slot(self, desk: Desk) -> None:
        await desk.claim()
        assert (await desk.scene.stage.acquire(desk.scene.account_id)).next_slot_in < timedelta()


class TestRecording:
    async def test_a_post_is_done_and_its_payload_gone(self, desk: Desk) -> None:
        (command_id,) = await desk.ask()
        await desk.ledger.record(finish_command(await desk.claim_one(), (7,)))
        row = await desk.read(command_id)
        assert (row.status, row.result, row.payload_ciphertext) == ("DONE", {"message_ids": [7]}, None)
        assert (row.maybe_sent, row.finished_at is not None) == (False, True)

    async def test_a_success_counts_whoever_holds_the_lease_now_and_stays(self, desk: Desk) -> None:
        (command_id,) = await desk.ask()
        command = await desk.claim_one()
        await desk.take_over()
        again = await desk.claim_one()
        await desk.ledger.record(finish_command(command, (7,)))
        await desk.ledger.record(refuse_command(again, "LATE", "too late"))
        row = await desk.read(command_id)
        assert (row.status, row.result) == ("DONE", {"message_ids": [7]})

    async def test_what_belongs_to_an_earlier_claim_changes_nothing(self, desk: Desk) -> None:
        (command_id,) = await desk.ask()
        first = await desk.claim_one()
        await desk.ledger.record(give_command_back(first, maybe_sent=False))
        second = await desk.claim_one()
        assert (second.claims, second.was_maybe_sent) == (2, False)
        await desk.ledger.record(give_command_back(first, maybe_sent=False))
        await desk.ledger.record(refuse_command(first, "OLD", "old"))
        assert (await desk.read(command_id)).status == "STARTED"

    async def test_one_given_back_unsent_is_new_again(self, desk: Desk) -> None:
        (command_id,) = await desk.ask()
        await desk.ledger.record(give_command_back(await desk.claim_one(), maybe_sent=False))
        row = await desk.read(command_id)
        assert (row.status, row.maybe_sent, row.claim_epoch) == ("PENDING", False, None)
        assert row.payload_ciphertext is not None

    async def test_one_that_may_be_out_stays_started_and_is_asked_about_past_its_end(
        self, desk: Desk
    ) -> None:
        (command_id,) = await desk.ask()
        lost = fail(ErrorClass.TRANSIENT, "CONNECTION_LOST", definite=False, disconnected=True)
        result, _ = judge_command(await desk.claim_one(), lost)
        await desk.ledger.record(result)
        row = await desk.read(command_id)
        assert (row.status, row.maybe_sent, row.claim_epoch) == ("STARTED", True, None)
        assert await desk.claim() == []  # not before a second has passed
        await desk.change(
            "not_before = clock_timestamp(), expires_at = clock_timestamp() - interval '9 minutes'"
        )
        await desk.settle()
        assert (await desk.claim_one()).was_maybe_sent

    async def test_after_ten_minutes_or_ten_claims_it_ends_unknown(self, desk: Desk) -> None:
        ids = await desk.ask(*desk.scene.channels[:2])
        for command in await desk.claim():
            await desk.ledger.record(give_command_back(command, maybe_sent=True))
        await desk.scene.stage.execute(
            "UPDATE account_commands SET expires_at = clock_timestamp() - interval '10 minutes' WHERE id = :id",
            id=ids[0],
        )
        await desk.scene.stage.execute("UPDATE account_commands SET claims = 10 WHERE id = :id", id=ids[1])
        assert await desk.claim() == []
        await desk.settle()
        for command_id in ids:
            row = await desk.read(command_id)
            assert (row.status, row.result["error_code"], row.maybe_sent) == (
                "FAILED",
                "UNKNOWN_OUTCOME",
                True,
            )
            assert row.payload_ciphertext is None

    async def test_what_its_holder_is_about_to_finish_is_left_alone(self, desk: Desk) -> None:
        (command_id,) = await desk.ask()
        await desk.claim()
        await desk.change("expires_at = clock_timestamp() - interval '1 hour'")
        await desk.settle()
        assert (await desk.read(command_id)).status == "STARTED"
        await desk.scene.stage.execute("UPDATE account_leases SET lease_until = clock_timestamp()")
        await desk.settle()
        assert (await desk.read(command_id)).status == "FAILED"

    async def test_a_refusal_deactivates_the_pair_or_the_channel(self, desk: Desk) -> None:
        pair, _ = await desk.ask(*desk.scene.channels[:2])
        for command in await desk.claim():
            kind = ErrorClass.CHANNEL if command.command_id == pair else ErrorClass.CHANNEL_FOR_ALL
            result, _ = judge_command(command, fail(kind, "REFUSED"))
            assert result.deactivate is (
                Deactivation.PAIR if command.command_id == pair else Deactivation.CHANNEL
            )
            await desk.ledger.record(result)
            await desk.ledger.record(result)  # its answer got lost
        peers = [
            await desk.scene.stage.read_peer(desk.scene.account_id, channel_id)
            for channel_id in desk.scene.channels[:2]
        ]
        assert [(peer.is_active, peer.inactive_reason) for peer in peers] == [(False, "REFUSED")] * 2
        assert [peer.consecutive_failures for peer in peers] == [1, 1]
        rows = await desk.scene.stage.execute("SELECT id, inactive_reason FROM channels WHERE NOT is_active")
        assert rows == [(desk.scene.channels[1], "REFUSED")]

    async def test_others_of_a_refusing_channel_fail_with_its_reason(self, desk: Desk) -> None:
        _, second = await desk.ask(desk.scene.channels[0], desk.scene.channels[0])
        (command,) = await desk.claim(1)
        result, _ = judge_command(command, fail(ErrorClass.CHANNEL, "CHANNEL_PRIVATE"))
        await desk.ledger.record(result)
        await desk.settle()
        row = await desk.read(second)
        assert (row.status, row.result["error_code"]) == ("FAILED", "CHANNEL_PRIVATE")

    async def test_a_post_resets_the_channels_failures(self, desk: Desk) -> None:
        await desk.scene.stage.execute("UPDATE channel_peers SET consecutive_failures = 4")
        await desk.ask()
        await desk.ledger.record(finish_command(await desk.claim_one(), (1,)))
        peer = await desk.scene.stage.read_peer(desk.scene.account_id, desk.scene.channels[0])
        assert peer.consecutive_failures == 0


class TestSettling:
    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ("UPDATE accounts SET state = 'LIMITED'", "ACCOUNT_BLOCKED"),
            (
                HOLD_ALL,
                "ACCOUNT_HELD",
            ),
            ("UPDATE account_leases SET lease_until = clock_timestamp()", "NO_WORKER"),
            ("UPDATE channel_peers SET access_hash = NULL", "CHANNEL_UNRESOLVED"),
            ("UPDATE channel_peers SET hold_until = clock_timestamp() + interval '1 h'", "CHANNEL_HELD"),
            ("""UPDATE account_commands SET result = '{"error_code": "RPC_CALL_FAIL"}'""", "RPC_CALL_FAIL"),
        ],
    )
    async def test_an_expired_one_says_what_stood_in_its_way(
        self, desk: Desk, change: str, code: str
    ) -> None:
        (command_id,) = await desk.ask()
        await desk.scene.stage.execute(change)
        await desk.change("expires_at = clock_timestamp()")
        await desk.settle()
        row = await desk.read(command_id)
        assert (row.status, row.result["error_code"], row.payload_ciphertext) == ("EXPIRED", code, None)

    async def test_it_tells_whether_an_address_is_missing(self, desk: Desk) -> None:
        await desk.ask()
        assert not await desk.settle()
        await desk.scene.stage.execute("UPDATE channel_peers SET access_hash = NULL")
        assert await desk.settle()
        await desk.change("expires_at = clock_timestamp()")
        assert not await desk.settle()

    async def test_channels_of_commands_are_looked_up_first(self, desk: Desk) -> None:
        (other,) = await desk.scene.stage.add_channels(1, "second")
        await desk.scene.stage.execute("UPDATE channel_peers SET access_hash = NULL")
        await desk.ask(other)
        missing = await desk.scene.stage.ledger.list_unresolved(desk.scene.account_id, None, 20)
        assert missing[0].channel_id == other
        assert {item.channel_id for item in missing[1:]} == set(desk.scene.channels)
        first = await desk.scene.stage.ledger.list_unresolved(desk.scene.account_id, None, 3)
        assert first[0].channel_id == other
        assert len(first) == 3

    async def test_channels_newer_than_the_last_look_at_the_dialogs_come_before_the_others(
        self, desk: Desk
    ) -> None:
        ledger, account_id = desk.scene.stage.ledger, desk.scene.account_id
        await desk.scene.stage.execute("UPDATE channel_peers SET access_hash = NULL")
        (seen, *_) = await ledger.list_unresolved(account_id, None, 1)
        assert not seen.is_listed
        newest = desk.scene.channels[4]
        await desk.scene.stage.execute(
            "UPDATE channels SET created_at = clock_timestamp() WHERE id = :id", id=newest
        )
        missing = await ledger.list_unresolved(account_id, seen.read_at, 10)
        assert [item.is_listed for item in missing] == [False] + [True] * 9
        assert missing[0].channel_id == newest

    async def test_the_lane_learns_of_open_commands(self, desk: Desk) -> None:
        ledger, account_id = desk.scene.stage.ledger, desk.scene.account_id
        assert not (await ledger.read_lane(account_id)).has_commands
        await desk.ask()
        assert (await ledger.read_lane(account_id)).has_commands
        await desk.ledger.record(finish_command(await desk.claim_one(), (1,)))
        assert not (await ledger.read_lane(account_id)).has_commands


async def test_a_key_is_stored_once_per_channel(desk: Desk) -> None:
    await desk.ask(*desk.scene.channels[:2], key="morning")
    with pytest.raises(IntegrityError):
        await desk.ask(key="morning")
    await desk.ask(key="evening")
    await desk.ask()
    await desk.ask()


async def test_a_finished_command_cannot_keep_its_payload(desk: Desk) -> None:
    await desk.ask()
    for status in (CommandStatus.DONE, CommandStatus.FAILED, CommandStatus.EXPIRED):
        with pytest.raises(IntegrityError, match="wiped"):
            await desk.change(f"status = '{status}'")
