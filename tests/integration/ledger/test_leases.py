"""One owner per account, and a fence against everyone who owned it before."""

import asyncio
from datetime import timedelta

from tests.support.stage import LONG, Stage
from vestnik.domain.states import AccountState

SHORT = timedelta(milliseconds=150)


async def test_only_one_of_many_gets_the_lease(stage: Stage) -> None:
    account_id = await stage.add_account()
    leases = await asyncio.gather(
        *(stage.ledger.acquire_lease(account_id, f"holder {number}", LONG) for number in range(8))
    )
    assert sum(lease is not None for lease in leases) == 1


async def test_a_lease_can_be_taken_when_it_has_ended_and_raises_the_epoch(stage: Stage) -> None:
    account_id = await stage.add_account()
    first = await stage.ledger.acquire_lease(account_id, "one", SHORT)
    assert first is not None
    assert await stage.ledger.acquire_lease(account_id, "two", LONG) is None
    async with asyncio.timeout(5):
        while (second := await stage.ledger.acquire_lease(account_id, "two", LONG)) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert second.epoch == first.epoch + 1
    assert not await stage.ledger.renew_lease(first, LONG)
    assert await stage.ledger.renew_lease(second, LONG)


async def test_a_lease_that_has_ended_cannot_be_renewed_even_if_nobody_took_it(stage: Stage) -> None:
    account_id = await stage.add_account()
    lease = await stage.ledger.acquire_lease(account_id, "one", timedelta(seconds=-1))
    assert lease is not None
    assert not await stage.ledger.renew_lease(lease, LONG)


async def test_the_holder_may_take_its_own_lease_anew(stage: Stage) -> None:
    account_id = await stage.add_account()
    first, second = await stage.acquire(account_id), await stage.acquire(account_id)
    assert second.epoch == first.epoch + 1
    assert not await stage.ledger.renew_lease(first, LONG)
    await stage.ledger.release_lease(first)  # changes nothing: it is not the one that counts
    assert await stage.ledger.renew_lease(second, LONG)


async def test_a_released_lease_is_free_at_once(stage: Stage) -> None:
    account_id = await stage.add_account()
    await stage.ledger.release_lease(await stage.acquire(account_id, "one"))
    assert await stage.ledger.acquire_lease(account_id, "two", LONG) is not None


async def test_all_leases_of_a_dead_process_end_at_once(stage: Stage) -> None:
    accounts = [await stage.add_account() for _ in range(3)]
    leases = [await stage.acquire(account, "dead") for account in accounts[:2]]
    other = await stage.acquire(accounts[2], "alive")
    await stage.ledger.expire_holder("dead")
    assert [await stage.ledger.renew_lease(lease, LONG) for lease in [*leases, other]] == [False, False, True]


async def test_accounts_are_offered_to_those_who_may_take_them(stage: Stage) -> None:
    free, ours, others, blocked = [await stage.add_account() for _ in range(4)]
    await stage.acquire(ours, "us")
    await stage.acquire(others, "them")
    await stage.ledger.block_account(blocked, AccountState.LIMITED, "PEER_FLOOD")
    await stage.ledger.release_lease(await stage.acquire(free, "gone"))
    leasable = await stage.ledger.list_leasable_accounts("us", within=timedelta(seconds=1))
    offered = {account.account_id: account.free_in for account in leasable}
    assert offered[free] == offered[ours] == timedelta()
    assert not offered.keys() & {others, blocked}


async def test_a_lease_that_is_about_to_end_is_announced_with_the_time_left(stage: Stage) -> None:
    dying, living = [await stage.add_account() for _ in range(2)]
    for account_id, seconds in ((dying, 30), (living, 300)):
        assert await stage.ledger.acquire_lease(account_id, "them", timedelta(seconds=seconds)) is not None
    leasable = await stage.ledger.list_leasable_accounts("us", within=timedelta(seconds=60))
    offered = {account.account_id: account.free_in for account in leasable}
    assert timedelta(seconds=20) < offered[dying] <= timedelta(seconds=30)
    assert living not in offered


async def test_a_block_does_not_replace_another(stage: Stage) -> None:
    account_id = await stage.add_account()
    await stage.ledger.block_account(account_id, AccountState.LIMITED, "PEER_FLOOD")
    await stage.ledger.block_account(account_id, AccountState.NEEDS_LOGIN, "SESSION_REVOKED")
    row = await stage.one("SELECT state, state_reason FROM accounts WHERE id = :id", id=account_id)
    assert tuple(row) == ("LIMITED", "PEER_FLOOD")
