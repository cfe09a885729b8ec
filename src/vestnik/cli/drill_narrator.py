"""Tells what happens in a drill while it happens: lines for people, or events for programs."""

import time
from collections.abc import Callable

from vestnik.cli.child import announce

_QUIET_SECONDS = 5.0


class Narrator:
    """Writes a line for each event, with the time since `begin` and the part of the posts that are out."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._began = time.monotonic()
        self._spoke = self._began
        self._percent: Callable[[], float] = lambda: 0.0

    def begin(self, heading: str, percent: Callable[[], float]) -> None:
        """A new part; `percent` of its posts are out."""
        self._began = self._spoke = time.monotonic()
        self._percent = percent
        self.print(f"\n{heading}")

    def print(self, text: str) -> None:
        """Something for people only."""
        if not self._as_json:
            print(text, flush=True)

    def say(self, text: str, *, event: str = "note", **facts: object) -> None:
        """Something has happened."""
        now = time.monotonic()
        self._spoke = now
        if self._as_json:
            moment = {"seconds": round(now - self._began, 2), "percent": round(self._percent(), 1)}
            announce(event, **moment, text=text, **facts)
            return
        minutes, seconds = divmod(int(now - self._began), 60)
        print(f"  {minutes}:{seconds:02d}  {self._percent():3.0f} %  {text}", flush=True)

    def reassure(self) -> None:
        """Show that it goes on, when nothing was said for a while."""
        if not self._as_json and time.monotonic() - self._spoke >= _QUIET_SECONDS:
            self.say("…")
