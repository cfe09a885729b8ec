"""Work that blocks, in a thread of its own that nobody waits for longer than agreed.

Not the threads of the event loop, which others need, and whose end a process awaits when it stops: a server may
keep silent for long.
"""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from typing import TypeVar

from vestnik.domain.alerts import DeliveryError

Result = TypeVar("Result")


class Line:
    """The connection that a piece of work uses, so that it can be broken from outside."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._is_closed = False

    def hold(self, used: socket.socket | None) -> None:
        """The work goes on with this one. Raises DeliveryError when nobody waits for it any more."""
        self._socket = used
        if self._is_closed:
            self.close()
            raise DeliveryError("the delivery was given up")

    def close(self) -> None:
        """Whoever waits on it gets an error."""
        self._is_closed = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


async def run_aside(work: Callable[[Line], Result], *, within: float) -> Result:
    """What the work returns or raises; DeliveryError if it takes longer than so many seconds."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Result] = loop.create_future()
    line = Line()

    def finish(result: Result | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = work(line)
        except Exception as exc:  # noqa: BLE001 - handed on to the one who waits
            error = exc
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(finish, result, error)

    threading.Thread(target=run, name="alert", daemon=True).start()
    try:
        async with asyncio.timeout(within):
            return await done
    except TimeoutError as exc:
        raise DeliveryError(f"there was no answer within {within:g} s") from exc
    finally:
        line.close()
