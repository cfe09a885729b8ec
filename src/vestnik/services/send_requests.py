"""What came of one direct send in all its channels."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.commands import list_request
from vestnik.domain.errors import NotFoundError
from vestnik.domain.ids import CommandId
from vestnik.domain.states import AccountKind
from vestnik.services.direct_send import SendResult, get_results


@dataclass(frozen=True, kw_only=True, slots=True)
class SendRequest:
    """The posts that were asked for together, in the order of the channels, and what became of each so far."""

    account_name: str
    is_rehearsal: bool
    requested_at: datetime
    expires_at: datetime
    """What has not started by then never does."""
    results: tuple[SendResult, ...]

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens by itself."""
        return all(result.status.is_final for result in self.results)


async def get_request(session: AsyncSession, command_id: CommandId) -> SendRequest:
    """The request that a post belongs to. Raises NotFoundError."""
    found = await list_request(session, command_id)
    if found is None:
        raise NotFoundError(f"there is no direct send {command_id}", field="id")
    account, ids = found
    results = await get_results(session, ids)
    return SendRequest(
        account_name=account.name,
        is_rehearsal=AccountKind(account.kind) is AccountKind.SIMULATED,
        requested_at=results[0].requested_at,
        expires_at=results[0].expires_at,
        results=tuple(results),
    )
