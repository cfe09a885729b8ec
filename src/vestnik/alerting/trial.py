"""Trying a destination: one message, at once, with the answer for whoever asked."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from vestnik.alerting.delivery import Channels
from vestnik.domain.alerts import Alert, AlertKind, DeliveryError, Message, Occasion, OpenDestination

LIMIT_SECONDS: Final = 60.0
"""Longer than any delivery takes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialResult:
    """What came of it; `answer` says in short what the other side said, or what went wrong."""

    is_delivered: bool
    answer: str
    seconds: float


class AlertTrial:
    """Sends test messages."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels

    async def run(self, destination: OpenDestination) -> TrialResult:
        """Send one. Raises DatabaseUnavailableError and, for an account's post, SecretError."""
        alert = Alert(kind=AlertKind.TEST, is_urgent=False)
        now = datetime.now(UTC)
        text = await asyncio.to_thread(
            self._channels.write, alert, destination.language, occasion=Occasion.TEST, since=now
        )
        message = Message(id=f"test-{uuid4()}", occasion=Occasion.TEST, alert=alert, text=text, since=now)
        began = time.monotonic()
        try:
            answer = await self._channels.deliver(destination, message)
        except DeliveryError as exc:
            return TrialResult(is_delivered=False, answer=exc.message, seconds=time.monotonic() - began)
        return TrialResult(is_delivered=True, answer=answer, seconds=time.monotonic() - began)
