"""How state looks to one account as TL objects.

Times are plain integers, which Telethon writes as they are. `Message.views` needs `forwards` beside it.
"""

from datetime import datetime
from typing import Final

from telethon.tl import TLObject, types

from vestnik.simulator.accounts import Account
from vestnik.simulator.channels import CREATION_MESSAGE, Channel, Extras, Forbidden, Right
from vestnik.simulator.failures import RpcFailure
from vestnik.simulator.pictures import make_thumbnail
from vestnik.simulator.state import Simulator

_NO_EXTRAS = Extras()
_BANNED_RIGHTS: Final = {
    Forbidden.PLAIN: "send_plain",
    Forbidden.MEDIA: "send_media",
    Forbidden.PHOTOS: "send_photos",
    Forbidden.VIDEOS: "send_videos",
    Forbidden.GIFS: "send_gifs",
    Forbidden.AUDIOS: "send_audios",
    Forbidden.VOICES: "send_voices",
    Forbidden.DOCS: "send_docs",
}


def show_channel(account: Account, channel: Channel) -> TLObject:
    """The Channel, or ChannelForbidden if the account may not even read."""
    right = channel.right_of(account.index)
    access_hash = account.access_hash("channel", channel.channel_id)
    group = channel.is_group
    if right is Right.NONE:
        return types.ChannelForbidden(
            id=channel.channel_id,
            access_hash=access_hash,
            title=channel.title,
            broadcast=not group,
            megagroup=group,
        )
    may_post = right is Right.POST
    admin = types.ChatAdminRights(post_messages=True, edit_messages=True, delete_messages=True)
    forbidden = {_BANNED_RIGHTS[kind]: True for kind in channel.forbidden}
    banned = types.ChatBannedRights(until_date=0, send_messages=not may_post, **forbidden)
    names = [types.Username(name, active=True) for name in (channel.username, *channel.aliases) if name]
    return types.Channel(
        id=channel.channel_id,
        title=channel.title,
        photo=_show_picture(channel),
        date=channel.created_at,
        broadcast=not group,
        megagroup=group,
        slowmode_enabled=channel.slow_mode > 0,
        access_hash=access_hash,
        # Several names stand in `usernames`, and `username` is empty then.
        username=None if channel.aliases else channel.username,
        usernames=names if channel.aliases else None,
        admin_rights=admin if may_post and not group else None,
        default_banned_rights=banned if group else None,
    )


def _show_picture(channel: Channel) -> TLObject:
    if not channel.has_picture:
        return types.ChatPhotoEmpty()
    return types.ChatPhoto(
        photo_id=channel.channel_id, dc_id=2, stripped_thumb=make_thumbnail(channel.channel_id)
    )


def show_message(simulator: Simulator, account: Account, channel: Channel, message_id: int) -> TLObject:
    """A message that is there; MessageEmpty for one that is not."""
    peer = types.PeerChannel(channel.channel_id)
    if not channel.has_message(message_id):
        return types.MessageEmpty(id=message_id, peer_id=peer)
    if message_id == CREATION_MESSAGE:
        action = types.MessageActionChannelCreate(channel.title)
        return types.MessageService(
            id=message_id, peer_id=peer, date=channel.created_at, post=not channel.is_group, action=action
        )
    posts = simulator.posts
    position = channel.position_of(message_id)
    extras = channel.extras.get(message_id, _NO_EXTRAS)
    date = int(posts.walls[position])
    text = extras.edited_text if extras.edited_text is not None else posts.text_of(position)
    media = _show_media(simulator, account, extras, date)
    group = channel.is_group
    author = simulator.accounts[posts.accounts[position]]
    return types.Message(
        id=message_id,
        peer_id=peer,
        date=date,
        message=text,
        out=author is account,
        post=not group,
        from_id=types.PeerUser(author.user_id) if group else None,
        views=None if group else 1,
        forwards=None if group else 0,
        entities=extras.entities,
        media=media,
        grouped_id=extras.grouped_id,
        edit_date=extras.edited_at,
        silent=extras.how.silent or None,
        noforwards=extras.how.noforwards or None,
        invert_media=extras.how.invert_media or None,
        reply_markup=extras.how.markup,
    )


def _show_media(simulator: Simulator, account: Account, extras: Extras, date: int) -> TLObject | None:
    if extras.media is not None:
        return simulator.media.describe(account, extras.media, date)
    page = extras.how.webpage
    if page is None:
        return None
    return types.MessageMediaWebPage(
        types.WebPageEmpty(id=0, url=page.url),
        force_large_media=page.force_large_media,
        force_small_media=page.force_small_media,
        manual=True,
    )


def show_user(viewer: Account, account: Account) -> TLObject:
    """A User as another (or the same) account sees it."""
    return types.User(
        id=account.user_id,
        is_self=account is viewer,
        bot=account.is_bot,
        bot_info_version=1 if account.is_bot else None,
        access_hash=viewer.access_hash("user", account.user_id),
        first_name=account.name,
        phone=account.phone if account is viewer else None,
    )


def read_date(given: datetime | None) -> int:
    """A date of a request as Unix seconds; 0 if it is not given, which on the wire is the same."""
    return int(given.timestamp()) if given is not None else 0


def find_peer_channel(simulator: Simulator, account: Account, peer: TLObject) -> Channel:
    """The channel that an InputPeerChannel or InputChannel addresses.

    Raises PEER_ID_INVALID for other kinds of peer, CHANNEL_INVALID for a wrong access hash and
    CHANNEL_PRIVATE if the account may not see it.
    """
    if not isinstance(peer, types.InputPeerChannel | types.InputChannel):
        raise RpcFailure(400, "PEER_ID_INVALID")
    channel = simulator.channels.find(peer.channel_id)
    if channel is None or peer.access_hash != account.access_hash("channel", peer.channel_id):
        raise RpcFailure(400, "CHANNEL_INVALID")
    if channel.right_of(account.index) is Right.NONE:
        raise RpcFailure(400, "CHANNEL_PRIVATE")
    return channel
