"""Runs a long-lived process until it is told to stop: by a signal, or, as a child, by its parent's end.

A parent of ours sets VESTNIK_INTERNAL_CHILD (to the log file's name) and gives a pipe as standard input. End of
file there means stop, and a few seconds later the process ends in any case.
"""

import asyncio
import gc
import json
import os
import signal
import socket
import sys
import threading
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

if TYPE_CHECKING:
    from vestnik.settings import Settings

CHILD_VARIABLE: Final = "VESTNIK_INTERNAL_CHILD"
NO_ENV_FILE_VARIABLE: Final = "VESTNIK_INTERNAL_NO_ENV_FILE"
SIMULATOR_VARIABLE: Final = "VESTNIK_INTERNAL_SIMULATOR"
HOLDER_VARIABLE: Final = "VESTNIK_INTERNAL_HOLDER"

HARD_STOP_SECONDS: Final = 6.0
EXIT_HARD_STOP: Final = 70

_STOP_SIGNALS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)
_HANG_UP: Final = getattr(signal, "SIGHUP", None)
_TICK_SECONDS: Final = 0.25

Result = TypeVar("Result")
StopMain = Callable[[asyncio.Event], Awaitable[None]]
JsonEvents = Annotated[bool, typer.Option("--json", help="Print events, one JSON object a line.")]


def is_child() -> bool:
    """Whether a parent of ours started this process."""
    return CHILD_VARIABLE in os.environ


def child_log_file() -> Path | None:
    """Where the parent wants the log of this process; None outside a parent."""
    name = os.environ.get(CHILD_VARIABLE)
    return Path(name) if name else None


def announce(event: str, **facts: object) -> None:
    """One JSON object on standard output, at once. A reader that went away is no error."""
    try:
        print(json.dumps({"event": event, **facts}, ensure_ascii=False), flush=True)
    except (BrokenPipeError, ValueError):
        _silence_standard_output()


def _silence_standard_output() -> None:
    """Keep the interpreter from complaining at its end about what it could not write."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def spare_memory_checks() -> None:
    """Leave all that a process has loaded until it is ready out of its garbage collections.

    A full one went through 170,000 objects of modules and types, most of them Telethon's: for 75 to 110 ms, in
    which nothing else happened, and a worker's next posts were late.
    """
    gc.collect()
    gc.freeze()


class StopRequest:
    """A wish to stop that may come before there is an event loop, from any thread, any number of times.

    The second one, from a person who presses Ctrl+C again, does not wait for anything.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times = 0
        self._target: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    def bind(self, event: asyncio.Event) -> None:
        """Set this event of the running loop when the wish comes, or now if it has come."""
        with self._lock:
            self._target = (asyncio.get_running_loop(), event)
            if self._times:
                event.set()

    def unbind(self) -> None:
        """The loop is about to close."""
        with self._lock:
            self._target = None

    def ask(self) -> int:
        """Wish to stop; how often that was wished for."""
        with self._lock:
            self._times += 1
            if self._target is not None:
                loop, event = self._target
                loop.call_soon_threadsafe(event.set)
            return self._times


def watch_parent(request: StopRequest) -> None:
    """Read standard input in a thread; its end is the parent's end or wish.

    Call it before anything heavy is imported, so that a parent that dies meanwhile is noticed.
    """

    def wait_for_end() -> None:
        try:
            while os.read(0, 4096):
                pass
        except OSError:
            pass
        request.ask()
        timer = threading.Timer(HARD_STOP_SECONDS, os._exit, args=(EXIT_HARD_STOP,))
        timer.daemon = True
        timer.start()

    threading.Thread(target=wait_for_end, name="parent-watch", daemon=True).start()


@contextmanager
def catch_signals(request: StopRequest) -> Iterator[None]:
    """Turn the signals that mean stop into the wish; a second one ends the process at once.

    `signal.signal`, because loop signal handlers do not exist on Windows. Only the main thread may do this.
    """

    def handle(_number: int, _frame: object) -> None:
        # The lock in `ask` may be held by the code that the signal interrupts, so another thread does it.
        threading.Thread(target=ask_or_exit, daemon=True).start()

    def ask_or_exit() -> None:
        if request.ask() > 1 and not is_child():
            os._exit(130)

    previous = {}
    for number in _STOP_SIGNALS:
        # An ignored hang-up means nohup. Background jobs of a script ignore SIGINT too, but whoever sends one
        # to this process means it.
        if number != _HANG_UP or signal.getsignal(number) is not signal.SIG_IGN:
            previous[number] = signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def process_scope() -> Iterator[StopRequest]:
    """The wish to stop of this process, from its signals and, in a child, from its parent.

    Enter it before anything heavy is imported, so that a parent that dies meanwhile is noticed.
    """
    request = StopRequest()
    if is_child():
        watch_parent(request)
    with catch_signals(request):
        yield request


def read_process_settings(context: typer.Context) -> "Settings":
    """The settings of a long-lived process; a child of `demo` reads no `.env`, as its parent."""
    from vestnik.cli.context import read_settings

    if NO_ENV_FILE_VARIABLE not in os.environ:
        return read_settings(context)
    from vestnik.settings import load_settings

    return load_settings(env_file=None)


def configure_process_logging(settings: "Settings", *, as_json: bool) -> None:
    """A child logs to its file and tells its parent of warnings; a process on its own logs to standard error."""
    from vestnik.cli.logs import LogFormat, configure_logging

    if is_child():
        configure_logging(
            level=settings.log_level,
            terminal_format=LogFormat.BRIEF,
            terminal_level="warning",
            file=child_log_file(),
        )
    else:
        configure_logging(level=settings.log_level, terminal_format=LogFormat.JSON if as_json else None)


def make_holder() -> str:
    """A name for a worker process that no other one has or will have."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:12]}"


async def serve_until_stopped(main: StopMain, request: StopRequest) -> None:
    """Run `main` with an event that is set when the process is to stop; `main` returns when it has."""
    stop = asyncio.Event()
    request.bind(stop)
    ticker = asyncio.create_task(_tick())
    try:
        await main(stop)
    finally:
        ticker.cancel()
        request.unbind()


async def run_or_stop(work: Coroutine[Any, Any, Result], stop: asyncio.Event) -> Result | None:
    """Run a coroutine until it ends or is to stop; then it is cancelled, tidied up after, and None comes back."""
    running = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            return running.result()
        running.cancel()
        await asyncio.wait({running})
        if not running.cancelled():
            running.result()
        return None
    finally:
        stopping.cancel()


async def _tick() -> None:
    """Let Python see signals: on Windows a waiting selector is not interrupted by them."""
    while True:  # noqa: ASYNC110 - waits for nothing but time
        await asyncio.sleep(_TICK_SECONDS)
