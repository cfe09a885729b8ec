"""Channels and groups: who may post where, and which messages they hold."""

import hashlib
import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

from pydantic import Field
from telethon.tl import TLObject

from vestnik.domain.errors import SimulatorError

if TYPE_CHECKING:
    from vestnik.simulator.uploads import Media

CREATION_MESSAGE: Final = 1
"""Message 1 of every channel says that it was created, so an unused channel has a top message too."""

_ID_BASE: Final = 1_000_000_000
_ID_SPAN: Final = 8_000_000_000
_USERNAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{3,31}")


class Right(StrEnum):
    """What an account may do: post; read only (CHAT_WRITE_FORBIDDEN); nothing (CHANNEL_PRIVATE)."""

    POST = "post"
    READ = "read"
    NONE = "none"


class Forbidden(StrEnum):
    """A kind of post that a channel does not take; the values are Telegram's, MEDIA stands for all but text."""

    PLAIN = "PLAIN"
    MEDIA = "MEDIA"
    PHOTOS = "PHOTOS"
    VIDEOS = "VIDEOS"
    GIFS = "GIFS"
    AUDIOS = "AUDIOS"
    VOICES = "VOICES"
    DOCS = "DOCS"


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelSpec:
    """A channel as it is asked for. A username (without or with @), an id, or both have to be given.

    `right` goes for the account it is asked for; with `for_all` for every account that has no right of its
    own. `slow_mode` is in seconds and makes it a group, as only groups have one; `group` makes it one without.
    `forbidden` are kinds of posts that nobody may post there (CHAT_SEND_…_FORBIDDEN). `members` are told by
    channels.getFullChannel alone, and `picture` gives it a small one. None leaves what is there.
    """

    username: str | None = None
    title: str | None = None
    tg_id: Annotated[int, Field(gt=0, lt=997_852_516_352)] | None = None
    right: Right | None = None
    for_all: bool = False
    slow_mode: Annotated[int, Field(ge=0, le=86_400)] | None = None
    forbidden: list[Forbidden] | None = None
    group: bool | None = None
    members: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    picture: bool | None = None

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}


def check_username(name: str) -> bool:
    """Whether Telegram would take the name: 4 to 32 letters, digits, underscores, a letter first."""
    return _USERNAME.fullmatch(name) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How a message was posted. `webpage` is the preview of a link as it was asked for, `markup` buttons."""

    silent: bool = False
    noforwards: bool = False
    no_webpage: bool = False
    invert_media: bool = False
    webpage: TLObject | None = None
    markup: TLObject | None = None


USUAL: Final = How()


@dataclass(slots=True)
class Extras:
    """What only some messages have: formatting, media, an album, an edit, and how they were posted."""

    entities: list[TLObject] | None = None
    media: "Media | None" = None
    grouped_id: int | None = None
    edited_text: str | None = None
    edited_at: int | None = None
    how: How = USUAL


@dataclass(slots=True)
class Channel:
    """One channel. `positions[n]` is where message n + 2 stands in the post log."""

    channel_id: int
    username: str | None
    title: str
    created_at: int
    slow_mode: int = 0
    default_right: Right = Right.POST
    forbidden: frozenset[Forbidden] = frozenset()
    group: bool = False
    members: int = 1
    has_picture: bool = False
    aliases: tuple[str, ...] = ()
    rights: dict[int, Right] = field(default_factory=dict)
    pts: int = 1
    positions: "array[int]" = field(default_factory=lambda: array("q"))
    deleted: set[int] = field(default_factory=set)
    extras: dict[int, Extras] = field(default_factory=dict)
    top_date: int = 0

    @property
    def is_group(self) -> bool:
        """A group, not a broadcast channel."""
        return self.group or self.slow_mode > 0

    @property
    def next_id(self) -> int:
        """The id that the next message gets."""
        return len(self.positions) + CREATION_MESSAGE + 1

    @property
    def top_id(self) -> int:
        """The newest message that is not deleted; 0 if there is none."""
        return next(self.walk_ids(self.next_id - 1), 0)

    def right_of(self, account: int) -> Right:
        """What the account may do here."""
        return self.rights.get(account, self.default_right)

    def has_message(self, message_id: int) -> bool:
        """Whether the message exists and is not deleted."""
        return CREATION_MESSAGE <= message_id < self.next_id and message_id not in self.deleted

    def position_of(self, message_id: int) -> int:
        """Where a post stands in the log; not for the creation message."""
        return self.positions[message_id - CREATION_MESSAGE - 1]

    def empty(self) -> None:
        """Forget all messages; rights and slow mode stay."""
        self.positions = array("q")
        self.deleted.clear()
        self.extras.clear()
        self.pts = 1
        self.top_date = self.created_at

    def walk_ids(self, start: int) -> Iterator[int]:
        """Ids of the messages that are there, from `start` down."""
        for message_id in range(min(start, self.next_id - 1), 0, -1):
            if message_id not in self.deleted:
                yield message_id


class ChannelDirectory:
    """All channels, by id and by username whatever its case."""

    def __init__(self) -> None:
        self._by_id: dict[int, Channel] = {}
        self._by_username: dict[str, Channel] = {}
        self.version = 0
        """Changes whenever the order of dialogs may have changed."""

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Channel]:
        return iter(self._by_id.values())

    def find(self, channel_id: int) -> Channel | None:
        """The channel of this id."""
        return self._by_id.get(channel_id)

    def find_username(self, username: str) -> Channel | None:
        """The channel of this username, with or without @."""
        return self._by_username.get(username.removeprefix("@").lower())

    def ensure(self, spec: ChannelSpec, now: int) -> Channel:
        """The channel that the spec describes, made if there is none; title and slow mode are brought up to it.

        An id is made from the username, so that it is the same in every run. Raises SimulatorError if
        username and id belong to two channels or the username is not one.
        """
        username = spec.username.removeprefix("@") if spec.username is not None else None
        if username is None and spec.tg_id is None:
            raise SimulatorError("a channel needs a username or a tg_id", field="channels")
        if username is not None and not check_username(username):
            raise SimulatorError(f"{username!r} is not a username", field="channels")
        channel = self._find_either(username, spec.tg_id)
        if channel is None:
            channel = self._create(username, spec, now)
        if spec.title is not None:
            channel.title = spec.title
        if spec.slow_mode is not None:
            channel.slow_mode = spec.slow_mode
        if spec.forbidden is not None:
            channel.forbidden = frozenset(spec.forbidden)
        if spec.group is not None:
            channel.group = spec.group
        if spec.members is not None:
            channel.members = spec.members
        if spec.picture is not None:
            channel.has_picture = spec.picture
        return channel

    def rename(self, channel: Channel, username: str | None, aliases: Sequence[str] = ()) -> None:
        """Give the channel other names, or none: the old ones are nobody's then. Raises SimulatorError."""
        names = [*([] if username is None else [username]), *aliases]
        for name in names:
            if not check_username(name):
                raise SimulatorError(f"{name!r} is not a username", field="username")
            if self._by_username.get(name.lower(), channel) is not channel:
                raise SimulatorError(f"{name!r} is another channel's", field="username")
        self._by_username = {key: held for key, held in self._by_username.items() if held is not channel}
        channel.username, channel.aliases = username, tuple(aliases)
        for name in names:
            self._by_username[name.lower()] = channel

    def _find_either(self, username: str | None, tg_id: int | None) -> Channel | None:
        named = self._by_username.get(username.lower()) if username is not None else None
        numbered = self._by_id.get(tg_id) if tg_id is not None else None
        taken = named if named is not None else numbered
        if username is not None and tg_id is not None and taken is not None and named is not numbered:
            raise SimulatorError(
                f"username {username!r} and id {tg_id} do not belong together: "
                f"{taken.username!r} has id {taken.channel_id}",
                field="channels",
            )
        return taken

    def _create(self, username: str | None, spec: ChannelSpec, now: int) -> Channel:
        channel_id = spec.tg_id
        if channel_id is None:
            assert username is not None
            digest = hashlib.sha256(username.lower().encode()).digest()
            channel_id = _ID_BASE + int.from_bytes(digest[:8], "big") % _ID_SPAN
            while channel_id in self._by_id:
                channel_id += 1
        title = spec.title if spec.title is not None else username or str(channel_id)
        channel = Channel(channel_id, username, title, now, top_date=now)
        self._by_id[channel_id] = channel
        if username is not None:
            self._by_username[username.lower()] = channel
        self.version += 1
        return channel
