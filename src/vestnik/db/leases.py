"""Which process may speak for which account, and which processes there are."""

from dataclasses import dataclass
from datetime import timedelta

from vestnik.db.statements import StatementRunner, read_seconds
from vestnik.domain.ids import AccountId
from vestnik.domain.states import AccountKind


@dataclass(frozen=True, kw_only=True, slots=True)
class Lease:
    """The right to speak for an account; `epoch` fences everyone who held it before."""

    account_id: AccountId
    holder: str
    epoch: int
    next_slot_in: timedelta
    """Negative when that slot has passed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LeasableAccount:
    """An account to speak for. `free_in` is how long another process's lease still keeps us from it, or zero."""

    account_id: AccountId
    kind: AccountKind
    free_in: timedelta
    has_login: bool = False
    """A login waits to be carried out; until it is over the account needs no lane."""


class LeaseLedger(StatementRunner):
    """The statements about leases and workers, one round trip each."""

    async def list_leasable_accounts(self, holder: str, *, within: timedelta) -> list[LeasableAccount]:
        """Accounts to speak for whose lease `holder` may take: now, or within a time when another's ends."""
        return [
            LeasableAccount(
                account_id=AccountId(row.id),
                kind=AccountKind(row.kind),
                free_in=timedelta(seconds=row.free_in),
                has_login=row.has_login,
            )
            for row in await self.fetch("list_leasable", holder=holder, within=within)
        ]

    async def acquire_lease(self, account_id: AccountId, holder: str, duration: timedelta) -> Lease | None:
        """Take the lease for `duration`; None when another process holds it."""
        rows = await self.fetch("acquire_lease", account_id=account_id, holder=holder, duration=duration)
        if not rows:
            return None
        return Lease(
            account_id=account_id,
            holder=holder,
            epoch=rows[0].epoch,
            next_slot_in=read_seconds(rows[0].next_slot_in) or timedelta(),
        )

    async def renew_lease(self, lease: Lease, duration: timedelta) -> bool:
        """Prolong the lease to `duration` from now; False when it is lost."""
        return bool(
            await self.fetch(
                "renew_lease",
                account_id=lease.account_id,
                holder=lease.holder,
                epoch=lease.epoch,
                duration=duration,
            )
        )

    async def release_lease(self, lease: Lease) -> None:
        """Give the lease back at once."""
        await self.fetch("release_lease", account_id=lease.account_id, holder=lease.holder, epoch=lease.epoch)

    async def expire_holder(self, holder: str) -> None:
        """End all leases of a process known to be dead."""
        await self.fetch("expire_holder", holder=holder)

    async def send_heartbeat(self, holder: str, host: str, pid: int, alive_for: timedelta) -> tuple[int, int]:
        """Say that a worker lives; how many workers (seen within `alive_for`) and active accounts there are."""
        rows = await self.fetch("heartbeat", holder=holder, host=host, pid=pid, alive_for=alive_for)
        return rows[0].workers, rows[0].accounts

    async def forget_worker(self, holder: str) -> None:
        """Take a worker that stops off the list."""
        await self.fetch("forget_worker", holder=holder)
