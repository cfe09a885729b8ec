"""Direct sends in a test: asked for as an operator does, with a key ring of the test's own."""

import time
from datetime import timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.keys import lend
from vestnik.db.engine import open_session
from vestnik.db.secrets import KeyRing
from vestnik.domain.actors import Actor, ActorKind
from vestnik.domain.ids import AccountId, CommandId
from vestnik.services.direct_send import (
    NewSend,
    RequestedSend,
    SendResult,
    get_results,
    request_send,
    wait_for_results,
)

SECRET_KEY = sha256(b"the key of direct sends in tests").hexdigest()
"""What a worker needs in VESTNIK_SECRET_KEY to read what `Sender` wrote."""
PATIENCE = timedelta(seconds=15)


class Sender:
    """Asks for posts of one account and waits for what becomes of them."""

    def __init__(self, engine: AsyncEngine, account_id: AccountId) -> None:
        self.engine = engine
        self.account_id = account_id
        self.ring = KeyRing([bytes.fromhex(SECRET_KEY)])
        self.committed_at = 0.0
        """When the last request was committed, on the clock of `time.monotonic`."""

    async def request(self, *channels: str, text: str | None = "Direct", **changes: Any) -> RequestedSend:
        """Ask; the ids come at once. `seconds` is how long the request lasts."""
        seconds = changes.pop("seconds", 30)
        new = NewSend(
            **{
                "channels": channels,
                "text": text,
                "account": str(self.account_id),
                "expires_in": timedelta(seconds=seconds),
                **changes,
            }
        )
        actor = Actor(kind=ActorKind.CLI, name="tester")
        async with open_session(self.engine) as session:
            requested = await request_send(session, actor, new, open_keys=lend(self.ring))
        self.committed_at = time.monotonic()
        return requested

    async def wait(self, *ids: CommandId, timeout: timedelta = PATIENCE) -> list[SendResult]:
        """Until all have ended."""
        return await wait_for_results(self.engine, ids, timeout=timeout)

    async def read(self, command_id: CommandId) -> SendResult:
        """As it is now."""
        async with open_session(self.engine) as session:
            (result,) = await get_results(session, [command_id])
        return result

    async def send(self, channel: str, text: str = "Direct", **changes: Any) -> SendResult:
        """Ask for one post and wait for its end."""
        requested = await self.request(channel, text=text, **changes)
        (result,) = await self.wait(*requested.ids)
        return result
