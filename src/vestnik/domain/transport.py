"""The one interface between the delivery engine and Telegram."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from vestnik.domain.entities import MessageEntity
from vestnik.domain.errors import VestnikError
from vestnik.domain.ids import AccountId
from vestnik.domain.media import MediaFile
from vestnik.domain.media_store import MediaReader
from vestnik.domain.posting import USUAL, LinkButton, PostOptions
from vestnik.domain.rights import PostKind
from vestnik.domain.states import AccountKind


class ErrorClass(StrEnum):
    """What an error from Telegram means for the job, the channel, the campaign and the account."""

    SENT = "SENT"
    """The message is already there; ask again with the same random_id, then look it up."""
    TRANSIENT = "TRANSIENT"
    """Try again later with the same random_id."""
    WAIT_ACCOUNT = "WAIT_ACCOUNT"
    """Hold the whole account for `wait`."""
    WAIT_CHAT = "WAIT_CHAT"
    """Hold this channel for `wait`."""
    REFRESH_MEDIA = "REFRESH_MEDIA"
    """Upload the file again, once; then the content is at fault."""
    REFRESH_PEER = "REFRESH_PEER"
    """Resolve the channel again, once; then the channel is at fault."""
    CHANNEL = "CHANNEL"
    """Fail the job without retry and deactivate the channel for this account."""
    CHANNEL_FOR_ALL = "CHANNEL_FOR_ALL"
    """As CHANNEL, but the channel is deactivated for every account (the username is nobody's)."""
    CHANNEL_CONTENT = "CHANNEL_CONTENT"
    """Fail the job without retry; the channel takes other content and stays active."""
    CHANNEL_BANNED = "CHANNEL_BANNED"
    """As CHANNEL; three different channels in a row mean that the account is limited."""
    ACCOUNT_DEAD = "ACCOUNT_DEAD"
    """The session is gone: stop the account until a new login."""
    ACCOUNT_LIMITED = "ACCOUNT_LIMITED"
    """Telegram restricts the account: stop it until an operator releases it."""
    CONTENT = "CONTENT"
    """Wrong for every channel: pause the campaign, the job goes back to the queue."""
    CONTENT_RETRY = "CONTENT_RETRY"
    """Once more first; then as CONTENT."""
    REJECTED = "REJECTED"
    """An unknown 400: fail this job and raise an alert; the channel stays active."""


class TransportError(VestnikError):
    """A call to Telegram failed.

    `name` is Telegram's own name for the error (FLOOD_WAIT, CHANNEL_PRIVATE, …) or ours (TIMEOUT,
    CONNECTION_LOST). `wait` is set for the two WAIT classes. `definite` is False when the request may have
    been carried out all the same; only the same random_id can settle it then. `disconnected` says that this
    transport can do nothing more and a new one has to be made. `item` is the place in an album of the file at
    fault, from 0, where Telegram names it.
    """

    code = "TELEGRAM"

    def __init__(
        self,
        name: str,
        error_class: ErrorClass,
        message: str,
        *,
        wait: timedelta | None = None,
        definite: bool = True,
        disconnected: bool = False,
        item: int | None = None,
    ) -> None:
        super().__init__(message)
        self.name = name
        self.error_class = error_class
        self.wait = wait
        self.definite = definite
        self.disconnected = disconnected
        self.item = item


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    """A channel as one account addresses it; the access hash is worth nothing to another account."""

    tg_id: int
    access_hash: int


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownChannel:
    """A channel as Telegram describes it to one account. `username` is without the @ and may be missing.

    `names` are all usernames that lead to it, the main one first. `forbidden` are kinds of posts that it does not
    take from this account. `picture` is a small JPEG. What is None is not told here.
    """

    peer: Peer
    username: str | None
    names: tuple[str, ...] | None = None
    title: str
    can_post: bool
    slow_mode: timedelta | None
    """The least that it may be; `ChannelDetails` have it exactly."""
    forbidden: frozenset[PostKind] = frozenset()
    member_count: int | None = None
    picture: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelDetails:
    """What Telegram tells of a channel only when asked for this one."""

    member_count: int | None
    slow_mode: timedelta | None


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadedMedia:
    """A file that Telegram has, as one account posts it: worth nothing to another account.

    `file_reference` runs out after some time; a new upload gives a new one.
    """

    is_photo: bool
    file_id: int
    access_hash: int
    file_reference: bytes = field(repr=False)


@dataclass(slots=True, kw_only=True)
class UploadProgress:
    """How far a file has been handed over. Kept between calls, so that an upload goes on where it ended."""

    file_id: int
    """Ours, drawn at random: Telegram puts the parts together by it."""
    parts: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """What is posted. `text` holds at most 4096 UTF-16 units, which is how Telegram counts; 1024 beside a file.

    `uploaded` are the `files`, one for one, as this account posts them; it is filled in right before the post.
    """

    text: str
    entities: tuple[MessageEntity, ...] = ()
    options: PostOptions = USUAL
    buttons: tuple[tuple[LinkButton, ...], ...] = ()
    files: tuple[MediaFile, ...] = ()
    uploaded: tuple[UploadedMedia, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Who the session belongs to, as Telegram answers to get_me."""

    tg_id: int
    name: str
    is_bot: bool


class Transport(Protocol):
    """One connection to Telegram for one account.

    It never reconnects or repeats a request by itself: after `disconnected` the owner makes a new one, once
    it has checked that it may. All methods raise `TransportError` and nothing else.
    """

    @property
    def is_connected(self) -> bool:
        """Whether a call can be made at all."""
        ...

    async def connect(self, may_speak: Callable[[], bool] = lambda: True) -> Identity:
        """Open the connection and ask who we are.

        `may_speak` is asked right before bytes go out, whatever was decided about them before: once it says no,
        the connection ends instead. A process that was frozen between its own check and the write sends nothing.
        """
        ...

    async def send(self, peer: Peer, content: Content, random_id: int) -> tuple[int, ...]:
        """Post once, however often it is called with the same random_id; the ids of the messages.

        Each message of an album has a random_id of its own, which follows from this one (`derive_random_ids`).
        """
        ...

    async def upload(
        self,
        file: MediaFile,
        reader: MediaReader,
        progress: UploadProgress,
        *,
        wait_for_turn: Callable[[], Awaitable[None]],
    ) -> UploadedMedia:
        """Hand a file over without posting it; nothing is asked before `wait_for_turn` has returned.

        Raises MediaStoreError as well, when the file cannot be read.
        """
        ...

    def list_channels(self) -> AsyncIterator[Sequence[KnownChannel]]:
        """The channels among the account's own dialogs, page by page; one may come twice."""
        ...

    async def resolve(self, username: str) -> KnownChannel:
        """Look one username up. Telegram limits this to about 200 names a day."""
        ...

    async def read_details(self, peer: Peer) -> ChannelDetails:
        """What the list of dialogs does not tell of a channel."""
        ...

    async def find_messages(self, peer: Peer, content: Content, since: datetime) -> tuple[int, ...]:
        """The ids of our newest post with this text, posted at or after `since`; none if there is none."""
        ...

    async def disconnect(self) -> None:
        """Close the connection; returns when nothing more can go out. May be called twice."""
        ...


class TransportFactory(Protocol):
    """Makes transports for accounts; what it needs for that (sessions, keys, a simulator) is its own affair."""

    def serves(self, kind: AccountKind) -> bool:
        """Whether this process can speak for accounts of this kind at all."""
        ...

    async def make(self, account_id: AccountId, kind: AccountKind) -> Transport:
        """A new transport, not yet connected.

        Raises TransportError (ACCOUNT_DEAD when the account has no usable session).
        """
        ...
