"""Telegram's descriptions of chats as ours; pure functions over TL objects."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from telethon.tl.tlobject import TLObject
from telethon.tl.types import (
    Channel,
    ChannelForbidden,
    ChatPhoto,
    Dialog,
    InputPeerChannel,
    InputPeerChat,
    InputPeerEmpty,
    InputPeerUser,
    PeerChannel,
    PeerChat,
    PeerUser,
)
from telethon.utils import stripped_photo_to_jpg

from vestnik.domain.channels import is_username
from vestnik.domain.rights import PostKind
from vestnik.domain.transport import ChannelDetails, KnownChannel, Peer

SHORTEST_SLOW_MODE: Final = timedelta(seconds=10)
"""A `channel` says only that slow mode is on; its seconds are in channelFull, one request per channel.
This is the least that Telegram allows (https://core.telegram.org/method/channels.toggleSlowMode)."""

LARGEST_PICTURE: Final = 2048
"""Bytes of a small picture that is kept."""
_STRIPPED: Final = 1
"""The first byte of a thumbnail that is a JPEG without its beginning (https://core.telegram.org/api/files)."""
_RIGHTS: Final = {
    "send_plain": PostKind.PLAIN,
    "send_media": PostKind.MEDIA,
    "send_photos": PostKind.PHOTOS,
    "send_videos": PostKind.VIDEOS,
    "send_gifs": PostKind.GIFS,
    "send_audios": PostKind.AUDIOS,
    "send_voices": PostKind.VOICES,
    "send_docs": PostKind.DOCS,
}
"""Of chatBannedRights."""

_PEER_ID_FIELDS: Final = {PeerUser: "user_id", PeerChat: "chat_id", PeerChannel: "channel_id"}


def read_channel(chat: TLObject) -> KnownChannel | None:
    """A broadcast channel or supergroup as we know it; None for anything else.

    Also None for a `min` constructor and one without an access hash: the hash of a `min` channel does not
    open it (https://core.telegram.org/api/min).
    """
    if isinstance(chat, ChannelForbidden):
        return KnownChannel(
            peer=Peer(tg_id=chat.id, access_hash=chat.access_hash),
            username=None,
            title=chat.title,
            can_post=False,
            slow_mode=None,
        )
    if not isinstance(chat, Channel) or not (chat.broadcast or chat.megagroup or chat.gigagroup):
        return None
    if chat.min or chat.access_hash is None:
        return None
    is_slow = chat.slowmode_enabled and not _is_administrator(chat)
    names = _read_names(chat)
    return KnownChannel(
        peer=Peer(tg_id=chat.id, access_hash=chat.access_hash),
        username=names[0] if names else None,
        names=names,
        title=chat.title,
        can_post=_can_post(chat),
        slow_mode=SHORTEST_SLOW_MODE if is_slow else None,
        forbidden=_read_forbidden(chat),
        member_count=chat.participants_count,
        picture=_read_picture(chat.photo),
    )


def read_details(answer: TLObject) -> ChannelDetails:
    """Of a messages.chatFull; administrators are not slowed down."""
    full = answer.full_chat
    chat = next((chat for chat in answer.chats if chat.id == full.id), None)
    is_bound = isinstance(chat, Channel) and not _is_administrator(chat)
    seconds = getattr(full, "slowmode_seconds", None)
    return ChannelDetails(
        member_count=getattr(full, "participants_count", None),
        slow_mode=timedelta(seconds=seconds) if seconds and is_bound else None,
    )


def read_dialog_channels(dialogs: Iterable[TLObject], chats: Iterable[TLObject]) -> Iterator[KnownChannel]:
    """The channels that have a dialog; `chats` also holds those merely mentioned, by a forward for example."""
    wanted = {dialog.peer.channel_id for dialog in dialogs if isinstance(dialog.peer, PeerChannel)}
    for chat in chats:
        if chat.id in wanted and (known := read_channel(chat)) is not None:
            yield known


def read_next_offset(page: TLObject) -> tuple[datetime, int, TLObject] | None:
    """Where the next page of dialogs begins: date and id of the last dialog's top message, and its peer.

    None if no dialog of the page has a message. A pinned dialog stands out of order, so not the last message but
    the last dialog counts (Telethon 1.45.0, client/dialogs.py).
    """
    messages = {
        (_peer_key(message.peer_id), message.id): message
        for message in page.messages
        if message.peer_id is not None  # https://core.telegram.org/constructor/messageEmpty
    }
    for dialog in reversed(page.dialogs):
        message = messages.get((_peer_key(dialog.peer), dialog.top_message))
        if isinstance(dialog, Dialog) and message is not None and getattr(message, "date", None):
            return message.date, message.id, _input_peer(dialog.peer, page)
    return None


def list_new_dialogs(page: TLObject, seen: set[tuple[str, int]]) -> list[TLObject]:
    """The dialogs of a page that no earlier page had; notes them in `seen`."""
    fresh = [dialog for dialog in page.dialogs if _peer_key(dialog.peer) not in seen]
    seen.update(_peer_key(dialog.peer) for dialog in fresh)
    return fresh


def _is_administrator(chat: TLObject) -> bool:
    return bool(chat.creator or chat.admin_rights)


def _can_post(chat: TLObject) -> bool:
    """Whether this account may post, as far as the rights in a `channel` tell.

    In a broadcast channel that takes the right post_messages; in a supergroup every member may who is neither
    restricted nor silenced by the group's default rights (https://core.telegram.org/api/rights).
    """
    if chat.left or getattr(chat, "deactivated", None):
        return False
    if chat.creator:
        return True
    if chat.broadcast:
        return bool(chat.admin_rights and chat.admin_rights.post_messages)
    if chat.admin_rights:
        return True
    if chat.gigagroup:  # only administrators write in one
        return False
    return not any(
        rights and (rights.send_messages or rights.view_messages)
        for rights in (chat.banned_rights, chat.default_banned_rights)
    )


def _read_names(chat: TLObject) -> tuple[str, ...]:
    """The main username first; a channel with collectible names has them in `usernames` instead.

    Names that no channel of ours could be given are left out: such a channel goes by its id.
    """
    main = [str(chat.username)] if chat.username else []
    names = main + [str(name.username) for name in chat.usernames or () if name.active]
    return tuple(dict.fromkeys(name for name in names if is_username(name)))


def _read_forbidden(chat: TLObject) -> frozenset[PostKind]:
    """What a member of a group may not post; administrators, and those of a channel, may post everything."""
    if chat.broadcast or _is_administrator(chat):
        return frozenset()
    rights = (chat.banned_rights, chat.default_banned_rights)
    return frozenset(
        kind for name, kind in _RIGHTS.items() if any(given and getattr(given, name) for given in rights)
    )


def _read_picture(photo: TLObject) -> bytes | None:
    """The thumbnail that comes with the description, as a whole JPEG; None without one that can be used."""
    stripped = photo.stripped_thumb if isinstance(photo, ChatPhoto) else None
    if not stripped or len(stripped) < 4 or stripped[0] != _STRIPPED:
        return None
    picture = bytes(stripped_photo_to_jpg(stripped))
    return picture if len(picture) <= LARGEST_PICTURE else None


def _peer_key(peer: TLObject) -> tuple[str, int]:
    kind = _PEER_ID_FIELDS[type(peer)]
    return kind, getattr(peer, kind)


def _input_peer(peer: TLObject, page: TLObject) -> TLObject:
    match peer:
        case PeerUser():
            hashes = {user.id: getattr(user, "access_hash", None) for user in page.users}
            return InputPeerUser(peer.user_id, hashes.get(peer.user_id) or 0)
        case PeerChannel():
            hashes = {chat.id: getattr(chat, "access_hash", None) for chat in page.chats}
            return InputPeerChannel(peer.channel_id, hashes.get(peer.channel_id) or 0)
        case PeerChat():
            return InputPeerChat(peer.chat_id)
        case _:
            return InputPeerEmpty()
