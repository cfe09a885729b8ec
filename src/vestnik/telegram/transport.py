"""The engine's `Transport` over Telethon: raw requests, so that random_id is ours."""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from telethon.tl.functions.channels import GetFullChannelRequest
from telethon.tl.functions.contacts import ResolveUsernameRequest
from telethon.tl.functions.messages import (
    GetDialogsRequest,
    GetHistoryRequest,
)
from telethon.tl.functions.users import GetUsersRequest
from telethon.tl.tlobject import TLObject, TLRequest
from telethon.tl.types import (
    InputChannel,
    InputPeerChannel,
    InputPeerEmpty,
    InputUserSelf,
    PeerChannel,
    UpdateMessageID,
    UpdateNewChannelMessage,
    UpdateNewMessage,
    UpdateShortSentMessage,
    User,
)
from telethon.tl.types.messages import DialogsNotModified, DialogsSlice, MessagesNotModified

from vestnik.domain.albums import derive_random_ids
from vestnik.domain.media import MediaFile
from vestnik.domain.media_store import MediaReader
from vestnik.domain.transport import (
    ChannelDetails,
    Content,
    ErrorClass,
    Identity,
    KnownChannel,
    Peer,
    TransportError,
    UploadedMedia,
    UploadProgress,
)
from vestnik.telegram.channels import (
    list_new_dialogs,
    read_channel,
    read_details,
    read_dialog_channels,
    read_next_offset,
)
from vestnik.telegram.identities import read_identity
from vestnik.telegram.link import ClientDescription, Link
from vestnik.telegram.media import find_media_id, has_media_of, upload_media
from vestnik.telegram.posts import make_post
from vestnik.telegram.sessions import ParsedSession

PAGE: Final = 100
"""Dialogs or messages per request; Telegram gives at most 100 of either."""

_FOLDERS: Final = (0, 1)
"""The main list and the archive (https://core.telegram.org/api/folders)."""

UPLOAD_PATIENCE: Final = 4
"""Times the call timeout for a request of an upload: parts are large, and Telegram works on a whole video before
it answers. A timeout ends the connection, which posts share."""


class TelethonTransport:
    """One connection for one account; see `vestnik.domain.transport.Transport` for the contract.

    `api_id` is the application's; Telegram wants the hash that goes with it at a login only. The timeouts apply to
    every single request and to the opening of the TCP connection.
    """

    def __init__(
        self,
        session: ParsedSession,
        *,
        api_id: int,
        call_timeout: timedelta,
        connect_timeout: timedelta,
        description: ClientDescription | None = None,
    ) -> None:
        self._is_bot = False
        self._link = Link(
            session,
            api_id=api_id,
            description=description or ClientDescription(),
            call_timeout=call_timeout,
            connect_timeout=connect_timeout,
        )

    @property
    def is_connected(self) -> bool:
        """Whether a call can be made at all."""
        return self._link.is_open

    async def connect(self, may_speak: Callable[[], bool] = lambda: True) -> Identity:
        """Open the connection and ask who we are; it ends when `may_speak` says no."""
        users = await self._link.open(GetUsersRequest([InputUserSelf()]), may_speak)
        user = next((user for user in users if isinstance(user, User)), None)
        if user is None:
            await self._link.close()
            raise TransportError(
                "NOT_LOGGED_IN",
                ErrorClass.ACCOUNT_DEAD,
                "Nobody is logged in with this session; log in again (NOT_LOGGED_IN).",
                disconnected=True,
            )
        identity = read_identity(user)
        self._is_bot = identity.is_bot
        return identity

    async def send(self, peer: Peer, content: Content, random_id: int) -> tuple[int, ...]:
        """Post a text, or files with a caption; the ids of the messages, or nothing if Telegram names none.

        A repeated random_id is answered with the original message or with RANDOM_ID_DUPLICATE (class SENT).
        """
        request = make_post(_input_peer(peer), content, random_id)
        ids = derive_random_ids(random_id, max(len(content.files), 1))
        return _read_message_ids(await self._link.call(request), ids)

    async def upload(
        self,
        file: MediaFile,
        reader: MediaReader,
        progress: UploadProgress,
        *,
        wait_for_turn: Callable[[], Awaitable[None]],
    ) -> UploadedMedia:
        """Hand a file over without posting it; nothing is asked before `wait_for_turn` has returned."""

        async def call(request: TLRequest) -> TLObject:
            return await self._link.call(request, patience=UPLOAD_PATIENCE)

        return await upload_media(call, file, reader, progress, wait_for_turn)

    async def list_channels(self) -> AsyncIterator[Sequence[KnownChannel]]:
        """Every channel and supergroup among the dialogs, archived ones too, page by page; none for a bot.

        Bots may not ask for dialogs (https://core.telegram.org/method/messages.getDialogs).
        """
        if self._is_bot:
            return
        for folder in _FOLDERS:
            async for page in self._list_folder(folder):
                yield page

    async def resolve(self, username: str) -> KnownChannel:
        """Look up a username, with or without the @.

        A name that belongs to a person or a bot is NOT_A_CHANNEL, class CHANNEL_FOR_ALL.
        """
        answer = await self._link.call(ResolveUsernameRequest(username=username.removeprefix("@")))
        if isinstance(answer.peer, PeerChannel):
            for chat in answer.chats:
                if chat.id == answer.peer.channel_id and (known := read_channel(chat)) is not None:
                    return known
            raise TransportError(
                "CHANNEL_NOT_ADDRESSABLE",
                ErrorClass.CHANNEL,
                "Telegram gives this account no access to the channel (CHANNEL_NOT_ADDRESSABLE).",
            )
        raise TransportError(
            "NOT_A_CHANNEL",
            ErrorClass.CHANNEL_FOR_ALL,
            "The username belongs to a person or a bot, not to a channel (NOT_A_CHANNEL).",
        )

    async def read_details(self, peer: Peer) -> ChannelDetails:
        """Members and slow mode, from channels.getFullChannel."""
        return read_details(await self._link.call(GetFullChannelRequest(channel=_input_channel(peer))))

    async def find_messages(self, peer: Peer, content: Content, since: datetime) -> tuple[int, ...]:
        """The ids of the newest post of ours with this text since then, read from the channel's history.

        Telegram cuts white space off both ends of a text and dates messages to the second. A post in a broadcast
        channel counts as ours whoever of the administrators it is from. Of posts with a file the one with our very
        file goes first; one of its kind is taken where there is none, as the file may have been uploaded again.
        The caption of an album is its first message's; the others come before it, as the newest come first.
        """
        oldest = since.replace(microsecond=0)
        similar: tuple[int, ...] = ()
        albums: dict[int, list[int]] = defaultdict(list)
        offset_id = 0
        while True:
            page = await self._link.call(
                GetHistoryRequest(
                    peer=_input_peer(peer),
                    offset_id=offset_id,
                    offset_date=None,
                    add_offset=0,
                    limit=PAGE,
                    max_id=0,
                    min_id=0,
                    hash=0,
                )
            )
            messages = [] if isinstance(page, MessagesNotModified) else page.messages
            for message in messages:
                if (date := getattr(message, "date", None)) is not None and date < oldest:
                    return similar
                album = albums[getattr(message, "grouped_id", None) or -message.id]
                album.append(int(message.id))
                if _is_ours(message) and _is_like(message, content):
                    found = tuple(sorted(album))
                    if not content.uploaded or find_media_id(message) == content.uploaded[0].file_id:
                        return found
                    similar = similar or found
            if not messages or messages[-1].id == offset_id:
                return similar
            offset_id = messages[-1].id

    async def disconnect(self) -> None:
        """Close the connection; returns when nothing more can go out. May be called twice."""
        await self._link.close()

    async def _list_folder(self, folder: int) -> AsyncIterator[Sequence[KnownChannel]]:
        seen: set[tuple[str, int]] = set()
        offset_date: datetime | None = None
        offset_id = 0
        offset_peer = InputPeerEmpty()
        while True:
            page = await self._link.call(
                GetDialogsRequest(
                    offset_date=offset_date,
                    offset_id=offset_id,
                    offset_peer=offset_peer,
                    limit=PAGE,
                    hash=0,
                    exclude_pinned=bool(seen),  # they come with the first page
                    folder_id=folder,
                )
            )
            if isinstance(page, DialogsNotModified):
                return
            fresh = list_new_dialogs(page, seen)
            yield list(read_dialog_channels(fresh, page.chats))
            # A slice may be shorter than asked for, so only a page without anything new is the end.
            offset = read_next_offset(page) if fresh and isinstance(page, DialogsSlice) else None
            if offset is None:
                return
            offset_date, offset_id, offset_peer = offset


def _input_peer(peer: Peer) -> InputPeerChannel:
    return InputPeerChannel(peer.tg_id, peer.access_hash)


def _input_channel(peer: Peer) -> InputChannel:
    return InputChannel(peer.tg_id, peer.access_hash)


def _is_like(message: TLObject, content: Content) -> bool:
    text = (getattr(message, "message", None) or "").strip()
    is_album = getattr(message, "grouped_id", None) is not None
    return (
        text == content.text.strip()
        and has_media_of(message, content.files)
        and is_album == (len(content.files) > 1)
    )


def _is_ours(message: TLObject) -> bool:
    return bool(getattr(message, "out", False) or getattr(message, "post", False))


def _read_message_ids(answer: TLObject, random_ids: Sequence[int]) -> tuple[int, ...]:
    """The posted ids in the order of the random_ids: from the UpdateMessageIDs, which come before all others.

    updateShortSentMessage has the id itself. An answer to a repeated random_id may lack the UpdateMessageID; then
    the new messages in it are the original ones.
    """
    if isinstance(answer, UpdateShortSentMessage):
        return (answer.id,)
    updates = list(_list_updates(answer))
    ids = {u.random_id: int(u.id) for u in updates if isinstance(u, UpdateMessageID)}
    if all(random_id in ids for random_id in random_ids):
        return tuple(ids[random_id] for random_id in random_ids)
    new = (u.message.id for u in updates if isinstance(u, (UpdateNewChannelMessage, UpdateNewMessage)))
    return tuple(sorted(new)) or tuple(ids[random_id] for random_id in random_ids if random_id in ids)


def _list_updates(answer: TLObject) -> Iterator[TLObject]:
    if (single := getattr(answer, "update", None)) is not None:
        yield single
    yield from getattr(answer, "updates", None) or ()
