"""The control port: JSON lines, one command each, after a first line with the token.

A command is {"id": any, "command": name, "arguments": {…}}; its answer {"id": the same, "ok": true, "result":
…} or {"id": …, "ok": false, "error": {"message": …, "field": … or null}}. After an error the connection goes
on, except for a wrong token or a line of more than 64 MiB.
"""

import asyncio
import json
import logging
import secrets
from typing import TYPE_CHECKING, Any, Final

from vestnik.domain.errors import SimulatorError
from vestnik.simulator.commands import ControlTarget, read_command

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

MAX_LINE: Final = 64 * 1024 * 1024


class ControlConnection(asyncio.Protocol):
    """The server's end of one control connection."""

    def __init__(
        self, target: ControlTarget, token: str, on_close: "Callable[[ControlConnection], None]"
    ) -> None:
        self._target = target
        self._token = token
        self._on_close = on_close
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._trusted = False
        self._gone = False
        self._waiting: set[asyncio.Future[Any]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Someone has connected, trusted only after the token."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._gone:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why it ended changes nothing
        """The connection is over, and with it what it waited for."""
        for future in self._waiting:
            future.cancel()
        self._on_close(self)

    def abort(self) -> None:
        """Cut the connection, also if it is only about to be made."""
        self._gone = True
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Carry out every whole line."""
        self._buffer += data
        if b"\n" in data:
            *lines, rest = bytes(self._buffer).split(b"\n")
            self._buffer = bytearray(rest)
            for line in lines:
                if self._transport is None or self._transport.is_closing():
                    return
                self._receive_line(line)
        elif len(self._buffer) > MAX_LINE:
            self._refuse(None, SimulatorError("a line of more than 64 MiB"))
            self._close()

    def _receive_line(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except ValueError as exc:
            self._refuse(None, SimulatorError(f"not JSON: {exc}"))
            message = None
        if not self._trusted:
            self._check_token(message)
        elif isinstance(message, dict):
            self._carry_out(message)
        elif message is not None:
            self._refuse(None, SimulatorError("an object is expected"))

    def _check_token(self, message: object) -> None:
        given = message.get("token") if isinstance(message, dict) else None
        if isinstance(given, str) and secrets.compare_digest(given.encode(), self._token.encode()):
            self._trusted = True
            self._answer({"ok": True, "result": {}})
            return
        self._refuse(None, SimulatorError("the token is wrong or missing", field="token"))
        self._close()

    def _carry_out(self, message: dict[str, Any]) -> None:
        number = message.get("id")
        try:
            command = read_command(message)
            result = command.run(self._target)
        except SimulatorError as exc:
            self._refuse(number, exc)
            return
        except Exception as exc:
            log.exception("simulator.command_failed %s", message.get("command"))
            self._refuse(number, SimulatorError(f"the command failed: {exc!r}"))
            return
        if isinstance(result, asyncio.Future):
            self._waiting.add(result)
            result.add_done_callback(lambda future: self._answer_later(number, future))
        else:
            self._answer({"id": number, "ok": True, "result": result})

    def _answer_later(self, number: object, future: "asyncio.Future[Any]") -> None:
        self._waiting.discard(future)
        if not future.cancelled():
            self._answer({"id": number, "ok": True, "result": future.result()})

    def _refuse(self, number: object, error: SimulatorError) -> None:
        self._answer({"id": number, "ok": False, "error": {"message": error.message, "field": error.field}})

    def _answer(self, message: dict[str, Any]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(json.dumps(message).encode() + b"\n")

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()
