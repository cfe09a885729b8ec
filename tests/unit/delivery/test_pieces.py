"""The lane's small parts by themselves: the gate, and the lease's deadline."""

import asyncio
from datetime import timedelta
from typing import cast
from uuid import UUID

import pytest

from vestnik.db.leases import Lease
from vestnik.db.ledger import Ledger
from vestnik.delivery.clock import read_clock
from vestnik.delivery.gate import Gate
from vestnik.delivery.lease import LeaseKeeper
from vestnik.delivery.options import LaneOptions
from vestnik.domain.errors import DatabaseUnavailableError
from vestnik.domain.ids import AccountId

LEASE = Lease(account_id=AccountId(UUID(int=9)), holder="test", epoch=1, next_slot_in=timedelta())
SHORT = LaneOptions(lease=timedelta(seconds=0.3))


class FakeLedger:
    """Answers what the test says; the SQL behind it has tests of its own."""

    def __init__(self) -> None:
        self.renewals: list[bool | Exception] = []

    async def renew_lease(self, lease: Lease, duration: timedelta) -> bool:
        answer = self.renewals.pop(0) if self.renewals else True
        if isinstance(answer, Exception):
            raise answer
        return answer


def make_keeper(ledger: FakeLedger, options: LaneOptions = SHORT) -> LeaseKeeper:
    return LeaseKeeper(cast("Ledger", ledger), LEASE, options, asked_at=read_clock())


def test_a_gate_opens_with_the_first_look_at_the_database_and_closes_for_holds_and_for_good() -> None:
    gate = Gate(make_keeper(FakeLedger(), LaneOptions()))
    closed: list[float] = []
    gate.on_close = lambda: closed.append(gate.held_until)
    assert not gate.is_open()
    gate.note_looked()
    assert gate.is_open()
    until = read_clock() + 60
    gate.hold_until(until)
    gate.hold_until(until - 30)
    assert (gate.held_until, gate.is_open(), closed) == (until, False, [until])
    gate.end()
    assert gate.is_over


async def test_a_lease_is_valid_while_it_is_renewed_and_not_a_moment_longer() -> None:
    ledger = FakeLedger()
    keeper = make_keeper(ledger)
    ledger.renewals = [True, True, True, False]
    begun = read_clock()
    async with asyncio.timeout(5):
        await keeper.run()
    assert not keeper.is_valid
    assert read_clock() - begun >= 0.3


@pytest.mark.timed
async def test_a_lease_that_cannot_be_renewed_ends_by_its_own_deadline() -> None:
    ledger = FakeLedger()
    keeper = make_keeper(ledger)
    ledger.renewals = [DatabaseUnavailableError("away")] * 100
    begun = read_clock()
    async with asyncio.timeout(5):
        await keeper.run()
    assert read_clock() - begun < 1.5
    assert not keeper.is_valid
