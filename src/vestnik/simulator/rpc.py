"""From a request to its answer: unwrapping, faults, the method, errors, latency."""

import gzip
import logging
import struct
from dataclasses import dataclass
from typing import Final

from telethon.tl import TLObject, functions, types

from vestnik.simulator.attempts import POSTING_METHODS, Client
from vestnik.simulator.calls import Call
from vestnik.simulator.failures import RpcFailure
from vestnik.simulator.faults import Fault, FaultKind, FaultTarget
from vestnik.simulator.methods import METHODS
from vestnik.simulator.posts import Arrival
from vestnik.simulator.sessions import AuthKey
from vestnik.simulator.state import Simulator

log = logging.getLogger(__name__)

_RPC_RESULT: Final = struct.Struct("<Iq")
_RPC_RESULT_ID: Final = 0xF35C6D01
_GZIP_PACKED: Final = (0x3072CFA1).to_bytes(4, "little")
_VECTOR: Final = (0x1CB5C415).to_bytes(4, "little")
_BOOL_TRUE: Final = (0x997275B5).to_bytes(4, "little")
_BOOL_FALSE: Final = (0xBC799737).to_bytes(4, "little")

_WRAPPERS: Final = (
    functions.InvokeWithLayerRequest,
    functions.InitConnectionRequest,
    functions.InvokeWithoutUpdatesRequest,
    functions.InvokeAfterMsgRequest,
    functions.InvokeAfterMsgsRequest,
)


_NAMES: Final[dict[type, str]] = {}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a request: an answer (None: never one), after `delay` seconds, or a dropped connection."""

    answer: bytes | None = None
    delay: float = 0.0
    drop: bool = False


def name_method(request_type: type) -> str:
    """The TL name of a request class, such as messages.sendMessage."""
    known = _NAMES.get(request_type)
    if known is not None:
        return known
    space = request_type.__module__.removeprefix("telethon.tl.functions").removeprefix(".")
    name = request_type.__name__.removesuffix("Request")
    name = name[:1].lower() + name[1:]
    _NAMES[request_type] = f"{space}.{name}" if space else name
    return _NAMES[request_type]


def unwrap(request: TLObject, client: Client) -> TLObject:
    """The request inside invokeWithLayer, initConnection and their like; notes the client's name for itself."""
    wants_none = False
    while isinstance(request, _WRAPPERS):
        if isinstance(request, functions.InitConnectionRequest):
            client.device = request.device_model
        wants_none = wants_none or isinstance(request, functions.InvokeWithoutUpdatesRequest)
        request = request.query
    client.takes_updates = client.takes_updates or not wants_none
    return request


def serialize(result: TLObject) -> bytes:
    """A method's result as bytes; bools and vectors have no class of their own."""
    if isinstance(result, bool):
        return _BOOL_TRUE if result else _BOOL_FALSE
    if isinstance(result, list):
        return _VECTOR + len(result).to_bytes(4, "little") + b"".join(bytes(item) for item in result)
    return bytes(result)


def wrap_result(msg_id: int, body: bytes, gzip_above: int) -> bytes:
    """rpc_result is written by hand: its body is the bare result, compressed if that pays."""
    if len(body) > gzip_above:
        packed = _GZIP_PACKED + TLObject.serialize_bytes(gzip.compress(body, 1))
        body = min(body, packed, key=len)
    return _RPC_RESULT.pack(_RPC_RESULT_ID, msg_id) + body


def fail(failure: RpcFailure) -> bytes:
    """An rpc_error as the body of a result."""
    return bytes(types.RpcError(failure.code, failure.name))


def carry_out(
    simulator: Simulator, key: AuthKey, client: Client, request: TLObject, arrival: Arrival
) -> Outcome:
    """Run one request through the faults in force and its method."""
    request = unwrap(request, client)
    method = name_method(type(request))
    simulator.posts.calls[method] += 1
    if method in POSTING_METHODS and key.account is not None:
        simulator.attempts.add(account=key.account.index, client=client, arrival=arrival)
    options = simulator.options
    delay = options.latency
    if options.latency_jitter:
        delay += simulator.rng.random() * options.latency_jitter
    fault = _choose_fault(simulator, key, method, request) if simulator.faults else None
    if fault is None:
        call = Call(simulator, key, request, arrival, arrival.monotonic + delay)
        return Outcome(_run(call, method), delay)
    return _carry_out_faulty(
        Call(simulator, key, request, arrival, arrival.monotonic + delay + fault.delay), method, fault, delay
    )


def _carry_out_faulty(call: Call, method: str, fault: Fault, delay: float) -> Outcome:
    failure = fault.failure
    if fault.kind is FaultKind.REVOKE and call.key.account is not None:
        call.simulator.revoke_keys(call.key.account.name, failure)
    answer = None
    if fault.kind in {FaultKind.DELAY, FaultKind.ERROR_AFTER, FaultKind.SILENCE_AFTER, FaultKind.DROP_AFTER}:
        answer = _run(call, method)
    if fault.kind in {FaultKind.ERROR, FaultKind.ERROR_AFTER, FaultKind.REVOKE}:
        call.simulator.posts.rejected[failure.name] += 1
        answer = fail(failure)
    if fault.kind in {FaultKind.SILENCE, FaultKind.SILENCE_AFTER}:
        return Outcome()
    if fault.kind in {FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER}:
        return Outcome(drop=True)
    return Outcome(answer, delay + fault.delay)


def _run(call: Call, method: str) -> bytes:
    handler = METHODS.get(type(call.request), _refuse_unknown)
    try:
        return serialize(handler(call))
    except RpcFailure as failure:
        call.simulator.posts.rejected[failure.name] += 1
        return fail(failure)
    except Exception:
        # The client would hang for ever without an answer.
        log.exception("simulator.method_failed %s", method)
        call.simulator.posts.rejected["INTERNAL_SERVER_ERROR"] += 1
        return fail(RpcFailure(500, "INTERNAL_SERVER_ERROR"))


def _refuse_unknown(call: Call) -> TLObject:
    raise RpcFailure(400, f"METHOD_NOT_SIMULATED: {name_method(type(call.request))}")


def _choose_fault(simulator: Simulator, key: AuthKey, method: str, request: TLObject) -> Fault | None:
    peer = getattr(request, "peer", None) or getattr(request, "channel", None)
    channel_id: int | None = getattr(peer, "channel_id", None)
    channel = simulator.channels.find(channel_id) if channel_id is not None else None
    username = channel.username if channel is not None else getattr(request, "username", None)
    return simulator.faults.choose(
        FaultTarget(
            method,
            key.account.name if key.account is not None else None,
            channel_id,
            username.removeprefix("@").lower() if username is not None else None,
        )
    )
