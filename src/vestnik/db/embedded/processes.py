"""Which processes belong to our cluster, and how to end those that nobody owns any more."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import psutil

from vestnik.db.embedded.layout import Layout

_SHUTDOWN_PATIENCE = timedelta(seconds=15)
_ORPHAN_PATIENCE = timedelta(seconds=0.5)
_POLL_SECONDS = 0.01


def is_our_postmaster(pid: int, layout: Layout) -> bool:
    """Whether this is a living server that was started on our cluster."""
    try:
        process = psutil.Process(pid)
        return _is_alive(process) and _serves(process, layout)
    except psutil.Error:
        return False


def stop_postmaster(pid: int, layout: Layout) -> None:
    """End a server that lost its guard: fast shutdown first, then harder. Its children go with it."""
    for number in _shutdown_signals():
        if not is_our_postmaster(pid, layout):
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        _wait_until(lambda: not is_our_postmaster(pid, layout), _SHUTDOWN_PATIENCE)


def stop_orphans(layout: Layout) -> None:
    """End sessions and helpers of a server that was killed; most notice by themselves within moments."""
    orphans = _find_orphans(layout)
    for number in (None, *_shutdown_signals()[1:]):
        for process in orphans:
            if number is not None and _is_alive(process):
                with contextlib.suppress(psutil.Error):
                    process.send_signal(number)
        if _wait_until(lambda: not any(_is_alive(process) for process in orphans), _ORPHAN_PATIENCE):
            return


def _is_alive(process: psutil.Process) -> bool:
    # In a container without init nobody may bury an orphan, so a zombie counts as gone.
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _wait_until(condition: Callable[[], bool], timeout: timedelta) -> bool:
    deadline = time.monotonic() + timeout.total_seconds()
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _shutdown_signals() -> tuple[int, ...]:
    if sys.platform == "win32":
        return (signal.SIGTERM,)
    return (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)


def _find_orphans(layout: Layout) -> list[psutil.Process]:
    # All server processes show the cluster's name in their title: "postgres: CLUSTER_NAME: …". On Windows they do
    # not, and end with the server.
    title = f"postgres: {layout.cluster_name}:"
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if " ".join(process.cmdline()).startswith(title) and _has_owner_of(process, layout):
                found.append(process)
    return found


def _has_owner_of(process: psutil.Process, layout: Layout) -> bool:
    return sys.platform == "win32" or bool(process.uids().real == os.stat(layout.cluster).st_uid)


def _serves(process: psutil.Process, layout: Layout) -> bool:
    command = process.cmdline()
    if not command or os.path.splitext(os.path.basename(command[0]))[0] != "postgres":
        return False
    return any(
        option == "-D" and os.path.normcase(value) == os.path.normcase(str(layout.cluster))
        for option, value in pairwise(command)
    )
