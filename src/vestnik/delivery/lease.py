"""Keeping an account's lease, and knowing at every moment whether it still holds."""

import asyncio

import structlog

from vestnik.db.leases import Lease
from vestnik.db.ledger import Ledger
from vestnik.delivery.clock import read_clock
from vestnik.delivery.options import LaneOptions
from vestnik.delivery.waiting import back_off
from vestnik.domain.errors import DatabaseUnavailableError

log = structlog.get_logger()

LONGEST_JUMP = 2.0


class LeaseKeeper:
    """Renews a lease at a third of its length and counts its own deadline.

    The deadline counts from before the request that got the lease, on a clock that goes on while the machine is
    suspended, and ends a margin early; so a process that was frozen or whose database is away stops by itself.
    """

    def __init__(self, ledger: Ledger, lease: Lease, options: LaneOptions, *, asked_at: float) -> None:
        self._ledger = ledger
        self.lease = lease
        self._options = options
        self._lost = False
        self.was_given_back = False
        """The next holder need not wait until the lease ends."""
        self._deadline = self._compute_deadline(asked_at)

    def _compute_deadline(self, asked_at: float) -> float:
        return asked_at + (self._options.lease - self._options.lease_margin).total_seconds()

    @property
    def is_valid(self) -> bool:
        """Whether something may be sent right now. Ask before every claim, send, re-send and reconnect."""
        return not self._lost and read_clock() < self._deadline

    async def run(self) -> None:
        """Renew until the lease is lost; returns then."""
        pause = self._options.lease.total_seconds() / 3
        failures = 0
        while self.is_valid:
            slept_from = read_clock()
            if failures:
                await back_off(failures)
            else:
                await asyncio.sleep(pause)
                if read_clock() - slept_from > pause + LONGEST_JUMP:
                    log.warning("lease.clock_jumped", account_id=str(self.lease.account_id))
                    break
            asked_at = read_clock()
            if asked_at >= self._deadline:
                break
            try:
                renewed = await self._ledger.renew_lease(self.lease, self._options.lease)
            except DatabaseUnavailableError:
                failures += 1
                continue
            if not renewed:
                break
            failures = 0
            self._deadline = self._compute_deadline(asked_at)
        self._lost = True

    async def give_back(self) -> None:
        """Let the next holder in at once; with the database away the lease just ends by itself."""
        self._lost = True
        try:
            await self._ledger.release_lease(self.lease)
            self.was_given_back = True
        except DatabaseUnavailableError:
            log.info("lease.left_to_expire", account_id=str(self.lease.account_id))
