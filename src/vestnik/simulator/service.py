"""MTProto's own messages, which are answered outside rpc_result.

Source: https://core.telegram.org/mtproto/service_messages and service_messages_about_messages.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from telethon.tl import TLObject, functions, types

from vestnik.simulator.sessions import AuthKey, Session

MAX_FUTURE_SALTS: Final = 64
_NOT_RECEIVED: Final = 2
_RECEIVED: Final = 4


@dataclass(frozen=True, slots=True)
class ServiceMessage:
    """A service message with what is needed to answer it."""

    key: AuthKey
    session: Session
    msg_id: int
    content: TLObject


def _answer_ping(message: ServiceMessage) -> TLObject:
    return types.Pong(message.msg_id, message.content.ping_id)


def _answer_future_salts(message: ServiceMessage) -> TLObject:
    now = time.time()
    count = min(max(message.content.num, 1), MAX_FUTURE_SALTS)
    salts = [types.FutureSalt(*entry) for entry in message.key.list_future_salts(count, now)]
    # Telethon 1.45.0 writes this bare vector as Telegram does; not every version has.
    return types.FutureSalts(message.msg_id, int(now), salts)


def _answer_state(message: ServiceMessage) -> TLObject:
    info = bytes(
        _RECEIVED if message.session.has_seen(msg_id) else _NOT_RECEIVED for msg_id in message.content.msg_ids
    )
    return types.MsgsStateInfo(message.msg_id, info)


def _answer_destroy_session(message: ServiceMessage) -> TLObject:
    session_id = message.content.session_id
    if session_id != message.session.session_id and message.key.destroy_session(session_id):
        return types.DestroySessionOk(session_id)
    return types.DestroySessionNone(session_id)


def _answer_nothing(_message: ServiceMessage) -> TLObject:
    return None


SERVICE_MESSAGES: Final[dict[type, Callable[[ServiceMessage], TLObject]]] = {
    functions.PingRequest: _answer_ping,
    functions.PingDelayDisconnectRequest: _answer_ping,
    functions.GetFutureSaltsRequest: _answer_future_salts,
    functions.DestroySessionRequest: _answer_destroy_session,
    types.MsgsStateReq: _answer_state,
    types.MsgResendReq: _answer_state,
    types.MsgsAck: _answer_nothing,
    types.MsgsStateInfo: _answer_nothing,
    types.MsgsAllInfo: _answer_nothing,
    types.HttpWait: _answer_nothing,
}
