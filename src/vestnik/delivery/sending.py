"""One post: hand it over, and settle it when Telegram says that it has the message already."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from vestnik.delivery.clock import read_clock
from vestnik.domain.transport import Content, ErrorClass, Peer, Transport, TransportError
from vestnik.metrics.catalogue import SENT, UNSETTLED, Origin
from vestnik.metrics.delivery import LaneMeter

ASK_AGAIN_AFTER = 1.0
_CLOCK_SLACK = timedelta(hours=2)
"""By how much this host's clock may differ from Telegram's, which dates the messages."""


class UnsettledError(Exception):
    """The post may be out, but nothing may be asked now; whoever claims the job next asks again."""


async def send_once(
    transport: Transport,
    peer: Peer,
    content: Content,
    random_id: int,
    *,
    may_send: Callable[[], bool],
    claimed_before: timedelta,
    meter: LaneMeter,
    origin: Origin,
) -> tuple[int, ...]:
    """Post with a random_id and return the ids of the messages; raises TransportError or UnsettledError.

    RANDOM_ID_DUPLICATE says that a call with this random_id is still running or has succeeded. It is asked again
    after a second, if `may_send` still allows; the same answer again means that the post is out, and its id is
    looked up in the channel's history, no further back than `claimed_before`. Posts whose id cannot be found
    have none.
    """
    begun_at = read_clock()
    result: str | None = None
    meter.begin_send()
    try:
        message_ids = await _send(
            transport, peer, content, random_id, may_send=may_send, claimed_before=claimed_before
        )
        result = SENT
    except TransportError as error:
        result = error.error_class
        raise
    except UnsettledError:
        result = UNSETTLED
        raise
    finally:
        meter.end_send(origin, result, read_clock() - begun_at)
    return message_ids


async def _send(
    transport: Transport,
    peer: Peer,
    content: Content,
    random_id: int,
    *,
    may_send: Callable[[], bool],
    claimed_before: timedelta,
) -> tuple[int, ...]:
    try:
        return await transport.send(peer, content, random_id)
    except TransportError as error:
        if error.error_class is not ErrorClass.SENT:
            raise
    await asyncio.sleep(ASK_AGAIN_AFTER)
    if not may_send():
        raise UnsettledError
    try:
        return await transport.send(peer, content, random_id)
    except TransportError as error:
        if error.error_class is not ErrorClass.SENT:
            raise
    since = datetime.now(UTC) - claimed_before - _CLOCK_SLACK
    try:
        return await transport.find_messages(peer, content, since)
    except TransportError:
        return ()  # the post is out all the same
