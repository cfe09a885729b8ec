"""Whether the session that a lane speaks with is still the account's, and belongs to the account's user."""

import structlog

from vestnik.db.leases import Lease
from vestnik.db.ledger import Ledger
from vestnik.delivery.gate import Gate
from vestnik.delivery.recorder import Recorder
from vestnik.domain.transport import Identity


class IdentityCheck:
    """Ends the lane when another user is behind the session, before anything is sent with it."""

    def __init__(self, ledger: Ledger, lease: Lease, *, gate: Gate, recorder: Recorder) -> None:
        self._ledger = ledger
        self._lease = lease
        self._gate = gate
        self._recorder = recorder
        self._version: int | None = None
        self._log = structlog.get_logger().bind(account_id=str(lease.account_id))

    def note_session(self, version: int) -> bool:
        """Take note of which session the account has; whether it was replaced since this lane began."""
        is_replaced = self._version not in {None, version}
        if self._version is None:
            self._version = version
        return is_replaced

    async def accept(self, identity: Identity) -> bool:
        """Whether the session is that of this account's user; another one's stops the account instead.

        Raises DatabaseUnavailableError.
        """
        refusal = await self._ledger.note_identity(self._lease, identity)
        if refusal is None:
            return True
        assert self._version is not None, "nothing connects before the first look at the database"
        self._gate.end()
        self._log.error("account.session_refused", error=refusal.code)
        lease, version = self._lease, self._version
        reason = f"{refusal.code}: {refusal.message}"
        self._recorder.put_action(lambda: self._ledger.refuse_session(lease, version, reason))
        return False

    def note_disconnected(self) -> None:
        """The connection is closed."""
        self._recorder.put_action(lambda: self._ledger.note_disconnected(self._lease))
