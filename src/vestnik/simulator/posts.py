"""What was posted: kept in columns, about 250 bytes a post with everything that refers to it."""

import asyncio
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Arrival:
    """When a request's last byte was read: Unix seconds and seconds of the monotonic clock."""

    wall: float
    monotonic: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Post:
    """One message that went up. `text` is as first posted; edits and deletions do not change it.

    `entities` are as Telegram names them (`{"_": "MessageEntityBold", "offset": 0, …}`), after an edit its own.
    `buttons` are rows of text and url. `link_preview_url` and `link_preview_size` are given where the request
    named them. `media` is the photo or document of the post: kind, id, size, sha256, mime_type and attributes.
    """

    position: int
    account: str
    channel_id: int
    username: str | None
    message_id: int
    random_id: int
    text: str
    arrived_at: float
    arrived_monotonic: float
    entities: list[dict[str, Any]] = field(default_factory=list)
    link_preview: bool = True
    link_preview_above: bool = False
    link_preview_size: str | None = None
    link_preview_url: str | None = None
    silent: bool = False
    protected: bool = False
    buttons: list[list[dict[str, str]]] = field(default_factory=list)
    media: dict[str, Any] | None = None
    grouped_id: int | None = None
    """The same for all messages of an album."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """Counts over the posts from a given position on.

    Two posts are the same if channel and text are equal: `distinct_posts` counts each such pair once,
    `duplicate_posts` is the rest. `by_channel` goes by username (or id as text), `arrivals` are Unix seconds
    in order of arrival. `absorbed_repeats`, `calls`, `rejected` (by name of the error), `fault_hits` and
    `max_connections_per_account` always count from the last reset, and so do `uploaded_bytes`, of files in parts.
    """

    posts: int
    distinct_posts: int
    duplicate_posts: int
    by_channel: dict[str, int]
    arrivals: list[float]
    absorbed_repeats: int
    calls: dict[str, int]
    rejected: dict[str, int]
    fault_hits: int
    max_connections_per_account: dict[str, int]
    uploaded_bytes: int

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}


def count_most_in_window(arrivals: Sequence[float], seconds: float = 1.0) -> int:
    """The most arrivals in any half-open window [t, t + seconds)."""
    ordered = sorted(arrivals)
    most = first = 0
    for last, moment in enumerate(ordered):
        while moment - ordered[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


@dataclass(slots=True)
class _Waiter:
    count: int
    future: "asyncio.Future[int]"


@dataclass(slots=True)
class PostLog:
    """Every post in order of execution; a position in it names the post for good.

    Texts are stored once each. Times are 8-byte floats, ids 8-byte integers.
    """

    accounts: "array[int]" = field(default_factory=lambda: array("i"))
    channels: "array[int]" = field(default_factory=lambda: array("q"))
    message_ids: "array[int]" = field(default_factory=lambda: array("i"))
    random_ids: "array[int]" = field(default_factory=lambda: array("q"))
    text_ids: "array[int]" = field(default_factory=lambda: array("i"))
    walls: "array[float]" = field(default_factory=lambda: array("d"))
    monotonics: "array[float]" = field(default_factory=lambda: array("d"))
    texts: list[str] = field(default_factory=list)
    absorbed_repeats: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    _text_index: dict[str, int] = field(default_factory=dict)
    _waiters: list[_Waiter] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.channels)

    def add(
        self, *, account: int, channel_id: int, message_id: int, random_id: int, text: str, arrival: Arrival
    ) -> int:
        """Store one post and give its position."""
        text_id = self._text_index.get(text)
        if text_id is None:
            text_id = self._text_index[text] = len(self.texts)
            self.texts.append(text)
        self.accounts.append(account)
        self.channels.append(channel_id)
        self.message_ids.append(message_id)
        self.random_ids.append(random_id)
        self.text_ids.append(text_id)
        self.walls.append(arrival.wall)
        self.monotonics.append(arrival.monotonic)
        if self._waiters:
            self._wake()
        return len(self.channels) - 1

    def text_of(self, position: int) -> str:
        """The text as first posted."""
        return self.texts[self.text_ids[position]]

    def count_distinct(self, first: int = 0) -> int:
        """How many different pairs of channel and text there are from a position on."""
        return len(set(zip(self.channels[first:], self.text_ids[first:], strict=True)))

    def wait_for(self, count: int) -> "asyncio.Future[int]":
        """A future of the number of posts, done once there are at least `count`; cancel it to give up."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if len(self) >= count:
            future.set_result(len(self))
        else:
            self._waiters.append(_Waiter(count, future))
        return future

    def _wake(self) -> None:
        waiting = []
        for waiter in self._waiters:
            if waiter.future.done():
                continue
            if len(self) >= waiter.count:
                waiter.future.set_result(len(self))
            else:
                waiting.append(waiter)
        self._waiters = waiting

    def waiters(self) -> Iterable[_Waiter]:
        """Those still waiting; a reset hands them on to the new log."""
        return self._waiters

    def adopt(self, waiters: Iterable[_Waiter]) -> None:
        """Take over those who waited on the log before this one."""
        self._waiters.extend(waiters)
